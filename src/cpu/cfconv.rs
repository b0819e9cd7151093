//! Continuous-filter convolution: gather, multiply, sum by receiver.

use rayon::prelude::*;

use super::neighbor::{Pairs, Rows, square};
use super::simd;

/// Beads per chunk.
const ROWS: usize = 8;

/// Pairs per chunk.
const PAIRS: usize = 256;

/// `m_i = Σ_j y_j ∘ W(d_ij)`; with ∂E/∂m for `y` it gives ∂E/∂y, the graph and W being symmetric.
/// `filter`: `[n_pairs, F]`; `y`, `m`: `[n_beads, F]`; at least `min_chunks` chunks to a thread.
pub(super) fn cfconv(
    rows: &Rows,
    filter: &[f32],
    y: &[f32],
    m: &mut [f32],
    n_filters: usize,
    min_chunks: usize,
) {
    m.par_chunks_mut(ROWS * n_filters).enumerate().with_min_len(min_chunks).for_each(
        |(chunk, m)| {
            for (i, m) in m.chunks_exact_mut(n_filters).enumerate() {
                simd::gather(rows.row(chunk * ROWS + i), filter, y, m);
            }
        },
    );
}

/// Adds dE/dd of every pair to `slope`, kcal/mol/Å: both directions of
/// `Σ_f W'_f (y_jf grad_m_if + y_if grad_m_jf)` are one number.
pub(super) fn pair_slopes(
    pairs: &Pairs,
    filter_slope: &[f32],
    y: &[f32],
    grad_m: &[f32],
    slope: &mut [f64],
    min_chunks: usize,
) {
    let Some(n_filters) = filter_slope.len().checked_div(pairs.len()) else { return };
    (
        slope.par_chunks_mut(PAIRS),
        pairs.beads.par_chunks(PAIRS),
        filter_slope.par_chunks(PAIRS * n_filters),
    )
        .into_par_iter()
        .with_min_len(min_chunks)
        .for_each(|(slope, beads, filter_slope)| {
            let pairs = slope.iter_mut().zip(beads).zip(filter_slope.chunks_exact(n_filters));
            for ((slope, beads), filter_slope) in pairs {
                let start = beads.map(|bead| bead as usize * n_filters);
                let y = start.map(|start| &y[start..start + n_filters]);
                let grad_m = start.map(|start| &grad_m[start..start + n_filters]);
                *slope += f64::from(simd::pair_slope(filter_slope, y, grad_m));
            }
        });
}

/// Adds `∓ dE/dd (x_i − x_j)/d` to the forces on the beads of every pair, in the order of the pairs.
pub(super) fn add_forces(pairs: &Pairs, slope: &[f64], forces: &mut [[f64; 3]]) {
    for ((beads, separation), slope) in pairs.beads.iter().zip(&pairs.separation).zip(slope) {
        let scale = slope / square(*separation).sqrt();
        for (c, x) in separation.iter().enumerate() {
            forces[beads[0] as usize][c] -= scale * x;
            forces[beads[1] as usize][c] += scale * x;
        }
    }
}
