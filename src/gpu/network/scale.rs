//! Powers of two that keep filters, features and gradients inside the range of their storage.
//! Multiplying by them is exact, and they cancel between two layers.

use super::super::storage::Features;
use crate::error::{Error, Result};
use crate::largest::largest;
use crate::model::filter::{filters, product};
use crate::model::schnet::{Activation, Interaction, Linear, SchNet};

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
        let mut scale = |block: &mut Interaction, factors: &[f64]| {
            for_outputs(&mut block.lin1, factors);
            if let (Some(rows), true) = (&mut scaled.neighbor_embedding, b == 0) {
                for (y, factor) in rows.iter_mut().zip(factors.iter().cycle()) {
                    *y *= factor;
                }
            }
        };
        scale(block, &scales);
        if features != Features::F32 {
            let powers = feature_powers(schnet, b, block);
            scale(block, &powers);
            for row in block.lin2.weight.chunks_exact_mut(powers.len()) {
                row.iter_mut().zip(&powers).for_each(|(weight, power)| *weight /= power);
            }
        }
        let mut weights = block.lin1.weight.iter().chain(&block.lin2.weight);
        if !weights.all(|weight| *weight == 0.0 || (*weight as f32).is_normal()) {
            return Err(Error::unsupported(
                format!("block {b}, whose filters and features differ too much in size,"),
                "use exact filters and f32 precision",
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
fn feature_powers(schnet: &SchNet, b: usize, block: &Interaction) -> Vec<f64> {
    let features = match &schnet.neighbor_embedding {
        Some(features) if b == 0 => features.clone(),
        _ => product(&block.lin1, &schnet.embedding, true),
    };
    let n_filters = schnet.n_filters();
    let power = |f: usize| {
        let size = largest(features.iter().skip(f).step_by(n_filters).map(|y| y.abs()));
        match size > 0.0 && !(1.0 / ROOM..=ROOM).contains(&size) {
            true => 2.0_f64.powf(-size.log2().floor()),
            false => 1.0,
        }
    };
    (0..n_filters).map(power).collect()
}

/// A power of two that scales the gradients of messages to about 1 and less, well inside the range
/// of f16. It is the inverse of the largest gradient of a [`probe`]. Slopes of activations are part of
/// it: the gradients of a saturated network are many orders smaller than its weights.
///
/// # Errors
/// [`Error::Unsupported`] if no scale suits all blocks of all probes.
pub(super) fn gradient_scale(schnet: &SchNet, types: &[u32]) -> Result<f64> {
    let sizes: Vec<f64> = NEIGHBORS.iter().flat_map(|n| probe(schnet, types, *n)).collect();
    // Without a gradient there is no force.
    let sizes = || sizes.iter().copied().filter(|size| *size != 0.0);
    let (least, most) = (sizes().fold(f64::INFINITY, f64::min), largest(sizes()));
    if most == 0.0 {
        return Ok(1.0);
    }
    let power = -most.log2().round();
    match power.abs() <= MOST_POWER && most <= MOST_SPREAD * least {
        true => Ok(2.0_f64.powf(power)),
        false => Err(Error::unsupported(
            format!(
                "mixed precision of a network whose gradients of messages, {least:.0e} to \
                 {most:.0e} kcal/mol, leave the range of f16"
            ),
            "use f32 precision",
        )),
    }
}

/// The numbers of neighbors of a bead in the probes: at the end of a chain, and in the core.
const NEIGHBORS: [usize; 2] = [2, 24];
/// The largest ratio of the gradients of two blocks or two probes. With more, f16 would lose digits
/// of the smaller ones.
const MOST_SPREAD: f64 = 256.0;
/// A larger power of two would not leave room for other factors in f32.
const MOST_POWER: f64 = 110.0;

/// The largest gradient of messages of each block, if beads of the given types have `n_neighbors`
/// neighbors each, whose distances are spread below the cutoff and whose types take turns.
fn probe(schnet: &SchNet, types: &[u32], n_neighbors: usize) -> Vec<f64> {
    let (n_types, n_filters, n_hidden) = (types.len(), schnet.n_filters(), schnet.n_hidden);
    let place = |k: usize| 0.3 + 0.7 * (k as f64 + 0.5) / n_neighbors as f64;
    let distance: Vec<f64> =
        (0..n_neighbors).map(|k| schnet.neighbor_radius() * place(k)).collect();
    let convolve = |filters: &[f64], y: &[f64]| {
        let mut m = vec![0.0; n_types * n_filters];
        for (t, m) in m.chunks_exact_mut(n_filters).enumerate() {
            for (k, w) in filters.chunks_exact(n_filters).enumerate() {
                let y = &y[(t + k) % n_types * n_filters..][..n_filters];
                m.iter_mut().zip(w).zip(y).for_each(|((m, w), y)| *m += w * y);
            }
        }
        m
    };
    let act = |activation: Activation, x: &[f64]| -> Vec<f64> {
        x.iter().map(|x| activation.value_and_slope(*x).0).collect()
    };
    let times_slope = |activation: Activation, mut gradient: Vec<f64>, x: &[f64]| {
        let slope = |x: &f64| activation.value_and_slope(*x).1;
        gradient.iter_mut().zip(x).for_each(|(gradient, x)| *gradient *= slope(x));
        gradient
    };
    let add = |sum: &mut Vec<f64>, x: Vec<f64>| sum.iter_mut().zip(x).for_each(|(s, x)| *s += x);

    let of_types = |rows: &[f64], width: usize| -> Vec<f64> {
        types.iter().flat_map(|t| &rows[*t as usize * width..][..width]).copied().collect()
    };
    let mut h = of_types(&schnet.embedding, n_hidden);
    let mut kept = Vec::new();
    for (b, block) in schnet.interactions.iter().enumerate() {
        let filters = filters(schnet, b, &distance, false).value;
        let y = match &schnet.neighbor_embedding {
            Some(features) if b == 0 => of_types(features, n_filters),
            _ => product(&block.lin1, &h, true),
        };
        let z = product(&block.lin2, &convolve(&filters, &y), true);
        add(&mut h, product(&block.lin, &act(schnet.activation_of(b), &z), true));
        kept.push((filters, z));
    }
    let mut inputs = Vec::new();
    for layer in &schnet.readout {
        let next = product(layer, &h, true);
        h = act(schnet.activation, &next);
        inputs.push(next);
    }
    let mut gradient = vec![1.0; n_types];
    for (l, layer) in schnet.readout.iter().enumerate().rev() {
        gradient = product(&transposed(layer), &gradient, false);
        if let Some(before) = l.checked_sub(1) {
            gradient = times_slope(schnet.activation, gradient, &inputs[before]);
        }
    }
    let blocks = schnet.interactions.iter().zip(kept).enumerate().rev();
    let sizes = blocks.map(|(b, (block, (filters, z)))| {
        let of_activated = product(&transposed(&block.lin), &gradient, false);
        let of_z = times_slope(schnet.activation_of(b), of_activated, &z);
        let of_m = product(&transposed(&block.lin2), &of_z, false);
        let of_y = convolve(&filters, &of_m);
        add(&mut gradient, product(&transposed(&block.lin1), &of_y, false));
        largest(of_m.iter().map(|x| x.abs()))
    });
    sizes.collect()
}

/// Wᵀ without a bias.
fn transposed(layer: &Linear) -> Linear {
    let Linear { n_in, n_out, weight, .. } = layer;
    let column = |k: usize| (0..*n_out).map(move |o| weight[o * n_in + k]);
    let weight = (0..*n_in).flat_map(column).collect();
    Linear { n_in: *n_out, n_out: *n_in, weight, bias: None }
}
