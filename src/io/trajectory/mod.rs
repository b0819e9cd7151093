//! Trajectory files: readers and writers for XTC, DCD and `.npy`.

mod dcd;
mod dcd_header;
mod frame;
mod npy_array;
mod npy_file;
mod npy_header;
mod npy_reader;
mod npy_rows;
mod npy_writer;
mod writer;
mod xtc_coordinates;
mod xtc_reader;

pub use dcd::DcdReader;
use frame::{check_beads, open};
pub use npy_file::read_npy_types;
pub use npy_header::npy_header;
pub use npy_reader::NpyReader;
pub(crate) use npy_rows::{Axes, NpyRows, counts};
pub use npy_writer::{NpyPosition, NpyQuantity, NpyWriter};
pub use writer::{FrameFormat, TrajectoryWriter};
pub use xtc_reader::XtcReader;

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::io::content::{ENOUGH, is_safetensors, wrong_content};

/// A trajectory of one molecule: XTC, DCD, or positions in a `.npy` file. The format follows from
/// the content of the file.
#[derive(Debug)]
pub struct Trajectory {
    path: PathBuf,
    n_beads: usize,
    kind: Kind,
    /// The number of frames read or skipped.
    n_seen: u64,
}

/// The place of a frame in a trajectory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The number of the frame, counted from 0.
    pub frame: u64,
    /// Its first byte in the file; 0 in arrays.
    offset: u64,
}

#[derive(Debug)]
enum Kind {
    Xtc(XtcReader),
    Dcd(Box<DcdReader>),
    Npy(NpyReader),
}

impl Trajectory {
    /// Opens a trajectory of a molecule of `n_beads` beads.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the format is unknown, the file is damaged, or it has another number
    /// of beads.
    pub fn open(path: &Path, n_beads: usize) -> Result<Self> {
        Self::open_or(path, n_beads, "a trajectory: XTC, DCD or .npy")
    }

    /// [`Trajectory::open`] with a description of the files that the caller takes.
    #[doc(hidden)]
    pub fn open_or(path: &Path, n_beads: usize, expected: &str) -> Result<Self> {
        let io = |error| Error::io(path, error);
        let mut start = Vec::new();
        open(path)?.0.take(ENOUGH as u64).read_to_end(&mut start).map_err(io)?;
        let kind = match &start[..] {
            [0, 0, 7, 0xcb | 0xe7, ..] => Kind::Xtc(XtcReader::open(path)?),
            // The first record of a DCD file has 84 bytes. Its marker has 4 or 8 bytes in either
            // order. A header of safetensors can have 84 bytes too.
            [84, 0, 0, 0, ..] | [0, 0, 0, 84, ..] | [0, 0, 0, 0, 0, 0, 0, 84, ..]
                if !is_safetensors(&start) =>
            {
                Kind::Dcd(Box::new(DcdReader::open(path)?))
            }
            start if start.starts_with(npy_file::MAGIC) => Kind::Npy(NpyReader::open(path)?),
            _ => return Err(wrong_content(&start, expected).of_file(path)),
        };
        let found = match &kind {
            Kind::Xtc(_) => n_beads,
            Kind::Dcd(reader) => reader.n_beads(),
            Kind::Npy(reader) => reader.n_beads(),
        };
        check_beads(path, "frames", found, n_beads)?;
        Ok(Trajectory { path: path.to_owned(), n_beads, kind, n_seen: 0 })
    }

    /// The number of frames of each replica, if the file contains several replicas one after the
    /// other.
    pub fn frames_per_replica(&self) -> Option<u64> {
        match &self.kind {
            Kind::Npy(reader) => reader.frames_per_replica(),
            Kind::Xtc(_) | Kind::Dcd(_) => None,
        }
    }

    /// Whether a frame that has been read has a periodic box.
    pub fn has_box(&self) -> bool {
        match &self.kind {
            Kind::Xtc(reader) => reader.has_box(),
            Kind::Dcd(reader) => reader.has_box(),
            Kind::Npy(_) => false,
        }
    }

    /// The number of the next frame, counted from 0.
    pub fn frame(&self) -> u64 {
        self.n_seen
    }

    /// Reads the next frame, Å; `None` at the end.
    ///
    /// # Errors
    /// [`Error::Invalid`] names a frame that is damaged, has another number of beads, or contains
    /// coordinates that are not finite.
    pub fn read(&mut self) -> Result<Option<Vec<[f64; 3]>>> {
        let mut frame = Vec::new();
        Ok(self.read_into(&mut frame)?.then_some(frame))
    }

    /// Reads the next frame into `frame`, Å; `false` at the end.
    ///
    /// # Errors
    /// See [`Trajectory::read`].
    pub fn read_into(&mut self, frame: &mut Vec<[f64; 3]>) -> Result<bool> {
        let more = match &mut self.kind {
            Kind::Xtc(reader) => reader.read_beads(self.n_beads, frame)?,
            Kind::Dcd(reader) => match reader.read()? {
                Some(of_file) => {
                    frame.clear();
                    frame.extend(of_file.iter().map(|x| x.map(f64::from)));
                    true
                }
                None => false,
            },
            Kind::Npy(reader) => match reader.read()? {
                Some(of_file) => {
                    *frame = of_file;
                    true
                }
                None => false,
            },
        };
        if !more {
            return Ok(false);
        }
        let name = || format!("frame {}", self.n_seen);
        if frame.len() != self.n_beads {
            check_beads(&self.path, &name(), frame.len(), self.n_beads)?;
        }
        if let Some(bead) = frame.iter().position(|x| !x.iter().all(|x| x.is_finite())) {
            let found = format!("{:?}", frame[bead]);
            let field = format!("{}, bead {bead}", name());
            return Err(Error::invalid(field, found, "finite coordinates").of_file(&self.path));
        }
        self.n_seen += 1;
        Ok(true)
    }

    /// Step and time, ps, of the last frame that was read or skipped, as the file tells them. The step
    /// of an XTC frame is at most 2³¹ − 1.
    pub fn stamp(&self) -> Option<(u64, f64)> {
        match &self.kind {
            Kind::Xtc(reader) => reader.stamp(),
            Kind::Dcd(reader) => reader.stamp(),
            Kind::Npy(_) => None,
        }
    }

    /// The place of the next frame.
    pub fn mark(&self) -> Mark {
        let offset = match &self.kind {
            Kind::Xtc(reader) => reader.offset(),
            Kind::Dcd(reader) => reader.offset(),
            Kind::Npy(_) => 0,
        };
        Mark { frame: self.n_seen, offset }
    }

    /// Goes to a frame whose place is known.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn go_to(&mut self, mark: Mark) -> Result<()> {
        let Mark { frame, offset } = mark;
        match &mut self.kind {
            Kind::Xtc(reader) => reader.go_to(offset, frame)?,
            Kind::Dcd(reader) => reader.go_to(offset, frame)?,
            Kind::Npy(reader) => reader.go_to(frame),
        }
        self.n_seen = frame;
        Ok(())
    }

    /// Skips the next frame; `false` at the end.
    ///
    /// # Errors
    /// [`Error::Invalid`] if this part of the file is damaged.
    pub fn skip(&mut self) -> Result<bool> {
        let more = match &mut self.kind {
            Kind::Xtc(reader) => reader.skip()?,
            Kind::Dcd(reader) => reader.skip()?,
            Kind::Npy(reader) => reader.skip(),
        };
        self.n_seen += u64::from(more);
        Ok(more)
    }
}
