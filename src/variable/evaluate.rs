//! Values and gradients in f64.

use std::f64::consts::PI;

use super::Variable;
use super::superpose::optimal;
use crate::error::Result;
use crate::geometry::{
    Coordinate, MIN_DISTANCE, angle, center, centered, dihedral, dot, separation, square, unit,
};
use crate::structure::check_vectors;
use crate::system::System;

impl Variable {
    /// The value for the positions of one replica, Å, `[n_beads]`.
    ///
    /// # Panics
    /// If a bead has no position.
    pub fn value(&self, positions: &[[f64; 3]]) -> f64 {
        self.evaluate(positions, |_, _| {})
    }

    /// The value for the positions of one replica, and its gradient, `[n_beads]`.
    ///
    /// # Panics
    /// If a bead has no position.
    pub fn value_and_gradient(&self, positions: &[[f64; 3]]) -> (f64, Vec<[f64; 3]>) {
        let mut gradient = vec![[0.0; 3]; positions.len()];
        let value = self.evaluate(positions, |bead, part| {
            for (sum, x) in gradient[bead as usize].iter_mut().zip(part) {
                *sum += x;
            }
        });
        (value, gradient)
    }

    /// The values of all replicas, and the gradients, `[n_beads]` over all replicas.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] for positions of another number, or not finite; see also
    /// [`Variable::check`].
    pub(crate) fn of_all_replicas(
        &self,
        system: &System,
        positions: &[[f64; 3]],
    ) -> Result<(Vec<f64>, Vec<[f64; 3]>)> {
        self.check(system)?;
        check_vectors("positions", positions, system.n_beads())?;
        let of_replica = |r| self.value_and_gradient(&positions[system.beads(r)]);
        let (values, gradients): (_, Vec<_>) = (0..system.n_replicas()).map(of_replica).unzip();
        Ok((values, gradients.concat()))
    }

    /// The value. `add` is called with beads and parts of their gradients.
    fn evaluate(&self, positions: &[[f64; 3]], mut add: impl FnMut(u32, [f64; 3])) -> f64 {
        let at = |beads: &[u32]| -> Vec<[f64; 3]> {
            beads.iter().map(|bead| positions[*bead as usize]).collect()
        };
        match self {
            Variable::Position { beads, reference } => {
                let moved = at(beads).into_iter().zip(reference);
                let moved: Vec<_> = moved.map(|(x, x0)| separation(x, *x0)).collect();
                root_mean_square(beads, &moved, add)
            }
            Variable::Distance { groups: [first, second] } => {
                let between = separation(center(&at(first)), center(&at(second)));
                let direction = unit(between);
                for (group, sign) in [(first, 1.0), (second, -1.0)] {
                    let share = direction.map(|x| sign * x / group.len() as f64);
                    group.iter().for_each(|bead| add(*bead, share));
                }
                square(between).sqrt()
            }
            Variable::Angle(beads) => {
                let [i, j, k] = beads.map(|bead| positions[bead as usize]);
                tuple(beads, angle([i, j, k, k]), add)
            }
            Variable::Dihedral(beads) => {
                let x = beads.map(|bead| positions[bead as usize]);
                let phi = tuple(beads, dihedral(x, f64::atan2), add);
                if phi < PI { phi } else { -PI }
            }
            Variable::RadiusOfGyration { beads } if beads.is_empty() => {
                let all: Vec<u32> = (0..positions.len() as u32).collect();
                root_mean_square(&all, &centered(positions), add)
            }
            Variable::RadiusOfGyration { beads } => {
                root_mean_square(beads, &centered(&at(beads)), add)
            }
            Variable::Rmsd { beads, reference } => {
                let (y, z) = (centered(&at(beads)), centered(reference));
                let rotation = optimal(&y, &z);
                let rest =
                    y.iter().zip(&z).map(|(y, z)| separation(*y, rotation.map(|r| dot(r, *z))));
                root_mean_square(beads, &rest.collect::<Vec<_>>(), add)
            }
            Variable::NativeContacts { pairs, distances, beta, lambda } => {
                let share = 1.0 / pairs.len() as f64;
                let of_pair = |([i, j], d): (&[u32; 2], &f64)| {
                    let between = separation(positions[*i as usize], positions[*j as usize]);
                    let excess = (beta * (square(between).sqrt() - lambda * d)).exp();
                    let contact = 1.0 / (1.0 + excess);
                    // dQ/dr = −β Q (1 − Q), where 1 − Q is 1/(1 + 1/e).
                    let slope = -beta * contact / (1.0 + 1.0 / excess) * share;
                    let direction = unit(between);
                    add(*i, direction.map(|x| slope * x));
                    add(*j, direction.map(|x| -slope * x));
                    share * contact
                };
                pairs.iter().zip(distances).map(of_pair).sum()
            }
        }
    }
}

/// The angle of a tuple of beads.
fn tuple(beads: &[u32], (value, gradient): Coordinate, add: impl FnMut(u32, [f64; 3])) -> f64 {
    let mut add = add;
    beads.iter().zip(gradient).for_each(|(bead, part)| add(*bead, part));
    value
}

/// q = √(1/n Σ_i |a_i|²) with the gradient a_i/(n q). It is the gradient of q also if the vectors a
/// are relative to their center, or to an optimal rotation of a reference: the derivatives of q by
/// the center and by the rotation are 0.
fn root_mean_square(beads: &[u32], a: &[[f64; 3]], mut add: impl FnMut(u32, [f64; 3])) -> f64 {
    let n = a.len() as f64;
    let value = (a.iter().map(|a| square(*a)).sum::<f64>() / n).sqrt();
    let scale = 1.0 / (n * value.max(MIN_DISTANCE));
    beads.iter().zip(a).for_each(|(bead, a)| add(*bead, a.map(|x| scale * x)));
    value
}
