//! The rows of `energies.csv`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// A row: a replica in a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) step: u64,
    pub(super) replica: u32,
    /// The state in the ladder of the replica, if states are exchanged.
    pub(super) state: Option<u16>,
    /// kcal/mol.
    pub(super) potential: f64,
}

/// Passes the rows of a file to `see`. A last line that is not complete does not count.
pub(super) fn each(path: &Path, mut see: impl FnMut(Row) -> Result<()>) -> Result<()> {
    let io = |error| Error::io(path, error);
    let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(io)?);
    let mut line = Vec::new();
    let mut next = |line: &mut Vec<u8>| {
        line.clear();
        file.read_until(b'\n', line).map_err(io)?;
        Ok(line.pop() == Some(b'\n'))
    };
    if !next(&mut line)? {
        return Err(Error::invalid("header", "none", "the columns of a run").of_file(path));
    }
    let header = String::from_utf8_lossy(&line).into_owned();
    let columns: Vec<&str> = header.split(',').collect();
    let place = |name: &str| columns.iter().position(|column| *column == name);
    let needed = |name: &str| {
        let missing = || Error::invalid("columns", &header, format!("{name} among them"));
        place(name).ok_or_else(|| missing().of_file(path))
    };
    let places = [needed("step")?, needed("replica")?, needed("potential_kcal_per_mol")?];
    let state = place("state");
    let mut number = 1_u64;
    while next(&mut line)? {
        number += 1;
        let mut row = Row { step: u64::MAX, replica: u32::MAX, state: None, potential: f64::NAN };
        let mut n_cells = 0;
        for (k, cell) in line.split(|byte| *byte == b',').enumerate() {
            n_cells += 1;
            if k == places[0] {
                row.step = parsed(cell).unwrap_or(u64::MAX);
            } else if k == places[1] {
                row.replica = parsed(cell).unwrap_or(u32::MAX);
            } else if k == places[2] {
                row.potential = parsed(cell).unwrap_or(f64::NAN);
            } else if Some(k) == state {
                row.state = parsed(cell);
            }
        }
        if n_cells < 4 || row.step == u64::MAX || row.replica == u32::MAX {
            let found = String::from_utf8_lossy(&line).into_owned();
            let field = format!("row {number}");
            return Err(Error::invalid(field, found, "the cells of a run's table").of_file(path));
        }
        see(row)?;
    }
    Ok(())
}

fn parsed<T: std::str::FromStr>(cell: &[u8]) -> Option<T> {
    std::str::from_utf8(cell).ok()?.parse().ok()
}

/// The source of the frames of a trajectory: a replica, or a state of a ladder, each counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key {
    Replica(usize),
    State { ladder: usize, state: usize },
}

/// A run: how its rows of energies belong to its trajectories.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) energies: PathBuf,
    pub(super) replicas: HashMap<u32, usize>,
    /// The ladder of each replica, for trajectories of states.
    pub(super) ladders: Option<Vec<usize>>,
    /// The trajectory of each source.
    pub(super) tracks: HashMap<Key, usize>,
}

impl Run {
    pub(super) fn wrong(&self, field: &str, found: impl std::fmt::Debug) -> Error {
        let expected = "one of the checkpoint of the run";
        Error::invalid(field, format!("{found:?}"), expected).of_file(&self.energies)
    }

    /// The source of the frame of a row.
    pub(super) fn key(&self, row: &Row) -> Result<Key> {
        let replica = self.replicas.get(&row.replica);
        let replica = *replica.ok_or_else(|| self.wrong("replica", row.replica))?;
        match (&self.ladders, row.state) {
            (None, _) => Ok(Key::Replica(replica)),
            (Some(ladders), Some(state)) => {
                Ok(Key::State { ladder: ladders[replica], state: state.into() })
            }
            (Some(_), None) => Err(self.wrong("state", row.state)),
        }
    }

    /// Passes each trajectory of a row, the number of the row in it, and the potential energy,
    /// kcal/mol.
    pub(super) fn potentials(&self, mut see: impl FnMut(usize, u64, f64)) -> Result<()> {
        let mut seen: HashMap<usize, u64> = HashMap::new();
        each(&self.energies, |row| {
            if let Some(track) = self.tracks.get(&self.key(&row)?) {
                let n = seen.entry(*track).or_default();
                see(*track, *n, row.potential);
                *n += 1;
            }
            Ok(())
        })
    }
}

/// Increasing steps with few different distances, in little memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Steps {
    /// Pieces with equal distances: the number of the first one, its step, and the distance.
    pieces: Vec<[u64; 3]>,
    n: u64,
    last: u64,
}

impl Steps {
    pub(super) fn push(&mut self, step: u64) {
        match self.pieces.last_mut() {
            Some([first, _, every]) if self.n == *first + 1 && *every == 0 => {
                *every = step.saturating_sub(self.last);
            }
            Some([_, _, every]) if step.checked_sub(self.last) == Some(*every) => {}
            _ => self.pieces.push([self.n, step, 0]),
        }
        (self.n, self.last) = (self.n + 1, step);
    }

    pub(super) fn len(&self) -> u64 {
        self.n
    }

    /// Step number `k`.
    pub(super) fn get(&self, k: u64) -> u64 {
        let piece = self.pieces.partition_point(|[first, ..]| *first <= k).saturating_sub(1);
        self.pieces.get(piece).map_or(0, |[first, step, every]| step + (k - first) * every)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_take_little_memory() {
        let all: Vec<u64> =
            (1..=1000).map(|k| 250 * k).chain([250_100, 250_250, 250_500]).collect();
        let mut steps = Steps::default();
        all.iter().for_each(|step| steps.push(*step));
        assert_eq!(steps.len(), 1003);
        assert!(steps.pieces.len() < 5);
        for (k, step) in all.iter().enumerate() {
            assert_eq!(steps.get(k as u64), *step);
        }
    }
}
