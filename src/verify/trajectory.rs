//! Trajectories whose random numbers are given.

use super::case::Case;
use super::{EngineFactory, Findings, Options, check, check_mixed, flat};
use crate::engine::{Dynamics, Integrator, State, Terms};
use crate::error::Result;
use crate::system::System;

pub(super) fn trajectory(
    case: &Case,
    options: Options,
    engine: &EngineFactory,
) -> Result<Findings> {
    let settings = case.trajectory()?;
    let model_case = case.model_case()?;
    let model = model_case.model()?;
    let start = case.tensor("input/pos0")?;
    let overdamped = matches!(settings.integrator, Integrator::Overdamped { .. });
    let velocities = match overdamped {
        true => None,
        false => Some(case.shaped("input/vel0", &start.shape)?),
    };
    let mut topology = model_case.topology(&model)?;
    topology.masses = case.tensor("input/masses")?.values;
    let masses = topology.masses.clone();
    let structures = Case::structures(topology, &start, velocities.as_ref())?;
    let (n_replicas, n_beads) = (structures.len(), masses.len());
    let n = n_replicas * n_beads;
    let noise = match settings.integrator {
        Integrator::Nve => None,
        _ => Some(case.shaped("input/noise", &[settings.steps, n_replicas, n_beads, 3])?.vectors()),
    };
    let mut engine = engine(System::new(&model, &structures)?)?;
    engine.set_dynamics(&Dynamics {
        integrator: settings.integrator,
        dt: settings.dt,
        beta: case.shaped("input/beta", &[n_replicas])?.values,
        seed: 0,
        replica_ids: (0..n_replicas as u32).collect(),
    })?;
    let zero = vec![[0.0; 3]; n];
    let velocities = velocities.map_or_else(|| zero.clone(), |v| v.vectors());
    engine.set_state(&State { positions: start.vectors(), velocities, step: 0 })?;

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
    let steps = settings.steps.min(options.max_steps.unwrap_or(usize::MAX));
    for step in 1..=steps {
        let noise = noise.as_ref().map_or(&zero[..], |noise| &noise[(step - 1) * n..step * n]);
        engine.advance_with_noise(noise)?;
        comparisons.push(check("potential", true, step * n_replicas, &engine.potential()?)?);
        let state = engine.state()?;
        if !overdamped {
            let kinetic = kinetic(&masses, &state.velocities);
            comparisons.push(check("kinetic", true, step * n_replicas, &kinetic)?);
        }
        if step % settings.stride == 0 {
            let at = step / settings.stride * n * 3;
            comparisons.push(check("pos", false, at, flat(&state.positions))?);
            if !overdamped {
                comparisons.push(check("vel", false, at, flat(&state.velocities))?);
            }
        }
    }
    if steps == settings.steps {
        let forces = engine.evaluate(Terms::Total)?.forces;
        comparisons.push(check("forces_final", false, 0, flat(&forces))?);
    }
    Ok(Findings { comparisons, mixed: None })
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
