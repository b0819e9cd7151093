//! Steps with a force callback. The host waits for the positions in every step, so no step is ever
//! pending.

use super::super::buffer::Fetch;
use super::super::kernel::{record, run};
use super::super::params::Walker;
use super::GpuEngine;
use crate::engine::{ForceCallback, check_callback};
use crate::error::Result;

impl GpuEngine {
    /// Replaces the callback.
    pub(super) fn replace_callback(
        &mut self,
        callback: Option<Box<dyn ForceCallback>>,
    ) -> Result<()> {
        check_callback(&self.dynamics, callback.as_deref())?;
        self.before_host_forces()?;
        self.make_range(callback.is_some() || self.host.has_external())?;
        self.host.set_callback(callback);
        self.write_host_forces()
    }

    /// Calls the callback, if there is one whose results are outdated, at the present positions.
    pub(super) fn update_callback(&mut self) -> Result<()> {
        match self.host.is_outdated() {
            true => self.call_after(None),
            false => Ok(()),
        }
    }

    /// The same at the positions within step `k` of an outer step.
    fn call_after(&mut self, k: Option<usize>) -> Result<()> {
        let (positions, frozen) = self.positions_after(k)?;
        self.host.call(&positions, &self.system.first_bead, |r| frozen[r])?;
        self.write_host_forces()
    }

    /// Runs the part of step `k` of an outer step up to the neighbor lists, or without `k` the lists
    /// alone. Returns the positions, and whether each replica is frozen. A list that overflowed is built
    /// again. The positions stay the same, so nothing else is repeated.
    pub(in crate::gpu) fn positions_after(
        &mut self,
        mut k: Option<usize>,
    ) -> Result<(Vec<[f64; 3]>, Vec<bool>)> {
        loop {
            let mut fetch = Fetch::new(&self.device);
            let step = self.step()?;
            let begin = k.take().map(|k| step.begin(self.given.as_ref(), k));
            record(&mut *fetch.commands, begin.into_iter().chain(&step.neighbors));
            let status = fetch.add(&self.neighbors.status);
            let (walkers, positions) =
                (fetch.add(self.state.walker()), fetch.add(self.state.position()));
            let found = fetch.run("waiting for positions")?;
            if self.settle_with(&found.take(status))? {
                continue;
            }
            let walkers: Vec<Walker> = found.take(walkers);
            let positions = self.state.positions(&found.take(positions), &walkers);
            let frozen = walkers.iter().map(|walker| walker.frozen(0).is_some()).collect();
            return Ok((positions, frozen));
        }
    }

    /// Does outer steps, with a call of the callback in each step. After an error the state is that
    /// before the outer step.
    pub(super) fn advance_with_callback(&mut self, n_outer: u64) -> Result<()> {
        self.complete()?;
        for _ in 0..n_outer {
            self.keep()?;
            if let Err(error) = self.outer_step_with_callback() {
                self.undo_outer_step();
                return Err(error);
            }
        }
        Ok(())
    }

    fn outer_step_with_callback(&mut self) -> Result<()> {
        self.update_callback()?;
        self.begin_outer_step()?;
        for k in 0..self.dynamics.mts as usize {
            self.call_after(Some(k))?;
            self.end_step(k)?;
        }
        self.end_outer_step()
    }

    /// Computes all forces that are not valid. The forces of the host are those of the positions.
    pub(in crate::gpu) fn begin_outer_step(&mut self) -> Result<()> {
        if !self.evaluations.are_valid() {
            // The forces need lists that did not overflow.
            self.update_lists()?;
        }
        let start = self.start_of_steps()?;
        self.device.submit(start)?;
        Ok(())
    }

    /// Runs the part of step `k` of an outer step after the neighbor lists.
    pub(in crate::gpu) fn end_step(&self, k: usize) -> Result<()> {
        run(&self.device, self.step()?.after_lists(self.given.as_ref(), k))
    }

    pub(in crate::gpu) fn end_outer_step(&mut self) -> Result<()> {
        let (step, end) = (self.step()?, self.step_count + u64::from(self.dynamics.mts));
        run(&self.device, step.anneal().into_iter().chain(step.deposit(end)))?;
        self.evaluations.all_valid();
        self.step_count = end;
        Ok(())
    }

    /// Restores the state from before the outer step, after an error in it.
    pub(in crate::gpu) fn undo_outer_step(&mut self) {
        self.evaluations.none_valid();
        self.host.outdate();
        let mut commands = self.device.api.commands();
        self.state.restore(&mut *commands);
        self.hills.iter().for_each(|hills| hills.restore(&mut *commands));
        // The first error is the one to tell.
        let _ = self.device.submit(commands);
    }
}
