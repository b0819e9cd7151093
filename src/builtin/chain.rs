//! The chain: its sequence, beads and tuple lists.

use crate::structure::{Topology, TupleList};
use crate::units::AMU;

/// One-letter codes, with one glycine. The sequence is made up and belongs to no real protein.
const SEQUENCE: &str = "MKTLEAVNSIRDFAEHLPQYKVWTGSADELIRKNCQAVFMSPEYTHLRKADVIN";

/// The bead type of a CB is 1 + the position of its residue in this order.
const RESIDUES: &str = "ACDEFGHIKLMNPQRSTVWY";

/// Bead types of the backbone.
pub(super) const N: u32 = 21;
pub(super) const CA: u32 = 22;
pub(super) const C: u32 = 23;
pub(super) const O: u32 = 24;
/// CA of glycine, which has no CB.
pub(super) const GLY_CA: u32 = 6;
/// CB of proline.
const PRO_CB: u32 = 13;
/// Bead types run from 1 to 24; row 0 of a table stays unused.
pub(super) const N_TYPES: usize = 25;

/// The beads of a residue.
struct Residue {
    n: u32,
    ca: u32,
    cb: Option<u32>,
    c: u32,
    o: u32,
}

/// The residues in order, and the type of every bead. The beads of a residue are N, CA, CB, C, O in
/// this order.
fn residues() -> (Vec<Residue>, Vec<u32>) {
    let (mut residues, mut types) = (Vec::new(), Vec::new());
    for letter in SEQUENCE.chars() {
        let code = 1 + RESIDUES.find(letter).expect("the sequence has standard residues") as u32;
        let n = types.len() as u32;
        if code == GLY_CA {
            types.extend([N, GLY_CA, C, O]);
            residues.push(Residue { n, ca: n + 1, cb: None, c: n + 2, o: n + 3 });
        } else {
            types.extend([N, CA, code, C, O]);
            residues.push(Residue { n, ca: n + 1, cb: Some(n + 2), c: n + 3, o: n + 4 });
        }
    }
    (residues, types)
}

/// Types, masses and the tuple list of every prior.
pub(super) fn topology() -> Topology {
    let (residues, types) = residues();
    let mass = |bead_type: &u32| match *bead_type {
        N => 14.0 * AMU,
        O => 16.0 * AMU,
        _ => 12.0 * AMU,
    };
    let masses = types.iter().map(mass).collect();

    let bonds = bonds(&residues);
    let angles = angles(&bonds, types.len());
    let mut dihedrals: [(&str, Vec<[u32; 4]>); 6] =
        ["phi", "psi", "pro_omega", "non_pro_omega", "gamma_1", "gamma_2"]
            .map(|name| (name, Vec::new()));
    for (i, at) in residues.iter().enumerate() {
        if let Some(before) = i.checked_sub(1).map(|i| &residues[i]) {
            let is_proline = at.cb.is_some_and(|cb| types[cb as usize] == PRO_CB);
            dihedrals[0].1.push([before.c, at.n, at.ca, at.c]);
            dihedrals[if is_proline { 2 } else { 3 }].1.push([before.ca, before.c, at.n, at.ca]);
        }
        if let Some(cb) = at.cb {
            dihedrals[4].1.push([at.n, cb, at.c, at.ca]);
        }
        if let Some(after) = residues.get(i + 1) {
            dihedrals[1].1.push([at.n, at.ca, at.c, after.n]);
            dihedrals[5].1.push([at.ca, at.o, after.n, at.c]);
        }
    }

    let list = |name: &str, order, tuples| TupleList { name: name.into(), order, tuples };
    let non_bonded = non_bonded(&bonds, types.len());
    let mut lists = vec![list("bonds", 2, bonds), list("angles", 3, angles)];
    lists.extend(dihedrals.into_iter().map(|(name, tuples)| list(name, 4, tuples)));
    lists.push(list("non_bonded", 2, non_bonded));
    Topology { types, masses, lists }
}

fn bonds(residues: &[Residue]) -> Vec<[u32; 4]> {
    let mut bonds = Vec::new();
    for (i, at) in residues.iter().enumerate() {
        bonds.push([at.n, at.ca, 0, 0]);
        bonds.extend(at.cb.map(|cb| [at.ca, cb, 0, 0]));
        bonds.push([at.ca, at.c, 0, 0]);
        bonds.push([at.c, at.o, 0, 0]);
        bonds.extend(residues.get(i + 1).map(|after| [at.c, after.n, 0, 0]));
    }
    bonds
}

/// Every pair of bonds that share a bead, with the shared bead in the middle.
fn angles(bonds: &[[u32; 4]], n_beads: usize) -> Vec<[u32; 4]> {
    let neighbors = neighbors(bonds, n_beads);
    let mut angles = Vec::new();
    for (middle, ends) in neighbors.iter().enumerate() {
        for (a, &first) in ends.iter().enumerate() {
            for &last in &ends[a + 1..] {
                angles.push([first.min(last), middle as u32, first.max(last), 0]);
            }
        }
    }
    angles.sort_unstable();
    angles
}

/// Every pair with more than four bonds between its beads.
fn non_bonded(bonds: &[[u32; 4]], n_beads: usize) -> Vec<[u32; 4]> {
    let neighbors = neighbors(bonds, n_beads);
    let mut pairs = Vec::new();
    for first in 0..n_beads {
        let mut near = vec![false; n_beads];
        near[first] = true;
        let mut shell = vec![first as u32];
        for _ in 0..4 {
            let reached = shell.iter().flat_map(|bead| neighbors[*bead as usize].iter().copied());
            shell = reached
                .filter(|bead| !std::mem::replace(&mut near[*bead as usize], true))
                .collect();
        }
        let far = (first + 1..n_beads).filter(|bead| !near[*bead]);
        pairs.extend(far.map(|last| [first as u32, last as u32, 0, 0]));
    }
    pairs
}

fn neighbors(bonds: &[[u32; 4]], n_beads: usize) -> Vec<Vec<u32>> {
    let mut neighbors = vec![Vec::new(); n_beads];
    for &[first, last, ..] in bonds {
        neighbors[first as usize].push(last);
        neighbors[last as usize].push(first);
    }
    neighbors
}
