//! The layouts in which kernels read filter networks, in f32 and for tensor cores.

use std::f64::consts::{E, FRAC_PI_2};

use half::f16;

use super::{by_inputs, by_matrices, columns, narrow, power_for_f16};
use crate::error::{Error, Result};
use crate::largest::largest;
use crate::model::RadialBasis;
use crate::model::filter::{hidden, product, radial_basis};
use crate::model::schnet::{Activation, Interaction, Linear, SchNet};

/// The matrices of 16 columns that hold `n` channels.
pub(in crate::gpu) fn matrices(n: usize) -> usize {
    n.div_ceil(16)
}

/// (center, sharpness) of each radial function.
pub(in crate::gpu) fn radial_functions(basis: &RadialBasis) -> Vec<f32> {
    let form = basis.form();
    form.center.iter().zip(&form.sharpness).flat_map(|(c, s)| [*c as f32, *s as f32]).collect()
}

/// A filter network as cfconv_forward and cfconv_backward read it: columns and bias of filter0,
/// columns and bias of filter1, and the radial functions.
pub(in crate::gpu) fn filter_weights(schnet: &SchNet, block: &Interaction) -> Vec<f32> {
    let mut weights = columns(&block.filter0);
    weights.extend(narrow(block.filter0.bias.as_deref().unwrap_or(&[])));
    weights.extend(columns(&block.filter1));
    let mut bias1 = narrow(block.filter1.bias.as_deref().unwrap_or(&[]));
    bias1.resize(block.filter1.n_out, 0.0);
    weights.extend(bias1);
    weights.extend(radial_functions(&schnet.radial_basis));
    weights
}

/// The number of distances for which the rounding of weights is optimised.
const DISTANCES: usize = 512;

/// The inputs of both layers of a filter network at [`DISTANCES`] distances: values and slopes.
struct Samples {
    distance: Vec<f64>,
    basis: [Vec<f64>; 2],
    hidden: [Vec<f64>; 2],
}

impl Samples {
    fn new(schnet: &SchNet, activation: Activation, block: &Interaction) -> Self {
        let radius = schnet.neighbor_radius();
        let distance: Vec<f64> =
            (0..DISTANCES).map(|k| radius * (k as f64 + 0.5) / DISTANCES as f64).collect();
        let (value, slope) = radial_basis(&schnet.radial_basis, &distance);
        let hidden = hidden(activation, block, &value, &slope).into();
        Samples { distance, basis: [value, slope], hidden }
    }
}

/// The two layers of a filter network with their weights multiplied by a power of two and rounded
/// to f16, so that filters and their slopes change least; and the powers of two. They bring the
/// largest weight of a layer into [2^14, 2^15).
fn rounded(schnet: &SchNet, block: &Interaction, samples: &Samples) -> [(Linear, f64); 2] {
    let (radius, distance) = (schnet.neighbor_radius(), &samples.distance);
    // The number of pairs at distance d grows with d². Errors count squared, so inputs get d.
    let share = |d: &f64| d / radius;
    let envelope = schnet.cutoff.envelope();
    let [of_basis, of_hidden]: [Vec<f64>; 2] = [
        distance.iter().map(share).collect(),
        distance.iter().map(|d| share(d) * envelope.value_and_slope(*d).0).collect(),
    ];
    [(&block.filter0, &samples.basis, of_basis), (&block.filter1, &samples.hidden, of_hidden)].map(
        |(layer, inputs, weight)| {
            let power = power_for_f16(layer.weight.iter().copied());
            let rows = inputs.iter().flat_map(|rows| rows.chunks_exact(layer.n_in).zip(&weight));
            let rows = rows.map(|(row, weight)| row.iter().map(|x| x * weight).collect()).collect();
            let mut scaled = layer.clone();
            scaled.weight.iter_mut().for_each(|w| *w *= power);
            (round_for(&scaled, rows), power)
        },
    )
}

/// A layer with weights W rounded to f16 numbers Q so that Σ |(W - Q) x|² over the inputs x is
/// small. With Σ x xᵀ = R Rᵀ, R upper triangular, this is |Rᵀ (W - Q)ᵀ|². The weights are rounded
/// in turn; each compensates best for the errors of the weights before it (Babai's nearest plane).
fn round_for(layer: &Linear, inputs: Vec<Vec<f64>>) -> Linear {
    let n = layer.n_in;
    let mut r = vec![vec![0.0; n]; n];
    for x in &inputs {
        for j in 0..n {
            for k in j..n {
                r[j][k] += x[j] * x[k];
            }
        }
    }
    // Inputs have errors, too. This term keeps Q from amplifying them.
    let noise = 1e-6 * (0..n).map(|k| r[k][k]).sum::<f64>() / n as f64;
    for k in (0..n).rev() {
        let rest: f64 = r[k][k + 1..].iter().map(|x| x * x).sum();
        let pivot = (r[k][k] + noise - rest).max(noise).max(f64::MIN_POSITIVE).sqrt();
        for j in 0..k {
            let rest: f64 = r[j][k + 1..].iter().zip(&r[k][k + 1..]).map(|(a, b)| a * b).sum();
            r[j][k] = (r[j][k] - rest) / pivot;
        }
        r[k][k] = pivot;
    }
    let mut rounded = layer.clone();
    for row in rounded.weight.chunks_exact_mut(n) {
        let mut errors = Vec::with_capacity(n);
        for (k, w) in row.iter_mut().enumerate() {
            let owed: f64 = errors.iter().zip(&r).map(|(e, r)| e * r[k]).sum();
            let wanted = (*w + owed / r[k][k]).clamp(-65504.0, 65504.0);
            let nearest = f16::from_f64(wanted).to_f64();
            errors.push(*w - nearest);
            *w = nearest;
        }
    }
    rounded
}

/// The weights of a layer for lib/matrix.wgsl, as f16: matrices of 16 x 16, each column by column.
fn matrices_of(layer: &Linear) -> impl Iterator<Item = u16> {
    let (block, width) = by_inputs(layer, false, 16);
    by_matrices(&block, width).into_iter().map(|w| f16::from_f32(w).to_bits())
}

/// A power of two that scales the slopes of radial functions to at most 16, so that their products
/// with filter0 stay in the range of f16.
fn slope_power(basis: &RadialBasis) -> f64 {
    let form = basis.form();
    // |2 s x e^(-s x^2)| is at most √(2 s / e), and 2 s x² e^(-s x^2) at most 2 / e. With x = t - c
    // and the slope -alpha t of t these bound the slope of a function. The envelope adds its own.
    let steepest = |(center, sharpness): (&f64, &f64)| {
        let by_t = (2.0 * sharpness / E).sqrt();
        form.warp.map_or(by_t, |(alpha, _)| alpha.abs() * (center.abs() * by_t + 2.0 / E))
    };
    let bound = largest(form.center.iter().zip(&form.sharpness).map(steepest))
        + FRAC_PI_2 * basis.cutoff.envelope().rate.abs();
    2.0_f64.powi((16.0 / bound).log2().floor().clamp(-100.0, 100.0) as i32)
}

/// The largest error of filters and their slopes on tensor cores, in units of the block's largest
/// filter and slope. Rounding to f16 gives 2^-11 and less.
const MOST_ERROR: f64 = 1.0 / 256.0;

/// Refuses weights and hidden layers that leave the range of f16, from which filters would be wrong
/// without a word: evaluates the filters with the numbers that the kernels use.
fn check_rounded(
    schnet: &SchNet,
    (activation, block): (Activation, &Interaction),
    samples: &Samples,
    layers: &[(Linear, f64); 2],
) -> Result<()> {
    let unscaled = |(layer, power): &(Linear, f64)| {
        let mut layer = layer.clone();
        layer.weight.iter_mut().for_each(|weight| *weight /= power);
        layer
    };
    let [filter0, filter1] = [unscaled(&layers[0]), unscaled(&layers[1])];
    let stored = Interaction { filter0, ..block.clone() };
    let [basis, basis_slope] = &samples.basis;
    let found: [Vec<f64>; 2] = hidden(activation, &stored, basis, basis_slope).into();
    let power = slope_power(&schnet.radial_basis);
    let powers = [1.0, power];
    for ((exact, found), power) in samples.hidden.iter().zip(found).zip(powers) {
        let in_f16 = |x: f64| f16::from_f64(x * power).to_f64() / power;
        let found: Vec<f64> = found.into_iter().map(in_f16).collect();
        let exact = product(&block.filter1, exact, false);
        let found = product(&filter1, &found, false);
        let error = largest(exact.iter().zip(&found).map(|(a, b)| (a - b).abs()));
        let most = largest(exact.iter().map(|x| x.abs()));
        if error.is_nan() || error > MOST_ERROR * most {
            return Err(Error::unsupported(
                "filters on tensor cores whose weights or hidden channels leave the range of f16",
                "use f32 precision",
            ));
        }
    }
    Ok(())
}

/// The largest ratio of the weights of two filters that f16 holds with all digits, less the room
/// for smaller weights of the same filter.
const MOST_RATIO: f64 = 4096.0;

/// The power of two by which each filter of a block is divided on tensor cores: 1, but for filters
/// whose weights are far smaller than the largest ones.
pub(in crate::gpu) fn matrix_scales(block: &Interaction) -> Vec<f64> {
    let rows = || block.filter1.weight.chunks_exact(block.filter1.n_in);
    let most = |row: &[f64]| largest(row.iter().map(|w| w.abs()));
    let size = largest(rows().map(most));
    let scale = |row: &[f64]| match most(row) / size {
        ratio if ratio > 0.0 && ratio < 1.0 / MOST_RATIO => 2.0_f64.powf(ratio.log2().floor()),
        _ => 1.0,
    };
    rows().map(scale).collect()
}

/// A block with its filters divided by the scale factors.
pub(in crate::gpu) fn divided(block: &Interaction, scales: &[f64]) -> Interaction {
    let mut divided = block.clone();
    let n_in = block.filter1.n_in;
    for (row, scale) in divided.filter1.weight.chunks_exact_mut(n_in).zip(scales) {
        row.iter_mut().for_each(|weight| *weight /= scale);
    }
    divided
}

/// The buffers `halves` and `numbers` of cfconv_forward_matrix.wgsl and
/// cfconv_backward_matrix.wgsl.
///
/// # Errors
/// [`Error::Unsupported`] if f16 does not hold the filters.
pub(in crate::gpu) fn matrix_weights(
    schnet: &SchNet,
    activation: Activation,
    block: &Interaction,
) -> Result<(Vec<u16>, Vec<f32>)> {
    let samples = Samples::new(schnet, activation, block);
    let layers = rounded(schnet, block, &samples);
    check_rounded(schnet, (activation, block), &samples, &layers)?;
    let [(filter0, power0), (filter1, power1)] = layers;
    let halves = matrices_of(&filter0).chain(matrices_of(&filter1)).collect();
    let [first, second] = [power0.recip(), power1.recip()];
    let power = slope_power(&schnet.radial_basis);
    let mut numbers = narrow(&[first, second, second / power, power]);
    let mut bias = narrow(block.filter0.bias.as_deref().unwrap_or(&[]));
    bias.resize(16 * matrices(schnet.n_filters()), 0.0);
    numbers.extend(bias);
    // The functions that fill up the last matrix have weights of 0.
    let mut functions = radial_functions(&schnet.radial_basis);
    functions.resize(2 * 16 * matrices(schnet.radial_basis.n_rbf()), 0.0);
    for four in functions.chunks_exact(8) {
        numbers.extend(four.iter().step_by(2));
        numbers.extend(four.iter().skip(1).step_by(2));
    }
    Ok((halves, numbers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Stream, uniform4};

    fn layer(n_in: usize, n_out: usize) -> Linear {
        let four = |k: usize| uniform4(3, Stream::Model, 0, 0, k as u32);
        let weight = (0..n_in * n_out).map(|k| four(k)[0] - 0.5).collect();
        Linear { n_in, n_out, weight, bias: None }
    }

    /// Σ |(W - Q) x|²
    fn loss(layer: &Linear, rounded: &Linear, inputs: &[Vec<f64>]) -> f64 {
        let differences: Vec<f64> =
            layer.weight.iter().zip(&rounded.weight).map(|(w, q)| w - q).collect();
        let rows = differences.chunks_exact(layer.n_in);
        let products = rows.flat_map(|row| {
            inputs.iter().map(|x| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>())
        });
        products.map(|y| y * y).sum()
    }

    fn nearest(layer: &Linear) -> Linear {
        let mut rounded = layer.clone();
        rounded.weight.iter_mut().for_each(|w| *w = f16::from_f64(*w).to_f64());
        rounded
    }

    #[test]
    fn weights_make_up_for_each_other_where_inputs_are_alike() {
        let layer = layer(24, 7);
        let bell = |d: f64, k: usize| (-((d - k as f64) / 2.0).powi(2)).exp();
        let inputs: Vec<Vec<f64>> =
            (0..240).map(|d| (0..24).map(|k| bell(f64::from(d) / 10.0, k)).collect()).collect();
        let rounded = round_for(&layer, inputs.clone());
        let (found, plain) =
            (loss(&layer, &rounded, &inputs), loss(&layer, &nearest(&layer), &inputs));
        // Gaussians this wide overlap: their values span about a third as many dimensions.
        assert!(found < 0.1 * plain, "{found} of {plain}");
        for q in &rounded.weight {
            assert_eq!(*q, f16::from_f64(*q).to_f64());
        }
    }

    #[test]
    fn weights_of_inputs_apart_are_rounded_to_nearest() {
        let layer = layer(5, 3);
        let inputs = (0..5).map(|k| (0..5).map(|j| f64::from(u8::from(j == k))).collect());
        assert_eq!(round_for(&layer, inputs.collect()), nearest(&layer));
        // No inputs, as if every function were cut off.
        assert_eq!(round_for(&layer, Vec::new()), nearest(&layer));
    }
}
