//! The pass over all frames, which writes the table of the series.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::analysis::frames::{CHUNK, Chunk, ChunkReader, Frame, Track, in_chunks};
use crate::analysis::measures::{Measured, Room};
use crate::io::npy_header;
use crate::output::csv_cell;
use crate::{Error, Result};

use super::beads::Sums;
use super::columns::Columns;
use super::log::{Log, bar};
use super::samples::{Averages, Samples};
use super::source::Source;
use super::tica::Components;
use super::transitions::Transitions;

/// The most samples in memory.
const MOST_SAMPLES: u64 = 1 << 17;

/// The most numbers of reduced potentials in memory.
const MOST_POTENTIALS: u64 = 1 << 21;

/// The results of the pass.
pub(super) struct Series {
    pub(super) samples: Samples,
    pub(super) averages: Averages,
    pub(super) sums: Sums,
    pub(super) transitions: Transitions,
}

/// The results of a chunk.
#[derive(Default)]
struct Part {
    measured: Measured,
    text: Vec<u8>,
    array: Vec<u8>,
    times: Vec<f64>,
    states: Vec<u16>,
    biases: Vec<f64>,
}

/// The pass over all frames: its input, and the quantities that it computes.
pub(super) struct Pass<'a> {
    pub(super) source: &'a Source,
    pub(super) columns: &'a Columns,
    pub(super) tica: Option<&'a Components>,
    pub(super) n_blocks: usize,
}

impl Pass<'_> {
    /// Reads all frames, and writes `series.csv` and `series.npy`. `go_on` is asked after each chunk.
    pub(super) fn write(
        &self,
        folder: &Path,
        log: &mut Log,
        go_on: &dyn Fn() -> Result<()>,
    ) -> Result<Series> {
        let Pass { source, columns, tica, n_blocks } = *self;
        let names = columns.all(tica.is_some());
        let total: u64 = source.tracks.iter().map(Track::chosen).sum();
        let n_states = source.states.len();
        let most = match source.is_biased() {
            true => MOST_SAMPLES.min(MOST_POTENTIALS / n_states as u64),
            false => MOST_SAMPLES,
        };
        let every = total.div_ceil(most.max(1)).max(1);
        log.frames(total, every);
        let cut = source.cut(n_blocks);
        let mut out = Files::create(folder, &names, total)?;
        // One more column tells whether a frame is folded.
        let n_columns = names.len() + usize::from(columns.core.is_some());
        let mut series = Series {
            samples: Samples::new(source, every, n_columns),
            averages: Averages::new(n_states, n_blocks, n_columns),
            sums: Sums::default(),
            transitions: Transitions::new(source, columns)?,
        };
        let bar = bar(total);
        let read = |chunk: Chunk, reader: &mut ChunkReader| self.read(chunk, reader, every);
        in_chunks(&source.tracks, 1, CHUNK, read, |chunk, part: Part| {
            out.add(&part)?;
            let rows = || part.measured.values.chunks_exact(names.len());
            for (k, values) in rows().enumerate() {
                let chosen = chunk.start + k as u64;
                let (state, block) = (usize::from(part.states[k]), cut.block(chunk.track, chosen));
                let folded = columns.core.map(|core| columns.folded(values[core]));
                let all = || values.iter().copied().chain(folded);
                series.averages.add(state, block, all());
                if chosen.is_multiple_of(every) {
                    series.samples.add(state, block, all());
                }
            }
            if let Some(core) = columns.core {
                let of_core = rows().map(|values| values[core]);
                series.transitions.add(source, chunk, part.times.iter().copied().zip(of_core));
            }
            series.samples.biases.extend(&part.biases);
            series.sums.add(&part.measured, chunk.n);
            bar.inc(chunk.n);
            go_on()
        })?;
        bar.finish_and_clear();
        out.finish()?;
        series.samples.read_potentials(source)?;
        Ok(series)
    }

    /// The results of a chunk. Every `every`th frame is a sample, which has energies of biases.
    fn read(&self, chunk: Chunk, reader: &mut ChunkReader, every: u64) -> Result<Part> {
        let Pass { source, columns, tica, .. } = *self;
        let (track, facts) = (&source.tracks[chunk.track], &source.facts[chunk.track]);
        let (mut part, mut room, mut row) = (Part::default(), Room::default(), Vec::new());
        let (mut chosen, name) = (chunk.start, csv_cell(&track.name));
        while let Some(Frame { number, stamp, positions }) = reader.read()? {
            let first = part.measured.values.len();
            columns.measures.add(positions, &mut room, &mut part.measured);
            if let Some(tica) = tica {
                tica.project(positions, &mut row, &mut part.measured.values);
            }
            let (time, state) = (facts.clock.time(number, stamp), facts.states.of(number));
            if source.is_biased() && chosen.is_multiple_of(every) {
                part.biases.extend(source.states.iter().map(|state| state.bias(positions)));
            }
            let values = &part.measured.values[first..];
            // Writing to memory does not fail.
            let _ = write!(part.text, "{name},{number},");
            let _ = if time.is_finite() { write!(part.text, "{time:.6}") } else { Ok(()) };
            let _ = write!(part.text, ",{state}");
            values.iter().for_each(|value| drop(write!(part.text, ",{value:.6}")));
            part.text.push(b'\n');
            let numbers = [facts.trajectory as f64, number as f64, time, f64::from(state)];
            part.array.extend(numbers.iter().chain(values).flat_map(|x| x.to_le_bytes()));
            part.times.push(time);
            part.states.push(state);
            chosen += 1;
        }
        Ok(part)
    }
}

/// `series.csv` and `series.npy`.
struct Files {
    text: BufWriter<File>,
    array: BufWriter<File>,
    folder: PathBuf,
}

impl Files {
    fn create(folder: &Path, names: &[&str], n_rows: u64) -> Result<Self> {
        let create = |name: &str| {
            let path = folder.join(name);
            File::create(&path).map(BufWriter::new).map_err(|error| Error::io(&path, error))
        };
        let columns = ["trajectory", "frame", "time_ps", "state"];
        let columns: Vec<&str> = columns.iter().chain(names).copied().collect();
        let mut files = Files {
            text: create("series.csv")?,
            array: create("series.npy")?,
            folder: folder.into(),
        };
        let text = (columns.join(",") + "\n").into_bytes();
        let array = npy_header(&[n_rows, columns.len() as u64]);
        files.add(&Part { text, array, ..Part::default() })?;
        Ok(files)
    }

    fn add(&mut self, part: &Part) -> Result<()> {
        let written = self.text.write_all(&part.text).and(self.array.write_all(&part.array));
        written.map_err(|error| Error::io(&self.folder, error))
    }

    fn finish(mut self) -> Result<()> {
        let written = self.text.flush().and(self.array.flush());
        written.map_err(|error| Error::io(&self.folder, error))
    }
}
