//! Neighbor lists on request, and with more room.

use super::super::buffer::Fetch;
use super::super::kernel::record;
use super::super::network::Network;
use super::super::params::{Params, Position, Status};
use super::GpuEngine;
use super::fit::Fit;
use crate::crowd;
use crate::error::{Error, Result};

impl GpuEngine {
    /// Grows the neighbor lists. Frees the old lists first, because both may not fit on the device.
    pub(super) fn grow(&mut self, status: &[Status]) -> Result<()> {
        (self.step, self.earlier) = (None, None);
        self.neighbors.shrink();
        self.network.iter_mut().for_each(Network::shrink);
        self.device.api.release();
        let grown = self.neighbors.grow(&self.device, status).and_then(|()| {
            let n_edges = self.neighbors.n_edges();
            self.network.iter_mut().try_for_each(|network| network.grow(&self.device, n_edges))
        });
        let fit = Fit::new(&self.device, &self.system, &self.dynamics);
        grown.map_err(|error| fit.advise(error))?;
        self.write_params(Params { capacity: self.neighbors.capacity() as u32, ..self.params })?;
        self.make_step()
    }

    /// Brings the neighbor lists up to date.
    pub(super) fn update_lists(&mut self) -> Result<()> {
        self.complete()?;
        loop {
            let mut fetch = Fetch::new(&self.device);
            record(&mut *fetch.commands, &self.step()?.neighbors);
            let status = fetch.add(&self.neighbors.status);
            let found = fetch.run("building neighbor lists")?;
            if !self.settle_with(&found.take(status))? {
                return Ok(());
            }
        }
    }

    /// The error of a bead with too many neighbors, if a list that cannot grow has one. Beads that
    /// moved since the list overflowed are not searched.
    pub(super) fn crowded(&self, status: &[Status]) -> Option<Error> {
        let schnet = self.system.schnet.as_ref().filter(|_| !self.has_pending())?;
        let r = status.iter().position(|status| status.overflow > 0)?;
        let positions = self.state.position().read(&self.device).ok()?;
        let positions: Vec<_> =
            positions[self.system.beads(r)].iter().map(Position::in_f64).collect();
        let limit = schnet.max_num_neighbors;
        match crowd::too_many_neighbors(&positions, schnet.neighbor_radius(), limit)? {
            Error::TooManyNeighbors { bead, found, limit, .. } => Some(Error::TooManyNeighbors {
                replica: self.dynamics.replica_ids[r],
                bead,
                found,
                limit,
            }),
            other => Some(other),
        }
    }
}
