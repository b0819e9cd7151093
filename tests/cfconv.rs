//! `cfconv_forward` and `cfconv_backward`.

#[macro_use]
mod common;

use common::{ACTIVATIONS, Backend, assert_close, bases, cutoffs, numbers, points, schnet};
use flashschnet::model::SchNet;
use flashschnet::ops::{Graph, Ops};
use flashschnet::reference::ReferenceOps;

on_every_backend!(matches_the_reference, matches_at_odd_sizes, rows_without_edges_are_zero);

fn compare(backend: &Backend, schnet: &SchNet, block: usize, graph: &Graph, x: &[[f64; 3]]) {
    let n = x.len() * schnet.n_filters();
    let (y, grad_m) = (numbers(1, n, 1.0), numbers(2, n, 1.0));
    let what = format!("{:?} {:?} {:?}", schnet.radial_basis, schnet.cutoff, schnet.activation);
    let forward = |ops: &dyn Ops| ops.cfconv_forward(schnet, block, graph, x, &y).unwrap();
    assert_close(&format!("{what}: m"), &forward(&*backend.ops), &forward(&ReferenceOps), 1e-5);
    let backward =
        |ops: &dyn Ops| ops.cfconv_backward(schnet, block, graph, x, &y, &grad_m).unwrap();
    let ((found_y, found_force), (grad_y, force)) =
        (backward(&*backend.ops), backward(&ReferenceOps));
    assert_close(&format!("{what}: grad_y"), &found_y, &grad_y, 2e-5);
    assert_close(&format!("{what}: force"), found_force.as_flattened(), force.as_flattened(), 2e-5);
}

fn matches_the_reference(backend: &Backend) {
    let positions = points(3, 37, 6.0);
    let graph = ReferenceOps.neighbor_list(&positions, &[0, 20, 37], 7.0).unwrap();
    // Every basis, and every envelope with every activation: they meet nowhere else in a kernel.
    let (bases, cutoffs) = (bases(17, 7.0), cutoffs(7.0));
    let some = |k: usize| (bases[1].clone(), cutoffs[k / 3], ACTIVATIONS[k % 3]);
    let every_basis =
        (0..bases.len()).map(|k| (bases[k].clone(), cutoffs[k % 4], ACTIVATIONS[k % 3]));
    for (basis, cutoff, activation) in every_basis.chain((0..12).map(some)) {
        let schnet = schnet((8, 24, 1), basis, cutoff, activation);
        compare(backend, &schnet, 0, &graph, &positions);
    }
}

fn matches_at_odd_sizes(backend: &Backend) {
    // Radii from a few neighbors to everyone; the last has more pairs than one chunk of work.
    for (n_filters, n_rbf, n_beads, radius) in
        [(1, 2, 5, 6.0), (96, 33, 29, 5.0), (128, 64, 33, 7.0), (20, 13, 71, 100.0)]
    {
        let basis = bases(n_rbf, radius).swap_remove(1);
        let schnet = schnet((16, n_filters, 2), basis, cutoffs(radius)[0], ACTIVATIONS[0]);
        let positions = points(n_beads as u64, n_beads, 5.0);
        let graph = ReferenceOps.neighbor_list(&positions, &[0, n_beads], radius).unwrap();
        compare(backend, &schnet, 1, &graph, &positions);
    }
}

fn rows_without_edges_are_zero(backend: &Backend) {
    let schnet = common::small_schnet();
    let mut positions = points(4, 12, 4.0);
    positions[0] = [100.0; 3];
    positions[11] = [-100.0; 3];
    let graph = ReferenceOps.neighbor_list(&positions, &[0, 12], 7.0).unwrap();
    compare(backend, &schnet, 0, &graph, &positions);
    let y = numbers(1, 12 * 24, 1.0);
    let m = backend.ops.cfconv_forward(&schnet, 0, &graph, &positions, &y).unwrap();
    assert!(m[..24].iter().chain(&m[11 * 24..]).all(|x| *x == 0.0));
    let (grad, force) =
        backend.ops.cfconv_backward(&schnet, 0, &graph, &positions, &y, &y).unwrap();
    assert!(grad[..24].iter().chain(&force[0]).chain(&force[11]).all(|x| *x == 0.0));

    let empty = Graph { row_ptr: vec![0; 13], col: vec![] };
    compare(backend, &schnet, 0, &empty, &positions);
}
