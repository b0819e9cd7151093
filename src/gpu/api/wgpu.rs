//! Devices through wgpu.

mod adapter;
mod dx12;
mod environment;
mod handle;
mod record;
mod staging;
mod timer;

use std::sync::{Arc, PoisonError};

pub use self::adapter::{
    ADVICE, AdapterInfo, FeatureSet, adapters, required_limits, suitable_adapters, wanted_features,
};
use self::handle::{Failure, Wgpu};
use self::record::{Bound, Recorder};
use self::staging::Staged;
use self::timer::Queries;
use super::interface::{
    Access, Api, Capabilities, Commands, Language, Launch, Memory, Program, Purpose, Signature,
    Staging, Timer, own,
};
use crate::error::{Error, Result};

/// Opens an adapter. `wanted` is its number or a part of its name. Without it, the adapter that
/// `WGPU_ADAPTER_NAME` names or else the best hardware adapter is opened.
///
/// # Errors
/// [`Error::NoAdapter`] if there is no such adapter; [`Error::Invalid`] for a wrong environment
/// variable; [`Error::Gpu`] if it cannot be opened; [`Error::Unsupported`] on WebAssembly.
pub(in crate::gpu) fn open_wgpu(
    wanted: Option<&str>,
    features: FeatureSet,
) -> Result<Arc<dyn Api>> {
    if adapter::WAITS_ARE_IMPOSSIBLE {
        let advice = "use BackendKind::Cpu; only native programs compute on a GPU";
        return Err(Error::unsupported("a GPU on WebAssembly", advice));
    }
    let opened = adapter::open(wanted, features)?;
    let failure = Failure::default();
    let keep = |failure: &Failure| {
        let failure = Arc::clone(failure);
        move |lost: bool, message: String| {
            let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert((lost, message));
        }
    };
    let (on_error, on_loss) = (keep(&failure), keep(&failure));
    opened.device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        on_error(false, error.to_string());
    }));
    opened.device.set_device_lost_callback(move |reason, message| {
        on_loss(true, format!("{reason:?}: {message}"));
    });
    Ok(Arc::new(Wgpu::new(opened.device, opened.queue, opened.name, opened.matrices, failure)))
}

/// Uses the device and queue of a host program, and leaves the program's error callbacks in place.
#[cfg(not(target_family = "wasm"))]
pub(in crate::gpu) fn from_wgpu(device: wgpu::Device, queue: wgpu::Queue) -> Arc<dyn Api> {
    let name = adapter::device_name(&device.adapter_info(), "of the host");
    Arc::new(Wgpu::new(device, queue, name, false, Failure::default()))
}

/// A compiled kernel.
#[derive(Debug)]
struct Pipeline {
    name: &'static str,
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
}

impl Api for Wgpu {
    fn language(&self) -> Language {
        Language::Wgsl
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn check_limits(&self) -> Result<()> {
        let mut low = None;
        let found = self.device.limits();
        // Smaller buffers have room for fewer replicas.
        let needed = wgpu::Limits {
            max_buffer_size: found.max_buffer_size,
            max_storage_buffer_binding_size: found.max_storage_buffer_binding_size,
            ..required_limits()
        };
        needed.check_limits_with_fail_fn(&found, true, |name, needed, has| {
            low = Some(format!("a limit {name} of {has} on {}", self.capabilities.name));
            log::debug!("{name}: {has}, {needed} is needed");
        });
        let advice = "request the device with gpu::required_limits()";
        low.map_or(Ok(()), |what| Err(Error::unsupported(what, advice)))
    }

    fn check_presence(&self) -> Result<()> {
        match self.is_lost() {
            true => Err(self.lost("computing", "the device was destroyed or removed")),
            false => Ok(()),
        }
    }

    fn allocate(
        &self,
        label: &'static str,
        bytes: u64,
        purpose: Purpose,
    ) -> Result<Option<Memory>> {
        let usage = match purpose {
            Purpose::Storage => wgpu::BufferUsages::STORAGE,
            Purpose::Uniform => wgpu::BufferUsages::UNIFORM,
        };
        let copies = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let buffer = self.buffer(label, bytes, usage | copies)?;
        Ok(buffer.map(|buffer| Arc::new(buffer) as Memory))
    }

    fn stage(&self, bytes: u64) -> Result<Option<Box<dyn Staging>>> {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let buffer = self.buffer("staging", bytes, usage)?;
        let staged = |buffer| Box::new(Staged::new(self.clone(), buffer)) as Box<dyn Staging>;
        Ok(buffer.map(staged))
    }

    fn write(&self, memory: &Memory, offset: u64, data: &[u8]) -> Result<()> {
        self.scoped("writing", || self.queue.write_buffer(own(&**memory), offset, data))
    }

    fn compile(&self, signature: Signature, text: &str) -> Result<Program> {
        let Signature { name, bindings, .. } = signature;
        let entry = |(number, access): (usize, &Access)| wgpu::BindGroupLayoutEntry {
            binding: number as u32,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: match access {
                    Access::Uniform => wgpu::BufferBindingType::Uniform,
                    Access::Read => wgpu::BufferBindingType::Storage { read_only: true },
                    Access::Write => wgpu::BufferBindingType::Storage { read_only: false },
                },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        };
        let entries: Vec<_> = bindings.iter().enumerate().map(entry).collect();
        let (pipeline, layout) = self.scoped(name, || {
            let layout = self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(name),
                entries: &entries,
            });
            let pipeline_layout =
                self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                    label: Some(name),
                    bind_group_layouts: &[Some(&layout)],
                    immediate_size: 0,
                });
            let module = shader_module(&self.device, name, text);
            let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(name),
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some(name),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &[],
                    // Kernels write workgroup memory before they read it. Some drivers take minutes
                    // to compile the zeroing.
                    zero_initialize_workgroup_memory: false,
                },
                cache: None,
            });
            (pipeline, layout)
        })?;
        Ok(Arc::new(Pipeline { name, pipeline, layout }))
    }

    fn bind(&self, program: &Program, memory: &[&Memory], workgroups: [u32; 2]) -> Result<Launch> {
        let Pipeline { name, pipeline, layout } = own(&**program);
        let buffers = memory.iter().map(|memory| own::<wgpu::Buffer>(&***memory));
        let resources = buffers.map(wgpu::Buffer::as_entire_binding).enumerate();
        let entries: Vec<_> = resources
            .map(|(number, resource)| wgpu::BindGroupEntry { binding: number as u32, resource })
            .collect();
        let bind_group = self.scoped(name, || {
            self.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(name),
                layout,
                entries: &entries,
            })
        })?;
        Ok(Arc::new(Bound { pipeline: pipeline.clone(), bind_group, workgroups }))
    }

    fn commands(&self) -> Box<dyn Commands> {
        let encoder = self.device.create_command_encoder(&Default::default());
        Box::new(Recorder::new(self.clone(), encoder))
    }

    fn timer(&self, launches: usize) -> Result<Box<dyn Timer>> {
        Ok(Box::new(Queries::new(self, launches)?))
    }

    fn release(&self) {
        // A poll frees the buffers whose last submission has ended.
        if let Err(error) = self.device.poll(wgpu::PollType::Poll) {
            log::debug!("poll: {error}");
        }
    }

    fn wgpu_buffer(&self, memory: &Memory) -> Option<wgpu::Buffer> {
        Some(own::<wgpu::Buffer>(&**memory).clone())
    }

    fn reserved_bytes(&self) -> Option<u64> {
        self.device.generate_allocator_report().map(|report| report.total_reserved_bytes)
    }
}

fn shader_module(device: &wgpu::Device, name: &str, text: &str) -> wgpu::ShaderModule {
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(name),
        source: wgpu::ShaderSource::Wgsl(text.into()),
    };
    if cfg!(debug_assertions) {
        return device.create_shader_module(descriptor);
    }
    // SAFETY: every index in the kernels is below the length of its buffer, and every loop ends:
    // - Indices from the host are checked before a kernel sees them: those of a system when it is
    //   made (callers cannot change its fields), those of single operations in gpu/ops/arguments.
    // - Rows of a neighbor list end within the capacity, or are empty. The sum of their lengths
    //   saturates instead of wrapping around (neighbor_fill).
    // - The words of a buffer, and the edges of all replicas, have numbers of 32 bits (the buffer
    //   limit of Capabilities, neighbors::col), so products of counts do not wrap around.
    // Builds with debug assertions, such as those of the tests, run the same kernels with checks
    // and compare every element of the results.
    #[allow(unsafe_code, reason = "run-time checks cost up to a third of a kernel's time")]
    unsafe {
        device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
    }
}
