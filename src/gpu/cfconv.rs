//! Continuous-filter convolutions on the device: filters as weights or tables, and their kernels.

use std::f64::consts::{E, FRAC_PI_2};
use std::sync::Arc;

use half::f16;

use super::buffer::Buffer;
use super::device::Device;
use super::kernel::{Bindable, Dispatch, Kernel};
use super::network::{self, activation_constants, columns, narrow};
use super::params::{Bead, Params};
use super::wgsl::{Constants, Value};
use crate::engine::{Numerics, Precision};
use crate::error::{Error, Result};
use crate::model::FilterTable;
use crate::model::filter_table::{CUBE_BITS, SQUARE_BITS, to_middle};
use crate::model::radial::Envelope;
use crate::model::schnet::{Interaction, Linear, SchNet};

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
/// invocations as a row has segments; many rows by fewer, with more rows to a workgroup, for they
/// have senders in common.
fn row_constants(device: &Device, schnet: &SchNet, n_beads: usize) -> (Constants, usize) {
    let quads = network::quads(schnet.n_filters());
    let most = device.device.limits().max_compute_invocations_per_workgroup;
    let (split, workgroup) = if n_beads < 8192 { (8, 256) } else { (4, most.min(512)) };
    let lanes = quads.next_power_of_two().min(32);
    let constants = vec![
        ("WORKGROUP", Value::Count(workgroup)),
        ("LANES", Value::Count(lanes)),
        ("SPLIT", Value::Count(split)),
        ("QUADS", Value::Count(quads)),
    ];
    (constants, (workgroup / lanes / split) as usize)
}

/// The filter networks on matrix units, whose kernels have these numbers for each block beside the
/// weights: 1 / the powers of two in the weights, the biases, and the radial functions.
#[derive(Debug)]
struct Units {
    numbers: Vec<Buffer<f32>>,
    emulated: bool,
}

/// The widest layer of a filter network on matrix units, in matrices.
const MOST_MATRICES: usize = 8;

/// Subgroups of a workgroup on matrix units. Of the columns of a layer each holds its part in
/// registers.
const SUBGROUPS: usize = 8;

fn matrices(n: usize) -> usize {
    n.div_ceil(16)
}

impl Units {
    /// Whether kernels on them evaluate the filters of this network.
    fn suit(device: &Device, schnet: &SchNet, precision: Precision) -> bool {
        let widest = schnet.n_filters().max(schnet.radial_basis.n_rbf());
        precision == Precision::Mixed
            && (device.matrices || device.emulates_matrices)
            && matrices(widest) <= MOST_MATRICES
    }

    /// Constants of a kernel that takes so many edges at a time, and the rows of a workgroup: it loads the weights once, so several
    /// where there are enough for all of a device.
    fn constants(&self, schnet: &SchNet, n_beads: usize, tile: usize) -> (Constants, usize) {
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
    let largest = layer.weight.iter().fold(f64::MIN_POSITIVE, |a, w| a.max(w.abs()));
    let exponent = (14.0 - largest.log2().floor()).clamp(-100.0, 100.0) as i32;
    let width = matrices(layer.n_out);
    let mut halves = vec![0; 256 * matrices(layer.n_in) * width];
    for o in 0..layer.n_out {
        for k in 0..layer.n_in {
            let weight = layer.weight[o * layer.n_in + k] * 2.0_f64.powi(exponent);
            let matrix = k / 16 * width + o / 16;
            halves[256 * matrix + o % 16 * 16 + k % 16] = f16::from_f64(weight).to_bits();
        }
    }
    (halves, 2.0_f64.powi(-exponent))
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
fn matrix_weights(schnet: &SchNet, block: &Interaction) -> (Vec<u16>, Vec<f32>) {
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
    bead_bits: u32,
    exponent: i32,
    head: Buffer<f32>,
    edge: Buffer<[u32; 2]>,
    reach: Buffer<[u32; 4]>,
}

/// The convolutions of all blocks.
#[derive(Debug)]
pub(super) struct Convolutions {
    filters: Filters,
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
                weights: weights.collect::<Result<_>>()?,
            });
        };
        let bead_bits = usize::BITS - (widest.max(2) - 1).leading_zeros();
        if bead_bits >= 32 || table.n_intervals() > 1 << (32 - bead_bits) {
            let what = format!("{} intervals with {widest} beads", table.n_intervals());
            return Err(Error::unsupported(what, "a larger --table-tolerance, or --filter exact"));
        }
        let exponent = exponent(&table);
        let weights = (0..schnet.interactions.len()).map(|b| {
            Buffer::from_slice(device, "filter", &coefficients(schnet, &table, b, exponent))
        });
        Ok(Convolutions {
            weights: weights.collect::<Result<_>>()?,
            filters: Filters::Table(Places {
                n_stretches: table.stretches.len(),
                bead_bits,
                exponent,
                head: Buffer::from_slice(device, "head", &head(&table))?,
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
        Ok(Convolutions { filters: Filters::Matrix(Units { numbers, emulated }), weights })
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
            Filters::Table(_) => [[16, 8], [20, 18]],
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
        [y, m]: [&Buffer<f32>; 2],
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
                let (mut constants, rows) = units.constants(schnet, n, 32);
                constants.push(("WORDS", Value::Count(SUBGROUPS as u32)));
                let kernel = Kernel::new(device, "cfconv_forward_matrix", &constants)?;
                let buffers: [&dyn Bindable; 8] =
                    [params, row, col, position, y, weights, &units.numbers[b], m];
                kernel.bind(device, &buffers, n.div_ceil(rows))
            }
            Filters::Table(Places { bead_bits, exponent, edge, reach, .. }) => {
                let (mut constants, rows) = row_constants(device, schnet, n);
                constants.push(("BEAD_BITS", Value::Count(*bead_bits)));
                constants.push(("HIGHER", higher(*exponent)));
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
    pub(super) fn backward(
        &self,
        device: &Device,
        schnet: &SchNet,
        b: usize,
        around: &Surroundings,
        [y, grad_m, grad_y]: [&Buffer<f32>; 3],
        with_grad: bool,
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
                let (constants, rows) = units.constants(schnet, n, 16);
                let kernel = Kernel::new(device, "cfconv_backward_matrix", &constants)?;
                let numbers = &units.numbers[b];
                let buffers: [&dyn Bindable; 10] =
                    [params, row, col, position, y, grad_m, weights, numbers, grad_y, force];
                kernel.bind(device, &buffers, n.div_ceil(rows))
            }
            Filters::Table(Places { bead_bits, exponent, edge, reach, .. }) => {
                let (mut constants, rows) = row_constants(device, schnet, n);
                constants.push(("BEAD_BITS", Value::Count(*bead_bits)));
                constants.push(("HIGHER", higher(*exponent)));
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
    let memory = device.device.limits().max_compute_workgroup_storage_size;
    let name = if backward { "cfconv_backward" } else { "cfconv_forward" };
    Kernel::new(device, name, &cfconv_constants(schnet, backward, memory)?)
}

/// The head of lib/filter_table.wgsl: stretches, whose cells come after all of them, then cells.
fn head(table: &FilterTable) -> Vec<f32> {
    let n = table.stretches.len();
    let four = |start: f64, rate: f64, first: usize, length: usize| {
        [start as f32, rate as f32, first as f32, (first + length - 1) as f32]
    };
    let stretches = table.stretches.iter().map(|s| four(s.start, s.rate, n + s.first, s.n_cells));
    let cells = table.cells.iter().map(|c| four(c.start, c.rate, c.first, c.n_intervals));
    stretches.chain(cells).flatten().collect()
}

/// The power of two that third and fourth coefficients are stored in parts of: the largest of them
/// has the largest exponent that five bits hold.
fn exponent(table: &FilterTable) -> i32 {
    let mut largest = 0.0_f64;
    for block in &table.coefficients {
        let per_interval = block.len() / table.n_intervals();
        for cell in &table.cells {
            let of_cell = &block[cell.first * per_interval..][..cell.n_intervals * per_interval];
            let higher = of_cell.iter().map(|c| to_middle(*c, cell.rate));
            largest = higher.fold(largest, |a, [.., c2, c3]| a.max(c2.abs()).max(c3.abs()));
        }
    }
    // f32 holds 2^-126 to 2^-96 with exponents 1 to 31.
    largest.log2().floor().clamp(-96.0, 24.0) as i32 + 96
}

/// HIGHER of lib/filter_table_read.wgsl.
fn higher(exponent: i32) -> Value {
    Value::Real(2.0_f64.powi(exponent))
}

/// A float with `bits` significant bits and five of exponent, from the right: mantissa, exponent,
/// sign.
fn short_float(x: f64, exponent: i32, bits: u32) -> u32 {
    let whole = ((x * 2.0_f64.powi(-exponent)) as f32).to_bits();
    let (sign, rest) = (whole >> 31, whole & (u32::MAX >> 1));
    // Too small for an exponent is 0, too large cannot be.
    let rest = if rest >> 23 == 0 { 0 } else { rest >> (24 - bits) };
    rest | (sign << (bits + 4))
}

/// The coefficients of block `b` of powers of t, from the middle of an interval: rows of the first,
/// of the second, and of the third and fourth in one word, `[n_intervals, 3, quads of filters]`.
fn coefficients(schnet: &SchNet, table: &FilterTable, b: usize, exponent: i32) -> Vec<u32> {
    let n_filters = schnet.n_filters();
    let width = 4 * network::quads(n_filters) as usize;
    let mut rows = vec![0; table.n_intervals() * 3 * width];
    for cell in &table.cells {
        for k in cell.first..cell.first + cell.n_intervals {
            for (f, c) in table.coefficients[b][k * n_filters..][..n_filters].iter().enumerate() {
                let [c0, c1, c2, c3] = to_middle(*c, cell.rate);
                let square = short_float(c2, exponent, SQUARE_BITS);
                let cube = short_float(c3, exponent, CUBE_BITS);
                let words = [
                    (c0 as f32).to_bits(),
                    (c1 as f32).to_bits(),
                    (square << (CUBE_BITS + 5)) | cube,
                ];
                for (row, word) in words.into_iter().enumerate() {
                    rows[(3 * k + row) * width + f] = word;
                }
            }
        }
    }
    rows
}
