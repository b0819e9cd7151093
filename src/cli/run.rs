//! `flashschnet run`: simulates replicas and writes their trajectories.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use flashschnet::engine::Integrator;
use flashschnet::error::printable;
use flashschnet::output::{Output, OutputOptions};
use flashschnet::simulation::{Control, Frame, Observer, Settings, Simulation};
use flashschnet::{Error, Result, units};

use super::backend::BackendOptions;
use super::inputs::{self, InputOptions, Inputs};
use super::logger;
use super::progress::{Progress, short};
use super::signals::Interrupt;
use super::tell::tell;

/// Run the dynamics of many replicas and write their trajectories.
///
/// Writes to the output folder: replica_0000.xtc and so on, one trajectory per replica;
/// topology.pdb, or topology_0000.pdb and so on if there are different molecules; energies.csv; and
/// run.log.
///
/// Replicas start from the structures in turn. A replica has the velocities of its structure or, if
/// the structure has none, random velocities for its temperature. A frame is saved after every save
/// interval and at the end of the run; the start is not saved. All files have the same frames, also
/// after an error such as a full disk.
///
/// Ctrl-C, or one of the signals SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 and SIGXCPU, stops the run within
/// about a second, or within one step if that is longer. The files are completed and the exit code
/// is 128 plus the number of the signal. A signal that comes half a second later or more stops the
/// run at once.
#[derive(Args)]
#[command(group = inputs::required())]
pub(super) struct Run {
    #[command(flatten)]
    inputs: InputOptions,
    #[command(flatten)]
    backend: BackendOptions,
    /// Number of replicas
    #[arg(long, default_value_t = 64, value_name = "R")]
    replicas: usize,
    /// Number of steps
    #[arg(long, value_name = "N")]
    steps: u64,
    /// Equations of motion
    #[arg(long, value_enum, default_value_t = IntegratorName::Langevin, value_name = "NAME")]
    integrator: IntegratorName,
    /// Time step in ps
    #[arg(long, default_value_t = 0.004, value_name = "PS", allow_negative_numbers = true)]
    dt: f64,
    /// Friction, in 1/ps for langevin and in kcal ps/(mol Å²) for overdamped dynamics; nve has none
    #[arg(long, default_value_t = 1.0, value_name = "X", allow_negative_numbers = true)]
    friction: f64,
    /// Temperature in K: one value, or one per replica, separated by commas
    #[arg(
        long,
        default_value = "300",
        value_delimiter = ',',
        value_name = "K",
        allow_negative_numbers = true
    )]
    temperature: Vec<f64>,
    /// Steps between saved frames; the last interval can be shorter
    #[arg(long, default_value_t = 250, value_name = "K")]
    save_interval: u64,
    /// Seed of the random numbers
    #[arg(long, default_value_t = 7, value_name = "KEY")]
    seed: u64,
    /// Number of the first replica. The number selects the start structure and the random numbers,
    /// so a replica run alone under its number moves exactly as among others
    #[arg(long, default_value_t = 0, value_name = "R")]
    first_replica: u32,
    /// Output folder; it is created if missing, and refused if it holds an earlier run
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Also write arrays in mlcg's layout: run_coords_0000.npy (replicas, frames, beads, 3) and
    /// energies
    ///
    /// A file holds 100 frames, or as many as fit into 64 MiB of coordinates. The last file of a
    /// run can hold fewer. The name of an unfinished file ends with .partial. Only a run that is
    /// killed leaves one, and its frames do not count.
    #[arg(long)]
    npy: bool,
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
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        Output::check_free(&self.output)?;
        let settings = self.settings()?;
        let inputs = self.inputs.load()?;
        let backend = self.backend.open_for_dynamics()?;
        let mut simulation =
            Simulation::new(&inputs.model, &inputs.structures, &settings, &backend)?;
        if inputs.structures.len() > self.replicas {
            let (given, replicas) = (inputs.structures.len(), self.replicas);
            log::warn!("{given} structures for {replicas} replicas: some structures are not used");
        }
        let interrupt = Interrupt::install().map_err(|error| anyhow!("signals: {error}"))?;
        let options = OutputOptions { npy: self.npy };
        let mut output = Output::create(&self.output, &mut simulation, options)?;
        if let Err(error) = self.log_settings(&mut output, &mut simulation, &inputs) {
            output.discard();
            return Err(error.into());
        }

        let progress = Progress::new(self.steps, self.replicas, self.dt);
        let mut writer = Writer { output, progress, interrupt };
        let clock = Instant::now();
        let result = simulation.run_to(self.steps, self.save_interval, &mut writer);
        let seconds = clock.elapsed().as_secs_f64();
        let speed = writer.progress.speed();
        writer.progress.finish();
        let Writer { mut output, interrupt, .. } = writer;
        // The frames are completed whatever has happened. The first error is the one to report.
        let finished = output.finish();
        let whole = finished.is_ok();
        let done = match result.and_then(|done| finished.map(|()| done)) {
            Ok(done) => done,
            Err(error) => {
                // Where the log cannot be written, stderr still has the error.
                let _ = log_warnings(&mut output);
                let _ = output.log(format!("error: {error}"));
                tell!("{}", self.saved_before_error(&output, whole));
                return Err(error.into());
            }
        };
        log_warnings(&mut output)?;
        let picoseconds = done as f64 * self.dt;
        let mut summary = format!(
            "{done} steps ({picoseconds} ps) of {} replicas in {seconds:.1} s",
            self.replicas
        );
        if let Some((one, all)) = speed {
            let (one, all) = (short(one), short(all));
            summary += &format!("; {one} ns/day per replica, {all} ns/day aggregate");
        }
        let mut code = ExitCode::SUCCESS;
        // A signal that comes with the last step interrupts nothing.
        if let Some((of_signal, name)) = interrupt.signal().filter(|_| done < self.steps) {
            code = ExitCode::from(of_signal);
            let last = output.last_frame().map_or("none".into(), |step| format!("of step {step}"));
            summary = format!("interrupted by {name} at step {done}, last frame {last}: {summary}");
        }
        output.log(&summary)?;
        tell!("{summary}");
        for file in output.files() {
            tell!("  {file}");
        }
        Ok(code)
    }

    /// What is left of a run that ends with an error; `whole` tells whether the files were found
    /// to have all frames.
    fn saved_before_error(&self, output: &Output, whole: bool) -> String {
        let folder = printable(self.output.display());
        match output.last_frame() {
            _ if !whole => format!("files in {folder} may be incomplete"),
            None => "no frame was saved before the error".into(),
            Some(step) => format!("frames up to step {step} are complete in {folder}"),
        }
    }

    fn settings(&self) -> Result<Settings> {
        for (name, number) in [("steps", self.steps), ("save-interval", self.save_interval)] {
            if number == 0 {
                return Err(Error::invalid(name, 0, "at least one step"));
            }
        }
        let kelvin = &self.temperature;
        if let Some(bad) = kelvin.iter().find(|kelvin| !(kelvin.is_finite() && **kelvin > 0.0)) {
            return Err(Error::invalid("temperature", bad, "a temperature > 0 K"));
        }
        let friction = self.friction;
        Ok(Settings {
            exchange: None,
            n_replicas: self.replicas,
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

    fn log_settings(
        &self,
        output: &mut Output,
        simulation: &mut Simulation,
        inputs: &Inputs,
    ) -> Result<()> {
        let system = simulation.system();
        let (n_beads, n_molecules) = (system.n_beads(), system.molecules().len());
        let dynamics = simulation.dynamics().clone();
        let memory = simulation.engine().memory();
        let kelvin: Vec<String> = self.temperature.iter().map(f64::to_string).collect();
        let friction = match dynamics.integrator {
            Integrator::Langevin { friction } => format!("\nfriction: {friction} 1/ps"),
            Integrator::Overdamped { friction } | Integrator::OverdampedPublished { friction } => {
                format!("\nfriction: {friction} kcal ps/(mol Å²)")
            }
            Integrator::Nve => String::new(),
        };
        let replicas = format!(
            "{} from number {}, {n_beads} beads, {n_molecules} different molecules",
            self.replicas, self.first_replica
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
        output.log(format!("integrator: {}{friction}", dynamics.integrator.name()))?;
        output.log(format!("dt: {} ps", self.dt))?;
        output.log(format!("temperature: {} K", kelvin.join(", ")))?;
        let interval = self.save_interval;
        output.log(format!("steps: {}, a frame every {interval} and at the end", self.steps))?;
        output.log(format!("seed: {}", self.seed))?;
        log_warnings(output)
    }
}

/// Adds the warnings since the last call to `run.log`.
fn log_warnings(output: &mut Output) -> Result<()> {
    let mut warnings = logger::take_warnings().into_iter();
    warnings.try_for_each(|warning| output.log(format!("warning: {warning}")))
}

/// Saves frames and warnings, shows progress and stops the run after a signal.
struct Writer {
    output: Output,
    progress: Progress,
    interrupt: Interrupt,
}

impl Observer for Writer {
    fn frame(&mut self, frame: &Frame, _: &mut Control) -> Result<()> {
        self.output.write(frame)?;
        let n_replicas = frame.temperature.len() as f64;
        self.progress.set_temperature(frame.temperature.iter().sum::<f64>() / n_replicas);
        Ok(())
    }

    fn progress(&mut self, step: u64, control: &mut Control) -> Result<()> {
        self.progress.advance(step);
        if self.interrupt.signal().is_some() {
            control.stop();
        }
        log_warnings(&mut self.output)
    }
}
