//! The largest of some magnitudes. A result that is not a number must not pass as a small one, as it
//! does with `f64::max`, so NaN counts as the largest.

use std::cmp::Ordering;

/// The order of magnitudes, with NaN of either sign at the end.
pub fn order(a: f64, b: f64) -> Ordering {
    let key = |x: f64| if x.is_nan() { f64::NAN } else { x };
    key(a).total_cmp(&key(b))
}

/// The largest of the values; 0 if there are none.
pub fn largest(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(0.0, |a, b| if order(a, b).is_lt() { b } else { a })
}

/// The value with the largest magnitude; the last one among equals.
pub fn largest_by<T>(
    values: impl IntoIterator<Item = T>,
    magnitude: impl Fn(&T) -> f64,
) -> Option<T> {
    values.into_iter().max_by(|a, b| order(magnitude(a), magnitude(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_of_either_sign_is_the_largest() {
        for nan in [f64::NAN, -f64::NAN] {
            assert!(largest([1.0, nan, f64::INFINITY]).is_nan());
            assert!(largest([nan, 2.0]).is_nan());
            assert_eq!(largest_by([0, 1, 2], |k| [1.0, nan, 3.0][*k]), Some(1));
        }
        assert_eq!(largest([1.0, 3.0, 2.0]), 3.0);
        assert_eq!(largest([]), 0.0);
        assert_eq!(largest_by([] as [f64; 0], |x| *x), None);
    }
}
