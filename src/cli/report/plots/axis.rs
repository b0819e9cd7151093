//! The scale of an axis.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::Ranged;

/// A linear or a logarithmic axis.
#[derive(Clone)]
pub(super) struct Axis {
    ends: Range<f64>,
    /// Of the values, or of their logarithms to the base 10.
    scale: RangedCoordf64,
    is_logarithmic: bool,
}

impl Axis {
    pub(super) fn linear((low, high): (f64, f64)) -> Self {
        Axis { ends: low..high, scale: (low..high).into(), is_logarithmic: false }
    }

    /// An axis for numbers above 0.
    pub(super) fn logarithmic((low, high): (f64, f64)) -> Self {
        Axis { ends: low..high, scale: (low.log10()..high.log10()).into(), is_logarithmic: true }
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
    /// A number without digits that are only zeros.
    fn format(x: &f64) -> String {
        format!("{}", (x * 1e9).round() / 1e9)
    }
}
