//! The reference data, whole cases, on every backend.

use std::path::PathBuf;

use flashschnet::engine::Engine;
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

#[test]
fn reference_agrees_with_the_data() {
    let engine = |system: System| Ok(Box::new(Reference::new(system)) as Box<dyn Engine>);
    // Twenty steps of the two large replicas take half a minute in plain f64 loops.
    let options = Options { exact: true, max_steps: Some(4) };
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
