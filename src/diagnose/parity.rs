//! Two backends on the same input: the differences of their results, and the speed of each.
//!
//! ```
//! use flashschnet::diagnose::parity::{Job, Pair};
//! use flashschnet::engine::Filter;
//! use flashschnet::{Backend, BackendKind};
//!
//! let cpu = Backend::open(BackendKind::Cpu, None)?;
//! let reference = Backend::open(BackendKind::Reference, None)?.with_filter(Filter::TABLE);
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
use crate::diagnose::verify::{Apart, Start, rms, start_of};
use crate::engine::{Engine, KernelTime, Terms};
use crate::error::{Error, Result};
use crate::model::{Model, SCHNET};
use crate::simulation::{Settings, Simulation};
use crate::structure::Structure;

/// The input of both backends.
#[derive(Debug, Clone)]
pub struct Job {
    /// A description of the input.
    pub name: String,
    /// The model.
    pub model: Model,
    /// The structures from which the replicas start.
    pub structures: Vec<Structure>,
    /// The number of replicas and their dynamics.
    pub settings: Settings,
}

/// The differences of the energies and forces of a term.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// The name of the term: `total`, the network or a prior.
    pub term: String,
    /// The differences of the energies of replicas, kcal/mol.
    pub energy: Apart,
    /// The differences of force components, in units of the root mean square of the first backend's
    /// force components.
    pub forces: Apart,
}

/// The difference of two trajectories with the same random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Distance {
    /// The number of steps.
    pub step: u64,
    /// The differences of position components, Å.
    pub positions: Apart,
}

/// The speed of both backends.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Speed {
    /// The wall-clock time of a step.
    pub ms_per_step: [f64; 2],
    /// Microseconds per step for each kernel, in the order of the first backend's step. The time is
    /// 0 if a backend has no kernel of that name. The list is empty if a backend cannot measure
    /// kernels.
    pub kernels: Vec<(&'static str, [f64; 2])>,
}

/// The simulations of a job on two backends.
pub struct Pair {
    sides: [Simulation; 2],
    terms: Vec<(String, Terms)>,
}

/// The shortest time that is measured for each backend.
const SECONDS: f64 = 0.5;
/// The number of steps in which kernels are timed.
const PROFILED_STEPS: u64 = 100;

impl Job {
    /// A job of `n_replicas` replicas of the built-in system at 300 K.
    pub fn builtin(n_replicas: usize) -> Self {
        Job {
            name: format!("built-in system, {n_replicas} replicas"),
            model: builtin::model(),
            structures: vec![builtin::structure()],
            settings: Settings { n_replicas, ..Settings::default() },
        }
    }

    /// The job of the reference case whose manifest is at `path`. For a trajectory, the job uses
    /// its dynamics and initial velocities, but not its random numbers. For a static case, the job
    /// uses the default settings.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first error in the files of the case; [`Error::Unsupported`]
    /// for another kind of case.
    pub fn of_case(path: &Path) -> Result<Self> {
        let Start { model, structures, settings } = start_of(path)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Job { name, model, structures, settings })
    }
}

impl Pair {
    /// Sets up the job on both backends, which should have the same filters and the same precision.
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

    /// A description of the device of each backend.
    pub fn devices(&mut self) -> [String; 2] {
        self.sides.each_mut().map(|side| side.engine().device())
    }

    fn both<T>(&mut self, mut ask: impl FnMut(&mut dyn Engine) -> Result<T>) -> Result<[T; 2]> {
        let [a, b] = &mut self.sides;
        Ok([ask(a.engine())?, ask(b.engine())?])
    }

    /// The differences of energies and forces at the present positions: first of the sum of all
    /// terms, then of each term.
    ///
    /// # Errors
    /// See [`Engine::evaluate`].
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

    /// Runs `n_steps` steps on both backends. Returns the differences of the positions after 1, 2,
    /// 5, 10, … steps and at the end.
    ///
    /// # Errors
    /// See [`Engine::advance`] and [`Engine::state`].
    pub fn distances(&mut self, n_steps: u64) -> Result<Vec<Distance>> {
        let decades = (0..=18).map(|k| 10_u64.pow(k));
        let looks = decades.flat_map(|ten| [ten, 2 * ten, 5 * ten]);
        let looks = looks.take_while(|step| *step < n_steps).chain([n_steps]);
        let (mut done, mut distances) = (0, Vec::new());
        for step in looks {
            let [a, b] = self.both(|engine| {
                engine.advance(step - done)?;
                engine.settle()?;
                engine.state()
            })?;
            done = step;
            let [a, b] = [a.positions.as_flattened(), b.positions.as_flattened()];
            distances.push(Distance { step, positions: Apart::of(a, b) });
        }
        Ok(distances)
    }

    /// Measures the times of steps and of their kernels on both backends.
    ///
    /// # Errors
    /// See [`Engine::advance`] and [`Engine::state`].
    pub fn speed(&mut self) -> Result<Speed> {
        let ms_per_step = self.both(ms_per_step)?;
        let profiles = self.both(|engine| match engine.probe().profile(PROFILED_STEPS) {
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

/// Measures the wall-clock time of a step in runs of 1, 2, 4, … steps. Only the first run that
/// lasts [`SECONDS`] counts; the shorter runs before it warm up the device.
fn ms_per_step(engine: &mut dyn Engine) -> Result<f64> {
    engine.advance(1)?;
    engine.settle()?;
    let mut steps = 1;
    loop {
        let clock = Instant::now();
        engine.advance(steps)?;
        engine.settle()?;
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
