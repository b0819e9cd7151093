//! Far from the origin: replicas that travel, and molecules of one replica far from each other.

use std::sync::Arc;

use flashschnet::engine::{
    Dynamics, Engine, FARTHEST, Frozen, Integrator, Reason, State, Terms, Watch,
};
use flashschnet::model::Model;
use flashschnet::structure::{Structure, Topology};
use flashschnet::system::System;

use crate::common::{
    self, Backend, ENGINE, assert_close, at_rest, chains, hot, points, small_schnet, truth,
};

on_every_backend!(
    a_chain_that_travels_keeps_its_forces,
    molecules_far_apart_keep_their_forces,
    what_is_too_far_is_refused,
    what_goes_too_far_is_a_blow_up,
);

on_every_backend!(
    @ wgpu_emulated:
    a_chain_that_travels_keeps_its_forces
);

/// A chain that moves at 10 Å per step.
fn traveler() -> (System, State, Dynamics) {
    let (system, state) = chains(10, 1);
    let velocities = vec![[2500.0, 0.0, 0.0]; 10];
    let integrator = Integrator::Nve;
    let dynamics = Dynamics { integrator, dt: 0.004, watch: Watch::OFF, ..hot(1) };
    (system, State { velocities, ..state }, dynamics)
}

/// After 250 steps and 10,000 Å the forces agree with those of the reference at the same
/// positions.
fn a_chain_that_travels_keeps_its_forces(backend: &Backend) {
    let (system, mut state, dynamics) = traveler();
    state.velocities.fill([1e4, 0.0, 0.0]);
    let mut engine = backend.moving(system.clone(), &dynamics, &state);
    engine.advance(250).unwrap();
    let end = engine.state().unwrap();
    // The chain is 14 Å long and stays bound.
    assert!((end.positions[0][0] - state.positions[0][0] - 1e4).abs() < 20.0, "{end:?}");
    let mut truth = truth(system);
    truth.set_positions(&end.positions).unwrap();
    for terms in [Terms::Network, Terms::Prior(0), Terms::Total] {
        let (found, expected) = (engine.evaluate(terms), truth.evaluate(terms));
        let (found, expected) = (found.unwrap(), expected.unwrap());
        let what = format!("{terms:?}");
        let [found, expected] = [&found.forces, &expected.forces].map(|f| f.as_flattened());
        assert_close(&what, found, expected, ENGINE);
    }
}

/// Two clouds of free beads in one replica.
fn two_clouds(distance: f64) -> (System, State) {
    let n = 12;
    let topology = Topology {
        types: (0..2 * n as u32).map(|i| i % 5).collect(),
        masses: vec![0.1; 2 * n],
        lists: Vec::new(),
    };
    let mut positions = points(4, 2 * n, 4.0);
    for x in &mut positions[n..] {
        x[1] += distance;
    }
    let structure =
        Structure { topology: Arc::new(topology), positions: positions.clone(), velocities: None };
    let model = Model { schnet: Some(small_schnet()), priors: Vec::new() };
    let system = System::new(&model, &[structure]).unwrap();
    let state = at_rest(&system, positions);
    (system, state)
}

fn molecules_far_apart_keep_their_forces(backend: &Backend) {
    for distance in [1e4, 1e6] {
        let (system, state) = two_clouds(distance);
        let mut truth = truth(system.clone());
        truth.set_positions(&state.positions).unwrap();
        let expected = truth.evaluate(Terms::Network).unwrap().forces;
        let mut engine = backend.still(system);
        engine.set_positions(&state.positions).unwrap();
        let found = engine.evaluate(Terms::Network).unwrap().forces;
        // Each cloud has its own tolerance, so the far one is not measured by the forces on the
        // other.
        for beads in [0..12, 12..24] {
            let what = format!("{distance} Å, {beads:?}");
            let [found, expected] =
                [&found[beads.clone()], &expected[beads]].map(|forces| forces.as_flattened());
            assert_close(&what, found, expected, ENGINE);
        }
    }
}

fn what_is_too_far_is_refused(backend: &Backend) {
    let (system, state) = two_clouds(1.1e6);
    let mut engine = backend.still(system);
    for error in [engine.set_positions(&state.positions), engine.set_state(&state)] {
        let error = error.unwrap_err().to_string();
        assert!(error.contains("positions[12]") && error.contains("within 1048576 Å"), "{error}");
    }
}

fn what_goes_too_far_is_a_blow_up(backend: &Backend) {
    let (system, state, dynamics) = traveler();
    let velocities = vec![[2.5e7, 0.0, 0.0]; 10];
    let mut engine = backend.moving(system, &dynamics, &State { velocities, ..state });
    // 100,000 Å per step: the eleventh step leads beyond the limit of 1,048,576 Å.
    engine.advance(20).unwrap();
    let end = engine.state().unwrap();
    let frozen = Frozen { step: 11, bead: 0, reason: Reason::Position };
    assert_eq!(end.frozen, [(0, frozen)].into());
    assert!(end.positions.iter().all(|x| x[0] > 9e5 && x[0] < FARTHEST), "{end:?}");
    engine.set_state(&end).unwrap();
    assert_eq!(engine.state().unwrap(), end);
}

/// An origin moves, by whole Å, when and only when the first bead is more than 64 Å
/// away from it.
#[test]
fn origins_follow_the_rule() {
    let (system, state, dynamics) = traveler();
    let mut engine = common::wgpu_table().moving(system, &dynamics, &state);
    let mut before = state.positions[0].map(f64::round);
    assert_eq!(state.origins, [before]);
    for _ in 0..30 {
        engine.advance(1).unwrap();
        let State { positions, origins, .. } = engine.state().unwrap();
        let first = positions[0];
        let is_far = (0..3).any(|c| (first[c] - before[c]).abs() > 64.0);
        let expected = if is_far { first.map(f64::round) } else { before };
        assert_eq!(origins, [expected], "first bead at {first:?}");
        before = origins[0];
    }
}
