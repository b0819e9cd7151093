//! The results of a run, read from its folder. The run may still be going.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

use super::names::{Name, bias_units, name};
use super::series::{Series, Values};
use super::table::{Row, log_lines, rows};

/// The log of a run.
pub(super) const LOG: &str = "run.log";

/// The contents of a report.
#[derive(Debug, Default)]
pub(super) struct Results {
    /// Lines of the log.
    pub(super) log: Vec<String>,
    /// The units of the values of biases.
    pub(super) units: BTreeMap<String, &'static str>,
    /// ps.
    pub(super) dt: f64,
    pub(super) n_frames: u64,
    /// kcal/mol, over all replicas.
    pub(super) potential: Series,
    /// K, over all replicas.
    pub(super) temperature: Series,
    pub(super) observables: Vec<Observable>,
    /// The number of replicas that the log tells.
    pub(super) n_replicas: Option<usize>,
    /// The first and the last row of each replica in energies.csv.
    pub(super) replicas: BTreeMap<u32, Ends>,
    /// The first and the last row with state 0 of the first ladder, and the replica of the last one.
    pub(super) lowest: Option<(u32, Ends)>,
    /// The step of the last row.
    pub(super) last_step: Option<u64>,
    /// The topology files of a run of different molecules, and their replicas.
    pub(super) topologies: Vec<(String, Vec<u32>)>,
    /// The potential energies of each state, or of all replicas without exchange.
    pub(super) potentials: BTreeMap<u64, Values>,
    pub(super) temperatures: BTreeMap<u64, Values>,
    /// The state of each replica after each exchange.
    pub(super) walks: BTreeMap<u32, Series>,
    /// Ladder, first state of a pair of neighbors, acceptance.
    pub(super) acceptance: Vec<(u64, u64, f64)>,
    /// Ladder and round trips of each replica.
    pub(super) round_trips: BTreeMap<u32, (u64, u64)>,
    /// K, of the first ladder.
    pub(super) ladder: Vec<f64>,
    /// The estimate of metadynamics.
    pub(super) free_energy: Option<FreeEnergy>,
    /// ns/day per replica.
    pub(super) speed: Series,
}

/// An observable, or the work of a bias.
#[derive(Debug)]
pub(super) struct Observable {
    /// The name in energies.csv.
    pub(super) column: String,
    /// Over all replicas.
    pub(super) all: Series,
    /// Over the first replicas.
    pub(super) courses: BTreeMap<u32, Series>,
    /// The values of each state.
    pub(super) values: BTreeMap<u64, Values>,
}

/// The rows of a replica in energies.csv.
#[derive(Debug, Default)]
pub(super) struct Ends {
    pub(super) n_rows: u64,
    pub(super) first: Moment,
    pub(super) last: Moment,
}

/// A row of energies.csv.
#[derive(Debug, Clone, Default)]
pub(super) struct Moment {
    pub(super) step: u64,
    /// ps.
    pub(super) time: f64,
    /// The values of the observables.
    pub(super) values: Vec<f64>,
}

/// A free energy at the nodes of a grid in one or two variables.
#[derive(Debug, Default)]
pub(super) struct FreeEnergy {
    pub(super) path: PathBuf,
    /// The names of the variables in the table.
    pub(super) columns: Vec<String>,
    /// Two variables, the second 0 if there is one, and kcal/mol above the minimum. The first variable
    /// varies fastest.
    pub(super) nodes: Vec<[f64; 3]>,
}

impl Results {
    /// Reads a folder.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::Io`] if it is not the folder of a run.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let mut results = Results::default();
        results.read_log(&folder.join(LOG))?;
        // The ladders of the replicas come before their energies.
        if folder.join("states.csv").exists() {
            results.read_exchange(folder)?;
        }
        results.read_energies(&folder.join("energies.csv"))?;
        results.read_free_energy(folder)?;
        Ok(results)
    }

    /// The names of an observable, a value of a bias or its work.
    pub(super) fn name(&self, column: &str) -> Name {
        let mut name = name(column);
        name.axis.extend(self.units.get(column).copied());
        name
    }

    /// The number of replicas in the last frame, and of those that are not: frozen, or not yet written.
    pub(super) fn last_frame(&self) -> (usize, usize) {
        let is_there = |ends: &&Ends| Some(ends.last.step) == self.last_step;
        let n = self.replicas.values().filter(is_there).count();
        (n, self.n_replicas.unwrap_or(0).max(self.replicas.len()) - n)
    }

    fn read_log(&mut self, path: &Path) -> Result<()> {
        self.log = log_lines(path, |line| {
            if let Some((step, speed)) = speed(line) {
                self.speed.add(step, speed);
            }
            self.topologies.extend(topology(line));
            self.units.extend(bias_units(line));
            self.n_replicas = self.n_replicas.or_else(|| n_replicas(line));
        })?;
        Ok(())
    }

    fn read_energies(&mut self, path: &Path) -> Result<()> {
        rows(path, |row| {
            let number = |name: &str| row.number(name);
            let (step, time) = (number("step"), number("time_ps"));
            if step.is_nan() || time.is_nan() || !row.is_whole() {
                return false;
            }
            let step = step as u64;
            self.dt = time / step as f64;
            self.n_frames += u64::from(self.last_step != Some(step));
            self.last_step = Some(step);
            let found = Some(number("state")).filter(|state| !state.is_nan()).map(|x| x as u64);
            let (state, replica) = (found.unwrap_or_default(), number("replica"));
            let (potential, kelvin) = (number("potential_kcal_per_mol"), number("temperature_K"));
            self.potential.add(step, potential);
            self.temperature.add(step, kelvin);
            self.potentials.entry(state).or_default().add(potential);
            self.temperatures.entry(state).or_default().add(kelvin);
            if self.observables.is_empty() {
                let names = row.columns.iter().filter(|column| is_observable(column));
                self.observables = names.map(|name| Observable::new(name)).collect();
            }
            let mut moment = Moment { step, time, values: Vec::new() };
            for observable in &mut self.observables {
                let value = number(&observable.column);
                observable.add(step, replica as u32, state, value);
                moment.values.push(value);
            }
            if !replica.is_nan() {
                let replica = replica as u32;
                let ladder = self.round_trips.get(&replica).map_or(0, |(ladder, _)| *ladder);
                if (found, ladder) == (Some(0), 0) {
                    let (id, ends) = self.lowest.get_or_insert_default();
                    *id = replica;
                    ends.add(moment.clone());
                }
                self.replicas.entry(replica).or_default().add(moment);
            }
            true
        })?;
        Ok(())
    }

    fn read_free_energy(&mut self, folder: &Path) -> Result<()> {
        let entries = std::fs::read_dir(folder).map_err(|error| Error::io(folder, error))?;
        let mut paths = entries.flatten().map(|entry| entry.path());
        let Some(path) = paths.find(|path| is_free_energy(path)) else { return Ok(()) };
        let mut found = FreeEnergy { path: path.clone(), ..FreeEnergy::default() };
        rows(&path, |Row { columns, cells }| {
            let numbers: Option<Vec<f64>> = cells.iter().map(|cell| cell.parse().ok()).collect();
            match numbers.as_deref() {
                Some([x, energy]) => found.nodes.push([*x, 0.0, *energy]),
                Some([x, y, energy]) => found.nodes.push([*x, *y, *energy]),
                _ => return false,
            }
            if found.columns.is_empty() {
                found.columns = columns[..cells.len() - 1].to_vec();
            }
            true
        })?;
        self.free_energy = Some(found).filter(|found| !found.nodes.is_empty());
        Ok(())
    }

    fn read_exchange(&mut self, folder: &Path) -> Result<()> {
        rows(&folder.join("states.csv"), |row| {
            let Some(Ok(step)) = row.cells.first().map(|cell| cell.parse()) else { return false };
            if !row.is_whole() {
                return false;
            }
            for (name, cell) in row.columns.iter().zip(row.cells).skip(1) {
                let replica = name.strip_prefix("replica_").and_then(|id| id.parse().ok());
                if let (Some(replica), Ok(state)) = (replica, cell.parse::<u32>()) {
                    self.walks.entry(replica).or_default().add(step, f64::from(state));
                }
            }
            true
        })?;
        let whole = |cell: &str| cell.parse::<u64>().ok();
        rows(&folder.join("acceptance.csv"), |row| {
            let [ladder, a, b, _, _, rate] = row.cells else { return false };
            if let (Some(ladder), Some(a), Some(b), Ok(rate)) =
                (whole(ladder), whole(a), whole(b), rate.parse())
                && b == a + 1
            {
                self.acceptance.push((ladder, a, rate));
            }
            true
        })?;
        rows(&folder.join("round_trips.csv"), |row| {
            let [replica, ladder, trips] = row.cells else { return false };
            if let (Ok(replica), Some(ladder), Some(trips)) =
                (replica.parse(), whole(ladder), whole(trips))
            {
                self.round_trips.insert(replica, (ladder, trips));
            }
            true
        })?;
        rows(&folder.join("ladders.csv"), |row| {
            if let [ladder, _, kelvin] = row.cells
                && ladder == "0"
            {
                self.ladder.extend(kelvin.parse::<f64>().ok());
            }
            true
        })?;
        Ok(())
    }
}

/// The most replicas with courses of their own.
pub(super) const MOST_COURSES: usize = 16;

impl Observable {
    fn new(column: &str) -> Self {
        Observable {
            column: column.to_owned(),
            all: Series::default(),
            courses: BTreeMap::new(),
            values: BTreeMap::new(),
        }
    }

    fn add(&mut self, step: u64, replica: u32, state: u64, value: f64) {
        self.all.add(step, value);
        self.values.entry(state).or_default().add(value);
        if self.courses.len() < MOST_COURSES || self.courses.contains_key(&replica) {
            self.courses.entry(replica).or_default().add(step, value);
        }
    }
}

impl Ends {
    fn add(&mut self, moment: Moment) {
        if self.n_rows == 0 {
            self.first = moment.clone();
        }
        (self.n_rows, self.last) = (self.n_rows + 1, moment);
    }
}

/// Whether a file has the free energy that metadynamics estimates.
fn is_free_energy(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("metadynamics_") && name.ends_with(".csv")
}

/// Whether a column of energies.csv has an observable, or the work of a bias. Energies have the unit of
/// energy.
fn is_observable(column: &str) -> bool {
    const OTHERS: [&str; 6] =
        ["step", "time_ps", "replica", "state", "temperature_K", "thermostat_K"];
    let is_shown = ["_value", "_value_1", "_work"].iter().any(|end| column.ends_with(end));
    let is_bias = column.starts_with("bias_") && !is_shown;
    let is_energy = is_bias || column.trim_end_matches('"').ends_with("_kcal_per_mol");
    !is_energy && !OTHERS.contains(&column)
}

/// The step and the speed in a line of the log: see `Drive::log_speed`.
fn speed(line: &str) -> Option<(u64, f64)> {
    let (step, rest) = line.strip_prefix("step ")?.split_once(": ")?;
    let speed = rest.split_once(" ns/day per replica since ")?.0;
    Some((step.parse().ok()?, speed.parse().ok()?))
}

/// The number of replicas in a line of the log: see `log_settings`.
fn n_replicas(line: &str) -> Option<usize> {
    line.strip_prefix("replicas: ")?.split_once(" from number ")?.0.parse().ok()
}

/// The name of a topology and its replicas in a line of the log: see
/// `flashschnet::output::Output::topologies`.
fn topology(line: &str) -> Option<(String, Vec<u32>)> {
    let (name, replicas) = line.split_once(": replicas ")?;
    let is_topology = name.starts_with("topology") && name.ends_with(".pdb");
    let replicas: Option<Vec<u32>> = replicas.split(", ").map(|id| id.parse().ok()).collect();
    Some((name.to_owned(), replicas?)).filter(|_| is_topology)
}
