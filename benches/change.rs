//! Time of changes of a running simulation of the built-in system, next to that of a step, on the CUDA
//! device or else the best adapter of wgpu: `cargo bench --bench change -- [replicas]`.
//!
//! The bench prints one JSON line for each change: the milliseconds of a step, and the milliseconds that
//! the change adds to the steps around it, as medians.

use std::time::Instant;

use flashschnet::backend::{Backend, BackendKind};
use flashschnet::builtin;
use flashschnet::simulation::{Reset, Settings, Simulation};

const ROUNDS: usize = 21;
const STEPS: u64 = 10;

type Change<'a> = dyn Fn(&mut Simulation) -> flashschnet::Result<()> + 'a;

/// The milliseconds of a change and the steps after it.
fn round(simulation: &mut Simulation, change: &Change) -> flashschnet::Result<f64> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let clock = Instant::now();
        change(simulation)?;
        simulation.run(STEPS)?;
        simulation.engine().settle()?;
        times.push(1e3 * clock.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[ROUNDS / 2])
}

fn main() -> flashschnet::Result<()> {
    let replicas = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let n_replicas: usize = replicas.unwrap_or(64);
    let backend = Backend::open(BackendKind::Cuda, None)
        .or_else(|_| Backend::open(BackendKind::Wgpu, None))?
        .for_dynamics();
    let settings = Settings { n_replicas, ..Settings::default() };
    let (model, structure) = (builtin::model(), builtin::structure());
    let mut simulation = Simulation::new(&model, &[structure], &settings, &backend)?;
    simulation.run(2000)?;
    let velocities = simulation.velocities()?;
    let (hotter, same) = (vec![310.0; n_replicas], vec![1.0; n_replicas]);
    let last = n_replicas - 1;
    let all: Vec<Reset> = (0..n_replicas).map(Reset::last_good).collect();
    let changes: [(&str, &Change); 6] = [
        ("set_temperatures", &|simulation| simulation.set_temperatures(&hotter)),
        ("scale_velocities", &|simulation| simulation.scale_velocities(&same)),
        ("set_velocities", &|simulation| simulation.set_velocities(&velocities)),
        ("swap", &|simulation| simulation.swap(&[[0, last]])),
        ("reset", &|simulation| simulation.reset(&[Reset::last_good(last)])),
        ("reset_all", &|simulation| simulation.reset(&all)),
    ];
    for (name, change) in changes {
        let without = round(&mut simulation, &|_| Ok(()))?;
        let with = round(&mut simulation, change)?;
        let line = serde_json::json!({
            "device": simulation.engine().device(),
            "change": name,
            "replicas": n_replicas,
            "ms_per_step": without / STEPS as f64,
            "ms_per_change": with - without,
        });
        println!("{line}");
    }
    Ok(())
}
