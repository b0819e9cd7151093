//! Time of every kernel call of a step of the built-in system: `cargo bench --bench kernels`, on
//! the best hardware adapter, or `cargo bench --bench kernels -- ADAPTER`.
//!
//! For 1 and 64 replicas, with tabulated and with exact filters. A JSON line for each call, with
//! what it is compared with: the device's own speed in copies and multiply-adds, and last a line
//! for the step in steps that are not profiled.

use std::time::Instant;

use flashschnet::backend::{Backend, Kind};
use flashschnet::builtin;
use flashschnet::engine::Filter;
use flashschnet::gpu::Limits;
use flashschnet::simulation::{Settings, Simulation};
use serde_json::json;

/// Enough for the clocks to rise and the first lists to be rebuilt.
const WARM_UP: u64 = 32;
const STEPS: u64 = 32;

fn measure(backend: &Backend, limits: &Limits, filter: &str, n: usize) -> flashschnet::Result<()> {
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
    for time in engine.profile(STEPS)? {
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
            "share_of_copy": bytes / limits.copy_bytes,
            "share_of_fma": flops / limits.fma_flops,
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
        "copy_gb_per_s": 1e-9 * limits.copy_bytes,
        "fma_gflop_per_s": 1e-9 * limits.fma_flops,
    });
    println!("{line}");
    Ok(())
}

fn main() -> flashschnet::Result<()> {
    // Cargo itself passes --bench.
    let adapter = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    for (name, filter) in [("table", Filter::TABLE), ("exact", Filter::Exact)] {
        let backend = Backend::open(Kind::Auto, adapter.as_deref())?;
        let Some(device) = backend.device() else {
            println!("{}", backend.reason().unwrap_or("kernels are timed on a GPU"));
            return Ok(());
        };
        let limits = device.measure_limits()?;
        let backend = backend.with_filter(filter);
        for n_replicas in [1, 64] {
            measure(&backend, &limits, name, n_replicas)?;
        }
    }
    Ok(())
}
