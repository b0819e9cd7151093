//! Running the dynamics of many replicas: the interface for a host program.
//!
//! ```
//! use std::sync::Arc;
//! use flashschnet::backend::{Backend, Kind};
//! use flashschnet::model::{Model, Prior, PriorForm, PriorParameters};
//! use flashschnet::simulation::{Settings, Simulation};
//! use flashschnet::system::{Structure, Topology, TupleList};
//!
//! let bonds = Prior {
//!     name: "bonds".into(),
//!     form: PriorForm::HarmonicBond,
//!     parameters: PriorParameters::PerTuple { values: vec![50.0, 3.8, 0.0] },
//! };
//! let model = Model { schnet: None, priors: vec![bonds] };
//! let list = TupleList { name: "bonds".into(), order: 2, tuples: vec![[0, 1, 0, 0]] };
//! let topology = Topology { types: vec![1, 1], masses: vec![0.0287; 2], lists: vec![list] };
//! let structure = Structure {
//!     topology: Arc::new(topology),
//!     positions: vec![[0.0; 3], [3.8, 0.0, 0.0]],
//!     velocities: None,
//! };
//! let backend = Backend::open(Kind::Reference, None)?;
//! let settings = Settings { n_replicas: 4, ..Settings::default() };
//! let mut simulation = Simulation::new(&model, &[structure], &settings, &backend)?;
//! simulation.run(100)?;
//! assert_eq!(simulation.positions()?.len(), 8);
//! # Ok::<(), flashschnet::Error>(())
//! ```

mod observer;
mod start;

use std::time::{Duration, Instant};

pub use self::observer::{Control, Frame, Observer};
pub use self::start::Settings;

use crate::backend::Backend;
use crate::engine::{Dynamics, Engine, Evaluation, Integrator, State, Terms};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::system::{Structure, System};
use crate::units;

/// Nothing that holds together gets this far from the origin, Å; trajectory files end here too.
const FARTHEST: f64 = 1e7;

/// Energies of each replica.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Energies {
    /// kcal/mol.
    pub potential: Vec<f64>,
    /// ½ Σ m v², kcal/mol; NaN with the overdamped integrator, which has no velocities.
    pub kinetic: Vec<f64>,
    /// Of the kinetic energy in 3 N degrees of freedom, K.
    pub temperature: Vec<f64>,
}

/// Replicas in motion on a backend.
pub struct Simulation {
    engine: Box<dyn Engine>,
    system: System,
    masses: Vec<f64>,
    dynamics: Dynamics,
    observers: Vec<(u64, Box<dyn Observer>)>,
    step: u64,
}

impl Simulation {
    /// Sets up `settings.n_replicas` replicas of `structures`, in turn, on a backend.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first value of the model, the structures or the settings that
    /// is wrong; errors of the device.
    pub fn new(
        model: &Model,
        structures: &[Structure],
        settings: &Settings,
        backend: &Backend,
    ) -> Result<Self> {
        Self::with_engine(model, structures, settings, |system| backend.engine(system))
    }

    /// The same on an engine of the caller's making, for example on the host program's device.
    pub fn with_engine(
        model: &Model,
        structures: &[Structure],
        settings: &Settings,
        engine: impl FnOnce(System) -> Result<Box<dyn Engine>>,
    ) -> Result<Self> {
        let (structures, system) = start::replicas(model, structures, settings)?;
        let dynamics = start::dynamics(settings)?;
        dynamics.check(&system)?;
        let state = start::state(&structures, &dynamics);
        let mut engine = engine(system.clone())?;
        engine.set_dynamics(&dynamics)?;
        engine.set_state(&state)?;
        let masses = system.masses();
        Ok(Simulation { engine, system, masses, dynamics, observers: Vec::new(), step: 0 })
    }

    /// Calls `observer` in every run from now on, at every step that is a multiple of `every`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if `every` is 0.
    pub fn attach(&mut self, every: u64, observer: impl Observer + 'static) -> Result<()> {
        check_interval(every)?;
        self.observers.push((every, Box::new(observer)));
        Ok(())
    }

    /// Moves every replica `n_steps` steps, or until an attached observer stops the run. Returns
    /// the steps done.
    ///
    /// # Errors
    /// [`Error::BlowUp`] if a replica leaves the range of numbers, [`Error::TooManyNeighbors`],
    /// errors of the device and of the observers.
    pub fn run(&mut self, n_steps: u64) -> Result<u64> {
        self.run_observed(n_steps, None)
    }

    /// [`Simulation::run`] with one more observer, called at every step that is a multiple of
    /// `every`.
    ///
    /// # Errors
    /// As of [`Simulation::run`], and [`Error::Invalid`] if `every` is 0.
    pub fn run_with(
        &mut self,
        n_steps: u64,
        every: u64,
        observer: &mut dyn Observer,
    ) -> Result<u64> {
        check_interval(every)?;
        self.run_observed(n_steps, Some((every, observer)))
    }

    fn run_observed(
        &mut self,
        n_steps: u64,
        extra: Option<(u64, &mut dyn Observer)>,
    ) -> Result<u64> {
        // Observers see the simulation from inside its own run, so they are held apart from it.
        let mut attached = std::mem::take(&mut self.observers);
        let mut observers: Vec<(u64, &mut dyn Observer)> = Vec::new();
        for (every, observer) in &mut attached {
            observers.push((*every, &mut **observer));
        }
        if let Some((every, observer)) = extra {
            observers.push((every, observer));
        }
        let result = self.drive(n_steps, &mut observers);
        self.observers = attached;
        result
    }

    fn drive(&mut self, n_steps: u64, observers: &mut [(u64, &mut dyn Observer)]) -> Result<u64> {
        let start = self.step;
        let end = start.saturating_add(n_steps);
        let mut pace = Pace::default();
        while self.step < end {
            let next_frame = observers.iter().map(|(every, _)| (self.step / every + 1) * every);
            let next = next_frame.min().unwrap_or(end).min(end);
            let piece = pace.steps().min(next - self.step);
            let clock = Instant::now();
            self.engine.advance(piece)?;
            let state = self.engine.state()?;
            pace.measure(piece, clock.elapsed());
            let before = std::mem::replace(&mut self.step, state.step);
            for (_, observer) in observers.iter_mut() {
                observer.progress(state.step);
            }
            if observers.iter().any(|(every, _)| state.step.is_multiple_of(*every))
                && self.show(&state, before, observers)?
            {
                break;
            }
        }
        Ok(self.step - start)
    }

    /// Shows a frame to the observers that are due; says whether one of them wants to stop.
    fn show(
        &mut self,
        state: &State,
        last_good: u64,
        observers: &mut [(u64, &mut dyn Observer)],
    ) -> Result<bool> {
        let Energies { potential, kinetic, temperature } = self.energies_of(state)?;
        for (r, energy) in potential.iter().enumerate() {
            let positions = &state.positions[self.system.beads(r)];
            // NaN fails the comparison as well.
            let far = |x: &[f64; 3]| !x.iter().all(|x| x.abs() <= FARTHEST);
            let what = match positions.iter().position(far) {
                Some(bead) => format!("bead {bead} is at {:?} Å", positions[bead]),
                None if energy.is_finite() => continue,
                None => format!("its potential energy is {energy}"),
            };
            return Err(Error::BlowUp {
                replica: self.dynamics.replica_ids[r],
                first_step: last_good,
                last_step: state.step,
                what,
            });
        }
        let frame = Frame {
            step: state.step,
            time: state.step as f64 * self.dynamics.dt,
            positions: &state.positions,
            velocities: &state.velocities,
            potential: &potential,
            kinetic: &kinetic,
            temperature: &temperature,
        };
        let mut stop = false;
        for (every, observer) in observers.iter_mut() {
            if state.step.is_multiple_of(*every) {
                let mut control = Control::default();
                observer.frame(&frame, &mut control)?;
                if let Some(forces) = control.external_forces {
                    self.engine.set_external_forces(forces.as_deref())?;
                }
                stop |= control.stop;
            }
        }
        Ok(stop)
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Simulated time, ps.
    pub fn time(&self) -> f64 {
        self.step as f64 * self.dynamics.dt
    }

    /// The replicas and their molecules.
    pub fn system(&self) -> &System {
        &self.system
    }

    /// The equations of motion in use.
    pub fn dynamics(&self) -> &Dynamics {
        &self.dynamics
    }

    /// The engine, for what only it can tell: its device, its memory, the number of edges.
    /// Steps done behind the simulation's back are counted at the next [`Simulation::state`].
    pub fn engine(&mut self) -> &mut dyn Engine {
        &mut *self.engine
    }

    /// Positions, velocities and step, read back from the device.
    ///
    /// # Errors
    /// [`Error::BlowUp`] and errors of the device; so do all other reads.
    pub fn state(&mut self) -> Result<State> {
        let state = self.engine.state()?;
        self.step = state.step;
        Ok(state)
    }

    /// Replaces positions, velocities and step.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a count is wrong or a number is not finite.
    pub fn set_state(&mut self, state: &State) -> Result<()> {
        self.engine.set_state(state)?;
        self.step = state.step;
        Ok(())
    }

    /// Å, `[n_beads]` over all replicas.
    pub fn positions(&mut self) -> Result<Vec<[f64; 3]>> {
        Ok(self.state()?.positions)
    }

    /// Å/ps, `[n_beads]` over all replicas.
    pub fn velocities(&mut self) -> Result<Vec<[f64; 3]>> {
        Ok(self.state()?.velocities)
    }

    /// Replaces the positions, Å, `[n_beads]` over all replicas.
    pub fn set_positions(&mut self, positions: &[[f64; 3]]) -> Result<()> {
        let state = State { positions: positions.to_vec(), ..self.state()? };
        self.set_state(&state)
    }

    /// Replaces the velocities, Å/ps, `[n_beads]` over all replicas.
    pub fn set_velocities(&mut self, velocities: &[[f64; 3]]) -> Result<()> {
        let state = State { velocities: velocities.to_vec(), ..self.state()? };
        self.set_state(&state)
    }

    /// Forces added to the potential's until replaced, kcal/mol/Å, `[n_beads]` over all replicas;
    /// `None` removes them. They do no work in the reported energies.
    pub fn set_external_forces(&mut self, forces: Option<&[[f64; 3]]>) -> Result<()> {
        self.engine.set_external_forces(forces)
    }

    /// Potential and kinetic energy and temperature of each replica.
    pub fn energies(&mut self) -> Result<Energies> {
        let state = self.state()?;
        self.energies_of(&state)
    }

    fn energies_of(&mut self, state: &State) -> Result<Energies> {
        let potential = self.engine.potential()?;
        let mut energies = Energies { potential, ..Energies::default() };
        for r in 0..self.system.n_replicas() {
            let beads = self.system.beads(r);
            let kinetic = match self.dynamics.integrator {
                Integrator::Overdamped { .. } => f64::NAN,
                _ => kinetic(&self.masses[beads.clone()], &state.velocities[beads.clone()]),
            };
            energies.kinetic.push(kinetic);
            energies.temperature.push(units::temperature(kinetic, beads.len()));
        }
        Ok(energies)
    }

    /// Energies and forces of the present positions, of all terms or of one, without the external
    /// forces.
    pub fn evaluate(&mut self, terms: Terms) -> Result<Evaluation> {
        self.engine.evaluate(terms)
    }
}

/// ½ Σ m v².
fn kinetic(masses: &[f64], velocities: &[[f64; 3]]) -> f64 {
    let twice =
        velocities.iter().zip(masses).map(|(v, m)| m * v.iter().map(|v| v * v).sum::<f64>());
    0.5 * twice.sum::<f64>()
}

fn check_interval(every: u64) -> Result<()> {
    match every {
        0 => Err(Error::invalid("every", 0, "an interval of at least one step")),
        _ => Ok(()),
    }
}

/// Cuts a run in pieces of about half a second, so that progress is seen and a simulation that
/// blew up is noticed soon, however slow the device. The results do not depend on the cuts.
#[derive(Default)]
struct Pace {
    steps: u64,
}

impl Pace {
    const TARGET: Duration = Duration::from_millis(500);

    fn steps(&self) -> u64 {
        self.steps.max(1)
    }

    fn measure(&mut self, steps: u64, elapsed: Duration) {
        let fitting = Self::TARGET.as_secs_f64() / elapsed.as_secs_f64().max(1e-9) * steps as f64;
        self.steps = (fitting as u64).clamp(1, 2 * self.steps());
    }
}
