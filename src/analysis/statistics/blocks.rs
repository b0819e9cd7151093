//! Blocks of samples, and errors of statistics by the delete-one-block jackknife.

use std::collections::BTreeMap;

/// A number with its standard error, in the unit of the number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The number, from all samples.
    pub value: f64,
    /// The standard error. It is unknown if there is one block, or if the samples without one of
    /// the blocks do not determine the number.
    pub error: Option<f64>,
}

/// The block of every sample.
///
/// Samples of one block are correlated with each other. Samples of two blocks should be
/// independent, so a block should be long in comparison with the autocorrelation time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocks {
    of_sample: Vec<u32>,
    /// The number of samples of each block, at least 1.
    sizes: Vec<usize>,
}

impl Blocks {
    /// `about` blocks of equal length, at most one for each sample, for trajectories of these
    /// lengths whose samples are in order.
    ///
    /// The trajectories one after the other are cut into equal pieces. A piece may contain the end
    /// of a trajectory and the start of others, because a few long blocks among short ones would
    /// make the error of the jackknife many times too large.
    pub fn of_trajectories(lengths: &[usize], about: usize) -> Blocks {
        let total: usize = lengths.iter().sum();
        let about = about.clamp(1, total.max(1));
        Blocks::of_samples(&(0..total).map(|n| n * about / total).collect::<Vec<_>>())
    }

    /// At most `about` blocks, which are equal pieces of time. A block contains the samples of all
    /// trajectories in its piece of time, because the walkers of replica exchange are correlated.
    ///
    /// Samples without a finite time belong to the first block.
    pub fn of_times(times: &[f64], about: usize) -> Blocks {
        let finite = || times.iter().copied().filter(|time| time.is_finite());
        let first = finite().fold(f64::INFINITY, f64::min);
        let length = finite().fold(f64::NEG_INFINITY, f64::max) - first;
        let last = about.max(1) - 1;
        let block = |time: &f64| {
            let part = (time - first) / length;
            // The conversion makes 0 of NaN.
            if part.is_finite() { ((part * about as f64) as usize).min(last) } else { 0 }
        };
        Blocks::of_samples(&times.iter().map(block).collect::<Vec<_>>())
    }

    /// Blocks with any numbers. They are numbered again from 0, in the same order and without gaps.
    pub fn of_samples(numbers: &[usize]) -> Blocks {
        let mut dense: BTreeMap<usize, u32> = numbers.iter().map(|number| (*number, 0)).collect();
        dense.values_mut().enumerate().for_each(|(block, dense)| *dense = block as u32);
        let of_sample: Vec<u32> = numbers.iter().map(|number| dense[number]).collect();
        let mut sizes = vec![0; dense.len()];
        of_sample.iter().for_each(|block| sizes[*block as usize] += 1);
        Blocks { of_sample, sizes }
    }

    /// The blocks of those samples for which `keep` is true.
    pub fn select(&self, keep: impl Fn(usize) -> bool) -> Blocks {
        let kept = (0..self.samples()).filter(|n| keep(*n));
        Blocks::of_samples(&kept.map(|n| self.of(n)).collect::<Vec<_>>())
    }

    /// The number of blocks.
    pub fn count(&self) -> usize {
        self.sizes.len()
    }

    /// The number of samples.
    pub fn samples(&self) -> usize {
        self.of_sample.len()
    }

    /// The number of samples in the smallest block; 0 without samples.
    pub fn shortest(&self) -> usize {
        self.sizes.iter().copied().min().unwrap_or(0)
    }

    /// The block of a sample.
    ///
    /// # Panics
    ///
    /// If there is no such sample.
    pub fn of(&self, sample: usize) -> usize {
        self.of_sample[sample] as usize
    }

    /// Equal weights of all samples, whose sum is 1. Samples of the block `left_out` have the
    /// weight 0.
    pub fn equal_weights(&self, left_out: Option<usize>) -> Vec<f64> {
        let n_left_out = left_out.map_or(0, |block| self.sizes[block]);
        let weight = 1.0 / (self.samples() - n_left_out) as f64;
        let of = |n| if Some(self.of(n)) == left_out { 0.0 } else { weight };
        (0..self.samples()).map(of).collect()
    }

    /// Values of a statistic, and their errors by the delete-one-block jackknife.
    ///
    /// The statistic is called with `None` for all samples, then with `Some(b)` for all samples
    /// without block b. It returns as many numbers every time. The error of each is
    ///
    /// ```text
    /// error² = (B - 1)/B Σ_b (θ_b - mean of θ_b)²
    /// ```
    ///
    /// with the number of blocks B and the number θ_b without block b. For the mean of blocks of
    /// equal length it is the standard error of the mean of the block averages. A number that is not
    /// finite is unknown: the estimate is `None` if the number of all samples is, and has no error
    /// if one of the others is.
    ///
    /// Source: B. Efron and C. Stein, Ann. Stat. 9, 586 (1981); H. R. Künsch, Ann. Stat. 17, 1217
    /// (1989) for blocks.
    pub fn jackknife(
        &self,
        mut statistic: impl FnMut(Option<usize>) -> Vec<f64>,
    ) -> Vec<Option<Estimate>> {
        let all = statistic(None);
        let without: Vec<_> = (0..self.count()).map(|block| statistic(Some(block))).collect();
        estimates(&all, &without)
    }

    /// The mean of the values, with its error. Values that are not finite are left out; without
    /// others there is no mean.
    ///
    /// # Panics
    ///
    /// If the number of values is not that of the samples.
    pub fn mean(&self, values: &[f64]) -> Option<Estimate> {
        assert_eq!(values.len(), self.samples(), "one value a sample");
        let mut sums = vec![(0.0, 0.0); self.count()];
        for (n, value) in values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
            let sum = &mut sums[self.of(n)];
            *sum = (sum.0 + value, sum.1 + 1.0);
        }
        let mean = |left_out| {
            let kept = sums.iter().enumerate().filter(|(block, _)| Some(*block) != left_out);
            let (sum, n) = kept.fold((0.0, 0.0), |all, (_, sum)| (all.0 + sum.0, all.1 + sum.1));
            vec![sum / n]
        };
        self.jackknife(mean)[0]
    }
}

/// The estimates of numbers with the values `all`, from their values without each block.
pub(super) fn estimates(all: &[f64], without: &[Vec<f64>]) -> Vec<Option<Estimate>> {
    let error = |k: usize| {
        let n = without.len() as f64;
        let values = || without.iter().map(|values| values.get(k).copied().unwrap_or(f64::NAN));
        let mean = values().sum::<f64>() / n;
        let squares: f64 = values().map(|value| (value - mean).powi(2)).sum();
        let error = ((n - 1.0) / n * squares).sqrt();
        (without.len() > 1 && error.is_finite()).then_some(error)
    };
    let estimate = |(k, value): (usize, &f64)| {
        value.is_finite().then(|| Estimate { value: *value, error: error(k) })
    };
    all.iter().enumerate().map(estimate).collect()
}
