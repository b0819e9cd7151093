//! Energy minimization: its settings and results, and the algorithm in f64 for engines whose state
//! is in host memory.

use super::state::{State, origins};
use crate::error::{Error, Result};
use crate::geometry::square;
use crate::system::System;

/// A minimization of the energy of every replica by FIRE (Bitzek et al. 2006) with the corrections
/// of FIRE 2.0 (Guénolé et al. 2020). With P = F·v over all beads of a replica, and masses of 1, a
/// step is
///
/// ```text
/// P > 0: h grows and a shrinks after some steps; else x −= h v/2, h shrinks, a starts again, v = 0
/// v += h F;  v = (1 − a) v + a |v| F/|F|;  x += h v
/// ```
///
/// A bead moves by at most 0.1 Å per step: a longer velocity is cut. Masses, temperatures and limits
/// ([`Watch`](super::Watch)) have no effect.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Minimization {
    /// The most steps of a replica.
    pub most_steps: u32,
    /// A replica has converged when the force on each of its beads is at most this, kcal/mol/Å.
    /// In mixed precision the forces have errors, below which no replica converges.
    pub tolerance: f64,
}

impl Default for Minimization {
    fn default() -> Self {
        Minimization { most_steps: 5000, tolerance: 0.1 }
    }
}

/// The result of the minimization of one replica.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Minimized {
    /// Steps done.
    pub steps: u32,
    /// Potential energy at the start, kcal/mol, without external forces; NaN for a frozen replica.
    pub energy_before: f64,
    /// The same at the end.
    pub energy_after: f64,
    /// The largest force on a bead at the end, external forces included, kcal/mol/Å; NaN for a
    /// frozen replica.
    pub largest_force: f64,
    /// Whether the largest force is within the tolerance.
    pub is_converged: bool,
}

/// The numbers of FIRE. Time steps are in units of Å (kcal/mol)^(−1/2), with masses of 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fire {
    pub(crate) first_step: f64,
    pub(crate) least_step: f64,
    pub(crate) most_step: f64,
    pub(crate) growth: f64,
    pub(crate) shrinkage: f64,
    /// The time step grows after so many steps with P > 0.
    pub(crate) patience: u32,
    pub(crate) mixing: f64,
    pub(crate) mixing_decay: f64,
    /// The longest displacement of a bead in a step, Å.
    pub(crate) reach: f64,
    /// Components of forces are cut to this, kcal/mol/Å, so that f32 holds the sum of squares.
    pub(crate) most_force: f64,
}

/// The numbers in use. Those without units are from Guénolé et al. A time step h is stable for
/// curvatures below 4/h²: the largest for 4e3 kcal/mol/Å², about that of stiff bonds, and the least for
/// 4e6. With a larger one the bonds of the built-in system often turn P negative, and a minimization
/// takes three times the steps.
pub(crate) const FIRE: Fire = Fire {
    first_step: 0.01,
    least_step: 0.001,
    most_step: 0.03,
    growth: 1.1,
    shrinkage: 0.5,
    patience: 20,
    mixing: 0.25,
    mixing_decay: 0.99,
    reach: 0.1,
    most_force: 1e9,
};

impl Minimization {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`Error::Invalid`] for no step, or a tolerance that is not positive or that single precision
    /// does not hold.
    pub fn check(&self) -> Result<()> {
        if self.most_steps == 0 {
            return Err(Error::invalid("minimize", 0, "at least one step"));
        }
        match self.tolerance > 0.0 && self.square_tolerance().is_normal() {
            true => Ok(()),
            false => {
                let expected = "a force > 0 whose square single precision holds";
                Err(Error::invalid("minimize-tolerance", self.tolerance, expected))
            }
        }
    }

    /// The square of the tolerance, as devices compare it.
    pub(crate) fn square_tolerance(&self) -> f32 {
        (self.tolerance * self.tolerance) as f32
    }
}

/// The error of a replica with this number whose force on a bead is not finite.
pub(crate) fn broken(replica: u32, bead: u32, steps: u32) -> Error {
    let found =
        format!("one on bead {bead} that is not finite, after {steps} steps of the minimization");
    Error::invalid(format!("forces of replica {replica}"), found, "finite forces")
}

/// The minimization of one replica between two steps.
#[derive(Debug, Clone, Copy)]
struct Descent {
    steps: u32,
    /// Steps with P > 0 since the last one without.
    good: u32,
    step: f64,
    mixing: f64,
    square_force: f64,
}

impl Descent {
    const START: Descent = Descent {
        steps: 0,
        good: 0,
        step: FIRE.first_step,
        mixing: FIRE.mixing,
        square_force: f64::NAN,
    };

    /// Does one step.
    fn step(
        &mut self,
        forces: &[[f64; 3]],
        positions: &mut [[f64; 3]],
        velocities: &mut [[f64; 3]],
    ) {
        let forces: Vec<_> = forces.iter().copied().map(limited).collect();
        let sum = |of: &dyn Fn(&[f64; 3], &[f64; 3]) -> f64| -> f64 {
            forces.iter().zip(velocities.iter()).map(|(f, v)| of(f, v)).sum()
        };
        let power = sum(&|f, v| f.iter().zip(v).map(|(f, v)| f * v).sum());
        let (force2, speed2) = (sum(&|f, _| square(*f)), sum(&|_, v| square(*v)));
        let back = 0.5 * self.step;
        let is_downhill = power > 0.0;
        if is_downhill {
            self.good += 1;
            if self.good > FIRE.patience {
                self.step = (FIRE.growth * self.step).min(FIRE.most_step);
                self.mixing *= FIRE.mixing_decay;
            }
        } else {
            self.good = 0;
            self.mixing = FIRE.mixing;
            if speed2 > 0.0 {
                self.step = (FIRE.shrinkage * self.step).max(FIRE.least_step);
            }
        }
        let (h, kept) = (self.step, if is_downhill { 1.0 } else { 0.0 });
        let next2 = kept * (speed2 + 2.0 * h * power) + h * h * force2;
        let along = self.mixing * (next2 / force2).sqrt();
        for ((x, v), f) in positions.iter_mut().zip(velocities).zip(forces) {
            let mixed = |c: usize| (1.0 - self.mixing) * (kept * v[c] + h * f[c]) + along * f[c];
            let next: [f64; 3] = std::array::from_fn(mixed);
            let cut = (FIRE.reach / (h * square(next).sqrt())).min(1.0);
            for c in 0..3 {
                let next = cut * next[c];
                x[c] += h * next - (1.0 - kept) * back * v[c];
                v[c] = next;
            }
        }
        self.steps += 1;
    }
}

/// A force whose components are within the limit.
fn limited(force: [f64; 3]) -> [f64; 3] {
    let largest = force.iter().fold(0.0, |largest: f64, f| largest.max(f.abs()));
    let scale = (FIRE.most_force / largest).min(1.0);
    force.map(|f| scale * f)
}

/// Minimizes all replicas from a state. `evaluate` returns the energies of replicas and the forces
/// that act on beads at any positions. Returns the state at the end, and the results.
pub(crate) fn minimize(
    (system, replica_ids): (&System, &[u32]),
    minimization: &Minimization,
    start: &State,
    mut evaluate: impl FnMut(&[[f64; 3]]) -> Result<(Vec<f64>, Vec<[f64; 3]>)>,
) -> Result<(State, Vec<Minimized>)> {
    minimization.check()?;
    let tolerance2 = f64::from(minimization.square_tolerance());
    let mut positions = start.positions.clone();
    let mut velocities = vec![[0.0; 3]; positions.len()];
    let mut descents = vec![Descent::START; system.n_replicas()];
    let (energy, mut forces) = evaluate(&positions)?;
    let energy_before = start.without_frozen(energy.clone());
    let mut energy_after = energy;
    loop {
        let mut moves = false;
        for (r, descent) in descents.iter_mut().enumerate() {
            let beads = system.beads(r);
            let forces = &forces[beads.clone()];
            if start.is_frozen(r) {
                continue;
            }
            if let Some(bead) = forces.iter().position(|f| f.iter().any(|f| !f.is_finite())) {
                return Err(broken(replica_ids[r], bead as u32, descent.steps));
            }
            let squares = forces.iter().map(|force| square(limited(*force)));
            descent.square_force = squares.fold(0.0, f64::max);
            if descent.square_force > tolerance2 && descent.steps < minimization.most_steps {
                descent.step(forces, &mut positions[beads.clone()], &mut velocities[beads]);
                moves = true;
            }
        }
        if !moves {
            break;
        }
        (energy_after, forces) = evaluate(&positions)?;
    }
    let energy_after = start.without_frozen(energy_after);
    let result = |(r, descent): (usize, &Descent)| Minimized {
        steps: descent.steps,
        energy_before: energy_before[r],
        energy_after: energy_after[r],
        largest_force: descent.square_force.sqrt(),
        is_converged: descent.square_force <= tolerance2,
    };
    let results = descents.iter().enumerate().map(result).collect();
    let origins = origins(system, &positions);
    Ok((State { positions, origins, ..start.clone() }, results))
}

/// Puts an engine into the state at the end of a minimization, or after an error back to the start.
pub(crate) fn end_minimization(
    start: &State,
    found: Result<(State, Vec<Minimized>)>,
    mut set_state: impl FnMut(&State) -> Result<()>,
) -> Result<Vec<Minimized>> {
    match found.and_then(|(end, results)| set_state(&end).map(|()| results)) {
        Ok(results) => Ok(results),
        Err(error) => set_state(start).and(Err(error)),
    }
}
