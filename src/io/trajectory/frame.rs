//! The check of a frame that all formats share.

use std::path::Path;

use crate::error::{Error, Result};

/// Checks the number of beads of a frame.
pub(super) fn check_beads(path: &Path, field: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let found = format!("{found} beads");
    let expected = format!("{expected}, as in the structure");
    Err(Error::invalid(field, found, expected).of_file(path))
}
