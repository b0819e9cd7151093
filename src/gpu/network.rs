//! The network on the device: weights, activations, and the list of dispatches of a force
//! evaluation.

use std::sync::Arc;

use super::buffer::Buffer;
use super::device::Device;
use super::kernel::{Dispatch, Kernel};
use super::params::{Bead, Params};
use super::wgsl::{Constants, Value};
use crate::engine::Filter;
use crate::error::{Error, Result};
use crate::model::FilterTable;
use crate::model::radial::Envelope;
use crate::model::schnet::{Activation, Interaction, Linear, SchNet};
use crate::ops::Dense;

/// Narrows to f32.
pub(super) fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

/// The columns of W, `[n_in, n_out]`.
fn columns(layer: &Linear) -> Vec<f32> {
    let mut columns = vec![0.0; layer.weight.len()];
    for o in 0..layer.n_out {
        for k in 0..layer.n_in {
            columns[k * layer.n_out + o] = layer.weight[o * layer.n_in + k] as f32;
        }
    }
    columns
}

/// Constants of lib/activation.wgsl.
fn activation_constants(activation: Activation) -> Constants {
    let (kind, shift) = match activation {
        Activation::Tanh => (0, 0.0),
        Activation::Silu => (1, 0.0),
        Activation::ShiftedSoftplus { shift } => (2, shift),
    };
    vec![("ACTIVATION", Value::Count(kind)), ("ACTIVATION_SHIFT", Value::Real(shift))]
}

/// Constants of lib/radial.wgsl.
pub(super) fn radial_constants(
    basis: &crate::model::RadialBasis,
    conv: &crate::model::Cutoff,
) -> Constants {
    let (basis_envelope, conv): (Envelope, Envelope) = (basis.cutoff.envelope(), conv.envelope());
    let warp = basis.form().warp;
    let (alpha, lower) = warp.unwrap_or((0.0, 0.0));
    vec![
        ("BASIS_LOW", Value::Real(basis_envelope.low)),
        ("BASIS_START", Value::Real(basis_envelope.start)),
        ("BASIS_END", Value::Real(basis_envelope.end)),
        ("BASIS_RATE", Value::Real(basis_envelope.rate)),
        ("BASIS_PHASE", Value::Real(basis_envelope.phase)),
        ("CONV_LOW", Value::Real(conv.low)),
        ("CONV_START", Value::Real(conv.start)),
        ("CONV_END", Value::Real(conv.end)),
        ("CONV_RATE", Value::Real(conv.rate)),
        ("CONV_PHASE", Value::Real(conv.phase)),
        ("RADIUS", Value::Real(basis.cutoff.upper())),
        ("WARPED", Value::Flag(warp.is_some())),
        ("WARP_ALPHA", Value::Real(alpha)),
        ("WARP_LOWER", Value::Real(lower)),
    ]
}

/// (center, sharpness) of every radial function.
pub(super) fn radial_functions(basis: &crate::model::RadialBasis) -> Vec<f32> {
    let form = basis.form();
    form.center.iter().zip(&form.sharpness).flat_map(|(c, s)| [*c as f32, *s as f32]).collect()
}

/// Invocations and channels of each for `n` channels: whole subgroups, two channels where there
/// are enough, and a power of two for the tree sums.
fn workgroup_for(n: usize) -> (u32, u32) {
    let workgroup = n.div_ceil(2).next_power_of_two().clamp(32, 256);
    (workgroup as u32, n.div_ceil(workgroup) as u32)
}

/// A kernel of the family `dense`.
pub(super) fn dense_kernel(device: &Device, layer: &Linear, mode: &Dense) -> Result<Arc<Kernel>> {
    Kernel::new(device, "dense", &dense_constants(layer, mode))
}

/// Constants of dense.wgsl.
pub(super) fn dense_constants(layer: &Linear, mode: &Dense) -> Constants {
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

/// Rows of a dense tile.
const DENSE_ROWS: usize = 16;

/// A linear layer on the device, both ways.
#[derive(Debug)]
pub(super) struct DenseWeights {
    columns: Buffer<f32>,
    rows: Buffer<f32>,
    bias: Buffer<f32>,
}

impl DenseWeights {
    pub(super) fn new(device: &Device, layer: &Linear) -> Result<Self> {
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

    /// One application to every bead. `pre` is the layer's own input before its activation, where
    /// the mode asks for a slope.
    #[allow(clippy::too_many_arguments, reason = "a kernel's bindings, in order")]
    pub(super) fn apply(
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
        let out_tile = if n_out > 64 { 128 } else { kernel.workgroup as usize };
        let groups = n_beads.div_ceil(DENSE_ROWS) * n_out.div_ceil(out_tile);
        // A binding the mode does not read takes any buffer that is not written.
        let pre = pre.unwrap_or(&self.bias);
        let dispatch = kernel.bind(device, &[params, weight, &self.bias, x, pre, out], groups)?;
        let (n_in, tiles) = (layer.n_in + layer.n_out - n_out, n_beads.div_ceil(DENSE_ROWS));
        let floats = n_beads * (n_in + n_out) + tiles * n_in * n_out;
        Ok(dispatch.working(4 * floats as u64, (2 * n_beads * n_in * n_out) as u64))
    }
}

/// Constants of cfconv_forward.wgsl or cfconv_backward.wgsl: the largest tile of edges whose basis
/// and hidden layer fit into workgroup memory.
fn cfconv_constants(schnet: &SchNet, backward: bool, workgroup_bytes: u32) -> Result<Constants> {
    let (n_filters, n_rbf) = (schnet.n_filters(), schnet.radial_basis.n_rbf());
    let (workgroup, channels) = workgroup_for(n_filters);
    let values = if backward { 2 } else { 1 };
    let bytes = |quads: usize| {
        let per_edge = if backward { 48 } else { 24 };
        let tree = if backward { 16 * workgroup as usize } else { 0 };
        (n_rbf + n_filters) * values * quads * 16 + 4 * quads * per_edge + tree + 64
    };
    let most = if backward { 2 } else { 4 };
    let quads = (0..=2).map(|k| most >> k).find(|quads| {
        *quads > 0 && bytes(*quads) <= workgroup_bytes as usize && 4 * quads <= workgroup as usize
    });
    let Some(quads) = quads else {
        return Err(Error::unsupported(
            format!("{n_filters} filters and {n_rbf} radial functions on this adapter"),
            format!(
                "a tile of 4 edges needs {} bytes of workgroup memory and {workgroup_bytes} are \
                 there; use --backend cpu",
                bytes(1)
            ),
        ));
    };
    let mut constants = radial_constants(&schnet.radial_basis, &schnet.cutoff);
    constants.extend(activation_constants(schnet.activation));
    constants.extend([
        ("WORKGROUP", Value::Count(workgroup)),
        ("N_FILTERS", Value::Count(n_filters as u32)),
        ("N_RBF", Value::Count(n_rbf as u32)),
        ("QUADS", Value::Count(quads as u32)),
        ("TILE", Value::Count(4 * quads as u32)),
        ("CHANNELS", Value::Count(channels)),
    ]);
    Ok(constants)
}

/// A filter network as cfconv reads it: columns of filter0, its bias, columns of filter1, and the
/// radial functions.
fn filter_weights(schnet: &SchNet, block: &Interaction) -> Vec<f32> {
    let mut weights = columns(&block.filter0);
    weights.extend(narrow(block.filter0.bias.as_deref().unwrap_or(&[])));
    weights.extend(columns(&block.filter1));
    weights.extend(radial_functions(&schnet.radial_basis));
    weights
}

/// How the filters of a network are evaluated on the device.
#[derive(Debug)]
pub(super) enum Filters {
    /// By their networks, for every edge.
    Exact,
    /// From tables.
    Table(FilterTable),
}

impl Filters {
    pub(super) fn new(schnet: &SchNet, filter: Filter) -> Result<Self> {
        let Filter::Table { tolerance } = filter else { return Ok(Filters::Exact) };
        let table = FilterTable::new(schnet, tolerance)?;
        log::info!(
            "filter tables: {} intervals, errors {:.1e} of the largest value and {:.1e} of the \
             largest slope",
            table.n_intervals(),
            table.value_error,
            table.slope_error
        );
        Ok(Filters::Table(table))
    }

    /// The kernels forward and backward.
    pub(super) fn kernels(&self, device: &Device, schnet: &SchNet) -> Result<[Arc<Kernel>; 2]> {
        let memory = device.device.limits().max_compute_workgroup_storage_size;
        let exact = |backward| cfconv_constants(schnet, backward, memory);
        Ok(match self {
            Filters::Exact => [
                Kernel::new(device, "cfconv_forward", &exact(false)?)?,
                Kernel::new(device, "cfconv_backward", &exact(true)?)?,
            ],
            Filters::Table(table) => {
                let constants = table_constants(schnet, table);
                ["cfconv_forward_table", "cfconv_backward_table"]
                    .map(|name| Kernel::new(device, name, &constants))
                    .into_iter()
                    .collect::<Result<Vec<_>>>()?
                    .try_into()
                    .expect("two kernels")
            }
        })
    }

    /// Bytes and operations of an edge, forward and backward. What a tile of edges shares, the
    /// weights of the filter networks above all, is not among the bytes.
    fn work_per_edge(&self, schnet: &SchNet) -> [[u64; 2]; 2] {
        let (filters, n_rbf) = (schnet.n_filters() as u64, schnet.radial_basis.n_rbf() as u64);
        let layers = 2 * (n_rbf + filters);
        // Of a channel: the features gathered and the coefficients, the value and the sums.
        match self {
            Filters::Exact => [[4, layers + 3], [8, 2 * layers + 15]],
            Filters::Table(_) => [[20, 8], [24, 26]],
        }
        .map(|of_channel| of_channel.map(|work| work * filters))
    }

    /// What the kernels read of block `b`.
    pub(super) fn weights(&self, schnet: &SchNet, b: usize) -> Vec<f32> {
        match self {
            Filters::Exact => filter_weights(schnet, &schnet.interactions[b]),
            Filters::Table(table) => table_weights(table, b),
        }
    }
}

/// Constants of the kernels with tables: an invocation per channel where there are enough.
fn table_constants(schnet: &SchNet, table: &FilterTable) -> Constants {
    let n_filters = schnet.n_filters();
    let workgroup = n_filters.next_power_of_two().clamp(32, 256);
    vec![
        ("WORKGROUP", Value::Count(workgroup as u32)),
        ("CHANNELS", Value::Count(n_filters.div_ceil(workgroup) as u32)),
        ("N_FILTERS", Value::Count(n_filters as u32)),
        ("SEGMENTS", Value::Count(table.segments.len() as u32)),
        ("RADIUS", Value::Real(schnet.neighbor_radius())),
    ]
}

/// Segments, then the coefficients of a block, as lib/filter_table.wgsl reads them.
fn table_weights(table: &FilterTable, b: usize) -> Vec<f32> {
    let segments = table.segments.iter().flat_map(|segment| {
        let last = segment.first + segment.n_intervals - 1;
        [segment.start as f32, segment.rate as f32, segment.first as f32, last as f32]
    });
    let coefficients = table.coefficients[b].iter().flatten().map(|c| *c as f32);
    segments.chain(coefficients).collect()
}

/// Where the network meets the rest of the engine.
pub(super) struct Surroundings<'a> {
    pub(super) params: &'a Buffer<Params>,
    pub(super) bead: &'a Buffer<Bead>,
    pub(super) position: &'a Buffer<[f32; 4]>,
    pub(super) row: &'a Buffer<[u32; 2]>,
    pub(super) col: &'a Buffer<u32>,
    pub(super) force: &'a Buffer<[f32; 4]>,
    pub(super) bead_energy: &'a Buffer<f32>,
}

/// A block's weights, and what its backward pass needs again.
#[derive(Debug)]
struct Block {
    filter: Buffer<f32>,
    lin1: DenseWeights,
    lin2: DenseWeights,
    lin: DenseWeights,
    y: Buffer<f32>,
    z: Buffer<f32>,
}

/// Weights and activations.
#[derive(Debug)]
pub(super) struct Network {
    filters: Filters,
    embedding: Buffer<f32>,
    blocks: Vec<Block>,
    readout: Vec<DenseWeights>,
    h: Buffer<f32>,
    /// Messages forward, their gradient backward.
    m: Buffer<f32>,
    grad_y: Buffer<f32>,
    /// Inputs of the readout's layers after the first, then their gradients in place of `h`'s.
    hidden: Vec<Buffer<f32>>,
    grad_hidden: Vec<Buffer<f32>>,
    grad_h: Buffer<f32>,
    grad_z: Buffer<f32>,
    ones: Buffer<f32>,
}

impl Network {
    pub(super) fn new(
        device: &Device,
        schnet: &SchNet,
        filter: Filter,
        n_beads: usize,
    ) -> Result<Self> {
        let filters = Filters::new(schnet, filter)?;
        let (n_hidden, n_filters) = (schnet.n_hidden, schnet.n_filters());
        let rows = |label, width: usize| Buffer::zeroed(device, label, n_beads * width);
        let block = |(b, block): (usize, &Interaction)| {
            Ok(Block {
                filter: Buffer::from_slice(device, "filter", &filters.weights(schnet, b))?,
                lin1: DenseWeights::new(device, &block.lin1)?,
                lin2: DenseWeights::new(device, &block.lin2)?,
                lin: DenseWeights::new(device, &block.lin)?,
                y: rows("y", n_filters)?,
                z: rows("z", n_hidden)?,
            })
        };
        let inner = &schnet.readout[..schnet.readout.len() - 1];
        let widths = || inner.iter().map(|layer| rows("hidden", layer.n_out));
        Ok(Network {
            embedding: Buffer::from_slice(device, "embedding", &narrow(&schnet.embedding))?,
            blocks: schnet.interactions.iter().enumerate().map(block).collect::<Result<_>>()?,
            readout: schnet
                .readout
                .iter()
                .map(|layer| DenseWeights::new(device, layer))
                .collect::<Result<_>>()?,
            h: rows("h", n_hidden)?,
            m: rows("m", n_filters)?,
            grad_y: rows("grad_y", n_filters)?,
            hidden: widths().collect::<Result<_>>()?,
            grad_hidden: widths().collect::<Result<_>>()?,
            grad_h: rows("grad_h", n_hidden)?,
            grad_z: rows("grad_z", n_hidden)?,
            ones: Buffer::from_slice(device, "ones", &vec![1.0; n_beads])?,
            filters,
        })
    }

    /// Energy of every bead, then the force on it, added to what is there: the network read top
    /// to bottom, then bottom to top.
    pub(super) fn dispatches(
        &self,
        device: &Device,
        schnet: &SchNet,
        around: &Surroundings,
    ) -> Result<[Vec<Dispatch>; 2]> {
        let (n, act) = (around.position.len, schnet.activation);
        let Surroundings { params, bead, position, row, col, force, bead_energy } = *around;
        let [forward, backward] = self.filters.kernels(device, schnet)?;
        let [forward_work, backward_work] = self.filters.work_per_edge(schnet);
        let dense = |weights: &DenseWeights, layer: &Linear, mode, x, pre, out| {
            weights.apply(device, layer, mode, params, n, x, pre, out)
        };
        let blocks = || self.blocks.iter().zip(&schnet.interactions);
        let mut list = Vec::new();

        let n_hidden = Value::Count(schnet.n_hidden as u32);
        let embedding = Kernel::new(device, "embedding", &[("N_HIDDEN", n_hidden)])?;
        let groups = embedding.groups_for(n * schnet.n_hidden);
        list.push(embedding.bind(device, &[params, bead, &self.embedding, &self.h], groups)?);
        for (b, layers) in blocks() {
            let buffers: [&dyn super::kernel::Bindable; 7] =
                [params, row, col, position, &b.y, &b.filter, &self.m];
            list.push(dense(&b.lin1, &layers.lin1, Dense::Linear, &self.h, None, &b.y)?);
            let [bytes, flops] = forward_work;
            list.push(forward.bind(device, &buffers, n)?.working_per_edge(bytes, flops));
            list.push(dense(&b.lin2, &layers.lin2, Dense::Linear, &self.m, None, &b.z)?);
            let mode = Dense::ActivateAdd(act, &[]);
            list.push(dense(&b.lin, &layers.lin, mode, &b.z, None, &self.h)?);
        }
        let last = schnet.readout.len() - 1;
        for (l, (weights, layer)) in self.readout.iter().zip(&schnet.readout).enumerate() {
            let (x, mode) = match l {
                0 => (&self.h, Dense::Linear),
                _ => (&self.hidden[l - 1], Dense::Activate(act)),
            };
            let out = if l == last { bead_energy } else { &self.hidden[l] };
            list.push(dense(weights, layer, mode, x, None, out)?);
        }

        let energies = std::mem::take(&mut list);
        for (l, (weights, layer)) in self.readout.iter().zip(&schnet.readout).enumerate().rev() {
            let x = if l == last { &self.ones } else { &self.grad_hidden[l] };
            list.push(match l {
                0 => dense(weights, layer, Dense::Transposed, x, None, &self.grad_h)?,
                _ => {
                    let (pre, out) = (Some(&self.hidden[l - 1]), &self.grad_hidden[l - 1]);
                    dense(weights, layer, Dense::TransposedSlope(act, &[]), x, pre, out)?
                }
            });
        }
        for (number, (b, layers)) in blocks().enumerate().rev() {
            let mode = Dense::TransposedSlope(act, &[]);
            list.push(dense(&b.lin, &layers.lin, mode, &self.grad_h, Some(&b.z), &self.grad_z)?);
            list.push(dense(
                &b.lin2,
                &layers.lin2,
                Dense::Transposed,
                &self.grad_z,
                None,
                &self.m,
            )?);
            let buffers: [&dyn super::kernel::Bindable; 9] =
                [params, row, col, position, &b.y, &self.m, &b.filter, &self.grad_y, force];
            let [bytes, flops] = backward_work;
            list.push(backward.bind(device, &buffers, n)?.working_per_edge(bytes, flops));
            // The features before the first block do not depend on the positions.
            if number > 0 {
                let mode = Dense::TransposedAdd(&[]);
                list.push(dense(&b.lin1, &layers.lin1, mode, &self.grad_y, None, &self.grad_h)?);
            }
        }
        Ok([energies, list])
    }
}
