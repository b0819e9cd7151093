//! Whether a system fits a device, and how many of its replicas would.

use super::super::device::Device;
use super::super::metadynamics::Metadynamics;
use super::super::neighbors::widest;
use super::super::tuning::first_capacity;
use crate::engine::{Dynamics, Filter};
use crate::error::{Error, Result};
use crate::system::System;

/// Refuses a system whose largest buffer exceeds the largest binding of the device, before anything
/// is allocated.
pub(super) fn check_fit(
    device: &Device,
    system: &System,
    dynamics: &Dynamics,
    filter: Filter,
) -> Result<()> {
    let widths = system.schnet.iter().flat_map(|schnet| {
        let readout = schnet.readout.iter().map(|layer| layer.n_out);
        [schnet.n_hidden, schnet.n_filters()].into_iter().chain(readout)
    });
    // Bytes of a bead: 32 for its position or its two forces, or its widest row of features.
    let row_bytes = 4 * widths.max().unwrap_or(0).max(8) as u64;
    let edges = first_capacity(widest(system)) as u64 * system.n_replicas() as u64;
    // Words of an edge: its place in the tables has two, a column one.
    let words = if filter == Filter::Exact { 1 } else { 2 };
    let edge_bytes = if system.schnet.is_some() { 4 * words * edges } else { 0 };
    let needed = (row_bytes * system.n_beads() as u64).max(edge_bytes);
    let available = device.capabilities().buffer_bytes;
    if needed <= available {
        return Ok(());
    }
    let what = "the largest buffer".to_owned();
    let error = Error::OutOfMemory { what, needed, available, advice: String::new() };
    Err(Fit::new(device, system, dynamics).advise(error))
}

/// The memory of a system in proportion to its replicas.
pub(super) struct Fit {
    replicas: usize,
    /// Bytes of all replicas together, which are the grid of metadynamics.
    shared: u64,
    /// Bytes of the largest buffer that the device allows.
    largest: u64,
}

impl Fit {
    pub(super) fn new(device: &Device, system: &System, dynamics: &Dynamics) -> Self {
        let shared = Metadynamics::bytes(dynamics);
        Fit { replicas: system.n_replicas(), shared, largest: device.capabilities().buffer_bytes }
    }

    /// Adds to an out-of-memory error how many replicas would fit.
    pub(super) fn advise(&self, error: Error) -> Error {
        match error {
            Error::OutOfMemory { what, needed, available, .. } => {
                let replicas = self.replicas;
                // A buffer that is too large is one of the replicas.
                let shared = if available == self.largest { 0 } else { self.shared };
                let [left, all] = [available, needed].map(|bytes| bytes.saturating_sub(shared));
                let fit = (replicas as f64 * left as f64 / all.max(1) as f64) as usize;
                let fit = fit.min(replicas.saturating_sub(1));
                let advice = match fit {
                    0 => format!("not one of the {replicas} replicas fits; try --backend cpu"),
                    _ => format!("about {fit} of the {replicas} replicas would fit"),
                };
                Error::OutOfMemory { what, needed, available, advice }
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
            let what = String::new();
            let error = Error::OutOfMemory { what, needed: 1000, available, advice: String::new() };
            Fit { replicas: 100, shared, largest: 700 }.advise(error).to_string()
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
