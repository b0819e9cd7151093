//! Determinism: the same seed gives the same bits, whichever other replicas are computed and
//! however many threads there are.

use std::sync::Arc;

use flashschnet::engine::{Dynamics, Engine, Evaluation, Integrator, State, Terms};
use flashschnet::error::Result;
use flashschnet::model::Model;
use flashschnet::structure::{Structure, Topology};
use flashschnet::system::System;

use crate::common::{self, Backend, at_rest, chains, hot, mixture, points, small_schnet};

on_every_backend!(
    a_replica_alone_is_the_replica_among_others,
    a_molecule_alone_is_the_molecule_in_a_mixture,
);

mod steps {
    use super::*;

    with_tables!(
        same_seed_gives_same_bits,
        another_seed_gives_another_run,
        the_number_of_beads_does_not_show,
        setting_the_state_that_was_read_changes_nothing,
        a_state_read_before_the_first_step_is_the_state_that_was_set,
        the_way_a_run_is_cut_changes_nothing,
        neighbor_lists_keep_up_with_the_beads,
    );
}

on_every_backend!(
    @ slow wgpu_emulated:
    a_replica_alone_is_the_replica_among_others
);

macro_rules! on_mixed {
    ($($test:ident),* $(,)?) => {
        on_every_backend!(@ wgpu_mixed: $($test),*);
        on_every_backend!(@ hardware cuda_mixed: $($test),*);
        on_every_backend!(@ hardware cuda_matrix: $($test),*);
    };
}

on_mixed!(
    same_seed_gives_same_bits,
    a_replica_alone_is_the_replica_among_others,
    the_number_of_beads_does_not_show,
    a_molecule_alone_is_the_molecule_in_a_mixture,
    neighbor_lists_keep_up_with_the_beads,
);

const STEPS: u64 = 120;

/// A list is rebuilt when a bead has moved by 0.7 Å. A run in which a bead moves by this distance
/// rebuilds its lists several times.
const FAR: f64 = 2.1;

/// Makes an engine of a backend.
type EngineOf = fn(System, &Dynamics) -> Result<Box<dyn Engine>>;

/// Runs the given numbers of steps in turn. With `reset`, it reads the state and sets it again
/// after each of them.
fn run(
    engine: EngineOf,
    (system, state): (System, State),
    dynamics: &Dynamics,
    pieces: &[u64],
    reset: bool,
) -> (State, Evaluation) {
    let mut engine = engine(system, dynamics).unwrap();
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

/// The largest displacement of a bead, Å.
fn farthest(from: &State, to: &State) -> f64 {
    let way = |(x, y): (&[f64; 3], &[f64; 3])| {
        x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt()
    };
    from.positions.iter().zip(&to.positions).map(way).fold(0.0, f64::max)
}

fn same_seed_gives_same_bits(backend: &Backend) {
    let start = chains(14, 3);
    let first = run(backend.engine, start.clone(), &hot(3), &[STEPS], false);
    assert!(farthest(&start.1, &first.0) > FAR, "{}", farthest(&start.1, &first.0));
    assert_eq!(run(backend.engine, start, &hot(3), &[STEPS], false), first);
}

fn another_seed_gives_another_run(backend: &Backend) {
    let (first, _) = run(backend.engine, chains(14, 2), &hot(2), &[5], false);
    let dynamics = Dynamics { seed: 12, ..hot(2) };
    let (second, _) = run(backend.engine, chains(14, 2), &dynamics, &[5], false);
    let replicas: Vec<_> = first.positions.chunks(14).chain(second.positions.chunks(14)).collect();
    for k in 0..4 {
        assert!(!replicas[..k].contains(&replicas[k]));
    }
}

/// 14, 2,520 and 11,060 beads: kernels distribute the work differently for different numbers of
/// beads.
fn the_number_of_beads_does_not_show(backend: &Backend) {
    let n = 14;
    let step = |replicas: usize, r: usize| {
        let (system, state) = chains(n, replicas);
        let beads = r * n..(r + 1) * n;
        let (state, found) = run(backend.engine, (system, state), &hot(replicas), &[1], false);
        let of = |values: &[[f64; 3]]| values[beads.clone()].to_vec();
        (of(&state.positions), of(&state.velocities), of(&found.forces), found.energy[r])
    };
    let alone = step(1, 0);
    for replicas in [180, 790] {
        assert!(step(replicas, 0) == alone, "among {replicas}");
    }
    assert!(step(180, 179) == step(790, 179), "the last of 180");
}

/// Replica 3 of 5 replicas of 14 beads, and the same replica alone under the same number.
fn a_replica_alone_is_the_replica_among_others(backend: &Backend) {
    let (n, r) = (5, 3);
    let (system, state) = chains(14, n);
    let dynamics = Dynamics { replica_ids: (100..100 + n as u32).collect(), ..hot(n) };
    let beads = system.beads(r);
    let alone = system.select([r]);
    let alone_state = at_rest(&alone, state.positions[beads.clone()].to_vec());
    let alone_dynamics = Dynamics { replica_ids: vec![100 + r as u32], ..hot(1) };

    let start = state.clone();
    let (many, of_many) = run(backend.engine, (system, state), &dynamics, &[STEPS], false);
    assert!(farthest(&start, &many) > FAR);
    let (one, of_one) = run(backend.engine, (alone, alone_state), &alone_dynamics, &[STEPS], false);
    assert_eq!(one.positions, many.positions[beads.clone()]);
    assert_eq!(one.velocities, many.velocities[beads.clone()]);
    assert_eq!(of_one.energy[0], of_many.energy[r]);
    assert_eq!(of_one.forces, of_many.forces[beads.clone()]);
    assert_eq!(of_one.bead_energy, of_many.bead_energy[beads]);
}

/// Molecules of different sizes, prior terms and temperatures. Each replica alone, with its own
/// number, temperature and molecule, has the same bits as among the others.
fn a_molecule_alone_is_the_molecule_in_a_mixture(backend: &Backend) {
    let (model, structures) = mixture();
    // Two of the molecules appear twice.
    let order = [0, 1, 2, 3, 4, 1, 0];
    let structures: Vec<Structure> = order.iter().map(|s| structures[*s].clone()).collect();
    let system = System::new(&model, &structures).unwrap();
    assert_eq!(system.molecules().len(), 5);
    let positions = structures.iter().flat_map(|s| s.positions.clone()).collect();
    let n = order.len();
    let beta: Vec<f64> = (0..n).map(|r| 0.6 + 0.1 * r as f64).collect();
    let state = State { beta, ..at_rest(&system, positions) };
    let replica_ids: Vec<u32> = (0..n as u32).map(|r| 50 + 3 * r).collect();
    let dynamics = Dynamics { replica_ids, ..hot(n) };
    let (many, of_many) =
        run(backend.engine, (system.clone(), state.clone()), &dynamics, &[30], false);
    for r in 0..n {
        let alone = System::new(&model, &structures[r..=r]).unwrap();
        assert_eq!(alone.molecules(), system.select([r]).molecules());
        let beads = system.beads(r);
        let start = at_rest(&alone, state.positions[beads.clone()].to_vec());
        let start = State { beta: vec![state.beta[r]], ..start };
        let dynamics = Dynamics { replica_ids: vec![dynamics.replica_ids[r]], ..hot(1) };
        let (one, of_one) = run(backend.engine, (alone, start), &dynamics, &[30], false);
        assert_eq!(one.positions, many.positions[beads.clone()], "replica {r}");
        assert_eq!(one.velocities, many.velocities[beads.clone()], "replica {r}");
        assert_eq!(of_one.energy[0], of_many.energy[r], "replica {r}");
        assert_eq!(of_one.forces, of_many.forces[beads], "replica {r}");
    }
}

#[test]
fn the_reference_mixes_molecules_as_well() {
    a_molecule_alone_is_the_molecule_in_a_mixture(&common::reference());
}

fn setting_the_state_that_was_read_changes_nothing(backend: &Backend) {
    for integrator in [
        Integrator::Langevin { friction: 5.0 },
        Integrator::Nve,
        Integrator::Overdamped { friction: 20.0 },
    ] {
        let dynamics = Dynamics { integrator, dt: 0.002, ..hot(2) };
        let straight = run(backend.engine, chains(14, 2), &dynamics, &[40], false);
        let pieces = [1, 12, 1, 1, 25];
        assert_eq!(run(backend.engine, chains(14, 2), &dynamics, &pieces, true), straight);
    }
}

/// A device holds a position as the sum of two f32. 0.004 is a number whose two f32, rounded one by
/// one, are not those of their sum.
fn a_state_read_before_the_first_step_is_the_state_that_was_set(backend: &Backend) {
    let (system, mut state) = clouds(&[60]);
    state.positions.iter_mut().flatten().step_by(2).for_each(|x| *x = 0.004 * x.signum());
    let straight = run(backend.engine, (system.clone(), state.clone()), &hot(1), &[1], false);
    assert_eq!(run(backend.engine, (system, state), &hot(1), &[0, 1], true), straight);
}

fn the_way_a_run_is_cut_changes_nothing(backend: &Backend) {
    let straight = run(backend.engine, chains(14, 2), &hot(2), &[60], false);
    assert_eq!(run(backend.engine, chains(14, 2), &hot(2), &[1, 7, 0, 52], false), straight);
}

/// Clouds of free beads, whose neighbors change soon.
fn clouds(sizes: &[usize]) -> (System, State) {
    let cloud = |n: &usize| Structure {
        topology: Arc::new(Topology {
            types: (0..*n as u32).map(|i| i % 5).collect(),
            masses: vec![0.1; *n],
            lists: Vec::new(),
        }),
        positions: points(*n as u64, *n, 1.2 * (*n as f64).cbrt()),
        velocities: None,
    };
    let structures: Vec<Structure> = sizes.iter().map(cloud).collect();
    let model = Model { schnet: Some(small_schnet()), priors: Vec::new() };
    let system = System::new(&model, &structures).unwrap();
    let state = at_rest(&system, structures.into_iter().flat_map(|s| s.positions).collect());
    (system, state)
}

/// Edges and evaluation at the end of a long run, from the engine that ran and from a new engine in
/// the same state.
fn after_and_afresh(backend: &Backend) -> [(Vec<u64>, Evaluation); 2] {
    let (system, start) = clouds(&[30, 45]);
    let mut old = backend.moving(system.clone(), &hot(2), &start);
    let edges = old.probe().n_edges().unwrap();
    old.advance(STEPS).unwrap();
    let state = old.state().unwrap();
    let mut new = backend.moving(system, &hot(2), &state);
    assert_ne!(new.probe().n_edges().unwrap(), edges, "the number of edges did not change");
    [old, new].map(|mut e| (e.probe().n_edges().unwrap(), e.evaluate(Terms::Total).unwrap()))
}

fn neighbor_lists_keep_up_with_the_beads(backend: &Backend) {
    let [old, new] = after_and_afresh(backend);
    assert_eq!(old, new);
}

/// One large replica and two small ones, so that threads share work between and within replicas.
#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let start = clouds(&[30, 300, 45]);
    let dynamics = Dynamics { dt: 0.001, ..hot(3) };
    for backend in [common::cpu(), common::cpu_table()] {
        let on_threads = |n: usize, start: (System, State), dynamics: &Dynamics, steps| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
            let engine = backend.engine;
            pool.install(|| run(engine, start, dynamics, &[steps], false))
        };
        let mixed = on_threads(1, start.clone(), &dynamics, 3);
        let many = on_threads(1, chains(14, 20), &hot(20), 30);
        for n in [2, 3, 8] {
            let found = on_threads(n, start.clone(), &dynamics, 3);
            assert_eq!(found, mixed, "{n} threads");
            assert_eq!(on_threads(n, chains(14, 20), &hot(20), 30), many, "{n} threads");
        }
    }
}
