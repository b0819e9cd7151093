//! The integrators: the part of a step before the force evaluation. All engines in host memory share
//! the part after it, `engine::end_step`.

use crate::engine::{Integrator, State};
use crate::system::System;

fn kick(system: &System, h: f64, forces: &[[f64; 3]], state: &mut State) {
    for ((v, force), mass) in state.velocities.iter_mut().zip(forces).zip(system.masses()) {
        for (v, force) in v.iter_mut().zip(force) {
            *v += h * force / mass;
        }
    }
}

fn drift(h: f64, state: &mut State) {
    for (x, v) in state.positions.iter_mut().zip(&state.velocities) {
        for (x, v) in x.iter_mut().zip(v) {
            *x += h * v;
        }
    }
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
    match integrator {
        Integrator::Langevin { friction } => {
            let keep = (-friction * dt).exp();
            // √(1 − keep²). exp_m1 keeps the digits of 1 − keep² for small friction.
            let refresh = (-(-2.0 * friction * dt).exp_m1()).sqrt();
            kick(system, 0.5 * dt, forces, state);
            drift(0.5 * dt, state);
            let masses = system.masses();
            for (r, beta) in state.beta.iter().enumerate() {
                for i in system.beads(r) {
                    let thermal = refresh * (1.0 / (beta * masses[i])).sqrt();
                    for (v, xi) in state.velocities[i].iter_mut().zip(noise[i]) {
                        *v = keep * *v + thermal * xi;
                    }
                }
            }
            drift(0.5 * dt, state);
        }
        Integrator::Nve => {
            kick(system, 0.5 * dt, forces, state);
            drift(dt, state);
        }
        Integrator::Overdamped { friction } | Integrator::OverdampedPublished { friction } => {
            for (r, beta) in state.beta.iter().enumerate() {
                let diffusion = 1.0 / (beta * friction);
                let published = matches!(integrator, Integrator::OverdampedPublished { .. });
                let mobility = if published { diffusion } else { 1.0 / friction };
                let thermal = (2.0 * diffusion * dt).sqrt();
                for i in system.beads(r) {
                    for c in 0..3 {
                        state.positions[i][c] +=
                            forces[i][c] * mobility * dt + thermal * noise[i][c];
                    }
                }
            }
        }
    }
}
