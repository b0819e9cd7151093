//! The exchange of states in f64, for engines whose state is in host memory: see
//! [`crate::ops::Ops::exchange`].

use std::collections::VecDeque;

use super::dynamics::Dynamics;
use super::ladder::{Exchange, Ladder, Mixing, first_state};
use super::state::State;
use crate::error::{Error, Result};
use crate::random::{Stream, draw};
use crate::system::System;

/// An engine keeps the labels after each of its last exchanges, up to this number.
pub const TRACE: usize = 1024;

/// One exchange with the energies of all replicas, kcal/mol, and those of [`super::bias_levels`].
/// `uniforms`, unless empty, replaces the random numbers of the decisions: ladder after ladder, one
/// number for each try.
///
/// # Errors
/// [`Error::Invalid`] for dynamics without exchange.
pub(crate) fn exchange(
    system: &System,
    dynamics: &Dynamics,
    (energies, levels): (&[f64], &[Vec<f64>]),
    uniforms: &[f64],
    state: &mut State,
) -> Result<()> {
    let exchange = dynamics.exchange()?;
    let number = state.exchanged.count;
    let before = state.exchanged.label.clone();
    let mut given = uniforms.iter();
    for (l, ladder) in exchange.ladders.iter().enumerate() {
        let start = exchange.tally_start(l);
        let n = ladder.n_states();
        let id = dynamics.replica_ids[ladder.walkers[0]];
        for t in 0..exchange.tries(l, number) {
            let words = draw(dynamics.seed, Stream::Exchange, id, number, t as u32);
            let drawn = (f64::from(words[0]) + 0.5) / 4_294_967_296.0;
            let u = given.next().copied().unwrap_or(drawn);
            let label = &mut state.exchanged.label;
            let [p, q] = pair(exchange.mixing, ladder, label, number, (t, words));
            let [a, b] = [p, q].map(|walker| label[walker] as usize);
            let [of_p, of_q] = [p, q].map(|walker| energies[walker]);
            let mut gain = (ladder.beta[a] - ladder.beta[b]) * (of_p - of_q);
            if !levels.is_empty() {
                let loss = |s: usize, own: usize, other: usize| levels[s][other] - levels[s][own];
                gain -= ladder.beta[a] * loss(a, p, q) + ladder.beta[b] * loss(b, q, p);
            }
            let accepted = of_p.is_finite() && of_q.is_finite() && u.ln() < gain;
            if accepted {
                label.swap(p, q);
            }
            let (low, high) = (a.min(b), a.max(b));
            let place = if accepted { low * n + high } else { high * n + low };
            state.exchanged.tally[start + place] += 1;
        }
    }
    state.exchanged.count += 1;
    exchange.set_beta(&state.exchanged, &mut state.beta);
    for ladder in &exchange.ladders {
        arrive(system, dynamics, ladder, &before, state);
    }
    Ok(())
}

/// The two walkers of a try, from its number and its random words.
fn pair(
    mixing: Mixing,
    ladder: &Ladder,
    label: &[u32],
    number: u64,
    (t, words): (usize, [u32; 4]),
) -> [usize; 2] {
    let (walkers, n) = (&ladder.walkers, ladder.n_states());
    match mixing {
        Mixing::Neighbors => {
            let state = first_state(n, number) + 2 * t;
            let holder = |k: usize| walkers.iter().find(|walker| label[**walker] as usize == k);
            [state, state + 1].map(|k| *holder(k).expect("every state has a walker"))
        }
        Mixing::AllPairs => {
            let below = |word: u32, n: usize| ((u64::from(word) * n as u64) >> 32) as usize;
            let first = below(words[1], n);
            let second = (first + 1 + below(words[2], n - 1)) % n;
            [walkers[first], walkers[second]]
        }
    }
}

/// Scales the velocities of walkers with another temperature than before, and counts the ends of
/// the ladder that they reached.
fn arrive(
    system: &System,
    dynamics: &Dynamics,
    ladder: &Ladder,
    before: &[u32],
    state: &mut State,
) {
    let n = ladder.n_states();
    for walker in &ladder.walkers {
        let [old, new] = [before[*walker], state.exchanged.label[*walker]].map(|k| k as usize);
        if old != new && dynamics.integrator.has_velocities() {
            // √(T_new/T_old)
            let factor = (ladder.beta[old] / ladder.beta[new]).sqrt();
            for v in state.velocities[system.beads(*walker)].as_flattened_mut() {
                *v *= factor;
            }
        }
        let ends = &mut state.exchanged.ends[*walker];
        let next = if ends.is_multiple_of(2) { 0 } else { n - 1 };
        if n > 1 && new == next {
            *ends += 1;
        }
    }
}

/// Refuses energies and uniform numbers that are not those of the next exchange.
///
/// # Errors
/// [`Error::Invalid`] for a wrong count, or a number that is not in [0, 1).
pub(crate) fn check_given(
    exchange: &Exchange,
    state_count: u64,
    n_replicas: usize,
    energies: &[f64],
    uniforms: &[f64],
) -> Result<()> {
    let tries = exchange.all_tries(state_count);
    for (field, found, expected) in
        [("energies", energies.len(), n_replicas), ("uniforms", uniforms.len(), tries)]
    {
        if found != expected {
            return Err(Error::invalid(field, found, format!("{expected} elements")));
        }
    }
    match uniforms.iter().find(|u| !(0.0..1.0).contains(*u)) {
        Some(u) => Err(Error::invalid("uniforms", u, "numbers from 0 to below 1")),
        None => Ok(()),
    }
}

/// The labels of all replicas after each of the last exchanges, at most [`TRACE`] of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trace(VecDeque<Vec<u32>>);

impl Trace {
    pub(crate) fn push(&mut self, label: &[u32]) {
        if self.0.len() == TRACE {
            self.0.pop_front();
        }
        self.0.push_back(label.to_vec());
    }

    /// Takes all rows.
    pub(crate) fn take(&mut self) -> Vec<Vec<u32>> {
        std::mem::take(&mut self.0).into()
    }
}
