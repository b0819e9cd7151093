//! `prior_bonded` and `prior_repulsion`: every form alone and all together.

#[macro_use]
mod common;

use common::{Backend, assert_close, chain, every_prior};
use flashschnet::model::{Model, Prior, PriorForm, PriorParameters};
use flashschnet::ops::Ops;
use flashschnet::reference::ReferenceOps;
use flashschnet::system::{Structure, System};

on_every_backend!(
    matches_the_reference,
    is_finite_where_the_geometry_is_degenerate,
    a_cutoff_ends_and_a_zero_cutoff_does_nothing
);

fn system(priors: Vec<Prior>, n: usize) -> (System, Vec<[f64; 3]>) {
    let first = chain(n, 7);
    let second = Structure { topology: first.topology.clone(), ..chain(n, 8) };
    let structures = [first, second];
    let system = System::new(&Model { schnet: None, priors }, &structures).expect("valid");
    (system, structures.into_iter().flat_map(|s| s.positions).collect())
}

/// Both operations of a backend against the reference's, within 1e-5 of the largest number or of
/// `least`; every number is finite.
fn compare(backend: &Backend, system: &System, positions: &[[f64; 3]], least: f64, what: &str) {
    let both = |ops: &dyn Ops| {
        [ops.prior_bonded(system, positions), ops.prior_repulsion(system, positions)]
            .map(Result::unwrap)
    };
    for (found, expected) in both(&*backend.ops).into_iter().zip(both(&ReferenceOps)) {
        for (what, found, expected) in [
            (format!("{what}: energy"), &found.0[..], &expected.0[..]),
            (format!("{what}: force"), found.1.as_flattened(), expected.1.as_flattened()),
        ] {
            assert!(expected.iter().all(|value| value.is_finite()), "{what}: {expected:?}");
            let with_least = |values: &[f64]| [values, &[least]].concat();
            assert_close(&what, &with_least(found), &with_least(expected), 1e-5);
        }
    }
}

fn matches_the_reference(backend: &Backend) {
    for n in [2, 3, 5, 23] {
        let each = every_prior(n).into_iter().map(|prior| vec![prior]);
        for priors in each.chain([every_prior(n)]) {
            let names: Vec<_> = priors.iter().map(|prior| prior.name.clone()).collect();
            let (system, positions) = system(priors, n);
            compare(backend, &system, &positions, 0.0, &format!("{names:?} of {n} beads"));
        }
    }
}

/// Coordinates at which single precision makes next to no error, so that all backends see the same
/// degeneracy. Forces that cancel are compared on the scale of 1 kcal/mol/Å.
fn is_finite_where_the_geometry_is_degenerate(backend: &Backend) {
    let x = |x: f64| [f64::from(x as f32), 0.0, 0.0];
    let cases = [
        ("straight", [x(0.0), x(4.0), x(8.0), x(12.0)]),
        ("folded", [x(0.0), x(4.0), x(0.5), x(-3.5)]),
        ("bent once", [x(0.0), x(4.0), x(8.0), [8.0, 4.0, 0.0]]),
        ("planar, cis", [[0.0, 4.0, 0.0], x(0.0), x(4.0), [4.0, 4.0, 0.0]]),
        ("planar, trans", [[0.0, -4.0, 0.0], x(0.0), x(4.0), [4.0, 4.0, 0.0]]),
        ("planar, trans, turned", [[0.0, 0.0, 4.0], x(0.0), x(4.0), [4.0, 0.0, -4.0]]),
        ("first two at a point", [x(0.0), x(0.0), x(4.0), [4.0, 4.0, 0.0]]),
        ("middle two at a point", [x(4.0), x(0.0), x(0.0), [0.0, 4.0, 0.0]]),
        ("last two at a point", [[0.0, 4.0, 0.0], x(0.0), x(4.0), x(4.0)]),
        ("ends at a point", [x(0.0), x(4.0), [4.0, 4.0, 0.0], x(0.0)]),
        ("all at a point", [[1.0, 2.0, 3.0]; 4]),
        ("first two almost", [x(1e-6), x(0.0), x(4.0), [4.0, 4.0, 0.0]]),
        ("middle two almost", [[0.0, 4.0, 0.0], x(0.0), x(1e-5), [0.0, 4.0, 0.0]]),
        ("ends almost", [x(1e-5), x(4.0), [4.0, 4.0, 0.0], x(0.0)]),
        ("all almost", [x(0.0), x(1e-7), [0.0, 1e-7, 0.0], [0.0, 0.0, 1e-7]]),
    ];
    for (name, positions) in cases {
        let positions = positions.map(|x| x.map(|x| f64::from(x as f32)));
        for prior in every_prior(4) {
            let what = format!("{}, {name}", prior.name);
            let structure = Structure { positions: positions.to_vec(), ..chain(4, 1) };
            let model = Model { schnet: None, priors: vec![prior] };
            let system = System::new(&model, &[structure]).expect("valid");
            compare(backend, &system, &positions, 1.0, &what);
        }
    }
}

fn a_cutoff_ends_and_a_zero_cutoff_does_nothing(backend: &Backend) {
    for (form, inside, nothing) in [
        (PriorForm::CutoffRepulsion, vec![4.0, 5.0], vec![0.0, 0.0]),
        (PriorForm::CutoffExpRepulsion, vec![8.0, 4.0, 5.0], vec![8.0, 4.0, 0.0]),
    ] {
        for (distance, values, acts) in [
            (4.5, &inside, true),
            (5.0, &inside, false),
            (5.5, &inside, false),
            (4.5, &nothing, false),
        ] {
            let parameters = PriorParameters::PerTuple { values: values.clone() };
            let prior = Prior { name: "non_bonded".into(), form, parameters };
            let positions = vec![[0.0; 3], [9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, distance]];
            let structure = Structure { positions: positions.clone(), ..chain(4, 1) };
            let model = Model { schnet: None, priors: vec![prior] };
            let system = System::new(&model, &[structure]).expect("valid");
            let (energy, force) = backend.ops.prior_repulsion(&system, &positions).unwrap();
            assert_eq!(energy.iter().any(|x| *x > 0.0), acts, "{form:?} at {distance}");
            assert_eq!(force[3][2] > 0.0, acts, "{form:?} at {distance}");
            compare(backend, &system, &positions, 0.0, &format!("{form:?} at {distance}"));
        }
    }
}

#[test]
fn a_form_that_divides_by_its_parameters_has_them_for_every_tuple() {
    let chain = chain(6, 1);
    for (form, n) in [(PriorForm::ExpRepulsion, 2), (PriorForm::CutoffExpRepulsion, 3)] {
        // Of the pairs of types 0-3, 0-4, 0-0, 1-4, 1-0, 2-0 the second has no alpha.
        let keys = vec![[0, 3, 0, 0], [0, 4, 0, 0], [1, 4, 0, 0], [2, 0, 0, 0]];
        let values: Vec<f64> = (0..4).flat_map(|_| [8.0, 4.0, 7.0][..n].to_vec()).collect();
        let join = |parameters| {
            let prior = Prior { name: "exp_repulsion".into(), form, parameters };
            let model = Model { schnet: None, priors: vec![prior] };
            System::new(&model, std::slice::from_ref(&chain)).map(|_| ())
        };
        let mut zero = values.clone();
        zero[n] = 0.0;
        for (values, expected) in [
            (values.clone(), "2 of 6 tuples without parameters, of bead types [0, 0], [1, 0]"),
            (zero, "3 of 6 tuples without parameters, of bead types [0, 0], [0, 4], [1, 0]"),
        ] {
            let error = join(PriorParameters::Keyed { keys: keys.clone(), values }).unwrap_err();
            let error = error.to_string();
            assert!(
                error.contains("prior/exp_repulsion: found") && error.contains(expected),
                "{error}"
            );
        }
        let values: Vec<f64> = (0..6).flat_map(|_| [8.0, 4.0, 7.0][..n].to_vec()).collect();
        join(PriorParameters::PerTuple { values }).unwrap();
    }
}
