//! `bias`: restraints of variables. Their forces, their effect on dynamics and on replica exchange.

use std::f64::consts::PI;

use flashschnet::Error;
use flashschnet::backend::BackendKind;
use flashschnet::bias::{Bias, BiasForm};
use flashschnet::engine::{
    Dynamics, Engine, Exchange, Integrator, Ladder, Minimization, Mixing, State, Terms, Wanted,
    Watch,
};
use flashschnet::random::{Stream, uniform4};
use flashschnet::simulation::{Control, Frame, Settings, Simulation};
use flashschnet::system::System;
use flashschnet::variable::Variable;

use crate::callback::{REST, STIFFNESS, close, integrators, pairs, simulation, spring};
use crate::common::{
    self, Backend, ENGINE, assert_close, chain, chains, hot, mixture, numbers, points,
};
use crate::exchange::{imploding, uniforms};
use crate::gradients::differences;
use crate::variable::{every_variable, of_gradient};

on_every_backend!(
    forces_and_energies_match_the_reference,
    a_short_run_matches_the_reference,
    it_acts_with_the_forces_of_the_host,
    a_spring_moves_as_a_bond_and_a_callback,
    a_spring_has_the_mean_energy_of_a_bond,
    a_replica_moves_alone_as_among_others,
    reads_and_restarts_do_not_show,
    overflows_do_not_show,
    a_minimum_is_that_of_potential_and_bias,
    wrong_biases_are_refused,
    exchanges_match_the_reference,
    near_the_threshold_exchanges_decide_as_in_f64,
    exchanges_take_the_biases_along,
);

on_every_backend!(
    @ reference:
    it_acts_with_the_forces_of_the_host,
    a_spring_moves_as_a_bond_and_a_callback,
    a_replica_moves_alone_as_among_others,
    reads_and_restarts_do_not_show,
    a_minimum_is_that_of_potential_and_bias,
    wrong_biases_are_refused,
    exchanges_take_the_biases_along
);

const N: usize = 9;

fn bias(name: impl Into<String>, variable: Variable, form: BiasForm) -> Bias {
    Bias { name: name.into(), variable, form }
}

fn harmonic(name: &str, variable: Variable, k: &[f64], center: &[f64]) -> Bias {
    bias(name, variable, BiasForm::Harmonic { k: k.to_vec(), center: center.to_vec() })
}

/// Biases on variables of every kind, with numbers for `n` states.
fn every_bias(n: usize) -> Vec<Bias> {
    let reference = chain(N, 4).positions;
    let per_state = |x: f64| (0..n).map(|s| x + 0.125 * s as f64).collect::<Vec<_>>();
    let mut all = Vec::new();
    for (i, variable) in every_variable(&reference).into_iter().enumerate() {
        let q = variable.value(&reference);
        let form = BiasForm::Harmonic { k: per_state(2.0), center: vec![q + 1.5] };
        all.push(bias(format!("harmonic_{i}"), variable.clone(), form));
        let (below, above) = (vec![q - 2.0], per_state(q - 1.0));
        let form = BiasForm::FlatBottom { k: vec![1.5], lower: below, upper: above };
        all.push(bias(format!("flat_{i}"), variable.clone(), form));
        if !matches!(variable, Variable::Dihedral(_)) {
            let (lower, upper) = (per_state(q + 1.0), Vec::new());
            let form = BiasForm::FlatBottom { k: vec![0.5], lower, upper };
            all.push(bias(format!("lower_{i}"), variable, form));
        }
    }
    all
}

#[test]
fn forces_are_the_negative_gradients() {
    let positions = chain(N, 40).positions;
    let mut acting = 0;
    for bias in every_bias(3) {
        for state in [0, 2] {
            let ([q, energy], forces) = bias.energy_and_forces(&positions, state);
            assert_eq!(bias.value_and_energy(&positions, state), [q, energy]);
            assert_eq!(q, bias.variable.value(&positions));
            let expected = differences(positions.as_flattened(), |x| {
                -bias.value_and_energy(x.as_chunks().0, state)[1]
            });
            let what = format!("{}, state {state}", bias.name);
            if expected.iter().all(|f| *f == 0.0) {
                assert!(forces.iter().all(|f| f.map(f64::abs) == [0.0; 3]), "{what}");
                continue;
            }
            assert_close(&what, forces.as_flattened(), &expected, 1e-7);
            acting += 1;
        }
    }
    assert!(acting > 50, "{acting}");
}

#[test]
fn forms_have_their_energies() {
    let at = |x: f64| [[0.0; 3], [0.0, x, 0.0]];
    let distance = || Variable::Distance { groups: [vec![0], vec![1]] };
    let spring = harmonic("d", distance(), &[2.0, 3.0], &[4.0]);
    assert_eq!(spring.value_and_energy(&at(7.0), 0), [7.0, 18.0]);
    assert_eq!(spring.value_and_energy(&at(7.0), 1), [7.0, 27.0]);
    let form = BiasForm::FlatBottom { k: vec![2.0], lower: vec![4.0], upper: vec![6.0] };
    let flat = bias("flat", distance(), form);
    let energies = [1.0, 4.0, 5.0, 6.0, 9.0].map(|x| flat.value_and_energy(&at(x), 0)[1]);
    assert_eq!(energies, [18.0, 0.0, 0.0, 0.0, 18.0]);
    // Each bead by itself: 2 (3 − 1)² + 2 (2 − 1)².
    let place =
        Variable::Position { beads: vec![0, 1], reference: vec![[3.0, 0.0, 0.0], [0.0; 3]] };
    let place = harmonic("place", place, &[2.0], &[1.0]);
    assert_eq!(place.value_and_energy(&at(2.0), 0), [6.5f64.sqrt(), 10.0]);
}

/// The difference of angles is at most π.
#[test]
fn a_dihedral_turns_the_short_way() {
    let at = |phi: f64| [[1.0, 0.0, 0.0], [0.0; 3], [0.0, 0.0, 1.0], [phi.cos(), phi.sin(), 1.0]];
    let dihedral = Variable::Dihedral([0, 1, 2, 3]);
    for (phi, center, difference) in
        [(3.0, -3.0, 6.0 - 2.0 * PI), (-3.0, 3.0, 2.0 * PI - 6.0), (1.0, 7.0, 2.0 * PI - 6.0)]
    {
        let bias = harmonic("phi", dihedral.clone(), &[2.0], &[center]);
        let sign = dihedral.value(&at(phi)).signum() * phi.signum();
        let ([_, energy], _) = bias.energy_and_forces(&at(sign * phi), 0);
        let expected = 2.0 * f64::powi(difference, 2);
        assert!((energy - expected).abs() < 1e-9, "{phi}, {center}: {energy}, not {expected}");
    }
    let (lower, upper) = (vec![3.0], vec![3.5]);
    let form = BiasForm::FlatBottom { k: vec![1.0], lower, upper };
    let flat = bias("phi", dihedral.clone(), form);
    let sign = dihedral.value(&at(1.0)).signum();
    let energy = |phi: f64| flat.value_and_energy(&at(sign * phi), 0)[1];
    assert!(energy(-3.0) == 0.0 && energy(3.2) == 0.0);
    assert!((energy(-2.5) - (2.0 * PI - 2.5 - 3.5).powi(2)).abs() < 1e-9);
}

const READING: Wanted = Wanted {
    state: true,
    energies: Some(Terms::Total),
    forces: true,
    trace: false,
    observables: false,
    biases: true,
};

/// Values, energies and forces of every bias alone, and the reading of all of them.
fn forces_and_energies_match_the_reference(backend: &Backend) {
    let (model, structures) = mixture();
    let mixed = System::new(&model, &structures).unwrap();
    let of_mixture = structures.iter().flat_map(|s| s.positions.clone()).collect();
    let (system, state) = chains(N, 3);
    let radius = harmonic("rg", Variable::radius_of_gyration(), &[2.0], &[1.0]);
    for (system, state, biases) in [
        (mixed.clone(), common::at_rest(&mixed, of_mixture), vec![radius]),
        (system, state, every_bias(3)),
    ] {
        let n = system.n_replicas();
        let mut engines = [backend, &common::reference()].map(|backend| {
            let mut engine = backend.moving(system.clone(), &hot(n), &state);
            engine.set_biases(&biases).unwrap();
            engine
        });
        let total = engines[0].evaluate(Terms::Total).unwrap();
        let [found, expected] = engines.each_mut().map(|engine| engine.read(READING).unwrap());
        assert_eq!(found.evaluation, total);
        assert_eq!(expected.biases.len(), biases.len());
        for (k, bias) in biases.iter().enumerate() {
            let [found, expected] = [&found, &expected].map(|reading| &reading.biases[k]);
            let values: Vec<f64> = expected.iter().map(|of| of[0]).collect();
            let [f, e] = [found, expected].map(|of| of.as_flattened());
            let alone = engines.each_mut().map(|engine| engine.evaluate(Terms::Bias(k)).unwrap());
            // q - c is up to 100 times shorter than q, but has its error; the energy has twice its
            // relative error. `assert_close` compares with the largest of the three replicas.
            let tolerance = 20.0 * of_gradient(&bias.variable, &values);
            assert_close(&bias.name, f, e, tolerance);
            assert_close(&bias.name, &alone[0].energy, &alone[1].energy, tolerance);
            let [f, e] = [&alone[0], &alone[1]].map(|of| of.forces.as_flattened());
            assert_close(&format!("{}: forces", bias.name), f, e, tolerance);
            let of_reading: Vec<f64> = found.iter().map(|of| of[1]).collect();
            assert_eq!(of_reading, alone[0].energy);
        }
        let energies = Wanted { forces: false, ..READING };
        assert_eq!(engines[0].read(energies).unwrap().biases, found.biases);
        assert!(engines[0].read(Wanted::default()).unwrap().biases.is_empty());
        let error = engines[0].evaluate(Terms::Bias(biases.len())).unwrap_err().to_string();
        assert!(error.contains(&format!("bias: found {}", biases.len())), "{error}");
    }
}

/// Biases that are smooth enough for a trajectory.
fn gentle(n: usize) -> Vec<Bias> {
    let reference = chain(N, 4).positions;
    let centers: Vec<f64> = (0..n).map(|r| 5.0 + 2.0 * r as f64).collect();
    let form = BiasForm::FlatBottom { k: vec![3.0], lower: Vec::new(), upper: vec![3.5] };
    let beads: Vec<u32> = vec![1, 4];
    let places = vec![reference[1], reference[4]];
    vec![
        harmonic("ends", Variable::end_to_end(N), &[1.0], &centers),
        bias("rg", Variable::radius_of_gyration(), form),
        harmonic("rmsd", Variable::rmsd(&reference), &[2.0], &[1.5]),
        harmonic("place", Variable::Position { beads, reference: places }, &[1.0], &[0.0]),
    ]
}

fn a_short_run_matches_the_reference(backend: &Backend) {
    let (system, start) = chains(N, 3);
    for (integrator, mts) in integrators() {
        let dynamics = Dynamics { integrator, dt: 0.002, mts, ..hot(3) };
        let [found, expected] = [backend, &common::reference()].map(|backend| {
            let mut engine = backend.moving(system.clone(), &dynamics, &start);
            engine.set_biases(&gentle(3)).unwrap();
            engine.advance(10).unwrap();
            engine.probe().advance_with_noise(&points(3, 27 * mts as usize, 1.5)).unwrap();
            engine.state().unwrap()
        });
        close(&format!("{integrator:?}, mts {mts}"), &found, &expected, ENGINE);
    }
}

/// Biases, constant forces and a callback act together, and each can be removed.
fn it_acts_with_the_forces_of_the_host(backend: &Backend) {
    let (system, start) = chains(N, 2);
    let n = 2 * N;
    let dynamics = hot(2);
    let (halves, whole) = (points(5, n, 4.0), points(5, n, 8.0));
    let run = |external: &[[f64; 3]], called: bool, biased: bool| {
        let mut engine = backend.moving(system.clone(), &dynamics, &start);
        let set = |engine: &mut dyn Engine, external: Option<&[[f64; 3]]>| {
            engine.set_external_forces(external).unwrap();
        };
        // In another order, too.
        if !called {
            set(&mut *engine, Some(external));
        }
        if biased {
            engine.set_biases(&gentle(2)).unwrap();
        }
        if called {
            set(&mut *engine, Some(external));
            let forces = external.to_vec();
            let found = move |_: &[[f64; 3]]| {
                let energy = vec![0.0; 2];
                Ok(flashschnet::engine::CallbackForces { energy, forces: forces.clone() })
            };
            engine.set_force_callback(Some(Box::new(found))).unwrap();
        }
        engine.advance(6).unwrap();
        let pushed = engine.state().unwrap();
        engine.set_force_callback(None).unwrap();
        engine.set_external_forces(None).unwrap();
        engine.advance(6).unwrap();
        let biased = engine.state().unwrap();
        engine.set_biases(&[]).unwrap();
        engine.advance(6).unwrap();
        (pushed, biased, engine.state().unwrap())
    };
    let expected = run(&whole, false, true);
    assert_eq!(run(&halves, true, true), expected);
    assert_ne!(run(&whole, false, false).0.positions, expected.0.positions);
    // After the end of the push the biases still act, and after theirs nothing does.
    let after = |start: &State, biased: bool| {
        let mut engine = backend.moving(system.clone(), &dynamics, start);
        if biased {
            engine.set_biases(&gentle(2)).unwrap();
        }
        engine.advance(6).unwrap();
        engine.state().unwrap()
    };
    assert_eq!(after(&expected.0, true), expected.1);
    assert_eq!(after(&expected.1, false), expected.2);
    assert_ne!(after(&expected.0, false), expected.1);
}

/// The spring of a pair: a prior, a callback or a bias.
#[derive(Clone, Copy, PartialEq, Debug)]
enum By {
    Prior,
    Callback,
    Bias,
}

fn sprung(backend: &Backend, n: usize, dynamics: &Dynamics, by: By) -> Box<dyn Engine> {
    let (_, _, system, state) = pairs(n, if by == By::Prior { STIFFNESS } else { 0.0 });
    let mut engine = backend.moving(system, dynamics, &state);
    match by {
        By::Prior => {}
        By::Callback => engine.set_force_callback(Some(Box::new(spring))).unwrap(),
        By::Bias => {
            let bias = harmonic("bond", Variable::end_to_end(2), &[STIFFNESS], &[REST]);
            engine.set_biases(&[bias]).unwrap();
        }
    }
    engine
}

/// The energies of the springs, and the state.
fn look(engine: &mut dyn Engine, by: By) -> (Vec<f64>, State) {
    let reading = engine.read(READING).unwrap();
    let energy = match by {
        By::Prior => reading.evaluation.energy,
        By::Callback => reading.callback.unwrap().energy,
        By::Bias => reading.biases[0].iter().map(|of| of[1]).collect(),
    };
    (energy, reading.state.unwrap())
}

fn a_spring_moves_as_a_bond_and_a_callback(backend: &Backend) {
    let n = 2;
    let dynamics = Dynamics { integrator: Integrator::Nve, watch: Watch::OFF, ..hot(n) };
    let masses = pairs(n, 0.0).2.masses();
    let run = |by: By| {
        let mut engine = sprung(backend, n, &dynamics, by);
        let mut totals = Vec::new();
        for _ in 0..60 {
            engine.advance(10).unwrap();
            let (spring, state) = look(&mut *engine, by);
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
    let all = [By::Prior, By::Callback, By::Bias].map(run);
    for (energies, end) in &all {
        close("a spring", end, &all[0].1, ENGINE);
        assert_close("total energy", energies, &all[0].0, ENGINE);
        // The energy only oscillates, by some percent.
        let [early, late] = [&energies[..n * 20], &energies[n * 40..]]
            .map(|part| part.iter().sum::<f64>() / part.len() as f64);
        assert!((late / early - 1.0).abs() < 2e-3, "{early} became {late}");
    }
}

/// Means of independent replicas with different random numbers agree within four standard errors.
fn a_spring_has_the_mean_energy_of_a_bond(backend: &Backend) {
    let n = 64;
    let run = |by: By| {
        let dynamics = Dynamics { seed: if by == By::Bias { 5 } else { 6 }, ..hot(n) };
        let mut engine = sprung(backend, n, &dynamics, by);
        engine.advance(200).unwrap();
        let mut means = vec![0.0; n];
        for _ in 0..50 {
            engine.advance(10).unwrap();
            let (spring, _) = look(&mut *engine, by);
            means.iter_mut().zip(spring).for_each(|(mean, energy)| *mean += energy / 50.0);
        }
        let mean = means.iter().sum::<f64>() / n as f64;
        let spread = means.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
        (mean, spread / (n * (n - 1)) as f64)
    };
    let ((found, error), (expected, other)) = (run(By::Bias), run(By::Prior));
    let allowed = 4.0 * (error + other).sqrt();
    assert!((found - expected).abs() < allowed, "{found} instead of {expected} ± {allowed}");
    // Half of kT, 2 kcal/mol. The distance of two beads adds less than a tenth of it.
    assert!((found - 1.0).abs() < 0.1 + 4.0 * error.sqrt(), "{found}");
}

fn a_replica_moves_alone_as_among_others(backend: &Backend) {
    let (system, start) = chains(N, 3);
    let dynamics = hot(3);
    let mut engine = backend.moving(system.clone(), &dynamics, &start);
    engine.set_biases(&gentle(3)).unwrap();
    engine.advance(20).unwrap();
    let expected = engine.read(READING).unwrap();
    let together = expected.state.unwrap();
    for r in 0..3 {
        let beads = system.beads(r);
        let start = State {
            positions: start.positions[beads.clone()].to_vec(),
            velocities: start.velocities[beads.clone()].to_vec(),
            origins: vec![start.origins[r]],
            beta: vec![start.beta[r]],
            ..State::default()
        };
        let replica_ids = vec![dynamics.replica_ids[r]];
        let dynamics = Dynamics { replica_ids, ..dynamics.clone() };
        let mut engine = backend.moving(system.select([r]), &dynamics, &start);
        let mut biases = gentle(3);
        biases[0] = harmonic("ends", Variable::end_to_end(N), &[1.0], &[5.0 + 2.0 * r as f64]);
        engine.set_biases(&biases).unwrap();
        engine.advance(20).unwrap();
        let found = engine.read(READING).unwrap();
        assert_eq!(found.state.unwrap().positions, together.positions[beads]);
        let of_replica: Vec<_> = expected.biases.iter().map(|of| vec![of[r]]).collect();
        assert_eq!(found.biases, of_replica);
    }
}

fn reads_and_restarts_do_not_show(backend: &Backend) {
    let (system, start) = chains(N, 2);
    for (integrator, mts) in integrators() {
        let dynamics = Dynamics { integrator, dt: 0.002, mts, ..hot(2) };
        let run = |pieces: &[u64], reads: bool| {
            let new = |state: &State| {
                let mut engine = backend.moving(system.clone(), &dynamics, state);
                engine.set_biases(&gentle(2)).unwrap();
                engine
            };
            let mut engine = new(&start);
            for steps in pieces {
                engine.advance(*steps).unwrap();
                if reads {
                    engine.evaluate(Terms::Prior(0)).unwrap();
                    engine.evaluate(Terms::Bias(1)).unwrap();
                    engine.request(READING).unwrap();
                    engine.advance(2).unwrap();
                    engine.collect().unwrap();
                    engine = new(&engine.state().unwrap());
                    engine.read(READING).unwrap();
                }
            }
            engine.read(READING).unwrap()
        };
        let straight = run(&[20], false);
        assert_eq!(run(&[2, 4, 0, 14], false), straight, "{integrator:?}, mts {mts}");
        assert_eq!(run(&[2, 4, 8], true), straight, "{integrator:?}, mts {mts}");
    }
}

/// A list that overflows makes a device repeat steps and exchanges, with biases of the states.
fn overflows_do_not_show(backend: &Backend) {
    let (system, dynamics, start) = imploding();
    let radius = harmonic("rg", Variable::radius_of_gyration(), &[0.5], &[12.0, 13.0]);
    for mts in [1, 2] {
        let dynamics = Dynamics { mts, ..dynamics.clone() };
        let run = |reads: bool| {
            let mut engine = backend.moving(system.clone(), &dynamics, &start);
            engine.set_biases(std::slice::from_ref(&radius)).unwrap();
            for _ in 0..8 {
                engine.advance(6).unwrap();
                engine.exchange().unwrap();
                if reads {
                    engine.settle().unwrap();
                    engine.read(READING).unwrap();
                }
            }
            let edges = engine.probe().n_edges().unwrap();
            (engine.read(READING).unwrap(), edges)
        };
        let (alone, read) = (run(false), run(true));
        // The room at first.
        assert!(alone.1.iter().max() > Some(&174), "{:?}", alone.1);
        assert_eq!(alone, read);
    }
}

/// A bond with rest length 3.8 Å and a bias of the same k to 5 Å meet in the middle.
fn a_minimum_is_that_of_potential_and_bias(backend: &Backend) {
    let (_, _, system, state) = pairs(2, STIFFNESS);
    let mut engine = backend.moving(system, &hot(2), &state);
    let bias = harmonic("pull", Variable::end_to_end(2), &[STIFFNESS], &[5.0, 6.0]);
    engine.set_biases(&[bias]).unwrap();
    let minimization = Minimization { tolerance: 1e-3, ..Minimization::default() };
    let results = engine.minimize(&minimization).unwrap();
    assert!(results.iter().all(|result| result.is_converged));
    let reading = engine.read(READING).unwrap();
    let values: Vec<f64> = reading.biases[0].iter().map(|of| of[0]).collect();
    assert_close("distances", &values, &[4.4, 4.9], 1e-4);
    let energies: Vec<f64> = reading.biases[0].iter().map(|of| of[1]).collect();
    assert_close("energies", &energies, &[3.6, 12.1], 1e-3);
    assert_close("energies", &reading.evaluation.energy, &[3.6, 12.1], 1e-3);
}

fn wrong_biases_are_refused(backend: &Backend) {
    let (system, start) = chains(N, 3);
    let mut engine = backend.moving(system, &hot(3), &start);
    let kept = gentle(3);
    engine.set_biases(&kept).unwrap();
    let ends = || Variable::end_to_end(N);
    let flat = |variable: Variable, lower: &[f64], upper: &[f64]| {
        let (lower, upper) = (lower.to_vec(), upper.to_vec());
        bias("pull", variable, BiasForm::FlatBottom { k: vec![1.0], lower, upper })
    };
    let dihedral = || Variable::Dihedral([0, 1, 2, 3]);
    for (biases, expected) in [
        (
            vec![harmonic("pull", ends(), &[1.0], &[1.0; 2])],
            "bias pull: center: found 2 numbers, expected 1, or 3, one for each replica",
        ),
        (vec![harmonic("pull", ends(), &[], &[1.0])], "bias pull: k: found no number"),
        (vec![harmonic("pull", ends(), &[-1.0], &[1.0])], "bias pull: k: found -1"),
        (vec![harmonic("pull", ends(), &[1.0], &[f64::NAN])], "bias pull: center: found NaN"),
        (vec![harmonic("pull", ends(), &[1.0], &[1e10])], "bias pull: center: found 10000000000"),
        (vec![harmonic("pull it", ends(), &[1.0], &[1.0])], "bias: found \"pull it\""),
        (vec![harmonic("a_value", ends(), &[1.0], &[1.0])], "bias: found \"a_value\""),
        (
            vec![harmonic("pull", Variable::end_to_end(10), &[1.0], &[1.0])],
            "bias pull: distance: found bead 9",
        ),
        (vec![harmonic("pull", ends(), &[1.0], &[1.0]); 2], "bias: found pull twice"),
        (vec![flat(ends(), &[], &[])], "bias pull: lower: found neither lower nor upper"),
        (
            vec![flat(ends(), &[2.0], &[3.0, 1.0, 3.0])],
            "bias pull: upper: found 1, expected at least 2, which lower is",
        ),
        (vec![flat(dihedral(), &[2.0], &[])], "bias pull: upper: found no number"),
        (vec![flat(dihedral(), &[-4.0], &[3.0])], "bias pull: upper: found 3, expected at most 2π"),
    ] {
        let error = engine.set_biases(&biases).unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }));
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert_eq!(engine.read(READING).unwrap().biases.len(), kept.len());
}

/// A ladder of `n` states for each molecule, all at one temperature or not.
fn ladders(n: usize, copies: usize, equal: bool, mixing: Mixing) -> Exchange {
    let beta: Vec<f64> = (0..n).map(|s| if equal { 0.5 } else { 0.6 - 0.02 * s as f64 }).collect();
    Exchange::copies(mixing, &beta, copies)
}

/// The same energies, uniform numbers and biases give the same labels as in f64.
fn exchanges_match_the_reference(backend: &Backend) {
    let centers: Vec<f64> = (0..5).map(|s| 3.6 + 0.15 * f64::from(s)).collect();
    let biases = [
        harmonic("ends", Variable::end_to_end(N), &[1.0, 1.5, 0.0, 2.0, 1.0], &centers),
        harmonic(
            "place",
            Variable::Position { beads: vec![0], reference: vec![[0.0; 3]] },
            &[0.5],
            &[1.0, 1.5, 2.0, 2.5, 3.0],
        ),
    ];
    for (mixing, equal) in [
        (Mixing::Neighbors, true),
        (Mixing::Neighbors, false),
        (Mixing::AllPairs, true),
        (Mixing::AllPairs, false),
    ] {
        let (system, start) = chains(N, 15);
        let exchange = ladders(5, 3, equal, mixing);
        let dynamics = Dynamics { exchange: Some(exchange), ..hot(15) };
        let start = dynamics.at_start(start);
        let mut engines = [backend, &common::reference()].map(|backend| {
            let mut engine = backend.moving(system.clone(), &dynamics, &start);
            engine.set_biases(&biases).unwrap();
            engine
        });
        for number in 0..8 {
            let draw = |r: u64| 5.0 * uniform4(number, Stream::Model, 5, r, 0)[0] - 600.0;
            let energies: Vec<f64> = (0..15).map(draw).collect();
            let tries = if mixing == Mixing::AllPairs { 25 } else { 2 };
            let uniforms = uniforms(number, 3 * tries);
            let states = engines.each_mut().map(|engine| {
                engine.probe().exchange_with(&energies, &uniforms).unwrap();
                engine.state().unwrap()
            });
            let what = format!("{mixing:?}, equal {equal}, exchange {number}");
            assert_eq!(states[0].exchanged, states[1].exchanged, "{what}");
        }
        let tally = engines[1].state().unwrap().exchanged.tally;
        let accepted: u32 = (0..3)
            .flat_map(|l| (0..4).map(move |a| (l, a)))
            .map(|(l, a)| tally[25 * l + 5 * a + a + 1])
            .sum();
        let all: u32 = tally.iter().sum();
        assert!(accepted > 5 && accepted + 5 < all, "{accepted} of {all}");
    }
}

/// The threshold of ln u is met but for 1e-5 kcal/mol, at energies of thousands of kcal/mol. The
/// energies of the biases are numbers that f32 holds.
fn near_the_threshold_exchanges_decide_as_in_f64(backend: &Backend) {
    const LADDERS: usize = 200;
    let (gaps, levels) = (uniforms(1, LADDERS), numbers(2, LADDERS, 9000.0));
    let bias = harmonic("ends", Variable::end_to_end(2), &[0.25, 0.5], &[1.0, 2.5]);
    let (mut energies, mut given, mut expected) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ladders, mut positions) = (Vec::new(), Vec::new());
    for (l, (gap, level)) in gaps.iter().zip(&levels).enumerate() {
        let second = if l % 3 == 0 { 1.1 + gap } else { 1.1 + gap - 0.005 - 0.5 * gap * gap };
        let beta = vec![1.1 + gap, second];
        let of_walker = [0.5 + 0.25 * (l % 8) as f64, 2.25 - 0.25 * (l % 5) as f64]
            .map(|distance| [[0.0; 3], [distance, 0.0, 0.0]]);
        let of = |walker: usize, state: usize| bias.value_and_energy(&of_walker[walker], state)[1];
        let of_biases = beta[0] * (of(0, 0) - of(1, 0)) + beta[1] * (of(1, 1) - of(0, 1));
        let closer = l % 2 == 0;
        // With equal temperatures only the biases decide, and u makes the difference.
        let (cold, uniform) = if l % 3 == 0 {
            let shift: f64 = if closer { -1e-5 } else { 1e-5 };
            (level + 1.5, (of_biases + shift).exp())
        } else {
            let gain = -15.0 * (gap * 97.0).fract().max(1e-3);
            let apart = (gain - of_biases) / (beta[0] - beta[1]);
            let shift = 1e-5 / (beta[0] - beta[1]);
            (level + apart + if closer { shift } else { -shift }, gain.exp())
        };
        // An accepted try needs no number near 1.
        let is_certain = uniform >= 1.0;
        energies.extend([cold, *level]);
        given.push(if is_certain { 0.999 } else { uniform });
        expected.extend(if closer || is_certain { [1, 0] } else { [0, 1] });
        ladders.push(Ladder { beta, walkers: vec![2 * l, 2 * l + 1] });
        positions.extend(of_walker.as_flattened());
    }
    let exchange = Exchange { every: 1, mixing: Mixing::Neighbors, ladders };
    let (system, dynamics, start) = crate::exchange::start(2 * LADDERS, exchange);
    let start = State { positions, ..start };
    for backend in [backend, &common::reference()] {
        let mut engine = backend.moving(system.clone(), &dynamics, &start);
        engine.set_biases(std::slice::from_ref(&bias)).unwrap();
        engine.probe().exchange_with(&energies, &given).unwrap();
        let label = engine.state().unwrap().exchanged.label;
        let wrong: Vec<usize> = (0..expected.len()).filter(|r| label[*r] != expected[*r]).collect();
        assert!(wrong.is_empty(), "walkers {wrong:?}");
    }
}

/// After an exchange the numbers are those of the new state, and without biases in the states the
/// rule is the plain one.
fn exchanges_take_the_biases_along(backend: &Backend) {
    let (system, start) = chains(N, 4);
    let exchange = ladders(4, 1, true, Mixing::AllPairs);
    let dynamics = Dynamics { exchange: Some(exchange), ..hot(4) };
    let start = dynamics.at_start(start);
    let centers = [3.0, 5.0, 7.0, 9.0];
    let ends = harmonic("ends", Variable::end_to_end(N), &[0.02], &centers);
    let run = |reads: bool| {
        let mut engine = backend.moving(system.clone(), &dynamics, &start);
        engine.set_biases(std::slice::from_ref(&ends)).unwrap();
        for _ in 0..10 {
            engine.advance(3).unwrap();
            engine.exchange().unwrap();
            if reads {
                let reading = engine.read(READING).unwrap();
                let state = reading.state.unwrap();
                for (r, label) in state.exchanged.label.iter().enumerate() {
                    let positions = &state.positions[system.beads(r)];
                    let expected = ends.value_and_energy(positions, *label as usize);
                    assert_close("bias", &reading.biases[0][r], &expected, 1e-4);
                }
                engine = backend.moving(system.clone(), &dynamics, &state);
                engine.set_biases(std::slice::from_ref(&ends)).unwrap();
            }
        }
        engine.read(READING).unwrap()
    };
    let (alone, read) = (run(false), run(true));
    assert_eq!(alone, read);
    let exchanged = alone.state.unwrap().exchanged;
    assert!(exchanged.tally[1] > 0 && exchanged.label != [0, 1, 2, 3], "{exchanged:?}");
    let mut engine = backend.moving(system.clone(), &dynamics, &start);
    let error = engine.set_biases(&[harmonic("ends", Variable::end_to_end(N), &[1.0], &[1.0; 3])]);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("expected 1, or 4, one for each state of the ladder"), "{error}");
    let ladders = vec![Ladder { beta: vec![0.5; 3], walkers: vec![0, 1, 2] }];
    let exchange = Exchange { every: 1, mixing: Mixing::Neighbors, ladders };
    let dynamics = Dynamics { exchange: Some(exchange), ..hot(4) };
    let start = dynamics.at_start(State { exchanged: Default::default(), ..start.clone() });
    let mut engine = backend.moving(system.clone(), &dynamics, &start);
    let error = engine.set_biases(&[harmonic("ends", Variable::end_to_end(N), &[1.0; 3], &[1.0])]);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("some replicas are in no ladder"), "{error}");
    engine.set_biases(&[harmonic("ends", Variable::end_to_end(N), &[1.0], &[1.0])]).unwrap();
    engine.advance(2).unwrap();
    engine.exchange().unwrap();
    engine.settle().unwrap();
}

#[test]
fn a_simulation_reports_them() {
    let mut simulation = simulation(&Settings { n_replicas: 2, ..Settings::default() });
    let bond = harmonic("bond", Variable::end_to_end(2), &[STIFFNESS], &[REST, 5.0]);
    simulation.add_bias(bond.clone()).unwrap();
    assert!(simulation.add_bias(bond.clone()).is_err());
    assert_eq!(simulation.biases(), std::slice::from_ref(&bond));
    let mut frames = 0;
    let mut observe = |frame: &Frame, _: &mut Control| {
        assert_eq!(frame.biases[0].name, "bond");
        for r in 0..2 {
            let expected = bond.value_and_energy(&frame.positions[2 * r..2 * r + 2], r);
            assert_eq!([frame.biases[0].value[r], frame.biases[0].energy[r]], expected);
        }
        assert!(frame.bias_levels.is_empty());
        frames += 1;
        Ok(())
    };
    simulation.run_with(20, 5, &mut observe).unwrap();
    assert_eq!(frames, 4);
    assert_eq!(simulation.energies().unwrap().potential, [0.0; 2]);
    assert_eq!(simulation.bias_values().unwrap()[0].name, "bond");
}

#[test]
fn a_blow_up_names_it() {
    let watch = Watch { max_force: 100.0, ..Watch::default() };
    let mut simulation = simulation(&Settings { n_replicas: 2, watch, ..Settings::default() });
    let pull = harmonic("pull", Variable::end_to_end(2), &[50.0], &[9.0]);
    simulation.add_bias(pull).unwrap();
    let error = simulation.run(20).unwrap_err().to_string();
    assert!(error.contains("the largest force on bead 0 is from bias pull"), "{error}");
}

#[test]
fn a_start_that_it_throws_away_is_refused() {
    let (model, structure, ..) = pairs(1, 0.0);
    let backend = flashschnet::Backend::open(BackendKind::Reference, None).unwrap();
    let biases = vec![harmonic("pull", Variable::end_to_end(2), &[1e4], &[9.0])];
    let settings = Settings { biases, ..Settings::default() };
    let error = Simulation::new(&model, &[structure], &settings, &backend).err().unwrap();
    assert!(error.to_string().contains("the start clashes: bias pull pushes bead"), "{error}");
}
