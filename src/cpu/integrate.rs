//! The integrators in f64: one pass over the beads before the force evaluation. All engines in host
//! memory share the pass after it, `engine::end_step`.

use rayon::prelude::*;

use crate::engine::{Integrator, State};
use crate::random::{Stream, normal3};
use crate::system::System;

/// Beads per chunk when random numbers are drawn.
const CHUNK: usize = 128;

/// Draws the standard normal numbers of one step for the beads of replica `replica`.
pub(super) fn noise(seed: u64, replica: u32, step: u64, noise: &mut [[f64; 3]]) {
    noise.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, noise)| {
        for (bead, noise) in noise.iter_mut().enumerate() {
            let bead = (chunk * CHUNK + bead) as u32;
            *noise = normal3(seed, Stream::Noise, replica, step, bead);
        }
    });
}

/// The part of a step before the force evaluation.
pub(super) fn begin(
    system: &System,
    integrator: Integrator,
    dt: f64,
    forces: &[[f64; 3]],
    noise: &[[f64; 3]],
    state: &mut State,
) {
    let half = 0.5 * dt;
    // c and 1 − c². exp_m1 keeps the digits of 1 − c² for small friction.
    let (keep, refresh) = match integrator {
        Integrator::Langevin { friction } => {
            ((-friction * dt).exp(), -(-2.0 * friction * dt).exp_m1())
        }
        Integrator::Nve
        | Integrator::Overdamped { .. }
        | Integrator::OverdampedPublished { .. } => (1.0, 0.0),
    };
    for (r, beta) in state.beta.iter().enumerate() {
        let beads = system.beads(r);
        let positions = &mut state.positions[beads.clone()];
        let velocities = &mut state.velocities[beads.clone()];
        let (forces, noise) = (&forces[beads.clone()], &noise[beads]);
        let masses = &system.molecule(r).masses;
        for (i, mass) in masses.iter().enumerate() {
            for c in 0..3 {
                let (x, v) = (&mut positions[i][c], &mut velocities[i][c]);
                match integrator {
                    Integrator::Langevin { .. } => {
                        let thermal = (refresh / (beta * mass)).sqrt();
                        *v += half / mass * forces[i][c];
                        *x += half * *v;
                        *v = keep * *v + thermal * noise[i][c];
                        *x += half * *v;
                    }
                    Integrator::Nve => {
                        *v += half / mass * forces[i][c];
                        *x += dt * *v;
                    }
                    Integrator::Overdamped { friction } => {
                        let spread = (2.0 * dt / (beta * friction)).sqrt();
                        *x += dt / friction * forces[i][c] + spread * noise[i][c];
                    }
                    Integrator::OverdampedPublished { friction } => {
                        let reach = dt / (beta * friction);
                        *x += reach * forces[i][c] + (2.0 * reach).sqrt() * noise[i][c];
                    }
                }
            }
        }
    }
}
