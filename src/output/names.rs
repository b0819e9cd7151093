//! The names of the files of a run.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::io;
use crate::system::System;

pub(super) const LOG: &str = "run.log";
pub(super) const ENERGIES: &str = "energies.csv";
pub(super) const SETTINGS: &str = "settings.toml";
pub(super) const LOCK: &str = "run.lock";
pub(super) const STATES: &str = "states.csv";
pub(super) const LADDERS: &str = "ladders.csv";
pub(super) const ACCEPTANCE: &str = "acceptance.csv";
pub(super) const ROUND_TRIPS: &str = "round_trips.csv";

/// Files that only a folder with an earlier run has.
const OF_A_RUN: [&str; 10] = [
    LOG,
    SETTINGS,
    ENERGIES,
    "topology.pdb",
    "checkpoint.safetensors",
    "checkpoint_prev.safetensors",
    STATES,
    LADDERS,
    ACCEPTANCE,
    ROUND_TRIPS,
];

/// The start and another part of the names of files of which a run can have many.
const MANY: [(&str, &str); 8] = [
    ("replica_", ".xtc"),
    ("replica_", ".dcd"),
    ("topology_", ".pdb"),
    ("run_", ".npy"),
    ("ladder_", ".npy"),
    ("ladder_", ".xtc"),
    ("ladder_", ".dcd"),
    ("metadynamics_", ".csv"),
];

/// The start of the names of arrays.
pub(super) const ARRAYS: &str = "run";

/// The trajectory of a replica, without the extension of its format.
pub(super) fn trajectory(id: u32) -> String {
    format!("replica_{id:04}")
}

/// The trajectory of a state of a ladder, without the extension of its format.
pub(super) fn of_state(ladder: usize, state: usize) -> String {
    of_ladder(ladder, &format!("state_{state:04}"))
}

/// The free energy that metadynamics of this name estimates.
pub(super) fn of_hills(name: &str) -> String {
    format!("metadynamics_{name}.csv")
}

pub(super) const U_KN: &str = "u_kn.npy";
pub(super) const N_K: &str = "N_k.npy";
pub(super) const SAMPLES: &str = "samples.npy";

/// A file of a ladder.
pub(super) fn of_ladder(ladder: usize, what: &str) -> String {
    format!("ladder_{ladder:04}_{what}")
}

/// The paths of the topologies, one for each molecule.
pub(super) fn topologies(folder: &Path, system: &System) -> Vec<PathBuf> {
    let name = |m| match system.molecules.len() {
        1 => "topology.pdb".to_owned(),
        _ => format!("topology_{m:04}.pdb"),
    };
    (0..system.molecules.len()).map(|m| folder.join(name(m))).collect()
}

/// Refuses a folder that holds an earlier run.
///
/// # Errors
/// [`Error::Exists`] names a file of the earlier run.
pub(super) fn check_free(folder: &Path) -> Result<()> {
    if folder.exists() && !folder.is_dir() {
        return Err(Error::invalid("output", "a file", "a folder").of_file(folder));
    }
    for name in OF_A_RUN {
        io::check_free(&folder.join(name))?;
    }
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let entry = entry.map_err(|error| Error::io(folder, error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if MANY.iter().any(|(start, part)| name.starts_with(start) && name.contains(part)) {
            return Err(Error::Exists(entry.path()));
        }
    }
    Ok(())
}
