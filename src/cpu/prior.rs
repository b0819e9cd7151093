//! Classical terms in f64: they cost little next to the network, and stiff bonds would otherwise
//! set the accuracy of the whole.

use super::neighbor::{minus, square};
use crate::model::PriorForm;
use crate::system::{Molecule, System, Term};

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// Energy by bead and, where they are asked for, forces, to which terms are added.
pub(super) struct Sums<'a> {
    pub bead_energy: &'a mut [f64],
    pub forces: Option<&'a mut [[f64; 3]]>,
}

impl Sums<'_> {
    /// Adds `scale · direction` to the force on a bead.
    #[inline]
    fn push(&mut self, bead: u32, scale: f64, direction: [f64; 3]) {
        let Some(forces) = &mut self.forces else { return };
        for (force, x) in forces[bead as usize].iter_mut().zip(direction) {
            *force += scale * x;
        }
    }

    /// A bond between `i` and `j`, k (r − x0)² + v0.
    fn bond(&mut self, [i, j]: [u32; 2], separation: [f64; 3], parameters: &[f64]) {
        let &[k, x0, v0] = parameters else { return };
        let r = square(separation).sqrt();
        self.bead_energy[i as usize] += k * (r - x0) * (r - x0) + v0;
        let pull = -2.0 * k * (r - x0) / r;
        self.push(i, pull, separation);
        self.push(j, -pull, separation);
    }

    /// (σ/r)⁶, half to each bead; r⁶ needs no root.
    fn repulsion(&mut self, [i, j]: [u32; 2], separation: [f64; 3], sigma: f64) {
        let inverse = 1.0 / square(separation);
        let s2 = sigma * sigma * inverse;
        let energy = s2 * s2 * s2;
        self.bead_energy[i as usize] += 0.5 * energy;
        self.bead_energy[j as usize] += 0.5 * energy;
        let push = 6.0 * energy * inverse;
        self.push(i, push, separation);
        self.push(j, -push, separation);
    }

    /// An angle at `j`, k (cos θ − x0)² + v0; `a` and `b` lead from `j` to `i` and to `l`.
    fn angle(&mut self, [i, j, l]: [u32; 3], a: [f64; 3], b: [f64; 3], parameters: &[f64]) {
        let &[k, x0, v0] = parameters else { return };
        let (aa, bb, ab) = (square(a), square(b), dot(a, b));
        let inverse = 1.0 / (aa * bb).sqrt();
        let cosine = ab * inverse;
        self.bead_energy[i as usize] += k * (cosine - x0) * (cosine - x0) + v0;
        let scale = -2.0 * k * (cosine - x0);
        // ∂cos/∂x_i = b/(|a||b|) − cos a/|a|², and the same with a and b exchanged.
        for (bead, near, far, nn) in [(i, a, b, aa), (l, b, a, bb)] {
            self.push(bead, scale * inverse, far);
            self.push(j, -scale * inverse, far);
            self.push(bead, -scale * cosine / nn, near);
            self.push(j, scale * cosine / nn, near);
        }
    }

    /// A dihedral, v0 + Σ_n k1_n sin nφ + k2_n cos nφ; `b` are the three bonds along the chain.
    /// sin nφ and cos nφ follow from sin φ and cos φ by rotation, the gradient from Blondel and
    /// Karplus (1996).
    fn dihedral(&mut self, beads: [u32; 4], b: [[f64; 3]; 3], parameters: &[f64]) {
        let [b1, b2, b3] = b;
        let (m, n) = (cross(b1, b2), cross(b2, b3));
        let (mm, nn, length) = (square(m), square(n), square(b2).sqrt());
        let inverse = 1.0 / (mm * nn).sqrt();
        let (cos, sin) = (dot(m, n) * inverse, length * dot(b1, n) * inverse);
        let Some((v0, amplitudes)) = parameters.split_first() else { return };
        let (k1, k2) = amplitudes.split_at(amplitudes.len() / 2);
        let (mut energy, mut slope) = (*v0, 0.0);
        let (mut cos_n, mut sin_n) = (1.0, 0.0);
        for (order, (k1, k2)) in k1.iter().zip(k2).enumerate() {
            (cos_n, sin_n) = (cos_n * cos - sin_n * sin, sin_n * cos + cos_n * sin);
            energy += k1 * sin_n + k2 * cos_n;
            slope += (order + 1) as f64 * (k1 * cos_n - k2 * sin_n);
        }
        self.bead_energy[beads[0] as usize] += energy;
        let (at_first, at_last) = (slope * length / mm, -slope * length / nn);
        let (p, q) = (slope * dot(b1, b2) / (mm * length), slope * dot(b3, b2) / (nn * length));
        self.push(beads[0], at_first, m);
        self.push(beads[1], -at_first - p, m);
        self.push(beads[1], -q, n);
        self.push(beads[2], p, m);
        self.push(beads[2], q - at_last, n);
        self.push(beads[3], at_last, n);
    }

    /// Adds all tuples of a term.
    pub(super) fn add(&mut self, term: &Term, positions: &[[f64; 3]]) {
        let stride = term.form.n_parameters();
        let between = |i: u32, j: u32| minus(positions[i as usize], positions[j as usize]);
        for (&[i, j, k, l], values) in term.tuples.iter().zip(term.values.chunks_exact(stride)) {
            match term.form {
                PriorForm::HarmonicBond => self.bond([i, j], between(i, j), values),
                PriorForm::Repulsion => self.repulsion([i, j], between(i, j), values[0]),
                PriorForm::HarmonicAngle => {
                    self.angle([i, j, k], between(i, j), between(k, j), values);
                }
                PriorForm::Dihedral { .. } => {
                    let bonds = [between(j, i), between(k, j), between(l, k)];
                    self.dihedral([i, j, k, l], bonds, values);
                }
            }
        }
    }
}

/// Energy by bead and forces of the chosen terms of all replicas.
pub(super) fn of_all_replicas(
    system: &System,
    positions: &[[f64; 3]],
    chosen: impl Fn(&Term) -> bool,
) -> (Vec<f64>, Vec<[f64; 3]>) {
    let mut bead_energy = vec![0.0; positions.len()];
    let mut forces = vec![[0.0; 3]; positions.len()];
    for r in 0..system.n_replicas() {
        let beads = system.beads(r);
        let molecule: &Molecule = system.molecule(r);
        let mut sums = Sums {
            bead_energy: &mut bead_energy[beads.clone()],
            forces: Some(&mut forces[beads.clone()]),
        };
        for term in molecule.terms.iter().filter(|term| chosen(term)) {
            sums.add(term, &positions[beads.clone()]);
        }
    }
    (bead_energy, forces)
}
