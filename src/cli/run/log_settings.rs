//! The first lines of a run's log.

use crate::Result;
use crate::bias::{Bias, BiasForm};
use crate::engine::{Exchange, Integrator};
use crate::hills::{Axis, Hills};
use crate::metadynamics::Metadynamics;
use crate::variable::Variable;

use super::Run;
use super::drive::{Drive, log_warnings};
use super::exchange::temperatures;
use super::plan::Plan;
use super::start::{kinds, summary};
use crate::cli::inputs::Inputs;

/// The variable of a bias and its form, each list by its ends.
fn described(bias: &Bias) -> String {
    fn few(name: &str, list: &[f64]) -> String {
        match list {
            [] => String::new(),
            [one] => format!(", {name} {one}"),
            [first, .., last] => format!(", {name} {first} to {last} in {} numbers", list.len()),
        }
    }
    let numbers = match &bias.form {
        BiasForm::Harmonic { k, center } => [few("k", k), few("center", center)].concat(),
        BiasForm::FlatBottom { k, lower, upper } => {
            [few("k", k), few("lower", lower), few("upper", upper)].concat()
        }
        BiasForm::Moving { k, path } => {
            let (steps, centers): (Vec<f64>, Vec<f64>) =
                path.iter().map(|(step, center)| (*step as f64, *center)).unzip();
            [few("k", k), few("steps", &steps), few("centers", &centers)].concat()
        }
    };
    let form = match bias.form {
        BiasForm::Harmonic { .. } => "harmonic",
        BiasForm::FlatBottom { .. } => "flat-bottom",
        BiasForm::Moving { .. } => "moving",
    };
    format!("{form} on {}{numbers}", bias.variable.kind())
}

impl Run {
    pub(super) fn log_settings(&self, drive: &mut Drive, inputs: &Inputs) -> Result<()> {
        let Drive { simulation, output, plan, .. } = drive;
        let system = simulation.system();
        let (n_beads, n_molecules) = (system.n_beads(), system.molecules().len());
        let n_replicas = system.n_replicas();
        let dynamics = simulation.dynamics().clone();
        let memory = simulation.engine().memory();
        let friction = match dynamics.integrator {
            Integrator::Langevin { friction } => Some(format!("{friction} 1/ps")),
            Integrator::Overdamped { friction } | Integrator::OverdampedPublished { friction } => {
                Some(format!("{friction} kcal ps/(mol Å²)"))
            }
            Integrator::Nve => None,
        };
        let replicas = format!(
            "{n_replicas} from number {}, {n_beads} beads, {}",
            self.first_replica,
            kinds(n_molecules)
        );
        output.log(format!("flashschnet {}", env!("CARGO_PKG_VERSION")))?;
        output.log(format!("device: {}", simulation.engine().device()))?;
        output.log(format!("device memory: {} bytes allocated", memory.allocated))?;
        if let Some(config) = &self.config {
            output.log(format!("configuration file: {}", config.display()))?;
        }
        output.log(format!("system: {}", inputs.source))?;
        if let Some(molecule) = &inputs.molecule {
            output.log(&molecule.summary)?;
        }
        output.log(format!("structures: {}", inputs.structures.len()))?;
        output.log(format!("replicas: {replicas}"))?;
        if n_molecules > 1 {
            for line in output.topologies() {
                output.log(line)?;
            }
        }
        output.log(format!("integrator: {}", dynamics.integrator.name()))?;
        if let Some(friction) = friction {
            output.log(format!("friction: {friction}"))?;
        }
        output.log(format!("dt: {} ps", self.dt))?;
        if dynamics.mts > 1 {
            output.log(format!("mts: the network acts every {} steps", dynamics.mts))?;
        }
        match &dynamics.exchange {
            Some(Exchange { every, ladders, .. }) => {
                let temperatures = temperatures(&ladders[0].beta);
                output.log(format!("exchange: every {every} steps"))?;
                output.log(format!("ladders: {}", ladders.len()))?;
                output.log(format!("temperatures of a ladder: {temperatures} K"))?;
            }
            None => output.log(format!("temperature: {} K", self.temperatures.kelvin()))?,
        }
        if dynamics.remove_com_motion {
            output.log("center of mass: at rest at the start")?;
        }
        if !simulation.minimized().is_empty() {
            output.log(summary(simulation.minimized()).0)?;
        }
        let plan: &Plan = plan;
        let Plan { steps, save_interval, .. } = plan;
        output.log(format!("steps: {steps}, a frame every {save_interval} and at the end"))?;
        let after = match plan.unsaved() {
            0 => String::new(),
            step => format!(" after step {step}"),
        };
        output.log(format!("frames: {}, every {save_interval}{after}", plan.frames()))?;
        for bias in simulation.biases() {
            output.log(format!("bias {}: {}", bias.name, described(bias)))?;
        }
        if let Some(Metadynamics { name, variables, hills, every }) = &dynamics.metadynamics {
            let Hills { axes, height, bias_factor, temperature } = hills;
            let axis = |(variable, axis): (&Variable, &Axis)| {
                let Axis { lower, upper, bins, periodic, width } = axis;
                let kind = if *periodic { "a periodic axis" } else { "an axis" };
                let variable = variable.kind();
                format!(
                    "; {variable} on {kind} from {lower} to {upper} with {bins} bins, width {width}"
                )
            };
            let axes: String = variables.iter().zip(axes).map(axis).collect();
            output.log(format!(
                "bias {name}: metadynamics every {every} steps, height {height} kcal/mol, bias factor \
                 {bias_factor}, {temperature} K{axes}"
            ))?;
        }
        let names: Vec<&str> = plan.observables.iter().map(|(name, _)| &**name).collect();
        if !names.is_empty() {
            output.log(format!("observables: {}", names.join(", ")))?;
        }
        output.log(format!("seed: {}", self.seed))?;
        output.log(format!("limits: {}", self.blow_ups))?;
        log_warnings(output)
    }
}
