//! The loop of a run: pieces of steps, readings, and calls of the observers.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Instant;

#[cfg(doc)]
use super::Settings;
use super::energies::Energies;
use super::observer::{Attached, Control, Frame, Observer, Schedule, Wants};
use super::pace::Pace;
use super::{FRAME, Simulation};
use crate::engine::{Evaluation, Reading, Terms, Wanted};
use crate::error::{Error, Result};

/// Why a run ends early.
enum Failure {
    Error(Error),
    /// The panic of an observer.
    Panic(Box<dyn Any + Send>),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(error)
    }
}

impl Simulation {
    /// Calls `observer` in every run from now on, at every step that is a multiple of `every`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if `every` is 0 or no multiple of [`Settings::mts`].
    pub fn attach(&mut self, every: u64, observer: impl Observer + Send + 'static) -> Result<()> {
        self.observers.push(Attached(self.schedule(every, None)?, Box::new(observer)));
        Ok(())
    }

    /// Moves every replica by `n_steps` steps, or fewer if an observer stops the run. Returns the
    /// number of steps done.
    ///
    /// After an error or a panic of an observer the replicas are at a whole step, and the simulation can
    /// go on. The step can be later than that of the error; how much depends on the speed of the device.
    ///
    /// # Errors
    /// [`Error::BlowUp`] if a replica exceeds a limit of [`Settings::watch`], or, with
    /// [`OnBlowUp::Freeze`](crate::engine::OnBlowUp), if all replicas have done so;
    /// [`Error::TooManyNeighbors`]; [`Error::Invalid`] if the last step is no multiple of
    /// [`Settings::mts`]; errors of the device and of the observers.
    pub fn run(&mut self, n_steps: u64) -> Result<u64> {
        self.run_among(n_steps, Vec::new())
    }

    /// [`Simulation::run`] with one more observer, called at every step that is a multiple of
    /// `every`.
    ///
    /// # Errors
    /// See [`Simulation::run`]; [`Error::Invalid`] if `every` is 0 or no multiple of
    /// [`Settings::mts`].
    pub fn run_with(
        &mut self,
        n_steps: u64,
        every: u64,
        observer: &mut dyn Observer,
    ) -> Result<u64> {
        self.run_among(n_steps, vec![(every, observer)])
    }

    /// [`Simulation::run`] with more observers, each called at every step that is a multiple of its
    /// number.
    ///
    /// # Errors
    /// See [`Simulation::run_with`].
    pub fn run_among(
        &mut self,
        n_steps: u64,
        observers: Vec<(u64, &mut dyn Observer)>,
    ) -> Result<u64> {
        let scheduled = |(every, observer)| Ok((self.schedule(every, None)?, observer));
        let observers = observers.into_iter().map(scheduled).collect::<Result<_>>()?;
        self.catch_up()?;
        self.run_observed(self.step.saturating_add(n_steps), observers)
    }

    /// Runs until `last_step` steps are done in all, with one more observer. It is called at every
    /// step that is a multiple of `every`, and at the last step. Returns the number of steps done
    /// in this call.
    ///
    /// # Errors
    /// See [`Simulation::run`]; [`Error::Invalid`] if `every` is 0 or no multiple of
    /// [`Settings::mts`].
    pub fn run_to(
        &mut self,
        last_step: u64,
        every: u64,
        observer: &mut dyn Observer,
    ) -> Result<u64> {
        let schedule = self.schedule(every, Some(last_step))?;
        self.run_observed(last_step, vec![(schedule, observer)])
    }

    /// Reads the step, if the caller may have done steps on the engine.
    fn catch_up(&mut self) -> Result<()> {
        if self.lent {
            self.step = self.engine.read(Wanted::default())?.step;
            self.lent = false;
        }
        Ok(())
    }

    fn schedule(&self, every: u64, last: Option<u64>) -> Result<Schedule> {
        self.dynamics.check_steps("every", every)?;
        Schedule::new(every, last)
    }

    pub(super) fn run_observed(
        &mut self,
        last_step: u64,
        extra: Vec<(Schedule, &mut dyn Observer)>,
    ) -> Result<u64> {
        // The observers are moved out of `self`, which `drive` borrows as mutable.
        self.dynamics.check_steps("steps", last_step)?;
        self.catch_up()?;
        let mut attached = std::mem::take(&mut self.observers);
        let mut observers: Vec<(Schedule, &mut dyn Observer)> = Vec::new();
        for Attached(schedule, observer) in &mut attached {
            observers.push((*schedule, &mut **observer));
        }
        for (schedule, observer) in extra {
            observers.push((schedule, observer));
        }
        self.ahead = self.step;
        let result = self.drive(last_step, &mut observers);
        // After an error the engine may have done more steps than were shown, or fewer than begun.
        self.step = match &result {
            Ok(_) => self.ahead,
            Err(_) => self.engine.read(Wanted::default()).map_or(self.ahead, |found| found.step),
        };
        self.observers = attached;
        result.map_err(|failure| match failure {
            Failure::Error(error) => error,
            Failure::Panic(panic) => resume_unwind(panic),
        })
    }

    fn drive(
        &mut self,
        end: u64,
        observers: &mut [(Schedule, &mut dyn Observer)],
    ) -> std::result::Result<u64, Failure> {
        let start = self.step;
        let passive = observers.iter().all(|(_, observer)| observer.is_passive());
        let overlaps = passive && self.engine.is_asynchronous();
        let mut pace = self.pace;
        let (mut clock, mut stop) = (Instant::now(), false);
        loop {
            if self.ahead == self.step {
                if self.step >= end || stop {
                    break;
                }
                clock = Instant::now();
                self.advance_ahead(end, &pace, observers)?;
            }
            let at = self.ahead;
            let mut due = observers.iter().filter(|(schedule, _)| schedule.is_due(at)).peekable();
            let mut wanted = if due.peek().is_some() { FRAME } else { Wanted::default() };
            let wants = due.fold(Wants::default(), |all, (_, of)| all.or(of.wants()));
            wanted.forces = wants.forces;
            // The state at the end of a run is a good one also without a frame.
            wanted.state |= at >= end;
            self.engine.request(Wanted { trace: true, ..wanted })?;
            if overlaps && !wants.terms && !stop && at < end && pace.is_short() {
                // The device goes on while the observers work. Energies of terms are computed later,
                // from the state of the frame.
                self.exchanges.exchange(&mut *self.engine, at)?;
                self.advance_ahead(end, &pace, observers)?;
            }
            let reading = self.engine.collect()?;
            pace.measure((at - self.step) / u64::from(self.dynamics.mts), clock.elapsed());
            clock = Instant::now();
            self.step = reading.step;
            let tell = || self.tell(reading, wants, observers);
            let told = catch_unwind(AssertUnwindSafe(tell));
            if self.ahead == at {
                // Also if an observer fails, so that the state does not depend on observers.
                self.exchanges.exchange(&mut *self.engine, at)?;
            }
            stop |= told.map_err(Failure::Panic)??;
        }
        if self.exchanges.has_unread() {
            let reading = self.engine.read(Wanted { trace: true, ..Wanted::default() })?;
            let show = || self.exchanges.show(&reading.trace, observers);
            catch_unwind(AssertUnwindSafe(show)).map_err(Failure::Panic)??;
        }
        self.pace = pace;
        Ok(self.step - start)
    }

    /// Advances the engine by a piece of the run, up to the next frame or the end.
    fn advance_ahead(
        &mut self,
        end: u64,
        pace: &Pace,
        observers: &[(Schedule, &mut dyn Observer)],
    ) -> Result<()> {
        let next_frame = observers.iter().map(|(schedule, _)| schedule.next(self.ahead));
        let next = next_frame.min().unwrap_or(end).min(end);
        let steps = pace.steps().saturating_mul(u64::from(self.dynamics.mts));
        let piece = steps.min(next - self.ahead);
        self.ahead = self.exchanges.advance(&mut *self.engine, self.ahead, piece)?;
        Ok(())
    }

    /// Grants the requests of an observer. Returns whether it stops the run.
    fn obey(&mut self, control: Control) -> Result<bool> {
        if let Some(forces) = control.external_forces {
            self.engine.set_external_forces(forces.as_deref())?;
            self.watching.external = forces;
        }
        Ok(control.stop)
    }

    /// Passes a reading to the watch and to the observers. Returns whether one of them stops the run.
    fn tell(
        &mut self,
        reading: Reading,
        wants: Wants,
        observers: &mut [(Schedule, &mut dyn Observer)],
    ) -> Result<bool> {
        self.exchanges.show(&reading.trace, observers)?;
        let Simulation { watching, engine, system, biases, dynamics, .. } = self;
        watching.check(&mut **engine, (system, biases), dynamics, &reading.frozen)?;
        let mut stop = false;
        for (_, observer) in observers.iter_mut() {
            let mut control = Control::default();
            observer.progress(reading.step, &mut control)?;
            stop |= self.obey(control)?;
        }
        Ok(self.show(reading, wants, observers)? | stop)
    }

    /// Passes the frame of a reading, if it has one, to the observers that are due. Returns whether
    /// one of them stops the run.
    fn show(
        &mut self,
        Reading { state, evaluation, callback, observables, biases, work, second, .. }: Reading,
        wants: Wants,
        observers: &mut [(Schedule, &mut dyn Observer)],
    ) -> Result<bool> {
        let Some(state) = state else { return Ok(false) };
        if !observers.iter().any(|(schedule, _)| schedule.is_due(state.step)) {
            self.watching.good.take(&self.system, state);
            return Ok(false);
        }
        let Evaluation { energy, forces, .. } = evaluation;
        let callback = callback.unwrap_or_default().energy;
        let energies = Energies::new(&self.system, &self.dynamics, &state, energy, callback);
        self.watching.check_energies(&self.dynamics, &state, &energies.potential)?;
        let terms = if wants.terms { Terms::of(&self.system) } else { Vec::new() };
        let terms = terms.into_iter().map(|(_, term)| self.engine.energies(term));
        let terms = terms.collect::<Result<Vec<_>>>()?;
        let names = self.observables.iter().map(|(name, _)| name.clone());
        let observables: Vec<_> = names.zip(observables).collect();
        let biases = self.named(&biases, &work, &second);
        let bias_levels = self.bias_levels(&state);
        let frame = Frame {
            forces: &forces,
            terms: &terms,
            observables: &observables,
            biases: &biases,
            bias_levels: &bias_levels,
            ..Frame::new(&state, self.dynamics.dt, &energies)
        };
        let mut stop = false;
        for (schedule, observer) in observers.iter_mut() {
            if schedule.is_due(state.step) {
                let mut control = Control::default();
                observer.frame(&frame, &mut control)?;
                stop |= self.obey(control)?;
            }
        }
        self.watching.good.take(&self.system, state);
        Ok(stop)
    }
}
