//! `metadynamics`: hills on a grid as a bias of all replicas of a run.

use std::collections::BTreeMap;
use std::f64::consts::PI;

use flashschnet::backend::BackendKind;
use flashschnet::bias::{Bias, BiasForm};
use flashschnet::checkpoint::{Checkpoint, Identity};
use flashschnet::engine::{
    Dynamics, Exchange, Frozen, Integrator, Minimization, Mixing, Reason, State, Terms, Wanted,
};
use flashschnet::gpu::{Device, FeatureSet};
use flashschnet::hills::{Axis, Grid, Hills};
use flashschnet::metadynamics::Metadynamics;
use flashschnet::simulation::{Settings, Simulation};
use flashschnet::variable::Variable;

use crate::callback::{STIFFNESS, close, integrators, pairs};
use crate::common::repeat::{self, cuts_do_not_show};
use crate::common::{self, Backend, ENGINE, assert_close, chain, chains, hot};
use crate::exchange::imploding;
use crate::gradients::differences;

with_tables!(
    forces_and_energies_match_the_reference,
    a_short_run_matches_the_reference,
    reads_and_restarts_do_not_show,
    overflows_do_not_show,
    a_replica_that_leaves_the_grid_freezes,
    it_acts_with_a_callback,
    hills_rest_in_a_minimization,
    frames_have_no_hills,
    wrong_settings_are_refused,
);

on_every_backend!(
    @ reference:
    reads_and_restarts_do_not_show,
    a_replica_that_leaves_the_grid_freezes,
    it_acts_with_a_callback,
    hills_rest_in_a_minimization,
    frames_have_no_hills,
    wrong_settings_are_refused
);

const N: usize = 9;

fn axis(lower: f64, upper: f64, bins: usize, width: f64) -> Axis {
    Axis { lower, upper, bins, periodic: false, width }
}

fn metadynamics(variables: Vec<Variable>, axes: Vec<Axis>, every: u64) -> Metadynamics {
    let hills = Hills { axes, height: 0.5, bias_factor: 8.0, temperature: 1000.0 };
    Metadynamics { name: "hills".into(), variables, hills, every }
}

/// In one and in two variables.
fn both(every: u64) -> [Metadynamics; 2] {
    let turn = Axis { periodic: true, ..axis(-PI, PI, 50, 0.35) };
    let plane = vec![turn, axis(0.0, 20.0, 50, 1.0)];
    let variables = vec![Variable::Dihedral([0, 1, 2, 3]), Variable::radius_of_gyration()];
    [
        metadynamics(vec![Variable::end_to_end(N)], vec![axis(0.0, 40.0, 100, 1.0)], every),
        metadynamics(variables, plane, every),
    ]
}

/// Hills near the values at these positions of `N` beads for each replica.
fn nodes(of: &Metadynamics, positions: &[[f64; 3]]) -> Vec<[f64; 4]> {
    let mut grid = Grid::new(of.hills.clone()).unwrap();
    for k in 0..20 {
        let at = |x: &[[f64; 3]]| of.values(x).map(|q| q + 0.11 * f64::from(k) - 1.2);
        let walkers: Vec<_> = positions.chunks(N).map(at).collect();
        assert!(grid.deposit(&walkers).iter().all(Option::is_some));
    }
    grid.nodes().to_vec()
}

fn ends(k: f64, center: f64) -> Bias {
    let form = BiasForm::Harmonic { k: vec![k], center: vec![center] };
    Bias { name: "ends".into(), variable: Variable::end_to_end(N), form }
}

const READING: Wanted = Wanted {
    state: true,
    hills: true,
    energies: Some(Terms::Total),
    forces: true,
    trace: false,
    observables: false,
    biases: true,
};

#[test]
fn forces_are_the_negative_gradients() {
    let positions = chain(N, 40).positions;
    for of in both(1) {
        let grid = Grid::with_nodes(of.hills.clone(), nodes(&of, &positions)).unwrap();
        let (energy, forces) = of.energy_and_forces(&grid, &positions).unwrap();
        assert!(energy > 1.0, "{energy}");
        let expected = differences(positions.as_flattened(), |x| {
            -of.energy_and_forces(&grid, x.as_chunks().0).unwrap().0
        });
        assert_close("forces", forces.as_flattened(), &expected, 1e-6);
    }
}

fn forces_and_energies_match_the_reference(backend: &Backend) {
    let (system, start) = chains(N, 3);
    for of in both(4) {
        let hills = nodes(&of, &start.positions);
        let start = State { hills: hills.clone(), ..start.clone() };
        let dynamics = Dynamics { metadynamics: Some(of.clone()), ..hot(3) };
        for biases in [vec![], vec![ends(0.5, 9.0)]] {
            let mut engines = [backend, &common::reference()].map(|backend| {
                let mut engine = backend.moving(system.clone(), &dynamics, &start);
                engine.set_biases(&biases).unwrap();
                engine
            });
            let total = engines[0].evaluate(Terms::Total).unwrap();
            let [found, expected] = engines.each_mut().map(|engine| engine.read(READING).unwrap());
            assert_eq!(found.evaluation, total);
            assert_eq!(found.biases.len(), biases.len() + 1);
            let k = biases.len();
            let [f, e] = [&found, &expected].map(|of| of.biases[k].as_flattened());
            assert_close("values", f, e, 1e-5);
            let q: Vec<f64> = expected.biases[k].iter().map(|of| of[0]).collect();
            let values = start.positions.chunks(N).map(|x| of.values(x)[0]);
            assert_eq!(q, values.collect::<Vec<_>>());
            let [f, e] = [&found, &expected].map(|of| &of.state.as_ref().unwrap().hills);
            assert_eq!(*e, hills);
            assert_close("nodes", f.as_flattened(), e.as_flattened(), 1e-9);
            for k in 0..=biases.len() {
                let [f, e] =
                    engines.each_mut().map(|engine| engine.evaluate(Terms::Bias(k)).unwrap());
                assert_close("energies", &f.energy, &e.energy, 5e-5);
                let [f, e] = [f, e].map(|of| of.forces.into_flattened());
                assert_close("forces", &f, &e, 5e-4);
            }
            let error = engines[0].evaluate(Terms::Bias(biases.len() + 1)).unwrap_err();
            assert!(error.to_string().contains("bias: found"), "{error}");
            let again = engines[0].read(READING).unwrap();
            assert_eq!(again, found);
        }
    }
}

/// With deposits in every outer step.
fn a_short_run_matches_the_reference(backend: &Backend) {
    let (system, start) = chains(N, 3);
    for of in both(2) {
        for (integrator, mts) in integrators() {
            let metadynamics = Some(of.clone());
            let dynamics = Dynamics { integrator, dt: 0.002, mts, metadynamics, ..hot(3) };
            let [found, expected] = [backend, &common::reference()].map(|backend| {
                let mut engine = backend.moving(system.clone(), &dynamics, &start);
                engine.set_biases(&[ends(0.5, 9.0)]).unwrap();
                engine.advance(12).unwrap();
                engine.state().unwrap()
            });
            close(&format!("{integrator:?}, mts {mts}"), &found, &expected, ENGINE);
            let [f, e] = [&found, &expected].map(|state| state.hills.as_flattened());
            assert_close("nodes", f, e, 1e-4);
            // Six deposits of three walkers, near each other.
            let most = e.iter().copied().fold(0.0, f64::max);
            assert!(most > 1.0 && most < 9.0, "{most}");
        }
    }
}

fn reads_and_restarts_do_not_show(backend: &Backend) {
    let (system, start) = chains(N, 2);
    let [line, plane] = both(4);
    let terms = [Terms::Bias(0), Terms::Bias(1)];
    for of in [line.clone(), Metadynamics { every: 2, ..plane }] {
        for (integrator, mts) in integrators() {
            let metadynamics = Some(of.clone());
            let dynamics = Dynamics { integrator, dt: 0.002, mts, metadynamics, ..hot(2) };
            let what = format!("{integrator:?}, mts {mts}");
            let straight = cuts_do_not_show(&what, (&start, READING), &terms, |state| {
                let mut engine = backend.moving(system.clone(), &dynamics, state);
                engine.set_biases(&[ends(0.5, 9.0)]).unwrap();
                engine
            });
            assert!(straight.state.as_ref().unwrap().hills.iter().any(|node| node[0] > 1.0));
        }
    }
}

/// A list that overflows makes a device repeat steps and deposits.
fn overflows_do_not_show(backend: &Backend) {
    let (system, dynamics, start) = imploding();
    let start = State { exchanged: Default::default(), ..start };
    let radius = vec![Variable::radius_of_gyration()];
    let of = metadynamics(radius, vec![axis(0.0, 40.0, 100, 1.0)], 2);
    for mts in [1, 2] {
        let metadynamics = Some(of.clone());
        let dynamics = Dynamics { mts, exchange: None, metadynamics, ..dynamics.clone() };
        repeat::overflows_do_not_show(READING, || {
            backend.moving(system.clone(), &dynamics, &start)
        });
    }
}

/// Three pairs without forces. The second leaves the grid in the sixth step.
fn a_replica_that_leaves_the_grid_freezes(backend: &Backend) {
    let (_, _, system, start) = pairs(3, 0.0);
    let mut start = State { velocities: vec![[0.0; 3]; 6], ..start };
    start.positions = [4.0, 4.0, 6.0].map(|x| [[0.0; 3], [x, 0.0, 0.0]]).concat();
    // 0.1 Å in a step of 4 fs.
    start.velocities[3] = [25.0, 0.0, 0.0];
    let axes = vec![axis(2.0, 4.55, 51, 0.2)];
    let wide = vec![axis(2.0, 8.0, 120, 0.2)];
    let at = vec![Variable::end_to_end(2)];
    let integrator = Integrator::Nve;
    let quiet = Hills { height: 1e-6, ..metadynamics(at.clone(), axes, 3).hills };
    for mts in [1, 3] {
        let of = Metadynamics { hills: quiet.clone(), ..metadynamics(at.clone(), vec![], 3) };
        let dynamics = Dynamics { integrator, mts, ..hot(3) };
        let dynamics = Dynamics { metadynamics: Some(of.clone()), ..dynamics };
        let mut engine = backend.moving(system.clone(), &dynamics, &start);
        let frozen = |step| Frozen { step, bead: 0, reason: Reason::Grid };
        let energies = Wanted { energies: Some(Terms::Total), ..Wanted::default() };
        assert!(engine.read(energies).unwrap().frozen.is_empty());
        let at_start = engine.read(Wanted { biases: true, ..Wanted::default() }).unwrap();
        assert_eq!(at_start.frozen, BTreeMap::from([(2, frozen(0))]));
        assert!(at_start.biases[0][2].iter().all(|x| x.is_nan()), "{:?}", at_start.biases);
        assert!(engine.settle().unwrap_err().to_string().contains("leaves the grid"));
        engine.advance(18).unwrap();
        let reading = engine.read(READING).unwrap();
        assert_eq!(reading.frozen, BTreeMap::from([(1, frozen(6)), (2, frozen(0))]));
        let state = reading.state.unwrap();
        assert!((state.positions[3][0] - 4.6).abs() < 1e-5, "{:?}", state.positions);
        assert!(reading.evaluation.energy[1].is_nan());
        let [moving, gone] = [0, 1].map(|r| reading.biases[0][r]);
        assert!((moving[0] - 4.0).abs() < 1e-3 && gone.iter().all(|x| x.is_nan()));
        // The first pair adds six hills at 4 Å, the second one at 4.3 Å.
        let mut expected = Grid::new(of.hills.clone()).unwrap();
        for k in 0..6 {
            let second = if k == 0 { 4.3 } else { 10.0 };
            expected.deposit(&[[4.0, 0.0], [second, 0.0]]);
        }
        let expected = expected.nodes().as_flattened();
        assert_close("nodes", state.hills.as_flattened(), expected, 1e-2);
        // A frozen replica stays so in a state that is set, and on a grid that it is on.
        let wide = metadynamics(at.clone(), wide.clone(), 3);
        let dynamics = Dynamics { metadynamics: Some(wide), ..dynamics };
        let state = State { hills: Vec::new(), ..state };
        let mut engine = backend.moving(system.clone(), &dynamics, &state);
        engine.advance(3).unwrap();
        let frozen = engine.read(READING).unwrap().frozen;
        assert_eq!(frozen, reading.frozen);
    }
}

fn it_acts_with_a_callback(backend: &Backend) {
    let (_, _, system, start) = pairs(2, STIFFNESS);
    let at = vec![Variable::end_to_end(2)];
    let of = metadynamics(at, vec![axis(0.0, 20.0, 100, 0.5)], 2);
    let dynamics = Dynamics { metadynamics: Some(of), ..hot(2) };
    let run = |called: bool, pieces: &[u64]| {
        let mut engine = backend.moving(system.clone(), &dynamics, &start);
        if called {
            let still = |x: &[[f64; 3]]| {
                let (energy, forces) = (vec![0.0; 2], vec![[0.0; 3]; x.len()]);
                Ok(flashschnet::engine::CallbackForces { energy, forces })
            };
            engine.set_force_callback(Some(Box::new(still))).unwrap();
        }
        for steps in pieces {
            engine.advance(*steps).unwrap();
            engine.read(READING).unwrap();
        }
        engine.state().unwrap()
    };
    let alone = run(false, &[12]);
    assert!(alone.hills.iter().any(|node| node[0] > 1.0));
    assert_eq!(run(true, &[12]), alone);
    assert_eq!(run(true, &[1, 3, 8]), alone);
}

fn hills_rest_in_a_minimization(backend: &Backend) {
    let (_, _, system, start) = pairs(2, STIFFNESS);
    let at = vec![Variable::end_to_end(2)];
    let of = metadynamics(at, vec![axis(3.9, 20.0, 100, 0.5)], 2);
    let mut grid = Grid::new(of.hills.clone()).unwrap();
    grid.deposit(&[[4.0, 0.0]; 9]);
    let with = Dynamics { metadynamics: Some(of), ..hot(2) };
    let start_with = State { hills: grid.nodes().to_vec(), ..start.clone() };
    let minimization = Minimization { tolerance: 1e-3, ..Minimization::default() };
    let [with, without] = [(with, start_with), (hot(2), start)].map(|(dynamics, start)| {
        let mut engine = backend.moving(system.clone(), &dynamics, &start);
        let before = engine.state().unwrap().hills;
        let results = engine.minimize(&minimization).unwrap();
        let state = engine.state().unwrap();
        assert_eq!(state.hills, before);
        (results, state.positions)
    });
    assert_eq!(with, without);
}

/// The grid can be large, so that only a whole state has it.
fn frames_have_no_hills(backend: &Backend) {
    let (_, _, system, start) = pairs(2, STIFFNESS);
    let of = metadynamics(vec![Variable::end_to_end(2)], vec![axis(0.0, 20.0, 100, 0.5)], 2);
    let dynamics = Dynamics { metadynamics: Some(of), ..hot(2) };
    let mut engine = backend.moving(system, &dynamics, &start);
    engine.advance(12).unwrap();
    let state = engine.state().unwrap();
    assert!(state.hills.iter().any(|node| node[0] > 1.0));
    let frame = engine.read(Wanted { hills: false, ..READING }).unwrap();
    assert_eq!(frame.state, Some(State { hills: Vec::new(), ..state.clone() }));
    engine.request(Wanted { hills: false, ..READING }).unwrap();
    assert_eq!(engine.collect().unwrap(), frame);
    let whole = Wanted { state: true, hills: true, ..Wanted::default() };
    assert_eq!(engine.read(whole).unwrap().state, Some(state));
}

/// Bytes that an engine has for a larger grid. A device has two copies, from which steps can be repeated.
#[test]
fn memory_has_the_grid() {
    let (_, _, system, start) = pairs(2, STIFFNESS);
    let allocated = |backend: &flashschnet::Backend, bins| {
        let axes = vec![axis(0.0, 20.0, bins, 0.5)];
        let of = metadynamics(vec![Variable::end_to_end(2)], axes, 2);
        let dynamics = Dynamics { metadynamics: Some(of), ..hot(2) };
        let mut engine = backend.engine(system.clone(), &dynamics).unwrap();
        engine.set_state(&start).unwrap();
        engine.advance(2).unwrap();
        engine.request(Wanted::default()).unwrap();
        engine.collect().unwrap();
        engine.memory().allocated
    };
    // A device that no other test uses.
    let device = Device::open(Some("0"), FeatureSet::Full).unwrap();
    let cpu = flashschnet::Backend::open(BackendKind::Cpu, None).unwrap();
    for (backend, copies) in [(cpu, 1), (flashschnet::Backend::from_device(device), 3)] {
        let [small, large] = [100, 2100].map(|bins| allocated(&backend, bins));
        assert_eq!(large - small, copies * 32 * 2000);
    }
}

fn wrong_settings_are_refused(backend: &Backend) {
    let (system, start) = chains(N, 2);
    let [line, plane] = both(4);
    let of = |metadynamics: Metadynamics| Dynamics { metadynamics: Some(metadynamics), ..hot(2) };
    let exchange = Some(Exchange::copies(Mixing::Neighbors, &[0.5, 0.4], 1));
    let axes = |axes: Vec<Axis>| Hills { axes, ..line.hills.clone() };
    let turn = Axis { periodic: true, ..axis(0.0, 40.0, 100, 1.0) };
    for (dynamics, expected) in [
        (of(Metadynamics { name: "a b".into(), ..line.clone() }), "bias: found \"a b\""),
        (of(Metadynamics { every: 0, ..line.clone() }), "bias hills: every: found 0"),
        (
            Dynamics { mts: 2, ..of(Metadynamics { every: 3, ..line.clone() }) },
            "bias hills: every: found 3",
        ),
        (
            of(Metadynamics { variables: line.variables.clone(), ..plane.clone() }),
            "bias hills: variables: found 1, expected 2, one for each axis",
        ),
        (
            of(Metadynamics { hills: axes(vec![turn]), ..line.clone() }),
            "bias hills: hills, periodic: found 0 to 40",
        ),
        (
            of(Metadynamics { hills: axes(vec![axis(4.0, 2.0, 9, 1.0)]), ..line.clone() }),
            "bias hills: hills, upper: found 2",
        ),
        (
            of(Metadynamics { variables: vec![Variable::end_to_end(20)], ..line.clone() }),
            "bias hills: distance: found bead 19",
        ),
        (Dynamics { exchange, ..of(line.clone()) }, "metadynamics together with replica exchange"),
    ] {
        let error = (backend.engine)(system.clone(), &dynamics).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let mut engine = backend.moving(system.clone(), &of(line), &start);
    let wrong = State { hills: vec![[0.0; 4]; 7], ..start.clone() };
    let error = engine.set_state(&wrong).unwrap_err().to_string();
    assert!(error.contains("hills, nodes: found 7, expected 101"), "{error}");
    let mut bias = ends(1.0, 9.0);
    bias.name = "hills".into();
    let error = engine.set_biases(&[bias]).unwrap_err().to_string();
    assert!(error.contains("hills twice"), "{error}");
    let mut engine = backend.moving(system, &hot(2), &start);
    let error = engine.set_state(&wrong).unwrap_err().to_string();
    assert!(error.contains("hills, nodes: found 7, expected 0, without metadynamics"), "{error}");
}

fn simulation(settings: &Settings) -> flashschnet::Result<Simulation> {
    let (model, structure, ..) = pairs(1, STIFFNESS);
    let backend = flashschnet::Backend::open(BackendKind::Reference, None)?;
    Simulation::new(&model, &[structure], settings, &backend)
}

fn settings(lower: f64, upper: f64) -> Settings {
    let at = vec![Variable::end_to_end(2)];
    let mut of = metadynamics(at, vec![axis(lower, upper, 100, 0.5)], 10);
    of.hills.temperature = 300.0;
    Settings { n_replicas: 2, metadynamics: Some(of), ..Settings::default() }
}

#[test]
fn a_run_continues_from_a_checkpoint() {
    let (model, structure, ..) = pairs(1, STIFFNESS);
    let backend = flashschnet::Backend::open(BackendKind::Reference, None).unwrap();
    let identity = Identity::new(&model, &[structure], &backend).unwrap();
    let mut whole = simulation(&settings(0.0, 20.0)).unwrap();
    whole.run(45).unwrap();
    let checkpoint = Checkpoint::new(&mut whole, &identity).unwrap();
    let read = Checkpoint::from_bytes(&checkpoint.to_bytes().unwrap()).unwrap();
    assert_eq!(read, checkpoint);
    whole.run(35).unwrap();
    let mut continued = simulation(&read.settings()).unwrap();
    continued.set_state(&read.state).unwrap();
    continued.run(35).unwrap();
    assert_eq!(continued.state().unwrap(), whole.state().unwrap());
    let values = whole.bias_values().unwrap();
    assert_eq!(values[0].name, "hills");
    assert!(values[0].energy.iter().all(|energy| *energy > 0.5), "{values:?}");
}

#[test]
fn leaving_the_grid_ends_a_run() {
    let error = simulation(&settings(0.0, 3.0)).err().unwrap().to_string();
    assert!(
        error.contains("replica 0: it is not on the grid of bias hills: value 0 is 4.03"),
        "{error}"
    );
    let narrow = |width| {
        let mut settings = settings(4.0, 4.05);
        settings.metadynamics.as_mut().unwrap().hills.axes[0].width = width;
        settings
    };
    let mut simulation = simulation(&narrow(0.01)).unwrap();
    let error = simulation.run(2000).unwrap_err().to_string();
    assert!(error.contains(" Å, on an axis from 4 to 4.05; its last good state"), "{error}");
}
