//! A system in numbers: what a person checks before a long run.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::geometry::{separation, square};
use crate::grid::Grid;
use crate::io::force_field::has_terms;
use crate::io::{BeadName, bead_names};
use crate::largest::largest;
use crate::model::{Model, PriorForm};
use crate::prepare::AminoAcid;
use crate::sanity;
use crate::structure::{Structure, Topology};
use crate::system::{Convention, Molecule, Term};
use crate::units;

/// Pairs of beads that are farther apart are not looked for, Å.
const NEAR: f64 = 6.0;

/// A molecule.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    /// The names of the beads, from their types.
    pub names: Vec<BeadName>,
    /// The chains.
    pub chains: Vec<ChainOverview>,
    /// The number of beads of each type.
    pub types: BTreeMap<u32, usize>,
    /// The least and the largest mass and their sum, amu; `None` without masses.
    pub masses: Option<[f64; 3]>,
    /// A doubt about the masses.
    pub doubt: Option<String>,
    /// The index lists.
    pub lists: Vec<ListOverview>,
    molecule: Arc<Molecule>,
}

/// A chain of beads that bonds connect.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainOverview {
    /// Its letter.
    pub letter: char,
    /// Its sequence in one-letter codes, X for an unknown residue.
    pub sequence: String,
    /// The numbers of the first and the last residue.
    pub residues: [usize; 2],
    /// The number of beads.
    pub n_beads: usize,
}

/// An index list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListOverview {
    /// Its name.
    pub name: String,
    /// The number of tuples.
    pub n_tuples: usize,
    /// Whether the model has a prior of this name; `None` without a model.
    pub has_prior: Option<bool>,
}

/// The positions of a structure.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Geometry {
    /// The mean and the largest number of neighbors of a bead within the cutoff.
    pub neighbors: Option<(f64, usize)>,
    /// The closest pair of beads and their distance, Å.
    pub closest: Option<(f64, [usize; 2])>,
    /// The closest pair without a bond or an angle between them.
    pub closest_non_bonded: Option<(f64, [usize; 2])>,
    /// Doubts about the positions.
    pub doubts: Vec<String>,
}

impl Overview {
    /// The overview of a molecule; `molecule` is that of a model.
    pub fn new(topology: &Topology, model: Option<(&Model, &Arc<Molecule>)>) -> Self {
        let molecule =
            model.map_or_else(|| Arc::new(without_model(topology)), |(_, of)| Arc::clone(of));
        let names = bead_names(&molecule);
        let mut types = BTreeMap::new();
        topology.types.iter().for_each(|t| *types.entry(*t).or_default() += 1);
        let amu = || topology.masses.iter().map(|mass| mass / units::AMU);
        let masses = (!topology.masses.is_empty())
            .then(|| [amu().fold(f64::INFINITY, f64::min), largest(amu()), amu().sum()]);
        let has_prior =
            |name: &str| model.map(|(model, _)| model.priors.iter().any(|p| p.name == name));
        let lists = topology.lists.iter().map(|list| ListOverview {
            name: list.name.clone(),
            n_tuples: list.tuples.len(),
            has_prior: has_prior(&list.name),
        });
        let doubt = masses.and_then(|_| sanity::doubt_masses(&molecule));
        let (chains, lists) = (chains(&names), lists.collect());
        Overview { names, chains, types, masses, doubt, lists, molecule }
    }

    /// The geometry of a structure of the molecule, with the neighbors within `cutoff`, Å.
    pub fn geometry(&self, structure: &Structure, cutoff: Option<f64>) -> Geometry {
        let (positions, topology) = (&structure.positions, &structure.topology);
        let near: HashSet<[u32; 2]> = topology.lists.iter().flat_map(bonded).collect();
        let mut grid = Grid::new(cutoff.unwrap_or(NEAR).max(NEAR));
        let mut counts = vec![0_usize; positions.len()];
        let [mut closest, mut closest_non_bonded] = [None::<(f64, [usize; 2])>; 2];
        for (i, x) in positions.iter().enumerate() {
            for j in grid.near(*x) {
                let distance = square(separation(*x, positions[j as usize])).sqrt();
                if cutoff.is_some_and(|cutoff| distance < cutoff) {
                    counts[i] += 1;
                    counts[j as usize] += 1;
                }
                let pair = [j as usize, i];
                let is_closer = |best: &Option<(f64, _)>| best.is_none_or(|(d, _)| distance < d);
                if distance < NEAR && is_closer(&closest) {
                    closest = Some((distance, pair));
                }
                if distance < NEAR
                    && is_closer(&closest_non_bonded)
                    && !near.contains(&[j, i as u32])
                {
                    closest_non_bonded = Some((distance, pair));
                }
            }
            grid.insert(i as u32, *x);
        }
        let mean = counts.iter().sum::<usize>() as f64 / counts.len().max(1) as f64;
        let most = counts.into_iter().max().unwrap_or(0);
        Geometry {
            neighbors: cutoff.map(|_| (mean, most)),
            closest,
            closest_non_bonded,
            doubts: sanity::doubts(&self.molecule, positions),
        }
    }

    /// The name of a bead, for example `CB of LYS 44`.
    pub fn label(&self, bead: usize) -> String {
        let BeadName { atom, residue, number, .. } = self.names[bead];
        format!("{atom} of {residue} {number}")
    }
}

/// The pairs of beads in a bond or at the ends of an angle, with the lower one first.
fn bonded(list: &crate::structure::TupleList) -> impl Iterator<Item = [u32; 2]> {
    let is_bonded = list.order == 3 || is_of_bonds(&list.name, list.order);
    let ends = list.order - 1;
    let pair = move |tuple: &[u32; 4]| [tuple[0].min(tuple[ends]), tuple[0].max(tuple[ends])];
    list.tuples.iter().filter(move |_| is_bonded).map(pair)
}

/// Whether a list is one of bonds, by its name.
fn is_of_bonds(name: &str, order: usize) -> bool {
    order == 2 && name.ends_with("bonds")
}

/// A molecule with the bonds that the names of lists tell, for chains and residues.
fn without_model(topology: &Topology) -> Molecule {
    let bonds = topology.lists.iter().filter(|list| is_of_bonds(&list.name, list.order));
    let term = |list: &crate::structure::TupleList| Term {
        name: list.name.clone(),
        form: PriorForm::HarmonicBond,
        tuples: list.tuples.clone(),
        values: [0.0, f64::NAN, 0.0].repeat(list.tuples.len()),
    };
    let names = topology.lists.iter().map(|list| list.name.as_str());
    Molecule {
        types: topology.types.clone(),
        masses: topology.masses.clone(),
        terms: bonds.map(term).collect(),
        convention: if has_terms(names) { Convention::TorchMd } else { Convention::Mlcg },
    }
}

fn chains(names: &[BeadName]) -> Vec<ChainOverview> {
    let of_chain = |beads: &[BeadName]| {
        let mut residues: Vec<&BeadName> = beads.iter().collect();
        residues.dedup_by_key(|bead| bead.number);
        let letter =
            |bead: &&BeadName| AminoAcid::from_name(bead.residue).map_or('X', AminoAcid::letter);
        ChainOverview {
            letter: beads[0].letter(),
            sequence: residues.iter().map(letter).collect(),
            residues: [beads[0].number, beads[beads.len() - 1].number],
            n_beads: beads.len(),
        }
    };
    names.chunk_by(|a, b| a.chain == b.chain).map(of_chain).collect()
}
