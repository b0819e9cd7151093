//! Frames of trajectories, read in chunks by several threads.
//!
//! A trajectory may consist of several files, and a file may hold several trajectories. Its frames
//! are counted first, from their headers alone. Then each thread opens the files itself and goes to
//! its own chunks. The results of chunks are passed on in the order of the chunks, so that nothing
//! depends on the number of threads, and only those of a few chunks are in memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::io::{Mark, Trajectory};

/// The frames of a chunk.
pub const CHUNK: u64 = 1024;

/// The frames from one mark in a file to the next.
const MARKED: u64 = 1024;

/// The chunks of each thread whose results are in memory at the same time.
const WAITING: usize = 4;

/// The largest size of a coordinate, Å. Frames that a blow-up has thrown farther have no meaning.
const FARTHEST: f64 = 1e6;

/// Step and time, ps, of a frame, as its file tells them.
pub type Stamp = Option<(u64, f64)>;

/// Consecutive frames of a file.
#[derive(Debug, Clone)]
struct Piece {
    path: PathBuf,
    n: u64,
    /// The places of the first frame and of every [`MARKED`]th one after it.
    marks: Vec<Mark>,
}

/// A trajectory or a part of it, and the choice of its frames.
#[derive(Debug, Clone)]
pub struct Track {
    /// The name in results.
    pub name: String,
    n_beads: usize,
    /// Those of the whole trajectory.
    pieces: Arc<Vec<Piece>>,
    /// The frames of the trajectory before the part, and those of the part.
    before: u64,
    n: u64,
    first: u64,
    stride: u64,
}

/// Consecutive chosen frames of a trajectory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// The number of the trajectory.
    pub track: usize,
    /// The number of the first frame among those that are read, counted from 0.
    pub start: u64,
    /// The number of frames.
    pub n: u64,
}

impl Track {
    /// A trajectory without frames.
    pub fn new(name: impl Into<String>, n_beads: usize) -> Self {
        let (name, pieces) = (name.into(), Arc::default());
        Track { name, n_beads, pieces, before: 0, n: 0, first: 0, stride: 1 }
    }

    /// Counts the frames of a file, from frame `first` on and at most `most`, and adds them. `see` is
    /// called with the number of each frame in the trajectory and what the file tells of it.
    ///
    /// # Errors
    /// Those of [`Trajectory::open`] and [`Trajectory::skip`].
    pub fn add(
        &mut self,
        path: &Path,
        (first, most): (u64, u64),
        mut see: impl FnMut(u64, Stamp),
    ) -> Result<()> {
        let before = self.len();
        let mut trajectory = Trajectory::open(path, self.n_beads)?;
        for _ in 0..first {
            trajectory.skip()?;
        }
        let mut piece = Piece { path: path.to_owned(), n: 0, marks: Vec::new() };
        while piece.n < most {
            let mark = trajectory.mark();
            if !trajectory.skip()? {
                break;
            }
            if piece.n.is_multiple_of(MARKED) {
                piece.marks.push(mark);
            }
            see(before + piece.n, trajectory.stamp());
            piece.n += 1;
        }
        self.n += piece.n;
        Arc::make_mut(&mut self.pieces).push(piece);
        Ok(())
    }

    /// The `n` frames from frame `first` of the trajectory on.
    pub fn part(&self, first: u64, n: u64) -> Track {
        let n = n.min((self.before + self.n).saturating_sub(first));
        Track { before: first, n, ..self.clone() }
    }

    /// Leaves out the first frames, and takes every `stride`th of the others.
    pub fn choose(&mut self, first: u64, stride: u64) {
        (self.first, self.stride) = (first, stride.max(1));
    }

    /// The number of frames, chosen or not.
    pub fn len(&self) -> u64 {
        self.n
    }

    /// Whether there is no frame.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of chosen frames.
    pub fn chosen(&self) -> u64 {
        self.len().saturating_sub(self.first).div_ceil(self.stride)
    }

    /// The number in the trajectory of a chosen frame.
    pub fn frame(&self, chosen: u64) -> u64 {
        self.before + self.first + chosen * self.stride
    }
}

/// A frame of a trajectory.
#[derive(Debug)]
pub struct Frame<'a> {
    /// Its number in the trajectory, counted from 0.
    pub number: u64,
    /// Its step and its time.
    pub stamp: Stamp,
    /// Å, `[n_beads]`.
    pub positions: &'a [[f64; 3]],
}

/// Reads the frames of a chunk.
#[derive(Debug)]
pub struct ChunkReader<'a> {
    track: &'a Track,
    /// The frames from one that is read to the next.
    stride: u64,
    /// The next frame in the trajectory, and the frames left to read.
    next: u64,
    left: u64,
    /// The open piece, and its first frame in the trajectory.
    open: Option<(usize, Trajectory)>,
    positions: Vec<[f64; 3]>,
}

impl ChunkReader<'_> {
    /// The next frame; `None` at the end of the chunk.
    ///
    /// # Errors
    /// Those of [`Trajectory::read`], and [`Error::Invalid`] for positions that are far away.
    pub fn read(&mut self) -> Result<Option<Frame<'_>>> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut at = self.next;
        let mut place = 0;
        while let Some(piece) = self.track.pieces.get(place).filter(|piece| at >= piece.n) {
            at -= piece.n;
            place += 1;
        }
        let piece = &self.track.pieces[place];
        let trajectory = match &mut self.open {
            Some((open, trajectory)) if *open == place => trajectory,
            open => {
                let trajectory = Trajectory::open(&piece.path, self.track.n_beads)?;
                &mut open.insert((place, trajectory)).1
            }
        };
        let goal = piece.marks[0].frame + at;
        let mark = piece.marks[(at / MARKED) as usize];
        if trajectory.frame() > goal || trajectory.frame() < mark.frame {
            trajectory.go_to(mark)?;
        }
        while trajectory.frame() < goal && trajectory.skip()? {}
        if !trajectory.read_into(&mut self.positions)? {
            let expected = "as many as before; another program changes the file";
            return Err(Error::invalid("frames", goal, expected).of_file(&piece.path));
        }
        let is_far = |x: &[f64; 3]| x.iter().any(|x| x.abs() > FARTHEST);
        if let Some(bead) = self.positions.iter().position(is_far) {
            let found = format!("{:?}", self.positions[bead]);
            let expected = format!("coordinates up to {FARTHEST:e} Å");
            let field = format!("frame {goal}, bead {bead}");
            return Err(Error::invalid(field, found, expected).of_file(&piece.path));
        }
        let number = self.next;
        self.next += self.stride;
        self.left -= 1;
        Ok(Some(Frame { number, stamp: trajectory.stamp(), positions: &self.positions }))
    }
}

/// Reads every `every`th of the chosen frames of all trajectories. `work` makes a result of the frames of
/// a chunk, on any thread, and `join` gets the results in the order of the chunks.
///
/// # Errors
/// The first error in the order of the chunks.
pub fn in_chunks<T: Send>(
    tracks: &[Track],
    every: u64,
    n_frames: u64,
    work: impl Fn(Chunk, &mut ChunkReader) -> Result<T> + Sync,
    mut join: impl FnMut(Chunk, T) -> Result<()>,
) -> Result<()> {
    let of_track = |(number, track): (usize, &Track)| {
        let n = track.chosen().div_ceil(every);
        let chunk = move |start| Chunk { track: number, start, n: n_frames.min(n - start) };
        (0..n).step_by(n_frames as usize).map(chunk).collect::<Vec<_>>()
    };
    let chunks: Vec<Chunk> = tracks.iter().enumerate().flat_map(of_track).collect();
    for window in chunks.chunks(WAITING * rayon::current_num_threads()) {
        let read = |chunk: &Chunk| {
            let track = &tracks[chunk.track];
            let mut reader = ChunkReader {
                track,
                stride: track.stride * every,
                next: track.frame(chunk.start * every),
                left: chunk.n,
                open: None,
                positions: Vec::new(),
            };
            work(*chunk, &mut reader)
        };
        let parts: Vec<Result<T>> = window.par_iter().with_max_len(1).map(read).collect();
        for (chunk, part) in window.iter().zip(parts) {
            join(*chunk, part?)?;
        }
    }
    Ok(())
}
