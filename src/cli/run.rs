//! `flashschnet run`: simulates replicas and writes their trajectories.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, ValueEnum};
use flashschnet::engine::Integrator;
use flashschnet::output::{Output, OutputOptions};
use flashschnet::simulation::{Control, Frame, Observer, Settings, Simulation};
use flashschnet::{Error, Result, units};

use super::backend::BackendOptions;
use super::inputs::{self, InputOptions, Inputs};
use super::logger;
use super::progress::{Progress, short};
use super::signals::Interrupt;

/// Run the dynamics of many replicas and write their trajectories.
///
/// Writes to the output folder: replica_0000.xtc and so on, one trajectory per replica;
/// topology.pdb, or topology_0000.pdb and so on if there are different molecules; energies.csv; and
/// run.log.
///
/// Replicas start from the structures in turn. A replica has the velocities of its structure or, if
/// the structure has none, random velocities for its temperature. A frame is saved after every save
/// interval; the start is not saved. Ctrl-C stops the run at the next frame and leaves complete
/// files; a second Ctrl-C stops it at once.
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
    /// Steps between saved frames; must divide the number of steps [default: the largest divisor
    /// from 10 to 250; if there is none, only the last step is saved]
    #[arg(long, value_name = "K")]
    save_interval: Option<u64>,
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
        let save_interval = self.save_interval()?;
        let inputs = self.inputs.load()?;
        let backend = self.backend.open_for_dynamics()?;
        let mut simulation =
            Simulation::new(&inputs.model, &inputs.structures, &settings, &backend)?;
        if inputs.structures.len() > self.replicas {
            let (given, replicas) = (inputs.structures.len(), self.replicas);
            log::warn!("{given} structures for {replicas} replicas: some structures are not used");
        }
        let n_frames = self.steps / save_interval;
        let options = OutputOptions { npy: self.npy, n_frames };
        let mut output = Output::create(&self.output, &mut simulation, options)?;
        self.log_settings(&mut output, &mut simulation, &inputs, save_interval)?;

        let interrupt = Interrupt::install()?;
        let progress = Progress::new(self.steps, self.replicas, self.dt);
        let mut writer = Writer { output, progress, interrupt, told: false, last_frame: 0 };
        let clock = Instant::now();
        let result = simulation.run_with(self.steps, save_interval, &mut writer);
        let speed = writer.progress.speed();
        writer.progress.finish();
        let Writer { mut output, last_frame, .. } = writer;
        output.finish()?;
        for warning in logger::take_warnings() {
            output.log(format!("warning: {warning}"))?;
        }
        let done = match result {
            Ok(done) => done,
            Err(error) => {
                output.log(format!("error: {error}"))?;
                let folder = self.output.display();
                match last_frame {
                    0 => super::tell::tell!("no frame was saved before the error"),
                    step => super::tell::tell!("frames up to step {step} are complete in {folder}"),
                }
                return Err(error.into());
            }
        };
        let seconds = clock.elapsed().as_secs_f64();
        let picoseconds = done as f64 * self.dt;
        let stopped = if done < self.steps { "interrupted: " } else { "" };
        let mut summary = format!(
            "{stopped}{done} steps ({picoseconds} ps) of {} replicas in {seconds:.1} s",
            self.replicas
        );
        if let Some((one, all)) = speed {
            let (one, all) = (short(one), short(all));
            summary += &format!("; {one} ns/day per replica, {all} ns/day aggregate");
        }
        output.log(&summary)?;
        super::tell::tell!("{summary}");
        for file in output.files() {
            super::tell::tell!("  {file}");
        }
        Ok(ExitCode::SUCCESS)
    }

    fn settings(&self) -> Result<Settings> {
        let kelvin = &self.temperature;
        if let Some(bad) = kelvin.iter().find(|kelvin| !(kelvin.is_finite() && **kelvin > 0.0)) {
            return Err(Error::invalid("temperature", bad, "a temperature > 0 K"));
        }
        let friction = self.friction;
        Ok(Settings {
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

    /// Steps between frames: as given, or else the largest divisor of the number of steps from 10
    /// to 250, or else all steps.
    fn save_interval(&self) -> Result<u64> {
        let steps = self.steps;
        if steps == 0 {
            return Err(Error::invalid("steps", 0, "at least one step"));
        }
        match self.save_interval {
            Some(every) if every == 0 || !steps.is_multiple_of(every) => {
                let expected = format!("a divisor of the {steps} steps, so that the last is saved");
                Err(Error::invalid("save-interval", every, expected))
            }
            Some(every) => Ok(every),
            None => Ok((10..=250).rev().find(|k| steps.is_multiple_of(*k)).unwrap_or(steps)),
        }
    }

    fn log_settings(
        &self,
        output: &mut Output,
        simulation: &mut Simulation,
        inputs: &Inputs,
        save_interval: u64,
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
        output.log(format!("steps: {}, a frame every {save_interval}", self.steps))?;
        output.log(format!("seed: {}", self.seed))?;
        for warning in logger::take_warnings() {
            output.log(format!("warning: {warning}"))?;
        }
        Ok(())
    }
}

/// Saves frames, shows progress and stops the run after Ctrl-C.
struct Writer {
    output: Output,
    progress: Progress,
    interrupt: Interrupt,
    told: bool,
    last_frame: u64,
}

impl Observer for Writer {
    fn frame(&mut self, frame: &Frame, control: &mut Control) -> Result<()> {
        self.output.write(frame)?;
        self.last_frame = frame.step;
        let n_replicas = frame.temperature.len() as f64;
        self.progress.set_temperature(frame.temperature.iter().sum::<f64>() / n_replicas);
        if self.interrupt.is_set() {
            control.stop();
        }
        Ok(())
    }

    fn progress(&mut self, step: u64) {
        self.progress.advance(step);
        if self.interrupt.is_set() && !self.told {
            self.told = true;
            self.progress.say("interrupted: stops at the next frame; interrupt again to stop now");
        }
    }
}
