//! The biases of a simulation.

use super::Simulation;
use super::energies::BiasValues;
use super::resonance;
use crate::bias::Bias;
use crate::engine::{State, Wanted, Work, bias_levels, check_biases};
use crate::error::Result;

impl Simulation {
    /// Adds a bias to those that act in every step.
    ///
    /// # Errors
    /// See [`Simulation::set_biases`].
    pub fn add_bias(&mut self, bias: Bias) -> Result<()> {
        let all = [&self.biases[..], &[bias]].concat();
        self.set_biases(&all)
    }

    /// Replaces the biases that act in every step. The potential energy does not include them:
    /// [`Frame::biases`](super::Frame::biases) has their values and energies. An
    /// [`Output`](crate::output::Output) that is created afterwards writes these.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a name that is given twice and for a bias that
    /// does not fit the system ([`Bias::check`]), and with multiple time steps for one that resonates
    /// ([`fastest_vibration`](super::fastest_vibration)). Then the biases stay as they were.
    pub fn set_biases(&mut self, biases: &[Bias]) -> Result<()> {
        if self.dynamics.mts > 1 && !biases.is_empty() {
            check_biases(biases, &self.system, &self.dynamics)?;
            let positions = self.positions()?;
            resonance::check((&self.system, biases), &self.dynamics, &positions)?;
        }
        self.engine.set_biases(biases)?;
        self.biases = biases.to_vec();
        Ok(())
    }

    /// The biases that act in every step.
    pub fn biases(&self) -> &[Bias] {
        &self.biases
    }

    /// Values and energies of the biases in the present state.
    ///
    /// # Errors
    /// See [`Simulation::state`].
    pub fn bias_values(&mut self) -> Result<Vec<BiasValues>> {
        let reading = self.engine.read(Wanted { biases: true, ..Wanted::default() })?;
        self.step = reading.step;
        Ok(self.named(&reading.biases, &reading.work, &reading.second))
    }

    /// The numbers of a reading with the names of the biases.
    pub(super) fn named(
        &self,
        read: &[Vec<[f64; 2]>],
        work: &Work,
        second: &[f64],
    ) -> Vec<BiasValues> {
        let two = self.dynamics.metadynamics.as_ref().filter(|of| of.variables.len() > 1);
        let of_bias = |(name, numbers): (&String, &Vec<[f64; 2]>)| {
            let (value, energy) = numbers.iter().map(|[value, energy]| (*value, *energy)).unzip();
            let work = work.get(name).cloned().unwrap_or_default();
            let second = match two {
                Some(of) if of.name == *name => second.to_vec(),
                _ => Vec::new(),
            };
            BiasValues { name: name.clone(), value, second, energy, work }
        };
        self.bias_names().zip(read).map(of_bias).collect()
    }

    /// The names of the biases, and behind them that of the metadynamics.
    pub fn bias_names(&self) -> impl Iterator<Item = &String> {
        let metadynamics = self.dynamics.metadynamics.as_ref();
        self.biases.iter().map(|bias| &bias.name).chain(metadynamics.map(|of| &of.name))
    }

    /// [`Frame::bias_levels`](super::Frame::bias_levels) of a state.
    pub(super) fn bias_levels(&self, state: &State) -> Vec<Vec<f64>> {
        let of_exchange = |exchange| bias_levels(&self.biases, exchange, &self.system, state);
        self.dynamics.exchange.as_ref().map(of_exchange).unwrap_or_default()
    }
}
