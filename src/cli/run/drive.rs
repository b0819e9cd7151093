//! The steps, frames and checkpoints of a run, and its end.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::checkpoint::{Checkpoint, Identity};
use crate::error::printable;
use crate::output::{Lengths, Output, Queue, in_background};
use crate::simulation::{Control, Frame, Observer, Simulation, Wants};
use crate::{Error, Result};

use super::exchange;
use super::look;
use super::plan::{Limits, Plan};
use crate::cli::flags::with_flags;
use crate::cli::logger;
use crate::cli::progress::{Progress, ns_per_day, short};
use crate::cli::report;
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

/// The time between lines about the speed, which come with checkpoints.
const SPEED_EVERY: Duration = Duration::from_secs(60);

/// A run that is ready to do its next step.
pub(super) struct Drive {
    pub(super) folder: PathBuf,
    pub(super) simulation: Simulation,
    pub(super) output: Output,
    pub(super) identity: Identity,
    pub(super) plan: Plan,
    pub(super) limits: Limits,
    pub(super) interrupt: Interrupt,
    /// A line about the exchanges up to the last checkpoint; empty without exchange.
    pub(super) exchanges: String,
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
        if let Some(exchange) = &checkpoint.dynamics.exchange {
            self.output.summarize(exchange, &checkpoint.state.exchanged)?;
            self.exchanges = exchange::summary(exchange, &checkpoint.state.exchanged);
        }
        if let (Some(of), 1..) = (&checkpoint.dynamics.metadynamics, checkpoint.state.step) {
            self.output.write_free_energy(of, &checkpoint.state.hills)?;
        }
        checkpoint.set_section(PLAN, &self.plan)?;
        checkpoint.set_section(OUTPUT, lengths)?;
        checkpoint.save(&self.folder)
    }

    /// Writes the free energy of metadynamics after a blow-up. The first error is the one to tell.
    fn save_free_energy(&mut self) {
        let state = self.simulation.engine().state();
        if let (Some(of), Ok(state)) = (&self.simulation.dynamics().metadynamics, state) {
            let _ = self.output.write_free_energy(of, &state.hills);
        }
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
        // The frames are completed whatever has happened. The first error is the one to report, but
        // a folder that was moved is the cause of others.
        let moved = self.output.follow();
        let finished = self.output.finish();
        let whole = finished.is_ok();
        let ended = moved.and(result).and(finished).and_then(|()| self.checkpoint(&lengths));
        if let Err(error) = ended {
            // Where the log cannot be written, stderr still has the error.
            let _ = log_warnings(&mut self.output);
            let _ = self.output.log(with_flags(format!("error: {error}")));
            if matches!(error, Error::BlowUp { .. }) {
                self.save_free_energy();
            }
            tell!("{}", self.saved_before_error(whole));
            return Err(error.into());
        }
        let logged = log_warnings(&mut self.output);
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
        // The files of the run are complete, so that a log without its end is no failure.
        let lines = [&summary, &self.exchanges].into_iter().filter(|line| !line.is_empty());
        let lines: Vec<String> = lines.cloned().collect();
        let log = |line: &String| self.output.log(line);
        if let Err(error) = logged.and_then(|()| lines.iter().try_for_each(log)) {
            tell!("warning: {error}; the log lacks the last lines of the run");
        }
        for line in lines {
            tell!("{line}");
        }
        for file in self.output.files() {
            tell!("  {file}");
        }
        let page = self.output.folder().join(report::NAME);
        match report::write(self.output.folder(), &page) {
            Ok(look) => {
                tell!("  {}  report", printable(page.display()));
                let is_observed = !self.plan.observables.is_empty();
                let analysis = is_observed.then(|| look::analysis(self.output.folder())).flatten();
                let viewers = look.iter().flat_map(look::commands);
                analysis.into_iter().chain(viewers).for_each(|command| tell!("{command}"));
            }
            // All results are there.
            Err(error) => tell!("warning: no report: {error}"),
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
        let mut told = (Instant::now(), self.simulation.step());
        loop {
            let Drive { simulation, output, plan, limits, interrupt, .. } = self;
            let (step, every, steps) = (simulation.step(), plan.save_interval, plan.steps);
            let stop = Stop {
                interrupt,
                end: limits.end,
                due: plan.checkpoint_interval.is_none().then_some(due),
            };
            if step >= steps || stop.is_final() {
                return Ok(());
            }
            let next = plan.next_cut(step);
            if next == steps && !steps.is_multiple_of(every) {
                *on_grid = Some(output.lengths());
            }
            let after = plan.unsaved();
            in_background(output, |queue| {
                let mut writer = Writer { queue, progress, after, stop: &stop };
                match next == steps {
                    true => simulation.run_to(next, every, &mut writer),
                    false => simulation.run_with(next - step, every, &mut writer),
                }
            })?;
            let step = simulation.step();
            if plan.tunings().any(|tuning| tuning == step) {
                tune(simulation, output)?;
            }
            if told.0.elapsed() >= SPEED_EVERY {
                log_speed(simulation, output, &mut told)?;
            }
            let is_due = match plan.checkpoint_interval {
                Some(every) => step.is_multiple_of(every),
                None => has_come(Some(due)),
            };
            if is_due && step < steps && !stop.is_final() {
                self.save()?;
                due = Instant::now() + CHECKPOINT_EVERY;
            }
        }
    }

    /// A line about the files of a run that ends with an error; `whole` tells whether the files
    /// were found to have all frames.
    fn saved_before_error(&self, whole: bool) -> String {
        let folder = printable(self.output.folder().display());
        match self.output.last_frame() {
            _ if !whole => format!("files in {folder} may be incomplete"),
            None => "no frame was saved before the error".into(),
            Some(step) => format!("frames up to step {step} are complete in {folder}"),
        }
    }
}

/// Tunes the ladders, and logs their temperatures.
fn tune(simulation: &mut Simulation, output: &mut Output) -> Result<()> {
    let before = simulation.state()?.exchanged;
    let of_dynamics = |simulation: &Simulation| simulation.dynamics().exchange.clone();
    let Some(old) = of_dynamics(simulation) else { return Ok(()) };
    simulation.tune_ladders()?;
    let Some(tuned) = of_dynamics(simulation) else { return Ok(()) };
    output.summarize(&tuned, &simulation.state()?.exchanged)?;
    let (step, summary) = (simulation.step(), exchange::summary(&old, &before));
    output.log(format!("ladders tuned after step {step}: {summary}"))?;
    for (l, ladder) in tuned.ladders.iter().enumerate() {
        output.log(format!("ladder {l}: {} K", exchange::temperatures(&ladder.beta)))?;
    }
    Ok(())
}

/// Logs the speed since a moment and its step, which become the present ones.
fn log_speed(
    simulation: &Simulation,
    output: &mut Output,
    (since, from): &mut (Instant, u64),
) -> Result<()> {
    let (step, seconds) = (simulation.step(), since.elapsed().as_secs_f64());
    let speed = ns_per_day((step - *from) as f64, simulation.dynamics().dt, seconds);
    output.log(format!("step {step}: {} ns/day per replica since step {from}", short(speed)))?;
    (*since, *from) = (Instant::now(), step);
    Ok(())
}

/// Adds the warnings and notes since the last call to `run.log`.
pub(super) fn log_warnings(output: &mut Output) -> Result<()> {
    logger::take_lines().into_iter().try_for_each(|line| output.log(line))
}

/// The mean Q or RMSD of a frame if one of them is observed, and the mean temperature. Frozen
/// replicas have none.
fn means(frame: &Frame) -> String {
    let mean = |values: &[f64]| {
        let known: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    };
    let observed = |name: &str| {
        let found = frame.observables.iter().find(|(known, _)| known == name);
        found.and_then(|(_, values)| mean(values))
    };
    let kelvin = mean(frame.temperature).map(|kelvin| format!("{kelvin:.0} K"));
    let q = observed("q").map(|q| format!("Q {q:.2}"));
    let nearness = q.or_else(|| observed("rmsd").map(|rmsd| format!("RMSD {rmsd:.1} Å")));
    nearness.into_iter().chain(kelvin).collect::<Vec<_>>().join(", ")
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
    queue: &'a mut Queue,
    progress: &'a mut Progress,
    /// Frames up to this step are not saved.
    after: u64,
    stop: &'a Stop<'a>,
}

impl Observer for Writer<'_> {
    fn frame(&mut self, frame: &Frame, _: &mut Control) -> Result<()> {
        if frame.step > self.after {
            self.queue.write(frame)?;
        }
        self.progress.set_frame(means(frame));
        Ok(())
    }

    fn is_passive(&self) -> bool {
        true
    }

    fn wants(&self) -> Wants {
        self.queue.wants()
    }

    fn exchanged(&mut self, step: u64, label: &[u32]) -> Result<()> {
        self.queue.exchanged(step, label)
    }

    fn progress(&mut self, step: u64, control: &mut Control) -> Result<()> {
        self.progress.advance(step);
        if self.stop.is_final() || has_come(self.stop.due) {
            control.stop();
        }
        logger::take_lines().into_iter().try_for_each(|line| self.queue.log(line))
    }
}
