//! The formats in which a network is stored on a device. They are decided here alone; the network's
//! kernels and `info --precision` read the decision.

use super::device::Device;
use crate::engine::{Filter, Numerics, Precision};
use crate::model::schnet::{Linear, SchNet};

/// Formats and arithmetic of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Storage {
    pub(crate) filters: Filters,
    /// The format of filter tables and of the features that the backward pass gathers.
    pub(crate) features: Features,
    pub(crate) layers: Layers,
    /// The matrix products of tensor cores are done by loops.
    pub(crate) emulated: bool,
}

/// How filters are evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filters {
    /// By the filter networks in f32, for every edge.
    Exact,
    /// By the filter networks on tensor cores, with f16 operands.
    Matrices,
    /// From tables of cubics.
    Table,
}

/// The format of features and filter tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Features {
    F32,
    /// f16 in memory; products in f32.
    Half,
    /// f16 in memory and in products.
    F16,
}

/// The format of the weights of linear layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layers {
    F32,
    /// Normalised 16-bit integers with a scale factor for each output.
    Snorm,
    /// For tensor cores: each weight is the sum of two f16.
    F16Pair,
}

/// The optional hardware of a device that storage depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hardware {
    f16: bool,
    matrices: bool,
}

/// With so few channels products are in f32: a force is a sum over the channels, in which too few
/// rounding errors of f16 cancel. The 16 channels of `verify tests/data/torchmd --precision mixed`
/// had an error of 1.8e-3 with products in f16, and have 6.8e-4.
const FEW_CHANNELS: usize = 32;
/// The widest linear layer that runs on tensor cores, channels.
const MOST_CHANNELS: usize = 128;
/// The widest layer of a filter network that runs on tensor cores, in matrices of 16 channels. It
/// is half the number of subgroups of a workgroup.
const MOST_MATRICES: usize = 8;

impl Storage {
    /// The storage on a device.
    pub(crate) fn on(device: &Device, schnet: &SchNet, numerics: Numerics) -> Self {
        let matrices = device.has_matrices() || device.emulates_matrices;
        let hardware = Hardware { f16: device.has_f16(), matrices };
        let emulated = device.emulates_matrices && !device.has_matrices();
        Storage { emulated, ..Storage::with(hardware, schnet, numerics) }
    }

    /// The storage on a device with all optional hardware.
    pub(crate) fn at_best(schnet: &SchNet, numerics: Numerics) -> Self {
        Storage::with(Hardware { f16: true, matrices: true }, schnet, numerics)
    }

    fn with(hardware: Hardware, schnet: &SchNet, numerics: Numerics) -> Self {
        let mixed = numerics.precision == Precision::Mixed;
        let filter_matrices = schnet.n_filters().max(schnet.radial_basis.n_rbf()).div_ceil(16);
        // With filters on tensor cores, the forces of TorchMD's published network had an rms error
        // of 3.2e-3 (`verify` of the case cln_multiprotein with CUDA). The bound is 1e-3.
        let on_matrices = mixed
            && hardware.matrices
            && filter_matrices <= MOST_MATRICES
            && !schnet.has_filter1_bias();
        let filters = match numerics.filter {
            Filter::Table { .. } => Filters::Table,
            Filter::Exact if on_matrices => Filters::Matrices,
            Filter::Exact => Filters::Exact,
        };
        // The kernels of exact filters gather features in f32.
        let features = match (filters, mixed, hardware.f16) {
            (Filters::Table, true, true) if schnet.n_filters() > FEW_CHANNELS => Features::F16,
            (Filters::Table, true, _) => Features::Half,
            _ => Features::F32,
        };
        let layers = match (hardware.matrices && widest(schnet) <= MOST_CHANNELS, mixed) {
            (true, _) => Layers::F16Pair,
            (false, false) => Layers::F32,
            (false, true) => Layers::Snorm,
        };
        Storage { filters, features, layers, emulated: false }.holding(schnet)
    }

    /// The storage, with layers in f32 if the other formats do not hold the weights.
    pub(super) fn holding(self, schnet: &SchNet) -> Self {
        let holds = match self.layers {
            Layers::F32 => true,
            Layers::Snorm => integers_hold(schnet),
            Layers::F16Pair => pairs_hold(schnet),
        };
        if holds { self } else { Storage { layers: Layers::F32, ..self } }
    }
}

/// Weights share a scale factor with those of the same output, or of the same input in the backward
/// pass. Sizes of channels may differ by this factor, so that the weights of the smallest channel
/// keep errors of 2^-8 of its size and less. In the trained chignolin model they differ by a factor
/// of up to 4.6.
const MOST_RATIO_OF_INTEGERS: f64 = 256.0;

/// Whether normalised 16-bit integers hold the layers. A single output has no other channel to
/// balance.
fn integers_hold(schnet: &SchNet) -> bool {
    let of_blocks = schnet.interactions.iter().flat_map(|of| [&of.lin1, &of.lin2, &of.lin]);
    let several = schnet.readout.iter().filter(|layer| layer.n_out > 1);
    of_blocks.chain(several).all(|layer| {
        let sizes = sizes(layer);
        let (outputs, inputs) = sizes.split_at(layer.n_out);
        ratio(outputs).max(ratio(inputs)) <= MOST_RATIO_OF_INTEGERS
    })
}

/// Layers of one kernel share a power of two, so their channels may differ by this factor. The
/// smallest f16 is 2^39 times smaller than the largest weight, so the weights of the smallest
/// channel keep errors of 2^-16 and less.
const MOST_RATIO_OF_PAIRS: f64 = 16_777_216.0;

/// Whether pairs of f16 hold the layers of every kernel: those between two convolutions, and those
/// after the last one.
fn pairs_hold(schnet: &SchNet) -> bool {
    let blocks = &schnet.interactions;
    blocks.iter().enumerate().all(|(b, block)| {
        let next = blocks.get(b + 1).map(|next| &next.lin1);
        let readout = if next.is_none() { &schnet.readout[..] } else { &[] };
        let layers = [&block.lin2, &block.lin].into_iter().chain(next).chain(readout);
        ratio(&layers.flat_map(sizes).collect::<Vec<_>>()) <= MOST_RATIO_OF_PAIRS
    })
}

/// The ratio of the largest size to the smallest one that is not 0.
fn ratio(sizes: &[f64]) -> f64 {
    let some = sizes.iter().filter(|size| **size > 0.0);
    let [least, most] = some.fold([f64::INFINITY, 0.0_f64], |[a, b], x| [a.min(*x), b.max(*x)]);
    if most == 0.0 { 1.0 } else { most / least }
}

/// The largest weight of each output, then of each input, of a layer.
fn sizes(layer: &Linear) -> Vec<f64> {
    let mut sizes = vec![0.0_f64; layer.n_out + layer.n_in];
    for (at, weight) in layer.weight.iter().enumerate() {
        for channel in [at / layer.n_in, layer.n_out + at % layer.n_in] {
            sizes[channel] = sizes[channel].max(weight.abs());
        }
    }
    sizes
}

/// The number of channels of the widest linear layer.
pub(super) fn widest(schnet: &SchNet) -> usize {
    let readout = schnet.readout.iter().map(|layer| layer.n_out).max().unwrap_or(1);
    readout.max(schnet.n_hidden).max(schnet.n_filters())
}

impl Features {
    /// The 32-bit words of four channels.
    pub(super) fn words(self) -> usize {
        if self == Features::F32 { 4 } else { 2 }
    }
}
