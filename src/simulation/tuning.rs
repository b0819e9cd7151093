//! Tuning of ladders in a run.

use super::Simulation;
use crate::engine::Exchange;
use crate::error::Result;

impl Simulation {
    /// Replaces the temperatures of all ladders by those with equal acceptance between neighboring
    /// states ([`Exchange::equalized`]), and starts the counts of tries and round trips again.
    ///
    /// The walkers keep their states, with v ← v √(T_new/T_old). A run-in calls this a few times,
    /// each time after more exchanges than before.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) without exchange, or for a ladder whose
    /// temperatures are not in order; see also [`Simulation::state`].
    pub fn tune_ladders(&mut self) -> Result<()> {
        let mut state = self.state()?;
        let exchange = self.dynamics.exchange()?;
        let tuned: Exchange = exchange.equalized(&state.exchanged)?;
        let before = state.beta.clone();
        tuned.set_beta(&state.exchanged, &mut state.beta);
        for (r, (old, new)) in before.iter().zip(&state.beta).enumerate() {
            let factor = (old / new).sqrt();
            for v in state.velocities[self.system.beads(r)].as_flattened_mut() {
                *v *= factor;
            }
        }
        state.exchanged = tuned.uncounted(&state.exchanged);
        self.engine.set_ladders(&tuned)?;
        self.dynamics.exchange = Some(tuned);
        self.set_state(&state)
    }
}
