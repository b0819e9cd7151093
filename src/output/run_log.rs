//! The log of a run, with room in reserve.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::io::{create_new, move_to};

/// The bytes in reserve. They hold the last lines of a run that ends because the disk is full.
const ROOM: usize = 4096;

/// A text file. Blanks after its lines keep room on the disk for the next lines. They are removed
/// when the log is dropped.
#[derive(Debug)]
pub(super) struct RunLog {
    path: PathBuf,
    /// The length of the lines.
    text: usize,
    /// The number of blanks.
    room: usize,
}

impl RunLog {
    /// Creates the file with its reserve.
    ///
    /// # Errors
    /// [`Error::Exists`] and [`Error::Io`].
    pub(super) fn create(path: &Path) -> Result<Self> {
        let mut file = create_new(path)?;
        let mut log = RunLog { path: path.to_owned(), text: 0, room: 0 };
        log.reserve(&mut file, ROOM).map_err(|error| Error::io(path, error))?;
        Ok(log)
    }

    /// Continues the log of an earlier run, or creates it if somebody has removed it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn resume(path: &Path) -> Result<Self> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Self::create(path);
            }
            Err(error) => return Err(Error::io(path, error)),
        };
        // A process that was killed has left its blanks.
        let text = bytes.trim_ascii_end().len();
        let file = OpenOptions::new().write(true).open(path);
        let cut = file.and_then(|mut file| {
            file.set_len(text as u64)?;
            let mut log = RunLog { path: path.to_owned(), text, room: 0 };
            if text > 0 {
                file.seek(SeekFrom::End(0))?;
                file.write_all(b"\n")?;
                log.text += 1;
            }
            // A full disk is no reason to refuse the log.
            let _ = log.reserve(&mut file, ROOM);
            Ok(log)
        });
        cut.map_err(|error| Error::io(path, error))
    }

    /// Goes on after the folder of the log was moved.
    pub(super) fn move_to(&mut self, folder: &Path) {
        move_to(&mut self.path, folder);
    }

    /// Adds a line. If the disk is full, the line takes room from the reserve.
    ///
    /// # Errors
    /// [`Error::Io`] if neither the disk nor the reserve has room, or if the file was removed.
    pub(super) fn line(&mut self, line: &str) -> Result<()> {
        let mut line = format!("{line}\n");
        let mut write = || {
            let mut file = OpenOptions::new().write(true).open(&self.path)?;
            let length = file.metadata()?.len() as usize;
            if length != self.text + self.room {
                // Somebody has edited the log. It goes on after the new text.
                (self.text, self.room) = (length, 0);
                line.insert(0, '\n');
            }
            if self.room < line.len() + ROOM / 2 {
                let reserved = self.reserve(&mut file, line.len() + ROOM);
                if self.room < line.len() {
                    reserved?;
                }
            }
            file.seek(SeekFrom::Start(self.text as u64))?;
            file.write_all(line.as_bytes())?;
            self.text += line.len();
            self.room -= line.len();
            Ok(())
        };
        write().map_err(|error| Error::io(&self.path, error))
    }

    /// Extends the blanks to `room` bytes, or leaves them as they are.
    fn reserve(&mut self, file: &mut File, room: usize) -> std::io::Result<()> {
        let blanks = " ".repeat(room - self.room - 1) + "\n";
        let end = (self.text + self.room) as u64;
        let reserved =
            file.seek(SeekFrom::Start(end)).and_then(|_| file.write_all(blanks.as_bytes()));
        match reserved {
            Ok(()) => self.room = room,
            Err(_) => file.set_len(end)?,
        }
        reserved
    }
}

impl Drop for RunLog {
    fn drop(&mut self) {
        // Blanks that cannot be removed do no harm.
        if let Ok(file) = OpenOptions::new().write(true).open(&self.path)
            && file.metadata().is_ok_and(|data| data.len() == (self.text + self.room) as u64)
        {
            let _ = file.set_len(self.text as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_followed_by_blanks_while_the_log_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.log");
        let mut log = RunLog::create(&path).unwrap();
        // Longer than the widths that the formatter allows.
        let long = "x".repeat(3 * ROOM + 70_000);
        for line in ["one", &long, "two"] {
            log.line(line).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.trim_end().ends_with(line));
            assert!(text.len() - text.trim_end().len() >= ROOM / 2);
        }
        drop(log);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("one\n{long}\ntwo\n"));
        assert!(matches!(RunLog::create(&path), Err(Error::Exists(_))));
        // The log of a process that was killed keeps its blanks.
        let mut log = RunLog::resume(&path).unwrap();
        log.line("three").unwrap();
        std::mem::forget(log);
        let mut log = RunLog::resume(&path).unwrap();
        log.line("four").unwrap();
        drop(log);
        let text = format!("one\n{long}\ntwo\nthree\nfour\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn a_log_that_somebody_has_edited_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.log");
        let mut log = RunLog::create(&path).unwrap();
        log.line("one").unwrap();
        std::fs::write(&path, "other").unwrap();
        log.line("two").unwrap();
        log.line("three").unwrap();
        drop(log);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "other\ntwo\nthree\n");
        let mut log = RunLog::create(&folder.path().join("removed.log")).unwrap();
        std::fs::remove_file(folder.path().join("removed.log")).unwrap();
        assert!(log.line("one").is_err());
        drop(log);
        assert!(!folder.path().join("removed.log").exists());
    }
}
