//! `steer`: biases whose centers move, and their work.

use std::collections::BTreeMap;
use std::f64::consts::PI;

use flashschnet::bias::{Bias, BiasForm};
use flashschnet::engine::{
    Dynamics, Engine, Exchange, Integrator, Minimization, Mixing, State, Terms, Wanted, Watch,
};
use flashschnet::hills::{Axis, Hills};
use flashschnet::metadynamics::Metadynamics;
use flashschnet::variable::Variable;

use crate::callback::{REST, STIFFNESS, close, integrators, pairs};
use crate::common::repeat::{self, cuts_do_not_show};
use crate::common::{self, Backend, ENGINE, assert_close, chain, chains, hot};
use crate::exchange::imploding;
use crate::gradients::differences;

with_tables!(
    the_work_is_that_of_the_centers,
    a_short_run_matches_the_reference,
    reads_and_restarts_do_not_show,
    overflows_do_not_show,
);

on_every_backend!(
    @ wgpu_batches:
    reads_and_restarts_do_not_show,
    frozen_replicas_keep_their_work,
    work_goes_on_with_a_bias_of_the_same_name
);

without_network!(
    energy_and_work_balance,
    frozen_replicas_keep_their_work,
    a_replica_has_the_work_of_the_step_in_which_it_leaves_the_grid,
    work_goes_on_with_a_bias_of_the_same_name,
    a_minimization_does_no_work,
    wrong_settings_are_refused,
);

on_every_backend!(
    @ reference:
    the_work_is_that_of_the_centers,
    energy_and_work_balance,
    reads_and_restarts_do_not_show,
    frozen_replicas_keep_their_work,
    a_replica_has_the_work_of_the_step_in_which_it_leaves_the_grid,
    work_goes_on_with_a_bias_of_the_same_name,
    a_minimization_does_no_work,
    wrong_settings_are_refused
);

const N: usize = 9;

fn moving(name: &str, variable: Variable, k: &[f64], path: &[(u64, f64)]) -> Bias {
    let form = BiasForm::Moving { k: k.to_vec(), path: path.to_vec() };
    Bias { name: name.into(), variable, form }
}

/// The dihedral of the first four beads passes ±π, where its energy has a cusp.
fn all() -> Vec<Bias> {
    let form = BiasForm::Harmonic { k: vec![0.5], center: vec![9.0] };
    let turn = [(2, -3.0), (9, 4.0)];
    vec![
        moving("ends", Variable::end_to_end(N), &[0.5, 1.0, 2.0], &[(1, 8.0), (4, 9.5), (11, 7.0)]),
        Bias { name: "rest".into(), variable: Variable::radius_of_gyration(), form },
        moving("turn", Variable::Dihedral([0, 1, 2, 3]), &[0.4], &turn),
        moving("rg", Variable::radius_of_gyration(), &[3.0], &[(0, 6.0), (1_000_000, 4.0)]),
    ]
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
fn centers_are_on_their_path() {
    let bias = moving("d", Variable::end_to_end(2), &[2.0], &[(10, 4.0), (20, 6.0), (40, 5.0)]);
    let at = |x: f64| [[0.0; 3], [0.0, x, 0.0]];
    for (step, center) in
        [(0, 4.0), (10, 4.0), (15, 5.0), (20, 6.0), (30, 5.5), (40, 5.0), (1 << 40, 5.0)]
    {
        let [q, energy] = bias.value_and_energy(&at(7.0), 0, step);
        assert_eq!((q, energy), (7.0, 2.0 * (7.0 - center) * (7.0 - center)), "step {step}");
    }
    let positions = chain(N, 40).positions;
    for (bias, step) in all().iter().zip([3, 0, 5, 400_000]) {
        let (_, forces) = bias.energy_and_forces(&positions, 1, step);
        let expected = differences(positions.as_flattened(), |x| {
            -bias.value_and_energy(x.as_chunks().0, 1, step)[1]
        });
        assert_close(&bias.name, forces.as_flattened(), &expected, 1e-7);
    }
}

/// Centers in f32 have errors of 5e-7 Å, times a force of 2 k |q − c| of up to 20 kcal/mol/Å.
fn assert_work(name: &str, found: &[f64], expected: &[f64]) {
    for (found, expected) in found.iter().zip(expected) {
        let allowed = 1e-5 + 1e-4 * expected.abs();
        assert!((found - expected).abs() < allowed, "{name}: {found}, not {expected}");
    }
}

/// Step by step, from the positions that are read.
fn the_work_is_that_of_the_centers(backend: &Backend) {
    let (system, start) = chains(N, 3);
    for integrator in [Integrator::Nve, Integrator::Overdamped { friction: 20.0 }] {
        let dynamics = Dynamics { integrator, dt: 0.002, ..hot(3) };
        let mut engine = backend.moving(system.clone(), &dynamics, &start);
        engine.set_biases(&all()).unwrap();
        let mut before = engine.read(READING).unwrap().state.unwrap().positions;
        let none = || vec![0.0; 3];
        let mut expected = BTreeMap::from([("ends", none()), ("turn", none()), ("rg", none())]);
        for step in 1..=12 {
            engine.advance(1).unwrap();
            let reading = engine.read(READING).unwrap();
            let state = reading.state.unwrap();
            assert_eq!(reading.work, state.work);
            assert!(state.work.keys().eq(["ends", "rg", "turn"]));
            for (bias, numbers) in all().iter().zip(&reading.biases) {
                for (r, after) in state.positions.chunks(N).enumerate() {
                    let found = numbers[r];
                    assert_close(&bias.name, &found, &bias.value_and_energy(after, r, step), 1e-4);
                    let Some(sums) = expected.get_mut(&*bias.name) else { continue };
                    let BiasForm::Moving { k, path } = &bias.form else { unreachable!() };
                    // The path with each step cut into halves.
                    let path = path.iter().map(|(step, center)| (2 * step, *center)).collect();
                    let form = BiasForm::Moving { k: k.clone(), path };
                    let halves = Bias { form, ..bias.clone() };
                    let energy = |x: &[[f64; 3]], half| halves.value_and_energy(x, r, half)[1];
                    let before = &before[N * r..N * (r + 1)];
                    sums[r] += energy(before, 2 * step - 1) - energy(before, 2 * step - 2);
                    sums[r] += energy(after, 2 * step) - energy(after, 2 * step - 1);
                }
            }
            for (name, sums) in &expected {
                assert_work(name, &state.work[*name], sums);
            }
            before = state.positions;
        }
        let turned = &expected["turn"];
        assert!(turned.iter().all(|work| work.abs() > 0.1), "{turned:?}");
    }
}

/// The first law: without a thermostat, the energies change by the work.
fn energy_and_work_balance(backend: &Backend) {
    let (_, _, system, start) = pairs(3, STIFFNESS);
    let bias = moving("pull", Variable::end_to_end(2), &[5.0], &[(100, 4.0), (900, 7.0)]);
    for mts in [1, 2] {
        let dynamics = Dynamics { integrator: Integrator::Nve, mts, dt: 0.001, ..hot(3) };
        let mut engine = backend.moving(system.clone(), &dynamics, &start);
        engine.set_biases(std::slice::from_ref(&bias)).unwrap();
        let mut total = || {
            let reading = engine.read(READING).unwrap();
            let state = reading.state.unwrap();
            let masses = system.masses();
            let kinetic = |r: usize| -> f64 {
                let of = |i: usize| -> f64 {
                    0.5 * masses[i] * state.velocities[i].iter().map(|v| v * v).sum::<f64>()
                };
                (2 * r..2 * r + 2).map(of).sum()
            };
            let of_replica = |r: usize| {
                reading.evaluation.energy[r] + reading.biases[0][r][1] + kinetic(r)
                    - reading.work["pull"][r]
            };
            engine.advance(1000).unwrap();
            ((0..3).map(of_replica).collect::<Vec<_>>(), state.work["pull"].clone())
        };
        let ((before, none), (after, work)) = (total(), total());
        assert_eq!(none, [0.0; 3]);
        assert!(work.iter().all(|work| *work > 5.0), "{work:?}");
        // Velocity Verlet changes an energy of 30 kcal/mol by a part of (h ω)²/8, with h ω = 0.04.
        for (before, after) in before.iter().zip(&after) {
            assert!((after - before).abs() < 30.0 * 0.04f64.powi(2) / 8.0, "{after}, not {before}");
        }
    }
}

/// Jarzynski's equality on harmonic pairs, whose free energy is an integral over their length:
/// exp(−β F) = ∫ r² exp(−β (k (r − r0)² + k' (r − c)²)) dr.
#[test]
fn work_gives_the_free_energy() {
    let n = 400;
    let (_, _, system, start) = pairs(n, STIFFNESS);
    let (k, [first, last]) = (4.0, [3.8, 6.0]);
    let bias = moving("pull", Variable::end_to_end(2), &[k], &[(1000, first), (2000, last)]);
    let mut engine = common::cpu().moving(system, &Dynamics { dt: 0.002, ..hot(n) }, &start);
    engine.set_biases(&[bias]).unwrap();
    engine.advance(2000).unwrap();
    let beta = start.beta[0];
    let weight = |center: f64| -> f64 {
        let of = |r: f64| {
            let energy = STIFFNESS * (r - REST).powi(2) + k * (r - center).powi(2);
            r * r * (-beta * energy).exp()
        };
        (0..20_000).map(|i| of(5e-4 * (f64::from(i) + 0.5))).sum()
    };
    let ratio = weight(last) / weight(first);
    let state = engine.state().unwrap();
    let all: Vec<f64> = state.work["pull"].iter().map(|work| (-beta * work).exp()).collect();
    let mean = all.iter().sum::<f64>() / n as f64;
    let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1) as f64;
    let error = (variance / n as f64).sqrt();
    assert!(error < 0.1 * ratio, "{error} of {ratio}");
    assert!((mean - ratio).abs() < 3.0 * error, "{mean} ± {error}, not {ratio}");
    // Work that is lost: the mean work is above the free energy.
    let lost = state.work["pull"].iter().sum::<f64>() / n as f64 + ratio.ln() / beta;
    assert!(lost > 0.01, "{lost}");
}

fn a_short_run_matches_the_reference(backend: &Backend) {
    let (system, start) = chains(N, 3);
    for (integrator, mts) in integrators() {
        let dynamics = Dynamics { integrator, dt: 0.002, mts, ..hot(3) };
        let [found, expected] = [backend, &common::reference()].map(|backend| {
            let mut engine = backend.moving(system.clone(), &dynamics, &start);
            engine.set_biases(&all()).unwrap();
            engine.advance(12).unwrap();
            engine.state().unwrap()
        });
        close(&format!("{integrator:?}, mts {mts}"), &found, &expected, ENGINE);
        for (name, work) in &expected.work {
            assert_work(name, &found.work[name], work);
        }
    }
}

fn reads_and_restarts_do_not_show(backend: &Backend) {
    let (system, start) = chains(N, 3);
    let terms = [Terms::Bias(0), Terms::Bias(2)];
    for (integrator, mts) in integrators() {
        let dynamics = Dynamics { integrator, dt: 0.002, mts, ..hot(3) };
        let what = format!("{integrator:?}, mts {mts}");
        let straight = cuts_do_not_show(&what, (&start, READING), &terms, |state| {
            let mut engine = backend.moving(system.clone(), &dynamics, &start);
            engine.set_biases(&all()).unwrap();
            engine.set_state(state).unwrap();
            engine
        });
        assert_eq!(straight.work.len(), 3);
    }
}

/// A list that overflows makes a device repeat steps, with their work.
fn overflows_do_not_show(backend: &Backend) {
    let (system, dynamics, start) = imploding();
    let start = State { exchanged: Default::default(), ..start };
    let dynamics = Dynamics { exchange: None, ..dynamics };
    let bias = moving("rg", Variable::radius_of_gyration(), &[0.5], &[(0, 9.0), (48, 4.0)]);
    repeat::overflows_do_not_show(READING, || {
        let mut engine = backend.moving(system.clone(), &dynamics, &start);
        engine.set_biases(std::slice::from_ref(&bias)).unwrap();
        engine
    });
}

fn frozen_replicas_keep_their_work(backend: &Backend) {
    let (_, _, system, mut start) = pairs(2, STIFFNESS);
    // The bond of the second pair is too long.
    start.positions[3] = [9.0, 0.0, 0.0];
    let bias = moving("pull", Variable::end_to_end(2), &[5.0], &[(0, 4.0), (20, 5.0)]);
    let watch = Watch { max_stretch: 2.0, ..Watch::OFF };
    let dynamics = Dynamics { watch, ..hot(2) };
    let mut engine = backend.moving(system, &dynamics, &start);
    engine.set_biases(&[bias]).unwrap();
    engine.advance(8).unwrap();
    let reading = engine.read(READING).unwrap();
    assert!(reading.frozen.keys().eq([&1]), "{:?}", reading.frozen);
    assert!(reading.work["pull"][0] != 0.0 && reading.work["pull"][1] == 0.0, "{:?}", reading.work);
}

/// A device looks at the grid of metadynamics after the work, and so do the others.
fn a_replica_has_the_work_of_the_step_in_which_it_leaves_the_grid(backend: &Backend) {
    let (_, _, system, start) = pairs(2, 0.0);
    let mut start = State { velocities: vec![[0.0; 3]; 4], ..start };
    start.positions = [4.0, 4.0].map(|x| [[0.0; 3], [x, 0.0, 0.0]]).concat();
    // 0.1 Å in a step of 4 fs: the second pair leaves the grid in the sixth step.
    start.velocities[3] = [25.0, 0.0, 0.0];
    let axis = Axis { lower: 2.0, upper: 4.55, bins: 51, periodic: false, width: 0.2 };
    let hills = Hills { axes: vec![axis], height: 1e-6, bias_factor: 8.0, temperature: 1000.0 };
    let (name, variables) = ("hills".into(), vec![Variable::end_to_end(2)]);
    let metadynamics = Some(Metadynamics { name, variables, hills, every: 100 });
    let dynamics = Dynamics { integrator: Integrator::Nve, metadynamics, ..hot(2) };
    let bias = moving("pull", Variable::end_to_end(2), &[1e-3], &[(0, 4.0), (20, 24.0)]);
    let mut engine = backend.moving(system, &dynamics, &start);
    engine.set_biases(&[bias]).unwrap();
    engine.advance(12).unwrap();
    let reading = engine.read(READING).unwrap();
    assert_eq!(reading.frozen[&1].step, 6);
    // k (x − c)² with x = 4 + n/10 and c = 4 + n: the halves of six steps.
    let energy = |n: f64, center: f64| 1e-3 * (0.1 * n - center).powi(2);
    let of_step = |n: f64| {
        energy(n, n + 0.5) - energy(n, n) + energy(n + 1.0, n + 1.0) - energy(n + 1.0, n + 0.5)
    };
    let expected: f64 = (0..6).map(|n| of_step(f64::from(n))).sum();
    let found = reading.work["pull"][1];
    // The spring changes the positions by up to 1e-3 of the way.
    assert!((found - expected).abs() < 1e-2 * expected, "{found}, not {expected}");
}

fn work_goes_on_with_a_bias_of_the_same_name(backend: &Backend) {
    let (_, _, system, start) = pairs(2, STIFFNESS);
    let bias =
        |name: &str, k: f64| moving(name, Variable::end_to_end(2), &[k], &[(0, 4.0), (20, 5.0)]);
    let still =
        Bias { form: BiasForm::Harmonic { k: vec![5.0], center: vec![5.0] }, ..bias("pull", 5.0) };
    let mut engine = backend.moving(system, &hot(2), &start);
    let work = |engine: &mut dyn Engine| engine.state().unwrap().work;
    engine.set_biases(&[bias("pull", 5.0)]).unwrap();
    engine.advance(10).unwrap();
    let done = work(&mut *engine);
    assert!(done["pull"].iter().all(|work| *work != 0.0), "{done:?}");
    engine.set_biases(&[bias("other", 1.0), bias("pull", 2.0)]).unwrap();
    let both = work(&mut *engine);
    assert_eq!(
        both,
        BTreeMap::from([("other".into(), vec![0.0; 2]), ("pull".into(), done["pull"].clone())])
    );
    engine.advance(4).unwrap();
    let later = work(&mut *engine);
    assert!(later["other"].iter().chain(&later["pull"]).all(|work| *work != 0.0), "{later:?}");
    engine.set_biases(&[still]).unwrap();
    assert_eq!(work(&mut *engine), BTreeMap::new());
    engine.set_biases(&[bias("pull", 5.0)]).unwrap();
    assert_eq!(work(&mut *engine)["pull"], [0.0; 2]);
    // A state may lack the work, or have it.
    let state = engine.state().unwrap();
    engine
        .set_state(&State { work: both.clone().into_iter().skip(1).collect(), ..state.clone() })
        .unwrap();
    assert_eq!(work(&mut *engine)["pull"], done["pull"]);
    engine.set_state(&State { work: BTreeMap::new(), ..state }).unwrap();
    assert_eq!(work(&mut *engine)["pull"], [0.0; 2]);
}

fn a_minimization_does_no_work(backend: &Backend) {
    let (_, _, system, start) = pairs(2, STIFFNESS);
    let bias = moving("pull", Variable::end_to_end(2), &[STIFFNESS], &[(0, 4.8), (20, 5.8)]);
    let mut engine = backend.moving(system, &hot(2), &start);
    engine.set_biases(&[bias]).unwrap();
    engine.set_state(&State { step: 10, ..start }).unwrap();
    engine.minimize(&Minimization { tolerance: 1e-3, ..Minimization::default() }).unwrap();
    let reading = engine.read(READING).unwrap();
    assert_eq!(reading.work["pull"], [0.0; 2]);
    // Between the bond's 3.8 Å and the center of step 10.
    for [q, _] in &reading.biases[0] {
        assert!((q - 0.5 * (3.8 + 5.3)).abs() < 1e-3, "{q}");
    }
}

fn wrong_settings_are_refused(backend: &Backend) {
    let (system, start) = chains(N, 2);
    let mut engine = backend.moving(system.clone(), &hot(2), &start);
    let path = [(0, 8.0), (10, 9.0)];
    let ends = |k: &[f64], path: &[(u64, f64)]| moving("ends", Variable::end_to_end(N), k, path);
    let place = Variable::Position { beads: vec![0], reference: vec![[0.0; 3]] };
    let turn = Variable::Dihedral([0, 1, 2, 3]);
    let wrong = [
        (ends(&[], &path), "k: found no number"),
        (ends(&[1.0; 3], &path), "k: found 3 numbers, expected 1, or 2, one for each replica"),
        (ends(&[-1.0], &path), "k: found -1"),
        (ends(&[1.0], &[(0, 8.0)]), "steps: found 1, expected at least two points"),
        (
            ends(&[1.0], &[(9, 8.0), (9, 9.0)]),
            "steps: found 9:8, 9:9, expected steps that increase",
        ),
        (ends(&[1.0], &[(0, 8.0), (9, f64::NAN)]), "centers: found NaN"),
        (moving("turn", turn, &[1.0], &[(0, 0.0), (9, 200.0 * PI)]), "centers: found 628"),
        (moving("place", place, &[1.0], &path), "form: found moving, expected another variable"),
        (moving("a_work", Variable::end_to_end(N), &[1.0], &path), "a_work"),
    ];
    for (bias, expected) in wrong {
        let error = engine.set_biases(&[bias]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}, not {expected}");
    }
    engine.set_biases(&[ends(&[1.0], &path)]).unwrap();
    let work = |name: &str, of: &[f64]| BTreeMap::from([(name.to_owned(), of.to_vec())]);
    for (work, expected) in [
        (work("other", &[0.0; 2]), "work: found other, expected names of moving biases"),
        (work("ends", &[0.0; 3]), "work, ends: found 3, expected 2, one per replica"),
        (work("ends", &[0.0, f64::INFINITY]), "work, ends: found inf, expected finite numbers"),
    ] {
        let error = engine.set_state(&State { work, ..start.clone() }).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}, not {expected}");
    }
    let exchange = Some(Exchange::copies(Mixing::Neighbors, &[1.7, 1.4], 1));
    let dynamics = Dynamics { exchange, ..hot(2) };
    let state = State { exchanged: Default::default(), ..start };
    let mut engine = backend.moving(system, &dynamics, &dynamics.at_start(state));
    let error = engine.set_biases(&[ends(&[1.0], &path)]).unwrap_err().to_string();
    assert!(error.contains("form: found moving, expected another form, with replica"), "{error}");
}
