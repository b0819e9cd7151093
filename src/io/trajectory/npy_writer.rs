//! Arrays in mlcg's layout, f32: `<prefix>_coords_0000.npy` of shape (replicas, frames, beads, 3),
//! and `<prefix>_potential_0000.npy` and `<prefix>_kineticenergy_0000.npy` of shape
//! (replicas, frames).
//!
//! Frames are the second axis, so a file cannot grow by a frame. Each file holds one block of
//! frames. It has its full size from the start, so that a full disk is noticed before the block
//! holds any frame, and every frame is written in place as it comes. Until the block is complete
//! the name of the file ends with `.partial`.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::io::file::{check_free, create_new};

/// The number of frames of a block, unless its coordinates exceed [`BLOCK_BYTES`].
const BLOCK_FRAMES: usize = 100;

/// The largest size of the coordinates of a block of more than one frame.
const BLOCK_BYTES: usize = 64 << 20;

/// The length of a header. The longest shape fits, so that a header can be replaced.
const HEADER_BYTES: usize = 128;

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
    /// [`Error::Exists`] if the first of these files exists.
    pub fn new(prefix: &Path, n_replicas: usize, n_beads: usize) -> Result<Self> {
        let frame_bytes = (12 * n_replicas * n_beads).max(1);
        let writer = NpyWriter {
            prefix: prefix.to_owned(),
            n_replicas,
            n_beads,
            frames_per_block: (BLOCK_BYTES / frame_bytes).clamp(1, BLOCK_FRAMES),
            block: 0,
            arrays: Vec::new(),
            n_frames: 0,
        };
        check_free(&NpyWriter::path(prefix, "coords", 0))?;
        Ok(writer)
    }

    fn path(prefix: &Path, what: &str, block: usize) -> PathBuf {
        let mut path = prefix.as_os_str().to_owned();
        path.push(format!("_{what}_{block:04}.npy"));
        path.into()
    }

    /// Adds a frame. `positions` are those of all replicas, Å; `potential` and `kinetic` are the
    /// energies of each replica, kcal/mol. A kinetic energy is NaN if there are no velocities.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Exists`]. Then the frame is not part of the arrays.
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
        let has_kinetic = !kinetic.iter().any(|x| x.is_nan());
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

    /// Creates the files of a block at their full size.
    fn begin(&mut self, has_kinetic: bool) -> Result<()> {
        let kinds = [("coords", 3 * self.n_beads), ("potential", 1), ("kineticenergy", 1)];
        for (what, row) in &kinds[..if has_kinetic { 3 } else { 2 }] {
            let rest = if *what == "coords" { vec![self.n_beads, 3] } else { Vec::new() };
            let shape = (self.n_replicas, self.frames_per_block);
            match Array::create(NpyWriter::path(&self.prefix, what, self.block), shape, *row, rest)
            {
                Ok(array) => self.arrays.push(array),
                Err(error) => {
                    self.arrays.drain(..).for_each(|array| array.remove());
                    return Err(error);
                }
            }
        }
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

    /// The first file, if it is complete.
    pub(crate) fn first_file(&self) -> Option<PathBuf> {
        (self.block > 0).then(|| NpyWriter::path(&self.prefix, "coords", 0))
    }
}

/// One file of a block: values of shape `[n_replicas, n_frames, row]`.
#[derive(Debug)]
struct Array {
    path: PathBuf,
    partial: PathBuf,
    n_replicas: usize,
    /// The number of frames of a full block.
    most_frames: usize,
    /// The number of values of a replica in a frame, and their shape.
    row: usize,
    rest: Vec<usize>,
}

impl Array {
    /// Creates the file under its partial name, filled with zeros.
    fn create(
        path: PathBuf,
        (n_replicas, most_frames): (usize, usize),
        row: usize,
        rest: Vec<usize>,
    ) -> Result<Self> {
        check_free(&path)?;
        let mut partial = path.clone().into_os_string();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let mut file = create_new(&partial)?;
        let array = Array { path, partial, n_replicas, most_frames, row, rest };
        let zeros = 4 * (n_replicas * most_frames * row) as u64;
        let written = file.write_all(&array.header(most_frames));
        match written.and_then(|()| std::io::copy(&mut std::io::repeat(0).take(zeros), &mut file)) {
            Ok(_) => Ok(array),
            Err(error) => {
                let error = Error::io(&array.partial, error);
                array.remove();
                Err(error)
            }
        }
    }

    /// Writes the values of all replicas in one frame.
    fn put(&self, frame: usize, values: &[f64]) -> Result<()> {
        let put = || {
            let mut file = self.open()?;
            for (r, row) in values.chunks(self.row.max(1)).enumerate() {
                let bytes: Vec<u8> = row.iter().flat_map(|x| (*x as f32).to_le_bytes()).collect();
                file.seek(SeekFrom::Start(self.offset(r * self.most_frames + frame)))?;
                file.write_all(&bytes)?;
            }
            Ok(())
        };
        put().map_err(|error| Error::io(&self.partial, error))
    }

    /// Gives the file its length and its name.
    fn complete(&self, n_frames: usize) -> Result<()> {
        check_free(&self.path)?;
        let complete = || {
            let mut file = self.open()?;
            if n_frames < self.most_frames {
                self.shorten(&mut file, n_frames)?;
            }
            file.sync_all()?;
            std::fs::rename(&self.partial, &self.path)
        };
        complete().map_err(|error| Error::io(&self.partial, error))
    }

    /// Moves the rows of the replicas together, which leaves only `n_frames` of each.
    fn shorten(&self, file: &mut File, n_frames: usize) -> std::io::Result<()> {
        let mut bytes = vec![0; 4 * n_frames * self.row];
        for r in 1..self.n_replicas {
            file.seek(SeekFrom::Start(self.offset(r * self.most_frames)))?;
            file.read_exact(&mut bytes)?;
            file.seek(SeekFrom::Start(self.offset(r * n_frames)))?;
            file.write_all(&bytes)?;
        }
        file.set_len(self.offset(self.n_replicas * n_frames))?;
        file.rewind()?;
        file.write_all(&self.header(n_frames))
    }

    /// Opens the file, and checks its length.
    fn open(&self) -> std::io::Result<File> {
        let file = OpenOptions::new().read(true).write(true).open(&self.partial)?;
        match file.metadata()?.len() == self.offset(self.n_replicas * self.most_frames) {
            true => Ok(file),
            false => Err(std::io::Error::other("another program changed the length of the file")),
        }
    }

    /// The place of a row of a replica and a frame.
    fn offset(&self, row: usize) -> u64 {
        HEADER_BYTES as u64 + 4 * (row * self.row) as u64
    }

    /// Version 1.0 of the format.
    fn header(&self, n_frames: usize) -> Vec<u8> {
        let shape = [&[self.n_replicas, n_frames], &self.rest[..]].concat();
        let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
        let (shape, width) = (shape.join(", "), HEADER_BYTES - 11);
        let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}");
        let mut header = b"\x93NUMPY\x01\x00".to_vec();
        header.extend((HEADER_BYTES as u16 - 10).to_le_bytes());
        header.extend(format!("{text:width$}\n").bytes());
        header
    }

    /// Removes the file. A failure is ignored: the caller has an earlier error, or nothing in the
    /// file.
    fn remove(&self) {
        let _ = std::fs::remove_file(&self.partial);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn headers_of_the_largest_shape_have_the_length_of_all() {
        let array = |n| Array {
            path: PathBuf::new(),
            partial: PathBuf::new(),
            n_replicas: n,
            most_frames: n,
            row: 3 * n,
            rest: vec![n, 3],
        };
        for n in [1, 1 << 28] {
            let header = array(n).header(n);
            assert_eq!((header.len(), header[HEADER_BYTES - 1]), (HEADER_BYTES, b'\n'));
        }
    }
}
