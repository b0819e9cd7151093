//! Plots of colored cells.

use plotters::prelude::*;

use super::super::series::Bin;
use super::axis::Axis;
use super::chart::{
    Area, Axes, Chart, Drawn, GRAY, Plotted, SIDE, blue_to_red, chart, picture, plot, white_to_blue,
};

/// Colors are those of this number of levels, so that equal neighbors are one rectangle.
const LEVELS: f64 = 24.0;

/// The most columns of a map.
const COLUMNS: usize = 160;

/// The level of a part between 0 and 1, as a part.
fn level(part: f64) -> f64 {
    (part.clamp(0.0, 1.0) * LEVELS).round() / LEVELS
}

/// A row for each number, with a color for the mean value of each stretch of time, from blue for 0 to
/// red for `most`. A value holds from its step to the next one, and the last one up to the step `end`.
pub(in super::super) fn map(
    axes: Axes,
    all: &[(u32, &[Bin])],
    (scale, end): (f64, u64),
    most: f64,
) -> Plotted {
    let mut cells = Vec::new();
    for (row, (_, bins)) in all.iter().enumerate() {
        let chunks: Vec<_> = bins.chunks(bins.len().div_ceil(COLUMNS).max(1)).collect();
        for (k, chunk) in chunks.iter().enumerate() {
            let next = chunks.get(k + 1).map_or(end, |next| next[0].first_step);
            let [start, end] = [chunk[0].first_step, next].map(|step| step as f64 * scale);
            let mean = chunk.iter().map(Bin::mean).sum::<f64>() / chunk.len() as f64;
            let corners = [(start, row as f64 - 0.45), (end, row as f64 + 0.45)];
            cells.push(Rectangle::new(corners, blue_to_red(mean / most).filled()));
        }
    }
    let names = all.iter().map(|(name, _)| name.to_string()).collect();
    let times = Axis::linear((0.0, end as f64 * scale));
    plot(axes, (times, Axis::named(names)), &[], |chart| {
        chart.draw_series(cells)?;
        Ok(())
    })
}

/// Values on a regular grid.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Grid {
    /// The center of the first cell, and the distances between centers.
    first: [f64; 2],
    step: [f64; 2],
    n: [usize; 2],
    /// NaN where there is none. The first coordinate varies fastest.
    values: Vec<f64>,
}

/// The most cells of a grid before it is made coarser.
const MOST_CELLS: usize = 1 << 24;

impl Grid {
    /// The grid of cells at x and y with their values; `None` if there are no cells, or if they are
    /// too far apart for a grid.
    pub(in super::super) fn of(cells: &[[f64; 3]]) -> Option<Grid> {
        Some(Grid::around(cells)?.with(cells))
    }

    /// A grid without values, for all of these cells.
    pub(in super::super) fn around(cells: &[[f64; 3]]) -> Option<Grid> {
        let mut grid = Grid::default();
        for c in 0..2 {
            let mut all: Vec<f64> = cells.iter().map(|cell| cell[c]).collect();
            all.sort_by(f64::total_cmp);
            let (least, most) = (*all.first()?, *all.last()?);
            let gaps = all.windows(2).map(|pair| pair[1] - pair[0]);
            let gap = gaps.filter(|gap| *gap > 1e-6 * (most - least)).fold(f64::INFINITY, f64::min);
            let gap = if gap.is_finite() { gap } else { 1.0 };
            (grid.first[c], grid.step[c]) = (least, gap);
            grid.n[c] = (((most - least) / gap).round() as usize).saturating_add(1);
        }
        let n_cells = grid.n[0].checked_mul(grid.n[1]).filter(|n| *n <= MOST_CELLS)?;
        grid.values = vec![f64::NAN; n_cells];
        Some(grid)
    }

    /// The same grid with the values of some of its cells.
    pub(in super::super) fn with(&self, cells: &[[f64; 3]]) -> Grid {
        let mut grid = self.clone();
        for cell in cells {
            let [i, j] =
                [0, 1].map(|c| ((cell[c] - grid.first[c]) / grid.step[c]).round() as usize);
            grid.values[j * grid.n[0] + i] = cell[2];
        }
        grid
    }

    /// A grid of at most `most` cells along each axis. The value of a cell is that of `join` over
    /// the values in it.
    fn coarse(&self, most: usize, join: fn(&[f64]) -> f64) -> Grid {
        let by = self.n.map(|n| n.div_ceil(most).max(1));
        let n = [0, 1].map(|c| self.n[c].div_ceil(by[c]));
        let step = [0, 1].map(|c| self.step[c] * by[c] as f64);
        let first = [0, 1].map(|c| self.first[c] + 0.5 * (step[c] - self.step[c]));
        let mut values = Vec::with_capacity(n[0] * n[1]);
        for j in 0..n[1] {
            for i in 0..n[0] {
                let columns = i * by[0]..((i + 1) * by[0]).min(self.n[0]);
                let rows = j * by[1]..((j + 1) * by[1]).min(self.n[1]);
                let all = rows.flat_map(|j| &self.values[j * self.n[0]..][columns.clone()]);
                let all: Vec<f64> = all.copied().filter(|value| !value.is_nan()).collect();
                values.push(if all.is_empty() { f64::NAN } else { join(&all) });
            }
        }
        Grid { first, step, n, values }
    }

    /// The ends of the cells along an axis.
    fn ends(&self, c: usize) -> (f64, f64) {
        let low = self.first[c] - 0.5 * self.step[c];
        (low, low + self.n[c] as f64 * self.step[c])
    }

    /// Draws the cells. `color` has the color of a value; `None` leaves the paper.
    fn draw(&self, chart: &mut Chart, color: impl Fn(f64) -> Option<RGBColor>) -> Drawn {
        let (left, bottom) = (self.ends(0).0, self.ends(1).0);
        for (j, row) in self.values.chunks(self.n[0]).enumerate() {
            let colors: Vec<_> = row.iter().map(|value| color(*value)).collect();
            let mut start = 0;
            for run in colors.chunk_by(|a, b| a == b) {
                let end = start + run.len();
                let corner = |i: usize, j: usize| {
                    (left + i as f64 * self.step[0], bottom + j as f64 * self.step[1])
                };
                if let Some(color) = run[0] {
                    let corners = [corner(start, j), corner(end, j + 1)];
                    chart.draw_series([Rectangle::new(corners, color.filled())])?;
                }
                start = end;
            }
        }
        Ok(())
    }
}

/// The colors of the numbers from 0 to `most`, as a bar with a label.
fn bar(area: &Area, label: &str, most: f64, color: fn(f64) -> RGBColor) -> Drawn {
    let (top, height) = (34, 200.min(area.dim_in_pixel().1 as i32 - 60));
    let style = ("sans-serif", 14).into_font().color(&GRAY);
    area.draw(&Text::new(label.to_owned(), (4, 10), style.clone()))?;
    for k in 0..=LEVELS as i32 {
        let part = f64::from(k) / LEVELS;
        let y = |k: f64| top + (f64::from(height) * (1.0 - k / (LEVELS + 1.0))).round() as i32;
        let corners = [(4, y(f64::from(k) + 1.0)), (22, y(f64::from(k)))];
        area.draw(&Rectangle::new(corners, color(part).filled()))?;
    }
    for k in 0..=4 {
        let y = top + height - height * k / 4;
        area.draw(&PathElement::new([(22, y), (27, y)], GRAY))?;
        let value = most * f64::from(k) / 4.0;
        let digits = if most < 1.5 { 2 } else { 1 };
        area.draw(&Text::new(format!("{value:.digits$}"), (31, y - 8), style.clone()))?;
    }
    Ok(())
}

/// Maps of energies with their titles, from blue for 0 to red for the highest one. The color of a
/// cell is that of the least value in it.
pub(in super::super) fn maps(axes: Axes, unit: &str, all: &[(String, Grid)]) -> Plotted {
    let columns = match all.len() {
        0 | 1 => 1,
        2 | 4 => 2,
        _ => 3,
    };
    let cells = if columns == 1 { 80 } else { 40 };
    let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
    let all: Vec<_> = all.iter().map(|(title, grid)| (title, grid.coarse(cells, least))).collect();
    let values = || all.iter().flat_map(|(_, grid)| &grid.values).copied();
    let most = values().filter(|value| value.is_finite()).fold(1e-9, f64::max);
    let ends = |c: usize| {
        let all = || all.iter().map(|(_, grid)| grid.ends(c));
        let low = all().map(|(low, _)| low).fold(f64::INFINITY, f64::min);
        Axis::linear((low, all().map(|(_, high)| high).fold(f64::NEG_INFINITY, f64::max)))
    };
    let rows = all.len().div_ceil(columns);
    let size = (900, [400, 340, 280][columns - 1] * rows as u32);
    picture(size, |root| {
        let (left, right) = root.split_horizontally(size.0 - SIDE);
        for (area, (title, grid)) in left.split_evenly((rows, columns)).iter().zip(&all) {
            chart(area, axes, (ends(0), ends(1)), title, |chart| {
                grid.draw(chart, |x| x.is_finite().then(|| blue_to_red(level(x / most))))
            })?;
        }
        bar(&right, unit, most, blue_to_red)
    })
}

/// The most cells of a contact map along each axis.
const CONTACT_CELLS: usize = 64;

/// The number of beads along each side of a cell of a contact map.
pub(in super::super) fn beads_of_cell(n: usize) -> usize {
    n.div_ceil(CONTACT_CELLS).max(1)
}

/// The two halves of a contact map of `n` beads: the frequencies of the pairs and their native
/// contacts. Cells have the means of their pairs, NaN without pairs.
fn halves(n: usize, pairs: &[(usize, usize, f64, f64)]) -> [Grid; 2] {
    let by = beads_of_cell(n);
    let n_cells = n.div_ceil(by);
    let mut sums = [0, 1].map(|_| vec![(0.0, 0.0); n_cells * n_cells]);
    for (i, j, found, native) in pairs {
        let (low, high) = (i.min(j) / by, i.max(j) / by);
        let above = (high * n_cells + low, *found);
        let below = (low * n_cells + high, *native);
        for (sums, (cell, value)) in sums.iter_mut().zip([above, below]) {
            if value.is_finite() {
                let (sum, count): &mut (f64, f64) = &mut sums[cell];
                (*sum, *count) = (*sum + value, *count + 1.0);
            }
        }
    }
    sums.map(|sums| Grid {
        first: [0.5 * (by as f64 - 1.0); 2],
        step: [by as f64; 2],
        n: [n_cells; 2],
        values: sums.into_iter().map(|(sum, count)| sum / count).collect(),
    })
}

/// A contact map of `n` beads. The frequencies of the pairs are above the diagonal, and their native
/// contacts, 0 or 1, below it. A cell on the diagonal has two triangles.
pub(in super::super) fn contacts(
    axes: Axes,
    n: usize,
    pairs: &[(usize, usize, f64, f64)],
) -> Plotted {
    let halves = halves(n, pairs);
    let color = |value: f64| Some(level(value)).filter(|part| *part > 0.0).map(white_to_blue);
    let size = (620, 520);
    picture(size, |root| {
        let (left, right) = root.split_horizontally(size.0 - SIDE + 20);
        let [x, y] = [0, 1].map(|c| Axis::linear(halves[0].ends(c)));
        chart(&left, axes, (x, y), "", |chart| {
            for (half, grid) in halves.iter().enumerate() {
                let mut sides = grid.clone();
                let start = grid.ends(0).0;
                for k in 0..grid.n[0] {
                    let diagonal = k * grid.n[0] + k;
                    sides.values[diagonal] = f64::NAN;
                    let [low, high] = [k, k + 1].map(|k| start + k as f64 * grid.step[0]);
                    let corner = if half == 0 { (low, high) } else { (high, low) };
                    if let Some(color) = color(grid.values[diagonal]) {
                        let triangle = vec![(low, low), corner, (high, high)];
                        chart.draw_series([Polygon::new(triangle, color.filled())])?;
                    }
                }
                sides.draw(chart, color)?;
            }
            let (low, high) = halves[0].ends(0);
            chart.draw_series([PathElement::new([(low, low), (high, high)], GRAY.mix(0.5))])?;
            Ok(())
        })?;
        bar(&right, "frequency", 1.0, white_to_blue)
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::series::Series;
    use super::*;

    #[test]
    fn a_state_holds_up_to_the_next_exchange() {
        let mut walk = Series::default();
        for (step, state) in [(0, 1.0), (10, 0.0), (30, 1.0)] {
            walk.add(step, state);
        }
        let axes = Axes { x: "time", y: "replica" };
        let svg = map(axes, &[(7, walk.bins())], (1.0, 40), 1.0).unwrap();
        let color = |part| {
            let RGBColor(r, g, b) = blue_to_red(part);
            format!("fill=\"#{r:02X}{g:02X}{b:02X}\"")
        };
        let widths = |part| -> Vec<f64> {
            let rects = svg.lines().filter(|line| line.contains(&color(part)));
            let width = |line: &str| line.split_once("width=\"")?.1.split_once('"')?.0.parse().ok();
            rects.filter_map(width).collect()
        };
        let ([first, last], [middle]) = (&widths(1.0)[..], &widths(0.0)[..]) else {
            panic!("{svg}");
        };
        assert!((first - last).abs() <= 2.0 && (middle - 2.0 * first).abs() <= 3.0, "{svg}");
        assert!(svg.contains("\n7\n"), "{svg}");
    }

    #[test]
    fn cells_of_contacts_have_the_means_of_their_pairs() {
        // Two beads along each side of a cell. Near pairs are not in the table.
        let pairs =
            [(0, 3, 1.0, 0.0), (1, 3, 0.5, 1.0), (2, 3, 0.25, f64::NAN), (0, 127, 0.0, 1.0)];
        let [found, native] = halves(128, &pairs);
        assert_eq!((found.n, found.step, found.ends(0)), ([64; 2], [2.0; 2], (-0.5, 127.5)));
        let at = |grid: &Grid, i: usize, j: usize| grid.values[j * 64 + i];
        assert_eq!([at(&found, 0, 1), at(&found, 1, 1), at(&found, 0, 63)], [0.75, 0.25, 0.0]);
        assert_eq!([at(&native, 1, 0), at(&native, 63, 0)], [0.5, 1.0]);
        let unknown = [at(&found, 0, 0), at(&found, 1, 0), at(&native, 0, 1), at(&native, 1, 1)];
        assert!(unknown.iter().all(|value| value.is_nan()), "{unknown:?}");
        // A molecule without an end takes no memory.
        assert_eq!(halves(usize::MAX / 2, &pairs)[0].n, [64; 2]);
    }

    #[test]
    fn cells_find_their_places_in_a_grid() {
        let cells = [[1.0, 5.0, 0.1], [1.5, 5.0, 0.2], [3.0, 9.0, 0.3]];
        let grid = Grid::of(&cells).unwrap();
        assert_eq!((grid.n, grid.step), ([5, 2], [0.5, 4.0]));
        let known = |grid: &Grid| -> Vec<(usize, f64)> {
            let all = grid.values.iter().copied().enumerate();
            all.filter(|(_, value)| !value.is_nan()).collect()
        };
        assert_eq!(known(&grid), [(0, 0.1), (1, 0.2), (9, 0.3)]);
        let coarse = grid.coarse(3, |values| values.iter().copied().fold(f64::INFINITY, f64::min));
        assert_eq!((coarse.n, coarse.ends(0)), ([3, 2], (0.75, 3.75)));
        assert_eq!(known(&coarse), [(0, 0.1), (5, 0.3)]);
        // One cell, cells too far apart, and none.
        assert_eq!(Grid::of(&cells[..1]).unwrap().n, [1, 1]);
        assert!(Grid::of(&[[0.0, 0.0, 0.0], [1e-4, 0.0, 0.0], [9e9, 0.0, 0.0]]).is_some());
        assert!(Grid::of(&[[0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [9e5, 9e5, 0.0]]).is_none());
        assert!(Grid::of(&[[-1e300, 0.0, 0.0], [1e300, 0.0, 0.0], [0.0, 1.0, 0.0]]).is_some());
        assert!(Grid::of(&[[-1e308, 0.0, 0.0], [1e308, 1.0, 0.0], [0.0, 0.0, 0.0]]).is_none());
        assert!(Grid::of(&[]).is_none());
    }
}
