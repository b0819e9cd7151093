//! Metadynamics on a device: its kernels, and the grid as a part of the state.

use super::api::Commands;
use super::buffer::{Fetch, Fetched, Slot};
use super::compose::Value;
use super::device::Device;
use super::hills::{HillsOnGrid, Nodes};
use super::kept::Kept;
use super::kernel::{Dispatch, Kernel};
use super::params::GridNode;
use super::state::ReplicaState;
use super::variables::Variables;
use crate::engine::Dynamics;
use crate::error::Result;
use crate::hills::Grid;

/// The metadynamics of a run.
#[derive(Debug)]
pub(super) struct Metadynamics {
    variables: Variables,
    n_variables: usize,
    every: u64,
    hills: HillsOnGrid,
    /// A copy of the nodes from before the pending steps.
    kept: Kept<Nodes>,
}

/// The kernels of metadynamics.
#[derive(Debug)]
pub(super) struct HillStep {
    /// Adds the forces to the bias range.
    pub(super) all: Dispatch,
    /// Replaces the bias range by the forces.
    pub(super) alone: Dispatch,
    /// Adds the hills of all replicas.
    pub(super) deposit: Vec<Dispatch>,
    /// The steps between two deposits.
    pub(super) every: u64,
}

impl Metadynamics {
    /// The metadynamics of checked dynamics, if there is one, without hills.
    pub(super) fn new(
        device: &Device,
        dynamics: &Dynamics,
        state: &ReplicaState,
    ) -> Result<Option<Self>> {
        let Some((of, grid)) = dynamics.metadynamics.as_ref().zip(dynamics.grid(&[])?) else {
            return Ok(None);
        };
        let hills = HillsOnGrid::new(device, &grid, state.n_replicas())?;
        Ok(Some(Metadynamics {
            variables: Variables::new(device, &of.variables)?,
            n_variables: of.variables.len(),
            every: of.every,
            kept: Kept::new(Nodes::new(device, &grid)?),
            hills,
        }))
    }

    /// Bytes of the nodes and their two copies, for checked dynamics.
    pub(super) fn bytes(dynamics: &Dynamics) -> u64 {
        let n_nodes = dynamics.metadynamics.as_ref().map_or(0, |of| of.hills.n_nodes());
        3 * (n_nodes * size_of::<GridNode>()) as u64
    }

    /// Replaces the hills.
    pub(super) fn set(&self, device: &Device, grid: &Grid) -> Result<()> {
        self.hills.nodes.set(device, grid)
    }

    /// The kernels of a step.
    pub(super) fn step(&self, device: &Device, state: &ReplicaState) -> Result<HillStep> {
        let scope = self.hills.scope().and(&state.scope()).and(&self.variables.scope());
        let forces = |alone: bool| {
            let count = ("VARIABLES", Value::Count(self.n_variables as u32));
            let kernel =
                Kernel::new(device, "metadynamics", &[count, ("ALONE", Value::Flag(alone))])?;
            kernel.bind(device, &scope, state.n_replicas())
        };
        let all = forces(false)?;
        let [heights, add] = self.hills.deposit(device, &scope, state.n_replicas())?;
        // Alarms that were raised since the forces were computed take the values away.
        let deposit = vec![all.clone(), heights, add];
        Ok(HillStep { all, alone: forces(true)?, deposit, every: self.every })
    }

    /// Adds values and energies to a read-back.
    pub(super) fn fetch<'a>(&'a self, fetch: &mut Fetch<'a>) -> Slot<[f32; 4]> {
        fetch.add(&self.hills.value)
    }

    /// The value of the first variable and the energy in each replica.
    pub(super) fn fetched(found: &Fetched, slot: Slot<[f32; 4]>) -> Vec<[f64; 2]> {
        found.take(slot).iter().map(|of| [of[0], of[2]].map(f64::from)).collect()
    }

    /// The value of the second variable in each replica, if there is one.
    pub(super) fn second(&self, found: &Fetched, slot: Slot<[f32; 4]>) -> Vec<f64> {
        match self.n_variables {
            2.. => found.take(slot).iter().map(|of| f64::from(of[1])).collect(),
            _ => Vec::new(),
        }
    }

    /// Adds the nodes to a read-back.
    pub(super) fn fetch_nodes<'a>(&'a self, fetch: &mut Fetch<'a>) -> Slot<GridNode> {
        fetch.add(&self.hills.nodes.hill_node)
    }

    /// Copies the nodes, so that steps can be repeated from them.
    pub(super) fn keep(&self, commands: &mut dyn Commands) {
        self.kept.keep(&self.hills.nodes, commands);
    }

    /// Makes room for a copy after a reading.
    pub(super) fn make_next(&mut self, device: &Device) -> Result<()> {
        let len = self.hills.nodes.hill_node.len;
        self.kept.make_next(|| Nodes::zeroed(device, len))
    }

    /// Copies the nodes after a reading.
    pub(super) fn keep_next(&self, commands: &mut dyn Commands) {
        self.kept.keep_next(&self.hills.nodes, commands);
    }

    /// Steps can be repeated from the nodes after the reading now.
    pub(super) fn take_next(&mut self) {
        self.kept.take_next();
    }

    /// Restores the nodes from the copy.
    pub(super) fn restore(&self, commands: &mut dyn Commands) {
        self.kept.restore(&self.hills.nodes, commands);
    }
}
