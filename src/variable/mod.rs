//! Variables: scalar functions of the positions of one replica, such as a distance or an RMSD.
//!
//! A simulation reports them as observables ([`crate::Simulation::set_observables`]). They do not
//! act on the beads.

mod evaluate;
mod rotation;
mod superpose;

pub(crate) use superpose::optimal;
pub use superpose::superposed;

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::geometry::{separation, square};
use crate::system::System;

/// A scalar function q of the positions x of one replica, Å or rad. Beads are counted from 0 in the
/// replica, and every molecule of the system must have them.
///
/// # Degenerate geometries
///
/// Gradients are finite everywhere. Where q has no derivative, they follow the rules of
/// [`crate::model::PriorForm`]: a length in a denominator is at least 1e-4 Å, and so are sin θ and
/// its like. So the gradient of a distance, a radius of gyration or an RMSD of 0 is 0.
///
/// The gradient of an RMSD is that of the optimal rotation. This rotation is not unique where the two
/// largest eigenvalues of the matrix that determines it are equal. Then the RMSD is continuous, but
/// it may have a kink, and the gradient is that of one of the optimal rotations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
#[non_exhaustive]
pub enum Variable {
    /// The displacement from fixed points, √(1/n Σ_i |x_i − x0_i|²), without superposition.
    Position {
        /// The beads i.
        beads: Vec<u32>,
        /// The points x0, Å, one for each bead.
        reference: Vec<[f64; 3]>,
    },
    /// The distance |a − b| between the centers a and b of two groups of beads. All beads of a group
    /// have the same weight.
    Distance {
        /// The two groups. They may share beads.
        groups: [Vec<u32>; 2],
    },
    /// The angle θ at the second bead, in [0, π].
    Angle([u32; 3]),
    /// The dihedral angle φ with the IUPAC sign, in [−π, π).
    Dihedral([u32; 4]),
    /// √(1/n Σ_i |x_i − c|²) with the center c = 1/n Σ_i x_i. All beads have the same weight.
    RadiusOfGyration {
        /// The beads i; empty for all beads of each replica.
        beads: Vec<u32>,
    },
    /// min over R of √(1/n Σ_i |y_i − R z_i|²), for proper rotations R. y and z are the positions
    /// and the reference without their centers. All beads have the same weight. The quaternion of R
    /// belongs to the largest eigenvalue of a 4×4 matrix (Horn 1987).
    Rmsd {
        /// The beads i.
        beads: Vec<u32>,
        /// Their positions in the reference structure, Å.
        reference: Vec<[f64; 3]>,
    },
    /// The fraction of native contacts, 1/n Σ_ij 1/(1 + exp(β (r_ij − λ d_ij))) (Best, Hummer and
    /// Eaton 2013).
    NativeContacts {
        /// The n pairs of beads ij.
        pairs: Vec<[u32; 2]>,
        /// The distance d of each pair in the reference structure, Å.
        distances: Vec<f64>,
        /// The steepness β, 1/Å.
        beta: f64,
        /// The tolerance λ.
        lambda: f64,
    },
}

/// The steepness β of [`Variable::NativeContacts`] in common use, 1/Å.
pub const CONTACT_BETA: f64 = 5.0;

/// The tolerance λ of [`Variable::NativeContacts`] in common use for coarse-grained models. For all
/// atoms it is 1.8.
pub const CONTACT_LAMBDA: f64 = 1.2;

/// The cutoff for the pairs of [`Variable::NativeContacts`] in common use for Cα beads, Å.
pub const CONTACT_CUTOFF: f64 = 8.0;

/// Beads of a native contact differ by more than this in their numbers.
const NEAR_IN_CHAIN: usize = 3;

/// The largest coordinate of a reference, Å. Squares of it stay in the range of f32.
const FARTHEST: f64 = 1e7;

impl Variable {
    /// The distance between the first and the last bead of a chain of `n_beads`, which must be at
    /// least 2.
    pub fn end_to_end(n_beads: usize) -> Self {
        Variable::Distance { groups: [vec![0], vec![n_beads.saturating_sub(1) as u32]] }
    }

    /// The radius of gyration of all beads.
    pub fn radius_of_gyration() -> Self {
        Variable::RadiusOfGyration { beads: Vec::new() }
    }

    /// The RMSD of all beads from a structure, Å, `[n_beads]`.
    pub fn rmsd(reference: &[[f64; 3]]) -> Self {
        let beads = (0..reference.len() as u32).collect();
        Variable::Rmsd { beads, reference: reference.to_vec() }
    }

    /// The fraction of native contacts of a structure, Å, `[n_beads]`. Its contacts are the pairs of
    /// beads nearer than `cutoff`, Å, whose numbers differ by more than 3.
    pub fn native_contacts(reference: &[[f64; 3]], cutoff: f64, beta: f64, lambda: f64) -> Self {
        let (mut pairs, mut distances) = (Vec::new(), Vec::new());
        for j in 0..reference.len() {
            for i in 0..j.saturating_sub(NEAR_IN_CHAIN) {
                let distance = square(separation(reference[i], reference[j])).sqrt();
                if distance < cutoff {
                    pairs.push([i as u32, j as u32]);
                    distances.push(distance);
                }
            }
        }
        Variable::NativeContacts { pairs, distances, beta, lambda }
    }

    /// The name of its kind, as in files of restraints.
    pub fn kind(&self) -> &'static str {
        match self {
            Variable::Position { .. } => "position",
            Variable::Distance { .. } => "distance",
            Variable::Angle(_) => "angle",
            Variable::Dihedral(_) => "dihedral",
            Variable::RadiusOfGyration { .. } => "rg",
            Variable::Rmsd { .. } => "rmsd",
            Variable::NativeContacts { .. } => "q",
        }
    }

    /// The unit in names: "A" for Å, "rad", or "" for a number without unit.
    pub fn unit(&self) -> &'static str {
        match self {
            Variable::Position { .. }
            | Variable::Distance { .. }
            | Variable::RadiusOfGyration { .. }
            | Variable::Rmsd { .. } => "A",
            Variable::Angle(_) | Variable::Dihedral(_) => "rad",
            Variable::NativeContacts { .. } => "",
        }
    }

    /// Checks the variable for a system.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bead that a molecule of the system does not have, a bead or a pair
    /// that is given twice, no beads, a wrong count, and a number that is out of range.
    pub fn check(&self, system: &System) -> Result<()> {
        let least = system.molecules().iter().map(|molecule| molecule.n_beads()).min();
        let n_beads = least.unwrap_or(0);
        match self {
            Variable::Position { beads, reference } => {
                check_beads("position", beads, n_beads)?;
                check_reference("position", beads.len(), reference)
            }
            Variable::Distance { groups } => {
                groups.iter().try_for_each(|beads| check_beads("distance", beads, n_beads))?;
                let [first, second] = groups.each_ref().map(BTreeSet::from_iter);
                match first == second {
                    true => Err(Error::invalid("distance", "the same beads twice", "two groups")),
                    false => Ok(()),
                }
            }
            Variable::Angle(beads) => check_beads("angle", beads, n_beads),
            Variable::Dihedral(beads) => check_beads("dihedral", beads, n_beads),
            Variable::RadiusOfGyration { beads } if beads.is_empty() => Ok(()),
            Variable::RadiusOfGyration { beads } => {
                check_beads("radius of gyration", beads, n_beads)
            }
            Variable::Rmsd { beads, reference } => {
                check_beads("RMSD", beads, n_beads)?;
                check_reference("RMSD", beads.len(), reference)
            }
            Variable::NativeContacts { pairs, distances, beta, lambda } => {
                check_pairs(pairs, n_beads)?;
                check_count("native contacts, distances", distances.len(), pairs.len())?;
                let constants = [("beta", beta), ("lambda", lambda)];
                let distances = distances.iter().map(|distance| ("distance", distance));
                let is_wrong = |(_, x): &(&str, &f64)| !(**x > 0.0 && **x <= FARTHEST);
                match constants.into_iter().chain(distances).find(is_wrong) {
                    Some((name, number)) => {
                        let field = format!("native contacts, {name}");
                        Err(Error::invalid(field, number, format!("a number in (0, {FARTHEST}]")))
                    }
                    None => Ok(()),
                }
            }
        }
    }
}

fn check_beads(variable: &str, beads: &[u32], n_beads: usize) -> Result<()> {
    if beads.is_empty() {
        return Err(Error::invalid(variable, "no beads", "at least one"));
    }
    let mut known = HashSet::new();
    for bead in beads {
        check_bead(variable, *bead, n_beads)?;
        if !known.insert(bead) {
            return Err(Error::invalid(variable, format!("bead {bead} twice"), "different beads"));
        }
    }
    Ok(())
}

fn check_bead(variable: &str, bead: u32, n_beads: usize) -> Result<()> {
    if (bead as usize) < n_beads {
        return Ok(());
    }
    let expected = format!("a bead below {n_beads}, which every molecule has");
    Err(Error::invalid(variable, format!("bead {bead}"), expected))
}

fn check_pairs(pairs: &[[u32; 2]], n_beads: usize) -> Result<()> {
    const NAME: &str = "native contacts";
    if pairs.is_empty() {
        return Err(Error::invalid(NAME, "no pairs", "at least one; is the cutoff too short?"));
    }
    let mut known = HashSet::new();
    for [i, j] in pairs {
        check_bead(NAME, *i, n_beads)?;
        check_bead(NAME, *j, n_beads)?;
        if i == j || !known.insert([i.min(j), i.max(j)]) {
            let found = format!("the pair {i}-{j}");
            return Err(Error::invalid(NAME, found, "different pairs of different beads"));
        }
    }
    Ok(())
}

fn check_reference(variable: &str, n_beads: usize, reference: &[[f64; 3]]) -> Result<()> {
    check_count(&format!("{variable}, reference"), reference.len(), n_beads)?;
    let range = -FARTHEST..=FARTHEST;
    match reference.as_flattened().iter().find(|x| !range.contains(*x)) {
        Some(x) => {
            let expected = format!("coordinates within {FARTHEST} Å");
            Err(Error::invalid(format!("{variable}, reference"), x, expected))
        }
        None => Ok(()),
    }
}

fn check_count(field: &str, found: usize, expected: usize) -> Result<()> {
    match found == expected {
        true => Ok(()),
        false => Err(Error::invalid(field, found, expected.to_string())),
    }
}
