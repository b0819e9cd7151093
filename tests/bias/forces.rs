//! Values, energies and forces of biases at given positions.

use std::f64::consts::PI;

use flashschnet::bias::BiasForm;
use flashschnet::engine::{Terms, Wanted};
use flashschnet::system::System;
use flashschnet::variable::Variable;

use super::{N, READING, bias, every_bias, harmonic};
use crate::common::{self, Backend, assert_close, chain, chains, hot, mixture};
use crate::gradients::differences;
use crate::variable::of_gradient;

with_tables!(forces_and_energies_match_the_reference);

#[test]
fn forces_are_the_negative_gradients() {
    let positions = chain(N, 40).positions;
    let mut acting = 0;
    for bias in every_bias(3) {
        for state in [0, 2] {
            let ([q, energy], forces) = bias.energy_and_forces(&positions, state, 0);
            assert_eq!(bias.value_and_energy(&positions, state, 0), [q, energy]);
            assert_eq!(q, bias.variable.value(&positions));
            let expected = differences(positions.as_flattened(), |x| {
                -bias.value_and_energy(x.as_chunks().0, state, 0)[1]
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
    assert_eq!(spring.value_and_energy(&at(7.0), 0, 0), [7.0, 18.0]);
    assert_eq!(spring.value_and_energy(&at(7.0), 1, 0), [7.0, 27.0]);
    let form = BiasForm::FlatBottom { k: vec![2.0], lower: vec![4.0], upper: vec![6.0] };
    let flat = bias("flat", distance(), form);
    let energies = [1.0, 4.0, 5.0, 6.0, 9.0].map(|x| flat.value_and_energy(&at(x), 0, 0)[1]);
    assert_eq!(energies, [18.0, 0.0, 0.0, 0.0, 18.0]);
    // Each bead by itself: 2 (3 − 1)² + 2 (2 − 1)².
    let place =
        Variable::Position { beads: vec![0, 1], reference: vec![[3.0, 0.0, 0.0], [0.0; 3]] };
    let place = harmonic("place", place, &[2.0], &[1.0]);
    assert_eq!(place.value_and_energy(&at(2.0), 0, 0), [6.5f64.sqrt(), 10.0]);
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
        let ([_, energy], _) = bias.energy_and_forces(&at(sign * phi), 0, 0);
        let expected = 2.0 * f64::powi(difference, 2);
        assert!((energy - expected).abs() < 1e-9, "{phi}, {center}: {energy}, not {expected}");
    }
    let (lower, upper) = (vec![3.0], vec![3.5]);
    let form = BiasForm::FlatBottom { k: vec![1.0], lower, upper };
    let flat = bias("phi", dihedral.clone(), form);
    let sign = dihedral.value(&at(1.0)).signum();
    let energy = |phi: f64| flat.value_and_energy(&at(sign * phi), 0, 0)[1];
    assert!(energy(-3.0) == 0.0 && energy(3.2) == 0.0);
    assert!((energy(-2.5) - (2.0 * PI - 2.5 - 3.5).powi(2)).abs() < 1e-9);
}

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
