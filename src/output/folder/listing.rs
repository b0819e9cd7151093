//! Lines about the files of a run, for a person.

use std::path::PathBuf;

use super::super::arrays::Arrays;
use super::super::names;
use super::Output;
use crate::error::printable;

impl Output {
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

    /// One line for each kind of file: its path and a description.
    pub fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        for (first, last, n) in self.trajectories.ranges() {
            let first = printable(first.display());
            let last = last.file_name().unwrap_or_default().to_string_lossy();
            files.push(match n {
                1 => format!("{first}  trajectory"),
                _ => format!("{first} ... {last}  trajectories, {n}"),
            });
        }
        files.extend(
            self.topologies.iter().map(|path| format!("{}  topology", printable(path.display()))),
        );
        let mut add = |name: &str, what: &str| {
            files.push(format!("{}  {what}", printable(self.folder.join(name).display())));
        };
        add(names::ENERGIES, "energies and temperatures");
        if self.exchange.is_some() {
            add(names::STATES, "states of the replicas after each exchange");
            add(names::LADDERS, "temperatures of the states");
            add(names::ACCEPTANCE, "tries of each pair of states");
            add(names::ROUND_TRIPS, "round trips of the replicas");
            add(
                &names::of_ladder(0, names::U_KN),
                "reduced energies for pymbar, with N_k and samples",
            );
        }
        for file in self.biases.iter().map(|name| names::of_hills(name)) {
            if self.folder.join(&file).is_file() {
                add(&file, "free energy at each node of the grid of metadynamics");
            }
        }
        add(names::LOG, "settings, device, versions, speed");
        if self.folder.join(names::SETTINGS).is_file() {
            add(names::SETTINGS, "the settings, to repeat the run");
        }
        let arrays = self.npy.as_ref().and_then(Arrays::first_file);
        files.extend(
            arrays.map(|path| format!("{}  arrays in mlcg's layout", printable(path.display()))),
        );
        files
    }
}
