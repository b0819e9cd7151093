//! Whether a system fits a device, and how many of its replicas would.

use super::super::device::Device;
use super::super::metadynamics::Metadynamics;
use super::super::pack::quads;
use super::super::tuning::first_capacity;
use crate::engine::{Dynamics, Filter, TRACE};
use crate::error::{Error, Result};
use crate::system::System;

/// Bytes of a bead, of an edge and of a replica in the buffers in which they have the most.
#[derive(Debug, Clone, Copy)]
pub(in crate::gpu) struct Widths {
    bead: u64,
    edge: u64,
    replica: u64,
}

/// The size of some replicas.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::gpu) struct Extent {
    n_replicas: u64,
    n_beads: u64,
    /// The beads of the largest replica.
    widest: usize,
}

impl Extent {
    fn of(system: &System) -> Self {
        let all = 0..system.n_replicas();
        all.fold(Extent::default(), |extent, r| extent.and(system.beads(r).len()))
    }

    /// With one more replica of `n_beads` beads.
    pub(in crate::gpu) fn and(self, n_beads: usize) -> Self {
        Extent {
            n_replicas: self.n_replicas + 1,
            n_beads: self.n_beads + n_beads as u64,
            widest: self.widest.max(n_beads),
        }
    }
}

impl Widths {
    pub(in crate::gpu) fn new(system: &System, dynamics: &Dynamics, filter: Filter) -> Self {
        let widths = system.schnet.iter().flat_map(|schnet| {
            let inner = &schnet.readout[..schnet.readout.len() - 1];
            let widest = inner.iter().map(|layer| layer.n_out).max().unwrap_or(0);
            let features = [schnet.n_hidden, schnet.n_filters(), widest].map(quads);
            features.into_iter().chain([inner.len() as u32 * quads(widest)])
        });
        // A position has two quads of f32, and so have the forces.
        let bead = 16 * u64::from(widths.max().unwrap_or(0).max(2));
        let edge = match (&system.schnet, filter) {
            (None, _) => 0,
            (Some(_), Filter::Exact) => 4,
            // The place of an edge in the tables.
            (Some(_), Filter::Table { .. }) => 8,
        };
        // The labels after exchanges.
        let replica = if dynamics.exchange.is_some() { 4 * TRACE as u64 } else { 0 };
        Widths { bead, edge, replica }
    }

    /// With room for the forces and the values of biases, and for variables.
    pub(in crate::gpu) fn with_biases(self) -> Self {
        const FORCES: u64 = 48;
        const VALUES: u64 = 1024;
        Widths { bead: self.bead.max(FORCES), replica: self.replica.max(VALUES), ..self }
    }

    /// Bytes of the largest buffer, with `capacity` edges in a replica.
    pub(in crate::gpu) fn largest_buffer(&self, of: Extent, capacity: fn(usize) -> usize) -> u64 {
        let edges = capacity(of.widest) as u64 * of.n_replicas;
        (self.bead * of.n_beads).max(self.edge * edges).max(self.replica * of.n_replicas)
    }
}

/// Refuses a system whose largest buffer exceeds the largest binding of the device, before anything
/// is allocated.
pub(in crate::gpu) fn check_fit(
    device: &Device,
    system: &System,
    dynamics: &Dynamics,
    filter: Filter,
) -> Result<()> {
    let widths = Widths::new(system, dynamics, filter);
    let needed = widths.largest_buffer(Extent::of(system), first_capacity);
    let available = device.capabilities().buffer_bytes;
    if needed <= available {
        return Ok(());
    }
    let error = Error::out_of_memory("the largest buffer", needed, available, "");
    Err(Fit::new(device, system, dynamics).advise(error))
}

/// The memory of a system in proportion to its replicas.
#[derive(Debug)]
pub(in crate::gpu) struct Fit {
    /// All replicas of the run.
    replicas: usize,
    /// The replicas that do fit, before those whose memory ran out.
    before: usize,
    /// The replicas whose memory ran out.
    own: usize,
    /// Bytes that are not in proportion to these.
    shared: u64,
    /// Bytes of the largest buffer that the device allows.
    largest: u64,
}

impl Fit {
    /// All replicas in one engine. Their memory in common is the grid of metadynamics.
    pub(in crate::gpu) fn new(device: &Device, system: &System, dynamics: &Dynamics) -> Self {
        let (replicas, shared) = (system.n_replicas(), Metadynamics::bytes(dynamics));
        let largest = device.capabilities().buffer_bytes;
        Fit { replicas, before: 0, own: replicas, shared, largest }
    }

    /// The next `own` of `replicas` replicas, after `before` that are on the device.
    pub(in crate::gpu) fn of_batch(
        device: &Device,
        replicas: usize,
        before: usize,
        own: usize,
    ) -> Self {
        let (shared, largest) = (device.allocated_bytes(), device.capabilities().buffer_bytes);
        Fit { replicas, before, own, shared, largest }
    }

    /// Replaces the advice of an error of one of several engines, unless a buffer is too large.
    pub(in crate::gpu) fn advise_all(&self, error: Error) -> Error {
        match error {
            Error::OutOfMemory { what, needed, available, .. } if available != self.largest => {
                self.advise(Error::out_of_memory(what, needed, available, ""))
            }
            other => other,
        }
    }

    /// Adds to an out-of-memory error without advice how many replicas would fit.
    pub(in crate::gpu) fn advise(&self, error: Error) -> Error {
        match error {
            Error::OutOfMemory { what, needed, available, advice, .. } if advice.is_empty() => {
                let Fit { replicas, before, own, .. } = *self;
                // A buffer that is too large is one of the replicas.
                let shared = if available == self.largest { 0 } else { self.shared };
                let [left, all] = [available, needed].map(|bytes| bytes.saturating_sub(shared));
                let fit = before + (own as f64 * left as f64 / all.max(1) as f64) as usize;
                let fit = fit.min(replicas.saturating_sub(1));
                let advice = match fit {
                    0 => format!("not one of the {replicas} replicas fits; try the CPU backend"),
                    _ => format!("about {fit} of the {replicas} replicas would fit"),
                };
                Error::OutOfMemory { what, needed, available, fits: Some(fit), advice }
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_is_not_in_proportion_to_the_replicas() {
        let advice = |available: u64, shared: u64| {
            let error = Error::out_of_memory("", 1000, available, "");
            let fit = Fit { replicas: 100, before: 0, own: 100, shared, largest: 700 };
            fit.advise(error).to_string()
        };
        for (available, shared, expected) in [
            (500, 0, "about 50 of the 100 replicas would fit"),
            (500, 400, "about 16 of the 100 replicas would fit"),
            (700, 400, "about 70 of the 100 replicas would fit"),
            (500, 500, "not one of the 100 replicas fits"),
            (500, 2000, "not one of the 100 replicas fits"),
        ] {
            assert!(advice(available, shared).contains(expected), "{available} {shared}");
        }
    }
}
