//! The inner loops. Each is compiled for several vector units, and the best one is chosen at run
//! time.
//!
//! This is the only module of this backend with `unsafe`. The results depend on the features of the
//! processor. On one processor, the results of a row do not depend on its place in an array or in a
//! batch.

use super::math::{Activate, exp, fused, with_activation};
use super::slab::{LANES, Lanes};
use super::table::PlacedPair;
use crate::model::schnet::Activation;

/// The numbers of a pair that the loops over radial functions and channels need. They are computed
/// in f64, because sharp functions of the distance amplify its rounding error.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Radial {
    /// The coordinate t(d) as the sum of two f32.
    pub t: [f32; 2],
    /// dt/dd, 1/Å.
    pub dt: f32,
    /// The envelope of the radial basis, and its slope.
    pub own: [f32; 2],
    /// The envelope of the convolution, and its slope.
    pub envelope: [f32; 2],
}

/// Sixteen radial functions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bells {
    /// Centers, each as the sum of two f32.
    pub center: [Lanes; 2],
    pub sharpness: Lanes,
}

/// Compiles each function in three versions: for AVX-512, for AVX2, and for the minimum of the
/// target. The body has two constants: `FMA` tells whether a fused multiply-add instruction exists,
/// and `ROWS` is the number of rows of a product that are summed in registers at once.
macro_rules! vectorized {
    ($($(#[$meta:meta])* fn $name:ident($($arg:ident: $type:ty),* $(,)?) $body:block)*) => {$(
        $(#[$meta])*
        pub(super) fn $name($($arg: $type),*) {
            #[inline(always)]
            fn body<const FMA: bool, const ROWS: usize>($($arg: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
                fn avx512($($arg: $type),*) {
                    body::<true, 12>($($arg),*);
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $type),*) {
                    body::<true, 6>($($arg),*);
                }
                let fma = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
                if fma
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                {
                    // SAFETY: the function is unsafe only because of the features that it is
                    // compiled for, and all of them were just detected.
                    return unsafe { avx512($($arg),*) };
                }
                if fma {
                    // SAFETY: as above.
                    return unsafe { avx2($($arg),*) };
                }
            }
            if cfg!(target_arch = "aarch64") {
                body::<true, 6>($($arg),*);
            } else {
                body::<false, 2>($($arg),*);
            }
        }
    )*};
}

/// a x + y.
#[inline(always)]
fn scaled<const FMA: bool>(a: f32, x: Lanes, y: Lanes) -> Lanes {
    Lanes(std::array::from_fn(|lane| fused::<FMA>(a, x.0[lane], y.0[lane])))
}

/// x ∘ y + z.
#[inline(always)]
fn times_plus<const FMA: bool>(x: Lanes, y: Lanes, z: Lanes) -> Lanes {
    Lanes(std::array::from_fn(|lane| fused::<FMA>(x.0[lane], y.0[lane], z.0[lane])))
}

/// x ∘ y.
#[inline(always)]
fn times(x: Lanes, y: Lanes) -> Lanes {
    Lanes(std::array::from_fn(|lane| x.0[lane] * y.0[lane]))
}

/// `y = x w + bias` or, if `add`, `y += x w + bias`, for the rows of y, up to `ROWS`, which are those
/// of x from `first` on.
#[inline(always)]
fn tile<const FMA: bool, const ROWS: usize>(
    x: &[Lanes],
    n_rows: usize,
    first: usize,
    w: &[Lanes],
    bias: Lanes,
    y: &mut [Lanes],
    add: bool,
) {
    let mut sum = [bias; ROWS];
    // A tile that is not full has other rows, too: fewer sums would wait for the latency of each
    // addition.
    let mut filled = [Lanes::ZERO; ROWS];
    for (x, w) in x.chunks_exact(n_rows).zip(w.as_chunks::<LANES>().0) {
        let x = &x[first..][..y.len()];
        let x = match x.first_chunk::<ROWS>() {
            Some(x) => x,
            None => {
                filled[..x.len()].copy_from_slice(x);
                &filled
            }
        };
        for (k, w) in w.iter().enumerate() {
            for (sum, x) in sum.iter_mut().zip(x) {
                *sum = scaled::<FMA>(x.0[k], *w, *sum);
            }
        }
    }
    for (y, sum) in y.iter_mut().zip(sum) {
        *y = if add { scaled::<false>(1.0, *y, sum) } else { sum };
    }
}

/// Adds the messages of a pair in both directions: `m_i += W y_j`, `m_j += W y_i`.
#[inline(always)]
fn exchange<const FMA: bool>([i, j]: [u32; 2], filter: Lanes, y: &[Lanes], m: &mut [Lanes]) {
    let [i, j] = [i as usize, j as usize];
    m[i] = times_plus::<FMA>(filter, y[j], m[i]);
    m[j] = times_plus::<FMA>(filter, y[i], m[j]);
}

/// Adds the pulls of the channels, `slope ∘ (y_j grad_m_i + y_i grad_m_j)`, to four partial sums.
#[inline(always)]
fn add_pull<const FMA: bool>(
    [i, j]: [u32; 2],
    slope: Lanes,
    y: &[Lanes],
    grad_m: &[Lanes],
    pull: &mut [f32; 4],
) {
    let [i, j] = [i as usize, j as usize];
    let both = times_plus::<FMA>(y[j], grad_m[i], times(y[i], grad_m[j]));
    // Without the black box, the compiler splits the operations above into four short vectors.
    let Lanes(all) = std::hint::black_box(times(slope, both));
    for (k, pull) in pull.iter_mut().enumerate() {
        *pull += (all[k] + all[k + 4]) + (all[k + 8] + all[k + 12]);
    }
}

vectorized! {
    /// `y = x w + bias` or, if `add`, `y += x w + bias`, for one slab of a product. x:
    /// `[n_in/16, n_rows]`, w: `[n_in]`, y: `[n_rows]`. Every element is summed in the order of w,
    /// so that the bits of a row of y depend only on the same row of x.
    fn product(x: &[Lanes], w: &[Lanes], bias: Lanes, y: &mut [Lanes], add: bool) {
        let n_rows = y.len();
        for (k, y) in y.chunks_mut(ROWS).enumerate() {
            tile::<FMA, ROWS>(x, n_rows, k * ROWS, w, bias, y, add);
        }
    }

    /// `value[k, p] = c bell_k`, and `slope[k, p]` is its derivative: see `ops::radial_basis`.
    /// Centers and coordinates are sums of two f32 each, which keeps their difference accurate.
    fn bells(radial: &[Radial], bells: &[Bells], value: &mut [Lanes], slope: &mut [Lanes]) {
        let n_pairs = radial.len();
        let slabs = value.chunks_exact_mut(n_pairs).zip(slope.chunks_exact_mut(n_pairs));
        for ((value, slope), bells) in slabs.zip(bells) {
            let [center, rest] = bells.center;
            for ((value, slope), at) in value.iter_mut().zip(slope).zip(radial) {
                let [c, dc] = at.own;
                for lane in 0..LANES {
                    let offset = (at.t[0] - center.0[lane]) + (at.t[1] - rest.0[lane]);
                    let steep = bells.sharpness.0[lane] * offset;
                    let bell = exp::<FMA>(-steep * offset);
                    value.0[lane] = c * bell;
                    slope.0[lane] = fused::<FMA>(dc, bell, -2.0 * (c * bell) * steep * at.dt);
                }
            }
        }
    }

    /// The values of `bells` without the slopes, bit for bit the same.
    fn bell_values(radial: &[Radial], bells: &[Bells], value: &mut [Lanes]) {
        for (value, bells) in value.chunks_exact_mut(radial.len()).zip(bells) {
            let [center, rest] = bells.center;
            for (value, at) in value.iter_mut().zip(radial) {
                for lane in 0..LANES {
                    let offset = (at.t[0] - center.0[lane]) + (at.t[1] - rest.0[lane]);
                    let bell = exp::<FMA>(-(bells.sharpness.0[lane] * offset) * offset);
                    value.0[lane] = at.own[0] * bell;
                }
            }
        }
    }

    /// The operation between the two layers of the filter network, with the envelope C moved in
    /// front of the second layer: `hidden ← C act(hidden)`,
    /// `hidden_slope ← C' act(hidden) + C act'(hidden) hidden_slope`, `[F/16, n_pairs]` each.
    fn activate_filters(
        activation: Activation,
        radial: &[Radial],
        hidden: &mut [Lanes],
        hidden_slope: &mut [Lanes],
    ) {
        with_activation!(activation, act => {
            let n_pairs = radial.len();
            let slabs =
                hidden.chunks_exact_mut(n_pairs).zip(hidden_slope.chunks_exact_mut(n_pairs));
            for (s, ds) in slabs {
                for ((s, ds), at) in s.iter_mut().zip(ds).zip(radial) {
                    let [c, dc] = at.envelope;
                    for (s, ds) in s.0.iter_mut().zip(&mut ds.0) {
                        let (value, slope) = act.value_and_slope::<FMA>(*s);
                        *s = c * value;
                        *ds = fused::<FMA>(dc, value, c * slope * *ds);
                    }
                }
            }
        })
    }

    /// The values of `activate_filters` without the slopes, bit for bit the same.
    fn activate_filter_values(activation: Activation, radial: &[Radial], hidden: &mut [Lanes]) {
        with_activation!(activation, act => {
            for s in hidden.chunks_exact_mut(radial.len()) {
                for (s, at) in s.iter_mut().zip(radial) {
                    for s in &mut s.0 {
                        *s = at.envelope[0] * act.value_and_slope::<FMA>(*s).0;
                    }
                }
            }
        })
    }

    /// `slope ← C' value + C slope`: the slope of the product with the envelope C. `envelop`
    /// follows.
    fn envelop_slope(radial: &[Radial], value: &[Lanes], slope: &mut [Lanes]) {
        let n_pairs = radial.len();
        let slabs = value.chunks_exact(n_pairs).zip(slope.chunks_exact_mut(n_pairs));
        for (value, slope) in slabs {
            for ((value, slope), at) in value.iter().zip(slope).zip(radial) {
                let [c, dc] = at.envelope;
                for (value, slope) in value.0.iter().zip(&mut slope.0) {
                    *slope = fused::<FMA>(dc, *value, c * *slope);
                }
            }
        }
    }

    /// `value ← C value` with the envelope C.
    fn envelop(radial: &[Radial], value: &mut [Lanes]) {
        for value in value.chunks_exact_mut(radial.len()) {
            for (value, at) in value.iter_mut().zip(radial) {
                value.0.iter_mut().for_each(|value| *value *= at.envelope[0]);
            }
        }
    }

    /// `y = act(x)`.
    fn activate(activation: Activation, x: &[Lanes], y: &mut [Lanes]) {
        with_activation!(activation, act => {
            for (x, y) in x.iter().zip(y) {
                for (x, y) in x.0.iter().zip(&mut y.0) {
                    *y = act.value_and_slope::<FMA>(*x).0;
                }
            }
        })
    }

    /// `y = act'(x) y`.
    fn multiply_slope(activation: Activation, x: &[Lanes], y: &mut [Lanes]) {
        with_activation!(activation, act => {
            for (x, y) in x.iter().zip(y) {
                for (x, y) in x.0.iter().zip(&mut y.0) {
                    *y *= act.value_and_slope::<FMA>(*x).1;
                }
            }
        })
    }

    /// `m_i += W y_j` and `m_j += W y_i` for every pair in order, for one slab of channels.
    fn convolve(pairs: &[[u32; 2]], filter: &[Lanes], y: &[Lanes], m: &mut [Lanes]) {
        for (beads, filter) in pairs.iter().zip(filter) {
            exchange::<FMA>(*beads, *filter, y, m);
        }
    }

    /// The adjoint of `convolve`. Also adds the pull of every pair,
    /// `Σ_f W'_f (y_jf grad_m_if + y_if grad_m_jf)`, to `pull`.
    fn convolve_back(
        pairs: &[[u32; 2]],
        filter: &[Lanes],
        slope: &[Lanes],
        y: &[Lanes],
        grad_m: &[Lanes],
        grad_y: &mut [Lanes],
        pull: &mut [[f32; 4]],
    ) {
        for (((beads, filter), slope), pull) in pairs.iter().zip(filter).zip(slope).zip(pull) {
            exchange::<FMA>(*beads, *filter, grad_m, grad_y);
            add_pull::<FMA>(*beads, *slope, y, grad_m, pull);
        }
    }

    /// `convolve` with filters from the pieces of a table. The pairs are in the order of the
    /// pieces, so that each piece is read once.
    fn convolve_table(pairs: &[PlacedPair], pieces: &[[Lanes; 4]], y: &[Lanes], m: &mut [Lanes]) {
        for run in pairs.chunk_by(|a, b| a.interval == b.interval) {
            let [c0, c1, c2, c3] = pieces[run[0].interval as usize];
            for pair in run {
                let filter = scaled::<FMA>(pair.s, c3, c2);
                let filter = scaled::<FMA>(pair.s, filter, c1);
                let filter = scaled::<FMA>(pair.s, filter, c0);
                exchange::<FMA>(pair.beads, filter, y, m);
            }
        }
    }

    /// `convolve_back` with filters from the pieces of a table, and with their slopes by s.
    /// Horner's scheme gives both.
    fn convolve_back_table(
        pairs: &[PlacedPair],
        pieces: &[[Lanes; 4]],
        y: &[Lanes],
        grad_m: &[Lanes],
        grad_y: &mut [Lanes],
        pull: &mut [[f32; 4]],
    ) {
        let mut pull = pull.iter_mut();
        for run in pairs.chunk_by(|a, b| a.interval == b.interval) {
            let [c0, c1, c2, c3] = pieces[run[0].interval as usize];
            for (pair, pull) in run.iter().zip(&mut pull) {
                let filter = scaled::<FMA>(pair.s, c3, c2);
                let slope = scaled::<FMA>(pair.s, c3, filter);
                let filter = scaled::<FMA>(pair.s, filter, c1);
                let slope = scaled::<FMA>(pair.s, slope, filter);
                let filter = scaled::<FMA>(pair.s, filter, c0);
                exchange::<FMA>(pair.beads, filter, grad_m, grad_y);
                add_pull::<FMA>(pair.beads, slope, y, grad_m, pull);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::slab::{from_slabs, n_slabs, to_slabs};

    fn numbers(n: usize, seed: u32) -> Vec<f64> {
        let mix = |k: u32| k.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 8;
        (0..n as u32).map(|k| f64::from(mix(mix(k)) as f32 / 8_388_608.0 - 1.0)).collect()
    }

    /// x w for row-major `x [n_rows, n_in]` and `w [n_in, n_out]`.
    fn all_slabs(x: &[f64], w: &[f64], n_in: usize, n_out: usize) -> Vec<f64> {
        let n_rows = x.len() / n_in;
        let mut padded = w.to_vec();
        padded.resize(n_slabs(n_in) * LANES * n_out, 0.0);
        let (x, w) = (to_slabs(x, n_in), to_slabs(&padded, n_out));
        let mut y = vec![Lanes([0.5; LANES]); n_slabs(n_out) * n_rows];
        let slabs = y.chunks_exact_mut(n_rows).zip(w.chunks_exact(n_slabs(n_in) * LANES));
        for (y, w) in slabs {
            product(&x, w, Lanes([0.25; LANES]), y, true);
        }
        from_slabs(&y, n_out)
    }

    /// Splitting work over threads and batches relies on this: a row has the same bits anywhere.
    #[test]
    fn rows_of_a_product_do_not_depend_on_the_other_rows() {
        for (n_rows, n_in, n_out) in [(67, 24, 17), (50, 300, 96), (33, 64, 1), (70, 1, 40)] {
            let (x, w) = (numbers(n_rows * n_in, 1), numbers(n_in * n_out, 2));
            let whole = all_slabs(&x, &w, n_in, n_out);
            for (row, y) in whole.chunks_exact(n_out).enumerate() {
                for (o, y) in y.iter().enumerate() {
                    let terms = (0..n_in).map(|k| x[row * n_in + k] * w[k * n_out + o]);
                    let (sum, size) =
                        terms.fold((0.75, 0.75), |(sum, size), x: f64| (sum + x, size + x.abs()));
                    assert!((y - sum).abs() < 1e-6 * size, "row {row}, {o}: {y} {sum}");
                }
            }
            for block in [1, 3, 16, 50] {
                let of_block = |x| all_slabs(x, &w, n_in, n_out);
                let parts: Vec<f64> = x.chunks(block * n_in).flat_map(of_block).collect();
                assert!(parts == whole, "{n_rows} x {n_in} x {n_out} in blocks of {block}");
            }
        }
    }
}
