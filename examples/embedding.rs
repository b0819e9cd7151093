//! A host program that opens its own GPU device and runs replicas on it.

use std::sync::Arc;

use flashschnet::gpu::{Device, wgpu};
use flashschnet::model::{Prior, PriorForm, PriorParameters};
use flashschnet::structure::{Topology, TupleList};
use flashschnet::{Backend, Error, Model, Settings, Simulation, Structure};

/// The host's device. The host opens it in its own way: any adapter, WebGPU's default limits.
fn host_device() -> flashschnet::Result<(wgpu::Device, wgpu::Queue)> {
    let instance = wgpu::Instance::default();
    let adapter = pollster::block_on(instance.request_adapter(&Default::default()));
    let adapter = adapter.map_err(|error| Error::gpu("finding the host's adapter", error))?;
    pollster::block_on(adapter.request_device(&Default::default()))
        .map_err(|error| Error::gpu("opening the host's device", error))
}

/// Two beads on a spring.
fn dumbbell() -> (Model, Structure) {
    let bonds = Prior {
        name: "bonds".into(),
        form: PriorForm::HarmonicBond,
        parameters: PriorParameters::PerTuple { values: vec![50.0, 3.8, 0.0] },
    };
    let list = TupleList { name: "bonds".into(), order: 2, tuples: vec![[0, 1, 0, 0]] };
    let topology = Topology { types: vec![1, 1], masses: vec![0.0287; 2], lists: vec![list] };
    let structure = Structure {
        topology: Arc::new(topology),
        positions: vec![[0.0; 3], [4.0, 0.0, 0.0]],
        velocities: None,
    };
    (Model { schnet: None, priors: vec![bonds] }, structure)
}

/// The mean energy of the springs after 2 ps, kcal/mol.
pub(crate) fn run() -> flashschnet::Result<f64> {
    let (device, queue) = host_device()?;
    let backend = Backend::from_device(Device::from_wgpu(device, queue));
    let (model, structure) = dumbbell();
    let settings = Settings { n_replicas: 16, ..Settings::default() };
    let mut simulation = Simulation::new(&model, &[structure], &settings, &backend)?;
    println!("on {}", simulation.engine().device());
    simulation.run(500)?;
    let energies = simulation.energies()?;
    let mean = energies.potential.iter().sum::<f64>() / energies.potential.len() as f64;
    println!("mean energy of {} springs after 2 ps: {mean:.3} kcal/mol", settings.n_replicas);
    Ok(mean)
}

#[allow(dead_code, reason = "the tests call run")]
fn main() -> flashschnet::Result<()> {
    run().map(|_| ())
}
