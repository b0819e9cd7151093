//! Creation of new files. An existing file is never replaced.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Creates a file. It is an error if the file exists.
pub(crate) fn create_new(path: &Path) -> Result<File> {
    OpenOptions::new().append(true).create_new(true).open(path).map_err(|error| {
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => Error::Exists(path.to_owned()),
            _ => Error::io(path, error),
        }
    })
}

/// Checks that nothing exists at a path.
///
/// # Errors
/// [`Error::Exists`].
pub fn check_free(path: &Path) -> Result<()> {
    match path.symlink_metadata() {
        Ok(_) => Err(Error::Exists(path.to_owned())),
        Err(_) => Ok(()),
    }
}

/// Writes a new file. It appears under its name only when it is complete.
///
/// # Errors
/// [`Error::Exists`] if the file exists; [`Error::Io`].
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
        // A failure to remove the partial file is ignored: the caller needs the first error.
        let _ = std::fs::remove_file(partial);
        Error::io(path, error)
    })
}
