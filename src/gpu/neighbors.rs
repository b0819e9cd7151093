//! The neighbor lists of all replicas, and the status in which kernels report problems.

use std::sync::Arc;

use super::buffer::Buffer;
use super::compose::Value;
use super::device::Device;
use super::kernel::{Dispatch, Kernel, Scope, scope};
use super::params::{Params, Position, Status};
use super::state::ReplicaState;
use super::tuning::{SKIN, first_capacity, grown_capacity, neighbor_rows};
use crate::engine::RECENTER;
use crate::error::{Error, Result};
use crate::model::Tabulated;
use crate::system::System;

/// A coordinate far from any bead, Å. It makes the next check rebuild the list.
const NOWHERE: f32 = 1e9;

/// The neighbor lists. Their radius is the cutoff plus a skin.
#[derive(Debug)]
pub(super) struct Neighbors {
    pub(super) status: Buffer<Status>,
    /// The positions at the last build. `[n_beads]`
    built_at: Buffer<Position>,
    /// Present if there is a network: priors need no list.
    list: Option<List>,
    n_replicas: usize,
    /// The neighbors of a bead of the largest replica if all its beads are neighbors.
    most_neighbors: u64,
}

/// Lists of directed edges in CSR form: a row of senders for each receiver.
#[derive(Debug)]
struct List {
    /// The cutoff without the skin, Å.
    radius: f64,
    max_num_neighbors: Option<u32>,
    /// The edges that each replica has room for.
    capacity: usize,
    /// The edges of each row. `[n_beads]`
    count: Buffer<u32>,
    /// First edge and end of each row. `[n_beads]`
    row: Buffer<[u32; 2]>,
    /// The sender of each edge. `[n_replicas, capacity]`
    ///
    /// `None` while the list grows.
    col: Option<Buffer<u32>>,
}

impl Neighbors {
    pub(super) fn new(device: &Device, system: &System) -> Result<Self> {
        let (n_beads, n_replicas) = (system.n_beads(), system.n_replicas());
        let widest = widest(system);
        let list = |schnet: &Arc<Tabulated>| {
            let capacity = first_capacity(widest);
            Ok::<_, Error>(List {
                radius: schnet.neighbor_radius(),
                max_num_neighbors: schnet.max_num_neighbors,
                capacity,
                count: Buffer::zeroed(device, "count", n_beads)?,
                row: Buffer::zeroed(device, "row", n_beads)?,
                col: Some(col(device, capacity, n_replicas)?),
            })
        };
        let neighbors = Neighbors {
            status: Buffer::zeroed(device, "status", n_replicas)?,
            built_at: Buffer::zeroed(device, "built_at", n_beads)?,
            list: system.schnet.as_ref().map(list).transpose()?,
            n_replicas,
            most_neighbors: widest as u64 - 1,
        };
        neighbors.forget(device)?;
        Ok(neighbors)
    }

    /// The edges that each replica has room for.
    pub(super) fn capacity(&self) -> usize {
        self.list.as_ref().map_or(0, |list| list.capacity)
    }

    /// The edges that all replicas together have room for.
    pub(super) fn n_edges(&self) -> usize {
        self.capacity() * self.n_replicas
    }

    /// `params` with the radius of the lists.
    pub(super) fn params(&self, params: Params) -> Params {
        let radius = self.list.as_ref().map_or(0.0, |list| list.radius + SKIN);
        Params { list2: (radius * radius) as f32, ..params }
    }

    /// The buffers of the lists.
    pub(super) fn scope(&self) -> Scope<'_> {
        let scope = scope!(self; status, built_at);
        match &self.list {
            Some(List { count, row, col: Some(col), .. }) => {
                scope.with("count", count).with("row", row).with("col", col)
            }
            _ => scope,
        }
    }

    /// The kernels that recenter replicas, decide which of them need a new list, and build these
    /// lists.
    pub(super) fn dispatches(
        &self,
        device: &Device,
        state: &ReplicaState,
    ) -> Result<Vec<Dispatch>> {
        let scope = state.scope().and(&self.scope());
        let kernel =
            |name, constants: &[(&'static str, Value)]| Kernel::new(device, name, constants);
        let square = |x: f64| Value::Real(x * x);
        let of_check = [("REACH2", square(0.5 * SKIN)), ("RECENTER", Value::Real(RECENTER))];
        let check = kernel("neighbor_check", &of_check)?.bind(device, &scope, self.n_replicas)?;
        let mut dispatches = vec![check];
        if self.list.is_some() {
            let rows = neighbor_rows(state.n_beads());
            let rows_of = [("ROWS", Value::Count(rows as u32))];
            let groups = state.n_beads().div_ceil(rows);
            dispatches.extend([
                kernel("neighbor_count", &rows_of)?.bind(device, &scope, groups)?,
                kernel("neighbor_fill", &rows_of)?.bind(device, &scope, groups)?,
            ]);
        }
        Ok(dispatches)
    }

    /// The kernel that checks max_num_neighbors, if a molecule has beads enough to exceed it. Exact
    /// filters need it; for tabulated filters the kernel `edges` counts neighbors.
    pub(super) fn limit(&self, device: &Device, state: &ReplicaState) -> Result<Option<Dispatch>> {
        let Some(List { max_num_neighbors: Some(limit), .. }) = self.list else {
            return Ok(None);
        };
        if self.most_neighbors <= u64::from(limit) {
            return Ok(None);
        }
        let kernel = Kernel::new(device, "neighbor_limit", &[])?;
        let scope = state.scope().and(&self.scope());
        Ok(Some(kernel.bind(device, &scope, state.n_beads())?))
    }

    /// Makes the next check rebuild every list.
    pub(super) fn forget(&self, device: &Device) -> Result<()> {
        let nowhere = Position { high: [NOWHERE; 4], low: [0.0; 4] };
        self.built_at.write(device, &vec![nowhere; self.built_at.len])
    }

    /// Clears the status of every replica and makes the next check rebuild every list.
    pub(super) fn reset(&self, device: &Device) -> Result<()> {
        self.status.write(device, &vec![Status::default(); self.n_replicas])?;
        self.forget(device)
    }

    /// Frees the edges. Dispatches that hold them must be dropped before.
    pub(super) fn shrink(&mut self) {
        if let Some(list) = &mut self.list {
            list.col = None;
        }
    }

    /// Makes room for the lists that overflowed. Clears the problems in `status`, and keeps its
    /// counts.
    pub(super) fn grow(&mut self, device: &Device, status: &[Status]) -> Result<()> {
        let needed = status.iter().map(|status| status.overflow).max().unwrap_or(0);
        if let Some(list) = &mut self.list {
            let most_edges = self.most_neighbors * (self.most_neighbors + 1);
            list.capacity = grown_capacity(needed, most_edges);
            log::info!("neighbor list: room for {} edges per replica", list.capacity);
            list.col = Some(col(device, list.capacity, self.n_replicas)?);
        }
        let cleared = |status: &Status| Status { overflow: 0, crowded: 0, ..*status };
        self.status.write(device, &status.iter().map(cleared).collect::<Vec<_>>())?;
        self.forget(device)
    }

    /// The number of neighbors of each bead within the cutoff, from the present list.
    pub(super) fn counts(&self, device: &Device, state: &ReplicaState) -> Result<Vec<u32>> {
        let Some(List { radius, row, col: Some(col), .. }) = &self.list else {
            return Ok(vec![0; state.n_beads()]);
        };
        let position = state.position().read(device)?;
        let (row, col) = (row.read(device)?, col.read(device)?);
        let radius = *radius as f32;
        let is_near = |i: usize, j: u32| {
            position.get(j as usize).is_some_and(|sender| {
                let between = position[i].separation(sender);
                between.iter().map(|x| x * x).sum::<f32>() < radius * radius
            })
        };
        let near = |(i, ends): (usize, &[u32; 2])| {
            senders(&col, *ends).iter().filter(|j| is_near(i, **j)).count() as u32
        };
        Ok(row.iter().enumerate().map(near).collect())
    }
}

/// The senders of a row. There are none if its ends are outside the list, as on a device that computes
/// wrongly.
pub(super) fn senders(col: &[u32], [first, end]: [u32; 2]) -> &[u32] {
    col.get(first as usize..end as usize).unwrap_or_default()
}

/// The number of beads of the largest replica.
pub(super) fn widest(system: &System) -> usize {
    (0..system.n_replicas()).map(|r| system.molecule(r).n_beads()).max().unwrap_or(1)
}

fn col(device: &Device, capacity: usize, n_replicas: usize) -> Result<Buffer<u32>> {
    let edges = capacity as u64 * n_replicas as u64;
    if edges > u64::from(u32::MAX) {
        let what = "the neighbor list, whose edges have numbers of 32 bits,";
        return Err(Error::out_of_memory(what, 4 * edges, 4 * u64::from(u32::MAX), ""));
    }
    Buffer::zeroed(device, "col", edges as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_outside_the_list_are_empty() {
        assert_eq!(senders(&[7, 8, 9], [1, 3]), [8, 9]);
        for ends in [[1, 4], [3, 1], [2_866_322_389, 2_866_322_390]] {
            assert!(senders(&[7, 8, 9], ends).is_empty(), "{ends:?}");
        }
    }
}
