//! Commands and submissions.

use std::any::Any;
use std::time::Duration;

use super::super::interface::{Commands, Launch, Memory, Part, Staging, Submission, Timer, own};
use super::handle::Wgpu;
use super::staging::Staged;
use super::timer::Queries;
use crate::error::Result;

/// A kernel with its bindings.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) bind_group: wgpu::BindGroup,
    pub(super) workgroups: [u32; 2],
}

/// Records commands. Consecutive launches share a compute pass.
pub(super) struct Recorder {
    wgpu: Wgpu,
    encoder: wgpu::CommandEncoder,
    pass: Option<wgpu::ComputePass<'static>>,
}

impl Recorder {
    pub(super) fn new(wgpu: Wgpu, encoder: wgpu::CommandEncoder) -> Self {
        Recorder { wgpu, encoder, pass: None }
    }

    fn pass(&mut self) -> &mut wgpu::ComputePass<'static> {
        self.pass.get_or_insert_with(|| begin_pass(&mut self.encoder, None))
    }

    /// Ends the pass and returns the encoder.
    fn encoder(&mut self) -> &mut wgpu::CommandEncoder {
        self.pass = None;
        &mut self.encoder
    }

    fn copy_to(&mut self, from: Part, to: &wgpu::Buffer, at: u64) {
        let memory = own(&**from.memory);
        self.encoder().copy_buffer_to_buffer(memory, from.offset, to, at, from.bytes);
    }
}

fn begin_pass(
    encoder: &mut wgpu::CommandEncoder,
    timestamp_writes: Option<wgpu::ComputePassTimestampWrites>,
) -> wgpu::ComputePass<'static> {
    let label = Some("flashschnet");
    let descriptor = wgpu::ComputePassDescriptor { label, timestamp_writes };
    encoder.begin_compute_pass(&descriptor).forget_lifetime()
}

impl Bound {
    fn record(&self, pass: &mut wgpu::ComputePass) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(self.workgroups[0], self.workgroups[1], 1);
    }
}

/// The timer as the type of this interface.
fn queries(timer: &mut dyn Timer) -> &mut Queries {
    (timer as &mut dyn Any).downcast_mut().expect("a timer belongs to one device")
}

impl Commands for Recorder {
    fn launch(&mut self, launch: &Launch) {
        own::<Bound>(&**launch).record(self.pass());
    }

    fn launch_timed(&mut self, launch: &Launch, timer: &mut dyn Timer) {
        let (bound, timer) = (own::<Bound>(&**launch), queries(timer));
        if timer.inside_passes {
            let pass = self.pass.get_or_insert_with(|| begin_pass(&mut self.encoder, None));
            if timer.launches == 0 {
                pass.write_timestamp(&timer.set, 0);
            }
            bound.record(pass);
            pass.write_timestamp(&timer.set, timer.launches + 1);
        } else {
            let writes = wgpu::ComputePassTimestampWrites {
                query_set: &timer.set,
                beginning_of_pass_write_index: Some(2 * timer.launches),
                end_of_pass_write_index: Some(2 * timer.launches + 1),
            };
            bound.record(&mut begin_pass(self.encoder(), Some(writes)));
        }
        timer.launches += 1;
    }

    fn end_timing(&mut self, timer: &mut dyn Timer) {
        let timer = queries(timer);
        let stamps = timer.stamps();
        let encoder = self.encoder();
        encoder.resolve_query_set(&timer.set, 0..stamps, &timer.ticks, 0);
        let bytes = 8 * u64::from(stamps);
        encoder.copy_buffer_to_buffer(&timer.ticks, 0, &timer.staged.buffer, 0, bytes);
    }

    fn copy(&mut self, from: Part, to: &Memory) {
        self.copy_to(from, own(&**to), 0);
    }

    fn fetch(&mut self, from: Part, to: &mut dyn Staging, at: u64) {
        let staged: &Staged = (to as &dyn Any).downcast_ref().expect("staging of one device");
        self.copy_to(from, &staged.buffer, at);
    }

    fn submit(mut self: Box<Self>) -> Result<Box<dyn Submission>> {
        self.pass = None;
        let Recorder { wgpu, encoder, .. } = *self;
        let during = "submitting";
        let index = wgpu.scoped(during, || wgpu.queue.submit([encoder.finish()]))?;
        wgpu.check(during)?;
        Ok(Box::new(Submitted { wgpu, index }))
    }
}

/// A submission and its index in the queue.
#[derive(Debug)]
struct Submitted {
    wgpu: Wgpu,
    index: wgpu::SubmissionIndex,
}

impl Submission for Submitted {
    fn wait(self: Box<Self>, limit: Duration, during: &str) -> Result<()> {
        let (submission_index, timeout) = (Some(self.index), Some(limit));
        let poll = wgpu::PollType::Wait { submission_index, timeout };
        let polled = self.wgpu.device.poll(poll);
        self.wgpu.check(during)?;
        match polled {
            Ok(_) => Ok(()),
            Err(wgpu::PollError::Timeout) => {
                let seconds = limit.as_secs_f64();
                Err(self.wgpu.lost(during, format!("no answer within {seconds} s")))
            }
            Err(error) => Err(self.wgpu.failed(during, error)),
        }
    }
}
