//! The schedule of replica exchange.

use super::observer::{Observer, Schedule};
use crate::engine::{Engine, Exchange, TRACE};
use crate::error::Result;

/// The exchanges of a run, and the steps of those whose labels were not read.
#[derive(Debug, Default)]
pub(super) struct Exchanging {
    schedule: Option<Schedule>,
    unread: Vec<u64>,
}

impl Exchanging {
    pub(super) fn new(exchange: Option<&Exchange>) -> Result<Self> {
        let schedule = exchange.map(|exchange| Schedule::new(exchange.every, None));
        Ok(Exchanging { schedule: schedule.transpose()?, unread: Vec::new() })
    }

    /// Whether some labels were not read.
    pub(super) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Forgets the exchanges whose labels were not read.
    pub(super) fn forget(&mut self) {
        self.unread.clear();
    }

    /// Advances an engine from step `from` by up to `n_steps`, with an exchange at every step of
    /// the schedule but the last. Returns the step that it reached: an engine keeps the labels of
    /// [`TRACE`] exchanges only.
    pub(super) fn advance(
        &mut self,
        engine: &mut dyn Engine,
        from: u64,
        n_steps: u64,
    ) -> Result<u64> {
        let end = from + n_steps;
        let mut step = from;
        loop {
            let next = self.schedule.map_or(end, |schedule| schedule.next(step).min(end));
            engine.advance(next - step)?;
            step = next;
            if step == end || self.unread.len() + 1 >= TRACE {
                return Ok(step);
            }
            self.exchange(engine, step)?;
        }
    }

    /// Exchanges states if the schedule has an exchange at this step.
    pub(super) fn exchange(&mut self, engine: &mut dyn Engine, step: u64) -> Result<()> {
        if self.schedule.is_some_and(|schedule| schedule.is_due(step)) {
            engine.exchange()?;
            self.unread.push(step);
        }
        Ok(())
    }

    /// Passes the labels that were read to the observers.
    pub(super) fn show(
        &mut self,
        trace: &[Vec<u32>],
        observers: &mut [(Schedule, &mut dyn Observer)],
    ) -> Result<()> {
        let shown = trace.len().min(self.unread.len());
        for (step, label) in self.unread.drain(..shown).zip(trace) {
            for (_, observer) in observers.iter_mut() {
                observer.exchanged(step, label)?;
            }
        }
        Ok(())
    }
}
