//! The tests of each step, and the parts of a step that heed them, for engines whose state is in host
//! memory.

use super::dynamics::Dynamics;
use super::parts::Parts;
use super::state::{FARTHEST, State};
use super::watch::{Frozen, Reason, Watch, bonds};
use crate::geometry::{separation, square};
use crate::system::System;

/// Tests the bonds at the present positions, which belong to the given step.
pub(crate) fn watch_bonds(system: &System, watch: &Watch, step: u64, state: &mut State) {
    for r in 0..system.n_replicas() {
        let positions = &state.positions[system.beads(r)];
        let stretched = |([i, j], rest): &([usize; 2], f64)| {
            let longest = watch.max_stretch * rest;
            square(separation(positions[*i], positions[*j])) > longest * longest
        };
        let first = bonds(system.molecule(r)).filter(stretched).map(|([i, _], _)| i).min();
        if let Some(bead) = first {
            state.freeze(r, Frozen { step, bead: bead as u32, reason: Reason::Stretch });
        }
    }
}

/// Puts back all beads of replicas that were frozen before this step, and each other bead that may
/// not move, after the part of a step before the force evaluation. `before` is the state before it.
pub(crate) fn hold(system: &System, before: &State, state: &mut State) {
    let step = before.step + 1;
    let may = |x: &[f64; 3], v: &[f64; 3]| {
        x.iter().all(|x| x.abs() < FARTHEST) && v.iter().all(|v| v.is_finite())
    };
    for r in 0..system.n_replicas() {
        for (bead, i) in system.beads(r).enumerate() {
            let refused = !may(&state.positions[i], &state.velocities[i]);
            if refused || before.is_frozen(r) {
                state.positions[i] = before.positions[i];
                state.velocities[i] = before.velocities[i];
                // A replica that froze at an earlier step keeps that step.
                state.freeze(r, Frozen { step, bead: bead as u32, reason: Reason::Position });
            }
        }
    }
}

/// The part of a step after the force evaluation: v += h/2 F/m, except for the overdamped
/// integrators, and the tests of forces and velocities. A velocity that would not be finite stays.
/// `forces` are those that act, with the weight `slow` for the slow forces.
pub(crate) fn end_step(
    system: &System,
    dynamics: &Dynamics,
    (forces, parts, slow): (&[[f64; 3]], &Parts, u32),
    state: &mut State,
) {
    state.step += 1;
    let (step, watch) = (state.step, &dynamics.watch);
    let has_velocities = dynamics.integrator.has_velocities();
    for r in 0..system.n_replicas() {
        if state.frozen.get(&r).is_some_and(|frozen| frozen.step < step) {
            continue;
        }
        let (masses, beta) = (&system.molecule(r).masses, state.beta[r]);
        for (bead, i) in system.beads(r).enumerate() {
            let (force, mass, v) = (forces[i], masses[bead], &mut state.velocities[i]);
            let mut reason = None;
            if has_velocities {
                let kick = 0.5 * dynamics.dt / mass;
                let kicked: [f64; 3] = std::array::from_fn(|c| v[c] + kick * force[c]);
                if watch.exceeds_kinetic(kicked, mass, beta) {
                    reason = Some(Reason::Kinetic);
                }
                if kicked.iter().all(|v| v.is_finite()) {
                    *v = kicked;
                }
            }
            // The energy of the network belongs to other positions where the slow forces do not act.
            let energy = if slow > 0 { parts.bead_energy[i] } else { 0.0 };
            if watch.exceeds_force(force, energy) {
                reason = Some(Reason::Force);
            }
            if let Some(reason) = reason {
                state.freeze(r, Frozen { step, bead: bead as u32, reason });
            }
        }
    }
}
