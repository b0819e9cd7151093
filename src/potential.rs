//! Energies and forces of given positions, without dynamics.
//!
//! ```
//! use flashschnet::potential::{Potential, Request, Scores};
//! use flashschnet::{Backend, BackendKind};
//!
//! let (model, structure) = (flashschnet::builtin::model(), flashschnet::builtin::structure());
//! let backend = Backend::open(BackendKind::Cpu, None)?;
//! let mut potential = Potential::new(&model, &[structure.clone()], backend)?;
//! let mut scores = Scores::default();
//! potential.evaluate(&[0], &structure.positions, &Request::forces(), &mut scores)?;
//! assert!(scores.failed.is_empty());
//! // kcal/mol
//! assert!(scores.evaluations[0].energy[0].is_finite());
//! # Ok::<(), flashschnet::Error>(())
//! ```

use std::collections::BTreeMap;
use std::ops::Range;

use crate::backend::Backend;
use crate::crowd::too_many_neighbors;
use crate::engine::{Dynamics, Engine, Evaluation, Terms, check_positions};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::sanity;
use crate::structure::Structure;
use crate::system::System;

/// The most beads of a batch: enough to fill a device.
const MOST_BEADS: usize = 1 << 16;

/// The most engines that are kept, each for another number of conformations.
const MOST_ENGINES: usize = 8;

/// The results to compute.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Each of these is evaluated for itself.
    pub terms: Vec<Terms>,
    /// Whether forces and the network's energies of beads are wanted, too.
    pub forces: bool,
}

impl Request {
    /// The energy of all terms together.
    pub fn energies() -> Self {
        Request { terms: vec![Terms::Total], forces: false }
    }

    /// The energy of all terms together, and its forces.
    pub fn forces() -> Self {
        Request { forces: true, ..Request::energies() }
    }
}

/// The results of [`Potential::evaluate`]. They can be used for the next call, which then takes no
/// memory for them.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Scores {
    /// An evaluation for each of [`Request::terms`]: energies `[n_items]`, and if wanted the forces
    /// and the network's energies of all beads in the order of the positions. Those of an item that
    /// failed are NaN. Others may be infinite or NaN where the potential is too steep for the backend.
    pub evaluations: Vec<Evaluation>,
    /// The items without a result, counted from 0, and the reasons: [`Error::Invalid`] for positions
    /// that are not finite or too far from 0; [`Error::Overlap`] and [`Error::TooManyNeighbors`] with
    /// the number of the item as the replica.
    pub failed: BTreeMap<usize, Error>,
}

/// The potential of the molecules of a system, on a backend. It evaluates any number of conformations
/// at a time, and makes filter tables once.
#[derive(Debug)]
pub struct Potential {
    backend: Backend,
    system: System,
    /// A replica of each molecule of `system`.
    replica: Vec<usize>,
    /// The latest comes last.
    engines: Vec<Batch>,
    most_beads: usize,
    /// The positions of a batch.
    positions: Vec<[f64; 3]>,
}

/// An engine for a batch of conformations.
#[derive(Debug)]
struct Batch {
    /// The number of replicas of each molecule. Those of one molecule follow each other.
    room: Vec<usize>,
    engine: Box<dyn Engine>,
}

/// A conformation of a call: its molecule and its beads.
#[derive(Debug, Clone)]
struct Item {
    number: usize,
    molecule: usize,
    beads: Range<usize>,
}

/// Room for `n` conformations: a batch has up to a quarter more than that, so that few engines serve
/// all sizes.
fn room(n: usize) -> usize {
    let step = 1 << n.max(4).ilog2().saturating_sub(2);
    n.next_multiple_of(step)
}

impl Potential {
    /// A potential for the molecules of structures.
    ///
    /// # Errors
    /// See [`System::new`].
    pub fn new(model: &Model, structures: &[Structure], backend: Backend) -> Result<Self> {
        Ok(Self::of_system(System::new(model, structures)?, backend))
    }

    /// A potential for the molecules of a system.
    pub fn of_system(system: System, backend: Backend) -> Self {
        let n_molecules = system.molecules().len();
        let of = |m: usize| system.molecule_of().iter().position(|of| *of == m);
        Potential {
            backend,
            replica: (0..n_molecules).filter_map(of).collect(),
            system,
            engines: Vec::new(),
            most_beads: MOST_BEADS,
            positions: Vec::new(),
        }
    }

    /// The system with the molecules.
    pub fn system(&self) -> &System {
        &self.system
    }

    /// The backend on which it is evaluated.
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Says why positions cannot be those of a molecule of [`Potential::system`]: beads at one point, a
    /// molecule that was wrapped into a periodic cell, positions in nm, or bonds that are far from
    /// their rest lengths, as those of beads in another order.
    ///
    /// # Panics
    /// If there is no such molecule, or if the number of positions is not that of its beads.
    pub fn misfit(&self, molecule: usize, positions: &[[f64; 3]]) -> Option<String> {
        sanity::misfit(&self.system.molecules()[molecule], positions)
    }

    /// Describes positions that look wrong for a molecule of [`Potential::system`]: bonds that are far
    /// from their rest lengths, beads in one place, or coordinates that trajectories cannot hold.
    ///
    /// # Panics
    /// If there is no such molecule, or if the number of positions is not that of its beads.
    pub fn doubts(&self, molecule: usize, positions: &[[f64; 3]]) -> Vec<String> {
        sanity::doubts(&self.system.molecules()[molecule], positions)
    }

    /// Evaluates conformations. Item k is one of molecule `molecules[k]` of [`System::molecules`], and
    /// `positions`, Å, has the beads of all items, one item after the other. The results of an item
    /// do not depend on the other items.
    ///
    /// An item without a result is no error: [`Scores::failed`] has it. On a GPU, a call with up to
    /// 65,536 beads is one submission and one wait once neighbor lists have found their size. A call
    /// of another size makes an engine. The last eight are kept, and a call with one of them takes no
    /// memory of the device.
    ///
    /// # Errors
    /// [`Error::Invalid`] for wrong counts and for priors that the model does not have; errors of the
    /// device. Then `scores` has no meaning.
    pub fn evaluate(
        &mut self,
        molecules: &[usize],
        positions: &[[f64; 3]],
        request: &Request,
        scores: &mut Scores,
    ) -> Result<()> {
        request.terms.iter().try_for_each(|terms| terms.check(&self.system, 0))?;
        let items = self.items(molecules, positions.len())?;
        scores.clear(request, items.len(), positions.len());
        let mut rest = &items[..];
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(self.fitting(rest));
            match self.evaluate_batch(batch, positions, request, scores) {
                // Two halves may fit where the whole batch does not.
                Err(Error::OutOfMemory { .. }) if batch.len() > 1 => {
                    self.engines.clear();
                    let beads = batch.iter().map(|item| item.beads.len()).sum::<usize>();
                    self.most_beads = beads / 2;
                }
                found => {
                    found?;
                    rest = after;
                }
            }
        }
        Ok(())
    }

    fn items(&self, molecules: &[usize], n_beads: usize) -> Result<Vec<Item>> {
        let mut first = 0;
        let mut items = Vec::with_capacity(molecules.len());
        for (number, molecule) in molecules.iter().copied().enumerate() {
            let Some(of) = self.system.molecules().get(molecule) else {
                let expected = format!("a molecule below {}", self.replica.len());
                return Err(Error::invalid(format!("molecules[{number}]"), molecule, expected));
            };
            let beads = first..first + of.n_beads();
            first = beads.end;
            items.push(Item { number, molecule, beads });
        }
        match first == n_beads {
            true => Ok(items),
            false => {
                let expected = format!("{first}, the beads of {} items", items.len());
                Err(Error::invalid("positions", n_beads, expected))
            }
        }
    }

    /// How many of the first items fit into a batch; at least one.
    fn fitting(&self, items: &[Item]) -> usize {
        let mut n_beads = 0;
        let fits = |item: &&Item| {
            n_beads += item.beads.len();
            n_beads <= self.most_beads
        };
        items.iter().take_while(fits).count().max(1)
    }

    fn evaluate_batch(
        &mut self,
        items: &[Item],
        positions: &[[f64; 3]],
        request: &Request,
        scores: &mut Scores,
    ) -> Result<()> {
        // Sorted by molecule, as the replicas of the engine.
        let mut good: Vec<&Item> = items.iter().collect();
        good.sort_by_key(|item| item.molecule);
        while !good.is_empty() {
            let mut counts = vec![0; self.replica.len()];
            good.iter().for_each(|item| counts[item.molecule] += 1);
            let rooms: Vec<usize> = counts.iter().map(|n| room(*n)).collect();
            // The item of each replica. Those without an item of their own repeat the first.
            let mut of_replica: Vec<&Item> = Vec::new();
            let mut rest = &good[..];
            for (count, room) in counts.iter().zip(&rooms) {
                let (own, after) = rest.split_at(*count);
                of_replica.extend(own.iter().chain(own.iter().cycle().take(room - count)));
                rest = after;
            }
            let mut of_all = std::mem::take(&mut self.positions);
            of_all.clear();
            of_all.extend(of_replica.iter().flat_map(|item| &positions[item.beads.clone()]));
            let engine = self.engine(rooms)?;
            let found = engine
                .set_positions(&of_all)
                .and_then(|()| engine.evaluate_all(&request.terms, request.forces));
            self.positions = of_all;
            let error = match found {
                Ok(found) => {
                    scores.put(&of_replica, &found);
                    break;
                }
                Err(error) => error,
            };
            // The error of an item, or that of the device.
            let n_before = good.len();
            good.retain(|item| match self.check(item, &positions[item.beads.clone()]) {
                Ok(()) => true,
                Err(error) => {
                    scores.failed.insert(item.number, error);
                    false
                }
            });
            if good.len() < n_before {
                continue;
            }
            match error {
                // In f32 a neighbor at the cutoff may be a neighbor, and none in f64.
                Error::TooManyNeighbors { replica, bead, found, limit } => {
                    let item = of_replica[replica as usize].number;
                    let error =
                        Error::TooManyNeighbors { replica: item as u32, bead, found, limit };
                    scores.failed.insert(item, error);
                    good.retain(|other| other.number != item);
                }
                other => return Err(other),
            }
        }
        Ok(())
    }

    /// The engine with these rooms: one that is kept, or a new one.
    fn engine(&mut self, room: Vec<usize>) -> Result<&mut dyn Engine> {
        let batch = match self.engines.iter().position(|batch| batch.room == room) {
            Some(k) => self.engines.remove(k),
            None => {
                // The oldest is dropped first, because the device may not have room for one more.
                self.engines.drain(..(self.engines.len() + 1).saturating_sub(MOST_ENGINES));
                let replicas = self.replica.iter().zip(&room);
                let replicas = replicas.flat_map(|(r, n)| std::iter::repeat_n(*r, *n));
                let system = self.system.select(replicas);
                let dynamics = Dynamics::none(&system);
                let engine = self.backend.engine(system, &dynamics)?;
                Batch { room, engine }
            }
        };
        self.engines.push(batch);
        let latest = self.engines.last_mut().expect("it was just added");
        Ok(&mut *latest.engine)
    }

    /// Checks the positions of an item.
    fn check(&self, item: &Item, positions: &[[f64; 3]]) -> Result<()> {
        let system = self.system.select([self.replica[item.molecule]]);
        let crowd = || {
            let schnet = system.schnet.as_ref()?;
            too_many_neighbors(positions, schnet.neighbor_radius(), schnet.max_num_neighbors)
        };
        let replica = item.number as u32;
        check_positions(&system, positions).and_then(|()| crowd().map_or(Ok(()), Err)).map_err(
            |error| match error {
                Error::Overlap { what, .. } => Error::Overlap { replica, what },
                Error::TooManyNeighbors { bead, found, limit, .. } => {
                    Error::TooManyNeighbors { replica, bead, found, limit }
                }
                other => other,
            },
        )
    }
}

impl Scores {
    /// The evaluations.
    ///
    /// # Errors
    /// The error of the first item without a result.
    pub fn into_result(mut self) -> Result<Vec<Evaluation>> {
        match self.failed.pop_first() {
            Some((_, error)) => Err(error),
            None => Ok(self.evaluations),
        }
    }

    /// NaN for every item.
    fn clear(&mut self, request: &Request, n_items: usize, n_beads: usize) {
        fn fill<T: Clone>(values: &mut Vec<T>, n: usize, value: T) {
            values.clear();
            values.resize(n, value);
        }
        self.failed.clear();
        self.evaluations.resize(request.terms.len(), Evaluation::default());
        let n_beads = if request.forces { n_beads } else { 0 };
        for of in &mut self.evaluations {
            fill(&mut of.energy, n_items, f64::NAN);
            fill(&mut of.forces, n_beads, [f64::NAN; 3]);
            fill(&mut of.bead_energy, n_beads, f64::NAN);
        }
    }

    /// Puts the evaluations of a batch to their items.
    fn put(&mut self, of_replica: &[&Item], found: &[Evaluation]) {
        for (all, found) in self.evaluations.iter_mut().zip(found) {
            let mut first = 0;
            for (item, energy) in of_replica.iter().zip(&found.energy) {
                let own = first..first + item.beads.len();
                first = own.end;
                all.energy[item.number] = *energy;
                if !found.forces.is_empty() {
                    all.forces[item.beads.clone()].copy_from_slice(&found.forces[own.clone()]);
                    all.bead_energy[item.beads.clone()].copy_from_slice(&found.bead_energy[own]);
                }
            }
        }
    }
}
