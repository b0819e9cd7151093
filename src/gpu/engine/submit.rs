//! Steps on their way to the device.

use std::time::Instant;

use super::super::api::Commands;
use super::super::kernel::record;
use super::super::tuning::{MAX_STEPS, SUBMISSION_SECONDS};
use super::GpuEngine;
use super::evaluation::Evaluations;
use crate::error::Result;

impl GpuEngine {
    /// Submits whole outer steps, and before them all forces if these are not valid. The host records one
    /// submission while the device works on another; at most two are in flight.
    pub(super) fn submit_steps(&mut self, n_steps: u64) -> Result<()> {
        let submitted = self.try_submit_steps(n_steps);
        if submitted.is_err() {
            self.evaluations.none_valid();
        }
        submitted
    }

    fn try_submit_steps(&mut self, n_steps: u64) -> Result<()> {
        let k = u64::from(self.dynamics.mts);
        let mut left = n_steps / k;
        let mut clock = None;
        while left > 0 {
            let steps = left.min(self.steps_per_submission);
            let mut commands = self.start_of_steps()?;
            let step = self.step()?;
            for n in 1..=steps {
                record(&mut *commands, step.outer_step(self.given.as_ref()));
                record(&mut *commands, step.deposit(self.step_count + n * k));
            }
            let submission = self.device.submit(commands)?;
            left -= steps;
            self.step_count += steps * k;
            self.pending += steps * k;
            if let Some(earlier) = self.earlier.replace(submission) {
                self.device.wait_for(earlier, "advancing")?;
                // The first wait may be for an earlier call's submission: it only starts the clock.
                if let Some(clock) = clock.replace(Instant::now()) {
                    self.adapt(clock.elapsed().as_secs_f64());
                }
            }
        }
        Ok(())
    }

    /// Commands that begin with all forces if these are not valid.
    pub(super) fn start_of_steps(&mut self) -> Result<Box<dyn Commands>> {
        self.write_params(Evaluations::for_steps(self.params))?;
        let mut commands = self.device.api.commands();
        if !self.evaluations.are_valid() {
            record(&mut *commands, self.evaluations.missing(self.step()?));
            self.evaluations.all_valid();
        }
        Ok(commands)
    }

    /// Adapts the number of outer steps per submission to the time that a submission took.
    pub(super) fn adapt(&mut self, seconds: f64) {
        if seconds < SUBMISSION_SECONDS {
            self.steps_per_submission = (self.steps_per_submission * 2).min(MAX_STEPS);
        } else if seconds > 4.0 * SUBMISSION_SECONDS {
            self.steps_per_submission = (self.steps_per_submission / 2).max(1);
        }
    }
}
