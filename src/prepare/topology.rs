//! The index lists of the prior terms, from sequences alone.
//!
//! Bonds are those of the backbone and CA-CB. Pairs and angles have their lower end first.
//! Dihedrals and impropers have the orientation of the published priors and are never turned
//! around. The names, tuples and splits are those of mlcg-tk.

use super::mapping::{Layout, Mapping, Site};
use super::names::AminoAcid;
use crate::structure::{Topology, TupleList};

/// The convention of non-bonded pairs: the smallest number of beads on the path of bonds between
/// the two beads, both of them included.
pub fn min_pair(mapping: Mapping) -> u32 {
    match mapping {
        Mapping::FiveBead => 6,
        Mapping::Ca | Mapping::TorchMd => 4,
    }
}

/// Bead types, masses and all index lists of chains with these sequences. Lists without tuples are
/// included.
///
/// `min_pair` is normally that of [`min_pair`].
pub fn topology(mapping: Mapping, sequences: &[Vec<AminoAcid>], min_pair: u32) -> Topology {
    of_layout(&Layout::new(mapping, sequences), min_pair)
}

/// [`topology`] of a layout.
pub(super) fn of_layout(layout: &Layout, min_pair: u32) -> Topology {
    Topology { types: layout.types(), masses: layout.masses(), lists: lists(layout, min_pair) }
}

/// The names of all terms of a mapping, in the order of the lists of [`topology`].
pub fn term_names(mapping: Mapping) -> Vec<String> {
    lists(&Layout::new(mapping, &[]), min_pair(mapping)).into_iter().map(|list| list.name).collect()
}

/// An upper bound of the number of tuples, which does not overflow.
pub(super) fn most_tuples(layout: &Layout) -> u64 {
    let n = layout.n_beads() as u64;
    n * n / 2 + 8 * n
}

pub(super) fn lists(layout: &Layout, min_pair: u32) -> Vec<TupleList> {
    match layout.mapping {
        Mapping::FiveBead => five_bead(layout, min_pair),
        Mapping::Ca => ca(layout, min_pair),
        // A force field makes the other lists from these.
        Mapping::TorchMd => {
            vec![list("bonds", runs::<2>(layout)), list("dihedrals", runs::<4>(layout))]
        }
    }
}

fn list<const N: usize>(name: impl Into<String>, tuples: Vec<[u32; N]>) -> TupleList {
    let wide = tuples.into_iter().map(|tuple| {
        let mut beads = [0; 4];
        beads[..N].copy_from_slice(&tuple);
        beads
    });
    TupleList { name: name.into(), order: N, tuples: wide.collect() }
}

/// All N beads in a row of chains with one bead per residue.
fn runs<const N: usize>(layout: &Layout) -> Vec<[u32; N]> {
    let of_chain = |chain: &std::ops::Range<usize>| {
        let (start, end) = (chain.start as u32, chain.end as u32);
        (start..end.saturating_sub(N as u32 - 1).max(start))
            .map(|first| std::array::from_fn(|k| first + k as u32))
    };
    layout.chains.iter().flat_map(of_chain).collect()
}

fn ca(layout: &Layout, min_pair: u32) -> Vec<TupleList> {
    let mut pairs = Vec::new();
    for chain in &layout.chains {
        for i in chain.clone() {
            // Bonds and the ends of angles are never pairs.
            let near = (min_pair.saturating_sub(1) as usize).max(3);
            let in_chain = i + near..chain.end.max(i + near);
            let others = in_chain.chain(chain.end..layout.aminos.len());
            pairs.extend(others.map(|j| [i as u32, j as u32]));
        }
    }
    vec![
        list("bonds", runs::<2>(layout)),
        list("angles", runs::<3>(layout)),
        list("non_bonded", pairs),
        list("pseudo_ca_dihedral", runs::<4>(layout)),
    ]
}

/// The beads of a residue.
struct Beads {
    n: u32,
    ca: u32,
    cb: Option<u32>,
    c: u32,
    o: u32,
}

fn five_bead(layout: &Layout, min_pair: u32) -> Vec<TupleList> {
    let beads: Vec<Beads> = (0..layout.aminos.len()).filter_map(|r| beads(layout, r)).collect();
    let (mut bonds, mut angles) = (Split::default(), Split::default());
    let (mut gamma_1, mut gamma_2) = (Vec::new(), Vec::new());
    let (mut pro_omega, mut non_pro_omega) = (Vec::new(), Vec::new());
    let (mut phi, mut psi) = (vec![Vec::new(); 21], vec![Vec::new(); 21]);
    for chain in &layout.chains {
        let ends = chain.clone();
        let place = |residue: usize| {
            let alone = ends.len() == 1;
            (!alone && residue == ends.start, !alone && residue + 1 == ends.end)
        };
        for r in chain.clone() {
            let amino = layout.aminos[r];
            let kind = amino.bead_type() as usize;
            let Beads { n, ca, cb, c, o } = beads[r];
            let here = place(r);
            let mut add = |tuple: [u32; 3]| angles.add(tuple, here);
            bonds.add([n, ca], here);
            if let Some(cb) = cb {
                bonds.add([ca, cb], here);
                add([n, ca, cb]);
                add([cb, ca, c]);
                gamma_1.push([n, cb, c, ca]);
            }
            bonds.add([ca, c], here);
            bonds.add([c, o], here);
            add([n, ca, c]);
            add([ca, c, o]);
            if r + 1 < chain.end {
                let (next, there) = (&beads[r + 1], place(r + 1));
                let both = (here.0 || there.0, here.1 || there.1);
                bonds.add([c, next.n], both);
                angles.add([ca, c, next.n], both);
                angles.add([o, c, next.n], both);
                angles.add([c, next.n, next.ca], both);
                psi[kind].push([n, ca, c, next.n]);
                gamma_2.push([ca, o, next.n, c]);
                // The residue after the bond gives phi and omega their names.
                let after = layout.aminos[r + 1];
                phi[after.bead_type() as usize].push([c, next.n, next.ca, next.c]);
                let omega =
                    if after == AminoAcid::PRO { &mut pro_omega } else { &mut non_pro_omega };
                omega.push([ca, c, next.n, next.ca]);
            }
        }
    }
    let mut lists = Vec::new();
    lists.extend(bonds.lists("bonds"));
    lists.extend(angles.lists("angles"));
    for (suffix, mut tuples) in [("phi", phi), ("psi", psi)] {
        let mut aminos: Vec<AminoAcid> = AminoAcid::all().collect();
        aminos.sort_by_key(|amino| amino.name());
        lists.extend(aminos.into_iter().map(|amino| {
            let of_amino = std::mem::take(&mut tuples[amino.bead_type() as usize]);
            list(format!("{}_{suffix}", amino.name()), of_amino)
        }));
    }
    lists.push(list("pro_omega", pro_omega));
    lists.push(list("non_pro_omega", non_pro_omega));
    lists.push(list("gamma_1", gamma_1));
    lists.push(list("gamma_2", gamma_2));
    lists.push(list("non_bonded", non_bonded(layout, min_pair)));
    lists
}

fn beads(layout: &Layout, residue: usize) -> Option<Beads> {
    let bead = |site| layout.bead(residue, site);
    Some(Beads {
        n: bead(Site::N)?,
        ca: bead(Site::Ca)?,
        cb: bead(Site::Cb),
        c: bead(Site::C)?,
        o: bead(Site::O)?,
    })
}

/// Tuples at the first residue, in the middle and at the last residue of their chain. In a chain of
/// two residues a tuple can be at both ends, and then counts twice.
struct Split<const N: usize> {
    n_term: Vec<[u32; N]>,
    bulk: Vec<[u32; N]>,
    c_term: Vec<[u32; N]>,
}

impl<const N: usize> Default for Split<N> {
    fn default() -> Self {
        Split { n_term: Vec::new(), bulk: Vec::new(), c_term: Vec::new() }
    }
}

impl<const N: usize> Split<N> {
    fn add(&mut self, tuple: [u32; N], (first, last): (bool, bool)) {
        if first {
            self.n_term.push(tuple);
        }
        if last {
            self.c_term.push(tuple);
        }
        if !first && !last {
            self.bulk.push(tuple);
        }
    }

    fn lists(self, name: &str) -> [TupleList; 3] {
        let parts = [("n_term", self.n_term), ("bulk", self.bulk), ("c_term", self.c_term)];
        parts.map(|(part, mut tuples)| {
            tuples.sort_unstable();
            list(format!("{part}_{name}"), tuples)
        })
    }
}

/// The bonds from a bead of a residue to the C of the same residue.
fn to_c(site: Site) -> u32 {
    match site {
        Site::C => 0,
        Site::Ca | Site::O => 1,
        Site::N | Site::Cb => 2,
    }
}

/// The bonds from the N of a residue to a bead of the same residue.
fn from_n(site: Site) -> u32 {
    match site {
        Site::N => 0,
        Site::Ca => 1,
        Site::Cb | Site::C => 2,
        Site::O => 3,
    }
}

/// The bonds between a bead and one in a later residue of the same chain, `gap` residues further.
fn bonds_between(site: Site, gap: usize, to: Site) -> u32 {
    to_c(site) + 3 * gap as u32 - 2 + from_n(to)
}

/// Whether two beads, the first one before the second, are a non-bonded pair.
pub(super) fn is_pair(layout: &Layout, first: u32, second: u32, min_pair: u32) -> bool {
    let [(r, site), (other, to)] = [first, second].map(|bead| layout.place_of(bead));
    let gap = other - r;
    let least = min_pair.saturating_sub(1).max(3);
    if layout.chain_end(r) <= other {
        return true;
    }
    match layout.mapping {
        _ if gap == 0 => false,
        Mapping::FiveBead => bonds_between(site, gap, to) >= least,
        Mapping::Ca | Mapping::TorchMd => gap as u32 >= least,
    }
}

/// Pairs in different residues with at least `min_pair` beads on the path between them, and all
/// pairs in different chains. Bonds and the ends of angles are never pairs.
fn non_bonded(layout: &Layout, min_pair: u32) -> Vec<[u32; 2]> {
    let least = min_pair.saturating_sub(1).max(3);
    let n_beads = layout.n_beads() as u32;
    let mut pairs = Vec::new();
    for chain in &layout.chains {
        for r in chain.clone() {
            for (p, site) in layout.beads(r) {
                let is_far = |other: usize, to: Site| bonds_between(site, other - r, to) >= least;
                // From the first residue whose N is far enough on, all beads are.
                let far = (r + 1..chain.end).find(|other| is_far(*other, Site::N));
                let far = far.unwrap_or(chain.end);
                for other in r + 1..far {
                    let of_residue = layout.beads(other).filter(|(_, to)| is_far(other, *to));
                    pairs.extend(of_residue.map(|(q, _)| [p, q]));
                }
                pairs.extend((layout.first(far)..n_beads).map(|q| [p, q]));
            }
        }
    }
    pairs
}
