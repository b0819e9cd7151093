//! Time of every kernel call in a step of the built-in system: `cargo bench --bench kernels` on the
//! best hardware adapter, or `cargo bench --bench kernels -- ADAPTER`.
//!
//! The bench measures 1 and 64 replicas with tabulated and with exact filters. It prints a JSON
//! line for each call, with the call's share of the speed that the device reaches in copies and in
//! multiply-adds. The last line of each measurement gives the time of a step without the profile.

use std::time::Instant;

use flashschnet::backend::{Backend, BackendKind};
use flashschnet::builtin;
use flashschnet::engine::Filter;
use flashschnet::gpu::Ceilings;
use flashschnet::simulation::{Settings, Simulation};
use serde_json::json;

/// Steps of the warm-up: enough for the clock rates to rise and for the first rebuilds of the
/// neighbor lists.
const WARM_UP: u64 = 32;
const STEPS: u64 = 32;

fn measure(
    backend: &Backend,
    ceilings: &Ceilings,
    filter: &str,
    n: usize,
) -> flashschnet::Result<()> {
    let settings = Settings { n_replicas: n, ..Settings::default() };
    let (model, structures) = (builtin::model(), [builtin::structure()]);
    let mut simulation = Simulation::new(&model, &structures, &settings, backend)?;
    let engine = simulation.engine();
    engine.advance(WARM_UP)?;
    // Reading the state waits for the device.
    engine.state()?;
    let clock = Instant::now();
    engine.advance(STEPS)?;
    engine.state()?;
    let step_us = 1e6 * clock.elapsed().as_secs_f64() / STEPS as f64;
    let (mut calls, mut calls_us) = (0, 0.0);
    for time in engine.probe().profile(STEPS)? {
        let (bytes, flops) = (1e6 * time.bytes as f64, 1e6 * time.flops as f64);
        let (bytes, flops) = (bytes / time.microseconds, flops / time.microseconds);
        let line = json!({
            "device": engine.device(),
            "filter": filter,
            "replicas": n,
            "number": time.number,
            "kernel": time.kernel,
            "us": time.microseconds,
            "bytes": time.bytes,
            "flops": time.flops,
            "gb_per_s": 1e-9 * bytes,
            "gflop_per_s": 1e-9 * flops,
            "share_of_copy": bytes / ceilings.copy_bytes,
            "share_of_fma": flops / ceilings.fma_flops,
        });
        println!("{line}");
        calls += 1;
        calls_us += time.microseconds;
    }
    let line = json!({
        "device": engine.device(),
        "filter": filter,
        "replicas": n,
        "calls": calls,
        "calls_us": calls_us,
        "step_us": step_us,
        "copy_gb_per_s": 1e-9 * ceilings.copy_bytes,
        "fma_gflop_per_s": 1e-9 * ceilings.fma_flops,
    });
    println!("{line}");
    Ok(())
}

fn main() -> flashschnet::Result<()> {
    // Cargo itself passes --bench.
    let adapter = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    for (name, filter) in [("table", Filter::TABLE), ("exact", Filter::Exact)] {
        let backend = Backend::open(BackendKind::Auto, adapter.as_deref())?;
        let Some(device) = backend.device() else {
            println!("{}", backend.reason().unwrap_or("kernels are timed on a GPU"));
            return Ok(());
        };
        let ceilings = device.measure_ceilings()?;
        let backend = backend.with_filter(filter);
        for n_replicas in [1, 64] {
            measure(&backend, &ceilings, name, n_replicas)?;
        }
    }
    Ok(())
}
