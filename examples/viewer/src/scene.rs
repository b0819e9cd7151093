//! The pictures of a replica, drawn from the engine's buffers.

use std::collections::BTreeSet;

use bytemuck::{Pod, Zeroable};
use flashschnet::Simulation;
use flashschnet::gpu::{GpuPositions, wgpu};
use flashschnet::model::PriorForm;
use flashschnet::system::{Molecule, System};
use wgpu::util::DeviceExt;

use crate::Result;
use crate::camera::Camera;
use crate::color::{BACKGROUND, ramp};
use crate::gpu::{Gpu, scoped};
use crate::pipelines::{DEPTH, Pipelines, SAMPLES};
use crate::trail::Trail;

// The structs of shader.wgsl have these sizes.
const _: () = assert!(GpuPositions::STRIDE == 32 && GpuPositions::ORIGIN_STRIDE == 32);

/// `View` of shader.wgsl.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
struct View {
    background: [f32; 4],
    rotation: [f32; 4],
    size: [f32; 2],
    focal: f32,
    bead_radius: f32,
    bond_radius: f32,
    replica: u32,
    first_bead: u32,
    n_beads: u32,
    slots: u32,
    newest: u32,
    n_frames: u32,
    fits: u32,
}

/// Draws one replica at a time.
pub(crate) struct Scene {
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipelines: Pipelines,
    /// Whether the next picture fits the chain into the frame.
    fits: bool,
    inputs: Inputs,
    shown: Shown,
    targets: Option<Targets>,
}

/// The inputs of the shaders.
struct Inputs {
    system: System,
    /// The engine's buffers: one for all replicas, or a few.
    shared: Vec<GpuPositions>,
    view: wgpu::Buffer,
    /// `Chain` of shader.wgsl.
    chain: wgpu::Buffer,
    trail: Trail,
}

/// The replica on show, with its bindings.
struct Shown {
    replica: usize,
    /// Its place in [`Inputs::shared`], and in the lists there.
    place: [usize; 2],
    n_bonds: u32,
    radii: Radii,
    follow: wgpu::BindGroup,
    beads: wgpu::BindGroup,
    bonds: wgpu::BindGroup,
    trails: wgpu::BindGroup,
}

/// The textures of a picture, beside its own.
struct Targets {
    size: [u32; 2],
    samples: wgpu::TextureView,
    depth: wgpu::TextureView,
}

impl Scene {
    /// A scene for pictures of a format, with a trail of at most so many frames.
    pub(crate) fn new(
        gpu: &Gpu,
        simulation: &Simulation,
        format: wgpu::TextureFormat,
        replica: usize,
        trail: u32,
    ) -> Result<Self> {
        let device = &gpu.device;
        let system = simulation.system().clone();
        let shared = simulation.gpu_positions()?;
        let most = system.molecules().iter().map(|of| of.n_beads()).max().unwrap_or_default();
        let (pipelines, inputs) = scoped(device, || {
            let buffer = |label, size, usage| {
                device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some(label),
                    size,
                    usage,
                    mapped_at_creation: false,
                })
            };
            let uniform = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
            let view = buffer("view", size_of::<View>() as u64, uniform);
            let chain = buffer("chain", 16, wgpu::BufferUsages::STORAGE);
            let trail = Trail::new(device, most, trail);
            (Pipelines::new(device, format), Inputs { system, shared, view, chain, trail })
        })?;
        let shown = scoped(device, || inputs.show(device, &pipelines, replica))?;
        Ok(Scene {
            device: device.clone(),
            queue: gpu.queue.clone(),
            pipelines,
            fits: true,
            inputs,
            shown,
            targets: None,
        })
    }

    pub(crate) fn replica(&self) -> usize {
        self.shown.replica
    }

    pub(crate) fn n_replicas(&self) -> usize {
        self.inputs.system.n_replicas()
    }

    /// Shows another replica. It has no trail yet.
    pub(crate) fn show(&mut self, replica: usize) -> Result<()> {
        let Scene { device, pipelines, inputs, .. } = self;
        self.shown = scoped(device, || inputs.show(device, pipelines, replica))?;
        self.inputs.trail.clear();
        self.fit();
        Ok(())
    }

    /// Fits the chain into the frame of the next picture.
    pub(crate) fn fit(&mut self) {
        self.fits = true;
    }

    /// Adds the present positions to the trail.
    pub(crate) fn record(&mut self) {
        let mut commands = self.device.create_command_encoder(&Default::default());
        let [buffer, k] = self.shown.place;
        self.inputs.trail.record(&self.inputs.shared[buffer], k, &mut commands);
        self.queue.submit([commands.finish()]);
    }

    /// Draws the present positions into a texture.
    pub(crate) fn draw(
        &mut self,
        picture: &wgpu::TextureView,
        size: [u32; 2],
        camera: &Camera,
        shows_trails: bool,
    ) -> Result<()> {
        let targets = match self.targets.take().filter(|targets| targets.size == size) {
            Some(targets) => targets,
            None => {
                let format = picture.texture().format().add_srgb_suffix();
                scoped(&self.device, || Targets::new(&self.device, size, format))?
            }
        };
        let (view, n_frames) = (self.view(size, camera), self.inputs.trail.n_frames);
        self.queue.write_buffer(&self.inputs.view, 0, bytemuck::bytes_of(&view));
        self.fits = false;

        let mut commands = self.device.create_command_encoder(&Default::default());
        {
            let mut pass = commands.begin_compute_pass(&Default::default());
            pass.set_pipeline(&self.pipelines.follow);
            pass.set_bind_group(0, &self.shown.follow, &[]);
            pass.dispatch_workgroups(1, 1, 1);
        }
        {
            let mut pass = targets.begin(&mut commands, picture);
            pass.set_pipeline(&self.pipelines.beads);
            pass.set_bind_group(0, &self.shown.beads, &[]);
            pass.draw(0..4, 0..view.n_beads);
            if self.shown.n_bonds > 0 {
                pass.set_pipeline(&self.pipelines.bonds);
                pass.set_bind_group(0, &self.shown.bonds, &[]);
                pass.draw(0..4, 0..self.shown.n_bonds);
            }
            if shows_trails && n_frames > 1 {
                pass.set_pipeline(&self.pipelines.trails);
                pass.set_bind_group(0, &self.shown.trails, &[]);
                pass.draw(0..2 * n_frames, 0..view.n_beads);
            }
        }
        self.queue.submit([commands.finish()]);
        self.targets = Some(targets);
        Ok(())
    }

    fn view(&self, size: [u32; 2], camera: &Camera) -> View {
        let Inputs { shared, trail, .. } = &self.inputs;
        let [buffer, k] = self.shown.place;
        let [first, end] = [k, k + 1].map(|k| shared[buffer].first_bead[k] as u32);
        View {
            background: BACKGROUND,
            rotation: camera.rotation,
            size: size.map(|side| side as f32),
            focal: camera.focal(size),
            bead_radius: self.shown.radii.bead,
            bond_radius: self.shown.radii.bond,
            replica: k as u32,
            first_bead: first,
            n_beads: end - first,
            slots: trail.slots,
            newest: trail.newest,
            n_frames: trail.n_frames,
            fits: u32::from(self.fits),
        }
    }
}

impl Inputs {
    /// Binds the buffers of a replica.
    fn show(&self, device: &wgpu::Device, pipelines: &Pipelines, replica: usize) -> Shown {
        let mut places = self.shared.iter().enumerate().flat_map(|(buffer, shared)| {
            shared.replicas.iter().enumerate().map(move |(k, of)| (*of, [buffer, k]))
        });
        let place = places.find_map(|(of, place)| (of == replica).then_some(place));
        let place = place.expect("every replica is in one of the engine's buffers");
        let shared = &self.shared[place[0]];
        let molecule = self.system.molecule(replica);
        let (bonds, radii) = bonds(molecule);
        let last = molecule.n_beads().max(2) - 1;
        let color = |i: usize| {
            let [r, g, b] = ramp(i as f32 / last as f32);
            [r, g, b, 1.0]
        };
        let colors: Vec<[f32; 4]> = (0..molecule.n_beads()).map(color).collect();
        let constant = |label, contents| {
            let usage = wgpu::BufferUsages::STORAGE;
            let descriptor = wgpu::util::BufferInitDescriptor { label, contents, usage };
            device.create_buffer_init(&descriptor)
        };
        let colors = constant(Some("colors"), bytemuck::cast_slice(&colors));
        // A buffer is never empty.
        let pairs: &[[u32; 2]] = if bonds.is_empty() { &[[0, 0]] } else { &bonds };
        let pairs = constant(Some("bonds"), bytemuck::cast_slice(pairs));

        let Inputs { view, chain, trail, .. } = self;
        // By the numbers of their bindings in shader.wgsl.
        let buffers = [
            view,
            &shared.positions,
            &shared.origins,
            &trail.positions,
            &trail.origins,
            chain,
            &colors,
            &pairs,
            chain,
        ];
        let bind = |layout: wgpu::BindGroupLayout, bindings: &[u32]| {
            let entry = |binding: &u32| wgpu::BindGroupEntry {
                binding: *binding,
                resource: buffers[*binding as usize].as_entire_binding(),
            };
            let entries: Vec<_> = bindings.iter().map(entry).collect();
            let layout = &layout;
            device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout,
                entries: &entries,
            })
        };
        Shown {
            replica,
            place,
            n_bonds: bonds.len() as u32,
            radii,
            follow: bind(pipelines.follow.get_bind_group_layout(0), &[0, 1, 8]),
            beads: bind(pipelines.beads.get_bind_group_layout(0), &[0, 1, 5, 6]),
            bonds: bind(pipelines.bonds.get_bind_group_layout(0), &[0, 1, 5, 6, 7]),
            trails: bind(pipelines.trails.get_bind_group_layout(0), &[0, 2, 3, 4, 5, 6]),
        }
    }
}

/// The radii of beads and bonds, Å.
struct Radii {
    bead: f32,
    bond: f32,
}

/// The pairs of beads with harmonic bonds, and radii that suit their mean rest length.
fn bonds(molecule: &Molecule) -> (Vec<[u32; 2]>, Radii) {
    let harmonic = || molecule.terms.iter().filter(|term| term.form == PriorForm::HarmonicBond);
    let pairs = harmonic().flat_map(|term| term.tuples.iter().map(|[i, j, ..]| [*i, *j]));
    let pairs: BTreeSet<[u32; 2]> = pairs.collect();
    let rest = |term: &flashschnet::system::Term, t| term.parameters(t)[1];
    let lengths = harmonic().flat_map(|term| (0..term.tuples.len()).map(move |t| rest(term, t)));
    let (sum, n) = lengths.fold((0.0, 0), |(sum, n), length| (sum + length, n + 1));
    // Without bonds, beads are taken for residues.
    let mean = if n > 0 && sum > 0.0 { sum / f64::from(n) } else { 3.8 };
    (pairs.into_iter().collect(), Radii { bead: 0.36 * mean as f32, bond: 0.15 * mean as f32 })
}

impl Targets {
    fn new(device: &wgpu::Device, size: [u32; 2], format: wgpu::TextureFormat) -> Self {
        let texture = |label, format| {
            let texture = device.create_texture(&wgpu::TextureDescriptor {
                label: Some(label),
                size: wgpu::Extent3d { width: size[0], height: size[1], depth_or_array_layers: 1 },
                mip_level_count: 1,
                sample_count: SAMPLES,
                dimension: wgpu::TextureDimension::D2,
                format,
                usage: wgpu::TextureUsages::RENDER_ATTACHMENT,
                view_formats: &[],
            });
            texture.create_view(&Default::default())
        };
        Targets { size, samples: texture("samples", format), depth: texture("depth", DEPTH) }
    }

    /// Begins a picture, which is empty.
    fn begin<'a>(
        &self,
        commands: &'a mut wgpu::CommandEncoder,
        picture: &wgpu::TextureView,
    ) -> wgpu::RenderPass<'a> {
        let [r, g, b, a] = BACKGROUND.map(f64::from);
        let discard = wgpu::StoreOp::Discard;
        commands.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("picture"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &self.samples,
                depth_slice: None,
                resolve_target: Some(picture),
                ops: wgpu::Operations {
                    load: wgpu::LoadOp::Clear(wgpu::Color { r, g, b, a }),
                    store: discard,
                },
            })],
            depth_stencil_attachment: Some(wgpu::RenderPassDepthStencilAttachment {
                view: &self.depth,
                depth_ops: Some(wgpu::Operations {
                    load: wgpu::LoadOp::Clear(0.0),
                    store: discard,
                }),
                stencil_ops: None,
            }),
            ..Default::default()
        })
    }
}
