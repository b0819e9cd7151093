//! Energies and forces, and the terms that they contain.

use super::parts::Parts;
use crate::error::{Error, Result};
use crate::system::System;

/// The terms of the potential whose energies and forces to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Terms {
    /// The network and all priors.
    Total,
    /// The network alone.
    Network,
    /// Prior `k` of the model alone.
    Prior(usize),
    /// Bias `k` of [`Engine::set_biases`](super::Engine::set_biases) alone, or, behind the last one,
    /// the metadynamics. No other terms contain biases.
    Bias(usize),
}

impl Terms {
    /// The single terms of a model with their names: the network, if there is one, then the priors.
    pub fn of(system: &System) -> Vec<(String, Terms)> {
        let network = system.has_network().then_some(Terms::Network);
        let terms = network.into_iter().chain((0..).map(Terms::Prior));
        system.term_names().into_iter().zip(terms).collect()
    }

    /// Whether the network is among the terms.
    pub(crate) fn has_network(self) -> bool {
        matches!(self, Terms::Total | Terms::Network)
    }

    /// Checks that the model, or an engine with `n_biases` biases, has the term.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a prior or a bias that does not exist.
    pub fn check(self, system: &System, n_biases: usize) -> Result<()> {
        let (field, k, n) = match self {
            Terms::Prior(k) => ("prior", k, system.molecules[0].terms.len()),
            Terms::Bias(k) => ("bias", k, n_biases),
            Terms::Total | Terms::Network => return Ok(()),
        };
        match k < n {
            true => Ok(()),
            false => Err(Error::invalid(field, k, format!("one of {n}, counted from 0"))),
        }
    }
}

/// Energies and forces of all replicas.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Evaluation {
    /// Potential energy, kcal/mol, `[n_replicas]`; NaN for a frozen replica.
    pub energy: Vec<f64>,
    /// Forces, kcal/mol/Å, `[n_beads]` over all replicas. They are the exact negative gradient of
    /// `energy`, except in [`Precision::Mixed`](super::Precision::Mixed).
    pub forces: Vec<[f64; 3]>,
    /// The network's energy of each bead, kcal/mol, `[n_beads]`; zero without the network.
    pub bead_energy: Vec<f64>,
}

impl From<&Parts> for Evaluation {
    fn from(parts: &Parts) -> Self {
        Evaluation {
            energy: parts.energy.clone(),
            forces: parts.acting(1, None),
            bead_energy: parts.bead_energy.clone(),
        }
    }
}
