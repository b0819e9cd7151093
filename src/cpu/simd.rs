//! The inner loops, compiled for the vector units found at run time.
//!
//! The only module of this backend with `unsafe`. Results depend on the processor's features but,
//! on one processor, not on where in an array or in a batch a row lies.

use super::math::{Activate, exp, fused, with_activation};
use super::radial::{Bells, Radial};
use super::slab::{LANES, Lanes};
use super::table::PlacedPair;
use crate::model::schnet::Activation;

/// Each function in three versions: AVX-512, AVX2 and whatever the target has at least. `FMA` and
/// `ROWS` are constants in the body: whether multiply and add are one instruction, and how many
/// rows of a product are summed in registers at once.
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
                    // SAFETY: the function is safe but for the features it is compiled for, all
                    // of which were just detected.
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

/// `y = x w + bias`, or that added to y, for the `ROWS` rows from `first` on.
#[inline(always)]
fn tile<const FMA: bool, const ROWS: usize>(
    x: &[Lanes],
    n_rows: usize,
    first: usize,
    w: &[Lanes],
    bias: Lanes,
    y: &mut [Lanes; ROWS],
    add: bool,
) {
    let mut sum = [bias; ROWS];
    for (x, w) in x.chunks_exact(n_rows).zip(w.as_chunks::<LANES>().0) {
        let Some(x) = x[first..].first_chunk::<ROWS>() else { return };
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

/// The messages of a pair along both of its directions.
#[inline(always)]
fn exchange<const FMA: bool>([i, j]: [u32; 2], filter: Lanes, y: &[Lanes], m: &mut [Lanes]) {
    let [i, j] = [i as usize, j as usize];
    m[i] = times_plus::<FMA>(filter, y[j], m[i]);
    m[j] = times_plus::<FMA>(filter, y[i], m[j]);
}

/// The channels' pulls `slope ∘ (y_j grad_m_i + y_i grad_m_j)`, added to four sums.
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
    // Without the box the compiler takes everything above apart into four short vectors.
    let Lanes(all) = std::hint::black_box(times(slope, both));
    for (k, pull) in pull.iter_mut().enumerate() {
        *pull += (all[k] + all[k + 4]) + (all[k + 8] + all[k + 12]);
    }
}

vectorized! {
    /// `y = x w + bias`, or that added to y: one slab of a product. x: `[n_in/16, n_rows]`,
    /// w: `[n_in]`, y: `[n_rows]`. Every element is summed in the order of w, so that a row of y
    /// depends on its row of x only.
    fn product(x: &[Lanes], w: &[Lanes], bias: Lanes, y: &mut [Lanes], add: bool) {
        let n_rows = y.len();
        let (tiles, rest) = y.as_chunks_mut::<ROWS>();
        let n_tiled = ROWS * tiles.len();
        for (k, y) in tiles.iter_mut().enumerate() {
            tile::<FMA, ROWS>(x, n_rows, k * ROWS, w, bias, y, add);
        }
        for (k, y) in rest.iter_mut().enumerate() {
            tile::<FMA, 1>(x, n_rows, n_tiled + k, w, bias, std::array::from_mut(y), add);
        }
    }

    /// `value[k, p] = c bell_k`, `slope[k, p]` its derivative: see `ops::radial_basis`. Centers
    /// and coordinates come as a sum of two numbers each, which keeps their difference accurate.
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

    /// The values of `bells`, bit for bit.
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

    /// Between the layers of the filter network, with the envelope moved in front of the second:
    /// `hidden ← C act(hidden)`, `hidden_slope ← C' act(hidden) + C act'(hidden) hidden_slope`,
    /// `[F/16, n_pairs]` each.
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

    /// The values of `activate_filters`, bit for bit.
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

    /// `m_i += W y_j` and `m_j += W y_i` for every pair, in their order; one slab of channels.
    fn convolve(pairs: &[[u32; 2]], filter: &[Lanes], y: &[Lanes], m: &mut [Lanes]) {
        for (beads, filter) in pairs.iter().zip(filter) {
            exchange::<FMA>(*beads, *filter, y, m);
        }
    }

    /// The adjoint of `convolve`, and every pair's `Σ_f W'_f (y_jf grad_m_if + y_if grad_m_jf)`,
    /// added to `pull`.
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

    /// `convolve` with filters from the pieces of a table. Pairs come in the order of the pieces,
    /// which are read once each.
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

    /// `convolve_back` with filters from the pieces of a table and their slopes by s: Horner's
    /// scheme gives both.
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

    /// All parallel splits and batches rest on this: a row has the same bits wherever it is.
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
