//! TICA: the slowest linear combinations of distances.

use std::path::Path;

use crate::analysis::features::Distances;
use crate::analysis::frames::{ChunkReader, Frame, Track, in_chunks};
use crate::analysis::statistics::blocks::Estimate;
use crate::analysis::statistics::tica::{Covariances, EPSILON, Tica};
use crate::{Error, Result};

use super::columns::{Columns, TICS};
use super::correlation::{self, Blocking};
use super::log::Log;
use super::options::Analyze;
use super::source::Source;
use super::table::{Cell, Table, cells};

/// About the most frames whose covariances are taken.
const MOST_FRAMES: u64 = 100_000;

/// The most features.
const MOST_FEATURES: usize = 128;

/// The most time scales in the table.
const MOST_SCALES: usize = 5;

/// Frames of a chunk: its features are in memory.
const CHUNK: u64 = 256;

/// The components of TICA that are written, and their time scales.
pub(super) struct Components {
    pub(super) features: Distances,
    pub(super) tica: Tica,
    lags: Vec<usize>,
    /// The time between the frames of TICA, ps.
    interval: f64,
    scales: Vec<Vec<Option<Estimate>>>,
}

impl Components {
    /// The components for the lag time of the options, or a tenth of the correlation time of q or rg;
    /// `None` if there is a reason, which the log tells.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a lag time that the trajectories do not have; those of the trajectories.
    pub(super) fn find(
        options: &Analyze,
        source: &Source,
        columns: &Columns,
        blocking: &Blocking,
        log: &mut Log,
    ) -> Result<Option<Self>> {
        match Self::new(options, source, columns, blocking, log)? {
            Ok(components) => Ok(Some(components)),
            Err(reason) => {
                log.note(format!("no TICA: {reason}"));
                match options.lag {
                    Some(lag) => Err(Error::invalid("lag", lag, format!("none: {reason}"))),
                    None => Ok(None),
                }
            }
        }
    }

    /// The components, or the reason why there are none.
    fn new(
        options: &Analyze,
        source: &Source,
        columns: &Columns,
        blocking: &Blocking,
        log: &mut Log,
    ) -> Result<std::result::Result<Self, &'static str>> {
        let without = |reason| Ok(Err(reason));
        if !source.facts.iter().all(|facts| facts.is_continuous) {
            return without("frames of the states of a ladder do not follow each other in time");
        }
        let Some(between) = source.interval() else {
            return without("the time between frames is not known, or differs");
        };
        let features = Distances::new(&source.molecule.of_chain(), MOST_FEATURES);
        if features.pairs.len() < 2 {
            return without("the molecule has too few beads");
        }
        let total: u64 = source.tracks.iter().map(Track::chosen).sum();
        let every = total.div_ceil(MOST_FRAMES).max(1);
        let interval = between * every as f64;
        let longest = source.tracks.iter().map(|track| track.chosen().div_ceil(every)).max();
        let longest = longest.unwrap_or_default() as usize;
        if longest < 20 {
            return without("the trajectories have fewer than 20 frames");
        }
        let name = columns.names[correlation::judged(columns)];
        let time = match blocking.time {
            Some(time) => time * between,
            None => correlation::along_trajectories(source, columns)? * between,
        };
        let lag = lag(options.lag, time, interval, longest)?;
        let lags = around(lag, longest / 2);
        let why = match options.lag {
            Some(_) => "as given".to_owned(),
            None => format!(
                "a tenth of the correlation time of {name}, {time:.3} ps, at least one frame"
            ),
        };
        let frames = match every {
            1 => "all frames".to_owned(),
            n => format!("one of {n} frames"),
        };
        log.note(format!(
            "TICA: {} distances, lag time {:.3} ps ({why}), {frames}",
            features.pairs.len(),
            lag as f64 * interval
        ));
        if source.is_exchanged() {
            log.note(
                "TICA: replicas change their temperature, so its time scales are those of exchange",
            );
        }
        let covariances = covariances(source, &features, &lags, every, blocking.count)?;
        let place = lags.iter().position(|of| *of == lag).unwrap_or_default();
        let tica = covariances.tica(place, EPSILON).filter(|tica| tica.eigenvalues().len() >= 2);
        let Some(tica) = tica else { return without("the distances do not change enough") };
        let n_scales = MOST_SCALES.min(tica.eigenvalues().len());
        let scales = covariances.time_scales(n_scales, EPSILON);
        Ok(Ok(Components { features, tica, lags, interval, scales }))
    }

    /// Writes `tica_time_scales` and `tica_features`.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let n_scales = self.scales.first().map_or(0, Vec::len);
        let mut table = Table::new(["lag_ps"]);
        for k in 1..=n_scales {
            table.columns.extend([format!("time_scale_{k}_ps"), format!("error_{k}_ps")]);
        }
        for (lag, scales) in self.lags.iter().zip(&self.scales) {
            let in_ps = |of: &Option<Estimate>| {
                let scaled = of.as_ref().map(|of| Estimate {
                    value: of.value * self.interval,
                    error: of.error.map(|error| error * self.interval),
                });
                cells(scaled)
            };
            let first = Cell::from(*lag as f64 * self.interval);
            table.rows.push([first].into_iter().chain(scales.iter().flat_map(in_ps)).collect());
        }
        table.write(folder, "tica_time_scales")?;
        let mut table = Table::new(["feature", "weight_1", "weight_2"]);
        let weights = [0, 1].map(|component| self.tica.correlations(component));
        for (k, [i, j]) in self.features.pairs.iter().enumerate() {
            let name = Cell::Text(format!("distance_{i}_{j}"));
            table.rows.push(vec![name, weights[0][k].into(), weights[1][k].into()]);
        }
        table.write(folder, "tica_features")
    }

    /// Appends the components of a frame. `row` is room for features.
    pub(super) fn project(&self, positions: &[[f64; 3]], row: &mut Vec<f64>, to: &mut Vec<f64>) {
        row.clear();
        self.features.add(positions, row);
        let mut components = [0.0; TICS.len()];
        self.tica.project_into(row, &mut components);
        to.extend(components);
    }
}

/// The lag time in frames of TICA: that which is given, or a tenth of a correlation time, in ps.
fn lag(given: Option<f64>, time: f64, interval: f64, longest: usize) -> Result<usize> {
    let Some(lag) = given else {
        let usual = (0.1 * time / interval).round();
        return Ok(usual.clamp(1.0, (longest / 20).max(1) as f64) as usize);
    };
    let frames = (lag / interval).round();
    let most = (longest / 2) as f64;
    match (1.0..=most).contains(&frames) {
        true => Ok(frames as usize),
        false => {
            let expected = format!("a time from {interval} to {} ps", interval * most);
            Err(Error::invalid("lag", lag, expected))
        }
    }
}

/// Five lag times from a quarter of one on, each about twice the one before; at most `most`, in frames.
fn around(lag: usize, most: usize) -> Vec<usize> {
    let smaller = [lag / 4, lag / 2].into_iter().filter(|n| *n > 0);
    let larger = (0..).map(|k| lag << k);
    smaller.chain(larger).take(5).filter(|n| *n == lag || *n <= most).collect()
}

/// The covariances of the distances in every `every`th frame.
fn covariances(
    source: &Source,
    features: &Distances,
    lags: &[usize],
    every: u64,
    n_blocks: usize,
) -> Result<Covariances> {
    let mut covariances = Covariances::new(features.pairs.len(), lags)?;
    let cut = source.cut(n_blocks);
    let n = features.pairs.len();
    let read = |_, reader: &mut ChunkReader| {
        let mut rows = Vec::new();
        while let Some(Frame { positions, .. }) = reader.read()? {
            features.add(positions, &mut rows);
        }
        Ok(rows)
    };
    in_chunks(&source.tracks, every, CHUNK, read, |chunk, rows: Vec<f64>| {
        if chunk.start == 0 {
            covariances.begin();
        }
        let block = |k: usize| cut.block(chunk.track, (chunk.start + k as u64) * every);
        let mut from = 0;
        for to in 1..=chunk.n as usize {
            if to == chunk.n as usize || block(to) != block(from) {
                covariances.push(block(from), &rows[from * n..to * n]);
                from = to;
            }
        }
        Ok(())
    })?;
    Ok(covariances)
}
