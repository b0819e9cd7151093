//! A window with the running simulation.

use std::sync::Arc;
use std::time::{Duration, Instant};

use flashschnet::gpu::wgpu;
use winit::application::ApplicationHandler;
use winit::dpi::{PhysicalPosition, PhysicalSize};
use winit::event::{ElementState, KeyEvent, MouseButton, MouseScrollDelta, WindowEvent};
use winit::event_loop::{ActiveEventLoop, EventLoop};
use winit::keyboard::{Key, NamedKey};
use winit::window::{Window, WindowId};

use crate::Result;
use crate::arguments::Arguments;
use crate::camera::Camera;
use crate::gpu::{Gpu, scoped};
use crate::run::Run;

/// How often the title is written anew.
const TITLE: Duration = Duration::from_millis(500);

/// Opens the window and runs the simulation until the user quits.
pub(crate) fn open(arguments: Arguments) -> Result<()> {
    let advice = "--offscreen writes a picture without one";
    let events = EventLoop::new().map_err(|error| format!("no display: {error}; {advice}"))?;
    let mut program = Program { arguments, open: None, failure: None };
    events.run_app(&mut program)?;
    program.failure.map_or(Ok(()), Err)
}

/// The receiver of events.
struct Program {
    arguments: Arguments,
    open: Option<Open>,
    failure: Option<Box<dyn std::error::Error>>,
}

/// The window and all that it shows.
struct Open {
    window: Arc<Window>,
    surface: wgpu::Surface<'static>,
    config: wgpu::SurfaceConfiguration,
    gpu: Gpu,
    run: Run,
    steps_per_frame: u64,
    camera: Camera,
    is_paused: bool,
    shows_trails: bool,
    /// Where the mouse is, and whether it holds the chain.
    mouse: PhysicalPosition<f64>,
    holds: bool,
    /// The step when the title was last written, and the time spent on steps since.
    titled: (u64, Instant),
    running: Duration,
}

impl ApplicationHandler for Program {
    fn resumed(&mut self, events: &ActiveEventLoop) {
        if self.open.is_none() {
            let opened = Open::new(&self.arguments, events).map(|open| self.open = Some(open));
            self.end_if_failed(events, opened);
        }
    }

    fn window_event(&mut self, events: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        if let Some(open) = &mut self.open {
            let handled = open.handle(event, events);
            self.end_if_failed(events, handled);
        }
    }
}

impl Program {
    fn end_if_failed(&mut self, events: &ActiveEventLoop, result: Result<()>) {
        if let Err(error) = result {
            self.failure = Some(error);
            events.exit();
        }
    }
}

impl Open {
    fn new(arguments: &Arguments, events: &ActiveEventLoop) -> Result<Self> {
        let [width, height] = arguments.size;
        let attributes = Window::default_attributes()
            .with_title("flashschnet viewer")
            .with_inner_size(PhysicalSize::new(width, height));
        let window = Arc::new(events.create_window(attributes)?);
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_with_display_handle(
            Box::new(events.owned_display_handle()),
        ));
        let surface = instance.create_surface(Arc::clone(&window))?;
        let gpu = Gpu::open(&instance, arguments.adapter.as_deref(), Some(&surface))?;
        let size = window.inner_size();
        let config =
            surface.get_default_config(&gpu.adapter, size.width.max(1), size.height.max(1));
        let mut config = config.ok_or("the adapter cannot draw in this window")?;
        // The shaders write linear colors.
        let format = config.format.add_srgb_suffix();
        config.view_formats = vec![format];
        scoped(&gpu.device, || surface.configure(&gpu.device, &config))?;
        let run = Run::new(arguments, &gpu, format)?;
        window.request_redraw();
        Ok(Open {
            window,
            surface,
            config,
            gpu,
            run,
            steps_per_frame: arguments.steps_per_frame,
            camera: Camera::default(),
            is_paused: false,
            shows_trails: true,
            mouse: PhysicalPosition::default(),
            holds: false,
            titled: (0, Instant::now()),
            running: Duration::ZERO,
        })
    }

    fn size(&self) -> [u32; 2] {
        [self.config.width, self.config.height]
    }

    fn handle(&mut self, event: WindowEvent, events: &ActiveEventLoop) -> Result<()> {
        match event {
            WindowEvent::CloseRequested => events.exit(),
            WindowEvent::Resized(size) if size.width > 0 && size.height > 0 => {
                (self.config.width, self.config.height) = (size.width, size.height);
                self.configure()?;
            }
            WindowEvent::KeyboardInput { event, .. } if event.state == ElementState::Pressed => {
                self.press(event, events)?;
            }
            WindowEvent::MouseInput { button: MouseButton::Left, state, .. } => {
                self.holds = state == ElementState::Pressed;
            }
            WindowEvent::CursorMoved { position, .. } => {
                let (right, down) = (position.x - self.mouse.x, position.y - self.mouse.y);
                self.mouse = position;
                if !self.holds {
                    return Ok(());
                }
                self.camera.drag(right, down, self.size());
            }
            WindowEvent::MouseWheel { delta, .. } => self.camera.scroll(match delta {
                MouseScrollDelta::LineDelta(_, lines) => f64::from(lines),
                MouseScrollDelta::PixelDelta(pixels) => pixels.y / 50.0,
            }),
            WindowEvent::RedrawRequested => {
                if !self.is_paused {
                    self.advance()?;
                }
                return self.draw();
            }
            _ => return Ok(()),
        }
        self.window.request_redraw();
        Ok(())
    }

    fn press(&mut self, event: KeyEvent, events: &ActiveEventLoop) -> Result<()> {
        let scene = &mut self.run.scene;
        let (replica, n) = (scene.replica(), scene.n_replicas());
        match event.logical_key.as_ref() {
            Key::Named(NamedKey::Escape) => events.exit(),
            Key::Named(NamedKey::Space) if !event.repeat => self.is_paused = !self.is_paused,
            Key::Named(NamedKey::ArrowRight | NamedKey::PageDown) => {
                scene.show((replica + 1) % n)?;
            }
            Key::Named(NamedKey::ArrowLeft | NamedKey::PageUp) => {
                scene.show((replica + n - 1) % n)?;
            }
            Key::Character("t" | "T") if !event.repeat => self.shows_trails = !self.shows_trails,
            Key::Character("r" | "R") => {
                self.camera = Camera::default();
                scene.fit();
            }
            _ => return Ok(()),
        }
        self.title();
        Ok(())
    }

    fn advance(&mut self) -> Result<()> {
        let start = Instant::now();
        self.run.advance(self.steps_per_frame)?;
        self.running += start.elapsed();
        if self.titled.1.elapsed() >= TITLE {
            self.title();
        }
        Ok(())
    }

    /// Writes step, time and speed into the title. The speed is that of all replicas, without the
    /// time for pictures.
    fn title(&mut self) {
        let simulation = &self.run.simulation;
        let (step, dt) = (simulation.step(), simulation.dynamics().dt);
        let (replica, n) = (self.run.scene.replica(), self.run.scene.n_replicas());
        let done = (step - self.titled.0) as f64 * dt * 1e-3 * n as f64;
        let per_day = 86_400.0 * done / self.running.as_secs_f64();
        let speed = match self.is_paused || self.running.is_zero() {
            true => "paused".into(),
            false => format!("{per_day:.0} ns/day"),
        };
        let time = simulation.time() * 1e-3;
        let of = if n > 1 { format!(" of {n}") } else { String::new() };
        self.window.set_title(&format!(
            "flashschnet: replica {replica}{of}, step {step}, {time:.4} ns, {speed}"
        ));
        (self.titled, self.running) = ((step, Instant::now()), Duration::ZERO);
    }

    fn draw(&mut self) -> Result<()> {
        let texture = match self.surface.get_current_texture() {
            wgpu::CurrentSurfaceTexture::Success(texture) => texture,
            wgpu::CurrentSurfaceTexture::Occluded => return Ok(()),
            wgpu::CurrentSurfaceTexture::Timeout => {
                self.window.request_redraw();
                return Ok(());
            }
            // The window has changed: the next picture fits it.
            _ => {
                self.configure()?;
                self.window.request_redraw();
                return Ok(());
            }
        };
        let view = texture.texture.create_view(&wgpu::TextureViewDescriptor {
            format: self.config.view_formats.first().copied(),
            ..Default::default()
        });
        let size = [texture.texture.width(), texture.texture.height()];
        self.run.scene.draw(&view, size, &self.camera, self.shows_trails)?;
        self.window.pre_present_notify();
        self.gpu.queue.present(texture);
        if !self.is_paused {
            self.window.request_redraw();
        }
        Ok(())
    }

    fn configure(&self) -> Result<()> {
        let (device, config) = (&self.gpu.device, &self.config);
        scoped(device, || self.surface.configure(device, config))
    }
}
