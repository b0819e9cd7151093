//! Numbers as devices hold them, and back.

use super::super::pack::{narrow, quads};
use super::super::params::Position;
use super::super::state::vec4;

pub(super) fn widen(values: Vec<f32>) -> Vec<f64> {
    values.into_iter().map(f64::from).collect()
}

/// Positions as sums of two f32.
pub(super) fn places(positions: &[[f64; 3]]) -> Vec<Position> {
    let place = |x: &[f64; 3]| {
        let low = x.map(|x| x - f64::from(x as f32));
        Position { high: vec4(*x, 0.0), low: vec4(low, 0.0) }
    };
    positions.iter().map(place).collect()
}

/// Rows of `width` channels, each filled up with zeros to whole fours.
pub(super) fn pad(values: &[f64], width: usize) -> Vec<f32> {
    let padding = 4 * quads(width) as usize - width;
    let row = |row: &[f64]| [narrow(row), vec![0.0; padding]].concat();
    values.chunks_exact(width).flat_map(row).collect()
}

/// The inverse of [`pad`].
pub(super) fn unpad(values: Vec<f32>, width: usize) -> Vec<f64> {
    let rows = values.chunks_exact(4 * quads(width) as usize);
    rows.flat_map(|row| row[..width].iter().map(|x| f64::from(*x))).collect()
}
