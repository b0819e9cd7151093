//! The files and folders that a run has created. They are removed if the run cannot start.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The files and folders that a run has created, in this order.
#[derive(Debug, Default)]
pub(super) struct NewPaths(Vec<PathBuf>);

/// The creation of the files of a run, which can be interrupted.
pub(super) struct Creation<'a> {
    pub(super) new: NewPaths,
    pub(super) stop: &'a dyn Fn() -> bool,
}

impl Creation<'_> {
    /// Creates a file with `create`.
    pub(super) fn file<T>(
        &mut self,
        path: PathBuf,
        create: impl FnOnce(&Path) -> Result<T>,
    ) -> Result<T> {
        match (self.stop)() {
            true => Err(Error::io(&path, std::io::ErrorKind::Interrupted.into())),
            false => self.new.file(path, create),
        }
    }
}

impl NewPaths {
    /// Creates a folder and the missing folders above it.
    pub(super) fn folders(&mut self, folder: &Path) -> Result<()> {
        let missing = folder.ancestors().take_while(|path| {
            !path.as_os_str().is_empty() && matches!(path.try_exists(), Ok(false))
        });
        for path in missing.collect::<Vec<_>>().into_iter().rev() {
            match std::fs::create_dir(path) {
                Ok(()) => self.0.push(path.to_owned()),
                // Another program was faster.
                Err(_) if path.is_dir() => {}
                Err(error) => return Err(Error::io(path, error)),
            }
        }
        Ok(())
    }

    fn file<T>(&mut self, path: PathBuf, create: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        let file = create(&path);
        // A file can be left although `create` failed, but one that exists is somebody else's.
        if !matches!(file, Err(Error::Exists(_))) {
            self.0.push(path);
        }
        file
    }

    /// Adds a file.
    pub(super) fn add(&mut self, path: PathBuf) {
        self.0.push(path);
    }

    /// Removes everything. A folder in which somebody else has put files stays.
    pub(super) fn remove(self) {
        for path in self.0.iter().rev() {
            // A failure is ignored: the caller has an earlier error.
            let _ = std::fs::remove_file(path).or_else(|_| std::fs::remove_dir(path));
        }
    }
}
