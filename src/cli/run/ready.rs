//! The simulation of a run before its first step.

use crate::Result;
use crate::checkpoint::Identity;
use crate::engine::Integrator;
use crate::simulation::{Settings, Simulation};
use crate::system::System;
use crate::variable::Variable;

use super::exchange::Number;
use super::{IntegratorName, Run, minimization_summary, start};
use crate::cli::inputs::Inputs;
use crate::cli::tell::tell;

/// A simulation, its identity for checkpoints, and the observables by their names.
type Ready = (Simulation, Identity, Vec<(String, Variable)>);

impl Run {
    /// Sets up the simulation of these options. `settings` are those of [`Run::settings`].
    pub(in crate::cli) fn set_up(&self, mut settings: Settings, inputs: &Inputs) -> Result<Ready> {
        if self.all_structures {
            settings.n_replicas = inputs.structures.len();
        }
        let settings = self.with_exchange(settings, inputs)?;
        let system = || System::new(&inputs.model, &inputs.structures);
        let (biases, metadynamics) = self.biases.read(self.config.as_deref(), &settings, system)?;
        let settings = Settings { biases, metadynamics, ..settings };
        let backend = self.backend.open_for_dynamics()?;
        let identity = Identity::new(&inputs.model, &inputs.structures, &backend)?;
        let mut simulation =
            Simulation::new(&inputs.model, &inputs.structures, &settings, &backend)?;
        if !simulation.minimized().is_empty() {
            let (line, is_complete) = minimization_summary(simulation.minimized());
            tell!("{line}");
            if !is_complete {
                log::warn!("some replicas did not converge in the minimization");
            }
        }
        let observables = self.observables.variables(simulation.system())?;
        simulation.set_observables(&observables)?;
        let replicas = settings.n_replicas;
        if inputs.structures.len() > replicas {
            let given = inputs.structures.len();
            log::warn!("{given} structures for {replicas} replicas: some structures are not used");
        }
        if inputs.molecule.is_some() && (2..replicas).contains(&inputs.structures.len()) {
            let given = inputs.structures.len();
            log::warn!(
                "{replicas} replicas start from {given} frames in turn; torchmd starts all from the \
                 first"
            );
        }
        start::warn_of_torsions(simulation.system(), settings.dt);
        Ok((simulation, identity, observables))
    }

    /// The settings without ladders and biases, which need the inputs.
    pub(in crate::cli) fn settings(&self) -> Result<Settings> {
        let friction = self.friction;
        Ok(Settings {
            exchange: None,
            watch: self.blow_ups.watch(),
            n_replicas: self.replicas.unwrap_or(64),
            integrator: match self.integrator {
                IntegratorName::Langevin => Integrator::Langevin { friction },
                IntegratorName::Nve => Integrator::Nve,
                IntegratorName::Overdamped => Integrator::Overdamped { friction },
                IntegratorName::OverdampedPublished => Integrator::OverdampedPublished { friction },
            },
            dt: self.dt,
            mts: self.mts,
            beta: self.temperatures.beta()?,
            seed: self.seed,
            first_replica: self.first_replica,
            remove_com_motion: self.start.remove_com_motion,
            anneal: self.temperatures.anneal.clone(),
            biases: Vec::new(),
            metadynamics: None,
            minimize: self.start.minimization(),
            check_start: true,
        })
    }

    /// The settings with the ladders, if states are exchanged.
    fn with_exchange(&self, settings: Settings, inputs: &Inputs) -> Result<Settings> {
        let structures = &inputs.structures;
        let number = match (self.replicas, self.all_structures) {
            (Some(replicas), _) => Number::Replicas(replicas),
            (None, true) => Number::Ladders(structures.len()),
            (None, false) => Number::LadderPerMolecule,
        };
        let (beta, first) = (&settings.beta, self.first_replica);
        let may_be_equal = self.biases.bias.is_some();
        let ladders = self.exchange.ladders(beta, structures, number, first, may_be_equal)?;
        let Some((exchange, n_replicas)) = ladders else { return Ok(settings) };
        let beta = exchange.ladders[0].beta[..1].to_vec();
        Ok(Settings { n_replicas, beta, exchange: Some(exchange), ..settings })
    }
}
