//! Reading of GROMACS' XTC format.

use std::fs::File;
use std::io::{BufReader, Read};
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
    n_read: u64,
    has_box: bool,
    /// Bytes not read yet.
    left: u64,
}

impl XtcReader {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        let (file, left) = open(path)?;
        Ok(XtcReader {
            path: path.to_owned(),
            file: BufReader::new(file),
            n_read: 0,
            has_box: false,
            left,
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
        let Some(bytes) = self.frame()? else { return Ok(None) };
        self.decode(&bytes).map(Some)
    }

    /// The same for a frame of `n_beads` beads. The memory for a frame with another number of beads
    /// is not allocated, because a frame of few bytes can claim many beads.
    pub(super) fn read_beads(&mut self, n_beads: usize) -> Result<Option<Vec<[f64; 3]>>> {
        let Some(bytes) = self.frame()? else { return Ok(None) };
        let name = format!("frame {}", self.n_read);
        check_beads(&self.path, &name, word(&bytes, 4) as usize, n_beads)?;
        self.decode(&bytes).map(Some)
    }

    fn decode(&mut self, bytes: &[u8]) -> Result<Vec<[f64; 3]>> {
        let n_beads = word(bytes, 4) as usize;
        let positions = if n_beads <= UNCOMPRESSED {
            (0..n_beads)
                .map(|bead| [0, 1, 2].map(|c| float(bytes, HEADER + 12 * bead + 4 * c)))
                .collect()
        } else {
            let corner = |at: usize| [0, 1, 2].map(|c| word(bytes, at + 4 * c) as i32);
            let prelude = Prelude {
                precision: float(bytes, HEADER),
                low: corner(HEADER + 4),
                high: corner(HEADER + 16),
                small: word(bytes, HEADER + 28),
            };
            let start = HEADER + PRELUDE + length_of_length(word(bytes, 0));
            let decoded = decode(&prelude, &bytes[start..], n_beads);
            decoded.ok_or_else(|| self.damaged("coordinates that do not decode"))?
        };
        self.n_read += 1;
        let angstrom = |x: f32| 10.0 * f64::from(x);
        Ok(positions.iter().map(|x| x.map(angstrom)).collect())
    }

    /// Skips the next frame; `false` at the end.
    ///
    /// # Errors
    /// See [`XtcReader::read`].
    pub fn skip(&mut self) -> Result<bool> {
        let more = self.frame()?.is_some();
        self.n_read += u64::from(more);
        Ok(more)
    }

    /// Reads the bytes of the next frame. It allocates memory only for bytes that the file
    /// contains.
    fn frame(&mut self) -> Result<Option<Vec<u8>>> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        self.append(&mut bytes, HEADER as u64)?;
        let magic = word(&bytes, 0);
        if !MAGIC.contains(&magic) {
            return Err(self.damaged(format!("magic number {magic}")));
        }
        self.has_box |= (BOX..BOX + 36).step_by(4).any(|at| float(&bytes, at) != 0.0);
        let (n_beads, again) = (word(&bytes, 4) as usize, word(&bytes, 52) as usize);
        if n_beads != again {
            return Err(self.damaged(format!("two numbers of beads, {n_beads} and {again}")));
        }
        if n_beads <= UNCOMPRESSED {
            self.append(&mut bytes, 12 * n_beads as u64)?;
            return Ok(Some(bytes));
        }
        self.append(&mut bytes, (PRELUDE + length_of_length(magic)) as u64)?;
        let length = bytes[HEADER + PRELUDE..].iter();
        let length = length.fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
        // A bead takes at least two bits. Check this before memory is allocated for the beads.
        if n_beads as u64 > length.saturating_mul(4) {
            return Err(self.damaged(format!("{n_beads} beads in {length} bytes")));
        }
        self.append(&mut bytes, length.checked_next_multiple_of(4).unwrap_or(u64::MAX))?;
        Ok(Some(bytes))
    }

    fn append(&mut self, bytes: &mut Vec<u8>, n: u64) -> Result<()> {
        if n > self.left {
            let found = format!("the end of the file after {} bytes", self.left);
            let expected = format!("{n} more bytes; the file is truncated");
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
