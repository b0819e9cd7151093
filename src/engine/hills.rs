//! Metadynamics of engines whose state is in host memory.

use super::dynamics::Dynamics;
use super::evaluation::Evaluation;
use super::state::State;
use super::watch::{Frozen, Reason};
use crate::error::Result;
use crate::hills::Grid;
use crate::metadynamics::Metadynamics;

/// The metadynamics of a run, and its grid.
#[derive(Debug)]
pub(super) struct HillsOnHost {
    of: Metadynamics,
    grid: Grid,
}

impl HillsOnHost {
    /// The metadynamics of checked dynamics, if there is one, with these nodes, or without hills.
    ///
    /// # Errors
    /// See [`Dynamics::grid`].
    pub(super) fn new(dynamics: &Dynamics, nodes: &[[f64; 4]]) -> Result<Option<Self>> {
        let grid = dynamics.grid(nodes)?;
        Ok(dynamics.metadynamics.clone().zip(grid).map(|(of, grid)| HillsOnHost { of, grid }))
    }

    pub(super) fn nodes(&self) -> &[[f64; 4]] {
        self.grid.nodes()
    }

    /// The value of the first variable and the energy in each replica; NaN for a frozen replica.
    pub(super) fn values(&self, first_bead: &[usize], state: &State) -> Vec<[f64; 2]> {
        let of_replica = |r: usize| {
            let q = self.of.values(&state.positions[first_bead[r]..first_bead[r + 1]]);
            match self.grid.value_and_gradient(q).filter(|_| !state.is_frozen(r)) {
                Some((energy, _)) => [q[0], energy],
                None => [f64::NAN; 2],
            }
        };
        (0..first_bead.len() - 1).map(of_replica).collect()
    }

    /// The value of the second variable in each replica, if there is one; NaN for a frozen replica.
    pub(super) fn second(&self, first_bead: &[usize], state: &State) -> Vec<f64> {
        if self.of.variables.len() < 2 {
            return Vec::new();
        }
        let of_replica = |r: usize| match state.is_frozen(r) {
            true => f64::NAN,
            false => self.of.values(&state.positions[first_bead[r]..first_bead[r + 1]])[1],
        };
        (0..first_bead.len() - 1).map(of_replica).collect()
    }

    /// Energies and forces, 0 and none for a replica that is not on the grid.
    pub(super) fn evaluate(&self, first_bead: &[usize], state: &State) -> Evaluation {
        let mut all =
            Evaluation { bead_energy: vec![0.0; state.positions.len()], ..Evaluation::default() };
        for beads in first_bead.windows(2) {
            let positions = &state.positions[beads[0]..beads[1]];
            let found = self.of.energy_and_forces(&self.grid, positions);
            let (energy, forces) = found.unwrap_or((0.0, vec![[0.0; 3]; positions.len()]));
            all.energy.push(energy);
            all.forces.extend(forces);
        }
        all
    }

    /// Freezes the replicas that are not on the grid. `step` is the number of steps done when the
    /// present step ends.
    pub(super) fn watch(&self, first_bead: &[usize], step: u64, state: &mut State) {
        for (r, beads) in first_bead.windows(2).enumerate() {
            let q = self.of.values(&state.positions[beads[0]..beads[1]]);
            if self.grid.value_and_gradient(q).is_none() {
                state.freeze(r, Frozen { step, bead: 0, reason: Reason::Grid });
            }
        }
    }

    /// Adds the hills of the replicas that are not frozen, if this is done at this step. Returns
    /// whether it is.
    pub(super) fn deposit(&mut self, first_bead: &[usize], state: &State) -> bool {
        if !state.step.is_multiple_of(self.of.every) {
            return false;
        }
        let moving = (0..first_bead.len() - 1).filter(|r| !state.is_frozen(*r));
        let values = |r: usize| self.of.values(&state.positions[first_bead[r]..first_bead[r + 1]]);
        let walkers: Vec<_> = moving.map(values).collect();
        self.grid.deposit(&walkers);
        true
    }
}
