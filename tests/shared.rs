//! A device that the host program shares: what it needs, and positions without a copy.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flashschnet::bias::{Bias, BiasForm};
use flashschnet::gpu::{Device, GpuPositions, required_limits, wanted_features, wgpu};
use flashschnet::potential::{Potential, Request, Scores};
use flashschnet::simulation::Reset;
use flashschnet::variable::Variable;
use flashschnet::{Backend, BackendKind, Error, Settings, Simulation};

use crate::common::small;

/// A device of the host program, on the tests' adapter.
fn host() -> (wgpu::Device, wgpu::Queue) {
    host_with(required_limits())
}

fn host_with(required_limits: wgpu::Limits) -> (wgpu::Device, wgpu::Queue) {
    let instance = wgpu::Instance::default();
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::VULKAN));
    let adapter = adapters.into_iter().next().expect("`tests/run` brings a software adapter");
    let descriptor = wgpu::DeviceDescriptor {
        required_limits,
        required_features: wanted_features(&adapter),
        ..Default::default()
    };
    pollster::block_on(adapter.request_device(&descriptor)).unwrap()
}

/// The f32 of a buffer, read as a host program would.
fn read((device, queue): &(wgpu::Device, wgpu::Queue), buffer: &wgpu::Buffer) -> Vec<f32> {
    let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
    let size = buffer.size();
    let staging = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size,
        usage,
        mapped_at_creation: false,
    });
    let mut commands = device.create_command_encoder(&Default::default());
    commands.copy_buffer_to_buffer(buffer, 0, &staging, 0, size);
    queue.submit([commands.finish()]);
    staging.map_async(wgpu::MapMode::Read, .., |mapped| mapped.unwrap());
    device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    let bytes = staging.get_mapped_range(..).unwrap().to_vec();
    bytes.chunks_exact(4).map(|x| f32::from_le_bytes(x.try_into().unwrap())).collect()
}

/// The loss of the host program's device is an error of every call that waits for it. Nothing fails
/// outside of the library's calls, where the program's callback would see it.
#[test]
fn a_lost_device_is_an_error() {
    let (device, queue) = host();
    let outside = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&outside);
    device.on_uncaptured_error(Arc::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    }));
    let backend = Backend::from_device(Device::from_wgpu(device.clone(), queue));
    let (model, structures) = (small::model(), small::structures());
    let new = || Simulation::new(&model, &structures, &Settings::default(), &backend);
    let mut of = new().unwrap();
    let mut potential = Potential::new(&model, &structures, backend.clone()).unwrap();
    let mut scores = Scores::default();
    let positions = &structures[0].positions;
    let mut score = || potential.evaluate(&[0], positions, &Request::forces(), &mut scores);
    score().unwrap();
    of.run(3).unwrap();
    let state = of.state().unwrap();
    let forces = vec![[0.0; 3]; of.system().n_beads()];
    device.destroy();
    let (name, variable) = ("end".to_owned(), Variable::end_to_end(5));
    let form = BiasForm::Harmonic { k: vec![1.0], center: vec![5.0] };
    let bias = Bias { name, variable: variable.clone(), form };
    let failures = [
        ("run", of.run(2).map(drop)),
        ("state", of.state().map(drop)),
        ("set_state", of.set_state(&state)),
        ("set_velocities", of.set_velocities(&state.velocities)),
        ("set_external_forces", of.set_external_forces(Some(&forces))),
        ("add_bias", of.add_bias(bias)),
        ("set_observables", of.set_observables(&[("end", variable)])),
        ("reset", of.reset(&[Reset::last_good(0)])),
        ("run again", of.run(2).map(drop)),
        ("score", score()),
        ("check", backend.check()),
        ("new", new().map(drop)),
    ];
    for (call, result) in failures {
        let waits = !matches!(call, "set_state" | "set_velocities");
        let is_lost = matches!(result, Err(Error::DeviceLost { .. }));
        assert!(is_lost || !waits && result.is_ok(), "{call}: {result:?}");
    }
    assert_eq!(outside.load(Ordering::SeqCst), 0);
}

/// A device that was requested with lower limits than kernels need is refused by name.
#[test]
fn a_device_with_low_limits_is_refused() {
    let limits = wgpu::Limits { max_compute_invocations_per_workgroup: 128, ..required_limits() };
    let (device, queue) = host_with(limits);
    let backend = Backend::from_device(Device::from_wgpu(device, queue));
    let settings = Settings::default();
    let new = Simulation::new(&small::model(), &small::structures(), &settings, &backend);
    for error in [backend.check().unwrap_err(), new.unwrap_err()] {
        let text = error.to_string();
        assert!(matches!(error, Error::Unsupported { .. }), "{text}");
        assert!(text.contains("max_compute_invocations_per_workgroup of 128"), "{text}");
        assert!(text.contains("required_limits"), "{text}");
    }
}

#[test]
fn positions_are_on_the_device() {
    let host = host();
    let device = Device::from_wgpu(host.0.clone(), host.1.clone());
    for device in [device.clone(), device.with_batch_bytes(1)] {
        let mut structures = small::structures();
        // Far from 0, so that the origin of a replica is not 0.
        structures[0].positions.iter_mut().for_each(|x| x[1] += 300.0);
        let settings = Settings { n_replicas: 3, ..Settings::default() };
        let backend = Backend::from_device(device);
        let mut simulation =
            Simulation::new(&small::model(), &structures, &settings, &backend).unwrap();
        simulation.run(7).unwrap();
        let expected = simulation.positions().unwrap();
        let mut seen = 0;
        for shared in simulation.gpu_positions().unwrap() {
            let [beads, origins] = [&shared.positions, &shared.origins].map(|of| read(&host, of));
            let stride = (GpuPositions::ORIGIN_STRIDE / 4) as usize;
            for (k, r) in shared.replicas.iter().enumerate() {
                let range = shared.range(k);
                let beads = &beads[range.start as usize / 4..range.end as usize / 4];
                let beads = beads.chunks_exact(GpuPositions::STRIDE as usize / 4);
                let own = &expected[simulation.system().beads(*r)];
                assert_eq!(beads.len(), own.len());
                for (bead, own) in beads.zip(own) {
                    for c in 0..3 {
                        let origin = f64::from(origins[k * stride + c]);
                        let at = f64::from(bead[c]) + f64::from(bead[4 + c]) + origin;
                        assert_eq!(at, own[c]);
                    }
                }
                seen += 1;
            }
        }
        assert_eq!(seen, 3);
    }
    let backend = Backend::open(BackendKind::Cpu, None).unwrap();
    let simulation =
        Simulation::new(&small::model(), &small::structures(), &Settings::default(), &backend);
    let error = simulation.unwrap().gpu_positions().unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
}
