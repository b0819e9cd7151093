//! Biases on a device: their layout and their kernels.

use super::buffer::{Buffer, Fetch, Fetched, Slot};
use super::compose::Value;
use super::device::Device;
use super::kernel::{Dispatch, Kernel, Scope, scope};
use super::metadynamics::{HillStep, Metadynamics};
use super::state::{ReplicaState, vec4s};
use super::steer::{SteerStep, Steering};
use super::variables::Variables;
use crate::bias::Bias;
use crate::engine::Work;
use crate::error::Result;

/// The biases of a run: at least one, unless there is metadynamics.
#[derive(Debug)]
pub(super) struct Biases {
    variables: Variables,
    /// The rows of numbers.
    n_rows: usize,
    /// The forces of the host, from which the bias range starts. `[n_beads]`
    pushed: Buffer<[f32; 4]>,
    /// Value and energy. `[n_replicas, n_biases]`
    biases: Buffer<[f32; 2]>,
    /// `None` if no bias moves.
    steering: Option<Steering>,
    all: Vec<Bias>,
}

/// The kernels that compute values, energies and forces.
#[derive(Debug)]
pub(super) struct BiasStep {
    /// This one adds the forces of all biases to those of the host.
    all: Dispatch,
    /// This one computes the forces of one bias alone.
    alone: Dispatch,
    /// `None` if no bias moves.
    steer: Option<SteerStep>,
    /// These belong to the metadynamics, whose number is behind those of the biases.
    hills: Option<HillStep>,
    n_biases: usize,
}

impl BiasStep {
    /// The kernels of all biases and of the hills at the present step.
    pub(super) fn all(&self) -> impl Iterator<Item = &Dispatch> {
        let centers = self.steer.as_ref().map(|steer| &steer.here);
        centers.into_iter().chain([&self.all]).chain(self.of_hills())
    }

    /// The same within a step, after the drift, and those that add the work of the step. The values
    /// before the drift are there until the kernel of the biases runs.
    pub(super) fn within(&self) -> impl Iterator<Item = &Dispatch> {
        let steer = self.steer.as_ref();
        let before = steer.map(|steer| [&steer.within, &steer.work[0]]);
        let after = steer.map(|steer| &steer.work[1]);
        before.into_iter().flatten().chain([&self.all]).chain(after).chain(self.of_hills())
    }

    fn of_hills(&self) -> Option<&Dispatch> {
        self.hills.as_ref().map(|hills| &hills.all)
    }

    /// The kernel of bias `k` alone.
    pub(super) fn alone(&self, k: usize) -> &Dispatch {
        match &self.hills {
            Some(hills) if k == self.n_biases => &hills.alone,
            _ => &self.alone,
        }
    }

    /// The kernels that add hills after a step, and then compute the forces anew, if this is done at
    /// this step.
    pub(super) fn deposit(&self, step: u64) -> impl Iterator<Item = &Dispatch> {
        let due = self.hills.as_ref().filter(|hills| step.is_multiple_of(hills.every));
        due.into_iter().flat_map(|hills| hills.deposit.iter().chain(self.all()))
    }
}

impl Biases {
    /// Puts checked biases on a device.
    pub(super) fn new(device: &Device, state: &ReplicaState, all: &[Bias]) -> Result<Self> {
        let n_rows = all.iter().map(Bias::n_rows).max().unwrap_or(1);
        let rows = (0..n_rows).flat_map(|row| all.iter().map(move |bias| bias.spring(row, 0)));
        // WGSL has no infinity.
        let word = |x: f64| (x.clamp(-3e38, 3e38) as f32).to_bits();
        let numbers = rows.flat_map(|of| [of.k, of.lower, of.upper].map(word)).collect::<Vec<_>>();
        let of_biases: Vec<_> = all.iter().map(|bias| bias.variable.clone()).collect();
        Ok(Biases {
            variables: Variables::with_numbers(device, &of_biases, (n_rows, &numbers))?,
            n_rows,
            pushed: Buffer::zeroed(device, "pushed", state.n_beads())?,
            biases: Buffer::zeroed(device, "biases", state.n_replicas() * all.len())?,
            steering: Steering::new(device, all)?,
            all: all.to_vec(),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// The biases.
    pub(super) fn all(&self) -> &[Bias] {
        &self.all
    }

    /// The number of biases with an element in the work of a replica: all, or none if none moves.
    pub(super) fn n_works(&self) -> usize {
        if self.steering.is_some() { self.len() } else { 0 }
    }

    /// Replaces the work of moving biases.
    pub(super) fn set_work(
        &self,
        device: &Device,
        state: &ReplicaState,
        work: &Work,
    ) -> Result<()> {
        if self.steering.is_none() {
            return Ok(());
        }
        let of_bias = |r, bias: &Bias| work.get(&bias.name).map_or(0.0, |of: &Vec<f64>| of[r]);
        let of_replica = |r| self.all.iter().map(move |bias| of_bias(r, bias));
        let all: Vec<f64> = (0..state.n_replicas()).flat_map(of_replica).collect();
        state.set_work(device, &all)
    }

    /// The work of moving biases in a read-back of [`ReplicaState::fetch_work`].
    pub(super) fn work(&self, found: &Fetched, slot: Slot<[f32; 2]>) -> Work {
        let all = found.take(slot);
        let sum = |[high, low]: &[f32; 2]| f64::from(*high) + f64::from(*low);
        let of_bias = |k: usize| all[k..].iter().step_by(self.len()).map(sum).collect();
        let moving = self.all.iter().enumerate().filter(|(_, bias)| bias.moves());
        moving.map(|(k, bias)| (bias.name.clone(), of_bias(k))).collect()
    }

    /// Replaces the forces of the host.
    pub(super) fn push(&self, device: &Device, forces: Option<&[[f64; 3]]>) -> Result<()> {
        match forces {
            Some(forces) => self.pushed.write(device, &vec4s(forces)),
            None => self.pushed.write(device, &vec![[0.0; 4]; self.pushed.len]),
        }
    }

    fn scope(&self) -> Scope<'_> {
        self.variables.scope().and(&scope!(self; pushed, biases))
    }

    /// The kernels of a step. `place` has the states of replicas that exchange them.
    pub(super) fn step(
        &self,
        device: &Device,
        state: &ReplicaState,
        place: Option<&Buffer<[u32; 2]>>,
        hills: Option<&Metadynamics>,
    ) -> Result<BiasStep> {
        let none = Buffer::zeroed(device, "place", 1)?;
        let scope = state.scope().and(&self.scope()).with("place", place.unwrap_or(&none));
        let kernel = |alone: bool| {
            let flags = [("BY_STATE", place.is_some()), ("ALONE", alone)];
            let constants = flags.map(|(name, flag)| (name, Value::Flag(flag)));
            Kernel::new(device, "bias", &constants)?.bind(device, &scope, state.n_replicas())
        };
        let hills = hills.map(|hills| hills.step(device, state)).transpose()?;
        let n_numbers = self.n_rows * self.len();
        let steer = self.steering.as_ref();
        let steer = steer.map(|of| of.step(device, state, &scope, n_numbers));
        let steer = steer.transpose()?;
        Ok(BiasStep {
            all: kernel(false)?,
            alone: kernel(true)?,
            steer,
            hills,
            n_biases: self.len(),
        })
    }

    /// The kernel that computes the energies of all replicas in all states,
    /// `[n_states, n_replicas]`.
    pub(super) fn levels(
        &self,
        device: &Device,
        state: &ReplicaState,
        levels: &Buffer<[f32; 2]>,
    ) -> Result<Dispatch> {
        let n_states = levels.len / state.n_replicas();
        let states = [("STATES", Value::Count(n_states as u32))];
        let kernel = Kernel::new(device, "bias_levels", &states)?;
        let scope = state.scope().and(&self.scope()).with("levels", levels);
        kernel.bind(device, &scope, state.n_replicas())
    }

    /// Adds values and energies to a read-back.
    pub(super) fn fetch<'a>(&'a self, fetch: &mut Fetch<'a>) -> Slot<[f32; 2]> {
        fetch.add(&self.biases)
    }

    /// Values and energies in a read-back, `[n_biases][n_replicas]`.
    pub(super) fn fetched(&self, found: &Fetched, slot: Slot<[f32; 2]>) -> Vec<Vec<[f64; 2]>> {
        let all = found.take(slot);
        let of_bias = |k| all[k..].iter().step_by(self.len()).map(|of| of.map(f64::from)).collect();
        (0..self.len()).map(of_bias).collect()
    }
}
