//! The reading of all replicas from those of batches.

use std::collections::BTreeMap;

use super::division::Division;
use crate::engine::{Dynamics, Evaluation, Frozen, NO_LABEL, Reading, State, Work};

/// The reading of all replicas. The batches have done the same steps and exchanges.
pub(super) fn joined(division: &Division, dynamics: &Dynamics, readings: &[Reading]) -> Reading {
    let first = &readings[0];
    let frozen = frozen(division, readings);
    let states: Option<Vec<&State>> = readings.iter().map(|of| of.state.as_ref()).collect();
    let n_rows = readings.iter().map(|of| of.trace.len()).max().unwrap_or(0);
    let no_labels = vec![NO_LABEL; division.batches.iter().map(|of| of.len()).max().unwrap_or(0)];
    let labels = |row: usize, b: usize| readings[b].trace.get(row).unwrap_or(&no_labels).as_slice();
    let n_observables = first.observables.len();
    let n_biases = first.biases.len();
    Reading {
        step: first.step,
        state: states.map(|states| state(division, dynamics, &states, &frozen)),
        frozen,
        evaluation: joined_evaluation(division, |b| &readings[b].evaluation),
        callback: None,
        trace: (0..n_rows).map(|row| division.replicas(|b| labels(row, b))).collect(),
        observables: (0..n_observables)
            .map(|k| division.replicas(|b| &readings[b].observables[k]))
            .collect(),
        biases: (0..n_biases).map(|k| division.replicas(|b| &readings[b].biases[k])).collect(),
        // Metadynamics is in one batch.
        second: Vec::new(),
        work: work(division, |b| &readings[b].work),
    }
}

/// The evaluation of all replicas.
pub(super) fn joined_evaluation<'a>(
    division: &Division,
    of_batch: impl Fn(usize) -> &'a Evaluation,
) -> Evaluation {
    Evaluation {
        energy: division.replicas(|b| &of_batch(b).energy),
        forces: division.beads(|b| &of_batch(b).forces),
        bead_energy: division.beads(|b| &of_batch(b).bead_energy),
    }
}

fn frozen(division: &Division, readings: &[Reading]) -> BTreeMap<usize, Frozen> {
    let of_batch = |(b, reading): (usize, &Reading)| {
        let own = reading.frozen.iter().map(move |(k, frozen)| (b, *k, *frozen));
        own.collect::<Vec<_>>()
    };
    let all = readings.iter().enumerate().flat_map(of_batch);
    all.map(|(b, k, frozen)| (division.replica(b, k), frozen)).collect()
}

fn state(
    division: &Division,
    dynamics: &Dynamics,
    states: &[&State],
    frozen: &BTreeMap<usize, Frozen>,
) -> State {
    let exchanged = |b: usize| states[b].exchanged.clone();
    let exchanged = dynamics.exchange.as_ref().map(|of| division.exchanged(of, exchanged));
    State {
        positions: division.beads(|b| &states[b].positions),
        velocities: division.beads(|b| &states[b].velocities),
        origins: division.replicas(|b| &states[b].origins),
        beta: division.replicas(|b| &states[b].beta),
        step: states[0].step,
        exchanged: exchanged.unwrap_or_default(),
        frozen: frozen.clone(),
        hills: Vec::new(),
        work: work(division, |b| &states[b].work),
    }
}

fn work<'a>(division: &Division, of_batch: impl Fn(usize) -> &'a Work) -> Work {
    let sums = |name: &String| division.replicas(|b| &of_batch(b)[name]);
    of_batch(0).keys().map(|name| (name.clone(), sums(name))).collect()
}
