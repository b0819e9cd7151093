//! Neighbor lists by brute force, and the undirected pairs of their edges.

use std::collections::HashMap;

use crate::geometry::{separation, square};
use crate::ops::Graph;

pub(super) fn neighbor_list(positions: &[[f64; 3]], first_bead: &[usize], radius: f64) -> Graph {
    let mut graph = Graph { row_ptr: vec![0], col: Vec::new() };
    for replica in first_bead.windows(2) {
        let beads = replica[0]..replica[1];
        for i in beads.clone() {
            for j in beads.clone() {
                let between = separation(positions[i], positions[j]);
                if i != j && square(between) < radius * radius {
                    graph.col.push(j as u32);
                }
            }
            graph.row_ptr.push(graph.col.len() as u32);
        }
    }
    graph
}

/// The length of every edge, Å.
pub(super) fn distances(graph: &Graph, positions: &[[f64; 3]]) -> Vec<f64> {
    let mut distance = Vec::with_capacity(graph.col.len());
    for i in 0..graph.n_beads() {
        for edge in graph.row(i) {
            let between = separation(positions[i], positions[graph.col[edge] as usize]);
            distance.push(square(between).sqrt());
        }
    }
    distance
}

/// The undirected pairs of a symmetric graph. Both directions of a pair share one filter.
pub(super) struct Pairs {
    /// The number of the pair of each edge. `[n_edges]`
    pub of_edge: Vec<usize>,
    /// The distance of each pair, Å. `[n_pairs]`
    pub distance: Vec<f64>,
}

impl Pairs {
    pub(super) fn new(graph: &Graph, positions: &[[f64; 3]]) -> Self {
        let distance_of_edge = distances(graph, positions);
        let mut number: HashMap<(usize, usize), usize> = HashMap::new();
        let mut distance = Vec::new();
        let mut of_edge = Vec::with_capacity(graph.col.len());
        for i in 0..graph.n_beads() {
            for edge in graph.row(i) {
                let j = graph.col[edge] as usize;
                of_edge.push(*number.entry((i.min(j), i.max(j))).or_insert_with(|| {
                    distance.push(distance_of_edge[edge]);
                    distance.len() - 1
                }));
            }
        }
        Pairs { of_edge, distance }
    }
}
