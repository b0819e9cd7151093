//! The reference engine: the operations in order, replica by replica.

use super::{integrate, network, prior};
use crate::engine::{Dynamics, Engine, Evaluation, Filter, Integrator, Memory, State, Terms};
use crate::error::{Error, Result};
use crate::model::FilterTable;
use crate::random::{Stream, normal3};
use crate::system::{System, check_vectors};

/// An [`Engine`] in f64 on one thread.
#[derive(Debug, Clone)]
pub struct Reference {
    system: System,
    /// `None` for exact filters.
    table: Option<FilterTable>,
    dynamics: Option<Dynamics>,
    state: State,
    external: Vec<[f64; 3]>,
    /// Of the present positions; `None` until asked for.
    total: Option<Evaluation>,
    last_good: u64,
}

impl Reference {
    /// An engine for `system` with exact filters: the definition of every result.
    pub fn new(system: System) -> Self {
        let external = vec![[0.0; 3]; system.n_beads()];
        let (table, dynamics, state, total) = (None, None, State::default(), None);
        Reference { system, table, dynamics, state, external, total, last_good: 0 }
    }

    /// An engine for `system` with filters of a kind: with tables, the definition of what tables
    /// compute.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a tolerance that no table can meet.
    pub fn with_filter(system: System, filter: Filter) -> Result<Self> {
        let table = match &system.schnet {
            Some(schnet) => filter.table(schnet)?,
            None => None,
        };
        Ok(Reference { table, ..Reference::new(system) })
    }

    /// Energies by replica and by bead, and forces if they are asked for.
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
        self.dynamics.as_ref().map_or(r as u32, |dynamics| dynamics.replica_ids[r])
    }

    fn in_replica(&self, error: Error, r: usize) -> Error {
        match error {
            Error::TooManyNeighbors { bead, found, limit, .. } => {
                Error::TooManyNeighbors { replica: self.replica_id(r), bead, found, limit }
            }
            other => other,
        }
    }

    /// The total, computed once per state.
    fn total(&mut self) -> Result<&Evaluation> {
        if self.total.is_none() {
            self.total = Some(self.evaluate_terms(Terms::Total, true)?);
        }
        Ok(self.total.as_ref().expect("was just computed"))
    }

    fn forces(&mut self) -> Result<Vec<[f64; 3]>> {
        let mut forces = self.total()?.forces.clone();
        for (force, external) in forces.iter_mut().zip(&self.external) {
            for (force, external) in force.iter_mut().zip(external) {
                *force += external;
            }
        }
        Ok(forces)
    }

    fn step(&mut self, noise: &[[f64; 3]]) -> Result<()> {
        let Some(Dynamics { integrator, dt, beta, .. }) = self.dynamics.clone() else {
            return Err(Error::invalid("dynamics", "none", "set_dynamics before advance"));
        };
        let forces = self.forces()?;
        integrate::begin(&self.system, integrator, dt, &beta, &forces, noise, &mut self.state);
        self.total = None;
        let forces = self.forces()?;
        integrate::end(&self.system, integrator, dt, &forces, &mut self.state);
        Ok(())
    }
}

impl Engine for Reference {
    fn device(&self) -> String {
        "reference: f64, one thread".into()
    }

    fn set_state(&mut self, state: &State) -> Result<()> {
        check_vectors("positions", &state.positions, self.system.n_beads())?;
        check_vectors("velocities", &state.velocities, self.system.n_beads())?;
        (self.state, self.total, self.last_good) = (state.clone(), None, state.step);
        Ok(())
    }

    fn state(&mut self) -> Result<State> {
        for r in 0..self.system.n_replicas() {
            let beads = self.system.beads(r);
            let vectors = [&self.state.positions[beads.clone()], &self.state.velocities[beads]];
            if vectors.iter().any(|v| v.iter().flatten().any(|x| !x.is_finite())) {
                return Err(Error::BlowUp {
                    replica: self.replica_id(r),
                    first_step: self.last_good,
                    last_step: self.state.step,
                    what: "a coordinate or velocity is not finite".into(),
                });
            }
        }
        self.last_good = self.state.step;
        Ok(self.state.clone())
    }

    fn set_dynamics(&mut self, dynamics: &Dynamics) -> Result<()> {
        dynamics.check(&self.system)?;
        self.dynamics = Some(dynamics.clone());
        Ok(())
    }

    fn advance(&mut self, n_steps: u64) -> Result<()> {
        for _ in 0..n_steps {
            let mut noise = vec![[0.0; 3]; self.system.n_beads()];
            if let Some(dynamics) = &self.dynamics
                && dynamics.integrator != Integrator::Nve
            {
                for r in 0..self.system.n_replicas() {
                    let id = dynamics.replica_ids[r];
                    for (bead, noise) in noise[self.system.beads(r)].iter_mut().enumerate() {
                        let step = self.state.step;
                        *noise = normal3(dynamics.seed, Stream::Noise, id, step, bead as u32);
                    }
                }
            }
            self.step(&noise)?;
        }
        Ok(())
    }

    fn advance_with_noise(&mut self, noise: &[[f64; 3]]) -> Result<()> {
        check_vectors("noise", noise, self.system.n_beads())?;
        self.step(noise)
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

    fn potential(&mut self) -> Result<Vec<f64>> {
        self.energies(Terms::Total)
    }

    fn energies(&mut self, terms: Terms) -> Result<Vec<f64>> {
        match (terms, &self.total) {
            (Terms::Total, Some(total)) => Ok(total.energy.clone()),
            _ => self.evaluate_terms(terms, false).map(|evaluation| evaluation.energy),
        }
    }

    fn evaluate(&mut self, terms: Terms) -> Result<Evaluation> {
        match terms {
            Terms::Total => self.total().cloned(),
            _ => self.evaluate_terms(terms, true),
        }
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

    fn memory(&self) -> Memory {
        Memory::default()
    }
}
