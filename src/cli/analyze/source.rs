//! The trajectories to analyze, with all that is known of their frames.

use std::path::{Path, PathBuf};

use flashschnet::analysis::frames::{Stamp, Track};
use flashschnet::analysis::statistics::blocks::{Cut, Group};
use flashschnet::bias::Bias;
use flashschnet::{Error, Result, units};

use super::molecule::Molecule;
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

/// The times of the frames of a trajectory.
#[derive(Debug, Clone)]
pub(super) enum Clock {
    /// Steps, and the time step in ps.
    Steps(Steps, f64),
    /// The time between frames, ps.
    Every(f64),
    /// The file tells them: those of the first two frames, ps.
    File([f64; 2]),
    Unknown,
}

impl Clock {
    /// ps; NaN if it is not known.
    pub(super) fn time(&self, frame: u64, stamp: Stamp) -> f64 {
        match self {
            Clock::Steps(steps, dt) => steps.get(frame) as f64 * dt,
            Clock::Every(interval) => frame as f64 * interval,
            Clock::File(_) => stamp.map_or(f64::NAN, |(_, time)| time),
            Clock::Unknown => f64::NAN,
        }
    }

    /// The time between two frames, ps.
    pub(super) fn between(&self, first: u64, second: u64) -> Option<f64> {
        let time = match self {
            Clock::Steps(..) => self.time(second, None) - self.time(first, None),
            Clock::Every(interval) => (second - first) as f64 * interval,
            Clock::File([start, next]) => (second - first) as f64 * (next - start),
            Clock::Unknown => return None,
        };
        (time > 0.0).then_some(time)
    }

    /// The first of `n` frames that is not before a time, ps, if the times are known. The frames of
    /// files have equal distances.
    pub(super) fn first_at(&self, time: f64, n: u64) -> Option<u64> {
        let (start, interval) = match self {
            Clock::Steps(steps, dt) => {
                let is_early = |k: &u64| (steps.get(*k) as f64) * dt < time;
                return Some((0..n).take_while(is_early).count() as u64);
            }
            Clock::Every(interval) => (0.0, *interval),
            Clock::File([start, next]) => (*start, next - start),
            Clock::Unknown => return None,
        };
        Some(((time - start) / interval).ceil().max(0.0) as u64)
    }
}

/// All that is known of a trajectory besides its frames.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) clock: Clock,
    pub(super) states: States,
    /// Whether each frame develops from the frame before it. The frames of a state of a ladder come
    /// from different replicas.
    pub(super) is_continuous: bool,
    /// The ladder, counted over all runs. Frames of the same time in the trajectories of a ladder
    /// depend on each other.
    pub(super) ladder: Option<usize>,
}

/// The input.
pub(super) struct Source {
    pub(super) molecule: Molecule,
    pub(super) tracks: Vec<Track>,
    /// One for each of `tracks`.
    pub(super) facts: Vec<Facts>,
    pub(super) states: Vec<State>,
    pub(super) runs: Vec<Run>,
    /// The reference that the settings of the runs name.
    pub(super) reference: Option<PathBuf>,
    /// `q-cutoff`, `q-beta` and `q-lambda` of the settings.
    pub(super) contacts: [Option<f64>; 3],
    /// Why energies of unbiased states cannot be told.
    pub(super) no_energies: Option<String>,
}

impl Source {
    /// Adds another run of the same molecule.
    pub(super) fn add(&mut self, other: Source, folder: &Path) -> Result<()> {
        if other.molecule != self.molecule {
            let expected = "the molecule of the first run";
            return Err(Error::invalid("beads", "another molecule", expected).of_file(folder));
        }
        let of_state: Vec<u16> =
            other.states.into_iter().map(|s| number(&mut self.states, s)).collect();
        let first_track = self.tracks.len();
        let n_ladders =
            self.facts.iter().filter_map(|of| of.ladder).max().map_or(0, |last| last + 1);
        for mut facts in other.facts {
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
        self.reference = self.reference.take().or(other.reference);
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
