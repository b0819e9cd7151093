//! Replica exchange: the ladders of states, and the part of a run's state that exchanges change.
//!
//! A state is a temperature of a ladder, and selects a number of each list of a bias. It is a label
//! that moves between walkers, the replicas of the ladder; the positions of a walker stay where they
//! are.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::system::System;
use crate::units;

/// The pairs of walkers that try to exchange their states in one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Mixing {
    /// The walkers in states (0, 1), (2, 3), … if the number of the exchange is even, and those in
    /// states (1, 2), (3, 4), … if it is odd. Of two states always (0, 1).
    #[default]
    Neighbors,
    /// n² tries one after the other, with two walkers drawn at random for each. n is the number of
    /// states of the ladder.
    AllPairs,
}

/// A ladder of temperatures, and the walkers that exchange them. All have the same molecule.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ladder {
    /// 1/(k_B T) of each state, mol/kcal.
    pub beta: Vec<f64>,
    /// The replica that starts in each state, counted from 0. `[n_states]`
    pub walkers: Vec<usize>,
}

/// Independent ladders. Each replica belongs to one ladder or to none.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Exchange {
    /// In a [`Simulation`](crate::Simulation), an exchange follows every step that is a multiple of
    /// this, after the frame of that step.
    pub every: u64,
    /// The pairs that try to exchange their states.
    pub mixing: Mixing,
    /// At least one.
    pub ladders: Vec<Ladder>,
}

/// The part of a [`State`](super::State) that exchanges change. Empty without exchange.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Exchanged {
    /// Exchanges done.
    pub count: u64,
    /// The state of each replica in its ladder; [`NO_LABEL`] for a replica in no ladder.
    /// `[n_replicas]`
    pub label: Vec<u32>,
    /// The number of times that each replica reached an end of its ladder, first the state 0, then
    /// the last state, then the state 0 again, and so on. `[n_replicas]`
    pub ends: Vec<u32>,
    /// The tries of each pair of states since the start: one matrix [n_states, n_states] for each
    /// ladder. The element [a, b] with a < b counts the accepted tries of states a and b, and
    /// [b, a] the rejected ones.
    pub tally: Vec<u32>,
}

/// The label of a replica in no ladder.
pub const NO_LABEL: u32 = u32::MAX;

/// The most states of a ladder. Devices keep those of a ladder in workgroup memory.
pub const MOST_STATES: usize = 256;

/// Devices hold 1/(k_B T) as whole numbers, which have room up to this value, mol/kcal.
const LARGEST_BETA: f64 = 1e5;

/// The inverse temperatures of `n_states` states with a constant ratio of neighbors, from `lowest`
/// to `highest`, both in K.
///
/// # Errors
/// [`Error::Invalid`] for temperatures that are not positive or whose ratio is no number, and for no
/// states or more than [`MOST_STATES`].
pub fn geometric(lowest: f64, highest: f64, n_states: usize) -> Result<Vec<f64>> {
    for temperature in [lowest, highest] {
        if !(temperature.is_finite() && temperature > 0.0) {
            return Err(Error::invalid("temperature", temperature, "a temperature > 0 K"));
        }
    }
    if !(highest / lowest).is_normal() {
        let expected = "temperatures whose ratio is a number";
        return Err(Error::invalid("temperature", format!("{lowest} and {highest} K"), expected));
    }
    match n_states {
        1 => Ok(vec![units::beta(lowest)]),
        2..=MOST_STATES => {
            let last = (n_states - 1) as f64;
            let temperature = |k: usize| lowest * (highest / lowest).powf(k as f64 / last);
            Ok((0..n_states).map(|k| units::beta(temperature(k))).collect())
        }
        _ => Err(Error::invalid("ladder", n_states, format!("1 to {MOST_STATES} states"))),
    }
}

impl Ladder {
    /// The number of states.
    pub fn n_states(&self) -> usize {
        self.beta.len()
    }
}

impl Exchange {
    /// `copies` independent ladders with the same temperatures and an exchange every 1,000 steps.
    /// Replica k · `copies` + c starts in state k of ladder c.
    ///
    /// # Panics
    /// If memory cannot hold so many ladders.
    pub fn copies(mixing: Mixing, beta: &[f64], copies: usize) -> Self {
        let ladder = |c: usize| Ladder {
            beta: beta.to_vec(),
            walkers: (0..beta.len()).map(|k| k * copies + c).collect(),
        };
        Exchange { every: 1000, mixing, ladders: (0..copies).map(ladder).collect() }
    }

    /// Ladders with the same temperatures for the replicas of each molecule: the first ones of a
    /// molecule form a ladder, then the next ones, and so on.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the number of replicas of a molecule is not a multiple of the number of
    /// states.
    pub fn by_molecule(
        beta: &[f64],
        molecule_of: impl IntoIterator<Item = usize>,
    ) -> Result<Vec<Ladder>> {
        let mut replicas: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (r, molecule) in molecule_of.into_iter().enumerate() {
            replicas.entry(molecule).or_default().push(r);
        }
        let mut ladders = Vec::new();
        for (molecule, replicas) in &replicas {
            let n = beta.len();
            if n == 0 || !replicas.len().is_multiple_of(n) {
                let found = format!("{} of molecule {molecule}", replicas.len());
                let expected = format!("a multiple of {n}, the temperatures of a ladder");
                return Err(Error::invalid("replicas", found, expected));
            }
            let ladder =
                |walkers: &[usize]| Ladder { beta: beta.to_vec(), walkers: walkers.to_vec() };
            ladders.extend(replicas.chunks(n).map(ladder));
        }
        Ok(ladders)
    }

    /// Checks the ladders and their walkers.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first value that is wrong.
    pub fn check(&self, system: &System) -> Result<()> {
        if self.every == 0 {
            return Err(Error::invalid("every", 0, "at least one step between exchanges"));
        }
        if self.ladders.is_empty() {
            return Err(Error::invalid("ladders", "none", "at least one"));
        }
        let mut taken = vec![false; system.n_replicas()];
        for (l, Ladder { beta, walkers }) in self.ladders.iter().enumerate() {
            let field = |name: &str| format!("ladders[{l}].{name}");
            if beta.is_empty() || beta.len() > MOST_STATES {
                let expected = format!("1 to {MOST_STATES} states");
                return Err(Error::invalid(field("beta"), beta.len(), expected));
            }
            if let Some(beta) = beta.iter().find(|beta| !(**beta > 0.0 && **beta <= LARGEST_BETA)) {
                let expected = format!("inverse temperatures > 0, at most {LARGEST_BETA} mol/kcal");
                return Err(Error::invalid(field("beta"), beta, expected));
            }
            if walkers.len() != beta.len() {
                let expected = format!("{}, one per state", beta.len());
                return Err(Error::invalid(field("walkers"), walkers.len(), expected));
            }
            for walker in walkers {
                let expected = match taken.get_mut(*walker) {
                    Some(taken) if !*taken => {
                        *taken = true;
                        continue;
                    }
                    Some(_) => "replicas that belong to no ladder yet".to_owned(),
                    None => format!("replicas below {}", system.n_replicas()),
                };
                return Err(Error::invalid(field("walkers"), walker, expected));
            }
            let molecule = |walker: &usize| system.molecule_of[*walker];
            if let Some(other) = walkers.iter().find(|w| molecule(w) != molecule(&walkers[0])) {
                let found = format!("replica {other} with another molecule than {}", walkers[0]);
                return Err(Error::invalid(field("walkers"), found, "replicas of one molecule"));
            }
        }
        Ok(())
    }

    /// The part of the state before the first exchange, with every walker in the state where it
    /// starts.
    pub fn start(&self, n_replicas: usize) -> Exchanged {
        let (mut label, mut ends) = (vec![NO_LABEL; n_replicas], vec![0; n_replicas]);
        for ladder in &self.ladders {
            for (k, walker) in ladder.walkers.iter().enumerate() {
                (label[*walker], ends[*walker]) = (k as u32, u32::from(k == 0));
            }
        }
        Exchanged { count: 0, label, ends, tally: vec![0; self.tally_start(self.ladders.len())] }
    }

    /// The replica in each state of each ladder, for the states `label` of all replicas.
    ///
    /// # Panics
    /// If the labels belong to other ladders.
    pub fn holders(&self, label: &[u32]) -> Vec<Vec<usize>> {
        let of_ladder = |ladder: &Ladder| {
            let mut holders = vec![0; ladder.n_states()];
            ladder.walkers.iter().for_each(|walker| holders[label[*walker] as usize] = *walker);
            holders
        };
        self.ladders.iter().map(of_ladder).collect()
    }

    /// Sets the inverse temperatures of all walkers to those of their labels.
    pub fn set_beta(&self, exchanged: &Exchanged, beta: &mut [f64]) {
        for ladder in &self.ladders {
            for walker in &ladder.walkers {
                beta[*walker] = ladder.beta[exchanged.label[*walker] as usize];
            }
        }
    }

    /// Checks the part of a state that exchanges change, and that the inverse temperatures `beta`
    /// of the walkers are those of their labels.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first value that is wrong.
    pub fn check_state(&self, exchanged: &Exchanged, beta: &[f64]) -> Result<()> {
        let start = self.start(beta.len());
        for (field, found, expected) in [
            ("exchanged.label", exchanged.label.len(), start.label.len()),
            ("exchanged.ends", exchanged.ends.len(), start.ends.len()),
            ("exchanged.tally", exchanged.tally.len(), start.tally.len()),
        ] {
            if found != expected {
                return Err(Error::invalid(field, found, format!("{expected} elements")));
            }
        }
        for (l, ladder) in self.ladders.iter().enumerate() {
            let mut held = vec![false; ladder.n_states()];
            for walker in &ladder.walkers {
                let label = exchanged.label[*walker];
                match held.get_mut(label as usize) {
                    Some(held) if !*held => *held = true,
                    _ => {
                        let expected = format!("each state of ladder {l} once");
                        return Err(Error::invalid(format!("label[{walker}]"), label, expected));
                    }
                }
                // A device returns the inverse of a temperature in f32.
                let expected = ladder.beta[label as usize];
                if (beta[*walker] / expected - 1.0).abs() > 1e-6 {
                    let expected = format!("{expected}, that of state {label}");
                    return Err(Error::invalid(format!("beta[{walker}]"), beta[*walker], expected));
                }
            }
        }
        Ok(())
    }

    /// The first element of the matrix of ladder `l` in [`Exchanged::tally`].
    pub(crate) fn tally_start(&self, l: usize) -> usize {
        self.ladders[..l].iter().map(|ladder| ladder.n_states().pow(2)).sum()
    }

    /// The accepted and the rejected tries of each pair of states of ladder `l`: see
    /// [`Exchanged::tally`].
    ///
    /// # Panics
    /// If there is no such ladder, or `exchanged` belongs to other ladders.
    pub fn tally<'a>(&self, exchanged: &'a Exchanged, l: usize) -> &'a [u32] {
        &exchanged.tally[self.tally_start(l)..self.tally_start(l + 1)]
    }

    /// The tries of ladder `l` in the exchange of the given number.
    pub(crate) fn tries(&self, l: usize, number: u64) -> usize {
        let n = self.ladders[l].n_states();
        match self.mixing {
            Mixing::Neighbors => (n - first_state(n, number)) / 2,
            Mixing::AllPairs if n < 2 => 0,
            Mixing::AllPairs => n * n,
        }
    }

    /// The tries of all ladders in the exchange of the given number.
    pub(crate) fn all_tries(&self, number: u64) -> usize {
        (0..self.ladders.len()).map(|l| self.tries(l, number)).sum()
    }
}

/// The lower state of the first pair of neighbors, in a ladder of n states.
pub(super) fn first_state(n: usize, number: u64) -> usize {
    usize::from(n > 2 && number % 2 == 1)
}

impl Exchanged {
    /// The number of times that each replica went from the state 0 to the last state and back.
    pub fn round_trips(&self) -> Vec<u32> {
        self.ends.iter().map(|ends| ends.saturating_sub(1) / 2).collect()
    }
}
