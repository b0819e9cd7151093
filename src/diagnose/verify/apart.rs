//! The differences of two arrays.

use serde::Serialize;

use crate::largest::largest;

/// The differences of two arrays, element by element.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Apart {
    /// The root mean square of the differences.
    pub rms: f64,
    /// The largest absolute difference. NaN counts as the largest.
    pub largest: f64,
}

impl Apart {
    /// The differences of two arrays of equal length.
    pub(crate) fn of(a: &[f64], b: &[f64]) -> Self {
        let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| (a - b).abs()).collect();
        Apart { rms: rms(&differences), largest: largest(differences) }
    }

    /// The differences in units of `scale`. A difference of 0 stays 0, even if `scale` is 0.
    pub(crate) fn over(self, scale: f64) -> Self {
        let part = |x: f64| if x == 0.0 { 0.0 } else { x / scale };
        Apart { rms: part(self.rms), largest: part(self.largest) }
    }
}

/// The root mean square of the values.
pub(crate) fn rms(values: &[f64]) -> f64 {
    let sum: f64 = values.iter().map(|x| x * x).sum();
    (sum / values.len().max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_number_is_the_largest() {
        let apart = Apart::of(&[0.0, 1.0, f64::NAN, 9.0], &[0.0, -1.0, 0.0, 0.0]);
        assert!(apart.largest.is_nan() && apart.rms.is_nan());
        assert_eq!(Apart::of(&[1.0, 0.0], &[0.0, 1.0]), Apart { rms: 1.0, largest: 1.0 });
        assert_eq!(Apart::of(&[3.0], &[3.0]).over(0.0), Apart { rms: 0.0, largest: 0.0 });
    }
}
