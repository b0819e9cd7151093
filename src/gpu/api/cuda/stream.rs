//! The CUDA stream: commands, events behind them, and host memory for read-backs.

use std::any::Any;
use std::ffi::c_void;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cudarc::driver::{CudaContext, CudaEvent, result};

use super::super::interface::{Commands, Launch, Memory, Part, Staging, Submission, Timer, own};
use super::context::{Allocation, Cuda, failed};
use crate::error::{Error, Result};

/// Commands that enter the stream as they are added.
pub(super) struct Stream {
    cuda: Cuda,
    /// The first error. After it, commands are dropped.
    result: Result<()>,
}

impl Stream {
    pub(super) fn new(cuda: Cuda) -> Self {
        let result = cuda.bind_to_thread("giving commands");
        Stream { cuda, result }
    }

    /// Runs a command unless an earlier one failed.
    fn then(&mut self, command: impl FnOnce(&Cuda) -> Result<()>) {
        if self.result.is_ok() {
            self.result = command(&self.cuda);
        }
    }
}

fn events(timer: &mut dyn Timer) -> &mut Events {
    (timer as &mut dyn Any).downcast_mut().expect("a timer belongs to one device")
}

impl Commands for Stream {
    fn launch(&mut self, launch: &Launch) {
        self.then(|cuda| cuda.launch(own(&**launch)));
    }

    fn launch_timed(&mut self, launch: &Launch, timer: &mut dyn Timer) {
        let timer = events(timer);
        self.then(|cuda| {
            if timer.marks.is_empty() {
                timer.marks.push(cuda.mark()?);
            }
            cuda.launch(own(&**launch))?;
            timer.marks.push(cuda.mark()?);
            Ok(())
        });
    }

    fn end_timing(&mut self, _: &mut dyn Timer) {}

    fn copy(&mut self, from: Part, to: &Memory) {
        let (source, target) = (own::<Allocation>(&**from.memory), own::<Allocation>(&**to));
        let inside = from.offset + from.bytes <= source.bytes && from.bytes <= target.bytes;
        assert!(inside, "a copy within both buffers");
        // SAFETY: the range is within both allocations, which are distinct.
        #[allow(unsafe_code, reason = "CUDA's interface")]
        self.then(|cuda| unsafe {
            let (from_pointer, stream) = (source.pointer + from.offset, cuda.stream.cu_stream());
            result::memcpy_dtod_async(target.pointer, from_pointer, from.bytes as usize, stream)
                .map_err(failed("copying"))
        });
    }

    fn fetch(&mut self, from: Part, to: &mut dyn Staging, at: u64) {
        let source = own::<Allocation>(&**from.memory);
        let to: &mut Pinned = (to as &mut dyn Any).downcast_mut().expect("staging of one device");
        let inside = from.offset + from.bytes <= source.bytes && at + from.bytes <= to.bytes;
        assert!(inside, "a copy within both buffers");
        // SAFETY: the range is within both allocations. The host reads it only after the copy.
        #[allow(unsafe_code, reason = "CUDA's interface")]
        self.then(|cuda| unsafe {
            let start = to.pointer.cast::<u8>().add(at as usize);
            let target = std::slice::from_raw_parts_mut(start, from.bytes as usize);
            let stream = cuda.stream.cu_stream();
            result::memcpy_dtoh_async(target, source.pointer + from.offset, stream)
                .map_err(failed("reading back"))
        });
    }

    fn submit(self: Box<Self>) -> Result<Box<dyn Submission>> {
        self.result?;
        Ok(Box::new(self.cuda.mark()?))
    }
}

/// A waiting thread polls without pause for this long.
const SPIN: Duration = Duration::from_micros(200);
/// After that it sleeps this long between polls.
const NAP: Duration = Duration::from_micros(50);

impl Submission for CudaEvent {
    fn wait(self: Box<Self>, limit: Duration, during: &str) -> Result<()> {
        let clock = Instant::now();
        while !self.try_is_complete().map_err(failed(during))? {
            let elapsed = clock.elapsed();
            if elapsed >= limit {
                let seconds = limit.as_secs_f64();
                return Err(Error::device_lost(during, format!("no answer within {seconds} s")));
            }
            if elapsed < SPIN {
                std::hint::spin_loop();
            } else {
                std::thread::sleep(NAP);
            }
        }
        Ok(())
    }
}

/// Pinned host memory.
#[derive(Debug)]
pub(super) struct Pinned {
    pointer: *mut c_void,
    bytes: u64,
    context: Arc<CudaContext>,
}

impl Pinned {
    pub(super) fn new(pointer: *mut c_void, bytes: u64, context: Arc<CudaContext>) -> Self {
        Pinned { pointer, bytes, context }
    }
}

// SAFETY: a Pinned owns its memory, and a shared reference only reads it.
#[allow(unsafe_code, reason = "a pointer that is owned")]
unsafe impl Send for Pinned {}
// SAFETY: as above. The device writes only by a command that was given a unique reference.
#[allow(unsafe_code, reason = "a pointer that is owned")]
unsafe impl Sync for Pinned {}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: the pointer came from malloc_host and is freed once.
        #[allow(unsafe_code, reason = "CUDA's interface")]
        let freed =
            self.context.bind_to_thread().and_then(|()| unsafe { result::free_host(self.pointer) });
        if let Err(error) = freed {
            log::warn!("freeing host memory: {error}");
        }
    }
}

impl Staging for Pinned {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn read(&self, bytes: u64) -> Result<Vec<u8>> {
        assert!(bytes <= self.bytes, "more data than was staged");
        // SAFETY: the range is within the allocation, and the submission that wrote it is done.
        #[allow(unsafe_code, reason = "CUDA's interface")]
        let data = unsafe {
            std::slice::from_raw_parts(self.pointer.cast::<u8>().cast_const(), bytes as usize)
        };
        Ok(data.to_vec())
    }
}

/// A timer that records an event before the first launch and after each launch.
#[derive(Default)]
pub(super) struct Events {
    marks: Vec<CudaEvent>,
}

impl Timer for Events {
    fn capacity(&self) -> usize {
        512
    }

    fn nanoseconds(&mut self) -> Result<Vec<f64>> {
        let marks = std::mem::take(&mut self.marks);
        let elapsed = |pair: &[CudaEvent]| match pair[0].elapsed_ms(&pair[1]) {
            Ok(milliseconds) => Ok(1e6 * f64::from(milliseconds)),
            Err(error) => Err(Error::gpu("timing kernels", error)),
        };
        marks.windows(2).map(elapsed).collect()
    }
}
