//! The formats in which a network is stored on a device. They are decided here alone; the network's
//! kernels and `info --precision` read the decision.

use super::device::Device;
use crate::engine::{Filter, Numerics, Precision};
use crate::model::schnet::SchNet;

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
        let filters = match numerics.filter {
            Filter::Table { .. } => Filters::Table,
            Filter::Exact if mixed && hardware.matrices && filter_matrices <= MOST_MATRICES => {
                Filters::Matrices
            }
            Filter::Exact => Filters::Exact,
        };
        // The kernels of exact filters gather features in f32.
        let features = match (filters, mixed, hardware.f16) {
            (Filters::Table, true, true) => Features::F16,
            (Filters::Table, true, false) => Features::Half,
            _ => Features::F32,
        };
        let layers = match (hardware.matrices && widest(schnet) <= MOST_CHANNELS, mixed) {
            (true, _) => Layers::F16Pair,
            (false, false) => Layers::F32,
            (false, true) => Layers::Snorm,
        };
        Storage { filters, features, layers, emulated: false }
    }
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
