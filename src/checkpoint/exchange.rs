//! Replica exchange in a checkpoint: the ladders, and what the exchanges have done.

use serde::{Deserialize, Serialize};

use crate::engine::{Exchange, Exchanged, Ladder, Mixing};
use crate::error::{Error, Result};
use crate::io::{Reader, Writer};

/// The part of the JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExchangeContents {
    every: u64,
    #[serde(with = "MixingName")]
    mixing: Mixing,
    /// The number of states of each ladder.
    states: Vec<usize>,
    count: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Mixing", rename_all = "snake_case")]
enum MixingName {
    Neighbors,
    AllPairs,
}

/// Writes the tensors.
pub(super) fn write(
    exchange: &Exchange,
    exchanged: &Exchanged,
    writer: &mut Writer,
) -> ExchangeContents {
    let Exchange { every, mixing, ladders } = exchange;
    let Exchanged { count, label, ends, tally } = exchanged;
    let beta: Vec<f64> = ladders.iter().flat_map(|ladder| ladder.beta.iter().copied()).collect();
    let walkers = ladders.iter().flat_map(|ladder| ladder.walkers.iter());
    let walkers: Vec<u32> = walkers.map(|walker| *walker as u32).collect();
    writer.numbers("ladder_beta", &[beta.len()], &beta);
    for (name, counts) in
        [("ladder_walkers", &walkers), ("label", label), ("ends", ends), ("tally", tally)]
    {
        writer.counts(name, &[counts.len()], counts.iter().copied());
    }
    let states = ladders.iter().map(Ladder::n_states).collect();
    ExchangeContents { every: *every, mixing: *mixing, states, count: *count }
}

/// Reads the tensors.
///
/// # Errors
/// [`Error::Invalid`] for numbers that do not fit together.
pub(super) fn read(
    contents: ExchangeContents,
    n_replicas: usize,
    reader: &mut Reader,
) -> Result<(Exchange, Exchanged)> {
    let ExchangeContents { every, mixing, states, count } = contents;
    let beta = reader.numbers("ladder_beta", &[None])?;
    let walkers = reader.counts("ladder_walkers", &[Some(beta.len())])?;
    let (mut ladders, mut first) = (Vec::new(), 0_usize);
    for n in &states {
        let own = first..first.saturating_add(*n);
        let (Some(beta), Some(walkers)) = (beta.get(own.clone()), walkers.get(own.clone())) else {
            let expected = format!("numbers of states with the sum {}", beta.len());
            return Err(Error::invalid("states", format!("{states:?}"), expected));
        };
        let walkers = walkers.iter().map(|walker| *walker as usize).collect();
        ladders.push(Ladder { beta: beta.to_vec(), walkers });
        first = own.end;
    }
    let exchanged = Exchanged {
        count,
        label: reader.counts("label", &[Some(n_replicas)])?,
        ends: reader.counts("ends", &[Some(n_replicas)])?,
        tally: reader.counts("tally", &[None])?,
    };
    Ok((Exchange { every, mixing, ladders }, exchanged))
}
