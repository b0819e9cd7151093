//! Arrays in mlcg's layout, f32: `<prefix>_coords_0000.npy` of shape (replicas, frames, beads, 3),
//! and `<prefix>_potential_0000.npy` and `<prefix>_kineticenergy_0000.npy` of shape
//! (replicas, frames).
//!
//! Frames are the second axis, so a file cannot grow by a frame. Each file holds one block of
//! frames. It has its full size from the start, so that a full disk is noticed before the block
//! holds any frame, and every frame is written in place as it comes. Until the block is complete
//! the name of the file ends with `.partial`.

use std::path::{Path, PathBuf};

use super::npy_array::Array;
use crate::error::Result;
use crate::io::file::{check_free, move_to};

/// The number of frames of a block, unless its coordinates exceed [`BLOCK_BYTES`].
const BLOCK_FRAMES: usize = 100;

/// The largest size of the coordinates of a block of more than one frame.
const BLOCK_BYTES: usize = 64 << 20;

/// The place in the arrays at which a run can continue: frames of earlier blocks are complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NpyPosition {
    /// The number of the present block.
    pub block: usize,
    /// The number of frames in it.
    pub n_frames: usize,
    /// The number of frames of a full block.
    pub frames_per_block: usize,
}

/// Writes frames of replicas with equal numbers of beads, block by block.
#[derive(Debug)]
pub struct NpyWriter {
    /// The folder and the start of the file names.
    prefix: PathBuf,
    n_replicas: usize,
    n_beads: usize,
    frames_per_block: usize,
    /// The number of the present block.
    block: usize,
    /// The arrays of the present block; empty before its first frame.
    arrays: Vec<Array>,
    /// The frames of the present block.
    n_frames: usize,
}

impl NpyWriter {
    /// Prepares to write files whose names start with `prefix`. A file holds 100 frames, or as many
    /// as fit into 64 MiB of coordinates, but at least one.
    ///
    /// # Errors
    /// [`Error::Exists`](crate::Error::Exists) if the first of these files exists.
    pub fn new(prefix: &Path, n_replicas: usize, n_beads: usize) -> Result<Self> {
        let frame_bytes = (12 * n_replicas * n_beads).max(1);
        let frames_per_block = (BLOCK_BYTES / frame_bytes).clamp(1, BLOCK_FRAMES);
        let start = NpyPosition { block: 0, n_frames: 0, frames_per_block };
        let writer = NpyWriter::at(prefix, n_replicas, n_beads, start);
        check_free(&NpyWriter::path(prefix, "coords", 0))?;
        Ok(writer)
    }

    fn path(prefix: &Path, what: &str, block: usize) -> PathBuf {
        let mut path = prefix.as_os_str().to_owned();
        path.push(format!("_{what}_{block:04}.npy"));
        path.into()
    }

    /// Adds a frame. `positions` are those of all replicas, Å; `potential` and `kinetic` are the
    /// energies of each replica, kcal/mol. All kinetic energies are NaN if there are no velocities.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) and [`Error::Exists`](crate::Error::Exists). Then the frame
    /// is not part of the arrays.
    pub fn write(
        &mut self,
        positions: &[[f64; 3]],
        potential: &[f64],
        kinetic: &[f64],
    ) -> Result<()> {
        if self.n_frames == self.frames_per_block {
            self.finish()?;
        }
        // With the overdamped integrators there are no velocities.
        let has_kinetic = !kinetic.iter().all(|x| x.is_nan());
        if self.arrays.is_empty() {
            self.begin(has_kinetic)?;
        }
        let values = [positions.as_flattened(), potential, kinetic];
        for (array, values) in self.arrays.iter().zip(values) {
            array.put(self.n_frames, values)?;
        }
        self.n_frames += 1;
        Ok(())
    }

    /// The arrays of a block, without their files.
    fn arrays(&self, block: usize, has_kinetic: bool) -> Vec<Array> {
        let names = ["coords", "potential", "kineticenergy"];
        let of_name = |name: &&str| {
            let rest = if *name == "coords" { vec![self.n_beads, 3] } else { Vec::new() };
            let path = NpyWriter::path(&self.prefix, name, block);
            Array::new(path, self.n_replicas, self.frames_per_block, rest)
        };
        names[..if has_kinetic { 3 } else { 2 }].iter().map(of_name).collect()
    }

    /// Creates the files of a block at their full size.
    fn begin(&mut self, has_kinetic: bool) -> Result<()> {
        let arrays = self.arrays(self.block, has_kinetic);
        for (k, array) in arrays.iter().enumerate() {
            if let Err(error) = array.create() {
                arrays[..k].iter().for_each(Array::remove);
                return Err(error);
            }
        }
        self.arrays = arrays;
        Ok(())
    }

    /// Completes the files of the present block, which can be shorter than the others. Call this
    /// at the end of a run, also of one that failed.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) and [`Error::Exists`](crate::Error::Exists).
    pub fn finish(&mut self) -> Result<()> {
        while let Some(array) = self.arrays.first() {
            match self.n_frames {
                0 => array.remove(),
                n_frames => array.complete(n_frames)?,
            }
            self.arrays.remove(0);
        }
        self.block += usize::from(self.n_frames > 0);
        self.n_frames = 0;
        Ok(())
    }

    /// Goes on after the folder of the files was moved.
    pub(crate) fn move_to(&mut self, folder: &Path) {
        move_to(&mut self.prefix, folder);
        self.arrays.iter_mut().for_each(|array| array.move_to(folder));
    }

    /// The place after the last frame.
    pub fn position(&self) -> NpyPosition {
        let NpyWriter { block, n_frames, frames_per_block, .. } = *self;
        NpyPosition { block, n_frames, frames_per_block }
    }

    /// Waits until the storage holds all frames.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    pub fn sync(&self) -> Result<()> {
        self.arrays.iter().try_for_each(Array::sync)
    }

    /// Checks that the files of an earlier run have all frames up to a position.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) and [`Error::Io`](crate::Error::Io) name the first
    /// file that does not.
    pub fn check(
        prefix: &Path,
        (n_replicas, n_beads): (usize, usize),
        has_kinetic: bool,
        position: NpyPosition,
    ) -> Result<()> {
        let writer = NpyWriter::at(prefix, n_replicas, n_beads, position);
        for block in 0..=position.block {
            let n_frames = match block == position.block {
                true => position.n_frames,
                false => position.frames_per_block,
            };
            if n_frames > 0 {
                let arrays = writer.arrays(block, has_kinetic);
                arrays.iter().try_for_each(|array| array.check(n_frames))?;
            }
        }
        Ok(())
    }

    /// Continues the files of an earlier run after a position, and removes all later frames.
    ///
    /// # Errors
    /// See [`NpyWriter::check`].
    pub fn resume(
        prefix: &Path,
        (n_replicas, n_beads): (usize, usize),
        has_kinetic: bool,
        position: NpyPosition,
    ) -> Result<Self> {
        NpyWriter::check(prefix, (n_replicas, n_beads), has_kinetic, position)?;
        let mut writer = NpyWriter::at(prefix, n_replicas, n_beads, position);
        let mut later = position.block;
        if position.n_frames > 0 {
            writer.arrays = writer.arrays(position.block, has_kinetic);
            writer.arrays.iter().try_for_each(|array| array.reopen(position.n_frames))?;
            later += 1;
        }
        // A block that was begun has at least one of its files. The last block goes first, so that
        // no gap hides a block if the process is killed here.
        let arrays = |block| writer.arrays(block, true);
        let end = (later..).find(|block| !arrays(*block).iter().any(Array::exists));
        for block in (later..end.unwrap_or(later)).rev() {
            arrays(block).iter().for_each(Array::remove_all);
        }
        Ok(writer)
    }

    fn at(prefix: &Path, n_replicas: usize, n_beads: usize, position: NpyPosition) -> Self {
        let NpyPosition { block, n_frames, frames_per_block } = position;
        let (prefix, arrays) = (prefix.to_owned(), Vec::new());
        NpyWriter { prefix, n_replicas, n_beads, frames_per_block, block, arrays, n_frames }
    }

    /// The first file, if it is complete.
    pub(crate) fn first_file(&self) -> Option<PathBuf> {
        (self.block > 0).then(|| NpyWriter::path(&self.prefix, "coords", 0))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::error::Error;

    fn read(path: &Path) -> (Vec<u64>, Vec<f32>) {
        let file = npyz::NpyFile::new(File::open(path).unwrap()).unwrap();
        (file.shape().to_vec(), file.into_vec().unwrap())
    }

    fn add(writer: &mut NpyWriter, f: u32) {
        let x = |r: u32| [f64::from(1000 * r + f), 0.5, -1.0];
        let potential = [f64::from(f), f64::from(f) + 1000.0];
        writer.write(&[x(0), x(1)], &potential, &[f64::NAN; 2]).unwrap();
    }

    #[test]
    fn replicas_are_the_first_axis_of_blocks_of_100_frames() {
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().join("run");
        let path = |name: &str| folder.path().join(name);
        let mut writer = NpyWriter::new(&prefix, 2, 1).unwrap();
        for f in 0..102 {
            add(&mut writer, f);
        }
        assert!(path("run_coords_0000.npy").exists() && !path("run_coords_0001.npy").exists());
        writer.finish().unwrap();
        for (name, frames) in
            [("run_coords_0000.npy", 0..100_u32), ("run_coords_0001.npy", 100..102)]
        {
            let (shape, values) = read(&path(name));
            assert_eq!(shape, [2, frames.len() as u64, 1, 3]);
            let x: Vec<f32> = values.iter().step_by(3).copied().collect();
            let expected = frames.clone().chain(frames.map(|f| 1000 + f)).map(|x| x as f32);
            assert_eq!(x, expected.collect::<Vec<f32>>());
            assert_eq!(values[values.len() - 2..], [0.5, -1.0]);
        }
        let last = vec![100.0, 101.0, 1100.0, 1101.0];
        assert_eq!(read(&path("run_potential_0001.npy")), (vec![2, 2], last));
        // There is nothing else: no kinetic energy, and no partial file.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4);
        assert!(matches!(NpyWriter::new(&prefix, 2, 1), Err(Error::Exists(_))));
    }

    /// A frame that cannot be written completely is not part of the block.
    #[test]
    fn a_failure_leaves_the_frames_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().join("run");
        // The energies of the first block cannot be created.
        let obstacle = folder.path().join("run_potential_0000.npy");
        std::fs::write(&obstacle, "").unwrap();
        let mut writer = NpyWriter::new(&prefix, 2, 1).unwrap();
        let mut write = || writer.write(&[[0.0; 3]; 2], &[0.0; 2], &[0.0; 2]);
        assert!(matches!(write(), Err(Error::Exists(_))));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        std::fs::remove_file(&obstacle).unwrap();
        write().unwrap();
        write().unwrap();
        // Somebody cuts a file of the block.
        let partial = folder.path().join("run_kineticenergy_0000.npy.partial");
        std::fs::OpenOptions::new().write(true).open(&partial).unwrap().set_len(7).unwrap();
        assert!(write().is_err());
        assert!(writer.finish().is_err());
        assert_eq!(read(&folder.path().join("run_coords_0000.npy")).0, [2, 2, 1, 3]);
    }

    #[test]
    fn a_block_without_frames_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = NpyWriter::new(&folder.path().join("run"), 2, 1).unwrap();
        writer.begin(true).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
        writer.finish().unwrap();
        writer.finish().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn large_frames_make_short_blocks() {
        let frames = |n_replicas, n_beads| {
            let writer = NpyWriter::new(Path::new("no/such"), n_replicas, n_beads).unwrap();
            writer.frames_per_block
        };
        assert_eq!((frames(64, 269), frames(1024, 269), frames(1 << 20, 269)), (100, 20, 1));
    }

    /// Wherever a run is killed, its blocks continue to the files of a run that was not.
    #[test]
    fn blocks_continue_from_any_position() {
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("whole");
        let mut writer = NpyWriter::new(&whole, 2, 1).unwrap();
        (0..250).for_each(|f| add(&mut writer, f));
        writer.finish().unwrap();
        for (n_before, n_after, finished) in [
            (0, 5, true),
            (3, 50, false),
            (3, 50, true),
            (99, 101, true),
            (100, 100, true),
            (100, 230, false),
        ] {
            let cut = folder.path().join(format!("cut {n_before} {n_after} {finished}"));
            let mut writer = NpyWriter::new(&cut, 2, 1).unwrap();
            (0..n_before).for_each(|f| add(&mut writer, f));
            let position = writer.position();
            (n_before..n_after).for_each(|f| add(&mut writer, f));
            if finished {
                writer.finish().unwrap();
            }
            for _ in 0..2 {
                let mut writer = NpyWriter::resume(&cut, (2, 1), false, position).unwrap();
                (n_before..250).for_each(|f| add(&mut writer, f));
                writer.finish().unwrap();
            }
            for block in 0..3 {
                for name in ["coords", "potential"] {
                    let bytes = |prefix| std::fs::read(NpyWriter::path(prefix, name, block));
                    assert!(bytes(&cut).unwrap() == bytes(&whole).unwrap(), "{cut:?} {block}");
                }
            }
        }
        // Seven sets of three blocks of two files, and nothing else.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 42);
        let position = NpyPosition { block: 2, n_frames: 51, frames_per_block: 100 };
        assert!(NpyWriter::check(&whole, (2, 1), false, position).is_err());
        let position = NpyPosition { n_frames: 50, ..position };
        NpyWriter::check(&whole, (2, 1), false, position).unwrap();
        std::fs::remove_file(NpyWriter::path(&whole, "potential", 1)).unwrap();
        assert!(NpyWriter::check(&whole, (2, 1), false, position).is_err());
    }
}
