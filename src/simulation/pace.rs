//! The lengths of the pieces of a run.

use std::time::Duration;

/// Cuts a run into pieces of about half a second, so that progress and a blow-up are noticed soon
/// on any device. The results do not depend on the cuts. Steps are outer steps.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    steps: u64,
}

impl Pace {
    const TARGET: Duration = Duration::from_millis(500);

    pub(super) fn steps(&self) -> u64 {
        self.steps.max(1)
    }

    /// Whether a step is much shorter than the target.
    pub(super) fn is_short(&self) -> bool {
        self.steps > 1
    }

    pub(super) fn measure(&mut self, steps: u64, elapsed: Duration) {
        let fitting = Self::TARGET.as_secs_f64() / elapsed.as_secs_f64().max(1e-9) * steps as f64;
        self.steps = (fitting as u64).clamp(1, 2 * self.steps());
    }
}
