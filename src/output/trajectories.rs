//! The trajectories of a run: one for each replica, one for each state of a ladder, or both.

use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::names;
use super::new_paths::Creation;
use crate::engine::{Dynamics, Exchange};
use crate::error::{Error, Result};
use crate::io::{GrowingFile, XtcWriter};
use crate::simulation::Frame;

/// The trajectories to write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrajectoriesBy {
    /// One of each replica, which moves between the states of its ladder.
    #[default]
    Walker,
    /// One of each state of a ladder, whose frames come from the replicas in that state. With
    /// replica exchange only.
    State,
    /// Both.
    Both,
}

/// The replica of the frames of a trajectory.
#[derive(Debug, Clone, Copy)]
enum Source {
    Walker(usize),
    State { ladder: usize, state: usize },
}

#[derive(Debug)]
pub(super) struct Trajectories {
    writers: Vec<XtcWriter>,
    sources: Vec<Source>,
}

impl Trajectories {
    /// The names of the files, and their sources.
    ///
    /// # Errors
    /// [`Error::Invalid`] for trajectories by states without exchange.
    fn plan(dynamics: &Dynamics, by: TrajectoriesBy) -> Result<(Vec<String>, Vec<Source>)> {
        let ids = dynamics.replica_ids.iter().enumerate();
        let walkers = ids.map(|(r, id)| (names::trajectory(*id), Source::Walker(r)));
        let ladders = dynamics.exchange.iter().flat_map(|exchange| exchange.ladders.iter());
        let states = ladders.enumerate().flat_map(|(ladder, of)| {
            let name =
                move |state| (names::of_state(ladder, state), Source::State { ladder, state });
            (0..of.n_states()).map(name)
        });
        match (by, &dynamics.exchange) {
            (TrajectoriesBy::Walker, _) => Ok(walkers.unzip()),
            (_, None) => Err(Error::invalid("trajectories", "by state", "replica exchange")),
            (TrajectoriesBy::State, _) => Ok(states.unzip()),
            (TrajectoriesBy::Both, _) => Ok(walkers.chain(states).unzip()),
        }
    }

    pub(super) fn create(
        folder: &Path,
        dynamics: &Dynamics,
        by: TrajectoriesBy,
        creation: &mut Creation,
    ) -> Result<Self> {
        let (names, sources) = Self::plan(dynamics, by)?;
        let mut writers = Vec::with_capacity(names.len());
        for name in names {
            writers.push(creation.file(folder.join(name), XtcWriter::create)?);
        }
        Ok(Trajectories { writers, sources })
    }

    /// Checks that the files of an earlier run have at least the given lengths.
    pub(super) fn check(
        folder: &Path,
        dynamics: &Dynamics,
        by: TrajectoriesBy,
        lengths: &[u64],
    ) -> Result<()> {
        let (names, _) = Self::plan(dynamics, by)?;
        if names.len() != lengths.len() {
            let expected = format!("{}, one per file", names.len());
            return Err(Error::invalid("trajectories", lengths.len(), expected));
        }
        let mut files = names.iter().zip(lengths);
        files.try_for_each(|(name, length)| GrowingFile::check(&folder.join(name), *length))
    }

    /// Cuts the files of an earlier run to the given lengths.
    pub(super) fn resume(
        folder: &Path,
        dynamics: &Dynamics,
        by: TrajectoriesBy,
        lengths: &[u64],
    ) -> Result<Self> {
        let (names, sources) = Self::plan(dynamics, by)?;
        let files = names.iter().zip(lengths);
        let writers = files.map(|(name, length)| XtcWriter::resume(&folder.join(name), *length));
        Ok(Trajectories { writers: writers.collect::<Result<_>>()?, sources })
    }

    pub(super) fn lengths(&self) -> Vec<u64> {
        self.writers.iter().map(XtcWriter::committed).collect()
    }

    /// Encodes a frame for every file but those of frozen replicas.
    pub(super) fn encode(
        &mut self,
        frame: &Frame,
        first_bead: &[usize],
        exchange: Option<&Exchange>,
    ) -> Result<()> {
        let holders = exchange.map(|exchange| exchange.holders(frame.label)).unwrap_or_default();
        self.writers.par_iter_mut().zip(&self.sources).try_for_each(|(writer, source)| {
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
        self.writers.iter_mut().try_for_each(XtcWriter::append)
    }

    pub(super) fn files(&mut self) -> impl Iterator<Item = &mut GrowingFile> {
        self.writers.iter_mut().map(XtcWriter::file)
    }

    pub(super) fn sync(&self) -> Result<()> {
        // The file system joins requests that come at the same time.
        self.writers.par_iter().map(XtcWriter::sync).reduce(|| Ok(()), Result::and)
    }

    /// The first and the last file of each kind, and the number of files.
    pub(super) fn ranges(&self) -> Vec<(&Path, &Path, usize)> {
        let n_walkers = self.sources.iter().filter(|s| matches!(s, Source::Walker(_))).count();
        let (walkers, states) = self.writers.split_at(n_walkers);
        [walkers, states]
            .into_iter()
            .filter_map(|writers| {
                Some((writers.first()?.path(), writers.last()?.path(), writers.len()))
            })
            .collect()
    }
}
