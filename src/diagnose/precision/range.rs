//! The range of a channel.

use serde::Serialize;

use crate::largest::largest;

/// The range of the absolute values of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Range {
    /// The largest absolute value.
    pub largest: f64,
    /// The smallest absolute value except 0; 0 if all values are 0.
    pub smallest: f64,
    /// Root mean square.
    pub rms: f64,
    /// log2 of the ratio of `largest` to `smallest`.
    pub bits: f64,
}

impl Range {
    pub(super) fn new(values: &[f64]) -> Self {
        let magnitudes = || values.iter().map(|x| x.abs());
        let largest = largest(magnitudes());
        let smallest = magnitudes().filter(|x| *x > 0.0).fold(f64::INFINITY, f64::min);
        if largest == 0.0 {
            return Range { largest, smallest: 0.0, rms: 0.0, bits: 0.0 };
        }
        // Values are scaled by the largest, because the squares of large numbers could overflow.
        let sum: f64 = magnitudes().map(|x| (x / largest).powi(2)).sum();
        let rms = largest * (sum / values.len() as f64).sqrt();
        Range { largest, smallest, rms, bits: largest.log2() - smallest.log2() }
    }
}
