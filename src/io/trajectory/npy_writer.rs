//! Arrays in mlcg's layout, f32. A quantity of the beads of all replicas has the shape (replicas,
//! frames, beads, 3), for example `<prefix>_coords_0000.npy`. A quantity of the replicas has the
//! shape (replicas, frames), for example `<prefix>_potential_0000.npy`.
//!
//! Frames are the second axis, so a file cannot grow by a frame. Each file holds one block of
//! frames. It has its full size from the start, so that a full disk is noticed before the block
//! holds any frame, and every frame is written in place as it comes. Until the block is complete
//! the name of the file ends with `.partial`.

use std::path::{Path, PathBuf};

use super::npy_array::Array;
use crate::error::{Error, Result};
use crate::io::file::{check_free, move_to};

/// The number of frames of a block, unless one of its arrays exceeds [`BLOCK_BYTES`].
const BLOCK_FRAMES: usize = 100;

/// The largest size of an array of a block of more than one frame.
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

/// A quantity that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NpyQuantity {
    /// The middle of the file name.
    pub name: String,
    /// The shape of its values in one replica and one frame.
    pub shape: Vec<usize>,
}

impl NpyQuantity {
    /// A quantity with values of the given shape.
    pub fn new(name: impl Into<String>, shape: &[usize]) -> Self {
        NpyQuantity { name: name.into(), shape: shape.to_vec() }
    }

    /// The number of its values in one replica and one frame.
    fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Writes frames of replicas with equal numbers of beads, block by block.
#[derive(Debug)]
pub struct NpyWriter {
    /// The folder and the start of the file names.
    prefix: PathBuf,
    n_replicas: usize,
    quantities: Vec<NpyQuantity>,
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
    /// as fit into 64 MiB of the largest array, but at least one.
    ///
    /// # Errors
    /// [`Error::Exists`] if one of the first files exists.
    pub fn new(prefix: &Path, n_replicas: usize, quantities: Vec<NpyQuantity>) -> Result<Self> {
        let longest = quantities.iter().map(NpyQuantity::len).max().unwrap_or(0);
        let frame_bytes = (4 * n_replicas * longest).max(1);
        let frames_per_block = (BLOCK_BYTES / frame_bytes).clamp(1, BLOCK_FRAMES);
        let start = NpyPosition { block: 0, n_frames: 0, frames_per_block };
        let writer = NpyWriter::at(prefix, n_replicas, quantities, start);
        let mut names = writer.quantities.iter().map(|of| NpyWriter::path(prefix, &of.name, 0));
        names.try_for_each(|path| check_free(&path))?;
        Ok(writer)
    }

    fn path(prefix: &Path, what: &str, block: usize) -> PathBuf {
        let mut path = prefix.as_os_str().to_owned();
        path.push(format!("_{what}_{block:04}.npy"));
        path.into()
    }

    /// Adds a frame: the values of each quantity, of all replicas.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong number of values; [`Error::Io`] and [`Error::Exists`]. Then the
    /// frame is not part of the arrays.
    pub fn write(&mut self, values: &[&[f64]]) -> Result<()> {
        let expected = self.quantities.iter().map(|of| self.n_replicas * of.len());
        let (found, expected): (Vec<usize>, Vec<usize>) =
            (values.iter().map(|of| of.len()).collect(), expected.collect());
        if found != expected {
            let found = format!("{found:?} values");
            return Err(Error::invalid("arrays", found, format!("{expected:?}")));
        }
        if self.n_frames == self.frames_per_block {
            self.finish()?;
        }
        if self.arrays.is_empty() {
            self.begin()?;
        }
        for (array, values) in self.arrays.iter().zip(values) {
            array.put(self.n_frames, values)?;
        }
        self.n_frames += 1;
        Ok(())
    }

    /// The arrays of a block, without their files.
    fn arrays(&self, block: usize) -> Vec<Array> {
        let array = |of: &NpyQuantity| {
            let path = NpyWriter::path(&self.prefix, &of.name, block);
            Array::new(path, self.n_replicas, self.frames_per_block, of.shape.clone())
        };
        self.quantities.iter().map(array).collect()
    }

    /// Creates the files of a block at their full size.
    fn begin(&mut self) -> Result<()> {
        let arrays = self.arrays(self.block);
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
    /// [`Error::Io`] and [`Error::Exists`].
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
    /// [`Error::Io`].
    pub fn sync(&self) -> Result<()> {
        self.arrays.iter().try_for_each(Array::sync)
    }

    /// Checks that the files of an earlier run have all frames up to a position.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::Io`] name the first
    /// file that does not.
    pub fn check(
        prefix: &Path,
        n_replicas: usize,
        quantities: Vec<NpyQuantity>,
        position: NpyPosition,
    ) -> Result<()> {
        let writer = NpyWriter::at(prefix, n_replicas, quantities, position);
        for block in 0..=position.block {
            let n_frames = match block == position.block {
                true => position.n_frames,
                false => position.frames_per_block,
            };
            if n_frames > 0 {
                let arrays = writer.arrays(block);
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
        n_replicas: usize,
        quantities: Vec<NpyQuantity>,
        position: NpyPosition,
    ) -> Result<Self> {
        NpyWriter::check(prefix, n_replicas, quantities.clone(), position)?;
        let mut writer = NpyWriter::at(prefix, n_replicas, quantities, position);
        let mut later = position.block;
        if position.n_frames > 0 {
            writer.arrays = writer.arrays(position.block);
            writer.arrays.iter().try_for_each(|array| array.reopen(position.n_frames))?;
            later += 1;
        }
        // A block that was begun has at least one of its files. The last block goes first, so that
        // no gap hides a block if the process is killed here.
        let arrays = |block| writer.arrays(block);
        let end = (later..).find(|block| !arrays(*block).iter().any(Array::exists));
        for block in (later..end.unwrap_or(later)).rev() {
            arrays(block).iter().for_each(Array::remove_all);
        }
        Ok(writer)
    }

    fn at(
        prefix: &Path,
        n_replicas: usize,
        quantities: Vec<NpyQuantity>,
        position: NpyPosition,
    ) -> Self {
        let NpyPosition { block, n_frames, frames_per_block } = position;
        let (prefix, arrays) = (prefix.to_owned(), Vec::new());
        NpyWriter { prefix, n_replicas, quantities, frames_per_block, block, arrays, n_frames }
    }

    /// The first complete file.
    pub(crate) fn first_file(&self) -> Option<PathBuf> {
        let name = &self.quantities.first().filter(|_| self.block > 0)?.name;
        Some(NpyWriter::path(&self.prefix, name, 0))
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

    fn quantities(n_beads: usize) -> Vec<NpyQuantity> {
        vec![NpyQuantity::new("coords", &[n_beads, 3]), NpyQuantity::new("potential", &[])]
    }

    fn add(writer: &mut NpyWriter, f: u32) {
        let x = |r: u32| [f64::from(1000 * r + f), 0.5, -1.0];
        let potential = [f64::from(f), f64::from(f) + 1000.0];
        writer.write(&[[x(0), x(1)].as_flattened(), &potential]).unwrap();
    }

    #[test]
    fn replicas_are_the_first_axis_of_blocks_of_100_frames() {
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().join("run");
        let path = |name: &str| folder.path().join(name);
        let mut writer = NpyWriter::new(&prefix, 2, quantities(1)).unwrap();
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
        // No partial file is left.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4);
        assert!(matches!(NpyWriter::new(&prefix, 2, quantities(1)), Err(Error::Exists(_))));
    }

    /// A frame that cannot be written completely is not part of the block.
    #[test]
    fn a_failure_leaves_the_frames_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().join("run");
        // The energies of the first block cannot be created.
        let obstacle = folder.path().join("run_potential_0000.npy");
        let mut writer = NpyWriter::new(&prefix, 2, quantities(1)).unwrap();
        std::fs::write(&obstacle, "").unwrap();
        let mut write = || writer.write(&[&[0.0; 6], &[0.0; 2]]);
        assert!(matches!(write(), Err(Error::Exists(_))));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        std::fs::remove_file(&obstacle).unwrap();
        write().unwrap();
        write().unwrap();
        // Somebody cuts a file of the block.
        let partial = folder.path().join("run_potential_0000.npy.partial");
        std::fs::OpenOptions::new().write(true).open(&partial).unwrap().set_len(7).unwrap();
        assert!(write().is_err());
        assert!(writer.finish().is_err());
        assert_eq!(read(&folder.path().join("run_coords_0000.npy")).0, [2, 2, 1, 3]);
    }

    #[test]
    fn a_block_without_frames_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = NpyWriter::new(&folder.path().join("run"), 2, quantities(1)).unwrap();
        writer.begin().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        writer.finish().unwrap();
        writer.finish().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn large_frames_make_short_blocks() {
        let frames = |n_replicas, n_beads| {
            let writer =
                NpyWriter::new(Path::new("no/such"), n_replicas, quantities(n_beads)).unwrap();
            writer.frames_per_block
        };
        assert_eq!((frames(64, 269), frames(1024, 269), frames(1 << 20, 269)), (100, 20, 1));
    }

    /// Wherever a run is killed, its blocks continue to the files of a run that was not.
    #[test]
    fn blocks_continue_from_any_position() {
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("whole");
        let mut writer = NpyWriter::new(&whole, 2, quantities(1)).unwrap();
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
            let mut writer = NpyWriter::new(&cut, 2, quantities(1)).unwrap();
            (0..n_before).for_each(|f| add(&mut writer, f));
            let position = writer.position();
            (n_before..n_after).for_each(|f| add(&mut writer, f));
            if finished {
                writer.finish().unwrap();
            }
            for _ in 0..2 {
                let mut writer = NpyWriter::resume(&cut, 2, quantities(1), position).unwrap();
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
        assert!(NpyWriter::check(&whole, 2, quantities(1), position).is_err());
        let position = NpyPosition { n_frames: 50, ..position };
        NpyWriter::check(&whole, 2, quantities(1), position).unwrap();
        std::fs::remove_file(NpyWriter::path(&whole, "potential", 1)).unwrap();
        assert!(NpyWriter::check(&whole, 2, quantities(1), position).is_err());
    }
}
