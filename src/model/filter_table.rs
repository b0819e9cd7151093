//! Filters as tables: W(d) C(d) of each block as cubic pieces per channel.
//!
//! A filter depends on the distance alone, so it is evaluated once, in f64, when a model is put on
//! a device. Every interval has its own four coefficients, rounded only after they are computed:
//! knots with values and slopes would divide the rounding of the values by the spacing of the
//! knots. Intervals end at every breakpoint of the envelopes, where a derivative jumps. Energy and
//! force use the same pieces, so that forces stay the gradient of the energy that is evaluated.

use super::radial::Envelope;
use super::schnet::SchNet;
use crate::error::{Error, Result};
use crate::reference::filters;

/// A stretch between breakpoints, cut into equal intervals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
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
    pub segments: Vec<Segment>,
    /// Of each block: c0..c3 of `W = c0 + c1 s + c2 s² + c3 s³`, s from 0 to 1 within an interval.
    /// `[n_blocks][n_intervals, n_filters]`
    pub coefficients: Vec<Vec<[f64; 4]>>,
    /// The largest error of a filter's value found inside the intervals, relative to the largest
    /// value of its block at the start of the segment or beyond.
    pub value_error: f64,
    /// The same of its slope.
    pub slope_error: f64,
}

/// Intervals of a segment at the first try.
const COARSEST: usize = 8;
/// Beyond this many intervals a table is no longer small.
const MOST_INTERVALS: usize = 1 << 15;
/// Besides the breakpoints of the envelopes, segments end at the radius over 2, 4 … 2^HALVINGS:
/// radial functions are narrow at short distances and wide at long ones.
const HALVINGS: i32 = 5;

impl FilterTable {
    /// A table whose slopes are within `tolerance` of the exact ones, relative to the largest slope
    /// of the block at the same distance or beyond; values are then far within.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a tolerance that is not positive or that no table can meet.
    pub fn new(schnet: &SchNet, tolerance: f64) -> Result<Self> {
        if !(tolerance > 0.0 && tolerance.is_finite()) {
            return Err(Error::invalid("table tolerance", tolerance, "a number > 0"));
        }
        let ends = segment_ends(schnet);
        let mut pieces = Vec::new();
        for ends in ends.windows(2) {
            let largest = largest_beyond(schnet, ends[0]);
            let mut n_intervals = COARSEST;
            loop {
                let piece = Piece::new(schnet, [ends[0], ends[1]], n_intervals, &largest);
                if piece.error[1] <= tolerance {
                    pieces.push(piece);
                    break;
                }
                // The error of a cubic's slope falls with the third power of the interval.
                let factor = 1.05 * (piece.error[1] / tolerance).cbrt();
                n_intervals = (n_intervals as f64 * factor.clamp(1.1, 8.0)).ceil() as usize;
                if n_intervals > MOST_INTERVALS {
                    let expected = format!("one that {MOST_INTERVALS} intervals can meet");
                    return Err(Error::invalid("table tolerance", tolerance, expected));
                }
            }
        }
        let mut table = FilterTable {
            segments: Vec::new(),
            coefficients: vec![Vec::new(); schnet.interactions.len()],
            value_error: 0.0,
            slope_error: 0.0,
        };
        for piece in pieces {
            let first = table.n_intervals();
            table.segments.push(Segment { first, ..piece.segment });
            for (all, of_piece) in table.coefficients.iter_mut().zip(piece.coefficients) {
                all.extend(of_piece);
            }
            table.value_error = table.value_error.max(piece.error[0]);
            table.slope_error = table.slope_error.max(piece.error[1]);
        }
        Ok(table)
    }

    /// Where a distance from 0 to the radius lies.
    pub fn place(&self, d: f64) -> Place {
        let beyond = self.segments.partition_point(|segment| segment.start <= d);
        let segment = &self.segments[beyond.max(1) - 1];
        let position = (d - segment.start) * segment.rate;
        let k = (position as usize).min(segment.n_intervals - 1);
        Place { interval: segment.first + k, s: position - k as f64, rate: segment.rate }
    }

    /// Intervals of all segments together.
    pub fn n_intervals(&self) -> usize {
        self.segments.iter().map(|segment| segment.n_intervals).sum()
    }
}

/// 0, the breakpoints of both envelopes, powers of two below the radius, and the radius.
fn segment_ends(schnet: &SchNet) -> Vec<f64> {
    let radius = schnet.neighbor_radius();
    let mut ends = vec![0.0, radius];
    ends.extend((1..=HALVINGS).map(|k| radius * 0.5_f64.powi(k)));
    for Envelope { low, start, end, .. } in
        [schnet.cutoff.envelope(), schnet.radial_basis.cutoff.envelope()]
    {
        ends.extend([low, start, end].into_iter().filter(|end| *end > 0.0 && *end < radius));
    }
    ends.sort_by(f64::total_cmp);
    ends.dedup();
    ends
}

/// The largest value and slope of each block's filters at `start` or beyond: at distances so short
/// that beads never come there, filters may be much steeper than anywhere else.
fn largest_beyond(schnet: &SchNet, start: f64) -> Vec<[f64; 2]> {
    let n = 512;
    let reach = schnet.neighbor_radius() - start;
    let grid: Vec<f64> = (0..n).map(|k| start + reach * (k as f64 + 0.5) / n as f64).collect();
    let largest = |values: &[f64]| values.iter().fold(0.0, |a: f64, x| a.max(x.abs()));
    let of_block = |block| {
        let filters = filters(schnet, block, &grid, true);
        [largest(&filters.value), largest(&filters.slope)]
    };
    (0..schnet.interactions.len()).map(of_block).collect()
}

/// A segment of every block's filters.
struct Piece {
    segment: Segment,
    /// `[n_blocks][n_intervals, n_filters]`
    coefficients: Vec<Vec<[f64; 4]>>,
    /// Of value and slope, relative to the largest of the block.
    error: [f64; 2],
}

impl Piece {
    fn new(schnet: &SchNet, [start, end]: [f64; 2], n: usize, largest: &[[f64; 2]]) -> Self {
        let n_filters = schnet.n_filters();
        let rate = n as f64 / (end - start);
        let width = 1.0 / rate;
        let at = |s: f64| (0..n).map(|k| start + (k as f64 + s) * width).collect::<Vec<f64>>();
        let mut piece = Piece {
            segment: Segment { start, rate, first: 0, n_intervals: n },
            coefficients: Vec::new(),
            error: [0.0; 2],
        };
        for (block, largest) in largest.iter().enumerate() {
            // One-sided limits at both ends: an envelope's derivative may jump there.
            let inset = 1e-9;
            let left = filters(schnet, block, &at(inset), true);
            let right = filters(schnet, block, &at(1.0 - inset), true);
            let hermite = |k: usize| {
                let (d0, d1) = (left.slope[k] * width, right.slope[k] * width);
                let rise = right.value[k] - left.value[k];
                [left.value[k], d0, 3.0 * rise - 2.0 * d0 - d1, d0 + d1 - 2.0 * rise]
            };
            let coefficients: Vec<[f64; 4]> = (0..n * n_filters).map(hermite).collect();
            // Where the errors of a cubic's slope and value are largest.
            for s in [0.211_324_865_405_187_1, 0.5] {
                let exact = filters(schnet, block, &at(s), true);
                for (k, c) in coefficients.iter().enumerate() {
                    let value = ((c[3] * s + c[2]) * s + c[1]) * s + c[0];
                    let slope = ((3.0 * c[3] * s + 2.0 * c[2]) * s + c[1]) * rate;
                    let errors = [value - exact.value[k], slope - exact.slope[k]];
                    for ((error, found), largest) in piece.error.iter_mut().zip(errors).zip(largest)
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
