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

/// The trajectories that are cut into blocks together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// The trajectories of this state, one after the other.
    State(usize),
    /// The trajectories of this ladder, at the same times.
    Ladder(usize),
}

/// How the frames of trajectories are cut into blocks of equal length.
///
/// The trajectories of one state, one after the other, are cut into equal pieces. A piece may contain
/// the end of a trajectory and the start of others, because a few long blocks among short ones would
/// make the error of the jackknife many times too large. The trajectories of a ladder are cut at the
/// same times, because the walkers of replica exchange are correlated. Each state and each ladder is
/// cut by its own length.
#[derive(Debug, Clone)]
pub struct Cut {
    /// The frames before those of each trajectory, and all frames that are cut with them.
    trajectories: Vec<(u64, u64)>,
    count: u64,
}

impl Cut {
    /// `count` blocks of trajectories with these groups and numbers of frames.
    pub fn new(trajectories: &[(Group, u64)], count: usize) -> Cut {
        let mut totals: BTreeMap<Group, u64> = BTreeMap::new();
        let mut starts = Vec::with_capacity(trajectories.len());
        for (group, n) in trajectories {
            let total = totals.entry(*group).or_default();
            starts.push(if let Group::State(_) = group { *total } else { 0 });
            *total = match group {
                Group::State(_) => *total + n,
                Group::Ladder(_) => *n.max(total),
            };
        }
        let totals = trajectories.iter().map(|(group, _)| totals[group]);
        Cut { trajectories: starts.into_iter().zip(totals).collect(), count: count.max(1) as u64 }
    }

    /// The block of a frame of a trajectory, below the number of blocks.
    ///
    /// # Panics
    ///
    /// If there is no such trajectory.
    pub fn block(&self, trajectory: usize, frame: u64) -> usize {
        let (start, total) = self.trajectories[trajectory];
        ((start + frame) * self.count / total.max(1)).min(self.count - 1) as usize
    }
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
    /// Blocks with any numbers. They are numbered again from 0, in the same order and without gaps.
    pub fn of_samples(numbers: &[usize]) -> Blocks {
        let mut dense: BTreeMap<usize, u32> = numbers.iter().map(|number| (*number, 0)).collect();
        dense.values_mut().enumerate().for_each(|(block, dense)| *dense = block as u32);
        let of_sample: Vec<u32> = numbers.iter().map(|number| dense[number]).collect();
        let mut sizes = vec![0; dense.len()];
        of_sample.iter().for_each(|block| sizes[*block as usize] += 1);
        Blocks { of_sample, sizes }
    }

    /// The number of blocks.
    pub fn count(&self) -> usize {
        self.sizes.len()
    }

    /// The number of samples.
    pub fn samples(&self) -> usize {
        self.of_sample.len()
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
}

/// The mean of the values in blocks, with its error, from the number and the sum of the values in each
/// block. Without values there is no mean.
pub fn mean(sums: &[(u64, f64)]) -> Option<Estimate> {
    let used = || sums.iter().filter(|(n, _)| *n > 0);
    let (n, sum) = used().fold((0, 0.0), |all, of| (all.0 + of.0, all.1 + of.1));
    let without = used().map(|of| vec![(sum - of.1) / (n - of.0) as f64]);
    estimates(&[sum / n as f64], &without.collect::<Vec<_>>())[0]
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
