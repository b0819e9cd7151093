//! Powers of two that keep filters, features and gradients inside the range of their storage.
//! Multiplying by them is exact, and they cancel between two layers.

use super::super::storage::Features;
use crate::error::{Error, Result};
use crate::largest::largest;
use crate::model::schnet::{Interaction, Linear, SchNet};

/// The network with the channels of y and m scaled. y, the output of lin1, is multiplied by the
/// scale factor of the filter that multiplies it, because the table is divided by it; and y and m
/// by a power of two that f16 needs, by which the inputs of lin2 are divided.
///
/// # Errors
/// [`Error::Unsupported`] if a weight leaves the range of f32.
pub(super) fn scaled(schnet: &SchNet, features: Features, scales: &[Vec<f64>]) -> Result<SchNet> {
    let mut scaled = schnet.clone();
    for (b, block) in scaled.interactions.iter_mut().enumerate() {
        let scales = scales.get(b).cloned().unwrap_or_else(|| vec![1.0; schnet.n_filters()]);
        for_outputs(&mut block.lin1, &scales);
        if features != Features::F32 {
            let powers = feature_powers(schnet, block);
            for_outputs(&mut block.lin1, &powers);
            for row in block.lin2.weight.chunks_exact_mut(powers.len()) {
                row.iter_mut().zip(&powers).for_each(|(weight, power)| *weight /= power);
            }
        }
        let mut weights = block.lin1.weight.iter().chain(&block.lin2.weight);
        if !weights.all(|weight| *weight == 0.0 || (*weight as f32).is_normal()) {
            return Err(Error::unsupported(
                format!("block {b}, whose filters and features differ too much in size,"),
                "use --filter exact --precision f32",
            ));
        }
    }
    Ok(scaled)
}

fn for_outputs(layer: &mut Linear, factors: &[f64]) {
    for (row, factor) in layer.weight.chunks_exact_mut(layer.n_in).zip(factors) {
        row.iter_mut().for_each(|weight| *weight *= factor);
    }
    for (bias, factor) in layer.bias.iter_mut().flatten().zip(factors) {
        *bias *= factor;
    }
}

/// Features of a size between 1 / ROOM and ROOM stay as they are.
const ROOM: f64 = 512.0;

/// A power of two for each channel of y that brings it near 1 if f16 would lose digits of it. The
/// size of y is that of lin1 applied to the embeddings.
fn feature_powers(schnet: &SchNet, block: &Interaction) -> Vec<f64> {
    let power = |row: &[f64]| {
        let of_type =
            |embedding: &[f64]| row.iter().zip(embedding).map(|(w, h)| w * h).sum::<f64>();
        let size =
            largest(schnet.embedding.chunks_exact(schnet.n_hidden).map(|h| of_type(h).abs()));
        match size > 0.0 && !(1.0 / ROOM..=ROOM).contains(&size) {
            true => 2.0_f64.powf(-size.log2().floor()),
            false => 1.0,
        }
    };
    block.lin1.weight.chunks_exact(schnet.n_hidden).map(power).collect()
}

/// A power of two that scales the gradients of messages to about 1 and less, well inside the range
/// of f16. It is the inverse of the largest gradient with respect to the messages of any block,
/// estimated with a slope of 1/2 for every activation, and with sums of squares, which do not cancel.
pub(super) fn gradient_scale(schnet: &SchNet) -> f64 {
    let back = |gradient: &[f64], layer: &Linear| -> Vec<f64> {
        let column = |k: usize| {
            let weights = (0..layer.n_out).map(|o| layer.weight[o * layer.n_in + k]);
            weights.zip(gradient).map(|(w, g)| (0.5 * w * g).powi(2)).sum::<f64>().sqrt()
        };
        (0..layer.n_in).map(column).collect()
    };
    let readout = schnet.readout.iter().rev();
    let of_features = readout.fold(vec![1.0], |gradient, layer| back(&gradient, layer));
    let of_messages = schnet.interactions.iter().flat_map(|block| {
        let of_update = back(&of_features, &block.lin);
        back(&of_update, &block.lin2)
    });
    let largest = largest(of_messages);
    if largest > 0.0 { 2.0_f64.powf(-largest.log2().round()) } else { 1.0 }
}
