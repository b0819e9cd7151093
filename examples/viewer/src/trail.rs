//! The last frames of the replica on show, kept on the GPU.

use flashschnet::gpu::{GpuPositions, wgpu};

/// A ring of slots, each with a copy of the positions.
pub(crate) struct Trail {
    pub(crate) positions: wgpu::Buffer,
    /// An origin for each slot, because the engine moves the origin of a replica that drifts away.
    pub(crate) origins: wgpu::Buffer,
    pub(crate) slots: u32,
    /// The slot of the newest frame.
    pub(crate) newest: u32,
    pub(crate) n_frames: u32,
}

impl Trail {
    /// Room for `length` frames and the one before, of at most `n_beads` beads, or for as many as a
    /// buffer can hold.
    pub(crate) fn new(device: &wgpu::Device, n_beads: usize, length: u32) -> Self {
        let limits = device.limits();
        let bytes = GpuPositions::STRIDE * n_beads.max(1) as u64;
        let room = limits.max_buffer_size.min(limits.max_storage_buffer_binding_size) / bytes;
        let slots = room.clamp(1, u64::from(length) + 1);
        let buffer = |label, size| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size,
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        };
        Trail {
            positions: buffer("past positions", slots * bytes),
            origins: buffer("past origins", slots * GpuPositions::ORIGIN_STRIDE),
            slots: slots as u32,
            newest: 0,
            n_frames: 0,
        }
    }

    /// Forgets all frames.
    pub(crate) fn clear(&mut self) {
        self.n_frames = 0;
    }

    /// Copies the positions of replica `shared.replicas[k]` into the next slot.
    pub(crate) fn record(
        &mut self,
        shared: &GpuPositions,
        k: usize,
        commands: &mut wgpu::CommandEncoder,
    ) {
        self.newest = (self.newest + 1) % self.slots;
        self.n_frames = (self.n_frames + 1).min(self.slots);
        let (range, stride) = (shared.range(k), GpuPositions::ORIGIN_STRIDE);
        let (slot, bytes) = (u64::from(self.newest), range.end - range.start);
        let to = (&self.positions, slot * bytes);
        commands.copy_buffer_to_buffer(&shared.positions, range.start, to.0, to.1, bytes);
        let to = (&self.origins, slot * stride);
        commands.copy_buffer_to_buffer(&shared.origins, k as u64 * stride, to.0, to.1, stride);
    }
}
