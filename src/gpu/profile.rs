//! GPU time of every kernel of a step, by timestamp queries.

use super::buffer::Buffer;
use super::device::Device;
use super::kernel::{Commands, Dispatch, begin_pass};
use crate::engine::KernelTime;
use crate::error::{Error, Result};

/// Timestamps of the dispatches of a few steps.
pub(super) struct Stopwatch {
    queries: wgpu::QuerySet,
    ticks: Buffer<u64>,
    /// Nanoseconds of a tick.
    period: f64,
    /// Timestamps can be taken between the dispatches of a pass; else every dispatch gets a pass
    /// of its own, which costs time outside the interval that is measured.
    inside_passes: bool,
    /// Timestamps of a step: between its dispatches, or before and after each.
    stamps: usize,
    /// Ticks of each dispatch of the step so far.
    sums: Vec<u64>,
    steps: u64,
}

impl Stopwatch {
    /// For steps of so many dispatches.
    ///
    /// # Errors
    /// [`Error::Unsupported`] on a device without timestamps.
    pub(super) fn new(device: &Device, dispatches: usize) -> Result<Self> {
        let features = device.device.features();
        if !features.contains(wgpu::Features::TIMESTAMP_QUERY) {
            let what = format!("timing kernels on {}, which has no timestamps", device.name());
            return Err(Error::unsupported(what, "time whole steps"));
        }
        let inside_passes = features.contains(wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES);
        let stamps = if inside_passes { dispatches + 1 } else { 2 * dispatches };
        let count = wgpu::QUERY_SET_MAX_QUERIES;
        if stamps > count as usize {
            let what = format!("timing {dispatches} dispatches in a step");
            return Err(Error::unsupported(what, "time whole steps"));
        }
        let queries = device.scoped("timestamps", || {
            device.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count,
            })
        })?;
        Ok(Stopwatch {
            queries,
            ticks: Buffer::of_queries(device, "timestamps", count as usize)?,
            period: f64::from(device.queue.get_timestamp_period()),
            inside_passes,
            stamps,
            sums: vec![0; dispatches],
            steps: 0,
        })
    }

    /// Steps that a submission has timestamps for.
    pub(super) fn most_steps(&self) -> u64 {
        (self.ticks.len / self.stamps) as u64
    }

    /// Runs and times a few steps, and waits for them.
    pub(super) fn run<'a, S: Iterator<Item = &'a Dispatch>>(
        &mut self,
        device: &Device,
        steps: u64,
        step: impl Fn() -> S,
    ) -> Result<()> {
        let mut commands = Commands::new(device);
        let encoder = &mut commands.encoder;
        let used = steps as usize * self.stamps;
        if self.inside_passes {
            let mut pass = begin_pass(encoder, None);
            for s in 0..steps as u32 {
                let first = s * self.stamps as u32;
                pass.write_timestamp(&self.queries, first);
                for (next, dispatch) in (first + 1..).zip(step()) {
                    dispatch.record(&mut pass);
                    pass.write_timestamp(&self.queries, next);
                }
            }
        } else {
            let all = (0..steps).flat_map(|_| step());
            for (begin, dispatch) in (0..).step_by(2).zip(all) {
                let writes = wgpu::ComputePassTimestampWrites {
                    query_set: &self.queries,
                    beginning_of_pass_write_index: Some(begin),
                    end_of_pass_write_index: Some(begin + 1),
                };
                dispatch.record(&mut begin_pass(encoder, Some(writes)));
            }
        }
        encoder.resolve_query_set(&self.queries, 0..used as u32, &self.ticks.raw, 0);
        device.submit(commands);
        let ticks = self.ticks.read(device)?;
        let stride = if self.inside_passes { 1 } else { 2 };
        for step in ticks[..used].chunks(self.stamps) {
            for (sum, pair) in self.sums.iter_mut().zip(step.windows(2).step_by(stride)) {
                // Clocks of some devices run backwards now and then.
                *sum += pair[1].saturating_sub(pair[0]);
            }
        }
        self.steps += steps;
        Ok(())
    }

    /// The mean of all steps timed, for a step of these dispatches over lists of so many edges.
    pub(super) fn times<'a>(
        &self,
        step: impl Iterator<Item = &'a Dispatch>,
        edges: u64,
    ) -> Vec<KernelTime> {
        let microseconds = |sum: u64| 1e-3 * self.period * sum as f64 / self.steps.max(1) as f64;
        let time = |(number, (dispatch, sum)): (usize, (&Dispatch, &u64))| {
            let work = dispatch.work(edges);
            KernelTime {
                kernel: dispatch.name(),
                number,
                microseconds: microseconds(*sum),
                bytes: work.bytes,
                flops: work.flops,
            }
        };
        step.zip(&self.sums).enumerate().map(time).collect()
    }
}
