//! Replica exchange on the command line.

use crate::engine::{Exchange, Exchanged, Mixing, geometric};
use crate::output::TrajectoriesBy;
use crate::structure::{Structure, molecules};
use crate::{Error, Result, units};
use clap::{Args, ValueEnum};

use super::plan::ROUNDS;
use crate::cli::options::whole;

#[derive(Args)]
#[command(next_help_heading = "Replica exchange")]
pub(super) struct ExchangeOptions {
    /// Exchange temperatures between replicas after every N steps. The temperatures are those of
    /// --ladder or --temperature. The replicas of each molecule form as many ladders as their number
    /// allows; without --replicas each molecule has one ladder
    #[arg(long, value_parser = whole::<u64, 1>, value_name = "N")]
    exchange_interval: Option<u64>,
    /// Lowest and highest temperature of the ladder in K and number of temperatures, separated by
    /// commas; the ratio of neighbors is constant. With --bias the two may be equal, for states that
    /// differ in their biases
    #[arg(
        long,
        value_name = "LOW,HIGH,COUNT",
        requires = "exchange_interval",
        conflicts_with_all = ["temperature", "beta"],
        allow_hyphen_values = true
    )]
    ladder: Option<String>,
    /// Pairs of temperatures that try an exchange
    #[arg(long, value_enum, default_value_t = MixingName::Neighbors, value_name = "NAME", requires = "exchange_interval")]
    mixing: MixingName,
    /// Tune the temperatures between the lowest and the highest to equal acceptance in the first N
    /// steps, a multiple of eight exchange intervals. No frames are saved in these steps
    #[arg(long, value_parser = whole::<u64, 1>, value_name = "N", requires = "exchange_interval")]
    pub(super) tune_ladder: Option<u64>,
    /// Trajectories: one per replica (walker), one per temperature (state), or both
    #[arg(long, value_enum, default_value_t = ByName::Walker, value_name = "KIND", requires = "exchange_interval")]
    trajectories_by: ByName,
}

#[derive(Clone, Copy, ValueEnum)]
enum MixingName {
    /// Neighbors in the ladder, in turn those of even and of odd number
    Neighbors,
    /// n² tries of two random replicas, for n temperatures
    AllPairs,
}

#[derive(Clone, Copy, ValueEnum)]
enum ByName {
    Walker,
    State,
    Both,
}

/// How many replicas there are.
#[derive(Clone, Copy)]
pub(super) enum Number {
    Replicas(usize),
    Ladders(usize),
    LadderPerMolecule,
}

impl ExchangeOptions {
    /// The steps between exchanges, if states are exchanged.
    pub(super) fn interval(&self) -> Option<u64> {
        self.exchange_interval
    }

    pub(super) fn trajectories_by(&self) -> TrajectoriesBy {
        match self.trajectories_by {
            ByName::Walker => TrajectoriesBy::Walker,
            ByName::State => TrajectoriesBy::State,
            ByName::Both => TrajectoriesBy::Both,
        }
    }

    /// The ladders of a run and its number of replicas, if states are exchanged. The temperatures of
    /// states with different biases may be equal.
    pub(super) fn ladders(
        &self,
        given: &[f64],
        structures: &[Structure],
        number: Number,
        first_replica: u32,
        may_be_equal: bool,
    ) -> Result<Option<(Exchange, usize)>> {
        let Some(every) = self.exchange_interval else { return Ok(None) };
        let beta = match &self.ladder {
            Some(text) => ladder(text, may_be_equal)?,
            None if given.len() > 1 => given.to_vec(),
            None => {
                let expected = "the temperatures of a ladder: --ladder LOW,HIGH,COUNT, or two or \
                                more for --temperature";
                return Err(Error::invalid("temperature", "one", expected));
            }
        };
        let round = 1 << (ROUNDS - 1);
        if let Some(steps) = self.tune_ladder
            && (steps == 0 || !steps.is_multiple_of(every.saturating_mul(round)))
        {
            let expected = format!(
                "a multiple of {}, {round} exchange intervals",
                every.saturating_mul(round)
            );
            return Err(Error::invalid("tune-ladder", steps, expected));
        }
        let of_structure = molecules(structures);
        let n_molecules = of_structure.iter().max().map_or(1, |last| last + 1);
        let n_replicas = match number {
            Number::Replicas(replicas) => replicas,
            Number::Ladders(ladders) => beta.len().saturating_mul(ladders),
            Number::LadderPerMolecule => beta.len().saturating_mul(n_molecules),
        };
        let start = |r: usize| (first_replica as usize + r) % structures.len().max(1);
        let molecule_of = (0..n_replicas).map(|r| of_structure[start(r)]);
        let mixing = match self.mixing {
            MixingName::Neighbors => Mixing::Neighbors,
            MixingName::AllPairs => Mixing::AllPairs,
        };
        let ladders = Exchange::by_molecule(&beta, molecule_of)?;
        let exchange = Exchange { every, mixing, ladders };
        if self.tune_ladder.is_some() {
            // Refuses temperatures that cannot be tuned.
            exchange.equalized(&exchange.start(n_replicas))?;
        }
        Ok(Some((exchange, n_replicas)))
    }
}

/// The inverse temperatures of a ladder from `LOW,HIGH,COUNT`.
fn ladder(text: &str, may_be_equal: bool) -> Result<Vec<f64>> {
    let expected = "LOW,HIGH,COUNT: two temperatures in K and their number";
    let wrong = || Error::invalid("ladder", text, expected);
    let [low, high, count] = *text.split(',').map(str::trim).collect::<Vec<_>>() else {
        return Err(wrong());
    };
    let kelvin = |text: &str| text.parse::<f64>().map_err(|_| wrong());
    let (low, high, count) = (kelvin(low)?, kelvin(high)?, count.parse().map_err(|_| wrong())?);
    if count < 2 || low > high || (low == high && !may_be_equal) {
        return Err(wrong());
    }
    geometric(low, high, count)
}

/// The temperatures of a ladder.
pub(super) fn temperatures(beta: &[f64]) -> String {
    let kelvin: Vec<String> = beta.iter().map(|b| format!("{:.2}", units::kelvin(*b))).collect();
    kelvin.join(", ")
}

/// One line about the exchanges of a run.
pub(super) fn summary(exchange: &Exchange, exchanged: &Exchanged) -> String {
    let mut rates = Vec::new();
    for (l, ladder) in exchange.ladders.iter().enumerate() {
        let (n, tally) = (ladder.n_states(), exchange.tally(exchanged, l));
        for k in 1..n {
            let accepted = f64::from(tally[(k - 1) * n + k]);
            let tries = accepted + f64::from(tally[k * n + k - 1]);
            rates.extend((tries > 0.0).then(|| accepted / tries));
        }
    }
    let least = rates.iter().copied().reduce(f64::min);
    let acceptance = match (least, rates.iter().copied().reduce(f64::max)) {
        (Some(least), Some(most)) => {
            format!("acceptance between neighbors {least:.3} to {most:.3}")
        }
        _ => "no exchange was tried".to_owned(),
    };
    let trips: u32 = exchanged.round_trips().iter().sum();
    format!("{acceptance}; round trips: {trips}")
}
