//! How far two arrays are apart.

use serde::Serialize;

/// Differences of two arrays, element by element.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Apart {
    /// Root mean square.
    pub rms: f64,
    /// The largest, without its sign; what is not a number is larger than any.
    pub largest: f64,
}

impl Apart {
    /// Of arrays of one length.
    pub(crate) fn of(a: &[f64], b: &[f64]) -> Self {
        let (mut sum, mut largest) = (0.0, 0.0_f64);
        for (a, b) in a.iter().zip(b) {
            let difference = (a - b).abs();
            sum += difference * difference;
            largest = if difference.total_cmp(&largest).is_gt() { difference } else { largest };
        }
        Apart { rms: (sum / a.len().max(1) as f64).sqrt(), largest }
    }

    /// In parts of `scale`; nothing is no part of nothing.
    pub(crate) fn over(self, scale: f64) -> Self {
        let part = |x: f64| if x == 0.0 { 0.0 } else { x / scale };
        Apart { rms: part(self.rms), largest: part(self.largest) }
    }
}

/// Root mean square.
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
