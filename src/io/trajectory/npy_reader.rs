//! Reading of positions from NumPy's `.npy` files, in Å. The shape is `(frames, beads, 3)`,
//! `(replicas, frames, beads, 3)` as mlcg writes it, `(beads, 3, frames)` as torchmd writes it, or
//! `(beads, 3)` for one frame. Three frames in torchmd's shape cannot be told from frames of three beads.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::npy_file::NpyFile;
use super::npy_header::NpyHeader;
use crate::error::{Error, Result};

/// A `.npy` file of positions. Frames are read one by one, and replicas one after the other.
#[derive(Debug)]
pub struct NpyReader {
    path: PathBuf,
    file: File,
    /// The offset of the first number.
    start: u64,
    /// Bytes of a number, 4 or 8.
    width: usize,
    big_endian: bool,
    n_replicas: Option<u64>,
    n_frames: u64,
    n_beads: usize,
    scattered: Option<Scattered>,
    next: u64,
}

/// All numbers of a file in which those of a frame are not together.
#[derive(Debug)]
struct Scattered {
    bytes: Vec<u8>,
    /// The distances of replicas, frames, beads and axes, in numbers.
    strides: [usize; 4],
}

impl NpyReader {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is damaged or does not contain positions.
    pub fn open(path: &Path) -> Result<Self> {
        let io = |error| Error::io(path, error);
        let invalid = |field: &str, found: String, expected: &str| {
            Error::invalid(field, found, expected).of_file(path)
        };
        let NpyFile { mut file, header, start } = NpyFile::open(path)?;
        let NpyHeader { descr, fortran_order, shape } = header;
        let expected = "(frames, beads, 3), (replicas, frames, beads, 3) or (beads, 3, frames)";
        // The axes of the shape by number: replicas, frames, beads, and the axes of space.
        let (n_replicas, n_frames, n_beads, axes) = match shape[..] {
            [n_beads, 3] => (None, 1, n_beads, &[2, 3][..]),
            [n_frames, n_beads, 3] => (None, n_frames, n_beads, &[1, 2, 3][..]),
            [n_beads, 3, n_frames] => (None, n_frames, n_beads, &[2, 3, 1][..]),
            [n_replicas, n_frames, n_beads, 3] => {
                (Some(n_replicas), n_frames, n_beads, &[0, 1, 2, 3][..])
            }
            _ => return Err(invalid("shape", format!("{shape:?}"), expected)),
        };
        let (width, big_endian) = match descr.as_str() {
            "<f4" => (4, false),
            "<f8" => (8, false),
            ">f4" => (4, true),
            ">f8" => (8, true),
            other => return Err(invalid("type", other.into(), "'<f4' or '<f8', in Å")),
        };
        let scattered = match fortran_order || !axes.is_sorted() {
            false => None,
            true => {
                let mut strides = [0; 4];
                let mut stride = 1_usize;
                let mut set = |(axis, n): (&usize, &u64)| {
                    strides[*axis] = stride;
                    stride = stride.saturating_mul(*n as usize);
                };
                // The last axis varies fastest, or the first.
                match fortran_order {
                    false => axes.iter().zip(&shape).rev().for_each(&mut set),
                    true => axes.iter().zip(&shape).for_each(&mut set),
                }
                let mut bytes = Vec::new();
                file.seek(SeekFrom::Start(start)).map_err(io)?;
                file.read_to_end(&mut bytes).map_err(io)?;
                Some(Scattered { bytes, strides })
            }
        };
        Ok(NpyReader {
            path: path.to_owned(),
            file,
            start,
            width,
            big_endian,
            n_replicas,
            n_frames,
            n_beads: n_beads as usize,
            scattered,
            next: 0,
        })
    }

    /// The number of beads in every frame.
    pub fn n_beads(&self) -> usize {
        self.n_beads
    }

    /// The number of frames of each replica, if the file has an axis of replicas.
    pub fn frames_per_replica(&self) -> Option<u64> {
        self.n_replicas.map(|_| self.n_frames)
    }

    fn len(&self) -> u64 {
        // Without beads, the size of the file would not limit the number of frames.
        if self.n_beads == 0 { 0 } else { self.n_replicas.unwrap_or(1) * self.n_frames }
    }

    /// Reads the next frame, Å; `None` at the end.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read(&mut self) -> Result<Option<Vec<[f64; 3]>>> {
        let (next, width) = (self.next, self.width);
        if next >= self.len() {
            return Ok(None);
        }
        self.next += 1;
        let mut bytes = vec![0; 3 * self.n_beads * width];
        match &self.scattered {
            None => {
                let at = self.start + next * bytes.len() as u64;
                let read = self.file.seek(SeekFrom::Start(at));
                read.and_then(|_| self.file.read_exact(&mut bytes))
                    .map_err(|error| Error::io(&self.path, error))?;
            }
            Some(Scattered { bytes: all, strides }) => {
                let frames = self.n_frames as usize;
                let (r, f) = (next as usize / frames, next as usize % frames);
                for (k, number) in bytes.chunks_exact_mut(width).enumerate() {
                    let place = [r, f, k / 3, k % 3];
                    let at: usize = place.iter().zip(strides).map(|(k, n)| k * n).sum();
                    number.copy_from_slice(&all[at * width..(at + 1) * width]);
                }
            }
        }
        if self.big_endian {
            bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
        }
        let numbers: Vec<f64> = match width {
            4 => bytes.as_chunks().0.iter().map(|x| f64::from(f32::from_le_bytes(*x))).collect(),
            _ => bytes.as_chunks().0.iter().map(|x| f64::from_le_bytes(*x)).collect(),
        };
        Ok(Some(numbers.as_chunks::<3>().0.to_vec()))
    }

    /// Skips the next frame; `false` at the end.
    pub fn skip(&mut self) -> bool {
        let more = self.next < self.len();
        self.next += u64::from(more);
        more
    }
}
