//! The solution of the MBAR equations.
//!
//! P_nk is the probability that the sample n comes from the state k, if only x_n is known. The free
//! energies maximize the likelihood of the states that the samples do come from: they minimize the
//! convex function L = -Σ_n ln P_(n, state of n), with the gradient Σ_n P_nk - N_k and the second
//! derivatives H_ij = δ_ij Σ_n P_ni - Σ_n P_ni P_nj. The method is that of Levenberg and Marquardt,
//! which solves (H + μ N) step = -gradient with the diagonal matrix N of all N_k. With μ = 0 it is
//! Newton's method. A step that does not reduce L is tried again with a larger μ.

use super::pass::{Kept, Sums};
use crate::error::{Error, Result};

/// The last Newton step may change no free energy by more. Its own error is about the square.
const TOLERANCE: f64 = 1e-9;
/// Newton's steps of this size fail only because of rounding errors.
const ROUNDING: f64 = 1e-6;
/// The smallest μ above 0.
const DAMPING: f64 = 1e-6;
/// The largest number of passes over the samples.
const PASSES: usize = 500;
/// States share samples if Σ_n P_ni P_nj is larger than this part of the smaller of N_i and N_j.
const OVERLAP: f64 = 1e-10;

/// f_k for all states. The first state with samples keeps its f_k of `start`.
pub(super) fn free_energies(kept: &Kept<'_>, start: &[f64]) -> Result<Vec<f64>> {
    if kept.sampled.is_empty() {
        return Err(Error::invalid("samples with a finite potential", 0, "at least one"));
    }
    let mut f = start.to_vec();
    let mut sums = kept.sums(&f);
    let mut damping = 0.0;
    for _ in 0..PASSES {
        let newton = step(kept, &sums, 0.0);
        let is_below = |limit: f64| newton.as_ref().is_some_and(|step| size(step) <= limit);
        // The minimum is where Newton's step is small: with μ > 0, no step from there is better.
        if let Some(newton) = newton.as_ref().filter(|_| is_below(TOLERANCE)) {
            return finished(kept, &sums, moved(kept, &f, newton));
        }
        if newton.is_none() {
            damping = DAMPING.max(damping);
        }
        let damped = if damping > 0.0 { step(kept, &sums, damping) } else { newton.clone() };
        let Some(step) = damped else { break };
        // No step is left, but some differences are unknown.
        if size(&step) <= TOLERANCE && newton.is_none() {
            break;
        }
        let next = moved(kept, &f, &step);
        let there = kept.sums(&next);
        if is_better(kept, &there, &sums) {
            (f, sums) = (next, there);
            damping = if damping > DAMPING { damping / 10.0 } else { 0.0 };
        } else if is_below(ROUNDING) {
            return finished(kept, &sums, f);
        } else {
            damping = DAMPING.max(10.0 * damping);
        }
    }
    Err(apart(kept, &sums))
}

/// Whether L is smaller, or the gradient if rounding errors hide the change of L.
fn is_better(kept: &Kept<'_>, new: &Sums, old: &Sums) -> bool {
    let gradient = |sums: &Sums| {
        let of = |(k, share): (&usize, &f64)| (share / kept.counts[*k] - 1.0).abs();
        kept.sampled.iter().zip(&sums.shares).map(of).fold(0.0, f64::max)
    };
    let hidden = 1e-9 * (1.0 + old.loss);
    new.loss < old.loss - hidden || (new.loss <= old.loss + hidden && gradient(new) < gradient(old))
}

/// The largest change of a free energy in a step.
fn size(step: &[f64]) -> f64 {
    step.iter().fold(0.0, |all, step| all.max(step.abs()))
}

/// The free energies after a step of those of the states with samples.
fn moved(kept: &Kept<'_>, f: &[f64], step: &[f64]) -> Vec<f64> {
    let mut f = f.to_vec();
    kept.sampled.iter().zip(step).for_each(|(k, step)| f[*k] += step);
    f
}

/// The step with the given μ, which leaves the first state with samples as it is; `None` if the
/// matrix is singular.
fn step(kept: &Kept<'_>, sums: &Sums, damping: f64) -> Option<Vec<f64>> {
    let n = sums.shares.len();
    let counts: Vec<f64> = kept.sampled.iter().map(|k| kept.counts[*k]).collect();
    let mut step: Vec<f64> =
        counts.iter().zip(&sums.shares).map(|(count, share)| count - share).collect();
    // The Cholesky factor of the matrix without its first row and column.
    let mut factor = vec![vec![0.0; n]; n];
    for i in 1..n {
        for j in 1..=i {
            let diagonal = if i == j { sums.shares[i] + damping * counts[i] } else { 0.0 };
            let known: f64 = (1..j).map(|k| factor[i][k] * factor[j][k]).sum();
            let rest = diagonal - sums.products[i * (i + 1) / 2 + j] - known;
            if i > j {
                factor[i][j] = rest / factor[j][j];
            } else if rest > OVERLAP * counts[i] {
                factor[i][i] = rest.sqrt();
            } else {
                return None;
            }
        }
    }
    step[0] = 0.0;
    for i in 1..n {
        let known: f64 = (1..i).map(|k| factor[i][k] * step[k]).sum();
        step[i] = (step[i] - known) / factor[i][i];
    }
    for i in (1..n).rev() {
        let known: f64 = (i + 1..n).map(|k| factor[k][i] * step[k]).sum();
        step[i] = (step[i] - known) / factor[i][i];
    }
    Some(step)
}

/// The free energies of all states, also of those without samples, if all states are connected.
fn finished(kept: &Kept<'_>, sums: &Sums, mut f: Vec<f64>) -> Result<Vec<f64>> {
    if groups(kept, sums).len() > 1 {
        return Err(apart(kept, sums));
    }
    if kept.sampled.len() < f.len() {
        let denominators = kept.log_denominators(&f);
        for k in (0..f.len()).filter(|k| kept.counts[*k] == 0.0) {
            let used = || (0..denominators.len()).filter(|n| denominators[*n].is_finite());
            let logs = || used().map(|n| -kept.samples.potentials.of(n, k) - denominators[n]);
            let largest = logs().fold(f64::NEG_INFINITY, f64::max);
            f[k] = -largest - logs().map(|log| (log - largest).exp()).sum::<f64>().ln();
        }
    }
    Ok(f)
}

/// Groups of states with common samples.
fn groups(kept: &Kept<'_>, sums: &Sums) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for i in 0..kept.sampled.len() {
        let count = |k: usize| kept.counts[kept.sampled[k]];
        let meets =
            |j: &usize| sums.products[i * (i + 1) / 2 + j] > OVERLAP * count(i).min(count(*j));
        let (own, other): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| group.iter().any(meets));
        groups = other;
        groups.push(own.into_iter().flatten().chain([i]).collect());
    }
    groups
}

fn apart(kept: &Kept<'_>, sums: &Sums) -> Error {
    let mut groups = groups(kept, sums);
    groups.iter_mut().for_each(|group| group.sort_unstable());
    groups.sort_unstable();
    let name = |group: &Vec<usize>| {
        let states: Vec<_> = group.iter().map(|k| kept.sampled[*k].to_string()).collect();
        states.join(", ")
    };
    let found = match groups.len() {
        1 => "too little overlap".to_owned(),
        _ => format!("none between {}", groups.iter().map(name).collect::<Vec<_>>().join(" and ")),
    };
    Error::invalid("overlap of states", found, "samples in common; add states between them")
}
