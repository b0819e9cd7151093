//! The observables of a simulation.

use std::collections::HashSet;

use super::Simulation;
use crate::engine::Wanted;
use crate::error::{Error, Result};
use crate::variable::Variable;

/// The columns of energies.csv without a unit. Those of biases begin with `bias_`.
const COLUMNS: [&str; 3] = ["step", "replica", "state"];

impl Simulation {
    /// Sets the variables whose values are in every frame ([`Frame::observables`](super::Frame)),
    /// with their names. They replace those before. An [`Output`](crate::output::Output) that is
    /// created afterwards writes them.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name with other characters than letters, digits and `_`, for the name
    /// of another column of energies.csv, for a name that is given twice, and for a variable that
    /// does not fit the system ([`Variable::check`]).
    pub fn set_observables(&mut self, all: &[(impl AsRef<str>, Variable)]) -> Result<()> {
        let mut known = HashSet::new();
        for name in all.iter().map(|(name, _)| name.as_ref()) {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(is_word) {
                let expected = "a name of letters, digits and _";
                return Err(Error::invalid("observable", format!("{name:?}"), expected));
            }
            if COLUMNS.contains(&name) || name.starts_with("bias_") {
                let expected = "a name that is not that of a column of energies.csv";
                return Err(Error::invalid("observable", name, expected));
            }
            if !known.insert(name) {
                return Err(Error::invalid(
                    "observable",
                    format!("{name} twice"),
                    "different names",
                ));
            }
        }
        let variables: Vec<Variable> = all.iter().map(|(_, variable)| variable.clone()).collect();
        self.engine.set_observables(&variables)?;
        let names = all.iter().map(|(name, _)| name.as_ref().to_owned());
        self.observables = names.zip(variables).collect();
        Ok(())
    }

    /// The variables of [`Simulation::set_observables`].
    pub fn observables(&self) -> &[(String, Variable)] {
        &self.observables
    }

    /// The values of the variables in the present state, Å or rad, `[n_variables][n_replicas]`; NaN
    /// for a frozen replica.
    ///
    /// # Errors
    /// See [`Simulation::state`].
    pub fn observe(&mut self) -> Result<Vec<Vec<f64>>> {
        let reading = self.engine.read(Wanted { observables: true, ..Wanted::default() })?;
        self.step = reading.step;
        Ok(reading.observables)
    }
}
