//! `integrate`: every equation of motion, with replicas at different temperatures.

use flashschnet::engine::{Dynamics, Integrator, State};
use flashschnet::model::{Model, PriorParameters};
use flashschnet::ops::Ops;
use flashschnet::reference::ReferenceOps;
use flashschnet::system::System;

use crate::common::{Backend, assert_close, chain, chains, hot, points, priors};

with_tables!(matches_the_reference, many_small_ways_add_up, weak_friction_keeps_the_temperature,);

fn matches_the_reference(backend: &Backend) {
    let (system, start) = chains(9, 3);
    let n = system.n_beads();
    let (forces, noise) = (points(1, n, 30.0), points(2, n, 2.0));
    // The chains are moved near the origin, where single precision meets the tolerance.
    let positions = start.positions.iter().map(|x| [x[0] - 100.0, x[1] + 60.0, x[2]]).collect();
    let (velocities, beta) = (points(3, n, 5.0), vec![1.7, 1.1, 0.4]);
    let state = State { velocities, beta, step: 17, ..State::at_rest(&system, positions) };
    for integrator in [
        Integrator::Langevin { friction: 2.0 },
        Integrator::Nve,
        Integrator::Overdamped { friction: 1.5 },
        Integrator::OverdampedPublished { friction: 1.5 },
    ] {
        let step = |ops: &dyn Ops| {
            ops.integrate(&system, integrator, 0.004, &forces, &noise, &state).unwrap()
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

/// v' = keep v + refresh √(1/(β m)) ξ keeps the variance 1/(β m) of the velocities only if
/// keep² + refresh² = 1: the noise must add as much as friction removes, also if both are small.
fn weak_friction_keeps_the_temperature(backend: &Backend) {
    let (system, start) = chains(9, 1);
    let n = system.n_beads();
    let still = vec![[0.0; 3]; n];
    let ones = vec![[1.0; 3]; n];
    for friction in [1.0, 0.1, 0.01] {
        let velocities = |velocities: &Vec<[f64; 3]>, noise: &Vec<[f64; 3]>| {
            let (velocities, beta) = (velocities.clone(), vec![2.0]);
            let state = State { velocities, beta, ..start.clone() };
            let integrator = Integrator::Langevin { friction };
            let end =
                backend.ops.integrate(&system, integrator, 1e-3, &still, noise, &state).unwrap();
            end.velocities
        };
        let (kept, brought) = (velocities(&ones, &still), velocities(&still, &ones));
        for ((keep, noise), mass) in kept.iter().zip(&brought).zip(system.masses()) {
            let refresh2 = noise[0] * noise[0] * 2.0 * mass;
            let lost = 1.0 - keep[0] * keep[0];
            assert!((refresh2 / lost - 1.0).abs() < 1e-5, "{friction}: {refresh2}, not {lost}");
        }
    }
}

/// Free beads up to 25 Å from the origin of their replica move at most 5e-6 Å per step. There the
/// spacing of f32 is 2e-6 Å, yet each coordinate ends where it would in f64.
fn many_small_ways_add_up(backend: &Backend) {
    const STEPS: u64 = 300;
    let structure = chain(33, 5);
    let positions = structure.positions.clone();
    // A model needs at least one term, so it has bonds without force.
    let mut bonds = priors(33).swap_remove(0);
    bonds.parameters = PriorParameters::PerTuple { values: [0.0, 3.8, 0.0].repeat(32) };
    let model = Model { schnet: None, priors: vec![bonds] };
    let system = System::new(&model, &[structure]).unwrap();
    let velocities = points(6, 33, 0.0025);
    let state = State { velocities, ..State::at_rest(&system, positions) };
    let dynamics = Dynamics { integrator: Integrator::Nve, dt: 0.002, ..hot(1) };
    let mut engine = backend.moving(system, &dynamics, &state);
    let start = engine.state().unwrap();
    engine.advance(STEPS).unwrap();
    let end = engine.state().unwrap();
    let time = STEPS as f64 * 0.002;
    let starts = start.positions.as_flattened().iter().zip(start.velocities.as_flattened());
    let expected: Vec<f64> = starts.map(|(x, v)| x + time * v).collect();
    for (found, expected) in end.positions.as_flattened().iter().zip(expected) {
        // Positions are multiples of 2⁻³² Å. The rounding error per step is at most half of that,
        // and at worst it always has the same sign.
        let allowed = STEPS as f64 * 0.5 * 2f64.powi(-32) + 1e-9;
        assert!((found - expected).abs() <= allowed, "{found} instead of {expected}");
    }
}
