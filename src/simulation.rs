//! The dynamics of many replicas: the interface for host programs.
//!
//! ```
//! use std::sync::Arc;
//! use flashschnet::model::{Prior, PriorForm, PriorParameters};
//! use flashschnet::structure::{Topology, TupleList};
//! use flashschnet::{Backend, BackendKind, Model, Settings, Simulation, Structure};
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
//! let backend = Backend::open(BackendKind::Reference, None)?;
//! let settings = Settings { n_replicas: 4, ..Settings::default() };
//! let mut simulation = Simulation::new(&model, &[structure], &settings, &backend)?;
//! simulation.run(100)?;
//! assert_eq!(simulation.positions()?.len(), 8);
//! # Ok::<(), flashschnet::Error>(())
//! ```

mod biases;
mod blow_up;
mod change;
mod clash;
mod drive;
mod energies;
mod exchanging;
mod last_good;
mod observables;
mod observer;
mod pace;
mod resonance;
mod start;
mod tuning;

use self::blow_up::Watching;
pub use self::energies::{BiasValues, Energies};
use self::exchanging::Exchanging;
pub use self::last_good::{LastGood, Reset, Velocities};
use self::observer::Attached;
pub use self::observer::{Control, Frame, Observer, Wants};
use self::pace::Pace;
pub use self::resonance::fastest_vibration;
pub use self::start::Settings;
use std::collections::BTreeMap;

use crate::backend::Backend;
use crate::bias::Bias;
use crate::engine::{
    Dynamics, Engine, Evaluation, ForceCallback, Minimization, Minimized, State, Terms, Wanted,
};
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
#[cfg(feature = "wgpu")]
use crate::gpu::{self, GpuPositions};
use crate::model::Model;
use crate::structure::Structure;
use crate::system::System;
use crate::variable::Variable;

/// The quantities to read from the engine for a frame.
const FRAME: Wanted = Wanted {
    state: true,
    hills: false,
    energies: Some(Terms::Total),
    forces: false,
    trace: false,
    observables: true,
    biases: true,
};

/// Replicas in motion on a backend. A simulation can go to another thread.
#[derive(Debug)]
pub struct Simulation {
    engine: Box<dyn Engine>,
    system: System,
    dynamics: Dynamics,
    observers: Vec<Attached>,
    observables: Vec<(String, Variable)>,
    biases: Vec<Bias>,
    step: u64,
    /// Whether the caller has had the engine since the last run, and may have done steps on it.
    lent: bool,
    /// The steps of a run that the engine has begun.
    ahead: u64,
    /// The latest length of the pieces of a run.
    pace: Pace,
    exchanges: Exchanging,
    watching: Watching,
    minimized: Vec<Minimized>,
}

impl Simulation {
    /// Sets up `settings.n_replicas` replicas on a backend; they start from `structures` in turn.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first wrong value of the model, the structures or the settings,
    /// also if [`Settings::mts`] is at or beyond the resonance with [`fastest_vibration`];
    /// [`Error::BlowUp`] a start whose forces would throw a bead away in the first step, or with a
    /// bond beyond the limit of [`Settings::watch`]; errors of the device.
    pub fn new(
        model: &Model,
        structures: &[Structure],
        settings: &Settings,
        backend: &Backend,
    ) -> Result<Self> {
        Self::with_engine(model, structures, settings, |system, dynamics| {
            backend.engine(system, dynamics)
        })
    }

    /// The same, with an engine that the caller makes from the system and its dynamics.
    ///
    /// # Errors
    /// See [`Simulation::new`].
    pub fn with_engine(
        model: &Model,
        structures: &[Structure],
        settings: &Settings,
        engine: impl FnOnce(System, &Dynamics) -> Result<Box<dyn Engine>>,
    ) -> Result<Self> {
        let (numbers, system) = start::replicas(model, structures, settings)?;
        let dynamics = start::dynamics(settings)?;
        dynamics.check(&system)?;
        let state = start::state((structures, &numbers), &system, settings, &dynamics)?;
        let mut engine = engine(system.clone(), &dynamics)?;
        engine.set_state(&state)?;
        engine.set_biases(&settings.biases)?;
        let (mut state, mut minimized) = (state, Vec::new());
        if let Some(minimization) = &settings.minimize {
            minimized = engine.minimize(minimization)?;
            state = engine.state()?;
        }
        if settings.check_start {
            clash::check(&mut *engine, (&system, &settings.biases), &dynamics, &state.beta)?;
            resonance::check((&system, &settings.biases), &dynamics, &state.positions)?;
        }
        Ok(Simulation {
            engine,
            system,
            dynamics,
            observers: Vec::new(),
            observables: Vec::new(),
            biases: settings.biases.clone(),
            step: 0,
            lent: false,
            ahead: 0,
            pace: Pace::default(),
            exchanges: Exchanging::new(settings.exchange.as_ref())?,
            watching: Watching::new(state, None),
            minimized,
        })
    }

    /// The results of [`Settings::minimize`], one for each replica; empty without it.
    pub fn minimized(&self) -> &[Minimized] {
        &self.minimized
    }

    /// Minimizes the energy of every replica, with external forces and biases, each until it has
    /// converged. Velocities, temperatures and the step stay. Frozen replicas do not move.
    ///
    /// # Errors
    /// See [`Engine::minimize`]. Then the state is what it was.
    pub fn minimize(&mut self, minimization: &Minimization) -> Result<Vec<Minimized>> {
        let results = self.engine.minimize(minimization)?;
        let state = self.engine.state()?;
        self.replace(state)?;
        Ok(results)
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

    /// The engine, for example to ask for its device or its memory. Steps that the caller does on
    /// the engine itself are not in [`Simulation::step`] before the next run or reading. For all else
    /// that is set, the simulation has functions of its own, and knows nothing of what is set here, such
    /// as biases, observables, and readings that are requested and not collected.
    pub fn engine(&mut self) -> &mut dyn Engine {
        self.lent = true;
        &mut *self.engine
    }

    /// The whole state, read back from the device.
    ///
    /// # Errors
    /// [`Error::TooManyNeighbors`] and errors of the device, as for every read.
    pub fn state(&mut self) -> Result<State> {
        let state = self.engine.state()?;
        self.step = state.step;
        Ok(state)
    }

    fn state_without_hills(&mut self) -> Result<State> {
        let reading = self.engine.read(Wanted { state: true, ..Wanted::default() })?;
        self.step = reading.step;
        Ok(reading.state.unwrap_or_default())
    }

    /// Replaces the whole state, with its origins and temperatures.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a count is wrong or a number is out of range.
    pub fn set_state(&mut self, state: &State) -> Result<()> {
        self.put(state)?;
        self.watching = Watching::new(state.clone(), self.watching.external.take());
        Ok(())
    }

    fn put(&mut self, state: &State) -> Result<()> {
        self.engine.set_state(state)?;
        self.step = state.step;
        self.exchanges.forget();
        self.watching.forget_but(&state.frozen);
        Ok(())
    }

    /// The last good state of each replica.
    pub fn last_good(&self) -> &LastGood {
        &self.watching.good
    }

    /// Replaces the state. Replicas that are frozen keep their last good state.
    fn replace(&mut self, state: State) -> Result<()> {
        self.put(&state)?;
        self.watching.good.take(&self.system, state);
        Ok(())
    }

    /// The positions in the memory of the GPU, for a program that shares its device: all replicas in one
    /// buffer, or in a few. They are there without a copy; see [`GpuPositions`] for what may be done with
    /// them.
    ///
    /// # Errors
    /// [`Error::Unsupported`] on a backend that does not compute through wgpu.
    #[cfg(feature = "wgpu")]
    pub fn gpu_positions(&self) -> Result<Vec<GpuPositions>> {
        gpu::positions(&*self.engine)
    }

    /// Å, `[n_beads]` over all replicas.
    ///
    /// # Errors
    /// See [`Simulation::state`].
    pub fn positions(&mut self) -> Result<Vec<[f64; 3]>> {
        Ok(self.state_without_hills()?.positions)
    }

    /// Å/ps, `[n_beads]` over all replicas.
    ///
    /// # Errors
    /// See [`Simulation::state`].
    pub fn velocities(&mut self) -> Result<Vec<[f64; 3]>> {
        Ok(self.state_without_hills()?.velocities)
    }

    /// Replaces the positions, Å, `[n_beads]` over all replicas. Frozen replicas move again;
    /// [`Simulation::reset`] changes one replica.
    ///
    /// # Errors
    /// See [`Simulation::set_state`].
    pub fn set_positions(&mut self, positions: &[[f64; 3]]) -> Result<()> {
        self.engine.set_positions(positions)?;
        self.watching.good.place(&self.system, positions);
        self.watching.forget_but(&BTreeMap::new());
        Ok(())
    }

    /// Sets constant external forces, kcal/mol/Å, `[n_beads]` over all replicas. They are added to
    /// the forces of the potential until they are replaced; `None` removes them. The reported
    /// potential energy does not include them.
    ///
    /// Forces that depend on positions need [`Simulation::set_force_callback`]. If an observer
    /// computes them and sets them here, the second half kick of a step has the forces of the
    /// positions before it. That heats the system.
    ///
    /// # Errors
    /// See [`Engine::set_external_forces`].
    pub fn set_external_forces(&mut self, forces: Option<&[[f64; 3]]>) -> Result<()> {
        self.engine.set_external_forces(forces)?;
        self.watching.external = forces.map(<[_]>::to_vec);
        Ok(())
    }

    /// Sets a function of the host program whose forces are added to those of the potential in every
    /// step, also while observers see frames; `None` removes it. A GPU waits for the host in every
    /// step. [`Energies::callback`] and [`Frame::callback`] have its energies, which the potential
    /// energy does not include.
    ///
    /// It is not part of a state or a [`Checkpoint`](crate::Checkpoint): a program that continues a
    /// run sets it again.
    ///
    /// # Errors
    /// See [`Engine::set_force_callback`]. [`Simulation::run`] returns the errors of the callback.
    pub fn set_force_callback(&mut self, callback: Option<Box<dyn ForceCallback>>) -> Result<()> {
        self.engine.set_force_callback(callback)
    }

    /// Potential and kinetic energy, temperature, and energy of the force callback of each replica.
    ///
    /// # Errors
    /// See [`Simulation::state`].
    pub fn energies(&mut self) -> Result<Energies> {
        let reading = self.engine.read(FRAME)?;
        self.step = reading.step;
        let state = reading.state.unwrap_or_default();
        let callback = reading.callback.unwrap_or_default().energy;
        let energy = reading.evaluation.energy;
        Ok(Energies::new(&self.system, &self.dynamics, &state, energy, callback))
    }

    /// Energies and forces at the current positions, of all terms or of one term. External forces and
    /// those of a callback are not included, and biases only as [`Terms::Bias`].
    ///
    /// # Errors
    /// See [`Engine::read`].
    pub fn evaluate(&mut self, terms: Terms) -> Result<Evaluation> {
        self.engine.evaluate(terms)
    }
}
