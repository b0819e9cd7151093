//! A kernel ready to be bound and dispatched.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::buffer::Buffer;
use super::device::Device;
use super::wgsl::{self, Access, Value};
use crate::error::{Error, Result};

/// A compiled specialisation of a shader.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) name: &'static str,
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    /// Invocations of a workgroup.
    pub(super) workgroup: u32,
}

/// A kernel with its buffers and grid: one entry of the list that makes up a step.
#[derive(Debug, Clone)]
pub(super) struct Dispatch {
    name: &'static str,
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
    workgroups: [u32; 2],
    /// In all, and for each edge of the neighbor list.
    work: [Work; 2],
}

/// What a dispatch asks of the device; zero where that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Work {
    /// Bytes requested of the device's memory or its caches.
    pub(super) bytes: u64,
    /// Floating point operations, a fused multiply-add being two.
    pub(super) flops: u64,
}

/// Workgroups of a dispatch beyond this number go into y.
const MAX_WORKGROUPS: u32 = 65_535;

impl Kernel {
    /// The kernel with these constants, compiled once per device.
    ///
    /// # Errors
    /// See [`Kernel::compile`].
    pub(super) fn new(
        device: &Device,
        name: &'static str,
        constants: &[(&str, Value)],
    ) -> Result<Arc<Self>> {
        let text = wgsl::compose(name, constants);
        let mut kernels = device.kernels.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(kernel) = kernels.get(&text) {
            return Ok(Arc::clone(kernel));
        }
        let clock = Instant::now();
        let kernel = Arc::new(Self::compile(device, name, &text)?);
        let nanoseconds = clock.elapsed().as_nanos() as u64;
        device.tally.compile_nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
        kernels.insert(text, Arc::clone(&kernel));
        Ok(kernel)
    }

    /// Checks and compiles a composed kernel.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if it needs more workgroup memory or invocations than the device
    /// has: wgpu does not check that itself.
    fn compile(device: &Device, name: &'static str, text: &str) -> Result<Self> {
        let (module, _) = wgsl::parse(text).map_err(|message| Error::gpu(name, message))?;
        let reflection = wgsl::reflect(&module);
        if reflection.workgroup_bytes > device.most_workgroup_bytes()
            || reflection.invocations > device.most_invocations()
        {
            return Err(Error::unsupported(
                format!(
                    "a network of this size on {}: kernel {name} needs {} bytes of workgroup \
                     memory and {} invocations",
                    device.name, reflection.workgroup_bytes, reflection.invocations
                ),
                "use --backend cpu",
            ));
        }
        let entries: Vec<wgpu::BindGroupLayoutEntry> = reflection
            .bindings
            .iter()
            .enumerate()
            .map(|(number, access)| wgpu::BindGroupLayoutEntry {
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
            })
            .collect();
        let (pipeline, layout) = device.scoped(name, || {
            let layout = device.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(name),
                entries: &entries,
            });
            let pipeline_layout =
                device.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                    label: Some(name),
                    bind_group_layouts: &[Some(&layout)],
                    immediate_size: 0,
                });
            let module = shader_module(device, name, text);
            let pipeline =
                device.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                    label: Some(name),
                    layout: Some(&pipeline_layout),
                    module: &module,
                    entry_point: Some(name),
                    compilation_options: wgpu::PipelineCompilationOptions {
                        constants: &[],
                        // Kernels fill what they read; some drivers spend minutes on writing zeros.
                        zero_initialize_workgroup_memory: false,
                    },
                    cache: None,
                });
            (pipeline, layout)
        })?;
        Ok(Kernel { name, pipeline, layout, workgroup: reflection.invocations })
    }

    /// Binds buffers 0, 1, 2 … for a grid of `workgroups`.
    pub(super) fn bind(
        &self,
        device: &Device,
        buffers: &[&dyn Bindable],
        workgroups: usize,
    ) -> Result<Dispatch> {
        let entries: Vec<wgpu::BindGroupEntry> = buffers
            .iter()
            .enumerate()
            .map(|(number, buffer)| wgpu::BindGroupEntry {
                binding: number as u32,
                resource: buffer.raw().as_entire_binding(),
            })
            .collect();
        let bind_group = device.scoped(self.name, || {
            device.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(self.name),
                layout: &self.layout,
                entries: &entries,
            })
        })?;
        let too_many = || {
            let found = format!("{workgroups} workgroups of {}", self.name);
            Error::unsupported(found, "use fewer replicas")
        };
        let total = u32::try_from(workgroups.max(1)).map_err(|_| too_many())?;
        let y = total.div_ceil(MAX_WORKGROUPS);
        if y > MAX_WORKGROUPS {
            return Err(too_many());
        }
        let (name, pipeline) = (self.name, self.pipeline.clone());
        let (workgroups, work) = ([total.div_ceil(y), y], Default::default());
        Ok(Dispatch { name, pipeline, bind_group, workgroups, work })
    }

    /// Workgroups for one invocation per element.
    pub(super) fn groups_for(&self, elements: usize) -> usize {
        elements.div_ceil(self.workgroup as usize)
    }
}

fn shader_module(device: &Device, name: &str, text: &str) -> wgpu::ShaderModule {
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(name),
        source: wgpu::ShaderSource::Wgsl(text.into()),
    };
    if cfg!(debug_assertions) {
        return device.device.create_shader_module(descriptor);
    }
    // SAFETY: every index of our kernels is below the length its buffer is allocated with, and
    // every loop ends; builds with debug assertions, which the tests are, run the same kernels
    // with the checks on and compare every element of the results.
    #[allow(unsafe_code, reason = "run-time checks cost up to a third of a kernel's time")]
    unsafe {
        device
            .device
            .create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
    }
}

/// A buffer of any element type.
pub(super) trait Bindable {
    fn raw(&self) -> &wgpu::Buffer;
}

impl<T> Bindable for Buffer<T> {
    fn raw(&self) -> &wgpu::Buffer {
        &self.raw
    }
}

/// Commands in the order in which a device carries them out.
pub(super) struct Commands {
    pub(super) encoder: wgpu::CommandEncoder,
}

impl Commands {
    pub(super) fn new(device: &Device) -> Self {
        Commands { encoder: device.device.create_command_encoder(&Default::default()) }
    }

    pub(super) fn dispatch<'a>(&mut self, dispatches: impl IntoIterator<Item = &'a Dispatch>) {
        let mut pass = begin_pass(&mut self.encoder, None);
        for dispatch in dispatches {
            dispatch.record(&mut pass);
        }
    }

    /// Fills a buffer with zeros.
    pub(super) fn clear<T>(&mut self, buffer: &Buffer<T>) {
        self.encoder.clear_buffer(&buffer.raw, 0, None);
    }

    /// Copies all of a buffer into another of its size.
    pub(super) fn copy<T>(&mut self, from: &Buffer<T>, to: &Buffer<T>) {
        self.encoder.copy_buffer_to_buffer(&from.raw, 0, &to.raw, 0, from.raw.size());
    }
}

/// A compute pass that notes the time where it is told to.
pub(super) fn begin_pass<'a>(
    encoder: &'a mut wgpu::CommandEncoder,
    timestamp_writes: Option<wgpu::ComputePassTimestampWrites>,
) -> wgpu::ComputePass<'a> {
    let label = Some("flashschnet");
    encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label, timestamp_writes })
}

impl Dispatch {
    /// The kernel.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn record(&self, pass: &mut wgpu::ComputePass) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(self.workgroups[0], self.workgroups[1], 1);
    }

    /// Says what it asks of the device.
    pub(super) fn working(mut self, bytes: u64, flops: u64) -> Self {
        self.work[0] = Work { bytes, flops };
        self
    }

    /// Says what it asks of the device for each edge of the neighbor list.
    pub(super) fn working_per_edge(mut self, bytes: u64, flops: u64) -> Self {
        self.work[1] = Work { bytes, flops };
        self
    }

    /// What it asks of the device with so many edges in the list.
    pub(super) fn work(&self, edges: u64) -> Work {
        let [all, each] = self.work;
        Work { bytes: all.bytes + edges * each.bytes, flops: all.flops + edges * each.flops }
    }
}

/// Submits dispatches, in order.
pub(super) fn run<'a>(device: &Device, dispatches: impl IntoIterator<Item = &'a Dispatch>) {
    let mut commands = Commands::new(device);
    commands.dispatch(dispatches);
    device.submit(commands);
}
