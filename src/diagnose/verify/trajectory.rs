//! Comparison of trajectories with given random numbers.

use super::case::{Case, Start};
use super::check::{EngineFactory, Options, check, check_mixed, flat};
use super::report::Findings;
use crate::engine::{Integrator, Terms};
use crate::error::Result;
use crate::simulation::Simulation;

pub(super) fn trajectory(
    case: &Case,
    options: Options,
    engine: &EngineFactory,
) -> Result<Findings> {
    let Start { model, structures, settings } = case.start()?;
    let has_velocities = settings.integrator.has_velocities();
    let (n_replicas, masses) = (structures.len(), structures[0].topology.masses.clone());
    let (n_steps, stride) =
        (case.count(&["steps"])?, case.count(&["frame_stride_pos_vel"])?.max(1));
    let n = n_replicas * masses.len();
    let noise = match settings.integrator {
        Integrator::Nve => None,
        Integrator::Langevin { .. }
        | Integrator::Overdamped { .. }
        | Integrator::OverdampedPublished { .. } => {
            Some(case.shaped("input/noise", &[n_steps, n_replicas, masses.len(), 3])?.vectors())
        }
    };
    let zero = vec![[0.0; 3]; n];
    let mut simulation = Simulation::with_engine(&model, &structures, &settings, engine)?;
    let engine = simulation.engine();

    let check = |name: &str, energy, start: usize, found: &[f64]| {
        check(case, options, name, energy, start, found)
    };
    let forces = engine.evaluate(Terms::Total)?.forces;
    if options.mixed && model.schnet.is_some() {
        let network = engine.evaluate(Terms::Network)?.forces;
        let energies = engine.potential()?;
        let energies = ("potential", energies.as_slice());
        let network = Some(flat(&network));
        return check_mixed(case, "forces_initial", flat(&forces), network, energies);
    }
    let mut comparisons = vec![
        check("potential", true, 0, &engine.potential()?)?,
        check("forces_initial", false, 0, flat(&forces))?,
    ];
    let steps = n_steps.min(options.max_steps.unwrap_or(usize::MAX));
    for step in 1..=steps {
        let noise = noise.as_ref().map_or(&zero[..], |noise| &noise[(step - 1) * n..step * n]);
        engine.probe().advance_with_noise(noise)?;
        comparisons.push(check("potential", true, step * n_replicas, &engine.potential()?)?);
        let state = engine.state()?;
        if has_velocities {
            let kinetic = kinetic(&masses, &state.velocities);
            comparisons.push(check("kinetic", true, step * n_replicas, &kinetic)?);
        }
        if step % stride == 0 {
            let at = step / stride * n * 3;
            comparisons.push(check("pos", false, at, flat(&state.positions))?);
            if has_velocities {
                comparisons.push(check("vel", false, at, flat(&state.velocities))?);
            }
        }
    }
    if steps == n_steps {
        let forces = engine.evaluate(Terms::Total)?.forces;
        comparisons.push(check("forces_final", false, 0, flat(&forces))?);
    }
    Ok(Findings { comparisons, mixed: None, note: None })
}

/// ½ Σ m v² of each replica.
fn kinetic(masses: &[f64], velocities: &[[f64; 3]]) -> Vec<f64> {
    let of_replica = |velocities: &[[f64; 3]]| {
        let twice =
            velocities.iter().zip(masses).map(|(v, m)| m * v.iter().map(|v| v * v).sum::<f64>());
        0.5 * twice.sum::<f64>()
    };
    velocities.chunks_exact(masses.len()).map(of_replica).collect()
}
