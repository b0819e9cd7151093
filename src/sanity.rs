//! Whether positions make sense for a system. Nonsense has energies, too, and they look like others.

use crate::error::{Error, Result};
use crate::geometry::{MIN_DISTANCE, separation, square};
use crate::largest::{largest, largest_by};
use crate::model::PriorForm;
use crate::system::{Molecule, System, Term};
use crate::units;

/// Refuses replicas whose energy is not defined. Network and bonded priors exert no force along a
/// direction that is not defined; a repulsion is infinite. [`doubts`] tells of beads in one place that
/// have an energy.
///
/// # Errors
/// [`Error::Overlap`] for two beads in one place with a repulsion between them, and for three beads
/// or more in one place, as in the padding of a trajectory.
pub(crate) fn check_overlaps(system: &System, positions: &[[f64; 3]]) -> Result<()> {
    for r in 0..system.n_replicas() {
        let (molecule, positions) = (system.molecule(r), &positions[system.beads(r)]);
        if let Some(what) = undefined(molecule, positions) {
            return Err(Error::Overlap { replica: r as u32, what });
        }
    }
    Ok(())
}

/// Describes beads in one place whose energy is not defined.
fn undefined(molecule: &Molecule, positions: &[[f64; 3]]) -> Option<String> {
    let (leader, _) = overlaps(positions)?;
    let n = positions.len();
    if let Some((first, many)) = largest_group(&leader).filter(|(_, many)| *many > 2) {
        let (at, many) = (positions[first], if many == n { "all" } else { &many.to_string() });
        return Some(format!("{many} of {n} beads are at {at:?}, as in the padding of a file"));
    }
    let (term, i, j) = repulsion_between(molecule, &leader)?;
    Some(format!(
        "beads {i} and {j} are in one place, where the repulsion {} between them is infinite; move \
         them apart",
        term.name
    ))
}

/// The first bead in the place of each bead, and two beads in one place. `None` if all are apart.
fn overlaps(positions: &[[f64; 3]]) -> Option<(Vec<u32>, [u32; 2])> {
    // Devices round positions, so places are cells of MIN_DISTANCE.
    let cell = |x: f64| (x / MIN_DISTANCE).round() as i64;
    // In most replicas all x differ already.
    let mut sorted: Vec<i64> = positions.iter().map(|[x, ..]| cell(*x)).collect();
    sorted.sort_unstable();
    if sorted.windows(2).all(|two| two[0] < two[1]) {
        return None;
    }
    let places: Vec<[i64; 3]> = positions.iter().map(|x| x.map(cell)).collect();
    let mut order: Vec<u32> = (0..positions.len() as u32).collect();
    order.sort_by_key(|i| places[*i as usize]);
    let mut leader: Vec<u32> = (0..positions.len() as u32).collect();
    let mut found = None;
    for two in order.windows(2) {
        let [i, j] = [two[0] as usize, two[1] as usize];
        if places[i] == places[j] {
            leader[j] = leader[i];
            found.get_or_insert([two[0], two[1]]);
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

/// A bond is strained if it is off its rest length by more than this, Å, and has more than this energy,
/// kcal/mol. Thermal motion stretches stiff bonds less, and gives soft ones less energy: 10 kcal/mol is
/// 5 k_B T at 1000 K.
const STRAINED: (f64, f64) = (0.9, 10.0);

/// More strained bonds than one in so many, and than [`FEW`], are those of other beads.
const ONE_IN: usize = 16;

/// A single displaced bead strains about so many bonds.
const FEW: usize = 2;

/// A bond of a structure.
struct Bond<'a> {
    term: &'a str,
    beads: [u32; 2],
    length: f64,
    rest: f64,
    energy: f64,
}

impl Bond<'_> {
    fn is_torn(&self) -> bool {
        self.length - self.rest > BROKEN
    }

    fn is_strained(&self) -> bool {
        let (off, energy) = STRAINED;
        (self.length - self.rest).abs() > off && self.energy > energy
    }
}

fn bonds<'a>(molecule: &'a Molecule, positions: &[[f64; 3]]) -> Vec<Bond<'a>> {
    let terms = molecule.terms.iter().filter(|term| term.form == PriorForm::HarmonicBond);
    let of_term = |term: &'a Term| {
        let bond = |(t, [i, j, ..]): (usize, &[u32; 4])| {
            let [a, b] = [positions[*i as usize], positions[*j as usize]];
            let (length, k, rest) =
                (square(separation(a, b)).sqrt(), term.parameters(t)[0], term.parameters(t)[1]);
            let energy = k * (length - rest) * (length - rest);
            Bond { term: &term.name, beads: [*i, *j], length, rest, energy }
        };
        term.tuples.iter().enumerate().map(bond).collect::<Vec<_>>()
    };
    terms.flat_map(of_term).collect()
}

/// Why positions cannot be those of a molecule: beads at one point, as in the padding of a file; a
/// chain that was wrapped into a periodic cell; another unit; or beads in another order.
pub(crate) fn misfit(molecule: &Molecule, positions: &[[f64; 3]]) -> Option<String> {
    let strain = || strain(molecule, positions).filter(|(_, is_misfit)| *is_misfit);
    undefined(molecule, positions).or_else(|| strain().map(|(what, _)| what))
}

/// Describes bonds that are far from their rest lengths, and tells whether the positions cannot be those
/// of the molecule.
fn strain(molecule: &Molecule, positions: &[[f64; 3]]) -> Option<(String, bool)> {
    let bonds = bonds(molecule, positions);
    let n = bonds.len();
    let n_torn = bonds.iter().filter(|bond| bond.is_torn()).count();
    let n_strained = bonds.iter().filter(|bond| bond.is_torn() || bond.is_strained()).count();
    let worst = largest_by(&bonds, |bond| (bond.length - bond.rest).abs())?;
    let ([i, j], Bond { term, length, rest, .. }) = (worst.beads, worst);
    let worst = format!(
        "{term}: beads {i} and {j} are {length:.1} Å apart, the rest length is {rest:.1} Å"
    );
    let is_short = |bond: &&Bond| (0.05..0.2).contains(&(bond.length / bond.rest));
    if n_torn > 0 && n_torn <= (n / 4).max(1) {
        let what =
            "the molecule seems to be wrapped into a periodic cell: make molecules whole first";
        return Some((format!("{worst}; {what}"), true));
    }
    if 2 * bonds.iter().filter(is_short).count() > n {
        return Some((format!("{worst}; the positions seem to be in nm: Å are expected"), true));
    }
    let what = "the beads may be in another order, or those of another molecule";
    let is_misfit = n_strained > (n / ONE_IN).max(FEW);
    let text =
        format!("{n_strained} of {n} bonds are far from their rest lengths, for example {worst}");
    match n_strained {
        0 => None,
        _ if is_misfit => Some((format!("{text}; {what}"), true)),
        _ => Some((text, false)),
    }
}

/// Describes positions that look wrong: bonds that are far from their rest lengths, two beads in one
/// place, and coordinates too large for trajectories.
pub(crate) fn doubts(molecule: &Molecule, positions: &[[f64; 3]]) -> Vec<String> {
    let mut doubts: Vec<String> =
        strain(molecule, positions).into_iter().map(|(what, _)| what).collect();
    if let Some((_, [i, j])) = overlaps(positions) {
        doubts.push(format!(
            "beads {i} and {j} are in one place; network and bonds exert no force between them"
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
