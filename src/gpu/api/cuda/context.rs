//! A CUDA context with its memory and its launches.

use std::sync::Arc;

use cudarc::driver::{CudaContext, CudaEvent, CudaFunction, CudaStream, DriverError, result, sys};

use super::super::interface::{Capabilities, Memory, own};
use crate::error::{Error, Result};

/// A context and its stream.
#[derive(Debug, Clone)]
pub(super) struct Cuda {
    pub(super) context: Arc<CudaContext>,
    pub(super) stream: Arc<CudaStream>,
    /// The architecture that NVRTC compiles for.
    pub(super) architecture: String,
    pub(super) capabilities: Arc<Capabilities>,
}

/// An allocation on the device.
#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) pointer: sys::CUdeviceptr,
    pub(super) bytes: u64,
    pub(super) context: Arc<CudaContext>,
}

impl Drop for Allocation {
    fn drop(&mut self) {
        // SAFETY: the pointer came from malloc_sync and is freed once. The driver first waits for
        // the kernels that use it.
        #[allow(unsafe_code, reason = "CUDA's interface")]
        let freed =
            self.context.bind_to_thread().and_then(|()| unsafe { result::free_sync(self.pointer) });
        if let Err(error) = freed {
            log::warn!("freeing device memory: {error}");
        }
    }
}

/// A compiled kernel and the number of threads of its blocks.
#[derive(Debug, Clone)]
pub(super) struct Function {
    pub(super) function: CudaFunction,
    pub(super) block: u32,
}

/// A kernel with its arguments.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) function: Function,
    pub(super) arguments: Vec<Memory>,
    pub(super) grid: [u32; 2],
}

/// An upper bound of the arguments of a kernel, so that a launch keeps them on the stack.
const MOST_ARGUMENTS: usize = 16;

pub(super) fn failed(during: &str) -> impl FnOnce(DriverError) -> Error {
    move |error| Error::gpu(during.to_owned(), error)
}

impl Cuda {
    pub(super) fn bind_to_thread(&self, during: &str) -> Result<()> {
        self.context.bind_to_thread().map_err(failed(during))
    }

    /// Records an event behind everything in the stream.
    pub(super) fn mark(&self) -> Result<CudaEvent> {
        let flags = Some(sys::CUevent_flags::CU_EVENT_DEFAULT);
        self.stream.record_event(flags).map_err(failed("recording an event"))
    }

    pub(super) fn launch(&self, bound: &Bound) -> Result<()> {
        let mut pointers = [0; MOST_ARGUMENTS];
        let mut arguments = [std::ptr::null_mut(); MOST_ARGUMENTS];
        let n = bound.arguments.len();
        for ((pointer, argument), memory) in
            pointers[..n].iter_mut().zip(&mut arguments).zip(&bound.arguments)
        {
            *pointer = own::<Allocation>(&**memory).pointer;
            *argument = std::ptr::from_mut(pointer).cast();
        }
        // SAFETY: the kernel gets a pointer for each binding, in order. Its indices are those of its
        // twin in WGSL, for which api/wgpu gives the reasons.
        #[allow(unsafe_code, reason = "CUDA's interface")]
        unsafe {
            result::launch_kernel(
                bound.function.function.cu_function(),
                (bound.grid[0], bound.grid[1], 1),
                (bound.function.block, 1, 1),
                0,
                self.stream.cu_stream(),
                &mut arguments[..n],
            )
        }
        .map_err(failed("launching a kernel"))
    }
}
