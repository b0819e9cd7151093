//! Whether a system fits a device, and how many of its replicas would.

use super::super::device::Device;
use super::super::neighbors::widest;
use super::super::tuning::first_capacity;
use crate::engine::Filter;
use crate::error::{Error, Result};
use crate::system::System;

/// Refuses a system whose largest buffer exceeds the largest binding of the device, before anything
/// is allocated.
pub(super) fn check_fit(device: &Device, system: &System, filter: Filter) -> Result<()> {
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
    Err(with_fit(error, system.n_replicas()))
}

/// Adds to an out-of-memory error how many replicas would fit, in proportion to the memory.
pub(super) fn with_fit(error: Error, replicas: usize) -> Error {
    match error {
        Error::OutOfMemory { what, needed, available, .. } => {
            let fit = (replicas as f64 * available as f64 / needed as f64) as usize;
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
