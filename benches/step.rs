//! Time of a step of the built-in system on wgpu, if there is a hardware adapter, and on the CPU:
//! `cargo bench --bench step`.
//!
//! The bench measures steps with exact filters, with tabulated filters, and without the network
//! (priors, random numbers, integrator and neighbor check only). For each it warms up and prints
//! one JSON line with the median, the least and the largest time of five runs.

use std::time::Instant;

use flashschnet::backend::{Backend, BackendKind};
use flashschnet::builtin;
use flashschnet::engine::Filter;
use flashschnet::simulation::{Settings, Simulation};

const RUNS: usize = 5;
const PRIORS_ONLY: &str = "priors only";

fn measure(
    backend: &Backend,
    what: &str,
    n_replicas: usize,
    steps: u64,
) -> flashschnet::Result<()> {
    let settings = Settings { n_replicas, ..Settings::default() };
    let mut model = builtin::model();
    if what == PRIORS_ONLY {
        model.schnet = None;
    }
    let mut simulation = Simulation::new(&model, &[builtin::structure()], &settings, backend)?;
    let engine = simulation.engine();
    engine.advance(steps)?;
    engine.state()?;
    let mut milliseconds = Vec::new();
    for _ in 0..RUNS {
        let clock = Instant::now();
        engine.advance(steps)?;
        // Reading the state waits for the device.
        engine.state()?;
        milliseconds.push(1e3 * clock.elapsed().as_secs_f64() / steps as f64);
    }
    milliseconds.sort_by(f64::total_cmp);
    let edges: u64 = engine.probe().n_edges()?.iter().sum();
    let line = serde_json::json!({
        "device": engine.device(),
        "what": what,
        "replicas": n_replicas,
        "edges_per_bead": edges as f64 / simulation.system().n_beads() as f64,
        "ms_per_step": milliseconds[RUNS / 2],
        "ms_per_step_least": milliseconds[0],
        "ms_per_step_most": milliseconds[RUNS - 1],
    });
    println!("{line}");
    Ok(())
}

fn main() -> flashschnet::Result<()> {
    let auto = Backend::open(BackendKind::Auto, None)?.with_filter(Filter::Exact);
    if auto.kind() == BackendKind::Wgpu {
        for n_replicas in [1, 8, 64] {
            measure(&auto, "exact filters", n_replicas, 10)?;
            measure(&auto, PRIORS_ONLY, n_replicas, 2000)?;
        }
        let tables = auto.with_filter(Filter::TABLE);
        for n_replicas in [1, 8, 64] {
            measure(&tables, "tabulated filters", n_replicas, 200)?;
        }
    }
    let cpu = Backend::open(BackendKind::Cpu, None)?.with_filter(Filter::Exact);
    for n_replicas in [1, 4] {
        measure(&cpu, "exact filters", n_replicas, 5)?;
        measure(&cpu, PRIORS_ONLY, n_replicas, 100)?;
    }
    let tables = cpu.with_filter(Filter::TABLE);
    for n_replicas in [1, 4] {
        measure(&tables, "tabulated filters", n_replicas, 50)?;
    }
    Ok(())
}
