//! Temperatures that change with the step, and the motion of the center of mass.

use std::sync::Arc;

use flashschnet::engine::{
    CallbackForces, Dynamics, Engine, Exchange, Frozen, Integrator, Mixing, Reason, State, Watch,
};
use flashschnet::model::{Model, Prior, PriorForm, PriorParameters};
use flashschnet::simulation::{Control, Frame, Reset, Settings, Simulation};
use flashschnet::structure::{Structure, Topology, TupleList};
use flashschnet::{Backend as Place, BackendKind, units};

use crate::common::{self, Backend, ENGINE, assert_close, chains, hot, small};

with_tables!(
    temperatures_follow_the_points,
    a_short_run_matches_the_reference,
    cuts_and_restarts_do_not_show,
    a_callback_changes_no_temperature,
    frozen_replicas_keep_their_temperature,
    wrong_points_are_refused,
);

on_every_backend!(
    @ reference:
    temperatures_follow_the_points,
    cuts_and_restarts_do_not_show,
    a_callback_changes_no_temperature,
    frozen_replicas_keep_their_temperature,
    wrong_points_are_refused
);

const LANGEVIN: Integrator = Integrator::Langevin { friction: 5.0 };

fn kelvin(engine: &mut dyn Engine) -> Vec<f64> {
    engine.state().unwrap().beta.iter().map(|beta| units::kelvin(*beta)).collect()
}

fn temperatures_follow_the_points(backend: &Backend) {
    let (system, start) = chains(5, 70);
    // The last points are beyond the range of 32 bits.
    let late = (1 << 33) + 6;
    let anneal = vec![(4, 300.0), (8, 400.0), (10, 200.0), (late, 200.0), (late + 6, 800.0)];
    let integrator = Integrator::Overdamped { friction: 500.0 };
    for (mts, integrator) in [(1, LANGEVIN), (1, integrator), (2, LANGEVIN)] {
        let dynamics = Dynamics { integrator, mts, anneal: anneal.clone(), dt: 0.001, ..hot(70) };
        let mut engine = backend.moving(system.clone(), &dynamics, &start);
        let mut expect = |step: u64, expected: f64| {
            let state = engine.state().unwrap();
            if state.step < 20 && step > 20 {
                engine.set_state(&State { step, ..state }).unwrap();
            } else {
                engine.advance(step - state.step).unwrap();
            }
            assert!((dynamics.kelvin_at(step).unwrap() - expected).abs() < 1e-9, "step {step}");
            for found in kelvin(&mut *engine) {
                assert!((found - expected).abs() < 1e-6 * expected, "step {step}: {found} K");
            }
        };
        for (step, kelvin) in [(0, 300.0), (4, 300.0), (6, 350.0), (8, 400.0), (10, 200.0)] {
            expect(step, kelvin);
        }
        for (after, kelvin) in [(0, 200.0), (2, 400.0), (4, 600.0), (6, 800.0), (8, 800.0)] {
            expect(late + after, kelvin);
        }
        let positions = engine.state().unwrap().positions;
        engine.set_positions(&positions).unwrap();
        assert!((kelvin(&mut *engine)[69] - 800.0).abs() < 1e-3);
    }
    assert_eq!(hot(1).kelvin_at(5), None);
}

/// A step has the temperature of its start.
fn a_short_run_matches_the_reference(backend: &Backend) {
    let (system, start) = chains(11, 2);
    let anneal = vec![(0, 2000.0), (12, 100.0), (20, 1000.0)];
    for (mts, integrator) in
        [(1, LANGEVIN), (2, LANGEVIN), (1, Integrator::Overdamped { friction: 50.0 })]
    {
        let dynamics = Dynamics { integrator, mts, dt: 0.002, anneal: anneal.clone(), ..hot(2) };
        let [found, expected] = [backend, &common::reference()].map(|backend| {
            let mut engine = backend.moving(system.clone(), &dynamics, &start);
            engine.advance(20).unwrap();
            engine.state().unwrap()
        });
        for (what, found, expected) in [
            ("positions", &found.positions, &expected.positions),
            ("velocities", &found.velocities, &expected.velocities),
        ] {
            assert_close(what, found.as_flattened(), expected.as_flattened(), ENGINE);
        }
        let constant = Dynamics { anneal: Vec::new(), ..dynamics };
        let state = State { beta: vec![units::beta(2000.0); 2], ..start.clone() };
        let mut engine = backend.moving(system.clone(), &constant, &state);
        engine.advance(20).unwrap();
        assert_ne!(engine.state().unwrap().positions, found.positions);
    }
}

/// Steps with a callback are dispatched in pieces.
fn a_callback_changes_no_temperature(backend: &Backend) {
    let (system, start) = chains(5, 2);
    let anneal = vec![(0, 300.0), (10, 800.0)];
    let dynamics = Dynamics { anneal, mts: 2, ..hot(2) };
    let mut engine = backend.moving(system, &dynamics, &start);
    let none = |positions: &[[f64; 3]]| {
        Ok(CallbackForces { energy: vec![0.0; 2], forces: vec![[0.0; 3]; positions.len()] })
    };
    engine.set_force_callback(Some(Box::new(none))).unwrap();
    for step in [2, 6, 10] {
        let done = engine.state().unwrap().step;
        engine.advance(step - done).unwrap();
        for found in kelvin(&mut *engine) {
            let expected = dynamics.kelvin_at(step).unwrap();
            assert!((found - expected).abs() < 1e-6 * expected, "step {step}: {found} K");
        }
    }
}

fn cuts_and_restarts_do_not_show(backend: &Backend) {
    let (system, start) = chains(11, 2);
    // Thirds are exact in no format.
    let anneal = vec![(1, 300.0), (28, 1000.0), (61, 10.0)];
    let dynamics = Dynamics { anneal, mts: 2, ..hot(2) };
    let run = |cuts: &[u64], restarts: bool| {
        let mut engine = backend.moving(system.clone(), &dynamics, &start);
        for steps in cuts {
            engine.advance(*steps).unwrap();
            if restarts {
                engine.potential().unwrap();
                let state = engine.state().unwrap();
                engine = backend.moving(system.clone(), &dynamics, &state);
            }
        }
        engine.state().unwrap()
    };
    let whole = run(&[70], false);
    assert_eq!(run(&[2, 4, 14, 0, 50], false), whole);
    assert_eq!(run(&[2, 4, 14, 22, 2, 26], true), whole);
}

fn frozen_replicas_keep_their_temperature(backend: &Backend) {
    let (system, start) = chains(5, 2);
    let frozen = [(1, Frozen { step: 3, bead: 0, reason: Reason::Force })].into();
    let start = State { step: 4, frozen, ..start };
    let dynamics = Dynamics { anneal: vec![(0, 300.0), (10, 400.0)], ..hot(2) };
    let mut engine = backend.moving(system, &dynamics, &start);
    engine.advance(6).unwrap();
    let state = engine.state().unwrap();
    assert!((units::kelvin(state.beta[0]) - 400.0).abs() < 1e-3);
    assert!((state.beta[1] - start.beta[1]).abs() < 1e-7);
}

fn wrong_points_are_refused(backend: &Backend) {
    let (system, _) = chains(5, 2);
    let good = vec![(0, 300.0), (10, 400.0)];
    let refuse = |dynamics: Dynamics, expected: &str| {
        let error = (backend.engine)(system.clone(), &dynamics).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    };
    for (points, expected) in [
        (vec![(0, 300.0)], "at least two points"),
        (vec![(5, 300.0), (5, 400.0)], "anneal: found 5:300, 5:400"),
        (vec![(0, 300.0), (10, 400.0), (9, 300.0)], "anneal: found 10:400, 9:300"),
        (vec![(0, 300.0), (10, -1.0)], "anneal: found 10:-1"),
        (vec![(0, 0.0), (10, 300.0)], "anneal: found 0:0"),
        (vec![(0, f64::NAN), (10, 300.0)], "anneal: found 0:NaN"),
        (vec![(0, 300.0), (10, f64::INFINITY)], "anneal: found 10:inf"),
        (vec![(0, 300.0), (10, 1e-50)], "single precision"),
    ] {
        refuse(Dynamics { anneal: points, ..hot(2) }, expected);
    }
    refuse(Dynamics { anneal: good.clone(), integrator: Integrator::Nve, ..hot(2) }, "nve");
    let exchange = Some(Exchange::copies(Mixing::Neighbors, &[0.6, 0.5], 1));
    refuse(Dynamics { anneal: good, exchange, ..hot(2) }, "replica exchange");
    for integrator in [
        Integrator::Overdamped { friction: 5.0 },
        Integrator::OverdampedPublished { friction: 5.0 },
    ] {
        refuse(Dynamics { integrator, remove_com_motion: true, ..hot(2) }, "remove-com-motion");
    }
}

fn reference() -> Place {
    Place::open(BackendKind::Reference, None).unwrap()
}

/// A soft pair, whose velocities a thermostat decides.
fn pair() -> (Model, Structure) {
    let bonds = Prior {
        name: "bonds".into(),
        form: PriorForm::HarmonicBond,
        parameters: PriorParameters::PerTuple { values: vec![1.0, 3.8, 0.0] },
    };
    let list = TupleList { name: "bonds".into(), order: 2, tuples: vec![[0, 1, 0, 0]] };
    let topology = Topology { types: vec![1; 2], masses: vec![0.03, 0.05], lists: vec![list] };
    let positions = vec![[0.0; 3], [3.8, 0.0, 0.0]];
    let structure = Structure { topology: Arc::new(topology), positions, velocities: None };
    (Model { schnet: None, priors: vec![bonds] }, structure)
}

/// The kinetic temperature of 3,000 pairs follows a ramp that is slow for the thermostat, within five
/// standard errors: T √(2/(18,000)) of a frame.
#[test]
fn the_kinetic_temperature_follows() {
    let (model, structure) = pair();
    let settings = Settings {
        n_replicas: 3000,
        integrator: Integrator::Langevin { friction: 50.0 },
        anneal: vec![(100, 200.0), (1100, 600.0), (1600, 300.0)],
        watch: Watch::OFF,
        ..Settings::default()
    };
    let place = Place::open(BackendKind::Cpu, None).unwrap();
    let mut simulation = Simulation::new(&model, &[structure], &settings, &place).unwrap();
    let mut rows = vec![simulation.energies().unwrap().temperature.iter().sum::<f64>() / 3000.0];
    let mut keep = |frame: &Frame, _: &mut Control| {
        rows.push(frame.temperature.iter().sum::<f64>() / 3000.0);
        assert_eq!(frame.thermostat.len(), 3000);
        Ok(())
    };
    simulation.run_with(1800, 100, &mut keep).unwrap();
    // The kinetic energy lags behind the thermostat by 1/(2 friction): 2.5 steps.
    let thermostat = |step: f64| simulation.dynamics().kelvin_at(step.max(0.0) as u64).unwrap();
    for (k, found) in rows.iter().enumerate() {
        let step = 100.0 * k as f64;
        let expected = thermostat(step - 2.5);
        let error = 5.0 * expected * (2.0 / 18_000_f64).sqrt() + 1.0;
        assert!((found - expected).abs() < error, "step {step}: {found} K, expected {expected}");
    }
}

fn momentum(structure: &Structure, velocities: &[[f64; 3]]) -> f64 {
    let masses = &structure.topology.masses;
    let of = |c: usize| masses.iter().zip(velocities).map(|(m, v)| m * v[c]).sum::<f64>();
    (0..3).map(|c| of(c).abs()).fold(0.0, f64::max)
}

#[test]
fn the_center_of_mass_is_at_rest() {
    let (model, mut structure) = (small::model(), small::structures().swap_remove(0));
    let n = small::N_BEADS as usize;
    let drawn = |structure: &Structure, integrator, remove_com_motion| {
        let settings =
            Settings { n_replicas: 2, integrator, remove_com_motion, ..Settings::default() };
        Simulation::new(&model, std::slice::from_ref(structure), &settings, &reference()).unwrap()
    };
    for given in [false, true] {
        if given {
            structure.velocities = Some(common::points(1, n, 3.0));
        }
        let mut with = drawn(&structure, Integrator::Nve, false);
        let before = with.velocities().unwrap();
        assert!(momentum(&structure, &before[..n]) > 0.1);
        let mut without = drawn(&structure, Integrator::Nve, true);
        let after = without.velocities().unwrap();
        for r in 0..2 {
            let [a, b] = [&after, &before].map(|v| &v[r * n..(r + 1) * n]);
            assert!(momentum(&structure, a) < 1e-12);
            // All beads lose the same velocity.
            for c in 0..3 {
                let lost: Vec<f64> = a.iter().zip(b).map(|(a, b)| b[c] - a[c]).collect();
                assert!(lost.iter().all(|x| (x - lost[0]).abs() < 1e-12), "{lost:?}");
            }
        }
        without.run(200).unwrap();
        assert!(momentum(&structure, &without.velocities().unwrap()[..n]) < 1e-10);
        let degrees = |simulation: &mut Simulation| {
            let energies = simulation.energies().unwrap();
            2.0 * energies.kinetic[1] / (units::BOLTZMANN * energies.temperature[1])
        };
        assert!((degrees(&mut without) - (3 * n - 3) as f64).abs() < 1e-9);
        assert!((degrees(&mut with) - (3 * n) as f64).abs() < 1e-9);
        let mut thermostat = drawn(&structure, Integrator::Langevin { friction: 1.0 }, true);
        assert!(momentum(&structure, &thermostat.velocities().unwrap()[n..]) < 1e-12);
        assert!((degrees(&mut thermostat) - (3 * n) as f64).abs() < 1e-9);
        without.reset(&[Reset::last_good(1)]).unwrap();
        assert!(momentum(&structure, &without.velocities().unwrap()[n..]) < 1e-12);
    }
}
