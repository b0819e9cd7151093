//! Whether positions make sense for a system. Nonsense has energies, too, and they look like others.

use crate::error::{Error, Result};
use crate::geometry::{MIN_DISTANCE, separation, square};
use crate::largest::{largest, largest_by};
use crate::model::PriorForm;
use crate::system::{Molecule, System, Term};
use crate::units;

/// Refuses replicas whose energy is not defined, and warns of beads in one place that have one.
/// Network and bonded priors exert no force along a direction that is not defined; a repulsion is
/// infinite.
///
/// # Errors
/// [`Error::Overlap`] for two beads in one place with a repulsion between them, and for three beads
/// or more in one place, as in the padding of a trajectory.
pub(crate) fn check_overlaps(system: &System, positions: &[[f64; 3]]) -> Result<()> {
    for r in 0..system.n_replicas() {
        let (molecule, positions) = (system.molecule(r), &positions[system.beads(r)]);
        let Some((leader, [i, j])) = overlaps(positions) else { continue };
        let overlap = |what| Err(Error::Overlap { replica: r as u32, what });
        let n = positions.len();
        if let Some((first, many)) = largest_group(&leader).filter(|(_, many)| *many > 2) {
            let (at, many) = (positions[first], if many == n { "all" } else { &many.to_string() });
            return overlap(format!(
                "{many} of {n} beads are at {at:?}, as in the padding of a file"
            ));
        }
        if let Some((term, i, j)) = repulsion_between(molecule, &leader) {
            return overlap(format!(
                "beads {i} and {j} are in one place, where the repulsion {} between them is \
                 infinite; move them apart",
                term.name
            ));
        }
        log::warn!(
            "replica {r}: beads {i} and {j} are in one place; network and bonds exert no force \
             between them"
        );
    }
    Ok(())
}

/// The first bead in the place of each bead, and two beads in one place. `None` if all are apart.
fn overlaps(positions: &[[f64; 3]]) -> Option<(Vec<u32>, [u32; 2])> {
    // Devices round positions, so places are cells of MIN_DISTANCE.
    let place = |i: &u32| positions[*i as usize].map(|x| (x / MIN_DISTANCE).round() as i64);
    let mut order: Vec<u32> = (0..positions.len() as u32).collect();
    order.sort_by_key(place);
    let mut leader: Vec<u32> = (0..positions.len() as u32).collect();
    let mut found = None;
    for two in order.windows(2) {
        let [i, j] = [two[0], two[1]];
        if place(&i) == place(&j) {
            leader[j as usize] = leader[i as usize];
            found.get_or_insert([i, j]);
        }
    }
    Some((leader, found?))
}

/// The first bead of the place with the most beads, and their number.
fn largest_group(leader: &[u32]) -> Option<(usize, usize)> {
    let mut sizes = vec![0; leader.len()];
    leader.iter().for_each(|first| sizes[*first as usize] += 1);
    sizes.into_iter().enumerate().rev().max_by_key(|(_, size)| *size)
}

/// A repulsion between two beads in one place.
fn repulsion_between<'a>(molecule: &'a Molecule, leader: &[u32]) -> Option<(&'a Term, u32, u32)> {
    molecule.terms.iter().filter(|term| is_infinite_at_zero(term.form)).find_map(|term| {
        let together = |[i, j, ..]: &&[u32; 4]| leader[*i as usize] == leader[*j as usize];
        term.tuples.iter().find(together).map(|[i, j, ..]| (term, *i, *j))
    })
}

/// Whether the form is infinite for two beads in one place. The exponential repulsions are not.
fn is_infinite_at_zero(form: PriorForm) -> bool {
    matches!(form, PriorForm::Repulsion | PriorForm::CutoffRepulsion)
}

/// The lightest bead that a coarse-grained model has in practice, in units of 418.4 amu, if its mass
/// is given in amu by mistake.
const LIGHTEST: f64 = 1.5;

/// Describes masses that seem to be in amu. In the mass unit of [`crate::units`] a bead of 200 amu
/// has a mass of 0.48.
pub(crate) fn doubt_masses(molecule: &Molecule) -> Option<String> {
    let lightest = molecule.masses.iter().copied().fold(f64::INFINITY, f64::min);
    let heaviest = largest(molecule.masses.iter().copied());
    (lightest > LIGHTEST).then(|| {
        format!(
            "the masses of a molecule of {} beads are {lightest} to {heaviest} in units of 418.4 amu, \
             which is {:.0} to {:.0} amu; masses in amu must be divided by 418.4",
            molecule.n_beads(),
            lightest / units::AMU,
            heaviest / units::AMU,
        )
    })
}

/// A bond this much longer than its rest length is no bond, Å.
const BROKEN: f64 = 10.0;

/// Beyond this distance from 0 an f32 resolves less than 0.01 Å, the precision of a trajectory.
pub(crate) const FAR: f64 = 81_920.0;

/// Describes positions that look wrong: a bond that is far too long, as in a chain that was wrapped
/// into a periodic cell, and coordinates too large for trajectories.
pub(crate) fn doubts(molecule: &Molecule, positions: &[[f64; 3]]) -> Vec<String> {
    let bonds = molecule.terms.iter().filter(|term| term.form == PriorForm::HarmonicBond);
    let stretched = bonds.flat_map(|term| {
        term.tuples.iter().enumerate().map(|(t, [i, j, ..])| {
            let [a, b] = [positions[*i as usize], positions[*j as usize]];
            let (length, rest) = (square(separation(a, b)).sqrt(), term.parameters(t)[1]);
            (length, rest, [*i, *j], &term.name)
        })
    });
    let mut doubts = Vec::new();
    let worst = largest_by(stretched, |(length, rest, ..)| length - rest);
    if let Some((length, rest, [i, j], name)) = worst.filter(|(l, rest, ..)| l - rest > BROKEN) {
        doubts.push(format!(
            "{name}: beads {i} and {j} are {length:.1} Å apart, the rest length is {rest:.1} Å; was \
             the molecule wrapped into a periodic cell, or are its beads in another order?"
        ));
    }
    let farthest = largest(positions.as_flattened().iter().map(|x| x.abs()));
    if farthest > FAR {
        doubts.push(format!(
            "a coordinate is {farthest:.0} Å from 0; single precision and trajectory files resolve \
             less than 0.01 Å beyond {FAR} Å"
        ));
    }
    doubts
}
