//! The priors in f64: they cost little compared with the network, and in f32 the stiff bonds would
//! limit the accuracy of the whole force.

use crate::geometry::{cross, dot, separation, square};
use crate::model::PriorForm;
use crate::model::prior::{MIN_DISTANCE, MIN_SINE, psi};
use crate::system::{Molecule, System, Term};

/// The sums that terms are added to: the energy of each bead and, if asked for, the forces.
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

    /// Adds the forces of a function of the distance r between `i` and `j`; `slope` is (dU/dr)/r.
    fn along(&mut self, [i, j]: [u32; 2], separation: [f64; 3], slope: f64) {
        self.push(i, -slope, separation);
        self.push(j, slope, separation);
    }

    /// Adds a bond between `i` and `j`: k (r − x0)² + v0.
    fn bond(&mut self, [i, j]: [u32; 2], separation: [f64; 3], parameters: &[f64]) {
        let r = square(separation).sqrt();
        let (energy, slope) = harmonic(parameters, r);
        self.bead_energy[i as usize] += energy;
        self.along([i, j], separation, slope / r.max(MIN_DISTANCE));
    }

    /// Adds a repulsion, with half of its energy at each bead. `function` takes r² and returns U
    /// and (dU/dr)/r.
    fn repulsion(
        &mut self,
        [i, j]: [u32; 2],
        separation: [f64; 3],
        function: impl Fn(f64) -> (f64, f64),
    ) {
        let (energy, slope) = function(square(separation));
        self.bead_energy[i as usize] += 0.5 * energy;
        self.bead_energy[j as usize] += 0.5 * energy;
        self.along([i, j], separation, slope);
    }

    /// Adds an angle at `j`; `a` points from `j` to `i`, and `b` from `j` to `l`. `function`
    /// returns U and dU/d(cos θ).
    fn angle(
        &mut self,
        [i, j, l]: [u32; 3],
        [a, b]: [[f64; 3]; 2],
        function: impl Fn(&Bend) -> (f64, f64),
    ) {
        let (aa, bb) = (square(a).max(LEAST), square(b).max(LEAST));
        let inverse = 1.0 / (aa * bb).sqrt();
        let bend = Bend { dot: dot(a, b), cross: cross(a, b), inverse };
        let cosine = bend.cosine();
        let (energy, slope) = function(&bend);
        self.bead_energy[i as usize] += energy;
        let scale = -slope;
        // ∂cos θ/∂x_i = b/(|a||b|) − cos θ a/|a|², and the same for l with a and b exchanged.
        for (bead, near, far, nn) in [(i, a, b, aa), (l, b, a, bb)] {
            self.push(bead, scale * inverse, far);
            self.push(j, -scale * inverse, far);
            self.push(bead, -scale * cosine / nn, near);
            self.push(j, scale * cosine / nn, near);
        }
    }

    /// Adds a dihedral or improper; `b` holds the three bonds along the chain. `function` takes y
    /// and x and returns U and dU/dφ, φ = atan2(y, x). The gradient of φ is from Blondel and
    /// Karplus (1996).
    fn dihedral(
        &mut self,
        beads: [u32; 4],
        b: [[f64; 3]; 3],
        function: impl Fn(f64, f64) -> (f64, f64),
    ) {
        let [b1, b2, b3] = b;
        let (m, n) = (cross(b1, b2), cross(b2, b3));
        let [bb1, bb2, bb3] = b.map(|b| square(b).max(LEAST));
        let mm = square(m).max(LEAST_SIN2 * bb1 * bb2);
        let nn = square(n).max(LEAST_SIN2 * bb2 * bb3);
        // Adding 0 turns −0 into 0, because atan2 distinguishes the two.
        let (energy, slope) = function(square(b2).sqrt() * dot(b1, n) + 0.0, dot(m, n) + 0.0);
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
        let between = |i: u32, j: u32| separation(positions[i as usize], positions[j as usize]);
        for (&[i, j, k, l], p) in term.tuples.iter().zip(term.values.chunks_exact(stride)) {
            let (pair, triple, beads) = ([i, j], [i, j, k], [i, j, k, l]);
            let arms = || [between(i, j), between(k, j)];
            let bonds = || [between(j, i), between(k, j), between(l, k)];
            match form {
                PriorForm::HarmonicBond => self.bond(pair, between(i, j), p),
                PriorForm::Repulsion => {
                    self.repulsion(pair, between(i, j), |square| power(p[0], square));
                }
                PriorForm::CutoffRepulsion => self.repulsion(pair, between(i, j), |square| {
                    let u = |r: f64| {
                        let (energy, slope) = power(p[0], r * r);
                        (energy, slope * r.max(MIN_DISTANCE))
                    };
                    by_distance(square, |r| force_shifted(u, p[1], r))
                }),
                PriorForm::ExpRepulsion => self.repulsion(pair, between(i, j), |square| {
                    by_distance(square, |r| exponential(p[0], p[1], r))
                }),
                PriorForm::CutoffExpRepulsion => self.repulsion(pair, between(i, j), |square| {
                    let u = |r| exponential(p[0], p[1], r);
                    by_distance(square, |r| force_shifted(u, p[2], r))
                }),
                PriorForm::HarmonicAngle => {
                    self.angle(triple, arms(), |bend| harmonic(p, bend.cosine()));
                }
                PriorForm::QuarticAngle => {
                    self.angle(triple, arms(), |bend| polynomial(p, bend.cosine()));
                }
                PriorForm::RestrictedQuartic => self.angle(triple, arms(), |bend| {
                    restricted_quartic(p, bend.cosine(), bend.sine().powi(2))
                }),
                PriorForm::HarmonicAngleRaw => {
                    self.angle(triple, arms(), |bend| bend.by_angle(|theta| harmonic(p, theta)));
                }
                PriorForm::QuarticAngleRaw => {
                    self.angle(triple, arms(), |bend| bend.by_angle(|theta| polynomial(p, theta)));
                }
                PriorForm::HarmonicImproper => {
                    self.dihedral(beads, bonds(), |y, x| harmonic(p, y.atan2(x)));
                }
                PriorForm::ShiftedHarmonicImproper => {
                    self.dihedral(beads, bonds(), |y, x| harmonic(p, psi(y, x)));
                }
                PriorForm::Dihedral { .. } => {
                    self.dihedral(beads, bonds(), |y, x| fourier(p, y, x));
                }
            }
        }
    }
}

/// The angle θ between two vectors.
struct Bend {
    dot: f64,
    cross: [f64; 3],
    /// 1/(|a||b|).
    inverse: f64,
}

impl Bend {
    fn cosine(&self) -> f64 {
        self.dot * self.inverse
    }

    fn sine(&self) -> f64 {
        square(self.cross).sqrt() * self.inverse
    }

    /// U and dU/d(cos θ) for a `function` that takes θ and returns U and dU/dθ.
    fn by_angle(&self, function: impl Fn(f64) -> (f64, f64)) -> (f64, f64) {
        let (energy, slope) = function(square(self.cross).sqrt().atan2(self.dot));
        (energy, -slope / self.sine().max(MIN_SINE))
    }
}

/// U and (dU/dr)/r for r² and a `function` that takes r and returns U and dU/dr.
fn by_distance(square: f64, function: impl Fn(f64) -> (f64, f64)) -> (f64, f64) {
    let r = square.sqrt();
    let (energy, slope) = function(r);
    (energy, slope / r.max(MIN_DISTANCE))
}

/// The lower bound of the square of a length in a denominator.
const LEAST: f64 = MIN_DISTANCE * MIN_DISTANCE;
/// The lower bound of sin²θ in a denominator.
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

/// a cos⁴θ + b cos³θ + c cos²θ + d cos θ + k/sin²θ + v0, and its slope by cos θ.
fn restricted_quartic(parameters: &[f64], cosine: f64, sin2: f64) -> (f64, f64) {
    let &[a, b, c, d, k, v0] = parameters else { return (0.0, 0.0) };
    let (energy, slope) = polynomial(&[v0, d, c, b, a], cosine);
    if sin2 < LEAST_SIN2 {
        return (energy + k / LEAST_SIN2, slope);
    }
    (energy + k / sin2, slope + 2.0 * k * cosine / (sin2 * sin2))
}

/// v0 + Σ_n k1_n sin nφ + k2_n cos nφ, and its slope, for φ = atan2(y, x). Repeated rotation by φ
/// gives sin nφ and cos nφ from sin φ and cos φ.
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

/// U = (σ/r)⁶ and (dU/dr)/r, from r².
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

/// The energy of each bead and the forces of all replicas, of the terms that `chosen` selects.
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
