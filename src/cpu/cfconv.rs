//! Continuous-filter convolution over undirected pairs. Both directions of a pair share its filter.
//! One thread handles a slab of channels, and sums the messages in the order of the pairs.

use rayon::prelude::*;

use super::radial::CHUNK;
use super::simd;
use super::slab::Lanes;
use super::table::PlacedPair;

/// Pairs per chunk when the pulls, dE/dd of every pair, are summed.
const PULLS: usize = 1024;

/// A block's filters, and the pairs in the order in which they are summed.
#[derive(Debug, Clone, Copy)]
pub(super) enum PairFilters<'a> {
    /// Values and slopes of the filters of all pairs, `[F/16, CHUNK]` for every chunk. Energies
    /// alone need no slopes.
    Exact { pairs: &'a [[u32; 2]], value: &'a [Lanes], slope: &'a [Lanes] },
    /// Cubic pieces, `[F/16, n_intervals]`, and pairs in the order of their intervals.
    Table { pairs: &'a [PlacedPair], pieces: &'a [[Lanes; 4]] },
}

/// The rows of one slab in every chunk of pairs.
fn slab_of(chunks: &[Lanes], slab: usize, n_slabs: usize) -> impl Iterator<Item = &[Lanes]> {
    chunks.chunks(CHUNK * n_slabs).map(move |chunk| {
        let n_pairs = chunk.len() / n_slabs;
        &chunk[slab * n_pairs..][..n_pairs]
    })
}

/// `m_i = Σ_j y_j ∘ W(d_ij)`; y, m: `[F/16, n_beads]`. A thread takes at least `min_chunks` slabs.
pub(super) fn cfconv_forward(
    filters: PairFilters,
    n_beads: usize,
    y: &[Lanes],
    m: &mut [Lanes],
    min_chunks: usize,
) {
    let n_slabs = y.len() / n_beads;
    (m.par_chunks_mut(n_beads), y.par_chunks(n_beads))
        .into_par_iter()
        .enumerate()
        .with_min_len(min_chunks)
        .for_each(|(slab, (m, y))| {
            m.fill(Lanes::ZERO);
            match filters {
                PairFilters::Exact { pairs, value, .. } => {
                    let value = slab_of(value, slab, n_slabs);
                    for (pairs, value) in pairs.chunks(CHUNK).zip(value) {
                        simd::convolve(pairs, value, y, m);
                    }
                }
                PairFilters::Table { pairs, pieces } => {
                    let n_intervals = pieces.len() / n_slabs;
                    let pieces = &pieces[slab * n_intervals..][..n_intervals];
                    simd::convolve_table(pairs, pieces, y, m);
                }
            }
        });
}

/// `grad_y_i = Σ_j W(d_ij) ∘ grad_m_j`. Also adds the pull of every pair to `pull`,
/// `[F/16, n_pairs]`, as four partial sums for every slab. The pull is dE/dd, or dE/ds with tables;
/// [`add_forces`] turns it into forces.
#[allow(clippy::too_many_arguments, reason = "the operation's inputs, then its outputs")]
pub(super) fn cfconv_backward(
    filters: PairFilters,
    n_beads: usize,
    y: &[Lanes],
    grad_m: &[Lanes],
    grad_y: &mut [Lanes],
    pull: &mut [[f32; 4]],
    min_chunks: usize,
) {
    let n_slabs = y.len() / n_beads;
    let n_pairs = pull.len() / n_slabs;
    if n_pairs == 0 {
        grad_y.fill(Lanes::ZERO);
        return;
    }
    (
        grad_y.par_chunks_mut(n_beads),
        pull.par_chunks_mut(n_pairs),
        y.par_chunks(n_beads),
        grad_m.par_chunks(n_beads),
    )
        .into_par_iter()
        .enumerate()
        .with_min_len(min_chunks)
        .for_each(|(slab, (grad_y, pull, y, grad_m))| {
            grad_y.fill(Lanes::ZERO);
            match filters {
                PairFilters::Exact { pairs, value, slope } => {
                    let filters = slab_of(value, slab, n_slabs).zip(slab_of(slope, slab, n_slabs));
                    let chunks = pairs.chunks(CHUNK).zip(pull.chunks_mut(CHUNK));
                    for ((pairs, pull), (value, slope)) in chunks.zip(filters) {
                        simd::convolve_back(pairs, value, slope, y, grad_m, grad_y, pull);
                    }
                }
                PairFilters::Table { pairs, pieces } => {
                    let n_intervals = pieces.len() / n_slabs;
                    let pieces = &pieces[slab * n_intervals..][..n_intervals];
                    simd::convolve_back_table(pairs, pieces, y, grad_m, grad_y, pull);
                }
            }
        });
}

/// Adds `∓ pull · gradient` to the forces on the two beads of every pair, in the order of the
/// pairs. `gradient` is dd/dx_i, or ds/dx_i with tables. `total` is scratch space, `[n_pairs]`.
pub(super) fn add_forces(
    pairs: impl Iterator<Item = [u32; 2]>,
    gradient: &[[f64; 3]],
    pull: &[[f32; 4]],
    total: &mut [f64],
    forces: &mut [[f64; 3]],
    min_chunks: usize,
) {
    let n_pairs = total.len();
    total.par_chunks_mut(PULLS).enumerate().with_min_len(min_chunks).for_each(|(chunk, total)| {
        let first = chunk * PULLS;
        for (k, total) in total.iter_mut().enumerate() {
            let mut sum = [0.0; 4];
            for of_slab in pull[first + k..].iter().step_by(n_pairs) {
                for (sum, pull) in sum.iter_mut().zip(of_slab) {
                    *sum += pull;
                }
            }
            *total = f64::from((sum[0] + sum[1]) + (sum[2] + sum[3]));
        }
    });
    for ((beads, gradient), total) in pairs.zip(gradient).zip(total) {
        for (c, x) in gradient.iter().enumerate() {
            forces[beads[0] as usize][c] -= *total * x;
            forces[beads[1] as usize][c] += *total * x;
        }
    }
}
