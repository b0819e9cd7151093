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

/// The filters of a network from distance 0 to its neighbor radius.
#[derive(Debug, Clone, PartialEq)]
pub struct FilterTable {
    /// In ascending order, without gaps.
    pub segments: Vec<Segment>,
    /// Of each block: c0..c3 of `W = c0 + c1 s + c2 s² + c3 s³`, s from 0 to 1 within an interval.
    /// `[n_blocks][n_intervals, n_filters]`
    pub coefficients: Vec<Vec<[f64; 4]>>,
    /// The largest error of a filter's value found inside the intervals, relative to the largest
    /// value of its block.
    pub value_error: f64,
    /// The same of its slope.
    pub slope_error: f64,
}

/// Intervals per Å of the first try.
const COARSEST: f64 = 16.0;
/// Beyond this many intervals a table is no longer small.
const MOST_INTERVALS: usize = 1 << 15;

impl FilterTable {
    /// A table whose slopes are within `tolerance` of the exact ones, relative to the largest slope
    /// of the block; values are then far within.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a tolerance that is not positive or that no table can meet.
    pub fn new(schnet: &SchNet, tolerance: f64) -> Result<Self> {
        if !(tolerance > 0.0 && tolerance.is_finite()) {
            return Err(Error::invalid("table tolerance", tolerance, "a number > 0"));
        }
        let mut density = COARSEST;
        loop {
            let segments = segments(schnet, density);
            let last = segments[segments.len() - 1];
            let n_intervals = last.first + last.n_intervals;
            if n_intervals > MOST_INTERVALS {
                let expected = format!("one that {MOST_INTERVALS} intervals can meet");
                return Err(Error::invalid("table tolerance", tolerance, expected));
            }
            let table = Self::build(schnet, segments);
            if table.slope_error <= tolerance {
                return Ok(table);
            }
            // The error of a cubic's slope falls with the third power of the interval.
            let factor = (table.slope_error / tolerance).cbrt() * 1.05;
            density *= factor.clamp(1.1, 8.0);
        }
    }

    fn build(schnet: &SchNet, segments: Vec<Segment>) -> Self {
        let n_filters = schnet.n_filters();
        let mut table =
            FilterTable { segments, coefficients: Vec::new(), value_error: 0.0, slope_error: 0.0 };
        for block in 0..schnet.interactions.len() {
            let mut coefficients = Vec::new();
            let (mut largest, mut error) = ([0.0_f64; 2], [0.0_f64; 2]);
            for segment in &table.segments {
                let width = 1.0 / segment.rate;
                let knot = |k: usize| segment.start + k as f64 * width;
                // One-sided limits at both ends: an envelope's derivative may jump there.
                let inset = 1e-9 * width;
                let left: Vec<f64> = (0..segment.n_intervals).map(|k| knot(k) + inset).collect();
                let right: Vec<f64> =
                    (0..segment.n_intervals).map(|k| knot(k + 1) - inset).collect();
                let (left, right) =
                    (filters(schnet, block, &left, true), filters(schnet, block, &right, true));
                let first = coefficients.len();
                for at in 0..segment.n_intervals * n_filters {
                    let (w0, w1) = (left.value[at], right.value[at]);
                    let (d0, d1) = (left.slope[at] * width, right.slope[at] * width);
                    let rise = w1 - w0;
                    coefficients.push([w0, d0, 3.0 * rise - 2.0 * d0 - d1, d0 + d1 - 2.0 * rise]);
                    largest[0] = largest[0].max(w0.abs());
                    largest[1] = largest[1].max(left.slope[at].abs());
                }
                // Where the errors of a cubic's slope and value are largest.
                for s in [0.211_324_865_405_187_1, 0.5] {
                    let inside: Vec<f64> =
                        (0..segment.n_intervals).map(|k| knot(k) + s * width).collect();
                    let exact = filters(schnet, block, &inside, true);
                    for (at, c) in coefficients[first..].iter().enumerate() {
                        let value = ((c[3] * s + c[2]) * s + c[1]) * s + c[0];
                        let slope = ((3.0 * c[3] * s + 2.0 * c[2]) * s + c[1]) * segment.rate;
                        error[0] = error[0].max((value - exact.value[at]).abs());
                        error[1] = error[1].max((slope - exact.slope[at]).abs());
                    }
                }
            }
            // A filter that is 0 everywhere is 0 in the table.
            let relative = |k: usize| if error[k] == 0.0 { 0.0 } else { error[k] / largest[k] };
            table.value_error = table.value_error.max(relative(0));
            table.slope_error = table.slope_error.max(relative(1));
            table.coefficients.push(coefficients);
        }
        table
    }

    /// Intervals of all segments together.
    pub fn n_intervals(&self) -> usize {
        self.segments.iter().map(|segment| segment.n_intervals).sum()
    }
}

/// Segments between 0, the breakpoints of both envelopes, and the neighbor radius.
fn segments(schnet: &SchNet, density: f64) -> Vec<Segment> {
    let radius = schnet.neighbor_radius();
    let mut ends = vec![0.0, radius];
    for Envelope { low, start, end, .. } in
        [schnet.cutoff.envelope(), schnet.radial_basis.cutoff.envelope()]
    {
        ends.extend([low, start, end].into_iter().filter(|end| *end > 0.0 && *end < radius));
    }
    ends.sort_by(f64::total_cmp);
    ends.dedup();
    let mut first = 0;
    let segment = |ends: &[f64]| {
        let length = ends[1] - ends[0];
        let n_intervals = ((length * density).ceil() as usize).max(4);
        let rate = n_intervals as f64 / length;
        let segment = Segment { start: ends[0], rate, first, n_intervals };
        first += n_intervals;
        segment
    };
    ends.windows(2).map(segment).collect()
}
