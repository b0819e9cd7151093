//! Eigenvalues and eigenvectors of symmetric matrices, and products of matrices. Matrices are arrays
//! row after row.

/// Eigenvalues in no order, and the unit eigenvector of each as a row.
#[derive(Debug)]
#[non_exhaustive]
pub struct Eigen {
    /// The eigenvalues.
    pub values: Vec<f64>,
    /// The eigenvectors, row after row.
    pub vectors: Vec<f64>,
}

/// The eigenvalues and eigenvectors of a symmetric matrix with n rows; `None` if a number is not
/// finite.
///
/// Reflections make the matrix tridiagonal, then the implicit QL method makes it diagonal. Source:
/// G. H. Golub and C. F. Van Loan, Matrix Computations (Johns Hopkins, 2013), section 8.3.
pub fn symmetric(n: usize, mut a: Vec<f64>) -> Option<Eigen> {
    if !a.iter().all(|x| x.is_finite()) {
        return None;
    }
    let mirrors = tridiagonal(n, &mut a);
    let mut values: Vec<f64> = (0..n).map(|i| a[i * n + i]).collect();
    let beside: Vec<f64> = (1..n).map(|i| a[i * n + i - 1]).chain([0.0]).collect();
    let mut vectors = transposed(n, &product_of(n, &mirrors));
    diagonalize(&mut values, beside, &mut vectors)?;
    Some(Eigen { values, vectors })
}

/// Makes a symmetric matrix tridiagonal by reflections I - 2 v vᵀ. The vector k, which is returned,
/// is zero up to its element k.
fn tridiagonal(n: usize, a: &mut [f64]) -> Vec<Vec<f64>> {
    let mirrors = 0..n.saturating_sub(2);
    mirrors
        .map(|k| {
            let mut v = vec![0.0; n];
            v[k + 1..].copy_from_slice(&a[k * n + k + 1..(k + 1) * n]);
            // The elements are scaled, so that their squares neither overflow nor vanish.
            let scale = v.iter().fold(0.0, |all: f64, x| all.max(x.abs()));
            if scale == 0.0 {
                return v;
            }
            v.iter_mut().for_each(|x| *x /= scale);
            let norm = dot(&v, &v).sqrt();
            let image = -norm.copysign(v[k + 1]);
            v[k + 1] -= image;
            let norm = dot(&v, &v).sqrt();
            v.iter_mut().for_each(|x| *x /= norm);
            for j in k + 2..n {
                (a[k * n + j], a[j * n + k]) = (0.0, 0.0);
            }
            (a[k * n + k + 1], a[(k + 1) * n + k]) = (image * scale, image * scale);
            // The rest A becomes A - v wᵀ - w vᵀ with w = 2 (A v - (vᵀ A v) v). A is symmetric.
            let mut w = vec![0.0; n];
            for i in k + 1..n {
                add_scaled(&mut w[k + 1..], v[i], &a[i * n + k + 1..(i + 1) * n]);
            }
            let along = dot(&v, &w);
            w.iter_mut().zip(&v).for_each(|(w, v)| *w = 2.0 * (*w - along * v));
            for i in k + 1..n {
                let row = &mut a[i * n + k + 1..(i + 1) * n];
                let other = w[k + 1..].iter().zip(&v[k + 1..]);
                row.iter_mut().zip(other).for_each(|(a, (wj, vj))| *a -= v[i] * wj + w[i] * vj);
            }
            v
        })
        .collect()
}

/// The product of all reflections in order.
fn product_of(n: usize, mirrors: &[Vec<f64>]) -> Vec<f64> {
    let mut q = vec![0.0; n * n];
    (0..n).for_each(|i| q[i * n + i] = 1.0);
    for (k, v) in mirrors.iter().enumerate().rev() {
        // Q becomes Q - 2 v (vᵀ Q). Rows and columns up to k are those of the unit matrix.
        let mut along = vec![0.0; n];
        for i in k + 1..n {
            add_scaled(&mut along[k + 1..], v[i], &q[i * n + k + 1..(i + 1) * n]);
        }
        for i in k + 1..n {
            add_scaled(&mut q[i * n + k + 1..(i + 1) * n], -2.0 * v[i], &along[k + 1..]);
        }
    }
    q
}

/// Makes a tridiagonal matrix diagonal: `values` is its diagonal, and `beside` has the elements next
/// to it and a 0. The rows of `vectors` are rotated along.
fn diagonalize(values: &mut [f64], mut beside: Vec<f64>, vectors: &mut [f64]) -> Option<()> {
    const MOST_ROUNDS: usize = 100;
    let n = values.len();
    // Reflections make rounding errors of this size in all elements. Next to them, elements of a
    // matrix of low rank do not become smaller than a part of their neighbors.
    let largest = values.iter().chain(&beside).fold(0.0, |all: f64, x| all.max(x.abs()));
    for first in 0..n {
        for round in 0.. {
            let is_negligible = |k: &usize| beside[*k].abs() <= f64::EPSILON * largest;
            let last = (first..n - 1).find(is_negligible).unwrap_or(n - 1);
            if last == first {
                break;
            }
            if round == MOST_ROUNDS {
                return None;
            }
            // The shift is the eigenvalue of the first two rows that is closer to the first value.
            let half = (values[first + 1] - values[first]) / (2.0 * beside[first]);
            let root = half.hypot(1.0).copysign(half);
            let mut g = values[last] - values[first] + beside[first] / (half + root);
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut is_split = false;
            for i in (first..last).rev() {
                let (f, b) = (s * beside[i], c * beside[i]);
                let r = f.hypot(g);
                beside[i + 1] = r;
                if r == 0.0 {
                    values[i + 1] -= p;
                    beside[last] = 0.0;
                    is_split = true;
                    break;
                }
                (s, c) = (f / r, g / r);
                g = values[i + 1] - p;
                let r = (values[i] - g) * s + 2.0 * c * b;
                p = s * r;
                values[i + 1] = g + p;
                g = c * r - b;
                let (low, high) = vectors[i * n..(i + 2) * n].split_at_mut(n);
                for (x, y) in low.iter_mut().zip(high) {
                    (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                }
            }
            if !is_split {
                values[first] -= p;
                beside[first] = g;
                beside[last] = 0.0;
            }
        }
    }
    Some(())
}

/// The product of a matrix with `n` columns and one with `n` rows.
pub(super) fn multiply(n: usize, a: &[f64], b: &[f64]) -> Vec<f64> {
    let columns = b.len() / n;
    let mut product = vec![0.0; a.len() / n * columns];
    for (out, a) in product.chunks_mut(columns).zip(a.chunks(n)) {
        for (a, b) in a.iter().zip(b.chunks(columns)) {
            add_scaled(out, *a, b);
        }
    }
    product
}

/// The transposed matrix of one with `n` columns.
pub(super) fn transposed(n: usize, a: &[f64]) -> Vec<f64> {
    (0..n).flat_map(|j| a.iter().skip(j).step_by(n).copied()).collect()
}

/// x + factor y.
fn add_scaled(x: &mut [f64], factor: f64, y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += factor * y);
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Stream, uniform4};

    fn matrix(n: usize, element: impl Fn(usize, usize) -> f64) -> Vec<f64> {
        (0..n * n).map(|k| element((k / n).max(k % n), (k / n).min(k % n))).collect()
    }

    fn check(n: usize, a: &[f64]) {
        let Eigen { values, vectors } = symmetric(n, a.to_vec()).expect("finite");
        let largest = a.iter().fold(0.0, |all: f64, x| all.max(x.abs()));
        let products = multiply(n, &vectors, &transposed(n, &vectors));
        let images = multiply(n, &vectors, a);
        for i in 0..n {
            for j in 0..n {
                let unit = if i == j { 1.0 } else { 0.0 };
                assert!((products[i * n + j] - unit).abs() < 1e-13, "n = {n}: not orthogonal");
                let error = (images[i * n + j] - values[i] * vectors[i * n + j]).abs();
                assert!(error <= 1e-13 * n as f64 * largest, "n = {n}: error {error}");
            }
        }
    }

    #[test]
    fn vectors_are_orthogonal_and_belong_to_values() {
        let draw = |i, j| uniform4(1, Stream::Model, i as u32, 0, j as u32)[0] - 0.5;
        for n in [1, 2, 3, 7, 40] {
            check(n, &matrix(n, draw));
            check(n, &matrix(n, |i, j| draw(i, j) * 1e-200));
            check(n, &matrix(n, |i, j| draw(i, j) * 1e200));
            // Diagonal, zero, of rank one, with a degenerate eigenvalue, with very unlike numbers.
            check(n, &matrix(n, |i, j| if i == j { draw(i, j) } else { 0.0 }));
            check(n, &matrix(n, |_, _| 0.0));
            check(n, &matrix(n, |_, _| 1.0));
            check(n, &matrix(n, |i, j| if i == j { 3.0 } else { 1.0 }));
            check(n, &matrix(n, |i, j| draw(i, j) * 10.0_f64.powi(-(i as i32) - j as i32)));
        }
    }

    /// The covariances of few coordinates that are mixed to many features. The eigenvalues that
    /// are 0 are rounding errors.
    #[test]
    fn covariances_may_have_a_low_rank() {
        const FRAMES: usize = 200;
        for (n, rank) in [(128, 15), (128, 5), (60, 3), (128, 1)] {
            for seed in 0..5 {
                let draw = |i, k| uniform4(seed, Stream::Model, i as u32, 0, k as u32)[0] - 0.5;
                let mixed = |i, t| (0..rank).map(|k| draw(i, k) * draw(n + t, k)).sum::<f64>();
                let rows: Vec<Vec<f64>> =
                    (0..n).map(|i| (0..FRAMES).map(|t| mixed(i, t)).collect()).collect();
                check(n, &matrix(n, |i, j| dot(&rows[i], &rows[j])));
            }
        }
    }

    #[test]
    fn no_matrix_is_too_small_and_none_may_be_infinite() {
        assert!(symmetric(0, vec![]).is_some());
        assert!(symmetric(1, vec![f64::NAN]).is_none());
        assert!(symmetric(2, vec![1.0, f64::INFINITY, f64::INFINITY, 1.0]).is_none());
    }

    #[test]
    fn values_of_a_chain_are_known() {
        // 2 on the diagonal and -1 beside it: 2 - 2 cos(kπ/(n + 1)).
        let chain = |i, j| if i == j { 2.0 } else { -f64::from(u8::from(i == j + 1)) };
        let mut found = symmetric(30, matrix(30, chain)).expect("finite").values;
        found.sort_by(f64::total_cmp);
        for (k, value) in found.iter().enumerate() {
            let exact = 2.0 - 2.0 * ((k + 1) as f64 * std::f64::consts::PI / 31.0).cos();
            assert!((value - exact).abs() < 1e-13, "{value} {exact}");
        }
    }
}
