//! Filter tables: the filters W(d) of each block, with their envelope, as a cubic polynomial for
//! each interval of distances and each channel.
//!
//! A filter depends on the distance only, so the table is computed once, in f64, when a model is
//! put on a device. Each interval stores its own four coefficients, which are rounded after they
//! are computed. A table of values and slopes at knots would be less accurate: its slopes would
//! contain the rounding errors of the values divided by the spacing of the knots. With t measured
//! from the middle of a short interval, the terms in t² and t³ are small. Their coefficients need
//! few digits and share one 32-bit word. Intervals end at every breakpoint of the envelopes,
//! because a derivative jumps there. Energies and forces use the same polynomials, so that the
//! forces are the gradient of the computed energy.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::filter::filters;
use super::radial::Envelope;
use super::schnet::SchNet;
use crate::error::{Error, Result};
use crate::largest::largest;

/// The range of distances between two breakpoints of the envelopes, divided into equal cells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// Its smallest distance, Å.
    pub start: f64,
    /// Cells per Å.
    pub rate: f64,
    /// The index of its first cell.
    pub first: usize,
    /// Its number of cells.
    pub n_cells: usize,
}

/// A part of a stretch, divided into equal intervals. Each cell has only as many intervals as the
/// tolerance requires, because filters are steep at short distances and smooth at long distances,
/// where most neighbors are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// Its smallest distance, Å.
    pub start: f64,
    /// Intervals per Å.
    pub rate: f64,
    /// The index of its first interval.
    pub first: usize,
    /// Its number of intervals.
    pub n_intervals: usize,
}

/// The place of a distance in a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// The index of the interval.
    pub interval: usize,
    /// The position within the interval, from 0 to 1.
    pub s: f64,
    /// Intervals per Å in this cell: `dW/dd = rate dW/ds`.
    pub rate: f64,
}

/// The filters of a network from distance 0 to its neighbor radius.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterTable {
    /// The stretches in ascending order, without gaps.
    pub stretches: Vec<Stretch>,
    /// The cells of all stretches in ascending order, without gaps.
    pub cells: Vec<Cell>,
    /// c0..c3 of `W = c0 + c1 s + c2 s² + c3 s³`, s from 0 to 1 within an interval. The values are
    /// such that, after [`to_middle`], c0 and c1 are f32 numbers, c2 has [`SQUARE_BITS`] and c3
    /// [`CUBE_BITS`] significant bits. `[n_blocks][n_intervals, n_filters]`
    pub coefficients: Vec<Vec<[f64; 4]>>,
    /// The largest value and the largest slope of each block at the start of each cell and beyond,
    /// to which errors are relative; see [`FilterTable::new`]. `[n_blocks][n_cells]`
    pub largest: Vec<Vec<[f64; 2]>>,
    /// The largest error of a filter's value found in any interval, in units of the largest value
    /// of the block. [`FilterTable::new`] says at which distances the largest value is taken.
    pub value_error: f64,
    /// The same for the slope.
    pub slope_error: f64,
}

/// The number of cells from 0 to the radius. A table can have a few more, because each stretch has
/// a whole number of cells.
const CELLS: f64 = 48.0;
/// The largest number of intervals in a table. The built-in network has 2,074.
const MOST_INTERVALS: usize = 1 << 14;
/// The largest number of radial functions in all blocks. A table evaluates them at some thousand
/// distances, so that more would take minutes.
const MOST_FUNCTIONS: usize = 1 << 18;
/// Å. Most beads of a coarse-grained protein are farther apart. The filters below this distance
/// must not determine the errors that are tolerated above it.
pub const NEAREST: f64 = 4.0;
/// The number of distances at which the largest values and slopes are searched.
const SURVEY: usize = 2048;

impl FilterTable {
    /// Builds a table. The error of every slope is at most `tolerance`, in units of the largest
    /// slope of the block at the start d of the cell and beyond. If d is greater than d_max, the
    /// largest slope at d_max and beyond is used; d_max is a third of the radius, but at least
    /// [`NEAREST`]. Relative errors of the values are then much smaller than `tolerance`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a tolerance that is not positive or too small for a table;
    /// [`Error::Unsupported`] for a network with very many radial functions.
    pub fn new(schnet: &SchNet, tolerance: f64) -> Result<Self> {
        if !(tolerance > 0.0 && tolerance.is_finite()) {
            return Err(Error::invalid("table tolerance", tolerance, "a number > 0"));
        }
        let n_functions = schnet.radial_basis.n_rbf().saturating_mul(schnet.interactions.len());
        if n_functions > MOST_FUNCTIONS {
            let what = format!("a filter table for {n_functions} radial functions of all blocks");
            return Err(Error::unsupported(what, "use exact filters"));
        }
        let radius = schnet.neighbor_radius();
        let survey = Survey::new(schnet);
        let mut table = FilterTable {
            stretches: Vec::new(),
            cells: Vec::new(),
            coefficients: vec![Vec::new(); schnet.interactions.len()],
            largest: vec![Vec::new(); schnet.interactions.len()],
            value_error: 0.0,
            slope_error: 0.0,
        };
        let total = AtomicUsize::new(0);
        for ends in breakpoints(schnet).windows(2) {
            let length = ends[1] - ends[0];
            let n_cells = (CELLS * length / radius).ceil() as usize;
            let rate = n_cells as f64 / length;
            let first = table.cells.len();
            table.stretches.push(Stretch { start: ends[0], rate, first, n_cells });
            let at = |k: usize| ends[0] + k as f64 / rate;
            let piece = |k| {
                let piece = Piece::within(schnet, [at(k), at(k + 1)], &survey, tolerance)?;
                let n = piece.cell.n_intervals;
                match total.fetch_add(n, Ordering::Relaxed) + n <= MOST_INTERVALS {
                    true => Ok(piece),
                    false => Err(too_steep(tolerance)),
                }
            };
            let pieces: Vec<Piece> =
                (0..n_cells).into_par_iter().map(piece).collect::<Result<_>>()?;
            for piece in pieces {
                for (all, most) in table.largest.iter_mut().zip(survey.beyond(piece.cell.start)) {
                    all.push(most);
                }
                table.push(piece);
            }
        }
        Ok(table)
    }

    fn push(&mut self, piece: Piece) {
        let first = self.n_intervals();
        self.cells.push(Cell { first, ..piece.cell });
        for (all, of_piece) in self.coefficients.iter_mut().zip(piece.coefficients) {
            all.extend(of_piece);
        }
        self.value_error = largest([self.value_error, piece.error[0]]);
        self.slope_error = largest([self.slope_error, piece.error[1]]);
    }

    /// The place of a distance between 0 and the radius.
    pub fn place(&self, d: f64) -> Place {
        let beyond = self.cells.partition_point(|cell| cell.start <= d);
        let cell = &self.cells[beyond.max(1) - 1];
        let position = (d - cell.start) * cell.rate;
        let k = (position as usize).min(cell.n_intervals - 1);
        Place { interval: cell.first + k, s: position - k as f64, rate: cell.rate }
    }

    /// The total number of intervals.
    pub fn n_intervals(&self) -> usize {
        self.cells.last().map_or(0, |cell| cell.first + cell.n_intervals)
    }
}

/// The filters are too steep for a table, or not finite.
fn too_steep(tolerance: f64) -> Error {
    let expected =
        format!("one that a table of {MOST_INTERVALS} intervals can meet, or exact filters");
    Error::invalid("table tolerance", tolerance, expected)
}

/// Converts coefficients of powers of s to coefficients of powers of t, the distance in Å from the
/// middle of the interval. This choice of origin makes the higher terms smallest, so that their
/// coefficients need the fewest digits.
pub fn to_middle([c0, c1, c2, c3]: [f64; 4], rate: f64) -> [f64; 4] {
    [
        c0 + 0.5 * c1 + 0.25 * c2 + 0.125 * c3,
        (c1 + c2 + 0.75 * c3) * rate,
        (c2 + 1.5 * c3) * rate.powi(2),
        c3 * rate.powi(3),
    ]
}

/// The inverse of [`to_middle`].
fn from_middle(c: [f64; 4], rate: f64) -> [f64; 4] {
    let [c0, c1, c2, c3] = [c[0], c[1] / rate, c[2] / rate.powi(2), c[3] / rate.powi(3)];
    [c0 - 0.5 * c1 + 0.25 * c2 - 0.125 * c3, c1 - c2 + 0.75 * c3, c2 - 1.5 * c3, c3]
}

/// Significant bits of the coefficient of t². With signs and 5-bit exponents, the coefficients of
/// t² and t³ fit in one 32-bit word.
pub const SQUARE_BITS: u32 = 14;
/// Significant bits of the coefficient of t³; see [`SQUARE_BITS`].
pub const CUBE_BITS: u32 = 8;

/// Rounds the coefficients of powers of t to the precisions of the stored table.
fn as_stored([c0, c1, c2, c3]: [f64; 4]) -> [f64; 4] {
    [f64::from(c0 as f32), f64::from(c1 as f32), to_bits(c2, SQUARE_BITS), to_bits(c3, CUBE_BITS)]
}

/// `x`, rounded to the nearest number with `bits` significant bits.
fn to_bits(x: f64, bits: u32) -> f64 {
    let dropped = 53 - bits;
    f64::from_bits((x.to_bits() + (1 << (dropped - 1))) >> dropped << dropped)
}

/// 0, the breakpoints of both envelopes, and the neighbor radius, in ascending order.
fn breakpoints(schnet: &SchNet) -> Vec<f64> {
    let radius = schnet.neighbor_radius();
    let mut ends = vec![0.0, radius];
    for Envelope { low, start, end, .. } in
        [schnet.cutoff.envelope(), schnet.radial_basis.cutoff.envelope()]
    {
        ends.extend([low, start, end].into_iter().filter(|end| *end > 0.0 && *end < radius));
    }
    ends.sort_by(f64::total_cmp);
    ends.dedup();
    ends
}

/// The largest value and slope of each block's filters at each distance of a grid and beyond.
/// Shorter distances are left out because filters can be much steeper there than between real
/// beads.
struct Survey {
    /// Distances, Å, ascending.
    grid: Vec<f64>,
    /// `[value, slope]`, `[n_blocks][SURVEY]`.
    largest: Vec<Vec<[f64; 2]>>,
}

impl Survey {
    fn new(schnet: &SchNet) -> Self {
        let (radius, n_filters) = (schnet.neighbor_radius(), schnet.n_filters());
        let grid: Vec<f64> =
            (0..SURVEY).map(|k| radius * (k as f64 + 0.5) / SURVEY as f64).collect();
        let of_block = |block| {
            let filters = filters(schnet, block, &grid, true);
            let (values, slopes) = (filters.value, filters.slope);
            let of_all = |values: &[f64]| largest(values.iter().map(|x| x.abs()));
            let here = |values: &[f64]| values.chunks(n_filters).map(of_all).collect::<Vec<_>>();
            let mut beyond = [0.0_f64; 2];
            let mut all: Vec<[f64; 2]> =
                here(&values).into_iter().zip(here(&slopes)).map(|(v, s)| [v, s]).collect();
            for here in all.iter_mut().rev() {
                beyond = [largest([beyond[0], here[0]]), largest([beyond[1], here[1]])];
                *here = beyond;
            }
            all
        };
        let largest = (0..schnet.interactions.len()).map(of_block).collect();
        Survey { grid, largest }
    }

    /// `[value, slope]` of each block: the largest at `start` and beyond. `start` is limited to
    /// d_max of [`FilterTable::new`]: an envelope makes filters small at long distances, where they
    /// contribute little to a force and need no small relative error.
    fn beyond(&self, start: f64) -> impl Iterator<Item = [f64; 2]> {
        let start = start.min((self.grid[SURVEY - 1] / 3.0).max(NEAREST));
        let k = self.grid.partition_point(|d| *d < start).min(SURVEY - 1);
        self.largest.iter().map(move |largest| largest[k])
    }
}

/// A cell and its coefficients in every block.
struct Piece {
    cell: Cell,
    /// `[n_blocks][n_intervals, n_filters]`
    coefficients: Vec<Vec<[f64; 4]>>,
    /// The largest errors of value and slope, in units of the block's largest value and slope.
    error: [f64; 2],
}

/// The intervals that a cell needs for its narrowest radial function to show in the sampled errors:
/// none is wider than two standard deviations of the function. At least 1.
fn least_intervals(schnet: &SchNet, ends: [f64; 2]) -> usize {
    let [start, end] = ends;
    let basis = &schnet.radial_basis;
    if basis.cutoff.envelope().value_and_slope(0.5 * (start + end)).0 == 0.0 {
        return 1;
    }
    let form = basis.form();
    let sharpest = largest(form.sharpness.iter().copied());
    // A sharpness of 0 gives 0, and NaN as well.
    (((end - start) * form.steepest(ends) * (0.5 * sharpest).sqrt()).ceil() as usize).max(1)
}

impl Piece {
    /// The piece with the fewest intervals whose slope error is within the tolerance.
    fn within(schnet: &SchNet, ends: [f64; 2], survey: &Survey, tolerance: f64) -> Result<Self> {
        let least = least_intervals(schnet, ends);
        if least > MOST_INTERVALS / 4 {
            return Err(too_steep(tolerance));
        }
        let (mut n, mut too_few) = (least.max(8), least - 1);
        let mut best: Option<Self> = None;
        loop {
            let piece = Piece::new(schnet, ends, n, survey);
            // The error of a cubic's slope is proportional to the third power of the interval.
            let wanted = n as f64 * (piece.error[1] / tolerance).cbrt();
            if !wanted.is_finite() {
                return Err(too_steep(tolerance));
            }
            if piece.error[1] <= tolerance {
                n = (wanted as usize).max(too_few + 1);
                best = Some(piece);
            } else {
                too_few = n;
                n = ((1.02 * wanted.min(8.0 * n as f64)).ceil() as usize).max(n + 1);
            }
            if best.as_ref().is_some_and(|best| n >= best.cell.n_intervals) {
                return Ok(best.expect("just seen"));
            }
            if n > MOST_INTERVALS / 4 {
                return Err(too_steep(tolerance));
            }
        }
    }

    fn new(schnet: &SchNet, [start, end]: [f64; 2], n: usize, survey: &Survey) -> Self {
        let n_filters = schnet.n_filters();
        let rate = n as f64 / (end - start);
        let width = 1.0 / rate;
        let at = |s: f64| (0..n).map(|k| start + (k as f64 + s) * width).collect::<Vec<f64>>();
        let mut piece = Piece {
            cell: Cell { start, rate, first: 0, n_intervals: n },
            coefficients: Vec::new(),
            error: [0.0; 2],
        };
        for (block, most) in survey.beyond(start).enumerate() {
            // Values are taken just inside the ends: an envelope's derivative may jump at an end.
            let inset = 1e-9;
            let left = filters(schnet, block, &at(inset), true);
            let right = filters(schnet, block, &at(1.0 - inset), true);
            let hermite = |k: usize| {
                let (d0, d1) = (left.slope[k] * width, right.slope[k] * width);
                let rise = right.value[k] - left.value[k];
                [left.value[k], d0, 3.0 * rise - 2.0 * d0 - d1, d0 + d1 - 2.0 * rise]
            };
            let coefficients: Vec<[f64; 4]> = (0..n * n_filters)
                .map(|k| from_middle(as_stored(to_middle(hermite(k), rate)), rate))
                .collect();
            // A cubic's slope error is largest at s = ½ − √3/6, its value error at s = ½.
            for s in [0.211_324_865_405_187_1, 0.5] {
                let exact = filters(schnet, block, &at(s), true);
                for (k, c) in coefficients.iter().enumerate() {
                    let value = ((c[3] * s + c[2]) * s + c[1]) * s + c[0];
                    let slope = ((3.0 * c[3] * s + 2.0 * c[2]) * s + c[1]) * rate;
                    let errors = [value - exact.value[k], slope - exact.slope[k]];
                    for ((error, found), most) in piece.error.iter_mut().zip(errors).zip(&most) {
                        // Without this, a filter that is 0 everywhere would give 0/0.
                        let relative = if found == 0.0 { 0.0 } else { found.abs() / most };
                        *error = largest([*error, relative]);
                    }
                }
            }
            piece.coefficients.push(coefficients);
        }
        piece
    }
}
