//! One file of a block of frames: values of shape `[n_replicas, n_frames, row]`.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::npy_header::{HEADER_BYTES, header};
use crate::error::{Error, Result};
use crate::io::file::{check_free, create_new, move_to, sync_file};

/// An unfinished file has the partial name and room for all frames of a block. A file that is being
/// converted to another number of frames has the new name. The converted file takes its name at
/// once, so that at every moment one of the two is whole.
#[derive(Debug)]
pub(super) struct Array {
    path: PathBuf,
    partial: PathBuf,
    new: PathBuf,
    n_replicas: usize,
    /// The number of frames of a full block.
    most_frames: usize,
    /// The number of values of a replica in a frame, and their shape.
    row: usize,
    rest: Vec<usize>,
}

impl Array {
    pub(super) fn new(
        path: PathBuf,
        n_replicas: usize,
        most_frames: usize,
        rest: Vec<usize>,
    ) -> Self {
        let with = |end: &str| {
            let mut name = path.clone().into_os_string();
            name.push(end);
            PathBuf::from(name)
        };
        let (partial, new) = (with(".partial"), with(".new"));
        let row = rest.iter().product();
        Array { path, partial, new, n_replicas, most_frames, row, rest }
    }

    /// Goes on after the folder of the file was moved.
    pub(super) fn move_to(&mut self, folder: &Path) {
        for path in [&mut self.path, &mut self.partial, &mut self.new] {
            move_to(path, folder);
        }
    }

    /// Creates the file under its partial name, filled with zeros.
    pub(super) fn create(&self) -> Result<()> {
        check_free(&self.path)?;
        self.fill(&self.partial, self.most_frames)
    }

    /// Creates a file of zeros for `n_frames` frames, or leaves nothing.
    fn fill(&self, path: &Path, n_frames: usize) -> Result<()> {
        let mut file = create_new(path)?;
        let zeros = 4 * (self.n_replicas * n_frames * self.row) as u64;
        let written = file.write_all(&self.header(n_frames));
        let written =
            written.and_then(|()| std::io::copy(&mut std::io::repeat(0).take(zeros), &mut file));
        written.map(drop).map_err(|error| {
            // A failure is ignored: the caller needs the first error.
            let _ = std::fs::remove_file(path);
            Error::io(path, error)
        })
    }

    /// Writes the values of all replicas in one frame.
    pub(super) fn put(&self, frame: usize, values: &[f64]) -> Result<()> {
        let put = || {
            let mut file = self.open()?;
            for (r, row) in values.chunks(self.row.max(1)).enumerate() {
                let bytes: Vec<u8> = row.iter().flat_map(|x| (*x as f32).to_le_bytes()).collect();
                file.seek(SeekFrom::Start(self.offset(r * self.most_frames + frame)))?;
                file.write_all(&bytes)?;
            }
            Ok(())
        };
        put().map_err(|error| Error::io(&self.partial, error))
    }

    /// Waits until the storage holds the frames.
    pub(super) fn sync(&self) -> Result<()> {
        let synced = self.open().and_then(|file| file.sync_data());
        synced.map_err(|error| Error::io(&self.partial, error))
    }

    /// Gives the file its length and its name.
    pub(super) fn complete(&self, n_frames: usize) -> Result<()> {
        check_free(&self.path)?;
        let complete = || {
            self.open()?.sync_all()?;
            if n_frames == self.most_frames {
                return std::fs::rename(&self.partial, &self.path);
            }
            self.shorten(n_frames)?;
            sync_file(&self.new)?;
            std::fs::rename(&self.new, &self.path)
        };
        complete().map_err(|error| Error::io(&self.partial, error))?;
        if n_frames < self.most_frames {
            self.remove();
        }
        Ok(())
    }

    /// Converts the partial file to the new file, which has room for `n_frames` frames only.
    fn shorten(&self, n_frames: usize) -> std::io::Result<()> {
        let copied = create_new(&self.new)
            .map_err(std::io::Error::other)
            .and_then(|_| self.convert(&self.partial, self.most_frames, &self.new, n_frames));
        copied.or_else(|_| {
            // A disk without room for a copy: the rows are moved within the file.
            let _ = std::fs::remove_file(&self.new);
            std::fs::rename(&self.partial, &self.new)?;
            self.convert(&self.new, self.most_frames, &self.new, n_frames)
        })
    }

    /// Copies the frames that two files with room for different numbers of frames have in common,
    /// and gives the second its header and length. Both can be one file if it gets shorter.
    fn convert(&self, from: &Path, n_from: usize, to: &Path, n_to: usize) -> std::io::Result<()> {
        let mut from = File::open(from)?;
        let mut to = OpenOptions::new().write(true).open(to)?;
        let mut bytes = vec![0; 4 * n_from.min(n_to) * self.row];
        for r in 0..self.n_replicas {
            from.seek(SeekFrom::Start(self.offset(r * n_from)))?;
            from.read_exact(&mut bytes)?;
            to.seek(SeekFrom::Start(self.offset(r * n_to)))?;
            to.write_all(&bytes)?;
        }
        to.set_len(self.offset(self.n_replicas * n_to))?;
        to.rewind()?;
        to.write_all(&self.header(n_to))
    }

    /// Checks that the file of an earlier run, complete or not, has at least `n_frames` frames.
    pub(super) fn check(&self, n_frames: usize) -> Result<()> {
        self.found(n_frames).map(drop)
    }

    /// The path of the file of an earlier run, and the number of frames for which it has room.
    fn found(&self, n_frames: usize) -> Result<(&Path, usize)> {
        let path = if self.partial.exists() { &self.partial } else { &self.path };
        let io = |error| Error::io(path, error);
        let file = File::open(path).map_err(io)?;
        let values = file.metadata().map_err(io)?.len().saturating_sub(HEADER_BYTES as u64) / 4;
        let room = values as usize / (self.n_replicas * self.row).max(1);
        let mut header = Vec::new();
        (&file).take(HEADER_BYTES as u64).read_to_end(&mut header).map_err(io)?;
        let whole = self.offset(self.n_replicas * room) == file.metadata().map_err(io)?.len()
            && header == self.header(room);
        if !whole || room < n_frames || room > self.most_frames {
            let expected = format!(
                "an array of {n_frames} to {} frames, as at the checkpoint",
                self.most_frames
            );
            let found = if whole { format!("{room} frames") } else { "another shape".into() };
            return Err(Error::invalid("content", found, expected).of_file(path));
        }
        Ok((path, room))
    }

    /// Gives the file of an earlier run, complete or not, its partial name and its full size. Keeps
    /// `n_frames` frames; others are written over.
    pub(super) fn reopen(&self, n_frames: usize) -> Result<()> {
        let (path, room) = self.found(n_frames)?;
        let io = |error| Error::io(path, error);
        // A process that was killed here has left it.
        let _ = std::fs::remove_file(&self.new);
        if room < self.most_frames {
            self.fill(&self.new, self.most_frames)?;
            self.convert(path, room, &self.new, self.most_frames).map_err(io)?;
            sync_file(&self.new).map_err(io)?;
            std::fs::rename(&self.new, &self.partial).map_err(io)?;
            let _ = std::fs::remove_file(&self.path);
        } else if path == self.path {
            std::fs::rename(path, &self.partial).map_err(io)?;
        } else {
            let _ = std::fs::remove_file(&self.path);
        }
        Ok(())
    }

    /// Opens the file, and checks its length.
    fn open(&self) -> std::io::Result<File> {
        let file = OpenOptions::new().read(true).write(true).open(&self.partial)?;
        match file.metadata()?.len() == self.offset(self.n_replicas * self.most_frames) {
            true => Ok(file),
            false => Err(std::io::Error::other("another program changed the length of the file")),
        }
    }

    /// The place of a row of a replica and a frame.
    fn offset(&self, row: usize) -> u64 {
        HEADER_BYTES as u64 + 4 * (row * self.row) as u64
    }

    fn header(&self, n_frames: usize) -> Vec<u8> {
        let shape = [&[self.n_replicas, n_frames], &self.rest[..]].concat();
        header("<f4", false, &shape.iter().map(|n| *n as u64).collect::<Vec<_>>())
    }

    /// Removes the partial file. A failure is ignored: the caller has an earlier error, or nothing
    /// in the file.
    pub(super) fn remove(&self) {
        let _ = std::fs::remove_file(&self.partial);
    }

    /// Whether there is a file under any of the names.
    pub(super) fn exists(&self) -> bool {
        [&self.new, &self.partial, &self.path].into_iter().any(|path| path.exists())
    }

    /// Removes the files under all names. A file that stays is noticed when it is created again.
    pub(super) fn remove_all(&self) {
        for path in [&self.new, &self.partial, &self.path] {
            let _ = std::fs::remove_file(path);
        }
    }
}
