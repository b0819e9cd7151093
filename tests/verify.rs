//! The reference data, whole cases, on every backend.

use std::path::PathBuf;

use flashschnet::Result;
use flashschnet::engine::Engine;
use flashschnet::gpu::{Device, Profile, Wgpu};
use flashschnet::reference::Reference;
use flashschnet::system::System;
use flashschnet::verify::{self, Options, Status};

/// The folder of reference cases: `FLASHSCHNET_REFERENCE`, or the cases in `tests/data`.
fn cases() -> Vec<PathBuf> {
    let folder = std::env::var_os("FLASHSCHNET_REFERENCE").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| {
        eprintln!("FLASHSCHNET_REFERENCE is not set: only the cases in tests/data are checked");
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data"))
    });
    verify::cases_at(&folder).expect("the folder holds cases")
}

fn agrees(options: Options, engine: &dyn Fn(System) -> Result<Box<dyn Engine>>) {
    let mut failed = Vec::new();
    for case in cases() {
        let report = verify::verify_file(&case, options, &engine);
        println!("{report}");
        if report.status == Status::Fail {
            failed.push(report.case);
        }
    }
    assert!(failed.is_empty(), "failed: {failed:?}");
}

#[test]
fn reference_agrees_with_the_data() {
    // Twenty steps of the two large replicas take half a minute in plain f64 loops.
    let options = Options { exact: true, max_steps: Some(4) };
    agrees(options, &|system| Ok(Box::new(Reference::new(system)) as Box<dyn Engine>));
}

#[test]
fn wgpu_agrees_with_the_data() {
    let device = Device::open(Some("0"), Profile::Full).expect("an adapter");
    // A step of the large replicas takes seconds on a software adapter.
    let options = Options { exact: false, max_steps: Some(2) };
    agrees(options, &|system| Ok(Box::new(Wgpu::new(&device, system)?) as Box<dyn Engine>));
}
