//! Device times of launches from timestamp queries.

use super::super::interface::{Staging, Timer};
use super::handle::Wgpu;
use super::staging::Staged;
use crate::error::{Error, Result};

/// A timer that takes timestamps before and after launches.
pub(super) struct Queries {
    pub(super) set: wgpu::QuerySet,
    pub(super) ticks: wgpu::Buffer,
    pub(super) staged: Staged,
    /// Nanoseconds per tick.
    period: f64,
    /// Whether timestamps can be taken between the launches of a pass. If not, each launch gets its
    /// own pass; this costs time, but outside the measured interval.
    pub(super) inside_passes: bool,
    /// Launches since the last reading.
    pub(super) launches: u32,
}

impl Queries {
    pub(super) fn new(wgpu: &Wgpu, launches: usize) -> Result<Self> {
        let features = wgpu.device.features();
        let unsupported = |what: String| Err(Error::unsupported(what, "time whole steps"));
        if !features.contains(wgpu::Features::TIMESTAMP_QUERY) {
            let name = &wgpu.capabilities.name;
            return unsupported(format!("timing kernels on {name}, which has no timestamps"));
        }
        let inside_passes = features.contains(wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES);
        let count = wgpu::QUERY_SET_MAX_QUERIES;
        if 2 * launches > count as usize {
            return unsupported(format!("timing {launches} launches in a step"));
        }
        let set = wgpu.scoped("timestamps", || {
            wgpu.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count,
            })
        })?;
        let room = |usage| {
            let buffer = wgpu.buffer("timestamps", 8 * u64::from(count), usage)?;
            buffer.ok_or_else(|| wgpu.failed("timestamps", "out of memory"))
        };
        let ticks = room(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC)?;
        let staging = room(wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST)?;
        Ok(Queries {
            set,
            ticks,
            staged: Staged::new(wgpu.clone(), staging),
            period: f64::from(wgpu.queue.get_timestamp_period()),
            inside_passes,
            launches: 0,
        })
    }

    /// Timestamps taken since the last reading.
    pub(super) fn stamps(&self) -> u32 {
        if self.inside_passes { self.launches + 1 } else { 2 * self.launches }
    }
}

impl Timer for Queries {
    fn capacity(&self) -> usize {
        let count = wgpu::QUERY_SET_MAX_QUERIES as usize;
        if self.inside_passes { count - 1 } else { count / 2 }
    }

    fn nanoseconds(&mut self) -> Result<Vec<f64>> {
        let bytes = self.staged.read(8 * u64::from(self.stamps()))?;
        self.launches = 0;
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&bytes);
        let stride = if self.inside_passes { 1 } else { 2 };
        // The clocks of some devices run backwards at times.
        let elapsed = |pair: &[u64]| self.period * pair[1].saturating_sub(pair[0]) as f64;
        Ok(ticks.windows(2).step_by(stride).map(elapsed).collect())
    }
}
