//! Whole cases of reference data on every backend.

use std::path::PathBuf;

use flashschnet::diagnose::verify;
use flashschnet::diagnose::verify::{EngineFactory, Options, Status};
use flashschnet::engine::{Dynamics, Engine, Filter};
use flashschnet::reference::Reference;
use flashschnet::system::System;

use crate::common::{Backend, Extent};

const MIXED: Options = Options { exact: false, mixed: true, max_steps: None };

on_every_backend!(agrees_with_the_data, agrees_with_the_built_in_cases);
on_every_backend!(@ wgpu_portable: agrees_with_the_built_in_cases);
on_mixed_backends!(is_near_the_built_in_cases);

mod data {
    use super::*;

    on_every_backend!(@ wgpu_mixed: is_near_the_data);
    on_every_backend!(@ slow wgpu_portable: agrees_with_the_data);
    on_every_backend!(
        @ slow wgpu_emulated: agrees_with_the_data, agrees_with_the_built_in_cases
    );
    on_every_backend!(@ slow wgpu_mixed_portable: is_near_the_data);
    on_every_backend!(@ hardware cuda_mixed: is_near_the_data);
    on_every_backend!(@ hardware cuda_matrix: is_near_the_data);
}

/// The cases in the folder `FLASHSCHNET_REFERENCE`, or those in `tests/data` if it is not set.
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
        if report.status != Status::Pass {
            failed.push(report.case);
        }
    }
    assert!(
        failed.is_empty() && passed > 0,
        "{passed} passed, failed or not supported: {failed:?}"
    );
}

fn check_files(options: Options, extent: Extent, engine: &EngineFactory) {
    // Set by tests/long/verify.
    let extent = match std::env::var_os("FLASHSCHNET_EVERY_STEP") {
        Some(_) => Extent::ALL,
        None => extent,
    };
    check(cases().iter().filter_map(|case| {
        let is_large = case.to_string_lossy().contains("enh269");
        let steps = if is_large { extent.large } else { extent.small };
        if steps == 0 {
            println!("{} is left to other backends", case.display());
            return None;
        }
        let options = Options { max_steps: Some(steps), ..options };
        Some(verify::verify_file(case, options, engine))
    }));
}

#[test]
fn reference_agrees_with_the_data() {
    let engine = |system: System, dynamics: &Dynamics| {
        Ok(Box::new(Reference::new(system, dynamics)?) as Box<dyn Engine>)
    };
    let options = Options { exact: true, ..Options::default() };
    check_files(options, Extent::OF_REFERENCE, &engine);
}

/// `Filter::TABLE` keeps the tolerances of single precision, also in f64.
#[test]
fn reference_with_tables_agrees_with_the_data() {
    let engine = |system: System, dynamics: &Dynamics| {
        Ok(Box::new(Reference::with_filter(system, dynamics, Filter::TABLE)?) as Box<dyn Engine>)
    };
    check_files(Options::default(), Extent::OF_REFERENCE, &engine);
}

fn agrees_with_the_data(backend: &Backend) {
    check_files(Options::default(), backend.extent, &backend.engine);
}

fn agrees_with_the_built_in_cases(backend: &Backend) {
    let options = Options::default();
    check(verify::verify_built_in(options, &backend.engine));
}

fn is_near_the_data(backend: &Backend) {
    check_files(MIXED, backend.extent, &backend.engine);
}

fn is_near_the_built_in_cases(backend: &Backend) {
    let reports = verify::verify_built_in(MIXED, &backend.engine);
    // Errors above 1e-5 show that the backend really computed in 16 bits and not in f32.
    let mixed: Vec<_> = reports.iter().filter_map(|report| report.mixed).collect();
    assert!(mixed.len() == 4 && mixed.iter().all(|mixed| mixed.rms > 1e-5), "{mixed:?}");
    check(reports);
}
