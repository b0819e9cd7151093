//! The output folder of a run.

mod folder_lock;
mod lengths;
mod names;
mod new_paths;
mod run_log;

use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

pub use self::folder_lock::FolderLock;
pub use self::lengths::Lengths;
use self::new_paths::NewPaths;
use self::run_log::RunLog;
use crate::error::{Error, Result, printable};
use crate::io::{
    GrowingFile, NpyWriter, XtcWriter, check_free, sync_folder, topology_pdb, write_new,
};
use crate::simulation::{Frame, Simulation};
use crate::system::System;

/// The files to write in addition to trajectories, energies and the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct OutputOptions {
    /// Write arrays in mlcg's layout too.
    pub npy: bool,
}

const HEADER: &str =
    "step,time_ps,replica,potential_kcal_per_mol,kinetic_kcal_per_mol,temperature_K\n";

/// The files of a run:
///
/// * `replica_0000.xtc` and so on, with the global number of the replica;
/// * `topology.pdb`, or `topology_0000.pdb` and so on, one for each molecule, with the positions of
///   the first replica of the molecule;
/// * `energies.csv` and `run.log`;
/// * `run_coords_0000.npy` and so on, each of 100 frames or fewer, if [`OutputOptions::npy`] is
///   set ([`NpyWriter`]);
/// * `run.lock`, which is empty and locked while a run writes ([`FolderLock`]).
///
/// A later process continues the files with [`Output::resume`].
///
/// Until the log is closed, blanks at its end keep room on the disk for the last lines of the run.
///
/// All files have the same frames: a frame that cannot be written to one of them is removed from
/// the others. While a replica is frozen, it has no frames in its trajectory, no rows in
/// `energies.csv`, and NaN in the arrays. On Unix a program that limits the size of its files should ignore SIGXFSZ, so that
/// the limit is an error and not the end of the process.
#[derive(Debug)]
pub struct Output {
    folder: PathBuf,
    log: RunLog,
    energies: GrowingFile,
    trajectories: Vec<XtcWriter>,
    npy: Option<NpyWriter>,
    replica_ids: Vec<u32>,
    first_bead: Vec<usize>,
    topologies: Vec<PathBuf>,
    molecule_of: Vec<usize>,
    new: NewPaths,
    last_frame: Option<u64>,
    _lock: FolderLock,
}

impl Output {
    /// Refuses a folder that holds an earlier run. The check is cheap, so that a caller can make it
    /// before any other work.
    ///
    /// # Errors
    /// [`Error::Exists`] names a file of the earlier run.
    pub fn check_free(folder: &Path) -> Result<()> {
        if folder.exists() && !folder.is_dir() {
            return Err(Error::invalid("output", "a file", "a folder").of_file(folder));
        }
        for name in names::OF_A_RUN {
            check_free(&folder.join(name))?;
        }
        let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
        for entry in entries {
            let entry = entry.map_err(|error| Error::io(folder, error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if (name.starts_with("replica_") && name.ends_with(".xtc"))
                || (name.starts_with("topology_") && name.ends_with(".pdb"))
                || (name.starts_with("run_") && name.contains(".npy"))
            {
                return Err(Error::Exists(entry.path()));
            }
        }
        Ok(())
    }

    /// Creates the folder, writes the topologies and creates the other files without frames. After
    /// an error nothing is left of them.
    ///
    /// # Errors
    /// [`Error::Exists`] if there is an earlier run; [`Error::Io`] if the folder cannot be written;
    /// [`Error::Unsupported`] if arrays are requested and the molecules differ in size.
    pub fn create(
        folder: &Path,
        simulation: &mut Simulation,
        options: OutputOptions,
    ) -> Result<Self> {
        Self::check_free(folder)?;
        let positions = simulation.positions()?;
        let system = simulation.system();
        let n_replicas = system.n_replicas();
        if options.npy && (1..n_replicas).any(|r| system.beads(r).len() != system.beads(0).len()) {
            let advice = "leave out --npy, or run the molecules one by one";
            return Err(Error::unsupported("an array of molecules of different sizes", advice));
        }
        let mut new = NewPaths::default();
        let replica_ids = &simulation.dynamics().replica_ids;
        match Self::create_files(folder, system, &positions, replica_ids, options, &mut new) {
            Ok(output) => Ok(Output { new, ..output }),
            Err(error) => {
                new.remove();
                Err(error)
            }
        }
    }

    fn create_files(
        folder: &Path,
        system: &System,
        positions: &[[f64; 3]],
        replica_ids: &[u32],
        options: OutputOptions,
        new: &mut NewPaths,
    ) -> Result<Self> {
        new.folders(folder)?;
        let lock = folder.join(names::LOCK);
        let is_new = !lock.exists();
        let held = FolderLock::take(folder)?;
        if is_new {
            new.add(lock);
        }
        let log = new.file(folder.join(names::LOG), RunLog::create)?;
        let topologies = names::topologies(folder, system);
        for (m, molecule) in system.molecules.iter().enumerate() {
            let replica = system.molecule_of.iter().position(|of| *of == m).unwrap_or_default();
            let text = topology_pdb(molecule, &positions[system.beads(replica)]);
            new.file(topologies[m].clone(), |path| write_new(path, text.as_bytes()))?;
        }
        let mut energies = new.file(folder.join(names::ENERGIES), GrowingFile::create)?;
        energies.append(HEADER.as_bytes())?;
        energies.commit();
        let mut trajectories = Vec::with_capacity(replica_ids.len());
        for id in replica_ids {
            let path = folder.join(names::trajectory(*id));
            trajectories.push(new.file(path, XtcWriter::create)?);
        }
        let npy = match options.npy {
            true => {
                let (n_replicas, n_beads) = (system.n_replicas(), system.beads(0).len());
                Some(NpyWriter::new(&folder.join(names::ARRAYS), n_replicas, n_beads)?)
            }
            false => None,
        };
        Ok(Output {
            folder: folder.to_owned(),
            log,
            energies,
            trajectories,
            npy,
            replica_ids: replica_ids.to_vec(),
            first_bead: system.first_bead.clone(),
            topologies,
            molecule_of: system.molecule_of.clone(),
            new: NewPaths::default(),
            last_frame: None,
            _lock: held,
        })
    }

    /// How far the files have come.
    pub fn lengths(&self) -> Lengths {
        Lengths {
            energies: self.energies.committed(),
            trajectories: self.trajectories.iter().map(XtcWriter::committed).collect(),
            npy: self.npy.as_ref().map(NpyWriter::position),
            last_frame: self.last_frame,
        }
    }

    /// Continues the files of an earlier run. All frames beyond the given lengths are removed.
    ///
    /// # Errors
    /// See [`Lengths::check`]. Then no file has been changed.
    pub fn resume(
        folder: &Path,
        lock: FolderLock,
        simulation: &Simulation,
        to: &Lengths,
    ) -> Result<Self> {
        to.check(folder, simulation)?;
        let ids = &simulation.dynamics().replica_ids;
        let energies = GrowingFile::resume(&folder.join(names::ENERGIES), to.energies)?;
        let of_replica = |(id, length): (&u32, &u64)| {
            XtcWriter::resume(&folder.join(names::trajectory(*id)), *length)
        };
        let trajectories = ids.iter().zip(&to.trajectories).map(of_replica);
        let trajectories = trajectories.collect::<Result<_>>()?;
        let npy = match to.npy {
            Some(position) => {
                let (prefix, shape, has_kinetic) = lengths::arrays(folder, simulation);
                Some(NpyWriter::resume(&prefix, shape, has_kinetic, position)?)
            }
            None => None,
        };
        let system = simulation.system();
        Ok(Output {
            folder: folder.to_owned(),
            log: RunLog::resume(&folder.join(names::LOG))?,
            energies,
            trajectories,
            npy,
            replica_ids: ids.clone(),
            first_bead: system.first_bead.clone(),
            topologies: names::topologies(folder, system),
            molecule_of: system.molecule_of.clone(),
            new: NewPaths::default(),
            last_frame: to.last_frame,
            _lock: lock,
        })
    }

    /// Removes all files, if a run could not start.
    pub fn discard(self) {
        let Output { new, log, .. } = self;
        drop(log);
        new.remove();
    }

    /// One line for each topology file: its name and the replicas that it belongs to.
    pub fn topologies(&self) -> Vec<String> {
        let line = |(m, path): (usize, &PathBuf)| {
            let ids = self.replica_ids.iter().zip(&self.molecule_of);
            let ids: Vec<String> =
                ids.filter(|(_, of)| **of == m).map(|(id, _)| id.to_string()).collect();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            format!("{name}: replicas {}", ids.join(", "))
        };
        self.topologies.iter().enumerate().map(line).collect()
    }

    /// Adds a line to `run.log`. The log has room for a few lines even if the disk is full.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn log(&mut self, line: impl Display) -> Result<()> {
        self.log.line(&printable(line))
    }

    /// Adds a frame to every file. After an error the frame is in none of them.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a format cannot hold the frame, or if another program changed the
    /// length of a file; [`Error::Io`].
    pub fn write(&mut self, frame: &Frame) -> Result<()> {
        for (r, trajectory) in self.trajectories.iter_mut().enumerate() {
            if frame.frozen.contains_key(&r) {
                continue;
            }
            let positions = &frame.positions[self.first_bead[r]..self.first_bead[r + 1]];
            trajectory.encode(frame.step, frame.time, positions)?;
        }
        let written = self.append(frame);
        let files = self.trajectories.iter_mut().map(XtcWriter::file).chain([&mut self.energies]);
        match written {
            Ok(()) => {
                files.for_each(GrowingFile::commit);
                self.last_frame = Some(frame.step);
            }
            // The caller needs the first error, and `finish` reports a file that was not cut.
            Err(_) => files.for_each(|file| drop(file.undo())),
        }
        written
    }

    /// Appends the encoded frame and its energies. The arrays come last: they need no undo.
    fn append(&mut self, frame: &Frame) -> Result<()> {
        for (r, trajectory) in self.trajectories.iter_mut().enumerate() {
            if !frame.frozen.contains_key(&r) {
                trajectory.append()?;
            }
        }
        let mut rows = String::new();
        for (r, replica) in self.replica_ids.iter().enumerate() {
            if frame.frozen.contains_key(&r) {
                continue;
            }
            let _ = write!(rows, "{},{:.6},{replica},", frame.step, frame.time);
            let _ = match frame.kinetic[r] {
                kinetic if kinetic.is_nan() => writeln!(rows, "{:.6},,", frame.potential[r]),
                kinetic => {
                    let (potential, temperature) = (frame.potential[r], frame.temperature[r]);
                    writeln!(rows, "{potential:.6},{kinetic:.6},{temperature:.3}")
                }
            };
        }
        self.energies.append(rows.as_bytes())?;
        let Some(npy) = &mut self.npy else { return Ok(()) };
        let mut positions = Cow::Borrowed(frame.positions);
        for r in frame.frozen.keys() {
            positions.to_mut()[self.first_bead[*r]..self.first_bead[r + 1]].fill([f64::NAN; 3]);
        }
        npy.write(&positions, frame.potential, frame.kinetic)
    }

    /// Checks that every file has all frames, and waits until the storage holds them. A checkpoint
    /// may then name their lengths.
    ///
    /// # Errors
    /// The first error.
    pub fn sync(&self) -> Result<()> {
        // The file system joins requests that come at the same time.
        let trajectories = self.trajectories.par_iter().map(XtcWriter::sync);
        let trajectories = trajectories.reduce(|| Ok(()), Result::and);
        let arrays = self.npy.as_ref().map_or(Ok(()), NpyWriter::sync);
        trajectories.and(self.energies.sync()).and(arrays).and(sync_folder(&self.folder))
    }

    /// Completes the arrays, and does the same as [`Output::sync`]. Call this also after a run that
    /// failed.
    ///
    /// # Errors
    /// The first error; the other files are completed nevertheless.
    pub fn finish(&mut self) -> Result<()> {
        let arrays = self.npy.as_mut().map_or(Ok(()), NpyWriter::finish);
        arrays.and(self.sync())
    }

    /// The step of the last frame.
    pub fn last_frame(&self) -> Option<u64> {
        self.last_frame
    }

    /// One line for each kind of file: its path and a description.
    pub fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        let first = self.trajectories.first().map(|t| printable(t.path().display()));
        match (first, &self.trajectories[..]) {
            (Some(first), [_, .., last]) => {
                let last = last.path().file_name().unwrap_or_default().to_string_lossy();
                files
                    .push(format!("{first} ... {last}  trajectories, {}", self.trajectories.len()));
            }
            (first, _) => files.extend(first.map(|first| format!("{first}  trajectory"))),
        }
        files.extend(
            self.topologies.iter().map(|path| format!("{}  topology", printable(path.display()))),
        );
        let mut add = |name: &str, what: &str| {
            files.push(format!("{}  {what}", printable(self.folder.join(name).display())));
        };
        add(names::ENERGIES, "energies and temperatures");
        add(names::LOG, "settings, device, versions, speed");
        let arrays = self.npy.as_ref().and_then(NpyWriter::first_file);
        files.extend(
            arrays.map(|path| format!("{}  arrays in mlcg's layout", printable(path.display()))),
        );
        files
    }
}
