//! The choice among alternate locations.

use super::atoms::{Atom, Group};
use super::mapping::{Mapping, Site};

/// A group of atoms with one conformer chosen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conformer<'a> {
    pub(super) group: &'a Group,
    /// The chosen alternate location; empty if no mapped atom has any.
    pub(super) altloc: &'a str,
    /// The name of the residue in this conformer.
    pub(super) name: &'a str,
}

impl<'a> Conformer<'a> {
    /// Chooses the conformer with the largest occupancy, summed over its mapped atoms. Among equals
    /// it is the one that is listed first.
    pub(super) fn choose(group: &'a Group, mapping: Mapping) -> Self {
        let mut sums: Vec<(&Atom, f64)> = Vec::new();
        let is_mapped = |atom: &&Atom| {
            !atom.altloc.is_empty() && Site::of_atom(&atom.name).is_some_and(|s| mapping.has(s))
        };
        for atom in group.atoms.iter().filter(is_mapped) {
            match sums.iter_mut().find(|(first, _)| first.altloc == atom.altloc) {
                Some((_, sum)) => *sum += atom.occupancy,
                None => sums.push((atom, atom.occupancy)),
            }
        }
        // Sums of equal occupancies differ in their last bits.
        let best =
            sums.into_iter().reduce(|best, next| if next.1 > best.1 + 1e-6 { next } else { best });
        match best {
            Some((first, _)) => Conformer { group, altloc: &first.altloc, name: &first.residue },
            None => Conformer { group, altloc: "", name: &group.name },
        }
    }

    /// The atom of a name: without alternate location, or of the chosen one, or else the copy with
    /// the largest occupancy.
    pub(super) fn atom(&self, name: &str) -> Option<&'a Atom> {
        let named = self.group.atoms.iter().filter(|atom| atom.name == name);
        let rank = |atom: &Atom| {
            let chosen = atom.altloc.is_empty() || atom.altloc == self.altloc;
            (chosen, atom.residue == self.name)
        };
        named.reduce(|best, next| {
            let (of_best, of_next) = (rank(best), rank(next));
            let better = of_next > of_best
                || (of_next == of_best && next.occupancy > best.occupancy && !of_best.0);
            if better { next } else { best }
        })
    }

    /// Whether a mapped atom has several copies.
    pub(super) fn has_alternates(&self) -> bool {
        !self.altloc.is_empty()
    }

    /// The names of the residue in other conformers.
    pub(super) fn other_names(&self) -> Vec<&'a str> {
        let mut names: Vec<&str> = Vec::new();
        for atom in &self.group.atoms {
            if atom.residue != self.name && !names.contains(&atom.residue.as_str()) {
                names.push(&atom.residue);
            }
        }
        names
    }

    /// The atom of a bead.
    pub(super) fn site(&self, site: Site) -> Option<&'a Atom> {
        site.atom_names().iter().find_map(|name| self.atom(name))
    }
}
