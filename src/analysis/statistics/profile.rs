//! Free energies along one or two coordinates.
//!
//! The free energy of a bin with the probability p is
//!
//! ```text
//! F = -k_B T ln p + constant
//! ```
//!
//! where the constant makes the smallest free energy 0. All bins are of equal size, so p is
//! proportional to the density.

use rayon::prelude::*;

use super::blocks::{Blocks, Estimate};
use super::largest;
use super::mbar::Mbar;
use crate::error::{Error, Result};
use crate::units::{BOLTZMANN, beta};

/// Bins of equal width along a coordinate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bins {
    lower: f64,
    upper: f64,
    count: usize,
}

impl Bins {
    /// `count` bins between two values.
    ///
    /// # Errors
    ///
    /// If there is no bin, or a bin has no width.
    pub fn new(lower: f64, upper: f64, count: usize) -> Result<Bins> {
        if count == 0 {
            return Err(Error::invalid("number of bins", 0, "at least 1"));
        }
        let bins = Bins { lower, upper, count };
        let edges = [lower, bins.edge(1), bins.edge(count - 1), upper];
        let widths_are_positive = edges[0] < edges[1] && edges[2] < edges[3];
        if !(edges.iter().all(|edge| edge.is_finite()) && widths_are_positive) {
            let found = format!("{lower} to {upper}");
            return Err(Error::invalid("range of bins", found, "finite ends with room between"));
        }
        Ok(bins)
    }

    /// `count` bins that cover the finite values; `None` if these are equal or do not exist.
    ///
    /// The range is that of all values but the smallest and the largest ten-thousandth, widened by a
    /// twentieth at both ends as far as there are values. A few values far away, for example of a
    /// replica that blew up, are thus outside; fewer than 10,000 values are all covered.
    pub fn covering(values: &[f64], count: usize) -> Option<Bins> {
        let mut values: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
        values.sort_unstable_by(f64::total_cmp);
        let (lowest, highest) = (*values.first()?, *values.last()?);
        let few = values.len() / 10_000;
        let (lower, upper) = (values[few], values[values.len() - 1 - few]);
        let margin = (upper - lower) / 20.0;
        let most = Bins::new(lowest.max(lower - margin), highest.min(upper + margin), count);
        most.or_else(|_| Bins::new(lowest, highest, count)).ok()
    }

    /// The number of finite values outside the range.
    pub fn outside(&self, values: &[f64]) -> usize {
        values.iter().filter(|value| value.is_finite() && self.of(**value).is_none()).count()
    }

    /// The number of bins.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The `count + 1` edges of the bins.
    pub fn edges(&self) -> Vec<f64> {
        (0..=self.count).map(|k| self.edge(k)).collect()
    }

    /// The centers of the bins.
    pub fn centers(&self) -> Vec<f64> {
        (0..self.count).map(|k| (self.edge(k) + self.edge(k + 1)) / 2.0).collect()
    }

    /// The bin of a value; `None` outside the range and for NaN. A bin contains its lower edge, and
    /// the last one also its upper edge.
    pub fn of(&self, value: f64) -> Option<usize> {
        if !(self.lower..=self.upper).contains(&value) {
            return None;
        }
        let part = (value - self.lower) / (self.upper - self.lower);
        let guess = ((part * self.count as f64) as usize).min(self.count - 1);
        // The division rounds, and an edge belongs to the bin above it.
        let guess = guess - usize::from(guess > 0 && value < self.edge(guess));
        Some(guess + usize::from(guess + 1 < self.count && value >= self.edge(guess + 1)))
    }

    fn edge(&self, k: usize) -> f64 {
        let part = k as f64 / self.count as f64;
        self.lower * (1.0 - part) + self.upper * part
    }
}

/// The sum of the weights in each bin. With several coordinates, the bin of the last one runs
/// fastest. A sample outside the range of one of the coordinates is not counted.
///
/// # Panics
///
/// If a coordinate has fewer values than there are weights.
pub fn histogram(coordinates: &[(&[f64], &Bins)], weights: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; coordinates.iter().map(|(_, bins)| bins.count).product()];
    for (n, weight) in weights.iter().enumerate() {
        let join = |at: usize, (values, bins): &(&[f64], &Bins)| {
            bins.of(values[n]).map(|bin| at * bins.count + bin)
        };
        if let Some(bin) = coordinates.iter().try_fold(0, join) {
            sums[bin] += weight;
        }
    }
    sums
}

/// The free energy -`kt` ln p of each bin, in the unit of `kt`; the smallest is 0. It is NaN in a bin
/// without weight.
pub fn free_energies(histogram: &[f64], kt: f64) -> Vec<f64> {
    relative_to(largest(histogram), histogram, kt)
}

/// Free energies relative to that of the bin `zero`, if there is one.
fn relative_to(zero: Option<usize>, histogram: &[f64], kt: f64) -> Vec<f64> {
    let zero = zero.map_or(f64::NAN, |zero| histogram[zero]);
    let of = |p: &f64| if *p > 0.0 { kt * (zero / p).ln() } else { f64::NAN };
    histogram.iter().map(of).collect()
}

/// Free energies along coordinates, from samples with equal weights. `kt` is k_B T in kcal/mol; with
/// 1, the unit of the free energies is k_B T. A bin without samples has none.
///
/// The error is that of the difference to the bin with the smallest free energy. It is unknown if
/// all samples of a bin are in one block.
pub fn of_blocks(
    blocks: &Blocks,
    coordinates: &[(&[f64], &Bins)],
    kt: f64,
) -> Vec<Option<Estimate>> {
    let mut zero = None;
    blocks.jackknife(|left_out| {
        let histogram = histogram(coordinates, &blocks.equal_weights(left_out));
        relative_to(*zero.get_or_insert_with(|| largest(&histogram)), &histogram, kt)
    })
}

/// Several profiles at several temperatures in K, without biases, from samples of several states
/// with the potentials `energies` in kcal/mol. Each profile is a list of coordinates. The index of an
/// estimate is \[temperature\]\[profile\]\[bin\]; free energies are in kcal/mol, and errors are those
/// of [`of_blocks`].
pub fn of_temperatures(
    mbar: &Mbar<'_>,
    energies: &[f64],
    temperatures: &[f64],
    profiles: &[&[(&[f64], &Bins)]],
) -> Vec<Vec<Vec<Option<Estimate>>>> {
    // The bins of zero free energy, from the first call of the statistic, which has all samples.
    let mut zeros: Option<Vec<Vec<Option<usize>>>> = None;
    let mut estimates = mbar
        .jackknife(|weights| {
            let at_temperature = |temperature: &f64| -> Vec<Vec<f64>> {
                let weights = weights.at(|n| beta(*temperature) * energies[n]);
                profiles.iter().map(|profile| histogram(profile, &weights)).collect()
            };
            let histograms: Vec<_> = temperatures.par_iter().map(at_temperature).collect();
            let zeros = zeros.get_or_insert_with(|| {
                let of = |profiles: &Vec<Vec<f64>>| profiles.iter().map(|p| largest(p)).collect();
                histograms.iter().map(of).collect()
            });
            let mut all = Vec::new();
            for ((histograms, zeros), temperature) in histograms.iter().zip(zeros).zip(temperatures)
            {
                for (histogram, zero) in histograms.iter().zip(zeros) {
                    all.extend(relative_to(*zero, histogram, BOLTZMANN * temperature));
                }
            }
            all
        })
        .into_iter();
    let mut profile = |profile: &&[(&[f64], &Bins)]| {
        estimates.by_ref().take(profile.iter().map(|(_, bins)| bins.count).product()).collect()
    };
    temperatures.iter().map(|_| profiles.iter().map(&mut profile).collect()).collect()
}
