//! The names of the files of a run.

use std::path::{Path, PathBuf};

use crate::system::System;

pub(super) const LOG: &str = "run.log";
pub(super) const ENERGIES: &str = "energies.csv";
pub(super) const LOCK: &str = "run.lock";

/// Files that only a folder with an earlier run has.
pub(super) const OF_A_RUN: [&str; 5] =
    [LOG, ENERGIES, "topology.pdb", "checkpoint.safetensors", "checkpoint_prev.safetensors"];

/// The start of the names of arrays.
pub(super) const ARRAYS: &str = "run";

/// The trajectory of a replica.
pub(super) fn trajectory(id: u32) -> String {
    format!("replica_{id:04}.xtc")
}

/// The paths of the topologies, one for each molecule.
pub(super) fn topologies(folder: &Path, system: &System) -> Vec<PathBuf> {
    let name = |m| match system.molecules.len() {
        1 => "topology.pdb".to_owned(),
        _ => format!("topology_{m:04}.pdb"),
    };
    (0..system.molecules.len()).map(|m| folder.join(name(m))).collect()
}
