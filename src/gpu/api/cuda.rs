//! Devices through CUDA: memory, kernels compiled at run time for the device, and a stream of
//! commands.
//!
//! A command enters the stream at once. A submission is an event behind the last command.

mod context;
mod stream;

use std::sync::Arc;

use cudarc::driver::{CudaContext, result, sys};
use cudarc::nvrtc;

use self::context::{Allocation, Bound, Cuda, Function, failed};
use self::stream::{Events, Pinned, Stream};
use super::interface::{
    Api, Capabilities, Commands, Language, Launch, MOST_BUFFER_BYTES, Memory, Program, Purpose,
    Signature, Staging, Timer, own,
};
use super::name::with_facts;
use crate::error::{Error, Result};

const ADVICE: &str = "install NVIDIA's driver and CUDA's run-time compiler (libnvrtc), name their folders \
     in LD_LIBRARY_PATH if they are elsewhere, or use the wgpu backend or the CPU backend";

/// Fails if a library is missing: cudarc would panic.
fn check_libraries() -> Result<()> {
    // SAFETY: the functions only look for a library and its entry points.
    #[allow(unsafe_code, reason = "CUDA's interface")]
    let (driver, compiler) = unsafe { (sys::is_culib_present(), nvrtc::sys::is_culib_present()) };
    let missing = match (driver, compiler) {
        (false, _) => "no CUDA driver (libcuda)",
        (true, false) => "no run-time compiler of CUDA (libnvrtc)",
        (true, true) => return Ok(()),
    };
    Err(Error::NoAdapter { found: missing.into(), advice: ADVICE.into() })
}

/// Opens a device. `wanted` is its number or a part of its name; without it, the first device is
/// opened.
///
/// # Errors
/// [`Error::NoAdapter`] without the libraries or such a device; [`Error::Gpu`] if the driver fails.
pub(super) fn open(wanted: Option<&str>) -> Result<Arc<dyn Api>> {
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
    let capabilities = Capabilities {
        name: with_facts(&names[chosen], &[&format!("CUDA {major}.{minor}")]),
        buffer_bytes: bytes.min(MOST_BUFFER_BYTES),
        // The shared memory that a block has by default.
        workgroup_bytes: 49_152,
        invocations: 1024,
        f16: true,
        matrices: major >= 8,
    };
    let architecture = architecture(10 * major + minor)?;
    Ok(Arc::new(Cuda { context, stream, architecture, capabilities: Arc::new(capabilities) }))
}

/// The architecture of a device, or the newest older one that the compiler knows. The driver
/// translates the code for the device.
fn architecture(capability: i32) -> Result<String> {
    let mut count = 0;
    // SAFETY: the vector has room for the number of architectures that the compiler reports.
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
        Error::unsupported(what, "use the wgpu backend or a CUDA compiler of its time")
    })?;
    Ok(format!("compute_{best}"))
}

impl Api for Cuda {
    fn language(&self) -> Language {
        Language::Cuda
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn allocate(&self, _: &'static str, bytes: u64, _: Purpose) -> Result<Option<Memory>> {
        self.bind_to_thread("allocation")?;
        // SAFETY: the pointer is freed with the Allocation.
        #[allow(unsafe_code, reason = "CUDA's interface")]
        let pointer = unsafe { result::malloc_sync(bytes as usize) };
        let pointer = match pointer {
            Err(error) if error.0 == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => return Ok(None),
            other => other.map_err(failed("allocation"))?,
        };
        let allocation = Allocation { pointer, bytes, context: Arc::clone(&self.context) };
        // SAFETY: the range is the whole allocation.
        #[allow(unsafe_code, reason = "CUDA's interface")]
        unsafe {
            result::memset_d8_async(pointer, 0, bytes as usize, self.stream.cu_stream())
                .map_err(failed("clearing"))?;
        }
        Ok(Some(Arc::new(allocation)))
    }

    fn stage(&self, bytes: u64) -> Result<Option<Box<dyn Staging>>> {
        self.bind_to_thread("allocation")?;
        // SAFETY: the pointer is freed with the Pinned.
        #[allow(unsafe_code, reason = "CUDA's interface")]
        let pointer = unsafe { result::malloc_host(bytes as usize, 0) };
        match pointer {
            Err(error) if error.0 == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => Ok(None),
            other => {
                let pointer = other.map_err(failed("allocation"))?;
                Ok(Some(Box::new(Pinned::new(pointer, bytes, Arc::clone(&self.context)))))
            }
        }
    }

    fn write(&self, memory: &Memory, offset: u64, data: &[u8]) -> Result<()> {
        let Allocation { pointer, bytes, .. } = own(&**memory);
        assert!(offset + data.len() as u64 <= *bytes, "more data than the buffer holds");
        self.bind_to_thread("writing")?;
        // SAFETY: the data fits the allocation. The driver copies pageable memory before it
        // returns.
        #[allow(unsafe_code, reason = "CUDA's interface")]
        unsafe {
            result::memcpy_htod_async(*pointer + offset, data, self.stream.cu_stream())
                .map_err(failed("writing"))
        }
    }

    fn compile(&self, signature: Signature, text: &str) -> Result<Program> {
        let Signature { name, invocations, .. } = signature;
        let options = nvrtc::CompileOptions {
            name: Some(format!("{name}.cu")),
            options: vec![
                format!("--gpu-architecture={}", self.architecture),
                "--std=c++17".into(),
                "--device-as-default-execution-space".into(),
                // No warnings for constants of a library that only other kernels use.
                "--diag-suppress=177".into(),
            ],
            ..Default::default()
        };
        let image = nvrtc::compile_ptx_with_opts(text, options)
            .map_err(|error| Error::gpu(name, format!("{error:?}")))?;
        let module = self.context.load_module(image).map_err(failed(name))?;
        let function = module.load_function(name).map_err(failed(name))?;
        Ok(Arc::new(Function { function, block: invocations }))
    }

    fn bind(&self, program: &Program, memory: &[&Memory], workgroups: [u32; 2]) -> Result<Launch> {
        let function = own::<Function>(&**program).clone();
        let arguments = memory.iter().map(|memory| Arc::clone(memory)).collect();
        Ok(Arc::new(Bound { function, arguments, grid: workgroups }))
    }

    fn commands(&self) -> Box<dyn Commands> {
        Box::new(Stream::new(self.clone()))
    }

    fn timer(&self, _: usize) -> Result<Box<dyn Timer>> {
        Ok(Box::new(Events::default()))
    }
}
