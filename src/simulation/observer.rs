//! Observers of a run: the frames they receive, and how they can control the run.

use std::collections::BTreeMap;
use std::fmt;

use super::energies::{BiasValues, Energies};
use crate::engine::{Frozen, State};
use crate::error::{Error, Result};

/// The replicas at one step.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Frame<'a> {
    /// Steps done.
    pub step: u64,
    /// ps.
    pub time: f64,
    /// Å, `[n_beads]` over all replicas.
    pub positions: &'a [[f64; 3]],
    /// Å/ps, `[n_beads]`; meaningless for the overdamped integrators.
    pub velocities: &'a [[f64; 3]],
    /// kcal/mol, `[n_replicas]`; NaN for a frozen replica.
    pub potential: &'a [f64],
    /// kcal/mol, `[n_replicas]`; NaN for the overdamped integrators.
    pub kinetic: &'a [f64],
    /// K, `[n_replicas]`; NaN for the overdamped integrators.
    pub temperature: &'a [f64],
    /// Energy of the force callback, kcal/mol, `[n_replicas]`; NaN for a frozen replica; empty without
    /// a callback.
    pub callback: &'a [f64],
    /// K, the temperature of the thermostat, `[n_replicas]`; empty unless it changes with the step.
    pub thermostat: &'a [f64],
    /// kcal/mol/Å, `[n_beads]`, without external forces, those of a callback and biases; empty if no
    /// observer wants them. Those of a frozen replica are meaningless.
    pub forces: &'a [[f64; 3]],
    /// kcal/mol, the energies of the replicas in each term of
    /// [`System::term_names`](crate::System::term_names), `[n_terms][n_replicas]`; NaN for a frozen
    /// replica; empty if no observer wants them.
    pub terms: &'a [Vec<f64>],
    /// Name and values of each observable
    /// ([`Simulation::set_observables`](super::Simulation::set_observables)), Å or rad,
    /// `[n_replicas]`; NaN for a frozen replica.
    pub observables: &'a [(String, Vec<f64>)],
    /// Value and energy of each bias ([`Simulation::set_biases`](super::Simulation::set_biases)).
    pub biases: &'a [BiasValues],
    /// kcal/mol, the energy that all biases would have for each state of the ladder at the positions
    /// of each replica, `[n_states][n_replicas]`; NaN for a frozen replica; empty without biases or
    /// without replica exchange.
    pub bias_levels: &'a [Vec<f64>],
    /// The state of each replica in its ladder, `[n_replicas]`; empty without replica exchange. The
    /// exchange of this step comes after the frame.
    pub label: &'a [u32],
    /// The frozen replicas, counted from 0 within the run. Their energies and temperatures are NaN,
    /// and their positions and velocities are those of the step at which they froze.
    pub frozen: &'a BTreeMap<usize, Frozen>,
}

impl<'a> Frame<'a> {
    /// The frame of a state with its energies, and nothing else. `dt` is the time step, ps.
    pub(super) fn new(state: &'a State, dt: f64, energies: &'a Energies) -> Self {
        Frame {
            step: state.step,
            time: state.step as f64 * dt,
            positions: &state.positions,
            velocities: &state.velocities,
            potential: &energies.potential,
            kinetic: &energies.kinetic,
            temperature: &energies.temperature,
            callback: &energies.callback,
            thermostat: &energies.thermostat,
            forces: &[],
            terms: &[],
            observables: &[],
            biases: &[],
            bias_levels: &[],
            label: &state.exchanged.label,
            frozen: &state.frozen,
        }
    }
}

/// The parts of a frame that are computed only if an observer wants them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wants {
    /// [`Frame::forces`]. The forces of a step are at hand on most backends, and are copied to the
    /// host.
    pub forces: bool,
    /// [`Frame::terms`]. Each term is an evaluation of its own, and a GPU does not compute the next
    /// steps before these are done. The forces of the next step are computed anew.
    pub terms: bool,
}

impl Wants {
    /// The parts that one of two observers wants.
    pub(super) fn or(self, other: Wants) -> Self {
        Wants { forces: self.forces || other.forces, terms: self.terms || other.terms }
    }
}

/// The requests of an observer to the run.
#[derive(Debug, Default)]
pub struct Control {
    pub(super) stop: bool,
    /// `Some` if the observer changes them.
    pub(super) external_forces: Option<Option<Vec<[f64; 3]>>>,
}

impl Control {
    /// Ends the run at this step.
    pub fn stop(&mut self) {
        self.stop = true;
    }

    /// Replaces the external forces from the next step on, kcal/mol/Å, `[n_beads]` over all
    /// replicas; `None` removes them. They are constant until they are replaced: see
    /// [`Simulation::set_external_forces`](super::Simulation::set_external_forces).
    pub fn set_external_forces(&mut self, forces: Option<Vec<[f64; 3]>>) {
        self.external_forces = Some(forces);
    }
}

/// Receives the frames of a run. Closures that take a [`Frame`] and a [`Control`] implement it.
pub trait Observer {
    /// Called at every step that is a multiple of the interval of this observer, and by
    /// [`Simulation::run_to`](super::Simulation::run_to) also at the end of the run.
    ///
    /// # Errors
    /// Any error ends the run, which returns it.
    fn frame(&mut self, frame: &Frame, control: &mut Control) -> Result<()>;

    /// Whether [`Observer::frame`] asks for nothing. If that holds for all observers of a run, a GPU
    /// computes the next steps while they work. [`Observer::progress`] may still stop the run, which
    /// then goes on to the end of these steps, with a frame there if one is due.
    fn is_passive(&self) -> bool {
        false
    }

    /// The parts of its frames that the observer wants.
    fn wants(&self) -> Wants {
        Wants::default()
    }

    /// Called after each exchange of states, in order, with its step and the labels after it, as in
    /// [`Frame::label`]. The calls may come later than the exchange, but come before the next frame
    /// and before the end of the run.
    ///
    /// # Errors
    /// Any error ends the run, which returns it.
    fn exchanged(&mut self, _step: u64, _label: &[u32]) -> Result<()> {
        Ok(())
    }

    /// Called with the number of steps done: before every frame, and between frames about twice a
    /// second, more often at the start of a run. The steps depend on the speed of the device, so an
    /// observer that changes forces here makes a run that cannot be repeated. An observer that
    /// stops the run here still gets the frame of this step, if one is due.
    ///
    /// # Errors
    /// Any error ends the run, which returns it.
    fn progress(&mut self, _step: u64, _control: &mut Control) -> Result<()> {
        Ok(())
    }
}

impl<F: FnMut(&Frame, &mut Control) -> Result<()>> Observer for F {
    fn frame(&mut self, frame: &Frame, control: &mut Control) -> Result<()> {
        self(frame, control)
    }
}

/// An observer of every run, and the steps at which it gets a frame.
pub(super) struct Attached(pub(super) Schedule, pub(super) Box<dyn Observer + Send>);

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The steps at which an observer gets a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    every: u64,
    /// One more step.
    last: Option<u64>,
}

impl Schedule {
    /// The multiples of `every`, and perhaps one more step.
    pub(super) fn new(every: u64, last: Option<u64>) -> Result<Self> {
        match every {
            0 => Err(Error::invalid("every", 0, "an interval of at least one step")),
            _ => Ok(Schedule { every, last }),
        }
    }

    pub(super) fn is_due(self, step: u64) -> bool {
        step.is_multiple_of(self.every) || self.last == Some(step)
    }

    /// The next multiple of the interval.
    pub(super) fn next(self, step: u64) -> u64 {
        (step / self.every + 1).saturating_mul(self.every)
    }
}
