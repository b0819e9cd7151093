//! A GPU engine and its device: waits, allocations, memory, and a device that does not answer.

use std::time::Duration;

use flashschnet::builtin;
use flashschnet::engine::{Engine, Filter, Terms};
use flashschnet::gpu::{Device, FeatureSet, GpuEngine};
use flashschnet::hills::{Axis, Hills};
use flashschnet::metadynamics::Metadynamics;
use flashschnet::simulation::{Control, Frame, Observer};
use flashschnet::variable::Variable;
use flashschnet::{Backend, Error, Result, Settings, Simulation};

use crate::common::{chains, hot, small};

/// A device that no other test uses, so that its counters count this test only.
fn own_device() -> Device {
    Device::open(Some("0"), FeatureSet::Full).unwrap()
}

#[derive(Clone, Default)]
struct Looks(std::sync::Arc<std::sync::atomic::AtomicU64>);

impl Observer for Looks {
    fn frame(&mut self, _: &Frame, _: &mut Control) -> Result<()> {
        Ok(())
    }

    fn progress(&mut self, _: u64, _: &mut Control) -> Result<()> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(())
    }
}

/// During a run the host waits for the device once each time it reads from it, for a frame or only
/// for the status. It reads into buffers that it reuses.
#[test]
fn a_frame_is_one_read_into_buffers_that_are_reused() {
    let device = own_device();
    let backend = Backend::from_device(device.clone());
    let settings = Settings { n_replicas: 3, ..Settings::default() };
    let (model, structures) = (small::model(), small::structures());
    let mut simulation = Simulation::new(&model, &structures, &settings, &backend).unwrap();
    let looks = Looks::default();
    simulation.attach(5, looks.clone()).unwrap();
    simulation.run(10).unwrap();
    let (before, seen) = (device.counters(), looks.0.load(std::sync::atomic::Ordering::Relaxed));
    simulation.run(60).unwrap();
    let after = device.counters();
    let looks = looks.0.load(std::sync::atomic::Ordering::Relaxed) - seen;
    assert!(looks >= 12, "{looks}");
    assert_eq!(after.waits - before.waits, looks);
    assert_eq!(after.allocations, before.allocations);
}

/// Frames are read into memory without room for the grid of metadynamics. A whole state needs more.
#[test]
fn a_frame_has_no_hills() {
    let device = own_device();
    let backend = Backend::from_device(device.clone());
    let axis = Axis { lower: 0.0, upper: 200.0, bins: 4000, periodic: false, width: 1.0 };
    let hills = Hills { axes: vec![axis], height: 0.1, bias_factor: 10.0, temperature: 300.0 };
    let variables = vec![Variable::radius_of_gyration()];
    let metadynamics = Metadynamics { name: "hills".into(), variables, hills, every: 5 };
    let metadynamics = Some(metadynamics);
    let settings = Settings { n_replicas: 3, metadynamics, ..Settings::default() };
    let (model, structures) = (small::model(), small::structures());
    let mut simulation = Simulation::new(&model, &structures, &settings, &backend).unwrap();
    simulation.attach(5, Looks::default()).unwrap();
    simulation.run(60).unwrap();
    simulation.positions().unwrap();
    let mut allocations = || {
        let before = device.counters().allocations;
        assert_eq!(simulation.state().unwrap().hills.len(), 4001);
        device.counters().allocations - before
    };
    assert_eq!([allocations(), allocations()], [1, 0]);
}

/// A neighbor list that grows is freed before the new one is allocated, and the counters show it.
#[test]
fn a_list_that_grows_does_not_live_twice() {
    let device = own_device();
    // All 60 beads of a replica are neighbors, but a list at first has room for a fifth of the
    // edges.
    let (system, state) = chains(60, 40);
    let squeezed: Vec<_> = state.positions.iter().map(|x| x.map(|x| 0.02 * x)).collect();
    let mut engine = GpuEngine::new(&device, system, &hot(40), Filter::TABLE).unwrap();
    let small = engine.memory().allocated;
    engine.set_positions(&squeezed).unwrap();
    engine.energies(Terms::Network).unwrap();
    let grown = engine.memory().allocated;
    // The edges have five times the room, which is most of the memory of so small a network.
    assert!(grown > small + small / 4, "{small} {grown}");
    assert_eq!(device.counters().peak_bytes, grown);
    drop(engine);
    let engine = GpuEngine::new(&device, chains(3, 1).0, &hot(1), Filter::TABLE).unwrap();
    assert!(engine.memory().allocated < small, "the lists that grew were not freed");
}

#[test]
fn a_device_that_does_not_answer_is_lost() {
    let device = own_device().with_wait_limit(Duration::from_nanos(1));
    let name = device.name().to_owned();
    let backend = Backend::from_device(device).with_filter(Filter::Exact);
    let settings = Settings { n_replicas: 8, ..Settings::default() };
    let structures = [builtin::structure()];
    // The start is evaluated, so the first wait is that of a new simulation.
    match Simulation::new(&builtin::model(), &structures, &settings, &backend).map(|_| ()) {
        Err(error @ Error::DeviceLost { .. }) => {
            let said = error.to_string();
            assert!(said.contains("no answer within"), "{said}");
            assert!(said.contains(&format!(" on {name}: ")), "{said}");
        }
        other => panic!("found {other:?}"),
    }
}
