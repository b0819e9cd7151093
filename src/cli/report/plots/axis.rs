//! The scale of an axis, and its ends.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::Ranged;

/// The ends of an axis around values, a little wider than they are. Values that are all equal have
/// an axis that is wide enough for its numbers to differ.
pub(super) fn around(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let values = values.filter(|value| value.is_finite());
    let least = values.clone().reduce(f64::min).unwrap_or(0.0);
    let most = values.reduce(f64::max).unwrap_or(1.0);
    let size = least.abs().max(most.abs());
    let margin = match most - least {
        // Both can be huge, so that their difference is not finite.
        width if width > 1e-9 * size => (0.05 * width).min(f64::MAX / 16.0),
        _ if size > 0.0 => 1e-3 * size,
        _ => 0.5,
    };
    (least - margin, most + margin)
}

/// A linear axis, a logarithmic one, or one with a name for each whole number.
#[derive(Clone)]
pub(super) struct Axis {
    ends: Range<f64>,
    /// The range of the values, or that of their logarithms to the base 10.
    scale: RangedCoordf64,
    is_logarithmic: bool,
    names: Vec<String>,
}

impl Axis {
    pub(super) fn linear((low, high): (f64, f64)) -> Self {
        let scale = (low..high).into();
        Axis { ends: low..high, scale, is_logarithmic: false, names: Vec::new() }
    }

    /// An axis for rows with names.
    pub(super) fn named(names: Vec<String>) -> Self {
        let ends = (-0.6, names.len() as f64 - 0.4);
        Axis { names, ..Axis::linear(ends) }
    }

    /// An axis for numbers above 0.
    pub(super) fn logarithmic((low, high): (f64, f64)) -> Self {
        let scale = (low.log10()..high.log10()).into();
        Axis { ends: low..high, scale, is_logarithmic: true, names: Vec::new() }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let value = if self.is_logarithmic { value.log10() } else { *value };
        self.scale.map(&value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if !self.names.is_empty() {
            let every = self.names.len().div_ceil(hint.max_num_points().max(1));
            return (0..self.names.len()).step_by(every).map(|row| row as f64).collect();
        }
        if !self.is_logarithmic {
            return self.scale.key_points(hint);
        }
        let decades = self.scale.range().start.floor() as i32..=self.scale.range().end as i32;
        let all = |of: &[f64]| -> Vec<f64> {
            let points = decades.clone().flat_map(|k| of.iter().map(move |x| x * 10_f64.powi(k)));
            points.filter(|x| self.ends.contains(x)).collect()
        };
        let some = all(&[1.0, 2.0, 5.0]);
        if some.len() <= hint.max_num_points() { some } else { all(&[1.0]) }
    }

    fn range(&self) -> Range<f64> {
        self.ends.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    /// A name, or a number without digits that are only zeros. Axes of large or small numbers have
    /// exponents.
    fn format_ext(&self, x: &f64) -> String {
        if let Some(name) = self.names.get(x.round() as usize) {
            return name.clone();
        }
        let size = match self.is_logarithmic {
            true => x.abs(),
            false => self.ends.start.abs().max(self.ends.end.abs()),
        };
        // The numbers of an axis have errors of rounding.
        if x.abs() < 1e-9 * size {
            "0".to_owned()
        } else if (1e-4..1e6).contains(&size) {
            // The sum turns -0 into 0.
            format!("{}", (x * 1e9).round() / 1e9 + 0.0)
        } else {
            let rounded: f64 = format!("{x:.9e}").parse().unwrap_or(*x);
            format!("{rounded:e}")
        }
    }
}

#[cfg(test)]
mod tests {
    use plotters::coord::ranged1d::ValueFormatter;
    use plotters::prelude::Ranged;

    use super::{Axis, around};

    #[test]
    fn axes_of_equal_values_have_different_numbers() {
        assert_eq!(around([0.0, 0.0].into_iter()), (-0.5, 0.5));
        assert_eq!(around([0.0, 2.0].into_iter()), (-0.1, 2.1));
        for value in [-3e-7, 1.0, 300.0, -12_345.678, 1e12] {
            let (low, high) = around([value].into_iter());
            assert!(low <= value - 1e-3 * value.abs() && high >= value + 1e-3 * value.abs());
            let axis = Axis::linear((low, high));
            let points = axis.key_points(8);
            assert!(points.len() > 1, "{value}: {points:?}");
            let mut texts: Vec<_> = points.iter().map(|x| axis.format_ext(x)).collect();
            texts.dedup();
            assert_eq!(texts.len(), points.len(), "{texts:?}");
        }
        let (low, high) = around([-1e308, 1e308].into_iter());
        assert!(low.is_finite() && high.is_finite());
    }

    #[test]
    fn numbers_of_axes_are_short() {
        for (x, high, expected) in [
            (-1e-12_f64, 1.0, "0"),
            (-2e-10, 0.1, "0"),
            (0.1 + 0.2, 1.0, "0.3"),
            (999_998.5, 999_999.0, "999998.5"),
            (1_200_000.000_000_1, 2e6, "1.2e6"),
            (500_000.0, 2e6, "5e5"),
            (2.000_000_000_001e-8, 3e-8, "2e-8"),
            (-3e300, 1.0, "-3e300"),
        ] {
            let axis = Axis::linear((-x.abs(), high));
            assert_eq!(axis.format_ext(&x), expected);
        }
    }

    #[test]
    fn rows_have_their_names() {
        let axis = Axis::named((0..32).map(|k| format!("{}", 2 * k + 1)).collect());
        let points = axis.key_points(8);
        let texts: Vec<_> = points.iter().map(|x| axis.format_ext(x)).collect();
        assert_eq!(texts, ["1", "9", "17", "25", "33", "41", "49", "57"]);
    }
}
