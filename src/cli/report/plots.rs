//! Plots as SVG text.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::series::{Bin, Values};

const SIZE: (u32, u32) = (900, 340);
const BLUE: RGBColor = RGBColor(31, 98, 163);
const GRAY: RGBColor = RGBColor(90, 98, 108);

/// The names of the axes.
#[derive(Clone, Copy)]
pub(super) struct Axes<'a> {
    pub(super) x: &'a str,
    pub(super) y: &'a str,
}

/// A color from blue for 0 to red for 1.
fn shade(part: f64) -> HSLColor {
    HSLColor(0.62 - 0.62 * part.clamp(0.0, 1.0), 0.65, 0.45)
}

/// A number without digits that are only zeros.
fn label(x: &f64) -> String {
    format!("{}", (x * 1e9).round() / 1e9)
}

/// The ends of an axis around values, a little wider than they are.
fn around(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let least = values.clone().reduce(f64::min).unwrap_or(0.0);
    let most = values.reduce(f64::max).unwrap_or(1.0);
    let margin = 0.05 * (most - least).max(1e-9 * most.abs()).max(1e-12);
    (least - margin, most + margin)
}

type Draw<'a> = dyn FnOnce(
        &mut ChartContext<SVGBackend, Cartesian2d<RangedF64, RangedF64>>,
    ) -> Result<(), Box<dyn std::error::Error>>
    + 'a;

type RangedF64 = plotters::coord::types::RangedCoordf64;

/// A plot with axes and a grid.
fn plot(
    axes: Axes,
    (x, y): ((f64, f64), (f64, f64)),
    has_legend: bool,
    draw: Box<Draw>,
) -> Result<String, Box<dyn std::error::Error>> {
    let mut svg = String::new();
    {
        let root: DrawingArea<SVGBackend, Shift> =
            SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin(14)
            .x_label_area_size(46)
            .y_label_area_size(84)
            .build_cartesian_2d(x.0..x.1, y.0..y.1)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRAY.mix(0.18))
            .axis_style(GRAY)
            .x_desc(axes.x)
            .y_desc(axes.y)
            .axis_desc_style(("sans-serif", 16))
            .label_style(("sans-serif", 15).into_font().color(&GRAY))
            .x_label_formatter(&label)
            .y_label_formatter(&label)
            .draw()?;
        draw(&mut chart)?;
        if has_legend {
            chart
                .configure_series_labels()
                .background_style(WHITE.mix(0.8))
                .border_style(GRAY.mix(0.3))
                .label_font(("sans-serif", 14))
                .draw()?;
        }
        root.present()?;
    }
    Ok(svg)
}

/// The mean of all replicas over time, with the range between the smallest and the largest value.
/// `scale` turns steps into the unit of the axis.
pub(super) fn over_time(
    axes: Axes,
    bins: &[Bin],
    scale: f64,
) -> Result<String, Box<dyn std::error::Error>> {
    let x = |bin: &Bin| bin.step as f64 * scale;
    let ends = around(bins.iter().map(x));
    let range =
        around(bins.iter().flat_map(|bin| [bin.least, bin.most]).collect::<Vec<_>>().into_iter());
    let upper = bins.iter().map(|bin| (x(bin), bin.most));
    let lower = bins.iter().rev().map(|bin| (x(bin), bin.least));
    let band: Vec<(f64, f64)> = upper.chain(lower).collect();
    let mean: Vec<(f64, f64)> = bins.iter().map(|bin| (x(bin), bin.mean())).collect();
    plot(
        axes,
        (ends, range),
        false,
        Box::new(|chart| {
            chart.draw_series([Polygon::new(band, BLUE.mix(0.16))])?;
            chart.draw_series(LineSeries::new(mean, BLUE.stroke_width(2)))?;
            Ok(())
        }),
    )
}

/// The most columns of a map.
const COLUMNS: usize = 160;

/// A row for each name, with a color for the mean value of each stretch of time, from blue for 0 to
/// red for `most`.
pub(super) fn map(
    axes: Axes,
    all: &[(&str, &[Bin])],
    scale: f64,
    most: f64,
) -> Result<String, Box<dyn std::error::Error>> {
    let mut cells = Vec::new();
    let mut end = 0.0;
    for (row, (_, bins)) in all.iter().enumerate() {
        let mut start = bins.first().map_or(0.0, |bin| bin.step as f64 * scale);
        for chunk in bins.chunks(bins.len().div_ceil(COLUMNS)) {
            end = chunk.last().map_or(start, |bin| bin.step as f64 * scale);
            let mean = chunk.iter().map(Bin::mean).sum::<f64>() / chunk.len() as f64;
            let corners = [(start, row as f64 - 0.45), (end, row as f64 + 0.45)];
            cells.push(Rectangle::new(corners, shade(mean / most).filled()));
            start = end;
        }
    }
    let range = (-0.6, all.len() as f64 - 0.4);
    plot(
        axes,
        ((0.0, end), range),
        false,
        Box::new(move |chart| {
            chart.draw_series(cells)?;
            Ok(())
        }),
    )
}

/// The most cells of a surface along each axis.
const CELLS: usize = 80;

/// Cells around nodes x, y and value, of which x varies fastest. The color is that of the least value in
/// the cell, from blue for 0 to red for `most`.
pub(super) fn surface(
    axes: Axes,
    nodes: &[[f64; 3]],
    most: f64,
) -> Result<String, Box<dyn std::error::Error>> {
    let width = nodes.iter().take_while(|node| node[1] == nodes[0][1]).count().max(1);
    let rows: Vec<&[[f64; 3]]> = nodes.chunks_exact(width).collect();
    let [across, up] = [width, rows.len()].map(|n| n.div_ceil(CELLS).max(1));
    let half = |from: &[f64; 3], to: &[f64; 3], c: usize| 0.5 * (to[c] - from[c]);
    let [first, last] = [0, nodes.len() - 1].map(|k| &nodes[k]);
    let [dx, dy] =
        [(0, width), (1, rows.len())].map(|(c, n)| half(first, last, c) / (n.max(2) - 1) as f64);
    let mut cells = Vec::new();
    for rows in rows.chunks(up) {
        for k in (0..width).step_by(across) {
            let columns = k..(k + across).min(width);
            let all = rows.iter().flat_map(|row| &row[columns.clone()]);
            let least = all.map(|node| node[2]).fold(f64::INFINITY, f64::min);
            let [from, to] = [rows[0][k], rows[rows.len() - 1][columns.end - 1]];
            let corners = [(from[0] - dx, from[1] - dy), (to[0] + dx, to[1] + dy)];
            cells.push(Rectangle::new(corners, shade(least / most).filled()));
        }
    }
    let ranges = [(0, dx), (1, dy)].map(|(c, d)| (first[c] - d, last[c] + d));
    plot(
        axes,
        (ranges[0], ranges[1]),
        false,
        Box::new(move |chart| {
            chart.draw_series(cells)?;
            Ok(())
        }),
    )
}

/// The distribution of values, one line for each name.
pub(super) fn distributions(
    axes: Axes,
    all: &[(String, &Values)],
) -> Result<String, Box<dyn std::error::Error>> {
    let ranges = all.iter().filter_map(|(_, values)| values.range());
    let range = around(ranges.flat_map(|(low, high)| [low, high]).collect::<Vec<_>>().into_iter());
    let line =
        |(name, values): &(String, &Values)| Some((name.clone(), values.histogram(80, range)?));
    curves(axes, &all.iter().filter_map(line).collect::<Vec<_>>())
}

/// Lines through points, with a legend if there are a few.
pub(super) fn curves(
    axes: Axes,
    all: &[(String, Vec<(f64, f64)>)],
) -> Result<String, Box<dyn std::error::Error>> {
    let points: Vec<(f64, f64)> =
        all.iter().flat_map(|(_, points)| points.iter().copied()).collect();
    let ends = around(points.iter().map(|point| point.0));
    let range = around(points.iter().map(|point| point.1));
    let n = all.len();
    let has_legend = (2..=10).contains(&n);
    plot(
        axes,
        (ends, range),
        has_legend,
        Box::new(move |chart| {
            for (k, (name, points)) in all.iter().enumerate() {
                let style = shade(k as f64 / (n - 1).max(1) as f64).stroke_width(2);
                let series = chart.draw_series(LineSeries::new(points.iter().copied(), style))?;
                if has_legend {
                    let legend =
                        move |(x, y): (i32, i32)| PathElement::new([(x, y), (x + 18, y)], style);
                    series.label(name.as_str()).legend(legend);
                }
            }
            Ok(())
        }),
    )
}

/// Bars from 0 to 1, for pairs of neighbors.
pub(super) fn bars(axes: Axes, heights: &[f64]) -> Result<String, Box<dyn std::error::Error>> {
    let ends = (-0.6, heights.len() as f64 - 0.4);
    let bars = heights.iter().enumerate().map(|(k, height)| {
        let k = k as f64;
        Rectangle::new([(k - 0.35, 0.0), (k + 0.35, *height)], BLUE.filled())
    });
    let bars: Vec<_> = bars.collect();
    plot(
        axes,
        (ends, (0.0, 1.0)),
        false,
        Box::new(move |chart| {
            chart.draw_series(bars)?;
            Ok(())
        }),
    )
}
