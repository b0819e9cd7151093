//! Tables of filters as the kernels read them.

use half::f16;

use super::network;
use super::wgsl::Value;
use crate::model::FilterTable;
use crate::model::filter_table::{CUBE_BITS, SQUARE_BITS, to_middle};
use crate::model::schnet::SchNet;

/// The head of lib/filter_table.wgsl: stretches, whose cells come after all of them, then cells.
pub(super) fn head(table: &FilterTable) -> Vec<f32> {
    let n = table.stretches.len();
    let four = |start: f64, rate: f64, first: usize, length: usize| {
        [start as f32, rate as f32, first as f32, (first + length - 1) as f32]
    };
    let stretches = table.stretches.iter().map(|s| four(s.start, s.rate, n + s.first, s.n_cells));
    let cells = table.cells.iter().map(|c| four(c.start, c.rate, c.first, c.n_intervals));
    stretches.chain(cells).flatten().collect()
}

/// The power of two that third and fourth coefficients are stored in parts of: the largest of them
/// has the largest exponent that five bits hold.
pub(super) fn exponent(schnet: &SchNet, table: &FilterTable) -> i32 {
    let all = (0..schnet.interactions.len()).flat_map(|b| cubics(schnet, table, b));
    let largest = all.fold(0.0_f64, |a, (.., [_, _, c2, c3])| a.max(c2.abs()).max(c3.abs()));
    // f32 holds 2^-126 to 2^-96 with exponents 1 to 31.
    largest.log2().floor().clamp(-96.0, 24.0) as i32 + 96
}

/// HIGHER of lib/filter_table_read.wgsl.
pub(super) fn higher(exponent: i32) -> Value {
    Value::Real(2.0_f64.powi(exponent))
}

/// The cubics of block `b` about the middles of their intervals, with interval and filter.
fn cubics(
    schnet: &SchNet,
    table: &FilterTable,
    b: usize,
) -> impl Iterator<Item = (usize, usize, [f64; 4])> {
    let n_filters = schnet.n_filters();
    table.cells.iter().flat_map(move |cell| {
        let intervals = cell.first..cell.first + cell.n_intervals;
        intervals.flat_map(move |k| {
            let of_interval = &table.coefficients[b][k * n_filters..][..n_filters];
            let to_middle = move |(f, c): (usize, &[f64; 4])| (k, f, to_middle(*c, cell.rate));
            of_interval.iter().enumerate().map(to_middle)
        })
    })
}

/// UNIT of lib/filter_table_read_half.wgsl, Å: in parts of it no distance is farther than 1 from the
/// middle of its interval, so that no coefficient is far smaller than what it contributes.
pub(super) fn unit(table: &FilterTable) -> f64 {
    let widest = table.cells.iter().fold(0.0_f64, |a, cell| a.max(cell.rate.recip()));
    2.0_f64.powf((0.5 * widest).log2().ceil())
}

/// Largest coefficients in parts of a filter's scale, in the middle of the range of 16-bit floats
/// for the first, below its end for the others.
const ROOM: [f64; 4] = [16.0, 32768.0, 32768.0, 32768.0];

/// Coefficients of powers of t in parts of a unit.
fn in_units(c: [f64; 4], unit: f64) -> [f64; 4] {
    [c[0], c[1] * unit, c[2] * unit.powi(2), c[3] * unit.powi(3)]
}

/// A power of two for each filter of block `b`: in parts of it all coefficients have room.
pub(super) fn scales(schnet: &SchNet, table: &FilterTable, b: usize) -> Vec<f64> {
    let (mut largest, unit) = (vec![0.0_f64; schnet.n_filters()], unit(table));
    for (_, f, c) in cubics(schnet, table, b) {
        let parts = in_units(c, unit).into_iter().zip(ROOM).map(|(c, room)| c.abs() / room);
        largest[f] = parts.fold(largest[f], f64::max);
    }
    let power = |x: f64| if x > 0.0 { 2.0_f64.powf(x.log2().ceil()) } else { 1.0 };
    largest.into_iter().map(power).collect()
}

/// The coefficients of block `b` as lib/filter_table_read_half.wgsl reads them, those of four
/// channels together, and an interval of zeros: `[n_intervals + 1, 2, quads of filters, 4]`.
pub(super) fn half_coefficients(
    schnet: &SchNet,
    table: &FilterTable,
    b: usize,
    scales: &[f64],
) -> Vec<u32> {
    let quads = network::quads(schnet.n_filters()) as usize;
    let mut words = vec![0; (table.n_intervals() + 1) * 2 * quads * 4];
    let unit = unit(table);
    for (k, f, two) in pairs(schnet, table, b) {
        let at = (2 * k * quads + f / 4) * 4 + f % 4 / 2;
        let places = [at, at + 2, at + 4 * quads, at + 4 * quads + 2];
        for (at, word) in places.into_iter().zip(pack(in_parts(two, unit, &scales[f..]))) {
            words[at] = word;
        }
    }
    words
}

/// The coefficients of block `b` with what [`half_coefficients`] makes of them, and their filter.
pub(crate) fn in_halves(
    schnet: &SchNet,
    table: &FilterTable,
    b: usize,
) -> impl Iterator<Item = (usize, [f64; 4], [f64; 4])> {
    let (scales, unit) = (scales(schnet, table, b), unit(table));
    let units = in_units([1.0; 4], unit);
    pairs(schnet, table, b).flat_map(move |(_, f, two)| {
        let stored = unpack(pack(in_parts(two, unit, &scales[f..])));
        let scaled = |s: f64, c: [f64; 4]| std::array::from_fn(|k| c[k] * s / units[k]);
        let of = |k: usize| scales.get(f + k).map(|s| (f + k, two[k], scaled(*s, stored[k])));
        [of(0), of(1)].into_iter().flatten()
    })
}

/// The cubics of two filters each, with the interval and the first of these; zeros beyond the last.
fn pairs(
    schnet: &SchNet,
    table: &FilterTable,
    b: usize,
) -> impl Iterator<Item = (usize, usize, [[f64; 4]; 2])> {
    let n_filters = schnet.n_filters();
    let mut all = cubics(schnet, table, b);
    std::iter::from_fn(move || {
        let (k, f, first) = all.next()?;
        let second = if f + 1 < n_filters { all.next()?.2 } else { [0.0; 4] };
        Some((k, f, [first, second]))
    })
}

/// In parts of the unit and of the filters' own scales.
fn in_parts(two: [[f64; 4]; 2], unit: f64, scales: &[f64]) -> [[f64; 4]; 2] {
    let of = |k: usize| in_units(two[k], unit).map(|c| c / scales.get(k).unwrap_or(&1.0));
    [of(0), of(1)]
}

/// Words of the first to the fourth coefficients of two filters, as 16-bit floats. In the fourth's
/// word a byte of each is the upper one of what the first leaves; what is below the upper byte of a
/// number is another, and the upper one is chosen with a view to it.
fn pack(two: [[f64; 4]; 2]) -> [u32; 4] {
    let mut words = [0; 4];
    let mut below = 0;
    for (c, shift) in two.into_iter().zip([0, 16]) {
        let first = f16::from_f64(c[0]);
        let rest = upper_byte(c[0] - first.to_f64(), below);
        below = upper_byte(c[3], rest);
        let bits = |c: f64| u32::from(f16::from_f64(c).to_bits());
        let fourth = u32::from(below) << 8 | u32::from(rest);
        for (word, bits) in
            words.iter_mut().zip([u32::from(first.to_bits()), bits(c[1]), bits(c[2]), fourth])
        {
            *word |= bits << shift;
        }
    }
    words
}

/// The upper byte of the 16-bit float with this lower one that is nearest to x.
fn upper_byte(x: f64, lower: u8) -> u8 {
    let near = f16::from_f64(x).to_bits() >> 8;
    let of = |upper: u16| f16::from_bits(upper << 8 | u16::from(lower));
    let error = |upper: &u16| (of(*upper).to_f64() - x).abs();
    let candidates = near.saturating_sub(1)..=(near + 1).min(255);
    let finite = candidates.filter(|upper| of(*upper).is_finite());
    finite.min_by(|a, b| error(a).total_cmp(&error(b))).expect("the one it has is finite") as u8
}

/// What lib/filter_table_read_half.wgsl makes of [`pack`]'s words.
fn unpack(words: [u32; 4]) -> [[f64; 4]; 2] {
    [0, 16].map(|shift| {
        let half = |word: u32| f16::from_bits((word >> shift) as u16).to_f64();
        let [c0, c1, c2, c3] = words.map(half);
        [c0 + half(words[3] << 8), c1, c2, c3]
    })
}

/// A float with `bits` significant bits and five of exponent, from the right: mantissa, exponent,
/// sign.
fn short_float(x: f64, exponent: i32, bits: u32) -> u32 {
    let whole = ((x * 2.0_f64.powi(-exponent)) as f32).to_bits();
    let (sign, rest) = (whole >> 31, whole & (u32::MAX >> 1));
    // Too small for an exponent is 0, too large cannot be.
    let rest = if rest >> 23 == 0 { 0 } else { rest >> (24 - bits) };
    rest | (sign << (bits + 4))
}

/// The coefficients of block `b` of powers of t, from the middle of an interval: rows of the first,
/// of the second, and of the third and fourth in one word, and an interval of zeros:
/// `[n_intervals + 1, 3, quads of filters]`.
pub(super) fn coefficients(
    schnet: &SchNet,
    table: &FilterTable,
    b: usize,
    exponent: i32,
) -> Vec<u32> {
    let width = 4 * network::quads(schnet.n_filters()) as usize;
    let mut rows = vec![0; (table.n_intervals() + 1) * 3 * width];
    for (k, f, [c0, c1, c2, c3]) in cubics(schnet, table, b) {
        let square = short_float(c2, exponent, SQUARE_BITS);
        let cube = short_float(c3, exponent, CUBE_BITS);
        let words =
            [(c0 as f32).to_bits(), (c1 as f32).to_bits(), (square << (CUBE_BITS + 5)) | cube];
        for (row, word) in words.into_iter().enumerate() {
            rows[(3 * k + row) * width + f] = word;
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_hold_what_they_promise() {
        // Parts of the value: a 16-bit float has 11 significant bits, the rest of the first has
        // two or more, the fourth as many.
        let bounds = [0.5_f64.powi(14), 0.5_f64.powi(11), 0.5_f64.powi(11), 0.5_f64.powi(3)];
        for k in 0..1000 {
            let x = 2.0_f64.powf(f64::from(k) / 100.0) * if k % 2 == 0 { 1.0 } else { -1.0 };
            for found in unpack(pack([[x; 4], [-3.1 * x; 4]])).into_iter().zip([x, -3.1 * x]) {
                for (c, bound) in found.0.into_iter().zip(bounds) {
                    assert!((c / found.1 - 1.0).abs() <= bound, "{}: {c}", found.1);
                }
            }
        }
        assert_eq!(unpack(pack([[0.0; 4]; 2])), [[0.0; 4]; 2]);
    }
}
