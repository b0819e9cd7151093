//! The trajectories of a run: one for each replica, one for each state of a ladder, or both; each in
//! one format or two.

use std::mem::discriminant;
use std::path::Path;

use rayon::prelude::*;

use super::names;
use super::new_paths::Creation;
use super::options::{Format, OutputOptions, TrajectoriesBy};
use crate::engine::{Dynamics, Exchange};
use crate::error::{Error, Result};
use crate::io::{FrameFormat, GrowingFile, TrajectoryWriter};
use crate::simulation::{Frame, Simulation};
use crate::system::System;

/// The replica of the frames of a trajectory.
#[derive(Debug, Clone, Copy)]
enum Source {
    Walker(usize),
    State { ladder: usize, state: usize },
}

/// A file of a run.
struct Planned {
    name: String,
    source: Source,
    format: FrameFormat,
}

#[derive(Debug)]
struct Trajectory {
    writer: TrajectoryWriter,
    source: Source,
}

#[derive(Debug)]
pub(super) struct Trajectories(Vec<Trajectory>);

impl Trajectories {
    /// The files of a run.
    ///
    /// # Errors
    /// [`Error::Invalid`] for trajectories by states without exchange.
    fn plan(
        (system, dynamics): (&System, &Dynamics),
        options: &OutputOptions,
    ) -> Result<Vec<Planned>> {
        let ladders = dynamics.exchange.as_ref().map(|exchange| &exchange.ladders[..]);
        let by = options.trajectories;
        if by != TrajectoriesBy::Walker && ladders.is_none() {
            return Err(Error::invalid("trajectories", "by state", "replica exchange"));
        }
        let formats: &[Format] = match options.format {
            Format::Both => &[Format::Xtc, Format::Dcd],
            ref one => std::slice::from_ref(one),
        };
        let mut files = Vec::new();
        let mut add = |format, name: String, source, replica| {
            let (extension, format) = match format {
                Format::Dcd => {
                    let n_beads = system.beads(replica).len();
                    ("dcd", FrameFormat::Dcd { n_beads, dt: dynamics.dt })
                }
                _ => ("xtc", FrameFormat::Xtc),
            };
            files.push(Planned { name: format!("{name}.{extension}"), source, format });
        };
        if by != TrajectoriesBy::State {
            for format in formats {
                for (r, id) in dynamics.replica_ids.iter().enumerate() {
                    add(*format, names::trajectory(*id), Source::Walker(r), r);
                }
            }
        }
        if by != TrajectoriesBy::Walker {
            for format in formats {
                for (ladder, of) in ladders.unwrap_or_default().iter().enumerate() {
                    for state in 0..of.n_states() {
                        // All walkers of a ladder have the same number of beads.
                        let (name, walker) = (names::of_state(ladder, state), of.walkers[state]);
                        add(*format, name, Source::State { ladder, state }, walker);
                    }
                }
            }
        }
        Ok(files)
    }

    pub(super) fn create(
        folder: &Path,
        run: (&System, &Dynamics),
        options: &OutputOptions,
        creation: &mut Creation,
    ) -> Result<Self> {
        let files =
            Self::plan(run, options)?.into_iter().map(|Planned { name, source, format }| {
                let create = |path: &Path| TrajectoryWriter::create(path, format);
                Ok(Trajectory { writer: creation.file(folder.join(name), create)?, source })
            });
        files.collect::<Result<_>>().map(Trajectories)
    }

    /// Checks that the files of an earlier run have whole frames up to the given lengths.
    pub(super) fn check(
        folder: &Path,
        simulation: &Simulation,
        options: &OutputOptions,
        lengths: &[u64],
    ) -> Result<()> {
        let files = Self::plan((simulation.system(), simulation.dynamics()), options)?;
        if files.len() != lengths.len() {
            let expected = format!("{}, one per file", files.len());
            return Err(Error::invalid("trajectories", lengths.len(), expected));
        }
        let mut files = files.iter().zip(lengths);
        files.try_for_each(|(file, length)| {
            TrajectoryWriter::check(&folder.join(&file.name), file.format, *length)
        })
    }

    /// Cuts the files of an earlier run to the given lengths.
    pub(super) fn resume(
        folder: &Path,
        simulation: &Simulation,
        options: &OutputOptions,
        lengths: &[u64],
    ) -> Result<Self> {
        let files = Self::plan((simulation.system(), simulation.dynamics()), options)?;
        let resume = |(Planned { name, source, format }, length): (Planned, &u64)| {
            let writer = TrajectoryWriter::resume(&folder.join(name), format, *length)?;
            Ok(Trajectory { writer, source })
        };
        files.into_iter().zip(lengths).map(resume).collect::<Result<_>>().map(Trajectories)
    }

    pub(super) fn lengths(&self) -> Vec<u64> {
        self.0.iter().map(|file| file.writer.committed()).collect()
    }

    /// Encodes a frame for every file but those of frozen replicas.
    pub(super) fn encode(
        &mut self,
        frame: &Frame,
        first_bead: &[usize],
        exchange: Option<&Exchange>,
    ) -> Result<()> {
        let holders = exchange.map(|exchange| exchange.holders(frame.label)).unwrap_or_default();
        self.0.par_iter_mut().try_for_each(|Trajectory { writer, source }| {
            let replica = match *source {
                Source::Walker(replica) => replica,
                Source::State { ladder, state } => holders[ladder][state],
            };
            if frame.frozen.contains_key(&replica) {
                writer.encode_nothing();
                return Ok(());
            }
            let positions = &frame.positions[first_bead[replica]..first_bead[replica + 1]];
            writer.encode(frame.step, frame.time, positions)
        })
    }

    /// Appends the encoded frame to every file, provisionally.
    pub(super) fn append(&mut self) -> Result<()> {
        self.0.iter_mut().try_for_each(|file| file.writer.append())
    }

    pub(super) fn files(&mut self) -> impl Iterator<Item = &mut GrowingFile> {
        self.0.iter_mut().map(|file| file.writer.file())
    }

    pub(super) fn sync(&mut self) -> Result<()> {
        // The file system joins requests that come at the same time.
        let synced = self.0.par_iter_mut().map(|file| file.writer.sync());
        synced.reduce(|| Ok(()), Result::and)
    }

    /// The first and the last file of each kind and format, and the number of files.
    pub(super) fn ranges(&self) -> Vec<(&Path, &Path, usize)> {
        let group = |file: &Trajectory| {
            (discriminant(&file.source), file.writer.path().extension().map(ToOwned::to_owned))
        };
        let groups = self.0.chunk_by(|a, b| group(a) == group(b));
        groups
            .filter_map(|files| Some((files.first()?, files.last()?, files.len())))
            .map(|(first, last, n)| (first.writer.path(), last.writer.path(), n))
            .collect()
    }
}
