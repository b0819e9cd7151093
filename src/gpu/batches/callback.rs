//! Forces of the host in batches. A callback computes those of all replicas at once, so the batches do
//! each step together.

use super::GpuBatches;
use crate::engine::Engine;
use crate::error::Result;

impl GpuBatches {
    /// Gives each engine the forces of the host on its replicas.
    pub(super) fn push_host_forces(&mut self) -> Result<()> {
        // An engine has room for the forces before a step begins.
        let none = || self.host.has_callback().then(|| vec![[0.0; 3]; self.system.n_beads()]);
        let forces = self.host.sum().map(<[_]>::to_vec).or_else(none);
        self.each(|batch, engine| {
            let own = forces.as_deref().map(|forces| batch.of_beads(forces));
            engine.set_external_forces(own.as_deref())
        })?;
        Ok(())
    }

    /// Calls the callback, if there is one whose results are outdated, at the present positions.
    pub(super) fn update_callback(&mut self) -> Result<()> {
        match self.host.is_outdated() {
            true => self.call_after(None),
            false => Ok(()),
        }
    }

    /// Runs the part of step `k` of an outer step up to the neighbor lists, or without `k` the lists
    /// alone, and calls the callback at the positions.
    fn call_after(&mut self, k: Option<usize>) -> Result<()> {
        let found = self.each(|_, engine| engine.positions_after(k))?;
        let positions = self.division.beads(|b| &found[b].0);
        let frozen = self.division.replicas(|b| &found[b].1);
        self.host.call(&positions, &self.system.first_bead, |r| frozen[r])?;
        self.push_host_forces()
    }

    /// Does outer steps, with a call of the callback in each step. After an error the state is that
    /// before the outer step.
    pub(super) fn advance_with_callback(&mut self, n_outer: u64) -> Result<()> {
        self.each(|_, engine| engine.complete())?;
        for _ in 0..n_outer {
            self.each(|_, engine| engine.keep())?;
            if let Err(error) = self.outer_step_with_callback() {
                self.engines.iter_mut().for_each(|engine| engine.undo_outer_step());
                self.host.outdate();
                return Err(error);
            }
        }
        Ok(())
    }

    fn outer_step_with_callback(&mut self) -> Result<()> {
        self.update_callback()?;
        self.each(|_, engine| engine.begin_outer_step())?;
        for k in 0..self.dynamics.mts as usize {
            self.call_after(Some(k))?;
            self.each(|_, engine| engine.end_step(k))?;
        }
        self.each(|_, engine| engine.end_outer_step())?;
        Ok(())
    }
}
