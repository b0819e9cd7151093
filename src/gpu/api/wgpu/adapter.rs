//! Adapters: their order, their features and limits, and the choice among them.

use crate::error::{Error, Result};

/// An adapter as `info` shows it.
#[derive(Debug, Clone)]
pub struct AdapterInfo {
    /// The number for `--adapter`.
    pub index: usize,
    /// The name.
    pub name: String,
    /// The interface: Vulkan, Metal, Dx12 or Gl.
    pub api: String,
    /// Driver and version.
    pub driver: String,
    /// Whether it runs on the CPU.
    pub software: bool,
    /// Whether it can run the kernels that need no optional feature.
    pub usable: bool,
    /// The names of its optional features.
    pub features: Vec<String>,
    /// Limits that matter to the kernels, with their names.
    pub limits: Vec<(String, u64)>,
}

/// The features and limits to request from an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FeatureSet {
    /// The adapter's own limits, and all its features that are useful here.
    #[default]
    Full,
    /// WebGPU's default limits and no optional feature. Every usable adapter has these.
    Portable,
}

/// The features that some kernel or the profiler can use.
fn useful_features() -> wgpu::Features {
    wgpu::Features::TIMESTAMP_QUERY
        | wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES
        | matrix_features()
}

/// The features that lib/dense_matrix.wgsl and lib/matrix.wgsl need.
fn matrix_features() -> wgpu::Features {
    wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX
        | wgpu::Features::SHADER_F16
        | wgpu::Features::SUBGROUP
}

/// Whether an adapter has the matrix products that these files use, and workgroups large enough for
/// the kernels.
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

/// A browser answers a program only when the program returns to it, and engines wait for their device.
pub(super) const WAITS_ARE_IMPOSSIBLE: bool = cfg!(target_family = "wasm");

fn instance() -> wgpu::Instance {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY | wgpu::Backends::GL;
    wgpu::Instance::new(descriptor)
}

/// All adapters, the best first: usable before unusable, hardware before software, Vulkan, Metal
/// and DX12 before OpenGL, discrete before integrated. A GPU with two interfaces is listed twice.
/// There are none on WebAssembly.
fn enumerate() -> Vec<wgpu::Adapter> {
    if WAITS_ARE_IMPOSSIBLE {
        return Vec::new();
    }
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

/// Whether an adapter has WebGPU's default limits of storage buffers, invocations and workgroup
/// memory (8, 256 and 16 KiB), which all kernels without optional features keep.
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

/// Advice for a user without a suitable adapter.
pub const ADVICE: &str = "install the GPU's Vulkan, Metal or DX12 driver (on Debian, `apt install mesa-vulkan-drivers` \
     also brings a software adapter), or use --backend cpu";

/// An opened adapter.
pub(super) struct Opened {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) name: String,
    pub(super) matrices: bool,
}

/// Opens the adapter whose number or part of whose name is `wanted`, or the best hardware adapter.
pub(super) fn open(wanted: Option<&str>, features: FeatureSet) -> Result<Opened> {
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
        return Err(none(format!("{} lacks WebGPU's default limits", names[chosen])));
    }
    let matrices = features == FeatureSet::Full && has_matrices(adapter);
    let (mut required_features, required_limits) = match features {
        FeatureSet::Full => (adapter.features() & useful_features(), adapter.limits()),
        FeatureSet::Portable => (wgpu::Features::empty(), wgpu::Limits::default()),
    };
    let mut experimental_features = wgpu::ExperimentalFeatures::disabled();
    if matrices {
        // SAFETY: wgpu does not vouch for its implementation of experimental features. Few kernels
        // use this one, in the way of wgpu's own example, and tests compare their results.
        #[allow(unsafe_code, reason = "wgpu has no other way to the tensor cores")]
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
    Ok(Opened { device, queue, name, matrices })
}
