//! The state of all replicas on the device, and a copy from which steps can be repeated.

use std::collections::BTreeMap;

use super::api::Commands;
use super::buffer::{Buffer, Fetch, Fetched, Slot};
use super::device::Device;
use super::kept::{Copied, Kept};
use super::kernel::{Dispatch, Kernel, Scope, scope};
use super::params::{ALL_TERMS, Bead, FAST, GRID, Params, Position, SLOW, Walker, wide, words};
use crate::engine::{Frozen, State, origins};
use crate::error::Result;
use crate::system::System;

/// The state of all replicas, with their forces and energies, and the tables that assign beads to
/// replicas.
#[derive(Debug)]
pub(super) struct ReplicaState {
    pub(super) params: Buffer<Params>,
    /// First bead, number of beads, number for the random numbers, 0. `[n_replicas]`
    replica: Buffer<[u32; 4]>,
    bead: Buffer<Bead>,
    moving: Moving,
    /// A copy of `moving` from before the pending steps.
    kept: Kept<Moving>,
    /// xyz: force, kcal/mol/Å; w: energy of the bead, kcal/mol. First the fast range, then the slow
    /// range, then the bias range if there are biases or forces of the host. `[2, n_beads]` or `[3, n_beads]`
    pub(super) force: Buffer<[f32; 4]>,
    /// Energies of replicas, kcal/mol, as a rounded sum and its rounding error. `[n_replicas]`
    pub(super) energy: Buffer<[f32; 2]>,
    /// The class of each bead for the pair rule of its molecule.
    classes: Vec<f32>,
    inverse_masses: Vec<f32>,
    first_bead: Vec<usize>,
    /// k_B T of each replica when it was last written or read, kcal/mol.
    kt: Vec<f32>,
}

/// The whole [`State`] but for the part that exchanges change: a run continues from it bit for bit.
#[derive(Debug)]
struct Moving {
    position: Buffer<Position>,
    /// xyz: Å/ps; w: 1/mass.
    velocity: Buffer<[f32; 4]>,
    /// Origins, temperatures and alarms. `[n_replicas]`
    walker: Buffer<Walker>,
    /// Steps done, low and high word.
    step_count: Buffer<u32>,
    /// The work of moving biases, in two parts. `[n_replicas, n_biases]`, or one element if no bias
    /// moves.
    work: Buffer<[f32; 2]>,
}

/// The places of a state in a read-back.
#[derive(Debug)]
pub(super) struct StateSlots {
    position: Slot<Position>,
    velocity: Slot<[f32; 4]>,
    step_count: Slot<u32>,
}

impl Moving {
    fn new(device: &Device, n_beads: usize, n_replicas: usize, n_work: usize) -> Result<Self> {
        Ok(Moving {
            position: Buffer::zeroed(device, "position", n_beads)?,
            velocity: Buffer::zeroed(device, "velocity", n_beads)?,
            walker: Buffer::zeroed(device, "walker", n_replicas)?,
            step_count: Buffer::zeroed(device, "step_count", 2)?,
            work: Buffer::zeroed(device, "work", n_work)?,
        })
    }
}

impl Copied for Moving {
    fn copy_to(&self, commands: &mut dyn Commands, to: &Moving) {
        let Moving { position, velocity, walker, step_count, work } = self;
        position.copy_to(commands, &to.position);
        velocity.copy_to(commands, &to.velocity);
        walker.copy_to(commands, &to.walker);
        step_count.copy_to(commands, &to.step_count);
        work.copy_to(commands, &to.work);
    }
}

impl ReplicaState {
    /// A state with all positions and velocities 0. `rows` and `classes` give, for each bead, its
    /// row in the prior lists of its molecule and its class for the pair rule.
    pub(super) fn new(
        device: &Device,
        system: &System,
        replica_ids: &[u32],
        rows: &[u32],
        classes: Vec<f32>,
    ) -> Result<Self> {
        let (n_beads, n_replicas) = (system.n_beads(), system.n_replicas());
        let mut beads = Vec::with_capacity(n_beads);
        let mut replicas = Vec::with_capacity(n_replicas);
        for r in 0..n_replicas {
            let first = system.first_bead[r] as u32;
            let types = &system.molecule(r).types;
            replicas.push([first, types.len() as u32, replica_ids[r], 0]);
            let bead = |(bead_type, row): (&u32, &u32)| Bead {
                replica: r as u32,
                first,
                row: *row,
                bead_type: *bead_type,
            };
            beads.extend(types.iter().zip(&rows[system.beads(r)]).map(bead));
        }
        let state = ReplicaState {
            params: Buffer::uniform(device, "params")?,
            replica: Buffer::from_slice(device, "replica", &replicas)?,
            bead: Buffer::from_slice(device, "bead", &beads)?,
            moving: Moving::new(device, n_beads, n_replicas, 1)?,
            kept: Kept::new(Moving::new(device, n_beads, n_replicas, 1)?),
            force: Buffer::zeroed(device, "force", 2 * n_beads)?,
            energy: Buffer::zeroed(device, "energy", n_replicas)?,
            classes,
            inverse_masses: system.masses().iter().map(|mass| (1.0 / mass) as f32).collect(),
            first_bead: system.first_bead.clone(),
            kt: vec![1.0; n_replicas],
        };
        state.set_velocities(device, &vec![[0.0; 3]; n_beads])?;
        state.set_walkers(device, &vec![[0.0; 3]; n_replicas], &BTreeMap::new())?;
        Ok(state)
    }

    pub(super) fn n_beads(&self) -> usize {
        self.classes.len()
    }

    pub(super) fn n_replicas(&self) -> usize {
        self.first_bead.len() - 1
    }

    /// Whether the forces have the bias range.
    pub(super) fn has_bias(&self) -> bool {
        self.force.len > 2 * self.n_beads()
    }

    /// Makes or removes the bias range. No forces are valid then, and dispatches must be made again.
    pub(super) fn make_bias(&mut self, device: &Device, has_bias: bool) -> Result<()> {
        let n_ranges = if has_bias { 3 } else { 2 };
        self.force = Buffer::zeroed(device, "force", n_ranges * self.n_beads())?;
        Ok(())
    }

    /// Makes room for the work of as many biases. No step may be pending. Dispatches must be made again.
    pub(super) fn make_work(&mut self, device: &Device, n_biases: usize) -> Result<()> {
        let n_work = (self.n_replicas() * n_biases).max(1);
        if n_work == self.n_work() {
            return Ok(());
        }
        let (n_beads, n_replicas) = (self.n_beads(), self.n_replicas());
        self.kept = Kept::new(Moving::new(device, n_beads, n_replicas, n_work)?);
        self.moving.work = Buffer::zeroed(device, "work", n_work)?;
        Ok(())
    }

    /// The elements of the work.
    pub(super) fn n_work(&self) -> usize {
        self.moving.work.len
    }

    /// Replaces the work, kcal/mol, `[n_replicas, n_biases]`.
    pub(super) fn set_work(&self, device: &Device, work: &[f64]) -> Result<()> {
        let parts = |work: &f64| {
            let work = on_grid(*work);
            let high = work as f32;
            [high, (work - f64::from(high)) as f32]
        };
        self.moving.work.write(device, &work.iter().map(parts).collect::<Vec<_>>())
    }

    /// Adds the work to a read-back.
    pub(super) fn fetch_work<'a>(&'a self, fetch: &mut Fetch<'a>) -> Slot<[f32; 2]> {
        fetch.add(&self.moving.work)
    }

    /// Replaces the bias range, which must exist.
    pub(super) fn set_bias(&self, device: &Device, forces: &[[f64; 3]]) -> Result<()> {
        self.force.write_from(device, 2 * self.n_beads(), &vec4s(forces))
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        scope!(self; params, replica, bead, force, energy)
            .and(&scope!(self.moving; position, velocity, walker, step_count, work))
    }

    /// The kernel that sums the energies of each replica.
    pub(super) fn reduce(&self, device: &Device) -> Result<Dispatch> {
        Kernel::new(device, "energy_reduce", &[])?.bind(device, &self.scope(), self.n_replicas())
    }

    /// Replaces the state.
    pub(super) fn set(&mut self, device: &Device, state: &State) -> Result<()> {
        self.kt = state.beta.iter().map(|beta| (1.0 / beta) as f32).collect();
        self.set_positions(device, &state.positions, &state.origins)?;
        self.set_velocities(device, &state.velocities)?;
        self.set_walkers(device, &state.origins, &state.frozen)?;
        self.moving.step_count.write(device, &words(state.step))
    }

    /// Replaces the positions, and chooses origins for them. Frozen replicas move again.
    pub(super) fn move_to(
        &self,
        device: &Device,
        system: &System,
        positions: &[[f64; 3]],
    ) -> Result<()> {
        let origins = origins(system, positions);
        self.set_positions(device, positions, &origins)?;
        self.set_walkers(device, &origins, &BTreeMap::new())
    }

    /// Reads the temperatures, which steps and exchanges may change.
    pub(super) fn read_temperatures(&mut self, device: &Device) -> Result<()> {
        let walkers = self.moving.walker.read(device)?;
        self.kt = walkers.iter().map(|walker| walker.kt).collect();
        Ok(())
    }

    fn set_walkers(
        &self,
        device: &Device,
        origins: &[[f64; 3]],
        frozen: &BTreeMap<usize, Frozen>,
    ) -> Result<()> {
        let of_replica = |r| Walker::new(origins[r], self.kt[r], frozen.get(&r));
        let all: Vec<_> = (0..self.n_replicas()).map(of_replica).collect();
        self.moving.walker.write(device, &all)
    }

    fn set_positions(
        &self,
        device: &Device,
        positions: &[[f64; 3]],
        origins: &[[f64; 3]],
    ) -> Result<()> {
        let of_bead = |r: usize, i: usize| {
            // On the grid before it is split: a low number rounded alone could be more than half of
            // the last digit of the high one, and the device would split the sum differently.
            let x: [f64; 3] = std::array::from_fn(|c| on_grid(positions[i][c] - origins[r][c]));
            let low = x.map(|x| x - f64::from(x as f32));
            Position { high: vec4(x, self.classes[i]), low: vec4(low, 0.0) }
        };
        let beads = |r: usize| self.first_bead[r]..self.first_bead[r + 1];
        let all = (0..self.n_replicas()).flat_map(|r| beads(r).map(move |i| of_bead(r, i)));
        self.moving.position.write(device, &all.collect::<Vec<_>>())
    }

    /// Replaces the temperatures, as 1/(k_B T).
    pub(super) fn set_temperatures(&mut self, device: &Device, beta: &[f64]) -> Result<()> {
        let mut walkers = self.moving.walker.read(device)?;
        for ((walker, kt), beta) in walkers.iter_mut().zip(&mut self.kt).zip(beta) {
            *kt = (1.0 / beta) as f32;
            walker.kt = *kt;
        }
        self.moving.walker.write(device, &walkers)
    }

    /// Replaces the velocities.
    pub(super) fn set_velocities(&self, device: &Device, velocities: &[[f64; 3]]) -> Result<()> {
        // A velocity beyond the range of f32 must not become infinite.
        let held = |v: f64| v.clamp(f64::from(f32::MIN), f64::from(f32::MAX));
        let of_bead = |(v, inverse_mass): (&[f64; 3], &f32)| vec4(v.map(held), *inverse_mass);
        let all: Vec<_> = velocities.iter().zip(&self.inverse_masses).map(of_bead).collect();
        self.moving.velocity.write(device, &all)
    }

    /// Adds the state, but for the walkers, to a read-back.
    pub(super) fn fetch<'a>(&'a self, fetch: &mut Fetch<'a>) -> StateSlots {
        let Moving { position, velocity, step_count, .. } = &self.moving;
        StateSlots {
            position: fetch.add(position),
            velocity: fetch.add(velocity),
            step_count: fetch.add(step_count),
        }
    }

    /// The positions of all beads, Å, from those that were read.
    pub(super) fn positions(&self, read: &[Position], walkers: &[Walker]) -> Vec<[f64; 3]> {
        let mut positions = Vec::with_capacity(self.n_beads());
        for (r, walker) in walkers.iter().enumerate() {
            let of_bead = |x: &Position| {
                let at =
                    |c| f64::from(x.high[c]) + f64::from(x.low[c]) + f64::from(walker.origin[c]);
                std::array::from_fn(at)
            };
            positions.extend(read[self.first_bead[r]..self.first_bead[r + 1]].iter().map(of_bead));
        }
        positions
    }

    /// The state in a read-back.
    pub(super) fn fetched(&self, found: &Fetched, slots: StateSlots, walkers: &[Walker]) -> State {
        let step_count = found.take(slots.step_count);
        State {
            positions: self.positions(&found.take(slots.position), walkers),
            velocities: vectors(&found.take(slots.velocity)),
            origins: walkers.iter().map(|walker| walker.origin.map(f64::from)).collect(),
            beta: walkers.iter().map(|walker| 1.0 / f64::from(walker.kt)).collect(),
            step: wide([step_count[0], step_count[1]]),
            ..State::default()
        }
    }

    /// Copies the state, so that steps can be repeated from it.
    pub(super) fn keep(&self, commands: &mut dyn Commands) {
        self.kept.keep(&self.moving, commands);
    }

    /// Makes room for a copy after a reading.
    pub(super) fn make_next(&mut self, device: &Device) -> Result<()> {
        let (n_beads, n_replicas) = (self.n_beads(), self.n_replicas());
        let n_work = self.n_work();
        self.kept.make_next(|| Moving::new(device, n_beads, n_replicas, n_work))
    }

    /// Copies the state after a reading.
    pub(super) fn keep_next(&self, commands: &mut dyn Commands) {
        self.kept.keep_next(&self.moving, commands);
    }

    /// Steps can be repeated from the state after the reading now.
    pub(super) fn take_next(&mut self) {
        self.kept.take_next();
    }

    /// Restores the state from the copy.
    pub(super) fn restore(&self, commands: &mut dyn Commands) {
        self.kept.restore(&self.moving, commands);
    }

    /// Origins, temperatures and alarms.
    pub(super) fn walker(&self) -> &Buffer<Walker> {
        &self.moving.walker
    }

    /// Positions as kernels see them, for counts on the host.
    pub(super) fn position(&self) -> &Buffer<Position> {
        &self.moving.position
    }
}

/// Parameters without dynamics, for all terms and both classes.
pub(super) fn bare_params(n_beads: usize, n_replicas: usize, capacity: usize) -> Params {
    Params {
        n_beads: n_beads as u32,
        n_replicas: n_replicas as u32,
        capacity: capacity as u32,
        term: ALL_TERMS,
        classes: FAST | SLOW,
        ..bytemuck::Zeroable::zeroed()
    }
}

/// The nearest multiple of 1/[`GRID`].
fn on_grid(x: f64) -> f64 {
    (x * GRID).round() / GRID
}

pub(super) fn vec4(v: [f64; 3], w: f32) -> [f32; 4] {
    [v[0] as f32, v[1] as f32, v[2] as f32, w]
}

pub(super) fn vec4s(vectors: &[[f64; 3]]) -> Vec<[f32; 4]> {
    vectors.iter().map(|v| vec4(*v, 0.0)).collect()
}

pub(super) fn vectors(vec4s: &[[f32; 4]]) -> Vec<[f64; 3]> {
    vec4s.iter().map(|v| [v[0], v[1], v[2]].map(f64::from)).collect()
}
