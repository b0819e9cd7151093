//! The types and traits of a device that both interfaces share.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::Shared;
use crate::error::Result;

/// An object that an interface made. Only the same interface can use it.
pub(in crate::gpu) trait Object: Any + Debug + Shared {}

impl<T: Any + Debug + Shared> Object for T {}

/// A piece of device memory. It is freed with its last clone.
pub(in crate::gpu) type Memory = Arc<dyn Object>;
/// A compiled kernel.
pub(in crate::gpu) type Program = Arc<dyn Object>;
/// A program with the memory that it works on and the workgroups of its grid.
pub(in crate::gpu) type Launch = Arc<dyn Object>;

/// The object as the type of the interface that made it.
pub(super) fn own<T: Any>(object: &dyn Object) -> &T {
    (object as &dyn Any).downcast_ref().expect("an object belongs to one device")
}

/// The language of kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gpu) enum Language {
    /// WGSL.
    Wgsl,
    /// CUDA C.
    Cuda,
}

/// The kind of a binding of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A uniform block.
    Uniform,
    /// A storage buffer that is only read.
    Read,
    /// A storage buffer that is written.
    Write,
}

/// The kind of binding that a piece of memory is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gpu) enum Purpose {
    Storage,
    Uniform,
}

/// Kernels count the 32-bit words of a buffer in 32 bits, so no device may offer larger buffers.
pub(in crate::gpu) const MOST_BUFFER_BYTES: u64 = 4 * u32::MAX as u64;

/// The capabilities of a device.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::gpu) struct Capabilities {
    /// The names of device, interface and driver.
    pub(in crate::gpu) name: String,
    /// The largest buffer that a kernel can be given, bytes; at most [`MOST_BUFFER_BYTES`].
    pub(in crate::gpu) buffer_bytes: u64,
    /// Largest workgroup memory, bytes.
    pub(in crate::gpu) workgroup_bytes: u32,
    /// Most invocations of a workgroup.
    pub(in crate::gpu) invocations: u32,
    /// Whether it computes with 16-bit floats.
    pub(in crate::gpu) f16: bool,
    /// Whether it has tensor cores for the products that the kernels use: matrices of 16 x 16, f16
    /// operands, f32 sums.
    pub(in crate::gpu) matrices: bool,
}

/// The facts that an interface needs to compile a kernel, beside its text.
#[derive(Debug, Clone, Copy)]
pub(in crate::gpu) struct Signature<'a> {
    pub(in crate::gpu) name: &'static str,
    /// Bindings 0, 1, 2, …
    pub(in crate::gpu) bindings: &'a [Access],
    /// Invocations of a workgroup.
    #[cfg_attr(not(feature = "cuda"), allow(dead_code, reason = "WGSL says it itself"))]
    pub(in crate::gpu) invocations: u32,
}

/// A range of device memory.
#[derive(Debug, Clone, Copy)]
pub(in crate::gpu) struct Part<'a> {
    pub(in crate::gpu) memory: &'a Memory,
    pub(in crate::gpu) offset: u64,
    pub(in crate::gpu) bytes: u64,
}

/// An open device.
pub(in crate::gpu) trait Api: Debug + Shared {
    fn language(&self) -> Language;

    fn capabilities(&self) -> &Capabilities;

    /// Whether the device was opened with the limits that kernels need.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] names the first limit that is too low.
    fn check_limits(&self) -> Result<()> {
        Ok(())
    }

    /// Whether the device is still there.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`].
    fn check_presence(&self) -> Result<()> {
        Ok(())
    }

    /// Allocates zeroed memory; `None` if there is no room.
    fn allocate(&self, label: &'static str, bytes: u64, purpose: Purpose)
    -> Result<Option<Memory>>;

    /// Allocates host memory that the device can copy into; `None` if there is no room.
    fn stage(&self, bytes: u64) -> Result<Option<Box<dyn Staging>>>;

    /// Writes to a piece of memory, from byte `offset` on, a multiple of 4. The write takes effect
    /// before the commands of the next submission.
    fn write(&self, memory: &Memory, offset: u64, data: &[u8]) -> Result<()>;

    /// Compiles the text of a kernel.
    fn compile(&self, signature: Signature, text: &str) -> Result<Program>;

    /// Binds memory to bindings 0, 1, 2, …
    fn bind(&self, program: &Program, memory: &[&Memory], workgroups: [u32; 2]) -> Result<Launch>;

    /// Begins a list of commands.
    fn commands(&self) -> Box<dyn Commands>;

    /// A timer that can time at least `launches` launches in a submission.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] on a device without timestamps.
    fn timer(&self, launches: usize) -> Result<Box<dyn Timer>>;

    /// Returns memory without references to the driver.
    fn release(&self) {}

    /// A piece of memory as the buffer of wgpu that it is.
    fn wgpu_buffer(&self, _memory: &Memory) -> Option<wgpu::Buffer> {
        None
    }

    /// The bytes that the allocator took from the driver, if known.
    fn reserved_bytes(&self) -> Option<u64> {
        None
    }
}

/// Commands, in the order in which the device runs them.
pub(in crate::gpu) trait Commands {
    /// Adds a launch.
    fn launch(&mut self, launch: &Launch);

    /// Adds a launch that the timer measures.
    fn launch_timed(&mut self, launch: &Launch, timer: &mut dyn Timer);

    /// Ends a series of timed launches.
    fn end_timing(&mut self, timer: &mut dyn Timer);

    /// Copies a part to the start of another piece of memory.
    fn copy(&mut self, from: Part, to: &Memory);

    /// Copies a part into host memory, to byte `at`.
    fn fetch(&mut self, from: Part, to: &mut dyn Staging, at: u64);

    /// Submits the commands to the device.
    ///
    /// # Errors
    /// The first error of a command.
    fn submit(self: Box<Self>) -> Result<Box<dyn Submission>>;
}

/// Submitted commands, for which the host can wait.
pub(in crate::gpu) trait Submission: Debug + Shared {
    /// Waits until the device has run the commands, at most for `limit`.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] after `limit` or if the device is lost, and errors that
    /// occurred in the background.
    fn wait(self: Box<Self>, limit: Duration, during: &str) -> Result<()>;
}

/// Host memory that the device can copy into.
pub(in crate::gpu) trait Staging: Any + Debug + Shared {
    fn bytes(&self) -> u64;

    /// The first `bytes` bytes. The submission that fetched them must be done.
    fn read(&self, bytes: u64) -> Result<Vec<u8>>;
}

/// Measures how long launches take on the device.
pub(in crate::gpu) trait Timer: Any {
    /// The most launches that one submission can time.
    fn capacity(&self) -> usize;

    /// The nanoseconds of each launch timed since the last call. Their submission must be done.
    fn nanoseconds(&mut self) -> Result<Vec<f64>>;
}
