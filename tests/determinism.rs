//! Bits: the same for the same seed, whoever else is computed, however many threads there are.

#[macro_use]
mod common;

use common::{Backend, at_rest, chains, hot, points, small_schnet};
use flashschnet::engine::{Dynamics, Evaluation, Integrator, State, Terms};
use flashschnet::model::Model;
use flashschnet::system::{Structure, System, Topology};

on_every_backend!(
    same_seed_gives_same_bits,
    another_seed_gives_another_run,
    a_replica_alone_is_the_replica_among_others,
    setting_the_state_that_was_read_changes_nothing,
    the_way_a_run_is_cut_changes_nothing,
);

const STEPS: u64 = 250;

/// Runs in pieces; with `reset`, the state is read and set again after each.
fn run(
    backend: &Backend,
    (system, state): (System, State),
    dynamics: &Dynamics,
    pieces: &[u64],
    reset: bool,
) -> (State, Evaluation) {
    let mut engine = (backend.engine)(system).unwrap();
    engine.set_dynamics(dynamics).unwrap();
    engine.set_state(&state).unwrap();
    for steps in pieces {
        engine.advance(*steps).unwrap();
        if reset {
            let state = engine.state().unwrap();
            engine.set_state(&state).unwrap();
        }
    }
    (engine.state().unwrap(), engine.evaluate(Terms::Total).unwrap())
}

/// The farthest way of a bead, Å.
fn farthest(from: &State, to: &State) -> f64 {
    let way = |(x, y): (&[f64; 3], &[f64; 3])| {
        x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt()
    };
    from.positions.iter().zip(&to.positions).map(way).fold(0.0, f64::max)
}

fn same_seed_gives_same_bits(backend: &Backend) {
    let start = chains(14, 3);
    let first = run(backend, start.clone(), &hot(3), &[STEPS], false);
    // Beads move several times any skin, so that lists were rebuilt on the way.
    assert!(farthest(&start.1, &first.0) > 4.0, "{}", farthest(&start.1, &first.0));
    assert_eq!(run(backend, start, &hot(3), &[STEPS], false), first);
}

fn another_seed_gives_another_run(backend: &Backend) {
    let (first, _) = run(backend, chains(14, 2), &hot(2), &[5], false);
    let dynamics = Dynamics { seed: 12, ..hot(2) };
    let (second, _) = run(backend, chains(14, 2), &dynamics, &[5], false);
    let replicas: Vec<_> = first.positions.chunks(14).chain(second.positions.chunks(14)).collect();
    for k in 0..4 {
        assert!(!replicas[..k].contains(&replicas[k]));
    }
}

/// 40 replicas of 14 beads, each with its own number, and replica 17 of them.
fn a_replica_alone_is_the_replica_among_others(backend: &Backend) {
    let (n, r) = (40, 17);
    let (system, state) = chains(14, n);
    let dynamics = Dynamics { replica_ids: (100..100 + n as u32).collect(), ..hot(n) };
    let beads = system.beads(r);
    let alone = System { molecule_of: vec![0], first_bead: vec![0, 14], ..system.clone() };
    let alone_state = at_rest(state.positions[beads.clone()].to_vec());
    let alone_dynamics = Dynamics { replica_ids: vec![100 + r as u32], ..hot(1) };

    let start = state.clone();
    let (many, of_many) = run(backend, (system, state), &dynamics, &[STEPS], false);
    assert!(farthest(&start, &many) > 4.0);
    let (one, of_one) = run(backend, (alone, alone_state), &alone_dynamics, &[STEPS], false);
    assert_eq!(one.positions, many.positions[beads.clone()]);
    assert_eq!(one.velocities, many.velocities[beads.clone()]);
    assert_eq!(of_one.energy[0], of_many.energy[r]);
    assert_eq!(of_one.forces, of_many.forces[beads.clone()]);
    assert_eq!(of_one.bead_energy, of_many.bead_energy[beads]);
}

fn setting_the_state_that_was_read_changes_nothing(backend: &Backend) {
    for integrator in [
        Integrator::Langevin { friction: 5.0 },
        Integrator::Nve,
        Integrator::Overdamped { friction: 20.0 },
    ] {
        let dynamics = Dynamics { integrator, dt: 0.002, ..hot(2) };
        let straight = run(backend, chains(14, 2), &dynamics, &[120], false);
        let pieces = [1, 40, 1, 1, 77];
        assert_eq!(run(backend, chains(14, 2), &dynamics, &pieces, true), straight);
    }
}

fn the_way_a_run_is_cut_changes_nothing(backend: &Backend) {
    let straight = run(backend, chains(14, 2), &hot(2), &[60], false);
    assert_eq!(run(backend, chains(14, 2), &hot(2), &[1, 7, 0, 52], false), straight);
}

/// One large replica and two small ones, so that work is split between and within replicas.
#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let cloud = |n: usize, seed| Structure {
        topology: std::sync::Arc::new(Topology {
            types: (0..n as u32).map(|i| i % 5).collect(),
            masses: vec![0.1; n],
            lists: Vec::new(),
        }),
        positions: points(seed, n, 1.2 * (n as f64).cbrt()),
        velocities: None,
    };
    let structures = [cloud(30, 1), cloud(300, 2), cloud(45, 3)];
    let model = Model { schnet: Some(small_schnet()), priors: Vec::new() };
    let system = System::new(&model, &structures).unwrap();
    let state = at_rest(structures.into_iter().flat_map(|s| s.positions).collect());
    let dynamics = Dynamics { dt: 0.001, ..hot(3) };
    let on_threads = |n: usize, start: (System, State), dynamics: &Dynamics, steps| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
        pool.install(|| run(&common::cpu(), start, dynamics, &[steps], false))
    };
    let clouds = on_threads(1, (system.clone(), state.clone()), &dynamics, 3);
    let many = on_threads(1, chains(14, 20), &hot(20), 30);
    for n in [2, 3, 8] {
        let found = on_threads(n, (system.clone(), state.clone()), &dynamics, 3);
        assert_eq!(found, clouds, "{n} threads");
        assert_eq!(on_threads(n, chains(14, 20), &hot(20), 30), many, "{n} threads");
    }
}
