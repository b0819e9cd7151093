//! `variable`: values and gradients of every kind of variable.

use std::collections::BTreeMap;

use flashschnet::Error;
use flashschnet::builtin;
use flashschnet::engine::{Frozen, Reason, Wanted};
use flashschnet::model::{Model, Prior, PriorForm, PriorParameters};
use flashschnet::ops::Ops;
use flashschnet::reference::ReferenceOps;
use flashschnet::structure::Structure;
use flashschnet::system::System;
use flashschnet::variable::{CONTACT_BETA, CONTACT_CUTOFF, CONTACT_LAMBDA, Variable};

use crate::common::{Backend, assert_close, chain, chains, hot, mixture, numbers, points};
use crate::gradients::differences;

with_tables!(
    matches_the_reference,
    matches_the_reference_on_many_replicas,
    mixtures_of_molecules_match_the_reference,
    does_not_change_when_the_molecule_turns_and_moves,
    a_small_rmsd_keeps_its_digits,
    is_finite_where_the_geometry_is_degenerate,
    a_replica_has_the_same_bits_alone,
    wrong_variables_are_refused,
    readings_have_the_values,
);

/// The tolerance of [`Ops::variable`].
const TOLERANCE: f64 = 1e-5;

/// The tolerance of a gradient at which the variable has these values.
pub(crate) fn of_gradient(variable: &Variable, values: &[f64]) -> f64 {
    let Variable::Rmsd { reference, .. } = variable else { return TOLERANCE };
    let n = reference.len() as f64;
    let center =
        reference.iter().fold([0.0; 3], |sum, x| std::array::from_fn(|c| sum[c] + x[c] / n));
    let square = |x: &[f64; 3]| (0..3).map(|c| (x[c] - center[c]).powi(2)).sum::<f64>();
    let farthest = reference.iter().map(square).fold(0.0, f64::max).sqrt();
    TOLERANCE + 5e-7 * farthest / values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// A system with a prior that applies to no tuple.
fn system(structures: &[Structure]) -> System {
    let empty = |structure: &Structure| {
        let mut topology = (*structure.topology).clone();
        topology.lists.retain(|list| list.name == "bonds");
        topology.lists.iter_mut().for_each(|list| list.tuples.clear());
        Structure { topology: topology.into(), ..structure.clone() }
    };
    let values = PriorParameters::PerTuple { values: vec![] };
    let bonds = Prior { name: "bonds".into(), form: PriorForm::HarmonicBond, parameters: values };
    let model = Model { schnet: None, priors: vec![bonds] };
    System::new(&model, &structures.iter().map(empty).collect::<Vec<_>>()).expect("valid")
}

fn positions(structures: &[Structure]) -> Vec<[f64; 3]> {
    structures.iter().flat_map(|structure| structure.positions.clone()).collect()
}

/// Variables of every kind on a chain like `reference`.
pub(crate) fn every_variable(reference: &[[f64; 3]]) -> Vec<Variable> {
    let n = reference.len() as u32;
    let some: Vec<u32> = (0..n).filter(|i| i % 3 != 1).rev().collect();
    let of_some: Vec<_> = some.iter().map(|i| reference[*i as usize]).collect();
    let contacts =
        |cutoff| Variable::native_contacts(reference, cutoff, CONTACT_BETA / 5.0, CONTACT_LAMBDA);
    vec![
        Variable::Position { beads: some.clone(), reference: of_some.clone() },
        Variable::Position { beads: vec![n - 1], reference: vec![[99.25, -57.5, 1e3]] },
        Variable::end_to_end(n as usize),
        Variable::Distance { groups: [vec![2, 0, 4], vec![4, n - 1]] },
        Variable::Angle([3, 0, n - 1]),
        Variable::Dihedral([n - 1, 1, 4, 2]),
        Variable::radius_of_gyration(),
        Variable::RadiusOfGyration { beads: some.clone() },
        Variable::rmsd(reference),
        Variable::Rmsd { beads: some, reference: of_some },
        contacts(9.0),
        contacts(30.0),
    ]
}

/// Compares a backend with the reference.
fn compare(backend: &Backend, system: &System, variable: &Variable, positions: &[[f64; 3]]) {
    let [found, expected] = [&*backend.ops, &ReferenceOps as &dyn Ops]
        .map(|ops| ops.variable(system, variable, positions).unwrap());
    let what = format!("{:.40}", format!("{variable:?}"));
    assert_close(&format!("{what}: value"), &found.0, &expected.0, TOLERANCE);
    let tolerance = of_gradient(variable, &expected.0);
    let [found, expected] = [found.1, expected.1].map(|all| all.into_flattened());
    assert_close(&format!("{what}: gradient"), &found, &expected, tolerance);
}

/// The rotation by a seeded quaternion.
fn rotation(seed: u64) -> [[f64; 3]; 3] {
    let q = numbers(seed, 4, 1.0);
    let length = q.iter().map(|x| x * x).sum::<f64>().sqrt();
    let [w, x, y, z] = std::array::from_fn(|k| q[k] / length);
    [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
    ]
}

fn turn(rotation: [[f64; 3]; 3], x: [f64; 3]) -> [f64; 3] {
    rotation.map(|row| row[0] * x[0] + row[1] * x[1] + row[2] * x[2])
}

/// The points after a rotation and a translation.
fn moved(points: &[[f64; 3]], rotation: [[f64; 3]; 3], by: [f64; 3]) -> Vec<[f64; 3]> {
    let of = |x: &[f64; 3]| {
        let x = turn(rotation, *x);
        std::array::from_fn(|c| x[c] + by[c])
    };
    points.iter().map(of).collect()
}

fn added(points: &[[f64; 3]], others: &[[f64; 3]]) -> Vec<[f64; 3]> {
    let sum = |(x, y): (&[f64; 3], &[f64; 3])| std::array::from_fn(|c| x[c] + y[c]);
    points.iter().zip(others).map(sum).collect()
}

/// Gradients are the central differences of values in f64.
#[test]
fn gradients_are_those_of_the_values() {
    for n in [6, 23] {
        let (chain, reference) = (chain(n, 3), chain(n, 4).positions);
        let reference = moved(&reference, rotation(8), [5.0, -4.0, 3.0]);
        for variable in every_variable(&reference) {
            let (value, gradient) = variable.value_and_gradient(&chain.positions);
            assert_eq!(value.to_bits(), variable.value(&chain.positions).to_bits());
            let x = chain.positions.as_flattened();
            let expected = differences(x, |x| variable.value(x.as_chunks().0));
            let what = format!("{variable:?}");
            assert_close(&what, gradient.as_flattened(), &expected, 1e-7);
        }
    }
}

/// Values that are known without a formula of this crate.
#[test]
fn values_are_right() {
    let corner = [[0.0, 0.0, 0.0], [3.0, 0.0, 0.0], [3.0, 4.0, 0.0], [3.0, 4.0, 12.0]];
    let close = |variable: Variable, expected: f64| {
        assert_close(&format!("{variable:?}"), &[variable.value(&corner)], &[expected], 1e-12);
    };
    close(Variable::end_to_end(4), 13.0);
    close(Variable::Distance { groups: [vec![0, 1], vec![2]] }, (1.5f64.powi(2) + 16.0).sqrt());
    close(Variable::Angle([0, 1, 2]), std::f64::consts::FRAC_PI_2);
    close(Variable::Dihedral([0, 1, 2, 3]), std::f64::consts::FRAC_PI_2);
    close(Variable::RadiusOfGyration { beads: vec![0, 1] }, 1.5);
    let reference = corner.map(|x| [x[0], x[1] + 2.0, x[2]]).to_vec();
    close(Variable::Position { beads: vec![0, 1, 2, 3], reference: reference.clone() }, 2.0);
    assert!(Variable::rmsd(&reference).value(&corner) < 1e-12);
    // Two pairs of equal centers: the best rotation turns one onto the other.
    close(Variable::Rmsd { beads: vec![0, 1], reference: vec![[0.0; 3], [0.0, 5.0, 0.0]] }, 1.0);
    // The mirror image is not reached by a proper rotation.
    let mirrored: Vec<_> = corner.iter().map(|x| [x[0], x[1], -x[2]]).collect();
    assert!(Variable::rmsd(&mirrored).value(&corner) > 0.5);
    let pairs = vec![[0, 1], [2, 3]];
    let distances = vec![3.0, 4.0];
    let contacts = Variable::NativeContacts { pairs, distances, beta: 5.0, lambda: 1.0 };
    close(contacts, 0.5 * (0.5 + 1.0 / (1.0 + 40f64.exp())));
    // A dihedral angle of π is −π.
    let flat = [[0.0, 1.0, 0.0], [0.0; 3], [1.0, 0.0, 0.0], [1.0, -1.0, 0.0]];
    assert_eq!(Variable::Dihedral([0, 1, 2, 3]).value(&flat), -std::f64::consts::PI);
}

fn matches_the_reference(backend: &Backend) {
    for n in [6, 23] {
        let first = chain(n, 7);
        let second = Structure { topology: first.topology.clone(), ..chain(n, 8) };
        let structures = [first, second];
        let reference = moved(&chain(n, 4).positions, rotation(8), [5.0, -4.0, 3.0]);
        for variable in every_variable(&reference) {
            compare(backend, &system(&structures), &variable, &positions(&structures));
        }
    }
}

/// Replicas of the built-in system: near its structure, unfolded, far from the origin.
fn matches_the_reference_on_many_replicas(backend: &Backend) {
    let structure = builtin::structure();
    let reference = structure.positions.clone();
    for n_replicas in [1, 64] {
        let copy = |r: usize| {
            let scale = [0.05, 1.0, 20.0][r % 3];
            let near = added(&reference, &points(r as u64, reference.len(), scale));
            let by = [300.0 * r as f64, -70.0, 1.0 + r as f64];
            Structure { positions: moved(&near, rotation(r as u64), by), ..structure.clone() }
        };
        let structures: Vec<_> = (0..n_replicas).map(copy).collect();
        let all = every_variable(&reference).into_iter().chain([Variable::native_contacts(
            &reference,
            CONTACT_CUTOFF,
            CONTACT_BETA,
            CONTACT_LAMBDA,
        )]);
        for variable in all {
            compare(backend, &system(&structures), &variable, &positions(&structures));
        }
    }
}

fn mixtures_of_molecules_match_the_reference(backend: &Backend) {
    let (_, mut structures) = mixture();
    let all = Variable::radius_of_gyration();
    compare(backend, &system(&structures), &all, &positions(&structures));
    structures.retain(|structure| structure.positions.len() >= 6);
    for variable in every_variable(&chain(6, 2).positions) {
        compare(backend, &system(&structures), &variable, &positions(&structures));
    }
}

fn does_not_change_when_the_molecule_turns_and_moves(backend: &Backend) {
    let structure = chain(23, 7);
    let reference = chain(23, 4).positions;
    let r = rotation(5);
    let turned = moved(&structure.positions, r, [40.0, 900.0, -70.0]);
    let system = system(std::slice::from_ref(&structure));
    for variable in every_variable(&reference).into_iter().skip(2) {
        let found = backend.ops.variable(&system, &variable, &turned).unwrap();
        let expected = variable.value_and_gradient(&structure.positions);
        assert_close(&format!("{variable:?}"), &found.0, &[expected.0], TOLERANCE);
        let tolerance = of_gradient(&variable, &[expected.0]);
        let expected = moved(&expected.1, r, [0.0; 3]);
        let what = format!("{variable:?}: gradient");
        assert_close(&what, found.1.as_flattened(), expected.as_flattened(), tolerance);
    }
}

/// An RMSD of some 1e-4 Å has an error of 2e-5 Å: positions relative to the center, up to 20 Å, have
/// an error of 2⁻²⁴ of that, and those of the rotated reference one of a few such units. The formula
/// by the eigenvalue would have an error of 20 Å · √2⁻²⁴ = 5e-3 Å.
fn a_small_rmsd_keeps_its_digits(backend: &Backend) {
    let structure = builtin::structure();
    let (reference, n) = (structure.positions.clone(), structure.positions.len());
    let variable = Variable::rmsd(&reference);
    let system = system(&[structure]);
    for scale in [0.0, 1e-4, 1e-3, 1e-2, 0.1] {
        let near = added(&reference, &points(3, n, scale));
        let turned = moved(&near, rotation(17), [-9.0, 5.0, 80.0]);
        let found = backend.ops.variable(&system, &variable, &turned);
        let (found, expected) = (found.unwrap().0[0], variable.value(&turned));
        assert!((found - expected).abs() < 2e-5, "{scale}: {found} {expected}");
        assert!(scale == 0.0 || (expected / scale - 1.0).abs() < 0.1, "{scale}: {expected}");
    }
}

/// Degenerate geometries at places that f32 holds exactly.
fn is_finite_where_the_geometry_is_degenerate(backend: &Backend) {
    let line: Vec<[f64; 3]> = (0..6).map(|i| [f64::from(i) * 4.0, 0.0, 0.0]).collect();
    let place = vec![[1.0, 2.0, 3.0]; 6];
    let pair: Vec<[f64; 3]> = (0..6).map(|i| [0.0, f64::from(i / 3), 0.0]).collect();
    let square: Vec<[f64; 3]> =
        (0..6).map(|i| [f64::from(i % 2), f64::from(i % 4 / 2), 0.0]).collect();
    let mirrored: Vec<[f64; 3]> =
        chain(6, 1).positions.iter().map(|x| [-x[0], x[1], x[2]]).collect();
    let cases = [
        ("line", line),
        ("place", place),
        ("pair", pair),
        ("square", square),
        ("mirror", mirrored),
    ];
    let system = system(&[chain(6, 1)]);
    for (name, positions) in &cases {
        for (from, reference) in cases.iter().map(|(from, x)| (*from, x.clone())) {
            let mut all = every_variable(&reference);
            all.push(Variable::Distance { groups: [vec![3], vec![3]] });
            all.push(Variable::Distance { groups: [vec![0, 1, 2], vec![2, 1, 0]] });
            for variable in all.into_iter().filter(|variable| variable.check(&system).is_ok()) {
                let what = format!("{name} from {from}: {variable:?}");
                let (values, gradient) =
                    backend.ops.variable(&system, &variable, positions).unwrap();
                // On the scale of 1 Å or 1 rad.
                let expected = [variable.value(positions), 1.0];
                let found = [values[0], 1.0];
                assert_close(&what, &found, &expected, 1e-4);
                // A gradient of 1 for each bead, or that of an angle at the floors.
                let most = 1.0 / 1e-8;
                assert!(gradient.as_flattened().iter().all(|x| x.abs() <= most), "{what}");
            }
        }
    }
}

fn a_replica_has_the_same_bits_alone(backend: &Backend) {
    let structure = chain(23, 7);
    let copy = |seed| Structure { topology: structure.topology.clone(), ..chain(23, seed) };
    let structures: Vec<_> = (0..5).map(copy).collect();
    for variable in every_variable(&chain(23, 4).positions) {
        let among = backend.ops.variable(&system(&structures), &variable, &positions(&structures));
        let among = among.unwrap();
        for (r, structure) in structures.iter().enumerate() {
            let alone = std::slice::from_ref(structure);
            let alone = backend.ops.variable(&system(alone), &variable, &positions(alone)).unwrap();
            assert_eq!(alone.0, among.0[r..=r], "{variable:?}");
            assert_eq!(alone.1, among.1[23 * r..][..23], "{variable:?}");
        }
    }
}

fn wrong_variables_are_refused(backend: &Backend) {
    let (_, structures) = mixture();
    let (system, positions) = (system(&structures[3..]), positions(&structures[3..]));
    let contacts = |pairs: &[[u32; 2]], distances: &[f64], beta| Variable::NativeContacts {
        pairs: pairs.to_vec(),
        distances: distances.to_vec(),
        beta,
        lambda: 1.0,
    };
    let cases = [
        (Variable::Angle([0, 1, 6]), "angle: found bead 6, expected a bead below 6"),
        (Variable::Dihedral([0, 1, 2, 1]), "dihedral: found bead 1 twice"),
        (Variable::Distance { groups: [vec![0], vec![]] }, "distance: found no beads"),
        (Variable::RadiusOfGyration { beads: vec![2, 2] }, "bead 2 twice"),
        (Variable::rmsd(&[[0.0; 3]; 7]), "RMSD: found bead 6"),
        (Variable::rmsd(&[[f64::NAN; 3]; 2]), "RMSD, reference: found NaN"),
        (Variable::Position { beads: vec![1], reference: vec![[1e8; 3]] }, "coordinates within"),
        (Variable::Position { beads: vec![1, 2], reference: vec![] }, "reference: found 0"),
        (
            Variable::native_contacts(&[[0.0; 3]; 4], 8.0, 5.0, 1.2),
            "native contacts: found no pairs",
        ),
        (contacts(&[[0, 1], [1, 0]], &[1.0, 1.0], 5.0), "found the pair 1-0"),
        (contacts(&[[0, 1]], &[], 5.0), "distances: found 0, expected 1"),
        (contacts(&[[0, 1]], &[0.0], 5.0), "distance: found 0"),
        (contacts(&[[0, 1]], &[1.0], f64::NAN), "beta: found NaN"),
    ];
    for (variable, expected) in cases {
        let error = backend.ops.variable(&system, &variable, &positions).unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let gyration = Variable::radius_of_gyration();
    let error = backend.ops.variable(&system, &gyration, &positions[1..]).unwrap_err();
    assert!(error.to_string().contains("positions"), "{error}");
}

/// An engine reads the values of its present state, NaN for a frozen replica, and only if they are
/// wanted.
fn readings_have_the_values(backend: &Backend) {
    let (system, mut state) = chains(9, 3);
    let frozen = Frozen { step: 0, bead: 2, reason: Reason::Force };
    state.frozen = BTreeMap::from([(1, frozen)]);
    let mut engine = backend.moving(system, &hot(3), &state);
    let all = every_variable(&chain(9, 4).positions);
    let wanted = Wanted { state: true, observables: true, ..Wanted::default() };
    assert!(engine.read(wanted).unwrap().observables.is_empty());
    for variables in [&all[..3], &all[2..]] {
        engine.set_observables(variables).unwrap();
        engine.advance(3).unwrap();
        assert!(engine.read(Wanted::default()).unwrap().observables.is_empty());
        let reading = engine.read(wanted).unwrap();
        let positions = reading.state.unwrap().positions;
        assert_eq!(reading.observables.len(), variables.len());
        for (variable, found) in variables.iter().zip(&reading.observables) {
            assert!(found[1].is_nan());
            let expected = [0, 2].map(|r: usize| variable.value(&positions[9 * r..][..9]));
            let found = [found[0], found[2]];
            assert_close(&format!("{variable:?}"), &found, &expected, TOLERANCE);
        }
    }
    let error = engine.set_observables(&[Variable::end_to_end(10)]).unwrap_err();
    assert!(error.to_string().contains("found bead 9"), "{error}");
    assert_eq!(engine.read(wanted).unwrap().observables.len(), all.len() - 2);
    engine.set_observables(&[]).unwrap();
    assert!(engine.read(wanted).unwrap().observables.is_empty());
}
