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

/// How often the speed is measured and the title written.
const TITLE: Duration = Duration::from_millis(500);

/// Opens the window and runs the simulation until the user quits.
pub(crate) fn open(arguments: Arguments) -> Result<()> {
    let events = EventLoop::new().map_err(|error| {
        // Without the place in winit's source that the message begins with.
        let message = error.to_string();
        let reason = message.rsplit(": ").next().unwrap_or_default().trim_end_matches('.');
        format!("no display: {reason}; with --offscreen FILE the viewer needs none")
    })?;
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
    is_minimized: bool,
    shows_trails: bool,
    /// Where the mouse is, and whether it holds the chain.
    mouse: PhysicalPosition<f64>,
    holds: bool,
    /// The step and the moment when the speed was last measured, and the time spent on steps since.
    measured: (u64, Instant),
    running: Duration,
    /// The speed of all replicas together, ns/day.
    speed: Option<f64>,
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
            is_minimized: false,
            shows_trails: true,
            mouse: PhysicalPosition::default(),
            holds: false,
            measured: (0, Instant::now()),
            running: Duration::ZERO,
            speed: None,
        })
    }

    fn size(&self) -> [u32; 2] {
        [self.config.width, self.config.height]
    }

    fn handle(&mut self, event: WindowEvent, events: &ActiveEventLoop) -> Result<()> {
        match event {
            WindowEvent::CloseRequested => events.exit(),
            WindowEvent::Resized(size) => {
                self.is_minimized = size.width == 0 || size.height == 0;
                if self.is_minimized {
                    return Ok(());
                }
                (self.config.width, self.config.height) = (size.width, size.height);
                self.configure()?;
            }
            WindowEvent::Occluded(false) => {}
            // A surface has at least one pixel.
            WindowEvent::RedrawRequested if self.is_minimized => return Ok(()),
            WindowEvent::KeyboardInput { event, is_synthetic: false, .. }
                if event.state == ElementState::Pressed =>
            {
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
        if self.measured.1.elapsed() >= TITLE {
            let simulation = &self.run.simulation;
            let steps = (simulation.step() - self.measured.0) as f64;
            let time = steps * simulation.dynamics().dt * 1e-3 * self.run.scene.n_replicas() as f64;
            self.speed = Some(86_400.0 * time / self.running.as_secs_f64());
            (self.measured, self.running) = ((simulation.step(), Instant::now()), Duration::ZERO);
            self.title();
        }
        Ok(())
    }

    fn title(&self) {
        let (simulation, scene) = (&self.run.simulation, &self.run.scene);
        let of = match scene.n_replicas() {
            1 => String::new(),
            n => format!(" of {n}"),
        };
        let (step, time) = (simulation.step(), simulation.time() * 1e-3);
        let speed = match self.speed {
            _ if self.is_paused => ", paused".into(),
            Some(speed) => format!(", {speed:.0} ns/day"),
            None => String::new(),
        };
        let replica = scene.replica();
        let title = format!("flashschnet: replica {replica}{of}, step {step}, {time:.4} ns{speed}");
        self.window.set_title(&title);
    }

    fn draw(&mut self) -> Result<()> {
        use wgpu::CurrentSurfaceTexture as Current;
        let texture = match self.surface.get_current_texture() {
            Current::Success(texture) | Current::Suboptimal(texture) => texture,
            // The next event asks for a picture.
            Current::Occluded => return Ok(()),
            Current::Timeout => {
                self.window.request_redraw();
                return Ok(());
            }
            Current::Outdated => {
                self.configure()?;
                self.window.request_redraw();
                return Ok(());
            }
            lost => return Err(format!("the window cannot be drawn: {lost:?}").into()),
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
