//! Exchanges on their way to the device.

use super::super::exchange::Exchanges;
use super::super::kernel::{record, run};
use super::GpuEngine;
use crate::engine::{Exchange, check_given};
use crate::error::Result;

impl GpuEngine {
    /// Whether the device has steps or exchanges that the host has not checked.
    pub(super) fn has_pending(&self) -> bool {
        let exchanges = self.exchanges.as_ref();
        self.pending > 0 || exchanges.is_some_and(|exchanges| !exchanges.pending.is_empty())
    }

    pub(super) fn nothing_pending(&mut self) {
        self.pending = 0;
        self.exchanges.iter_mut().for_each(|exchanges| exchanges.pending.clear());
    }

    /// Exchanges done, with those that were only submitted.
    pub(in crate::gpu) fn exchange_count(&self) -> u64 {
        self.exchanges.as_ref().map_or(0, Exchanges::count)
    }

    /// Submits an exchange, and before it all forces, whose kernels compute the energies, if these
    /// are not valid.
    pub(super) fn submit_exchange(&mut self) -> Result<()> {
        let submitted = self.try_submit_exchange();
        if submitted.is_err() {
            self.evaluations.none_valid();
        }
        submitted
    }

    fn try_submit_exchange(&mut self) -> Result<()> {
        let mut commands = self.start_of_steps()?;
        let step = self.step()?;
        let Some(exchanges) = &self.exchanges else { return Ok(()) };
        record(&mut *commands, [&step.energy].into_iter().chain(&exchanges.drawn));
        let submission = self.device.submit(commands)?;
        self.evaluations.bias_invalid();
        let steps = self.pending;
        self.exchanges.iter_mut().for_each(|exchanges| exchanges.submitted(steps));
        match self.earlier.replace(submission) {
            Some(earlier) => self.device.wait_for(earlier, "exchanging"),
            None => Ok(()),
        }
    }

    /// Replaces the temperatures of the states.
    pub(super) fn replace_ladders(&mut self, exchange: &Exchange) -> Result<()> {
        self.complete()?;
        // Pending exchanges that must be repeated need the old temperatures.
        if self.has_pending() {
            self.look()?;
        }
        self.dynamics.set_ladders(&self.system, exchange)?;
        self.exchanges.iter().try_for_each(|exchanges| exchanges.set_rungs(&self.device, exchange))
    }

    /// Restores the state from before the pending steps and exchanges, and submits them again.
    pub(super) fn repeat(&mut self) -> Result<()> {
        let steps = std::mem::take(&mut self.pending);
        let mut commands = self.device.api.commands();
        self.state.restore(&mut *commands);
        self.hills.iter().for_each(|hills| hills.restore(&mut *commands));
        let exchanges = self.exchanges.as_mut();
        let exchanges = exchanges.map(|exchanges| exchanges.restore(&mut *commands));
        self.device.submit(commands)?;
        self.step_count -= steps;
        for before in exchanges.unwrap_or_default() {
            self.submit_steps(before - self.pending)?;
            self.submit_exchange()?;
        }
        self.submit_steps(steps - self.pending)
    }

    /// One exchange with the given energies and uniform numbers.
    pub(super) fn exchange_given(&mut self, energies: &[f64], uniforms: &[f64]) -> Result<()> {
        self.look()?;
        let ladders = self.dynamics.exchange()?;
        let Some(exchanges) = &mut self.exchanges else { return Ok(()) };
        let n_replicas = self.system.n_replicas();
        check_given(ladders, exchanges.count(), n_replicas, energies, uniforms)?;
        let parts = |energy: &f64| {
            let sum = *energy as f32;
            [sum, (energy - f64::from(sum)) as f32]
        };
        let energies: Vec<_> = energies.iter().map(parts).collect();
        self.state.energy.write(&self.device, &energies)?;
        exchanges.give(&self.device, uniforms)?;
        run(&self.device, &exchanges.asked)?;
        exchanges.submitted(0);
        exchanges.pending.clear();
        self.evaluations.bias_invalid();
        Ok(())
    }
}
