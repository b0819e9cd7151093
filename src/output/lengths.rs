//! How far the files of a run have come.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::arrays::Arrays;
use super::exchange_files::{ExchangeFiles, ExchangeLengths};
use super::names;
use super::options::OutputOptions;
use super::trajectories::Trajectories;
use crate::error::{Error, Result};
use crate::io::{GrowingFile, NpyPosition};
use crate::simulation::Simulation;

/// The lengths of the files of a run. A checkpoint holds them, and a run that continues from it
/// cuts its files to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lengths {
    /// The files that there are.
    pub options: OutputOptions,
    /// Bytes of `energies.csv`.
    pub energies: u64,
    /// Bytes of each trajectory: of the replicas, then of the states of the ladders; of each of them
    /// XTC, then DCD.
    pub trajectories: Vec<u64>,
    /// The place in the arrays, if there are any.
    pub npy: Option<NpyPosition>,
    /// The lengths of the files of replica exchange, if there are any.
    pub exchange: Option<ExchangeLengths>,
    /// The step of the last frame.
    pub last_frame: Option<u64>,
    /// The names of the observables.
    pub observables: Vec<String>,
    /// The names of the biases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub biases: Vec<String>,
}

impl Lengths {
    /// Checks that the files in a folder are at least as long.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::Io`] name the first file that is not.
    pub fn check(&self, folder: &Path, simulation: &Simulation) -> Result<()> {
        let dynamics = simulation.dynamics();
        for (field, found, expected) in [
            ("observables", observables(simulation), &self.observables),
            ("biases", biases(simulation), &self.biases),
        ] {
            if found != *expected {
                let expected = format!("{expected:?}, which the files have");
                return Err(Error::invalid(field, format!("{found:?}"), expected));
            }
        }
        GrowingFile::check(&folder.join(names::ENERGIES), self.energies)?;
        Trajectories::check(folder, simulation, &self.options, &self.trajectories)?;
        match (&dynamics.exchange, &self.exchange) {
            (Some(exchange), Some(lengths)) => ExchangeFiles::check(folder, exchange, lengths)?,
            (None, None) => {}
            (_, lengths) => {
                let found = if lengths.is_some() { "lengths" } else { "none" };
                return Err(Error::invalid("exchange", found, "as in the dynamics"));
            }
        }
        match self.npy {
            Some(position) => Arrays::check(folder, simulation, &self.options, position),
            None => Ok(()),
        }
    }
}

/// The names of the observables of a simulation.
pub(super) fn observables(simulation: &Simulation) -> Vec<String> {
    simulation.observables().iter().map(|(name, _)| name.clone()).collect()
}

/// The names of the biases of a simulation.
pub(super) fn biases(simulation: &Simulation) -> Vec<String> {
    simulation.bias_names().cloned().collect()
}
