//! The compiled shaders.

use flashschnet::gpu::wgpu;

/// Samples for each pixel; every adapter of WebGPU has 1 and 4.
pub(crate) const SAMPLES: u32 = 4;
pub(crate) const DEPTH: wgpu::TextureFormat = wgpu::TextureFormat::Depth32Float;

pub(crate) struct Pipelines {
    pub(crate) follow: wgpu::ComputePipeline,
    pub(crate) beads: wgpu::RenderPipeline,
    pub(crate) bonds: wgpu::RenderPipeline,
    pub(crate) trails: wgpu::RenderPipeline,
}

impl Pipelines {
    /// Compiles the shaders for pictures of a format.
    pub(crate) fn new(device: &wgpu::Device, format: wgpu::TextureFormat) -> Self {
        let module = device.create_shader_module(wgpu::include_wgsl!("shader.wgsl"));
        let compute = wgpu::ComputePipelineDescriptor {
            label: Some("follow"),
            layout: None,
            module: &module,
            entry_point: Some("follow"),
            compilation_options: Default::default(),
            cache: None,
        };
        // Surfaces hide what is behind them. Trails are transparent and hide nothing.
        let solid = |name| pipeline(device, &module, name, format, None);
        let transparent = Some(wgpu::BlendState::ALPHA_BLENDING);
        Pipelines {
            follow: device.create_compute_pipeline(&compute),
            beads: solid("bead"),
            bonds: solid("bond"),
            trails: pipeline(device, &module, "trail", format, transparent),
        }
    }
}

/// Draws triangle strips with the shaders `NAME_vertex` and `NAME_fragment`.
fn pipeline(
    device: &wgpu::Device,
    module: &wgpu::ShaderModule,
    name: &str,
    format: wgpu::TextureFormat,
    blend: Option<wgpu::BlendState>,
) -> wgpu::RenderPipeline {
    let target = wgpu::ColorTargetState { format, blend, write_mask: wgpu::ColorWrites::ALL };
    device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some(name),
        layout: None,
        vertex: wgpu::VertexState {
            module,
            entry_point: Some(&format!("{name}_vertex")),
            compilation_options: Default::default(),
            buffers: &[],
        },
        fragment: Some(wgpu::FragmentState {
            module,
            entry_point: Some(&format!("{name}_fragment")),
            compilation_options: Default::default(),
            targets: &[Some(target)],
        }),
        primitive: wgpu::PrimitiveState {
            topology: wgpu::PrimitiveTopology::TriangleStrip,
            ..Default::default()
        },
        depth_stencil: Some(wgpu::DepthStencilState {
            format: DEPTH,
            depth_write_enabled: Some(blend.is_none()),
            // Depth is 1 near the camera and 0 far away.
            depth_compare: Some(wgpu::CompareFunction::Greater),
            stencil: Default::default(),
            bias: Default::default(),
        }),
        multisample: wgpu::MultisampleState { count: SAMPLES, ..Default::default() },
        multiview_mask: None,
        cache: None,
    })
}
