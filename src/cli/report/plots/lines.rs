//! Plots of lines and bars.

use plotters::prelude::*;

use super::super::series::{Bin, Values};
use super::axis::{Axis, around};
use super::chart::{
    Axes, BLACK, BLUE, Chart, Drawn, GRAY, Plotted, RED, blue_to_red, chart, picture, plot,
};

/// The most points of the line of one replica.
const COURSE: usize = 200;

/// The mean of all replicas over time, with the range between the smallest and the largest value,
/// and thin lines for single replicas. `scale` turns steps into the unit of the axis.
pub(in super::super) fn over_time(
    axes: Axes,
    bins: &[Bin],
    courses: &[&[Bin]],
    scale: f64,
) -> Plotted {
    let x = |bin: &Bin| bin.step as f64 * scale;
    let ends = around(bins.iter().map(x));
    let range = around(bins.iter().flat_map(|bin| [bin.least, bin.most]));
    let sides = bins.iter().map(|bin| [(x(bin), bin.least), (x(bin), bin.most)]);
    let mean: Vec<(f64, f64)> = bins.iter().map(|bin| (x(bin), bin.mean())).collect();
    plot(axes, (Axis::linear(ends), Axis::linear(range)), &[], |chart| {
        band(chart, sides, BLUE.mix(0.16))?;
        for (k, course) in courses.iter().enumerate() {
            let points = course.chunks(course.len().div_ceil(COURSE).max(1)).map(|chunk| {
                let n = chunk.len() as f64;
                let of = |f: &dyn Fn(&Bin) -> f64| chunk.iter().map(f).sum::<f64>() / n;
                (of(&x), of(&Bin::mean))
            });
            let color = blue_to_red(k as f64 / (courses.len().max(2) - 1) as f64);
            chart.draw_series(LineSeries::new(points, color.mix(0.55)))?;
        }
        let color = if courses.is_empty() { BLUE } else { BLACK };
        chart.draw_series(LineSeries::new(mean, color.stroke_width(2)))?;
        Ok(())
    })
}

/// An area between lower and upper points.
fn band(
    chart: &mut Chart,
    sides: impl DoubleEndedIterator<Item = [(f64, f64); 2]> + Clone,
    color: RGBAColor,
) -> Drawn {
    let lower = sides.clone().rev().map(|[lower, _]| lower);
    let points: Vec<_> = sides.map(|[_, upper]| upper).chain(lower).collect();
    chart.draw_series([Polygon::new(points, color)])?;
    Ok(())
}

/// The fewest and the most intervals of a distribution.
const INTERVALS: [f64; 2] = [20.0, 80.0];

/// The distribution of values, one line for each name.
pub(in super::super) fn distributions(axes: Axes, all: &[(String, &Values)]) -> Plotted {
    let ranges = all.iter().filter_map(|(_, values)| values.range());
    let range = around(ranges.flat_map(|(low, high)| [low, high]).collect::<Vec<_>>().into_iter());
    // The rule of Rice, with half as many again: the fewer values there are, the wider is an
    // interval.
    let fewest = all.iter().map(|(_, values)| values.len()).min().unwrap_or_default();
    let n = (3.0 * (fewest as f64).cbrt()).clamp(INTERVALS[0], INTERVALS[1]) as usize;
    let line = |(name, values): &(String, &Values)| {
        let points = values.histogram(n, range)?.into_iter();
        let points = points.map(|(x, y)| [x, y, f64::NAN]).collect();
        Some(Line { name: name.clone(), points, kind: Kind::LINE })
    };
    lines(axes, &all.iter().filter_map(line).collect::<Vec<_>>(), &[], false)
}

/// How points are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(in super::super) enum Kind {
    /// A line with a band for the errors. Neighbors that are more than `gap` apart are not
    /// connected.
    Line { gap: f64 },
    /// Dots with error bars.
    Dots,
    /// A dashed line, to compare with.
    #[default]
    Guide,
}

impl Kind {
    /// A line without gaps.
    pub(in super::super) const LINE: Kind = Kind::Line { gap: f64::INFINITY };
}

/// Points with a name.
#[derive(Debug, Default)]
pub(in super::super) struct Line {
    pub(in super::super) name: String,
    /// x, y and the error of y, NaN if it is unknown, in the order of x.
    pub(in super::super) points: Vec<[f64; 3]>,
    pub(in super::super) kind: Kind,
}

/// The least factor between the error and the value of a number on a logarithmic axis.
const LEAST_PART: f64 = 0.05;

/// Lines with bands for their errors, names if there are several, and vertical marks at some x.
pub(in super::super) fn lines(
    axes: Axes,
    all: &[Line],
    marks: &[f64],
    is_logarithmic: bool,
) -> Plotted {
    let points = || all.iter().flat_map(|line| line.points.iter().copied());
    let limits = |[x, y, error]: [f64; 3]| {
        let error = if error.is_finite() { error } else { 0.0 };
        let low = if is_logarithmic { (y - error).max(LEAST_PART * y) } else { y - error };
        [(x, low), (x, y + error)]
    };
    let ends = around(points().map(|[x, ..]| x).chain(marks.iter().copied()));
    let reach = || points().flat_map(limits).map(|(_, y)| y);
    let y = match is_logarithmic {
        true => {
            let (low, high) = around(reach().map(f64::log10));
            Axis::logarithmic((10_f64.powf(low), 10_f64.powf(high)))
        }
        false => Axis::linear(around(reach())),
    };
    let is_line = |line: &Line| matches!(line.kind, Kind::Line { .. });
    let n_lines = all.iter().filter(|line| is_line(line)).count();
    let color = |k: usize| match (all[k].kind, n_lines) {
        (Kind::Guide, _) => GRAY,
        (Kind::Dots, _) => BLACK,
        (_, ..=1) => BLUE,
        (_, n) => blue_to_red(k as f64 / (n - 1) as f64),
    };
    let named = all.iter().enumerate().filter(|(_, line)| line.kind != Kind::Dots);
    let names: Vec<_> = named.map(|(k, line)| (line.name.clone(), color(k))).collect();
    let range = Ranged::range(&y);
    plot(axes, (Axis::linear(ends), y), &names, |chart| {
        for x in marks {
            let mark = [(*x, range.start), (*x, range.end)];
            chart.draw_series(DashedLineSeries::new(mark, 6, 4, GRAY.stroke_width(1)))?;
        }
        // Bands are below all lines.
        for (k, piece) in pieces(all) {
            if is_line(&all[k]) && piece.iter().any(|[_, _, error]| error.is_finite()) {
                band(chart, piece.iter().map(|point| limits(*point)), color(k).mix(0.2))?;
            }
        }
        for (k, piece) in pieces(all) {
            let style = color(k).stroke_width(2);
            let places = piece.iter().map(|[x, y, _]| (*x, *y));
            match all[k].kind {
                Kind::Line { .. } if piece.len() == 1 => {
                    chart.draw_series(places.map(|at| Circle::new(at, 2, style.filled())))?;
                }
                Kind::Line { .. } => {
                    chart.draw_series(LineSeries::new(places, style))?;
                }
                Kind::Guide => {
                    chart.draw_series(DashedLineSeries::new(places, 6, 4, style))?;
                }
                Kind::Dots => {
                    let bar = |point: &[f64; 3]| PathElement::new(limits(*point).to_vec(), BLACK);
                    chart.draw_series(piece.iter().map(bar))?;
                    chart.draw_series(places.map(|at| Circle::new(at, 3, style.filled())))?;
                }
            }
        }
        Ok(())
    })
}

/// The points of each line between its gaps, with the number of the line.
fn pieces(all: &[Line]) -> impl Iterator<Item = (usize, &[[f64; 3]])> {
    all.iter().enumerate().flat_map(|(k, line)| {
        let gap = if let Kind::Line { gap } = line.kind { gap } else { f64::INFINITY };
        let pieces = line.points.chunk_by(move |a, b| b[0] - a[0] <= gap);
        pieces.map(move |piece| (k, piece))
    })
}

/// Bars from 0 to 1, for pairs of neighbors.
pub(in super::super) fn bars(axes: Axes, heights: &[f64]) -> Plotted {
    let ends = (-0.6, heights.len() as f64 - 0.4);
    let bars = heights.iter().enumerate().map(|(k, height)| {
        let k = k as f64;
        Rectangle::new([(k - 0.35, 0.0), (k + 0.35, *height)], BLUE.filled())
    });
    plot(axes, (Axis::linear(ends), Axis::linear((0.0, 1.0))), &[], |chart| {
        chart.draw_series(bars)?;
        Ok(())
    })
}

/// The course of one trajectory.
pub(in super::super) struct Strip<'a> {
    pub(in super::super) name: &'a str,
    pub(in super::super) bins: &'a [Bin],
    /// The times of events in the unit of the axis, and whether the molecule folds.
    pub(in super::super) events: &'a [(f64, bool)],
}

/// The courses of some trajectories below each other. An event is a vertical line: blue where the
/// molecule folds, red where it unfolds.
pub(in super::super) fn strips(axes: Axes, all: &[Strip], scale: f64) -> Plotted {
    let bins = || all.iter().flat_map(|strip| strip.bins);
    let x = |bin: &Bin| bin.step as f64 * scale;
    let ends = around(bins().map(x));
    let (low, high) = around(bins().flat_map(|bin| [bin.least, bin.most]));
    let n = all.len();
    picture((SIZE_OF_STRIP.0, SIZE_OF_STRIP.1 * n as u32 + LABEL), |root| {
        for (k, strip) in all.iter().enumerate() {
            let (top, is_last) = (SIZE_OF_STRIP.1 * k as u32, k + 1 == n);
            let height = SIZE_OF_STRIP.1 + if is_last { LABEL } else { 0 };
            let area = root.clone().shrink((0, top), (SIZE_OF_STRIP.0, height));
            let axes = if is_last { axes } else { Axes { x: "", ..axes } };
            let scales = (Axis::linear(ends), Axis::linear((low, high)));
            chart(&area, axes, scales, strip.name, |chart| {
                for (time, is_folding) in strip.events {
                    let color = if *is_folding { BLUE } else { RED };
                    let mark = vec![(*time, low), (*time, high)];
                    chart.draw_series([PathElement::new(mark, color.mix(0.7).stroke_width(2))])?;
                }
                let sides = strip.bins.iter().map(|bin| [(x(bin), bin.least), (x(bin), bin.most)]);
                band(chart, sides, GRAY.mix(0.3))?;
                let mean = strip.bins.iter().map(|bin| (x(bin), bin.mean()));
                chart.draw_series(LineSeries::new(mean, BLACK))?;
                Ok(())
            })?;
        }
        Ok(())
    })
}

/// The size of a strip without the label of its axis, and the height of this label.
const SIZE_OF_STRIP: (u32, u32) = (900, 150);
const LABEL: u32 = 24;
