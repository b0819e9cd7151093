//! The mappings: which atoms are beads, and their types and masses.

use std::ops::Range;

use super::names::AminoAcid;
use crate::io::{force_field, has_backbone};
use crate::units::AMU;

/// Which atoms of a residue are beads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mapping {
    /// N, CA, CB, C and O; glycine has no CB.
    FiveBead,
    /// CA.
    Ca,
    /// CA, with the bead types of the published networks of TorchMD.
    TorchMd,
}

/// A place for a bead in a residue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Site {
    /// The nitrogen of the backbone.
    N,
    /// The α carbon.
    Ca,
    /// The β carbon.
    Cb,
    /// The carbonyl carbon.
    C,
    /// The carbonyl oxygen.
    O,
}

impl Site {
    /// All sites in the order of the beads.
    pub const ALL: [Site; 5] = [Site::N, Site::Ca, Site::Cb, Site::C, Site::O];

    /// The name of the bead.
    pub fn name(self) -> &'static str {
        self.atom_names()[0]
    }

    /// The names that programs give to the atom. The second oxygen of a terminus is no bead.
    pub(super) fn atom_names(self) -> &'static [&'static str] {
        match self {
            Site::N => &["N"],
            Site::Ca => &["CA"],
            Site::Cb => &["CB"],
            Site::C => &["C"],
            Site::O => &["O", "OT1", "O1", "OC1", "OCT1"],
        }
    }

    pub(super) fn of_atom(name: &str) -> Option<Self> {
        Site::ALL.into_iter().find(|site| site.atom_names().contains(&name))
    }

    /// The mass in whole atomic mass units.
    pub fn mass_amu(self) -> f64 {
        match self {
            Site::N => 14.0,
            Site::Ca | Site::Cb | Site::C => 12.0,
            Site::O => 16.0,
        }
    }
}

/// The second oxygen of a terminus, in the spellings of programs.
pub(super) const SECOND_OXYGENS: [&str; 5] = ["OXT", "OT2", "O2", "OC2", "OCT2"];

impl Mapping {
    /// The mapping of a name. That of TorchMD is never asked for: its force field tells it.
    pub fn from_name(name: &str) -> Option<Self> {
        [Mapping::FiveBead, Mapping::Ca].into_iter().find(|mapping| mapping.name() == name)
    }

    /// The mapping of bead types of mlcg: five beads if most types are those of the backbone.
    pub fn of_types(types: &[u32]) -> Self {
        if has_backbone(types) { Mapping::FiveBead } else { Mapping::Ca }
    }

    /// `five_bead`, `ca` or `torchmd_ca`.
    pub fn name(self) -> &'static str {
        match self {
            Mapping::FiveBead => "five_bead",
            Mapping::Ca => "ca",
            Mapping::TorchMd => "torchmd_ca",
        }
    }

    /// Whether an atom of this kind is a bead.
    pub fn has(self, site: Site) -> bool {
        self == Mapping::FiveBead || site == Site::Ca
    }

    /// The beads of a residue, in order.
    pub fn sites(self, amino: AminoAcid) -> impl Iterator<Item = Site> + Clone {
        let has =
            move |site: &Site| self.has(*site) && (*site != Site::Cb || amino != AminoAcid::GLY);
        Site::ALL.into_iter().filter(has)
    }

    /// The type of a bead. The side chain, or the CA of glycine, has the number of the amino acid.
    pub fn bead_type(self, amino: AminoAcid, site: Site) -> u32 {
        match (self, site) {
            (Mapping::TorchMd, _) => {
                let residue = force_field::Residue::of_name(amino.name());
                residue.map_or(0, |residue| residue.bead_type)
            }
            (Mapping::Ca, _) | (_, Site::Cb) => amino.bead_type(),
            (_, Site::Ca) if amino == AminoAcid::GLY => amino.bead_type(),
            (_, Site::N) => 21,
            (_, Site::Ca) => 22,
            (_, Site::C) => 23,
            (_, Site::O) => 24,
        }
    }
}

/// The bead numbers of the residues of all chains.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) mapping: Mapping,
    pub(super) aminos: Vec<AminoAcid>,
    /// The residues of each chain.
    pub(super) chains: Vec<Range<usize>>,
    /// The first bead of each residue, and the number of all beads at the end.
    first: Vec<u32>,
}

impl Layout {
    pub(super) fn new(mapping: Mapping, sequences: &[Vec<AminoAcid>]) -> Self {
        let (mut aminos, mut chains, mut first) = (Vec::new(), Vec::new(), vec![0]);
        for sequence in sequences {
            chains.push(aminos.len()..aminos.len() + sequence.len());
            for amino in sequence {
                let end = first[first.len() - 1] + mapping.sites(*amino).count() as u32;
                first.push(end);
                aminos.push(*amino);
            }
        }
        Layout { mapping, aminos, chains, first }
    }

    pub(super) fn n_beads(&self) -> usize {
        self.first[self.aminos.len()] as usize
    }

    /// The beads of a residue with their sites.
    pub(super) fn beads(&self, residue: usize) -> impl Iterator<Item = (u32, Site)> {
        (self.first[residue]..).zip(self.mapping.sites(self.aminos[residue]))
    }

    /// The bead of a residue at a site, if it has one.
    pub(super) fn bead(&self, residue: usize, site: Site) -> Option<u32> {
        self.beads(residue).find(|(_, other)| *other == site).map(|(bead, _)| bead)
    }

    /// The first bead from a residue on.
    pub(super) fn first(&self, residue: usize) -> u32 {
        self.first[residue]
    }

    /// The residue of a bead, counted through all chains, and its site.
    pub(super) fn place_of(&self, bead: u32) -> (usize, Site) {
        let residue = self.first.partition_point(|first| *first <= bead) - 1;
        let site = self.beads(residue).find(|(other, _)| *other == bead);
        (residue, site.map_or(Site::Ca, |(_, site)| site))
    }

    /// The end of the chain of a residue.
    pub(super) fn chain_end(&self, residue: usize) -> usize {
        let chain = self.chains.partition_point(|chain| chain.end <= residue);
        self.chains[chain].end
    }

    pub(super) fn types(&self) -> Vec<u32> {
        let of_residue = |residue: usize| {
            let amino = self.aminos[residue];
            self.beads(residue).map(move |(_, site)| self.mapping.bead_type(amino, site))
        };
        (0..self.aminos.len()).flat_map(of_residue).collect()
    }

    /// The masses in the mass unit of [`crate::units`].
    pub(super) fn masses(&self) -> Vec<f64> {
        let of_residue = |residue| self.beads(residue).map(|(_, site)| site.mass_amu() * AMU);
        (0..self.aminos.len()).flat_map(of_residue).collect()
    }
}
