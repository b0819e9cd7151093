//! A device that the host program shares: what it needs, and positions without a copy.

use flashschnet::gpu::{Device, GpuPositions, required_limits, wanted_features, wgpu};
use flashschnet::{Backend, BackendKind, Error, Settings, Simulation};

use crate::common::small;

/// A device of the host program, on the tests' adapter.
fn host() -> (wgpu::Device, wgpu::Queue) {
    let instance = wgpu::Instance::default();
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::VULKAN));
    let adapter = adapters.into_iter().next().expect("`tests/run` brings a software adapter");
    let descriptor = wgpu::DeviceDescriptor {
        required_limits: required_limits(),
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
