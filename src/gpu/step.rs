//! The dispatches of a step, in order.

use super::device::Device;
use super::integrate::{Ends, Integration};
use super::kernel::Dispatch;
use super::neighbors::Neighbors;
use super::network::{Network, Passes};
use super::priors::Priors;
use super::state::ReplicaState;
use crate::error::Result;
use crate::model::schnet::SchNet;

/// The dispatches of a step, by part.
#[derive(Debug)]
pub(super) struct Step {
    ends: Ends,
    /// Recenter replicas and bring their neighbor lists up to date.
    pub(super) neighbors: Vec<Dispatch>,
    /// Forces of priors and external forces.
    pub(super) fast: Vec<Dispatch>,
    /// Forces of the network.
    pub(super) slow: Passes,
    pub(super) energy: Dispatch,
}

impl Step {
    pub(super) fn new(
        device: &Device,
        state: &ReplicaState,
        integration: &Integration,
        neighbors: &Neighbors,
        priors: &Priors,
        network: Option<(&Network, &SchNet)>,
    ) -> Result<Self> {
        Ok(Step {
            ends: integration.dispatches(device, state, true)?,
            neighbors: neighbors.dispatches(device, state)?,
            fast: priors.dispatches(device, state)?,
            slow: match network {
                Some((network, schnet)) => network.dispatches(device, schnet, state, neighbors)?,
                None => Passes::default(),
            },
            energy: state.reduce(device)?,
        })
    }

    /// All forces at the present positions.
    pub(super) fn forces(&self) -> impl Iterator<Item = &Dispatch> {
        let slow = self.slow.forward.iter().chain(&self.slow.backward);
        self.neighbors.iter().chain(&self.fast).chain(slow)
    }

    /// All dispatches of one step. `ends`, if present, replaces the step's own ends: it takes given
    /// noise.
    pub(super) fn step<'a>(&'a self, ends: Option<&'a Ends>) -> impl Iterator<Item = &'a Dispatch> {
        let ends = ends.unwrap_or(&self.ends);
        [&ends.begin].into_iter().chain(self.forces()).chain([&ends.end])
    }
}
