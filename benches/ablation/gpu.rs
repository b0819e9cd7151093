//! A thin layer over wgpu: buffers by name, kernels, and their timing.

use std::collections::HashMap;
use std::time::Instant;

use flashschnet::Error;
use flashschnet::gpu::wgpu::{self, BufferUsages, Features};
use flashschnet::gpu::{ADVICE, AdapterInfo, adapters};

/// The least duration of one measurement, in seconds. The result is the median of `MEASUREMENTS`.
const WINDOW: f64 = 0.1;
const MEASUREMENTS: usize = 5;
/// A measurement is cut into this many submissions, so that the device starts before the host has
/// submitted the last one.
const SUBMISSIONS: usize = 8;
const MAX_WORKGROUPS: u32 = 65_535;

pub(crate) struct Gpu {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    pub(crate) name: String,
}

/// A buffer or a part of one.
#[derive(Clone)]
pub(crate) struct Part {
    buffer: wgpu::Buffer,
    offset: u64,
    pub(crate) size: u64,
}

impl Part {
    pub(crate) fn part(&self, offset: u64, size: u64) -> Part {
        Part { buffer: self.buffer.clone(), offset: self.offset + offset, size }
    }
}

/// Buffers by the names of their bindings in the kernels.
pub(crate) type Buffers = HashMap<&'static str, Part>;

pub(crate) struct Dispatch {
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
    workgroups: [u32; 2],
}

/// The work that is timed: a buffer to clear, then dispatches in order.
pub(crate) struct Work {
    pub(crate) clear: Option<Part>,
    pub(crate) dispatches: Vec<Dispatch>,
}

impl Gpu {
    /// Opens the best hardware adapter, or the one with the given number or part of a name.
    pub(crate) fn open(wanted: Option<&str>) -> flashschnet::Result<Self> {
        let is_wanted = |info: &&AdapterInfo| match wanted {
            None => info.usable && !info.software,
            Some(wanted) => {
                let name = info.name.to_lowercase();
                wanted.parse() == Ok(info.index) || name.contains(&wanted.to_lowercase())
            }
        };
        let listed = adapters()?;
        let chosen = listed.iter().find(is_wanted).ok_or_else(|| Error::NoAdapter {
            found: listed.iter().map(|info| info.name.as_str()).collect::<Vec<_>>().join(", "),
            advice: ADVICE.into(),
        })?;
        let descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        let instance = wgpu::Instance::new(descriptor);
        let all = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
        let is_chosen = |adapter: &&wgpu::Adapter| {
            let info = adapter.get_info();
            info.name == chosen.name && format!("{:?}", info.backend) == chosen.api
        };
        let adapter = all.iter().find(is_chosen).expect("the chosen adapter is there");
        let useful = Features::TIMESTAMP_QUERY
            | Features::TIMESTAMP_QUERY_INSIDE_PASSES
            | Features::SHADER_FLOAT32_ATOMIC;
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("ablation"),
            required_features: adapter.features() & useful,
            required_limits: adapter.limits(),
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|error| Error::gpu(format!("opening {}", chosen.name), error))?;
        let name = chosen.to_string();
        Ok(Gpu { device, queue, name })
    }

    /// Whether the device has atomic additions of f32.
    pub(crate) fn adds_floats(&self) -> bool {
        self.device.features().contains(Features::SHADER_FLOAT32_ATOMIC)
    }

    /// A buffer of zeros; `None` if it does not fit in memory or exceeds the limit of a binding.
    pub(crate) fn zeroed(&self, size: u64) -> Option<Part> {
        let limits = self.device.limits();
        if size > limits.max_storage_buffer_binding_size.min(limits.max_buffer_size) {
            return None;
        }
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("ablation"),
            size,
            usage: BufferUsages::STORAGE
                | BufferUsages::UNIFORM
                | BufferUsages::COPY_SRC
                | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let failed = pollster::block_on(scope.pop()).is_some();
        (!failed).then_some(Part { buffer, offset: 0, size })
    }

    /// A buffer that holds `data`.
    pub(crate) fn upload<T: bytemuck::Pod>(&self, data: &[T]) -> Part {
        let part = self.zeroed(size_of_val(data) as u64).expect("shared buffers are small");
        self.queue.write_buffer(&part.buffer, 0, bytemuck::cast_slice(data));
        part
    }

    /// A dispatch of a composed kernel over `workgroups`, bound to the buffers that it names.
    pub(crate) fn dispatch(&self, text: &str, buffers: &Buffers, workgroups: usize) -> Dispatch {
        let label = text.lines().next();
        let descriptor =
            wgpu::ShaderModuleDescriptor { label, source: wgpu::ShaderSource::Wgsl(text.into()) };
        let module = if cfg!(debug_assertions) {
            self.device.create_shader_module(descriptor)
        } else {
            // SAFETY: the kernels stay within their buffers and their loops end. Builds with debug
            // assertions run them with checks and must give the same results.
            #[allow(unsafe_code, reason = "the library's kernels run without checks, too")]
            unsafe {
                let unchecked = wgpu::ShaderRuntimeChecks::unchecked();
                self.device.create_shader_module_trusted(descriptor, unchecked)
            }
        };
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        });
        let parsed = naga::front::wgsl::parse_str(text).expect("the text is valid WGSL");
        let bound = parsed.global_variables.iter().filter_map(|(_, variable)| {
            let binding = variable.binding.as_ref()?.binding;
            let Part { buffer, offset, size } = &buffers[variable.name.as_deref()?];
            let size = wgpu::BufferSize::new(*size);
            let part = wgpu::BufferBinding { buffer, offset: *offset, size };
            let resource = wgpu::BindingResource::Buffer(part);
            Some(wgpu::BindGroupEntry { binding, resource })
        });
        let bind_group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &bound.collect::<Vec<_>>(),
        });
        let total = u32::try_from(workgroups).expect("the number fits in a u32");
        let y = total.div_ceil(MAX_WORKGROUPS);
        Dispatch { pipeline, bind_group, workgroups: [total.div_ceil(y), y] }
    }

    fn encode(&self, work: &Work, times: usize) -> wgpu::CommandBuffer {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        for _ in 0..times {
            if let Some(Part { buffer, offset, size }) = &work.clear {
                encoder.clear_buffer(buffer, *offset, Some(*size));
            }
            let mut pass = encoder.begin_compute_pass(&Default::default());
            for dispatch in &work.dispatches {
                pass.set_pipeline(&dispatch.pipeline);
                pass.set_bind_group(0, &dispatch.bind_group, &[]);
                pass.dispatch_workgroups(dispatch.workgroups[0], dispatch.workgroups[1], 1);
            }
        }
        encoder.finish()
    }

    fn wait(&self) {
        self.device.poll(wgpu::PollType::wait_indefinitely()).expect("the device works");
    }

    pub(crate) fn run(&self, work: &Work) {
        self.queue.submit([self.encode(work, 1)]);
    }

    /// Seconds per repetition: the median of several measurements after a warm-up.
    pub(crate) fn time(&self, work: &Work) -> f64 {
        let seconds = |times: usize| {
            let submissions: Vec<_> = (0..times.min(SUBMISSIONS))
                .map(|k| self.encode(work, (times + k) / SUBMISSIONS.min(times)))
                .collect();
            self.wait();
            let clock = Instant::now();
            for commands in submissions {
                self.queue.submit([commands]);
            }
            self.wait();
            clock.elapsed().as_secs_f64()
        };
        let mut times = 1;
        while seconds(times) < WINDOW {
            times *= 2;
        }
        let mut measured: Vec<f64> =
            (0..MEASUREMENTS).map(|_| seconds(times) / times as f64).collect();
        measured.sort_by(f64::total_cmp);
        measured[MEASUREMENTS / 2]
    }

    pub(crate) fn read(&self, part: &Part) -> Vec<f32> {
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("read back"),
            size: part.size,
            usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&part.buffer, part.offset, &staging, 0, part.size);
        self.queue.submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |result| result.expect("a readable buffer"));
        self.wait();
        let view = staging.slice(..).get_mapped_range().expect("it is mapped");
        bytemuck::cast_slice(&view).to_vec()
    }
}
