//! Well-tempered metadynamics as a bias of a run: the potential of hills acts on variables of every
//! replica, and the replicas add hills to it. See [`crate::hills`] for the equations.

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

use crate::bias::check_name;
use crate::error::{Error, Result};
use crate::hills::{Grid, Hills};
use crate::system::System;
use crate::variable::Variable;

/// Metadynamics of all replicas of a run, the walkers. They share one grid.
///
/// The potential acts like a bias in every step. A step whose number is a multiple of `every` adds a
/// hill for each walker at its end, in the order of the replicas. Frozen replicas add none. A replica
/// whose variables leave the grid freezes. The hills do not act in a minimization.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadynamics {
    /// A name as that of a [`Bias`](crate::bias::Bias), which no bias has.
    pub name: String,
    /// One variable for each axis of the grid.
    pub variables: Vec<Variable>,
    /// The grid and the hills.
    pub hills: Hills,
    /// The steps between two deposits, a multiple of [`Dynamics::mts`](crate::engine::Dynamics::mts).
    pub every: u64,
}

impl Metadynamics {
    /// Checks the settings for a system.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the metadynamics and the first value that is wrong.
    pub fn check(&self, system: &System) -> Result<()> {
        check_name(&self.name)?;
        self.check_parts(system).map_err(|error| error.of_bias(&self.name))
    }

    fn check_parts(&self, system: &System) -> Result<()> {
        self.hills.check()?;
        if self.every == 0 {
            return Err(Error::invalid("every", 0, "an interval of at least one step"));
        }
        let (found, expected) = (self.variables.len(), self.hills.axes.len());
        if found != expected {
            let expected = format!("{expected}, one for each axis");
            return Err(Error::invalid("variables", found, expected));
        }
        for (variable, axis) in self.variables.iter().zip(&self.hills.axes) {
            variable.check(system)?;
            let is_turn = (axis.upper - axis.lower - TAU).abs() < 1e-6;
            if axis.periodic && !(matches!(variable, Variable::Dihedral(_)) && is_turn) {
                let found = format!("{} to {}", axis.lower, axis.upper);
                return Err(Error::invalid("hills, periodic", found, "a dihedral, over 2π"));
            }
        }
        Ok(())
    }

    /// The values of the variables at the positions of one replica, Å, `[n_beads]`. The second is 0 if
    /// there is one variable.
    ///
    /// # Panics
    /// If a bead has no position.
    pub fn values(&self, positions: &[[f64; 3]]) -> [f64; 2] {
        let mut values = [0.0; 2];
        let all = self.variables.iter().map(|variable| variable.value(positions));
        values.iter_mut().zip(all).for_each(|(value, q)| *value = q);
        values
    }

    /// The potential of a grid, kcal/mol, at the positions of one replica, Å, `[n_beads]`, and its
    /// forces, kcal/mol/Å, `[n_beads]`. `None` for a replica that is not on the grid.
    ///
    /// # Panics
    /// If a bead has no position.
    pub fn energy_and_forces(
        &self,
        grid: &Grid,
        positions: &[[f64; 3]],
    ) -> Option<(f64, Vec<[f64; 3]>)> {
        let mut values = [0.0; 2];
        let mut gradients = Vec::new();
        for (value, variable) in values.iter_mut().zip(&self.variables) {
            let (q, gradient) = variable.value_and_gradient(positions);
            *value = q;
            gradients.push(gradient);
        }
        let (energy, slopes) = grid.value_and_gradient(values)?;
        let mut forces = vec![[0.0; 3]; positions.len()];
        for (slope, gradient) in slopes.iter().zip(&gradients) {
            let all = forces.as_flattened_mut().iter_mut().zip(gradient.as_flattened());
            all.for_each(|(force, x)| *force -= slope * x);
        }
        Some((energy, forces))
    }
}
