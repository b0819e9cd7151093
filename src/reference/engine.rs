//! The reference engine: runs the operations in order, replica by replica.

use super::{integrate, network, prior};
use crate::engine::{
    Dynamics, Engine, Evaluation, Exchange, Filter, Integrator, KernelTime, Memory, Probe, Reading,
    State, Terms, Trace, Uncollected, Wanted, check_given, check_positions, end_step, exchange,
    hold, origins, watch_bonds,
};
use crate::error::{Error, Result};
use crate::model::FilterTable;
use crate::random::{Stream, normal3};
use crate::structure::check_vectors;
use crate::system::System;

/// An [`Engine`] in f64 on one thread.
#[derive(Debug, Clone)]
pub struct Reference {
    system: System,
    /// `None` for exact filters.
    table: Option<FilterTable>,
    dynamics: Dynamics,
    state: State,
    external: Vec<[f64; 3]>,
    /// Energies and forces of all terms at the current positions; `None` until they are needed.
    total: Option<Evaluation>,
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
        Ok(Reference {
            table: None,
            dynamics: dynamics.clone(),
            state: dynamics.at_start(State::at_rest(&system, zero.clone())),
            external: zero,
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

    /// Computes the energies of replicas and beads and, if `with_forces`, the forces.
    fn evaluate_terms(&self, terms: Terms, with_forces: bool) -> Result<Evaluation> {
        let system = &self.system;
        let mut evaluation = Evaluation::default();
        for r in 0..system.n_replicas() {
            let (molecule, positions) =
                (system.molecule(r), &self.state.positions[system.beads(r)]);
            let (prior_energy, mut forces) = match terms {
                Terms::Total => prior::of_molecule(molecule, positions, |_| true),
                Terms::Network => prior::of_molecule(molecule, positions, |_| false),
                Terms::Prior(k) => prior::of_molecule(molecule, positions, |term| {
                    std::ptr::eq(term, &raw const molecule.terms[k])
                }),
            };
            let mut bead_energy = vec![0.0; positions.len()];
            if let Some(schnet) = &system.schnet
                && !matches!(terms, Terms::Prior(_))
            {
                let (table, types) = (self.table.as_ref(), &molecule.types);
                let found = match with_forces {
                    true => network::network(schnet, table, types, positions),
                    false => network::energies(schnet, table, types, positions)
                        .map(|energy| (energy, Vec::new())),
                };
                let (energy, force) = found.map_err(|error| self.in_replica(error, r))?;
                bead_energy = energy;
                for (sum, force) in forces.iter_mut().zip(force) {
                    for (sum, force) in sum.iter_mut().zip(force) {
                        *sum += force;
                    }
                }
            }
            evaluation
                .energy
                .push(prior_energy.iter().sum::<f64>() + bead_energy.iter().sum::<f64>());
            evaluation.bead_energy.extend(bead_energy);
            evaluation.forces.extend(forces);
        }
        Ok(evaluation)
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
    fn total(&mut self, step: u64) -> Result<&Evaluation> {
        if self.total.is_none() {
            watch_bonds(&self.system, &self.dynamics.watch, step, &mut self.state);
            self.total = Some(self.evaluate_terms(Terms::Total, true)?);
        }
        Ok(self.total.as_ref().expect("was just computed"))
    }

    fn forces(&mut self, step: u64) -> Result<Vec<[f64; 3]>> {
        let mut forces = self.total(step)?.forces.clone();
        for (force, external) in forces.iter_mut().zip(&self.external) {
            for (force, external) in force.iter_mut().zip(external) {
                *force += external;
            }
        }
        Ok(forces)
    }

    fn step(&mut self, noise: &[[f64; 3]]) -> Result<()> {
        let Dynamics { integrator, dt, .. } = self.dynamics;
        let step = self.state.step;
        let forces = self.forces(step)?;
        let before = self.state.clone();
        integrate::begin(&self.system, integrator, dt, &forces, noise, &mut self.state);
        hold(&self.system, &before, &mut self.state);
        self.total = None;
        let forces = self.forces(step + 1)?;
        let energies = self.total(step + 1)?.bead_energy.clone();
        end_step(&self.system, &self.dynamics, &forces, |i| energies[i], &mut self.state);
        Ok(())
    }
}

impl Reference {
    fn evaluation(&mut self, terms: Terms, with_forces: bool) -> Result<Evaluation> {
        let step = self.state.step;
        watch_bonds(&self.system, &self.dynamics.watch, step, &mut self.state);
        match terms {
            Terms::Total if with_forces => self.total(step).cloned(),
            Terms::Total => match &self.total {
                Some(total) => {
                    Ok(Evaluation { energy: total.energy.clone(), ..Default::default() })
                }
                None => self.evaluate_terms(terms, false),
            },
            Terms::Network | Terms::Prior(_) => self.evaluate_terms(terms, with_forces),
        }
    }
}

impl Engine for Reference {
    fn device(&self) -> String {
        "reference: f64, one thread".into()
    }

    fn set_state(&mut self, state: &State) -> Result<()> {
        self.dynamics.check_state(&self.system, state)?;
        (self.state, self.total) = (state.clone(), None);
        self.trace = Trace::default();
        self.uncollected.forget();
        Ok(())
    }

    fn set_positions(&mut self, positions: &[[f64; 3]]) -> Result<()> {
        check_positions(&self.system, positions)?;
        self.state.positions = positions.to_vec();
        self.state.origins = origins(&self.system, positions);
        self.state.frozen.clear();
        self.total = None;
        Ok(())
    }

    fn set_external_forces(&mut self, forces: Option<&[[f64; 3]]>) -> Result<()> {
        self.external = match forces {
            Some(forces) => {
                check_vectors("external forces", forces, self.system.n_beads())?;
                forces.to_vec()
            }
            None => vec![[0.0; 3]; self.system.n_beads()],
        };
        Ok(())
    }

    fn advance(&mut self, n_steps: u64) -> Result<()> {
        for _ in 0..n_steps {
            let mut noise = vec![[0.0; 3]; self.system.n_beads()];
            if self.dynamics.integrator != Integrator::Nve {
                let (seed, step) = (self.dynamics.seed, self.state.step);
                for (r, id) in self.dynamics.replica_ids.iter().enumerate() {
                    for (bead, noise) in noise[self.system.beads(r)].iter_mut().enumerate() {
                        *noise = normal3(seed, Stream::Noise, *id, step, bead as u32);
                    }
                }
            }
            self.step(&noise)?;
        }
        Ok(())
    }

    fn exchange(&mut self) -> Result<()> {
        self.dynamics.exchange()?;
        let energies = self.total(self.state.step)?.energy.clone();
        let energies = self.state.without_frozen(energies);
        exchange(&self.system, &self.dynamics, &energies, &[], &mut self.state)?;
        self.trace.push(&self.state.exchanged.label);
        Ok(())
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
        let mut evaluation = Evaluation::default();
        if let Some(terms) = wanted.energies {
            terms.check(&self.system)?;
            evaluation = self.evaluation(terms, wanted.forces)?;
        }
        Ok(Reading::on_host(wanted, &self.state, evaluation, &mut self.trace))
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
        check_vectors("noise", noise, self.system.n_beads())?;
        self.step(noise)
    }

    fn exchange_with(&mut self, energies: &[f64], uniforms: &[f64]) -> Result<()> {
        let ladders = self.dynamics.exchange()?;
        let (count, n) = (self.state.exchanged.count, self.system.n_replicas());
        check_given(ladders, count, n, energies, uniforms)?;
        exchange(&self.system, &self.dynamics, energies, uniforms, &mut self.state)?;
        self.trace.push(&self.state.exchanged.label);
        Ok(())
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
