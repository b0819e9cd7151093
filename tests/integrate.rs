//! `integrate`: every equation of motion, replicas of different temperature.

#[macro_use]
mod common;

use common::{Backend, assert_close, chain, chains, hot, points, priors};
use flashschnet::engine::{Dynamics, Integrator, State};
use flashschnet::model::{Model, PriorParameters};
use flashschnet::ops::Ops;
use flashschnet::reference::ReferenceOps;
use flashschnet::system::System;

on_every_backend!(matches_the_reference, many_small_ways_add_up);

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

/// Free beads up to 25 Å from the origin of their replica, where f32 has steps of 2e-6 Å, on ways of
/// at most 5e-6 Å a step: each coordinate arrives where it would in f64.
fn many_small_ways_add_up(backend: &Backend) {
    const STEPS: u64 = 300;
    let structure = chain(33, 5);
    let positions = structure.positions.clone();
    // A model has at least one term: bonds without force.
    let mut bonds = priors(33).swap_remove(0);
    bonds.parameters = PriorParameters::PerTuple { values: [0.0, 3.8, 0.0].repeat(32) };
    let model = Model { schnet: None, priors: vec![bonds] };
    let system = System::new(&model, &[structure]).unwrap();
    let velocities = points(6, 33, 0.0025);
    let mut engine = (backend.engine)(system).unwrap();
    let dynamics = Dynamics { integrator: Integrator::Nve, dt: 0.002, ..hot(1) };
    engine.set_dynamics(&dynamics).unwrap();
    engine.set_state(&State { positions: positions.clone(), velocities, step: 0 }).unwrap();
    let start = engine.state().unwrap();
    engine.advance(STEPS).unwrap();
    let end = engine.state().unwrap();
    let time = STEPS as f64 * 0.002;
    let starts = start.positions.as_flattened().iter().zip(start.velocities.as_flattened());
    let expected: Vec<f64> = starts.map(|(x, v)| x + time * v).collect();
    for (found, expected) in end.positions.as_flattened().iter().zip(expected) {
        // Half a step of the device's grid of positions, each time in the same direction.
        let allowed = STEPS as f64 * 0.5 * 2f64.powi(-32) + 1e-9;
        assert!((found - expected).abs() <= allowed, "{found} instead of {expected}");
    }
}
