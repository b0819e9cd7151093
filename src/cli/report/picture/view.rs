//! The view of a structure: its principal axes and its size.

use crate::analysis::statistics::tica::eigen::{Eigen, symmetric};

/// The principal axes of points as rows, the longest one first, right-handed. Points that are not
/// finite have the axes of the coordinates.
pub(super) fn principal_axes(points: &[[f64; 3]]) -> [[f64; 3]; 3] {
    let middle = mean(points);
    let mut a = [[0.0; 3]; 3];
    for x in points {
        let x: [f64; 3] = std::array::from_fn(|c| x[c] - middle[c]);
        a = std::array::from_fn(|i| std::array::from_fn(|j| a[i][j] + x[i] * x[j]));
    }
    let Some(Eigen { values, vectors }) = symmetric(3, a.concat()) else {
        return [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    };
    let mut order = [0, 1, 2];
    order.sort_by(|i, j| values[*j].total_cmp(&values[*i]));
    let axis = |k: usize| -> [f64; 3] { std::array::from_fn(|c| vectors[3 * order[k] + c]) };
    let (mut x, y) = (axis(0), axis(1));
    // The first bead is on the left.
    let along = |point: &[f64; 3]| (0..3).map(|c| x[c] * point[c]).sum::<f64>();
    if points.first().zip(points.last()).is_some_and(|(n, c)| along(n) > along(c)) {
        x = x.map(|x| -x);
    }
    let z = [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]];
    [x, y, z]
}

fn mean(points: &[[f64; 3]]) -> [f64; 3] {
    std::array::from_fn(|c| points.iter().map(|x| x[c]).sum::<f64>() / points.len() as f64)
}

/// The points in the coordinates of the axes. The middle of their box is 0.
pub(super) fn seen(points: &[[f64; 3]], axes: &[[f64; 3]; 3]) -> Vec<[f64; 3]> {
    let turn = |x: &[f64; 3]| axes.map(|axis| (0..3).map(|c| axis[c] * x[c]).sum::<f64>());
    let turned: Vec<[f64; 3]> = points.iter().map(turn).collect();
    let (low, high) = ends(&turned);
    let middle: [f64; 3] = std::array::from_fn(|c| 0.5 * (low[c] + high[c]));
    turned.iter().map(|x| std::array::from_fn(|c| x[c] - middle[c])).collect()
}

/// The least and the largest coordinates.
pub(super) fn ends(points: &[[f64; 3]]) -> ([f64; 3], [f64; 3]) {
    let of = |start: f64, f: fn(f64, f64) -> f64| -> [f64; 3] {
        std::array::from_fn(|c| points.iter().map(|x| x[c]).fold(start, f))
    };
    (of(f64::INFINITY, f64::min), of(f64::NEG_INFINITY, f64::max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_axis_is_horizontal() {
        // A cross of three bars of different lengths, turned by 45° about z.
        let bars = [([1.0, 1.0, 0.0], 3.0), ([0.0, 0.0, 1.0], 2.0), ([1.0, -1.0, 0.0], 0.5)];
        let ends = |(x, l): &([f64; 3], f64)| [x.map(|x| x * l), x.map(|x| -x * l)];
        let points: Vec<[f64; 3]> = bars.iter().flat_map(ends).collect();
        let (low, high) = super::ends(&seen(&points, &principal_axes(&points)));
        let half = 0.5_f64.sqrt();
        for (c, length) in [6.0 / half, 4.0, 1.0 / half].into_iter().enumerate() {
            assert!((high[c] - low[c] - length).abs() < 1e-9, "{c}: {low:?} {high:?}");
        }
        let [x, y, z] = principal_axes(&points);
        let volume: f64 = (0..3)
            .map(|c| z[c] * (x[(c + 1) % 3] * y[(c + 2) % 3] - x[(c + 2) % 3] * y[(c + 1) % 3]))
            .sum();
        assert!((volume - 1.0).abs() < 1e-9);
    }
}
