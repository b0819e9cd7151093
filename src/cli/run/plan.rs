//! The options of a run that its checkpoints hold, and the limits of its process.

use std::time::Instant;

use crate::Variable;
use serde::{Deserialize, Serialize};

use crate::cli::backend::Choice;
use crate::cli::inputs::InputOptions;

/// The options of a run that are not part of its dynamics. Its checkpoints hold them.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    pub(super) steps: u64,
    pub(super) save_interval: u64,
    pub(super) checkpoint_interval: Option<u64>,
    /// The steps in which the ladders are tuned, a multiple of 2^(ROUNDS - 1) exchange intervals; 0
    /// if they are not.
    pub(super) tune_steps: u64,
    /// The steps of equilibration, without frames.
    pub(super) equilibration_steps: u64,
    /// The observables with their names.
    pub(super) observables: Vec<(String, Variable)>,
    pub(super) inputs: InputOptions,
    pub(super) choice: Choice,
}

impl Plan {
    /// The next step with a checkpoint or a tuning, the step of the last frame on the grid, or the
    /// last step.
    pub(super) fn next_cut(&self, step: u64) -> u64 {
        let next = self.checkpoint_interval.map(|every| (step / every + 1).saturating_mul(every));
        let on_grid = self.steps - self.steps % self.save_interval;
        let cuts = self.tunings().chain(next).chain([on_grid, self.steps]);
        cuts.filter(|cut| *cut > step).min().unwrap_or(self.steps).min(self.steps)
    }

    /// The steps at the start without frames.
    pub(super) fn unsaved(&self) -> u64 {
        self.tune_steps.max(self.equilibration_steps)
    }

    /// The number of frames of the whole run.
    pub(super) fn frames(&self) -> u64 {
        let every = self.save_interval;
        let last = u64::from(!self.steps.is_multiple_of(every));
        self.steps / every - self.unsaved() / every + last
    }

    /// The steps after which the ladders are tuned. Each round is as long as all before it.
    pub(super) fn tunings(&self) -> impl Iterator<Item = u64> {
        let steps = self.tune_steps;
        (0..ROUNDS).rev().map(move |k| steps >> k).filter(|step| *step > 0)
    }
}

/// The number of times that ladders are tuned.
pub(super) const ROUNDS: u32 = 4;

/// The limits of one process.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// The moment at which it must stop.
    pub(super) end: Option<Instant>,
}
