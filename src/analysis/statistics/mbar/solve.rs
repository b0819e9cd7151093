//! The solution of the MBAR equations.
//!
//! The free energies minimize the convex function Σ_n ln D_n - Σ_k N_k f_k, with the gradient
//! Σ_n P_nk - N_k and the second derivatives δ_ij Σ_n P_ni - Σ_n P_ni P_nj. Newton's method finds the
//! minimum from a good guess. A step that does not reduce the gradient is replaced by steps of the
//! self-consistent iteration f_k += ln(N_k/Σ_n P_nk), which converges from any guess, but slowly.

use super::pass::{Kept, Sums};
use crate::error::{Error, Result};

/// The last Newton step may change no free energy by more. Its own error is about the square.
const TOLERANCE: f64 = 1e-9;
/// The rounding error of Σ_n P_nk/N_k - 1, at which steps only follow rounding errors.
const ROUNDING: f64 = 1e-13;
/// The largest number of passes over the samples.
const PASSES: usize = 2000;
/// States share samples if Σ_n P_ni P_nj is larger than this part of the smaller of N_i and N_j.
const OVERLAP: f64 = 1e-10;

/// f_k - f_0 for all states.
pub(super) fn free_energies(kept: &Kept<'_>, start: &[f64]) -> Result<Vec<f64>> {
    if kept.sampled.is_empty() {
        return Err(Error::invalid("samples", 0, "at least one"));
    }
    let mut f = start.to_vec();
    let mut sums = kept.sums(&f);
    if sums.shares.iter().any(|share| share.is_nan()) {
        let expected = "for each sample a finite one in a state with samples";
        return Err(Error::invalid("reduced potentials", "infinite ones", expected));
    }
    // The number of self-consistent steps before the next Newton step.
    let (mut wait, mut longest_wait) = (0_usize, 1);
    for _ in 0..PASSES {
        let newton = newton(kept, &sums);
        let largest = |step: &[f64]| step.iter().fold(0.0, |all: f64, step| all.max(step.abs()));
        if let Some(step) = newton.as_ref().filter(|_| wait == 0) {
            let next = moved(kept, &f, step);
            if largest(step) <= TOLERANCE || residual(kept, &sums) <= ROUNDING {
                return finished(kept, &sums, next);
            }
            let there = kept.sums(&next);
            if residual(kept, &there) < residual(kept, &sums) {
                (f, sums) = (next, there);
                continue;
            }
            wait = longest_wait;
            longest_wait *= 2;
        }
        let log = |(k, share): (&usize, &f64)| (kept.counts[*k] / share).ln();
        let step: Vec<f64> = kept.sampled.iter().zip(&sums.shares).map(log).collect();
        if newton.is_none() && largest(&step) <= TOLERANCE {
            return Err(apart(kept, &sums));
        }
        f = moved(kept, &f, &step);
        sums = kept.sums(&f);
        wait = wait.saturating_sub(1);
    }
    Err(apart(kept, &sums))
}

/// The largest |Σ_n P_nk/N_k - 1|.
fn residual(kept: &Kept<'_>, sums: &Sums) -> f64 {
    let of = |(k, share): (&usize, &f64)| (share / kept.counts[*k] - 1.0).abs();
    kept.sampled.iter().zip(&sums.shares).map(of).fold(0.0, f64::max)
}

/// The free energies after a step of those of the states with samples. The step of a share that
/// vanished is infinite, and is left out.
fn moved(kept: &Kept<'_>, f: &[f64], step: &[f64]) -> Vec<f64> {
    let mut f = f.to_vec();
    for (k, step) in kept.sampled.iter().zip(step) {
        f[*k] += if step.is_finite() { *step } else { 0.0 };
    }
    f
}

/// Newton's step, which leaves the first state with samples as it is; `None` if the matrix of second
/// derivatives is singular.
fn newton(kept: &Kept<'_>, sums: &Sums) -> Option<Vec<f64>> {
    let n = sums.shares.len();
    let mut step: Vec<f64> =
        kept.sampled.iter().zip(&sums.shares).map(|(k, share)| kept.counts[*k] - share).collect();
    // The Cholesky factor of the matrix without its first row and column.
    let mut factor = vec![vec![0.0; n]; n];
    for i in 1..n {
        for j in 1..=i {
            let diagonal = if i == j { sums.shares[i] } else { 0.0 };
            let known: f64 = (1..j).map(|k| factor[i][k] * factor[j][k]).sum();
            let rest = diagonal - sums.products[i * (i + 1) / 2 + j] - known;
            if i > j {
                factor[i][j] = rest / factor[j][j];
            } else if rest > OVERLAP * kept.counts[kept.sampled[i]] {
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
            let log = |n: usize| -kept.samples.potentials.of(n, k) - denominators[n];
            let logs = || (0..denominators.len()).map(log);
            let largest = logs().fold(f64::NEG_INFINITY, f64::max);
            f[k] = -largest - logs().map(|log| (log - largest).exp()).sum::<f64>().ln();
        }
    }
    let first = f[0];
    f.iter_mut().for_each(|f| *f -= first);
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
