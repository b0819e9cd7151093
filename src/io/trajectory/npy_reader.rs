//! Reading of positions from NumPy's `.npy` files, in Å. The shape is `(frames, beads, 3)`, or
//! `(replicas, frames, beads, 3)` as mlcg writes it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::frame::open;
use super::npy_header::NpyHeader;
use crate::error::{Error, OfFile, Result};
use crate::io::content::check_shape;

/// Upper limit of the bytes in a header. The header of an array of plain numbers is much shorter.
const LONGEST_HEADER: u64 = 4096;

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
    /// All numbers of a file in Fortran order, which scatters the numbers of a frame over the file.
    scattered: Option<Vec<u8>>,
    next: u64,
}

impl NpyReader {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is damaged or does not contain positions.
    pub fn open(path: &Path) -> Result<Self> {
        let io = |error| Error::io(path, error);
        let (mut file, length) = open(path)?;
        let invalid = |field: &str, found: String, expected: &str| {
            Error::invalid(field, found, expected).of_file(path)
        };
        let mut head = Vec::new();
        (&mut file).take(LONGEST_HEADER + 12).read_to_end(&mut head).map_err(io)?;
        let truncated = || invalid("header", "a truncated file".into(), "a NumPy array");
        let (text_at, size) = match head.get(6).ok_or_else(truncated)? {
            1 => (10, head.get(8..10).map(|n| u32::from(n[0]) | u32::from(n[1]) << 8)),
            2 | 3 => (12, head.get(8..12).map(|n| u32::from_le_bytes([n[0], n[1], n[2], n[3]]))),
            version => {
                return Err(invalid("header", format!("version {version}"), "version 1, 2 or 3"));
            }
        };
        let end = text_at + size.ok_or_else(truncated)? as usize;
        let Some(text) = head.get(text_at..end) else {
            let found = format!("{} bytes", end - text_at);
            return Err(invalid("header", found, "a shorter header, inside the file"));
        };
        let damage = || invalid("header", "unknown content".into(), "that of an array of numbers");
        let NpyHeader { descr, fortran_order, shape } =
            NpyHeader::parse(text).ok_or_else(damage)?;
        let sizes = shape.iter().map(|n| usize::try_from(*n).unwrap_or(usize::MAX));
        check_shape("shape", &sizes.collect::<Vec<_>>()).of_file(path)?;
        let expected = "(frames, beads, 3) or (replicas, frames, beads, 3)";
        let (n_replicas, n_frames, n_beads) = match shape[..] {
            [n_frames, n_beads, 3] => (None, n_frames, n_beads),
            [n_replicas, n_frames, n_beads, 3] => (Some(n_replicas), n_frames, n_beads),
            _ => return Err(invalid("shape", format!("{shape:?}"), expected)),
        };
        let (width, big_endian) = match descr.as_str() {
            "<f4" => (4_u64, false),
            "<f8" => (8, false),
            ">f4" => (4, true),
            ">f8" => (8, true),
            other => return Err(invalid("type", other.into(), "'<f4' or '<f8', in Å")),
        };
        let start = end as u64;
        let bytes = shape.iter().try_fold(width, |product, n| product.checked_mul(*n));
        if bytes != Some(length - start.min(length)) {
            let found = format!("{} bytes of data", length.saturating_sub(start));
            let expected = format!("{width} bytes for each number of shape {shape:?}");
            return Err(invalid("data", found, &expected));
        }
        let scattered = match fortran_order {
            false => None,
            true => {
                let mut bytes = Vec::new();
                file.seek(SeekFrom::Start(start)).map_err(io)?;
                file.read_to_end(&mut bytes).map_err(io)?;
                Some(bytes)
            }
        };
        Ok(NpyReader {
            path: path.to_owned(),
            file,
            start,
            width: width as usize,
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
            Some(all) => {
                // The first axis varies fastest.
                let (replicas, frames) =
                    (self.n_replicas.unwrap_or(1) as usize, self.n_frames as usize);
                let (r, f) = (next as usize / frames, next as usize % frames);
                for (k, number) in bytes.chunks_exact_mut(width).enumerate() {
                    let (bead, axis) = (k / 3, k % 3);
                    let at = r + replicas * (f + frames * (bead + self.n_beads * axis));
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
