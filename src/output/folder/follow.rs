//! A run whose folder is moved while it writes.

use std::path::Path;

use super::Output;
use crate::error::{Error, Result, printable};
use crate::io::move_to;

impl Output {
    /// The folder of the files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Finds the files again after somebody has moved their folder, so that they can be completed.
    /// Only Linux tells where the folder is.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder was moved, now or before: the run should end, because a later
    /// process would look for its files where they were.
    pub fn follow(&mut self) -> Result<()> {
        if let Some(folder) = self.lock.moved_from(&self.folder) {
            let old = std::mem::replace(&mut self.folder, folder);
            let folder = self.folder.as_path();
            self.exchange.iter_mut().for_each(|files| files.move_to(folder));
            let files = self.trajectories.files();
            files.chain([&mut self.energies]).for_each(|file| file.move_to(folder));
            self.log.move_to(folder);
            self.npy.iter_mut().for_each(|npy| npy.writer().move_to(folder));
            self.topologies.iter_mut().for_each(|path| move_to(path, folder));
            self.moved_from.get_or_insert(old);
        }
        let Some(old) = &self.moved_from else { return Ok(()) };
        let folder = printable(self.folder.display());
        let error = format!("the folder was moved to {folder} while the run wrote to it");
        Err(Error::io(old, std::io::Error::other(error)))
    }
}
