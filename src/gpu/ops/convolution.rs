//! The convolutions of one block as operations.

use super::super::buffer::Buffer;
use super::super::kernel::{Dispatch, Scope, run, scope};
use super::super::network::convolution::{Convolutions, Size};
use super::super::pack;
use super::super::params::{Bead, Params, Position, Status};
use super::super::state::bare_params;
use super::arguments::check_graph;
use super::layout::{pad, places};
use super::uploads::GpuOps;
use crate::error::Result;
use crate::model::Tabulated;
use crate::model::schnet::SchNet;
use crate::ops::Graph;

/// Convolutions on the graph of one replica, with the buffers that they read.
pub(super) struct Convolution {
    pub(super) convolutions: Convolutions,
    params: Buffer<Params>,
    bead: Buffer<Bead>,
    position: Buffer<Position>,
    row: Buffer<[u32; 2]>,
    col: Buffer<u32>,
    status: Buffer<Status>,
    pub(super) force: Buffer<[f32; 4]>,
    edges: Option<Dispatch>,
}

impl Convolution {
    pub(super) fn new(
        ops: &GpuOps,
        schnet: &SchNet,
        graph: &Graph,
        positions: &[[f64; 3]],
    ) -> Result<Convolution> {
        let n = positions.len();
        check_graph(graph, n)?;
        let (row, col) = ops.rows(graph)?;
        let size = Size { n_beads: n, widest: n, n_edges: graph.col.len() };
        let convolutions = Convolutions::new(&ops.0, &Tabulated::new(schnet.clone()), ops.1, size)?;
        let mut convolution = Convolution {
            params: ops.params(convolutions.params(schnet, 1.0, bare_params(n, 1, 0)))?,
            convolutions,
            bead: ops.zeroed("bead", n)?,
            position: ops.upload("position", &places(positions))?,
            row,
            col,
            status: ops.zeroed("status", 1)?,
            force: ops.zeroed("force", 2 * n)?,
            edges: None,
        };
        convolution.edges = convolution.convolutions.edges(&ops.0, &convolution.scope())?;
        Ok(convolution)
    }

    /// Rows of channels times the scale factors of the filters of a block.
    pub(super) fn in_scale(&self, values: &[f64], n_filters: usize, block: usize) -> Vec<f64> {
        let ones = vec![1.0; n_filters];
        let scales = self.convolutions.scales.get(block).unwrap_or(&ones);
        values.iter().zip(scales.iter().cycle()).map(|(value, scale)| value * scale).collect()
    }

    /// Features on the device, in the format that the kernels gather.
    pub(super) fn gathered(
        &self,
        ops: &GpuOps,
        values: &[f64],
        n_filters: usize,
    ) -> Result<Buffer<u32>> {
        let format = self.convolutions.storage.features;
        ops.upload("gathered", &pack::features(format, &pad(values, n_filters)))
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        scope!(self; params, bead, position, row, col, status, force)
    }

    pub(super) fn run(&self, ops: &GpuOps, dispatch: &Dispatch) -> Result<()> {
        run(&ops.0, self.edges.iter().chain([dispatch]))
    }
}
