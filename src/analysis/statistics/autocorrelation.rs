//! The correlation of a quantity in time, and the number of independent samples.

use std::f64::consts::PI;

use super::add;

/// How strongly the samples of a quantity are correlated in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Autocorrelation {
    /// The statistical inefficiency g ≥ 1: the number of samples that are worth an independent one.
    pub inefficiency: f64,
    /// The number of samples N whose value is finite.
    pub samples: usize,
}

impl Autocorrelation {
    /// The statistical inefficiency of a quantity in one or more trajectories, whose samples have
    /// the same interval.
    ///
    /// ```text
    /// g    = 1 + 2 Σ_t (M_t/N) C(t)
    /// C(t) = Σ (A_n - mean)(A_(n+t) - mean) / (M_t σ²)
    /// ```
    ///
    /// C(t) is the normalized autocorrelation function. Its sum runs over all M_t pairs of samples
    /// in the same trajectory with the distance t. The mean and the variance σ² are those of all N
    /// samples. A sample that is not finite is unknown and a gap: it is in no pair, and distances
    /// across it are those in time. The sum over t ends before the first C(t) ≤ 0 beyond t = 3 for one trajectory, or
    /// beyond t = 10 for several, and before the longest trajectory is shorter than t + 2. If the
    /// result is below 1, g is 1.
    ///
    /// For trajectories of equal length, these are the definitions of `statistical_inefficiency` and
    /// `statistical_inefficiency_multiple` of pymbar 4. For others, pymbar has the factor 1 - t/L with
    /// the mean length L in place of M_t/N; if a long trajectory stands beside many short ones, its g
    /// is too small. Correlation functions are computed by a Fourier transform, in a time of N log N.
    /// Source: J. D. Chodera, W. C. Swope, J. W. Pitera, C. Seok and K. A. Dill, J. Chem. Theory
    /// Comput. 3, 26 (2007).
    ///
    /// The result is `None` for a constant quantity and for fewer than two known samples. The error
    /// of g is large if the trajectories are not many times longer than the autocorrelation time: g
    /// is then too small.
    pub fn of(trajectories: &[&[f64]]) -> Option<Autocorrelation> {
        let known = || trajectories.iter().copied().flatten().filter(|value| value.is_finite());
        let samples = known().count();
        let first = *known().next()?;
        if known().all(|value| *value == first) {
            return None;
        }
        // Differences from a value of the series keep their digits.
        let mean = known().map(|value| value - first).sum::<f64>() / samples as f64;
        let difference = |value: &f64| if value.is_finite() { value - first - mean } else { 0.0 };
        let trajectories = || trajectories.iter().filter(|values| !values.is_empty());
        let longest = trajectories().map(|values| values.len()).max()?;
        let mut sums = vec![0.0; longest];
        for values in trajectories() {
            add(&mut sums, &correlation(values.iter().map(difference)));
        }
        if !sums[0].is_normal() {
            return None;
        }
        let least = if trajectories().count() == 1 { 3 } else { 10 };
        let mut inefficiency = 1.0;
        for (t, sum) in sums.iter().enumerate().take(longest - 1).skip(1) {
            if *sum <= 0.0 && t > least {
                break;
            }
            // The sum and the variance are M_t C(t) σ² and σ² = sums[0]/N.
            inefficiency += 2.0 * sum / sums[0];
        }
        Some(Autocorrelation { inefficiency: inefficiency.max(1.0), samples })
    }

    /// The integrated autocorrelation time (g - 1)/2 · interval, in the unit of the interval
    /// between samples. If many samples between the others are unknown, it is too small by the share
    /// of these.
    pub fn time(&self, interval: f64) -> f64 {
        (self.inefficiency - 1.0) / 2.0 * interval
    }

    /// The number of independent samples N/g.
    pub fn independent_samples(&self) -> f64 {
        self.samples as f64 / self.inefficiency
    }
}

/// Σ_n x_n x_(n+t) for all t.
fn correlation(x: impl ExactSizeIterator<Item = f64>) -> Vec<f64> {
    let n = x.len();
    // Zeros keep the ends apart.
    let size = (2 * n).next_power_of_two();
    let mut values: Vec<[f64; 2]> = x.map(|x| [x, 0.0]).collect();
    values.resize(size, [0.0; 2]);
    transform(&mut values);
    values.iter_mut().for_each(|value| *value = [value[0].powi(2) + value[1].powi(2), 0.0]);
    // The spectrum is even, so that the transform is its own inverse up to the factor.
    transform(&mut values);
    values[..n].iter().map(|value| value[0] / size as f64).collect()
}

/// The discrete Fourier transform Σ_n x_n exp(-2πi n k/N), in place. N is a power of two.
fn transform(x: &mut [[f64; 2]]) {
    let n = x.len();
    let unused = usize::BITS - n.trailing_zeros();
    for i in 1..n {
        let j = i.reverse_bits() >> unused;
        if i < j {
            x.swap(i, j);
        }
    }
    let turns: Vec<[f64; 2]> = (0..n / 2)
        .map(|k| -2.0 * PI * k as f64 / n as f64)
        .map(|angle| [angle.cos(), angle.sin()])
        .collect();
    let mut half = 1;
    while half < n {
        for part in x.chunks_exact_mut(2 * half) {
            let (low, high) = part.split_at_mut(half);
            let turns = turns.iter().step_by(n / (2 * half));
            for ((a, b), [c, s]) in low.iter_mut().zip(high).zip(turns) {
                let turned = [b[0] * c - b[1] * s, b[0] * s + b[1] * c];
                *b = [a[0] - turned[0], a[1] - turned[1]];
                *a = [a[0] + turned[0], a[1] + turned[1]];
            }
        }
        half *= 2;
    }
}
