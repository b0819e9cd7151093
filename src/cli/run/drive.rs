//! The steps, frames and checkpoints of a run, and its end.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use flashschnet::Result;
use flashschnet::checkpoint::{Checkpoint, Identity};
use flashschnet::error::printable;
use flashschnet::output::{Lengths, Output};
use flashschnet::simulation::{Control, Frame, Observer, Simulation};

use super::plan::{Limits, Plan};
use crate::cli::logger;
use crate::cli::progress::{Progress, short};
use crate::cli::signals::Interrupt;
use crate::cli::tell::tell;

/// The names of the sections of a checkpoint.
pub(super) const SECTIONS: [&str; 2] = [PLAN, OUTPUT];
pub(super) const PLAN: &str = "run";
pub(super) const OUTPUT: &str = "output";

/// The exit code of a run that `--max-hours` has stopped: `EX_TEMPFAIL`, try again later.
const TRY_AGAIN: u8 = 75;

/// The time between checkpoints if no number of steps is given.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(600);

/// A run that is ready to do its next step.
pub(super) struct Drive {
    pub(super) folder: PathBuf,
    pub(super) simulation: Simulation,
    pub(super) output: Output,
    pub(super) identity: Identity,
    pub(super) plan: Plan,
    pub(super) limits: Limits,
    pub(super) interrupt: Interrupt,
}

impl Drive {
    /// Writes a checkpoint of the present step. The storage holds all frames before it names them.
    pub(super) fn save(&mut self) -> Result<()> {
        self.output.sync()?;
        let lengths = self.output.lengths();
        self.checkpoint(&lengths)
    }

    fn checkpoint(&mut self, lengths: &Lengths) -> Result<()> {
        let mut checkpoint = Checkpoint::new(&mut self.simulation, &self.identity)?;
        checkpoint.set_section(PLAN, &self.plan)?;
        checkpoint.set_section(OUTPUT, lengths)?;
        checkpoint.save(&self.folder)
    }

    /// Tells that the run goes on, and writes a checkpoint with what may have changed in its plan.
    pub(super) fn resumed(&mut self) -> Result<()> {
        let (step, steps) = (self.simulation.step(), self.plan.steps);
        let device = self.simulation.engine().device();
        let line = format!("resumed at step {step} of {steps}; device: {device}");
        tell!("{line}");
        self.output.log(line)?;
        log_warnings(&mut self.output)?;
        self.save()
    }

    /// Runs to the last step, or until something stops the run.
    pub(super) fn run(mut self) -> anyhow::Result<ExitCode> {
        let (n_replicas, dt) =
            (self.simulation.system().n_replicas(), self.simulation.dynamics().dt);
        let mut progress = Progress::new(self.plan.steps, n_replicas, dt);
        let (clock, first_step) = (Instant::now(), self.simulation.step());
        let mut on_grid = None;
        let result = self.advance(&mut progress, &mut on_grid);
        let seconds = clock.elapsed().as_secs_f64();
        let speed = progress.speed();
        progress.finish();
        // A run that goes on later has no frame at a step that ends it now.
        let lengths = on_grid.unwrap_or_else(|| self.output.lengths());
        // The frames are completed whatever has happened. The first error is the one to report.
        let finished = self.output.finish();
        let whole = finished.is_ok();
        let ended = result.and(finished).and_then(|()| self.checkpoint(&lengths));
        if let Err(error) = ended {
            // Where the log cannot be written, stderr still has the error.
            let _ = log_warnings(&mut self.output);
            let _ = self.output.log(format!("error: {error}"));
            tell!("{}", self.saved_before_error(whole));
            return Err(error.into());
        }
        log_warnings(&mut self.output)?;
        let step = self.simulation.step();
        let done = step - first_step;
        let picoseconds = done as f64 * dt;
        let mut summary =
            format!("{done} steps ({picoseconds} ps) of {n_replicas} replicas in {seconds:.1} s");
        if let Some((one, all)) = speed {
            let (one, all) = (short(one), short(all));
            summary += &format!("; {one} ns/day per replica, {all} ns/day aggregate");
        }
        let mut code = ExitCode::SUCCESS;
        // A signal that comes with the last step interrupts nothing.
        if step < self.plan.steps {
            let last = self.output.last_frame();
            let last = last.map_or("none".into(), |step| format!("of step {step}"));
            let (number, stop) = match self.interrupt.signal() {
                Some((number, name)) => (number, format!("interrupted by {name}")),
                None => (TRY_AGAIN, "stopped by --max-hours".into()),
            };
            code = ExitCode::from(number);
            summary = format!("{stop} at step {step}, last frame {last}: {summary}");
        }
        self.output.log(&summary)?;
        tell!("{summary}");
        for file in self.output.files() {
            tell!("  {file}");
        }
        if step < self.plan.steps {
            let folder = printable(self.folder.display());
            tell!("flashschnet run --resume {folder} continues the run");
        }
        Ok(code)
    }

    /// Does the steps. `on_grid` becomes the lengths of the files before a last frame that is not
    /// at a multiple of the save interval.
    fn advance(&mut self, progress: &mut Progress, on_grid: &mut Option<Lengths>) -> Result<()> {
        let mut due = Instant::now() + CHECKPOINT_EVERY;
        loop {
            let Drive { simulation, output, plan, limits, interrupt, .. } = self;
            let (step, every) = (simulation.step(), plan.save_interval);
            let stop = Stop {
                interrupt,
                end: limits.end,
                due: plan.checkpoint_interval.is_none().then_some(due),
            };
            if step >= plan.steps || stop.is_final() {
                return Ok(());
            }
            let next = plan.next_cut(step);
            let mut writer = Writer { output, progress, every, on_grid, stop: &stop };
            if next == plan.steps {
                simulation.run_to(next, every, &mut writer)?;
            } else {
                simulation.run_with(next - step, every, &mut writer)?;
            }
            if simulation.step() < plan.steps && !stop.is_final() {
                self.save()?;
                due = Instant::now() + CHECKPOINT_EVERY;
            }
        }
    }

    /// A line about the files of a run that ends with an error; `whole` tells whether the files
    /// were found to have all frames.
    fn saved_before_error(&self, whole: bool) -> String {
        let folder = printable(self.folder.display());
        match self.output.last_frame() {
            _ if !whole => format!("files in {folder} may be incomplete"),
            None => "no frame was saved before the error".into(),
            Some(step) => format!("frames up to step {step} are complete in {folder}"),
        }
    }
}

/// Adds the warnings since the last call to `run.log`.
pub(super) fn log_warnings(output: &mut Output) -> Result<()> {
    let mut warnings = logger::take_warnings().into_iter();
    warnings.try_for_each(|warning| output.log(format!("warning: {warning}")))
}

/// The reasons to stop before the last step.
struct Stop<'a> {
    interrupt: &'a Interrupt,
    end: Option<Instant>,
    /// The time of the next checkpoint.
    due: Option<Instant>,
}

impl Stop<'_> {
    /// Whether the run ends here.
    fn is_final(&self) -> bool {
        self.interrupt.signal().is_some() || has_come(self.end)
    }
}

fn has_come(time: Option<Instant>) -> bool {
    time.is_some_and(|time| time <= Instant::now())
}

/// Saves frames and warnings, shows progress, and stops at a signal, at the end of the time, and
/// for a checkpoint.
struct Writer<'a> {
    output: &'a mut Output,
    progress: &'a mut Progress,
    every: u64,
    on_grid: &'a mut Option<Lengths>,
    stop: &'a Stop<'a>,
}

impl Observer for Writer<'_> {
    fn frame(&mut self, frame: &Frame, _: &mut Control) -> Result<()> {
        if !frame.step.is_multiple_of(self.every) {
            *self.on_grid = Some(self.output.lengths());
        }
        self.output.write(frame)?;
        // Frozen replicas have none.
        let known: Vec<f64> = frame.temperature.iter().copied().filter(|t| !t.is_nan()).collect();
        self.progress.set_temperature(known.iter().sum::<f64>() / known.len() as f64);
        Ok(())
    }

    fn progress(&mut self, step: u64, control: &mut Control) -> Result<()> {
        self.progress.advance(step);
        if self.stop.is_final() || has_come(self.stop.due) {
            control.stop();
        }
        log_warnings(self.output)
    }
}
