//! The reference data, whole cases, on every backend.

#[macro_use]
mod common;

use std::path::PathBuf;

use common::{Backend, LargeCases};
use flashschnet::engine::{Engine, Filter};
use flashschnet::reference::Reference;
use flashschnet::system::System;
use flashschnet::verify::{self, EngineFactory, Options, Status};

const MIXED: Options = Options { exact: false, mixed: true, max_steps: None };

on_every_backend!(agrees_with_the_data, agrees_with_the_built_in_cases);
on_every_backend!(@ wgpu_emulated: agrees_with_the_data, agrees_with_the_built_in_cases);
on_mixed_backends!(is_near_the_data, is_near_the_built_in_cases);

/// The folder of reference cases: `FLASHSCHNET_REFERENCE`, or the cases in `tests/data`.
fn cases() -> Vec<PathBuf> {
    let folder = std::env::var_os("FLASHSCHNET_REFERENCE").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| {
        eprintln!("FLASHSCHNET_REFERENCE is not set: only the cases in tests/data are checked");
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data"))
    });
    verify::cases_at(&folder).expect("the folder holds cases")
}

fn check(reports: impl IntoIterator<Item = verify::Report>) {
    let (mut failed, mut passed) = (Vec::new(), 0);
    for report in reports {
        println!("{report}");
        passed += usize::from(report.status == Status::Pass);
        if report.status == Status::Fail {
            failed.push(report.case);
        }
    }
    assert!(failed.is_empty() && passed > 0, "{passed} passed, failed: {failed:?}");
}

fn check_files(options: Options, large_cases: LargeCases, engine: &EngineFactory) {
    check(cases().iter().filter_map(|case| {
        let max_steps = match large_cases {
            _ if !case.to_string_lossy().contains("enh269") => None,
            LargeCases::All => None,
            LargeCases::Steps(steps) => Some(steps),
            LargeCases::None => {
                println!("{} is left to the other backends", case.display());
                return None;
            }
        };
        Some(verify::verify_file(case, Options { max_steps, ..options }, engine))
    }));
}

#[test]
fn reference_agrees_with_the_data() {
    let engine = |system: System| Ok(Box::new(Reference::new(system)) as Box<dyn Engine>);
    // Twenty steps of the two large replicas take half a minute in plain f64 loops.
    let options = Options { exact: true, ..Options::default() };
    check_files(options, LargeCases::Steps(4), &engine);
}

/// Tables are as far from the networks as single precision is.
#[test]
fn reference_with_tables_agrees_with_the_data() {
    let engine = |system: System| {
        Ok(Box::new(Reference::with_filter(system, Filter::TABLE)?) as Box<dyn Engine>)
    };
    check_files(Options::default(), LargeCases::Steps(1), &engine);
}

fn agrees_with_the_data(backend: &Backend) {
    check_files(Options::default(), backend.large_cases, &backend.engine);
}

fn agrees_with_the_built_in_cases(backend: &Backend) {
    let options = Options::default();
    check(verify::verify_built_in(options, &backend.engine));
}

fn is_near_the_data(backend: &Backend) {
    check_files(MIXED, backend.large_cases, &backend.engine);
}

fn is_near_the_built_in_cases(backend: &Backend) {
    let reports = verify::verify_built_in(MIXED, &backend.engine);
    // The bar is met by what 16 bits do, not by computing in 32.
    let mixed: Vec<_> = reports.iter().filter_map(|report| report.mixed).collect();
    assert!(mixed.len() == 4 && mixed.iter().all(|mixed| mixed.rms > 1e-5), "{mixed:?}");
    check(reports);
}
