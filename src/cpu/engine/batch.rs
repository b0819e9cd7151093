//! Batches of replicas that are computed together.

use std::ops::Range;

use super::super::neighbor::Candidates;
use crate::system::System;

/// Replicas are joined into batches, so that the matrix products of small molecules have enough rows:
/// up to the second number of beads, and up to the first, two tiles of AVX-512, even where that leaves
/// threads idle.
const BATCH: [usize; 2] = [24, 256];

/// Consecutive replicas that are computed together, and their results.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) replicas: Range<usize>,
    pub(super) beads: Range<usize>,
    pub(super) candidates: Vec<Candidates>,
    pub(super) energy: Vec<f64>,
    pub(super) bead_energy: Vec<f64>,
    pub(super) prior_energy: Vec<f64>,
    pub(super) fast: Vec<[f64; 3]>,
    pub(super) slow: Vec<[f64; 3]>,
}

/// Cuts the replicas into batches. A replica with more beads than the limit is a batch of its own.
pub(super) fn batches(system: &System) -> Vec<Batch> {
    // Two batches per thread even out the different costs of batches.
    let n_wanted = 2 * rayon::current_num_threads();
    let limit = system.n_beads().div_ceil(n_wanted).clamp(BATCH[0], BATCH[1]);
    let first_bead = &system.first_bead;
    let mut batches = Vec::new();
    let mut start = 0;
    for r in 1..=system.n_replicas() {
        if first_bead.get(r + 1).is_none_or(|next| next - first_bead[start] > limit) {
            let beads = first_bead[start]..first_bead[r];
            batches.push(Batch {
                replicas: start..r,
                candidates: vec![Candidates::default(); r - start],
                energy: vec![0.0; r - start],
                bead_energy: vec![0.0; beads.len()],
                prior_energy: vec![0.0; beads.len()],
                fast: vec![[0.0; 3]; beads.len()],
                slow: vec![[0.0; 3]; beads.len()],
                beads,
            });
            start = r;
        }
    }
    batches
}
