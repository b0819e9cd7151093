//! Energies of many structures, in batches that fit on the device.

use crate::backend::Backend;
use crate::engine::{Dynamics, Engine, Evaluation, Terms};
use crate::error::{Error, Result};
use crate::sanity;
use crate::system::System;

/// The largest number of structures evaluated at once: enough to fill a device with small
/// molecules.
const BATCH: usize = 64;

/// Evaluates any number of positions of the molecules of a system.
pub struct Scorer<'a> {
    backend: &'a Backend,
    system: System,
    batch: usize,
    /// The replicas of `system` in the last batch, and the engine of that batch.
    engine: Option<(Vec<usize>, Box<dyn Engine>)>,
}

impl<'a> Scorer<'a> {
    /// A scorer for the molecules of `system`. The replicas of `system` identify them.
    pub fn new(backend: &'a Backend, system: System) -> Self {
        Scorer { backend, system, batch: BATCH, engine: None }
    }

    /// The system of the molecules.
    pub fn system(&self) -> &System {
        &self.system
    }

    /// The number of structures evaluated at once: a good number to pass to [`Scorer::evaluate`].
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Says why positions cannot be those of the molecule of a replica of [`Scorer::system`]: beads at
    /// one point, a molecule that was wrapped into a periodic cell, positions in nm, or bonds that are
    /// far from their rest lengths, as those of beads in another order.
    ///
    /// # Panics
    /// If the number of positions is not that of the molecule.
    pub fn misfit(&self, replica: usize, positions: &[[f64; 3]]) -> Option<String> {
        sanity::misfit(self.system.molecule(replica), positions)
    }

    /// Describes positions that look wrong for the molecule of a replica of [`Scorer::system`]: bonds
    /// that are far from their rest lengths, or coordinates that trajectories cannot hold.
    ///
    /// # Panics
    /// If the number of positions is not that of the molecule.
    pub fn doubts(&self, replica: usize, positions: &[[f64; 3]]) -> Vec<String> {
        sanity::doubts(self.system.molecule(replica), positions)
    }

    /// Evaluates all `positions`; `positions[k]` are those of the molecule of replica
    /// `replicas[k]`. Returns an [`Evaluation`] for each of `terms`, with the energies in the order
    /// of `positions` and, if `with_forces`, the forces and the network's energies of all beads in
    /// the same order.
    ///
    /// # Errors
    /// [`Error::Invalid`] if counts do not match; [`Error::TooManyNeighbors`] and [`Error::Overlap`]
    /// with the index k into `positions` as the replica; errors of the device.
    pub fn evaluate(
        &mut self,
        replicas: &[usize],
        positions: &[Vec<[f64; 3]>],
        terms: &[Terms],
        with_forces: bool,
    ) -> Result<Vec<Evaluation>> {
        if replicas.len() != positions.len() {
            let expected = format!("{}, one for each replica", replicas.len());
            return Err(Error::invalid("positions", positions.len(), expected));
        }
        if let Some(r) = replicas.iter().find(|r| **r >= self.system.n_replicas()) {
            let expected = format!("a replica below {}", self.system.n_replicas());
            return Err(Error::invalid("replicas", r, expected));
        }
        let mut evaluations = vec![Evaluation::default(); terms.len()];
        let mut done = 0;
        while done < replicas.len() {
            let n = self.batch.min(replicas.len() - done);
            let some = done..done + n;
            let (of, at) = (&replicas[some.clone()], &positions[some]);
            match self.evaluate_batch(of, at, terms, with_forces) {
                Ok(found) => {
                    for (all, found) in evaluations.iter_mut().zip(found) {
                        all.energy.extend(found.energy);
                        all.forces.extend(found.forces);
                        all.bead_energy.extend(found.bead_energy);
                    }
                    done += n;
                }
                // Two halves may fit where the whole batch does not.
                Err(Error::OutOfMemory { .. }) if n > 1 => {
                    (self.engine, self.batch) = (None, n / 2);
                }
                Err(Error::TooManyNeighbors { replica, bead, found, limit }) => {
                    let replica = replica + done as u32;
                    return Err(Error::TooManyNeighbors { replica, bead, found, limit });
                }
                Err(Error::Overlap { replica, what }) => {
                    return Err(Error::Overlap { replica: replica + done as u32, what });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(evaluations)
    }

    fn evaluate_batch(
        &mut self,
        replicas: &[usize],
        positions: &[Vec<[f64; 3]>],
        terms: &[Terms],
        with_forces: bool,
    ) -> Result<Vec<Evaluation>> {
        let positions = positions.concat();
        let engine = match self.engine.take() {
            Some((of, engine)) if of == replicas => engine,
            // The old engine is dropped first, because the device may not have room for two.
            old => {
                drop(old);
                let system = self.system.select(replicas.iter().copied());
                let dynamics = Dynamics::none(&system);
                self.backend.engine(system, &dynamics)?
            }
        };
        let (_, engine) = self.engine.insert((replicas.to_vec(), engine));
        engine.set_positions(&positions)?;
        let evaluate = |terms: &Terms| match with_forces {
            true => engine.evaluate(*terms),
            false => Ok(Evaluation { energy: engine.energies(*terms)?, ..Evaluation::default() }),
        };
        terms.iter().map(evaluate).collect()
    }
}
