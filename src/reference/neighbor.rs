//! Neighbor lists by brute force, and the undirected pairs behind their edges.

use std::collections::HashMap;

use crate::ops::Graph;

/// x − y.
pub(super) fn minus(x: [f64; 3], y: [f64; 3]) -> [f64; 3] {
    [x[0] - y[0], x[1] - y[1], x[2] - y[2]]
}

/// x · y.
pub(super) fn dot(x: [f64; 3], y: [f64; 3]) -> f64 {
    x[0] * y[0] + x[1] * y[1] + x[2] * y[2]
}

pub(super) fn neighbor_list(positions: &[[f64; 3]], first_bead: &[usize], radius: f64) -> Graph {
    let mut graph = Graph { row_ptr: vec![0], col: Vec::new() };
    for replica in first_bead.windows(2) {
        let beads = replica[0]..replica[1];
        for i in beads.clone() {
            for j in beads.clone() {
                let separation = minus(positions[i], positions[j]);
                if i != j && dot(separation, separation) < radius * radius {
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
            let separation = minus(positions[i], positions[graph.col[edge] as usize]);
            distance.push(dot(separation, separation).sqrt());
        }
    }
    distance
}

/// The undirected pairs of a symmetric graph: a filter is evaluated once for both directions.
pub(super) struct Pairs {
    /// The pair of each edge. `[n_edges]`
    pub of_edge: Vec<usize>,
    /// Å. `[n_pairs]`
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
