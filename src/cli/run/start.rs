//! The start of a run on the command line: minimization and motion of the center of mass.

use crate::engine::{Minimization, Minimized};
use crate::system::System;
use clap::Args;

use crate::cli::options::{real, whole};

/// The most steps of `--minimize` without a number, as text: clap parses it.
const MOST_STEPS: &str = "5000";

#[derive(Args)]
pub(super) struct StartOptions {
    /// Minimize the energy of each replica before the first step, in at most N steps [N: 5000]
    ///
    /// The method is FIRE. A replica stops when the force on each of its beads is within the tolerance.
    /// A run whose replicas do not all converge goes on with a warning.
    #[arg(long, value_parser = whole::<u32, 1>, value_name = "N")]
    #[arg(num_args = 0..=1, default_missing_value = MOST_STEPS)]
    minimize: Option<u32>,
    /// Largest force on a bead after the minimization, in kcal/mol/Å
    #[arg(long, value_parser = real, value_name = "F")]
    #[arg(default_value_t = Minimization::default().tolerance, requires = "minimize")]
    minimize_tolerance: f64,
    /// Remove the motion of the center of mass of each replica from the velocities at the start. Then
    /// the temperature of nve dynamics counts three degrees of freedom less
    #[arg(long)]
    pub(super) remove_com_motion: bool,
}

impl StartOptions {
    pub(super) fn minimization(&self) -> Option<Minimization> {
        let tolerance = self.minimize_tolerance;
        self.minimize.map(|most_steps| Minimization { most_steps, tolerance })
    }
}

/// The longest time step that resolves torsions of beads that come near a line, ps.
const TORSION_DT: f64 = 0.002;

/// Warns of a time step that is too long for torsions without angles. Such a torsion can kick a bead
/// that passes near the line of its neighbors, so hard that the replica heats up.
pub(super) fn warn_of_torsions(system: &System, dt: f64) {
    let torsion = system.molecules().iter().find_map(|molecule| molecule.torsion_without_angles());
    if let Some(beads) = torsion.filter(|_| dt > TORSION_DT) {
        log::warn!(
            "no prior holds the angles of torsions, for example of beads {beads:?}: their forces have \
             no bound where beads are in a line, and a time step of {dt} ps can make a replica blow \
             up; {TORSION_DT} ps is safer"
        );
    }
}

/// A line about the results of a minimization, and whether all replicas have converged.
pub(in crate::cli) fn summary(results: &[Minimized]) -> (String, bool) {
    let range = |of: &dyn Fn(&Minimized) -> f64| {
        let mut values: Vec<f64> = results.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        let [first, middle, last] =
            [0, (values.len() - 1) / 2, values.len() - 1].map(|k| values[k]);
        format!("{first:.3}, {middle:.3}, {last:.3}")
    };
    let converged = results.iter().filter(|of| of.is_converged).count();
    let steps = results.iter().map(|of| of.steps).max().unwrap_or_default();
    let largest = results.iter().map(|of| of.largest_force).fold(0.0, f64::max);
    let line = format!(
        "minimization: {converged} of {} replicas converged within {steps} steps; energy (least, \
         median, largest) {} kcal/mol before, {} kcal/mol after; largest force {largest:.3e} \
         kcal/mol/Å",
        results.len(),
        range(&|of| of.energy_before),
        range(&|of| of.energy_after),
    );
    (line, converged == results.len())
}

/// The number of different molecules.
pub(super) fn kinds(n_molecules: usize) -> String {
    match n_molecules {
        1 => "1 molecule".to_owned(),
        n => format!("{n} different molecules"),
    }
}
