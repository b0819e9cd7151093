//! The limits of a replica on the command line.

use std::fmt;

use crate::engine::{OnBlowUp, Watch};
use clap::{Args, ValueEnum};

use crate::cli::options::real;

#[derive(Args)]
#[command(next_help_heading = "Blow-ups")]
pub(super) struct LimitOptions {
    /// End the run when a replica exceeds a limit, or freeze the replica and go on with the others
    #[arg(long, value_enum, default_value_t = Action::Stop, value_name = "ACTION")]
    on_blow_up: Action,
    /// Largest force on a bead in kcal/mol/Å; inf for no limit
    #[arg(long, value_parser = real, default_value_t = Watch::default().max_force, value_name = "F")]
    max_force: f64,
    /// Largest kinetic energy of a bead in units of k_B T; inf for no limit
    #[arg(long, value_parser = real, default_value_t = Watch::default().max_kinetic, value_name = "X")]
    max_kinetic: f64,
    /// Largest length of a bond in units of its rest length; inf for no limit
    #[arg(long, value_parser = real, default_value_t = Watch::default().max_stretch, value_name = "X")]
    max_stretch: f64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Action {
    /// End the run with an error
    Stop,
    /// Go on with the other replicas, until none is left
    Freeze,
}

impl LimitOptions {
    pub(super) fn watch(&self) -> Watch {
        let LimitOptions { max_force, max_kinetic, max_stretch, .. } = *self;
        let on_blow_up = match self.on_blow_up {
            Action::Stop => OnBlowUp::Stop,
            Action::Freeze => OnBlowUp::Freeze,
        };
        Watch { max_force, max_kinetic, max_stretch, on_blow_up }
    }
}

impl fmt::Display for LimitOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LimitOptions { max_force, max_kinetic, max_stretch, .. } = self;
        let action = match self.on_blow_up {
            Action::Stop => "stop",
            Action::Freeze => "freeze",
        };
        write!(
            f,
            "force {max_force} kcal/mol/Å, kinetic energy {max_kinetic} kT, bond {max_stretch} rest \
             lengths; on a blow-up: {action}"
        )
    }
}
