//! A reading on its way to the host.

use super::super::buffer::{Fetching, Slot};
use super::super::exchange::ExchangeSlots;
use super::super::params::{GridNode, Status, Walker};
use super::super::state::StateSlots;
use super::evaluation::Plan;
use crate::engine::{CallbackForces, Wanted};

/// A reading that was submitted.
#[derive(Debug)]
pub(super) struct Requested {
    pub(super) wanted: Wanted,
    pub(super) fetching: Fetching,
    pub(super) parts: Parts,
    /// The pending steps and exchanges before it.
    pub(super) pending: u64,
    pub(super) exchanges: usize,
}

/// The parts of a reading, and their places in the read-back.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) plan: Option<Plan>,
    pub(super) status: Slot<Status>,
    pub(super) walkers: Slot<Walker>,
    pub(super) state: Option<StateSlots>,
    pub(super) exchanged: Option<ExchangeSlots>,
    pub(super) energy: Option<Slot<[f32; 2]>>,
    pub(super) force: Option<Slot<[f32; 4]>>,
    pub(super) callback: Option<CallbackForces>,
    pub(super) observed: Option<Slot<f32>>,
    /// Values and energies of biases, for themselves or for the plan.
    pub(super) biases: Option<Slot<[f32; 2]>>,
    /// The work of moving biases, for itself or for the state.
    pub(super) work: Option<Slot<[f32; 2]>>,
    /// Values and energies of the hills.
    pub(super) hills: Option<Slot<[f32; 4]>>,
    /// The nodes of the grid, for the state.
    pub(super) nodes: Option<Slot<GridNode>>,
    /// Steps and exchanges done.
    pub(super) step: u64,
    pub(super) exchange_count: u64,
}
