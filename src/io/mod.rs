//! Files that a run writes, and trajectories to read.
//!
//! Every write leaves files that can be read: trajectories and tables grow by whole frames, and
//! everything else appears under its name only when it is complete.

mod caught;
mod dcd;
mod npy;
mod npy_reader;
mod output;
mod pdb;
mod trajectory;
mod xtc;
mod xtc_reader;

pub use dcd::DcdReader;
pub use npy::NpyWriter;
pub use npy_reader::NpyReader;
pub use output::{Output, OutputOptions};
pub use pdb::topology_pdb;
pub use trajectory::Trajectory;
pub use xtc::XtcWriter;
pub use xtc_reader::XtcReader;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Creates a file that must not exist yet.
pub(crate) fn create_new(path: &Path) -> Result<File> {
    OpenOptions::new().append(true).create_new(true).open(path).map_err(|error| {
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => Error::Exists(path.to_owned()),
            _ => Error::io(path, error),
        }
    })
}

/// Refuses a path that exists.
///
/// # Errors
/// [`Error::Exists`].
pub fn check_free(path: &Path) -> Result<()> {
    match path.symlink_metadata() {
        Ok(_) => Err(Error::Exists(path.to_owned())),
        Err(_) => Ok(()),
    }
}

/// Writes a new file: it appears under its name only when it is complete.
///
/// # Errors
/// [`Error::Exists`] if there is one already, and failures of the disk.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    check_free(path)?;
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    let partial = Path::new(&partial);
    let write = || {
        let mut file = File::create(partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(partial, path)
    };
    write().map_err(|error| {
        // What was written of it is of no use, and the first error is the one to tell.
        let _ = std::fs::remove_file(partial);
        Error::io(path, error)
    })
}
