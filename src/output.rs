//! The output folder of a run.

use std::fmt::{Display, Write as _};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::io::{NpyWriter, XtcWriter, check_free, create_new, topology_pdb, write_new};
use crate::simulation::{Frame, Simulation};

/// The files to write in addition to trajectories, energies and the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct OutputOptions {
    /// Write arrays in mlcg's layout too.
    pub npy: bool,
    /// The number of frames of the run, which determines the number of frames in each array.
    pub n_frames: u64,
}

/// The files of a run:
///
/// * `replica_0000.xtc` and so on, with the global number of the replica;
/// * `topology.pdb`, or `topology_0000.pdb` and so on, one for each molecule, with the positions of
///   the first replica of the molecule;
/// * `energies.csv` and `run.log`;
/// * `run_coords_0000.npy` and so on, if [`OutputOptions::npy`] is set.
#[derive(Debug)]
pub struct Output {
    folder: PathBuf,
    log: File,
    energies: File,
    trajectories: Vec<XtcWriter>,
    npy: Option<NpyWriter>,
    replica_ids: Vec<u32>,
    first_bead: Vec<usize>,
    topologies: Vec<PathBuf>,
    molecule_of: Vec<usize>,
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
                || (name.starts_with("run_") && name.ends_with(".npy"))
            {
                return Err(Error::Exists(entry.path()));
            }
        }
        Ok(())
    }

    /// Creates the folder, writes the topologies and creates the other files empty.
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
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        let log = create_new(&folder.join("run.log"))?;
        let mut topologies = Vec::new();
        for (m, molecule) in system.molecules.iter().enumerate() {
            let several = system.molecules.len() > 1;
            let name = if several { format!("topology_{m:04}.pdb") } else { "topology.pdb".into() };
            let replica = system.molecule_of.iter().position(|of| *of == m).unwrap_or_default();
            let text = topology_pdb(molecule, &positions[system.beads(replica)]);
            topologies.push(folder.join(name));
            write_new(&topologies[m], text.as_bytes())?;
        }
        let mut energies = create_new(&folder.join("energies.csv"))?;
        let header =
            "step,time_ps,replica,potential_kcal_per_mol,kinetic_kcal_per_mol,temperature_K\n";
        energies
            .write_all(header.as_bytes())
            .map_err(|error| Error::io(&folder.join("energies.csv"), error))?;
        let replica_ids = simulation.dynamics().replica_ids.clone();
        let trajectories: Result<Vec<XtcWriter>> = replica_ids
            .iter()
            .map(|id| XtcWriter::create(&folder.join(format!("replica_{id:04}.xtc"))))
            .collect();
        let npy = match options.npy {
            true => {
                let (prefix, n_beads) = (folder.join("run"), simulation.system().beads(0).len());
                Some(NpyWriter::new(&prefix, n_replicas, n_beads, options.n_frames)?)
            }
            false => None,
        };
        Ok(Output {
            folder: folder.to_owned(),
            log,
            energies,
            trajectories: trajectories?,
            npy,
            replica_ids,
            first_bead: simulation.system().first_bead.clone(),
            topologies,
            molecule_of: simulation.system().molecule_of.clone(),
        })
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

    /// Adds a line to `run.log`.
    pub fn log(&mut self, line: impl Display) -> Result<()> {
        let line = format!("{line}\n");
        let path = || self.folder.join("run.log");
        self.log.write_all(line.as_bytes()).map_err(|error| Error::io(&path(), error))
    }

    /// Adds a frame to every file.
    pub fn write(&mut self, frame: &Frame) -> Result<()> {
        for (r, trajectory) in self.trajectories.iter_mut().enumerate() {
            let positions = &frame.positions[self.first_bead[r]..self.first_bead[r + 1]];
            trajectory.encode(frame.step, frame.time, positions)?;
        }
        // The frames of all replicas are encoded before the first is written. If one fails, none is
        // written, and all trajectories have the same frames.
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
        self.energies
            .write_all(rows.as_bytes())
            .map_err(|error| Error::io(&self.folder.join("energies.csv"), error))?;
        match &mut self.npy {
            Some(npy) => npy.write(frame.positions, frame.potential, frame.kinetic),
            None => Ok(()),
        }
    }

    /// Writes the frames that are still in memory. Call this also after a run that failed.
    pub fn finish(&mut self) -> Result<()> {
        self.npy.as_mut().map_or(Ok(()), NpyWriter::finish)
    }

    /// One line for each kind of file: its path and a description.
    pub fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        let first = self.trajectories.first().map(|t| t.path().display().to_string());
        match (first, &self.trajectories[..]) {
            (Some(first), [_, .., last]) => {
                let last = last.path().file_name().unwrap_or_default().to_string_lossy();
                files
                    .push(format!("{first} ... {last}  trajectories, {}", self.trajectories.len()));
            }
            (first, _) => files.extend(first.map(|first| format!("{first}  trajectory"))),
        }
        files.extend(self.topologies.iter().map(|path| format!("{}  topology", path.display())));
        let mut add = |name: &str, what: &str| {
            files.push(format!("{}  {what}", self.folder.join(name).display()));
        };
        add("energies.csv", "energies and temperatures");
        if self.npy.is_some() {
            add("run_coords_0000.npy", "arrays in mlcg's layout");
        }
        add("run.log", "settings, device, versions, speed");
        files
    }
}
