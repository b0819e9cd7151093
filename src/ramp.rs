//! Numbers that change with the step, on straight lines between points.

use crate::error::{Error, Result};

/// A step and the number after it.
pub(crate) type Point = (u64, f64);

/// The number after `step` steps: on the line between two points, that of the first point before it,
/// that of the last point after it. `None` without points.
pub(crate) fn value_at(points: &[Point], step: u64) -> Option<f64> {
    let next = points.partition_point(|(at, _)| *at <= step);
    let before = next.checked_sub(1).and_then(|k| points.get(k));
    Some(match (before, points.get(next)) {
        (Some((from, low)), Some((to, high))) => {
            low + (high - low) * ((step - from) as f64 / (to - from) as f64)
        }
        (Some((_, value)), None) | (None, Some((_, value))) => *value,
        (None, None) => return None,
    })
}

/// Checks that the steps increase from point to point.
pub(crate) fn check_order(field: &str, points: &[Point]) -> Result<()> {
    let text = |(step, value): &Point| format!("{step}:{value}");
    match points.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
        Some([a, b]) => {
            let found = format!("{}, {}", text(a), text(b));
            Err(Error::invalid(field, found, "steps that increase from point to point"))
        }
        _ => Ok(()),
    }
}
