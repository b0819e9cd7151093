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
/// molecules have enough rows. Batches beyond it get all threads, one batch after the other.
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
    external: Option<Vec<[f64; 3]>>,
    noise: Vec<[f64; 3]>,
    candidates: Vec<Candidates>,
    /// Of the present positions; `None` until asked for.
    total: Option<Evaluation>,
    last_good: u64,
    /// Workspaces not in use.
    idle: Mutex<Vec<Workspace>>,
}

/// A batch of replicas, and where its results go.
struct Batch<'a> {
    replicas: Range<usize>,
    beads: Range<usize>,
    candidates: &'a mut [Candidates],
    energy: &'a mut [f64],
    bead_energy: &'a mut [f64],
    /// `None` where only energies are asked for.
    forces: Option<&'a mut [[f64; 3]]>,
}

/// Cuts the first `n` elements off a slice.
fn take<'a, T>(slice: &mut &'a mut [T], n: usize) -> &'a mut [T] {
    let (first, rest) = std::mem::take(slice).split_at_mut(n);
    *slice = rest;
    first
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
        let zero = vec![[0.0; 3]; system.n_beads()];
        Ok(Cpu {
            network,
            dynamics: None,
            state: State { positions: zero.clone(), velocities: zero.clone(), step: 0 },
            external: None,
            noise: zero,
            candidates: vec![Candidates::default(); system.n_replicas()],
            total: None,
            last_good: 0,
            idle: Mutex::default(),
            system,
        })
    }

    /// Consecutive replicas of up to `limit` beads together, or one larger replica.
    fn batches(&self, limit: usize) -> Vec<Range<usize>> {
        let first_bead = &self.system.first_bead;
        let mut batches = Vec::new();
        let mut start = 0;
        for r in 1..=self.system.n_replicas() {
            let full = self
                .system
                .first_bead
                .get(r + 1)
                .is_none_or(|next| next - first_bead[start] > limit);
            if full {
                batches.push(start..r);
                start = r;
            }
        }
        batches
    }

    /// Energies by replica and by bead, and forces if they are asked for.
    fn evaluate_terms(&mut self, terms: Terms, with_forces: bool) -> Result<Evaluation> {
        let (n_replicas, n_beads) = (self.system.n_replicas(), self.system.n_beads());
        let mut evaluation = Evaluation {
            energy: vec![0.0; n_replicas],
            forces: vec![[0.0; 3]; if with_forces { n_beads } else { 0 }],
            bead_energy: vec![0.0; n_beads],
        };
        // Two batches per thread level out their different costs.
        let n_threads = rayon::current_num_threads();
        let limit = n_beads.div_ceil(2 * n_threads).clamp(1, BATCH);
        let ranges = self.batches(limit);
        let mut lists = std::mem::take(&mut self.candidates);
        let (mut candidates, mut energy) = (&mut lists[..], &mut evaluation.energy[..]);
        let mut bead_energy = &mut evaluation.bead_energy[..];
        let mut forces = &mut evaluation.forces[..];
        let batches = ranges.into_iter().map(|replicas| {
            let first_bead = &self.system.first_bead;
            let beads = first_bead[replicas.start]..first_bead[replicas.end];
            Batch {
                candidates: take(&mut candidates, replicas.len()),
                energy: take(&mut energy, replicas.len()),
                bead_energy: take(&mut bead_energy, beads.len()),
                forces: with_forces.then(|| take(&mut forces, beads.len())),
                replicas,
                beads,
            }
        });
        let (small, large): (Vec<_>, Vec<_>) =
            batches.partition(|batch| batch.beads.len() <= BATCH);
        let one_each = small.len() >= n_threads;
        let min_chunks = if one_each { usize::MAX } else { 1 };
        let of_small = small
            .into_par_iter()
            .with_max_len(1)
            .with_min_len(if one_each { 1 } else { usize::MAX })
            .map(|batch| self.evaluate_batch(batch, terms, min_chunks))
            .collect::<Vec<_>>();
        let of_large = large.into_iter().map(|batch| self.evaluate_batch(batch, terms, 1));
        let first_error = of_small.into_iter().chain(of_large).find_map(Result::err);
        self.candidates = lists;
        first_error.map_or(Ok(evaluation), Err)
    }

    /// Energies and perhaps forces of a batch: on all threads if `min_chunks` is 1, on one if it is
    /// `usize::MAX`.
    fn evaluate_batch(&self, batch: Batch, terms: Terms, min_chunks: usize) -> Result<()> {
        let Batch { replicas, beads, candidates, energy, bead_energy, mut forces } = batch;
        let first = beads.start;
        let within = |r: usize| {
            let beads = self.system.beads(r);
            beads.start - first..beads.end - first
        };
        let positions = &self.state.positions[beads];
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
            let forces = forces.as_deref_mut();
            let result = network.evaluate(types, bead_energy, forces, &mut work, min_chunks);
            self.workspaces().push(work);
            result.map_err(|error| self.locate(error, first))?;
        }
        let mut prior_energy = Vec::new();
        for (r, energy) in replicas.zip(energy) {
            let beads = within(r);
            prior_energy.clear();
            prior_energy.resize(beads.len(), 0.0);
            let forces = forces.as_deref_mut().map(|forces| &mut forces[beads.clone()]);
            let mut sums = Sums { bead_energy: &mut prior_energy, forces };
            for (k, term) in self.system.molecule(r).terms.iter().enumerate() {
                if terms == Terms::Total || terms == Terms::Prior(k) {
                    sums.add(term, &positions[beads.clone()]);
                }
            }
            *energy = prior_energy.iter().sum::<f64>() + bead_energy[beads].iter().sum::<f64>();
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

    /// The total, computed once per state.
    fn total(&mut self) -> Result<&Evaluation> {
        let total = match self.total.take() {
            Some(total) => total,
            None => self.evaluate_terms(Terms::Total, true)?,
        };
        Ok(self.total.insert(total))
    }

    fn forces(&mut self) -> Result<Vec<[f64; 3]>> {
        let mut forces = self.total()?.forces.clone();
        let external = self.external.iter().flatten().flatten();
        for (force, external) in forces.as_flattened_mut().iter_mut().zip(external) {
            *force += external;
        }
        Ok(forces)
    }

    /// One step with the numbers in `self.noise`; on an error the state stays as it was.
    fn step(&mut self) -> Result<()> {
        let Some(Dynamics { integrator, dt, beta, .. }) = self.dynamics.clone() else {
            return Err(Error::invalid("dynamics", "none", "set_dynamics before advance"));
        };
        let forces = self.forces()?;
        let before = self.state.clone();
        let (system, state) = (&self.system, &mut self.state);
        integrate::begin(system, integrator, dt, &beta, &forces, &self.noise, state);
        self.total = None;
        match self.forces() {
            Ok(forces) => {
                integrate::end(&self.system, integrator, dt, &forces, &mut self.state);
                Ok(())
            }
            Err(error) => {
                self.state = before;
                Err(error)
            }
        }
    }
}

impl Engine for Cpu {
    fn device(&self) -> String {
        format!("cpu: f32 network, {} threads", rayon::current_num_threads())
    }

    fn set_state(&mut self, state: &State) -> Result<()> {
        check_vectors("positions", &state.positions, self.system.n_beads())?;
        check_vectors("velocities", &state.velocities, self.system.n_beads())?;
        (self.state, self.total, self.last_good) = (state.clone(), None, state.step);
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
        match (terms, &self.total) {
            (Terms::Total, Some(total)) => Ok(total.energy.clone()),
            _ => self.evaluate_terms(terms, false).map(|evaluation| evaluation.energy),
        }
    }

    fn evaluate(&mut self, terms: Terms) -> Result<Evaluation> {
        match terms {
            Terms::Total => self.total().cloned(),
            Terms::Network | Terms::Prior(_) => self.evaluate_terms(terms, true),
        }
    }

    fn n_edges(&mut self) -> Result<Vec<u64>> {
        let Some(network) = &self.network else {
            return Ok(vec![0; self.system.n_replicas()]);
        };
        let mut pairs = Pairs::default();
        let mut counts = Vec::with_capacity(self.candidates.len());
        for r in 0..self.candidates.len() {
            let beads = self.system.beads(r);
            let positions = &self.state.positions[beads.clone()];
            pairs.clear();
            self.candidates[r].within(positions, network.radius, 0, &mut pairs);
            network.check(&pairs).map_err(|e| self.locate(e, beads.start))?;
            counts.push(2 * pairs.len() as u64);
        }
        Ok(counts)
    }

    fn memory(&self) -> Memory {
        let beads = self.system.n_beads();
        // Positions, velocities, forces, noise; energies of beads and of the external forces.
        let vectors = 24 * (4 + usize::from(self.external.is_some())) * beads + 8 * beads;
        let lists: usize = self.candidates.iter().map(Candidates::bytes).sum();
        let work: usize = self.workspaces().iter().map(Workspace::bytes).sum();
        let weights = self.network.as_ref().map_or(0, Network::bytes);
        let allocated = (vectors + lists + work + weights) as u64;
        Memory { allocated, reserved: allocated }
    }
}
