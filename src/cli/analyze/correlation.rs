//! The correlation in time, and the length of blocks that it asks for.

use std::collections::BTreeMap;

use crate::Result;
use crate::analysis::frames::{self, ChunkReader, Frame, Track, in_chunks};
use crate::analysis::statistics::autocorrelation::Autocorrelation;

use super::columns::Columns;
use super::ensemble::Ensemble;
use super::log::Log;
use super::samples::Samples;
use super::source::Source;

/// A block should be longer than this number of autocorrelation times.
const SHORTEST: f64 = 5.0;

/// Below this number of autocorrelation times blocks tell no error.
const USELESS: f64 = 1.0;

/// The fewest blocks that longer ones may leave.
const FEWEST: usize = 5;

/// An error from fewer blocks is uncertain itself.
const FEW: usize = 10;

/// About the most frames whose correlation is taken.
const MOST_FRAMES: u64 = 100_000;

/// The number of the column whose correlation blocks are compared with: q, or the first one.
pub(super) fn judged(columns: &Columns) -> usize {
    columns.names.iter().position(|name| *name == "q").unwrap_or(0)
}

/// The autocorrelation time of q or, without q, of rg along the trajectories, in chosen frames.
pub(super) fn along_trajectories(source: &Source, columns: &Columns) -> Result<f64> {
    let total: u64 = source.tracks.iter().map(Track::chosen).sum();
    let every = total.div_ceil(MOST_FRAMES).max(1);
    let variable = &columns.measures.variables[judged(columns)];
    let read = |_, reader: &mut ChunkReader| {
        let mut values = Vec::new();
        while let Some(Frame { positions, .. }) = reader.read()? {
            values.push(variable.value(positions));
        }
        Ok(values)
    };
    let mut series: Vec<Vec<f64>> = vec![Vec::new(); source.tracks.len()];
    let n_frames = frames::CHUNK;
    in_chunks(&source.tracks, every, n_frames, read, |chunk, values: Vec<f64>| {
        series[chunk.track].extend(values);
        Ok(())
    })?;
    Ok(of(&series).map_or(0.0, |found| found.time(every as f64)))
}

/// The number of blocks, and the correlation that it follows from.
pub(super) struct Blocking {
    pub(super) count: usize,
    /// The autocorrelation time along the replicas of ladders, in chosen frames, if it is known.
    pub(super) time: Option<f64>,
    /// Why there are no errors of melting temperatures.
    pub(super) doubt: Option<String>,
}

impl Blocking {
    /// The number of blocks of the options. With exchange there are fewer if blocks are too short in
    /// comparison with the correlation along the replicas: a replica that does not fold makes the
    /// samples of one state after the other unfolded ones, and each state seems to forget it at once.
    pub(super) fn choose(
        asked: usize,
        source: &Source,
        columns: &Columns,
        log: &mut Log,
    ) -> Result<Self> {
        let mut blocking = Blocking { count: asked, time: None, doubt: None };
        if !source.is_exchanged() {
            return Ok(blocking);
        }
        if source.facts.iter().any(|facts| !facts.is_continuous) {
            log.warn(
                "errors may be too small: trajectories of states do not tell the correlation along \
                 the replicas; independent_samples is an upper bound",
            );
            return Ok(blocking);
        }
        let time = along_trajectories(source, columns)?;
        blocking.time = Some(time);
        let mut lengths: BTreeMap<usize, u64> = BTreeMap::new();
        for (track, facts) in source.tracks.iter().zip(&source.facts) {
            if let Some(ladder) = facts.ladder {
                let length = lengths.entry(ladder).or_default();
                *length = track.chosen().max(*length);
            }
        }
        let frames = lengths.into_values().min().unwrap_or(0) as f64;
        let needed = SHORTEST * time;
        let long = (frames / needed.max(f64::MIN_POSITIVE)) as usize;
        let count = long.clamp(FEWEST.min(asked), asked);
        let name = columns.names[judged(columns)];
        if count < asked {
            log.note(format!(
                "{count} blocks in place of {asked}, because the autocorrelation time of {name} along \
                 the replicas is {time:.0} frames"
            ));
        }
        let block = frames / count as f64;
        if block < needed {
            let doubt = format!(
                "a block has {block:.0} frames, {:.1} autocorrelation times of {name} along the replicas",
                block / time
            );
            log.warn(format!(
                "errors are about {:.0} % too small: {doubt}",
                shortfall(block, time)
            ));
            blocking.doubt = (block < USELESS * time).then_some(doubt);
        } else if count < FEW {
            let percent = 100.0 / (2.0 * (count as f64 - 1.0)).sqrt();
            log.warn(format!("errors are uncertain by {percent:.0} %: there are {count} blocks"));
        }
        blocking.count = count;
        Ok(blocking)
    }
}

/// By how many percent the error of a mean is too small if blocks of L samples follow each other.
///
/// With the autocorrelation exp(−t/τ), the variance of the mean of a block is 2τ/L (1 − τ/L (1 −
/// exp(−L/τ))) times that of a sample, and would be 2τ/L if blocks were independent.
fn shortfall(block: f64, time: f64) -> f64 {
    let times = block / time;
    let part = 1.0 - (1.0 - (-times).exp()) / times;
    100.0 * (1.0 - part.max(0.0).sqrt())
}

/// The correlation of the samples in each state.
pub(super) struct Correlations {
    /// The correlation of each column along the replicas of ladders; empty if it is not known.
    along: Vec<Option<Autocorrelation>>,
}

impl Correlations {
    pub(super) fn new(ensemble: &Ensemble) -> Self {
        let (samples, facts) = (&ensemble.samples, &ensemble.source.facts);
        let is_known = |track: usize| facts[track].ladder.is_some() && facts[track].is_continuous;
        let replicas: Vec<_> =
            tracks(samples).filter(|(track, _)| is_known(*track)).map(|(_, range)| range).collect();
        let of_column = |values: &Vec<f64>| {
            let series: Vec<&[f64]> = replicas.iter().map(|range| &values[range.clone()]).collect();
            of(&series)
        };
        let along = match replicas.is_empty() {
            true => Vec::new(),
            false => samples.columns.iter().map(of_column).collect(),
        };
        Correlations { along }
    }

    /// The correlation of a column in a state. A state of a ladder has that along the replicas if it is
    /// known and longer.
    pub(super) fn get(
        &self,
        ensemble: &Ensemble,
        state: usize,
        column: usize,
    ) -> Option<Autocorrelation> {
        let series = Series::new(ensemble, state, column);
        let mut found = of(&series.all)?;
        if series.n_ladders > 0
            && let Some(along) = self.along.get(column).copied().flatten()
        {
            found.inefficiency = found.inefficiency.max(along.inefficiency);
        }
        Some(found)
    }

    /// Compares the blocks of each state with the correlation of a column in it. The result is a reason
    /// why there are no errors. [`Blocking`] has compared those of replicas.
    pub(super) fn judge(
        &self,
        ensemble: &Ensemble,
        column: usize,
        log: &mut Log,
    ) -> Option<String> {
        let mut first = None;
        for state in 0..ensemble.source.states.len() {
            let series = Series::new(ensemble, state, column);
            if series.n_ladders > 0 && !self.along.is_empty() {
                continue;
            }
            let Some(found) = of(&series.all) else { continue };
            let n_groups = series.n_ladders + usize::from(series.has_others);
            let n: usize = series.all.iter().map(Vec::len).sum();
            let n_blocks = ensemble.blocks.count().max(1);
            let block = n as f64 / (n_groups * n_blocks) as f64;
            let time = found.time(1.0);
            if block < SHORTEST * time {
                let doubt = format!(
                    "a block of state {state} has {block:.0} samples, {:.1} autocorrelation times of {}",
                    block / time,
                    ensemble.names[column]
                );
                let percent = shortfall(block, time);
                log.warn(format!("errors are about {percent:.0} % too small: {doubt}"));
                first = first.or((block < USELESS * time).then_some(doubt));
            }
        }
        first
    }
}

/// The samples of a state as series in time.
struct Series {
    all: Vec<Vec<f64>>,
    /// The number of series of ladders, and whether there are others.
    n_ladders: usize,
    has_others: bool,
}

impl Series {
    /// A trajectory outside ladders is a series. The samples of a state of a ladder come from different
    /// replicas, and are put in the order of time. If a ladder has a state several times, the samples
    /// of the same time are in different series.
    fn new(ensemble: &Ensemble, state: usize, column: usize) -> Series {
        let samples = &ensemble.samples;
        let values = &samples.columns[column];
        let mut all: Vec<Vec<f64>> = Vec::new();
        let mut of_ladders: BTreeMap<(usize, usize), Vec<f64>> = BTreeMap::new();
        for (track, range) in tracks(samples) {
            let start = range.start;
            let of_state = range.filter(|n| samples.state[*n] == state);
            match ensemble.source.facts[track].ladder {
                None => all.push(of_state.map(|n| values[n]).collect()),
                Some(ladder) => of_state.for_each(|n| {
                    of_ladders.entry((ladder, n - start)).or_default().push(values[n]);
                }),
            }
        }
        all.retain(|values| !values.is_empty());
        let has_others = !all.is_empty();
        let mut ordered: BTreeMap<(usize, usize), Vec<f64>> = BTreeMap::new();
        for ((ladder, _), of_time) in of_ladders {
            for (k, value) in of_time.into_iter().enumerate() {
                ordered.entry((ladder, k)).or_default().push(value);
            }
        }
        let n_ladders = ordered.len();
        all.extend(ordered.into_values());
        Series { all, n_ladders, has_others }
    }
}

/// The samples of each trajectory.
fn tracks(samples: &Samples) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> {
    samples.starts.windows(2).map(|range| range[0]..range[1]).enumerate()
}

fn of(series: &[impl AsRef<[f64]>]) -> Option<Autocorrelation> {
    let slices: Vec<&[f64]> = series.iter().map(AsRef::as_ref).filter(|s| !s.is_empty()).collect();
    Autocorrelation::of(&slices)
}
