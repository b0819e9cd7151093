//! Classical terms: energy and gradient of one tuple, and their sums.

use super::neighbor::{dot, minus};
use crate::model::PriorForm;
use crate::system::{Molecule, System, Term};

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// s a + t b.
fn combine(s: f64, a: [f64; 3], t: f64, b: [f64; 3]) -> [f64; 3] {
    [s * a[0] + t * b[0], s * a[1] + t * b[1], s * a[2] + t * b[2]]
}

/// r = |x0 − x1| and its gradient.
fn distance(x: [[f64; 3]; 4]) -> (f64, [[f64; 3]; 4]) {
    let a = minus(x[0], x[1]);
    let r = dot(a, a).sqrt();
    let gradient = [combine(1.0 / r, a, 0.0, a), combine(-1.0 / r, a, 0.0, a), [0.0; 3], [0.0; 3]];
    (r, gradient)
}

/// cos θ at x1 and its gradient.
fn cosine(x: [[f64; 3]; 4]) -> (f64, [[f64; 3]; 4]) {
    let (a, b) = (minus(x[0], x[1]), minus(x[2], x[1]));
    let (len_a, len_b) = (dot(a, a).sqrt(), dot(b, b).sqrt());
    let c = dot(a, b) / (len_a * len_b);
    let at0 = combine(1.0 / (len_a * len_b), b, -c / (len_a * len_a), a);
    let at2 = combine(1.0 / (len_a * len_b), a, -c / (len_b * len_b), b);
    (c, [at0, combine(-1.0, at0, -1.0, at2), at2, [0.0; 3]])
}

/// φ in (−π, π] and its gradient (Blondel and Karplus 1996).
fn dihedral(x: [[f64; 3]; 4]) -> (f64, [[f64; 3]; 4]) {
    let (b1, b2, b3) = (minus(x[1], x[0]), minus(x[2], x[1]), minus(x[3], x[2]));
    let (m, n) = (cross(b1, b2), cross(b2, b3));
    let len = dot(b2, b2).sqrt();
    let phi = (len * dot(b1, n)).atan2(dot(m, n));
    let (at0, at3) = (-len / dot(m, m), len / dot(n, n));
    let (p, q) = (dot(b1, b2) / (dot(m, m) * len), dot(b3, b2) / (dot(n, n) * len));
    let gradient = [
        combine(at0, m, 0.0, n),
        combine(p - at0, m, q, n),
        combine(-p, m, -q - at3, n),
        combine(0.0, m, at3, n),
    ];
    (phi, gradient)
}

/// Energy of a tuple with bead positions `x` (unused ones are ignored) and its gradient.
pub(super) fn tuple(form: PriorForm, parameters: &[f64], x: [[f64; 3]; 4]) -> (f64, [[f64; 3]; 4]) {
    let (energy, slope, gradient) = match form {
        PriorForm::HarmonicBond | PriorForm::HarmonicAngle => {
            let [k, x0, v0] = [parameters[0], parameters[1], parameters[2]];
            let (q, gradient) =
                if form == PriorForm::HarmonicBond { distance(x) } else { cosine(x) };
            (k * (q - x0) * (q - x0) + v0, 2.0 * k * (q - x0), gradient)
        }
        PriorForm::Dihedral { degree } => {
            let (phi, gradient) = dihedral(x);
            let (mut energy, mut slope) = (parameters[0], 0.0);
            for n in 1..=degree {
                let (k1, k2, nf) = (parameters[n], parameters[degree + n], n as f64);
                let (sin, cos) = (nf * phi).sin_cos();
                energy += k1 * sin + k2 * cos;
                slope += nf * (k1 * cos - k2 * sin);
            }
            (energy, slope, gradient)
        }
        PriorForm::Repulsion => {
            let (r, gradient) = distance(x);
            let energy = (parameters[0] / r).powi(6);
            (energy, -6.0 * energy / r, gradient)
        }
    };
    (energy, gradient.map(|g| combine(slope, g, 0.0, g)))
}

/// Whether a term's energy belongs to its first bead (else half to each of a pair).
pub(super) fn is_bonded(term: &Term) -> bool {
    term.form != PriorForm::Repulsion
}

/// Adds a term's energy, by bead, and forces, for one replica.
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
        if is_bonded(term) {
            bead_energy[beads[0] as usize] += energy;
        } else {
            bead_energy[beads[0] as usize] += 0.5 * energy;
            bead_energy[beads[1] as usize] += 0.5 * energy;
        }
        for (bead, gradient) in beads.iter().zip(gradient).take(order) {
            for (force, gradient) in forces[*bead as usize].iter_mut().zip(gradient) {
                *force -= gradient;
            }
        }
    }
}

/// Energy by bead and forces of the chosen terms of one replica.
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

/// Energy by bead and forces of the chosen terms of all replicas.
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
