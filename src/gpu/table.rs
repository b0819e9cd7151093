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

/// UNIT of lib/filter_table_read_half.wgsl, Å.
pub(super) const UNIT: f64 = 1.0 / 16.0;
/// Largest coefficients in parts of a filter's scale, in the middle of the range of 16-bit floats
/// for the first, below its end for the others.
const ROOM: [f64; 4] = [16.0, 32768.0, 32768.0, 32768.0];

/// Coefficients of powers of t in parts of [`UNIT`].
fn in_units(c: [f64; 4]) -> [f64; 4] {
    [c[0], c[1] * UNIT, c[2] * UNIT.powi(2), c[3] * UNIT.powi(3)]
}

/// A power of two for each filter of block `b`: in parts of it all coefficients have room.
pub(super) fn scales(schnet: &SchNet, table: &FilterTable, b: usize) -> Vec<f64> {
    let mut largest = vec![0.0_f64; schnet.n_filters()];
    for (_, f, c) in cubics(schnet, table, b) {
        let parts = in_units(c).into_iter().zip(ROOM).map(|(c, room)| c.abs() / room);
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
    for (k, f, c) in cubics(schnet, table, b) {
        let quads_at = (2 * k * quads + f / 4) * 4 + f % 4 / 2;
        let places = [quads_at, quads_at + 2, quads_at + 4 * quads, quads_at + 4 * quads + 2];
        for (at, bits) in places.into_iter().zip(pack(in_units(c).map(|c| c / scales[f]))) {
            words[at] |= u32::from(bits) << (16 * (f % 2));
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
    let (scales, units) = (scales(schnet, table, b), in_units([1.0; 4]));
    cubics(schnet, table, b).map(move |(_, f, c)| {
        let stored = unpack(pack(in_units(c).map(|c| c / scales[f])));
        (f, c, std::array::from_fn(|k| stored[k] * scales[f] / units[k]))
    })
}

/// 16-bit floats, the last with more bits of the first in the place of its lowest.
fn pack([c0, c1, c2, c3]: [f64; 4]) -> [u16; 4] {
    let half = |c: f64| f16::from_f64(c).to_bits();
    let (c0, more) = with_more(c0);
    [c0, half(c1), half(c2), half(c3) & !15 | more]
}

/// What lib/filter_table_read_half.wgsl makes of them.
fn unpack(bits: [u16; 4]) -> [f64; 4] {
    let more = u32::from(bits[3] & 15) << 9;
    let [c0, c1, c2, c3] = bits.map(|bits| f16::from_bits(bits).to_f32());
    [f32::from_bits(c0.to_bits() | more), c1, c2, c3].map(f64::from)
}

/// A 16-bit float towards zero, and the next four bits of its fraction.
fn with_more(x: f64) -> (u16, u16) {
    let bits = (x as f32).to_bits();
    // To nearest in the last of the four, which is bit 9 of an f32.
    let (bits, sign) = ((bits & !(1 << 31)) + (1 << 8), (bits >> 31) << 15);
    let exponent = (bits >> 23) as i32 - 127;
    if exponent < -14 {
        return (f16::from_f64(x).to_bits(), 0);
    }
    let half = (sign | ((exponent + 15) as u32) << 10 | (bits >> 13) & 0x3ff) as u16;
    (half, (bits >> 9 & 15) as u16)
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
        // Significant bits after the first: 14 of the constant coefficient, 10 of the others, of
        // the last the lowest four are not its own.
        let bounds = [0.5_f64.powi(15), 0.5_f64.powi(11), 0.5_f64.powi(11), 0.5_f64.powi(6)];
        for k in 0..1000 {
            let x = 2.0_f64.powf(f64::from(k) / 100.0) * if k % 2 == 0 { 1.0 } else { -1.0 };
            for (found, bound) in unpack(pack([x; 4])).into_iter().zip(bounds) {
                assert!((found / x - 1.0).abs() <= bound, "{x}: {found}");
            }
        }
        assert_eq!(unpack(pack([0.0; 4])), [0.0; 4]);
        let exact = [1.0 + 0.5_f64.powi(14), -3.5, 0.125, 2.0];
        let more = 0.5_f64.powi(9);
        assert_eq!(unpack(pack(exact)), [exact[0], -3.5, 0.125, 2.0 + more]);
    }
}
