//! Reading of positions from NumPy's `.npy` files, in Å. The shape is `(frames, beads, 3)`,
//! `(replicas, frames, beads, 3)` as mlcg writes it, `(beads, 3, frames)` as torchmd writes it, or
//! `(beads, 3)` for one frame. Three frames in torchmd's shape cannot be told from frames of three beads.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::npy_file::NpyFile;
use super::npy_header::NpyHeader;
use crate::error::{Error, Result};

/// A `.npy` file of positions. Frames are read one by one, and replicas one after the other.
#[derive(Debug)]
pub struct NpyReader {
    path: PathBuf,
    file: File,
    shape: NpyShape,
    big_endian: bool,
    n_replicas: Option<u64>,
    scattered: Option<Scattered>,
    next: u64,
}

/// A file in which the numbers of a frame are not together, and some of its frames.
#[derive(Debug)]
struct Scattered {
    /// The distances of replicas, frames, beads and axes, in numbers.
    strides: [u64; 4],
    /// The frames in `bytes`, all of one replica.
    frames: Range<u64>,
    bytes: Vec<u8>,
}

/// The most bytes of scattered frames that are read at once, unless one frame has more.
const MOST_BYTES: u64 = 4 << 20;

/// Frames whose numbers are farther apart, in numbers, are read one by one.
const FARTHEST: u64 = 64;

impl Scattered {
    /// Reads frame `next` and some after it.
    fn load(&mut self, next: u64, from: &NpyShape, file: &mut File) -> std::io::Result<()> {
        let NpyShape { start, width, n_frames, n_beads } = *from;
        let [replica, frame, bead, axis] = self.strides;
        let of_frame = 3 * n_beads * width;
        let most = MOST_BYTES / (of_frame * frame.max(1)).max(1);
        let n = if frame > FARTHEST { 1 } else { most.max(1) };
        let (r, f) = (next / n_frames, next % n_frames);
        let n = n.min(n_frames - f);
        self.frames = next..next + n;
        self.bytes.resize((n * of_frame) as usize, 0);
        let mut span = vec![0; (((n - 1) * frame + 1) * width) as usize];
        for k in 0..3 * n_beads {
            let at = r * replica + f * frame + k / 3 * bead + k % 3 * axis;
            file.seek(SeekFrom::Start(start + at * width))?;
            file.read_exact(&mut span)?;
            let width = width as usize;
            let numbers = span.chunks_exact(width).step_by(frame as usize);
            for (of_frame, number) in self.bytes.chunks_exact_mut(of_frame as usize).zip(numbers) {
                of_frame[k as usize * width..][..width].copy_from_slice(number);
            }
        }
        Ok(())
    }
}

/// The place and the lengths of the numbers in a file.
#[derive(Debug, Clone, Copy)]
struct NpyShape {
    /// The offset of the first number.
    start: u64,
    /// Bytes of a number, 4 or 8.
    width: u64,
    /// The frames of each replica.
    n_frames: u64,
    n_beads: u64,
}

impl NpyReader {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is damaged or does not contain positions.
    pub fn open(path: &Path) -> Result<Self> {
        let invalid = |field: &str, found: String, expected: &str| {
            Error::invalid(field, found, expected).of_file(path)
        };
        let NpyFile { file, header, start } = NpyFile::open(path)?;
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
                let mut stride = 1_u64;
                let mut set = |(axis, n): (&usize, &u64)| {
                    strides[*axis] = stride;
                    stride = stride.saturating_mul(*n);
                };
                // The last axis varies fastest, or the first.
                match fortran_order {
                    false => axes.iter().zip(&shape).rev().for_each(&mut set),
                    true => axes.iter().zip(&shape).for_each(&mut set),
                }
                Some(Scattered { strides, frames: 0..0, bytes: Vec::new() })
            }
        };
        Ok(NpyReader {
            path: path.to_owned(),
            file,
            shape: NpyShape { start, width, n_frames, n_beads },
            big_endian,
            n_replicas,
            scattered,
            next: 0,
        })
    }

    /// The number of beads in every frame.
    pub fn n_beads(&self) -> usize {
        self.shape.n_beads as usize
    }

    /// The number of frames of each replica, if the file has an axis of replicas.
    pub fn frames_per_replica(&self) -> Option<u64> {
        self.n_replicas.map(|_| self.shape.n_frames)
    }

    fn len(&self) -> u64 {
        // Without beads, the size of the file would not limit the number of frames.
        match self.shape.n_beads {
            0 => 0,
            _ => self.n_replicas.unwrap_or(1) * self.shape.n_frames,
        }
    }

    /// Reads the next frame, Å; `None` at the end.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read(&mut self) -> Result<Option<Vec<[f64; 3]>>> {
        let (next, shape) = (self.next, self.shape);
        if next >= self.len() {
            return Ok(None);
        }
        self.next += 1;
        let mut bytes = vec![0; (3 * shape.n_beads * shape.width) as usize];
        let read = match &mut self.scattered {
            None => {
                let at = shape.start + next * bytes.len() as u64;
                let moved = self.file.seek(SeekFrom::Start(at));
                moved.and_then(|_| self.file.read_exact(&mut bytes))
            }
            Some(scattered) => {
                let loaded = match scattered.frames.contains(&next) {
                    true => Ok(()),
                    false => scattered.load(next, &shape, &mut self.file),
                };
                loaded.map(|()| {
                    let at = (next - scattered.frames.start) as usize * bytes.len();
                    let of_frame = at..at + bytes.len();
                    bytes.copy_from_slice(&scattered.bytes[of_frame]);
                })
            }
        };
        read.map_err(|error| Error::io(&self.path, error))?;
        if self.big_endian {
            bytes.chunks_exact_mut(shape.width as usize).for_each(<[u8]>::reverse);
        }
        let numbers: Vec<f64> = match shape.width {
            4 => bytes.as_chunks().0.iter().map(|x| f64::from(f32::from_le_bytes(*x))).collect(),
            _ => bytes.as_chunks().0.iter().map(|x| f64::from_le_bytes(*x)).collect(),
        };
        Ok(Some(numbers.as_chunks::<3>().0.to_vec()))
    }

    /// Goes to frame `n`.
    pub(super) fn go_to(&mut self, n: u64) {
        self.next = n;
    }

    /// Skips the next frame; `false` at the end.
    pub fn skip(&mut self) -> bool {
        let more = self.next < self.len();
        self.next += u64::from(more);
        more
    }
}
