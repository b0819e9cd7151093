//! The inner loops, compiled for the vector units found at run time, and matrix products.
//!
//! The only module of this backend with `unsafe`. Results depend on the processor's features but,
//! on one processor, not on where in an array or in a batch a row lies.

use super::math::{Activate, exp, fused, with_activation};
use super::neighbor::Edge;
use super::radial::RadialChunk;
use crate::model::schnet::Activation;

/// Each function in three versions: AVX-512, AVX2 and whatever the target has at least. `FMA` is
/// a constant in the body.
macro_rules! vectorized {
    ($($(#[$meta:meta])* fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? $body:block)*) => {$(
        $(#[$meta])*
        pub(super) fn $name($($arg: $type),*) $(-> $ret)? {
            #[inline(always)]
            fn body<const FMA: bool>($($arg: $type),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
                fn avx512($($arg: $type),*) $(-> $ret)? {
                    body::<true>($($arg),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $type),*) $(-> $ret)? {
                    body::<true>($($arg),*)
                }
                let fma = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
                if fma
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                {
                    // SAFETY: the function is safe but for the features it is compiled for, all
                    // of which were just detected.
                    return unsafe { avx512($($arg),*) };
                }
                if fma {
                    // SAFETY: as above.
                    return unsafe { avx2($($arg),*) };
                }
            }
            body::<{ cfg!(target_arch = "aarch64") }>($($arg),*)
        }
    )*};
}

/// Partial sums of a dot product: fixed, so that the order of additions is.
const LANES: usize = 16;

vectorized! {
    /// `value[k, p] = c bell_k`, `slope[k, p]` its derivative: see `ops::radial_basis`. Centers
    /// and coordinates come as a sum of two numbers each, which keeps their difference accurate.
    fn bells(
        radial: &RadialChunk,
        center: &[[f32; 2]],
        sharpness: &[f32],
        value: &mut [f32],
        slope: &mut [f32],
    ) {
        let n_pairs = radial.len();
        let [t, t_rest, dt, c, dc, ..] = radial.columns();
        let functions =
            value.chunks_exact_mut(n_pairs).zip(slope.chunks_exact_mut(n_pairs)).zip(center);
        for (((value, slope), center), sharpness) in functions.zip(sharpness) {
            let (value, slope) = (&mut value[..n_pairs], &mut slope[..n_pairs]);
            for p in 0..n_pairs {
                let offset = (t[p] - center[0]) + (t_rest[p] - center[1]);
                let steep = sharpness * offset;
                let bell = exp::<FMA>(-steep * offset);
                value[p] = c[p] * bell;
                slope[p] = fused::<FMA>(dc[p], bell, -2.0 * (c[p] * bell) * steep * dt[p]);
            }
        }
    }

    /// The values of `bells`, bit for bit.
    fn bell_values(
        radial: &RadialChunk,
        center: &[[f32; 2]],
        sharpness: &[f32],
        value: &mut [f32],
    ) {
        let n_pairs = radial.len();
        let [t, t_rest, _, c, ..] = radial.columns();
        let functions = value.chunks_exact_mut(n_pairs).zip(center).zip(sharpness);
        for ((value, center), sharpness) in functions {
            let value = &mut value[..n_pairs];
            for p in 0..n_pairs {
                let offset = (t[p] - center[0]) + (t_rest[p] - center[1]);
                let bell = exp::<FMA>(-(sharpness * offset) * offset);
                value[p] = c[p] * bell;
            }
        }
    }

    /// Between the layers of the filter network, with the envelope moved in front of the second:
    /// `hidden ← C act(s)` and `hidden_slope ← C' act(s) + C act'(s) s'`, where s = `hidden + bias`,
    /// `[F, n_pairs]` each.
    fn activate_filters(
        activation: Activation,
        radial: &RadialChunk,
        bias: &[f32],
        hidden: &mut [f32],
        hidden_slope: &mut [f32],
    ) {
        with_activation!(activation, act => {
            let n_pairs = radial.len();
            let [.., c, dc] = radial.columns();
            let channels =
                hidden.chunks_exact_mut(n_pairs).zip(hidden_slope.chunks_exact_mut(n_pairs));
            for ((s, ds), bias) in channels.zip(bias) {
                for (((s, ds), c), dc) in s.iter_mut().zip(ds).zip(c).zip(dc) {
                    let (value, slope) = act.value_and_slope::<FMA>(*s + bias);
                    *s = c * value;
                    *ds = fused::<FMA>(*dc, value, c * slope * *ds);
                }
            }
        })
    }

    /// The values of `activate_filters`, bit for bit.
    fn activate_filter_values(
        activation: Activation,
        radial: &RadialChunk,
        bias: &[f32],
        hidden: &mut [f32],
    ) {
        with_activation!(activation, act => {
            let [.., c, _] = radial.columns();
            for (s, bias) in hidden.chunks_exact_mut(radial.len()).zip(bias) {
                for (s, c) in s.iter_mut().zip(c) {
                    *s = c * act.value_and_slope::<FMA>(*s + bias).0;
                }
            }
        })
    }

    /// `y[c, r] = x[r, c]` for `x [n_rows, n_columns]`.
    fn transpose(x: &[f32], n_columns: usize, y: &mut [f32]) {
        const TILE: usize = 16;
        let n_rows = x.len() / n_columns;
        for first_row in (0..n_rows).step_by(TILE) {
            let n_tile = TILE.min(n_rows - first_row);
            let rows = &x[first_row * n_columns..][..n_tile * n_columns];
            for (column, y) in y.chunks_exact_mut(n_rows).enumerate() {
                let y = &mut y[first_row..first_row + n_tile];
                for (y, row) in y.iter_mut().zip(rows.chunks_exact(n_columns)) {
                    *y = row[column];
                }
            }
        }
    }

    /// `x ← act(x)`.
    fn activate(activation: Activation, x: &mut [f32]) {
        with_activation!(activation, act => {
            for x in x {
                *x = act.value_and_slope::<FMA>(*x).0;
            }
        })
    }

    /// `y = act'(x) y`.
    fn multiply_slope(activation: Activation, x: &[f32], y: &mut [f32]) {
        with_activation!(activation, act => {
            for (x, y) in x.iter().zip(y) {
                *y *= act.value_and_slope::<FMA>(*x).1;
            }
        })
    }

    /// `sum = Σ_edges filter[pair] ∘ y[sender]`, in the order of the edges.
    fn gather(edges: &[Edge], filter: &[f32], y: &[f32], sum: &mut [f32]) {
        let n_filters = sum.len();
        sum.fill(0.0);
        for edge in edges {
            let filter = &filter[edge.pair as usize * n_filters..][..n_filters];
            let y = &y[edge.sender as usize * n_filters..][..n_filters];
            for ((sum, filter), y) in sum.iter_mut().zip(filter).zip(y) {
                *sum = fused::<FMA>(*filter, *y, *sum);
            }
        }
    }

    /// `Σ_f slope_f (y1_f grad0_f + y0_f grad1_f)` of rows of one length.
    fn pair_slope(slope: &[f32], y: [&[f32]; 2], grad: [&[f32]; 2]) -> f32 {
        let rows = [slope, y[0], y[1], grad[0], grad[1]];
        let [slope, y0, y1, grad0, grad1] = rows.map(|row| row.as_chunks::<LANES>().0);
        let mut sums = [0.0; LANES];
        for ((((slope, y0), y1), grad0), grad1) in slope.iter().zip(y0).zip(y1).zip(grad0).zip(grad1)
        {
            for lane in 0..LANES {
                let both = fused::<FMA>(y1[lane], grad0[lane], y0[lane] * grad1[lane]);
                sums[lane] = fused::<FMA>(slope[lane], both, sums[lane]);
            }
        }
        let [slope, y0, y1, grad0, grad1] = rows.map(|row| row.as_chunks::<LANES>().1);
        for lane in 0..slope.len() {
            let both = fused::<FMA>(y1[lane], grad0[lane], y0[lane] * grad1[lane]);
            sums[lane] = fused::<FMA>(slope[lane], both, sums[lane]);
        }
        let mut width = LANES / 2;
        while width > 0 {
            for lane in 0..width {
                sums[lane] += sums[lane + width];
            }
            width /= 2;
        }
        sums[0]
    }
}

/// How the rows of a matrix `[n_rows, n]` lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// One after the other.
    Rows,
    /// Interleaved: all first elements, then all second ones.
    Columns,
}

/// `y = x w` or, if `add`, `y += x w`, for `x [n_rows, n_in]` in columns, which is how the product
/// reads it fastest, row-major `w [n_in, n_out]` and `y [n_rows, n_out]` in `layout`. A row of y
/// depends on its row of x only: not on how many rows there are.
pub(super) fn product(x: &[f32], w: &[f32], n_in: usize, y: &mut [f32], layout: Layout, add: bool) {
    if n_in == 0 || x.is_empty() || y.is_empty() {
        return;
    }
    let (n_rows, n_out) = (x.len() / n_in, w.len() / n_in);
    assert!(
        x.len() == n_rows * n_in && w.len() == n_in * n_out && y.len() == n_rows * n_out,
        "matrices of matching shapes"
    );
    let (row_stride, column_stride) = match layout {
        Layout::Rows => (n_out, 1),
        Layout::Columns => (1, n_rows),
    };
    let beta = if add { 1.0 } else { 0.0 };
    // SAFETY: the three slices hold exactly the elements that the shapes and the strides address,
    // as just asserted, and y, borrowed mutably, overlaps neither of the others.
    unsafe {
        matrixmultiply::sgemm(
            n_rows,
            n_in,
            n_out,
            1.0,
            x.as_ptr(),
            1,
            n_rows as isize,
            w.as_ptr(),
            n_out as isize,
            1,
            beta,
            y.as_mut_ptr(),
            row_stride as isize,
            column_stride as isize,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, seed: u32) -> Vec<f32> {
        let mix = |k: u32| k.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 8;
        (0..n as u32).map(|k| mix(mix(k)) as f32 / 8_388_608.0 - 1.0).collect()
    }

    fn transposed(x: &[f32], n_columns: usize) -> Vec<f32> {
        let mut y = vec![0.0; x.len()];
        transpose(x, n_columns, &mut y);
        y
    }

    #[test]
    fn transposing_twice_changes_nothing() {
        for (n_rows, n_columns) in [(1, 7), (16, 16), (33, 5), (50, 64)] {
            let x = numbers(n_rows * n_columns, 1);
            let y = transposed(&x, n_columns);
            assert_eq!(y[(n_columns - 1) * n_rows], x[n_columns - 1]);
            assert!(transposed(&y, n_rows) == x, "{n_rows} x {n_columns}");
        }
    }

    /// All parallel splits rest on this: blocks of rows of any size, anywhere, in either layout,
    /// give the same bits.
    #[test]
    fn rows_of_a_product_do_not_depend_on_the_other_rows() {
        for (n_rows, n_in, n_out) in [(67, 24, 17), (300, 300, 96), (33, 64, 1), (70, 1, 40)] {
            let (x, w) = (numbers(n_rows * n_in, 1), numbers(n_in * n_out, 2));
            let start = numbers(n_rows * n_out, 3);
            for add in [false, true] {
                let mut whole = start.clone();
                product(&transposed(&x, n_in), &w, n_in, &mut whole, Layout::Rows, add);
                for block in [1, 3, 16, 50] {
                    let mut parts = start.clone();
                    for (x, y) in x.chunks(block * n_in).zip(parts.chunks_mut(block * n_out)) {
                        let x = transposed(x, n_in);
                        let mut columns = transposed(y, n_out);
                        product(&x, &w, n_in, y, Layout::Rows, add);
                        product(&x, &w, n_in, &mut columns, Layout::Columns, add);
                        assert!(transposed(&columns, y.len() / n_out) == y, "layouts differ");
                    }
                    assert!(parts == whole, "{n_rows} x {n_in} x {n_out} in blocks of {block}");
                }
            }
        }
    }

    #[test]
    fn a_pair_slope_of_any_length_is_the_sum_of_its_terms() {
        for n in [0, 1, 15, 16, 17, 96] {
            let rows: Vec<Vec<f32>> = (0..5).map(|k| numbers(n, k)).collect();
            let [s, y0, y1, g0, g1] = [0, 1, 2, 3, 4].map(|k| &rows[k][..]);
            let found = f64::from(pair_slope(s, [y0, y1], [g0, g1]));
            let expected: f64 =
                (0..n).map(|f| f64::from(s[f]) * f64::from(y1[f] * g0[f] + y0[f] * g1[f])).sum();
            assert!((found - expected).abs() < 1e-5, "{n} terms: {found} {expected}");
        }
    }
}
