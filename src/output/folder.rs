//! The files of a run, and how they grow.

mod follow;
mod hills;
mod listing;
mod settings;

use std::fmt::Display;
use std::path::{Path, PathBuf};

use super::arrays::Arrays;
use super::energies;
use super::exchange_files::ExchangeFiles;
use super::folder_lock::FolderLock;
use super::lengths::{Lengths, biases, observables};
use super::names;
use super::new_paths::{Creation, NewPaths};
use super::options::OutputOptions;
use super::run_log::RunLog;
use super::trajectories::Trajectories;
use crate::engine::{Exchange, Exchanged, State};
use crate::error::{Error, Result, printable};
use crate::io::{GrowingFile, sync_folder, topology_pdb, write_new};
use crate::simulation::{Frame, Simulation};

/// The files of a run:
///
/// * `replica_0000.xtc` and so on, with the global number of the replica, or
///   `ladder_0000_state_0000.xtc` and so on, or both ([`OutputOptions::trajectories`]); as XTC, DCD
///   (`replica_0000.dcd`), or both ([`OutputOptions::format`]);
/// * `topology.pdb`, or `topology_0000.pdb` and so on, one for each molecule, with the positions of
///   the first replica of the molecule;
/// * `energies.csv` and `run.log`;
/// * with replica exchange: `states.csv`, the state of each replica in its ladder at the start and
///   after each exchange; `ladders.csv`, the temperatures of the states; `acceptance.csv`, the tries
///   of each pair of states; `round_trips.csv`, how often each replica went from state 0 to the
///   last state and back; and the samples of each ladder for `pymbar`, one for each of its replicas
///   in each frame: `ladder_0000_u_kn.npy` (states, samples), the reduced energies
///   u_k(x_n) = β_k U(x_n), `ladder_0000_N_k.npy` (states), the number of samples from each state,
///   and `ladder_0000_samples.npy` (samples, 3), the replica, the state and the step of each sample;
/// * blocks of 100 frames or fewer as arrays under the names and with the shapes of mlcg
///   ([`NpyWriter`](crate::io::NpyWriter)): `run_coords_0000.npy` and so on,
///   `run_potential_0000.npy` and `run_kineticenergy_0000.npy` with [`OutputOptions::npy`],
///   `run_velocities_0000.npy` with [`OutputOptions::velocities`], and `run_forces_0000.npy` with
///   [`OutputOptions::forces`]. With [`OutputOptions::terms`], `run_energy_components_0000.npy` of
///   shape (replicas, frames, terms) has the terms in the order of their columns in `energies.csv`.
///   mlcg writes an `.npz` with an array for each term instead, which cannot grow in place;
/// * the observables ([`Simulation::set_observables`]) as columns of `energies.csv`, with their units
///   in the names, and with [`OutputOptions::npy`] as `run_NAME_0000.npy` and so on, of shape
///   (replicas, frames);
/// * energy and value of each bias ([`Simulation::set_biases`]) as columns of `energies.csv`; with
///   replica exchange the reduced energies are u_k(x_n) = β_k (U(x_n) + W_k(x_n)), with the biases
///   W_k of the state k;
/// * with metadynamics `metadynamics_NAME.csv`, the estimate of the free energy at each node of the grid
///   ([`Output::write_free_energy`]);
/// * `settings.toml`, if [`Output::write_settings`] is called;
/// * `run.lock`, which is empty and locked while a run writes ([`FolderLock`]).
///
/// A later process continues the files with [`Output::resume`].
///
/// Until the log is closed, blanks at its end keep room on the disk for the last lines of the run.
///
/// All files have the same frames: a frame that cannot be written to one of them is removed from
/// the others. While a replica is frozen, it has no frames in its trajectory, no samples, no rows in
/// `energies.csv`, and NaN in the arrays. On Unix a program that limits the size of its files should
/// ignore SIGXFSZ, so that the limit is an error and not the end of the process.
#[derive(Debug)]
pub struct Output {
    folder: PathBuf,
    options: OutputOptions,
    log: RunLog,
    energies: GrowingFile,
    trajectories: Trajectories,
    exchange: Option<ExchangeFiles>,
    npy: Option<Arrays>,
    /// The terms whose energies are written.
    n_terms: usize,
    /// The names of the observables.
    observables: Vec<String>,
    /// The names of the biases.
    biases: Vec<String>,
    replica_ids: Vec<u32>,
    first_bead: Vec<usize>,
    topologies: Vec<PathBuf>,
    molecule_of: Vec<usize>,
    new: NewPaths,
    last_frame: Option<u64>,
    lock: FolderLock,
    /// The folder at the start, if somebody has moved it.
    moved_from: Option<PathBuf>,
}

impl Output {
    /// Refuses a folder that holds an earlier run. The check is cheap, so that a caller can make it
    /// before any other work.
    ///
    /// # Errors
    /// [`Error::Exists`] names a file of the earlier run.
    pub fn check_free(folder: &Path) -> Result<()> {
        names::check_free(folder)
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
        let output = Self::create_unless(folder, simulation, options, &|| false)?;
        output.ok_or_else(|| Error::io(folder, std::io::ErrorKind::Interrupted.into()))
    }

    /// The same, unless `stop` returns true before all files exist. Then the result is `None`, and
    /// nothing is left of the files. Many replicas have many files.
    ///
    /// # Errors
    /// See [`Output::create`].
    pub fn create_unless(
        folder: &Path,
        simulation: &mut Simulation,
        options: OutputOptions,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Self>> {
        Self::check_free(folder)?;
        Self::check_options(simulation, &options)?;
        let state = simulation.state()?;
        let simulation = &*simulation;
        let known = (simulation, &state);
        let mut creation = Creation { new: NewPaths::default(), stop };
        match Self::create_files(folder, known, options, &mut creation) {
            Ok(output) => Ok(Some(Output { new: creation.new, ..output })),
            Err(error) => {
                creation.new.remove();
                if stop() { Ok(None) } else { Err(error) }
            }
        }
    }

    /// Checks that a run can have these files.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for arrays of molecules of different sizes, and for velocities of an
    /// integrator without velocities.
    pub fn check_options(simulation: &Simulation, options: &OutputOptions) -> Result<()> {
        Arrays::check_options(simulation, options)
    }

    fn create_files(
        folder: &Path,
        (simulation, state): (&Simulation, &State),
        options: OutputOptions,
        creation: &mut Creation,
    ) -> Result<Self> {
        let (system, dynamics) = (simulation.system(), simulation.dynamics());
        creation.new.folders(folder)?;
        let lock = folder.join(names::LOCK);
        let is_new = !lock.exists();
        let held = FolderLock::take(folder)?;
        if is_new {
            creation.new.add(lock);
        }
        let log = creation.file(folder.join(names::LOG), RunLog::create)?;
        let topologies = names::topologies(folder, system);
        for (m, molecule) in system.molecules.iter().enumerate() {
            let replica = system.molecule_of.iter().position(|of| *of == m).unwrap_or_default();
            let text = topology_pdb(molecule, &state.positions[system.beads(replica)]);
            creation.file(topologies[m].clone(), |path| write_new(path, text.as_bytes()))?;
        }
        let mut energies = creation.file(folder.join(names::ENERGIES), GrowingFile::create)?;
        energies.append(energies::header(simulation, &options).as_bytes())?;
        energies.commit();
        let run = (system, dynamics);
        let trajectories = Trajectories::create(folder, run, &options, creation)?;
        let exchange = match &dynamics.exchange {
            Some(exchange) => {
                Some(ExchangeFiles::create(folder, dynamics, exchange, state, creation)?)
            }
            None => None,
        };
        let npy = Arrays::create(folder, simulation, &options)?;
        Ok(Output {
            folder: folder.to_owned(),
            options,
            log,
            energies,
            trajectories,
            exchange,
            npy,
            n_terms: if options.terms { system.term_names().len() } else { 0 },
            observables: observables(simulation),
            biases: biases(simulation),
            replica_ids: dynamics.replica_ids.clone(),
            first_bead: system.first_bead.clone(),
            topologies,
            molecule_of: system.molecule_of.clone(),
            new: NewPaths::default(),
            last_frame: None,
            lock: held,
            moved_from: None,
        })
    }

    /// The choice of the files.
    pub fn options(&self) -> OutputOptions {
        self.options
    }

    /// How far the files have come.
    pub fn lengths(&self) -> Lengths {
        Lengths {
            energies: self.energies.committed(),
            options: self.options,
            trajectories: self.trajectories.lengths(),
            npy: self.npy.as_ref().map(Arrays::position),
            exchange: self.exchange.as_ref().map(ExchangeFiles::lengths),
            last_frame: self.last_frame,
            observables: self.observables.clone(),
            biases: self.biases.clone(),
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
        let dynamics = simulation.dynamics();
        let energies = GrowingFile::resume(&folder.join(names::ENERGIES), to.energies)?;
        let options = to.options;
        let trajectories = Trajectories::resume(folder, simulation, &options, &to.trajectories)?;
        let exchange = match (&dynamics.exchange, &to.exchange) {
            (Some(exchange), Some(lengths)) => {
                Some(ExchangeFiles::resume(folder, dynamics, exchange, lengths)?)
            }
            _ => None,
        };
        let npy = match to.npy {
            Some(position) => Some(Arrays::resume(folder, simulation, &options, position)?),
            None => None,
        };
        let system = simulation.system();
        Ok(Output {
            folder: folder.to_owned(),
            options,
            log: RunLog::resume(&folder.join(names::LOG))?,
            energies,
            trajectories,
            exchange,
            npy,
            n_terms: if options.terms { system.term_names().len() } else { 0 },
            observables: observables(simulation),
            biases: biases(simulation),
            replica_ids: dynamics.replica_ids.clone(),
            first_bead: system.first_bead.clone(),
            topologies: names::topologies(folder, system),
            molecule_of: system.molecule_of.clone(),
            new: NewPaths::default(),
            last_frame: to.last_frame,
            lock,
            moved_from: None,
        })
    }

    /// Removes all files, if a run could not start.
    pub fn discard(&mut self) {
        std::mem::take(&mut self.new).remove();
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
    /// [`Error::Invalid`] if the frame is that of another system, if a format cannot hold it, or if
    /// another program changed the length of a file; [`Error::Io`].
    pub fn write(&mut self, frame: &Frame) -> Result<()> {
        self.follow()?;
        self.check(frame)?;
        let exchange = self.exchange.as_ref().map(ExchangeFiles::exchange);
        self.trajectories.encode(frame, &self.first_bead, exchange)?;
        let appended = self.append(frame);
        // The frame is removed from the files wherever they are now.
        let written = if appended.is_err() { self.follow().and(appended) } else { appended };
        let samples = self.exchange.iter_mut().flat_map(ExchangeFiles::of_frames);
        let files = self.trajectories.files().chain([&mut self.energies]).chain(samples);
        match written {
            Ok(()) => {
                files.for_each(GrowingFile::commit);
                self.exchange.iter_mut().for_each(ExchangeFiles::count_samples);
                self.last_frame = Some(frame.step);
            }
            // The caller needs the first error, and `finish` reports a file that was not cut.
            Err(_) => files.for_each(|file| drop(file.undo())),
        }
        written
    }

    /// Checks that a frame has what the files hold.
    fn check(&self, frame: &Frame) -> Result<()> {
        if frame.terms.len() < self.n_terms {
            let expected = "energies of terms, as OutputOptions::wants";
            return Err(Error::invalid("frame", "none", expected));
        }
        let counts = [frame.potential.len(), frame.positions.len()];
        let n_beads = self.first_bead.last().copied().unwrap_or(0);
        let observables = frame.observables.iter().map(|(name, _)| name);
        let other = if counts != [self.replica_ids.len(), n_beads] {
            format!("{} replicas with {} beads", counts[0], counts[1])
        } else if !observables.eq(&self.observables) {
            "other observables".to_owned()
        } else if !frame.biases.iter().map(|bias| &bias.name).eq(&self.biases) {
            "other biases".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::invalid("frame", other, "those for which the files were created"))
    }

    /// Adds the labels after an exchange to `states.csv`. After an error they are not there.
    ///
    /// # Errors
    /// [`Error::Invalid`] if another program changed the length of the file; [`Error::Io`].
    pub fn exchanged(&mut self, step: u64, label: &[u32]) -> Result<()> {
        self.exchange.iter_mut().try_for_each(|files| files.exchanged(step, label))
    }

    /// Replaces the files that sum up all exchanges, for ladders that may have been tuned.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn summarize(&mut self, exchange: &Exchange, exchanged: &Exchanged) -> Result<()> {
        self.exchange.iter_mut().try_for_each(|files| files.summarize(exchange, exchanged))
    }

    /// Appends the encoded frame and its energies. The arrays come last: they need no undo.
    fn append(&mut self, frame: &Frame) -> Result<()> {
        self.trajectories.append()?;
        let rows = energies::rows(frame, &self.replica_ids, &self.options);
        self.energies.append(rows.as_bytes())?;
        self.exchange.iter_mut().try_for_each(|files| files.append(frame))?;
        self.npy.iter_mut().try_for_each(|npy| npy.write(frame, &self.first_bead))
    }

    /// Checks that every file has all frames, and waits until the storage holds them. A checkpoint
    /// may then name their lengths.
    ///
    /// # Errors
    /// The first error.
    pub fn sync(&mut self) -> Result<()> {
        let trajectories = self.trajectories.sync();
        let exchange = self.exchange.as_mut().map_or(Ok(()), ExchangeFiles::sync);
        let arrays = self.npy.as_ref().map_or(Ok(()), Arrays::sync);
        let files = trajectories.and(self.energies.sync()).and(exchange).and(arrays);
        files.and(sync_folder(&self.folder))
    }

    /// Completes the arrays, and does the same as [`Output::sync`]. Call this also after a run that
    /// failed.
    ///
    /// # Errors
    /// The first error; the other files are completed nevertheless.
    pub fn finish(&mut self) -> Result<()> {
        // The files are completed even if they were moved.
        let _ = self.follow();
        let arrays = self.npy.as_mut().map_or(Ok(()), |npy| npy.writer().finish());
        arrays.and(self.sync())
    }

    /// The step of the last frame.
    pub fn last_frame(&self) -> Option<u64> {
        self.last_frame
    }
}
