//! The CPU engine: replicas in batches, batches or the work inside them on all threads.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::integrate;
use super::neighbor::{Candidates, Pairs};
use super::network::{Network, Workspace};
use super::prior::Sums;
use crate::engine::{Dynamics, Engine, Evaluation, Filter, Integrator, Memory, State, Terms};
use crate::error::{Error, Result};
use crate::system::{System, check_vectors};

/// Replicas are joined into batches of up to this many beads, so that the matrix products of small
/// molecules have enough rows.
const BATCH: usize = 256;

/// An [`Engine`] on the threads of the CPU: the network in f32, priors, integration and all sums
/// over beads in f64.
///
/// A replica's numbers do not depend on the other replicas, on the number of threads or on when
/// neighbor lists were rebuilt.
#[derive(Debug)]
pub struct Cpu {
    system: System,
    network: Option<Network>,
    dynamics: Option<Dynamics>,
    state: State,
    /// The state before a step, in case it fails.
    before: State,
    external: Option<Vec<[f64; 3]>>,
    noise: Vec<[f64; 3]>,
    batches: Vec<Batch>,
    /// Of the present positions, if `is_current`.
    total: Evaluation,
    is_current: bool,
    /// The total's and the external ones.
    forces: Vec<[f64; 3]>,
    last_good: u64,
    /// Workspaces not in use.
    idle: Mutex<Vec<Workspace>>,
}

/// Consecutive replicas computed together, and their results.
#[derive(Debug)]
struct Batch {
    replicas: Range<usize>,
    beads: Range<usize>,
    candidates: Vec<Candidates>,
    energy: Vec<f64>,
    bead_energy: Vec<f64>,
    prior_energy: Vec<f64>,
    forces: Vec<[f64; 3]>,
}

/// Consecutive replicas of up to `limit` beads together, or one larger replica.
fn batches(system: &System, limit: usize) -> Vec<Batch> {
    let first_bead = &system.first_bead;
    let mut batches = Vec::new();
    let mut start = 0;
    for r in 1..=system.n_replicas() {
        if first_bead.get(r + 1).is_none_or(|next| next - first_bead[start] > limit) {
            let beads = first_bead[start]..first_bead[r];
            batches.push(Batch {
                replicas: start..r,
                candidates: vec![Candidates::default(); r - start],
                energy: vec![0.0; r - start],
                bead_energy: vec![0.0; beads.len()],
                prior_energy: vec![0.0; beads.len()],
                forces: vec![[0.0; 3]; beads.len()],
                beads,
            });
            start = r;
        }
    }
    batches
}

impl Cpu {
    /// An engine for `system` with filters of a kind.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a network without filters or hidden channels, [`Error::Invalid`]
    /// for a tolerance that no table can meet.
    pub fn new(system: System, filter: Filter) -> Result<Self> {
        if let Some(schnet) = &system.schnet
            && (schnet.n_filters() == 0 || schnet.readout.iter().any(|layer| layer.n_out == 0))
        {
            return Err(Error::unsupported("a network with a layer of no channels", ""));
        }
        let network = match &system.schnet {
            Some(schnet) => Some(Network::new(schnet, filter)?),
            None => None,
        };
        let n_beads = system.n_beads();
        let zero = vec![[0.0; 3]; n_beads];
        let state = State { positions: zero.clone(), velocities: zero.clone(), step: 0 };
        // Two batches per thread level out their different costs.
        let limit = n_beads.div_ceil(2 * rayon::current_num_threads()).clamp(1, BATCH);
        Ok(Cpu {
            network,
            dynamics: None,
            before: state.clone(),
            state,
            external: None,
            noise: zero.clone(),
            batches: batches(&system, limit),
            total: Evaluation::default(),
            is_current: false,
            forces: zero,
            last_good: 0,
            idle: Mutex::default(),
            system,
        })
    }

    /// Energies by replica and by bead, and forces if they are asked for.
    fn evaluate_terms(
        &mut self,
        terms: Terms,
        with_forces: bool,
        evaluation: &mut Evaluation,
    ) -> Result<()> {
        let mut batches = std::mem::take(&mut self.batches);
        // As many batches as fill all threads go to one thread each, the rest get all threads one
        // after the other.
        let n_threads = rayon::current_num_threads();
        let n_full = batches.len() / n_threads * n_threads;
        let (full, rest) = batches.split_at_mut(n_full);
        let evaluate = |batch: &mut Batch, min_chunks| {
            self.evaluate_batch(batch, terms, with_forces, min_chunks)
        };
        let found = (full.par_iter_mut().with_max_len(1))
            .map(|batch| evaluate(batch, usize::MAX))
            .reduce(|| Ok(()), Result::and)
            .and_then(|()| rest.iter_mut().try_for_each(|batch| evaluate(batch, 1)));
        let Evaluation { energy, forces, bead_energy } = evaluation;
        energy.clear();
        forces.clear();
        bead_energy.clear();
        for batch in &batches {
            energy.extend(&batch.energy);
            bead_energy.extend(&batch.bead_energy);
            if with_forces {
                forces.extend(&batch.forces);
            }
        }
        self.batches = batches;
        found
    }

    /// Energies and perhaps forces of a batch: on all threads if `min_chunks` is 1, on one if it is
    /// `usize::MAX`.
    fn evaluate_batch(
        &self,
        batch: &mut Batch,
        terms: Terms,
        with_forces: bool,
        min_chunks: usize,
    ) -> Result<()> {
        let Batch { replicas, beads, candidates, energy, bead_energy, prior_energy, forces } =
            batch;
        let first = beads.start;
        let within = |r: usize| {
            let beads = self.system.beads(r);
            beads.start - first..beads.end - first
        };
        let positions = &self.state.positions[beads.clone()];
        bead_energy.fill(0.0);
        prior_energy.fill(0.0);
        forces.fill([0.0; 3]);
        if let Some(network) = &self.network
            && !matches!(terms, Terms::Prior(_))
        {
            let mut work = self.workspaces().pop().unwrap_or_default();
            work.pairs.clear();
            for (r, candidates) in replicas.clone().zip(candidates) {
                let (beads, pairs) = (within(r), &mut work.pairs);
                candidates.within(&positions[beads.clone()], network.radius, beads.start, pairs);
            }
            let types = replicas.clone().flat_map(|r| &self.system.molecule(r).types).copied();
            let forces = with_forces.then_some(&mut forces[..]);
            let result = network.evaluate(types, bead_energy, forces, &mut work, min_chunks);
            self.workspaces().push(work);
            result.map_err(|error| self.locate(error, first))?;
        }
        for (r, energy) in replicas.clone().zip(energy) {
            let beads = within(r);
            let mut sums = Sums {
                bead_energy: &mut prior_energy[beads.clone()],
                forces: with_forces.then_some(&mut forces[beads.clone()]),
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
        // A panic elsewhere leaves a list of buffers whose contents never matter.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replica_id(&self, r: usize) -> u32 {
        self.dynamics.as_ref().map_or(r as u32, |dynamics| dynamics.replica_ids[r])
    }

    /// Turns the bead of an error, counted from the batch's first, into a bead of a replica.
    fn locate(&self, error: Error, first: usize) -> Error {
        match error {
            Error::TooManyNeighbors { bead, found, limit, .. } => {
                let bead = first + bead as usize;
                let r = self.system.first_bead.partition_point(|start| *start <= bead) - 1;
                let bead = (bead - self.system.first_bead[r]) as u32;
                Error::TooManyNeighbors { replica: self.replica_id(r), bead, found, limit }
            }
            other => other,
        }
    }

    /// Computes the total and the forces on the beads, once per state.
    fn update(&mut self) -> Result<()> {
        if !self.is_current {
            let mut total = std::mem::take(&mut self.total);
            let found = self.evaluate_terms(Terms::Total, true, &mut total);
            self.total = total;
            found?;
            self.is_current = true;
        }
        self.forces.copy_from_slice(&self.total.forces);
        let external = self.external.iter().flatten().flatten();
        for (force, external) in self.forces.as_flattened_mut().iter_mut().zip(external) {
            *force += external;
        }
        Ok(())
    }

    /// One step with the numbers in `self.noise`; on an error the state stays as it was.
    fn step(&mut self) -> Result<()> {
        self.update()?;
        let Cpu { system, dynamics, state, forces, noise, .. } = self;
        let Some(dynamics) = dynamics else {
            return Err(Error::invalid("dynamics", "none", "set_dynamics before advance"));
        };
        let (integrator, dt) = (dynamics.integrator, dynamics.dt);
        self.before.clone_from(state);
        integrate::begin(system, integrator, dt, &dynamics.beta, forces, noise, state);
        self.is_current = false;
        if let Err(error) = self.update() {
            std::mem::swap(&mut self.state, &mut self.before);
            return Err(error);
        }
        integrate::end(&self.system, integrator, dt, &self.forces, &mut self.state);
        Ok(())
    }

    fn steps(&mut self, n_steps: u64) -> Result<()> {
        for _ in 0..n_steps {
            if let Some(dynamics) = &self.dynamics
                && dynamics.integrator != Integrator::Nve
            {
                for (r, id) in dynamics.replica_ids.iter().enumerate() {
                    let noise = &mut self.noise[self.system.beads(r)];
                    integrate::noise(dynamics.seed, *id, self.state.step, noise);
                }
            }
            self.step()?;
        }
        Ok(())
    }
}

impl Engine for Cpu {
    fn device(&self) -> String {
        format!("cpu: f32 network, {} threads", rayon::current_num_threads())
    }

    fn set_state(&mut self, state: &State) -> Result<()> {
        check_vectors("positions", &state.positions, self.system.n_beads())?;
        check_vectors("velocities", &state.velocities, self.system.n_beads())?;
        (self.is_current, self.last_good) = (false, state.step);
        self.state.clone_from(state);
        Ok(())
    }

    fn state(&mut self) -> Result<State> {
        let State { positions, velocities, step } = &self.state;
        let bad = |v: &[f64; 3]| v.iter().any(|x| !x.is_finite());
        if let Some(bead) =
            (0..positions.len()).find(|i| bad(&positions[*i]) || bad(&velocities[*i]))
        {
            let r = self.system.first_bead.partition_point(|start| *start <= bead) - 1;
            return Err(Error::BlowUp {
                replica: self.replica_id(r),
                first_step: self.last_good,
                last_step: *step,
                what: "a coordinate or velocity is not finite".into(),
            });
        }
        self.last_good = *step;
        Ok(self.state.clone())
    }

    fn set_dynamics(&mut self, dynamics: &Dynamics) -> Result<()> {
        dynamics.check(&self.system)?;
        self.dynamics = Some(dynamics.clone());
        Ok(())
    }

    fn advance(&mut self, n_steps: u64) -> Result<()> {
        // On a thread of the pool, so that handing out work wakes nobody to do so.
        rayon::scope(|_| self.steps(n_steps))
    }

    fn advance_with_noise(&mut self, noise: &[[f64; 3]]) -> Result<()> {
        check_vectors("noise", noise, self.system.n_beads())?;
        self.noise.copy_from_slice(noise);
        self.step()
    }

    fn set_external_forces(&mut self, forces: Option<&[[f64; 3]]>) -> Result<()> {
        if let Some(forces) = forces {
            check_vectors("external forces", forces, self.system.n_beads())?;
        }
        self.external = forces.map(<[_]>::to_vec);
        Ok(())
    }

    fn potential(&mut self) -> Result<Vec<f64>> {
        self.energies(Terms::Total)
    }

    fn energies(&mut self, terms: Terms) -> Result<Vec<f64>> {
        if terms == Terms::Total && self.is_current {
            return Ok(self.total.energy.clone());
        }
        let mut evaluation = Evaluation::default();
        self.evaluate_terms(terms, false, &mut evaluation)?;
        Ok(evaluation.energy)
    }

    fn evaluate(&mut self, terms: Terms) -> Result<Evaluation> {
        if terms == Terms::Total {
            self.update()?;
            return Ok(self.total.clone());
        }
        let mut evaluation = Evaluation::default();
        self.evaluate_terms(terms, true, &mut evaluation)?;
        Ok(evaluation)
    }

    fn n_edges(&mut self) -> Result<Vec<u64>> {
        let Some(network) = &self.network else {
            return Ok(vec![0; self.system.n_replicas()]);
        };
        let mut pairs = Pairs::default();
        let mut counts = Vec::with_capacity(self.system.n_replicas());
        for batch in &mut self.batches {
            for (r, candidates) in batch.replicas.clone().zip(&mut batch.candidates) {
                let positions = &self.state.positions[self.system.beads(r)];
                pairs.clear();
                candidates.within(positions, network.radius, 0, &mut pairs);
                if let Err(error) = network.check(&pairs) {
                    return Err(self.locate(error, self.system.first_bead[r]));
                }
                counts.push(2 * pairs.len() as u64);
            }
        }
        Ok(counts)
    }

    fn memory(&self) -> Memory {
        let beads = self.system.n_beads();
        // Positions and velocities twice, noise; forces three times, energies of beads.
        let vectors = 5 + 3 + usize::from(self.external.is_some());
        let lists: usize =
            self.batches.iter().flat_map(|batch| &batch.candidates).map(Candidates::bytes).sum();
        let vectors = (24 * vectors + 8 * 3) * beads;
        let work: usize = self.workspaces().iter().map(Workspace::bytes).sum();
        let weights = self.network.as_ref().map_or(0, Network::bytes);
        let allocated = (vectors + lists + work + weights) as u64;
        Memory { allocated, reserved: allocated }
    }
}
