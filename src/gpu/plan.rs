//! What lies on the device, and a step as the list of dispatches on it.

use super::buffer::Buffer;
use super::cfconv::Surroundings;
use super::device::Device;
use super::kernel::{Commands, Dispatch, Kernel};
use super::network::Network;
use super::params::{Bead, PairRule, Params, Status, Tuple};
use super::priors::GatherLists;
use super::wgsl::Value;
use crate::error::Result;
use crate::system::System;

/// How far two beads may move together before their replica's list is rebuilt, Å: wide enough
/// that a list lasts tens of steps, narrow enough that few pairs beyond the cutoff are looked at.
const SKIN: f64 = 1.4;

/// Invocations that share the tuples of a bead: a bead of a protein has 4 to 15.
const BONDED_LANES: usize = 8;

/// Buffers that a step changes and that cannot be computed again.
const MOVING: usize = 4;

/// State, neighbor list and tables, on the device.
#[derive(Debug)]
pub(super) struct Buffers {
    pub(super) params: Buffer<Params>,
    /// First bead, beads, number, bits of 1/β.
    pub(super) replica: Buffer<[u32; 4]>,
    pub(super) bead: Buffer<Bead>,
    pub(super) step_count: Buffer<u32>,
    pub(super) status: Buffer<Status>,
    pub(super) position: Buffer<[f32; 4]>,
    /// What the positions are beyond the digits of f32; the fourth number is 0.
    pub(super) position_low: Buffer<[f32; 4]>,
    pub(super) velocity: Buffer<[f32; 4]>,
    pub(super) force: Buffer<[f32; 4]>,
    pub(super) external: Buffer<[f32; 4]>,
    pub(super) noise: Buffer<[f32; 4]>,
    pub(super) built_at: Buffer<[f32; 4]>,
    pub(super) count: Buffer<u32>,
    pub(super) row: Buffer<[u32; 2]>,
    pub(super) col: Buffer<u32>,
    pub(super) bead_energy: Buffer<f32>,
    pub(super) energy: Buffer<[f32; 2]>,
    pub(super) tuple_row: Buffer<u32>,
    pub(super) tuples: Buffer<Tuple>,
    pub(super) values: Buffer<f32>,
    pub(super) pair_rule: Buffer<PairRule>,
    pub(super) pair_row: Buffer<u32>,
    pub(super) pairs: Buffer<[u32; 2]>,
    pub(super) records: Buffer<f32>,
    /// Numbers of a record; 0 where there are no pairs at all.
    pub(super) record_width: usize,
    /// Of each bead in its molecule's rule, as the fourth number of its position.
    pub(super) classes: Vec<f32>,
    /// Positions, velocities and forces at the start of an advance.
    pub(super) kept: [Buffer<[f32; 4]>; MOVING],
}

/// The dispatches of a step, by part.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) begin: Dispatch,
    /// The same with noise that is given.
    pub(super) begin_given: Dispatch,
    pub(super) neighbors: Vec<Dispatch>,
    pub(super) priors: Vec<Dispatch>,
    /// The network's way to the energies, and its way back to the forces.
    pub(super) forward: Vec<Dispatch>,
    pub(super) backward: Vec<Dispatch>,
    pub(super) end: Dispatch,
    pub(super) energy: Dispatch,
}

impl Plan {
    pub(super) fn forces(&self) -> impl Iterator<Item = &Dispatch> {
        self.neighbors.iter().chain(&self.priors).chain(&self.forward).chain(&self.backward)
    }

    /// The energies alone, for neighbor lists that are up to date.
    pub(super) fn energies(&self) -> impl Iterator<Item = &Dispatch> {
        self.priors.iter().chain(&self.forward)
    }

    /// One step, top to bottom.
    pub(super) fn step(&self, draw_noise: bool) -> impl Iterator<Item = &Dispatch> {
        let begin = if draw_noise { &self.begin } else { &self.begin_given };
        [begin].into_iter().chain(self.forces()).chain([&self.end])
    }
}

impl Buffers {
    pub(super) fn new(device: &Device, system: &System, capacity: usize) -> Result<Self> {
        let (n, replicas) = (system.n_beads(), system.n_replicas());
        let lists = GatherLists::new(system)?;
        let mut beads = Vec::with_capacity(n);
        let mut replica = Vec::with_capacity(replicas);
        for r in 0..replicas {
            let first = system.first_bead[r] as u32;
            let row = lists.first_row[system.molecule_of[r]] as u32;
            let types = &system.molecule(r).types;
            replica.push([first, types.len() as u32, r as u32, 0]);
            beads.extend(types.iter().zip(row..).map(|(bead_type, row)| Bead {
                replica: r as u32,
                first,
                row,
                bead_type: *bead_type,
            }));
        }
        let class = |bead: &Bead| lists.classes[bead.row as usize] as f32;
        let classes = beads.iter().map(class).collect();
        let record_width = if lists.has_pairs() { lists.record_width } else { 0 };
        let vectors = |label| Buffer::zeroed(device, label, n);
        let edges = if system.schnet.is_some() { capacity * replicas } else { 1 };
        Ok(Buffers {
            params: Buffer::uniform(device, "params")?,
            replica: Buffer::from_slice(device, "replica", &replica)?,
            bead: Buffer::from_slice(device, "bead", &beads)?,
            step_count: Buffer::zeroed(device, "step_count", 2)?,
            status: Buffer::zeroed(device, "status", replicas)?,
            position: vectors("position")?,
            position_low: vectors("position_low")?,
            velocity: vectors("velocity")?,
            force: vectors("force")?,
            external: vectors("external")?,
            noise: vectors("noise")?,
            built_at: vectors("built_at")?,
            count: Buffer::zeroed(device, "count", n)?,
            row: Buffer::zeroed(device, "row", n)?,
            col: Buffer::zeroed(device, "col", edges)?,
            bead_energy: Buffer::zeroed(device, "bead_energy", n)?,
            energy: Buffer::zeroed(device, "energy", replicas)?,
            tuple_row: Buffer::from_slice(device, "tuple_row", &lists.tuple_row)?,
            tuples: Buffer::from_slice(device, "tuples", &lists.tuples)?,
            values: Buffer::from_slice(device, "values", &lists.values)?,
            pair_row: Buffer::from_slice(device, "pair_row", &lists.pair_row)?,
            pairs: Buffer::from_slice(device, "pairs", &lists.pairs)?,
            pair_rule: Buffer::from_slice(device, "pair_rule", &lists.rules)?,
            records: Buffer::from_slice(device, "records", &lists.records)?,
            record_width,
            classes,
            kept: [vectors("kept")?, vectors("kept")?, vectors("kept")?, vectors("kept")?],
        })
    }

    /// The dispatches of a step.
    pub(super) fn plan(
        &self,
        device: &Device,
        system: &System,
        network: Option<&Network>,
    ) -> Result<Plan> {
        let (n, replicas) = (system.n_beads(), system.n_replicas());
        let kernel = |name, constants: &[(&str, Value)]| Kernel::new(device, name, constants);
        let Buffers { params, replica, bead, position, force, status, step_count, .. } = self;

        let square = |x: f64| Value::Real(x * x);
        let check = kernel("neighbor_check", &[("REACH2", square(0.5 * SKIN))])?;
        let mut neighbors = vec![check.bind(
            device,
            &[params, replica, position, &self.built_at, step_count, status],
            replicas,
        )?];
        if let Some(schnet) = &system.schnet {
            let radius = schnet.neighbor_radius();
            let list2 = ("LIST2", square(radius + SKIN));
            // Most replicas keep their lists, and many workgroups that end at once take time.
            let rows_of_one: usize = if n < 8192 { 1 } else { 4 };
            let rows = ("ROWS", Value::Count(rows_of_one as u32));
            let count = kernel("neighbor_count", &[list2, ("RADIUS2", square(radius)), rows])?;
            let scan = kernel("neighbor_scan", &[])?;
            let fill = kernel("neighbor_fill", &[list2, rows])?;
            let groups = n.div_ceil(rows_of_one);
            neighbors.extend([
                count.bind(
                    device,
                    &[params, replica, bead, position, status, &self.count],
                    groups,
                )?,
                scan.bind(device, &[params, replica, &self.count, status, &self.row], replicas)?,
                fill.bind(
                    device,
                    &[
                        params,
                        replica,
                        bead,
                        position,
                        status,
                        &self.row,
                        &self.col,
                        &self.built_at,
                    ],
                    groups,
                )?,
            ]);
        }

        let lanes = ("LANES", Value::Count(BONDED_LANES as u32));
        let bonded = kernel("prior_bonded", &[lanes])?;
        let state: [&dyn super::kernel::Bindable; 9] = [
            params,
            bead,
            position,
            &self.position_low,
            &self.external,
            &self.tuple_row,
            &self.tuples,
            &self.values,
            force,
        ];
        let mut priors = vec![bonded.bind(device, &state, bonded.groups_for(BONDED_LANES * n))?];
        if self.record_width > 0 {
            let width = Value::Count(self.record_width as u32);
            let repulsion = kernel("prior_repulsion", &[("RECORD", width)])?;
            let tables: [&dyn super::kernel::Bindable; 9] = [
                params,
                bead,
                replica,
                position,
                &self.pair_rule,
                &self.pair_row,
                &self.pairs,
                &self.records,
                force,
            ];
            priors.push(repulsion.bind(device, &tables, n)?);
        }

        let [forward, backward] = match (network, &system.schnet) {
            (Some(network), Some(schnet)) => network.dispatches(
                device,
                schnet,
                &Surroundings { params, bead, position, row: &self.row, col: &self.col, force },
                &self.bead_energy,
            )?,
            _ => Default::default(),
        };

        let begin = |drawn| {
            let begin = kernel("integrate_begin", &[("DRAWN", Value::Flag(drawn))])?;
            let state: [&dyn super::kernel::Bindable; 9] = [
                params,
                replica,
                bead,
                force,
                &self.noise,
                step_count,
                position,
                &self.position_low,
                &self.velocity,
            ];
            begin.bind(device, &state, begin.groups_for(n))
        };
        let end = kernel("integrate_end", &[])?;
        let energy = kernel("energy_reduce", &[])?;
        let groups = end.groups_for(n);
        Ok(Plan {
            begin: begin(true)?,
            begin_given: begin(false)?,
            neighbors,
            priors,
            forward,
            backward,
            end: end.bind(device, &[params, force, &self.velocity, step_count], groups)?,
            energy: energy.bind(
                device,
                &[params, replica, &self.bead_energy, force, &self.energy],
                replicas,
            )?,
        })
    }

    pub(super) fn moving(&self) -> [&Buffer<[f32; 4]>; MOVING] {
        [&self.position, &self.position_low, &self.velocity, &self.force]
    }

    /// Copies what a step changes, so that steps can be repeated.
    pub(super) fn keep(&self, device: &Device) {
        copy(device, self.moving(), self.kept.each_ref());
    }

    /// Undoes the steps since [`Buffers::keep`].
    pub(super) fn restore(&self, device: &Device) {
        copy(device, self.kept.each_ref(), self.moving());
    }
}

fn copy(device: &Device, from: [&Buffer<[f32; 4]>; MOVING], to: [&Buffer<[f32; 4]>; MOVING]) {
    let mut commands = Commands::new(device);
    for (from, to) in from.into_iter().zip(to) {
        commands.copy(from, to);
    }
    device.submit(commands);
}
