//! `radial_basis`: every basis with every envelope.

use flashschnet::model::Cutoff;
use flashschnet::ops::{Graph, Ops};
use flashschnet::reference::ReferenceOps;

use crate::common::{Backend, assert_close, bases, points};

on_every_backend!(
    matches_the_reference,
    keeps_its_digits_near_the_cutoff,
    vanishes_at_the_cutoff,
    no_edges_give_no_values,
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

fn no_edges_give_no_values(backend: &Backend) {
    let graph = Graph { row_ptr: vec![0, 0, 0], col: vec![] };
    let basis = bases(5, 9.0).swap_remove(0);
    let found = backend.ops.radial_basis(&basis, &graph, &[[0.0; 3]; 2]).unwrap();
    assert!(found.iter().all(Vec::is_empty));
}
