//! The results of a run, read from its folder. The run may still be going.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flashschnet::{Error, Result};

use super::series::{Series, Values};

/// The most lines of the log that a report shows.
const LOG_LINES: usize = 200;

/// A longer log is not that of a run.
const LOG_BYTES: u64 = 64 << 20;

/// The contents of a report.
#[derive(Debug, Default)]
pub(super) struct Results {
    /// Lines of the log.
    pub(super) log: Vec<String>,
    /// ps.
    pub(super) dt: f64,
    pub(super) n_frames: u64,
    /// kcal/mol, over all replicas.
    pub(super) potential: Series,
    /// K, over all replicas.
    pub(super) temperature: Series,
    /// Name in energies.csv, course and values of each observable.
    pub(super) observables: Vec<(String, Series, BTreeMap<u64, Values>)>,
    /// The potential energies of each state, or of all replicas without exchange.
    pub(super) potentials: BTreeMap<u64, Values>,
    pub(super) temperatures: BTreeMap<u64, Values>,
    /// The state of each replica.
    pub(super) walks: BTreeMap<String, Series>,
    /// Ladder, first state of a pair of neighbors, acceptance.
    pub(super) acceptance: Vec<(u64, u64, f64)>,
    /// Round trips of each replica.
    pub(super) round_trips: Vec<(String, u64)>,
    /// K, of the first ladder.
    pub(super) ladder: Vec<f64>,
    /// The estimate of metadynamics.
    pub(super) free_energy: Option<FreeEnergy>,
    /// ns/day per replica.
    pub(super) speed: Series,
}

/// A free energy at the nodes of a grid in one or two variables.
#[derive(Debug, Default)]
pub(super) struct FreeEnergy {
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
        results.read_log(&folder.join("run.log"))?;
        results.read_energies(&folder.join("energies.csv"))?;
        if folder.join("states.csv").exists() {
            results.read_exchange(folder)?;
        }
        results.read_free_energy(folder)?;
        Ok(results)
    }

    fn read_log(&mut self, path: &Path) -> Result<()> {
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|error| Error::io(path, error))?;
        file.take(LOG_BYTES).read_to_end(&mut bytes).map_err(|error| Error::io(path, error))?;
        for line in String::from_utf8_lossy(&bytes).lines().map(str::trim_end) {
            if let Some((step, speed)) = speed(line) {
                self.speed.add(step, speed);
            }
            if !line.is_empty() {
                self.log.push(line.to_owned());
            }
        }
        if self.log.len() > LOG_LINES {
            self.log.drain(LOG_LINES / 2..self.log.len() - LOG_LINES / 2);
        }
        Ok(())
    }

    fn read_energies(&mut self, path: &Path) -> Result<()> {
        let mut last = None;
        rows(path, |columns, cells| {
            let number = |name: &str| -> f64 {
                let cell = columns.iter().position(|column| column == name);
                cell.and_then(|at| cells.get(at)?.parse().ok()).unwrap_or(f64::NAN)
            };
            let (step, time) = (number("step"), number("time_ps"));
            if step.is_nan() || time.is_nan() || cells.len() != columns.len() {
                return false;
            }
            let step = step as u64;
            self.dt = time / step as f64;
            self.n_frames += u64::from(last != Some(step));
            last = Some(step);
            let state = if number("state").is_nan() { 0 } else { number("state") as u64 };
            let (potential, kelvin) = (number("potential_kcal_per_mol"), number("temperature_K"));
            self.potential.add(step, potential);
            self.temperature.add(step, kelvin);
            self.potentials.entry(state).or_default().add(potential);
            self.temperatures.entry(state).or_default().add(kelvin);
            if self.observables.is_empty() {
                let names = columns.iter().filter(|column| is_observable(column));
                let empty = |name: &String| (name.clone(), Series::default(), BTreeMap::new());
                self.observables = names.map(empty).collect();
            }
            for (name, series, values) in &mut self.observables {
                let value = number(name);
                series.add(step, value);
                values.entry(state).or_default().add(value);
            }
            true
        })
    }

    fn read_free_energy(&mut self, folder: &Path) -> Result<()> {
        let entries = std::fs::read_dir(folder).map_err(|error| Error::io(folder, error))?;
        let mut paths = entries.flatten().map(|entry| entry.path());
        let Some(path) = paths.find(|path| is_free_energy(path)) else { return Ok(()) };
        let mut found = FreeEnergy::default();
        rows(&path, |columns, cells| {
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
        rows(&folder.join("states.csv"), |columns, cells| {
            let Some(Ok(step)) = cells.first().map(|cell| cell.parse()) else { return false };
            if cells.len() != columns.len() {
                return false;
            }
            for (name, cell) in columns.iter().zip(cells).skip(1) {
                if let Ok(state) = cell.parse::<u32>() {
                    self.walks.entry(name.clone()).or_default().add(step, f64::from(state));
                }
            }
            true
        })?;
        let whole = |cell: &str| cell.parse::<u64>().ok();
        rows(&folder.join("acceptance.csv"), |_, cells| {
            let [ladder, a, b, _, _, rate] = cells else { return false };
            if let (Some(ladder), Some(a), Some(b), Ok(rate)) =
                (whole(ladder), whole(a), whole(b), rate.parse())
                && b == a + 1
            {
                self.acceptance.push((ladder, a, rate));
            }
            true
        })?;
        rows(&folder.join("round_trips.csv"), |_, cells| {
            let [replica, _, trips] = cells else { return false };
            self.round_trips.extend(whole(trips).map(|trips| ((*replica).to_owned(), trips)));
            true
        })?;
        rows(&folder.join("ladders.csv"), |_, cells| {
            let ["0", _, kelvin] = cells else { return true };
            self.ladder.extend(kelvin.parse::<f64>().ok());
            true
        })
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

/// Passes the names of the columns and the cells of each row to `add`. The last row may be
/// incomplete, which `add` tells with false.
fn rows(path: &Path, mut add: impl FnMut(&[String], &[&str]) -> bool) -> Result<()> {
    let io = |error| Error::io(path, error);
    let mut lines = BufReader::new(File::open(path).map_err(io)?).lines();
    let header = lines.next().transpose().map_err(io)?.unwrap_or_default();
    let columns: Vec<String> = header.split(',').map(str::to_owned).collect();
    let mut bad = None;
    for (number, line) in lines.enumerate() {
        if let Some(number) = bad {
            let expected = "the cells of a run's table";
            return Err(Error::invalid(format!("row {number}"), "others", expected).of_file(path));
        }
        let line = line.map_err(io)?;
        let cells: Vec<&str> = line.split(',').collect();
        if !add(&columns, &cells) {
            bad = Some(number + 2);
        }
    }
    Ok(())
}

/// The step and the speed in a line of the log: see `Drive::log_speed`.
fn speed(line: &str) -> Option<(u64, f64)> {
    let (step, rest) = line.strip_prefix("step ")?.split_once(": ")?;
    let speed = rest.split_once(" ns/day per replica since ")?.0;
    Some((step.parse().ok()?, speed.parse().ok()?))
}
