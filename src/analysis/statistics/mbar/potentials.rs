//! The reduced potentials of samples.

use crate::error::{Error, Result};

/// The reduced potentials of all samples in all states. Samples with one that is not finite are left
/// out; see [`Mbar::new`](super::Mbar::new).
#[derive(Debug, Clone, Copy)]
pub enum Potentials<'a> {
    /// u_k(x_n) = β_k U(x_n): states that differ in temperature only.
    Temperatures {
        /// β_k = 1/(k_B T_k) of each state, mol/kcal.
        betas: &'a [f64],
        /// U(x_n) of each sample, kcal/mol.
        energies: &'a [f64],
    },
    /// Any potentials, for example those of biases. +∞ is allowed: the state does not contain the
    /// sample.
    Matrix {
        /// u_k(x_n), dimensionless, at the index n · `states` + k.
        reduced: &'a [f64],
        /// The number of states.
        states: usize,
    },
}

impl Potentials<'_> {
    /// The number of states.
    pub fn states(&self) -> usize {
        match self {
            Potentials::Temperatures { betas, .. } => betas.len(),
            Potentials::Matrix { states, .. } => *states,
        }
    }

    /// The reduced potential of sample `n` in state `k`.
    pub(super) fn of(&self, n: usize, k: usize) -> f64 {
        match self {
            Potentials::Temperatures { betas, energies } => betas[k] * energies[n],
            Potentials::Matrix { reduced, states } => reduced[n * states + k],
        }
    }

    /// Whether the sample `n` may have been drawn from the state `origin`, and has a weight in every
    /// state.
    pub(super) fn is_known(&self, n: usize, origin: usize) -> bool {
        self.of(n, origin).is_finite()
            && (0..self.states()).all(|k| self.of(n, k) > f64::NEG_INFINITY)
    }

    pub(super) fn check(&self, samples: usize) -> Result<()> {
        let (name, values, expected) = match self {
            Potentials::Temperatures { energies, .. } => ("energies", *energies, samples),
            Potentials::Matrix { reduced, states } => {
                ("reduced potentials", *reduced, samples * states)
            }
        };
        if values.len() != expected {
            return Err(Error::invalid(name, values.len(), format!("{expected}")));
        }
        if let Potentials::Temperatures { betas, .. } = self
            && let Some(wrong) = betas.iter().find(|beta| !beta.is_finite())
        {
            return Err(Error::invalid("inverse temperatures", wrong, "finite numbers"));
        }
        Ok(())
    }
}
