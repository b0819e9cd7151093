//! `flashschnet run`: simulates replicas and writes their trajectories.

mod biases;
mod drive;
mod dry;
mod exchange;
mod files;
mod limits;
mod log_settings;
mod look;
mod observables;
mod plan;
mod ready;
mod resume;
mod start;
mod temperatures;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::checkpoint::{Identity, NEWEST};
use crate::engine::check_multiple;
use crate::error::printable;
use crate::output::Output;
use crate::{Error, Result};
use anyhow::anyhow;
use clap::{ArgGroup, Args, ValueEnum};

use self::biases::BiasOptions;
use self::drive::Drive;
use self::exchange::ExchangeOptions;
use self::files::FileOptions;
use self::limits::LimitOptions;
use self::observables::ObservableOptions;
use self::plan::{Limits, Plan};
use self::resume::{Again, SETTINGS, resume};
use self::start::StartOptions;
pub(super) use self::start::summary as minimization_summary;
use self::temperatures::TemperatureOptions;
use super::backend::BackendOptions;
use super::config::settings::{InForce, Resolved, of_backend};
use super::inputs::InputOptions;
use super::options::{real, whole};
use super::signals::Interrupt;
use super::tell::tell;

/// Run the dynamics of many replicas and write their trajectories.
///
/// Writes to the output folder: replica_0000.xtc and so on, one trajectory per replica;
/// topology.pdb, or topology_0000.pdb and so on if there are different molecules; energies.csv;
/// run.log; report.html, a page with a picture of the chain and plots; settings.toml, all settings
/// as a configuration file that repeats the run; checkpoint.safetensors and
/// checkpoint_prev.safetensors, the last two checkpoints; and run.lock, an empty file that is
/// locked while a run writes to the folder.
///
/// `run CONFIG -o DIR` takes the settings from a file. In a TOML file the keys are the long names of
/// the options, for example steps = 1000. YAML files of mlcg, flashmd and torchmd run as they are. An
/// option on the command line replaces the key of the file. Paths in a file are relative to its folder.
///
/// Replicas start from the structures in turn. A replica has the velocities of its structure or, if
/// the structure has none, random velocities for its temperature. A frame is saved after every save
/// interval and at the end of the run; the start is not saved. All files have the same frames, also
/// after an error such as a full disk.
///
/// Every step tests the forces, kinetic energies and bonds of each replica. A replica that exceeds a
/// limit freezes at that step, and its trajectory ends with its last good frame. The message has the
/// step, the bead, and the term with the largest force.
///
/// Ctrl-C, or one of the signals SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 and SIGXCPU, stops the run
/// within about a second, or within one step if that is longer. The run writes a checkpoint, the
/// files are completed, and the exit code is 128 plus the number of the signal. A signal that comes
/// half a second later or more stops the run at once.
///
/// `run --resume DIR` continues a run that was interrupted or killed, with the same bits in every
/// file. It takes all settings from the checkpoint, and model and structures from their files,
/// which must have the same content.
#[derive(Args)]
#[command(group = ArgGroup::new("system").args(["model", "builtin", "resume"]).required(true).multiple(true))]
pub(super) struct Run {
    /// Configuration file: TOML, or YAML of mlcg, flashmd or torchmd. It must come before options that
    /// take several values
    #[arg(value_name = "CONFIG", conflicts_with = "resume")]
    config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) inputs: InputOptions,
    #[command(flatten)]
    backend: BackendOptions,
    /// Number of replicas [default: 64, or the temperatures of a ladder]
    #[arg(long, value_parser = whole::<usize, 1>, value_name = "R")]
    replicas: Option<usize>,
    /// One replica for each structure; with --exchange-interval one ladder for each
    #[arg(long, conflicts_with = "replicas")]
    all_structures: bool,
    /// Continue the run in this folder after its last checkpoint. Only --steps, --model and the
    /// options that go with it, --backend, --adapter, --checkpoint-interval and --max-hours can be
    /// given again
    #[arg(long, value_name = "DIR", conflicts_with_all = SETTINGS)]
    resume: Option<PathBuf>,
    /// Number of steps; with --resume more steps than before extend the run
    #[arg(long, value_parser = whole::<u64, 1>)]
    #[arg(value_name = "N", required_unless_present = "resume")]
    steps: Option<u64>,
    /// Equations of motion
    #[arg(long, value_enum, default_value_t = IntegratorName::Langevin, value_name = "NAME")]
    integrator: IntegratorName,
    /// Time step in ps
    #[arg(long, value_parser = real, default_value_t = 0.004, value_name = "PS")]
    dt: f64,
    /// Multiple time steps: the priors act in every step, the network in every K-th, with K times its
    /// force
    ///
    /// K = 2 evaluates the network half as often, so a run is up to twice as fast. The error of the
    /// network's forces becomes that of a time step of K dt, and energy is conserved less well. A K
    /// is refused if K steps are half a period of the fastest vibration of the priors or more. Just
    /// below this limit the kicks still heat the vibration. All numbers of steps must be multiples
    /// of K.
    #[arg(long, value_parser = whole::<u32, 1>, default_value_t = 1, value_name = "K")]
    mts: u32,
    /// Friction, in 1/ps for langevin and in kcal ps/(mol Å²) for overdamped dynamics; nve has none
    #[arg(long, value_parser = real, default_value_t = 1.0, value_name = "X")]
    friction: f64,
    #[command(flatten)]
    temperatures: TemperatureOptions,
    #[command(flatten)]
    start: StartOptions,
    /// Steps between saved frames; the last interval can be shorter
    #[arg(long, value_parser = whole::<u64, 1>, default_value_t = 250, value_name = "K")]
    save_interval: u64,
    /// Steps of equilibration at the start of the run, without saved frames
    #[arg(long, value_parser = whole::<u64, 1>, value_name = "N")]
    equilibration_steps: Option<u64>,
    /// Seed of the random numbers
    #[arg(long, value_parser = whole::<u64, 0>, default_value_t = 7, value_name = "KEY")]
    seed: u64,
    /// Number of the first replica. The number selects the start structure and the random numbers,
    /// so a replica run alone under its number moves exactly as among others
    #[arg(long, value_parser = whole::<u32, 0>, default_value_t = 0, value_name = "R")]
    first_replica: u32,
    /// Output folder; it is created if missing, and refused if it holds an earlier run
    #[arg(short, long, value_name = "DIR", required_unless_present = "resume")]
    output: Option<PathBuf>,
    /// Steps between checkpoints [default: a checkpoint every ten minutes]. There is always one at
    /// the start and one at the end
    #[arg(long, value_parser = whole::<u64, 1>, value_name = "N")]
    checkpoint_interval: Option<u64>,
    /// Stop with a checkpoint and exit code 75 after this many hours, unless the run is finished
    #[arg(long, value_parser = real, value_name = "H")]
    max_hours: Option<f64>,
    /// Check everything, time some steps, print the memory, the time and the size of the files that
    /// the run would take, and write nothing
    #[arg(long, conflicts_with = "resume")]
    dry_run: bool,
    // Headings of the help hold for all options after them.
    #[command(flatten)]
    files: FileOptions,
    #[command(flatten)]
    observables: ObservableOptions,
    #[command(flatten)]
    biases: BiasOptions,
    #[command(flatten)]
    exchange: ExchangeOptions,
    #[command(flatten)]
    blow_ups: LimitOptions,
}

#[derive(Clone, Copy, ValueEnum)]
enum IntegratorName {
    /// Langevin dynamics with the BAOAB splitting
    Langevin,
    /// Constant energy with velocity Verlet
    Nve,
    /// Overdamped Langevin (Brownian) dynamics, which samples exp(-E/(k_B T))
    Overdamped,
    /// The update rule of the published tool chain, only for comparison with its data: the drift
    /// lacks the factor 1/(k_B T), so that it samples exp(-E/(1 kcal/mol)) at any temperature
    OverdampedPublished,
}

impl Run {
    pub(super) fn run(self, in_force: Option<InForce>) -> anyhow::Result<ExitCode> {
        let limits = self.limits(Instant::now())?;
        match (&self.resume, &self.output) {
            (Some(folder), _) => {
                let Run { inputs, backend, steps, checkpoint_interval, .. } = &self;
                let (steps, checkpoint_interval) = (*steps, *checkpoint_interval);
                let again = Again { inputs, backend, steps, checkpoint_interval, limits };
                resume(folder, &again, in_force.as_ref())
            }
            (None, Some(folder)) => self.start(folder.clone(), limits, in_force.as_ref()),
            (None, None) => Err(anyhow!("--output is missing")),
        }
    }

    /// The folder of the run.
    pub(super) fn place(&self) -> Option<&Path> {
        self.resume.as_deref().or(self.output.as_deref())
    }

    /// Starts a new run.
    fn start(
        &self,
        folder: PathBuf,
        limits: Limits,
        in_force: Option<&InForce>,
    ) -> anyhow::Result<ExitCode> {
        if let Err(error) = Output::check_free(&folder) {
            if folder.join(NEWEST).exists() {
                let folder = printable(folder.display());
                tell!("note: run --resume {folder} continues the run in this folder");
            }
            return Err(error.into());
        }
        for (name, number) in self.counts() {
            check_multiple(name, number, self.mts)?;
        }
        let settings = self.settings()?;
        let inputs = self.inputs.load()?;
        self.inputs.warn_of_pipes();
        let (mut simulation, identity, observables) = self.set_up(settings, &inputs)?;
        let replicas = simulation.system().n_replicas();
        let in_force = in_force.map(|all| all.text(&self.resolved(replicas, &identity)));
        let interrupt = Interrupt::install().map_err(|error| anyhow!("signals: {error}"))?;
        let options = self.files.options(self.exchange.trajectories_by());
        let plan = Plan {
            steps: self.steps.unwrap_or_default(),
            save_interval: self.save_interval,
            checkpoint_interval: self.checkpoint_interval,
            tune_steps: self.exchange.tune_ladder.unwrap_or_default(),
            equilibration_steps: self.equilibration_steps.unwrap_or_default(),
            observables,
            inputs: self.inputs.absolute(),
            choice: self.backend.choice(),
        };
        Output::check_options(&simulation, &options)?;
        if self.dry_run {
            dry::rehearse(&mut simulation, &plan, &options)?;
            return Ok(ExitCode::SUCCESS);
        }
        let stop = || interrupt.signal().is_some();
        let output = Output::create_unless(&folder, &mut simulation, options, &stop)?;
        let Some(output) = output else {
            let (number, name) = interrupt.signal().unwrap_or_default();
            tell!("interrupted by {name} before the first step: no files are left");
            return Ok(ExitCode::from(number));
        };
        let exchanges = String::new();
        let mut drive =
            Drive { folder, simulation, output, identity, plan, limits, interrupt, exchanges };
        // The checkpoint of step 0 precedes step 1.
        let written = in_force.map_or(Ok(()), |text| drive.output.write_settings(&text));
        let begun = written.and_then(|()| self.log_settings(&mut drive, &inputs));
        let begun = begun.and_then(|()| drive.save());
        if let Err(error) = begun {
            drive.output.discard();
            return Err(error.into());
        }
        drive.run()
    }

    /// The numbers of steps that are given.
    fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        let counts = [
            ("steps", self.steps),
            ("save-interval", Some(self.save_interval)),
            ("checkpoint-interval", self.checkpoint_interval),
            ("exchange-interval", self.exchange.interval()),
            ("equilibration-steps", self.equilibration_steps),
        ];
        counts.into_iter().filter_map(|(name, number)| Some((name, number?)))
    }

    fn limits(&self, start: Instant) -> Result<Limits> {
        for (name, number) in self.counts() {
            if number == 0 {
                return Err(Error::invalid(name, 0, "at least one step"));
            }
        }
        let unsaved = [
            ("tune-ladder", self.exchange.tune_ladder),
            ("equilibration-steps", self.equilibration_steps),
        ];
        for (name, number) in unsaved {
            if let (Some(number), Some(steps)) = (number, self.steps)
                && number >= steps
            {
                let expected = format!("fewer than the {steps} steps of the run");
                return Err(Error::invalid(name, number, expected));
            }
        }
        let end = match self.max_hours {
            None => None,
            Some(hours) if hours > 0.0 => {
                let time = Duration::try_from_secs_f64(3600.0 * hours).ok();
                time.and_then(|time| start.checked_add(time))
            }
            Some(hours) => return Err(Error::invalid("max-hours", hours, "a time > 0")),
        };
        Ok(Limits { end })
    }

    /// The options that the program has chosen itself.
    fn resolved(&self, replicas: usize, identity: &Identity) -> Vec<Resolved> {
        let mut resolved = of_backend(identity);
        resolved.extend([("replicas", Some(replicas.to_string())), ("all-structures", None)]);
        resolved
    }
}
