//! Sums over all samples. Chunks of samples are computed by several threads and added in order.

use rayon::prelude::*;

use super::super::{add, blocks::Blocks};
use super::potentials::Potentials;

/// The number of samples in a chunk. It does not depend on the number of threads.
pub(super) const CHUNK: usize = 2048;

/// Samples, the states that they were drawn from, and their blocks.
#[derive(Debug)]
pub(super) struct Samples<'a> {
    pub potentials: Potentials<'a>,
    pub origins: &'a [usize],
    pub blocks: &'a Blocks,
    /// Samples that are not known are left out of all sums.
    pub is_known: Vec<bool>,
}

/// The known samples without those of a block.
pub(super) struct Kept<'a> {
    pub samples: &'a Samples<'a>,
    left_out: Option<usize>,
    /// N_k of each state.
    pub counts: Vec<f64>,
    /// The states with N_k > 0.
    pub sampled: Vec<usize>,
    /// The place of each state among those with samples.
    place: Vec<usize>,
}

/// Sums for the states with samples. P_nk = N_k exp(f_k - u_k(x_n))/D_n is the share of state k in
/// the density of samples at x_n.
pub(super) struct Sums {
    /// -Σ_n ln P_(n, state of n).
    pub loss: f64,
    /// Σ_n P_nk.
    pub shares: Vec<f64>,
    /// Σ_n P_ni P_nj for j ≤ i, row after row.
    pub products: Vec<f64>,
}

impl<'a> Samples<'a> {
    pub(super) fn new(
        potentials: Potentials<'a>,
        origins: &'a [usize],
        blocks: &'a Blocks,
    ) -> Samples<'a> {
        let is_known = |(n, origin): (usize, &usize)| potentials.is_known(n, *origin);
        let is_known = origins.iter().enumerate().map(is_known).collect();
        Samples { potentials, origins, blocks, is_known }
    }

    pub(super) fn without(&self, left_out: Option<usize>) -> Kept<'_> {
        let mut counts = vec![0.0; self.potentials.states()];
        for (n, origin) in self.origins.iter().enumerate() {
            counts[*origin] += f64::from(self.keeps(n, left_out));
        }
        let sampled: Vec<usize> = (0..counts.len()).filter(|k| counts[*k] > 0.0).collect();
        let place =
            (0..counts.len()).map(|k| sampled.partition_point(|other| *other < k)).collect();
        Kept { samples: self, left_out, counts, sampled, place }
    }

    /// The reduced potential of a sample in its own state. It is finite for a known sample.
    fn own(&self, n: usize) -> f64 {
        self.potentials.of(n, self.origins[n])
    }

    /// Whether a sample is known and in another block than `left_out`.
    fn keeps(&self, n: usize, left_out: Option<usize>) -> bool {
        self.is_known[n] && Some(self.blocks.of(n)) != left_out
    }

    /// A first guess of the free energies: between states that follow each other,
    /// f_j - f_i = (m_i + m_j)/2 with the median m_k of u_j - u_i over the samples of state k. It is
    /// exact for a Gaussian difference, and a few samples with huge potentials do not change it.
    /// States without samples have 0.
    pub(super) fn start(&self) -> Vec<f64> {
        let kept = self.without(None);
        let mut of_state = vec![Vec::new(); kept.counts.len()];
        let known = (0..self.origins.len()).filter(|n| self.is_known[*n]);
        known.for_each(|n| of_state[self.origins[n]].push(n));
        let mut f = vec![0.0; kept.counts.len()];
        for pair in kept.sampled.windows(2) {
            let (i, j) = (pair[0], pair[1]);
            let difference = |n: &usize| self.potentials.of(*n, j) - self.potentials.of(*n, i);
            let median = |k: usize| median(of_state[k].iter().map(difference).collect());
            let difference = (median(i) + median(j)) / 2.0;
            f[j] = f[i] + if difference.is_finite() { difference } else { 0.0 };
        }
        f
    }
}

/// The upper median.
fn median(mut values: Vec<f64>) -> f64 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

impl Kept<'_> {
    /// The sums with the free energies `f` of all states.
    pub(super) fn sums(&self, f: &[f64]) -> Sums {
        let k = self.sampled.len();
        let shifts = self.shifts(f);
        let n_samples = self.samples.origins.len();
        let of_chunk = |chunk: usize| {
            let (shares, products) = (vec![0.0; k], vec![0.0; k * (k + 1) / 2]);
            let mut sums = Sums { loss: 0.0, shares, products };
            let mut row = vec![0.0; k];
            for n in self.chunk(chunk) {
                let (largest, sum) = self.exponentials(n, &shifts, &mut row);
                sums.loss += largest + sum.ln() - shifts[self.place[self.samples.origins[n]]];
                row.iter_mut().for_each(|share| *share /= sum);
                let mut products = sums.products.as_mut_slice();
                for (i, share) in row.iter().enumerate() {
                    sums.shares[i] += share;
                    let (own, rest) = products.split_at_mut(i + 1);
                    own.iter_mut().zip(&row).for_each(|(product, other)| *product += share * other);
                    products = rest;
                }
            }
            sums
        };
        let chunks: Vec<_> = (0..n_samples.div_ceil(CHUNK)).into_par_iter().map(of_chunk).collect();
        let mut chunks = chunks.into_iter();
        let mut all = chunks.next().expect("there are samples");
        for own in chunks {
            all.loss += own.loss;
            add(&mut all.shares, &own.shares);
            add(&mut all.products, &own.products);
        }
        all
    }

    /// ln D_n of all samples; +∞ for those that are left out.
    pub(super) fn log_denominators(&self, f: &[f64]) -> Vec<f64> {
        let shifts = self.shifts(f);
        let mut logs = vec![f64::INFINITY; self.samples.origins.len()];
        let of_chunk = |(chunk, logs): (usize, &mut [f64])| {
            let mut row = vec![0.0; shifts.len()];
            for n in self.chunk(chunk) {
                let (largest, sum) = self.exponentials(n, &shifts, &mut row);
                logs[n - chunk * CHUNK] = largest + sum.ln() - self.samples.own(n);
            }
        };
        logs.par_chunks_mut(CHUNK).enumerate().for_each(of_chunk);
        logs
    }

    /// ln N_k + f_k of the states with samples.
    fn shifts(&self, f: &[f64]) -> Vec<f64> {
        self.sampled.iter().map(|k| self.counts[*k].ln() + f[*k]).collect()
    }

    /// The samples of a chunk that are kept.
    fn chunk(&self, chunk: usize) -> impl Iterator<Item = usize> {
        let end = self.samples.origins.len().min((chunk + 1) * CHUNK);
        (chunk * CHUNK..end).filter(|n| self.samples.keeps(*n, self.left_out))
    }

    /// Writes N_k exp(f_k - u_k(x_n) + u(x_n) - m) for each state with samples; u is the potential of
    /// the own state of the sample, and m is the largest exponent. Returns m and the sum, which is at
    /// least 1. Differences of potentials keep the digits of f_k, whatever all states have in common.
    fn exponentials(&self, n: usize, shifts: &[f64], row: &mut [f64]) -> (f64, f64) {
        let own = self.samples.own(n);
        for ((value, shift), k) in row.iter_mut().zip(shifts).zip(&self.sampled) {
            *value = shift - (self.samples.potentials.of(n, *k) - own);
        }
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        row.iter_mut().for_each(|value| *value = (*value - largest).exp());
        (largest, row.iter().sum())
    }
}
