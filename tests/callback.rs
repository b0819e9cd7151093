//! Forces of a callback: the host computes them in every step.

use std::sync::{Arc, Mutex};

use flashschnet::Error;
use flashschnet::backend::BackendKind;
use flashschnet::engine::{
    CallbackForces, Dynamics, Engine, ForceCallback, Integrator, Reason, State, Terms, Wanted,
    Watch,
};
use flashschnet::error::Result;
use flashschnet::model::{Model, Prior, PriorForm, PriorParameters};
use flashschnet::simulation::{Control, Frame, Settings, Simulation};
use flashschnet::structure::{Structure, Topology, TupleList};
use flashschnet::system::System;

use crate::common::repeat::cuts_do_not_show;
use crate::common::{self, Backend, ENGINE, assert_close, chains, hot, points};
use crate::exchange::imploding;

with_tables!(
    a_spring_moves_as_a_bond,
    a_spring_has_the_mean_energy_of_a_bond,
    constant_forces_move_as_external_ones,
    a_short_run_matches_the_reference,
    it_is_called_once_a_step,
    reads_and_restarts_do_not_show,
    overflows_do_not_show,
    its_energy_is_reported,
    an_error_leaves_the_state,
    it_is_called_on_the_thread_of_the_caller,
    wrong_results_are_errors,
    forces_of_frozen_replicas_are_ignored,
    replica_exchange_is_refused,
);

on_every_backend!(
    @ wgpu_batches:
    it_is_called_once_a_step,
    overflows_do_not_show,
    an_error_leaves_the_state,
    wrong_results_are_errors,
    forces_of_frozen_replicas_are_ignored
);

on_every_backend!(
    @ reference:
    a_spring_moves_as_a_bond,
    constant_forces_move_as_external_ones,
    it_is_called_once_a_step,
    reads_and_restarts_do_not_show,
    its_energy_is_reported,
    an_error_leaves_the_state,
    wrong_results_are_errors,
    forces_of_frozen_replicas_are_ignored,
    replica_exchange_is_refused
);

const INTEGRATORS: [Integrator; 4] = [
    Integrator::Langevin { friction: 5.0 },
    Integrator::Nve,
    Integrator::Overdamped { friction: 20.0 },
    Integrator::OverdampedPublished { friction: 20.0 },
];

/// All integrators, and outer steps of two steps for those that have them.
pub(crate) fn integrators() -> impl Iterator<Item = (Integrator, u32)> {
    INTEGRATORS.into_iter().flat_map(|integrator| {
        let most = if integrator.has_velocities() { 2 } else { 1 };
        (1..=most).map(move |mts| (integrator, mts))
    })
}

pub(crate) const STIFFNESS: f64 = 10.0;
pub(crate) const REST: f64 = 3.8;

/// Pairs of beads, joined by a harmonic bond of this force constant.
pub(crate) fn pairs(n_replicas: usize, k: f64) -> (Model, Structure, System, State) {
    let bonds = Prior {
        name: "bonds".into(),
        form: PriorForm::HarmonicBond,
        parameters: PriorParameters::PerTuple { values: vec![k, REST, 0.0] },
    };
    let model = Model { schnet: None, priors: vec![bonds] };
    let list = TupleList { name: "bonds".into(), order: 2, tuples: vec![[0, 1, 0, 0]] };
    let topology = Topology { types: vec![1; 2], masses: vec![0.03, 0.05], lists: vec![list] };
    let positions = vec![[0.0; 3], [4.0, 0.25, -0.5]];
    let structure = Structure { topology: Arc::new(topology), positions, velocities: None };
    let system = System::new(&model, &vec![structure.clone(); n_replicas]).unwrap();
    let positions = vec![structure.positions.clone(); n_replicas].concat();
    let velocities = points(8, 2 * n_replicas, 2.0);
    let state = State { velocities, ..common::at_rest(&system, positions) };
    (model, structure, system, state)
}

/// k (r − r0)² between the beads of each pair.
pub(crate) fn spring(positions: &[[f64; 3]]) -> Result<CallbackForces> {
    let mut found = CallbackForces::default();
    for pair in positions.chunks(2) {
        let apart: [f64; 3] = std::array::from_fn(|c| pair[1][c] - pair[0][c]);
        let r = apart.iter().map(|x| x * x).sum::<f64>().sqrt();
        let pull = apart.map(|x| 2.0 * STIFFNESS * (r - REST) * x / r);
        found.energy.push(STIFFNESS * (r - REST) * (r - REST));
        found.forces.extend([pull, pull.map(|x| -x)]);
    }
    Ok(found)
}

/// A callback of constant forces for replicas of equal size.
fn constant(forces: Vec<[f64; 3]>, n_replicas: usize) -> Box<dyn ForceCallback> {
    let energy = (0..n_replicas).map(|r| 1.5 + r as f64).collect();
    let found = CallbackForces { energy, forces };
    Box::new(move |_: &[[f64; 3]]| Ok(found.clone()))
}

const EVERYTHING: Wanted = Wanted {
    state: true,
    hills: false,
    energies: Some(Terms::Total),
    forces: true,
    trace: false,
    observables: false,
    biases: false,
};

/// An engine with a spring by callback if `called`, else with a bond.
fn sprung(backend: &Backend, n: usize, dynamics: &Dynamics, called: bool) -> Box<dyn Engine> {
    let (_, _, system, state) = pairs(n, if called { 0.0 } else { STIFFNESS });
    let mut engine = backend.moving(system, dynamics, &state);
    if called {
        engine.set_force_callback(Some(Box::new(spring))).unwrap();
    }
    engine
}

/// The energies of the springs, and the state.
fn look(engine: &mut dyn Engine) -> (Vec<f64>, State) {
    let reading = engine.read(EVERYTHING).unwrap();
    let (callback, state) = (reading.callback, reading.state.unwrap());
    (callback.map_or(reading.evaluation.energy, |found| found.energy), state)
}

pub(crate) fn close(what: &str, found: &State, expected: &State, tolerance: f64) {
    assert_eq!(found.step, expected.step, "{what}");
    for (part, found, expected) in [
        ("positions", &found.positions, &expected.positions),
        ("velocities", &found.velocities, &expected.velocities),
    ] {
        let what = format!("{what}: {part}");
        assert_close(&what, found.as_flattened(), expected.as_flattened(), tolerance);
    }
}

fn a_spring_moves_as_a_bond(backend: &Backend) {
    let n = 2;
    let dynamics = Dynamics { integrator: Integrator::Nve, watch: Watch::OFF, ..hot(n) };
    let masses = pairs(n, 0.0).2.masses();
    let run = |called: bool| {
        let mut engine = sprung(backend, n, &dynamics, called);
        let mut totals = Vec::new();
        for _ in 0..60 {
            engine.advance(10).unwrap();
            let (spring, state) = look(&mut *engine);
            let kinetic = |r: usize| -> f64 {
                let of_bead = |i: usize| {
                    0.5 * masses[i] * state.velocities[i].iter().map(|v| v * v).sum::<f64>()
                };
                (2 * r..2 * r + 2).map(of_bead).sum()
            };
            totals.extend((0..n).map(|r| spring[r] + kinetic(r)));
        }
        (totals, engine.state().unwrap())
    };
    let ((found, end), (expected, end_of_bond)) = (run(true), run(false));
    close("a spring", &end, &end_of_bond, ENGINE);
    assert_close("total energy", &found, &expected, ENGINE);
    // The forces are those of the new positions, so the energy only oscillates, by some percent.
    for energies in [&found, &expected] {
        let [early, late] = [&energies[..n * 20], &energies[n * 40..]]
            .map(|part| part.iter().sum::<f64>() / part.len() as f64);
        assert!((late / early - 1.0).abs() < 2e-3, "{early} became {late}");
    }
}

/// Means of independent replicas with different random numbers agree within four standard errors.
fn a_spring_has_the_mean_energy_of_a_bond(backend: &Backend) {
    let n = 64;
    let run = |called: bool| {
        let dynamics = Dynamics { seed: if called { 5 } else { 6 }, ..hot(n) };
        let mut engine = sprung(backend, n, &dynamics, called);
        engine.advance(200).unwrap();
        let mut means = vec![0.0; n];
        for _ in 0..50 {
            engine.advance(10).unwrap();
            let (spring, _) = look(&mut *engine);
            means.iter_mut().zip(spring).for_each(|(mean, energy)| *mean += energy / 50.0);
        }
        let mean = means.iter().sum::<f64>() / n as f64;
        let spread = means.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
        (mean, spread / (n * (n - 1)) as f64)
    };
    let ((found, error), (expected, other)) = (run(true), run(false));
    let allowed = 4.0 * (error + other).sqrt();
    assert!((found - expected).abs() < allowed, "{found} instead of {expected} ± {allowed}");
    // Half of kT, 2 kcal/mol. The distance of two beads adds less than a tenth of it.
    assert!((found - 1.0).abs() < 0.1 + 4.0 * error.sqrt(), "{found}");
}

/// The bits of external forces, alone and together with these.
fn constant_forces_move_as_external_ones(backend: &Backend) {
    let (system, start) = chains(11, 2);
    let forces = points(5, 22, 16.0);
    let halves: Vec<[f64; 3]> = forces.iter().map(|f| f.map(|x| 0.5 * x)).collect();
    for (integrator, mts) in integrators() {
        let dynamics = Dynamics { integrator, dt: 0.002, mts, ..hot(2) };
        let run = |external: Option<&[[f64; 3]]>, called: Option<&[[f64; 3]]>| {
            let mut engine = backend.moving(system.clone(), &dynamics, &start);
            engine.set_external_forces(external).unwrap();
            engine.set_force_callback(called.map(|forces| constant(forces.into(), 2))).unwrap();
            engine.advance(10).unwrap();
            let pushed = engine.state().unwrap();
            engine.set_force_callback(None).unwrap();
            engine.set_external_forces(None).unwrap();
            engine.advance(10).unwrap();
            (pushed, engine.state().unwrap())
        };
        let expected = run(Some(&forces), None);
        assert_eq!(run(None, Some(&forces)), expected, "{integrator:?}, mts {mts}");
        assert_eq!(run(Some(&halves), Some(&halves)), expected, "{integrator:?}, mts {mts}");
        assert_ne!(run(None, None).0.positions, expected.0.positions);
    }
}

/// Pulls each bead to the origin with a force that grows with its distance, and some more.
fn pulling(n_replicas: usize) -> Box<dyn ForceCallback> {
    Box::new(move |positions: &[[f64; 3]]| {
        let forces: Vec<_> = positions.iter().map(|x| x.map(|x| -0.1 * x)).collect();
        let of_bead = |x: &[f64; 3]| 0.05 * x.iter().map(|x| x * x).sum::<f64>();
        let beads = positions.chunks(positions.len() / n_replicas);
        let energy = beads.map(|beads| beads.iter().map(of_bead).sum()).collect();
        Ok(CallbackForces { energy, forces })
    })
}

fn a_short_run_matches_the_reference(backend: &Backend) {
    let (system, start) = chains(11, 3);
    for (integrator, mts) in integrators() {
        let dynamics = Dynamics { integrator, dt: 0.002, mts, ..hot(3) };
        let [found, expected] = [backend, &common::reference()].map(|backend| {
            let mut engine = backend.moving(system.clone(), &dynamics, &start);
            engine.set_force_callback(Some(pulling(3))).unwrap();
            engine.advance(10).unwrap();
            engine.probe().advance_with_noise(&points(3, 33 * mts as usize, 1.5)).unwrap();
            engine.state().unwrap()
        });
        close(&format!("{integrator:?}, mts {mts}"), &found, &expected, ENGINE);
    }
}

/// The callback sees the positions after each drift, and those before the first step.
fn it_is_called_once_a_step(backend: &Backend) {
    let (system, start) = chains(9, 2);
    for (integrator, mts) in integrators() {
        let dynamics = Dynamics { integrator, dt: 0.002, mts, ..hot(2) };
        let mut engine = backend.moving(system.clone(), &dynamics, &start);
        let seen: Arc<Mutex<Vec<Vec<[f64; 3]>>>> = Arc::default();
        let (noted, mut inner) = (Arc::clone(&seen), pulling(2));
        let note = move |positions: &[[f64; 3]]| {
            noted.lock().unwrap().push(positions.to_vec());
            inner.evaluate(positions)
        };
        engine.set_force_callback(Some(Box::new(note))).unwrap();
        let first = engine.state().unwrap().positions;
        engine.advance(2).unwrap();
        engine.potential().unwrap();
        let third = engine.state().unwrap().positions;
        engine.advance(4).unwrap();
        let last = engine.state().unwrap().positions;
        let seen = seen.lock().unwrap();
        let what = format!("{integrator:?}, mts {mts}");
        assert_eq!(seen.len(), 7, "{what}");
        assert_eq!((&seen[0], &seen[2], &seen[6]), (&first, &third, &last), "{what}");
    }
}

fn reads_and_restarts_do_not_show(backend: &Backend) {
    let (system, start) = chains(14, 2);
    for (integrator, mts) in integrators() {
        let dynamics = Dynamics { integrator, dt: 0.002, mts, ..hot(2) };
        let what = format!("{integrator:?}, mts {mts}");
        cuts_do_not_show(&what, (&start, EVERYTHING), &[Terms::Prior(0)], |state| {
            let mut engine = backend.moving(system.clone(), &dynamics, state);
            engine.set_force_callback(Some(pulling(2))).unwrap();
            engine
        });
    }
}

/// With a callback a list that overflows is built again within the step.
fn overflows_do_not_show(backend: &Backend) {
    let (system, dynamics, start) = imploding();
    let start = State { exchanged: Default::default(), ..start };
    let forces = points(5, 60, 0.5);
    for mts in [1, 2] {
        let dynamics = Dynamics { exchange: None, mts, ..dynamics.clone() };
        let run = |called: bool| {
            let mut engine = backend.moving(system.clone(), &dynamics, &start);
            match called {
                true => engine.set_force_callback(Some(constant(forces.clone(), 2))),
                false => engine.set_external_forces(Some(&forces)),
            }
            .unwrap();
            engine.advance(48).unwrap();
            let edges = engine.probe().n_edges().unwrap();
            (engine.state().unwrap(), edges)
        };
        let (found, expected) = (run(true), run(false));
        // The room at first.
        assert!(found.1.iter().max() > Some(&174), "{:?}", found.1);
        assert_eq!(found, expected, "mts {mts}");
    }
}

fn its_energy_is_reported(backend: &Backend) {
    let (system, start) = chains(9, 2);
    let mut engine = backend.moving(system.clone(), &hot(2), &start);
    let potential = engine.potential().unwrap();
    assert_eq!(engine.read(EVERYTHING).unwrap().callback, None);
    engine.set_force_callback(Some(pulling(2))).unwrap();
    let check = |engine: &mut dyn Engine| {
        let reading = engine.read(EVERYTHING).unwrap();
        let expected = pulling(2).evaluate(&reading.state.unwrap().positions).unwrap();
        assert_eq!(reading.callback, Some(expected));
        reading.evaluation
    };
    assert_eq!(check(&mut *engine).energy, potential);
    engine.advance(7).unwrap();
    let found = check(&mut *engine);
    let mut still = backend.still(system.clone());
    still.set_state(&engine.state().unwrap()).unwrap();
    assert_eq!(still.evaluate(Terms::Total).unwrap(), found);
    engine.set_positions(&start.positions).unwrap();
    check(&mut *engine);
    let energies = Wanted { forces: false, ..EVERYTHING };
    assert!(engine.read(energies).unwrap().callback.unwrap().forces.is_empty());
    assert_eq!(engine.read(Wanted::default()).unwrap().callback, None);
    engine.set_force_callback(None).unwrap();
    assert_eq!(engine.read(EVERYTHING).unwrap().callback, None);
}

/// A callback that fails at its call `k`, counted from 0, as `fails` says.
fn failing(
    k: usize,
    fails: impl Fn(CallbackForces) -> Result<CallbackForces> + Send + Sync + 'static,
) -> Box<dyn ForceCallback> {
    let (mut calls, mut inner) = (0, pulling(2));
    Box::new(move |positions: &[[f64; 3]]| {
        calls += 1;
        let found = inner.evaluate(positions)?;
        if calls == k + 1 { fails(found) } else { Ok(found) }
    })
}

/// A lock that a callback takes may be held by other work of the pool of threads.
fn it_is_called_on_the_thread_of_the_caller(backend: &Backend) {
    let (system, start) = chains(9, 2);
    let mut engine = backend.moving(system, &hot(2), &start);
    let (mut inner, caller) = (pulling(2), std::thread::current().id());
    let callback = move |positions: &[[f64; 3]]| {
        assert_eq!(std::thread::current().id(), caller);
        inner.evaluate(positions)
    };
    engine.set_force_callback(Some(Box::new(callback))).unwrap();
    engine.advance(3).unwrap();
    engine.read(EVERYTHING).unwrap();
}

/// After an error or a panic the run goes on from the state before the outer step, with the same bits.
fn an_error_leaves_the_state(backend: &Backend) {
    let (system, start) = chains(9, 2);
    for (integrator, mts) in integrators() {
        let dynamics = Dynamics { integrator, dt: 0.002, mts, ..hot(2) };
        let run = |callback| {
            let mut engine = backend.moving(system.clone(), &dynamics, &start);
            engine.set_force_callback(Some(callback)).unwrap();
            engine
        };
        let mut expected = run(pulling(2));
        expected.advance(4).unwrap();
        let middle = expected.state().unwrap();
        expected.advance(4).unwrap();
        // Call 6 belongs to step 6, the last one of its outer step.
        for (callback, message) in [
            (
                failing(6, |_| Err(Error::unsupported("this step", ""))),
                "this step is not supported",
            ),
            (failing(6, |_| panic!("in step 6")), "force callback: found a panic"),
        ] {
            let mut found = run(callback);
            found.advance(4).unwrap();
            let reached = if mts == 1 { 5 } else { 4 };
            let error = found.advance(4).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
            let state = found.state().unwrap();
            assert_eq!(state.step, reached);
            if reached == 4 {
                assert_eq!(state, middle);
            }
            found.advance(8 - reached).unwrap();
            assert_eq!(found.state().unwrap(), expected.state().unwrap());
            let readings =
                [&mut found, &mut expected].map(|engine| engine.read(EVERYTHING).unwrap());
            assert_eq!(readings[0], readings[1]);
        }
    }
}

fn wrong_results_are_errors(backend: &Backend) {
    let (system, start) = chains(9, 2);
    type Change = fn(&mut CallbackForces);
    let cases: [(Change, &str); 5] = [
        (|found| found.energy.truncate(1), "energies of the force callback: found 1, expected 2"),
        (|found| found.forces.truncate(3), "forces of the force callback: found 3, expected 18"),
        (|found| found.forces.push([0.0; 3]), "found 19, expected 18"),
        (|found| found.energy[1] = f64::NAN, "energies of the force callback[1]: found NaN"),
        (|found| found.forces[4][2] = f64::INFINITY, "forces of the force callback[4]: found ["),
    ];
    for (change, expected) in cases {
        for call in [0, 2] {
            let mut engine = backend.moving(system.clone(), &hot(2), &start);
            let changed = move |mut found| {
                change(&mut found);
                Ok(found)
            };
            engine.set_force_callback(Some(failing(call, changed))).unwrap();
            let error = engine.advance(4).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert_eq!(engine.state().unwrap().step, (call as u64).saturating_sub(1));
        }
    }
}

/// A strong force freezes the second replica. Its later forces have no effect, finite or not.
fn forces_of_frozen_replicas_are_ignored(backend: &Backend) {
    let (system, start) = chains(9, 3);
    for mts in [1, 2] {
        let watch = Watch { max_force: 1e4, ..Watch::OFF };
        let dynamics = Dynamics { mts, watch, ..hot(3) };
        let run = |later: f64| {
            let (mut calls, mut inner) = (0, pulling(3));
            let push = move |positions: &[[f64; 3]]| {
                let mut found = inner.evaluate(positions)?;
                calls += 1;
                match calls {
                    ..=2 => {}
                    3 => found.forces[14][1] = 2e4,
                    _ => (found.forces[12][0], found.energy[1]) = (later, later),
                }
                Ok(found)
            };
            let mut engine = backend.moving(system.clone(), &dynamics, &start);
            engine.set_force_callback(Some(Box::new(push))).unwrap();
            engine.advance(8).unwrap();
            let reading = engine.read(EVERYTHING).unwrap();
            let energy = reading.callback.unwrap().energy;
            assert!(energy[1].is_nan() && energy[0].is_finite() && energy[2].is_finite());
            reading.state.unwrap()
        };
        let expected = run(0.0);
        let frozen = expected.frozen[&1];
        assert_eq!((frozen.step, frozen.bead, frozen.reason), (2, 5, Reason::Force));
        assert_eq!(expected.frozen.len(), 1);
        assert_eq!(run(f64::NAN), expected);
        assert_eq!(run(1e30), expected);
    }
}

fn replica_exchange_is_refused(backend: &Backend) {
    let (system, dynamics, start) = imploding();
    let mut engine = backend.moving(system, &dynamics, &start);
    let error = engine.set_force_callback(Some(pulling(2))).unwrap_err().to_string();
    assert!(error.contains("a force callback together with replica exchange"), "{error}");
    engine.set_force_callback(None).unwrap();
    engine.advance(4).unwrap();
    engine.exchange().unwrap();
    engine.settle().unwrap();
}

/// Pairs without a bond in a simulation.
pub(crate) fn simulation(settings: &Settings) -> Simulation {
    let (model, structure, ..) = pairs(1, 0.0);
    let backend = flashschnet::Backend::open(BackendKind::Reference, None).unwrap();
    Simulation::new(&model, &[structure], settings, &backend).unwrap()
}

#[test]
fn a_simulation_reports_it() {
    let mut simulation = simulation(&Settings { n_replicas: 3, ..Settings::default() });
    assert!(simulation.energies().unwrap().callback.is_empty());
    simulation.set_force_callback(Some(Box::new(spring))).unwrap();
    let mut frames = 0;
    let mut observe = |frame: &Frame, _: &mut Control| {
        assert_eq!(frame.callback, spring(frame.positions)?.energy);
        frames += 1;
        Ok(())
    };
    simulation.run_with(20, 5, &mut observe).unwrap();
    assert_eq!(frames, 4);
    let expected = spring(&simulation.positions().unwrap()).unwrap().energy;
    let energies = simulation.energies().unwrap();
    assert_eq!(energies.callback, expected);
    assert_eq!(energies.potential, [0.0; 3]);
}

#[test]
fn an_error_stops_a_run() {
    let mut simulation = simulation(&Settings { n_replicas: 2, ..Settings::default() });
    let fails = |_| Err(Error::unsupported("this step", ""));
    simulation.set_force_callback(Some(failing(5, fails))).unwrap();
    let error = simulation.run(20).unwrap_err().to_string();
    assert!(error.contains("this step is not supported"), "{error}");
    // The run can go on from there, because the callback fails once.
    assert_eq!(simulation.step(), 4);
    assert_eq!(simulation.run(30).unwrap(), 30);
    assert_eq!((simulation.step(), simulation.state().unwrap().step), (34, 34));
}

#[test]
fn a_blow_up_names_it() {
    let watch = Watch { max_force: 100.0, ..Watch::default() };
    let mut simulation = simulation(&Settings { n_replicas: 2, watch, ..Settings::default() });
    let mut forces = vec![[0.0; 3]; 4];
    forces[3] = [0.0, 200.0, 0.0];
    simulation.set_force_callback(Some(constant(forces, 2))).unwrap();
    let error = simulation.run(20).unwrap_err().to_string();
    assert!(error.contains("the force on bead 1 is 2.000e2 kcal/mol/Å"), "{error}");
    assert!(error.contains("the largest force on bead 1 is from the force callback"), "{error}");
}
