//! Whether the start of a run clashes: forces so large that the first step throws a bead away.

use crate::engine::{Dynamics, Engine, Integrator, Terms};
use crate::error::{Error, Result};
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
    system: &System,
    dynamics: &Dynamics,
    beta: &[f64],
) -> Result<()> {
    let forces = engine.evaluate(Terms::Total)?.forces;
    let moves = (0..system.n_replicas()).flat_map(|r| {
        let (beads, forces) = (system.beads(r), &forces);
        let masses = &system.molecule(r).masses;
        beads.clone().map(move |bead| {
            let i = bead - beads.start;
            (r, i, bead, length(forces[bead]) * response(dynamics, beta[r], masses[i]))
        })
    });
    let Some((r, i, bead, moved)) = largest_by(moves, |(.., moved)| *moved) else {
        return Ok(());
    };
    if moved <= FARTHEST {
        return Ok(());
    }
    let mut of_terms = Vec::new();
    for (name, terms) in Terms::of(system) {
        of_terms.push((name, length(engine.evaluate(terms)?.forces[bead])));
    }
    let worst = largest_by(of_terms, |(_, force)| *force);
    let (term, force) = worst.unwrap_or_else(|| ("a force".into(), f64::NAN));
    Err(Error::BlowUp {
        replica: dynamics.replica_ids[r],
        first_step: 0,
        last_step: 0,
        what: format!(
            "the start clashes: {term} pushes bead {i} with {force:.3e} kcal/mol/Å, and the first \
             step would move it by {moved:.3e} Å"
        ),
    })
}

fn length(force: [f64; 3]) -> f64 {
    force.iter().map(|f| f * f).sum::<f64>().sqrt()
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
