//! The contract of an engine: agreement with the reference on a mixed system, and its errors.

use std::sync::Arc;

use flashschnet::engine::{Dynamics, Engine, Frozen, Integrator, Reason, State, Terms, Watch};
use flashschnet::error::Error;
use flashschnet::model::{Model, SchNet};
use flashschnet::ops::Ops;
use flashschnet::reference::ReferenceOps;
use flashschnet::structure::{Structure, Topology};
use flashschnet::system::System;

use crate::common::{
    self, Backend, ENGINE, assert_close, at_rest, chain, chains, chains_with, hot, points, priors,
    small_schnet,
};

on_every_backend!(
    @ wgpu_portable:
    every_term_matches_the_reference,
    a_short_run_matches_the_reference,
    forces_follow_the_energy
);

on_every_backend!(
    @ slow wgpu_emulated:
    every_term_matches_the_reference,
    a_short_run_matches_the_reference
);

on_every_backend!(
    every_term_matches_the_reference,
    a_short_run_matches_the_reference,
    external_forces_push_without_doing_work_in_the_energy,
    too_many_neighbors_are_an_error,
    a_set_state_moves_on_after_a_blow_up,
    bad_input_is_refused,
    priors_need_no_network,
    forces_follow_the_energy,
    a_crowd_between_two_lists_is_an_error,
    steps_are_counted_beyond_32_bits,
    a_profile_of_no_steps_changes_nothing,
);

/// A long chain, a single bead and a short chain, with a network and no priors.
fn mixed() -> (System, State) {
    let model = Model { schnet: Some(small_schnet()), priors: Vec::new() };
    let structures = [33, 1, 6].map(|n| {
        let mut structure = chain(n, n as u64);
        let topology = Topology { lists: Vec::new(), ..(*structure.topology).clone() };
        structure.topology = Arc::new(topology);
        structure
    });
    let system = System::new(&model, &structures).unwrap();
    let state = at_rest(&system, structures.into_iter().flat_map(|s| s.positions).collect());
    (system, state)
}

/// The backend's engine and the reference's, in the same state.
fn both(
    backend: &Backend,
    system: &System,
    dynamics: &Dynamics,
    state: &State,
) -> [Box<dyn Engine>; 2] {
    [backend, &common::reference()].map(|backend| backend.moving(system.clone(), dynamics, state))
}

fn every_term_matches_the_reference(backend: &Backend) {
    for (system, state) in [mixed(), chains(15, 3)] {
        let n_terms = system.molecules()[0].terms.len();
        let [mut found, mut expected] = both(backend, &system, &hot(3), &state);
        assert_eq!(found.probe().n_edges().unwrap(), expected.probe().n_edges().unwrap());
        for terms in
            (0..n_terms).map(Terms::Prior).chain([Terms::Network, Terms::Total, Terms::Network])
        {
            let (found, expected) =
                (found.evaluate(terms).unwrap(), expected.evaluate(terms).unwrap());
            let close = |what: &str, found: &[f64], expected: &[f64]| {
                assert_close(&format!("{terms:?}: {what}"), found, expected, ENGINE);
            };
            close("energy", &found.energy, &expected.energy);
            close("bead energy", &found.bead_energy, &expected.bead_energy);
            close("forces", found.forces.as_flattened(), expected.forces.as_flattened());
        }
        let expected = expected.potential().unwrap();
        assert_close("potential", &found.potential().unwrap(), &expected, ENGINE);
    }
}

fn a_short_run_matches_the_reference(backend: &Backend) {
    for integrator in [
        Integrator::Langevin { friction: 5.0 },
        Integrator::Nve,
        Integrator::Overdamped { friction: 20.0 },
        Integrator::OverdampedPublished { friction: 20.0 },
    ] {
        let (system, state) = chains(11, 3);
        let dynamics = Dynamics { integrator, dt: 0.002, ..hot(3) };
        let state = State { beta: vec![1.7, 1.0, 0.5], ..state };
        let [found, expected] = both(backend, &system, &dynamics, &state).map(|mut engine| {
            engine.advance(20).unwrap();
            engine.state().unwrap()
        });
        assert_eq!(found.step, 20);
        let close = |what: &str, found: &[[f64; 3]], expected: &[[f64; 3]]| {
            let what = format!("{integrator:?}: {what}");
            assert_close(&what, found.as_flattened(), expected.as_flattened(), ENGINE);
        };
        close("positions", &found.positions, &expected.positions);
        close("velocities", &found.velocities, &expected.velocities);
    }
}

fn external_forces_push_without_doing_work_in_the_energy(backend: &Backend) {
    let (system, state) = chains(8, 2);
    let external = points(9, 16, 20.0);
    let dynamics = Dynamics { integrator: Integrator::Nve, ..hot(2) };
    let run = |external: Option<&[[f64; 3]]>, reference: bool| {
        let [found, expected] = both(backend, &system, &dynamics, &state);
        let mut engine = if reference { expected } else { found };
        let before = engine.evaluate(Terms::Total).unwrap();
        engine.set_external_forces(external).unwrap();
        assert_eq!(engine.evaluate(Terms::Total).unwrap(), before);
        engine.advance(10).unwrap();
        engine.state().unwrap()
    };
    let (pushed, free) = (run(Some(&external), false), run(None, false));
    assert_ne!(pushed.positions, free.positions);
    let expected = run(Some(&external), true).velocities;
    assert_close("velocities", pushed.velocities.as_flattened(), expected.as_flattened(), ENGINE);
}

fn too_many_neighbors_are_an_error(backend: &Backend) {
    let (system, mut state) = chains(14, 3);
    // The last bead of the last replica is moved, so that only this replica has beads with more
    // neighbors than the limit.
    state.positions[41] = state.positions[35].map(|x| x + 1.0);
    let (first_bead, radius) = (system.first_bead(), small_schnet().neighbor_radius());
    let graph = ReferenceOps.neighbor_list(&state.positions, first_bead, radius).unwrap();
    let degree = |i| graph.row(i).len();
    let limit = (0..28).map(degree).max().unwrap();
    assert!((28..42).any(|i| degree(i) > limit));
    let schnet = SchNet { max_num_neighbors: Some(limit as u32), ..small_schnet() };
    let (system, _) = chains_with(schnet, 14, 3);
    let dynamics = Dynamics { replica_ids: vec![7, 8, 9], ..hot(3) };
    let [mut found, mut expected] = both(backend, &system, &dynamics, &state);
    let expected = expected.potential().unwrap_err().to_string();
    assert!(expected.starts_with("replica 9, bead "), "{expected}");
    assert_eq!(found.potential().unwrap_err().to_string(), expected);
    assert_eq!(found.probe().n_edges().unwrap_err().to_string(), expected);
    let error = match found.advance(1) {
        Ok(()) => found.state().map(|_| ()),
        Err(error) => Err(error),
    };
    assert_eq!(error.unwrap_err().to_string(), expected);
}

fn a_set_state_moves_on_after_a_blow_up(backend: &Backend) {
    let (system, mut state) = chains(10, 3);
    state.step = 5;
    let dynamics = Dynamics { replica_ids: vec![7, 8, 9], ..hot(3) };
    let mut engine = backend.moving(system, &dynamics, &state);
    engine.advance(10).unwrap();
    let good = engine.state().unwrap();
    // A bead of the second replica is so fast that its squared speed overflows in f64, too.
    let mut broken = good.clone();
    broken.velocities[15] = [1e300, 0.0, 0.0];
    engine.set_state(&broken).unwrap();
    engine.advance(20).unwrap();
    let frozen = Frozen { step: 16, bead: 5, reason: Reason::Position };
    assert_eq!(engine.state().unwrap().frozen, [(1, frozen)].into());
    match engine.settle() {
        Err(Error::BlowUp { replica: 1, step: 16, .. }) => {}
        other => panic!("found {other:?}"),
    }
    engine.set_state(&good).unwrap();
    engine.advance(1).unwrap();
    assert_eq!(engine.settle().unwrap(), 16);
}

fn bad_input_is_refused(backend: &Backend) {
    let (system, state) = chains(10, 2);
    let invalid = |result: flashschnet::Result<()>| matches!(result, Err(Error::Invalid { .. }));
    assert!(invalid((backend.engine)(system.clone(), &hot(3)).map(|_| ())));
    let n_terms = system.molecules()[0].terms.len();
    let mut engine = backend.moving(system, &hot(2), &state);
    assert!(invalid(engine.evaluate(Terms::Prior(n_terms)).map(|_| ())));
    assert!(invalid(engine.energies(Terms::Prior(n_terms)).map(|_| ())));
    let mut short = state.clone();
    short.velocities.pop();
    assert!(invalid(engine.set_state(&short)));
    let mut wrong = state.clone();
    wrong.positions[3][1] = f64::NAN;
    assert!(invalid(engine.set_state(&wrong)));
    assert!(invalid(engine.probe().advance_with_noise(&state.positions[1..])));
    assert!(invalid(engine.set_external_forces(Some(&wrong.positions))));
    let kept = engine.state().unwrap();
    // Every backend stores positions at least as exactly as f32, whose relative error is 2⁻²⁴ =
    // 6e-8.
    let (found, expected) = (kept.positions.as_flattened(), state.positions.as_flattened());
    assert_close("positions", found, expected, 1e-7);
    assert_eq!((kept.velocities, kept.step), (state.velocities, state.step));
}

fn priors_need_no_network(backend: &Backend) {
    let model = Model { schnet: None, priors: priors(9) };
    let structure = chain(9, 1);
    let positions = structure.positions.clone();
    let system = System::new(&model, &[structure]).unwrap();
    let state = at_rest(&system, positions);
    let [mut found, mut expected] = both(backend, &system, &hot(1), &state);
    assert_eq!(found.probe().n_edges().unwrap(), [0]);
    let (found, expected) =
        (found.evaluate(Terms::Total).unwrap(), expected.evaluate(Terms::Total).unwrap());
    assert_close("energy", &found.energy, &expected.energy, ENGINE);
    assert_close("forces", found.forces.as_flattened(), expected.forces.as_flattened(), ENGINE);
    assert_eq!(found.bead_energy, [0.0; 9]);
}

/// Compares (E(x + h u) − E(x − h u)) / 2h with −F·u for a unit vector u along the force, where the
/// difference is largest relative to the rounding of the energies. The differences for h and 2h
/// are combined to cancel the error of order h². Rounding remains: 2⁻²⁴ of energies of about
/// 500 kcal/mol, divided by 2h, is about 1e-3 kcal/mol/Å, for forces of about 100 kcal/mol/Å.
fn forces_follow_the_energy(backend: &Backend) {
    for (system, state) in [mixed(), chains(15, 3)] {
        let n_terms = system.molecules()[0].terms.len();
        let mut engine = backend.still(system);
        for terms in (0..n_terms).map(Terms::Prior).chain([Terms::Network, Terms::Total]) {
            engine.set_state(&state).unwrap();
            let forces = engine.evaluate(terms).unwrap().forces;
            let size = forces.as_flattened().iter().map(|f| f * f).sum::<f64>().sqrt();
            assert!(size > 0.0, "{terms:?}: no forces");
            let mut energy = |h: f64| {
                let moved = |(x, f): (&[f64; 3], &[f64; 3])| {
                    std::array::from_fn(|c| x[c] + h * f[c] / size)
                };
                let positions = state.positions.iter().zip(&forces).map(moved).collect();
                let positions: Vec<_> = positions;
                engine.set_positions(&positions).unwrap();
                engine.evaluate(terms).unwrap().energy.iter().sum::<f64>()
            };
            let mut slope = |h: f64| (energy(h) - energy(-h)) / (2.0 * h);
            let derivative = (4.0 * slope(0.01) - slope(0.02)) / 3.0;
            let error = (derivative + size).abs();
            assert!(error <= 1e-3 * size + 5e-3, "{terms:?}: {derivative} instead of {}", -size);
        }
    }
}

/// A bead gets one neighbor too many between two builds of the list. The new neighbor is in the
/// list from the start, because it is within the skin.
fn a_crowd_between_two_lists_is_an_error(backend: &Backend) {
    let mut schnet = small_schnet();
    schnet.max_num_neighbors = Some(1);
    let topology = Topology { types: vec![1; 3], masses: vec![1e6; 3], lists: Vec::new() };
    let positions = vec![[0.0; 3], [0.0, 3.0, 0.0], [0.0, -7.2, 0.0]];
    let structure =
        Structure { topology: Arc::new(topology), positions: positions.clone(), velocities: None };
    let model = Model { schnet: Some(schnet), priors: Vec::new() };
    let system = System::new(&model, &[structure]).unwrap();
    // 0.05 Å per step: the bead is within the cutoff of 7 Å after five steps.
    let velocities = vec![[0.0; 3], [0.0; 3], [0.0, 12.5, 0.0]];
    let state = State { velocities, ..at_rest(&system, positions) };
    let integrator = Integrator::Nve;
    let dynamics = Dynamics { integrator, dt: 0.004, watch: Watch::OFF, ..hot(1) };
    let mut engine = backend.moving(system.clone(), &dynamics, &state);
    let mut builds_after = |steps| {
        engine.advance(steps).unwrap();
        engine.settle().unwrap();
        engine.probe().list_builds().unwrap()
    };
    assert_eq!(builds_after(1), builds_after(2));
    let error = match engine.advance(7) {
        Ok(()) => engine.settle().map(|_| ()),
        Err(error) => Err(error),
    };
    match error {
        Err(Error::TooManyNeighbors { replica: 0, bead: 0, found: 2, limit: 1 }) => {}
        other => panic!("found {other:?}"),
    }
    // It is an error, too, if the beads have parted again before the host reads the status.
    let mut engine = backend.moving(system, &dynamics, &state);
    let error = engine.advance(300).and_then(|()| engine.settle().map(|_| ()));
    assert!(matches!(error, Err(Error::TooManyNeighbors { limit: 1, .. })), "{error:?}");
}

/// A backend without timestamps refuses the profile, which changes nothing either.
fn a_profile_of_no_steps_changes_nothing(backend: &Backend) {
    let (system, state) = chains(9, 2);
    let step = |with_profile: bool| {
        let mut engine = backend.moving(system.clone(), &hot(2), &state);
        if with_profile && let Ok(times) = engine.probe().profile(0) {
            assert!(times.iter().all(|time| time.microseconds == 0.0));
        }
        engine.advance(1).unwrap();
        engine.state().unwrap()
    };
    assert_eq!(step(true), step(false));
}

fn steps_are_counted_beyond_32_bits(backend: &Backend) {
    let start = (1 << 32) - 7;
    let (system, state) = chains(9, 2);
    let state = State { step: start, ..state };
    let [found, expected] = both(backend, &system, &hot(2), &state).map(|mut engine| {
        engine.advance(20).unwrap();
        engine.state().unwrap()
    });
    assert_eq!([found.step, expected.step], [start + 20; 2]);
    let [x, y] = [&found, &expected].map(|state| state.positions.as_flattened());
    assert_close("positions", x, y, ENGINE);
    let mut engine = backend.moving(system, &hot(2), &found);
    let mut broken = found.clone();
    broken.velocities[2] = [1e300, 0.0, 0.0];
    engine.set_state(&broken).unwrap();
    engine.advance(3).unwrap();
    let frozen = Frozen { step: found.step + 1, bead: 2, reason: Reason::Position };
    assert_eq!(engine.state().unwrap().frozen, [(0, frozen)].into());
}
