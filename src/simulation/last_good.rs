//! The last good state of each replica, and how a replica is put back to it.

use super::start;
use crate::engine::{Dynamics, State, origin, origins};
use crate::error::{Error, Result};
use crate::structure::check_vectors;
use crate::system::System;
use crate::units;

/// The velocities of a replica that is reset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Velocities<'a> {
    /// Those of the last good state.
    Keep,
    /// Random ones for its temperature. The random numbers are those of the present step.
    Draw,
    /// These, Å/ps. `[n_beads]` of the replica
    Given(&'a [[f64; 3]]),
}

/// A replica that is put back, and to where: see [`Simulation::reset`](super::Simulation::reset).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reset<'a> {
    /// The replica, counted from 0 within the run.
    pub replica: usize,
    /// Å, `[n_beads]` of the replica, or `None` for those of its last good state.
    pub positions: Option<&'a [[f64; 3]]>,
    /// Its velocities.
    pub velocities: Velocities<'a>,
}

impl Reset<'_> {
    /// A replica that starts again from the positions of its last good state, with random velocities.
    pub fn last_good(replica: usize) -> Self {
        Reset { replica, positions: None, velocities: Velocities::Draw }
    }
}

/// The last good state of each replica: that of the latest frame or end of a run before it blew up, or
/// the state or positions that were set after it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LastGood {
    /// A state in which no replica is frozen, unless it was set with frozen replicas. Temperatures,
    /// labels and the step are those of the latest of these states. The hills of metadynamics are not
    /// part of it: with [`Simulation::set_state`](super::Simulation::set_state) it would start them anew.
    pub state: State,
    /// The step of each replica. `[n_replicas]`
    pub step: Vec<u64>,
}

impl LastGood {
    pub(super) fn new(state: State) -> Self {
        let state = State { hills: Vec::new(), ..state };
        LastGood { step: vec![state.step; state.beta.len()], state }
    }

    /// The step of a replica, unless it was set as a frozen one.
    pub(super) fn step_of(&self, replica: usize) -> Option<u64> {
        (!self.state.is_frozen(replica)).then(|| self.step[replica])
    }

    /// Takes positions that were set for all replicas.
    pub(super) fn place(&mut self, system: &System, positions: &[[f64; 3]]) {
        self.state.positions.copy_from_slice(positions);
        self.state.origins = origins(system, positions);
        self.state.frozen.clear();
    }

    /// Takes the state of a frame. Replicas that are frozen in it stay as they were.
    pub(super) fn take(&mut self, system: &System, mut frame: State) {
        for (r, step) in self.step.iter_mut().enumerate() {
            if !frame.is_frozen(r) {
                *step = frame.step;
                continue;
            }
            let (good, beads) = (&self.state, system.beads(r));
            frame.positions[beads.clone()].copy_from_slice(&good.positions[beads.clone()]);
            frame.velocities[beads.clone()].copy_from_slice(&good.velocities[beads.clone()]);
            frame.origins[r] = good.origins[r];
            // An exchange between the two states may have changed the temperature: √(T_new/T_old). A
            // thermostat whose temperature depends on the step changes no velocities.
            if !frame.exchanged.label.is_empty() && good.beta[r] != frame.beta[r] {
                let factor = (good.beta[r] / frame.beta[r]).sqrt();
                frame.velocities[beads].as_flattened_mut().iter_mut().for_each(|v| *v *= factor);
            }
        }
        frame.hills = Vec::new();
        frame.frozen.retain(|r, _| self.state.is_frozen(*r));
        self.state = frame;
    }

    /// Puts a replica of a state to the given positions, or to those of the last good state, and
    /// lets it move.
    pub(super) fn reset(
        &self,
        (system, dynamics): (&System, &Dynamics),
        Reset { replica, positions, velocities }: &Reset,
        state: &mut State,
    ) -> Result<()> {
        let (replica, positions, velocities) = (*replica, *positions, *velocities);
        let needs_good = positions.is_none() || velocities == Velocities::Keep;
        if needs_good && self.state.is_frozen(replica) {
            return Err(Error::invalid("replica", replica, "one with a good state"));
        }
        let beads = system.beads(replica);
        let positions = positions.unwrap_or(&self.state.positions[beads.clone()]);
        check_vectors("positions", positions, beads.len())?;
        let mut drawn;
        let velocities = match velocities {
            Velocities::Keep => &self.state.velocities[beads.clone()],
            Velocities::Given(given) => given,
            Velocities::Draw => {
                let masses = &system.molecule(replica).masses;
                let beta = dynamics.kelvin_at(state.step).map_or(state.beta[replica], units::beta);
                drawn = start::velocities(dynamics, replica, state.step, beta, masses);
                if dynamics.remove_com_motion {
                    start::stop_center(masses, &mut drawn);
                }
                &drawn
            }
        };
        check_vectors("velocities", velocities, beads.len())?;
        state.positions[beads.clone()].copy_from_slice(positions);
        state.velocities[beads].copy_from_slice(velocities);
        state.origins[replica] = origin(positions.first());
        state.frozen.remove(&replica);
        Ok(())
    }
}
