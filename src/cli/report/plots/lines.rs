//! Plots of lines and bars.

use plotters::prelude::*;

use super::super::series::{Bin, Values};
use super::{Axes, Axis, BLUE, GRAY, Plotted, RED, around, blue_to_red, chart, picture, plot};

/// The most points of the line of one replica.
const COURSE: usize = 200;

/// The mean of all replicas over time, with the range between the smallest and the largest value, and
/// thin lines for single replicas. `scale` turns steps into the unit of the axis.
pub(in super::super) fn over_time(
    axes: Axes,
    bins: &[Bin],
    courses: &[&[Bin]],
    scale: f64,
) -> Plotted {
    let x = |bin: &Bin| bin.step as f64 * scale;
    let ends = around(bins.iter().map(x));
    let range = around(bins.iter().flat_map(|bin| [bin.least, bin.most]));
    let upper = bins.iter().map(|bin| (x(bin), bin.most));
    let lower = bins.iter().rev().map(|bin| (x(bin), bin.least));
    let band: Vec<(f64, f64)> = upper.chain(lower).collect();
    let mean: Vec<(f64, f64)> = bins.iter().map(|bin| (x(bin), bin.mean())).collect();
    plot(axes, (Axis::linear(ends), Axis::linear(range)), &[], |chart| {
        chart.draw_series([Polygon::new(band, BLUE.mix(0.16))])?;
        for (k, course) in courses.iter().enumerate() {
            let points = course.chunks(course.len().div_ceil(COURSE).max(1)).map(|chunk| {
                let n = chunk.len() as f64;
                let of = |f: &dyn Fn(&Bin) -> f64| chunk.iter().map(f).sum::<f64>() / n;
                (of(&x), of(&Bin::mean))
            });
            let color = blue_to_red(k as f64 / (courses.len().max(2) - 1) as f64);
            chart.draw_series(LineSeries::new(points, color.mix(0.55)))?;
        }
        let color = if courses.is_empty() { BLUE } else { RGBColor(20, 28, 38) };
        chart.draw_series(LineSeries::new(mean, color.stroke_width(2)))?;
        Ok(())
    })
}

/// The distribution of values, one line for each name.
pub(in super::super) fn distributions(axes: Axes, all: &[(String, &Values)]) -> Plotted {
    let ranges = all.iter().filter_map(|(_, values)| values.range());
    let range = around(ranges.flat_map(|(low, high)| [low, high]).collect::<Vec<_>>().into_iter());
    let line = |(name, values): &(String, &Values)| {
        let points = values.histogram(80, range)?.into_iter();
        let points = points.map(|(x, y)| [x, y, f64::NAN]).collect();
        Some(Line { name: name.clone(), points, ..Line::default() })
    };
    lines(axes, &all.iter().filter_map(line).collect::<Vec<_>>(), &[], false)
}

/// A line through points.
#[derive(Debug, Default)]
pub(in super::super) struct Line {
    pub(in super::super) name: String,
    /// x, y and the error of y, NaN if it is unknown, in the order of x.
    pub(in super::super) points: Vec<[f64; 3]>,
    /// Whether it has dots with error bars, and neither a line nor a band.
    pub(in super::super) is_dotted: bool,
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
    let n_lines = all.iter().filter(|line| !line.is_dotted).count();
    let color = |k: usize| match n_lines {
        ..=1 => BLUE,
        n => blue_to_red(k as f64 / (n - 1) as f64),
    };
    let named = all.iter().enumerate().filter(|(_, line)| !line.is_dotted);
    let names: Vec<_> = named.map(|(k, line)| (line.name.clone(), color(k))).collect();
    let range = y.clone();
    plot(axes, (Axis::linear(ends), y), &names, |chart| {
        for x in marks {
            let ends = Ranged::range(&range);
            let style = GRAY.mix(0.8).stroke_width(1);
            let mark = [(*x, ends.start), (*x, ends.end)];
            chart.draw_series(DashedLineSeries::new(mark, 6, 4, style))?;
        }
        for (k, line) in all.iter().enumerate().filter(|(_, line)| !line.is_dotted) {
            let known = line.points.iter().filter(|[_, _, error]| error.is_finite());
            let sides: Vec<_> = known.map(|point| limits(*point)).collect();
            let upper = sides.iter().map(|[_, upper]| *upper);
            let band: Vec<_> = upper.chain(sides.iter().rev().map(|[lower, _]| *lower)).collect();
            if sides.len() > 1 {
                chart.draw_series([Polygon::new(band, color(k).mix(0.2))])?;
            }
        }
        for (k, line) in all.iter().enumerate() {
            let places = line.points.iter().map(|[x, y, _]| (*x, *y));
            if !line.is_dotted {
                chart.draw_series(LineSeries::new(places, color(k).stroke_width(2)))?;
                continue;
            }
            let color = RGBColor(20, 28, 38);
            for point in &line.points {
                chart.draw_series([PathElement::new(limits(*point).to_vec(), color)])?;
            }
            chart.draw_series(places.map(|place| Circle::new(place, 3, color.filled())))?;
        }
        Ok(())
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
    picture((SIZE_OF_STRIP.0, SIZE_OF_STRIP.1 * all.len() as u32), |root| {
        for (area, strip) in root.split_evenly((all.len(), 1)).iter().zip(all) {
            let scales = (Axis::linear(ends), Axis::linear((low, high)));
            chart(area, axes, scales, strip.name, |chart| {
                for (time, is_folding) in strip.events {
                    let color = if *is_folding { BLUE } else { RED };
                    let mark = vec![(*time, low), (*time, high)];
                    chart.draw_series([PathElement::new(mark, color.mix(0.7).stroke_width(2))])?;
                }
                let upper = strip.bins.iter().map(|bin| (x(bin), bin.most));
                let lower = strip.bins.iter().rev().map(|bin| (x(bin), bin.least));
                chart.draw_series([Polygon::new(
                    upper.chain(lower).collect::<Vec<_>>(),
                    GRAY.mix(0.3),
                )])?;
                let mean = strip.bins.iter().map(|bin| (x(bin), bin.mean()));
                chart.draw_series(LineSeries::new(mean, RGBColor(20, 28, 38)))?;
                Ok(())
            })?;
        }
        Ok(())
    })
}

const SIZE_OF_STRIP: (u32, u32) = (900, 190);
