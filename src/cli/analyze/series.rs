//! The pass over all frames: the table of the series, the samples in memory, and sums over all frames.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use flashschnet::analysis::frames::{CHUNK, Chunk, ChunkReader, Frame, Track, in_chunks};
use flashschnet::analysis::measures::{Fluctuations, Measured, Room};
use flashschnet::analysis::statistics::events::{Cores, Event, Passages};
use flashschnet::io::npy_header;
use flashschnet::output::csv_cell;
use flashschnet::{Error, Result};

use super::columns::Columns;
use super::cut::Cut;
use super::log::{Log, bar};
use super::options::Analyze;
use super::source::{Source, States};
use super::table::{Cell, Table};
use super::tica::Components;

/// The most samples in memory.
const MOST_SAMPLES: u64 = 1 << 17;

/// The most numbers of reduced potentials in memory.
const MOST_POTENTIALS: u64 = 1 << 21;

/// The frames that statistics work on: every `every`th chosen frame.
pub(super) struct Samples {
    pub(super) every: u64,
    /// The first sample of each trajectory, and the number of all.
    pub(super) starts: Vec<usize>,
    pub(super) state: Vec<usize>,
    pub(super) block: Vec<usize>,
    /// The values of each column of quantities.
    pub(super) columns: Vec<Vec<f64>>,
    /// kcal/mol; empty if there are none.
    pub(super) potential: Vec<f64>,
    /// The energies of the biases of each state in each sample, sample after sample, kcal/mol; empty
    /// without biases.
    pub(super) biases: Vec<f64>,
}

/// Sums over all frames by state, block and column.
pub(super) struct Averages {
    n_columns: usize,
    n_blocks: usize,
    /// Number of frames and sum of values.
    sums: Vec<(u64, f64)>,
}

impl Averages {
    fn place(&self, state: usize, block: usize, column: usize) -> usize {
        (state * self.n_blocks + block) * self.n_columns + column
    }

    /// The number of frames and the sum of values of a column in each block of a state.
    pub(super) fn blocks(&self, state: usize, column: usize) -> impl Iterator<Item = (u64, f64)> {
        (0..self.n_blocks).map(move |block| self.sums[self.place(state, block, column)])
    }
}

/// Contacts and fluctuations of all frames.
pub(super) struct Sums {
    counts: Vec<u64>,
    fluctuations: Fluctuations,
    n_frames: u64,
}

/// Folding and unfolding: one for each state, and one for the trajectories that change their state.
pub(super) struct Transitions {
    pub(super) passages: Vec<Passages>,
    /// The trajectory of each event.
    pub(super) events: Vec<(String, Event)>,
    /// Whether the coordinate and the times are known.
    pub(super) reason: Option<String>,
}

pub(super) struct Series {
    pub(super) samples: Samples,
    pub(super) averages: Averages,
    pub(super) sums: Sums,
    pub(super) passages: Transitions,
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

/// Reads all frames, and writes `series.csv` and `series.npy`. `go_on` is asked after each chunk.
pub(super) fn write(
    options: &Analyze,
    source: &Source,
    columns: &Columns,
    tica: Option<&Components>,
    folder: &Path,
    log: &mut Log,
    go_on: &dyn Fn() -> Result<()>,
) -> Result<Series> {
    let names = columns.all(tica.is_some());
    let n_columns = names.len();
    let total: u64 = source.tracks.iter().map(Track::chosen).sum();
    let n_states = source.states.len();
    let is_biased = source.states.iter().any(|state| !state.biases.is_empty());
    let most = match is_biased {
        true => MOST_SAMPLES.min(MOST_POTENTIALS / n_states as u64),
        false => MOST_SAMPLES,
    };
    let every = total.div_ceil(most.max(1)).max(1);
    log.frames(total, every);
    let cut = Cut::new(source, options.blocks);
    let mut out = Files::create(folder, &names, total)?;

    let read = |chunk: Chunk, reader: &mut ChunkReader| {
        let (track, facts) = (&source.tracks[chunk.track], &source.facts[chunk.track]);
        let (mut part, mut room, mut row) = (Part::default(), Room::default(), Vec::new());
        let (mut chosen, name) = (chunk.start, csv_cell(&track.name));
        while let Some(Frame { number: frame, stamp, positions }) = reader.read()? {
            let first = part.measured.values.len();
            columns.measures.add(positions, &mut room, &mut part.measured);
            if let Some(tica) = tica {
                tica.project(positions, &mut row, &mut part.measured.values);
            }
            let (time, state) = (facts.clock.time(frame, stamp), facts.states.of(frame));
            if is_biased && chosen.is_multiple_of(every) {
                part.biases.extend(source.states.iter().map(|state| state.bias(positions)));
            }
            let values = &part.measured.values[first..];
            let _ = write!(part.text, "{name},{frame},");
            let _ = if time.is_finite() { write!(part.text, "{time:.6}") } else { Ok(()) };
            let _ = write!(part.text, ",{state}");
            values.iter().for_each(|value| drop(write!(part.text, ",{value:.6}")));
            part.text.push(b'\n');
            let numbers = [chunk.track as f64, frame as f64, time, f64::from(state)];
            let numbers = numbers.iter().chain(values);
            part.array.extend(numbers.flat_map(|x| x.to_le_bytes()));
            part.times.push(time);
            part.states.push(state);
            chosen += 1;
        }
        Ok(part)
    };

    let cores = Cores { folded: columns.cores[0], unfolded: columns.cores[1] };
    let mut passages = Vec::new();
    for _ in 0..=n_states {
        passages.push(Passages::new(cores)?);
    }
    let has_times = source.facts.iter().all(|facts| facts.clock.between(0, 1).is_some());
    let is_continuous = source.facts.iter().all(|facts| facts.is_continuous);
    let reason = match (columns.core, has_times, is_continuous) {
        (None, ..) => Some("there is no reference"),
        (_, false, _) => Some("the times of frames are not known"),
        (_, _, false) => Some("frames of the states of a ladder do not follow each other in time"),
        _ => None,
    };
    let of_track = |track: &Track| track.chosen().div_ceil(every) as usize;
    let n_samples = source.tracks.iter().map(of_track).sum();
    // One more column tells whether a frame is folded.
    let n_extra = usize::from(columns.core.is_some());
    let mut series = Series {
        samples: Samples {
            every,
            starts: vec![0],
            state: Vec::with_capacity(n_samples),
            block: Vec::with_capacity(n_samples),
            columns: (0..n_columns + n_extra).map(|_| Vec::with_capacity(n_samples)).collect(),
            potential: Vec::new(),
            biases: Vec::new(),
        },
        averages: Averages {
            n_columns: n_columns + n_extra,
            n_blocks: options.blocks,
            sums: vec![(0, 0.0); n_states * options.blocks * (n_columns + n_extra)],
        },
        sums: Sums {
            counts: vec![0; columns.measures.contacts.n_pairs()],
            fluctuations: Fluctuations::default(),
            n_frames: 0,
        },
        passages: Transitions { passages, events: Vec::new(), reason: reason.map(str::to_owned) },
    };
    let core = columns.core;
    for track in &source.tracks {
        let start = series.samples.starts.last().copied().unwrap_or_default();
        series.samples.starts.push(start + of_track(track));
    }
    let bar = bar(total);
    in_chunks(&source.tracks, 1, CHUNK, read, |chunk, part: Part| {
        out.add(&part)?;
        let facts = &source.facts[chunk.track];
        let passages = match facts.states {
            States::All(state) if !facts.is_exchanged => usize::from(state),
            _ => n_states,
        };
        if chunk.start == 0 {
            series.passages.passages[passages].begin();
        }
        for (k, values) in part.measured.values.chunks_exact(n_columns).enumerate() {
            let chosen = chunk.start + k as u64;
            let state = usize::from(part.states[k]);
            let block = cut.block(chunk.track, chosen);
            let place = series.averages.place(state, block, 0);
            let folded = core.map(|core| f64::from(u8::from(columns.is_folded(values[core]))));
            let all = || values.iter().copied().chain(folded);
            for (sum, value) in series.averages.sums[place..].iter_mut().zip(all()) {
                *sum = (sum.0 + 1, sum.1 + value);
            }
            if let Some(core) = core.filter(|_| reason.is_none())
                && let Some(event) =
                    series.passages.passages[passages].push(part.times[k], values[core])
            {
                let name = source.tracks[chunk.track].name.clone();
                series.passages.events.push((name, event));
            }
            if chosen.is_multiple_of(every) {
                let samples = &mut series.samples;
                samples.state.push(state);
                samples.block.push(block);
                samples.columns.iter_mut().zip(all()).for_each(|(of, value)| of.push(value));
            }
        }
        series.samples.biases.extend(&part.biases);
        let sums = &mut series.sums;
        sums.counts.iter_mut().zip(&part.measured.counts).for_each(|(n, m)| *n += u64::from(*m));
        sums.fluctuations.join(&part.measured.fluctuations);
        sums.n_frames += chunk.n;
        bar.inc(chunk.n);
        go_on()
    })?;
    bar.finish_and_clear();
    out.finish()?;
    series.samples.potential = potentials(source, &series.samples)?;
    Ok(series)
}

/// The potential energies of the samples; empty if there is no run.
fn potentials(source: &Source, samples: &Samples) -> Result<Vec<f64>> {
    if source.runs.is_empty() {
        return Ok(Vec::new());
    }
    let n = samples.state.len();
    let mut all = vec![f64::NAN; n];
    for run in &source.runs {
        run.potentials(|track, row, potential| {
            let of = &source.tracks[track];
            let every = (of.frame(1) - of.frame(0)) * samples.every;
            let at = row.checked_sub(of.frame(0)).filter(|at| at.is_multiple_of(every));
            let place = at.map(|at| samples.starts[track] + (at / every) as usize);
            if let Some(place) = place.filter(|place| *place < samples.starts[track + 1]) {
                all[place] = potential;
            }
        })?;
    }
    Ok(all)
}

/// `series.csv` and `series.npy`.
struct Files {
    text: BufWriter<File>,
    array: BufWriter<File>,
    folder: std::path::PathBuf,
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

impl Sums {
    /// Writes `rmsf`, `contacts` and the reference.
    pub(super) fn write(&self, source: &Source, columns: &Columns, folder: &Path) -> Result<()> {
        let molecule = &source.molecule;
        let mut table = Table::new(["bead", "residue", "name", "rmsf_A"]);
        for (bead, rmsf) in columns.beads.iter().zip(self.fluctuations.rmsf()) {
            let number = Cell::Text(molecule.0[*bead as usize].number.clone());
            let name = Cell::Text(molecule.name(*bead));
            table.rows.push(vec![u64::from(*bead).into(), number, name, rmsf.into()]);
        }
        table.write(folder, "rmsf")?;
        let contacts = &columns.measures.contacts;
        let native = columns.reference.as_ref().map(|(_, positions)| contacts.of(positions));
        let mut table = Table::new(["i", "j", "frequency"]);
        table.columns.extend(native.is_some().then(|| "native".to_owned()));
        let n_beads = molecule.n_beads();
        let mut matrix = vec![f64::NAN; n_beads * n_beads];
        for (k, [i, j]) in contacts.pairs().enumerate() {
            let frequency = self.counts[k] as f64 / self.n_frames.max(1) as f64;
            let native = native.as_ref().map(|native| u64::from(native[k]).into());
            let row = [u64::from(i).into(), u64::from(j).into(), frequency.into()];
            table.rows.push(row.into_iter().chain(native).collect());
            let (i, j) = (i as usize, j as usize);
            (matrix[i * n_beads + j], matrix[j * n_beads + i]) = (frequency, frequency);
        }
        let mut bytes = npy_header(&[n_beads as u64; 2]);
        bytes.extend(matrix.iter().flat_map(|x| x.to_le_bytes()));
        table.write_with(folder, "contacts", &bytes)?;
        if let Some((_, positions)) = &columns.reference {
            let text = molecule.pdb(&molecule.of_chain(), positions);
            flashschnet::io::write_new(&folder.join("native.pdb"), text.as_bytes())?;
        }
        Ok(())
    }
}
