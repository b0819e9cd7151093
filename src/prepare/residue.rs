//! Chains of residues: the form between a structure file, or a sequence, and beads.

use super::atoms::label;
use super::mapping::{Mapping, Site};
use super::names::AminoAcid;

/// The residues that bonds connect, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// The letter in the file; it can be empty, longer, and not unique.
    pub letter: String,
    /// The residues.
    pub residues: Vec<Residue>,
    /// The residues of the whole chain, also those without coordinates, if the file has them.
    pub(super) sequence: Vec<String>,
}

/// A residue with the positions of its beads.
#[derive(Debug, Clone, PartialEq)]
pub struct Residue {
    /// The amino acid that it counts as.
    pub amino: AminoAcid,
    /// The name in the file.
    pub name: String,
    /// The number in the file, which is a label.
    pub number: String,
    /// The insertion code.
    pub icode: String,
    /// The line of its first atom in the file.
    pub line: usize,
    /// Remarks for the report, for example `conformer B`.
    pub remarks: Vec<String>,
    /// The positions of N, CA, CB, C and O, as far as they are known, Å.
    pub(super) sites: [Option<Position>; 5],
    /// The second oxygen of a terminus.
    pub(super) second_oxygen: Option<Position>,
    /// Whether the file has no other atoms of it than beads.
    pub(super) is_coarse: bool,
    /// Whether all its atoms are HETATM.
    pub(super) het: bool,
    /// The SG of a cysteine.
    pub(super) sulfur: Option<[f64; 3]>,
}

/// The position of an atom, and its line in the file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Position {
    pub(super) x: [f64; 3],
    /// 0 for an atom that was rebuilt.
    pub(super) line: usize,
    /// The serial number in the file.
    pub(super) serial: Option<u64>,
}

impl Residue {
    /// A residue that comes from no file, with the positions of its beads, Å.
    pub fn new(
        amino: AminoAcid,
        number: usize,
        position: impl Fn(Site) -> Option<[f64; 3]>,
    ) -> Self {
        Residue {
            amino,
            name: amino.name().to_owned(),
            number: number.to_string(),
            icode: String::new(),
            line: 0,
            remarks: Vec::new(),
            sites: Site::ALL
                .map(|site| position(site).map(|x| Position { x, line: 0, serial: None })),
            second_oxygen: None,
            is_coarse: true,
            het: false,
            sulfur: None,
        }
    }

    /// The position of a bead, Å, if it is known.
    pub fn position(&self, site: Site) -> Option<[f64; 3]> {
        self.sites[site as usize].map(|position| position.x)
    }

    /// Name, chain, number and insertion code, for example `MSE A 44`.
    pub fn label(&self, letter: &str) -> String {
        label(&self.name, letter, &self.number, &self.icode)
    }

    /// Name, number and insertion code, for example `MSE 44`.
    pub(super) fn short_label(&self) -> String {
        label(&self.name, "", &self.number, &self.icode)
    }
}

impl Chain {
    /// A chain that comes from no file.
    pub fn new(letter: &str, residues: Vec<Residue>) -> Self {
        Chain { letter: letter.to_owned(), residues, sequence: Vec::new() }
    }

    /// The amino acids.
    pub fn aminos(&self) -> Vec<AminoAcid> {
        self.residues.iter().map(|residue| residue.amino).collect()
    }

    /// The positions of all beads, in order. A bead without a position is left out.
    pub(super) fn positions(&self, mapping: Mapping) -> impl Iterator<Item = Position> {
        let of_residue = move |residue: &Residue| {
            let sites = mapping.sites(residue.amino).map(|site| residue.sites[site as usize]);
            sites.flatten().collect::<Vec<_>>()
        };
        self.residues.iter().flat_map(of_residue)
    }

    /// For messages: `chain A`, or `the chain` if it has no letter.
    pub(super) fn title(&self) -> String {
        match self.letter.as_str() {
            "" => "the chain".to_owned(),
            letter => format!("chain {letter}"),
        }
    }
}
