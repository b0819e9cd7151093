//! The options of a run that its checkpoints hold, and the limits of its process.

use std::time::Instant;

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
    pub(super) inputs: InputOptions,
    pub(super) choice: Choice,
}

impl Plan {
    /// The step before which the run need not be cut for a checkpoint.
    pub(super) fn next_cut(&self, step: u64) -> u64 {
        let next = self.checkpoint_interval.map(|every| (step / every + 1).saturating_mul(every));
        next.unwrap_or(self.steps).min(self.steps)
    }
}

/// The limits of one process.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// The moment at which it must stop.
    pub(super) end: Option<Instant>,
}
