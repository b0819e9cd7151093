//! The filter networks on matrix units.

use std::f64::consts::{E, FRAC_PI_2};

use super::buffer::Buffer;
use super::cfconv::{radial_constants, radial_functions};
use super::device::Device;
use super::network::{self, activation_constants, by_inputs, by_matrices, narrow, split};
use super::wgsl::{Constants, Value};
use crate::engine::Precision;
use crate::model::schnet::{Interaction, Linear, SchNet};

/// The filter networks on matrix units, whose kernels have these numbers for each block beside the
/// weights: 1 / the powers of two in the weights, the biases, and the radial functions.
#[derive(Debug)]
pub(super) struct Units {
    pub(super) numbers: Vec<Buffer<f32>>,
    pub(super) emulated: bool,
}

/// The widest layer of a filter network on matrix units, in matrices.
const MOST_MATRICES: usize = 8;

/// Subgroups of a workgroup on matrix units. Of the columns of a layer each holds its part in
/// registers.
pub(super) const SUBGROUPS: usize = 8;

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
        precision == Precision::Mixed
            && (device.matrices || device.emulates_matrices)
            && filters_suit_units(schnet)
    }

    /// Constants of a kernel that takes so many edges at a time, and the rows of a workgroup: it loads
    /// the weights once, so several where there are enough for all of a device.
    pub(super) fn constants(
        &self,
        schnet: &SchNet,
        n_beads: usize,
        tile: usize,
    ) -> (Constants, usize) {
        let rows = (n_beads / 2048).clamp(1, 4);
        let functions = matrices(schnet.radial_basis.n_rbf());
        let mut constants = radial_constants(&schnet.radial_basis, &schnet.cutoff);
        constants.extend(activation_constants(schnet.activation));
        constants.extend([
            ("WORKGROUP", Value::Count(32 * SUBGROUPS as u32)),
            ("ROWS", Value::Count(rows as u32)),
            ("PER_LANE", Value::Count((tile / SUBGROUPS) as u32)),
            ("HELD", Value::Count((MOST_MATRICES / SUBGROUPS) as u32)),
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

/// The weights of a layer as lib/matrix.wgsl reads them, times a power of two that takes the largest
/// to 2^14 or somewhat more: matrices of 16 x 16, each column by column. Also 1 / that power.
fn matrices_of(layer: &Linear) -> (Vec<u16>, f64) {
    let (block, width) = by_inputs(layer, false, 16);
    let (mut halves, scale) = split(&by_matrices(&block, width));
    // The higher parts alone.
    halves.truncate(block.len());
    (halves, scale.recip())
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
    let (mut halves, first) = matrices_of(&block.filter0);
    let (more, second) = matrices_of(&block.filter1);
    halves.extend(more);
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
