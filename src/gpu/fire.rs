//! Energy minimization: its buffers and its kernel.

use super::api::Commands;
use super::buffer::Buffer;
use super::compose::Value;
use super::device::Device;
use super::kernel::{Dispatch, Kernel};
use super::params::{Descent, descent};
use super::state::ReplicaState;
use crate::engine::{FARTHEST, FIRE, Minimization};
use crate::error::Result;

/// The minimization of all replicas on the device.
#[derive(Debug)]
pub(super) struct Fire {
    /// `[n_replicas]`
    pub(super) descent: Buffer<Descent>,
    /// A copy from before the steps that the host has not checked.
    kept: Buffer<Descent>,
    pub(super) step: Dispatch,
}

impl Fire {
    pub(super) fn new(device: &Device, state: &ReplicaState) -> Result<Self> {
        let buffer = || Buffer::zeroed(device, "descent", state.n_replicas());
        let (descent, kept) = (buffer()?, buffer()?);
        let constants = [
            ("LEAST_STEP", Value::Real(FIRE.least_step)),
            ("MOST_STEP", Value::Real(FIRE.most_step)),
            ("GROWTH", Value::Real(FIRE.growth)),
            ("SHRINKAGE", Value::Real(FIRE.shrinkage)),
            ("PATIENCE", Value::Count(FIRE.patience)),
            ("MIXING", Value::Real(FIRE.mixing)),
            ("MIXING_DECAY", Value::Real(FIRE.mixing_decay)),
            ("REACH", Value::Real(FIRE.reach)),
            ("MOST_FORCE", Value::Real(FIRE.most_force)),
            ("FARTHEST", Value::Real(FARTHEST)),
            ("HAS_BIAS", Value::Flag(state.has_bias())),
        ];
        let scope = state.scope().with("descent", &descent);
        let kernel = Kernel::new(device, "fire", &constants)?;
        let step = kernel.bind(device, &scope, state.n_replicas())?;
        Ok(Fire { descent, kept, step })
    }

    /// Starts the minimization of each replica that is not frozen.
    pub(super) fn start(
        &self,
        device: &Device,
        minimization: &Minimization,
        is_frozen: impl Fn(usize) -> bool,
    ) -> Result<()> {
        let of_replica = |r| Descent {
            status: if is_frozen(r) { descent::FROZEN } else { descent::RUNNING },
            steps_left: minimization.most_steps,
            good: 0,
            bead: 0,
            step: FIRE.first_step as f32,
            mixing: FIRE.mixing as f32,
            tolerance2: minimization.square_tolerance(),
            largest2: f32::NAN,
        };
        self.descent.write(device, &(0..self.descent.len).map(of_replica).collect::<Vec<_>>())
    }

    /// Copies the minimization, so that steps can be repeated from it.
    pub(super) fn keep(&self, commands: &mut dyn Commands) {
        self.descent.copy_to(commands, &self.kept);
    }

    /// Restores the minimization from the copy.
    pub(super) fn restore(&self, commands: &mut dyn Commands) {
        self.kept.copy_to(commands, &self.descent);
    }
}
