//! The filter networks on matrix units.

use std::f64::consts::{E, FRAC_PI_2};

use half::f16;

use super::buffer::Buffer;
use super::cfconv::{radial_constants, radial_functions};
use super::device::Device;
use super::network::{self, activation_constants, by_inputs, by_matrices, narrow};
use super::wgsl::{Constants, Value};
use crate::engine::Precision;
use crate::model::schnet::{Interaction, Linear, SchNet};
use crate::reference::{hidden, radial_basis};

/// The filter networks on matrix units, whose kernels have these numbers for each block beside the
/// weights: 1 / the powers of two in the weights, the biases, and the radial functions.
#[derive(Debug)]
pub(super) struct Units {
    pub(super) numbers: Vec<Buffer<f32>>,
    pub(super) emulated: bool,
}

/// The widest layer of a filter network on matrix units, in matrices: half of the subgroups of a
/// workgroup.
const MOST_MATRICES: usize = 8;

fn matrices(n: usize) -> usize {
    n.div_ceil(16)
}

/// Whether the filter networks are for matrix units, where a device has them.
pub(crate) fn filters_suit_units(schnet: &SchNet) -> bool {
    matrices(schnet.n_filters().max(schnet.radial_basis.n_rbf())) <= MOST_MATRICES
}

impl Units {
    /// Whether kernels on them evaluate the filters of this network.
    pub(super) fn suit(device: &Device, schnet: &SchNet, precision: Precision) -> bool {
        precision == Precision::Mixed && device.takes_matrices() && filters_suit_units(schnet)
    }

    /// Constants of the kernels, and the rows of a workgroup: it loads the weights once, so several
    /// where there are enough for all of a device.
    pub(super) fn constants(&self, schnet: &SchNet, n_beads: usize) -> (Constants, usize) {
        let rows = (n_beads / 2048).clamp(1, 4);
        // Software drivers have less workgroup memory.
        let segment = if self.emulated { 128 } else { 256 };
        let functions = matrices(schnet.radial_basis.n_rbf());
        let mut constants = radial_constants(&schnet.radial_basis, &schnet.cutoff);
        constants.extend(activation_constants(schnet.activation));
        constants.extend([
            ("ROWS", Value::Count(rows as u32)),
            ("SEGMENT", Value::Count(segment)),
            ("WORDS", Value::Count(segment / 32)),
            ("QUADS", Value::Count(network::quads(schnet.n_filters()))),
            ("FILTER_MATRICES", Value::Count(matrices(schnet.n_filters()) as u32)),
            ("RBF_MATRICES", Value::Count(functions as u32)),
            ("BASIS_LANES", Value::Count(4 * functions.next_power_of_two() as u32)),
        ]);
        if self.emulated {
            constants.push(("matrix", Value::File("matrix_emulated")));
        }
        (constants, rows)
    }
}

/// Distances that weights are rounded for.
const DISTANCES: usize = 512;

/// The weights of the two layers of a filter network in parts of powers of two that take the largest
/// to 2^14 or somewhat more, rounded to 16-bit floats so that filters and their slopes change least.
fn rounded(schnet: &SchNet, block: &Interaction) -> [(Linear, f64); 2] {
    let radius = schnet.neighbor_radius();
    let distance: Vec<f64> =
        (0..DISTANCES).map(|k| radius * (k as f64 + 0.5) / DISTANCES as f64).collect();
    let (basis, basis_slope) = radial_basis(&schnet.radial_basis, &distance);
    let (hidden, hidden_slope) = hidden(schnet, block, &basis, &basis_slope);
    // As many pairs have a distance as its sphere is large.
    let share = |d: &f64| d / radius;
    let envelope = schnet.cutoff.envelope();
    let [of_basis, of_hidden]: [Vec<f64>; 2] = [
        distance.iter().map(share).collect(),
        distance.iter().map(|d| share(d) * envelope.value_and_slope(*d).0).collect(),
    ];
    [
        (&block.filter0, [basis, basis_slope], of_basis),
        (&block.filter1, [hidden, hidden_slope], of_hidden),
    ]
    .map(|(layer, inputs, weight)| {
        let largest = layer.weight.iter().fold(f64::MIN_POSITIVE, |a, w| a.max(w.abs()));
        let power = 2.0_f64.powf(14.0 - largest.log2().floor());
        let rows = inputs.iter().flat_map(|rows| rows.chunks_exact(layer.n_in).zip(&weight));
        let rows = rows.map(|(row, weight)| row.iter().map(|x| x * weight).collect()).collect();
        let mut scaled = layer.clone();
        scaled.weight.iter_mut().for_each(|w| *w *= power);
        (round_for(&scaled, rows), power)
    })
}

/// A layer with weights W rounded to 16-bit floats Q so that Σ |(W - Q) x|² over the inputs x is
/// small. With Σ x xᵀ = R Rᵀ, R upper triangular, that is |Rᵀ (W - Q)ᵀ|²: each weight in turn is
/// rounded where it makes up best for those before it (Babai's nearest plane).
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
    // Inputs have errors, too, which no weights should make much of.
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

/// The weights of a layer as lib/matrix.wgsl reads them: matrices of 16 x 16, each column by column.
fn matrices_of(layer: &Linear) -> impl Iterator<Item = u16> {
    let (block, width) = by_inputs(layer, false, 16);
    by_matrices(&block, width).into_iter().map(|w| f16::from_f32(w).to_bits())
}

/// The power of two that takes slopes of radial functions to at most 16: there is room in 16-bit
/// floats for what filter0 makes of them.
fn slope_power(basis: &crate::model::RadialBasis) -> f64 {
    let form = basis.form();
    // Of e^(-s x^2), at x^2 = 1 / 2s; and of the envelope.
    let steepest = form.sharpness.iter().fold(0.0_f64, |a, s| a.max((2.0 * s / E).sqrt()));
    let bound =
        steepest * form.coordinate(0.0).1.abs() + FRAC_PI_2 * basis.cutoff.envelope().rate.abs();
    2.0_f64.powi((16.0 / bound).log2().floor().clamp(-100.0, 100.0) as i32)
}

/// `halves` and `numbers` of cfconv_forward_matrix.wgsl and cfconv_backward_matrix.wgsl.
pub(super) fn matrix_weights(schnet: &SchNet, block: &Interaction) -> (Vec<u16>, Vec<f32>) {
    let [(filter0, power0), (filter1, power1)] = rounded(schnet, block);
    let halves = matrices_of(&filter0).chain(matrices_of(&filter1)).collect();
    let [first, second] = [power0.recip(), power1.recip()];
    let power = slope_power(&schnet.radial_basis);
    let mut numbers = narrow(&[first, second, second / power, power]);
    let mut bias = narrow(block.filter0.bias.as_deref().unwrap_or(&[]));
    bias.resize(16 * matrices(schnet.n_filters()), 0.0);
    numbers.extend(bias);
    // Functions that are none are multiplied by weights that are 0.
    let mut functions = radial_functions(&schnet.radial_basis);
    functions.resize(2 * 16 * matrices(schnet.radial_basis.n_rbf()), 0.0);
    for quad in functions.chunks_exact(8) {
        numbers.extend(quad.iter().step_by(2));
        numbers.extend(quad.iter().skip(1).step_by(2));
    }
    (halves, numbers)
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
        // Bells that wide have about a third as many dimensions as there are of them.
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
        // Nothing to go by, as where every function is cut off.
        assert_eq!(round_for(&layer, Vec::new()), nearest(&layer));
    }
}
