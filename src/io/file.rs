//! Creation and growth of output files. An existing file is never replaced.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// Creates a file. It is an error if the file exists.
pub(crate) fn create_new(path: &Path) -> Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Error::Exists(path.to_owned()),
        _ => Error::io(path, error),
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

/// Replaces a file, by way of a file whose name ends with `.part`. At every moment the file is
/// whole. A process that is killed can leave the part, which the next call replaces.
///
/// # Errors
/// [`Error::Io`]. Then the file is as before.
pub(crate) fn rewrite(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    let write = || {
        let mut file = File::create(part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(part, path)
    };
    write().map_err(|error| {
        // A failure to remove the part is ignored: the caller needs the first error.
        let _ = std::fs::remove_file(part);
        Error::io(path, error)
    })
}

/// Waits until the storage holds a file.
pub(crate) fn sync_file(path: &Path) -> std::io::Result<()> {
    // Windows refuses this for a file that is open for reading alone.
    OpenOptions::new().write(true).open(path)?.sync_all()
}

/// Waits until the storage holds the names of the files in a folder.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    // Only Unix opens folders as files.
    #[cfg(unix)]
    {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let synced = File::open(folder).and_then(|file| file.sync_all());
        synced.map_err(|error| Error::io(folder, error))?;
    }
    let _ = folder;
    Ok(())
}

/// Replaces the folder of a path.
pub(crate) fn move_to(path: &mut PathBuf, folder: &Path) {
    if let Some(name) = path.file_name() {
        *path = folder.join(name);
    }
}

/// A file that grows by whole pieces. Pieces stay provisional until they are committed.
///
/// The file is open only while it is written, so that many files do not exceed the limit of open
/// files. Each time it must be at its path and have the length that was written. Otherwise it was
/// removed or replaced, and it is left alone.
#[derive(Debug)]
pub(crate) struct GrowingFile {
    path: PathBuf,
    length: u64,
    committed: u64,
    /// Whether bytes beyond the committed ones may have been written.
    provisional: bool,
    /// Whether the storage may lack a change. An empty file needs only its name, which the storage
    /// gets with the folder.
    unsaved: AtomicBool,
}

impl GrowingFile {
    /// Creates an empty file.
    ///
    /// # Errors
    /// [`Error::Exists`] if the file exists; [`Error::Io`].
    pub(crate) fn create(path: &Path) -> Result<Self> {
        create_new(path)?;
        Ok(GrowingFile::at(path, 0, false))
    }

    fn at(path: &Path, length: u64, unsaved: bool) -> Self {
        let (path, unsaved) = (path.to_owned(), unsaved.into());
        GrowingFile { path, length, committed: length, provisional: false, unsaved }
    }

    /// Checks that a file of an earlier run has at least the given length.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is shorter; [`Error::Io`].
    pub(crate) fn check(path: &Path, length: u64) -> Result<()> {
        let found = std::fs::metadata(path).map_err(|error| Error::io(path, error))?.len();
        if found < length {
            let expected = format!("at least {length}, as at the checkpoint");
            return Err(Error::invalid("length", found, expected).of_file(path));
        }
        Ok(())
    }

    /// Cuts a file of an earlier run to the given length, at which it then grows.
    ///
    /// # Errors
    /// See [`GrowingFile::check`].
    pub(crate) fn resume(path: &Path, length: u64) -> Result<Self> {
        Self::check(path, length)?;
        let file = OpenOptions::new().write(true).open(path);
        let cut = file.and_then(|file| file.set_len(length));
        cut.map_err(|error| Error::io(path, error))?;
        Ok(GrowingFile::at(path, length, true))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Goes on after the folder of the file was moved.
    pub(crate) fn move_to(&mut self, folder: &Path) {
        move_to(&mut self.path, folder);
    }

    /// The length without provisional pieces.
    pub(crate) fn committed(&self) -> u64 {
        self.committed
    }

    /// Writes bytes at the end, provisionally.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the length is not the one that was written; [`Error::Io`].
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let mut file = self.open(self.length)?;
        (self.provisional, self.unsaved) = (true, true.into());
        let written = file.seek(SeekFrom::Start(self.length)).and_then(|_| file.write_all(bytes));
        written.map_err(|error| Error::io(&self.path, error))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Replaces the first bytes, which were committed. The length stays.
    ///
    /// # Errors
    /// See [`GrowingFile::append`].
    pub(crate) fn replace_start(&mut self, bytes: &[u8]) -> Result<()> {
        let mut file = self.open(self.length)?;
        self.unsaved = true.into();
        file.write_all(bytes).map_err(|error| Error::io(&self.path, error))
    }

    /// Keeps what was appended.
    pub(crate) fn commit(&mut self) {
        (self.committed, self.provisional) = (self.length, false);
    }

    /// Removes what was appended since the last commit, completely or in part.
    pub(crate) fn undo(&mut self) -> Result<()> {
        if !self.provisional {
            return Ok(());
        }
        let file = OpenOptions::new().write(true).open(&self.path);
        let cut = file.and_then(|file| match file.metadata()?.len() < self.committed {
            true => Err(std::io::Error::other("the file was changed")),
            false => file.set_len(self.committed),
        });
        cut.map_err(|error| Error::io(&self.path, error))?;
        (self.length, self.provisional) = (self.committed, false);
        Ok(())
    }

    /// Checks that the file has what was committed, and waits until the storage holds it.
    ///
    /// # Errors
    /// See [`GrowingFile::append`].
    pub(crate) fn sync(&self) -> Result<()> {
        let file = self.open(self.committed)?;
        if self.unsaved.load(Ordering::Relaxed) {
            file.sync_data().map_err(|error| Error::io(&self.path, error))?;
            self.unsaved.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Opens the file, and checks its length.
    fn open(&self, length: u64) -> Result<File> {
        let io = |error| Error::io(&self.path, error);
        let file = OpenOptions::new().write(true).open(&self.path).map_err(io)?;
        let found = file.metadata().map_err(io)?.len();
        if found != length {
            let expected = format!("{length}, as written; another program changed the file");
            return Err(Error::invalid("length", found, expected).of_file(&self.path));
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_file_keeps_what_is_committed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mut file = GrowingFile::create(&path).unwrap();
        file.append(b"one").unwrap();
        file.commit();
        file.append(b"two").unwrap();
        file.undo().unwrap();
        file.append(b"three").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"onethree");
        assert!(matches!(GrowingFile::create(&path), Err(Error::Exists(_))));
    }

    #[test]
    fn a_file_that_was_replaced_or_removed_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mut file = GrowingFile::create(&path).unwrap();
        file.append(b"one").unwrap();
        file.commit();
        std::fs::write(&path, "other").unwrap();
        let error = file.append(b"two").unwrap_err().to_string();
        assert!(error.contains("found 5, expected 3"), "{error}");
        file.undo().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"other");
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(file.append(b"two"), Err(Error::Io { .. })));
        assert!(!path.exists());
    }
}
