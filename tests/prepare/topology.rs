//! Index lists against a graph of the beads, and the priors that they must fit.

use std::collections::{BTreeSet, VecDeque};

use flashschnet::prepare::{
    AminoAcid, Chain, Coarse, Log, Mapping, Options, Residue, mapping_of, min_pair, prepare,
    topology,
};
use flashschnet::structure::{Topology, TupleList};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::{aminos, read, warnings};
use crate::common::peptide::{self, helix, pdb};

use Mapping::{Ca, FiveBead};

fn list<'a>(topology: &'a Topology, name: &str) -> &'a TupleList {
    topology.lists.iter().find(|list| list.name == name).unwrap_or_else(|| panic!("{name}"))
}

/// Beads with names and residues, written without the code under test.
struct Graph {
    /// Residue, name, and whether the residue is the first or last of several in its chain.
    beads: Vec<(usize, &'static str, bool, bool)>,
    neighbors: Vec<Vec<usize>>,
}

fn graph(mapping: Mapping, chains: &[&str]) -> Graph {
    let mut graph = Graph { beads: Vec::new(), neighbors: Vec::new() };
    let mut residue = 0;
    for chain in chains {
        let mut end: Option<usize> = None;
        for (k, letter) in chain.chars().enumerate() {
            let names: &[&str] = match (mapping, letter) {
                (Ca, _) => &["CA"],
                (_, 'G') => &["N", "CA", "C", "O"],
                _ => &["N", "CA", "CB", "C", "O"],
            };
            let start = graph.beads.len();
            let several = chain.len() > 1;
            let ends = (several && k == 0, several && k + 1 == chain.len());
            graph.beads.extend(names.iter().map(|name| (residue, *name, ends.0, ends.1)));
            graph.neighbors.resize(graph.beads.len(), Vec::new());
            let at = |name: &str| names.iter().position(|other| *other == name).map(|k| start + k);
            let mut bonds = vec![(end, at("N").or(at("CA")))];
            if mapping == FiveBead {
                bonds.extend(
                    [("N", "CA"), ("CA", "CB"), ("CA", "C"), ("C", "O")]
                        .map(|(a, b)| (at(a), at(b))),
                );
            }
            for (a, b) in bonds {
                if let (Some(a), Some(b)) = (a, b) {
                    graph.neighbors[a].push(b);
                    graph.neighbors[b].push(a);
                }
            }
            end = at("C").or(at("CA"));
            residue += 1;
        }
    }
    graph
}

impl Graph {
    /// The number of bonds from a bead to every other, or `None`.
    fn distances(&self, from: usize) -> Vec<Option<usize>> {
        let mut distances = vec![None; self.beads.len()];
        distances[from] = Some(0);
        let mut open = VecDeque::from([from]);
        while let Some(bead) = open.pop_front() {
            for next in &self.neighbors[bead] {
                if distances[*next].is_none() {
                    distances[*next] = distances[bead].map(|d| d + 1);
                    open.push_back(*next);
                }
            }
        }
        distances
    }

    fn pairs(&self, min_pair: usize) -> Vec<[u32; 4]> {
        let mut pairs = Vec::new();
        for i in 0..self.beads.len() {
            for (j, bonds) in self.distances(i).into_iter().enumerate().skip(i + 1) {
                let apart = bonds.is_none_or(|bonds| bonds > 2 && bonds + 1 >= min_pair);
                if apart && self.beads[i].0 != self.beads[j].0 {
                    pairs.push([i as u32, j as u32, 0, 0]);
                }
            }
        }
        pairs
    }

    /// All paths of `n` beads, with the lower end first.
    fn paths(&self, n: usize) -> Vec<Vec<usize>> {
        let mut paths: Vec<Vec<usize>> = (0..self.beads.len()).map(|bead| vec![bead]).collect();
        for _ in 1..n {
            let longer = |path: &Vec<usize>| {
                let next = self.neighbors[path[path.len() - 1]].iter();
                let new = next.filter(|bead| !path.contains(bead));
                new.map(|bead| [&path[..], &[*bead]].concat()).collect::<Vec<_>>()
            };
            paths = paths.iter().flat_map(longer).collect();
        }
        paths.retain(|path| path[0] < path[n - 1]);
        paths.sort();
        paths
    }
}

fn wide(tuple: &[usize]) -> [u32; 4] {
    std::array::from_fn(|k| tuple.get(k).map_or(0, |bead| *bead as u32))
}

/// Chains with many glycines and prolines.
fn sequences() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[GPAGPACDEFHIKLMNQRSTVWY]{1,7}", 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(17),
        ..ProptestConfig::default()
    })]

    #[test]
    fn lists_are_those_of_the_graph(chains in sequences(), min_pair in 2_u32..9) {
        let chains: Vec<&str> = chains.iter().map(String::as_str).collect();
        let of_chains: Vec<_> = chains.iter().map(|chain| aminos(chain)).collect();
        for mapping in [FiveBead, Ca] {
            let found = topology(mapping, &of_chains, min_pair);
            found.check().unwrap();
            let graph = graph(mapping, &chains);
            prop_assert_eq!(found.types.len(), graph.beads.len());
            prop_assert_eq!(&list(&found, "non_bonded").tuples, &graph.pairs(min_pair as usize));
            for (name, n) in [("bonds", 2), ("angles", 3)] {
                let paths = graph.paths(n);
                if mapping == Ca {
                    let all: Vec<_> = paths.iter().map(|path| wide(path)).collect();
                    prop_assert_eq!(&list(&found, name).tuples, &all);
                    continue;
                }
                let part = |first: bool, last: bool| -> Vec<[u32; 4]> {
                    let is_in = |path: &&Vec<usize>| {
                        let at_first = path.iter().any(|bead| graph.beads[*bead].2);
                        let at_last = path.iter().any(|bead| graph.beads[*bead].3);
                        (first && at_first) || (last && at_last) || !(first || last || at_first || at_last)
                    };
                    paths.iter().filter(is_in).map(|path| wide(path)).collect()
                };
                prop_assert_eq!(&list(&found, &format!("n_term_{name}")).tuples, &part(true, false));
                prop_assert_eq!(&list(&found, &format!("c_term_{name}")).tuples, &part(false, true));
                prop_assert_eq!(&list(&found, &format!("bulk_{name}")).tuples, &part(false, false));
            }
        }
    }

    #[test]
    fn dihedrals_follow_the_names_of_their_beads(chains in sequences()) {
        let of_chains: Vec<_> = chains.iter().map(|chain| aminos(chain)).collect();
        let found = topology(FiveBead, &of_chains, 6);
        let texts: Vec<&str> = chains.iter().map(String::as_str).collect();
        let beads = graph(FiveBead, &texts).beads;
        let letters: Vec<char> = chains.concat().chars().collect();
        let mut n_seen = 0;
        for list in found.lists.iter().filter(|list| list.order == 4) {
            for tuple in &list.tuples {
                let of = |k: usize| beads[tuple[k] as usize];
                let names = [0, 1, 2, 3].map(|k| of(k).1);
                let residue = [0, 1, 2, 3].map(|k| of(k).0);
                // The residue of each bead relative to the one that names the term.
                let (named, expected, steps) = match list.name.as_str() {
                    name if name.ends_with("_phi") => (residue[3], ["C", "N", "CA", "C"], [-1, 0, 0, 0]),
                    name if name.ends_with("_psi") => (residue[0], ["N", "CA", "C", "N"], [0, 0, 0, 1]),
                    "gamma_1" => (residue[0], ["N", "CB", "C", "CA"], [0; 4]),
                    "gamma_2" => (residue[0], ["CA", "O", "N", "C"], [0, 0, 1, 0]),
                    _ => (residue[3], ["CA", "C", "N", "CA"], [-1, -1, 0, 0]),
                };
                prop_assert_eq!(names, expected, "{}", &list.name);
                prop_assert_eq!(residue.map(|r| r as i64 - named as i64), steps, "{}", &list.name);
                let amino = AminoAcid::from_letter(letters[named]).unwrap();
                match list.name.as_str() {
                    "gamma_1" | "gamma_2" => {}
                    "pro_omega" => prop_assert_eq!(amino.name(), "PRO"),
                    "non_pro_omega" => prop_assert_ne!(amino.name(), "PRO"),
                    name => prop_assert_eq!(amino.name(), &name[..3]),
                }
                n_seen += 1;
            }
        }
        let links: usize = chains.iter().map(|chain| chain.len() - 1).sum();
        let with_cb = letters.iter().filter(|letter| **letter != 'G').count();
        prop_assert_eq!(n_seen, 4 * links + with_cb);
    }

    /// The closed forms for one chain.
    #[test]
    fn counts_are_those_of_the_formulas(chain in "[GPAVLIMFWYSTNQCDEHKR]{3,20}") {
        let found = topology(FiveBead, &[aminos(&chain)], min_pair(FiveBead));
        let count = |names: &[&str]| -> usize {
            names.iter().map(|name| list(&found, name).tuples.len()).sum()
        };
        let (n, g) = (chain.len(), chain.matches('G').count());
        let split = |name: &str| ["n_term", "bulk", "c_term"].map(|part| format!("{part}_{name}"));
        let [bonds, angles] = ["bonds", "angles"].map(|name| {
            let names = split(name);
            count(&names.each_ref().map(String::as_str))
        });
        // Chains of three residues or more have no tuple at both ends, except across the middle.
        prop_assert_eq!(bonds, 5 * n - g - 1);
        prop_assert_eq!(angles, 3 * (n - g) + g + n + 3 * (n - 1));
        let last = chain.ends_with('G');
        prop_assert_eq!(count(&["n_term_bonds"]), if chain.starts_with('G') { 4 } else { 5 });
        prop_assert_eq!(count(&["c_term_angles"]), if last { 5 } else { 7 });
        let excluded: usize = chain.chars().map(|c| if c == 'G' { 6 } else { 10 }).sum();
        let steps: usize = chain.as_bytes().windows(2).map(|pair| match pair {
            [b'G', b'G'] => 12,
            [b'G', _] => 15,
            [_, b'G'] => 14,
            _ => 17,
        }).sum();
        let n_beads = found.types.len();
        let pairs = n_beads * (n_beads - 1) / 2 - excluded - steps - (n - 2);
        prop_assert_eq!(count(&["non_bonded"]), pairs);
    }
}

fn whole_model(mapping: Mapping) -> flashschnet::Model {
    let all = "ACDEFGHIKLMNPQRSTVWYGGPPGP";
    let sequences = [vec![aminos(all)], vec![aminos("MSKGV"), aminos("GA")], vec![aminos("PG")]];
    let topologies = sequences.map(|sequences| topology(mapping, &sequences, min_pair(mapping)));
    peptide::model(&topologies)
}

#[test]
fn priors_decide_the_mapping_and_must_fit() {
    let mapping = |model: &flashschnet::Model, mapping| {
        mapping_of(model, &Options { mapping, ..Options::default() })
    };
    assert_eq!(mapping(&whole_model(FiveBead), None).unwrap(), FiveBead);
    assert_eq!(mapping(&whole_model(Ca), None).unwrap(), Ca);
    let error = mapping(&whole_model(Ca), Some(FiveBead)).unwrap_err().to_string();
    assert!(error.contains("no rule for the term bonds in the mapping five_bead"), "{error}");
    assert!(error.contains("it is a term of the mapping ca"), "{error}");
    let mut model = whole_model(FiveBead);
    model.priors[0].name = "bulk_nonbonded".into();
    let error = mapping(&model, None).unwrap_err().to_string();
    assert!(error.contains("the term bulk_nonbonded is not supported"), "{error}");
    let mut model = whole_model(Ca);
    model.priors.retain(|prior| prior.name != "pseudo_ca_dihedral");
    let error = mapping(&model, None).unwrap_err().to_string();
    assert!(error.contains("the mapping five_bead or ca; a prior file adds priors"), "{error}");
    let error = mapping(&crate::common::small::model(), None).unwrap_err().to_string();
    assert!(error.contains("the specialised prior"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pdb");
    std::fs::write(&path, pdb(&helix("MSKGV", 'A', 1, [0.0; 3]))).unwrap();
    let mut model = whole_model(FiveBead);
    let found = prepare(&path, &Options::default(), &model).unwrap();
    let names: Vec<_> = model.priors.iter().map(|prior| &prior.name).collect();
    let lists = &found.structures[0].topology.lists;
    assert_eq!(lists.iter().map(|list| &list.name).collect::<Vec<_>>(), names);
    assert!(found.joined.missing.is_empty() && found.energies[0].iter().all(|e| e.is_finite()));
    // Terms of the model and of the molecule can lack each other.
    model.priors.retain(|prior| prior.name != "LYS_phi");
    let error = prepare(&path, &Options::default(), &model).unwrap_err().to_string();
    assert!(
        error.contains("no parameters for 1 of ")
            && error.contains("LYS_phi: no such term; 1 tuple")
    );
    let allowed = Options { allow_missing_priors: true, ..Options::default() };
    let found = prepare(&path, &allowed, &model).unwrap();
    assert_eq!((found.joined.n_missing(), found.joined.missing[0].n_keys), (1, 0));
    assert_eq!(warnings(&found.coarse), ["missing_priors"]);

    let ca = topology(Ca, &[aminos("MSKGA")], 4);
    let error =
        prepare(&path, &Options::default(), &peptide::model(&[ca])).unwrap_err().to_string();
    assert!(error.contains("bonds: GLY-VAL (6,18) x1"), "{error}");
}

/// Positions from elsewhere enter as chains of residues.
#[test]
fn chains_without_a_file_become_beads() {
    let read = read(&pdb(&helix("AGPSW", 'A', 1, [0.0; 3]))).unwrap();
    let residues = read.chains[0].residues.iter().enumerate();
    let residues = residues.map(|(k, r)| Residue::new(r.amino, k + 1, |site| r.position(site)));
    let chain = Chain::new("A", residues.collect());
    let built = Coarse::from_chains(vec![chain.clone()], FiveBead, Log::default()).unwrap();
    assert_eq!((&built.positions, built.topology()), (&read.positions, read.topology()));
    assert_eq!(built.log, Log::default());
    let mut chain = chain;
    chain.residues[0] = Residue::new(chain.residues[0].amino, 1, |_| None);
    let error = Coarse::from_chains(vec![chain], FiveBead, Log::default()).unwrap_err();
    assert!(error.to_string().contains("one for each bead"), "{error}");
}

/// Names are unique, so that a list cannot be taken for another.
#[test]
fn every_mapping_has_its_terms() {
    for (mapping, n) in [(FiveBead, 51), (Ca, 4)] {
        let names = flashschnet::prepare::term_names(mapping);
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), n);
        assert_eq!(names.len(), n);
    }
}
