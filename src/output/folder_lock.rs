//! The right to write into an output folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::names;
use crate::error::{Error, Result, printable};

/// The right of one run to write into a folder. The system takes it back when the process ends,
/// however it ends.
#[derive(Debug)]
pub struct FolderLock {
    // A lock ends with its file.
    _file: File,
    /// The folder, held open so that it is found again after it was moved.
    #[cfg(target_os = "linux")]
    folder: Option<File>,
}

impl FolderLock {
    /// Takes the lock of a folder.
    ///
    /// # Errors
    /// [`Error::Io`] if another run has the lock.
    pub fn take(folder: &Path) -> Result<Self> {
        let path = folder.join(names::LOCK);
        // Windows does not lock a file that is open for appending alone.
        let file = OpenOptions::new().create(true).read(true).append(true).open(&path);
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
        Ok(FolderLock {
            _file: file,
            #[cfg(target_os = "linux")]
            folder: File::open(folder).ok(),
        })
    }

    /// Where the folder is, if it is no longer at `path`; `None` also if it was removed.
    pub(super) fn moved_from(&self, path: &Path) -> Option<PathBuf> {
        #[cfg(target_os = "linux")]
        {
            use std::os::fd::AsRawFd;
            use std::os::unix::fs::MetadataExt;
            let folder = self.folder.as_ref()?;
            let own = folder.metadata().ok()?;
            let is_own = |path: &Path| {
                let found = std::fs::metadata(path);
                found.is_ok_and(|found| (found.dev(), found.ino()) == (own.dev(), own.ino()))
            };
            // Without a folder the path is that of the present one.
            let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
            if is_own(path) {
                return None;
            }
            let now = std::fs::read_link(format!("/proc/self/fd/{}", folder.as_raw_fd())).ok();
            now.filter(|now| is_own(now))
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = path;
            None
        }
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
