//! A kernel ready to be bound and dispatched.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::buffer::{Buffer, Raw};
#[cfg(feature = "cuda")]
use super::cuda::{Cuda, Launch, Program};
use super::device::{Api, Device, scoped};
use super::wgsl::{self, Access, Value};
use crate::error::{Error, Result};

/// A compiled specialisation of a shader.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) name: &'static str,
    compiled: Compiled,
    /// Invocations of a workgroup.
    pub(super) workgroup: u32,
}

#[derive(Debug)]
enum Compiled {
    Wgpu {
        pipeline: wgpu::ComputePipeline,
        layout: wgpu::BindGroupLayout,
    },
    #[cfg(feature = "cuda")]
    Cuda(Program),
}

/// A kernel with its buffers and grid: one entry of the list that makes up a step.
#[derive(Debug, Clone)]
pub(super) struct Dispatch {
    name: &'static str,
    bound: Bound,
    workgroups: [u32; 2],
    /// In all, and for each edge of the neighbor list.
    work: [Work; 2],
}

#[derive(Debug, Clone)]
enum Bound {
    Wgpu {
        pipeline: wgpu::ComputePipeline,
        bind_group: wgpu::BindGroup,
    },
    #[cfg(feature = "cuda")]
    Cuda(Launch),
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
        let text = match &device.api {
            Api::Wgpu { .. } => wgsl::compose(name, constants),
            #[cfg(feature = "cuda")]
            Api::Cuda(_) => wgsl::compose_cuda(name, constants),
        };
        let mut kernels = device.kernels.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(kernel) = kernels.get(&text) {
            return Ok(Arc::clone(kernel));
        }
        let clock = Instant::now();
        let kernel = Arc::new(match &device.api {
            Api::Wgpu { .. } => Self::compile(device, name, &text)?,
            #[cfg(feature = "cuda")]
            Api::Cuda(cuda) => {
                let program = cuda.compile(name, &text)?;
                Kernel { name, workgroup: program.block, compiled: Compiled::Cuda(program) }
            }
        });
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
        let (wgpu, _) = device.wgpu();
        let (pipeline, layout) = scoped(wgpu, name, || {
            let layout = wgpu.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(name),
                entries: &entries,
            });
            let pipeline_layout = wgpu.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(name),
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            });
            let module = shader_module(wgpu, name, text);
            let pipeline = wgpu.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
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
        let compiled = Compiled::Wgpu { pipeline, layout };
        Ok(Kernel { name, compiled, workgroup: reflection.invocations })
    }

    /// Binds buffers 0, 1, 2 … for a grid of `workgroups`.
    pub(super) fn bind(
        &self,
        device: &Device,
        buffers: &[&dyn Bindable],
        workgroups: usize,
    ) -> Result<Dispatch> {
        let bound = match &self.compiled {
            Compiled::Wgpu { pipeline, layout } => {
                let entries: Vec<wgpu::BindGroupEntry> = buffers
                    .iter()
                    .enumerate()
                    .map(|(number, buffer)| wgpu::BindGroupEntry {
                        binding: number as u32,
                        resource: buffer.raw().wgpu().as_entire_binding(),
                    })
                    .collect();
                let (wgpu, _) = device.wgpu();
                let bind_group = scoped(wgpu, self.name, || {
                    wgpu.create_bind_group(&wgpu::BindGroupDescriptor {
                        label: Some(self.name),
                        layout,
                        entries: &entries,
                    })
                })?;
                Bound::Wgpu { pipeline: pipeline.clone(), bind_group }
            }
            #[cfg(feature = "cuda")]
            Compiled::Cuda(program) => Bound::Cuda(Launch {
                program: program.clone(),
                arguments: buffers.iter().map(|buffer| Arc::clone(buffer.raw().cuda())).collect(),
            }),
        };
        let too_many = || {
            let found = format!("{workgroups} workgroups of {}", self.name);
            Error::unsupported(found, "use fewer replicas")
        };
        let total = u32::try_from(workgroups.max(1)).map_err(|_| too_many())?;
        let y = total.div_ceil(MAX_WORKGROUPS);
        if y > MAX_WORKGROUPS {
            return Err(too_many());
        }
        let (workgroups, work) = ([total.div_ceil(y), y], Default::default());
        Ok(Dispatch { name: self.name, bound, workgroups, work })
    }

    /// Workgroups for one invocation per element.
    pub(super) fn groups_for(&self, elements: usize) -> usize {
        elements.div_ceil(self.workgroup as usize)
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
    // SAFETY: every index of our kernels is below the length its buffer is allocated with, and
    // every loop ends; builds with debug assertions, which the tests are, run the same kernels
    // with the checks on and compare every element of the results.
    #[allow(unsafe_code, reason = "run-time checks cost up to a third of a kernel's time")]
    unsafe {
        device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
    }
}

/// A buffer of any element type.
pub(super) trait Bindable {
    fn raw(&self) -> &Raw;
}

impl<T> Bindable for Buffer<T> {
    fn raw(&self) -> &Raw {
        &self.raw
    }
}

/// Commands in the order in which a device carries them out.
pub(super) enum Commands {
    Wgpu(wgpu::CommandEncoder),
    /// Takes each command as it comes.
    #[cfg(feature = "cuda")]
    Cuda(Device, Cuda),
}

impl Commands {
    pub(super) fn new(device: &Device) -> Self {
        match &device.api {
            Api::Wgpu { device, .. } => {
                Commands::Wgpu(device.create_command_encoder(&Default::default()))
            }
            #[cfg(feature = "cuda")]
            Api::Cuda(cuda) => Commands::Cuda(device.clone(), cuda.clone()),
        }
    }

    pub(super) fn dispatch<'a>(&mut self, dispatches: impl IntoIterator<Item = &'a Dispatch>) {
        match self {
            Commands::Wgpu(encoder) => {
                let mut pass = begin_pass(encoder, None);
                dispatches.into_iter().for_each(|dispatch| dispatch.record(&mut pass));
            }
            #[cfg(feature = "cuda")]
            Commands::Cuda(device, cuda) => device.keep_failure(cuda.run(dispatches)),
        }
    }

    /// Fills a buffer with zeros.
    pub(super) fn clear<T>(&mut self, buffer: &Buffer<T>) {
        match self {
            Commands::Wgpu(encoder) => encoder.clear_buffer(buffer.raw.wgpu(), 0, None),
            #[cfg(feature = "cuda")]
            Commands::Cuda(device, cuda) => device.keep_failure(cuda.clear(buffer.raw.cuda())),
        }
    }

    /// Copies all of a buffer into another of its size.
    pub(super) fn copy<T>(&mut self, from: &Buffer<T>, to: &Buffer<T>) {
        match self {
            Commands::Wgpu(encoder) => {
                let size = from.raw.size();
                encoder.copy_buffer_to_buffer(from.raw.wgpu(), 0, to.raw.wgpu(), 0, size);
            }
            #[cfg(feature = "cuda")]
            Commands::Cuda(device, cuda) => {
                device.keep_failure(cuda.copy(from.raw.cuda(), to.raw.cuda()));
            }
        }
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
        match &self.bound {
            Bound::Wgpu { pipeline, bind_group } => {
                pass.set_pipeline(pipeline);
                pass.set_bind_group(0, bind_group, &[]);
                pass.dispatch_workgroups(self.workgroups[0], self.workgroups[1], 1);
            }
            #[cfg(feature = "cuda")]
            Bound::Cuda(_) => panic!("a dispatch of another device"),
        }
    }

    #[cfg(feature = "cuda")]
    pub(super) fn launch_on(&self, cuda: &Cuda) -> Result<()> {
        match &self.bound {
            Bound::Cuda(launch) => cuda.launch(launch, self.workgroups),
            Bound::Wgpu { .. } => panic!("a dispatch of another device"),
        }
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
