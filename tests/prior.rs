//! `prior_bonded` and `prior_repulsion`: every form alone, and all forms together.

use flashschnet::error::Error;
use flashschnet::gpu::params::GRID;
use flashschnet::model::{Model, Prior, PriorForm, PriorParameters};
use flashschnet::ops::Ops;
use flashschnet::reference::ReferenceOps;
use flashschnet::structure::{Structure, TupleList};
use flashschnet::system::System;

use crate::common::{Backend, assert_close, chain, every_prior, numbers};

on_every_backend!(
    matches_the_reference,
    is_finite_where_the_geometry_is_degenerate,
    a_cutoff_ends_and_a_zero_cutoff_does_nothing,
    shifted_impropers_keep_their_digits_near_zero,
    impropers_keep_their_digits_near_pi,
    angles_keep_their_digits_near_the_ends,
    dihedrals_keep_their_digits_on_straight_arms,
    cutoff_repulsions_keep_their_digits_near_the_cutoff,
    repulsions_beyond_f32_are_right_or_not_finite,
);

fn system(priors: Vec<Prior>, n: usize) -> (System, Vec<[f64; 3]>) {
    let first = chain(n, 7);
    let second = Structure { topology: first.topology.clone(), ..chain(n, 8) };
    let structures = [first, second];
    let system = System::new(&Model { schnet: None, priors }, &structures).expect("valid");
    (system, structures.into_iter().flat_map(|s| s.positions).collect())
}

/// Compares both operations of a backend with the reference's. The tolerance is 1e-5 of the largest
/// expected number, or of `least` if that is larger. Every expected number must be finite.
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

/// The energy of two beads at a distance from 1e-4 Å to 6 Å, and the force on the first bead, are
/// those of the reference to 1e-4, or not finite, where they leave the range of f32.
fn repulsions_beyond_f32_are_right_or_not_finite(backend: &Backend) {
    let repulsions = [
        (PriorForm::Repulsion, vec![1e5]),
        (PriorForm::CutoffRepulsion, vec![1e5, 5.0]),
        (PriorForm::ExpRepulsion, vec![86.0, 4.0]),
        (PriorForm::ExpRepulsion, vec![95.0, 4.0]),
        (PriorForm::ExpRepulsion, vec![200.0, 4.0]),
        (PriorForm::ExpRepulsion, vec![-30.0, 0.25]),
        (PriorForm::CutoffExpRepulsion, vec![95.0, 4.0, 5.0]),
        (PriorForm::CutoffExpRepulsion, vec![200.0, 4.0, 5.0]),
        (PriorForm::CutoffExpRepulsion, vec![-30.0, 0.25, 5.0]),
        (PriorForm::CutoffExpRepulsion, vec![30.0, -0.25, 5.0]),
    ];
    for (form, values) in repulsions {
        let what = format!("{form:?} {values:?}");
        let parameters = PriorParameters::PerTuple { values };
        let mut chain = chain(2, 7);
        let mut topology = (*chain.topology).clone();
        topology.lists = vec![TupleList { name: "r".into(), order: 2, tuples: vec![[0, 1, 0, 0]] }];
        chain.topology = topology.into();
        let priors = vec![Prior { name: "r".into(), form, parameters }];
        let system = System::new(&Model { schnet: None, priors }, &[chain]).unwrap();
        for r in [0.0001, 0.01, 0.125, 0.25, 0.5, 1.0, 2.0, 3.0, 3.9375, 4.5, 5.5, 6.0] {
            let positions = [[1.0, 2.0, 3.0], [1.0 + r, 2.0, 3.0]];
            let values = |ops: &dyn Ops| {
                ops.prior_repulsion(&system, &positions)
                    .map(|(energy, force)| [energy[0], force[0][0]])
            };
            let expected = values(&ReferenceOps).unwrap();
            match values(&*backend.ops) {
                Err(Error::Unsupported { .. }) => {}
                Err(error) => panic!("{what} at {r}: {error}"),
                Ok(found) => {
                    for (found, expected) in found.into_iter().zip(expected) {
                        let right = (found - expected).abs() <= 1e-4 * expected.abs() + 1e-30;
                        assert!(right || !found.is_finite(), "{what} at {r}: {found} {expected}");
                        let fits = expected.abs() < 1e37;
                        assert!(!fits || found.is_finite(), "{what} at {r}: {found} {expected}");
                    }
                }
            }
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

/// Degenerate geometries, at coordinates where single precision makes almost no error, so that
/// every backend has the same degeneracy. Forces that cancel are compared on the scale of 1
/// kcal/mol/Å.
fn is_finite_where_the_geometry_is_degenerate(backend: &Backend) {
    let x = |x: f64| [x, 0.0, 0.0];
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
        // Devices hold positions as multiples of 2⁻³² Å.
        let on_grid = |x: f64| f64::from(((x * GRID).round() / GRID) as f32);
        let positions = positions.map(|x| x.map(on_grid));
        for prior in every_prior(4) {
            let what = format!("{}, {name}", prior.name);
            let structure = Structure { positions: positions.to_vec(), ..chain(4, 1) };
            let model = Model { schnet: None, priors: vec![prior] };
            let system = System::new(&model, &[structure]).expect("valid");
            compare(backend, &system, &positions, 1.0, &what);
        }
    }
}

/// The positions after a seeded rotation and translation of the whole. They are multiples of 2⁻²⁰ Å
/// and below 16 Å, so they and their differences are exact in f32.
fn turned(positions: [[f64; 3]; 4], seed: u64) -> Vec<[f64; 3]> {
    const GRID: f64 = 1_048_576.0;
    let n = numbers(seed, 7, 1.0);
    let norm = n[..4].iter().map(|x| x * x).sum::<f64>();
    let [w, x, y, z] = [n[0], n[1], n[2], n[3]];
    // The rotation matrix of the quaternion (w, x, y, z), times its squared norm.
    let rows = [
        [w * w + x * x - y * y - z * z, 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), w * w - x * x + y * y - z * z, 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), w * w - x * x - y * y + z * z],
    ];
    let turn = |p: &[f64; 3]| {
        std::array::from_fn(|c| {
            let dot = (0..3).map(|k| rows[c][k] * p[k]).sum::<f64>() / norm;
            ((dot + 4.0 * n[4 + c]) * GRID).round() / GRID
        })
    };
    positions.iter().map(turn).collect()
}

/// Compares a form with the reference on four beads in 24 orientations.
fn compare_turned(
    backend: &Backend,
    form: PriorForm,
    parameters: &[f64],
    positions: [[f64; 3]; 4],
    what: &str,
) {
    let mut prior = every_prior(4).into_iter().find(|prior| prior.form == form).expect("a form");
    // Four beads have two angles, or one tuple of any other form.
    let n_tuples = if form.order() == 3 { 2 } else { 1 };
    prior.parameters = PriorParameters::PerTuple { values: parameters.repeat(n_tuples) };
    let first = chain(4, 1);
    let of = |seed| Structure { positions: turned(positions, seed), ..first.clone() };
    let structures: Vec<Structure> = (0..24).map(of).collect();
    let model = Model { schnet: None, priors: vec![prior] };
    let system = System::new(&model, &structures).expect("valid");
    let positions: Vec<_> = structures.into_iter().flat_map(|s| s.positions).collect();
    compare(backend, &system, &positions, 0.0, &format!("{form:?} {parameters:?}, {what}"));
}

/// Four beads with the dihedral angle `phi`. The outer bonds form the angle `bend` with the axis of
/// the middle bond.
fn torsion(phi: f64, bend: f64) -> [[f64; 3]; 4] {
    let (sin, cos) = bend.sin_cos();
    let arm = |length: f64, phi: f64| [length * sin * phi.cos(), length * sin * phi.sin()];
    let (first, last) = (arm(3.8, 0.3), arm(3.6, 0.3 + phi));
    [
        [first[0], first[1], -3.8 * cos],
        [0.0; 3],
        [0.0, 0.0, 3.7],
        [last[0], last[1], 3.7 + 3.6 * cos],
    ]
}

fn shifted_impropers_keep_their_digits_near_zero(backend: &Backend) {
    use std::f64::consts::PI;
    for psi in [0.3, 0.1, 0.03, -0.03, -0.1, -0.3] {
        let positions = torsion(if psi < 0.0 { psi + PI } else { psi - PI }, 1.2);
        let form = PriorForm::ShiftedHarmonicImproper;
        compare_turned(backend, form, &[25.0, 0.0, 0.0], positions, &format!("psi {psi}"));
    }
}

/// phi − x0 is not wrapped to (−π, π], so phi is chosen between x0 and 0.
fn impropers_keep_their_digits_near_pi(backend: &Backend) {
    for x0 in [std::f64::consts::PI, 3.0, -3.0, -std::f64::consts::PI] {
        for offset in [0.1_f64, 0.05] {
            let phi = x0 - offset.copysign(x0);
            let form = PriorForm::HarmonicImproper;
            let positions = torsion(phi, 1.2);
            compare_turned(backend, form, &[25.0, x0, 0.0], positions, &format!("phi {phi}"));
        }
    }
}

fn angles_keep_their_digits_near_the_ends(backend: &Backend) {
    use std::f64::consts::PI;
    for end in [0.0_f64, PI] {
        for bend in [0.3_f64, 0.1, 0.03] {
            let theta = (end - bend).abs();
            // Both angles of the four beads are theta.
            let step = |k: f64, length: f64| {
                [length * (k * (PI - theta)).cos(), length * (k * (PI - theta)).sin()]
            };
            let mut at = [0.0; 2];
            let mut positions = [[0.0; 3]; 4];
            for (k, length) in [3.8, 3.6, 3.9].into_iter().enumerate() {
                let way = step(k as f64, length);
                at = [at[0] + way[0], at[1] + way[1]];
                positions[k + 1] = [at[0], at[1], 0.0];
            }
            for (form, parameters) in [
                (PriorForm::HarmonicAngle, vec![30.0, 1.5 * end.cos(), 0.0]),
                (PriorForm::HarmonicAngleRaw, vec![30.0, 1.9, 0.0]),
                (PriorForm::QuarticAngle, vec![0.5, 1.0, -2.0, 0.5, 1.0]),
                (PriorForm::QuarticAngleRaw, vec![0.5, 1.0, -2.0, 0.5, 0.25]),
                (PriorForm::RestrictedQuartic, vec![1.0, -2.0, 0.5, 1.0, 1.5, 0.5]),
            ] {
                compare_turned(backend, form, &parameters, positions, &format!("theta {theta}"));
            }
        }
    }
}

fn dihedrals_keep_their_digits_on_straight_arms(backend: &Backend) {
    for bend in [0.3, 0.1, 0.03] {
        for phi in [0.4, -2.5] {
            let (form, positions) = (PriorForm::Dihedral { degree: 3 }, torsion(phi, bend));
            let parameters = [0.5, 1.0, -0.5, 0.25, 0.75, 0.5, -0.25];
            compare_turned(backend, form, &parameters, positions, &format!("{phi}, {bend}"));
        }
    }
}

fn cutoff_repulsions_keep_their_digits_near_the_cutoff(backend: &Backend) {
    for (form, parameters, cutoff) in [
        (PriorForm::CutoffRepulsion, vec![4.5, 6.5], 6.5),
        (PriorForm::CutoffRepulsion, vec![6.0, 10.0], 10.0),
        (PriorForm::CutoffExpRepulsion, vec![6.0, 4.75, 7.0], 7.0),
        (PriorForm::CutoffExpRepulsion, vec![12.0, 5.0, 10.0], 10.0),
        (PriorForm::CutoffExpRepulsion, vec![-3.0, 5.0, 7.0], 7.0),
    ] {
        for inside in [0.9, 0.3, 0.1, 0.03] {
            let distance = cutoff * (1.0 - inside);
            let positions = [[0.0; 3], [3.0, 2.0, 0.0], [3.0, -2.0, 0.0], [0.0, 0.0, distance]];
            compare_turned(backend, form, &parameters, positions, &format!("at {distance}"));
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
        // The pairs have the types 0-3, 0-4, 0-0, 1-4, 1-0 and 2-0. The keys lack 0-0 and 1-0, and
        // `zero` has alpha = 0 for 0-4.
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
            (values.clone(), "2 of 6 tuples with zero or no parameters, bead types [0, 0], [1, 0]"),
            (zero, "3 of 6 tuples with zero or no parameters, bead types [0, 0], [0, 4], [1, 0]"),
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
