//! Positions on the GPU for a program that shares the device, for example to draw them.

use std::ops::Range;

use super::params::{Position, Walker};

/// The positions of replicas in the memory of a wgpu device, without a copy.
///
/// Bead i is at `origin + high + low`, Å: `high` and `low` are vectors of f32 in `positions`, and
/// `origin` is that of its replica, in `origins`. `low` is below the last digit of `high`, so pictures
/// do not need it.
///
/// Both buffers may be bound as read-only storage and copied from, in commands that are submitted to the
/// queue of the same device. The commands see the state between two steps: that of the last step of
/// all calls that returned before. The program must not write to them. A step whose neighbor list had
/// no room is repeated later, so a buffer can have positions that a reading, such as
/// [`Simulation::energies`](crate::Simulation::energies), does not confirm; the runs of a simulation end
/// with a reading. The buffers stay the same as long as the engine exists.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GpuPositions {
    /// For each bead [`GpuPositions::STRIDE`] bytes: `high` at byte 0, `low` at byte 16, with three f32
    /// each.
    pub positions: wgpu::Buffer,
    /// For each replica [`GpuPositions::ORIGIN_STRIDE`] bytes: `origin` at byte 0, with three f32.
    pub origins: wgpu::Buffer,
    /// The replicas in these buffers, in order. All replicas of a simulation, unless one buffer has no
    /// room for them.
    pub replicas: Vec<usize>,
    /// The first bead of each of these replicas in `positions`, and the number of beads at the end.
    pub first_bead: Vec<usize>,
}

impl GpuPositions {
    /// Bytes from one bead to the next in [`GpuPositions::positions`].
    pub const STRIDE: u64 = size_of::<Position>() as u64;
    /// Bytes from one replica to the next in [`GpuPositions::origins`].
    pub const ORIGIN_STRIDE: u64 = size_of::<Walker>() as u64;

    /// The bytes of replica `replicas[k]` in [`GpuPositions::positions`].
    ///
    /// # Panics
    /// If there is no such replica.
    pub fn range(&self, k: usize) -> Range<u64> {
        let [first, end] = [k, k + 1].map(|k| Self::STRIDE * self.first_bead[k] as u64);
        first..end
    }
}
