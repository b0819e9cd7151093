//! Time of an exchange of states of the built-in system, next to that of a step, on the CUDA device
//! or else the best adapter of wgpu: `cargo bench --bench exchange -- [replicas]`.
//!
//! The bench prints one JSON line for each mixing: the milliseconds of a step, and the milliseconds
//! that an exchange adds to the steps around it, as medians of five runs.

use std::time::Instant;

use flashschnet::backend::{Backend, BackendKind};
use flashschnet::builtin;
use flashschnet::engine::{Engine, Exchange, Mixing, geometric};
use flashschnet::simulation::{Settings, Simulation};

const RUNS: usize = 5;
const ROUNDS: u64 = 20;
const STEPS: u64 = 50;

/// The milliseconds of a round of steps, and of an exchange if there is one.
fn round(engine: &mut dyn Engine, exchange: bool) -> flashschnet::Result<f64> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let clock = Instant::now();
        for _ in 0..ROUNDS {
            engine.advance(STEPS)?;
            if exchange {
                engine.exchange()?;
            }
        }
        engine.settle()?;
        times.push(1e3 * clock.elapsed().as_secs_f64() / ROUNDS as f64);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[RUNS / 2])
}

fn main() -> flashschnet::Result<()> {
    let replicas = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let n_replicas: usize = replicas.unwrap_or(64);
    let backend = Backend::open(BackendKind::Cuda, None)
        .or_else(|_| Backend::open(BackendKind::Wgpu, None))?
        .for_dynamics();
    for mixing in [Mixing::Neighbors, Mixing::AllPairs] {
        let beta = geometric(300.0, 400.0, n_replicas)?;
        let exchange = Some(Exchange::copies(mixing, &beta, 1));
        let settings = Settings { n_replicas, exchange, ..Settings::default() };
        let (model, structure) = (builtin::model(), builtin::structure());
        let mut simulation = Simulation::new(&model, &[structure], &settings, &backend)?;
        let engine = simulation.engine();
        engine.advance(2000)?;
        engine.exchange()?;
        engine.settle()?;
        let (without, with) = (round(engine, false)?, round(engine, true)?);
        let line = serde_json::json!({
            "device": engine.device(),
            "mixing": format!("{mixing:?}"),
            "replicas": n_replicas,
            "ms_per_step": without / STEPS as f64,
            "ms_per_exchange": with - without,
            "share_every_1000_steps": (with - without) / (without / STEPS as f64 * 1000.0),
        });
        println!("{line}");
    }
    Ok(())
}
