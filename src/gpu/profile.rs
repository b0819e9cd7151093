//! GPU time of every kernel of a step, by timestamp queries.

use super::buffer::Buffer;
#[cfg(feature = "cuda")]
use super::cuda::Cuda;
#[cfg(feature = "cuda")]
use super::device::Api;
use super::device::{Device, scoped};
use super::kernel::{Commands, Dispatch, begin_pass};
use crate::engine::KernelTime;
use crate::error::{Error, Result};

/// Timestamps of the dispatches of a few steps.
pub(super) struct Stopwatch {
    clock: Clock,
    /// Nanoseconds of a tick.
    period: f64,
    /// Timestamps of a step: between its dispatches, or before and after each.
    stamps: usize,
    /// Ticks of each dispatch of the step so far.
    sums: Vec<u64>,
    steps: u64,
}

enum Clock {
    Wgpu {
        queries: wgpu::QuerySet,
        ticks: Buffer<u64>,
        /// Timestamps can be taken between the dispatches of a pass; else every dispatch gets a
        /// pass of its own, which costs time outside the interval that is measured.
        inside_passes: bool,
    },
    /// Events between launches.
    #[cfg(feature = "cuda")]
    Cuda(Cuda),
}

/// Steps between two looks at the events of CUDA.
#[cfg(feature = "cuda")]
const EVENT_STEPS: u64 = 16;

impl Stopwatch {
    /// For steps of so many dispatches.
    ///
    /// # Errors
    /// [`Error::Unsupported`] on a device without timestamps.
    pub(super) fn new(device: &Device, dispatches: usize) -> Result<Self> {
        #[cfg(feature = "cuda")]
        if let Api::Cuda(cuda) = &device.api {
            let (stamps, sums) = (dispatches + 1, vec![0; dispatches]);
            let clock = Clock::Cuda(cuda.clone());
            return Ok(Stopwatch { clock, period: 1.0, stamps, sums, steps: 0 });
        }
        let (wgpu, queue) = device.wgpu();
        let features = wgpu.features();
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
        let queries = scoped(wgpu, "timestamps", || {
            wgpu.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count,
            })
        })?;
        Ok(Stopwatch {
            clock: Clock::Wgpu {
                queries,
                ticks: Buffer::of_queries(device, "timestamps", count as usize)?,
                inside_passes,
            },
            period: f64::from(queue.get_timestamp_period()),
            stamps,
            sums: vec![0; dispatches],
            steps: 0,
        })
    }

    /// Steps that a submission has timestamps for.
    pub(super) fn most_steps(&self) -> u64 {
        match &self.clock {
            Clock::Wgpu { ticks, .. } => (ticks.len / self.stamps) as u64,
            #[cfg(feature = "cuda")]
            Clock::Cuda(_) => EVENT_STEPS,
        }
    }

    /// Runs and times a few steps, and waits for them.
    pub(super) fn run<'a, S: Iterator<Item = &'a Dispatch>>(
        &mut self,
        device: &Device,
        steps: u64,
        step: impl Fn() -> S,
    ) -> Result<()> {
        let (queries, ticks, inside_passes) = match &self.clock {
            Clock::Wgpu { queries, ticks, inside_passes } => (queries, ticks, *inside_passes),
            #[cfg(feature = "cuda")]
            Clock::Cuda(cuda) => return self.run_on_cuda(&cuda.clone(), steps, step),
        };
        let mut encoder = device.wgpu().0.create_command_encoder(&Default::default());
        let used = steps as usize * self.stamps;
        if inside_passes {
            let mut pass = begin_pass(&mut encoder, None);
            for s in 0..steps as u32 {
                let first = s * self.stamps as u32;
                pass.write_timestamp(queries, first);
                for (next, dispatch) in (first + 1..).zip(step()) {
                    dispatch.record(&mut pass);
                    pass.write_timestamp(queries, next);
                }
            }
        } else {
            let all = (0..steps).flat_map(|_| step());
            for (begin, dispatch) in (0..).step_by(2).zip(all) {
                let writes = wgpu::ComputePassTimestampWrites {
                    query_set: queries,
                    beginning_of_pass_write_index: Some(begin),
                    end_of_pass_write_index: Some(begin + 1),
                };
                dispatch.record(&mut begin_pass(&mut encoder, Some(writes)));
            }
        }
        encoder.resolve_query_set(queries, 0..used as u32, ticks.raw.wgpu(), 0);
        device.submit(Commands::Wgpu(encoder));
        let ticks = ticks.read(device)?;
        let stride = if inside_passes { 1 } else { 2 };
        for step in ticks[..used].chunks(self.stamps) {
            for (sum, pair) in self.sums.iter_mut().zip(step.windows(2).step_by(stride)) {
                // Clocks of some devices run backwards now and then.
                *sum += pair[1].saturating_sub(pair[0]);
            }
        }
        self.steps += steps;
        Ok(())
    }

    #[cfg(feature = "cuda")]
    fn run_on_cuda<'a, S: Iterator<Item = &'a Dispatch>>(
        &mut self,
        cuda: &Cuda,
        steps: u64,
        step: impl Fn() -> S,
    ) -> Result<()> {
        let mut marks = Vec::new();
        for _ in 0..steps {
            marks.push(cuda.mark()?);
            for dispatch in step() {
                dispatch.launch_on(cuda)?;
                marks.push(cuda.mark()?);
            }
        }
        cuda.wait("timing kernels")?;
        for step in marks.chunks(self.stamps) {
            for (sum, pair) in self.sums.iter_mut().zip(step.windows(2)) {
                let elapsed = pair[0].elapsed_ms(&pair[1]);
                let elapsed = elapsed.map_err(|error| Error::gpu("timing kernels", error))?;
                *sum += (1e6 * elapsed) as u64;
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
