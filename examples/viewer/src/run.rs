//! The simulation and its scene, on one device.

use flashschnet::gpu::{Device, wgpu};
use flashschnet::io::load_structures;
use flashschnet::{Backend, Model, Settings, Simulation, builtin, units};

use crate::Result;
use crate::arguments::Arguments;
use crate::gpu::Gpu;
use crate::scene::Scene;

/// A simulation whose positions a scene draws.
pub(crate) struct Run {
    pub(crate) simulation: Simulation,
    pub(crate) scene: Scene,
}

impl Run {
    /// Starts a simulation on a device, with a scene for pictures of this format.
    pub(crate) fn new(
        arguments: &Arguments,
        gpu: &Gpu,
        format: wgpu::TextureFormat,
    ) -> Result<Self> {
        let (model, structures) = match &arguments.files {
            Some([model, structures]) => (Model::load(model)?, load_structures(structures)?),
            None => (builtin::model(), vec![builtin::structure()]),
        };
        let settings = Settings {
            n_replicas: arguments.replicas,
            beta: vec![units::beta(arguments.temperature)],
            seed: arguments.seed,
            ..Settings::default()
        };
        let device = Device::from_wgpu(gpu.device.clone(), gpu.queue.clone());
        // A program whose results matter calls `backend.check()` here, which computes known answers.
        let backend = Backend::from_device(device).for_dynamics();
        let simulation = Simulation::new(&model, &structures, &settings, &backend)?;
        let scene = Scene::new(gpu, &simulation, format, arguments.replica, arguments.trail)?;
        Ok(Run { simulation, scene })
    }

    /// Moves all replicas by some steps, and adds a frame to the trail.
    pub(crate) fn advance(&mut self, n_steps: u64) -> Result<()> {
        self.simulation.run(n_steps)?;
        self.scene.record();
        Ok(())
    }
}
