//! The layouts in which kernels read filter tables.

use half::f16;

use super::quads;
use crate::error::{Error, Result};
use crate::largest::largest;
use crate::model::FilterTable;
use crate::model::filter_table::{CUBE_BITS, SQUARE_BITS, to_middle};
use crate::model::schnet::SchNet;

/// The head of lib/filter_table.wgsl: all stretches, then all cells. Each has four numbers: start,
/// parts per Å, first part, last part. Interval 0 has zeros and is in no cell.
pub(in crate::gpu) fn head(table: &FilterTable) -> Vec<f32> {
    let n = table.stretches.len();
    let four = |start: f64, rate: f64, first: usize, length: usize| {
        [start as f32, rate as f32, first as f32, (first + length - 1) as f32]
    };
    let stretches = table.stretches.iter().map(|s| four(s.start, s.rate, n + s.first, s.n_cells));
    let cells = table.cells.iter().map(|c| four(c.start, c.rate, 1 + c.first, c.n_intervals));
    stretches.chain(cells).flatten().collect()
}

/// The largest third or fourth coefficient of each filter of block `b`.
fn highest(schnet: &SchNet, table: &FilterTable, b: usize) -> Vec<f64> {
    let mut most = vec![0.0; schnet.n_filters()];
    for (_, f, [_, _, c2, c3]) in cubics(schnet, table, b) {
        most[f] = largest([most[f], c2.abs(), c3.abs()]);
    }
    most
}

/// Filters whose third and fourth coefficients are smaller than the largest ones by up to this
/// factor keep their size. Five bits of exponent have a range of 2^31.
const MOST_RATIO: f64 = 4096.0;

/// The power of two by which the coefficients of each filter of each block are divided in a table in
/// f32: 1, but for filters whose sizes differ so much that five bits of exponent could not hold
/// them all. And the exponent e of the power of two by which third and fourth coefficients are
/// divided, too. It gives the largest of them the largest exponent that five bits hold.
pub(in crate::gpu) fn plain_scales(schnet: &SchNet, table: &FilterTable) -> (Vec<Vec<f64>>, i32) {
    let most: Vec<Vec<f64>> =
        (0..schnet.interactions.len()).map(|b| highest(schnet, table, b)).collect();
    // The exponents 1 to 31 of f32 stand for 2^-126 to 2^-96, and 2^e must be an f32.
    let size = largest(most.iter().flatten().copied()).log2().floor().clamp(-96.0, 30.0);
    let scale = |most: &f64| {
        let ratio = most / 2.0_f64.powf(size);
        match *most > 0.0 && !(1.0 / MOST_RATIO..2.0).contains(&ratio) {
            true => 2.0_f64.powf(ratio.log2().floor()),
            false => 1.0,
        }
    };
    (most.iter().map(|most| most.iter().map(scale).collect()).collect(), size as i32 + 96)
}

/// The errors of the slopes of stored cubics with their intervals, in units of the block's largest
/// slope at that distance and beyond.
fn slope_errors(
    table: &FilterTable,
    b: usize,
    stored: impl Iterator<Item = (usize, [f64; 4], [f64; 4])>,
) -> impl Iterator<Item = (usize, f64)> {
    stored.map(move |(k, wanted, found)| {
        let cell = table.cells.partition_point(|cell| cell.first <= k) - 1;
        let [_, slope] = table.largest[b][cell];
        let t = 0.5 / table.cells[cell].rate;
        let [_, c1, c2, c3] = std::array::from_fn(|n| (found[n] - wanted[n]).abs());
        let error = c1 + 2.0 * c2 * t + 3.0 * c3 * t * t;
        // A block without slopes has no errors.
        (k, if error == 0.0 { 0.0 } else { error / slope })
    })
}

/// Refuses an error above `most`, or that is no number. A number that leaves its format would
/// otherwise change forces without a word.
fn check_errors(
    mut errors: impl Iterator<Item = f64>,
    most: f64,
    b: usize,
    advice: &str,
) -> Result<()> {
    if errors.any(|error| error.is_nan() || error > most) {
        let what = format!("a table of the filters of block {b}, whose sizes differ too much,");
        return Err(Error::unsupported(what, advice));
    }
    Ok(())
}

/// The cubics of block `b` in powers of t, the distance from the middle of the interval, with their
/// interval and filter.
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

/// The unit of t for lib/filter_table_read_half.wgsl, Å. In this unit |t| is at most 1, so no
/// coefficient is far smaller than its contribution to the filter.
pub(in crate::gpu) fn unit(table: &FilterTable) -> f64 {
    let widest = table.cells.iter().fold(0.0_f64, |a, cell| a.max(cell.rate.recip()));
    2.0_f64.powf((0.5 * widest).log2().ceil())
}

/// The largest stored coefficients, divided by the scale factor of the filter. The first is in the
/// middle of the range of f16, the others are near its upper end.
const ROOM: [f64; 4] = [16.0, 32768.0, 32768.0, 32768.0];

/// The coefficients of the cubic if t is measured in `unit`.
fn in_units(c: [f64; 4], unit: f64) -> [f64; 4] {
    [c[0], c[1] * unit, c[2] * unit.powi(2), c[3] * unit.powi(3)]
}

/// The scale factor of each filter of block `b`: a power of two. The coefficients divided by it
/// stay within [`ROOM`].
pub(in crate::gpu) fn scales(schnet: &SchNet, table: &FilterTable, b: usize) -> Vec<f64> {
    let (mut most, unit) = (vec![0.0_f64; schnet.n_filters()], unit(table));
    for (_, f, c) in cubics(schnet, table, b) {
        let parts = in_units(c, unit).into_iter().zip(ROOM).map(|(c, room)| c.abs() / room);
        most[f] = largest(parts.chain([most[f]]));
    }
    let power = |x: f64| if x > 0.0 { 2.0_f64.powf(x.log2().ceil()) } else { 1.0 };
    most.into_iter().map(power).collect()
}

/// The coefficients of block `b` for lib/filter_table_read_half.wgsl, by quads of channels.
/// The first interval has zeros. `[1 + n_intervals, 2, quads of filters, 4]`
pub(in crate::gpu) fn half_coefficients(
    schnet: &SchNet,
    table: &FilterTable,
    b: usize,
    scales: &[f64],
) -> Result<Vec<u32>> {
    let stored = in_halves(schnet, table, b).map(|(k, _, wanted, found)| (k, wanted, found));
    let mut squares = vec![0.0; table.n_intervals()];
    slope_errors(table, b, stored).for_each(|(k, error)| squares[k] += error * error);
    let n_filters = schnet.n_filters() as f64;
    let of_intervals = squares.into_iter().map(|square| (square / n_filters).sqrt());
    check_errors(of_intervals, MOST_HALF_ERROR, b, "use f32 precision")?;
    let n_quads = quads(schnet.n_filters()) as usize;
    let mut words = vec![0; (1 + table.n_intervals()) * 2 * n_quads * 4];
    let unit = unit(table);
    for (k, f, two) in pairs(schnet, table, b) {
        let at = (2 * (1 + k) * n_quads + f / 4) * 4 + f % 4 / 2;
        let places = [at, at + 2, at + 4 * n_quads, at + 4 * n_quads + 2];
        for (at, word) in places.into_iter().zip(pack(in_parts(two, unit, &scales[f..]))) {
            words[at] = word;
        }
    }
    Ok(words)
}

/// The largest error of the slopes of a table in f16, root mean square over the filters of an
/// interval, because a force sums over the filters, whose errors are independent. Rounding to f16
/// gives 2^-13; the rest allows for filters whose size varies with the distance. The trained
/// chignolin model has 2.9e-3 at most. One saturated filter of 256
/// gives 2^-4.
const MOST_HALF_ERROR: f64 = 1.0 / 256.0;

/// For each interval and filter of block `b`: both, the filter's coefficients, and the coefficients
/// after rounding by [`half_coefficients`].
pub(crate) fn in_halves(
    schnet: &SchNet,
    table: &FilterTable,
    b: usize,
) -> impl Iterator<Item = (usize, usize, [f64; 4], [f64; 4])> {
    let (scales, unit) = (scales(schnet, table, b), unit(table));
    let units = in_units([1.0; 4], unit);
    pairs(schnet, table, b).flat_map(move |(interval, f, two)| {
        let stored = unpack(pack(in_parts(two, unit, &scales[f..])));
        let scaled = |s: f64, c: [f64; 4]| std::array::from_fn(|k| c[k] * s / units[k]);
        let of =
            |k: usize| scales.get(f + k).map(|s| (interval, f + k, two[k], scaled(*s, stored[k])));
        [of(0), of(1)].into_iter().flatten()
    })
}

/// The cubics of two filters at a time, with the interval and the first filter. A missing second
/// filter has zeros.
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

/// The coefficients of two filters with t in `unit`, divided by the scale factors of the filters.
fn in_parts(two: [[f64; 4]; 2], unit: f64, scales: &[f64]) -> [[f64; 4]; 2] {
    let of = |k: usize| in_units(two[k], unit).map(|c| c / scales.get(k).unwrap_or(&1.0));
    [of(0), of(1)]
}

/// The words of the first to the fourth coefficients of two filters, as f16. Only the upper byte of a
/// fourth coefficient is stored. The byte below it is the upper byte of an f16 for the
/// rounding error of the first coefficient. The kernel reads either f16 with the next byte of the
/// word as its lower byte, so the upper byte is chosen to give the best f16 together with that
/// byte.
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

/// The upper byte that, with this lower byte, gives the f16 nearest to x; that of NaN if x is NaN, which
/// [`half_coefficients`] refuses.
fn upper_byte(x: f64, lower: u8) -> u8 {
    let near = f16::from_f64(x).to_bits() >> 8;
    let of = |upper: u16| f16::from_bits(upper << 8 | u16::from(lower));
    let error = |upper: &u16| (of(*upper).to_f64() - x).abs();
    let candidates = near.saturating_sub(1)..=(near + 1).min(255);
    let finite = candidates.filter(|upper| of(*upper).is_finite());
    finite.min_by(|a, b| error(a).total_cmp(&error(b))).unwrap_or(near) as u8
}

/// The coefficients that lib/filter_table_read_half.wgsl reads from the words of [`pack`].
fn unpack(words: [u32; 4]) -> [[f64; 4]; 2] {
    [0, 16].map(|shift| {
        let half = |word: u32| f16::from_bits((word >> shift) as u16).to_f64();
        let [c0, c1, c2, c3] = words.map(half);
        [c0 + half(words[3] << 8), c1, c2, c3]
    })
}

/// x / 2^exponent as a float with `bits` significant bits and five bits of exponent. From the
/// lowest bit: mantissa, exponent, sign.
fn short_float(x: f64, exponent: i32, bits: u32) -> u32 {
    let whole = ((x * 2.0_f64.powi(-exponent)) as f32).to_bits();
    let (sign, rest) = (whole >> 31, whole & (u32::MAX >> 1));
    // A number that is too small becomes 0, one that is too large the largest.
    let rest = if rest >> 23 == 0 { 0 } else { (rest >> (24 - bits)).min((32 << (bits - 1)) - 1) };
    rest | (sign << (bits + 4))
}

/// The inverse of [`short_float`].
fn from_short(short: u32, exponent: i32, bits: u32) -> f64 {
    let (sign, rest) = (short >> (bits + 4), short & ((1 << (bits + 4)) - 1));
    let whole = f32::from_bits(sign << 31 | rest << (24 - bits));
    f64::from(whole) * 2.0_f64.powi(exponent)
}

/// The largest error of a slope of a table in f32: that of a whole engine in f32. Small coefficients that become 0 cause it.
const MOST_ERROR: f64 = 1e-5;

/// The coefficients of block `b`, divided by the scale factors of the filters, for
/// lib/filter_table_read.wgsl. An interval has three rows: the
/// first coefficients, the second, and the third and fourth in one word. The first interval has
/// zeros. `[1 + n_intervals, 3, channels in whole quads]`
pub(in crate::gpu) fn coefficients(
    schnet: &SchNet,
    table: &FilterTable,
    b: usize,
    scales: &[f64],
    exponent: i32,
) -> Result<Vec<u32>> {
    let parts = || cubics(schnet, table, b).map(|(k, f, c)| (k, f, c.map(|c| c / scales[f])));
    let stored = parts().map(|(k, f, c)| {
        let [c0, c1] = [c[0], c[1]].map(|x| f64::from(x as f32));
        let short = |x, bits| from_short(short_float(x, exponent, bits), exponent, bits);
        let found = [c0, c1, short(c[2], SQUARE_BITS), short(c[3], CUBE_BITS)];
        (k, c.map(|c| c * scales[f]), found.map(|c| c * scales[f]))
    });
    let errors = slope_errors(table, b, stored).map(|(_, error)| error);
    check_errors(errors, MOST_ERROR, b, "use exact filters")?;
    let width = 4 * quads(schnet.n_filters()) as usize;
    let mut rows = vec![0; (1 + table.n_intervals()) * 3 * width];
    for (k, f, [c0, c1, c2, c3]) in parts() {
        let square = short_float(c2, exponent, SQUARE_BITS);
        let cube = short_float(c3, exponent, CUBE_BITS);
        let words =
            [(c0 as f32).to_bits(), (c1 as f32).to_bits(), (square << (CUBE_BITS + 5)) | cube];
        for (row, word) in words.into_iter().enumerate() {
            rows[(3 * (1 + k) + row) * width + f] = word;
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Precision;
    use crate::model::Tabulated;

    /// The check of stored numbers must not refuse an ordinary network.
    #[test]
    fn the_tables_of_the_built_in_network_are_held() {
        let schnet = crate::builtin::model().schnet.expect("it has a network");
        let schnet = Tabulated::new(schnet);
        for precision in [Precision::F32, Precision::Mixed] {
            let table = precision.table().table(&schnet).unwrap().expect("it is tabulated");
            let (ones, exponent) = plain_scales(&schnet, &table);
            assert!(ones.iter().flatten().all(|scale| *scale == 1.0));
            for (b, ones) in ones.iter().enumerate() {
                coefficients(&schnet, &table, b, ones, exponent).unwrap();
                half_coefficients(&schnet, &table, b, &scales(&schnet, &table, b)).unwrap();
            }
        }
    }

    #[test]
    fn halves_hold_what_they_promise() {
        // Relative errors. An f16 has 11 significant bits; the rest of the first coefficient has
        // two or more, and so has the fourth.
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
