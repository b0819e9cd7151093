//! Adapters and devices: choice, features, limits, and errors turned into ordinary ones.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[cfg(feature = "cuda")]
use super::cuda::Cuda;
use super::kernel::{Commands, Kernel};
use crate::error::{Error, Result};

/// An adapter as `info` shows it.
#[derive(Debug, Clone)]
pub struct AdapterInfo {
    /// Its number for `--adapter`.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Vulkan, Metal, Dx12 or Gl.
    pub api: String,
    /// Driver and version.
    pub driver: String,
    /// Runs on the CPU.
    pub software: bool,
    /// Can run the plain kernels.
    pub usable: bool,
    /// Optional features present, by name.
    pub features: Vec<String>,
    /// Limits that matter here, by name.
    pub limits: Vec<(String, u64)>,
}

/// What to ask of an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// All limits and useful features it has.
    #[default]
    Full,
    /// WebGPU's default limits and no optional feature: what every adapter has.
    Portable,
}

/// The interface that kernels are run through.
#[derive(Debug, Clone)]
pub(super) enum Api {
    Wgpu {
        device: wgpu::Device,
        queue: wgpu::Queue,
    },
    #[cfg(feature = "cuda")]
    Cuda(Cuda),
}

/// Something to wait for: the end of what was submitted.
pub(super) enum Submission {
    Wgpu(wgpu::SubmissionIndex),
    #[cfg(feature = "cuda")]
    Cuda(Result<cudarc::driver::CudaEvent>),
}

/// A device that kernels run on. Clones share it.
#[derive(Debug, Clone)]
pub struct Device {
    pub(super) api: Api,
    pub(super) name: String,
    /// Whether it multiplies matrices of 16 by 16 16-bit floats in subgroups of 32.
    pub(super) matrices: bool,
    /// Whether it computes with 16-bit floats.
    pub(super) halves: bool,
    /// Whether exact filters that would use them are computed as if it did, by loops.
    pub(super) emulates_matrices: bool,
    /// The first error that no scope caught, and the loss of the device.
    failure: Arc<Mutex<Option<String>>>,
    pub(super) allocated: Arc<AtomicU64>,
    pub(super) tally: Arc<Tally>,
    /// Compiled kernels by their text.
    pub(super) kernels: Arc<Mutex<HashMap<String, Arc<Kernel>>>>,
}

/// What a device was asked for so far. The differences tell what steps cost beside computing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Buffers allocated on the device.
    pub allocations: u64,
    /// Lists of commands handed to the device.
    pub submissions: u64,
    /// Waits for all that was submitted; not those for an earlier submission while a later one is
    /// under way.
    pub waits: u64,
    /// Time spent on compiling kernels.
    pub compiling: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) allocations: AtomicU64,
    pub(super) compile_nanoseconds: AtomicU64,
    submissions: AtomicU64,
    waits: AtomicU64,
}

/// Features that some kernel or the profiler can use.
fn useful_features() -> wgpu::Features {
    wgpu::Features::TIMESTAMP_QUERY
        | wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES
        | matrix_features()
}

/// What lib/dense_matrix.wgsl and lib/matrix.wgsl need.
fn matrix_features() -> wgpu::Features {
    wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX
        | wgpu::Features::SHADER_F16
        | wgpu::Features::SUBGROUP
}

/// Whether an adapter has matrices as these files use them, and the workgroups to do it.
fn has_matrices(adapter: &wgpu::Adapter) -> bool {
    use wgpu::CooperativeScalarType::{F16, F32};
    let (info, limits) = (adapter.get_info(), adapter.limits());
    adapter.features().contains(matrix_features())
        && limits.max_compute_invocations_per_workgroup >= 512
        && limits.max_compute_workgroup_storage_size >= 46_080
        && [info.subgroup_min_size, info.subgroup_max_size] == [32, 32]
        && adapter.cooperative_matrix_properties().iter().any(|matrix| {
            [matrix.m_size, matrix.n_size, matrix.k_size] == [16; 3]
                && (matrix.ab_type, matrix.cr_type) == (F16, F32)
        })
}

fn instance() -> wgpu::Instance {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY | wgpu::Backends::GL;
    wgpu::Instance::new(descriptor)
}

/// Adapters, the best first: hardware before software, discrete before integrated, Vulkan, Metal
/// and DX12 before OpenGL. One that two interfaces show is listed under both.
fn enumerate() -> Vec<wgpu::Adapter> {
    let mut adapters = pollster::block_on(instance().enumerate_adapters(wgpu::Backends::all()));
    adapters.sort_by_key(|adapter| {
        let info = adapter.get_info();
        let kind = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => 0,
            wgpu::DeviceType::IntegratedGpu => 1,
            wgpu::DeviceType::VirtualGpu => 2,
            wgpu::DeviceType::Other => 3,
            wgpu::DeviceType::Cpu => 4,
        };
        (!usable(adapter), kind == 4, info.backend == wgpu::Backend::Gl, kind, info.name)
    });
    adapters
}

/// Whether the plain kernels fit: WebGPU's eight storage buffers, 256 invocations, 16 KiB.
fn usable(adapter: &wgpu::Adapter) -> bool {
    let (has, needs) = (adapter.limits(), wgpu::Limits::default());
    has.max_storage_buffers_per_shader_stage >= needs.max_storage_buffers_per_shader_stage
        && has.max_compute_invocations_per_workgroup >= needs.max_compute_invocations_per_workgroup
        && has.max_compute_workgroup_storage_size >= needs.max_compute_workgroup_storage_size
}

fn is_software(adapter: &wgpu::Adapter) -> bool {
    adapter.get_info().device_type == wgpu::DeviceType::Cpu
}

/// All adapters, in the order of their numbers.
pub fn adapters() -> Vec<AdapterInfo> {
    let describe = |(index, adapter): (usize, &wgpu::Adapter)| {
        let (info, limits) = (adapter.get_info(), adapter.limits());
        let limits = [
            ("storage buffers per stage", u64::from(limits.max_storage_buffers_per_shader_stage)),
            ("workgroup memory, bytes", u64::from(limits.max_compute_workgroup_storage_size)),
            ("invocations per workgroup", u64::from(limits.max_compute_invocations_per_workgroup)),
            ("bytes per binding", limits.max_storage_buffer_binding_size),
            ("bytes per buffer", limits.max_buffer_size),
        ];
        let interesting = wgpu::Features::SUBGROUP
            | wgpu::Features::SHADER_F16
            | wgpu::Features::TIMESTAMP_QUERY
            | wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
        let features = (adapter.features() & interesting).iter_names();
        AdapterInfo {
            index,
            name: info.name,
            api: format!("{:?}", info.backend),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            software: is_software(adapter),
            usable: usable(adapter),
            features: features.map(|(name, _)| name.to_owned()).collect(),
            limits: limits.map(|(name, value)| (name.to_owned(), value)).into(),
        }
    };
    enumerate().iter().enumerate().map(describe).collect()
}

/// What to do about a machine without an adapter.
pub const ADVICE: &str = "install the GPU's Vulkan, Metal or DX12 driver (on Debian, `apt install mesa-vulkan-drivers` \
     also brings a software adapter), or use --backend cpu";

impl Device {
    /// Opens an adapter: the best hardware one, or the one whose number or part of whose name is
    /// given.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if there is none such; [`Error::Gpu`] if it cannot be opened.
    pub fn open(wanted: Option<&str>, profile: Profile) -> Result<Self> {
        let adapters = enumerate();
        let names: Vec<String> = adapters.iter().map(|adapter| adapter.get_info().name).collect();
        let listed = || match names.is_empty() {
            true => "none found".to_owned(),
            false => format!("found {}", names.join(", ")),
        };
        let none = |found: String| Error::NoAdapter { found, advice: ADVICE.into() };
        let chosen = match wanted {
            None => adapters
                .iter()
                .position(|adapter| !is_software(adapter) && usable(adapter))
                .ok_or_else(|| none(format!("no hardware adapter, {}", listed())))?,
            Some(wanted) => {
                let by_name = || {
                    let lower = wanted.to_lowercase();
                    names.iter().position(|name| name.to_lowercase().contains(&lower))
                };
                let number = wanted.parse().ok().filter(|number| *number < adapters.len());
                number.or_else(by_name).ok_or_else(|| none(format!("no {wanted}, {}", listed())))?
            }
        };
        let adapter = &adapters[chosen];
        if !usable(adapter) {
            let found = format!("{} lacks WebGPU's default limits", names[chosen]);
            return Err(none(found));
        }
        let matrices = profile == Profile::Full && has_matrices(adapter);
        let (mut required_features, required_limits) = match profile {
            Profile::Full => (adapter.features() & useful_features(), adapter.limits()),
            Profile::Portable => (wgpu::Features::empty(), wgpu::Limits::default()),
        };
        let mut experimental_features = wgpu::ExperimentalFeatures::disabled();
        if matrices {
            // SAFETY: what is asked of the implementation is that it be free of faults. Few
            // kernels use it, in the way that wgpu's own example does, and their results are tested.
            #[allow(unsafe_code, reason = "wgpu has no other way to the matrix units")]
            unsafe {
                experimental_features = wgpu::ExperimentalFeatures::enabled();
            }
        } else {
            required_features.remove(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX);
        }
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("flashschnet"),
            required_features,
            required_limits,
            experimental_features,
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|error| Error::gpu(format!("opening {}", names[chosen]), error))?;
        let info = adapter.get_info();
        let name = format!("{} ({:?}, {})", info.name, info.backend, info.driver_info);
        let failure: Arc<Mutex<Option<String>>> = Arc::default();
        let keep = |failure: &Arc<Mutex<Option<String>>>| {
            let failure = Arc::clone(failure);
            move |message: String| {
                let mut failure = failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                failure.get_or_insert(message);
            }
        };
        let (on_error, on_loss) = (keep(&failure), keep(&failure));
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| on_error(error.to_string())));
        device.set_device_lost_callback(move |reason, message| {
            on_loss(format!("the device was lost ({reason:?}): {message}"));
        });
        Ok(Device { failure, matrices, ..Device::around(device, queue, name) })
    }

    /// Opens a device of CUDA: the first, or the one whose number or part of whose name is given.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] without CUDA's libraries or such a device; [`Error::Gpu`] of its driver.
    #[cfg(feature = "cuda")]
    pub fn open_cuda(wanted: Option<&str>) -> Result<Self> {
        let (cuda, name) = Cuda::open(wanted)?;
        let matrices = cuda.limits.matrices;
        Ok(Device { matrices, halves: true, ..Device::with(Api::Cuda(cuda), name) })
    }

    /// Uses the device and queue of a host program. Its error callbacks stay its own.
    pub fn from_wgpu(device: wgpu::Device, queue: wgpu::Queue) -> Self {
        let info = device.adapter_info();
        let name = format!("{} ({:?}, {}), of the host", info.name, info.backend, info.driver_info);
        Device::around(device, queue, name)
    }

    fn around(device: wgpu::Device, queue: wgpu::Queue, name: String) -> Self {
        let halves = device.features().contains(wgpu::Features::SHADER_F16);
        Device { halves, ..Device::with(Api::Wgpu { device, queue }, name) }
    }

    fn with(api: Api, name: String) -> Self {
        let (failure, allocated, tally) = (Arc::default(), Arc::default(), Arc::default());
        let (matrices, emulates_matrices, kernels) = (false, false, Arc::default());
        Device {
            api,
            name,
            matrices,
            halves: false,
            emulates_matrices,
            failure,
            allocated,
            tally,
            kernels,
        }
    }

    /// The device with linear layers and the exact filters of
    /// [`Precision::Mixed`](crate::engine::Precision) as on matrix units, their arithmetic done by
    /// loops: far slower than without, for tests of these kernels where no such units are.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if it has no 16-bit floats.
    pub fn emulating_matrices(self) -> Result<Self> {
        if !self.halves {
            let what = format!("emulating matrix units on {}", self.name);
            return Err(Error::unsupported(what, "use a device with 16-bit floats"));
        }
        Ok(Device { emulates_matrices: true, ..self })
    }

    /// Name and WGSL text of every kernel compiled so far, sorted.
    pub fn shaders(&self) -> Vec<(&'static str, String)> {
        let kernels = self.kernels.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut shaders: Vec<_> =
            kernels.iter().map(|(text, kernel)| (kernel.name, text.clone())).collect();
        shaders.sort();
        shaders
    }

    /// Whether it computes with 16-bit floats.
    pub fn has_halves(&self) -> bool {
        self.halves
    }

    /// Whether it has matrix units that the kernels can use.
    pub fn has_matrices(&self) -> bool {
        self.matrices
    }

    /// Whether kernels are for matrix units, be they emulated.
    pub(super) fn takes_matrices(&self) -> bool {
        self.matrices || self.emulates_matrices
    }

    /// Whether it is one of CUDA.
    pub fn is_cuda(&self) -> bool {
        !matches!(self.api, Api::Wgpu { .. })
    }

    /// Name, interface and driver.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Fails if an earlier call did in the background.
    pub(super) fn check(&self, during: &str) -> Result<()> {
        let failure = self.failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match &*failure {
            Some(message) => Err(Error::gpu(during, message)),
            None => Ok(()),
        }
    }

    /// Keeps the first error for [`Device::check`].
    #[cfg(feature = "cuda")]
    pub(super) fn keep_failure(&self, result: Result<()>) {
        if let Err(error) = result {
            let mut failure = self.failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            failure.get_or_insert(error.to_string());
        }
    }

    /// The device and queue of wgpu, for what nothing else has.
    pub(super) fn wgpu(&self) -> (&wgpu::Device, &wgpu::Queue) {
        match &self.api {
            Api::Wgpu { device, queue } => (device, queue),
            #[cfg(feature = "cuda")]
            Api::Cuda(_) => panic!("a device of another interface"),
        }
    }

    /// Hands recorded commands over.
    pub(super) fn submit(&self, commands: Commands) -> Submission {
        self.tally.submissions.fetch_add(1, Ordering::Relaxed);
        match commands {
            Commands::Wgpu(encoder) => Submission::Wgpu(self.wgpu().1.submit([encoder.finish()])),
            #[cfg(feature = "cuda")]
            Commands::Cuda(_, cuda) => Submission::Cuda(cuda.mark()),
        }
    }

    /// Bytes of the largest buffer that kernels can be given.
    pub(super) fn most_bytes(&self) -> u64 {
        match &self.api {
            Api::Wgpu { device, .. } => {
                let limits = device.limits();
                limits.max_buffer_size.min(limits.max_storage_buffer_binding_size)
            }
            #[cfg(feature = "cuda")]
            Api::Cuda(cuda) => cuda.limits.bytes,
        }
    }

    /// Bytes of memory that a workgroup can have.
    pub(super) fn most_workgroup_bytes(&self) -> u32 {
        match &self.api {
            Api::Wgpu { device, .. } => device.limits().max_compute_workgroup_storage_size,
            #[cfg(feature = "cuda")]
            Api::Cuda(cuda) => cuda.limits.block_bytes,
        }
    }

    /// Invocations that a workgroup can have.
    pub(super) fn most_invocations(&self) -> u32 {
        match &self.api {
            Api::Wgpu { device, .. } => device.limits().max_compute_invocations_per_workgroup,
            #[cfg(feature = "cuda")]
            Api::Cuda(cuda) => cuda.limits.block_threads,
        }
    }

    /// Waits until a submission is done; what was submitted after it goes on.
    pub(super) fn wait_for(&self, submission: Submission, during: &str) -> Result<()> {
        match submission {
            Submission::Wgpu(index) => {
                let poll = wgpu::PollType::Wait { submission_index: Some(index), timeout: None };
                self.wgpu().0.poll(poll).map_err(|error| Error::gpu(during, error))?;
            }
            #[cfg(feature = "cuda")]
            Submission::Cuda(mark) => {
                mark?.synchronize().map_err(|error| Error::gpu(during, error))?;
            }
        }
        self.check(during)
    }

    /// Waits until everything submitted is done.
    pub(super) fn wait(&self, during: &str) -> Result<()> {
        self.count_wait();
        match &self.api {
            Api::Wgpu { device, .. } => {
                device
                    .poll(wgpu::PollType::wait_indefinitely())
                    .map_err(|error| Error::gpu(during, error))?;
            }
            #[cfg(feature = "cuda")]
            Api::Cuda(cuda) => cuda.wait(during)?,
        }
        self.check(during)
    }

    pub(super) fn count_wait(&self) {
        self.tally.waits.fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted so far, by all that share the device.
    pub fn counters(&self) -> Counters {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        Counters {
            allocations: count(&self.tally.allocations),
            submissions: count(&self.tally.submissions),
            waits: count(&self.tally.waits),
            compiling: Duration::from_nanos(count(&self.tally.compile_nanoseconds)),
        }
    }

    /// Bytes asked for by the buffers that live.
    pub(super) fn allocated_bytes(&self) -> u64 {
        self.allocated.load(Ordering::Relaxed)
    }

    /// Bytes that the allocator took from the driver.
    pub(super) fn reserved_bytes(&self) -> u64 {
        let report = match &self.api {
            Api::Wgpu { device, .. } => device.generate_allocator_report(),
            #[cfg(feature = "cuda")]
            Api::Cuda(_) => None,
        };
        report.map_or_else(|| self.allocated_bytes(), |report| report.total_reserved_bytes)
    }
}

/// Runs `make` and turns what the driver says about it into an error.
pub(super) fn scoped<T>(
    device: &wgpu::Device,
    during: &str,
    make: impl FnOnce() -> T,
) -> Result<T> {
    let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let internal = device.push_error_scope(wgpu::ErrorFilter::Internal);
    let made = make();
    let errors = [internal.pop_now(), validation.pop_now(), memory.pop_now()];
    match errors.into_iter().flatten().next() {
        Some(error) => Err(Error::gpu(during, error)),
        None => Ok(made),
    }
}

/// Error scopes resolve at once on native devices.
trait PopNow {
    fn pop_now(self) -> Option<wgpu::Error>;
}

impl PopNow for wgpu::ErrorScopeGuard {
    fn pop_now(self) -> Option<wgpu::Error> {
        pollster::block_on(self.pop())
    }
}
