//! Continuous-filter convolutions on the device: filters as weights or tables, and their kernels.

use std::sync::Arc;

use super::buffer::Buffer;
use super::device::Device;
use super::kernel::{Bindable, Dispatch, Kernel};
use super::network::{self, activation_constants, columns, narrow};
use super::params::{Bead, Params};
use super::stored::Stored;
use super::table::{self, coefficients, half_coefficients};
use super::units::{Units, matrix_weights};
use super::wgsl::{Constants, Value};
use crate::engine::Numerics;
use crate::error::{Error, Result};
use crate::model::radial::Envelope;
use crate::model::schnet::{Interaction, SchNet};

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
        ("STRIDE", Value::Count(4 * network::quads(n_filters))),
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

/// Constants of lib/row.wgsl, and the rows of a workgroup. Few rows are shared by as many groups of
/// invocations as a row has segments; many rows by fewer in f32, with more rows to a workgroup, for
/// they have senders in common.
fn row_constants(
    device: &Device,
    schnet: &SchNet,
    stored: Stored,
    n_beads: usize,
) -> (Constants, usize) {
    let quads = network::quads(schnet.n_filters());
    let most = device.most_invocations();
    let (split, workgroup) = match stored {
        _ if n_beads < 8192 => (8, 256),
        Stored::F32 => (4, most.min(512)),
        _ => (4, 128),
    };
    // A group looks up as many edges at a time as it has lanes: some, even of few channels.
    let lanes = quads.next_power_of_two().clamp(4, 32);
    let constants = vec![
        ("WORKGROUP", Value::Count(workgroup)),
        ("LANES", Value::Count(lanes)),
        ("SPLIT", Value::Count(split)),
        ("QUADS", Value::Count(quads)),
    ];
    (constants, (workgroup / lanes / split) as usize)
}

/// How the filters of a network are evaluated on the device.
#[derive(Debug)]
enum Filters {
    /// By their networks, for every edge.
    Exact,
    /// The same on matrix units, in 16 bits.
    Matrix(Units),
    /// From tables.
    Table(Places),
}

/// Where every edge stands in the tables.
#[derive(Debug)]
struct Places {
    n_stretches: usize,
    n_intervals: usize,
    bead_bits: u32,
    /// Of channels, in an interval.
    quads: u32,
    exponent: i32,
    /// Of t, Å.
    unit: f64,
    head: Buffer<f32>,
    edge: Buffer<[u32; 2]>,
    reach: Buffer<[u32; 4]>,
}

impl Places {
    /// Constants of the kernels that read tables.
    fn constants(&self, stored: Stored) -> Constants {
        let mut constants = stored.files();
        let rows = if stored == Stored::F32 { 3 } else { 2 };
        constants.push(("TABLE_STRIDE", Value::Count(rows * self.quads)));
        constants.push(("BEAD_BITS", Value::Count(self.bead_bits)));
        constants.push(("NOTHING", Value::Count(self.n_intervals as u32)));
        if stored == Stored::F32 {
            constants.push(("HIGHER", table::higher(self.exponent)));
        } else {
            constants.push(("UNIT", Value::Real(self.unit)));
        }
        constants
    }
}

/// The convolutions of all blocks.
#[derive(Debug)]
pub(super) struct Convolutions {
    filters: Filters,
    pub(super) stored: Stored,
    /// Of each block, the powers of two that filters are stored in parts of, and that features
    /// therefore have in them. Empty where filters are stored as they are.
    pub(super) scales: Vec<Vec<f64>>,
    /// Of each block, the bits of weights or coefficients.
    weights: Vec<Buffer<u32>>,
}

/// What convolutions read and write besides features.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) params: &'a Buffer<Params>,
    pub(super) bead: &'a Buffer<Bead>,
    pub(super) position: &'a Buffer<[f32; 4]>,
    pub(super) row: &'a Buffer<[u32; 2]>,
    pub(super) col: &'a Buffer<u32>,
    pub(super) force: &'a Buffer<[f32; 4]>,
}

impl Convolutions {
    /// For replicas of up to `widest` beads and `n_edges` edges altogether.
    pub(super) fn new(
        device: &Device,
        schnet: &SchNet,
        numerics: Numerics,
        n_beads: usize,
        widest: usize,
        n_edges: usize,
    ) -> Result<Self> {
        let stored = Stored::new(device, numerics);
        let table = numerics.filter.table(schnet)?;
        if table.is_none() && Units::suit(device, schnet, numerics.precision) {
            return Convolutions::on_matrix_units(device, schnet);
        }
        let Some(table) = table else {
            let weights = schnet.interactions.iter().map(|block| {
                let bits: Vec<u32> = bytemuck::cast_vec(filter_weights(schnet, block));
                Buffer::from_slice(device, "filter", &bits)
            });
            return Ok(Convolutions {
                filters: Filters::Exact,
                stored,
                scales: Vec::new(),
                weights: weights.collect::<Result<_>>()?,
            });
        };
        let bead_bits = usize::BITS - (widest.max(2) - 1).leading_zeros();
        // One more stands for what is not there.
        if bead_bits >= 32 || table.n_intervals() >= 1 << (32 - bead_bits) {
            let what = format!("{} intervals with {widest} beads", table.n_intervals());
            return Err(Error::unsupported(what, "a larger --table-tolerance, or --filter exact"));
        }
        let exponent = table::exponent(schnet, &table);
        let scales: Vec<Vec<f64>> = match stored {
            Stored::F32 => Vec::new(),
            _ => (0..schnet.interactions.len()).map(|b| table::scales(schnet, &table, b)).collect(),
        };
        let weights = (0..schnet.interactions.len()).map(|b| {
            let words = match scales.get(b) {
                None => coefficients(schnet, &table, b, exponent),
                Some(scales) => half_coefficients(schnet, &table, b, scales),
            };
            Buffer::from_slice(device, "filter", &words)
        });
        Ok(Convolutions {
            weights: weights.collect::<Result<_>>()?,
            stored,
            scales,
            filters: Filters::Table(Places {
                n_stretches: table.stretches.len(),
                n_intervals: table.n_intervals(),
                bead_bits,
                quads: network::quads(schnet.n_filters()),
                exponent,
                unit: if stored == Stored::F32 { 1.0 } else { table::unit(&table) },
                head: Buffer::from_slice(device, "head", &table::head(&table))?,
                edge: Buffer::zeroed(device, "edge", n_edges)?,
                reach: Buffer::zeroed(device, "reach", n_beads)?,
            }),
        })
    }

    fn on_matrix_units(device: &Device, schnet: &SchNet) -> Result<Self> {
        let (mut weights, mut numbers) = (Vec::new(), Vec::new());
        for block in &schnet.interactions {
            let (halves, of_block) = matrix_weights(schnet, block);
            let bits: Vec<u32> = bytemuck::pod_collect_to_vec(&halves);
            weights.push(Buffer::from_slice(device, "filter", &bits)?);
            numbers.push(Buffer::from_slice(device, "numbers", &of_block)?);
        }
        let emulated = !device.matrices;
        let filters = Filters::Matrix(Units { numbers, emulated });
        Ok(Convolutions { filters, stored: Stored::F32, scales: Vec::new(), weights })
    }

    /// Makes room for more edges.
    pub(super) fn grow(&mut self, device: &Device, n_edges: usize) -> Result<()> {
        if let Filters::Table(places) = &mut self.filters {
            places.edge = Buffer::zeroed(device, "edge", 1)?;
            places.edge = Buffer::zeroed(device, "edge", n_edges)?;
        }
        Ok(())
    }

    /// Bytes and operations of an edge, forward and backward. What a tile of edges shares, the
    /// weights of the filter networks above all, is not among the bytes.
    fn work_per_edge(&self, schnet: &SchNet) -> [[u64; 2]; 2] {
        let (filters, n_rbf) = (schnet.n_filters() as u64, schnet.radial_basis.n_rbf() as u64);
        let layers = 2 * (n_rbf + filters);
        // Of a channel: the features gathered and the coefficients, the value and the sums.
        match self.filters {
            Filters::Exact | Filters::Matrix(_) => [[4, layers + 3], [8, 2 * layers + 15]],
            Filters::Table(_) if self.stored == Stored::F32 => [[16, 8], [20, 18]],
            Filters::Table(_) => [[12, 8], [12, 18]],
        }
        .map(|of_channel| of_channel.map(|work| work * filters))
    }

    /// What comes before all convolutions of a step.
    pub(super) fn edges(
        &self,
        device: &Device,
        schnet: &SchNet,
        around: &Surroundings,
    ) -> Result<Option<Dispatch>> {
        let Filters::Table(Places { n_stretches, bead_bits, head, edge, reach, .. }) =
            &self.filters
        else {
            return Ok(None);
        };
        let constants = [
            ("STRETCHES", Value::Count(*n_stretches as u32)),
            ("RADIUS", Value::Real(schnet.neighbor_radius())),
            ("BEAD_BITS", Value::Count(*bead_bits)),
        ];
        let Surroundings { params, bead, position, row, col, .. } = *around;
        let buffers: [&dyn Bindable; 8] = [params, row, col, bead, position, head, edge, reach];
        let kernel = Kernel::new(device, "edges", &constants)?;
        let dispatch = kernel.bind(device, &buffers, position.len)?;
        Ok(Some(dispatch.working_per_edge(4 + 16 + 8, 24)))
    }

    /// Messages of block `b` from its filtered features.
    pub(super) fn forward(
        &self,
        device: &Device,
        schnet: &SchNet,
        b: usize,
        around: &Surroundings,
        y: &Buffer<f32>,
        m: &Buffer<f32>,
    ) -> Result<Dispatch> {
        let (weights, n) = (&self.weights[b], around.position.len);
        let Surroundings { params, position, row, col, .. } = *around;
        let [[bytes, flops], _] = self.work_per_edge(schnet);
        let dispatch = match &self.filters {
            Filters::Exact => {
                let kernel = exact_kernel(device, schnet, false)?;
                kernel.bind(device, &[params, row, col, position, y, weights, m], n)
            }
            Filters::Matrix(units) => {
                let (constants, rows) = units.constants(schnet, n);
                let kernel = Kernel::new(device, "cfconv_forward_matrix", &constants)?;
                let buffers: [&dyn Bindable; 8] =
                    [params, row, col, position, y, weights, &units.numbers[b], m];
                kernel.bind(device, &buffers, n.div_ceil(rows))
            }
            Filters::Table(places) => {
                let (mut constants, rows) = row_constants(device, schnet, self.stored, n);
                constants.extend(places.constants(self.stored));
                let Places { edge, reach, .. } = places;
                let kernel = Kernel::new(device, "cfconv_forward_table", &constants)?;
                let buffers: [&dyn Bindable; 6] = [params, reach, edge, y, weights, m];
                kernel.bind(device, &buffers, n.div_ceil(rows))
            }
        }?;
        Ok(dispatch.working_per_edge(bytes, flops))
    }

    /// Gradient with respect to the filtered features of block `b`, and forces, from the gradient
    /// of the messages. The features before the first block do not depend on the positions, so
    /// that tables leave its `grad_y` as it is.
    #[allow(clippy::too_many_arguments, reason = "a kernel's bindings, in order")]
    pub(super) fn backward(
        &self,
        device: &Device,
        schnet: &SchNet,
        b: usize,
        around: &Surroundings,
        [y, grad_m]: [&dyn Bindable; 2],
        grad_y: &Buffer<f32>,
        with_grad: bool,
        seed: f64,
    ) -> Result<Dispatch> {
        let (weights, n) = (&self.weights[b], around.position.len);
        let Surroundings { params, position, row, col, force, .. } = *around;
        let [_, [bytes, flops]] = self.work_per_edge(schnet);
        let dispatch = match &self.filters {
            Filters::Exact => {
                let kernel = exact_kernel(device, schnet, true)?;
                let buffers: [&dyn Bindable; 9] =
                    [params, row, col, position, y, grad_m, weights, grad_y, force];
                kernel.bind(device, &buffers, n)
            }
            Filters::Matrix(units) => {
                let (constants, rows) = units.constants(schnet, n);
                let kernel = Kernel::new(device, "cfconv_backward_matrix", &constants)?;
                let numbers = &units.numbers[b];
                let buffers: [&dyn Bindable; 10] =
                    [params, row, col, position, y, grad_m, weights, numbers, grad_y, force];
                kernel.bind(device, &buffers, n.div_ceil(rows))
            }
            Filters::Table(places) => {
                let (mut constants, rows) = row_constants(device, schnet, self.stored, n);
                constants.extend(places.constants(self.stored));
                let Places { edge, reach, .. } = places;
                constants.push(("GRADIENT_UNIT", Value::Real((seed * places.unit).recip())));
                constants.push(("WITH_GRAD", Value::Flag(with_grad)));
                let kernel = Kernel::new(device, "cfconv_backward_table", &constants)?;
                let buffers: [&dyn Bindable; 9] =
                    [params, reach, edge, position, y, grad_m, weights, grad_y, force];
                kernel.bind(device, &buffers, n.div_ceil(rows))
            }
        }?;
        Ok(dispatch.working_per_edge(bytes, flops))
    }
}

fn exact_kernel(device: &Device, schnet: &SchNet, backward: bool) -> Result<Arc<Kernel>> {
    let memory = device.most_workgroup_bytes();
    let name = if backward { "cfconv_backward" } else { "cfconv_forward" };
    Kernel::new(device, name, &cfconv_constants(schnet, backward, memory)?)
}
