//! `flashschnet bench`: the speed of the built-in system.

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use flashschnet::backend::Backend;
use flashschnet::gpu::Limits;
use flashschnet::simulation::{Settings, Simulation};
use flashschnet::{Error, Result};
use serde::Serialize;

use super::kernels::Profile;
use super::progress::ns_per_day;
use super::{BackendOptions, inputs};

/// Measure the speed of the built-in 269-bead system.
///
/// Langevin dynamics in steps of 4 fs. The second half of the steps is timed, with the device
/// synchronised at both ends. ns_per_day is the aggregate over all replicas. edges_per_bead, the
/// directed edges within the cutoff, is the mean of the start, the middle and the end of the timed
/// half, and is counted outside the clock. Bytes are the device's, 0 for the CPU.
#[derive(Args)]
pub(super) struct Bench {
    #[command(flatten)]
    backend: BackendOptions,
    /// Numbers of replicas, with commas between
    #[arg(long, default_value = "1,64", value_delimiter = ',', value_name = "R,...")]
    replicas: Vec<usize>,
    /// Steps of each run
    #[arg(long, default_value_t = 200, value_name = "N")]
    steps: u64,
    /// Time every kernel of a step on the device (wgpu, where the adapter has timestamps), and
    /// measure the most bytes and operations per second that the device does
    #[arg(long)]
    profile: bool,
    /// Print a JSON array, one object per size
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Figures {
    replicas: usize,
    ms_per_step: f64,
    replica_steps_per_s: f64,
    ns_per_day: f64,
    edges_per_bead: f64,
    gpu_bytes_allocated: u64,
    gpu_bytes_reserved: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Profile>,
}

/// Figures of the built-in system are comparable within this range only.
const EDGES_PER_BEAD: std::ops::RangeInclusive<f64> = 135.0..=150.0;

/// At most so many steps are profiled.
const PROFILED_STEPS: u64 = 200;

impl Bench {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        if self.steps < 4 {
            let expected = "at least 4, of which the second half is timed";
            return Err(Error::invalid("steps", self.steps, expected).into());
        }
        let backend = self.backend.open()?;
        let limits = self.limits(&backend)?;
        let mut all = Vec::new();
        for (k, n_replicas) in self.replicas.iter().enumerate() {
            let (figures, device) = self.measure(*n_replicas, &backend, limits.as_ref())?;
            if !EDGES_PER_BEAD.contains(&figures.edges_per_bead) {
                log::warn!(
                    "{n_replicas} replicas: {:.1} edges per bead instead of 135 to 150; \
                     the figure is void",
                    figures.edges_per_bead
                );
            }
            if !self.json {
                if k == 0 {
                    print_header(&device)?;
                }
                print_row(&figures)?;
                if let Some(profile) = &figures.profile {
                    profile.print(&mut std::io::stdout())?;
                }
            }
            all.push(figures);
        }
        if self.json {
            writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&all)?)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// What the device does at best, where kernels are to be compared with it.
    fn limits(&self, backend: &Backend) -> Result<Option<Limits>> {
        match (self.profile, backend.device()) {
            (false, _) => Ok(None),
            (true, Some(device)) => Ok(Some(device.measure_limits()?)),
            (true, None) => {
                let what = format!("--profile with the {} backend", backend.kind().name());
                Err(Error::unsupported(what, "use --backend wgpu"))
            }
        }
    }

    fn measure(
        &self,
        n_replicas: usize,
        backend: &Backend,
        limits: Option<&Limits>,
    ) -> Result<(Figures, String)> {
        let (model, structures) = inputs::builtin();
        let settings = Settings { n_replicas, ..Settings::default() };
        let mut simulation = Simulation::new(&model, &structures, &settings, backend)?;
        let n_beads = simulation.system().n_beads() as f64;
        let engine = simulation.engine();

        let warm_up = self.steps / 2;
        let timed = self.steps - warm_up;
        engine.advance(warm_up)?;
        let mut edges = engine.n_edges()?.iter().sum::<u64>();
        let mut elapsed = Duration::ZERO;
        for steps in [timed / 2, timed - timed / 2] {
            // Reading the state waits for the device.
            engine.state()?;
            let clock = Instant::now();
            engine.advance(steps)?;
            engine.state()?;
            elapsed += clock.elapsed();
            edges += engine.n_edges()?.iter().sum::<u64>();
        }
        let seconds = elapsed.as_secs_f64();
        let memory = engine.memory();
        let profile = match limits {
            Some(limits) => {
                let times = engine.profile(timed.min(PROFILED_STEPS))?;
                Some(Profile::new(&times, 1e6 * seconds / timed as f64, limits))
            }
            None => None,
        };
        let steps = timed as f64;
        let figures = Figures {
            replicas: n_replicas,
            ms_per_step: 1e3 * seconds / steps,
            replica_steps_per_s: steps * n_replicas as f64 / seconds,
            ns_per_day: ns_per_day(steps * n_replicas as f64, settings.dt, seconds),
            edges_per_bead: edges as f64 / 3.0 / n_beads,
            gpu_bytes_allocated: memory.allocated,
            gpu_bytes_reserved: memory.reserved,
            profile,
        };
        Ok((figures, engine.device()))
    }
}

fn print_header(device: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{device}")?;
    writeln!(
        out,
        "{:>8} {:>12} {:>16} {:>18} {:>11} {:>14} {:>14}",
        "replicas",
        "ms/step",
        "replica-steps/s",
        "aggregate ns/day",
        "edges/bead",
        "MB allocated",
        "MB reserved"
    )
}

fn print_row(figures: &Figures) -> std::io::Result<()> {
    writeln!(
        std::io::stdout(),
        "{:>8} {:>12.3} {:>16.1} {:>18.2} {:>11.1} {:>14.1} {:>14.1}",
        figures.replicas,
        figures.ms_per_step,
        figures.replica_steps_per_s,
        figures.ns_per_day,
        figures.edges_per_bead,
        1e-6 * figures.gpu_bytes_allocated as f64,
        1e-6 * figures.gpu_bytes_reserved as f64
    )
}
