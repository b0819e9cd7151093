//! Energies of many structures, in batches that fit on the device.

use crate::backend::Backend;
use crate::engine::{Engine, Evaluation, State, Terms};
use crate::error::{Error, Result};
use crate::system::System;

/// Structures evaluated at once, at most: enough to fill a device with small molecules.
const BATCH: usize = 64;

/// Evaluates positions of the molecules of a system, any number of them.
pub struct Scorer<'a> {
    backend: &'a Backend,
    system: System,
    batch: usize,
    /// The last one, with the replica of the system that each of its own copies.
    engine: Option<(Vec<usize>, Box<dyn Engine>)>,
}

impl<'a> Scorer<'a> {
    /// A scorer for the molecules of `system`; its replicas name them.
    pub fn new(backend: &'a Backend, system: System) -> Self {
        Scorer { backend, system, batch: BATCH, engine: None }
    }

    /// The molecules.
    pub fn system(&self) -> &System {
        &self.system
    }

    /// Positions that are evaluated at once: a good number to give to [`Scorer::evaluate`].
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// For each of `terms` the energies of all `positions`, and, if asked for, forces and the
    /// network's energies of the beads, one after the other. `positions[k]` are of the molecule of
    /// replica `replicas[k]` of the system.
    ///
    /// # Errors
    /// [`Error::Invalid`] if counts do not match; [`Error::TooManyNeighbors`] with the number k of
    /// the positions as the replica; errors of the device.
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
                // What does not fit at once may fit in two pieces.
                Err(Error::OutOfMemory { .. }) if n > 1 => {
                    (self.engine, self.batch) = (None, n / 2);
                }
                Err(Error::TooManyNeighbors { replica, bead, found, limit }) => {
                    let replica = replica + done as u32;
                    return Err(Error::TooManyNeighbors { replica, bead, found, limit });
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
            // Gone before another is made: the device may not hold two.
            old => {
                drop(old);
                self.backend.engine(self.system.select(replicas.iter().copied()))?
            }
        };
        let (_, engine) = self.engine.insert((replicas.to_vec(), engine));
        let velocities = vec![[0.0; 3]; positions.len()];
        engine.set_state(&State { positions, velocities, step: 0 })?;
        let evaluate = |terms: &Terms| match with_forces {
            true => engine.evaluate(*terms),
            false => Ok(Evaluation { energy: engine.energies(*terms)?, ..Evaluation::default() }),
        };
        terms.iter().map(evaluate).collect()
    }
}
