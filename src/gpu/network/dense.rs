//! One linear layer as a kernel of its own, for tests and ablation. The steps use fused layers.

use super::super::buffer::Buffer;
use super::super::compose::{Constants, Value};
use super::super::device::Device;
use super::super::kernel::{Dispatch, Kernel, Scope};
use super::super::pack::{columns, narrow};
use super::super::params::Params;
use super::super::tuning::DENSE_ROWS;
use super::constants::activation_constants;
use crate::error::Result;
use crate::model::schnet::{Activation, Linear};
use crate::ops::Dense;

/// The kernel `dense` for a layer and a mode.
fn dense_kernel(device: &Device, layer: &Linear, mode: &Dense) -> Result<Kernel> {
    Kernel::new(device, "dense", &dense_constants(layer, mode))
}

/// Constants of dense.wgsl.
fn dense_constants(layer: &Linear, mode: &Dense) -> Constants {
    let (forward, activate, output, activation) = match *mode {
        Dense::Linear => (true, false, 0, Activation::Tanh),
        Dense::Activate(activation) => (true, true, 0, activation),
        Dense::ActivateAdd(activation, _) => (true, true, 1, activation),
        Dense::Transposed => (false, false, 0, Activation::Tanh),
        Dense::TransposedAdd(_) => (false, false, 1, Activation::Tanh),
        Dense::TransposedSlope(activation, _) => (false, false, 2, activation),
    };
    let (n_in, n_out) = if forward { (layer.n_in, layer.n_out) } else { (layer.n_out, layer.n_in) };
    let workgroup = if n_out > 32 { 64 } else { 32 };
    let channels = if n_out > 64 { 2 } else { 1 };
    let out_tile = workgroup * channels;
    let mut constants = activation_constants(activation);
    constants.extend([
        ("WORKGROUP", Value::Count(workgroup)),
        ("N_IN", Value::Count(n_in as u32)),
        ("N_OUT", Value::Count(n_out as u32)),
        ("ACTIVATE_INPUT", Value::Flag(activate)),
        ("HAS_BIAS", Value::Flag(forward && layer.bias.is_some())),
        ("OUTPUT", Value::Count(output)),
        ("CHANNELS", Value::Count(channels)),
        ("OUT_TILE", Value::Count(out_tile)),
        ("OUT_TILES", Value::Count((n_out as u32).div_ceil(out_tile))),
    ]);
    constants
}

/// The weights of a linear layer on the device, for both directions.
#[derive(Debug)]
pub(in crate::gpu) struct DenseWeights {
    /// `[n_in, n_out]`, for the layer.
    columns: Buffer<f32>,
    /// `[n_out, n_in]`, for its transpose.
    rows: Buffer<f32>,
    bias: Buffer<f32>,
}

impl DenseWeights {
    pub(in crate::gpu) fn new(device: &Device, layer: &Linear) -> Result<Self> {
        Ok(DenseWeights {
            columns: Buffer::from_slice(device, "weights", &columns(layer))?,
            rows: Buffer::from_slice(device, "weights", &narrow(&layer.weight))?,
            bias: Buffer::from_slice(
                device,
                "bias",
                &narrow(layer.bias.as_deref().unwrap_or(&[])),
            )?,
        })
    }

    /// Applies the layer to the row of each bead. `pre` has the pre-activations for a mode that
    /// needs the slope of the activation.
    #[allow(clippy::too_many_arguments, reason = "a kernel's bindings, in order")]
    pub(in crate::gpu) fn apply(
        &self,
        device: &Device,
        layer: &Linear,
        mode: Dense,
        params: &Buffer<Params>,
        n_beads: usize,
        x: &Buffer<f32>,
        pre: Option<&Buffer<f32>>,
        out: &Buffer<f32>,
    ) -> Result<Dispatch> {
        let kernel = dense_kernel(device, layer, &mode)?;
        let forward = matches!(mode, Dense::Linear | Dense::Activate(_) | Dense::ActivateAdd(..));
        let weight = if forward { &self.columns } else { &self.rows };
        let n_out = if forward { layer.n_out } else { layer.n_in };
        let out_tile = if n_out > 64 { 128 } else { kernel.workgroup() };
        let groups = n_beads.div_ceil(DENSE_ROWS) * n_out.div_ceil(out_tile);
        // A mode that does not read `pre` still binds it: any buffer will do that is not written.
        let pre = pre.unwrap_or(&self.bias);
        let scope = Scope::new(&[
            ("params", params),
            ("weight", weight),
            ("bias", &self.bias),
            ("x", x),
            ("pre", pre),
            ("out", out),
        ]);
        let dispatch = kernel.bind(device, &scope, groups)?;
        let (n_in, tiles) = (layer.n_in + layer.n_out - n_out, n_beads.div_ceil(DENSE_ROWS));
        let floats = n_beads * (n_in + n_out) + tiles * n_in * n_out;
        Ok(dispatch.working(4 * floats as u64, (2 * n_beads * n_in * n_out) as u64))
    }
}
