//! Every threshold of the GPU backend, and the reason for it. Unless stated otherwise, times were
//! measured on an NVIDIA H200 through Vulkan with the built-in system.

use std::time::Duration;

use super::api::Capabilities;
use crate::error::{Error, Result};

/// A device that takes longer than this for a submission counts as lost. Drivers of GPUs stop a job
/// after seconds; a software driver may need minutes for a step of a large system.
pub(super) const WAIT_LIMIT: Duration = Duration::from_secs(300);

/// A submission should take about this long: much longer than its overhead, and much shorter than
/// the time limit of a driver.
pub(super) const SUBMISSION_SECONDS: f64 = 0.05;
/// The most outer steps in a submission.
pub(super) const MAX_STEPS: u64 = 256;
/// After about so many steps the host checks whether a list overflowed. After an overflow these steps are
/// repeated.
pub(super) const LOOK_STEPS: u64 = 1 << 14;

/// The skin of the neighbor list, Å: a list is rebuilt when a bead moved more than half of it. It
/// is wide enough for a list to last tens of steps, and narrow enough to keep few pairs beyond the
/// cutoff in the list.
pub(super) const SKIN: f64 = 1.4;

/// A list that grows gets this factor of room over the edges it needed, so that it seldom grows
/// again.
const HEADROOM: f64 = 1.2;

/// The edges that a replica of up to `widest` beads has room for at first: a fifth of all directed
/// pairs, between 1 and 32 for each bead. The list grows if it needs more.
pub(super) fn first_capacity(widest: usize) -> usize {
    (widest * widest.saturating_sub(1) / 5).clamp(widest, widest * 32)
}

/// The edges of a replica for which a batch of replicas leaves room: all directed pairs, or 512 for
/// each bead, more than fit into 14 Å around a bead at the density of a protein of five beads per
/// residue. A batch of this size keeps a device busy, so smaller batches would gain nothing.
pub(super) fn most_capacity(widest: usize) -> usize {
    (widest * widest.saturating_sub(1)).min(512 * widest).max(first_capacity(widest))
}

/// The room for a list that needed `needed` edges, of at most `most` that it can have.
pub(super) fn grown_capacity(needed: u32, most: u64) -> usize {
    ((f64::from(needed) * HEADROOM) as u64).min(most) as usize
}

/// Rows of a workgroup of neighbor_count and neighbor_fill. Most replicas keep their lists, so most
/// workgroups end at once; fewer workgroups start faster.
pub(super) fn neighbor_rows(n_beads: usize) -> usize {
    if n_beads < 8192 { 1 } else { 4 }
}

/// Invocations that share the tuples of a bead. A bead of a protein has 4 to 15 tuples.
pub(super) const BONDED_LANES: usize = 8;

/// Rows of a tile of the kernel `dense`.
pub(super) const DENSE_ROWS: usize = 16;

/// The shape of the cfconv kernels with tables.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowShape {
    /// Invocations of a group. Each has four channels.
    pub(super) lanes: u32,
    /// Groups that share a row of edges.
    pub(super) split: u32,
    pub(super) workgroup: u32,
}

impl RowShape {
    /// If there are few rows, each row is shared by as many groups as it has segments; if there are
    /// many, by half as many. In f32 more rows share a workgroup, because they have senders in
    /// common; in f16 small workgroups were faster.
    pub(super) fn new(device: &Capabilities, quads: u32, f16: bool, n_beads: usize) -> Self {
        let (split, workgroup) = match f16 {
            _ if n_beads < 8192 => (8, 256),
            // 512 invocations need 17 KiB of workgroup memory.
            false if device.workgroup_bytes >= 17_408 && device.invocations >= 512 => (4, 512),
            false => (4, 256),
            true => (4, 128),
        };
        // A group looks up one edge per lane at a time, so it has four lanes even for few channels.
        RowShape { lanes: quads.next_power_of_two().clamp(4, 32), split, workgroup }
    }

    /// The rows of a workgroup.
    pub(super) fn rows(self) -> usize {
        (self.workgroup / self.lanes / self.split) as usize
    }
}

/// The shape of cfconv_forward or cfconv_backward.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExactShape {
    pub(super) workgroup: u32,
    /// Channels of an invocation.
    pub(super) channels: u32,
    /// Edges of a tile, in quads.
    pub(super) tile_quads: u32,
}

impl ExactShape {
    /// The workgroup is a power of two, for the tree sums, and at least a subgroup of 32. An
    /// invocation has two channels if there are more than 32, and more above 512. The tile has 4, 2 or
    /// 1 quads (2 or 1 backward), the most whose basis and hidden layer fit into workgroup memory.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if not even the smallest tile fits.
    pub(super) fn new(
        device: &Capabilities,
        n_filters: usize,
        n_rbf: usize,
        backward: bool,
    ) -> Result<Self> {
        let workgroup = n_filters.div_ceil(2).next_power_of_two().clamp(32, 256);
        let values = if backward { 2 } else { 1 };
        let bytes = |tile_quads: usize| {
            let per_edge = if backward { 48 } else { 24 };
            let tree = if backward { 16 * workgroup } else { 0 };
            (n_rbf + n_filters) * values * tile_quads * 16 + 4 * tile_quads * per_edge + tree + 64
        };
        let has = device.workgroup_bytes;
        let most = if backward { 2 } else { 4 };
        let fits = |tile_quads: &usize| {
            *tile_quads > 0 && bytes(*tile_quads) <= has as usize && 4 * tile_quads <= workgroup
        };
        match (0..=2).map(|k| most >> k).find(fits) {
            Some(tile_quads) => Ok(ExactShape {
                workgroup: workgroup as u32,
                channels: n_filters.div_ceil(workgroup) as u32,
                tile_quads: tile_quads as u32,
            }),
            None => Err(Error::unsupported(
                format!("{n_filters} filters and {n_rbf} radial functions on this adapter"),
                format!(
                    "a tile of 4 edges needs {} bytes of workgroup memory and {has} are there; use \
                     the CPU backend",
                    bytes(1)
                ),
            )),
        }
    }
}

/// Rows of a workgroup of the cfconv kernels on tensor cores. A workgroup loads the weights once,
/// so it takes several rows if there are enough to keep the whole device busy.
pub(super) fn matrix_rows(n_beads: usize) -> usize {
    (n_beads / 2048).clamp(1, 4)
}

/// Entries of a row of the neighbor list that a workgroup of these kernels takes at a time. Tensor
/// cores are emulated on software drivers, which have less workgroup memory.
pub(super) fn matrix_segment(emulated: bool) -> u32 {
    if emulated { 128 } else { 256 }
}

/// The shape of the kernels of linear layers.
#[derive(Debug, Clone, Copy)]
pub(super) struct LayerShape {
    pub(super) workgroup: u32,
    /// Quads of channels of the widest layer.
    pub(super) width: u32,
    /// Rows of an invocation.
    pub(super) rows: u32,
    /// Rows of a tile.
    pub(super) tile: usize,
    /// Without tensor cores: the invocations that share a row, and the quads of inputs whose
    /// weights are fetched at once.
    pub(super) lanes: Option<[u32; 2]>,
}

impl LayerShape {
    /// The shape on tensor cores. A tile has the height of one matrix, so several workgroups fit on
    /// a multiprocessor and hide each other's waits for weights and at barriers. 16 rows were a
    /// tenth faster than 32.
    pub(super) fn on_tensor_cores(widest: usize) -> Self {
        const ROWS: u32 = 16;
        const WORKGROUP: u32 = 256;
        let width = widest.next_multiple_of(16).div_ceil(4) as u32;
        let rows = 32 * ROWS / WORKGROUP;
        LayerShape { workgroup: WORKGROUP, width, rows, tile: ROWS as usize, lanes: None }
    }

    /// The shape without tensor cores. With fewer beads a tile has fewer rows, so that the whole
    /// device has work, and fetches more weights at once, because it waits for them longer.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if not even the smallest tile fits.
    pub(super) fn plain(device: &Capabilities, widest: usize, n_beads: usize) -> Result<Self> {
        let width = widest.div_ceil(4) as u32;
        let lanes = width.next_power_of_two();
        let workgroup = lanes.max(128);
        let most: [u32; 2] = match n_beads {
            0..2_500 => [1, 16],
            2_500..10_000 => [2, 4],
            _ => [4, 4],
        };
        let tile = |rows: u32| workgroup / lanes * rows;
        let fits = |[rows, ahead]: &[u32; 2]| {
            16 * width * (tile(*rows) + 4 * ahead) <= device.workgroup_bytes
        };
        let halved = (0..5).map(|k| most.map(|most| (most >> k).max(1)));
        let Some([rows, ahead]) = halved.into_iter().find(fits).filter(|_| lanes <= 256) else {
            let what = format!("a network {widest} channels wide on this adapter");
            return Err(Error::unsupported(what, "use the CPU backend"));
        };
        let tile = tile(rows) as usize;
        Ok(LayerShape { workgroup, width, rows, tile, lanes: Some([lanes, ahead]) })
    }
}
