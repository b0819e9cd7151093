//! The GPU engine: it submits steps, repeats them if a neighbor list overflowed, and reports.

mod biases;
mod callback;
mod change;
mod evaluation;
mod exchange;
pub(super) mod fit;
mod grow;
mod minimize;
mod probe;
mod reading;
mod requested;
mod several;
mod share;
mod single;
mod submit;

use self::evaluation::Evaluations;
use self::fit::{Fit, check_fit};
use self::requested::Requested;
use self::single::Single;
use super::api::Submission;
use super::biases::Biases;
use super::device::Device;
use super::exchange::Exchanges;
use super::integrate::{self, Ends, Integration};
use super::kernel::run;
use super::metadynamics::Metadynamics;
use super::neighbors::Neighbors;
use super::network::Network;
use super::params::{Params, Status};
use super::priors::Priors;
use super::state::{ReplicaState, bare_params};
use super::step::Step;
use super::tuning::LOOK_STEPS;
use super::variables::Observables;
use crate::bias::Bias;
use crate::engine::{
    Dynamics, Engine, Evaluation, Exchange, ForceCallback, HostForces, Memory, Minimization,
    Minimized, Numerics, Probe, Reading, State, Terms, Uncollected, Wanted, check_positions,
    check_work,
};
use crate::error::{Error, Result};
use crate::model::Tabulated;
use crate::structure::check_vectors;
use crate::system::System;
use crate::variable::Variable;

/// An [`Engine`] on a GPU, through wgpu or CUDA.
#[derive(Debug)]
pub struct GpuEngine {
    device: Device,
    system: System,
    dynamics: Dynamics,
    numerics: Numerics,
    state: ReplicaState,
    neighbors: Neighbors,
    priors: Priors,
    integration: Integration,
    network: Option<Network>,
    exchanges: Option<Exchanges>,
    /// `Some` also without biases, if there is metadynamics.
    biases: Option<Biases>,
    hills: Option<Metadynamics>,
    /// `None` if memory ran out when it was made anew.
    step: Option<Step>,
    /// The ends of an outer step with given noise, while such a step runs.
    given: Option<Ends>,
    /// The parameters that were last written to the device.
    params: Params,
    /// Steps done, with those that were only submitted.
    step_count: u64,
    /// How many of these steps the host has not checked yet.
    pending: u64,
    /// The latest submission of steps, if the host has not waited for it.
    earlier: Option<Box<dyn Submission>>,
    /// Outer steps.
    steps_per_submission: u64,
    evaluations: Evaluations,
    /// The results of several terms, for [`Engine::evaluate_all`].
    singles: Vec<Single>,
    host: HostForces,
    observables: Option<Observables>,
    /// The reading that is under way, and the one that was not collected.
    requested: Option<Requested>,
    ready: Uncollected<Reading>,
}

impl GpuEngine {
    /// Puts a system on a device.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] with the number of replicas that would fit,
    /// [`Error::Unsupported`] for a network too wide for the adapter, and [`Error::Invalid`] for
    /// dynamics that do not fit the system.
    pub fn new(
        device: &Device,
        system: System,
        dynamics: &Dynamics,
        numerics: impl Into<Numerics>,
    ) -> Result<Self> {
        dynamics.check(&system)?;
        let numerics = numerics.into();
        check_fit(device, &system, dynamics, numerics.filter)?;
        let fit = Fit::new(device, &system, dynamics);
        Self::on(device, system, dynamics, numerics).map_err(|error| fit.advise(error))
    }

    /// Puts a system that was checked on a device.
    pub(super) fn on(
        device: &Device,
        system: System,
        dynamics: &Dynamics,
        numerics: Numerics,
    ) -> Result<Self> {
        let (priors, tables) = Priors::new(device, &system)?;
        let ids = &dynamics.replica_ids;
        let mut state = ReplicaState::new(device, &system, ids, &tables.rows, tables.classes)?;
        let hills = Metadynamics::new(device, dynamics, &state)?;
        let mut biases = None;
        if hills.is_some() {
            state.make_bias(device, true)?;
            biases = Some(Biases::new(device, &state, &[])?);
        }
        let neighbors = Neighbors::new(device, &system)?;
        let on_device = |schnet: &Tabulated| {
            Network::new(device, schnet, numerics, &system, neighbors.n_edges())
        };
        let network = system.schnet.as_deref().map(on_device).transpose()?;
        let capacity = neighbors.capacity();
        let exchanges = Exchanges::new(device, dynamics, &state)?;
        let bare = bare_params(system.n_beads(), system.n_replicas(), capacity);
        let params = neighbors.params(integrate::params(dynamics, bare));
        let of_network = network.as_ref().zip(system.schnet());
        let params = of_network.map_or(params, |(of, schnet)| of.params(schnet, params));
        state.params.write(device, &[params])?;
        let mut engine = GpuEngine {
            device: device.clone(),
            dynamics: dynamics.clone(),
            numerics,
            state,
            neighbors,
            priors,
            integration: Integration::new(device, dynamics)?,
            network,
            exchanges,
            biases,
            hills,
            step: None,
            given: None,
            params,
            step_count: 0,
            pending: 0,
            earlier: None,
            steps_per_submission: 1,
            evaluations: Evaluations::default(),
            singles: Vec::new(),
            host: HostForces::default(),
            observables: None,
            requested: None,
            ready: Uncollected::default(),
            system,
        };
        engine.make_step()?;
        Ok(engine)
    }

    /// Makes all dispatches of an outer step.
    fn make_step(&mut self) -> Result<()> {
        let network = self.network.as_ref().zip(self.system.schnet());
        let place = self.exchanges.as_ref().map(Exchanges::place);
        let hills = self.hills.as_ref();
        let bias = self.biases.as_ref().map(|of| of.step(&self.device, &self.state, place, hills));
        self.step = Some(Step::new(
            &self.device,
            &self.state,
            (&self.integration, &self.dynamics),
            &self.neighbors,
            &self.priors,
            bias.transpose()?,
            network,
        )?);
        Ok(())
    }

    fn step(&self) -> Result<&Step> {
        if self.step.is_none() {
            self.device.api.check_presence()?;
        }
        let lost = || Error::invalid("engine", "one that ran out of memory", "a new one");
        self.step.as_ref().ok_or_else(lost)
    }

    fn write_params(&mut self, params: Params) -> Result<()> {
        if params != self.params {
            self.state.params.write(&self.device, &[params])?;
            self.params = params;
        }
        Ok(())
    }

    /// Copies the state, so that steps can be repeated from it, unless some are pending.
    pub(super) fn keep(&mut self) -> Result<()> {
        if !self.has_pending() {
            let mut commands = self.device.api.commands();
            self.state.keep(&mut *commands);
            self.exchanges.iter().for_each(|exchanges| exchanges.keep(&mut *commands));
            self.hills.iter().for_each(|hills| hills.keep(&mut *commands));
            self.device.submit(commands)?;
        }
        Ok(())
    }

    /// Acts on the status that was read. If a list overflowed, grows the lists, submits the pending
    /// steps again and returns true. Otherwise checks the replicas.
    fn settle_with(&mut self, status: &[Status]) -> Result<bool> {
        if status.iter().any(|status| status.overflow > 0) {
            self.grow(status).map_err(|error| self.crowded(status).unwrap_or(error))?;
            self.evaluations.none_valid();
            if self.has_pending() {
                self.repeat()?;
            }
            return Ok(true);
        }
        self.nothing_pending();
        self.check(status)?;
        Ok(false)
    }

    /// Fails if a replica has a bead with too many neighbors.
    fn check(&self, status: &[Status]) -> Result<()> {
        let limit = self.system.schnet.as_ref().and_then(|schnet| schnet.max_num_neighbors);
        let crowds = status.iter().enumerate().filter_map(|(r, status)| Some((r, status.crowd()?)));
        match (limit, crowds.min()) {
            (Some(limit), Some((r, (bead, excess)))) => Err(Error::TooManyNeighbors {
                replica: self.dynamics.replica_ids[r],
                bead,
                found: limit + excess,
                limit,
            }),
            _ => Ok(()),
        }
    }

    /// Reads the status until no list has overflowed.
    fn look(&mut self) -> Result<Vec<Status>> {
        self.complete()?;
        loop {
            let status = self.neighbors.status.read(&self.device)?;
            self.earlier = None;
            if !self.settle_with(&status)? {
                return Ok(status);
            }
        }
    }

    /// Replaces the positions, which were checked.
    pub(super) fn place(&mut self, positions: &[[f64; 3]]) -> Result<()> {
        self.settle_steps()?;
        if self.exchanges.is_some() || !self.dynamics.anneal.is_empty() {
            self.state.read_temperatures(&self.device)?;
        }
        self.state.move_to(&self.device, &self.system, positions)?;
        self.state_was_set(self.step_count)
    }

    fn state_was_set(&mut self, step: u64) -> Result<()> {
        self.step_count = step;
        self.nothing_pending();
        self.evaluations.none_valid();
        self.host.outdate();
        self.neighbors.reset(&self.device)
    }
}

impl Engine for GpuEngine {
    fn device(&self) -> String {
        let api = if self.device.is_cuda() { "cuda" } else { "wgpu" };
        format!("{api}: {}, {}", self.numerics.precision.name(), self.device.name())
    }

    fn set_state(&mut self, state: &State) -> Result<()> {
        self.dynamics.check_state(&self.system, state)?;
        let biases = self.biases.as_ref().map_or(&[][..], Biases::all);
        check_work(biases, &state.work, self.system.n_replicas())?;
        self.requested = None;
        self.ready.forget();
        self.state.set(&self.device, state)?;
        if let Some(exchanges) = &mut self.exchanges {
            exchanges.set(&self.device, &state.exchanged)?;
        }
        if let Some((hills, grid)) = self.hills.as_ref().zip(self.dynamics.grid(&state.hills)?) {
            hills.set(&self.device, &grid)?;
        }
        self.set_work(&state.work)?;
        // On the device, so that the bits are those of a step.
        run(&self.device, self.step()?.anneal())?;
        self.state_was_set(state.step)
    }

    fn set_positions(&mut self, positions: &[[f64; 3]]) -> Result<()> {
        check_positions(&self.system, positions)?;
        self.place(positions)
    }

    fn set_velocities(&mut self, velocities: &[[f64; 3]]) -> Result<()> {
        self.replace_velocities(velocities)
    }

    fn set_beta(&mut self, beta: &[f64]) -> Result<()> {
        self.replace_temperatures(beta)
    }

    fn set_external_forces(&mut self, forces: Option<&[[f64; 3]]>) -> Result<()> {
        if let Some(forces) = forces {
            check_vectors("external forces", forces, self.system.n_beads())?;
        }
        self.before_host_forces()?;
        self.make_range(forces.is_some() || self.host.has_callback())?;
        self.host.set_external(forces);
        self.write_host_forces()
    }

    fn set_force_callback(&mut self, callback: Option<Box<dyn ForceCallback>>) -> Result<()> {
        self.replace_callback(callback)
    }

    fn set_biases(&mut self, biases: &[Bias]) -> Result<()> {
        self.replace_biases(biases)
    }

    fn set_observables(&mut self, variables: &[Variable]) -> Result<()> {
        self.replace_observables(variables)
    }

    fn advance(&mut self, n_steps: u64) -> Result<()> {
        self.dynamics.check_steps("steps", n_steps)?;
        let k = u64::from(self.dynamics.mts);
        if self.host.has_callback() {
            return self.advance_with_callback(n_steps / k);
        }
        let most = LOOK_STEPS.div_ceil(k) * k;
        let mut left = n_steps;
        while left > 0 {
            self.keep()?;
            let steps = left.min(most - self.pending);
            self.submit_steps(steps)?;
            left -= steps;
            if self.pending == most {
                self.look()?;
            }
        }
        Ok(())
    }

    fn minimize(&mut self, minimization: &Minimization) -> Result<Vec<Minimized>> {
        self.minimize_all(minimization)
    }

    fn exchange(&mut self) -> Result<()> {
        self.dynamics.exchange()?;
        self.keep()?;
        self.submit_exchange()
    }

    fn set_ladders(&mut self, exchange: &Exchange) -> Result<()> {
        self.replace_ladders(exchange)
    }

    fn read(&mut self, wanted: Wanted) -> Result<Reading> {
        self.read_now(wanted)
    }

    fn evaluate_all(&mut self, terms: &[Terms], forces: bool) -> Result<Vec<Evaluation>> {
        self.evaluate_several(terms, forces)
    }

    fn is_asynchronous(&self) -> bool {
        !self.host.has_callback()
    }

    fn request(&mut self, wanted: Wanted) -> Result<()> {
        self.begin_request(wanted)
    }

    fn collect(&mut self) -> Result<Reading> {
        self.complete()?;
        self.ready.take()
    }

    fn memory(&self) -> Memory {
        let (allocated, reserved) = (self.device.allocated_bytes(), self.device.reserved_bytes());
        Memory { allocated, reserved }
    }

    fn probe(&mut self) -> &mut dyn Probe {
        self
    }
}
