//! Continuous-filter convolutions (cfconv): filters as weights or tables, and the kernels.

use super::super::buffer::Buffer;
use super::super::compose::{Constants, Value};
use super::super::device::Device;
use super::super::kernel::{Dispatch, Kernel, Scope};
use super::super::pack::filter::matrices;
use super::super::pack::filters::PackedFilters;
use super::super::pack::{quads, table};
use super::super::params::Params;
use super::super::storage::{Features, Filters, Storage};
use super::super::tuning::{ExactShape, RowShape, matrix_rows, matrix_segment};
use super::constants::{activation_constants, radial_constants};
use crate::engine::Numerics;
use crate::error::{Error, Result};
use crate::model::schnet::{Activation, SchNet};
use crate::model::{FilterTable, Tabulated};

/// The convolutions of all blocks.
#[derive(Debug)]
pub(in crate::gpu) struct Convolutions {
    pub(in crate::gpu) storage: Storage,
    /// For each block, the weights of its filter network or the coefficients of its table.
    weights: Vec<Buffer<u32>>,
    /// On tensor cores, for each block: scale factors, biases and radial functions in f32.
    numbers: Vec<Buffer<f32>>,
    table: Option<Table>,
    /// For each block, a power of two for each filter. Its coefficients are stored divided by it,
    /// and the features are multiplied by it instead. Empty if all are 1.
    pub(in crate::gpu) scales: Vec<Vec<f64>>,
    n_beads: usize,
}

/// Filter tables: their head, and the place of every edge in them.
#[derive(Debug)]
struct Table {
    n_stretches: usize,
    /// An edge has this many bits for the sender's number; the interval has the others.
    bead_bits: u32,
    /// Third and fourth coefficients are stored divided by 2^exponent, if tables are f32.
    exponent: i32,
    /// The unit of t, the distance from the middle of an interval, Å.
    unit: f64,
    head: Buffer<f32>,
    /// The place of each edge; `None` while the neighbor list grows.
    edge: Option<Buffer<[u32; 2]>>,
    /// First edge and end of each row, and the first bead of the replica.
    reach: Buffer<[u32; 4]>,
}

/// The sizes of a system that the convolutions depend on.
#[derive(Debug, Clone, Copy)]
pub(in crate::gpu) struct Size {
    /// Beads in all replicas.
    pub(in crate::gpu) n_beads: usize,
    /// Beads in the largest replica.
    pub(in crate::gpu) widest: usize,
    /// Edges that the neighbor lists have room for.
    pub(in crate::gpu) n_edges: usize,
}

impl Table {
    fn new(
        device: &Device,
        table: &FilterTable,
        storage: Storage,
        size: Size,
        exponent: i32,
    ) -> Result<Self> {
        let (n_intervals, widest) = (table.n_intervals(), size.widest);
        let bead_bits = usize::BITS - (widest.max(2) - 1).leading_zeros();
        // Interval 0, with all coefficients 0, stands for a missing edge.
        if bead_bits >= 32 || n_intervals >= 1 << (32 - bead_bits) {
            let what = format!("{n_intervals} intervals with {widest} beads");
            return Err(Error::unsupported(what, "use a larger table tolerance, or exact filters"));
        }
        let f32 = storage.features == Features::F32;
        Ok(Table {
            n_stretches: table.stretches.len(),
            bead_bits,
            exponent,
            unit: if f32 { 1.0 } else { table::unit(table) },
            head: Buffer::constants(device, "head", &table::head(table))?,
            edge: Some(Buffer::zeroed(device, "edge", size.n_edges)?),
            reach: Buffer::zeroed(device, "reach", size.n_beads)?,
        })
    }

    fn scope(&self) -> Scope<'_> {
        let scope = Scope::default().with("head", &self.head).with("reach", &self.reach);
        match &self.edge {
            Some(edge) => scope.with("edge", edge),
            None => scope,
        }
    }
}

/// The file of shaders/lib to import for features and tables of this format.
pub(super) fn feature_files(features: Features) -> Constants {
    let file = match features {
        Features::F32 => return Vec::new(),
        Features::Half => "stored_half",
        Features::F16 => "stored_f16",
    };
    vec![("stored", Value::File(file))]
}

impl Convolutions {
    pub(in crate::gpu) fn new(
        device: &Device,
        schnet: &Tabulated,
        numerics: Numerics,
        size: Size,
    ) -> Result<Self> {
        let storage = Storage::on(device, schnet, numerics);
        let mut convolutions = Convolutions {
            storage,
            weights: Vec::new(),
            numbers: Vec::new(),
            table: None,
            scales: Vec::new(),
            n_beads: size.n_beads,
        };
        let packed = schnet.kept((storage, numerics.filter), || {
            PackedFilters::new(schnet, storage, numerics.filter.table(schnet)?.as_deref())
        })?;
        convolutions.scales.clone_from(&packed.scales);
        for words in &packed.weights {
            convolutions.weights.push(Buffer::constants(device, "weights", words)?);
        }
        for numbers in &packed.numbers {
            convolutions.numbers.push(Buffer::constants(device, "numbers", numbers)?);
        }
        if let Some(table) = numerics.filter.table(schnet)? {
            convolutions.table = Some(Table::new(device, &table, storage, size, packed.exponent)?);
        }
        Ok(convolutions)
    }

    /// `params` with the numbers of the network and of its filter tables, and with the factor of the
    /// gradients.
    pub(in crate::gpu) fn params(
        &self,
        schnet: &SchNet,
        gradient_scale: f64,
        params: Params,
    ) -> Params {
        let scaled = Params {
            radius: schnet.neighbor_radius() as f32,
            max_neighbors: schnet.max_num_neighbors.unwrap_or(u32::MAX),
            gradient_scale: gradient_scale as f32,
            ..params
        };
        let Some(table) = &self.table else { return scaled };
        Params {
            bead_bits: table.bead_bits,
            t_per_angstrom: table.unit.recip() as f32,
            higher: 2.0_f64.powi(table.exponent) as f32,
            gradient_unit: (gradient_scale * table.unit).recip() as f32,
            ..scaled
        }
    }

    pub(super) fn n_beads(&self) -> usize {
        self.n_beads
    }

    /// Frees the places of edges. Dispatches that hold them must be dropped before.
    pub(super) fn shrink(&mut self) {
        if let Some(table) = &mut self.table {
            table.edge = None;
        }
    }

    /// Makes room for more edges.
    pub(super) fn grow(&mut self, device: &Device, n_edges: usize) -> Result<()> {
        if let Some(table) = &mut self.table {
            table.edge = Some(Buffer::zeroed(device, "edge", n_edges)?);
        }
        Ok(())
    }

    /// Bytes and operations for each edge, forward and backward. The bytes leave out the weights of
    /// the filter networks, which a tile of edges shares.
    fn work_per_edge(&self, schnet: &SchNet) -> [[u64; 2]; 2] {
        let (filters, n_rbf) = (schnet.n_filters() as u64, schnet.radial_basis.n_rbf() as u64);
        let layers = 2 * (n_rbf + filters);
        // For each channel. Bytes: gathered features and coefficients. Operations: the value of the
        // filter and the sums.
        match (self.storage.filters, self.storage.features) {
            (Filters::Exact | Filters::Matrices, _) => [[4, layers + 3], [8, 2 * layers + 15]],
            (Filters::Table, Features::F32) => [[16, 8], [20, 18]],
            (Filters::Table, _) => [[12, 8], [12, 18]],
        }
        .map(|of_channel| of_channel.map(|work| work * filters))
    }

    /// The kernel `edges`, which finds the place of each edge in the tables. It runs before the
    /// first block. `None` without tables.
    pub(in crate::gpu) fn edges(
        &self,
        device: &Device,
        around: &Scope,
    ) -> Result<Option<Dispatch>> {
        let Some(table) = &self.table else { return Ok(None) };
        let stretches = ("STRETCHES", Value::Count(table.n_stretches as u32));
        let kernel = Kernel::new(device, "edges", &[stretches])?;
        let dispatch = kernel.bind(device, &around.and(&table.scope()), self.n_beads)?;
        // Bytes: the sender's number, its position, and the place.
        Ok(Some(dispatch.working_per_edge(4 + 32 + 8, 24)))
    }

    /// The kernel of a direction, and the number of rows of a workgroup. Kernels with tables get
    /// `more` constants.
    fn kernel(
        &self,
        device: &Device,
        schnet: &SchNet,
        (activation, backward): (Activation, bool),
        more: &[(&'static str, Value)],
    ) -> Result<(Kernel, usize)> {
        let (constants, rows) = match self.storage.filters {
            Filters::Exact => (exact_constants(device, schnet, activation, backward)?, 1),
            Filters::Matrices => {
                let rows = matrix_rows(self.n_beads);
                (matrix_constants(schnet, activation, rows, self.storage.emulated), rows)
            }
            Filters::Table => {
                let (mut constants, rows) = self.table_constants(device, schnet);
                constants.extend(more);
                (constants, rows)
            }
        };
        let name = match (self.storage.filters, backward) {
            (Filters::Exact, false) => "cfconv_forward",
            (Filters::Exact, true) => "cfconv_backward",
            (Filters::Matrices, false) => "cfconv_forward_matrix",
            (Filters::Matrices, true) => "cfconv_backward_matrix",
            (Filters::Table, false) => "cfconv_forward_table",
            (Filters::Table, true) => "cfconv_backward_table",
        };
        Ok((Kernel::new(device, name, &constants)?, rows))
    }

    /// The buffers of a block, by the names that its kernels use.
    fn scope(&self, b: usize) -> Scope<'_> {
        let weights = &self.weights[b];
        match (self.storage.filters, &self.table) {
            (Filters::Matrices, _) => {
                let scope = Scope::default().with("halves", weights);
                scope.with("numbers", &self.numbers[b])
            }
            (Filters::Table, Some(table)) => table.scope().with("table", weights),
            _ => Scope::default().with("weights", weights),
        }
    }

    /// The kernel that computes the messages `m` of block `b` from the features `y`.
    pub(in crate::gpu) fn forward(
        &self,
        device: &Device,
        schnet: &SchNet,
        b: usize,
        around: &Scope,
    ) -> Result<Dispatch> {
        let (kernel, rows) = self.kernel(device, schnet, (schnet.activation_of(b), false), &[])?;
        let scope = around.and(&self.scope(b));
        let [[bytes, flops], _] = self.work_per_edge(schnet);
        let dispatch = kernel.bind(device, &scope, self.n_beads.div_ceil(rows))?;
        Ok(dispatch.working_per_edge(bytes, flops))
    }

    /// The kernel that computes `grad_y`, the gradient with respect to the features `y` of block
    /// `b`, and adds to the slow forces. Its input `grad_m` is the gradient with respect to the
    /// messages times [`Params::gradient_scale`]. The first block does not need `grad_y`, because its `y`
    /// does not depend on the positions; kernels with tables compute it only `with_grad`.
    pub(in crate::gpu) fn backward(
        &self,
        device: &Device,
        schnet: &SchNet,
        b: usize,
        around: &Scope,
        with_grad: bool,
    ) -> Result<Dispatch> {
        let of_table = [("WITH_GRAD", Value::Flag(with_grad))];
        let (kernel, rows) =
            self.kernel(device, schnet, (schnet.activation_of(b), true), &of_table)?;
        let scope = around.and(&self.scope(b));
        let [_, [bytes, flops]] = self.work_per_edge(schnet);
        let dispatch = kernel.bind(device, &scope, self.n_beads.div_ceil(rows))?;
        Ok(dispatch.working_per_edge(bytes, flops))
    }

    /// The constants of the kernels with tables, and the number of rows of a workgroup.
    fn table_constants(&self, device: &Device, schnet: &SchNet) -> (Constants, usize) {
        let (quads, features) = (quads(schnet.n_filters()), self.storage.features);
        let f16 = features != Features::F32;
        let shape = RowShape::new(device.capabilities(), quads, f16, self.n_beads);
        let mut constants = feature_files(features);
        constants.extend([
            ("WORKGROUP", Value::Count(shape.workgroup)),
            ("LANES", Value::Count(shape.lanes)),
            ("SPLIT", Value::Count(shape.split)),
            ("QUADS", Value::Count(quads)),
            ("TABLE_STRIDE", Value::Count(if f16 { 2 } else { 3 } * quads)),
        ]);
        if f16 {
            constants.push(("filter_table_read", Value::File("filter_table_read_half")));
        }
        (constants, shape.rows())
    }
}

/// The constants of cfconv_forward or cfconv_backward.
fn exact_constants(
    device: &Device,
    schnet: &SchNet,
    activation: Activation,
    backward: bool,
) -> Result<Constants> {
    let (n_filters, n_rbf) = (schnet.n_filters(), schnet.radial_basis.n_rbf());
    let shape = ExactShape::new(device.capabilities(), n_filters, n_rbf, backward)?;
    let mut constants = radial_constants(&schnet.radial_basis, &schnet.cutoff);
    constants.extend(activation_constants(activation));
    constants.extend([
        ("WORKGROUP", Value::Count(shape.workgroup)),
        ("N_FILTERS", Value::Count(n_filters as u32)),
        ("STRIDE", Value::Count(4 * quads(n_filters))),
        ("N_RBF", Value::Count(n_rbf as u32)),
        ("TILE_QUADS", Value::Count(shape.tile_quads)),
        ("TILE", Value::Count(4 * shape.tile_quads)),
        ("CHANNELS", Value::Count(shape.channels)),
    ]);
    Ok(constants)
}

/// The constants of cfconv_forward_matrix and cfconv_backward_matrix.
fn matrix_constants(
    schnet: &SchNet,
    activation: Activation,
    rows: usize,
    emulated: bool,
) -> Constants {
    let segment = matrix_segment(emulated);
    let functions = matrices(schnet.radial_basis.n_rbf());
    let mut constants = radial_constants(&schnet.radial_basis, &schnet.cutoff);
    constants.extend(activation_constants(activation));
    constants.extend([
        ("ROWS", Value::Count(rows as u32)),
        ("SEGMENT", Value::Count(segment)),
        ("WORDS", Value::Count(segment / 32)),
        ("QUADS", Value::Count(quads(schnet.n_filters()))),
        ("FILTER_MATRICES", Value::Count(matrices(schnet.n_filters()) as u32)),
        ("RBF_MATRICES", Value::Count(functions as u32)),
        ("BASIS_LANES", Value::Count(4 * functions.next_power_of_two() as u32)),
    ]);
    if emulated {
        constants.push(("matrix", Value::File("matrix_emulated")));
    }
    constants
}
