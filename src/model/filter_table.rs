//! Filters as tables: W(d) C(d) of each block as cubic pieces per channel.
//!
//! A filter depends on the distance alone, so it is evaluated once, in f64, when a model is put on
//! a device. Every interval has its own four coefficients, rounded only after they are computed:
//! knots with values and slopes would divide the rounding of the values by the spacing of the
//! knots. The coefficients of t² and t³, t from the middle of a short interval, add little to a
//! filter: few digits do for them, and they share a word. Intervals end at every breakpoint of the envelopes, where a derivative jumps. Energy and
//! force use the same pieces, so that forces stay the gradient of the energy that is evaluated.

use rayon::prelude::*;

use super::radial::Envelope;
use super::schnet::SchNet;
use crate::error::{Error, Result};
use crate::reference::filters;

/// A stretch between breakpoints of the envelopes, cut into equal cells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// Å.
    pub start: f64,
    /// Cells per Å.
    pub rate: f64,
    /// Its first cell.
    pub first: usize,
    /// Its number of cells.
    pub n_cells: usize,
}

/// A part of a stretch, cut into equal intervals, as many as its tolerance asks for: filters are
/// steep at short distances and smooth at long ones, where most neighbors are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// Å.
    pub start: f64,
    /// Intervals per Å.
    pub rate: f64,
    /// Its first interval.
    pub first: usize,
    /// Its number of intervals.
    pub n_intervals: usize,
}

/// A distance in a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Its interval.
    pub interval: usize,
    /// From 0 to 1 within it.
    pub s: f64,
    /// Intervals per Å there: `dW/dd = rate dW/ds`.
    pub rate: f64,
}

/// The filters of a network from distance 0 to its neighbor radius.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterTable {
    /// In ascending order, without gaps.
    pub stretches: Vec<Stretch>,
    /// Those of all stretches, in ascending order, without gaps.
    pub cells: Vec<Cell>,
    /// Of each block: c0..c3 of `W = c0 + c1 s + c2 s² + c3 s³`, s from 0 to 1 within an interval.
    /// About the middle of the interval ([`to_middle`]) the first two have the precision of f32, the
    /// others [`SQUARE_BITS`] and [`CUBE_BITS`]. `[n_blocks][n_intervals, n_filters]`
    pub coefficients: Vec<Vec<[f64; 4]>>,
    /// The largest error of a filter's value found inside the intervals, relative to the largest
    /// value of its block at the start of the cell or beyond.
    pub value_error: f64,
    /// The same of its slope.
    pub slope_error: f64,
}

/// Cells across the radius, or a few more: a stretch has a whole number of them.
const CELLS: f64 = 48.0;
/// Beyond this many intervals a cell is no longer small.
const MOST_INTERVALS: usize = 1 << 12;
/// Most beads of a coarse-grained protein keep this distance, Å: what a filter does below it must
/// not set the scale for those above.
pub const NEAREST: f64 = 4.0;
/// Distances at which the largest values and slopes are looked for.
const SURVEY: usize = 2048;

impl FilterTable {
    /// A table whose slopes are within `tolerance` of the exact ones, relative to the largest slope
    /// of the block at the same distance (but at most a third of the radius or [`NEAREST`],
    /// whichever is more) or beyond; values are then far within.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a tolerance that is not positive or that no table can meet.
    pub fn new(schnet: &SchNet, tolerance: f64) -> Result<Self> {
        if !(tolerance > 0.0 && tolerance.is_finite()) {
            return Err(Error::invalid("table tolerance", tolerance, "a number > 0"));
        }
        let radius = schnet.neighbor_radius();
        let survey = Survey::new(schnet);
        let mut table = FilterTable {
            stretches: Vec::new(),
            cells: Vec::new(),
            coefficients: vec![Vec::new(); schnet.interactions.len()],
            value_error: 0.0,
            slope_error: 0.0,
        };
        for ends in breakpoints(schnet).windows(2) {
            let length = ends[1] - ends[0];
            let n_cells = (CELLS * length / radius).ceil() as usize;
            let rate = n_cells as f64 / length;
            let first = table.cells.len();
            table.stretches.push(Stretch { start: ends[0], rate, first, n_cells });
            let at = |k: usize| ends[0] + k as f64 / rate;
            let piece = |k| Piece::within(schnet, [at(k), at(k + 1)], &survey, tolerance);
            let pieces: Vec<Piece> =
                (0..n_cells).into_par_iter().map(piece).collect::<Result<_>>()?;
            pieces.into_iter().for_each(|piece| table.push(piece));
        }
        Ok(table)
    }

    fn push(&mut self, piece: Piece) {
        let first = self.n_intervals();
        self.cells.push(Cell { first, ..piece.cell });
        for (all, of_piece) in self.coefficients.iter_mut().zip(piece.coefficients) {
            all.extend(of_piece);
        }
        self.value_error = self.value_error.max(piece.error[0]);
        self.slope_error = self.slope_error.max(piece.error[1]);
    }

    /// Where a distance from 0 to the radius lies.
    pub fn place(&self, d: f64) -> Place {
        let beyond = self.cells.partition_point(|cell| cell.start <= d);
        let cell = &self.cells[beyond.max(1) - 1];
        let position = (d - cell.start) * cell.rate;
        let k = (position as usize).min(cell.n_intervals - 1);
        Place { interval: cell.first + k, s: position - k as f64, rate: cell.rate }
    }

    /// Intervals of all cells together.
    pub fn n_intervals(&self) -> usize {
        self.cells.last().map_or(0, |cell| cell.first + cell.n_intervals)
    }
}

/// The coefficients of powers of the distance from the middle of the interval, in Å: there the
/// higher ones count least, so that fewer digits of them do.
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

/// Significant bits of the coefficient of t², and of that of t³: with signs and exponents they share
/// a word.
pub const SQUARE_BITS: u32 = 14;
/// See [`SQUARE_BITS`].
pub const CUBE_BITS: u32 = 8;

/// Coefficients about the middle as they are stored.
fn as_stored([c0, c1, c2, c3]: [f64; 4]) -> [f64; 4] {
    [f64::from(c0 as f32), f64::from(c1 as f32), to_bits(c2, SQUARE_BITS), to_bits(c3, CUBE_BITS)]
}

/// `x` with so many significant bits, to nearest.
fn to_bits(x: f64, bits: u32) -> f64 {
    let dropped = 53 - bits;
    f64::from_bits((x.to_bits() + (1 << (dropped - 1))) >> dropped << dropped)
}

/// 0, the breakpoints of both envelopes, and the radius.
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

/// The largest value and slope of each block's filters from some distances on: at distances so
/// short that beads never come there, filters may be much steeper than anywhere else.
struct Survey {
    /// Å, ascending.
    grid: Vec<f64>,
    /// `[n_blocks][SURVEY]`
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
            let largest = |values: &[f64]| values.iter().fold(0.0, |a: f64, x| a.max(x.abs()));
            let here = |values: &[f64]| values.chunks(n_filters).map(largest).collect::<Vec<_>>();
            let mut beyond = [0.0_f64; 2];
            let mut all: Vec<[f64; 2]> =
                here(&values).into_iter().zip(here(&slopes)).map(|(v, s)| [v, s]).collect();
            for here in all.iter_mut().rev() {
                beyond = [beyond[0].max(here[0]), beyond[1].max(here[1])];
                *here = beyond;
            }
            all
        };
        let largest = (0..schnet.interactions.len()).map(of_block).collect();
        Survey { grid, largest }
    }

    /// Of each block, at `start` or beyond, but not of the far parts alone: where an envelope makes
    /// filters flat, what they add to a force is small beside the rest.
    fn beyond(&self, start: f64) -> impl Iterator<Item = [f64; 2]> {
        let start = start.min((self.grid[SURVEY - 1] / 3.0).max(NEAREST));
        let k = self.grid.partition_point(|d| *d < start).min(SURVEY - 1);
        self.largest.iter().map(move |largest| largest[k])
    }
}

/// A cell of every block's filters.
struct Piece {
    cell: Cell,
    /// `[n_blocks][n_intervals, n_filters]`
    coefficients: Vec<Vec<[f64; 4]>>,
    /// Of value and slope, relative to the largest of the block.
    error: [f64; 2],
}

impl Piece {
    /// The piece of the fewest intervals whose slopes are within the tolerance.
    fn within(schnet: &SchNet, ends: [f64; 2], survey: &Survey, tolerance: f64) -> Result<Self> {
        let (mut n, mut too_few) = (8, 0);
        let mut best: Option<Self> = None;
        loop {
            let piece = Piece::new(schnet, ends, n, survey);
            // The error of a cubic's slope falls with the third power of the interval.
            let wanted = n as f64 * (piece.error[1] / tolerance).cbrt();
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
            if n > MOST_INTERVALS {
                let expected = format!(
                    "one that {MOST_INTERVALS} intervals of a cell can meet, or --filter exact"
                );
                return Err(Error::invalid("table tolerance", tolerance, expected));
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
        for (block, largest) in survey.beyond(start).enumerate() {
            // One-sided limits at both ends: an envelope's derivative may jump there.
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
            // Where the errors of a cubic's slope and value are largest.
            for s in [0.211_324_865_405_187_1, 0.5] {
                let exact = filters(schnet, block, &at(s), true);
                for (k, c) in coefficients.iter().enumerate() {
                    let value = ((c[3] * s + c[2]) * s + c[1]) * s + c[0];
                    let slope = ((3.0 * c[3] * s + 2.0 * c[2]) * s + c[1]) * rate;
                    let errors = [value - exact.value[k], slope - exact.slope[k]];
                    for ((error, found), largest) in
                        piece.error.iter_mut().zip(errors).zip(&largest)
                    {
                        // A filter that is 0 everywhere is 0 in the table.
                        let relative = if found == 0.0 { 0.0 } else { found.abs() / largest };
                        *error = error.max(relative);
                    }
                }
            }
            piece.coefficients.push(coefficients);
        }
        piece
    }
}
