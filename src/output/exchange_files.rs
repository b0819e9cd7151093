//! The files of replica exchange.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::names;
use super::new_paths::Creation;
use crate::engine::{Dynamics, Exchange, Exchanged, NO_LABEL, State};
use crate::error::{Error, Result};
use crate::io::{Axes, GrowingFile, NpyRows, counts, rewrite};
use crate::simulation::Frame;
use crate::units;

/// The columns of the array of samples: walker, state, step.
const SAMPLE: Axes = Axes::RowsFirst(3);

/// The files of replica exchange: see [`Output`](super::Output).
#[derive(Debug)]
pub(super) struct ExchangeFiles {
    folder: PathBuf,
    replica_ids: Vec<u32>,
    exchange: Exchange,
    states: GrowingFile,
    samples: Vec<Samples>,
}

/// The samples of one ladder.
#[derive(Debug)]
struct Samples {
    u_kn: NpyRows,
    samples: NpyRows,
    n_k: Vec<u64>,
    /// The states of the samples of the last frame: all but those of frozen replicas.
    drawn: Vec<usize>,
}

/// How far the files of replica exchange have come, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeLengths {
    /// `states.csv`.
    states: u64,
    ladders: Vec<SampleLengths>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SampleLengths {
    u_kn: u64,
    samples: u64,
    n_k: Vec<u64>,
}

impl ExchangeFiles {
    /// Creates the files, without samples.
    pub(super) fn create(
        folder: &Path,
        dynamics: &Dynamics,
        exchange: &Exchange,
        state: &State,
        creation: &mut Creation,
    ) -> Result<Self> {
        let states = creation.file(folder.join(names::STATES), GrowingFile::create)?;
        let mut samples = Vec::new();
        for (l, ladder) in exchange.ladders.iter().enumerate() {
            let n = ladder.n_states();
            let [u_kn, rows] = [names::U_KN, names::SAMPLES].map(|what| names::of_ladder(l, what));
            samples.push(Samples {
                u_kn: creation.file(folder.join(u_kn), |path| {
                    NpyRows::create(path, "<f8", Axes::RowsLast(n))
                })?,
                samples: creation
                    .file(folder.join(rows), |path| NpyRows::create(path, "<i8", SAMPLE))?,
                n_k: vec![0; n],
                drawn: Vec::new(),
            });
        }
        let replica_ids = dynamics.replica_ids.clone();
        let (folder, of_files) = (folder.to_owned(), exchange.clone());
        let mut files = ExchangeFiles { folder, replica_ids, exchange: of_files, states, samples };
        files.summary(&state.exchanged).into_iter().for_each(|(path, _)| creation.new.add(path));
        files.summarize(exchange, &state.exchanged)?;
        let columns: String =
            files.replica_ids.iter().map(|id| format!(",replica_{id:04}")).collect();
        files.states.append(format!("step{columns}\n").as_bytes())?;
        files.exchanged(state.step, &state.exchanged.label)?;
        Ok(files)
    }

    /// Checks that the files of an earlier run have at least the given lengths.
    pub(super) fn check(folder: &Path, exchange: &Exchange, to: &ExchangeLengths) -> Result<()> {
        let shape = |ladders: &[SampleLengths]| -> Vec<usize> {
            ladders.iter().map(|of| of.n_k.len()).collect()
        };
        let expected: Vec<usize> = exchange.ladders.iter().map(|of| of.n_states()).collect();
        if shape(&to.ladders) != expected {
            let found = format!("{:?}", shape(&to.ladders));
            return Err(Error::invalid("n_k", found, format!("{expected:?} states")));
        }
        GrowingFile::check(&folder.join(names::STATES), to.states)?;
        for (l, of) in to.ladders.iter().enumerate() {
            for (what, length) in [(names::U_KN, of.u_kn), (names::SAMPLES, of.samples)] {
                GrowingFile::check(&folder.join(names::of_ladder(l, what)), length)?;
            }
        }
        Ok(())
    }

    /// Cuts the files of an earlier run to the given lengths.
    pub(super) fn resume(
        folder: &Path,
        dynamics: &Dynamics,
        exchange: &Exchange,
        to: &ExchangeLengths,
    ) -> Result<Self> {
        let mut samples = Vec::new();
        for (l, of) in to.ladders.iter().enumerate() {
            let path = |what| folder.join(names::of_ladder(l, what));
            let axes = Axes::RowsLast(of.n_k.len());
            samples.push(Samples {
                u_kn: NpyRows::resume(&path(names::U_KN), "<f8", axes, of.u_kn)?,
                samples: NpyRows::resume(&path(names::SAMPLES), "<i8", SAMPLE, of.samples)?,
                n_k: of.n_k.clone(),
                drawn: Vec::new(),
            });
        }
        Ok(ExchangeFiles {
            folder: folder.to_owned(),
            replica_ids: dynamics.replica_ids.clone(),
            exchange: exchange.clone(),
            states: GrowingFile::resume(&folder.join(names::STATES), to.states)?,
            samples,
        })
    }

    pub(super) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Goes on after the folder was moved.
    pub(super) fn move_to(&mut self, folder: &Path) {
        self.folder = folder.to_owned();
        self.states.move_to(folder);
        self.of_frames().for_each(|file| file.move_to(folder));
    }

    pub(super) fn lengths(&self) -> ExchangeLengths {
        let of_ladder = |of: &Samples| SampleLengths {
            u_kn: of.u_kn.committed(),
            samples: of.samples.committed(),
            n_k: of.n_k.clone(),
        };
        ExchangeLengths {
            states: self.states.committed(),
            ladders: self.samples.iter().map(of_ladder).collect(),
        }
    }

    /// Appends the samples of a frame, provisionally.
    pub(super) fn append(&mut self, frame: &Frame) -> Result<()> {
        let holders = self.exchange.holders(frame.label);
        for ((of, ladder), holders) in
            self.samples.iter_mut().zip(&self.exchange.ladders).zip(holders)
        {
            let moving = |state: &usize| !frame.frozen.contains_key(&holders[*state]);
            of.drawn = (0..holders.len()).filter(moving).collect();
            // Biases are 0 where there are none, so that they do not change the bits.
            let of_biases = |k: usize, r: usize| frame.bias_levels.get(k).map_or(0.0, |of| of[r]);
            let reduced = |r: usize| {
                let of_state = move |(k, beta): (usize, &f64)| {
                    (beta * (frame.potential[r] + of_biases(k, r))).to_le_bytes()
                };
                ladder.beta.iter().enumerate().map(of_state)
            };
            of.u_kn.append(of.drawn.iter().flat_map(|state| reduced(holders[*state])))?;
            let rows = of.drawn.iter().flat_map(|state| {
                [u64::from(self.replica_ids[holders[*state]]), *state as u64, frame.step]
            });
            of.samples.append(rows.map(u64::to_le_bytes))?;
        }
        Ok(())
    }

    /// The files of samples.
    pub(super) fn of_frames(&mut self) -> impl Iterator<Item = &mut GrowingFile> {
        self.samples.iter_mut().flat_map(|of| [of.u_kn.file(), of.samples.file()])
    }

    /// Counts the samples of a frame, which were kept.
    pub(super) fn count_samples(&mut self) {
        for of in &mut self.samples {
            of.drawn.iter().for_each(|state| of.n_k[*state] += 1);
        }
    }

    /// Appends the labels after an exchange.
    pub(super) fn exchanged(&mut self, step: u64, label: &[u32]) -> Result<()> {
        let mut row = step.to_string();
        for label in label {
            let _ = match *label {
                NO_LABEL => write!(row, ","),
                label => write!(row, ",{label}"),
            };
        }
        row.push('\n');
        let appended = self.states.append(row.as_bytes());
        match appended {
            Ok(()) => self.states.commit(),
            // The caller needs the first error.
            Err(_) => drop(self.states.undo()),
        }
        appended
    }

    /// Waits until the storage holds all rows and samples.
    pub(super) fn sync(&mut self) -> Result<()> {
        for of in &mut self.samples {
            of.u_kn.sync()?;
            of.samples.sync()?;
        }
        self.states.sync()
    }

    /// Replaces the files that sum up all exchanges, for ladders that may have been tuned.
    pub(super) fn summarize(&mut self, exchange: &Exchange, exchanged: &Exchanged) -> Result<()> {
        self.exchange = exchange.clone();
        for (path, bytes) in self.summary(exchanged) {
            rewrite(&path, &bytes)?;
        }
        Ok(())
    }

    /// The files that sum up all exchanges.
    fn summary(&self, exchanged: &Exchanged) -> Vec<(PathBuf, Vec<u8>)> {
        let mut ladders = "ladder,state,temperature_K\n".to_owned();
        let mut acceptance = "ladder,state_a,state_b,tries,accepted,acceptance\n".to_owned();
        let mut trips = "replica,ladder,round_trips\n".to_owned();
        let round_trips = exchanged.round_trips();
        let mut files = Vec::new();
        for (l, ladder) in self.exchange.ladders.iter().enumerate() {
            let n = ladder.n_states();
            for (k, beta) in ladder.beta.iter().enumerate() {
                let _ = writeln!(ladders, "{l},{k},{:.6}", units::kelvin(*beta));
            }
            let tally = self.exchange.tally(exchanged, l);
            for (a, b) in (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b))) {
                let (accepted, rejected) = (tally[a * n + b], tally[b * n + a]);
                let tries = u64::from(accepted) + u64::from(rejected);
                if tries > 0 {
                    let rate = f64::from(accepted) / tries as f64;
                    let _ = writeln!(acceptance, "{l},{a},{b},{tries},{accepted},{rate:.6}");
                }
            }
            for walker in &ladder.walkers {
                let (id, trips_of) = (self.replica_ids[*walker], round_trips[*walker]);
                let _ = writeln!(trips, "{id},{l},{trips_of}");
            }
            let n_k = names::of_ladder(l, names::N_K);
            files.push((self.folder.join(n_k), counts(&self.samples[l].n_k)));
        }
        let texts = [
            (names::LADDERS, ladders),
            (names::ACCEPTANCE, acceptance),
            (names::ROUND_TRIPS, trips),
        ];
        files.extend(texts.map(|(name, text)| (self.folder.join(name), text.into_bytes())));
        files
    }
}
