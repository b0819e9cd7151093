//! The optimal superposition of two sets of points.

use super::rotation::rotation;
use crate::geometry::{center, centered, combine, dot};

/// The rotation R for which Σ_i |y_i − R z_i|² is smallest, for points whose centers are 0.
pub(super) fn optimal(y: &[[f64; 3]], z: &[[f64; 3]]) -> [[f64; 3]; 3] {
    let mut s = [[0.0; 3]; 3];
    for (y, z) in y.iter().zip(z) {
        s = std::array::from_fn(|a| std::array::from_fn(|b| s[a][b] + z[a] * y[b]));
    }
    rotation(s)
}

/// The points moved and turned, so that Σ_i |y_i − x_i|² to the `target` y is smallest over their
/// first points, as many as both have. Å.
pub fn superposed(points: &[[f64; 3]], target: &[[f64; 3]]) -> Vec<[f64; 3]> {
    let n = points.len().min(target.len());
    let rotation = optimal(&centered(&target[..n]), &centered(&points[..n]));
    let (from, to) = (center(&points[..n]), center(&target[..n]));
    let moved = |x: &[f64; 3]| {
        let x = combine(1.0, *x, -1.0, from);
        combine(1.0, rotation.map(|row| dot(row, x)), 1.0, to)
    };
    points.iter().map(moved).collect()
}

#[cfg(test)]
mod tests {
    use super::superposed;

    #[test]
    fn a_turned_and_moved_body_comes_back() {
        let body = [[0.0, 0.0, 0.0], [3.0, 0.0, 0.0], [3.0, 2.0, 0.0], [3.0, 2.0, 1.0]];
        // A quarter of a turn about z, which a reflection cannot replace.
        let turned = body.map(|[x, y, z]| [5.0 - y, x - 7.0, z + 1.0]);
        for (x, y) in superposed(&turned, &body).iter().zip(&body) {
            assert!((0..3).all(|c| (x[c] - y[c]).abs() < 1e-12), "{x:?} {y:?}");
        }
        assert!(superposed(&[], &[]).is_empty());
    }
}
