//! Checks of biases, and biases of engines whose state is in host memory.

use std::collections::HashSet;

use super::dynamics::Dynamics;
use super::evaluation::Evaluation;
use super::ladder::{Exchange, Exchanged};
use super::state::{State, Work, check_count as check_replicas};
use crate::bias::Bias;
use crate::error::{Error, Result};
use crate::system::System;

/// Checks the biases of a run.
///
/// # Errors
/// [`Error::Invalid`] for a name that is given twice or that of the metadynamics, for lists of another
/// length than 1 and the number of states or replicas, and for a moving bias with replica exchange; see
/// also [`Bias::check`].
pub(crate) fn check_biases(biases: &[Bias], system: &System, dynamics: &Dynamics) -> Result<()> {
    let mut known: HashSet<_> = dynamics.metadynamics.iter().map(|of| &of.name).collect();
    for bias in biases {
        bias.check(system)?;
        if !known.insert(&bias.name) {
            return Err(Error::invalid("bias", format!("{} twice", bias.name), "different names"));
        }
        if bias.moves() && dynamics.exchange.is_some() {
            let expected = "another form, with replica exchange";
            return Err(Error::invalid("form", "moving", expected).of_bias(&bias.name));
        }
        for (name, list) in bias.lists().into_iter().filter(|(_, list)| list.len() > 1) {
            check_count(name, list.len(), system, dynamics)
                .map_err(|error| error.of_bias(&bias.name))?;
        }
    }
    Ok(())
}

/// Checks a number of numbers that is not 1.
fn check_count(name: &str, found: usize, system: &System, dynamics: &Dynamics) -> Result<()> {
    let wrong = |expected: String| Err(Error::invalid(name, format!("{found} numbers"), expected));
    let n_replicas = system.n_replicas();
    let Some(exchange) = &dynamics.exchange else {
        return match found == n_replicas {
            true => Ok(()),
            false => wrong(format!("1, or {n_replicas}, one for each replica")),
        };
    };
    let mut ladders = exchange.ladders.iter().map(|ladder| ladder.n_states());
    if let Some(n_states) = ladders.find(|n_states| *n_states != found) {
        return wrong(format!("1, or {n_states}, one for each state of the ladder"));
    }
    let n_walkers: usize = exchange.ladders.iter().map(|ladder| ladder.walkers.len()).sum();
    match n_walkers == n_replicas {
        true => Ok(()),
        false => wrong("1, because some replicas are in no ladder".into()),
    }
}

/// The state of replica `r`, whose numbers its biases have; without exchange `r` itself.
fn bias_state(exchanged: &Exchanged, r: usize) -> usize {
    exchanged.label.get(r).map_or(r, |label| *label as usize)
}

/// Values and energies of biases, `[n_biases][n_replicas]`; NaN for a frozen replica.
pub(super) fn values(biases: &[Bias], system: &System, state: &State) -> Vec<Vec<[f64; 2]>> {
    let of_replica = |bias: &Bias, r: usize| match state.is_frozen(r) {
        true => [f64::NAN; 2],
        false => {
            let positions = &state.positions[system.beads(r)];
            bias.value_and_energy(positions, bias_state(&state.exchanged, r), state.step)
        }
    };
    let of_bias = |bias| (0..system.n_replicas()).map(|r| of_replica(bias, r)).collect();
    biases.iter().map(of_bias).collect()
}

/// The energies of biases in each replica, and the forces, after `step` steps.
pub(super) fn evaluate(
    biases: &[Bias],
    first_bead: &[usize],
    state: &State,
    step: u64,
) -> Evaluation {
    let n_beads = state.positions.len();
    let mut sum = Evaluation {
        energy: vec![0.0; first_bead.len() - 1],
        forces: vec![[0.0; 3]; n_beads],
        bead_energy: vec![0.0; n_beads],
    };
    for (r, energy) in sum.energy.iter_mut().enumerate() {
        let beads = first_bead[r]..first_bead[r + 1];
        let number = bias_state(&state.exchanged, r);
        for bias in biases {
            let positions = &state.positions[beads.clone()];
            let ([_, of_bias], forces) = bias.energy_and_forces(positions, number, step);
            *energy += of_bias;
            let sums = sum.forces[beads.clone()].as_flattened_mut();
            sums.iter_mut().zip(forces.as_flattened()).for_each(|(sum, force)| *sum += force);
        }
    }
    sum
}

/// Adds the work of a step, which began at these positions, to that on the replicas that are not
/// frozen. `step` is the number of steps done when it ends.
pub(super) fn add_work(
    biases: &[Bias],
    first_bead: &[usize],
    start: &[[f64; 3]],
    state: &mut State,
    step: u64,
) {
    for bias in biases.iter().filter(|bias| bias.moves()) {
        let Some(sums) = state.work.get_mut(&bias.name) else { continue };
        for (r, sum) in sums.iter_mut().enumerate() {
            if !state.frozen.contains_key(&r) {
                let beads = first_bead[r]..first_bead[r + 1];
                let positions = [&start[beads.clone()], &state.positions[beads]];
                *sum += bias.work(positions, r, step);
            }
        }
    }
}

/// The work of moving biases: `work`, and 0 where it lacks one of them.
pub(crate) fn work_of(biases: &[Bias], work: &Work, n_replicas: usize) -> Work {
    let none = || vec![0.0; n_replicas];
    let of_bias = |bias: &Bias| {
        let known = work.get(&bias.name).cloned();
        (bias.name.clone(), known.unwrap_or_else(none))
    };
    biases.iter().filter(|bias| bias.moves()).map(of_bias).collect()
}

/// Checks that work belongs to moving biases, and replicas.
pub(crate) fn check_work(biases: &[Bias], work: &Work, n_replicas: usize) -> Result<()> {
    for (name, sums) in work {
        if !biases.iter().any(|bias| bias.moves() && bias.name == *name) {
            return Err(Error::invalid("work", name, "names of moving biases"));
        }
        let field = format!("work, {name}");
        check_replicas(&field, sums.len(), n_replicas)?;
        if let Some(sum) = sums.iter().find(|sum| !sum.is_finite()) {
            return Err(Error::invalid(field, sum, "finite numbers"));
        }
    }
    Ok(())
}

/// The energy of all biases for each state of the ladders at the positions of each replica, kcal/mol,
/// `[n_states][n_replicas]`; NaN for a frozen replica, 0 for one in no ladder. Empty without biases.
pub(crate) fn bias_levels(
    biases: &[Bias],
    exchange: &Exchange,
    system: &System,
    state: &State,
) -> Vec<Vec<f64>> {
    if biases.is_empty() {
        return Vec::new();
    }
    let n_states = exchange.ladders.iter().map(|ladder| ladder.n_states()).max().unwrap_or(0);
    let mut levels = vec![vec![0.0; system.n_replicas()]; n_states];
    for ladder in &exchange.ladders {
        for r in ladder.walkers.iter().copied() {
            if state.is_frozen(r) {
                levels.iter_mut().for_each(|level| level[r] = f64::NAN);
                continue;
            }
            let positions = &state.positions[system.beads(r)];
            for bias in biases {
                let q = bias.variable.value(positions);
                for (number, level) in levels.iter_mut().enumerate().take(ladder.n_states()) {
                    level[r] += bias.energy(positions, bias.spring(number, state.step), q);
                }
            }
        }
    }
    levels
}
