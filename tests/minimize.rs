//! Energy minimization: minima that are known, clashes, and replicas that do not depend on others.

use std::sync::Arc;

use flashschnet::builtin;
use flashschnet::engine::{
    Dynamics, Engine, Integrator, Minimization, Minimized, State, Terms, Watch,
};
use flashschnet::model::{Model, Prior, PriorForm, PriorParameters};
use flashschnet::simulation::{Settings, Simulation};
use flashschnet::structure::{Structure, Topology, TupleList};
use flashschnet::system::System;

use crate::common::{self, Backend, assert_close, at_rest, chains, hot, points, small_schnet};
use crate::exchange::imploding;

with_tables!(
    pairs_reach_their_minimum,
    forces_are_below_the_tolerance,
    steps_are_limited,
    a_replica_alone_reaches_the_same_bits,
    the_state_is_otherwise_as_before,
    clashes_relax,
    long_bonds_relax,
    far_from_the_origin,
    overflows_do_not_show,
    frozen_replicas_stay,
    forces_that_are_not_finite_are_an_error,
    wrong_settings_are_refused,
);

on_every_backend!(
    @ wgpu_batches:
    the_state_is_otherwise_as_before,
    frozen_replicas_stay,
    forces_that_are_not_finite_are_an_error
);

on_every_backend!(
    @ reference:
    pairs_reach_their_minimum,
    forces_are_below_the_tolerance,
    steps_are_limited,
    a_replica_alone_reaches_the_same_bits,
    the_state_is_otherwise_as_before,
    clashes_relax,
    long_bonds_relax,
    far_from_the_origin,
    frozen_replicas_stay,
    forces_that_are_not_finite_are_an_error,
    wrong_settings_are_refused
);

on_mixed_backends!(pairs_reach_their_minimum, clashes_relax);

const TIGHT: Minimization = Minimization { most_steps: 5000, tolerance: 0.01 };
const REST: f64 = 3.8;

/// Pairs with a harmonic bond, one for each distance.
fn pairs(k: f64, distances: &[f64]) -> (System, State) {
    let bonds = Prior {
        name: "bonds".into(),
        form: PriorForm::HarmonicBond,
        parameters: PriorParameters::PerTuple { values: vec![k, REST, 0.0] },
    };
    let model = Model { schnet: None, priors: vec![bonds] };
    let list = TupleList { name: "bonds".into(), order: 2, tuples: vec![[0, 1, 0, 0]] };
    let topology = Topology { types: vec![1; 2], masses: vec![0.03; 2], lists: vec![list] };
    let positions = vec![[0.0; 3]; 2];
    let structure = Structure { topology: Arc::new(topology), positions, velocities: None };
    let system = System::new(&model, &vec![structure; distances.len()]).unwrap();
    let positions: Vec<_> =
        distances.iter().flat_map(|d| [[1.0; 3], [1.0, 1.0, 1.0 + d]]).collect();
    let state = at_rest(&system, positions);
    (system, state)
}

fn distance(state: &State, system: &System, r: usize) -> f64 {
    let beads = system.beads(r);
    let [a, b] = [0, 1].map(|bead| state.positions[beads.start + bead]);
    (0..3).map(|c| (a[c] - b[c]).powi(2)).sum::<f64>().sqrt()
}

/// The largest force on a bead of a replica.
fn largest(system: &System, forces: &[[f64; 3]], r: usize) -> f64 {
    let sizes = forces[system.beads(r)].iter().map(|f| f.iter().map(|f| f * f).sum::<f64>().sqrt());
    sizes.fold(0.0, f64::max)
}

/// With an external force F along the bond, its length is that at rest plus F/(2 k).
fn pairs_reach_their_minimum(backend: &Backend) {
    let (system, start) = pairs(50.0, &[3.0, REST, 5.0, 9.0]);
    let mut engine = backend.moving(system.clone(), &hot(4), &start);
    let minimization = Minimization { tolerance: 2e-3, ..TIGHT };
    for pull in [0.0, 25.0] {
        if pull > 0.0 {
            let external = [[0.0, 0.0, -pull], [0.0, 0.0, pull]].repeat(4);
            engine.set_external_forces(Some(&external)).unwrap();
        }
        let found = engine.minimize(&minimization).unwrap();
        let state = engine.state().unwrap();
        for (r, of) in found.iter().enumerate() {
            assert!(of.is_converged && of.largest_force <= 2e-3, "{of:?}");
            let length = distance(&state, &system, r);
            let expected = REST + pull / 100.0;
            assert!((length - expected).abs() < 2.1e-5, "replica {r}: {length}");
            let energy = 50.0 * (length - REST).powi(2);
            assert!((of.energy_after - energy).abs() < 1e-4, "{of:?}, expected {energy}");
        }
        let steps: Vec<u32> = found.iter().map(|of| of.steps).collect();
        assert!(steps.iter().all(|steps| *steps < 400), "{steps:?}");
        if pull == 0.0 {
            assert_eq!(steps[1], 0);
            assert!((found[3].energy_before - 50.0 * 5.2f64.powi(2)).abs() < 1e-3, "{found:?}");
        }
    }
}

/// The results agree with an evaluation at the end, and minima of the backends with those of the
/// reference.
fn forces_are_below_the_tolerance(backend: &Backend) {
    let (system, start) = chains(11, 3);
    let minimization = Minimization { tolerance: 0.05, ..TIGHT };
    let mut engine = backend.moving(system.clone(), &hot(3), &start);
    let before = engine.potential().unwrap();
    let found = engine.minimize(&minimization).unwrap();
    let after = engine.evaluate(Terms::Total).unwrap();
    for (r, of) in found.iter().enumerate() {
        assert!(of.is_converged && of.steps > 20, "{of:?}");
        assert!(of.energy_after < of.energy_before - 1.0, "{of:?}");
        assert_eq!((of.energy_before, of.energy_after), (before[r], after.energy[r]));
        let largest = largest(&system, &after.forces, r);
        assert!((of.largest_force - largest).abs() < 1e-3 && largest < 0.0501, "{of:?}, {largest}");
    }
    let mut truth = common::truth(system.clone());
    truth.set_positions(&engine.state().unwrap().positions).unwrap();
    let exact = truth.evaluate(Terms::Total).unwrap();
    for r in 0..3 {
        let largest = largest(&system, &exact.forces, r);
        assert!(largest < 0.06, "replica {r}: {largest}");
    }
}

fn steps_are_limited(backend: &Backend) {
    let (system, start) = chains(11, 2);
    let run = |most_steps: u32| {
        let mut engine = backend.moving(system.clone(), &hot(2), &start);
        let found = engine.minimize(&Minimization { most_steps, tolerance: 1e-6 }).unwrap();
        assert!(found.iter().all(|of| !of.is_converged && of.steps == most_steps), "{found:?}");
        let forces = engine.evaluate(Terms::Total).unwrap().forces;
        for (r, of) in found.iter().enumerate() {
            let largest = largest(&system, &forces, r);
            assert!((of.largest_force - largest).abs() < 1e-4 * largest, "{of:?}, {largest}");
        }
        found.iter().map(|of| of.energy_after).collect::<Vec<_>>()
    };
    let energies = [run(1), run(30), run(120)];
    for r in 0..2 {
        assert!(energies.is_sorted_by(|a, b| a[r] > b[r]), "{energies:?}");
    }
}

fn a_replica_alone_reaches_the_same_bits(backend: &Backend) {
    let (system, start) = chains(14, 4);
    let run = |replicas: &[usize]| -> Vec<(Minimized, Vec<[f64; 3]>)> {
        let of = |r: &usize| start.positions[system.beads(*r)].to_vec();
        let system = system.select(replicas.iter().copied());
        let state = at_rest(&system, replicas.iter().flat_map(of).collect());
        let mut engine = backend.moving(system.clone(), &hot(replicas.len()), &state);
        let found = engine.minimize(&Minimization { most_steps: 300, tolerance: 0.5 }).unwrap();
        let end = engine.state().unwrap().positions;
        let of_replica = |(r, of): (usize, Minimized)| (of, end[system.beads(r)].to_vec());
        found.into_iter().enumerate().map(of_replica).collect()
    };
    let all = run(&[0, 1, 2, 3]);
    let steps: Vec<u32> = all.iter().map(|(of, _)| of.steps).collect();
    assert!(steps.iter().min() < steps.iter().max(), "{steps:?}");
    assert_eq!(run(&[2])[0], all[2]);
    assert_eq!(run(&[3, 1]), [all[3].clone(), all[1].clone()]);
}

fn the_state_is_otherwise_as_before(backend: &Backend) {
    let (system, start) = chains(11, 2);
    let start = State { velocities: points(3, 22, 2.0), step: 40, beta: vec![1.5, 0.75], ..start };
    let dynamics = Dynamics { mts: 2, ..hot(2) };
    let mut engine = backend.moving(system.clone(), &dynamics, &start);
    let start = engine.state().unwrap();
    let minimization = Minimization { most_steps: 50, ..TIGHT };
    engine.minimize(&minimization).unwrap();
    let end = engine.state().unwrap();
    assert_ne!(end.positions, start.positions);
    assert_eq!(
        State { positions: start.positions.clone(), origins: start.origins.clone(), ..end.clone() },
        start
    );
    // Steps go on as from a state that was set.
    engine.advance(10).unwrap();
    let mut other = backend.moving(system, &dynamics, &end);
    other.advance(10).unwrap();
    assert_eq!(engine.state().unwrap(), other.state().unwrap());
    // A minimization is a function of the positions.
    let mut again = backend.moving(chains(11, 2).0, &dynamics, &start);
    again.potential().unwrap();
    again.minimize(&minimization).unwrap();
    assert_eq!(again.state().unwrap(), end);
}

fn clashes_relax(backend: &Backend) {
    let (system, mut start) = chains(14, 2);
    // Beads that repel each other are nearly in one place.
    let at = start.positions[2];
    start.positions[9] = [at[0] + 0.2, at[1], at[2]];
    let dynamics = Dynamics { watch: Watch::default(), ..hot(2) };
    let mut engine = backend.moving(system.clone(), &dynamics, &start);
    let mut still = backend.still(system.clone());
    still.set_positions(&start.positions).unwrap();
    let forces = still.evaluate(Terms::Total).unwrap().forces;
    assert!(largest(&system, &forces, 0) > 1e6);
    let found = engine.minimize(&Minimization { tolerance: 5.0, ..TIGHT }).unwrap();
    for of in &found {
        assert!(of.energy_before.is_finite() && of.energy_after < of.energy_before, "{found:?}");
        assert!(of.is_converged && of.largest_force <= 5.0, "{found:?}");
    }
    engine.advance(20).unwrap();
    assert_eq!(engine.settle().unwrap(), 20);
}

/// Bonds beyond the limit of a run are no alarm in a minimization.
fn long_bonds_relax(backend: &Backend) {
    let (system, start) = pairs(50.0, &[40.0, 4.0]);
    let dynamics = Dynamics { watch: Watch::default(), ..hot(2) };
    let mut engine = backend.moving(system.clone(), &dynamics, &start);
    let found = engine.minimize(&TIGHT).unwrap();
    assert!(found.iter().all(|of| of.is_converged && of.energy_after < 1e-3), "{found:?}");
    assert!((found[0].energy_before - 50.0 * 36.2f64.powi(2)).abs() < 0.1, "{found:?}");
    let state = engine.state().unwrap();
    assert!((distance(&state, &system, 0) - REST).abs() < 1e-3);
    engine.advance(2).unwrap();
    assert_eq!(engine.settle().unwrap(), 2);
}

fn far_from_the_origin(backend: &Backend) {
    let (system, start) = chains(11, 1);
    let minimization = Minimization { tolerance: 0.05, ..TIGHT };
    let at = |shift: f64| {
        let moved = |x: &[f64; 3]| x.map(|x| x + shift);
        let state = at_rest(&system, start.positions.iter().map(moved).collect());
        let mut engine = backend.moving(system.clone(), &hot(1), &state);
        let found = engine.minimize(&minimization).unwrap();
        assert!(found[0].is_converged, "{found:?}");
        let end = engine.state().unwrap().positions;
        // Positions of the reference and the CPU are multiples of 2^-33 Å there.
        let back = end.iter().map(|x| x.map(|x| x - shift));
        (found[0], back.collect::<Vec<_>>())
    };
    let (near, far) = (at(0.0), at(524_288.0));
    assert!((near.0.energy_after - far.0.energy_after).abs() < 1e-3, "{near:?}, {far:?}");
    assert_close("positions", far.1.as_flattened(), near.1.as_flattened(), 1e-4);
}

/// An engine whose lists have grown minimizes with the same bits as one whose lists must grow.
fn overflows_do_not_show(backend: &Backend) {
    let (system, dynamics, start) = imploding();
    let n = system.n_beads();
    let mut engine = backend.moving(system.clone(), &dynamics, &start);
    // Toward the middle of each replica.
    let pull = |engine: &mut dyn Engine| {
        let mut forces = vec![[0.0; 3]; n];
        for r in 0..system.n_replicas() {
            let beads = system.beads(r);
            for i in beads.clone() {
                let x = start.positions[i];
                let middle = start.positions[beads.start + beads.len() / 2];
                forces[i] = std::array::from_fn(|c| 20.0 * (middle[c] - x[c]));
            }
        }
        engine.set_external_forces(Some(&forces)).unwrap();
    };
    pull(&mut *engine);
    let minimization = Minimization { most_steps: 150, tolerance: 1e-4 };
    let first = engine.minimize(&minimization).unwrap();
    let end = engine.state().unwrap();
    let edges = engine.probe().n_edges().unwrap();
    // The room at first.
    assert!(edges.iter().max() > Some(&174), "{edges:?}");
    engine.set_state(&start).unwrap();
    assert_eq!(engine.minimize(&minimization).unwrap(), first);
    assert_eq!(engine.state().unwrap(), end);
}

fn frozen_replicas_stay(backend: &Backend) {
    let (system, start) = pairs(50.0, &[40.0, 4.0]);
    let dynamics = Dynamics { watch: Watch::default(), ..hot(2) };
    let mut engine = backend.moving(system, &dynamics, &start);
    assert!(engine.potential().unwrap()[0].is_nan());
    let before = engine.state().unwrap();
    let found = engine.minimize(&TIGHT).unwrap();
    assert!(found[0].energy_after.is_nan() && !found[0].is_converged && found[0].steps == 0);
    assert!(found[1].is_converged && found[1].steps > 0, "{found:?}");
    let after = engine.state().unwrap();
    assert_eq!(after.positions[..2], before.positions[..2]);
    assert_eq!(after.frozen, before.frozen);
    assert!(!before.frozen.is_empty());
}

fn forces_that_are_not_finite_are_an_error(backend: &Backend) {
    // Beyond the range of f64 on the host, and of f32 on a device, which refuses such a prior.
    let (system, start) = pairs(1e307, &[REST, 90.0]);
    let is_on_host = (backend.engine)(system.clone(), &hot(2)).is_ok();
    let (system, start) = if is_on_host { (system, start) } else { pairs(1e37, &[REST, 90.0]) };
    let dynamics = Dynamics { watch: Watch::OFF, replica_ids: vec![5, 6], ..hot(2) };
    let mut engine = backend.moving(system, &dynamics, &start);
    let before = engine.state().unwrap();
    let error = engine.minimize(&TIGHT).unwrap_err().to_string();
    assert!(error.contains("forces of replica 6") && error.contains("bead 0"), "{error}");
    assert_eq!(engine.state().unwrap(), before);
}

fn wrong_settings_are_refused(backend: &Backend) {
    let (system, start) = pairs(50.0, &[4.0]);
    let mut engine = backend.moving(system, &hot(1), &start);
    for (minimization, expected) in [
        (Minimization { most_steps: 0, ..TIGHT }, "minimize: found 0"),
        (Minimization { tolerance: 0.0, ..TIGHT }, "minimize-tolerance: found 0"),
        (Minimization { tolerance: -1.0, ..TIGHT }, "minimize-tolerance: found -1"),
        (Minimization { tolerance: 1e-30, ..TIGHT }, "minimize-tolerance: found"),
        (Minimization { tolerance: f64::NAN, ..TIGHT }, "minimize-tolerance: found NaN"),
        (Minimization { tolerance: f64::INFINITY, ..TIGHT }, "minimize-tolerance: found inf"),
    ] {
        let error = engine.minimize(&minimization).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(engine.state().unwrap().positions, start.positions);
}

/// The built-in system of 269 beads, moved by up to 0.3 Å.
#[test]
fn the_builtin_system_relaxes() {
    let system = System::new(&builtin::model(), &[builtin::structure()]).unwrap();
    let jitter = points(1, 269, 0.3);
    let moved = builtin::structure().positions.into_iter().zip(jitter);
    let moved = moved.map(|(x, by)| std::array::from_fn(|c| x[c] + by[c]));
    let start = at_rest(&system, moved.collect());
    let mut engine = common::cpu_table().moving(system, &hot(1), &start);
    let minimization = Minimization { tolerance: 0.5, ..Minimization::default() };
    let found = engine.minimize(&minimization).unwrap()[0];
    assert!(found.is_converged && found.largest_force <= 0.5, "{found:?}");
    assert!(found.energy_after < found.energy_before - 100.0, "{found:?}");
}

/// Settings minimize before the start is checked, and keep the velocities of a run.
#[test]
fn a_simulation_starts_from_the_minimum() {
    let structure = common::chain(11, 1);
    let mut clash = structure.clone();
    clash.positions[9] = clash.positions[2].map(|x| x + 0.2);
    let model = Model { schnet: Some(small_schnet()), priors: common::priors(11) };
    for integrator in [
        Integrator::Langevin { friction: 1.0 },
        Integrator::Nve,
        Integrator::Overdamped { friction: 50.0 },
    ] {
        let settings = Settings { n_replicas: 2, integrator, dt: 0.002, ..Settings::default() };
        let backend = flashschnet::Backend::open(flashschnet::BackendKind::Cpu, None).unwrap();
        let new = |structure: &Structure, minimize| {
            let settings = Settings { minimize, ..settings.clone() };
            Simulation::new(&model, std::slice::from_ref(structure), &settings, &backend)
        };
        let error = new(&clash, None).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("the start clashes"), "{error}");
        let mut simulation = new(&clash, Some(TIGHT)).unwrap();
        assert!(simulation.minimized().iter().all(|of| of.is_converged));
        assert_eq!(simulation.step(), 0);
        let mut without = new(&structure, None).unwrap();
        assert!(without.minimized().is_empty());
        assert_eq!(simulation.velocities().unwrap(), without.velocities().unwrap());
        simulation.run(50).unwrap();
        let velocities = simulation.velocities().unwrap();
        let found = simulation.minimize(&TIGHT).unwrap();
        assert!(found.iter().all(|of| of.is_converged), "{found:?}");
        assert_eq!((simulation.step(), simulation.velocities().unwrap()), (50, velocities));
        assert_eq!(simulation.positions().unwrap(), simulation.last_good().state.positions);
    }
}
