//! Devices through CUDA: memory, kernels compiled for the device found, and a stream of launches.

use std::sync::Arc;

use cudarc::driver::{CudaContext, CudaEvent, CudaFunction, CudaStream, DriverError, result, sys};
use cudarc::nvrtc;

use super::kernel::Dispatch;
use super::wgsl;
use crate::error::{Error, Result};

/// A context and its stream.
#[derive(Debug, Clone)]
pub(super) struct Cuda {
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    /// What NVRTC is to compile for.
    architecture: String,
    pub(super) limits: Limits,
}

/// What a device has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) bytes: u64,
    pub(super) block_bytes: u32,
    pub(super) block_threads: u32,
    /// Tensor cores multiply matrices of 16 by 16 16-bit floats.
    pub(super) matrices: bool,
}

/// Memory on the device.
#[derive(Debug)]
pub(super) struct Memory {
    pointer: sys::CUdeviceptr,
    pub(super) bytes: usize,
    cuda: Cuda,
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the pointer came from malloc_sync and is freed once; the driver waits for kernels
        // that use it.
        #[allow(unsafe_code, reason = "CUDA's interface")]
        let freed = self
            .cuda
            .context
            .bind_to_thread()
            .and_then(|()| unsafe { result::free_sync(self.pointer) });
        if let Err(error) = freed {
            log::warn!("freeing device memory: {error}");
        }
    }
}

/// A compiled kernel, and the threads of its blocks.
#[derive(Debug, Clone)]
pub(super) struct Program {
    function: CudaFunction,
    pub(super) block: u32,
}

/// A kernel with the memory that it works on.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    pub(super) program: Program,
    pub(super) arguments: Vec<Arc<Memory>>,
}

/// A kernel has fewer: those of a launch need no memory of their own.
const MOST_ARGUMENTS: usize = 16;

const ADVICE: &str = "install NVIDIA's driver and CUDA's run-time compiler (libnvrtc), name their folders \
     in LD_LIBRARY_PATH if they are elsewhere, or use --backend wgpu or cpu";

fn failed(during: &str) -> impl FnOnce(DriverError) -> Error {
    move |error| Error::gpu(during.to_owned(), error)
}

/// Whether the libraries are there: cudarc panics where it does not find them.
fn check_libraries() -> Result<()> {
    // SAFETY: looks for a library and its entry points.
    #[allow(unsafe_code, reason = "CUDA's interface")]
    let (driver, compiler) = unsafe { (sys::is_culib_present(), nvrtc::sys::is_culib_present()) };
    let missing = match (driver, compiler) {
        (false, _) => "no CUDA driver (libcuda)",
        (true, false) => "no run-time compiler of CUDA (libnvrtc)",
        (true, true) => return Ok(()),
    };
    Err(Error::NoAdapter { found: missing.into(), advice: ADVICE.into() })
}

impl Cuda {
    /// Opens the first device, or the one whose number or part of whose name is given. Also its name.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] without the libraries or such a device; [`Error::Gpu`] of the driver.
    pub(super) fn open(wanted: Option<&str>) -> Result<(Self, String)> {
        check_libraries()?;
        let none = |found: String| Error::NoAdapter { found, advice: ADVICE.into() };
        let count = CudaContext::device_count().map_err(|error| none(error.to_string()))?;
        let name_of = |ordinal| {
            let device = result::device::get(ordinal)?;
            result::device::get_name(device)
        };
        let names: Vec<String> = (0..count)
            .map(|ordinal| name_of(ordinal).map_err(failed("asking a device's name")))
            .collect::<Result<_>>()?;
        let chosen = match wanted {
            None => (count > 0).then_some(0),
            Some(wanted) => {
                let lower = wanted.to_lowercase();
                let number = wanted.parse().ok().filter(|number| *number < names.len());
                number.or_else(|| names.iter().position(|n| n.to_lowercase().contains(&lower)))
            }
        };
        let chosen = chosen.ok_or_else(|| none(format!("found {}", names.join(", "))))?;
        let context = CudaContext::new(chosen).map_err(failed("opening a device"))?;
        let (major, minor) =
            context.compute_capability().map_err(failed("asking what a device can do"))?;
        let stream = context.new_stream().map_err(failed("opening a device"))?;
        let bytes = context.total_mem().map_err(failed("asking for a device's memory"))? as u64;
        let limits = Limits {
            bytes,
            // What a block has without asking for more.
            block_bytes: 49_152,
            block_threads: 1024,
            matrices: major >= 8,
        };
        let architecture = architecture(10 * major + minor)?;
        let name = format!("{} (CUDA {major}.{minor})", names[chosen]);
        Ok((Cuda { context, stream, architecture, limits }, name))
    }

    /// Zeroed memory, or none if there is no room.
    pub(super) fn zeroed(&self, bytes: usize) -> Result<Option<Arc<Memory>>> {
        self.context.bind_to_thread().map_err(failed("allocation"))?;
        // SAFETY: the pointer is freed with the Memory; it is zeroed over its length.
        #[allow(unsafe_code, reason = "CUDA's interface")]
        let pointer = unsafe { result::malloc_sync(bytes) };
        let pointer = match pointer {
            Err(error) if error.0 == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => return Ok(None),
            other => other.map_err(failed("allocation"))?,
        };
        let memory = Arc::new(Memory { pointer, bytes, cuda: self.clone() });
        self.clear(&memory)?;
        Ok(Some(memory))
    }

    pub(super) fn clear(&self, memory: &Memory) -> Result<()> {
        self.context.bind_to_thread().map_err(failed("clearing"))?;
        // SAFETY: within the allocation.
        #[allow(unsafe_code, reason = "CUDA's interface")]
        unsafe {
            result::memset_d8_async(memory.pointer, 0, memory.bytes, self.stream.cu_stream())
                .map_err(failed("clearing"))
        }
    }

    pub(super) fn write(&self, memory: &Memory, data: &[u8]) -> Result<()> {
        assert!(data.len() <= memory.bytes, "more data than the buffer holds");
        self.context.bind_to_thread().map_err(failed("writing"))?;
        // SAFETY: within the allocation; from pageable memory the driver copies before it returns.
        #[allow(unsafe_code, reason = "CUDA's interface")]
        unsafe {
            result::memcpy_htod_async(memory.pointer, data, self.stream.cu_stream())
                .map_err(failed("writing"))
        }
    }

    /// Reads after all that was launched so far.
    pub(super) fn read(&self, memory: &Memory, data: &mut [u8]) -> Result<()> {
        assert!(data.len() <= memory.bytes, "more data than the buffer holds");
        self.context.bind_to_thread().map_err(failed("reading back"))?;
        // SAFETY: within the allocation, and `data` is not looked at before the copy has ended.
        #[allow(unsafe_code, reason = "CUDA's interface")]
        unsafe {
            result::memcpy_dtoh_async(data, memory.pointer, self.stream.cu_stream())
                .map_err(failed("reading back"))?;
        }
        self.stream.synchronize().map_err(failed("reading back"))
    }

    pub(super) fn copy(&self, from: &Memory, to: &Memory) -> Result<()> {
        assert!(from.bytes == to.bytes, "buffers of one size");
        self.context.bind_to_thread().map_err(failed("copying"))?;
        // SAFETY: within both allocations, which are not one.
        #[allow(unsafe_code, reason = "CUDA's interface")]
        unsafe {
            result::memcpy_dtod_async(to.pointer, from.pointer, from.bytes, self.stream.cu_stream())
                .map_err(failed("copying"))
        }
    }

    /// Compiles a composed kernel.
    pub(super) fn compile(&self, name: &'static str, text: &str) -> Result<Program> {
        let block = wgsl::block_size(text)
            .ok_or_else(|| Error::gpu(name, "the kernel has no constant WORKGROUP"))?;
        let options = nvrtc::CompileOptions {
            name: Some(format!("{name}.cu")),
            options: vec![
                format!("--gpu-architecture={}", self.architecture),
                "--std=c++17".into(),
                "--device-as-default-execution-space".into(),
                // Libraries have constants for others, too.
                "--diag-suppress=177".into(),
            ],
            ..Default::default()
        };
        let image = nvrtc::compile_ptx_with_opts(text, options)
            .map_err(|error| Error::gpu(name, format!("{error:?}")))?;
        let module = self.context.load_module(image).map_err(failed(name))?;
        let function = module.load_function(name).map_err(failed(name))?;
        Ok(Program { function, block })
    }

    pub(super) fn launch(&self, launch: &Launch, workgroups: [u32; 2]) -> Result<()> {
        let mut pointers = [0; MOST_ARGUMENTS];
        let mut arguments = [std::ptr::null_mut(); MOST_ARGUMENTS];
        let n = launch.arguments.len();
        for ((pointer, argument), memory) in
            pointers[..n].iter_mut().zip(&mut arguments).zip(&launch.arguments)
        {
            *pointer = memory.pointer;
            *argument = std::ptr::from_mut(pointer).cast();
        }
        // SAFETY: a kernel has a pointer for each binding, in order, and keeps to the memory behind
        // them as its twin in WGSL does, whose tests run with checks.
        #[allow(unsafe_code, reason = "CUDA's interface")]
        unsafe {
            result::launch_kernel(
                launch.program.function.cu_function(),
                (workgroups[0], workgroups[1], 1),
                (launch.program.block, 1, 1),
                0,
                self.stream.cu_stream(),
                &mut arguments[..n],
            )
        }
        .map_err(failed("launching a kernel"))
    }

    /// Launches kernels in order.
    pub(super) fn run<'a>(&self, dispatches: impl IntoIterator<Item = &'a Dispatch>) -> Result<()> {
        self.context.bind_to_thread().map_err(failed("launching a kernel"))?;
        dispatches.into_iter().try_for_each(|dispatch| dispatch.launch_on(self))
    }

    /// A mark behind all that was launched so far.
    pub(super) fn mark(&self) -> Result<CudaEvent> {
        let flags = Some(sys::CUevent_flags::CU_EVENT_DEFAULT);
        self.stream.record_event(flags).map_err(failed("marking"))
    }

    pub(super) fn wait(&self, during: &str) -> Result<()> {
        self.stream.synchronize().map_err(failed(during))
    }
}

/// The architecture of a device, or the newest before it that the compiler knows: the driver turns
/// that into what the device has.
fn architecture(capability: i32) -> Result<String> {
    let mut count = 0;
    // SAFETY: the compiler fills as many numbers as it says that it has.
    #[allow(unsafe_code, reason = "CUDA's interface")]
    let known = unsafe {
        let number = nvrtc::sys::nvrtcGetNumSupportedArchs(&mut count);
        let mut known = vec![0; count.max(0) as usize];
        let numbers = nvrtc::sys::nvrtcGetSupportedArchs(known.as_mut_ptr());
        (number.result().is_ok() && numbers.result().is_ok()).then_some(known)
    };
    let known = known.ok_or_else(|| Error::gpu("CUDA's compiler", "it names no architecture"))?;
    let best = known.iter().filter(|known| **known <= capability).max();
    let best = best.ok_or_else(|| {
        let what = format!("compute capability {}.{}", capability / 10, capability % 10);
        Error::unsupported(what, "use --backend wgpu or a CUDA compiler of its time")
    })?;
    Ok(format!("compute_{best}"))
}
