//! Readings. A reading that was requested is on its way while later steps are submitted.

use std::collections::BTreeMap;

use super::super::biases::Biases;
use super::super::buffer::{Fetch, Fetched, Fetching, Slot};
use super::super::kernel::record;
use super::super::metadynamics::Metadynamics;
use super::super::params::{GridNode, Walker};
use super::super::variables::Observables;
use super::GpuEngine;
use super::evaluation::Plan;
use super::requested::{Parts, Requested};
use crate::engine::{Engine, Evaluation, Frozen, Reading, State, Wanted};
use crate::error::Result;
use crate::variable::Variable;

impl GpuEngine {
    /// Submits the kernels whose results are missing and the copies to the host. With `keeps`, the
    /// state is copied on the device too, so that later steps can be repeated from it.
    fn begin_reading(&mut self, wanted: Wanted, keeps: bool) -> Result<(Fetching, Parts)> {
        if wanted.energies.is_some() {
            self.update_callback()?;
        }
        let plan = self.evaluations.plan(wanted, self.network.is_some());
        let params = plan.map_or(self.params, |plan| plan.params(self.params));
        self.write_params(params)?;
        self.evaluations.begun(plan);
        if keeps {
            self.state.make_next(&self.device)?;
            self.exchanges.iter_mut().try_for_each(|of| of.make_next(&self.device))?;
            self.hills.iter_mut().try_for_each(|of| of.make_next(&self.device))?;
        }
        let mut fetch = Fetch::new(&self.device);
        if let Some(plan) = plan {
            record(&mut *fetch.commands, plan.dispatches(self.step()?));
        }
        let of_plan = plan.is_some_and(|plan| plan.bias().is_some());
        if wanted.biases && !of_plan {
            record(&mut *fetch.commands, self.step()?.biases());
        }
        let biases = self.biases.as_ref().filter(|_| wanted.has_biases());
        let hills = self.hills.as_ref();
        let work = self.biases.as_ref().filter(|of| of.n_works() > 0);
        let work = work.filter(|_| wanted.state || wanted.biases);
        let observables = self.observables.as_ref().filter(|_| wanted.observables);
        record(&mut *fetch.commands, observables.map(Observables::dispatch));
        if keeps {
            self.state.keep_next(&mut *fetch.commands);
            self.exchanges.iter().for_each(|of| of.keep_next(&mut *fetch.commands));
            self.hills.iter().for_each(|of| of.keep_next(&mut *fetch.commands));
        }
        let exchanges = self.exchanges.as_ref();
        let parts = Parts {
            plan,
            status: fetch.add(&self.neighbors.status),
            walkers: fetch.add(self.state.walker()),
            state: wanted.state.then(|| self.state.fetch(&mut fetch)),
            exchanged: exchanges.map(|exchanges| exchanges.fetch(&mut fetch, wanted)),
            energy: plan.map(|_| fetch.add(&self.state.energy)),
            force: wanted.forces.then(|| fetch.add(&self.state.force)),
            callback: wanted.energies.and_then(|_| self.host.found(wanted.forces)),
            observed: observables.map(|observables| observables.fetch(&mut fetch)),
            hills: hills.filter(|_| biases.is_some()).map(|hills| hills.fetch(&mut fetch)),
            nodes: hills
                .filter(|_| wanted.state && wanted.hills)
                .map(|hills| hills.fetch_nodes(&mut fetch)),
            biases: biases.map(|biases| biases.fetch(&mut fetch)),
            work: work.map(|_| self.state.fetch_work(&mut fetch)),
            step: self.step_count,
            exchange_count: exchanges.map_or(0, |exchanges| exchanges.count()),
        };
        let fetching = fetch.begin()?;
        self.evaluations.done(plan);
        Ok((fetching, parts))
    }

    fn n_biases(&self) -> usize {
        self.biases.as_ref().map_or(0, Biases::len) + usize::from(self.hills.is_some())
    }

    /// Waits for a read-back. After an error no forces are valid.
    pub(super) fn fetched(&mut self, fetching: Fetching) -> Result<Fetched> {
        let found = fetching.wait("reading");
        if found.is_err() {
            self.evaluations.none_valid();
        }
        found
    }

    /// The reading in a read-back.
    fn reading(&mut self, wanted: Wanted, found: &Fetched, parts: Parts) -> Reading {
        let Parts { plan, walkers, state, exchanged, energy, force, callback, observed, .. } =
            parts;
        let step = parts.step;
        let walkers = found.take(walkers);
        let mut reading = Reading { step, frozen: frozen(&walkers, step), ..Reading::default() };
        reading.callback = callback.map(|found| found.without_frozen(&reading.frozen));
        let nodes = parts.nodes.map(|slot| found.take(slot)).unwrap_or_default();
        let work =
            self.biases.as_ref().zip(parts.work).map(|(biases, slot)| biases.work(found, slot));
        let work = work.unwrap_or_default();
        reading.state = state.map(|slots| State {
            frozen: reading.frozen.clone(),
            hills: nodes.iter().map(GridNode::in_f64).collect(),
            work: work.clone(),
            ..self.state.fetched(found, slots, &walkers)
        });
        if let (Some(exchanges), Some(slots)) = (&mut self.exchanges, exchanged) {
            exchanges.fetched(found, slots, parts.exchange_count, &mut reading);
        }
        let biases = self.biases.as_ref().zip(parts.biases);
        let biases = biases.map(|(biases, slot)| biases.fetched(found, slot)).unwrap_or_default();
        let second = self.hills.as_ref().zip(parts.hills.clone());
        let mut second = second.map(|(of, slot)| of.second(found, slot)).unwrap_or_default();
        let hills = parts.hills.map(|slot| Metadynamics::fetched(found, slot));
        let mut biases: Vec<_> = biases.into_iter().chain(hills).collect();
        // The kernel of the hills may have raised an alarm after the others.
        for r in reading.frozen.keys() {
            biases.iter_mut().for_each(|of_bias| of_bias[*r] = [f64::NAN; 2]);
            second.get_mut(*r).into_iter().for_each(|value| *value = f64::NAN);
        }
        if let (Some(plan), Some(energy)) = (plan, energy) {
            reading.evaluation = self.evaluation_of(plan, found, (energy, force), &reading.frozen);
            if let Some(k) = plan.bias() {
                reading.evaluation.energy = biases[k].iter().map(|[_, energy]| *energy).collect();
            }
        }
        if wanted.biases {
            reading.biases = biases;
            reading.work = work;
            reading.second = second;
        }
        if let (Some(observables), Some(slot)) = (&self.observables, observed) {
            reading.observables = observables.fetched(found, slot);
        }
        reading
    }

    /// The results of a plan in a read-back. Those of a bias lack the energies.
    pub(super) fn evaluation_of(
        &self,
        plan: Plan,
        found: &Fetched,
        (energy, force): (Slot<[f32; 2]>, Option<Slot<[f32; 4]>>),
        frozen: &BTreeMap<usize, Frozen>,
    ) -> Evaluation {
        let force = force.map(|slot| found.take(slot));
        let sum = |[sum, rest]: &[f32; 2]| f64::from(*sum) + f64::from(*rest);
        let energy = found.take(energy).iter().map(sum).collect();
        let mut evaluation = plan.evaluation(energy, force.as_deref(), self.state.n_beads());
        if plan.has_network() {
            let Evaluation { energy, bead_energy, .. } = &mut evaluation;
            self.system.add_constants(energy, bead_energy);
        }
        for r in frozen.keys() {
            evaluation.energy[*r] = f64::NAN;
        }
        evaluation
    }

    /// Replaces the variables of readings.
    pub(super) fn replace_observables(&mut self, variables: &[Variable]) -> Result<()> {
        variables.iter().try_for_each(|variable| variable.check(&self.system))?;
        // A reading that was requested has the old variables.
        self.complete()?;
        self.observables = match variables.is_empty() {
            true => None,
            false => Some(Observables::new(&self.device, &self.state, variables)?),
        };
        Ok(())
    }

    /// Reads until no list has overflowed.
    pub(super) fn read_now(&mut self, wanted: Wanted) -> Result<Reading> {
        if let Some(terms) = wanted.energies {
            terms.check(&self.system, self.n_biases())?;
        }
        self.complete()?;
        loop {
            let (fetching, parts) = self.begin_reading(wanted, false)?;
            let found = self.fetched(fetching)?;
            self.earlier = None;
            if !self.settle_with(&found.take(parts.status.clone()))? {
                return Ok(self.reading(wanted, &found, parts));
            }
        }
    }

    /// Submits a reading.
    pub(super) fn begin_request(&mut self, wanted: Wanted) -> Result<()> {
        if let Some(terms) = wanted.energies {
            terms.check(&self.system, self.n_biases())?;
        }
        self.complete()?;
        self.ready.check_none()?;
        let (fetching, parts) = self.begin_reading(wanted, true)?;
        let exchanges = self.exchanges.as_ref().map_or(0, |exchanges| exchanges.pending.len());
        let pending = self.pending;
        self.requested = Some(Requested { wanted, fetching, parts, pending, exchanges });
        Ok(())
    }

    /// Waits for the reading that was requested, if there is one, and keeps it for
    /// [`Engine::collect`]. If a list overflowed before it, the steps before it are repeated, the
    /// reading is done anew, and then the steps after it are repeated.
    pub(in crate::gpu) fn complete(&mut self) -> Result<()> {
        let Some(requested) = self.requested.take() else { return Ok(()) };
        let Requested { wanted, fetching, parts, pending, exchanges } = requested;
        let found = self.fetched(fetching)?;
        let status = found.take(parts.status.clone());
        if status.iter().all(|status| status.overflow == 0) {
            self.state.take_next();
            self.exchanges.iter_mut().for_each(|of| of.take_next(exchanges, pending));
            self.hills.iter_mut().for_each(Metadynamics::take_next);
            self.pending -= pending;
            self.check(&status)?;
            let reading = self.reading(wanted, &found, parts);
            self.ready.put(reading);
            return Ok(());
        }
        let steps = self.pending - pending;
        let of_exchanges = self.exchanges.as_mut().map(|of| of.split_off(exchanges));
        (self.pending, self.step_count) = (pending, self.step_count - steps);
        self.settle_with(&status)?;
        let reading = self.read_now(wanted)?;
        let mut done = 0;
        for before in of_exchanges.unwrap_or_default() {
            self.advance(before - pending - done)?;
            self.exchange()?;
            done = before - pending;
        }
        self.advance(steps - done)?;
        self.ready.put(reading);
        Ok(())
    }
}

/// The frozen replicas after `step` steps.
pub(super) fn frozen(walkers: &[Walker], step: u64) -> BTreeMap<usize, Frozen> {
    let of_replica = |(r, walker): (usize, &Walker)| Some((r, walker.frozen(step)?));
    walkers.iter().enumerate().filter_map(of_replica).collect()
}
