//! Changes of a part of the state. The other parts, forces and neighbor lists stay on the device.

use super::GpuEngine;
use crate::error::Result;
use crate::structure::check_vectors;

impl GpuEngine {
    pub(super) fn replace_velocities(&mut self, velocities: &[[f64; 3]]) -> Result<()> {
        check_vectors("velocities", velocities, self.system.n_beads())?;
        self.settle_steps()?;
        self.state.set_velocities(&self.device, velocities)
    }

    pub(super) fn replace_temperatures(&mut self, beta: &[f64]) -> Result<()> {
        self.dynamics.check_beta(beta)?;
        self.settle_steps()?;
        self.state.set_temperatures(&self.device, beta)
    }

    /// Waits for the steps that may have to be repeated: they began before the change.
    pub(super) fn settle_steps(&mut self) -> Result<()> {
        self.complete()?;
        if self.has_pending() {
            self.look()?;
        }
        Ok(())
    }
}
