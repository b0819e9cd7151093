//! The state for a program that shares the device.

use super::super::positions::GpuPositions;
use super::GpuEngine;

impl GpuEngine {
    /// The buffers of the positions; `None` with CUDA.
    pub(in crate::gpu) fn shared_positions(&self) -> Option<GpuPositions> {
        let (position, walker) = (self.state.position(), self.state.walker());
        let api = &self.device.api;
        Some(GpuPositions {
            positions: api.wgpu_buffer(&position.allocation.memory)?,
            origins: api.wgpu_buffer(&walker.allocation.memory)?,
            replicas: (0..self.system.n_replicas()).collect(),
            first_bead: self.system.first_bead.clone(),
        })
    }
}
