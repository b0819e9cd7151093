//! The right to write into an output folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::names;
use crate::error::{Error, Result, printable};

/// The right of one run to write into a folder. The system takes it back when the process ends,
/// however it ends.
#[derive(Debug)]
pub struct FolderLock {
    // A lock ends with its file.
    _file: File,
}

impl FolderLock {
    /// Takes the lock of a folder.
    ///
    /// # Errors
    /// [`Error::Io`] if another run has the lock.
    pub fn take(folder: &Path) -> Result<Self> {
        let path = folder.join(names::LOCK);
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(|error| Error::io(&path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let error = std::io::Error::other("another run writes into this folder");
                return Err(Error::io(folder, error));
            }
            // Some file systems of networks have no locks.
            Err(TryLockError::Error(error)) => log::warn!(
                "{}: no lock ({error}); make sure that no other run writes into this folder",
                printable(folder.display())
            ),
        }
        Ok(FolderLock { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_lock() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(folder.path()).unwrap();
        let error = FolderLock::take(folder.path()).unwrap_err().to_string();
        assert!(error.starts_with(folder.path().to_str().unwrap()), "{error}");
        drop(lock);
        FolderLock::take(folder.path()).unwrap();
    }
}
