//! The dispatches of an outer step, in order.

use super::biases::BiasStep;
use super::device::Device;
use super::integrate::{Ends, Integration};
use super::kernel::Dispatch;
use super::neighbors::Neighbors;
use super::network::{Network, Passes};
use super::priors::Priors;
use super::state::ReplicaState;
use crate::engine::Dynamics;
use crate::error::Result;
use crate::model::schnet::SchNet;

/// The dispatches of an outer step, by part.
#[derive(Debug)]
pub(super) struct Step {
    ends: Ends,
    /// Recenter replicas and bring their neighbor lists up to date.
    pub(super) neighbors: Vec<Dispatch>,
    /// Forces of the priors.
    pub(super) fast: Vec<Dispatch>,
    pub(super) bias: Option<BiasStep>,
    /// Forces of the network.
    pub(super) slow: Passes,
    pub(super) energy: Dispatch,
}

impl Step {
    pub(super) fn new(
        device: &Device,
        state: &ReplicaState,
        (integration, dynamics): (&Integration, &Dynamics),
        neighbors: &Neighbors,
        priors: &Priors,
        bias: Option<BiasStep>,
        network: Option<(&Network, &SchNet)>,
    ) -> Result<Self> {
        Ok(Step {
            ends: integration.dispatches(device, state, true, dynamics.slow_weights())?,
            neighbors: neighbors.dispatches(device, state)?,
            fast: priors.dispatches(device, state)?,
            bias,
            slow: match network {
                Some((network, schnet)) => network.dispatches(device, schnet, state, neighbors)?,
                None => Passes::default(),
            },
            energy: state.reduce(device)?,
        })
    }

    /// All forces at the present positions, or without `slow` the fast ones.
    pub(super) fn forces(&self, slow: bool) -> impl Iterator<Item = &Dispatch> {
        // The lists are kept up to date also where the network does not need them: replicas are
        // recentered, and alarms raised, in every step.
        self.neighbors.iter().chain(&self.fast).chain(self.biases()).chain(self.slow(slow))
    }

    /// The kernels of all biases, if there are any.
    pub(super) fn biases(&self) -> impl Iterator<Item = &Dispatch> {
        self.bias.iter().flat_map(BiasStep::all)
    }

    /// The kernels after the outer step that ends with this step: those of a deposit of hills.
    pub(super) fn deposit(&self, step: u64) -> impl Iterator<Item = &Dispatch> {
        self.bias.iter().flat_map(move |bias| bias.deposit(step))
    }

    /// Forces of the network, if they are wanted.
    fn slow(&self, wanted: bool) -> impl Iterator<Item = &Dispatch> {
        let slow = wanted.then(|| self.slow.forward.iter().chain(&self.slow.backward));
        slow.into_iter().flatten()
    }

    /// The first dispatch of step `k` of an outer step, with `ends` as in [`Step::outer_step`].
    pub(super) fn begin<'a>(&'a self, ends: Option<&'a Ends>, k: usize) -> &'a Dispatch {
        &ends.unwrap_or(&self.ends).steps[k][0]
    }

    /// The dispatches of step `k` of an outer step after those of the neighbor lists.
    pub(super) fn after_lists<'a>(
        &'a self,
        ends: Option<&'a Ends>,
        k: usize,
    ) -> impl Iterator<Item = &'a Dispatch> {
        let Ends { steps, .. } = ends.unwrap_or(&self.ends);
        let biases = self.bias.iter().flat_map(BiasStep::within);
        self.fast.iter().chain(biases).chain(self.slow(k + 1 == steps.len())).chain([&steps[k][1]])
    }

    /// The kernel that sets the temperature of the present step, if it changes.
    pub(super) fn anneal(&self) -> Option<&Dispatch> {
        self.ends.anneal.as_ref()
    }

    /// All dispatches of an outer step. `ends`, if present, replaces its own ends: it takes given
    /// noise.
    pub(super) fn outer_step<'a>(
        &'a self,
        ends: Option<&'a Ends>,
    ) -> impl Iterator<Item = &'a Dispatch> {
        let Ends { steps, anneal } = ends.unwrap_or(&self.ends);
        let of_steps = (0..steps.len()).flat_map(move |k| {
            let lists = [self.begin(ends, k)].into_iter().chain(&self.neighbors);
            lists.chain(self.after_lists(ends, k))
        });
        of_steps.chain(anneal)
    }
}
