//! The CPU engine. Replicas are joined into batches; the threads share the batches, or else the
//! work inside one batch.

mod batch;
mod exchange;
mod memory;
mod minimize;
mod probe;
mod steps;

use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use self::batch::{Batch, batches};
use super::network::{Network, Workspace};
use super::pool;
use super::prior::Sums;
use crate::bias::Bias;
use crate::engine::{
    Dynamics, Engine, Evaluation, Exchange, Filter, ForceCallback, HostForces, Memory,
    Minimization, Minimized, Parts, Probe, Reading, State, Terms, Trace, Uncollected, Wanted,
    check_biases, check_callback, check_positions, check_work, origins, watch_bonds, work_of,
};
use crate::error::{Error, Result};
use crate::structure::check_vectors;
use crate::system::System;
use crate::variable::Variable;

/// Batches of up to this many beads are computed by one thread each. Threads that share a small batch wait
/// for each other: with 10 beads, two threads took twice the time of one (`cargo bench --bench score`).
const SMALL: usize = 64;

/// An [`Engine`] on the threads of the CPU: the network in f32, priors, integration and all sums
/// over beads in f64.
///
/// The results of a replica do not depend on the other replicas, on the number of threads, or on
/// the steps at which neighbor lists are rebuilt.
#[derive(Debug)]
pub struct Cpu {
    system: System,
    network: Option<Arc<Network>>,
    dynamics: Dynamics,
    state: State,
    /// The state before an outer step. All beads return there if it fails.
    start: State,
    /// The state before a step. Beads that may not move stay there.
    before: State,
    host: HostForces,
    observables: Vec<Variable>,
    noise: Vec<[f64; 3]>,
    batches: Vec<Batch>,
    /// Energies and forces of all terms; valid for the current positions if `is_current`.
    total: Parts,
    is_current: bool,
    trace: Trace,
    uncollected: Uncollected<Reading>,
    /// Workspaces not in use.
    idle: Mutex<Vec<Workspace>>,
}

impl Cpu {
    /// An engine for a system and its dynamics, with filters evaluated as `filter` says.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a network without filters or with a readout layer of no channels;
    /// [`Error::Invalid`] for a tolerance that no table can meet or dynamics that do not fit the
    /// system.
    pub fn new(system: System, dynamics: &Dynamics, filter: Filter) -> Result<Self> {
        pool::check()?;
        dynamics.check(&system)?;
        if let Some(schnet) = &system.schnet
            && (schnet.n_filters() == 0 || schnet.readout.iter().any(|layer| layer.n_out == 0))
        {
            return Err(Error::unsupported("a network with a layer of no channels", ""));
        }
        let network = match &system.schnet {
            Some(schnet) => Some(schnet.kept(filter, || Network::new(schnet, filter))?),
            None => None,
        };
        let n_beads = system.n_beads();
        let zero = vec![[0.0; 3]; n_beads];
        let mut host = HostForces::default();
        host.set_hills(dynamics, &[])?;
        let state = dynamics.at_start(State::at_rest(&system, zero.clone()));
        Ok(Cpu {
            network,
            dynamics: dynamics.clone(),
            start: state.clone(),
            before: state.clone(),
            state,
            host,
            observables: Vec::new(),
            noise: zero,
            batches: batches(&system),
            total: Parts::default(),
            is_current: false,
            trace: Trace::default(),
            uncollected: Uncollected::default(),
            idle: Mutex::default(),
            system,
        })
    }

    /// Energies and, if `with_forces`, forces of the priors among `terms`, and with `slow` of the
    /// network.
    fn evaluate_terms(
        &mut self,
        terms: Terms,
        slow: bool,
        with_forces: bool,
        parts: &mut Parts,
    ) -> Result<()> {
        pool::check()?;
        let mut batches = std::mem::take(&mut self.batches);
        // The largest multiple of `n_threads` batches runs in parallel, one thread for each batch.
        // The remaining batches run one after the other, each on all threads.
        let n_threads = rayon::current_num_threads();
        let n_full = match batches.iter().all(|batch| batch.beads.len() <= SMALL) {
            true => batches.len(),
            false => batches.len() / n_threads * n_threads,
        };
        let (full, rest) = batches.split_at_mut(n_full);
        let evaluate = |batch: &mut Batch, min_chunks| {
            self.evaluate_batch(batch, (terms, slow), with_forces, min_chunks)
        };
        let found = (full.par_iter_mut().with_max_len(1))
            .map(|batch| evaluate(batch, usize::MAX))
            .reduce(|| Ok(()), Result::and)
            .and_then(|()| match rest.is_empty() {
                true => Ok(()),
                // On a pool thread, for the reason of `advance`.
                false => rayon::scope(|_| rest.iter_mut().try_for_each(|batch| evaluate(batch, 1))),
            });
        parts.clear();
        for batch in &batches {
            parts.energy.extend(&batch.energy);
            parts.bead_energy.extend(&batch.bead_energy);
            if with_forces {
                parts.fast.extend(&batch.fast);
                parts.slow.extend(&batch.slow);
            }
        }
        self.batches = batches;
        if slow {
            self.system.add_constants(&mut parts.energy, &mut parts.bead_energy);
        }
        found
    }

    /// Computes the energies and perhaps the forces of a batch: on all threads if `min_chunks` is
    /// 1, on one thread if it is `usize::MAX`.
    fn evaluate_batch(
        &self,
        batch: &mut Batch,
        (terms, slow): (Terms, bool),
        with_forces: bool,
        min_chunks: usize,
    ) -> Result<()> {
        let Batch { replicas, beads, candidates, energy, .. } = batch;
        let Batch { bead_energy, prior_energy, fast, slow: of_network, .. } = batch;
        let first = beads.start;
        let within = |r: usize| {
            let beads = self.system.beads(r);
            beads.start - first..beads.end - first
        };
        let positions = &self.state.positions[beads.clone()];
        bead_energy.fill(0.0);
        prior_energy.fill(0.0);
        fast.fill([0.0; 3]);
        of_network.fill([0.0; 3]);
        if let Some(network) = self.network.as_ref().filter(|_| slow) {
            let mut work = self.workspaces().pop().unwrap_or_default();
            work.pairs.clear();
            for (r, candidates) in replicas.clone().zip(candidates) {
                let (beads, pairs) = (within(r), &mut work.pairs);
                let positions = &positions[beads.clone()];
                candidates
                    .within(positions, network.reach(), beads.start, pairs)
                    .map_err(|error| self.locate(error, first + beads.start))?;
            }
            let types = replicas.clone().flat_map(|r| &self.system.molecule(r).types).copied();
            let forces = with_forces.then_some(&mut of_network[..]);
            let result = network.evaluate(types, bead_energy, forces, &mut work, min_chunks);
            self.workspaces().push(work);
            result.map_err(|error| self.locate(error, first))?;
        }
        for (r, energy) in replicas.clone().zip(energy) {
            let beads = within(r);
            let mut sums = Sums {
                bead_energy: &mut prior_energy[beads.clone()],
                forces: with_forces.then_some(&mut fast[beads.clone()]),
            };
            for (k, term) in self.system.molecule(r).terms.iter().enumerate() {
                if terms == Terms::Total || terms == Terms::Prior(k) {
                    sums.add(term, &positions[beads.clone()]);
                }
            }
            let of = |energy: &[f64]| energy[beads.clone()].iter().sum::<f64>();
            *energy = of(prior_energy) + of(bead_energy);
        }
        Ok(())
    }

    fn workspaces(&self) -> std::sync::MutexGuard<'_, Vec<Workspace>> {
        // A poisoned lock is harmless, because the contents of idle workspaces do not matter.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Turns the bead of an error, counted from the first bead of the batch, into a replica and its
    /// bead.
    fn locate(&self, error: Error, first: usize) -> Error {
        match error {
            Error::TooManyNeighbors { bead, found, limit, .. } => {
                let bead = first + bead as usize;
                let r = self.system.first_bead.partition_point(|start| *start <= bead) - 1;
                let bead = (bead - self.system.first_bead[r]) as u32;
                Error::TooManyNeighbors {
                    replica: self.dynamics.replica_ids[r],
                    bead,
                    found,
                    limit,
                }
            }
            other => other,
        }
    }

    fn evaluation(&mut self, terms: Terms, with_forces: bool) -> Result<Evaluation> {
        let step = self.state.step;
        watch_bonds(&self.system, &self.dynamics.watch, step, &mut self.state);
        if let Terms::Bias(k) = terms {
            return Ok(self.host.of_bias(k, &self.system.first_bead, &self.state));
        }
        if terms == Terms::Total && with_forces {
            self.update(step)?;
        }
        if terms == Terms::Total && self.is_current {
            return Ok(Evaluation::from(&self.total));
        }
        let mut parts = Parts::default();
        self.evaluate_terms(terms, terms.has_network(), with_forces, &mut parts)?;
        Ok(Evaluation::from(&parts))
    }
}

impl Engine for Cpu {
    fn device(&self) -> String {
        format!("cpu: f32 network, {} threads", rayon::current_num_threads())
    }

    fn set_state(&mut self, state: &State) -> Result<()> {
        self.dynamics.check_state(&self.system, state)?;
        check_work(self.host.biases(), &state.work, self.system.n_replicas())?;
        self.trace = Trace::default();
        self.uncollected.forget();
        self.moved();
        self.host.set_hills(&self.dynamics, &state.hills)?;
        self.state.clone_from(state);
        self.state.hills = Vec::new();
        self.state.work = work_of(self.host.biases(), &state.work, self.system.n_replicas());
        self.dynamics.set_temperature(&mut self.state);
        Ok(())
    }

    fn set_positions(&mut self, positions: &[[f64; 3]]) -> Result<()> {
        check_positions(&self.system, positions)?;
        self.state.positions.copy_from_slice(positions);
        self.state.origins = origins(&self.system, positions);
        self.state.frozen.clear();
        self.moved();
        Ok(())
    }

    fn set_velocities(&mut self, velocities: &[[f64; 3]]) -> Result<()> {
        self.state.set_velocities(velocities)
    }

    fn set_beta(&mut self, beta: &[f64]) -> Result<()> {
        self.dynamics.check_beta(beta)?;
        self.state.beta.copy_from_slice(beta);
        Ok(())
    }

    fn set_external_forces(&mut self, forces: Option<&[[f64; 3]]>) -> Result<()> {
        if let Some(forces) = forces {
            check_vectors("external forces", forces, self.system.n_beads())?;
        }
        self.host.set_external(forces);
        Ok(())
    }

    fn set_force_callback(&mut self, callback: Option<Box<dyn ForceCallback>>) -> Result<()> {
        check_callback(&self.dynamics, callback.as_deref())?;
        self.host.set_callback(callback);
        Ok(())
    }

    fn set_biases(&mut self, biases: &[Bias]) -> Result<()> {
        check_biases(biases, &self.system, &self.dynamics)?;
        self.host.set_biases(biases);
        self.state.work = work_of(biases, &self.state.work, self.system.n_replicas());
        Ok(())
    }

    fn set_observables(&mut self, variables: &[Variable]) -> Result<()> {
        variables.iter().try_for_each(|variable| variable.check(&self.system))?;
        self.observables = variables.to_vec();
        Ok(())
    }

    fn advance(&mut self, n_steps: u64) -> Result<()> {
        self.dynamics.check_steps("steps", n_steps)?;
        pool::check()?;
        match self.host.has_callback() {
            // On a pool thread a callback could wait for ever for a lock: a pool thread that waits
            // takes up other work, whose callback may want the lock that the waiting code holds.
            true => self.steps(n_steps),
            // The loop runs on a pool thread: from outside the pool, every parallel call would first
            // have to wake one.
            false => rayon::scope(|_| self.steps(n_steps)),
        }
    }

    fn minimize(&mut self, minimization: &Minimization) -> Result<Vec<Minimized>> {
        self.minimize_all(minimization)
    }

    fn exchange(&mut self) -> Result<()> {
        self.exchange_states(None)
    }

    fn set_ladders(&mut self, exchange: &Exchange) -> Result<()> {
        self.dynamics.set_ladders(&self.system, exchange)
    }

    fn request(&mut self, wanted: Wanted) -> Result<()> {
        self.uncollected.check_none()?;
        let reading = self.read(wanted)?;
        self.uncollected.put(reading);
        Ok(())
    }

    fn collect(&mut self) -> Result<Reading> {
        self.uncollected.take()
    }

    fn read(&mut self, wanted: Wanted) -> Result<Reading> {
        let (mut evaluation, step) = (Evaluation::default(), self.state.step);
        if let Some(terms) = wanted.energies {
            terms.check(&self.system, self.host.n_biases())?;
            evaluation = self.evaluation(terms, wanted.forces)?;
            self.host.update_callback(&self.state, &self.system.first_bead)?;
        }
        if wanted.has_biases() {
            self.host.update_biases(&mut self.state, step, &self.system.first_bead);
        }
        Ok(Reading::on_host(
            wanted,
            (&self.system, &self.observables),
            &self.state,
            evaluation,
            &self.host,
            &mut self.trace,
        ))
    }

    fn memory(&self) -> Memory {
        self.memory_in_use()
    }

    fn probe(&mut self) -> &mut dyn Probe {
        self
    }
}
