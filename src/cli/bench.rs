//! `flashschnet bench`: the speed of a system, and the time of each kernel.

mod figures;
mod machine;
mod submission;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::engine::{Engine, check_multiple};
use crate::gpu::{Ceilings, Counters, Device};
use crate::simulation::{Settings, Simulation};
use crate::{Error, Result};
use clap::Args;

use self::figures::{Figures, StartUp};
use self::submission::{Job, Submission};
use super::backend::BackendOptions;
use super::inputs::{InputOptions, Inputs};
use super::kernels::Profile;
use super::options::{real, whole};
use super::progress::ns_per_day;
use super::tell;

/// Measure the speed of the built-in 269-bead system, or of a system of your own.
///
/// Runs Langevin dynamics at 300 K for each number of replicas and times the steps after a warm-up.
/// The device is synchronised before and after the timed steps.
///
/// ns/day is the sum over all replicas. edges/bead counts the directed edges within the cutoff, as
/// the mean over the start, the middle and the end of the timed steps; the clock is stopped while
/// they are counted. MB are the memory of the engine on its device. lists/step counts the neighbor
/// lists built per step and replica. waits/step counts the waits for the device to finish all its
/// work, and buffers/step the allocations of buffers, both during the timed steps.
///
/// The start-up ends with the first step. For every number of replicas but the first, the device is
/// already open and most kernels are compiled.
#[derive(Args)]
pub(super) struct Bench {
    #[command(flatten)]
    inputs: InputOptions,
    /// Leave out the priors: only the network is evaluated
    #[arg(long)]
    no_priors: bool,
    #[command(flatten)]
    backend: BackendOptions,
    /// Numbers of replicas to measure, separated by commas
    #[arg(long, value_parser = whole::<usize, 1>, default_value = "1,64", value_delimiter = ',', value_name = "R,...")]
    replicas: Vec<usize>,
    /// Steps of each run, including the warm-up [default: warm up for at least 1 s and 32 steps,
    /// then time as many steps again]
    #[arg(long, value_parser = whole::<u64, 4>, value_name = "N")]
    steps: Option<u64>,
    /// Steps of the warm-up, which are not timed [default: half of --steps]
    #[arg(long, value_parser = whole::<u64, 1>, value_name = "N", requires = "steps")]
    warm_up: Option<u64>,
    /// Time step in ps
    #[arg(long, value_parser = real, default_value_t = 0.004, value_name = "PS")]
    dt: f64,
    /// Multiple time steps, as in `run`: the network acts every K steps
    #[arg(long, value_parser = whole::<u32, 1>, default_value_t = 1, value_name = "K")]
    mts: u32,
    /// Also time every kernel of a step, or of an outer step of K steps (wgpu on adapters with timestamps, or cuda)
    ///
    /// Prints the time, the requested bytes and the floating point operations of every kernel, and
    /// compares them with the measured peak of the device: the bandwidth of a copy and the rate of
    /// fused multiply-adds. Caches serve some of the requests, so a kernel can exceed the bandwidth
    /// of a copy.
    #[arg(long)]
    profile: bool,
    /// Print a JSON array, with one object per number of replicas
    #[arg(long)]
    json: bool,
    /// Also write a new file to attach to an issue, with the device, its driver, the built-in cases of
    /// `verify`, the figures and the times of kernels
    ///
    /// Nothing is sent. The file has no names of users, hosts or files.
    #[arg(long, value_name = "FILE")]
    submit: Option<PathBuf>,
}

/// Speeds of the built-in system are comparable only within this range of edges per bead.
const EDGES_PER_BEAD: std::ops::RangeInclusive<f64> = 135.0..=150.0;

/// Without `--steps` the warm-up lasts at least this long and this many steps. By then the GPU's
/// clock rate has risen, the number of steps per submission has settled, and neighbor lists are
/// rebuilt regularly.
const WARM_UP_SECONDS: f64 = 1.0;
const WARM_UP_STEPS: u64 = 32;

/// The largest number of profiled steps.
const PROFILED_STEPS: u64 = 200;

impl Bench {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        self.check()?;
        if let Some(path) = &self.submit {
            submission::check(path)?;
        }
        let clock = Instant::now();
        let mut inputs = self.inputs.load()?;
        let load_ms = milliseconds(clock.elapsed());
        if self.no_priors {
            inputs.model.priors.clear();
            // Tuple lists without a prior would cause a warning.
            for structure in &mut inputs.structures {
                Arc::make_mut(&mut structure.topology).lists.clear();
            }
            inputs.source += ", without priors";
        }
        if self.mts > 1 {
            inputs.source += &format!(", mts {}", self.mts);
        }
        let clock = Instant::now();
        let backend = self.backend.open_for_dynamics()?;
        let device_ms = milliseconds(clock.elapsed());
        if self.profile && backend.device().is_none() {
            let what = format!("--profile with the {} backend", backend.kind().name());
            return Err(Error::unsupported(what, "use --backend wgpu or cuda").into());
        }
        let mut all = Vec::new();
        let measured = self.measure_all(&inputs, &backend, [load_ms, device_ms], &mut all);
        if let Some(path) = &self.submit {
            // Measurements that fail are worth a report too.
            let error = measured.as_ref().err().and_then(|error| error.downcast_ref());
            let job = Job {
                builtin: inputs.builtin,
                priors: !self.no_priors,
                dt: self.dt,
                mts: self.mts,
                portable: self.backend.is_portable(),
            };
            Submission::new(job, backend, &all, error)?.write(path, self.json)?;
        }
        measured?;
        if self.json {
            writeln!(tell::stdout(), "{}", serde_json::to_string_pretty(&all)?)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Measures with each number of replicas. Without `--json`, prints each row at once.
    fn measure_all(
        &self,
        inputs: &Inputs,
        backend: &Backend,
        [load_ms, device_ms]: [f64; 2],
        all: &mut Vec<Figures>,
    ) -> anyhow::Result<()> {
        let mut ceilings = None;
        for n_replicas in &self.replicas {
            let start_up = StartUp { load_ms, device_ms, ..StartUp::default() };
            let figures = self.measure(*n_replicas, inputs, backend, start_up, &mut ceilings)?;
            if inputs.builtin && !EDGES_PER_BEAD.contains(&figures.edges_per_bead) {
                log::warn!(
                    "{n_replicas} replicas: {:.1} edges per bead instead of 135 to 150; \
                     do not compare this speed with others",
                    figures.edges_per_bead
                );
            }
            if !self.json {
                figures.print(&mut tell::stdout(), all.is_empty())?;
            }
            all.push(figures);
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let Some(steps) = self.steps else { return Ok(()) };
        let k = u64::from(self.mts);
        if steps < 4 * k {
            let expected = format!("at least {}, so that some are timed", 4 * k);
            return Err(Error::invalid("steps", steps, expected));
        }
        check_multiple("steps", steps, self.mts)?;
        let Some(warm_up) = self.warm_up else { return Ok(()) };
        if !(k..=steps - 2 * k).contains(&warm_up) {
            let (most, left) = (steps - 2 * k, 2 * k);
            let expected = format!("{k} to {most}, so that {left} steps are left to time");
            return Err(Error::invalid("warm-up", warm_up, expected));
        }
        check_multiple("warm-up", warm_up, self.mts)
    }

    /// Half of a number of steps, rounded down to whole outer steps.
    fn half(&self, steps: u64) -> u64 {
        let k = u64::from(self.mts);
        steps / 2 / k * k
    }

    fn measure(
        &self,
        n_replicas: usize,
        inputs: &Inputs,
        backend: &Backend,
        mut start_up: StartUp,
        ceilings: &mut Option<Ceilings>,
    ) -> Result<Figures> {
        let counters = || backend.device().map(Device::counters).unwrap_or_default();
        let settings = Settings { n_replicas, dt: self.dt, mts: self.mts, ..Settings::default() };

        let (clock, before) = (Instant::now(), counters());
        let Inputs { model, structures, .. } = inputs;
        let mut simulation = Simulation::new(model, structures, &settings, backend)?;
        let n_beads = simulation.system().n_beads() as f64;
        let engine = simulation.engine();
        let set_up_ms = milliseconds(clock.elapsed());
        start_up.kernels_ms = milliseconds(counters().compiling - before.compiling);
        start_up.setup_ms = set_up_ms - start_up.kernels_ms;
        let clock = Instant::now();
        engine.advance(u64::from(self.mts))?;
        engine.settle()?;
        start_up.first_step_ms = milliseconds(clock.elapsed());
        start_up.total_ms =
            start_up.load_ms + start_up.device_ms + set_up_ms + start_up.first_step_ms;

        let (warm_up, timed) = self.warm_up(engine)?;
        let mut elapsed = Duration::ZERO;
        let mut asked = Counters::default();
        let mut edges = engine.probe().n_edges()?.iter().sum::<u64>();
        let lists = engine.probe().list_builds()?;
        for steps in [self.half(timed), timed - self.half(timed)] {
            engine.settle()?;
            let (clock, before) = (Instant::now(), counters());
            engine.advance(steps)?;
            let after = counters();
            engine.settle()?;
            elapsed += clock.elapsed();
            asked.submissions += after.submissions - before.submissions;
            asked.waits += after.waits - before.waits;
            asked.allocations += after.allocations - before.allocations;
            edges += engine.probe().n_edges()?.iter().sum::<u64>();
        }
        let lists = engine.probe().list_builds()?.zip(lists).map(|(after, before)| after - before);
        let (memory, seconds, steps) = (engine.memory(), elapsed.as_secs_f64(), timed as f64);
        let wants_profile = self.profile || self.submit.is_some();
        let profile = match backend.device().filter(|_| wants_profile) {
            Some(device) => {
                match self.profile(engine, device, 1e6 * seconds / steps, timed, ceilings) {
                    // `--submit` has times of kernels where there are any.
                    Err(Error::Unsupported { .. }) if !self.profile => None,
                    profile => Some(profile?),
                }
            }
            None => None,
        };
        let per_step = |count: u64| backend.device().map(|_| count as f64 / steps);
        Ok(Figures {
            system: inputs.source.clone(),
            device: engine.device(),
            replicas: n_replicas,
            warm_up_steps: warm_up,
            timed_steps: timed,
            ms_per_step: 1e3 * seconds / steps,
            replica_steps_per_s: steps * n_replicas as f64 / seconds,
            ns_per_day: ns_per_day(steps * n_replicas as f64, settings.dt, seconds),
            edges_per_bead: edges as f64 / 3.0 / n_beads,
            gpu_bytes_allocated: memory.allocated,
            gpu_bytes_reserved: memory.reserved,
            list_builds_per_replica_step: lists.map(|n| n as f64 / (steps * n_replicas as f64)),
            submissions_per_step: per_step(asked.submissions),
            waits_per_step: per_step(asked.waits),
            allocations_per_step: per_step(asked.allocations),
            start_up,
            profile,
        })
    }

    /// Times the kernels of up to `steps` steps, each of which takes `step_us` without that.
    fn profile(
        &self,
        engine: &mut dyn Engine,
        device: &Device,
        step_us: f64,
        steps: u64,
        ceilings: &mut Option<Ceilings>,
    ) -> Result<Profile> {
        let k = u64::from(self.mts);
        let times = engine.probe().profile((steps.min(PROFILED_STEPS) / k).max(1) * k)?;
        let ceilings = match ceilings {
            Some(ceilings) => ceilings,
            None => ceilings.insert(device.measure_ceilings()?),
        };
        Ok(Profile::new(&times, k as f64 * step_us, ceilings))
    }

    /// Warms up after the first step. Returns the steps done so far and the steps to time.
    fn warm_up(&self, engine: &mut dyn Engine) -> Result<(u64, u64)> {
        if let Some(steps) = self.steps {
            let warm_up = self.warm_up.unwrap_or_else(|| self.half(steps));
            engine.advance(warm_up - u64::from(self.mts))?;
            return Ok((warm_up, steps - warm_up));
        }
        let (clock, mut done) = (Instant::now(), u64::from(self.mts));
        while done < WARM_UP_STEPS || clock.elapsed().as_secs_f64() < WARM_UP_SECONDS {
            engine.advance(done)?;
            engine.settle()?;
            done *= 2;
        }
        Ok((done, done))
    }
}

fn milliseconds(duration: Duration) -> f64 {
    1e3 * duration.as_secs_f64()
}
