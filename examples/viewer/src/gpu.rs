//! The device of this program, which it lends to the engine.

use flashschnet::gpu::{required_limits, wanted_features, wgpu};

use crate::Result;

/// A device with its adapter and its queue.
pub(crate) struct Gpu {
    pub(crate) adapter: wgpu::Adapter,
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
}

impl Gpu {
    /// Opens the best adapter whose name contains `wanted`, a software adapter if there is no other,
    /// and one that can show pictures on `surface`.
    pub(crate) fn open(
        instance: &wgpu::Instance,
        wanted: Option<&str>,
        surface: Option<&wgpu::Surface<'_>>,
    ) -> Result<Self> {
        let mut adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
        // The pictures need storage buffers in vertex shaders and fragment shaders that run for each
        // sample. WebGPU has both, and some adapters with OpenGL have not.
        adapters.retain(|adapter| {
            adapter.get_downlevel_capabilities().is_webgpu_compliant()
                && required_limits().check_limits(&adapter.limits())
                && surface.is_none_or(|surface| adapter.is_surface_supported(surface))
        });
        adapters.sort_by_key(rank);
        let names: Vec<String> = adapters.iter().map(|of| of.get_info().name).collect();
        let named = |name: &String| wanted.is_none_or(|wanted| name.contains(wanted));
        let Some(chosen) = names.iter().position(named) else {
            let wanted = wanted.map_or(String::new(), |wanted| format!(" {wanted}"));
            let found = if names.is_empty() { "none".into() } else { names.join(", ") };
            return Err(format!(
                "no adapter{wanted}: found {found}; install the GPU's Vulkan, Metal or DX12 driver"
            )
            .into());
        };
        let adapter = adapters.swap_remove(chosen);
        let has = adapter.limits();
        // The engine needs these limits. Larger buffers hold more replicas, and larger textures hold
        // larger pictures.
        let required_limits = wgpu::Limits {
            max_buffer_size: has.max_buffer_size,
            max_storage_buffer_binding_size: has.max_storage_buffer_binding_size,
            max_texture_dimension_2d: has.max_texture_dimension_2d,
            ..required_limits()
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("viewer"),
            required_features: wanted_features(&adapter),
            required_limits,
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|error| format!("{}: {error}", names[chosen]))?;
        Ok(Gpu { adapter, device, queue })
    }
}

/// Discrete GPUs come first, then integrated ones; software comes last, after OpenGL.
fn rank(adapter: &wgpu::Adapter) -> (bool, bool, u8) {
    let info = adapter.get_info();
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other | wgpu::DeviceType::Cpu => 3,
    };
    (info.device_type == wgpu::DeviceType::Cpu, info.backend == wgpu::Backend::Gl, kind)
}

/// Runs `make` and returns the errors that wgpu reports about it.
pub(crate) fn scoped<T>(device: &wgpu::Device, make: impl FnOnce() -> T) -> Result<T> {
    let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let made = make();
    // On native devices error scopes resolve at once.
    for scope in [validation, memory] {
        if let Some(error) = pollster::block_on(scope.pop()) {
            return Err(error.to_string().replace('\n', " ").into());
        }
    }
    Ok(made)
}
