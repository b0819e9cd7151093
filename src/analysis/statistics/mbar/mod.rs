//! The multistate Bennett acceptance ratio (MBAR): samples of several states as weighted samples of
//! any state.
//!
//! State k has the reduced potential u_k(x) = β_k U_k(x), and N_k of the N samples were drawn from
//! it. The reduced free energies f_k are the solution of
//!
//! ```text
//! f_k  = -ln Σ_n exp(-u_k(x_n)) / D_n
//! D_n  = Σ_j N_j exp(f_j - u_j(x_n))
//! ```
//!
//! up to a constant. In any state with a reduced potential u, also one without samples, the sample n
//! then has the weight
//!
//! ```text
//! w_n = exp(-u(x_n)) / D_n / Σ_m exp(-u(x_m)) / D_m
//! ```
//!
//! and the average of a quantity A is Σ_n w_n A(x_n). Source: M. R. Shirts and J. D. Chodera,
//! J. Chem. Phys. 129, 124105 (2008). Errors are those of [`super::blocks`], with the free energies
//! solved again without each block, because samples of a trajectory are correlated.

mod pass;
mod potentials;
mod solve;

pub use potentials::Potentials;

use rayon::prelude::*;

use super::blocks::{Blocks, Estimate, estimates};
use crate::error::{Error, Result};
use pass::{CHUNK, Samples};

/// The solution of the MBAR equations, of all samples and without each block of them.
#[derive(Debug)]
pub struct Mbar<'a> {
    samples: Samples<'a>,
    /// f_k of all samples, up to a constant.
    all: Vec<f64>,
    /// The same without each block; `None` if the other samples do not determine it.
    without: Vec<Option<Vec<f64>>>,
}

impl<'a> Mbar<'a> {
    /// Solves the equations for samples that were drawn from the states `origins`. States without
    /// samples are allowed.
    ///
    /// A sample is unknown if a reduced potential is NaN or -∞, or if that of its own state is +∞.
    /// It is left out: its weight is 0 in every state.
    ///
    /// # Errors
    ///
    /// If lengths or numbers do not fit, if no sample is known, or if samples of some states have no
    /// weight in the others, so that a difference of free energies is unknown.
    pub fn new(
        potentials: Potentials<'a>,
        origins: &'a [usize],
        blocks: &'a Blocks,
    ) -> Result<Mbar<'a>> {
        let n = origins.len();
        if n == 0 {
            return Err(Error::invalid("samples", 0, "at least one"));
        }
        potentials.check(n)?;
        if blocks.samples() != n {
            return Err(Error::invalid("samples in blocks", blocks.samples(), format!("{n}")));
        }
        let states = potentials.states();
        if let Some(origin) = origins.iter().find(|origin| **origin >= states) {
            return Err(Error::invalid("state of a sample", origin, format!("below {states}")));
        }
        let samples = Samples::new(potentials, origins, blocks);
        let all = solve::free_energies(&samples.without(None), &samples.start())?;
        let without = |block| solve::free_energies(&samples.without(Some(block)), &all).ok();
        let without = (0..blocks.count()).map(without).collect();
        Ok(Mbar { samples, all, without })
    }

    /// The differences f_k - f_0 of the reduced free energies, dimensionless. A state that contains
    /// no sample has none, and the others have none relative to it.
    pub fn free_energies(&self) -> Vec<Option<Estimate>> {
        let relative = |f: &Vec<f64>| f.iter().map(|of_state| of_state - f[0]).collect();
        let unknown = || vec![f64::NAN; self.all.len()];
        let without = self.without.iter().map(|f| f.as_ref().map_or_else(unknown, relative));
        estimates(&relative(&self.all), &without.collect::<Vec<_>>())
    }

    /// Values of statistics of weighted samples, and their errors.
    ///
    /// The statistic is called with the weights of all samples, then with those without each block.
    /// See [`Blocks::jackknife`].
    pub fn jackknife(
        &self,
        mut statistic: impl FnMut(&Weights) -> Vec<f64>,
    ) -> Vec<Option<Estimate>> {
        let all = statistic(&self.weights());
        let without = self.without.iter().enumerate().map(|(block, f)| match f {
            Some(f) => statistic(&Weights::new(&self.samples, Some(block), f)),
            None => vec![f64::NAN; all.len()],
        });
        let without: Vec<_> = without.collect();
        estimates(&all, &without)
    }

    /// The weights of all samples.
    pub fn weights(&self) -> Weights {
        Weights::new(&self.samples, None, &self.all)
    }

    /// The number of samples that are left out, because their potential is not finite.
    pub fn unknown_samples(&self) -> usize {
        self.samples.is_known.iter().filter(|is_known| !**is_known).count()
    }

    /// The blocks of the samples.
    pub fn blocks(&self) -> &Blocks {
        self.samples.blocks
    }
}

/// The weights of samples in any state.
#[derive(Debug)]
pub struct Weights {
    /// ln D_n; +∞ for a sample that is left out.
    log_denominators: Vec<f64>,
}

impl Weights {
    fn new(samples: &Samples<'_>, left_out: Option<usize>, f: &[f64]) -> Self {
        let log_denominators = samples.without(left_out).log_denominators(f);
        Weights { log_denominators }
    }

    /// The weights of the samples in a state with the reduced potential `target(n)` for sample n.
    /// Their sum is 1. A sample of the block that is left out has the weight 0.
    ///
    /// For the temperature T without biases, the reduced potential is U(x_n)/(k_B T). A sample with
    /// a potential of NaN or -∞ is unknown, and its weight is 0. If no sample has a finite potential,
    /// the weights are unknown: all are NaN.
    pub fn at(&self, target: impl Fn(usize) -> f64 + Sync) -> Vec<f64> {
        let mut weights = self.logs(target);
        let largest = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let exponential = |chunk: &mut [f64]| -> f64 {
            chunk.iter_mut().for_each(|weight| *weight = (*weight - largest).exp());
            chunk.iter().sum()
        };
        let sums: Vec<f64> = weights.par_chunks_mut(CHUNK).map(exponential).collect();
        let sum: f64 = sums.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        weights
    }

    /// -u(x_n) - ln D_n; -∞ for a sample without weight.
    fn logs(&self, target: impl Fn(usize) -> f64 + Sync) -> Vec<f64> {
        let log = |(n, denominator): (usize, &f64)| {
            let log = -target(n) - denominator;
            if log.is_finite() { log } else { f64::NEG_INFINITY }
        };
        self.log_denominators.par_iter().enumerate().map(log).collect()
    }
}
