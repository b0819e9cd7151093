//! Arrays in mlcg's layout, f32: `<prefix>_coords_0000.npy` of shape (replicas, frames, beads, 3),
//! and `<prefix>_potential_0000.npy` and `<prefix>_kineticenergy_0000.npy` of shape
//! (replicas, frames).
//!
//! Frames are the second axis, so a file cannot grow by a frame. Each file holds one block of
//! frames, which stays in memory until it is full. The last block can be shorter.

use std::path::{Path, PathBuf};

use npyz::WriterBuilder;

use crate::error::{Error, Result};
use crate::io::file::{check_free, write_new};

/// The largest size of a block of coordinates, unless [`MAX_BLOCKS`] requires larger blocks.
const BLOCK_BYTES: u64 = 64 << 20;

/// The largest number of blocks, because file names have four digits.
const MAX_BLOCKS: u64 = 10_000;

/// Writes frames of replicas with equal numbers of beads, block by block.
#[derive(Debug)]
pub struct NpyWriter {
    /// The folder and the start of the file names.
    prefix: PathBuf,
    n_replicas: usize,
    n_beads: usize,
    frames_per_block: usize,
    n_blocks: usize,
    n_frames: usize,
    /// The frames of the unfinished block, Å, `[n_frames, n_replicas, n_beads, 3]`.
    coords: Vec<f32>,
    /// kcal/mol, `[n_frames, n_replicas]`.
    potential: Vec<f32>,
    /// kcal/mol, `[n_frames, n_replicas]`.
    kinetic: Vec<f32>,
}

impl NpyWriter {
    /// Prepares to write `n_frames` frames to files whose names start with `prefix`.
    ///
    /// # Errors
    /// [`Error::Exists`] if the first of these files exists.
    pub fn new(prefix: &Path, n_replicas: usize, n_beads: usize, n_frames: u64) -> Result<Self> {
        let frame_bytes = 12 * n_replicas as u64 * n_beads as u64;
        let fitting = (BLOCK_BYTES / frame_bytes.max(1)).max(1);
        let frames_per_block = fitting.max(n_frames.div_ceil(MAX_BLOCKS)).min(n_frames.max(1));
        let writer = NpyWriter {
            prefix: prefix.to_owned(),
            n_replicas,
            n_beads,
            frames_per_block: frames_per_block as usize,
            n_blocks: 0,
            n_frames: 0,
            coords: Vec::new(),
            potential: Vec::new(),
            kinetic: Vec::new(),
        };
        check_free(&writer.path("coords"))?;
        Ok(writer)
    }

    fn path(&self, what: &str) -> PathBuf {
        let mut path = self.prefix.clone().into_os_string();
        path.push(format!("_{what}_{:04}.npy", self.n_blocks));
        path.into()
    }

    /// Adds a frame, and writes the block if it is full. `positions` are those of all replicas, Å;
    /// `potential` and `kinetic` are the energies of each replica, kcal/mol. A kinetic energy is
    /// NaN if there are no velocities.
    pub fn write(
        &mut self,
        positions: &[[f64; 3]],
        potential: &[f64],
        kinetic: &[f64],
    ) -> Result<()> {
        self.coords.extend(positions.as_flattened().iter().map(|x| *x as f32));
        self.potential.extend(potential.iter().map(|x| *x as f32));
        self.kinetic.extend(kinetic.iter().map(|x| *x as f32));
        self.n_frames += 1;
        if self.n_frames == self.frames_per_block { self.finish() } else { Ok(()) }
    }

    /// Writes the frames added since the last block, if any.
    pub fn finish(&mut self) -> Result<()> {
        if self.n_frames == 0 {
            return Ok(());
        }
        let stride = 3 * self.n_beads;
        self.write_array("coords", &self.coords, stride, &[self.n_beads, 3])?;
        self.write_array("potential", &self.potential, 1, &[])?;
        // With the overdamped integrator there are no velocities.
        if !self.kinetic.iter().any(|x| x.is_nan()) {
            self.write_array("kineticenergy", &self.kinetic, 1, &[])?;
        }
        self.coords.clear();
        self.potential.clear();
        self.kinetic.clear();
        (self.n_frames, self.n_blocks) = (0, self.n_blocks + 1);
        Ok(())
    }

    /// Writes values of shape `[n_frames, n_replicas, stride]` with the first two axes exchanged.
    fn write_array(&self, what: &str, values: &[f32], stride: usize, rest: &[usize]) -> Result<()> {
        let path = self.path(what);
        let mut shape = vec![self.n_replicas as u64, self.n_frames as u64];
        shape.extend(rest.iter().map(|n| *n as u64));
        let mut bytes = Vec::with_capacity(4 * values.len() + 128);
        let encode = || -> std::io::Result<()> {
            let options = npyz::WriteOptions::new().default_dtype().shape(&shape);
            let mut writer = options.writer(&mut bytes).begin_nd()?;
            for r in 0..self.n_replicas {
                for f in 0..self.n_frames {
                    let row = (f * self.n_replicas + r) * stride;
                    writer.extend(values[row..row + stride].iter().copied())?;
                }
            }
            writer.finish()
        };
        let mut encode = encode;
        encode().map_err(|error| Error::io(&path, error))?;
        write_new(&path, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> (Vec<u64>, Vec<f32>) {
        let file = npyz::NpyFile::new(std::fs::File::open(path).unwrap()).unwrap();
        (file.shape().to_vec(), file.into_vec().unwrap())
    }

    /// With blocks of two frames, the second file holds the third frame only.
    #[test]
    fn replicas_are_the_first_axis() {
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().join("run");
        let mut writer = NpyWriter::new(&prefix, 2, 1, 3).unwrap();
        writer.frames_per_block = 2;
        for f in 0..3_u32 {
            let x = |r: u32| [f64::from(10 * r + f), 0.5, -1.0];
            let potential = [f64::from(f), f64::from(f) + 100.0];
            writer.write(&[x(0), x(1)], &potential, &[f64::NAN; 2]).unwrap();
        }
        writer.finish().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (shape, values) = read(&path("run_coords_0000.npy"));
        assert_eq!(shape, [2, 2, 1, 3]);
        let x: Vec<f32> = values.iter().step_by(3).copied().collect();
        assert_eq!(x, [0.0, 1.0, 10.0, 11.0]);
        assert_eq!(read(&path("run_potential_0001.npy")), (vec![2, 1], vec![2.0, 102.0]));
        assert!(!path("run_kineticenergy_0000.npy").exists());
        assert!(matches!(NpyWriter::new(&prefix, 2, 1, 3), Err(Error::Exists(_))));
    }
}
