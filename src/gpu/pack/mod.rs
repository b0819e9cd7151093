//! The layouts in which kernels read weights, features and tables.

pub(super) mod filter;
pub(super) mod filters;
pub(super) mod table;

use half::f16;

use super::storage::Features;
use crate::largest::largest;
use crate::model::schnet::Linear;

/// Rounds to f32.
pub(crate) fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

/// The quads (groups of four) that hold `n` channels. Rows of features are whole quads in memory.
pub(super) fn quads(n: usize) -> u32 {
    n.div_ceil(4) as u32
}

/// W, or its transpose, input by input, and the width of a row: `[n_in, n_out]`, both filled up
/// with zeros to multiples of `granule`.
pub(super) fn by_inputs(layer: &Linear, transposed: bool, granule: usize) -> (Vec<f32>, usize) {
    let (n_in, n_out) =
        if transposed { (layer.n_out, layer.n_in) } else { (layer.n_in, layer.n_out) };
    let [height, width] = [n_in, n_out].map(|n| n.next_multiple_of(granule));
    let mut block = vec![0.0; height * width];
    for k in 0..n_in {
        for o in 0..n_out {
            let from = if transposed { k * n_out + o } else { o * n_in + k };
            block[k * width + o] = layer.weight[from] as f32;
        }
    }
    (block, width)
}

/// W column by column, `[n_in, n_out]`.
pub(super) fn columns(layer: &Linear) -> Vec<f32> {
    by_inputs(layer, false, 1).0
}

/// Rows of `width` as matrices of 16 x 16, each column by column. Height and width are multiples of
/// 16. Tensor cores load a column of weights, which has consecutive inputs, at once.
pub(super) fn by_matrices(block: &[f32], width: usize) -> Vec<f32> {
    let mut matrices = vec![0.0; block.len()];
    for (at, weight) in block.iter().enumerate() {
        let (k, o) = (at / width, at % width);
        let matrix = k / 16 * (width / 16) + o / 16;
        matrices[256 * matrix + o % 16 * 16 + k % 16] = *weight;
    }
    matrices
}

/// Rows of `width` as normalised 16-bit integers, two in a word, and the scale factors of the
/// columns.
pub(super) fn normalised(block: &[f32], width: usize) -> (Vec<u32>, Vec<f32>) {
    let mut scales = vec![0.0_f32; width];
    for row in block.chunks_exact(width) {
        scales.iter_mut().zip(row).for_each(|(scale, w)| *scale = scale.max(w.abs()));
    }
    let integer = |(w, scale): (&f32, &f32)| {
        let part = if *scale > 0.0 { f64::from(*w) / f64::from(*scale) } else { 0.0 };
        (part * 32767.0).round() as i16 as u16
    };
    let integers: Vec<u16> = block.iter().zip(scales.iter().cycle()).map(integer).collect();
    let words = integers.chunks_exact(2).map(|two| u32::from(two[0]) | u32::from(two[1]) << 16);
    (words.collect(), scales)
}

/// The power of two that brings the largest weight into [2^14, 2^15), near the upper end of f16.
/// Neither the power nor its inverse leaves the range of f32.
fn power_for_f16(weights: impl Iterator<Item = f64>) -> f64 {
    let most = largest(weights.map(f64::abs));
    2.0_f64.powf((14.0 - most.log2().floor()).clamp(-120.0, 120.0))
}

/// Each weight times a power of two as the sum of two f16: all high parts, then all low parts. Also
/// returns the power of two.
pub(crate) fn split(weights: &[f32]) -> (Vec<u16>, f64) {
    let scale = power_for_f16(weights.iter().map(|w| f64::from(*w)));
    let scaled = || weights.iter().map(|w| f64::from(*w) * scale);
    let low = scaled().map(|w| f16::from_f64(w - f16::from_f64(w).to_f64()));
    (scaled().map(f16::from_f64).chain(low).map(f16::to_bits).collect(), scale)
}

/// Features in a format, as kernels read them. Rows are whole quads.
pub(super) fn features(format: Features, features: &[f32]) -> Vec<u32> {
    match format {
        Features::F32 => features.iter().map(|x| x.to_bits()).collect(),
        Features::Half | Features::F16 => {
            features.chunks_exact(2).map(|two| pack_f16([two[0], two[1]])).collect()
        }
    }
}

/// Two f16 in a word, the first in the lower half.
fn pack_f16(two: [f32; 2]) -> u32 {
    let [low, high] = two.map(|x| u32::from(f16::from_f32(x).to_bits()));
    low | high << 16
}
