//! The parts that the readers of all formats share.

use std::fs::File;
use std::path::Path;

use crate::error::{Error, Result};

/// Checks the number of beads of a frame.
pub(super) fn check_beads(path: &Path, field: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let found = format!("{found} beads");
    let expected = format!("{expected}, those of the molecule");
    Err(Error::invalid(field, found, expected).of_file(path))
}

/// Opens a file of frames. Returns it with its length, in bytes.
///
/// A pipe is refused before it is opened: it has no length, and would be empty for a second reader.
pub(super) fn open(path: &Path) -> Result<(File, u64)> {
    let io = |error| Error::io(path, error);
    let kind = std::fs::metadata(path).map_err(io)?.file_type();
    if !kind.is_file() && !kind.is_dir() {
        let expected = "a file, because the number of frames follows from its length";
        return Err(Error::invalid("trajectory", "a pipe or a device", expected).of_file(path));
    }
    let file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    Ok((file, length))
}
