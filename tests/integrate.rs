//! `integrate`: every equation of motion, replicas of different temperature.

#[macro_use]
mod common;

use common::{Backend, assert_close, chains, points};
use flashschnet::engine::{Integrator, State};
use flashschnet::ops::Ops;
use flashschnet::reference::ReferenceOps;

on_every_backend!(matches_the_reference);

fn matches_the_reference(backend: &Backend) {
    let (system, start) = chains(9, 3);
    let n = system.n_beads();
    let (forces, noise) = (points(1, n, 30.0), points(2, n, 2.0));
    // Near the origin: the tolerance is that of single precision.
    let positions = start.positions.iter().map(|x| [x[0] - 100.0, x[1] + 60.0, x[2]]).collect();
    let state = State { positions, velocities: points(3, n, 5.0), step: 17 };
    for integrator in [
        Integrator::Langevin { friction: 2.0 },
        Integrator::Nve,
        Integrator::Overdamped { friction: 1.5 },
    ] {
        let (dt, beta) = (0.004, [1.7, 1.1, 0.4]);
        let step = |ops: &dyn Ops| {
            ops.integrate(&system, integrator, dt, &beta, &forces, &noise, &state).unwrap()
        };
        let (found, expected) = (step(&*backend.ops), step(&ReferenceOps));
        let compare = |what: &str, found: &[[f64; 3]], expected: &[[f64; 3]]| {
            let what = format!("{integrator:?}: {what}");
            assert_close(&what, found.as_flattened(), expected.as_flattened(), 1e-6);
        };
        compare("positions", &found.positions, &expected.positions);
        compare("velocities", &found.velocities, &expected.velocities);
        assert_ne!(expected.positions, state.positions, "{integrator:?} moves nothing");
    }
}
