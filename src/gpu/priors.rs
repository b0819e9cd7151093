//! Prior terms: the fast forces.

mod gather;

use self::gather::GatherLists;
use super::buffer::Buffer;
use super::compose::Value;
use super::device::Device;
use super::kernel::{Dispatch, Kernel, Scope, scope};
use super::params::{PairRule, Tuple};
use super::state::ReplicaState;
use super::tuning::BONDED_LANES;
use crate::error::Result;
use crate::system::System;

/// The prior terms of each bead on the device.
#[derive(Debug)]
pub(super) struct Priors {
    tuple_row: Buffer<u32>,
    tuples: Buffer<Tuple>,
    values: Buffer<f32>,
    pair_rule: Buffer<PairRule>,
    pair_row: Buffer<u32>,
    pairs: Buffer<[u32; 2]>,
    records: Buffer<f32>,
    /// How many numbers a record has; 0 if no molecule has non-bonded pairs.
    record_width: usize,
}

/// The place of each bead in the lists of its molecule.
#[derive(Debug, Clone, Default)]
pub(super) struct BeadTables {
    /// The bead's row in [`GatherLists`]. `[n_beads]`
    pub(super) rows: Vec<u32>,
    /// The bead's class for the pair rule of its molecule. `[n_beads]`
    pub(super) classes: Vec<f32>,
}

impl Priors {
    /// The lists of a system, and the place of each bead in them.
    pub(super) fn new(device: &Device, system: &System) -> Result<(Self, BeadTables)> {
        let lists = GatherLists::new(system)?;
        let mut tables = BeadTables::default();
        for r in 0..system.n_replicas() {
            let first = lists.first_row[system.molecule_of[r]];
            let rows = first..first + system.molecule(r).n_beads();
            tables.classes.extend(lists.classes[rows.clone()].iter().map(|class| *class as f32));
            tables.rows.extend(rows.map(|row| row as u32));
        }
        let priors = Priors {
            tuple_row: Buffer::constants(device, "tuple_row", &lists.tuple_row)?,
            tuples: Buffer::constants(device, "tuples", &lists.tuples)?,
            values: Buffer::constants(device, "values", &lists.values)?,
            pair_rule: Buffer::constants(device, "pair_rule", &lists.rules)?,
            pair_row: Buffer::constants(device, "pair_row", &lists.pair_row)?,
            pairs: Buffer::constants(device, "pairs", &lists.pairs)?,
            record_width: if lists.has_pairs() { lists.record_width } else { 0 },
            records: Buffer::constants(device, "records", &lists.records)?,
        };
        Ok((priors, tables))
    }

    fn scope(&self) -> Scope<'_> {
        scope!(self; tuple_row, tuples, values, pair_rule, pair_row, pairs, records)
    }

    /// The kernels of the fast forces and energies. The first kernel overwrites, the second adds.
    pub(super) fn dispatches(
        &self,
        device: &Device,
        state: &ReplicaState,
    ) -> Result<Vec<Dispatch>> {
        let (scope, n_beads) = (state.scope().and(&self.scope()), state.n_beads());
        let lanes = ("LANES", Value::Count(BONDED_LANES as u32));
        let bonded = Kernel::new(device, "prior_bonded", &[lanes])?;
        let groups = bonded.groups_for(BONDED_LANES * n_beads);
        let mut dispatches = vec![bonded.bind(device, &scope, groups)?];
        if self.record_width > 0 {
            let width = Value::Count(self.record_width as u32);
            let repulsion = Kernel::new(device, "prior_repulsion", &[("RECORD", width)])?;
            dispatches.push(repulsion.bind(device, &scope, n_beads)?);
        }
        Ok(dispatches)
    }
}
