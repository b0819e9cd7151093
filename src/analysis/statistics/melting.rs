//! Averages and the heat capacity as functions of the temperature, and melting temperatures.
//!
//! At the temperature T, samples of any states have the weights of [`super::mbar`] with the reduced
//! potential U/(k_B T), without biases. Then
//!
//! ```text
//! <Q>(T) = Σ_n w_n Q_n
//! <U>(T) = Σ_n w_n U_n                              kcal/mol
//! C(T)   = (<U²> - <U>²)/(k_B T²) = d<U>/dT         kcal/(mol K)
//! ```
//!
//! C is the configurational heat capacity. The heat capacity at constant volume also has the kinetic
//! part, 3/2 k_B a bead, which is constant and not in C.
//!
//! The beads of a coarse-grained model stand for many atoms. C is the heat capacity of the model; the
//! entropy of these atoms is not in it.

use rayon::prelude::*;

use super::blocks::Estimate;
use super::largest;
use super::mbar::{Mbar, Weights};
use crate::error::{Error, Result};
use crate::units::{BOLTZMANN, beta};

/// The average fraction of native contacts at the melting temperature, unless a user chooses
/// another.
pub const MIDPOINT: f64 = 0.5;

/// Averages at a temperature.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Point {
    /// T, K.
    pub temperature: f64,
    /// The average Q, without a unit.
    pub q: Option<Estimate>,
    /// The average potential, kcal/mol.
    pub potential: Option<Estimate>,
    /// The configurational heat capacity C, kcal/(mol K).
    pub heat_capacity: Option<Estimate>,
}

/// A melting temperature, or the reason why there is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MeltingTemperature {
    /// The melting temperature, K.
    Found(Estimate),
    /// The heat capacity is largest at this end of the range, K. Its maximum may be outside.
    AtEdge(f64),
    /// The average Q does not fall through the midpoint within the range, the heat capacity is the
    /// same at all temperatures, or an average is unknown.
    Absent,
}

/// Averages over a range of temperatures.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Melting {
    /// Averages at each temperature.
    pub points: Vec<Point>,
    /// The temperature at which C is largest.
    pub heat_capacity: MeltingTemperature,
    /// The temperature at which the average Q falls through the midpoint; `None` without Q.
    pub q: Option<MeltingTemperature>,
}

/// `count` temperatures with equal distances from the lowest to the highest.
pub fn temperatures(lowest: f64, highest: f64, count: usize) -> Vec<f64> {
    let part = |k: usize| k as f64 / (count.max(2) - 1) as f64;
    (0..count).map(|k| lowest * (1.0 - part(k)) + highest * part(k)).collect()
}

/// Averages at the given temperatures (K, ascending), and melting temperatures, with jackknife
/// errors.
///
/// `energies` has the potential U of each sample in kcal/mol, without biases, and `q` its fraction of
/// native contacts. A sample with an unknown U or Q is left out of the averages of it. The maximum
/// of C is that of the parabola through the largest value and the two
/// values next to it. The average Q falls through the midpoint between the first two temperatures of
/// which one has an average at or above it, and the next one below; the temperature between them is
/// interpolated linearly.
///
/// # Errors
///
/// If the temperatures are not positive and ascending, or if lengths differ.
pub fn melting(
    mbar: &Mbar<'_>,
    energies: &[f64],
    q: Option<&[f64]>,
    temperatures: &[f64],
    midpoint: f64,
) -> Result<Melting> {
    let ascends = temperatures.windows(2).all(|pair| pair[0] < pair[1]);
    if !(ascends && temperatures.iter().all(|t| t.is_finite() && *t > 0.0)) {
        return Err(Error::invalid("temperatures", "others", "positive ones in ascending order"));
    }
    let samples = mbar.blocks().samples();
    for (name, values) in [("energies", Some(energies)), ("values of Q", q)] {
        if let Some(values) = values.filter(|values| values.len() != samples) {
            return Err(Error::invalid(name, values.len(), format!("{samples}")));
        }
    }
    let statistic = |weights: &Weights| -> Vec<f64> {
        let averages = |t: &f64| averages(weights, energies, q, *t);
        let averages: Vec<[f64; 3]> = temperatures.par_iter().map(averages).collect();
        let column = |k: usize| averages.iter().map(|averages| averages[k]).collect::<Vec<_>>();
        let peak = match peak(temperatures, &column(2)) {
            Some(Peak::Inside(temperature)) => temperature,
            Some(Peak::AtEdge(_)) | None => f64::NAN,
        };
        let fall = fall(temperatures, &column(0), midpoint).unwrap_or(f64::NAN);
        averages.concat().into_iter().chain([peak, fall]).collect()
    };
    let estimates = mbar.jackknife(statistic);
    let (averages, melting) = estimates.split_at(3 * temperatures.len());
    let point = |(temperature, averages): (&f64, &[Option<Estimate>])| Point {
        temperature: *temperature,
        q: averages[0],
        potential: averages[1],
        heat_capacity: averages[2],
    };
    let points: Vec<Point> = temperatures.iter().zip(averages.chunks(3)).map(point).collect();
    let found = |estimate: Option<Estimate>| {
        estimate.map_or(MeltingTemperature::Absent, MeltingTemperature::Found)
    };
    let value = |point: &Point| point.heat_capacity.map_or(f64::NAN, |found| found.value);
    let heat_capacity = match peak(temperatures, &points.iter().map(value).collect::<Vec<_>>()) {
        Some(Peak::AtEdge(temperature)) => MeltingTemperature::AtEdge(temperature),
        _ => found(melting[0]),
    };
    Ok(Melting { points, heat_capacity, q: q.map(|_| found(melting[1])) })
}

/// The averages of Q and U, and C, at a temperature.
fn averages(weights: &Weights, energies: &[f64], q: Option<&[f64]>, temperature: f64) -> [f64; 3] {
    let weights = weights.at(|n| beta(temperature) * energies[n]);
    // Differences from a likely energy keep their digits. The variance of equal energies is 0.
    let likely = largest(&weights).map_or(f64::NAN, |n| energies[n]);
    let difference = mean(&weights, |n| energies[n] - likely);
    let variance = mean(&weights, |n| (energies[n] - likely - difference).powi(2));
    let q = q.map_or(f64::NAN, |q| mean(&weights, |n| q[n]));
    [q, likely + difference, variance / (BOLTZMANN * temperature.powi(2))]
}

/// Σ_n w_n value(n)/Σ_n w_n over the samples with a weight and a known value; NaN if there are none.
fn mean(weights: &[f64], value: impl Fn(usize) -> f64) -> f64 {
    let weighted = weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0);
    let known = weighted.map(|(n, weight)| (weight, value(n))).filter(|(_, x)| x.is_finite());
    let sums = known.fold((0.0, 0.0), |sums, (weight, x)| (sums.0 + weight * x, sums.1 + weight));
    sums.0 / sums.1
}

enum Peak {
    Inside(f64),
    AtEdge(f64),
}

/// The place of the maximum of y(x), refined by a parabola; `None` if all values are the same up to
/// rounding errors, or one is NaN.
fn peak(x: &[f64], y: &[f64]) -> Option<Peak> {
    const ROUNDING: f64 = 1e-12;
    let top = largest(y)?;
    let is_higher = |y_of: &f64| *y_of < y[top] - ROUNDING * y[top].abs();
    if y.iter().any(|y| y.is_nan()) || !y.iter().any(is_higher) {
        return None;
    }
    if top == 0 || top + 1 == y.len() {
        return Some(Peak::AtEdge(x[top]));
    }
    // With the slopes of both sides, the slope of the parabola at the middle of each side.
    let slope = |k: usize| (y[k + 1] - y[k]) / (x[k + 1] - x[k]);
    let middle = |k: usize| (x[k] + x[k + 1]) / 2.0;
    let (rise, fall) = (slope(top - 1), slope(top));
    let part = rise / (rise - fall);
    // Three equal values have no slope.
    let at = middle(top - 1) + (middle(top) - middle(top - 1)) * part;
    Some(Peak::Inside(if part.is_finite() { at } else { x[top] }))
}

/// The first place where y(x) falls through a value.
fn fall(x: &[f64], y: &[f64], value: f64) -> Option<f64> {
    let k = y.windows(2).position(|pair| pair[0] >= value && pair[1] < value)?;
    Some(x[k] + (x[k + 1] - x[k]) * (y[k] - value) / (y[k] - y[k + 1]))
}
