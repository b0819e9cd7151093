//! Reading of GROMACS' XTC format.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::frame::{check_beads, open};
use super::xtc_coordinates::{Prelude, decode};
use crate::error::{Error, Result};

/// Bytes of a frame's header: magic number, number of beads, step, time, box, and the number of
/// beads again.
const HEADER: usize = 56;

/// The place of the nine numbers of the box in the header.
const BOX: usize = 16;

/// Bytes between the header and the length of the compressed coordinates: precision, lower and
/// upper limits of the coordinates, and the number of bits of a small difference.
const PRELUDE: usize = 32;

/// Frames with up to this number of beads are not compressed.
const UNCOMPRESSED: usize = 9;

/// The magic number of a frame, and that of the newer format for large frames.
const MAGIC: [u32; 2] = [1995, 2023];

/// An XTC file, read frame by frame.
#[derive(Debug)]
pub struct XtcReader {
    path: PathBuf,
    file: BufReader<File>,
    length: u64,
    /// Bytes not read yet.
    left: u64,
    n_read: u64,
    has_box: bool,
    /// The bytes of the last frame. Those of a skipped one end before its coordinates.
    bytes: Vec<u8>,
    /// The coordinates of the last frame, nm.
    decoded: Vec<[f32; 3]>,
}

impl XtcReader {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        let (file, length) = open(path)?;
        Ok(XtcReader {
            path: path.to_owned(),
            file: BufReader::new(file),
            length,
            left: length,
            n_read: 0,
            has_box: false,
            bytes: Vec::new(),
            decoded: Vec::new(),
        })
    }

    /// Whether a frame that has been read has a periodic box.
    pub fn has_box(&self) -> bool {
        self.has_box
    }

    /// Reads the next frame, Å; `None` at the end.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the file is damaged or ends within the frame.
    pub fn read(&mut self) -> Result<Option<Vec<[f64; 3]>>> {
        let mut positions = Vec::new();
        let more = self.frame()?;
        if more {
            self.decode(&mut positions)?;
        }
        Ok(more.then_some(positions))
    }

    /// The same for a frame of `n_beads` beads, into `positions`; `false` at the end. The memory for a
    /// frame with another number of beads is not allocated, because a frame of few bytes can claim
    /// many beads.
    pub(super) fn read_beads(
        &mut self,
        n_beads: usize,
        positions: &mut Vec<[f64; 3]>,
    ) -> Result<bool> {
        if !self.frame()? {
            return Ok(false);
        }
        let name = format!("frame {}", self.n_read);
        check_beads(&self.path, &name, self.n_beads(), n_beads)?;
        self.decode(positions).map(|()| true)
    }

    /// Step and time, ps, of the last frame that was read or skipped.
    pub(super) fn stamp(&self) -> Option<(u64, f64)> {
        let has_any = self.n_read > 0;
        has_any.then(|| (word(&self.bytes, 8).into(), float(&self.bytes, 12).into()))
    }

    /// The place of the next frame in the file, in bytes.
    pub(super) fn offset(&self) -> u64 {
        self.length - self.left
    }

    /// Goes to frame `n`, whose place [`XtcReader::offset`] has told.
    pub(super) fn go_to(&mut self, offset: u64, n: u64) -> Result<()> {
        let moved = self.file.seek(SeekFrom::Start(offset));
        moved.map_err(|error| Error::io(&self.path, error))?;
        (self.left, self.n_read) = (self.length.saturating_sub(offset), n);
        Ok(())
    }

    fn n_beads(&self) -> usize {
        word(&self.bytes, 4) as usize
    }

    fn decode(&mut self, positions: &mut Vec<[f64; 3]>) -> Result<()> {
        let (bytes, n_beads) = (&self.bytes[..], self.n_beads());
        self.decoded.clear();
        if n_beads <= UNCOMPRESSED {
            let position =
                |bead: usize| [0, 1, 2].map(|c| float(bytes, HEADER + 12 * bead + 4 * c));
            self.decoded.extend((0..n_beads).map(position));
        } else {
            let corner = |at: usize| [0, 1, 2].map(|c| word(bytes, at + 4 * c) as i32);
            let prelude = Prelude {
                precision: float(bytes, HEADER),
                low: corner(HEADER + 4),
                high: corner(HEADER + 16),
                small: word(bytes, HEADER + 28),
            };
            let start = HEADER + PRELUDE + length_of_length(word(bytes, 0));
            let decoded = decode(&prelude, &bytes[start..], n_beads, &mut self.decoded);
            decoded.ok_or_else(|| self.damaged("coordinates that do not decode"))?;
        }
        self.n_read += 1;
        positions.clear();
        positions.extend(self.decoded.iter().map(|x| x.map(|x| 10.0 * f64::from(x))));
        Ok(())
    }

    /// Skips the next frame; `false` at the end.
    ///
    /// # Errors
    /// See [`XtcReader::read`].
    pub fn skip(&mut self) -> Result<bool> {
        let Some(rest) = self.head()? else { return Ok(false) };
        self.need(rest)?;
        self.left -= rest;
        // A relative seek keeps the data in the buffer.
        let moved = self.file.seek_relative(rest as i64);
        moved.map_err(|error| Error::io(&self.path, error))?;
        self.n_read += 1;
        Ok(true)
    }

    /// Reads the bytes of the next frame; `false` at the end. It allocates memory only for bytes that
    /// the file contains.
    fn frame(&mut self) -> Result<bool> {
        let Some(rest) = self.head()? else { return Ok(false) };
        self.append(rest).map(|()| true)
    }

    /// Reads the bytes of the next frame up to its coordinates. Returns the number of bytes that
    /// follow; `None` at the end.
    fn head(&mut self) -> Result<Option<u64>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.bytes.clear();
        self.append(HEADER as u64)?;
        let magic = word(&self.bytes, 0);
        if !MAGIC.contains(&magic) {
            return Err(self.damaged(format!("magic number {magic}")));
        }
        self.has_box |= (BOX..BOX + 36).step_by(4).any(|at| float(&self.bytes, at) != 0.0);
        let (n_beads, again) = (self.n_beads(), word(&self.bytes, 52) as usize);
        if n_beads != again {
            return Err(self.damaged(format!("two numbers of beads, {n_beads} and {again}")));
        }
        if n_beads <= UNCOMPRESSED {
            return Ok(Some(12 * n_beads as u64));
        }
        self.append((PRELUDE + length_of_length(magic)) as u64)?;
        let length = self.bytes[HEADER + PRELUDE..].iter();
        let length = length.fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
        // A bead takes at least two bits. Check this before memory is allocated for the beads.
        if n_beads as u64 > length.saturating_mul(4) {
            return Err(self.damaged(format!("{n_beads} beads in {length} bytes")));
        }
        Ok(Some(length.checked_next_multiple_of(4).unwrap_or(u64::MAX)))
    }

    /// Reads `n` more bytes of the frame.
    fn append(&mut self, n: u64) -> Result<()> {
        self.need(n)?;
        self.left -= n;
        let start = self.bytes.len();
        self.bytes.resize(start + n as usize, 0);
        let read = self.file.read_exact(&mut self.bytes[start..]);
        read.map_err(|error| Error::io(&self.path, error))
    }

    /// Checks that the file has `n` more bytes.
    fn need(&self, n: u64) -> Result<()> {
        if n <= self.left {
            return Ok(());
        }
        let found = format!("the end of the file after {} bytes", self.left);
        let expected = format!("{n} more bytes; the file is truncated");
        let field = format!("frame {}", self.n_read);
        Err(Error::invalid(field, found, expected).of_file(&self.path))
    }

    fn damaged(&self, found: impl ToString) -> Error {
        let field = format!("frame {}", self.n_read);
        Error::invalid(field, found, "a valid XTC frame").of_file(&self.path)
    }
}

/// Bytes of the number that holds the length of the compressed coordinates.
fn length_of_length(magic: u32) -> usize {
    if magic == MAGIC[1] { 8 } else { 4 }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(std::array::from_fn(|k| bytes[at + k]))
}

fn float(bytes: &[u8], at: usize) -> f32 {
    f32::from_bits(word(bytes, at))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::random::{Stream, uniform4};

    /// The distances between consecutive beads are very different, so that the writer uses runs of
    /// every kind and both forms of large coordinates.
    #[test]
    fn frames_decode_as_the_writers_library_decodes_them() {
        let folder = tempfile::tempdir().unwrap();
        for (k, spread) in [0.003, 0.1, 1.0, 30.0, 4000.0, 30_000.0].into_iter().enumerate() {
            let path = folder.path().join(format!("{k}.xtc"));
            let mut bytes = Vec::new();
            for n_beads in [1, 9, 10, 11, 333] {
                let mut x = [0.0_f32; 3];
                let positions: Vec<[f32; 3]> = (0..n_beads)
                    .map(|bead| {
                        let step = uniform4(5, Stream::Model, k as u32, n_beads.into(), bead);
                        let length = if step[3] < 0.2 { spread } else { 0.05 * spread };
                        x = std::array::from_fn(|c| x[c] + (length * (step[c] - 0.5)) as f32);
                        x
                    })
                    .collect();
                molly::XTCWriter::new(&mut bytes)
                    .write_frame_parts(0, 0.0, [0.0; 9], positions.iter(), 1000.0)
                    .unwrap();
            }
            fs::write(&path, &bytes).unwrap();
            let expected = molly::XTCReader::new(&bytes[..]).read_all_frames().unwrap();
            let mut reader = XtcReader::open(&path).unwrap();
            for frame in &expected {
                let found = reader.read().unwrap().unwrap();
                let positions = frame.positions.iter().map(|x| 10.0 * f64::from(*x));
                assert_eq!(found.as_flattened(), positions.collect::<Vec<f64>>());
            }
            assert_eq!(reader.read().unwrap(), None);
        }
    }
}
