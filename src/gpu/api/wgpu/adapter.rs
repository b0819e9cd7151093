//! Adapters: their order, their features and limits, and the choice among them.

use std::path::Path;

use super::super::name::{is_of, with_facts};
use super::dx12;
use super::environment::{Environment, position};
use crate::error::{Error, Result};

/// An adapter as `info` shows it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AdapterInfo {
    /// The number for `--adapter`.
    pub index: usize,
    /// The name.
    pub name: String,
    /// The interface: Vulkan, Metal, Dx12 or Gl.
    pub api: String,
    /// The driver; may be empty.
    pub driver: String,
    /// The version of the driver; may be empty.
    pub driver_info: String,
    /// The number of the vendor on PCI, or of the driver if there is none.
    pub vendor: u32,
    /// The number of the device on PCI.
    pub device: u32,
    /// The type: DiscreteGpu, IntegratedGpu, VirtualGpu, Cpu or Other.
    pub kind: String,
    /// Whether it runs on the CPU.
    pub software: bool,
    /// Whether it can run the kernels that need no optional feature.
    pub usable: bool,
    /// The names of its optional features.
    pub features: Vec<String>,
    /// Limits that matter to the kernels, with their names.
    pub limits: Vec<(String, u64)>,
    /// The remedy for a shortcoming of its set-up.
    pub advice: Option<String>,
}

impl AdapterInfo {
    /// Whether a device of this name ([`Device::name`](crate::gpu::Device::name)) is one of this
    /// adapter, perhaps with another version of the driver.
    pub fn is_of(&self, device: &str) -> bool {
        is_of(device, &self.name, &self.api)
    }
}

impl std::fmt::Display for AdapterInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.software { "software" } else { "hardware" };
        let driver = format!("{} {}", self.driver, self.driver_info);
        let lacking = if self.usable {
            ""
        } else {
            "without compute shaders or below WebGPU's default limits"
        };
        f.write_str(&with_facts(&self.name, &[kind, &self.api, driver.trim(), lacking]))
    }
}

/// The name of a device: the names of adapter, interface and driver, and `origin`.
pub(super) fn device_name(info: &wgpu::AdapterInfo, origin: &str) -> String {
    let version = [&info.driver_info, &info.driver].into_iter().find(|text| !text.is_empty());
    let version = version.map_or("", String::as_str);
    with_facts(&info.name, &[&format!("{:?}", info.backend), version, origin])
}

/// The features and limits to request from an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum FeatureSet {
    /// The adapter's own limits, and all its features that are useful here.
    #[default]
    Full,
    /// WebGPU's default limits and no optional feature. Every usable adapter has these.
    Portable,
}

/// The limits that a device of the host program needs: those of WebGPU. Higher limits for buffers leave
/// room for more replicas in one of them.
pub fn required_limits() -> wgpu::Limits {
    wgpu::Limits::default()
}

/// The features of an adapter with which a device of the host program computes faster or measures times.
/// All of them are optional.
pub fn wanted_features(adapter: &wgpu::Adapter) -> wgpu::Features {
    let useful = adapter.features() & useful_features();
    useful.difference(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX)
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

/// Whether an adapter has the matrix products that these files use, and storage buffers and workgroups
/// enough for the kernels.
fn has_matrices(adapter: &wgpu::Adapter) -> bool {
    use wgpu::CooperativeScalarType::{F16, F32};
    let (info, limits) = (adapter.get_info(), adapter.limits());
    adapter.features().contains(matrix_features())
        && limits.max_storage_buffers_per_shader_stage >= 9
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

/// All adapters of the interfaces that the environment allows, the best first: usable before
/// unusable, hardware before software, Vulkan, Metal and DX12 before OpenGL, discrete before
/// integrated or the reverse. A GPU with two interfaces is listed twice. There are none on
/// WebAssembly.
fn enumerate(environment: &Environment) -> Vec<wgpu::Adapter> {
    if WAITS_ARE_IMPOSSIBLE {
        return Vec::new();
    }
    let instance = environment.instance();
    let mut adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    adapters.sort_by_key(|adapter| {
        let info = adapter.get_info();
        let kind = rank(info.device_type, environment.low_power);
        (!usable(adapter), kind == 4, info.backend == wgpu::Backend::Gl, kind, info.name)
    });
    adapters
}

/// The place of a type of device among the types.
fn rank(kind: wgpu::DeviceType, low_power: bool) -> usize {
    match kind {
        wgpu::DeviceType::DiscreteGpu => usize::from(low_power),
        wgpu::DeviceType::IntegratedGpu => usize::from(!low_power),
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

/// Reads the environment.
///
/// # Errors
/// [`Error::Invalid`] names a variable with a wrong value.
fn environment() -> Result<Environment> {
    let environment = Environment::read()?;
    if cfg!(windows) {
        dx12::check(environment.compiler.as_deref(), dx12::find().as_deref())?;
    }
    Ok(environment)
}

/// Whether an adapter has compute shaders, which old versions of OpenGL lack, and WebGPU's default
/// limits of storage buffers, invocations, workgroup memory and workgroups (8, 256, 16 KiB and
/// 65,535), which all kernels without optional features keep.
fn usable(adapter: &wgpu::Adapter) -> bool {
    let (has, needs) = (adapter.limits(), required_limits());
    let (info, flags) = (adapter.get_info(), adapter.get_downlevel_capabilities().flags);
    flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
        && (info.backend != wgpu::Backend::Gl || opengl_computes(&info.driver_info))
        && has.max_storage_buffers_per_shader_stage >= needs.max_storage_buffers_per_shader_stage
        && has.max_compute_invocations_per_workgroup >= needs.max_compute_invocations_per_workgroup
        && has.max_compute_workgroup_size_x >= needs.max_compute_workgroup_size_x
        && has.max_compute_workgroup_storage_size >= needs.max_compute_workgroup_storage_size
        && has.max_compute_workgroups_per_dimension >= needs.max_compute_workgroups_per_dimension
}

/// Whether a version of OpenGL has compute shaders: naga writes them from OpenGL 4.3 and OpenGL ES
/// 3.1 on, whatever extensions an older version has.
fn opengl_computes(version: &str) -> bool {
    let (least, numbers) = match version.strip_prefix("OpenGL ES ") {
        Some(numbers) => ([3, 1], numbers),
        None => ([4, 3], version),
    };
    let mut words = numbers.split(|c: char| !c.is_ascii_digit());
    let mut next = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    [next(), next()] >= least
}

fn is_software(adapter: &wgpu::Adapter) -> bool {
    adapter.get_info().device_type == wgpu::DeviceType::Cpu
}

/// All adapters, in the order of their numbers. The environment variables of wgpu are honoured:
/// `WGPU_BACKEND` limits the list, and `WGPU_POWER_PREF` set to `low` puts integrated GPUs first.
///
/// # Errors
/// [`Error::Invalid`] names an environment variable with an unknown value.
pub fn adapters() -> Result<Vec<AdapterInfo>> {
    let environment = environment()?;
    let library = dx12::find();
    let describe = |(index, adapter): (usize, &wgpu::Adapter)| {
        let (info, limits) = (adapter.get_info(), adapter.limits());
        let limits = [
            ("storage buffers per stage", u64::from(limits.max_storage_buffers_per_shader_stage)),
            ("workgroup memory, bytes", u64::from(limits.max_compute_workgroup_storage_size)),
            ("invocations per workgroup", u64::from(limits.max_compute_invocations_per_workgroup)),
            ("bytes per binding", limits.max_storage_buffer_binding_size),
            ("bytes per buffer", limits.max_buffer_size),
            ("least invocations of a subgroup", u64::from(info.subgroup_min_size)),
            ("most invocations of a subgroup", u64::from(info.subgroup_max_size)),
        ];
        let interesting = wgpu::Features::SUBGROUP
            | wgpu::Features::SHADER_F16
            | wgpu::Features::TIMESTAMP_QUERY
            | wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES
            | wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
        let features = (adapter.features() & interesting).iter_names();
        AdapterInfo {
            index,
            advice: advice(adapter, &environment, library.as_deref()),
            name: info.name,
            api: format!("{:?}", info.backend),
            driver: info.driver,
            driver_info: info.driver_info,
            vendor: info.vendor,
            device: info.device,
            kind: format!("{:?}", info.device_type),
            software: is_software(adapter),
            usable: usable(adapter),
            features: features.map(|(name, _)| name.to_owned()).collect(),
            limits: limits.map(|(name, value)| (name.to_owned(), value)).into(),
        }
    };
    Ok(enumerate(&environment).iter().enumerate().map(describe).collect())
}

/// The numbers of the adapters for a user without a wish, at least one: the adapter that the
/// environment names, or all usable hardware adapters, the best first.
///
/// # Errors
/// [`Error::NoAdapter`] if there is none; [`Error::Invalid`] names an environment variable with an
/// unknown value.
pub fn suitable_adapters() -> Result<Vec<usize>> {
    let environment = environment()?;
    let adapters = enumerate(&environment);
    suitable(&environment, &names(&adapters), &adapters)
}

fn suitable(
    environment: &Environment,
    names: &[String],
    adapters: &[wgpu::Adapter],
) -> Result<Vec<usize>> {
    if let Some(named) = environment.adapter(names)? {
        return Ok(vec![named]);
    }
    let suits = |k: &usize| !is_software(&adapters[*k]) && usable(&adapters[*k]);
    let all: Vec<usize> = (0..adapters.len()).filter(suits).collect();
    match all.is_empty() {
        true => Err(none(format!("no hardware adapter, {}", environment.listed(names)))),
        false => Ok(all),
    }
}

fn names(adapters: &[wgpu::Adapter]) -> Vec<String> {
    adapters.iter().map(|adapter| adapter.get_info().name).collect()
}

fn none(found: String) -> Error {
    Error::NoAdapter { found, advice: ADVICE.into() }
}

fn advice(
    adapter: &wgpu::Adapter,
    environment: &Environment,
    library: Option<&Path>,
) -> Option<String> {
    let asked = environment.compiler.as_deref();
    dx12::advice(adapter.get_info().backend, adapter.features(), asked, library)
}

/// Advice for a user without a suitable adapter.
pub const ADVICE: &str = "install the GPU's Vulkan, Metal or DX12 driver (on Debian, `apt install mesa-vulkan-drivers` \
     also brings a software adapter), or use the CPU backend";

/// An opened adapter.
pub(super) struct Opened {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) name: String,
    pub(super) matrices: bool,
}

/// Opens the adapter whose number or part of whose name is `wanted`, or the one that the environment
/// names, or the best hardware adapter.
pub(super) fn open(wanted: Option<&str>, features: FeatureSet) -> Result<Opened> {
    let environment = environment()?;
    let adapters = enumerate(&environment);
    let names = names(&adapters);
    let chosen = match wanted {
        None => suitable(&environment, &names, &adapters)?[0],
        Some(wanted) => {
            let number = wanted.parse().ok().filter(|number| *number < adapters.len());
            let chosen = number.or_else(|| position(&names, wanted));
            chosen.ok_or_else(|| none(format!("no {wanted}, {}", environment.listed(&names))))?
        }
    };
    let adapter = &adapters[chosen];
    if !usable(adapter) {
        return Err(none(format!(
            "{} lacks compute shaders or WebGPU's default limits",
            names[chosen]
        )));
    }
    let name = device_name(&adapter.get_info(), "");
    if let Some(advice) = advice(adapter, &environment, dx12::find().as_deref()) {
        log::warn!("{name}: {advice}");
    }
    let matrices = features == FeatureSet::Full && has_matrices(adapter);
    let (mut required_features, required_limits) = match features {
        FeatureSet::Full => (adapter.features() & useful_features(), adapter.limits()),
        FeatureSet::Portable => (wgpu::Features::empty(), required_limits()),
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
    Ok(Opened { device, queue, name, matrices })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compute_shaders_need_a_version_of_opengl() {
        for version in ["4.5 (Core Profile) Mesa 22.3.6", "4.3.0", "OpenGL ES 3.1 V@0502", "10.0"] {
            assert!(opengl_computes(version), "{version}");
        }
        for version in ["3.3.0 NVIDIA 580.159.04", "4.2", "OpenGL ES 3.0 Mesa", "", "Mesa"] {
            assert!(!opengl_computes(version), "{version}");
        }
    }

    /// Drivers of DX12 have their version in place of a name, and those of Metal have neither.
    #[test]
    fn an_unknown_driver_is_not_part_of_the_name() {
        let named = |driver: &str, driver_info: &str| {
            let mut info = wgpu::AdapterInfo::new(wgpu::DeviceType::Other, wgpu::Backend::Dx12);
            info.name = "GPU".into();
            (info.driver, info.driver_info) = (driver.into(), driver_info.into());
            [device_name(&info, ""), device_name(&info, "of the host")]
        };
        assert_eq!(named("", ""), ["GPU (Dx12)", "GPU (Dx12, of the host)"]);
        assert_eq!(named("31.0", ""), ["GPU (Dx12, 31.0)", "GPU (Dx12, 31.0, of the host)"]);
        assert_eq!(named("RADV", "Mesa 25")[0], "GPU (Dx12, Mesa 25)");
    }

    #[test]
    fn low_power_puts_integrated_devices_first() {
        use wgpu::DeviceType::{Cpu, DiscreteGpu, IntegratedGpu, Other, VirtualGpu};
        let sorted = |low_power| {
            let mut kinds = [Cpu, IntegratedGpu, Other, VirtualGpu, DiscreteGpu];
            kinds.sort_by_key(|kind| rank(*kind, low_power));
            kinds
        };
        assert_eq!(sorted(false), [DiscreteGpu, IntegratedGpu, VirtualGpu, Other, Cpu]);
        assert_eq!(sorted(true), [IntegratedGpu, DiscreteGpu, VirtualGpu, Other, Cpu]);
    }
}
