//! Reading GROMACS' XTC files.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::caught::caught;
use crate::error::{Error, Result};

/// Bytes of a frame's header: magic number, beads, step, time, box and beads again.
const HEADER: usize = 56;

/// Bytes between the header and the length of compressed coordinates: precision, two corners and
/// the index of a size.
const PRELUDE: usize = 32;

/// Molecules of up to so many beads are not compressed.
const UNCOMPRESSED: usize = 9;

/// The number at the start of a frame, and of one of the newer, longer kind.
const MAGIC: [u32; 2] = [1995, 2023];

/// An XTC file, read frame by frame.
#[derive(Debug)]
pub struct XtcReader {
    path: PathBuf,
    file: BufReader<File>,
    n_read: u64,
    /// Bytes not read yet.
    left: u64,
}

impl XtcReader {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        let io = |error| Error::io(path, error);
        let file = File::open(path).map_err(io)?;
        let left = file.metadata().map_err(io)?.len();
        Ok(XtcReader { path: path.to_owned(), file: BufReader::new(file), n_read: 0, left })
    }

    /// The next frame, Å; `None` at the end.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the file is damaged or ends within the frame.
    pub fn read(&mut self) -> Result<Option<Vec<[f64; 3]>>> {
        let Some(bytes) = self.frame()? else { return Ok(None) };
        let mut frame = molly::Frame::default();
        // The library asserts what it takes for granted of the coordinates' code.
        let result = caught(|| {
            molly::XTCReader::new(&bytes[..]).read_frame(&mut frame).map(|()| frame.positions)
        });
        match result {
            Some(Ok(positions)) => {
                self.n_read += 1;
                let angstrom = |x: &f32| 10.0 * f64::from(*x);
                let vectors = positions.as_chunks::<3>().0.iter();
                Ok(Some(vectors.map(|x| x.each_ref().map(angstrom)).collect()))
            }
            Some(Err(error)) => Err(self.damaged(error)),
            None => Err(self.damaged("coordinates that do not decode")),
        }
    }

    /// Passes over the next frame; `false` at the end.
    ///
    /// # Errors
    /// As of [`XtcReader::read`].
    pub fn skip(&mut self) -> Result<bool> {
        let more = self.frame()?.is_some();
        self.n_read += u64::from(more);
        Ok(more)
    }

    /// The bytes of the next frame, all of which the file was found to hold before there was any
    /// memory set aside for them.
    fn frame(&mut self) -> Result<Option<Vec<u8>>> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        self.append(&mut bytes, HEADER as u64)?;
        let word =
            |bytes: &[u8], at: usize| u32::from_be_bytes(std::array::from_fn(|k| bytes[at + k]));
        let magic = word(&bytes, 0);
        if !MAGIC.contains(&magic) {
            return Err(self.damaged(format!("magic number {magic}")));
        }
        let (n_beads, again) = (word(&bytes, 4) as usize, word(&bytes, 52) as usize);
        if n_beads != again {
            return Err(self.damaged(format!("{n_beads} beads and {again} beads")));
        }
        if n_beads <= UNCOMPRESSED {
            self.append(&mut bytes, 12 * n_beads as u64)?;
            return Ok(Some(bytes));
        }
        let wide = magic == MAGIC[1];
        self.append(&mut bytes, PRELUDE as u64 + if wide { 8 } else { 4 })?;
        let at = HEADER + PRELUDE;
        let mut length = u64::from(word(&bytes, at));
        if wide {
            length = length << 32 | u64::from(word(&bytes, at + 4));
        }
        // A bead takes at least a bit, whatever the code: more beads are not worth their memory.
        if n_beads as u64 > length.saturating_mul(8) {
            return Err(self.damaged(format!("{n_beads} beads in {length} bytes")));
        }
        self.append(&mut bytes, length.checked_next_multiple_of(4).unwrap_or(u64::MAX))?;
        Ok(Some(bytes))
    }

    fn append(&mut self, bytes: &mut Vec<u8>, n: u64) -> Result<()> {
        if n > self.left {
            let found = format!("the end of the file, {} bytes on", self.left);
            let expected = format!("{n} bytes more: the file is truncated");
            let field = format!("frame {}", self.n_read);
            return Err(Error::invalid(field, found, expected).of_file(&self.path));
        }
        self.left -= n;
        let start = bytes.len();
        bytes.resize(start + n as usize, 0);
        self.file.read_exact(&mut bytes[start..]).map_err(|error| Error::io(&self.path, error))
    }

    fn damaged(&self, found: impl ToString) -> Error {
        let field = format!("frame {}", self.n_read);
        Error::invalid(field, found, "a sound XTC frame").of_file(&self.path)
    }
}
