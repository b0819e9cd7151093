//! `radial_basis`: every basis with every envelope.

use flashschnet::model::{Activation, Cutoff, RadialBasis, RadialFunctions};
use flashschnet::ops::{Graph, Ops};
use flashschnet::reference::ReferenceOps;

use crate::common::{Backend, assert_close, bases, points, schnet};

on_every_backend!(
    matches_the_reference,
    keeps_its_digits_near_the_cutoff,
    vanishes_at_the_cutoff,
    no_edges_give_no_values,
    functions_with_a_high_lower_limit_end_smoothly,
);

fn matches_the_reference(backend: &Backend) {
    for n_rbf in [2, 17, 64] {
        for basis in bases(n_rbf, 9.0) {
            let positions = points(n_rbf as u64, 41, 7.0);
            let graph = ReferenceOps.neighbor_list(&positions, &[0, 41], 9.0).unwrap();
            let expected = ReferenceOps.radial_basis(&basis, &graph, &positions).unwrap();
            let found = backend.ops.radial_basis(&basis, &graph, &positions).unwrap();
            // The tolerance of `Ops::radial_basis`, derived in its documentation.
            let form = basis.form();
            let sharpest = form.sharpness.iter().fold(0.0, |a: f64, b| a.max(*b));
            let error = if form.warp.is_none() { 1e-6 } else { 1.5e-7 };
            let shift = error * (2.0 * sharpest).sqrt();
            let outputs = [("distance", 0.0), ("value", 0.61), ("slope", 1.65)];
            for (k, (name, factor)) in outputs.into_iter().enumerate() {
                let tolerance = 2e-6 + factor * shift;
                assert_close(&format!("{basis:?}: {name}"), &found[k], &expected[k], tolerance);
            }
        }
    }
}

/// Two beads at a distance just below the cutoff that is exact in f32. The basis is so flat that
/// only the envelope varies.
fn keeps_its_digits_near_the_cutoff(backend: &Backend) {
    let graph = Graph { row_ptr: vec![0, 1, 2], col: vec![1, 0] };
    for basis in
        bases(2, 9.0).into_iter().filter(|basis| matches!(basis.cutoff, Cutoff::Cosine { .. }))
    {
        for inside in [0.25, 0.0625, 0.015625] {
            let positions = [[1.0, 2.0, 3.0], [10.0 - inside, 2.0, 3.0]];
            let expected = ReferenceOps.radial_basis(&basis, &graph, &positions).unwrap();
            let found = backend.ops.radial_basis(&basis, &graph, &positions).unwrap();
            for (found, expected) in found.iter().zip(&expected) {
                assert_close(&format!("{basis:?}, {inside} Å inside"), found, expected, 2e-6);
            }
        }
    }
}

fn vanishes_at_the_cutoff(backend: &Backend) {
    let graph = Graph { row_ptr: vec![0, 1, 2], col: vec![1, 0] };
    for basis in bases(5, 9.0).into_iter().skip(1).step_by(3) {
        let positions = [[1.0, 2.0, 3.0], [10.0, 2.0, 3.0]];
        let [_, value, slope] = backend.ops.radial_basis(&basis, &graph, &positions).unwrap();
        assert!(value.iter().chain(&slope).all(|x| *x == 0.0), "{basis:?}");
    }
}

/// exp(alpha (lower − d)) overflows f32 and even f64 at short distances, where all functions are 0.
fn functions_with_a_high_lower_limit_end_smoothly(backend: &Backend) {
    let positions: Vec<[f64; 3]> = [0.0, 0.5, 3.0, 6.25, 8.5, 8.625, 8.75, 8.875, 8.96875, 9.5]
        .into_iter()
        .map(|x| [x, 0.0, 0.0])
        .collect();
    let n = positions.len();
    let graph = ReferenceOps.neighbor_list(&positions, &[0, n], 9.0).unwrap();
    for alpha in [3.0, 10.0, 100.0] {
        for cutoff in [
            Cutoff::Cosine { lower: 8.5, upper: 9.0 },
            Cutoff::Cosine { lower: 0.0, upper: 9.0 },
            Cutoff::Identity { lower: 8.5, upper: 9.0 },
        ] {
            let functions = RadialFunctions::ExpNormal {
                alpha,
                lower: 8.5,
                means: vec![0.0, 0.25, 0.5, 1.0],
                betas: vec![4.0, 4.0, 16.0, 1.0],
            };
            let basis = RadialBasis { functions, cutoff };
            let expected = ReferenceOps.radial_basis(&basis, &graph, &positions).unwrap();
            let found = backend.ops.radial_basis(&basis, &graph, &positions).unwrap();
            for (name, (found, expected)) in
                ["distance", "value", "slope"].iter().zip(found.iter().zip(&expected))
            {
                assert!(expected.iter().all(|x| x.is_finite()), "{basis:?}: {name}");
                assert!(expected.iter().any(|x| *x != 0.0), "{basis:?}: {name}");
                // A distance of 9 Å has a rounding error of 5e-7 Å, and alpha multiplies it.
                let tolerance = 2e-6 + 1e-6 * alpha;
                assert_close(&format!("{basis:?}: {name}"), found, expected, tolerance);
            }
        }
    }
}

fn no_edges_give_no_values(backend: &Backend) {
    let graph = Graph { row_ptr: vec![0, 0, 0], col: vec![] };
    let basis = bases(5, 9.0).swap_remove(0);
    let found = backend.ops.radial_basis(&basis, &graph, &[[0.0; 3]; 2]).unwrap();
    assert!(found.iter().all(Vec::is_empty));
}

/// A function that is not 0 where t(d) is constant would be wrong there.
#[test]
fn a_basis_that_outlives_its_coordinate_is_refused() {
    let check = |lower: f64, beta: f64, mean: f64| {
        let functions =
            RadialFunctions::ExpNormal { alpha: 10.0, lower, means: vec![mean], betas: vec![beta] };
        let cutoff = Cutoff::Cosine { lower: 0.0, upper: 9.0 };
        schnet((8, 8, 1), RadialBasis { functions, cutoff }, cutoff, Activation::Tanh).check()
    };
    check(8.5, 1.0, 1.0).unwrap();
    check(2.5, 1e-30, 1.0).unwrap();
    for (beta, mean) in [(1e-25, 1.0), (0.0, 1.0), (-1.0, 1.0), (1.0, 1e20)] {
        let error = check(8.5, beta, mean).unwrap_err().to_string();
        assert!(error.contains("does not vanish"), "{error}");
    }
}
