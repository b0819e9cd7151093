//! The topology as a PDB file, which viewers need to show a trajectory.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::force_field::Residue;
use crate::model::PriorForm;
use crate::system::{Convention, Molecule};

/// The residues of bead types 1 to 20 of mlcg, in the alphabetical order of their one-letter codes.
pub(crate) const RESIDUES: [&str; 20] = [
    "ALA", "CYS", "ASP", "GLU", "PHE", "GLY", "HIS", "ILE", "LYS", "LEU", "MET", "ASN", "PRO",
    "GLN", "ARG", "SER", "THR", "VAL", "TRP", "TYR",
];
const GLYCINE: u32 = 6;

/// The most bonds of a CONECT record.
const CONECT_PARTNERS: usize = 4;

/// A bead as an atom of a residue.
struct Atom {
    name: &'static str,
    residue: usize,
}

/// Whether bead types are those of a model with five beads per residue: most of them are 21 to 24, N,
/// CA, C and O.
pub(crate) fn has_backbone(types: &[u32]) -> bool {
    2 * types.iter().filter(|bead_type| (21..=24).contains(*bead_type)).count() > types.len()
}

/// The atoms and the residue names that follow from bead types.
///
/// In models with five beads per residue, types 21 to 24 are N, CA, C and O. A type of 1 to 20 is
/// the CB of the residue, or the CA of a glycine, and a bead of another type is a residue UNK
/// ([`has_backbone`] tells these models). In other models, every bead is the CA of its residue, and
/// types name residues only if all of them are 1 to 20: a model may number its types as it likes. In TorchMD's models, too, every bead is the CA of its residue.
fn atoms(types: &[u32], convention: Convention) -> (Vec<Atom>, Vec<&'static str>) {
    if convention == Convention::TorchMd {
        let atoms = (0..types.len()).map(|residue| Atom { name: "CA", residue }).collect();
        let name = |of: &u32| Residue::of_type(*of).map_or("UNK", Residue::name);
        return (atoms, types.iter().map(name).collect());
    }
    let named = |bead_type: &u32| RESIDUES.get((*bead_type as usize).wrapping_sub(1)).copied();
    if !has_backbone(types) {
        let atoms = (0..types.len()).map(|residue| Atom { name: "CA", residue }).collect();
        let residues: Option<Vec<_>> = types.iter().map(named).collect();
        return (atoms, residues.unwrap_or_else(|| vec!["UNK"; types.len()]));
    }
    let mut atoms: Vec<Atom> = Vec::with_capacity(types.len());
    let mut residues: Vec<&'static str> = Vec::new();
    let mut names_in_residue: Vec<&str> = Vec::new();
    for bead_type in types {
        let (name, side) = match (*bead_type, named(bead_type)) {
            (21, _) => ("N", None),
            (22, _) => ("CA", None),
            (23, _) => ("C", None),
            (24, _) => ("O", None),
            (GLYCINE, side) => ("CA", side),
            (_, Some(side)) => ("CB", Some(side)),
            (_, None) => ("CA", Some("UNK")),
        };
        let alone = side == Some("UNK");
        if residues.is_empty() || alone || name == "N" || names_in_residue.contains(&name) {
            residues.push("UNK");
            names_in_residue.clear();
        }
        names_in_residue.push(name);
        let residue = residues.len() - 1;
        if let Some(side) = side {
            residues[residue] = side;
        }
        atoms.push(Atom { name, residue });
    }
    (atoms, residues)
}

/// The partners of each bead in harmonic bonds, in ascending order.
fn partners(molecule: &Molecule) -> Vec<BTreeSet<u32>> {
    let mut partners = vec![BTreeSet::new(); molecule.types.len()];
    let bonds = molecule.terms.iter().filter(|term| term.form == PriorForm::HarmonicBond);
    for [i, j, ..] in bonds.flat_map(|term| &term.tuples) {
        partners[*i as usize].insert(*j);
        partners[*j as usize].insert(*i);
    }
    partners
}

/// The chain of each residue: a new one begins where no path of bonds leads to the residue before.
/// Without bonds there is one chain.
fn chains(atoms: &[Atom], partners: &[BTreeSet<u32>]) -> Vec<usize> {
    let n_residues = atoms.last().map_or(0, |atom| atom.residue + 1);
    if partners.iter().all(BTreeSet::is_empty) {
        return vec![0; n_residues];
    }
    // The beads of a residue are together.
    let mut of_residue = vec![Vec::new(); n_residues];
    for (bead, atom) in atoms.iter().enumerate() {
        of_residue[atom.residue].push(bead);
    }
    let mut part: Vec<Option<usize>> = vec![None; n_residues];
    let (mut open, mut chain, mut chains) = (Vec::new(), 0, Vec::new());
    for start in 0..n_residues {
        if part[start].is_none() {
            open.push(start);
        }
        while let Some(residue) = open.pop() {
            if part[residue].replace(start).is_none() {
                let beads = of_residue[residue].iter().flat_map(|bead| &partners[*bead]);
                let next = beads.map(|bead| atoms[*bead as usize].residue);
                open.extend(next.filter(|residue| part[*residue].is_none()));
            }
        }
        chain += usize::from(start > 0 && part[start] != part[start - 1]);
        chains.push(chain);
    }
    chains
}

/// The names of a bead, as the bead types and the bonds of its molecule tell them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeadName {
    /// The name of the atom.
    pub atom: &'static str,
    /// The name of the residue, UNK if no bead tells it.
    pub residue: &'static str,
    /// The residue, counted from 1 through the molecule.
    pub number: usize,
    /// The chain, counted from 0.
    pub chain: usize,
}

impl BeadName {
    /// The letter of the chain.
    pub fn letter(&self) -> char {
        char::from(CHAINS[self.chain % CHAINS.len()])
    }
}

/// The names of all beads of a molecule. Beads that harmonic bonds connect are a chain.
pub fn bead_names(molecule: &Molecule) -> Vec<BeadName> {
    names(&molecule.types, molecule.convention, &partners(molecule))
}

/// The names of beads of these types, in one chain.
pub fn names_of_types(types: &[u32], convention: Convention) -> Vec<BeadName> {
    names(types, convention, &[])
}

fn names(types: &[u32], convention: Convention, partners: &[BTreeSet<u32>]) -> Vec<BeadName> {
    let (atoms, residues) = atoms(types, convention);
    let chains = chains(&atoms, partners);
    let name = |atom: &Atom| BeadName {
        atom: atom.name,
        residue: residues[atom.residue],
        number: atom.residue + 1,
        chain: chains[atom.residue],
    };
    atoms.iter().map(name).collect()
}

/// The letters of chains, which are used again if there are more chains.
const CHAINS: &[u8; 26] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The coordinates that the columns hold, Å.
const LEAST: f64 = -999.0;
const MOST: f64 = 9999.0;

/// The coordinates to subtract so that the columns hold those of the beads. If that is necessary,
/// the middle of the molecule goes to 0, or to the middle of the range if the molecule is long.
fn shift(positions: &[[f64; 3]]) -> Option<[f64; 3]> {
    let fits = |x: &f64| *x > LEAST && *x < MOST;
    if positions.as_flattened().iter().all(fits) {
        return None;
    }
    Some([0, 1, 2].map(|c| {
        let of_axis = || positions.iter().map(|x| x[c]);
        let least = of_axis().fold(f64::INFINITY, f64::min);
        let most = of_axis().fold(f64::NEG_INFINITY, f64::max);
        let to = if most - least < -2.0 * LEAST { 0.0 } else { 0.5 * (LEAST + MOST) };
        0.5 * (least + most) - to
    }))
}

/// The text of a PDB file of a molecule with coordinates in Å, with the harmonic bonds as CONECT
/// records of both of their beads. Beads that bonds connect are a chain. A file of 100,000 beads or
/// more has no bonds, because its serial numbers are not unique. If a coordinate does not fit its
/// columns, the molecule is moved; one that is longer than 10,998 Å is cut off.
pub fn topology_pdb(molecule: &Molecule, positions: &[[f64; 3]]) -> String {
    let partners = partners(molecule);
    let names = names(&molecule.types, molecule.convention, &partners);
    let mut text = String::from("REMARK   1 COARSE-GRAINED BEADS, NAMED AFTER THEIR TYPES\n");
    let shift = shift(positions);
    if shift.is_some() {
        text += "REMARK   1 MOVED, SO THAT THE COORDINATES FIT THEIR COLUMNS\n";
    }
    let shift = shift.unwrap_or_default();
    for (bead, (bead_name, position)) in names.iter().zip(positions).enumerate() {
        let mut x = [0.0; 3];
        for c in 0..3 {
            x[c] = (position[c] - shift[c]).clamp(LEAST, MOST);
        }
        // The columns hold five and four digits. Larger numbers wrap around, as in other programs.
        let BeadName { atom: name, residue, number, chain } = *bead_name;
        let (serial, number) = ((bead + 1) % 100_000, number % 10_000);
        let (element, letter) = (&name[..1], bead_name.letter());
        let _ = writeln!(
            text,
            "ATOM  {serial:>5}  {name:<3} {residue:<3} {letter}{number:>4}    {:8.3}{:8.3}{:8.3}  1.00  0.00          {element:>2}  ",
            x[0], x[1], x[2],
        );
        if names.get(bead + 1).is_none_or(|next| next.chain != chain) {
            text += "TER\n";
        }
    }
    if names.len() < 100_000 {
        for (bead, partners) in partners.into_iter().enumerate() {
            let partners: Vec<u32> = partners.into_iter().collect();
            for record in partners.chunks(CONECT_PARTNERS) {
                let of_record: String = record.iter().map(|i| format!("{:>5}", i + 1)).collect();
                let _ = writeln!(text, "CONECT{:>5}{of_record}", bead + 1);
            }
        }
    }
    text + "END\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::Term;

    fn names(types: &[u32]) -> Vec<String> {
        let say = |name: &BeadName| format!("{}{}:{}", name.residue, name.number - 1, name.atom);
        let no_bonds = vec![BTreeSet::new(); types.len()];
        super::names(types, Convention::Mlcg, &no_bonds).iter().map(say).collect()
    }

    #[test]
    fn five_bead_residues_are_recognised_in_any_order() {
        let expected = ["TYR0:N", "TYR0:CA", "TYR0:CB", "TYR0:C", "TYR0:O"];
        assert_eq!(names(&[21, 22, 20, 23, 24]), expected);
        assert_eq!(
            names(&[21, 6, 23, 24, 21, 22, 23, 24, 3]),
            [
                "GLY0:N", "GLY0:CA", "GLY0:C", "GLY0:O", "ASP1:N", "ASP1:CA", "ASP1:C", "ASP1:O",
                "ASP1:CB"
            ]
        );
    }

    #[test]
    fn other_beads_are_residues_of_one() {
        assert_eq!(names(&[1, 6, 20]), ["ALA0:CA", "GLY1:CA", "TYR2:CA"]);
        assert_eq!(names(&[0, 300]), ["UNK0:CA", "UNK1:CA"]);
        // A model with a type for each bead.
        let own: Vec<u32> = (1..29).collect();
        let unknown = |(k, name): (usize, &String)| *name == format!("UNK{k}:CA");
        assert!(names(&own).iter().enumerate().all(unknown));
    }

    #[test]
    fn bead_types_of_torchmd_are_other_residues() {
        let no_bonds = vec![BTreeSet::new(); 4];
        let names = super::names(&[4, 21, 17, 18], Convention::TorchMd, &no_bonds);
        let residues: Vec<_> = names.iter().map(|name| (name.residue, name.atom)).collect();
        assert_eq!(residues, [("TYR", "CA"), ("LEU", "CA"), ("NLE", "CA"), ("UNK", "CA")]);
    }

    #[test]
    fn columns_are_where_readers_look() {
        let bond = Term {
            name: "bonds".into(),
            form: PriorForm::HarmonicBond,
            tuples: vec![[0, 1, 0, 0]],
            values: vec![1.0, 3.8, 0.0],
        };
        let molecule = Molecule {
            types: vec![1, 2],
            masses: vec![1.0; 2],
            terms: vec![bond],
            convention: Convention::Mlcg,
        };
        let text = topology_pdb(&molecule, &[[0.0, -1.5, 250.25], [3.8, 0.0, 0.0]]);
        let lines: Vec<&str> = text.lines().collect();
        let expected =
            "ATOM      1  CA  ALA A   1       0.000  -1.500 250.250  1.00  0.00           C  ";
        assert_eq!(lines[1], expected);
        assert_eq!(lines[4..], ["CONECT    1    2", "CONECT    2    1", "END"]);
        let far = topology_pdb(&molecule, &[[1e6, 0.0, 0.0], [1e6 + 3.8, 0.0, 0.0]]);
        assert_eq!(&far.lines().nth(2).unwrap()[30..54], "  -1.900   0.000   0.000");
    }

    /// A bond appears at both of its beads, and once, also if two terms have it.
    #[test]
    fn a_record_has_four_bonds_at_most() {
        let bonds = |tuples: Vec<[u32; 4]>| Term {
            name: "bonds".into(),
            form: PriorForm::HarmonicBond,
            values: vec![0.0; 3 * tuples.len()],
            tuples,
        };
        let star = (1..6).map(|i| [i, 0, 0, 0]).collect();
        let mut molecule = Molecule {
            types: vec![1; 6],
            masses: vec![1.0; 6],
            terms: vec![bonds(star), bonds(vec![[0, 1, 0, 0]])],
            convention: Convention::Mlcg,
        };
        let conect = |molecule: &Molecule| -> Vec<String> {
            let text = topology_pdb(molecule, &vec![[0.0; 3]; molecule.types.len()]);
            text.lines().filter(|line| line.starts_with("CONECT")).map(str::to_owned).collect()
        };
        let found = conect(&molecule);
        assert_eq!(found[..2], ["CONECT    1    2    3    4    5", "CONECT    1    6"]);
        assert_eq!(found[2..4], ["CONECT    2    1", "CONECT    3    1"]);
        assert_eq!(found.len(), 7);
        for (n_beads, n_records) in [(99_999, 7), (100_000, 0)] {
            (molecule.types, molecule.masses) = (vec![1; n_beads], vec![1.0; n_beads]);
            assert_eq!(conect(&molecule).len(), n_records);
        }
    }

    #[test]
    fn a_chain_ends_where_no_bond_leads_on() {
        let tuples = vec![[0, 1, 0, 0], [2, 3, 0, 0], [2, 4, 0, 0]];
        let bonds = Term {
            name: "bonds".into(),
            form: PriorForm::HarmonicBond,
            values: vec![0.0; 9],
            tuples,
        };
        let mut molecule = Molecule {
            types: vec![1; 5],
            masses: vec![1.0; 5],
            terms: vec![bonds],
            convention: Convention::Mlcg,
        };
        let letters = |molecule: &Molecule| -> String {
            let text = topology_pdb(molecule, &[[0.0; 3]; 5]);
            let letter = |line: &str| match line.starts_with("ATOM") {
                true => line.chars().nth(21),
                false => line.starts_with("TER").then_some('|'),
            };
            text.lines().filter_map(letter).collect()
        };
        assert_eq!(letters(&molecule), "AA|BBB|");
        molecule.terms.clear();
        assert_eq!(letters(&molecule), "AAAAA|");
    }

    #[test]
    fn a_molecule_is_moved_only_if_the_columns_do_not_hold_it() {
        let chain = |from: f64, step: f64| [0.0, 1.0, 2.0].map(|k| [from + k * step, 0.0, 5.0]);
        assert_eq!(shift(&chain(-900.0, 3.8)), None);
        assert_eq!(shift(&chain(20_000.0, 10.0)), Some([20_010.0, 0.0, 5.0]));
        assert_eq!(shift(&chain(-2000.0, 2000.0)), Some([-4500.0, 0.0, 5.0]));
    }
}
