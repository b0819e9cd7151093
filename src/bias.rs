//! Biases (restraints): potentials of a [`Variable`] that act on the beads in every step.
//!
//! ```
//! use flashschnet::bias::{Bias, BiasForm};
//! use flashschnet::variable::Variable;
//!
//! let form = BiasForm::Harmonic { k: vec![2.0], center: vec![10.0, 12.0] };
//! let variable = Variable::Distance { groups: [vec![0], vec![1]] };
//! let bias = Bias { name: "ends".into(), variable, form };
//! // 2 kcal/mol/Å² (9 Å − 12 Å)², for replica 1.
//! let ([q, energy], forces) = bias.energy_and_forces(&[[0.0; 3], [9.0, 0.0, 0.0]], 1, 0);
//! assert_eq!((q, energy, forces[1]), (9.0, 18.0, [12.0, 0.0, 0.0]));
//! ```

use std::f64::consts::{PI, TAU};
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::geometry::{MIN_DISTANCE, separation, square};
use crate::ramp::{check_order, value_at};
use crate::system::System;
use crate::variable::Variable;

/// A potential W(q) of a variable q. It acts on the beads like a prior, but is not part of the
/// potential energy.
///
/// A bias on a [`Variable::Position`] acts on each bead alone: W = Σ_i f(|x_i − x0_i|), where f is the
/// form. For a [`Variable::Dihedral`], q is moved by a multiple of 2π next to the center, or to the
/// middle of the range, so that the difference from it is in [−π, π).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bias {
    /// A name of at most 64 letters, digits and `_`, which no other bias has and which does not end in
    /// `_value`, `_value_1` or `_work`: columns of `energies.csv` have the names `bias_NAME`,
    /// `bias_NAME_value` and, if the center moves, `bias_NAME_work`.
    pub name: String,
    /// The variable q.
    pub variable: Variable,
    /// The potential.
    pub form: BiasForm,
}

/// The form of a bias. Each list has one number for all replicas, or one for each: for each state of
/// a ladder with replica exchange, else for each replica of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
#[non_exhaustive]
pub enum BiasForm {
    /// k (q − center)², without a factor of ½ as in the priors.
    Harmonic {
        /// kcal/mol by the square of the variable's unit.
        k: Vec<f64>,
        /// In the unit of the variable.
        center: Vec<f64>,
    },
    /// k (lower − q)² below the range, k (q − upper)² above it, 0 within it.
    FlatBottom {
        /// kcal/mol by the square of the variable's unit.
        k: Vec<f64>,
        /// The lower end of the range; empty for none.
        lower: Vec<f64>,
        /// The upper end of the range; empty for none.
        upper: Vec<f64>,
    },
    /// k (q − c(n))² after n steps: steered dynamics. The center c moves on straight lines between
    /// points and rests before the first and after the last of them.
    ///
    /// Forces after n steps have the center c(n). The work of a step on a replica is that of a center
    /// that moves by one half before the step, and by the other half after it, with
    /// m = (c(n) + c(n + 1))/2:
    ///
    /// ```text
    /// k (q_n − m)² − k (q_n − c(n))² + k (q_{n+1} − c(n + 1))² − k (q_{n+1} − m)²
    /// ```
    ///
    /// With constant energy the sum of all energies and the work then differ by the error of the
    /// integrator, which is of second order in the time step.
    /// [`State::work`](crate::engine::State::work) is the sum from the step at which the bias was
    /// added. The variable is no [`Variable::Position`], and there is no replica exchange.
    Moving {
        /// kcal/mol by the square of the variable's unit.
        k: Vec<f64>,
        /// Points of the path: a step, and the center in the unit of the variable. All replicas have
        /// the same path.
        path: Vec<(u64, f64)>,
    },
}

/// The largest absolute value of a number of a bias. Squares of it stay in the range of f32.
const LARGEST: f64 = 1e9;

/// The largest absolute value of a center or an end for a dihedral, rad.
const MOST_ANGLE: f64 = 100.0;

/// The numbers of a bias for one replica. A harmonic bias has the range from its center to its
/// center.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spring {
    pub(crate) k: f64,
    /// May be infinite.
    pub(crate) lower: f64,
    pub(crate) upper: f64,
}

impl Spring {
    /// How far q is above the range; negative below it.
    fn excess(self, q: f64) -> f64 {
        match q {
            q if q < self.lower => q - self.lower,
            q if q > self.upper => q - self.upper,
            q if q.is_nan() => q,
            _ => 0.0,
        }
    }

    fn energy(self, q: f64) -> f64 {
        self.k * self.excess(q) * self.excess(q)
    }

    fn slope(self, q: f64) -> f64 {
        2.0 * self.k * self.excess(q)
    }
}

impl Bias {
    /// Value of the variable and energy, kcal/mol, at the positions of one replica, Å, `[n_beads]`,
    /// and the forces, kcal/mol/Å, `[n_beads]`. `state` is the number of the replica's state in its
    /// ladder, or without replica exchange the number of the replica, counted from 0. `step` is the
    /// number of steps done, which only a moving bias needs.
    ///
    /// # Panics
    /// If a bead has no position or the bias has no numbers.
    pub fn energy_and_forces(
        &self,
        positions: &[[f64; 3]],
        state: usize,
        step: u64,
    ) -> ([f64; 2], Vec<[f64; 3]>) {
        let spring = self.spring(state, step);
        let (q, mut forces) = self.variable.value_and_gradient(positions);
        let Variable::Position { beads, reference } = &self.variable else {
            let q_near = self.near(spring, q);
            let slope = spring.slope(q_near);
            forces.iter_mut().for_each(|force| *force = force.map(|x| -slope * x));
            return ([q, spring.energy(q_near)], forces);
        };
        forces.fill([0.0; 3]);
        for (bead, x0) in beads.iter().zip(reference) {
            let moved = separation(positions[*bead as usize], *x0);
            let distance = square(moved).sqrt();
            let scale = -spring.slope(distance) / distance.max(MIN_DISTANCE);
            forces[*bead as usize] = moved.map(|x| scale * x);
        }
        ([q, self.energy(positions, spring, q)], forces)
    }

    /// Value of the variable and energy, as in [`Bias::energy_and_forces`].
    ///
    /// # Panics
    /// See [`Bias::energy_and_forces`].
    pub fn value_and_energy(&self, positions: &[[f64; 3]], state: usize, step: u64) -> [f64; 2] {
        let q = self.variable.value(positions);
        [q, self.energy(positions, self.spring(state, step), q)]
    }

    /// The energy at positions where the variable has the value q.
    pub(crate) fn energy(&self, positions: &[[f64; 3]], spring: Spring, q: f64) -> f64 {
        let Variable::Position { beads, reference } = &self.variable else {
            return spring.energy(self.near(spring, q));
        };
        let distance = |(bead, x0): (&u32, &[f64; 3])| {
            square(separation(positions[*bead as usize], *x0)).sqrt()
        };
        beads.iter().zip(reference).map(|of| spring.energy(distance(of))).sum()
    }

    /// An equivalent of q next to the range of the spring.
    fn near(&self, spring: Spring, q: f64) -> f64 {
        let middle = 0.5 * (spring.lower + spring.upper);
        match self.variable {
            Variable::Dihedral(_) => q - TAU * ((q - middle + PI) / TAU).floor(),
            _ => q,
        }
    }

    /// Whether the center moves.
    pub(crate) fn moves(&self) -> bool {
        matches!(self.form, BiasForm::Moving { .. })
    }

    /// The path of a moving bias; empty for another one.
    pub(crate) fn path(&self) -> &[(u64, f64)] {
        match &self.form {
            BiasForm::Moving { path, .. } => path,
            _ => &[],
        }
    }

    /// The work on a replica in the step from the first positions to the second, kcal/mol. `step` is the
    /// number of steps done when it ends.
    pub(crate) fn work(&self, positions: [&[[f64; 3]]; 2], state: usize, step: u64) -> f64 {
        let [start, end] = [step - 1, step].map(|step| self.spring(state, step));
        let middle = 0.5 * (start.lower + end.lower);
        let middle = Spring { lower: middle, upper: middle, ..start };
        let energy = |spring: Spring, q| spring.energy(self.near(spring, q));
        let [q, r] = positions.map(|positions| self.variable.value(positions));
        energy(middle, q) - energy(start, q) + energy(end, r) - energy(middle, r)
    }

    /// The numbers of a state after `step` steps.
    pub(crate) fn spring(&self, state: usize, step: u64) -> Spring {
        let of = |list: &[f64]| list.get(state).or(list.first()).copied();
        match &self.form {
            BiasForm::Harmonic { k, center } => {
                let center = of(center).expect("a checked bias has a center");
                Spring { k: of(k).expect("a checked bias has k"), lower: center, upper: center }
            }
            BiasForm::FlatBottom { k, lower, upper } => Spring {
                k: of(k).expect("a checked bias has k"),
                lower: of(lower).unwrap_or(f64::NEG_INFINITY),
                upper: of(upper).unwrap_or(f64::INFINITY),
            },
            BiasForm::Moving { k, path } => {
                let center = value_at(path, step).expect("a checked path has points");
                Spring { k: of(k).expect("a checked bias has k"), lower: center, upper: center }
            }
        }
    }

    /// The lists with their names.
    pub(crate) fn lists(&self) -> Vec<(&'static str, &[f64])> {
        match &self.form {
            BiasForm::Harmonic { k, center } => vec![("k", k), ("center", center)],
            BiasForm::FlatBottom { k, lower, upper } => {
                vec![("k", k), ("lower", lower), ("upper", upper)]
            }
            BiasForm::Moving { k, .. } => vec![("k", k)],
        }
    }

    /// The bias of some replicas, with the numbers of these if it has different ones for replicas.
    #[cfg(feature = "wgpu")]
    pub(crate) fn select(&self, replicas: &[usize]) -> Bias {
        let mut bias = self.clone();
        let lists = match &mut bias.form {
            BiasForm::Harmonic { k, center } => vec![k, center],
            BiasForm::FlatBottom { k, lower, upper } => vec![k, lower, upper],
            BiasForm::Moving { k, .. } => vec![k],
        };
        for list in lists.into_iter().filter(|list| list.len() > 1) {
            *list = replicas.iter().map(|r| list[*r]).collect();
        }
        bias
    }

    /// How many different rows of numbers the bias has: one for each state, or 1.
    pub(crate) fn n_rows(&self) -> usize {
        self.lists().iter().map(|(_, list)| list.len()).max().unwrap_or(1).max(1)
    }

    /// A harmonic bias with the largest force constant and its center at these positions of one replica.
    pub(crate) fn stiffest_at(&self, positions: &[[f64; 3]]) -> Bias {
        let (BiasForm::Harmonic { k, .. }
        | BiasForm::FlatBottom { k, .. }
        | BiasForm::Moving { k, .. }) = &self.form;
        let k = vec![k.iter().copied().fold(0.0, f64::max)];
        let (variable, center) = match &self.variable {
            Variable::Position { beads, .. } => {
                // A spring with the center 0 is as stiff everywhere. At its end the force has no direction.
                let beside = |bead: &u32| positions[*bead as usize].map(|x| x + 1.0);
                let reference = beads.iter().map(beside).collect();
                (Variable::Position { beads: beads.clone(), reference }, 0.0)
            }
            variable => (variable.clone(), variable.value(positions)),
        };
        Bias {
            name: self.name.clone(),
            variable,
            form: BiasForm::Harmonic { k, center: vec![center] },
        }
    }

    /// Checks the bias for a system.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the bias and the first value that is wrong.
    pub fn check(&self, system: &System) -> Result<()> {
        check_name(&self.name)?;
        let checked = self.variable.check(system).and_then(|()| self.check_numbers());
        checked.map_err(|error| error.of_bias(&self.name))
    }

    /// The largest absolute value of the numbers in a list.
    fn largest(&self, name: &str) -> f64 {
        match self.variable {
            // A device subtracts whole turns in f32, which holds these angles within 1e-5.
            Variable::Dihedral(_) if name != "k" => MOST_ANGLE,
            _ => LARGEST,
        }
    }

    fn check_path(&self) -> Result<()> {
        if let Variable::Position { .. } = self.variable {
            let expected = "another variable than position, whose center is a place";
            return Err(Error::invalid("form", "moving", expected));
        }
        let path = self.path();
        if path.len() < 2 {
            return Err(Error::invalid("steps", path.len(), "at least two points of the path"));
        }
        check_order("steps", path)?;
        let centers: Vec<f64> = path.iter().map(|(_, center)| *center).collect();
        let largest = self.largest("centers");
        check_range("centers", &centers, -largest..=largest)
    }

    fn check_numbers(&self) -> Result<()> {
        let is_flat = matches!(self.form, BiasForm::FlatBottom { .. });
        let is_dihedral = matches!(self.variable, Variable::Dihedral(_));
        for (name, list) in self.lists() {
            let may_be_empty = is_flat && name != "k" && !is_dihedral;
            if list.is_empty() && !may_be_empty {
                return Err(Error::invalid(name, "no number", "at least one"));
            }
            let least = if name == "k" { 0.0 } else { -self.largest(name) };
            check_range(name, list, least..=self.largest(name))?;
        }
        let BiasForm::FlatBottom { lower, upper, .. } = &self.form else {
            return if self.moves() { self.check_path() } else { Ok(()) };
        };
        if lower.is_empty() && upper.is_empty() {
            return Err(Error::invalid("lower", "neither lower nor upper", "at least one of them"));
        }
        for spring in (0..self.n_rows()).map(|state| self.spring(state, 0)) {
            let width = spring.upper - spring.lower;
            if width < 0.0 {
                let expected = format!("at least {}, which lower is", spring.lower);
                return Err(Error::invalid("upper", spring.upper, expected));
            }
            if is_dihedral && width > TAU {
                let expected = format!("at most 2π above {}, which lower is", spring.lower);
                return Err(Error::invalid("upper", spring.upper, expected));
            }
        }
        Ok(())
    }
}

fn check_range(name: &str, list: &[f64], range: RangeInclusive<f64>) -> Result<()> {
    match list.iter().find(|number| !range.contains(*number)) {
        Some(number) => {
            let expected = format!("numbers from {} to {}", range.start(), range.end());
            Err(Error::invalid(name, number, expected))
        }
        None => Ok(()),
    }
}

/// The most bytes of a name. Files have it in their names.
const LONGEST_NAME: usize = 64;

/// Checks the name of a bias.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_free = !["_value", "_value_1", "_work"].iter().any(|end| name.ends_with(end));
    if is_free && (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(is_word) {
        return Ok(());
    }
    let expected = "a name of at most 64 letters, digits and _ that does not end in _value, _value_1 or \
                    _work";
    Err(Error::invalid("bias", format!("{name:?}"), expected))
}
