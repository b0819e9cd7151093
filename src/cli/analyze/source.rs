//! The trajectories to analyze, with all that is known of their frames.

use std::path::{Path, PathBuf};

use crate::analysis::frames::{Stamp, Track};
use crate::analysis::statistics::blocks::{Cut, Group};
use crate::bias::Bias;
use crate::{Error, Result, units};

use super::molecule::Molecule;
use super::options::{Analyze, CONTACTS, USUAL_CONTACTS};
use super::rows::{Run, Steps};

/// A thermodynamic state from which frames are drawn.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    /// K; `None` if it is not known or changes.
    pub(super) temperature: Option<f64>,
    /// The biases that act, each with the numbers of this state alone.
    pub(super) biases: Vec<Bias>,
}

impl State {
    /// 1/(k_B T), mol/kcal.
    pub(super) fn beta(&self) -> Option<f64> {
        self.temperature.map(units::beta)
    }

    /// The energy of the biases, kcal/mol.
    pub(super) fn bias(&self, positions: &[[f64; 3]]) -> f64 {
        self.biases.iter().map(|bias| bias.value_and_energy(positions, 0, 0)[1]).sum()
    }
}

/// The states of the frames of a trajectory, by number.
#[derive(Debug, Clone)]
pub(super) enum States {
    All(u16),
    Each(Vec<u16>),
}

impl States {
    pub(super) fn of(&self, frame: u64) -> u16 {
        match self {
            States::All(state) => *state,
            States::Each(states) => states.get(frame as usize).copied().unwrap_or_default(),
        }
    }
}

/// The relative error of times, which files tell in f32.
const ROUNDING: f64 = 2.0 * f32::EPSILON as f64;

/// The times of the frames of a trajectory.
#[derive(Debug, Clone)]
pub(super) enum Clock {
    /// Steps, and the time step in ps.
    Steps(Steps, f64),
    /// The time between frames, ps.
    Every(f64),
    /// The file tells them: the first one, and the distance if there are more, ps.
    File {
        start: f64,
        interval: Option<f64>,
    },
    /// The file tells them, and their distances differ.
    Uneven,
    Unknown,
}

impl Clock {
    /// ps; NaN if it is not known.
    pub(super) fn time(&self, frame: u64, stamp: Stamp) -> f64 {
        match self {
            Clock::Steps(steps, dt) => steps.get(frame) as f64 * dt,
            Clock::Every(interval) => frame as f64 * interval,
            Clock::File { .. } | Clock::Uneven => stamp.map_or(f64::NAN, |(_, time)| time),
            Clock::Unknown => f64::NAN,
        }
    }

    /// The time of a frame, counted from the first one, ps; `None` if the clock alone does not tell it.
    pub(super) fn at(&self, frame: u64) -> Option<f64> {
        match self {
            Clock::Steps(..) | Clock::Every(_) => Some(self.time(frame, None)),
            Clock::File { start, interval } => Some(start + frame as f64 * interval.unwrap_or(0.0)),
            Clock::Uneven | Clock::Unknown => None,
        }
    }

    /// Whether frames follow each other at known times.
    pub(super) fn tells_order(&self) -> bool {
        self.at(0).is_some()
    }

    /// The time between two frames, ps.
    pub(super) fn between(&self, first: u64, second: u64) -> Option<f64> {
        let time = match self {
            Clock::Steps(..) => self.time(second, None) - self.time(first, None),
            Clock::Every(interval) => (second - first) as f64 * interval,
            Clock::File { interval, .. } => (second - first) as f64 * (*interval)?,
            Clock::Uneven | Clock::Unknown => return None,
        };
        (time > 0.0).then_some(time)
    }

    /// The first of `n` frames that is not before a time, ps, if the times are known.
    pub(super) fn first_at(&self, time: f64, n: u64) -> Option<u64> {
        self.tells_order().then(|| {
            let (mut first, mut end) = (0, n);
            while first < end {
                let middle = first + (end - first) / 2;
                match self.at(middle).is_some_and(|at| at < time - ROUNDING * time.abs()) {
                    true => first = middle + 1,
                    false => end = middle,
                }
            }
            first
        })
    }
}

/// All that is known of a trajectory besides its frames.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// The number of the trajectory, which can have several parts.
    pub(super) trajectory: usize,
    pub(super) clock: Clock,
    pub(super) states: States,
    /// Whether each frame develops from the frame before it. The frames of a state of a ladder come
    /// from different replicas.
    pub(super) is_continuous: bool,
    /// The ladder, counted over all runs. Frames of the same time in the trajectories of a ladder
    /// depend on each other.
    pub(super) ladder: Option<usize>,
}

/// The reference in the settings of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Native {
    /// The file of the settings, and the reference that it names.
    pub(super) reference: Option<(PathBuf, PathBuf)>,
    /// `q-cutoff`, `q-beta` and `q-lambda`.
    pub(super) contacts: [Option<f64>; 3],
}

impl Native {
    /// Takes the settings of another run.
    ///
    /// # Errors
    /// [`Error::Invalid`] if they differ, and `options` do not replace those that differ.
    fn add(&mut self, other: Native, options: &Analyze) -> Result<()> {
        let Some((file, path)) = &other.reference else { return Ok(()) };
        let Some((first_file, first)) = &self.reference else {
            *self = other;
            return Ok(());
        };
        let content = |path: &Path| std::fs::read(path).ok();
        let is_same = path == first || content(path).is_some_and(|of| Some(of) == content(first));
        if !is_same && options.reference.is_none() {
            let expected =
                format!("{}, as in {}, or --reference FILE", first.display(), first_file.display());
            return Err(Error::invalid("reference", path.display(), expected).of_file(file));
        }
        let given = options.contacts();
        for (k, name) in CONTACTS.into_iter().enumerate() {
            let [x, y] = [&other, &*self].map(|of| of.contacts[k].unwrap_or(USUAL_CONTACTS[k]));
            if x != y && given[k].is_none() {
                let expected = format!("{y}, as in {}, or --{name}", first_file.display());
                return Err(Error::invalid(name, x, expected).of_file(file));
            }
        }
        Ok(())
    }
}

/// The input.
pub(super) struct Source {
    pub(super) molecule: Molecule,
    pub(super) tracks: Vec<Track>,
    /// One for each of `tracks`.
    pub(super) facts: Vec<Facts>,
    pub(super) states: Vec<State>,
    pub(super) runs: Vec<Run>,
    /// The reference in the settings of the runs.
    pub(super) native: Native,
    /// Lines of the log.
    pub(super) lines: Vec<String>,
    /// Why energies of unbiased states cannot be told.
    pub(super) no_energies: Option<String>,
}

impl Source {
    /// Adds another run of the same molecule.
    pub(super) fn add(&mut self, other: Source, folder: &Path, options: &Analyze) -> Result<()> {
        if other.molecule != self.molecule {
            let expected = "the molecule of the first run";
            return Err(Error::invalid("beads", "another molecule", expected).of_file(folder));
        }
        let of_state: Vec<u16> =
            other.states.into_iter().map(|s| number(&mut self.states, s)).collect();
        let first_track = self.tracks.len();
        let first_trajectory = self.n_trajectories();
        let n_ladders =
            self.facts.iter().filter_map(|of| of.ladder).max().map_or(0, |last| last + 1);
        for mut facts in other.facts {
            facts.trajectory += first_trajectory;
            match &mut facts.states {
                States::All(state) => *state = of_state[*state as usize],
                States::Each(states) => {
                    states.iter_mut().for_each(|state| *state = of_state[*state as usize]);
                }
            }
            facts.ladder = facts.ladder.map(|ladder| n_ladders + ladder);
            self.facts.push(facts);
        }
        self.tracks.extend(other.tracks);
        for mut run in other.runs {
            run.tracks.values_mut().for_each(|track| *track += first_track);
            self.runs.push(run);
        }
        self.native.add(other.native, options)?;
        self.no_energies = self.no_energies.take().or(other.no_energies);
        Ok(())
    }

    /// The blocks of chosen frames.
    pub(super) fn cut(&self, n_blocks: usize) -> Cut {
        let of_track = |(track, facts): (&Track, &Facts)| {
            let group = match (facts.ladder, &facts.states) {
                (Some(ladder), _) => Group::Ladder(ladder),
                (None, states) => Group::State(usize::from(states.of(0))),
            };
            (group, track.chosen())
        };
        Cut::new(&self.tracks.iter().zip(&self.facts).map(of_track).collect::<Vec<_>>(), n_blocks)
    }

    /// The number of trajectories.
    pub(super) fn n_trajectories(&self) -> usize {
        self.facts.last().map_or(0, |facts| facts.trajectory + 1)
    }

    /// Whether there are ladders, whose replicas change their states.
    pub(super) fn is_exchanged(&self) -> bool {
        self.facts.iter().any(|facts| facts.ladder.is_some())
    }

    /// Whether biases act in a state.
    pub(super) fn is_biased(&self) -> bool {
        self.states.iter().any(|state| !state.biases.is_empty())
    }

    /// The time between chosen frames, ps, if all trajectories have the same.
    pub(super) fn interval(&self) -> Option<f64> {
        let of_track = |(track, facts): (&Track, &Facts)| {
            let enough = track.chosen() > 1;
            enough.then(|| facts.clock.between(track.frame(0), track.frame(1)))
        };
        let mut all = self.tracks.iter().zip(&self.facts).filter_map(of_track);
        let first = all.next()??;
        all.all(|of| of.is_some_and(|x| (x - first).abs() <= 1e-3 * first)).then_some(first)
    }
}

/// The number of a state, which is added if it is new.
pub(super) fn number(states: &mut Vec<State>, state: State) -> u16 {
    let known = states.iter().position(|other| *other == state);
    known.unwrap_or_else(|| {
        states.push(state);
        states.len() - 1
    }) as u16
}
