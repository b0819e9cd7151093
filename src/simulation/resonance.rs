//! The resonance of multiple time steps: slow kicks that come in step with half a period of the
//! fastest vibration of the fast forces feed it.

use std::f64::consts::PI;

use crate::bias::Bias;
use crate::engine::Dynamics;
use crate::error::{Error, Result};
use crate::random::{Stream, normal3};
use crate::reference::prior_forces;
use crate::system::{Molecule, System};

/// Refuses multiple time steps whose outer step is at or beyond the resonance. Each different
/// molecule is tested once, at the positions of its first replica.
///
/// Velocity Verlet moves a vibration of frequency ω with ω' = 2/dt asin(ω dt/2). The limit is half
/// of its period: K dt ω' < π.
///
/// # Errors
/// [`Error::Invalid`] with the largest K, or for a time step at which the priors alone are unstable.
pub(super) fn check(
    (system, biases): (&System, &[Bias]),
    dynamics: &Dynamics,
    positions: &[[f64; 3]],
) -> Result<()> {
    let Dynamics { dt, mts, .. } = *dynamics;
    if mts == 1 {
        return Ok(());
    }
    let first = |of: usize| system.molecule_of.iter().position(|molecule| *molecule == of);
    let frequencies = (0..system.molecules.len())
        .filter_map(first)
        .map(|r| fastest_vibration(system.molecule(r), biases, &positions[system.beads(r)]));
    let omega = frequencies.fold(0.0, f64::max);
    let of = if biases.is_empty() { "the priors" } else { "priors and biases" };
    let fastest = format!("the fastest vibration of {of} has {omega:.0} rad/ps");
    if omega * dt >= 2.0 {
        let expected = format!("a time step below {:.2e} ps: {fastest}", 2.0 / omega);
        return Err(Error::invalid("dt", dt, expected));
    }
    let angle = 2.0 * (0.5 * omega * dt).asin();
    if f64::from(mts) * angle < PI {
        return Ok(());
    }
    let most = (PI / angle).ceil() - 1.0;
    let expected = format!(
        "at most {most}, below the resonance: {fastest}, and a time step of {dt} ps makes it {:.0}",
        angle / dt
    );
    Err(Error::invalid("mts", mts, expected))
}

/// The longest displacement in a difference of forces, Å.
const STEP: f64 = 1e-4;

/// The angular frequency of the fastest vibration of priors and biases of a molecule, rad/ps: the root
/// of the largest eigenvalue of their mass-weighted Hessian M^(−1/2) H M^(−1/2), or 0 if none is
/// positive. A bias counts with its largest force constant and with its center at the positions, because
/// the run may reach these.
pub fn fastest_vibration(molecule: &Molecule, biases: &[Bias], positions: &[[f64; 3]]) -> f64 {
    let biases: Vec<_> = biases.iter().map(|bias| bias.stiffest_at(positions)).collect();
    let roots: Vec<f64> = molecule.masses.iter().flat_map(|mass| [mass.sqrt(); 3]).collect();
    let moved = |way: &[f64]| -> Vec<f64> {
        let of_bead = |(x, way): (&[f64; 3], &[f64])| std::array::from_fn(|c| x[c] + way[c]);
        let positions: Vec<_> = positions.iter().zip(way.chunks(3)).map(of_bead).collect();
        let mut forces = prior_forces(molecule, &positions).into_flattened();
        for bias in &biases {
            let (_, of_bias) = bias.energy_and_forces(&positions, 0, 0);
            forces.iter_mut().zip(of_bias.as_flattened()).for_each(|(sum, force)| *sum += force);
        }
        forces
    };
    // H v from the forces at both sides of the positions.
    let hessian = |v: &[f64]| -> Vec<f64> {
        let way: Vec<f64> = v.iter().zip(&roots).map(|(v, root)| v / root).collect();
        let size = STEP / way.iter().fold(f64::MIN_POSITIVE, |most: f64, x| most.max(x.abs()));
        let scaled = |by: f64| way.iter().map(|x| by * x).collect::<Vec<f64>>();
        let (ahead, behind) = (moved(&scaled(size)), moved(&scaled(-size)));
        let slopes =
            behind.iter().zip(&ahead).map(|(behind, ahead)| (behind - ahead) / (2.0 * size));
        slopes.zip(&roots).map(|(slope, root)| slope / root).collect()
    };
    let draw = |bead| normal3(0, Stream::Model, 0, 0, bead);
    let start = (0..molecule.n_beads() as u32).flat_map(draw).collect();
    largest_eigenvalue(start, hessian).max(0.0).sqrt()
}

/// The largest eigenvalue of a symmetric matrix that is given by its products, by the Lanczos
/// method.
fn largest_eigenvalue(start: Vec<f64>, product: impl Fn(&[f64]) -> Vec<f64>) -> f64 {
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let (mut diagonal, mut off) = (Vec::new(), Vec::new());
    let mut v = start;
    let (mut largest, mut settled) = (f64::NEG_INFINITY, 0);
    // The estimate grows with every vector. It is found when it stays the same a few times.
    while basis.len() < v.len() && settled < 5 {
        let length = dot(&v, &v).sqrt();
        // The vectors so far span a space that the matrix keeps. Differences are exact to about
        // 1e-8.
        if !basis.is_empty() && length <= 1e-6 * largest.abs() {
            break;
        }
        v.iter_mut().for_each(|x| *x /= length);
        if !basis.is_empty() {
            off.push(length);
        }
        let mut next = product(&v);
        diagonal.push(dot(&next, &v));
        basis.push(v);
        // Twice, because the first pass leaves rounding errors.
        for earlier in basis.iter().chain(&basis) {
            let along = dot(&next, earlier);
            next.iter_mut().zip(earlier).for_each(|(x, e)| *x -= along * e);
        }
        v = next;
        let before = std::mem::replace(&mut largest, largest_of_tridiagonal(&diagonal, &off));
        settled = if largest - before <= 1e-7 * largest.abs() { settled + 1 } else { 0 };
    }
    largest
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The largest eigenvalue of a symmetric tridiagonal matrix, by bisection.
fn largest_of_tridiagonal(diagonal: &[f64], off: &[f64]) -> f64 {
    let beside = |k: usize| off.get(k).copied().unwrap_or(0.0).abs();
    let row = |k: usize| beside(k) + if k > 0 { beside(k - 1) } else { 0.0 };
    let rows = || diagonal.iter().enumerate().map(|(k, d)| (d, row(k)));
    let mut low = rows().map(|(d, _)| *d).fold(f64::NEG_INFINITY, f64::max);
    let mut high = rows().map(|(d, row)| d + row).fold(f64::NEG_INFINITY, f64::max);
    // All pivots of x − T are positive if and only if x exceeds every eigenvalue.
    let exceeds = |x: f64| {
        let mut pivot = 1.0;
        diagonal.iter().enumerate().all(|(k, d)| {
            let coupling = if k > 0 { off[k - 1] * off[k - 1] / pivot } else { 0.0 };
            pivot = x - d - coupling;
            pivot > 0.0
        })
    };
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if exceeds(middle) { high = middle } else { low = middle }
    }
    high
}
