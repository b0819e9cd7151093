//! `flashschnet run`: simulates replicas and writes their trajectories.

mod drive;
mod exchange;
mod files;
mod limits;
mod plan;
mod resume;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use clap::{ArgGroup, Args, ValueEnum};
use flashschnet::checkpoint::{Identity, NEWEST};
use flashschnet::engine::{Exchange, Integrator};
use flashschnet::error::printable;
use flashschnet::output::Output;
use flashschnet::simulation::{Settings, Simulation};
use flashschnet::{Error, Result, units};

use self::drive::{Drive, log_warnings};
use self::exchange::{ExchangeOptions, temperatures};
use self::files::FileOptions;
use self::limits::LimitOptions;
use self::plan::{Limits, Plan};
use self::resume::{Again, resume};
use super::backend::BackendOptions;
use super::inputs::{InputOptions, Inputs};
use super::options::{real, whole};
use super::signals::Interrupt;
use super::tell::tell;

/// Run the dynamics of many replicas and write their trajectories.
///
/// Writes to the output folder: replica_0000.xtc and so on, one trajectory per replica;
/// topology.pdb, or topology_0000.pdb and so on if there are different molecules; energies.csv;
/// run.log; checkpoint.safetensors and checkpoint_prev.safetensors, the last two checkpoints; and
/// run.lock, an empty file that is locked while a run writes to the folder.
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
    #[command(flatten)]
    inputs: InputOptions,
    #[command(flatten)]
    backend: BackendOptions,
    /// Number of replicas [default: 64, or the temperatures of a ladder]
    #[arg(long, value_parser = whole::<usize, 1>, value_name = "R")]
    replicas: Option<usize>,
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
    /// Friction, in 1/ps for langevin and in kcal ps/(mol Å²) for overdamped dynamics; nve has none
    #[arg(long, value_parser = real, default_value_t = 1.0, value_name = "X")]
    friction: f64,
    /// Temperature in K: one value, or one per replica, separated by commas; with
    /// --exchange-interval the temperatures of a ladder
    #[arg(long, value_parser = real, default_value = "300", value_delimiter = ',', value_name = "K")]
    temperature: Vec<f64>,
    /// Steps between saved frames; the last interval can be shorter
    #[arg(long, value_parser = whole::<u64, 1>, default_value_t = 250, value_name = "K")]
    save_interval: u64,
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
    // Headings of the help hold for all options after them.
    #[command(flatten)]
    files: FileOptions,
    #[command(flatten)]
    exchange: ExchangeOptions,
    #[command(flatten)]
    blow_ups: LimitOptions,
}

/// The options that a run takes from its checkpoint.
const SETTINGS: [&str; 27] = [
    "replicas",
    "integrator",
    "dt",
    "friction",
    "temperature",
    "save_interval",
    "seed",
    "first_replica",
    "output",
    "format",
    "npy",
    "velocities",
    "forces",
    "terms",
    "on_blow_up",
    "max_force",
    "max_kinetic",
    "max_stretch",
    "precision",
    "portable",
    "filter",
    "table_tolerance",
    "exchange_interval",
    "ladder",
    "mixing",
    "tune_ladder",
    "trajectories_by",
];

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
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let limits = self.limits(Instant::now())?;
        match (&self.resume, &self.output) {
            (Some(folder), _) => {
                let Run { inputs, backend, steps, checkpoint_interval, .. } = &self;
                let (steps, checkpoint_interval) = (*steps, *checkpoint_interval);
                resume(folder, &Again { inputs, backend, steps, checkpoint_interval, limits })
            }
            (None, Some(folder)) => self.start(folder.clone(), limits),
            (None, None) => Err(anyhow!("--output is missing")),
        }
    }

    /// Starts a new run.
    fn start(&self, folder: PathBuf, limits: Limits) -> anyhow::Result<ExitCode> {
        if let Err(error) = Output::check_free(&folder) {
            if folder.join(NEWEST).exists() {
                let folder = printable(folder.display());
                tell!("note: run --resume {folder} continues the run in this folder");
            }
            return Err(error.into());
        }
        let settings = self.settings()?;
        let inputs = self.inputs.load()?;
        let settings = self.with_exchange(settings, &inputs)?;
        self.inputs.warn_of_pipes();
        let backend = self.backend.open_for_dynamics()?;
        let identity = Identity::new(&inputs.model, &inputs.structures, &backend)?;
        let mut simulation =
            Simulation::new(&inputs.model, &inputs.structures, &settings, &backend)?;
        let replicas = settings.n_replicas;
        if inputs.structures.len() > replicas {
            let given = inputs.structures.len();
            log::warn!("{given} structures for {replicas} replicas: some structures are not used");
        }
        let interrupt = Interrupt::install().map_err(|error| anyhow!("signals: {error}"))?;
        let options = self.files.options(self.exchange.trajectories_by());
        let plan = Plan {
            steps: self.steps.unwrap_or_default(),
            save_interval: self.save_interval,
            checkpoint_interval: self.checkpoint_interval,
            tune_steps: self.exchange.tune_ladder.unwrap_or_default(),
            inputs: self.inputs.absolute(),
            choice: self.backend.choice(),
        };
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
        let begun = self.log_settings(&mut drive, &inputs).and_then(|()| drive.save());
        if let Err(error) = begun {
            drive.output.discard();
            return Err(error.into());
        }
        drive.run()
    }

    fn limits(&self, start: Instant) -> Result<Limits> {
        let counts = [
            ("steps", self.steps),
            ("save-interval", Some(self.save_interval)),
            ("checkpoint-interval", self.checkpoint_interval),
        ];
        for (name, number) in counts {
            if number == Some(0) {
                return Err(Error::invalid(name, 0, "at least one step"));
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

    fn settings(&self) -> Result<Settings> {
        let kelvin = &self.temperature;
        // Devices hold k_B T in f32.
        let is_good = |kelvin: &&f64| {
            let beta = units::beta(**kelvin);
            beta > 0.0 && ((1.0 / beta) as f32).is_normal()
        };
        if let Some(bad) = kelvin.iter().find(|kelvin| !is_good(kelvin)) {
            let expected = "a temperature > 0 K that single precision holds";
            return Err(Error::invalid("temperature", bad, expected));
        }
        let friction = self.friction;
        Ok(Settings {
            exchange: None,
            watch: self.blow_ups.watch(),
            n_replicas: self.replicas.unwrap_or(64),
            integrator: match self.integrator {
                IntegratorName::Langevin => Integrator::Langevin { friction },
                IntegratorName::Nve => Integrator::Nve,
                IntegratorName::Overdamped => Integrator::Overdamped { friction },
                IntegratorName::OverdampedPublished => Integrator::OverdampedPublished { friction },
            },
            dt: self.dt,
            beta: kelvin.iter().map(|kelvin| units::beta(*kelvin)).collect(),
            seed: self.seed,
            first_replica: self.first_replica,
        })
    }

    /// The settings with the ladders, if states are exchanged.
    fn with_exchange(&self, settings: Settings, inputs: &Inputs) -> Result<Settings> {
        if let Some(tuning) = self.exchange.tune_ladder
            && let Some(steps) = self.steps
            && tuning >= steps
        {
            let expected = format!("fewer than the {steps} steps of the run");
            return Err(Error::invalid("tune-ladder", tuning, expected));
        }
        let (structures, replicas, first) = (&inputs.structures, self.replicas, self.first_replica);
        let ladders = self.exchange.ladders(&self.temperature, structures, replicas, first)?;
        let Some((exchange, n_replicas)) = ladders else { return Ok(settings) };
        let beta = exchange.ladders[0].beta[..1].to_vec();
        Ok(Settings { n_replicas, beta, exchange: Some(exchange), ..settings })
    }

    fn log_settings(&self, drive: &mut Drive, inputs: &Inputs) -> Result<()> {
        let Drive { simulation, output, plan, .. } = drive;
        let system = simulation.system();
        let (n_beads, n_molecules) = (system.n_beads(), system.molecules().len());
        let n_replicas = system.n_replicas();
        let dynamics = simulation.dynamics().clone();
        let memory = simulation.engine().memory();
        let kelvin: Vec<String> = self.temperature.iter().map(f64::to_string).collect();
        let friction = match dynamics.integrator {
            Integrator::Langevin { friction } => Some(format!("{friction} 1/ps")),
            Integrator::Overdamped { friction } | Integrator::OverdampedPublished { friction } => {
                Some(format!("{friction} kcal ps/(mol Å²)"))
            }
            Integrator::Nve => None,
        };
        let replicas = format!(
            "{n_replicas} from number {}, {n_beads} beads, {n_molecules} different molecules",
            self.first_replica
        );
        output.log(format!("flashschnet {}", env!("CARGO_PKG_VERSION")))?;
        output.log(format!("device: {}", simulation.engine().device()))?;
        output.log(format!("device memory: {} bytes allocated", memory.allocated))?;
        output.log(format!("system: {}", inputs.source))?;
        output.log(format!("structures: {}", inputs.structures.len()))?;
        output.log(format!("replicas: {replicas}"))?;
        if n_molecules > 1 {
            for line in output.topologies() {
                output.log(line)?;
            }
        }
        output.log(format!("integrator: {}", dynamics.integrator.name()))?;
        if let Some(friction) = friction {
            output.log(format!("friction: {friction}"))?;
        }
        output.log(format!("dt: {} ps", self.dt))?;
        match &dynamics.exchange {
            Some(Exchange { every, ladders, .. }) => {
                let temperatures = temperatures(&ladders[0].beta);
                output.log(format!("exchange: every {every} steps"))?;
                output.log(format!("ladders: {}", ladders.len()))?;
                output.log(format!("temperatures of a ladder: {temperatures} K"))?;
            }
            None => output.log(format!("temperature: {} K", kelvin.join(", ")))?,
        }
        let Plan { steps, save_interval, .. } = plan;
        output.log(format!("steps: {steps}, a frame every {save_interval} and at the end"))?;
        output.log(format!("seed: {}", self.seed))?;
        output.log(format!("limits: {}", self.blow_ups))?;
        log_warnings(output)
    }
}
