//! Whether the start of a run clashes: forces so large that the first step throws a bead away, or
//! bonds stretched beyond their limit.

use super::blow_up::Acting;
use crate::bias::Bias;
use crate::engine::{Dynamics, Engine, Integrator, Reason, Terms, Wanted};
use crate::error::{Error, Result};
use crate::geometry::square;
use crate::largest::largest_by;
use crate::system::System;

/// A start is refused if its forces alone move a bead farther than this in the first step, Å. That
/// is half the distance of two beads, and no time step of a stable run comes near it.
const FARTHEST: f64 = 2.0;

/// Refuses a start that clashes.
///
/// # Errors
/// [`Error::BlowUp`] names the replica, the bead and the term with the largest force on it; errors
/// of the evaluation.
pub(super) fn check(
    engine: &mut dyn Engine,
    (system, biases): (&System, &[Bias]),
    dynamics: &Dynamics,
    beta: &[f64],
) -> Result<()> {
    // Values of biases, because that of the metadynamics must be on the grid.
    let wanted =
        Wanted { energies: Some(Terms::Total), forces: true, biases: true, ..Wanted::default() };
    let reading = engine.read(wanted)?;
    let mut forces = reading.evaluation.forces;
    for k in 0..biases.len() {
        let of_bias = engine.evaluate(Terms::Bias(k))?.forces;
        let all = forces.as_flattened_mut().iter_mut().zip(of_bias.as_flattened());
        all.for_each(|(sum, force)| *sum += force);
    }
    let metadynamics = dynamics.metadynamics.as_ref();
    let acting = Acting { system, external: None, biases, metadynamics };
    let refuse = |r: usize, what: String, reason: Reason| {
        let replica = dynamics.replica_ids[r];
        let what = if reason == Reason::Grid { what } else { format!("the start clashes: {what}") };
        Err(Error::BlowUp { replica, step: 0, what, last_good: None, advice: reason.advice() })
    };
    let moves = (0..system.n_replicas()).flat_map(|r| {
        let (beads, forces) = (system.beads(r), &forces);
        let masses = &system.molecule(r).masses;
        beads.clone().map(move |bead| {
            let i = bead - beads.start;
            let force = square(forces[bead]).sqrt();
            (r, i, bead, force * response(dynamics, beta[r], masses[i]))
        })
    });
    let farthest = largest_by(moves, |(.., moved)| *moved);
    let is_far = |moved: f64| moved > FARTHEST || moved.is_nan();
    if let Some((r, i, bead, moved)) = farthest.filter(|(.., moved)| is_far(*moved)) {
        let (term, force) = acting.largest_term(engine, bead)?;
        let what = format!(
            "{term} pushes bead {i} with {force:.3e} kcal/mol/Å, and the first step would move it \
             by {moved:.3e} Å"
        );
        return refuse(r, what, Reason::Force);
    }
    match reading.frozen.first_key_value() {
        Some((r, frozen)) => {
            refuse(*r, acting.describe(engine, dynamics, *r, *frozen)?, frozen.reason)
        }
        None => Ok(()),
    }
}

/// The displacement by a force of 1 kcal/mol/Å in the first step, Å.
fn response(dynamics: &Dynamics, beta: f64, mass: f64) -> f64 {
    let dt = dynamics.dt;
    match dynamics.integrator {
        Integrator::Langevin { .. } | Integrator::Nve => 0.5 * dt * dt / mass,
        Integrator::Overdamped { friction } => dt / friction,
        Integrator::OverdampedPublished { friction } => dt / (beta * friction),
    }
}
