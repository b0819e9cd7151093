//! `flashschnet run --dry-run`: checks everything, and estimates memory, time and files.

use std::time::{Duration, Instant};

use crate::Result;
use crate::engine::Memory;
use crate::output::{Format, OutputOptions, TrajectoriesBy};
use crate::simulation::Simulation;

use super::plan::Plan;
use super::start::kinds;
use crate::cli::progress::{ns_per_day, short};
use crate::cli::tell::tell;

/// Steps are timed until one piece takes this long.
const LONG_ENOUGH: Duration = Duration::from_secs(1);

/// The bytes of a bead in a frame of an XTC file, as measured on proteins of a few hundred beads,
/// and of three numbers in f32, in a DCD file and in an array.
const XTC_BYTES: f64 = 4.2;
const FULL_BYTES: f64 = 12.0;

/// The bytes of a number in a table, with a comma.
const CELL_BYTES: u64 = 10;

/// Does some steps, and prints what the run would take.
pub(super) fn rehearse(
    simulation: &mut Simulation,
    plan: &Plan,
    options: &OutputOptions,
) -> Result<()> {
    let (seconds, done) = time_of_a_step(simulation, plan.steps)?;
    let system = simulation.system();
    let (n_replicas, n_beads) = (system.n_replicas(), system.n_beads());
    let molecules = kinds(system.molecules().len());
    let dt = simulation.dynamics().dt;
    let device = simulation.engine().device();
    let Memory { allocated, reserved } = simulation.engine().memory();
    let frames = plan.frames();
    let file_bytes = frames as f64 * n_beads as f64 * bytes_of_a_bead(options);
    let total = seconds * plan.steps as f64;
    let ns_per_day = ns_per_day(1.0, dt, seconds);
    tell!("device: {device}");
    tell!("replicas: {n_replicas}, {n_beads} beads, {molecules}");
    tell!("memory: {} allocated, {} taken from the device", bytes(allocated), bytes(reserved));
    tell!(
        "speed: {} ms per step of all replicas, {} ns/day per replica, {} ns/day aggregate ({done} \
         steps timed)",
        short(1e3 * seconds),
        short(ns_per_day),
        short(ns_per_day * n_replicas as f64)
    );
    tell!(
        "steps: {}, {} ns, about {}",
        plan.steps,
        short(dt * 1e-3 * plan.steps as f64),
        time(total)
    );
    tell!("frames: {frames}, about {} of trajectories and arrays", bytes(file_bytes as u64));
    if let Some(of) = &simulation.dynamics().metadynamics {
        let n_nodes = of.hills.n_nodes();
        let table = (n_nodes * (of.variables.len() + 1)) as u64 * CELL_BYTES;
        // Two checkpoints are kept.
        let file_bytes = bytes(table + 2 * (n_nodes * size_of::<[f64; 4]>()) as u64);
        tell!(
            "metadynamics: a grid of {n_nodes} nodes, about {file_bytes} of free energies and checkpoints"
        );
    }
    tell!("nothing was written (--dry-run)");
    Ok(())
}

/// The bytes of a bead in a frame of all trajectories and arrays.
fn bytes_of_a_bead(options: &OutputOptions) -> f64 {
    let trajectory = match options.format {
        Format::Xtc => XTC_BYTES,
        Format::Dcd => FULL_BYTES,
        Format::Both => XTC_BYTES + FULL_BYTES,
    };
    let copies = if options.trajectories == TrajectoriesBy::Both { 2.0 } else { 1.0 };
    let arrays = [options.npy, options.velocities, options.forces];
    copies * trajectory + FULL_BYTES * arrays.into_iter().filter(|written| *written).count() as f64
}

/// The seconds of a step, and the number of steps that were timed.
fn time_of_a_step(simulation: &mut Simulation, most: u64) -> Result<(f64, u64)> {
    let mut steps = u64::from(simulation.dynamics().mts);
    loop {
        let clock = Instant::now();
        simulation.run(steps)?;
        let elapsed = clock.elapsed();
        if elapsed >= LONG_ENOUGH || steps >= most {
            return Ok((elapsed.as_secs_f64() / steps as f64, steps));
        }
        steps = (2 * steps).min(most);
    }
}

fn bytes(n: u64) -> String {
    let n = n as f64;
    let (size, unit) = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")]
        .into_iter()
        .find(|(size, _)| n >= *size)
        .unwrap_or((1.0, "bytes"));
    format!("{} {unit}", short(n / size))
}

fn time(seconds: f64) -> String {
    let (size, unit) = [(86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes")]
        .into_iter()
        .find(|(size, _)| seconds >= *size)
        .unwrap_or((1.0, "seconds"));
    format!("{} {unit}", short(seconds / size))
}
