//! Two backends on the same input: how far apart they are, and how fast each is.
//!
//! ```
//! use flashschnet::backend::{Backend, Kind};
//! use flashschnet::engine::Filter;
//! use flashschnet::parity::{Job, Pair};
//!
//! let cpu = Backend::open(Kind::Cpu, None)?;
//! let reference = Backend::open(Kind::Reference, None)?.with_filter(Filter::TABLE);
//! let job = Job::builtin(1);
//! let mut pair = Pair::new(&job, [&cpu, &reference])?;
//! let forces = &pair.differences()?[0].forces;
//! assert!(forces.rms < 1e-5);
//! # Ok::<(), flashschnet::Error>(())
//! ```

use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use crate::backend::Backend;
use crate::builtin;
use crate::engine::{Engine, KernelTime, Terms};
use crate::error::{Error, Result};
use crate::model::{Model, SCHNET};
use crate::simulation::{Settings, Simulation};
use crate::system::Structure;
use crate::verify::{Apart, Start, rms, start_of};

/// What both backends are given.
#[derive(Debug, Clone)]
pub struct Job {
    /// In words.
    pub name: String,
    /// The potential.
    pub model: Model,
    /// Where replicas start.
    pub structures: Vec<Structure>,
    /// How they move.
    pub settings: Settings,
}

/// How far apart the energies and forces of a term are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// `total`, the network or a prior.
    pub term: String,
    /// Energies of replicas, kcal/mol.
    pub energy: Apart,
    /// Components of forces, in parts of the root mean square of the first backend's.
    pub forces: Apart,
}

/// How far apart two trajectories of the same random numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Distance {
    /// Steps done.
    pub step: u64,
    /// Components of positions, Å.
    pub positions: Apart,
}

/// Times of both backends.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Speed {
    /// Whole steps, by the clock.
    pub ms_per_step: [f64; 2],
    /// Microseconds in a step by kernel, in the order of the first backend's step; none if either
    /// cannot tell. 0 where a backend has no kernel of that name.
    pub kernels: Vec<(&'static str, [f64; 2])>,
}

/// Two backends at work on a job.
pub struct Pair {
    sides: [Simulation; 2],
    terms: Vec<(String, Terms)>,
}

/// The clock runs at least so long for each backend.
const SECONDS: f64 = 0.5;
/// Steps whose kernels are timed.
const PROFILED_STEPS: u64 = 100;

impl Job {
    /// Replicas of the built-in system at 300 K.
    pub fn builtin(n_replicas: usize) -> Self {
        Job {
            name: format!("built-in system, {n_replicas} replicas"),
            model: builtin::model(),
            structures: vec![builtin::structure()],
            settings: Settings { n_replicas, ..Settings::default() },
        }
    }

    /// The replicas of the reference case whose manifest is at `path`; they move as a trajectory
    /// does, from its velocities and with random numbers of their own, or else as by default.
    ///
    /// # Errors
    /// What is wrong with its files, by name; [`Error::Unsupported`] for a case of another kind.
    pub fn of_case(path: &Path) -> Result<Self> {
        let Start { model, structures, settings } = start_of(path)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Job { name, model, structures, settings })
    }
}

impl Pair {
    /// Sets the job up on both backends, which should take filters and precision alike.
    ///
    /// # Errors
    /// See [`Simulation::new`].
    pub fn new(job: &Job, [a, b]: [&Backend; 2]) -> Result<Self> {
        let make = |backend| Simulation::new(&job.model, &job.structures, &job.settings, backend);
        let network = job.model.schnet.iter().map(|_| (SCHNET.to_owned(), Terms::Network));
        let priors = job.model.priors.iter().enumerate();
        let priors = priors.map(|(k, prior)| (prior.name.clone(), Terms::Prior(k)));
        let total = [("total".to_owned(), Terms::Total)].into_iter();
        let terms = total.chain(network).chain(priors).collect();
        Ok(Pair { sides: [make(a)?, make(b)?], terms })
    }

    /// What the backends run on, in words.
    pub fn devices(&mut self) -> [String; 2] {
        self.sides.each_mut().map(|side| side.engine().device())
    }

    fn both<T>(&mut self, mut ask: impl FnMut(&mut dyn Engine) -> Result<T>) -> Result<[T; 2]> {
        let [a, b] = &mut self.sides;
        Ok([ask(a.engine())?, ask(b.engine())?])
    }

    /// How far apart energies and forces are where replicas stand, the sum of all terms first.
    ///
    /// # Errors
    /// Of the backends, as [`Engine::evaluate`].
    pub fn differences(&mut self) -> Result<Vec<Difference>> {
        let mut differences = Vec::new();
        for (term, terms) in self.terms.clone() {
            let [a, b] = self.both(|engine| engine.evaluate(terms))?;
            let [forces_a, forces_b] = [a.forces.as_flattened(), b.forces.as_flattened()];
            differences.push(Difference {
                term,
                energy: Apart::of(&a.energy, &b.energy),
                forces: Apart::of(forces_a, forces_b).over(rms(forces_a)),
            });
        }
        Ok(differences)
    }

    /// Moves both and says how far apart they are after 1, 2, 5, 10 … steps and at the end.
    ///
    /// # Errors
    /// Of the backends, as [`Engine::advance`] and [`Engine::state`].
    pub fn distances(&mut self, n_steps: u64) -> Result<Vec<Distance>> {
        let decades = (0..=18).map(|k| 10_u64.pow(k));
        let looks = decades.flat_map(|ten| [ten, 2 * ten, 5 * ten]);
        let looks = looks.take_while(|step| *step < n_steps).chain([n_steps]);
        let (mut done, mut distances) = (0, Vec::new());
        for step in looks {
            let [a, b] = self.both(|engine| {
                engine.advance(step - done)?;
                engine.state()
            })?;
            done = step;
            let [a, b] = [a.positions.as_flattened(), b.positions.as_flattened()];
            distances.push(Distance { step, positions: Apart::of(a, b) });
        }
        Ok(distances)
    }

    /// Moves both for some time, and says how long steps and their kernels take.
    ///
    /// # Errors
    /// Of the backends, as [`Engine::advance`] and [`Engine::state`].
    pub fn speed(&mut self) -> Result<Speed> {
        let ms_per_step = self.both(ms_per_step)?;
        let profiles = self.both(|engine| match engine.profile(PROFILED_STEPS) {
            Err(Error::Unsupported { .. }) => Ok(None),
            times => times.map(Some),
        })?;
        let kernels = match &profiles {
            [Some(a), Some(b)] => by_kernel([a, b]),
            _ => Vec::new(),
        };
        Ok(Speed { ms_per_step, kernels })
    }
}

/// Steps by the clock: runs of 1, 2, 4 … steps until one lasts long enough, which those before it
/// have warmed up for.
fn ms_per_step(engine: &mut dyn Engine) -> Result<f64> {
    engine.advance(1)?;
    engine.state()?;
    let mut steps = 1;
    loop {
        let clock = Instant::now();
        engine.advance(steps)?;
        engine.state()?;
        let seconds = clock.elapsed().as_secs_f64();
        if seconds >= SECONDS {
            return Ok(1e3 * seconds / steps as f64);
        }
        steps *= 2;
    }
}

fn by_kernel(profiles: [&Vec<KernelTime>; 2]) -> Vec<(&'static str, [f64; 2])> {
    let mut kernels: Vec<(&'static str, [f64; 2])> = Vec::new();
    for (side, times) in profiles.into_iter().enumerate() {
        for (name, calls) in KernelTime::by_kernel(times) {
            let microseconds = calls.iter().map(|call| call.microseconds).sum();
            match kernels.iter_mut().find(|(known, _)| *known == name) {
                Some((_, times)) => times[side] = microseconds,
                None => {
                    let mut times = [0.0; 2];
                    times[side] = microseconds;
                    kernels.push((name, times));
                }
            }
        }
    }
    kernels
}
