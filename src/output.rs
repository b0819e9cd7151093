//! The output folder of a run.

mod run_log;

use std::fmt::{Display, Write as _};
use std::path::{Path, PathBuf};

use self::run_log::RunLog;
use crate::error::{Error, Result, printable};
use crate::io::{GrowingFile, NpyWriter, XtcWriter, check_free, topology_pdb, write_new};
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
///   set ([`NpyWriter`]).
///
/// Until the log is closed, blanks at its end keep room on the disk for the last lines of the run.
///
/// All files have the same frames: a frame that cannot be written to one of them is removed from
/// the others. On Unix a program that limits the size of its files should ignore SIGXFSZ, so that
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
}

/// The files and folders that a run has created, in this order.
#[derive(Debug, Default)]
struct NewPaths(Vec<PathBuf>);

impl NewPaths {
    /// Creates a folder and the missing folders above it.
    fn folders(&mut self, folder: &Path) -> Result<()> {
        let missing = folder.ancestors().take_while(|path| {
            !path.as_os_str().is_empty() && matches!(path.try_exists(), Ok(false))
        });
        for path in missing.collect::<Vec<_>>().into_iter().rev() {
            match std::fs::create_dir(path) {
                Ok(()) => self.0.push(path.to_owned()),
                // Another program was faster.
                Err(_) if path.is_dir() => {}
                Err(error) => return Err(Error::io(path, error)),
            }
        }
        Ok(())
    }

    /// Creates a file with `create`.
    fn file<T>(&mut self, path: PathBuf, create: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        let file = create(&path);
        // A file can be left although `create` failed, but one that exists is somebody else's.
        if !matches!(file, Err(Error::Exists(_))) {
            self.0.push(path);
        }
        file
    }

    /// Removes everything. A folder in which somebody else has put files stays.
    fn remove(self) {
        for path in self.0.iter().rev() {
            // A failure is ignored: the caller has an earlier error.
            let _ = std::fs::remove_file(path).or_else(|_| std::fs::remove_dir(path));
        }
    }
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
        for name in ["run.log", "energies.csv", "topology.pdb"] {
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
        let log = new.file(folder.join("run.log"), RunLog::create)?;
        let mut topologies = Vec::new();
        for (m, molecule) in system.molecules.iter().enumerate() {
            let several = system.molecules.len() > 1;
            let name = if several { format!("topology_{m:04}.pdb") } else { "topology.pdb".into() };
            let replica = system.molecule_of.iter().position(|of| *of == m).unwrap_or_default();
            let text = topology_pdb(molecule, &positions[system.beads(replica)]);
            topologies.push(folder.join(name));
            new.file(topologies[m].clone(), |path| write_new(path, text.as_bytes()))?;
        }
        let mut energies = new.file(folder.join("energies.csv"), GrowingFile::create)?;
        energies.append(HEADER.as_bytes())?;
        energies.commit();
        let mut trajectories = Vec::with_capacity(replica_ids.len());
        for id in replica_ids {
            let path = folder.join(format!("replica_{id:04}.xtc"));
            trajectories.push(new.file(path, XtcWriter::create)?);
        }
        let npy = match options.npy {
            true => {
                let (n_replicas, n_beads) = (system.n_replicas(), system.beads(0).len());
                Some(NpyWriter::new(&folder.join("run"), n_replicas, n_beads)?)
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
        for trajectory in &mut self.trajectories {
            trajectory.append()?;
        }
        let mut rows = String::new();
        for (r, replica) in self.replica_ids.iter().enumerate() {
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
        match &mut self.npy {
            Some(npy) => npy.write(frame.positions, frame.potential, frame.kinetic),
            None => Ok(()),
        }
    }

    /// Completes the arrays, checks that every file has all frames, and waits until the storage
    /// holds them. Call this also after a run that failed.
    ///
    /// # Errors
    /// The first error; the other files are completed nevertheless.
    pub fn finish(&mut self) -> Result<()> {
        let arrays = self.npy.as_mut().map_or(Ok(()), NpyWriter::finish);
        let files = self.trajectories.iter_mut().map(XtcWriter::file).chain([&mut self.energies]);
        files.fold(arrays, |so_far, file| so_far.and(file.sync()))
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
        add("energies.csv", "energies and temperatures");
        add("run.log", "settings, device, versions, speed");
        let arrays = self.npy.as_ref().and_then(NpyWriter::first_file);
        files.extend(
            arrays.map(|path| format!("{}  arrays in mlcg's layout", printable(path.display()))),
        );
        files
    }
}
