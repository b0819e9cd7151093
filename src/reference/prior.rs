//! The priors: energy and gradient of one tuple, and their sums.

use crate::geometry::{angle, combine, cosine, dihedral, distance, sine};
use crate::model::PriorForm;
use crate::model::prior::{MIN_DISTANCE, MIN_SINE, psi};
use crate::system::{Molecule, System, Term};

/// k (q − x0)² + v0 and its slope.
fn harmonic(parameters: &[f64], q: f64) -> (f64, f64) {
    let [k, x0, v0] = [parameters[0], parameters[1], parameters[2]];
    (k * (q - x0) * (q - x0) + v0, 2.0 * k * (q - x0))
}

/// v0 + Σ_n k_n qⁿ and its slope.
fn polynomial(parameters: &[f64], q: f64) -> (f64, f64) {
    let terms = parameters.iter().enumerate().skip(1);
    let slope = terms.map(|(n, k)| n as f64 * k * q.powi(n as i32 - 1)).sum();
    let powers = parameters.iter().enumerate();
    (powers.map(|(n, k)| k * q.powi(n as i32)).sum(), slope)
}

/// v0 + Σ_n k1_n sin nφ + k2_n cos nφ and its slope.
fn fourier(degree: usize, parameters: &[f64], phi: f64) -> (f64, f64) {
    let (mut energy, mut slope) = (parameters[0], 0.0);
    for n in 1..=degree {
        let (k1, k2, nf) = (parameters[n], parameters[degree + n], n as f64);
        let (sin, cos) = (nf * phi).sin_cos();
        energy += k1 * sin + k2 * cos;
        slope += nf * (k1 * cos - k2 * sin);
    }
    (energy, slope)
}

/// a cos⁴θ + b cos³θ + c cos²θ + d cos θ + k/sin²θ + v0 and its slope by cos θ.
fn restricted_quartic(parameters: &[f64], cos: f64, sin2: f64) -> (f64, f64) {
    let [a, b, c, d, k, v0] = std::array::from_fn(|i| parameters[i]);
    let (energy, slope) = polynomial(&[v0, d, c, b, a], cos);
    let least = MIN_SINE * MIN_SINE;
    let wall = if sin2 < least { 0.0 } else { 2.0 * k * cos / (sin2 * sin2) };
    (energy + k / sin2.max(least), slope + wall)
}

/// (σ/r)⁶ and its slope.
fn power(parameters: &[f64], r: f64) -> (f64, f64) {
    let r = r.max(MIN_DISTANCE);
    let energy = (parameters[0] / r).powi(6);
    (energy, -6.0 * energy / r)
}

/// (6/α) exp(α (1 − r/r0)) and its slope.
fn exponential(parameters: &[f64], r: f64) -> (f64, f64) {
    let (alpha, r_0) = (parameters[0], parameters[1]);
    let energy = 6.0 / alpha * (alpha * (1.0 - r / r_0)).exp();
    (energy, -alpha / r_0 * energy)
}

/// U(r) − U(rc) − (r − rc) U'(rc) below the cutoff, and its slope.
fn force_shifted(u: impl Fn(f64) -> (f64, f64), cutoff: f64, r: f64) -> (f64, f64) {
    if r < cutoff {
        let ((energy, slope), (energy_rc, slope_rc)) = (u(r), u(cutoff));
        (energy - energy_rc - (r - cutoff) * slope_rc, slope - slope_rc)
    } else {
        (0.0, 0.0)
    }
}

/// The energy of a tuple with bead positions `x`, and its gradient. Positions beyond the order of
/// the form are ignored.
pub(super) fn tuple(form: PriorForm, parameters: &[f64], x: [[f64; 3]; 4]) -> (f64, [[f64; 3]; 4]) {
    let p = parameters;
    let (q, gradient) = match form {
        PriorForm::HarmonicBond
        | PriorForm::Repulsion
        | PriorForm::CutoffRepulsion
        | PriorForm::ExpRepulsion
        | PriorForm::CutoffExpRepulsion => distance(x),
        PriorForm::HarmonicAngle | PriorForm::QuarticAngle | PriorForm::RestrictedQuartic => {
            cosine(x)
        }
        PriorForm::HarmonicAngleRaw | PriorForm::QuarticAngleRaw => angle(x),
        PriorForm::HarmonicImproper | PriorForm::Dihedral { .. } => dihedral(x, f64::atan2),
        PriorForm::ShiftedHarmonicImproper => dihedral(x, psi),
    };
    let (energy, slope) = match form {
        PriorForm::HarmonicBond
        | PriorForm::HarmonicAngle
        | PriorForm::HarmonicAngleRaw
        | PriorForm::HarmonicImproper
        | PriorForm::ShiftedHarmonicImproper => harmonic(p, q),
        PriorForm::Dihedral { degree } => fourier(degree, p, q),
        PriorForm::QuarticAngle | PriorForm::QuarticAngleRaw => polynomial(p, q),
        PriorForm::RestrictedQuartic => restricted_quartic(p, q, sine(x).powi(2)),
        PriorForm::Repulsion => power(p, q),
        PriorForm::CutoffRepulsion => force_shifted(|r| power(p, r), p[1], q),
        PriorForm::ExpRepulsion => exponential(p, q),
        PriorForm::CutoffExpRepulsion => force_shifted(|r| exponential(p, r), p[2], q),
    };
    (energy, gradient.map(|g| combine(slope, g, 0.0, g)))
}

/// Adds the energies and forces of a term to those of the beads of one replica.
pub(super) fn add_term(
    term: &Term,
    positions: &[[f64; 3]],
    bead_energy: &mut [f64],
    forces: &mut [[f64; 3]],
) {
    let order = term.form.order();
    for (t, beads) in term.tuples.iter().enumerate() {
        let x = beads.map(|bead| positions[bead as usize]);
        let (energy, gradient) = tuple(term.form, term.parameters(t), x);
        if term.form.is_repulsion() {
            bead_energy[beads[0] as usize] += 0.5 * energy;
            bead_energy[beads[1] as usize] += 0.5 * energy;
        } else {
            bead_energy[beads[0] as usize] += energy;
        }
        for (bead, gradient) in beads.iter().zip(gradient).take(order) {
            for (force, gradient) in forces[*bead as usize].iter_mut().zip(gradient) {
                *force -= gradient;
            }
        }
    }
}

/// The energy of each bead and the forces of one replica, of the terms that `chosen` selects.
pub(super) fn of_molecule(
    molecule: &Molecule,
    positions: &[[f64; 3]],
    chosen: impl Fn(&Term) -> bool,
) -> (Vec<f64>, Vec<[f64; 3]>) {
    let mut bead_energy = vec![0.0; positions.len()];
    let mut forces = vec![[0.0; 3]; positions.len()];
    for term in molecule.terms.iter().filter(|term| chosen(term)) {
        add_term(term, positions, &mut bead_energy, &mut forces);
    }
    (bead_energy, forces)
}

/// The energy of each bead and the forces of all replicas, of the terms that `chosen` selects.
pub(super) fn of_all_replicas(
    system: &System,
    positions: &[[f64; 3]],
    chosen: impl Fn(&Term) -> bool,
) -> (Vec<f64>, Vec<[f64; 3]>) {
    let (mut bead_energy, mut forces) = (Vec::new(), Vec::new());
    for r in 0..system.n_replicas() {
        let (e, f) = of_molecule(system.molecule(r), &positions[system.beads(r)], &chosen);
        bead_energy.extend(e);
        forces.extend(f);
    }
    (bead_energy, forces)
}
