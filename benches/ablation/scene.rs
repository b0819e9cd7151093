//! The input of all variants: the replicas at the end of a run, seeded features, and a table of
//! filters.

use flashschnet::engine::Filter;
use flashschnet::gpu::compose::Value;
use flashschnet::model::FilterTable;
use flashschnet::model::filter_table::{CUBE_BITS, Cell, SQUARE_BITS, to_middle};
use flashschnet::model::schnet::SchNet;
use flashschnet::ops::{Graph, Ops};
use flashschnet::random::{Stream, uniform4};
use flashschnet::reference::ReferenceOps;

use crate::Result;

/// The block whose filters are used.
const BLOCK: usize = 0;
/// The number of channels, 4 QUADS in the kernels.
pub(crate) const CHANNELS: usize = 128;
/// BEAD_BITS of shaders/lib/edge.wgsl.
const BEAD_BITS: u32 = 20;

/// The positions and edges of all replicas, features, and the table of filters.
pub(crate) struct Scene {
    schnet: SchNet,
    /// The number of beads of a replica.
    pub(crate) n_beads: usize,
    pub(crate) positions: Vec<[f64; 3]>,
    pub(crate) graph: Graph,
    pub(crate) y: Vec<f64>,
    pub(crate) grad_m: Vec<f64>,
    /// Edges in the layout of shaders/lib/edge.wgsl. Beads are numbered through all replicas.
    pub(crate) edge: Vec<[u32; 2]>,
    /// The table in the layout of shaders/lib/filter_table_read.wgsl, its constant HIGHER, and the
    /// constant NOTHING of shaders/lib/edge_share.wgsl.
    pub(crate) table: Vec<u32>,
    pub(crate) higher: Value,
    pub(crate) nothing: Value,
}

impl Scene {
    pub(crate) fn new(schnet: SchNet, positions: &[[f64; 3]], n_replicas: usize) -> Result<Self> {
        assert_eq!(schnet.n_filters(), CHANNELS, "the kernels have CHANNELS channels");
        // Rounded to f32, as on the device.
        let positions: Vec<_> = positions.iter().map(|x| x.map(|x| f64::from(x as f32))).collect();
        let n_beads = positions.len() / n_replicas;
        let first_bead: Vec<usize> = (0..=n_replicas).map(|r| r * n_beads).collect();
        let radius = schnet.neighbor_radius();
        let graph = ReferenceOps.neighbor_list(&positions, &first_bead, radius)?;
        let Filter::Table { tolerance } = Filter::TABLE else { unreachable!("that is a table") };
        let table = FilterTable::new(&schnet, tolerance)?;
        let fits =
            positions.len() <= 1 << BEAD_BITS && table.n_intervals() < 1 << (u32::BITS - BEAD_BITS);
        if !fits {
            return Err(format!("{n_replicas} replicas: their edges do not fit in a word").into());
        }
        let place = |i: usize, j: u32| {
            let (x_i, x_j) = (positions[i], positions[j as usize]);
            let square: f64 = x_i.iter().zip(x_j).map(|(a, b)| (a - b).powi(2)).sum();
            let at = table.place(square.sqrt());
            let t = (at.s - 0.5) / at.rate;
            [j | (at.interval as u32) << BEAD_BITS, (t as f32).to_bits()]
        };
        let rows = (0..positions.len()).map(|i| (i, &graph.col[graph.row(i)]));
        let edge = rows.flat_map(|(i, row)| row.iter().map(move |j| (i, *j)));
        let edge = edge.map(|(i, j)| place(i, j)).collect();
        let (words, higher) = packed(&table);
        let features = |seed: u64| -> Vec<f64> {
            let four = |k: usize| uniform4(seed, Stream::Model, 0, 0, k as u32);
            (0..positions.len() * CHANNELS / 4).flat_map(four).map(|x| x - 0.5).collect()
        };
        Ok(Scene {
            n_beads,
            y: features(1),
            grad_m: features(2),
            edge,
            table: words,
            higher: Value::Real(higher),
            nothing: Value::Count(table.n_intervals() as u32),
            schnet,
            positions,
            graph,
        })
    }

    /// The results m, gradient of y, and force of the first replica in f64.
    pub(crate) fn reference(&self) -> Result<[Vec<f64>; 3]> {
        let row_ptr = self.graph.row_ptr[..=self.n_beads].to_vec();
        let col = self.graph.col[..row_ptr[self.n_beads] as usize].to_vec();
        let (graph, positions) = (Graph { row_ptr, col }, &self.positions[..self.n_beads]);
        let [y, grad_m] = [&self.y, &self.grad_m].map(|rows| &rows[..self.n_beads * CHANNELS]);
        let m = ReferenceOps.cfconv_forward(&self.schnet, BLOCK, &graph, positions, y)?;
        let (grad_y, force) =
            ReferenceOps.cfconv_backward(&self.schnet, BLOCK, &graph, positions, y, grad_m)?;
        Ok([m, grad_y, force.into_iter().flat_map(|[x, y, z]| [x, y, z, 0.0]).collect()])
    }
}

/// The table of the block as words, and HIGHER, the unit of its coefficients of t² and t³.
fn packed(table: &FilterTable) -> (Vec<u32>, f64) {
    let of_cell = |c: &Cell| {
        let ends = [c.first, c.first + c.n_intervals].map(|k| k * CHANNELS);
        (&table.coefficients[BLOCK][ends[0]..ends[1]], c.rate)
    };
    let cubics = table.cells.iter().map(of_cell);
    let cubics: Vec<[f64; 4]> =
        cubics.flat_map(|(c, rate)| c.iter().map(move |c| to_middle(*c, rate))).collect();
    let largest = cubics.iter().fold(0.0_f64, |a, c| a.max(c[2].abs()).max(c[3].abs()));
    // Coefficients have five bits of exponent, and relative to HIGHER the largest is below 2^-95.
    let higher = 2.0_f64.powi(largest.log2().floor() as i32 + 96);
    let short = |x: f64, bits: u32| {
        let whole = ((x / higher) as f32).to_bits();
        let (sign, rest) = (whole >> 31, whole & (u32::MAX >> 1));
        let rest = if rest >> 23 == 0 { 0 } else { rest >> (24 - bits) };
        rest | (sign << (bits + 4))
    };
    let words = |[c0, c1, c2, c3]: [f64; 4]| {
        let both = (short(c2, SQUARE_BITS) << (CUBE_BITS + 5)) | short(c3, CUBE_BITS);
        [(c0 as f32).to_bits(), (c1 as f32).to_bits(), both]
    };
    let rows = cubics.chunks_exact(CHANNELS);
    let rows = rows.flat_map(|row| (0..3).flat_map(|k| row.iter().map(move |c| words(*c)[k])));
    // The last interval is all zero: edges that pad a row point to it.
    (rows.chain([0; 3 * CHANNELS]).collect(), higher)
}
