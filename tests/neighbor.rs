//! `neighbor_list`: exactly the same edges as the reference's.

use flashschnet::ops::Ops;
use flashschnet::reference::ReferenceOps;

use crate::common::{Backend, points};

on_every_backend!(
    finds_the_same_edges,
    replicas_of_any_size_have_whole_rows,
    replicas_do_not_see_each_other,
    the_radius_is_excluded
);

fn finds_the_same_edges(backend: &Backend) {
    // The radii give from no neighbors to all beads of a replica. Replicas have one bead, a few,
    // and many.
    let first_bead = [0, 1, 38, 39, 100];
    let mut degrees = Vec::new();
    for (seed, radius) in [0.01, 3.0, 8.0, 15.0, 100.0].into_iter().enumerate() {
        let positions = points(seed as u64, 100, 10.0);
        let expected = ReferenceOps.neighbor_list(&positions, &first_bead, radius).unwrap();
        let found = backend.ops.neighbor_list(&positions, &first_bead, radius).unwrap();
        assert_eq!(found, expected, "radius {radius}");
        degrees.extend((0..100).map(|i| found.row(i).len()));
    }
    assert_eq!((degrees.iter().min(), degrees.iter().max()), (Some(&0), Some(&60)));
}

/// The sizes of the replicas are near those of the words and tiles in which kernels process beads.
fn replicas_of_any_size_have_whole_rows(backend: &Backend) {
    let mut first_bead = vec![0];
    for n in [31, 32, 33, 64, 65, 1023, 1024, 1025, 1060] {
        first_bead.push(first_bead[first_bead.len() - 1] + n);
    }
    let positions = points(11, first_bead[first_bead.len() - 1], 10.0);
    for radius in [4.0, 100.0] {
        let expected = ReferenceOps.neighbor_list(&positions, &first_bead, radius).unwrap();
        let found = backend.ops.neighbor_list(&positions, &first_bead, radius).unwrap();
        assert!(found == expected, "radius {radius}");
    }
}

fn replicas_do_not_see_each_other(backend: &Backend) {
    let one = points(3, 17, 6.0);
    let both = [&one[..], &one[..]].concat();
    let graph = backend.ops.neighbor_list(&both, &[0, 17, 34], 7.0).unwrap();
    let (first, second) = graph.col.split_at(graph.row_ptr[17] as usize);
    assert!(!first.is_empty() && first.iter().all(|j| *j < 17));
    assert!(second.iter().zip(first).all(|(second, first)| *second == first + 17));
}

fn the_radius_is_excluded(backend: &Backend) {
    let positions = [[0.0; 3], [5.0, 0.0, 0.0], [0.0, 0.0, 4.999]];
    let graph = backend.ops.neighbor_list(&positions, &[0, 3], 5.0).unwrap();
    assert_eq!((graph.row_ptr, graph.col), (vec![0, 1, 1, 2], vec![2, 0]));
}
