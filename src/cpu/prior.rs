//! Classical terms in f64: they cost little next to the network, and stiff bonds would otherwise
//! set the accuracy of the whole.

use super::neighbor::{minus, square};
use crate::model::PriorForm;
use crate::model::prior::{MIN_DISTANCE, MIN_SINE, SHIFT};
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

    /// Adds a function of the distance between `i` and `j`; `slope` is divided by the distance.
    fn along(&mut self, [i, j]: [u32; 2], separation: [f64; 3], slope: f64) {
        self.push(i, -slope, separation);
        self.push(j, slope, separation);
    }

    /// A bond between `i` and `j`, k (r − x0)² + v0.
    fn bond(&mut self, [i, j]: [u32; 2], separation: [f64; 3], parameters: &[f64]) {
        let r = square(separation).sqrt();
        let (energy, slope) = harmonic(parameters, r);
        self.bead_energy[i as usize] += energy;
        self.along([i, j], separation, slope / r.max(MIN_DISTANCE));
    }

    /// A repulsion, half to each bead.
    fn repulsion(
        &mut self,
        form: PriorForm,
        [i, j]: [u32; 2],
        separation: [f64; 3],
        parameters: &[f64],
    ) {
        let square = square(separation);
        let (energy, slope) = if form == PriorForm::Repulsion {
            // r⁶ needs no root.
            power(parameters[0], square)
        } else {
            let r = square.sqrt();
            let (energy, slope) = match (form, parameters) {
                (PriorForm::CutoffRepulsion, &[sigma, cutoff]) => {
                    let u = |r: f64| {
                        let (energy, slope) = power(sigma, r * r);
                        (energy, slope * r.max(MIN_DISTANCE))
                    };
                    force_shifted(u, cutoff, r)
                }
                (PriorForm::ExpRepulsion, &[alpha, r_0]) => exponential(alpha, r_0, r),
                (_, &[alpha, r_0, cutoff]) => {
                    force_shifted(|r| exponential(alpha, r_0, r), cutoff, r)
                }
                _ => return,
            };
            (energy, slope / r.max(MIN_DISTANCE))
        };
        self.bead_energy[i as usize] += 0.5 * energy;
        self.bead_energy[j as usize] += 0.5 * energy;
        self.along([i, j], separation, slope);
    }

    /// An angle at `j`; `a` and `b` lead from `j` to `i` and to `l`.
    fn angle(
        &mut self,
        form: PriorForm,
        [i, j, l]: [u32; 3],
        a: [f64; 3],
        b: [f64; 3],
        parameters: &[f64],
    ) {
        let (aa, bb, ab) = (square(a).max(LEAST), square(b).max(LEAST), dot(a, b));
        let inverse = 1.0 / (aa * bb).sqrt();
        let cosine = ab * inverse;
        // The slope is that by cos θ.
        let (energy, slope) = match form {
            PriorForm::HarmonicAngle => harmonic(parameters, cosine),
            PriorForm::QuarticAngle => polynomial(parameters, cosine),
            PriorForm::RestrictedQuartic => {
                restricted_quartic(parameters, cosine, square(cross(a, b)) * inverse * inverse)
            }
            raw => {
                let cross = square(cross(a, b)).sqrt();
                let theta = cross.atan2(ab);
                let (energy, slope) = match raw {
                    PriorForm::HarmonicAngleRaw => harmonic(parameters, theta),
                    _ => polynomial(parameters, theta),
                };
                (energy, -slope / (cross * inverse).max(MIN_SINE))
            }
        };
        self.bead_energy[i as usize] += energy;
        let scale = -slope;
        // ∂cos/∂x_i = b/(|a||b|) − cos a/|a|², and the same with a and b exchanged.
        for (bead, near, far, nn) in [(i, a, b, aa), (l, b, a, bb)] {
            self.push(bead, scale * inverse, far);
            self.push(j, -scale * inverse, far);
            self.push(bead, -scale * cosine / nn, near);
            self.push(j, scale * cosine / nn, near);
        }
    }

    /// A dihedral or improper; `b` are the three bonds along the chain. The gradient is from
    /// Blondel and Karplus (1996).
    fn dihedral(&mut self, form: PriorForm, beads: [u32; 4], b: [[f64; 3]; 3], parameters: &[f64]) {
        let [b1, b2, b3] = b;
        let (m, n) = (cross(b1, b2), cross(b2, b3));
        let [bb1, bb2, bb3] = b.map(|b| square(b).max(LEAST));
        let mm = square(m).max(LEAST_SIN2 * bb1 * bb2);
        let nn = square(n).max(LEAST_SIN2 * bb2 * bb3);
        // The sum turns −0, for which atan2 would give −π, into 0.
        let (y, x) = (square(b2).sqrt() * dot(b1, n) + 0.0, dot(m, n));
        let (energy, slope) = match form {
            PriorForm::HarmonicImproper => harmonic(parameters, y.atan2(x)),
            PriorForm::ShiftedHarmonicImproper => {
                harmonic(parameters, if y < 0.0 { y.atan2(x) + SHIFT } else { y.atan2(x) - SHIFT })
            }
            _ => fourier(parameters, y, x),
        };
        self.bead_energy[beads[0] as usize] += energy;
        let length = bb2.sqrt();
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
        let (form, stride) = (term.form, term.form.n_parameters());
        let between = |i: u32, j: u32| minus(positions[i as usize], positions[j as usize]);
        for (&[i, j, k, l], values) in term.tuples.iter().zip(term.values.chunks_exact(stride)) {
            match form {
                PriorForm::HarmonicBond => self.bond([i, j], between(i, j), values),
                _ if form.is_repulsion() => {
                    self.repulsion(form, [i, j], between(i, j), values);
                }
                _ if form.order() == 3 => {
                    self.angle(form, [i, j, k], between(i, j), between(k, j), values);
                }
                _ => {
                    let bonds = [between(j, i), between(k, j), between(l, k)];
                    self.dihedral(form, [i, j, k, l], bonds, values);
                }
            }
        }
    }
}

/// Least square of a length that divides.
const LEAST: f64 = MIN_DISTANCE * MIN_DISTANCE;
const LEAST_SIN2: f64 = MIN_SINE * MIN_SINE;

/// k (q − x0)² + v0, and its slope.
fn harmonic(parameters: &[f64], q: f64) -> (f64, f64) {
    let &[k, x0, v0] = parameters else { return (0.0, 0.0) };
    (k * (q - x0) * (q - x0) + v0, 2.0 * k * (q - x0))
}

/// v0 + Σ_n k_n qⁿ, and its slope.
fn polynomial(parameters: &[f64], q: f64) -> (f64, f64) {
    let horner = |(value, slope), k: &f64| (value * q + k, slope * q + value);
    parameters.iter().rev().fold((0.0, 0.0), horner)
}

/// a c⁴ + b c³ + c c² + d c + k/sin² + v0, and its slope by cos θ.
fn restricted_quartic(parameters: &[f64], cosine: f64, sin2: f64) -> (f64, f64) {
    let &[a, b, c, d, k, v0] = parameters else { return (0.0, 0.0) };
    let (energy, slope) = polynomial(&[v0, d, c, b, a], cosine);
    if sin2 < LEAST_SIN2 {
        return (energy + k / LEAST_SIN2, slope);
    }
    (energy + k / sin2, slope + 2.0 * k * cosine / (sin2 * sin2))
}

/// v0 + Σ_n k1_n sin nφ + k2_n cos nφ, and its slope, for φ = atan2(y, x). sin nφ and cos nφ
/// follow from sin φ and cos φ by rotation.
fn fourier(parameters: &[f64], y: f64, x: f64) -> (f64, f64) {
    let Some((v0, amplitudes)) = parameters.split_first() else { return (0.0, 0.0) };
    let (k1, k2) = amplitudes.split_at(amplitudes.len() / 2);
    let norm = (x * x + y * y).sqrt();
    let (cos, sin) = if norm > 0.0 { (x / norm, y / norm) } else { (1.0, 0.0) };
    let (mut energy, mut slope) = (*v0, 0.0);
    let (mut cos_n, mut sin_n) = (1.0, 0.0);
    for (order, (k1, k2)) in k1.iter().zip(k2).enumerate() {
        (cos_n, sin_n) = (cos_n * cos - sin_n * sin, sin_n * cos + cos_n * sin);
        energy += k1 * sin_n + k2 * cos_n;
        slope += (order + 1) as f64 * (k1 * cos_n - k2 * sin_n);
    }
    (energy, slope)
}

/// (σ/r)⁶ of r², and its slope divided by r.
fn power(sigma: f64, square: f64) -> (f64, f64) {
    let inverse = 1.0 / square.max(LEAST);
    let s2 = sigma * sigma * inverse;
    let energy = s2 * s2 * s2;
    (energy, -6.0 * energy * inverse)
}

/// (6/α) exp(α (1 − r/r0)), and its slope.
fn exponential(alpha: f64, r_0: f64, r: f64) -> (f64, f64) {
    let energy = 6.0 / alpha * (alpha * (1.0 - r / r_0)).exp();
    (energy, -alpha / r_0 * energy)
}

/// U(r) − U(rc) − (r − rc) U'(rc) below the cutoff, and its slope.
fn force_shifted(u: impl Fn(f64) -> (f64, f64), cutoff: f64, r: f64) -> (f64, f64) {
    if r >= cutoff {
        return (0.0, 0.0);
    }
    let ((energy, slope), (energy_rc, slope_rc)) = (u(r), u(cutoff));
    (energy - energy_rc - (r - cutoff) * slope_rc, slope - slope_rc)
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
