//! Continuous-filter convolution: gathers features, multiplies by filters, sums by receiver.

use super::neighbor::Pairs;
use crate::geometry::{separation, unit};
use crate::model::filter::Filters;
use crate::ops::Graph;

/// `m_i = Σ_j y_j ∘ W(d_ij)`.
pub(super) fn cfconv_forward(
    graph: &Graph,
    pairs: &Pairs,
    filters: &Filters,
    y: &[f64],
) -> Vec<f64> {
    let n_filters = filters.n_filters;
    let mut m = vec![0.0; y.len()];
    for i in 0..graph.n_beads() {
        for edge in graph.row(i) {
            let (j, pair) = (graph.col[edge] as usize, pairs.of_edge[edge]);
            for f in 0..n_filters {
                m[i * n_filters + f] += y[j * n_filters + f] * filters.value[pair * n_filters + f];
            }
        }
    }
    m
}

/// `grad_y_i = Σ_j W(d_ij) ∘ grad_m_j` and the force on i.
pub(super) fn cfconv_backward(
    graph: &Graph,
    pairs: &Pairs,
    filters: &Filters,
    positions: &[[f64; 3]],
    y: &[f64],
    grad_m: &[f64],
) -> (Vec<f64>, Vec<[f64; 3]>) {
    let n_filters = filters.n_filters;
    let mut grad_y = vec![0.0; y.len()];
    let mut forces = vec![[0.0; 3]; graph.n_beads()];
    for i in 0..graph.n_beads() {
        for edge in graph.row(i) {
            let (j, pair) = (graph.col[edge] as usize, pairs.of_edge[edge]);
            let mut slope = 0.0;
            for f in 0..n_filters {
                let (at_i, at_j) = (i * n_filters + f, j * n_filters + f);
                grad_y[at_i] += filters.value[pair * n_filters + f] * grad_m[at_j];
                slope += filters.slope[pair * n_filters + f]
                    * (y[at_j] * grad_m[at_i] + y[at_i] * grad_m[at_j]);
            }
            let direction = unit(separation(positions[i], positions[j]));
            for (force, x) in forces[i].iter_mut().zip(direction) {
                *force -= slope * x;
            }
        }
    }
    (grad_y, forces)
}
