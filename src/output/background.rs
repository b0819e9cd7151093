//! Writing on a thread of its own, so that the device does not wait for files.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use super::folder::Output;
use super::options::OutputOptions;
use crate::engine::Frozen;
use crate::error::{Error, Result};
use crate::simulation::{BiasValues, Frame, Wants};

/// The most jobs that wait for the thread. A job has at most one frame, so the memory of frames has
/// a bound.
const WAITING: usize = 2;

/// Exchanges wait for the next frame, but not more than this many.
const ROWS: usize = 1024;

/// Does `run` with a queue from which another thread writes to `output`. Returns when everything
/// that was queued is written.
///
/// # Errors
/// The first error of [`Output::write`] or [`Output::exchanged`], after which nothing is written; or
/// else the error of `run`.
pub fn in_background<T>(
    output: &mut Output,
    run: impl FnOnce(&mut Queue) -> Result<T>,
) -> Result<T> {
    let (sender, jobs) = sync_channel(WAITING);
    let (freed, free) = channel();
    let options = output.options();
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || work(output, jobs, freed));
        let mut queue = Queue { sender, free, job: Job::default(), options };
        let result = run(&mut queue);
        // An error of the thread explains why a job could not be sent.
        let sent = queue.send(None);
        drop(queue);
        match thread.join() {
            Ok(written) => written.and(result).and_then(|result| sent.map(|()| result)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn work(output: &mut Output, jobs: Receiver<Job>, freed: Sender<OwnedFrame>) -> Result<()> {
    for Job { lines, rows, frame } in jobs {
        // Frames are worth more than the log, and the caller logs again at the end.
        lines.iter().for_each(|line| drop(output.log(line)));
        rows.iter().try_for_each(|(step, label)| output.exchanged(*step, label))?;
        if let Some(frame) = frame {
            output.write(&frame.as_frame())?;
            // At the end of a run nobody fills it again.
            let _ = freed.send(frame);
        }
    }
    Ok(())
}

/// Frames, exchanges and lines of the log on their way to an [`Output`].
#[derive(Debug)]
pub struct Queue {
    sender: SyncSender<Job>,
    /// Frames that were written and can be filled again.
    free: Receiver<OwnedFrame>,
    /// The next job.
    job: Job,
    options: OutputOptions,
}

/// Lines of the log, labels after exchanges, and then a frame.
#[derive(Debug, Default)]
struct Job {
    lines: Vec<String>,
    rows: Vec<(u64, Vec<u32>)>,
    frame: Option<OwnedFrame>,
}

impl Queue {
    /// The parts of a frame that the files need.
    pub fn wants(&self) -> Wants {
        self.options.wants()
    }

    /// Queues a frame. Waits if the queue is full.
    ///
    /// # Errors
    /// An error if the thread has ended with an error, which [`in_background`] returns.
    pub fn write(&mut self, frame: &Frame) -> Result<()> {
        let mut owned = self.free.try_recv().unwrap_or_default();
        owned.fill(frame, self.options);
        self.send(Some(owned))
    }

    /// Queues the labels after an exchange.
    ///
    /// # Errors
    /// See [`Queue::write`].
    pub fn exchanged(&mut self, step: u64, label: &[u32]) -> Result<()> {
        self.job.rows.push((step, label.to_vec()));
        if self.job.rows.len() < ROWS { Ok(()) } else { self.send(None) }
    }

    /// Queues a line of the log.
    ///
    /// # Errors
    /// See [`Queue::write`].
    pub fn log(&mut self, line: String) -> Result<()> {
        self.job.lines.push(line);
        self.send(None)
    }

    fn send(&mut self, frame: Option<OwnedFrame>) -> Result<()> {
        let job = Job { frame, ..std::mem::take(&mut self.job) };
        let ended = |_| Error::invalid("output", "a thread that has ended", "one that writes");
        self.sender.send(job).map_err(ended)
    }
}

/// The values of a [`Frame`] that files hold.
#[derive(Debug, Default)]
struct OwnedFrame {
    step: u64,
    time: f64,
    positions: Vec<[f64; 3]>,
    potential: Vec<f64>,
    kinetic: Vec<f64>,
    temperature: Vec<f64>,
    callback: Vec<f64>,
    thermostat: Vec<f64>,
    velocities: Vec<[f64; 3]>,
    forces: Vec<[f64; 3]>,
    terms: Vec<Vec<f64>>,
    observables: Vec<(String, Vec<f64>)>,
    biases: Vec<BiasValues>,
    bias_levels: Vec<Vec<f64>>,
    label: Vec<u32>,
    frozen: BTreeMap<usize, Frozen>,
}

impl OwnedFrame {
    fn fill(&mut self, frame: &Frame, options: OutputOptions) {
        fn copy<T: Copy>(to: &mut Vec<T>, from: &[T]) {
            to.clear();
            to.extend_from_slice(from);
        }
        (self.step, self.time) = (frame.step, frame.time);
        copy(&mut self.positions, frame.positions);
        copy(&mut self.potential, frame.potential);
        copy(&mut self.kinetic, frame.kinetic);
        copy(&mut self.temperature, frame.temperature);
        copy(&mut self.callback, frame.callback);
        copy(&mut self.thermostat, frame.thermostat);
        copy(&mut self.velocities, if options.velocities { frame.velocities } else { &[] });
        copy(&mut self.forces, if options.forces { frame.forces } else { &[] });
        let terms = if options.terms { frame.terms } else { &[] };
        terms.clone_into(&mut self.terms);
        frame.observables.clone_into(&mut self.observables);
        frame.biases.clone_into(&mut self.biases);
        frame.bias_levels.clone_into(&mut self.bias_levels);
        copy(&mut self.label, frame.label);
        self.frozen.clone_from(frame.frozen);
    }

    fn as_frame(&self) -> Frame<'_> {
        Frame {
            step: self.step,
            time: self.time,
            positions: &self.positions,
            velocities: &self.velocities,
            potential: &self.potential,
            kinetic: &self.kinetic,
            temperature: &self.temperature,
            callback: &self.callback,
            thermostat: &self.thermostat,
            forces: &self.forces,
            terms: &self.terms,
            observables: &self.observables,
            biases: &self.biases,
            bias_levels: &self.bias_levels,
            label: &self.label,
            frozen: &self.frozen,
        }
    }
}
