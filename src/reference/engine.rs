//! The reference engine: runs the operations in order, replica by replica.

use std::sync::Arc;

use super::{integrate, network, prior};
use crate::bias::Bias;
use crate::engine::{
    Dynamics, Engine, Evaluation, Exchange, Filter, ForceCallback, HostForces, Integrator,
    KernelTime, Memory, Minimization, Minimized, Parts, Probe, Reading, State, Terms, Trace,
    Uncollected, Wanted, bias_levels, check_biases, check_callback, check_given, check_positions,
    check_work, end_minimization, end_step, exchange, hold, minimize, origins, watch_bonds,
    work_of,
};
use crate::error::{Error, Result};
use crate::model::FilterTable;
use crate::random::{Stream, normal3};
use crate::structure::check_vectors;
use crate::system::System;
use crate::variable::Variable;

/// An [`Engine`] in f64 on one thread.
#[derive(Debug)]
pub struct Reference {
    system: System,
    /// `None` for exact filters.
    table: Option<Arc<FilterTable>>,
    dynamics: Dynamics,
    state: State,
    host: HostForces,
    observables: Vec<Variable>,
    /// Energies and forces of all terms at the current positions; `None` until they are needed.
    total: Option<Parts>,
    trace: Trace,
    uncollected: Uncollected<Reading>,
}

impl Reference {
    /// An engine for a system and its dynamics with exact filters: the definition of every result.
    ///
    /// # Errors
    /// [`Error::Invalid`] for dynamics that do not fit the system.
    pub fn new(system: System, dynamics: &Dynamics) -> Result<Self> {
        dynamics.check(&system)?;
        let zero = vec![[0.0; 3]; system.n_beads()];
        let mut host = HostForces::default();
        host.set_hills(dynamics, &[])?;
        Ok(Reference {
            table: None,
            dynamics: dynamics.clone(),
            state: dynamics.at_start(State::at_rest(&system, zero)),
            host,
            observables: Vec::new(),
            total: None,
            trace: Trace::default(),
            uncollected: Uncollected::default(),
            system,
        })
    }

    /// The same, with filters evaluated as `filter` says. With tables, this engine defines the
    /// results of the backends that use tables.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a tolerance that no table can meet; see also [`Reference::new`].
    pub fn with_filter(system: System, dynamics: &Dynamics, filter: Filter) -> Result<Self> {
        let table = match &system.schnet {
            Some(schnet) => filter.table(schnet)?,
            None => None,
        };
        Ok(Reference { table, ..Reference::new(system, dynamics)? })
    }

    /// Energies and, if `with_forces`, forces of the priors among `terms`, and with `slow` of the
    /// network.
    fn evaluate_terms(&self, terms: Terms, slow: bool, with_forces: bool) -> Result<Parts> {
        let system = &self.system;
        let mut parts = Parts::default();
        for r in 0..system.n_replicas() {
            let (molecule, positions) =
                (system.molecule(r), &self.state.positions[system.beads(r)]);
            let (prior_energy, fast) = match terms {
                Terms::Total => prior::of_molecule(molecule, positions, |_| true),
                Terms::Network | Terms::Bias(_) => {
                    prior::of_molecule(molecule, positions, |_| false)
                }
                Terms::Prior(k) => prior::of_molecule(molecule, positions, |term| {
                    std::ptr::eq(term, &raw const molecule.terms[k])
                }),
            };
            let zero = || (vec![0.0; positions.len()], vec![[0.0; 3]; positions.len()]);
            let (table, types) = (self.table.as_deref(), &molecule.types);
            let found = match &system.schnet {
                Some(schnet) if slow && with_forces => {
                    network::network(schnet, table, types, positions)
                }
                Some(schnet) if slow => network::energies(schnet, table, types, positions)
                    .map(|energy| (energy, zero().1)),
                _ => Ok(zero()),
            };
            let (bead_energy, slow) = found.map_err(|error| self.in_replica(error, r))?;
            parts.energy.push(prior_energy.iter().sum::<f64>() + bead_energy.iter().sum::<f64>());
            parts.bead_energy.extend(bead_energy);
            parts.fast.extend(fast);
            parts.slow.extend(slow);
        }
        if slow {
            system.add_constants(&mut parts.energy, &mut parts.bead_energy);
        }
        Ok(parts)
    }

    fn replica_id(&self, r: usize) -> u32 {
        self.dynamics.replica_ids[r]
    }

    fn in_replica(&self, error: Error, r: usize) -> Error {
        match error {
            Error::TooManyNeighbors { bead, found, limit, .. } => {
                Error::TooManyNeighbors { replica: self.replica_id(r), bead, found, limit }
            }
            other => other,
        }
    }

    /// Energies and forces of all terms, computed once per state. `step` is the number of steps
    /// done when the present step ends.
    fn total(&mut self, step: u64) -> Result<&Parts> {
        if self.total.is_none() {
            watch_bonds(&self.system, &self.dynamics.watch, step, &mut self.state);
            self.total = Some(self.evaluate_terms(Terms::Total, true, true)?);
        }
        Ok(self.total.as_ref().expect("was just computed"))
    }

    /// The forces of the priors alone.
    fn fast(&mut self, step: u64) -> Result<Parts> {
        watch_bonds(&self.system, &self.dynamics.watch, step, &mut self.state);
        self.evaluate_terms(Terms::Total, false, true)
    }

    /// Does one outer step with the given noise, `[mts, n_beads]`.
    fn outer_step(&mut self, noise: &[[f64; 3]]) -> Result<()> {
        let Dynamics { integrator, dt, .. } = self.dynamics;
        let start = self.state.step;
        let mut parts = self.total(start)?.clone();
        self.host.update(&mut self.state, start, &self.system.first_bead)?;
        let weights = self.dynamics.slow_weights();
        for ([at_begin, at_end], noise) in weights.zip(noise.chunks(self.system.n_beads())) {
            let before = self.state.clone();
            let forces = parts.acting(at_begin, self.host.sum());
            integrate::begin(&self.system, integrator, dt, &forces, noise, &mut self.state);
            hold(&self.system, &before, &mut self.state);
            self.moved();
            let step = before.step + 1;
            parts = if at_end > 0 { self.total(step)?.clone() } else { self.fast(step)? };
            let beads = &self.system.first_bead;
            // As on a device, the hills are looked at after the work.
            self.host.add_work(&before.positions, &mut self.state, step, beads);
            self.host.update(&mut self.state, step, beads)?;
            let forces = parts.acting(at_end, self.host.sum());
            end_step(&self.system, &self.dynamics, (&forces, &parts, at_end), &mut self.state);
        }
        self.dynamics.set_temperature(&mut self.state);
        self.host.deposit(&self.state, &self.system.first_bead);
        Ok(())
    }

    /// One exchange with these energies, and with these uniform numbers unless they are empty.
    fn exchange_states(&mut self, energies: &[f64], uniforms: &[f64]) -> Result<()> {
        let Reference { system, dynamics, state, host, .. } = self;
        let levels = bias_levels(host.biases(), dynamics.exchange()?, system, state);
        exchange(system, dynamics, (energies, &levels), uniforms, state)?;
        host.outdate();
        self.trace.push(&self.state.exchanged.label);
        Ok(())
    }

    /// The positions changed.
    fn moved(&mut self) {
        self.total = None;
        self.host.outdate();
    }

    /// Does one outer step. An error leaves the state unchanged.
    fn step(&mut self, noise: &[[f64; 3]]) -> Result<()> {
        let before = self.state.clone();
        let moved = self.outer_step(noise);
        if moved.is_err() {
            self.state = before;
            self.moved();
        }
        moved
    }

    fn evaluation(&mut self, terms: Terms, with_forces: bool) -> Result<Evaluation> {
        let step = self.state.step;
        watch_bonds(&self.system, &self.dynamics.watch, step, &mut self.state);
        if let Terms::Bias(k) = terms {
            return Ok(self.host.of_bias(k, &self.system.first_bead, &self.state));
        }
        if terms == Terms::Total && (with_forces || self.total.is_some()) {
            return Ok(Evaluation::from(self.total(step)?));
        }
        let parts = self.evaluate_terms(terms, terms.has_network(), with_forces)?;
        Ok(Evaluation::from(&parts))
    }
}

impl Engine for Reference {
    fn device(&self) -> String {
        "reference: f64, one thread".into()
    }

    fn set_state(&mut self, state: &State) -> Result<()> {
        self.dynamics.check_state(&self.system, state)?;
        check_work(self.host.biases(), &state.work, self.system.n_replicas())?;
        self.host.set_hills(&self.dynamics, &state.hills)?;
        let work = work_of(self.host.biases(), &state.work, self.system.n_replicas());
        self.state = State { hills: Vec::new(), work, ..state.clone() };
        self.moved();
        self.dynamics.set_temperature(&mut self.state);
        self.trace = Trace::default();
        self.uncollected.forget();
        Ok(())
    }

    fn set_positions(&mut self, positions: &[[f64; 3]]) -> Result<()> {
        check_positions(&self.system, positions)?;
        self.state.positions = positions.to_vec();
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
        let k = u64::from(self.dynamics.mts);
        for _ in 0..n_steps / k {
            let mut noise = Vec::new();
            for step in self.state.step..self.state.step + k {
                for (r, id) in self.dynamics.replica_ids.iter().enumerate() {
                    let beads = 0..self.system.beads(r).len() as u32;
                    let seed = self.dynamics.seed;
                    noise.extend(beads.map(|bead| match self.dynamics.integrator {
                        Integrator::Nve => [0.0; 3],
                        _ => normal3(seed, Stream::Noise, *id, step, bead),
                    }));
                }
            }
            self.step(&noise)?;
        }
        Ok(())
    }

    fn minimize(&mut self, minimization: &Minimization) -> Result<Vec<Minimized>> {
        self.host.check_constant()?;
        let start = State { hills: self.host.take_hills(), ..self.state.clone() };
        let system = self.system.clone();
        let ids = self.dynamics.replica_ids.clone();
        let found = minimize((&system, &ids), minimization, &start, |positions| {
            self.state.positions.copy_from_slice(positions);
            self.moved();
            let parts = self.total(start.step)?.clone();
            self.host.update(&mut self.state, start.step, &system.first_bead)?;
            let forces = parts.acting(1, self.host.sum());
            Ok((parts.energy, forces))
        });
        end_minimization(&start, found, |state| self.set_state(state))
    }

    fn exchange(&mut self) -> Result<()> {
        self.dynamics.exchange()?;
        let energies = self.total(self.state.step)?.energy.clone();
        let energies = self.state.without_frozen(energies);
        self.exchange_states(&energies, &[])
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
        Memory::default()
    }

    fn probe(&mut self) -> &mut dyn Probe {
        self
    }
}

impl Probe for Reference {
    fn advance_with_noise(&mut self, noise: &[[f64; 3]]) -> Result<()> {
        check_vectors("noise", noise, self.system.n_beads() * self.dynamics.mts as usize)?;
        self.step(noise)
    }

    fn exchange_with(&mut self, energies: &[f64], uniforms: &[f64]) -> Result<()> {
        let ladders = self.dynamics.exchange()?;
        let (count, n) = (self.state.exchanged.count, self.system.n_replicas());
        check_given(ladders, count, n, energies, uniforms)?;
        self.exchange_states(energies, uniforms)
    }

    fn n_edges(&mut self) -> Result<Vec<u64>> {
        let Some(schnet) = &self.system.schnet else {
            return Ok(vec![0; self.system.n_replicas()]);
        };
        let count = |r| {
            network::graph(schnet, &self.state.positions[self.system.beads(r)])
                .map(|graph| graph.col.len() as u64)
                .map_err(|error| self.in_replica(error, r))
        };
        (0..self.system.n_replicas()).map(count).collect()
    }

    fn profile(&mut self, _: u64) -> Result<Vec<KernelTime>> {
        Err(Error::unsupported("timing kernels of the reference", "time whole steps"))
    }

    fn list_builds(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }
}
