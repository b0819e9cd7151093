//! `flashschnet prepare --sequence`: extended chains and random coils.

use std::path::{Path, PathBuf};

use flashschnet::engine::Minimization;
use flashschnet::io::load_structures;
use flashschnet::io::native::write_model;
use flashschnet::model::{Model, PriorForm, PriorParameters};
use flashschnet::prepare::{
    AminoAcid, Coarse, Mapping, Options, Start, min_pair, parse_sequence, prepare_sequences,
    topology,
};
use flashschnet::structure::TupleList;
use flashschnet::system::Term;
use flashschnet::{Backend, BackendKind};

use crate::common::program::{program, stderr, stdout};
use crate::common::{numbers, peptide, small_schnet};

use Mapping::{Ca, FiveBead};

const ALL: &str = "ACDEFGHIKLMNPQRSTVWY";

fn aminos(text: &str) -> Vec<Vec<AminoAcid>> {
    parse_sequence(text).unwrap()
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// A network of random weights, and priors with parameters for all tuples of the sequences.
///
/// Bonds and angles are stiff. The minima of the angles are those of proteins.
fn model(mapping: Mapping, sequences: &[Vec<AminoAcid>]) -> Model {
    let mut model = peptide::model(&[topology(mapping, sequences, min_pair(mapping))]);
    for prior in &mut model.priors {
        let PriorParameters::Keyed { values, .. } = &mut prior.parameters else { unreachable!() };
        let row: &[f64] = match (mapping, prior.name.as_str()) {
            (FiveBead, name) if name.ends_with("_bonds") => &[250.0, 1.45, 0.0],
            (Ca, "bonds") => &[250.0, 3.81, 0.0],
            (Ca, "non_bonded") => &[4.0],
            _ => continue,
        };
        *values = row.repeat(values.len() / row.len());
    }
    let mut schnet = small_schnet();
    schnet.n_types = 25;
    schnet.embedding = numbers(5, 25 * schnet.n_hidden, 1.0);
    model.schnet = Some(schnet);
    model
}

/// The case of chignolin: the sequence alone gives types, masses and all lists.
#[test]
fn a_sequence_has_the_lists_of_the_reference_case() {
    let Some(folder) = std::env::var_os("FLASHSCHNET_REFERENCE") else {
        return eprintln!("FLASHSCHNET_REFERENCE is not set: the published lists are NOT tested");
    };
    for (mapping, name) in [(FiveBead, "cln_five_bead.json"), (Ca, "cln_ca.json")] {
        let path = PathBuf::from(&folder).join("topology").join(name);
        let case: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let sequence = case["sequence"][0].as_str().unwrap();
        let coarse = Coarse::build(&aminos(sequence), mapping, Start::Extended).unwrap();
        assert_eq!(coarse.log, Default::default());
        let found = coarse.topology();
        let of_beads = |key: &str| -> Vec<f64> {
            let beads = &case["beads"][key];
            beads.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
        };
        assert_eq!(found.types.iter().map(|t| f64::from(*t)).collect::<Vec<_>>(), of_beads("type"));
        for (a, b) in found.masses.iter().zip(of_beads("mass")) {
            assert!((a - b).abs() < 1e-12);
        }
        let terms = case["terms"].as_object().unwrap();
        let is_full = |list: &&TupleList| !list.tuples.is_empty() || terms.contains_key(&list.name);
        assert_eq!(found.lists.iter().filter(is_full).count(), terms.len());
        for list in found.lists.iter().filter(is_full) {
            let expected: Vec<Vec<u32>> =
                serde_json::from_value(terms[&list.name]["tuples"].clone()).unwrap();
            let tuples: Vec<&[u32]> = list.tuples.iter().map(|t| &t[..list.order]).collect();
            assert_eq!(tuples, expected, "{}", list.name);
        }
    }
}

/// A short and a long chain, with prolines in a row and at the ends: no warning about handedness,
/// cis peptides or clashes.
#[test]
fn an_extended_chain_is_long_and_has_ideal_geometry() {
    let long = ALL.repeat(12) + "PPPGPGP";
    for (mapping, sequence, step) in
        [(FiveBead, ALL, 3.0), (FiveBead, &long, 0.5), (Ca, ALL, 3.2), (Ca, &long, 3.2)]
    {
        let coarse = Coarse::build(&aminos(sequence), mapping, Start::Extended).unwrap();
        assert_eq!(coarse.log, Default::default());
        let x = &coarse.positions[0];
        let reach = distance(x[0], x[x.len() - 1]);
        assert!(reach > step * (sequence.len() - 1) as f64, "{mapping:?}: {reach}");
        let lists = coarse.topology().lists;
        let bonds = lists.iter().filter(|list| list.name.ends_with("bonds"));
        let lengths = bonds.flat_map(|list| &list.tuples);
        for [i, j, ..] in lengths {
            let length = distance(x[*i as usize], x[*j as usize]);
            let ideal = if mapping == Ca { 3.75..3.85 } else { 1.22..1.54 };
            assert!(ideal.contains(&length), "{length}");
        }
        let center: [f64; 3] =
            std::array::from_fn(|k| x.iter().map(|x| x[k]).sum::<f64>() / x.len() as f64);
        assert!(distance(center, [0.0; 3]) < 1e-6 * reach);
    }
    // One residue, and chains of one residue.
    for mapping in [FiveBead, Ca] {
        assert_eq!(
            Coarse::build(&aminos("G:P:W"), mapping, Start::Extended).unwrap().chains.len(),
            3
        );
    }
}

#[test]
fn coils_differ_and_avoid_themselves() {
    let coils = |mapping, text: &str, n, seed| {
        Coarse::build(&aminos(text), mapping, Start::RandomCoil { n, seed }).unwrap()
    };
    for mapping in [FiveBead, Ca] {
        let coarse = coils(mapping, &ALL.repeat(3), 20, 1);
        // No clash, no wrong hand, no cis peptide.
        assert_eq!(coarse.log, Default::default());
        let x = &coarse.positions;
        assert_eq!(x.len(), 20);
        let ends: Vec<f64> = x.iter().map(|x| distance(x[0], x[x.len() - 1])).collect();
        let mean = ends.iter().sum::<f64>() / 20.0;
        let extended = Coarse::build(&aminos(&ALL.repeat(3)), mapping, Start::Extended).unwrap();
        let full = distance(extended.positions[0][0], *extended.positions[0].last().unwrap());
        assert!(mean > 10.0 && mean < 0.7 * full, "{mapping:?}: {mean} of {full}");
        for (k, a) in ends.iter().enumerate() {
            assert!(ends[..k].iter().all(|b| (a - b).abs() > 1e-6), "coils {ends:?}");
        }
        // A coil depends on the seed and its number only.
        assert_eq!(coils(mapping, &ALL.repeat(3), 20, 1).positions, *x);
        assert_eq!(coils(mapping, &ALL.repeat(3), 3, 1).positions, x[..3]);
        assert_ne!(coils(mapping, &ALL.repeat(3), 1, 2).positions[0], x[0]);

        // Non-bonded beads have room, also in a long chain.
        let long = coils(mapping, &ALL.repeat(15), 1, 9);
        let lists = long.topology().lists;
        let pairs = &lists.iter().find(|list| list.name == "non_bonded").unwrap().tuples;
        let least = if mapping == Ca { 4.0 } else { 2.7 };
        let is_near = |[i, j, ..]: &&[u32; 4]| {
            distance(long.positions[0][*i as usize], long.positions[0][*j as usize]) < least
        };
        assert_eq!(pairs.iter().find(is_near), None);
    }
}

#[test]
fn chains_are_apart() {
    for (mapping, start) in [
        (FiveBead, Start::Extended),
        (FiveBead, Start::RandomCoil { n: 3, seed: 5 }),
        (Ca, Start::RandomCoil { n: 3, seed: 5 }),
    ] {
        let coarse = Coarse::build(&aminos("GYDPETGTWG:AAPGKKL:W"), mapping, start).unwrap();
        let chain_of: Vec<usize> = coarse.beads().map(|bead| bead.chain_index).collect();
        for x in &coarse.positions {
            for i in 0..x.len() {
                for j in (0..i).filter(|j| chain_of[*j] != chain_of[i]) {
                    assert!(distance(x[i], x[j]) > 14.9);
                }
            }
        }
        let letters: Vec<&str> = coarse.chains.iter().map(|chain| chain.letter.as_str()).collect();
        assert_eq!(letters, ["A", "B", "C"]);
    }
}

/// Minimizes an extended chain of all residues and two coils, and compares bonds with their rest
/// lengths.
fn bonds_are_at_rest(model: &Model) {
    let backend = Backend::open(BackendKind::Cpu, None).unwrap();
    let options = Options::default();
    for start in [Start::Extended, Start::RandomCoil { n: 2, seed: 3 }] {
        let built = prepare_sequences(&aminos(ALL), start, &options, model).unwrap();
        let n = built.structures.len();
        let minimization = Minimization { most_steps: 1500, tolerance: 0.5 };
        let (found, results) = built.minimize(&minimization, &backend, &options, model).unwrap();
        assert_eq!((results.len(), found.structures.len()), (n, n));
        for result in &results {
            assert!(result.energy_after < result.energy_before, "{result:?}");
        }
        let mut n_bonds = 0;
        let is_bond = |term: &&Term| term.form == PriorForm::HarmonicBond;
        for structure in &found.structures {
            for term in found.molecule.terms.iter().filter(is_bond) {
                for (t, [i, j, ..]) in term.tuples.iter().enumerate() {
                    let [a, b] = [i, j].map(|bead| structure.positions[*bead as usize]);
                    let (length, rest) = (distance(a, b), term.parameters(t)[1]);
                    assert!((length - rest).abs() < 0.05, "{}: {length}, not {rest}", term.name);
                    n_bonds += 1;
                }
            }
        }
        let per_chain = if found.coarse.mapping == Ca { 19 } else { 5 * 20 - 2 };
        assert_eq!(n_bonds, n * per_chain);
    }
}

#[test]
fn bonds_are_at_their_minimum_after_the_minimization() {
    for mapping in [FiveBead, Ca] {
        bonds_are_at_rest(&model(mapping, &aminos(ALL)));
    }
}

/// The same with the published transferable priors.
#[test]
fn bonds_of_published_priors_are_at_their_minimum() {
    let Some(folder) = std::env::var_os("FLASHSCHNET_REFERENCE") else {
        return eprintln!("FLASHSCHNET_REFERENCE is not set: published priors are NOT tested");
    };
    let path = PathBuf::from(folder).join("raw/sparse_prior_cln_5b.pt");
    bonds_are_at_rest(&Model::load(&path).unwrap());
}

/// A folder with a model for a sequence of two chains.
fn folder() -> (tempfile::TempDir, impl Fn(&str) -> String) {
    let folder = tempfile::tempdir().unwrap();
    write_model(&folder.path().join("m"), &model(FiveBead, &aminos("GYDPET:WG"))).unwrap();
    let root = folder.path().to_owned();
    (folder, move |name: &str| root.join(name).to_str().unwrap().to_owned())
}

#[test]
fn the_program_builds_minimizes_and_runs() {
    let (_folder, path) = folder();
    let [model, a, b] = ["m", "a", "b"].map(&path);
    let prepare = |output: &str, arguments: &[&str]| {
        program(&[&["prepare", "--model", &model, "-o", output], arguments].concat())
    };
    let output = prepare(&a, &["--sequence", "GYDPET:WG"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("prepare: an extended chain\n"), "{}", stdout(&output));
    assert!(stdout(&output).contains("chain B  TRP 1 - GLY 2   2 residues  9 beads"));
    assert!(stderr(&output).starts_with("minimization: "), "{}", stderr(&output));
    assert!(Path::new(&path("a_cg.pdb")).exists());

    // A FASTA file and repeated options are the same sequence, and give the same bytes.
    std::fs::write(path("s.fasta"), ">one\nGYD\nPET\n>two\nwg\n").unwrap();
    for sequence in
        [&["--sequence", &path("s.fasta")][..], &["--sequence", "GYDPET", "--sequence", "WG"]]
    {
        let output = prepare(&b, sequence);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
        std::fs::remove_file(&b).unwrap();
        std::fs::remove_file(path("b_cg.pdb")).unwrap();
    }

    let [coils, raw] = ["coils", "raw"].map(&path);
    let random = ["--sequence", "GYDPET:WG", "--random-coil", "3", "--seed", "11"];
    let output = prepare(&coils, &[&random[..], &["--backend", "reference"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("prepare: 3 random coils of seed 11\n"));
    let output = prepare(&raw, &[&random[..], &["--no-minimize"]].concat());
    assert_eq!(stderr(&output), "");
    let loaded = [&coils, &raw].map(|path| load_structures(Path::new(path)).unwrap());
    assert_eq!(loaded.each_ref().map(Vec::len), [3, 3]);
    assert_ne!(loaded[0][0].positions, loaded[1][0].positions);
    let header = String::from_utf8_lossy(&std::fs::read(&raw).unwrap()).into_owned();
    assert!(header.contains("GYDPET:WG") && header.contains("seed"), "provenance");

    let steps = ["--steps", "10", "--all-structures", "--backend", "reference", "-o", &path("out")];
    let run = program(&[&["run", "--model", &model, "--structures", &coils], &steps[..]].concat());
    assert!(run.status.success(), "{}", stderr(&run));
}

#[test]
fn wrong_sequences_and_options_are_refused() {
    let (_folder, path) = folder();
    let [model, out, pdb] = ["m", "out", "x.pdb"].map(&path);
    std::fs::write(path("empty.fasta"), "\n").unwrap();
    for (code, arguments, expected) in [
        (2, &[][..], "--sequence"),
        (2, &[&pdb, "--sequence", "AG"], "cannot be used with"),
        (2, &[&pdb, "--random-coil", "2"], "cannot be used with"),
        (2, &[&pdb, "--no-minimize"], "cannot be used with"),
        (2, &[&pdb, "--backend", "cpu"], "cannot be used with"),
        (2, &["--random-coil", "2"], "--sequence"),
        (2, &["--sequence", "AG", "--seed", "2"], "--random-coil"),
        (2, &["--sequence", "AG", "--rebuild", "cb"], "cannot be used with"),
        (2, &["--sequence", "AG", "--random-coil", "x"], "--random-coil: found x"),
        (1, &["--sequence", "GXB"], "letter 2 of chain 1: 'X'\n  letter 3 of chain 1: 'B'"),
        (1, &["--sequence", "AG:"], "chain 2 of the sequence: found no letters"),
        (1, &["--sequence", "./absent"], no_file!("")),
        (1, &["--sequence", &path("empty.fasta")], "sequences: found none"),
        (1, &["--sequence", "AAAA"], "[missing_priors]"),
        (
            1,
            &["--sequence", "AAAA", "--random-coil", "4000000000"],
            "out of memory: 4000000000 conf",
        ),
    ] {
        let output = program(&[&["prepare", "--model", &model, "-o", &out], arguments].concat());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
        assert!(!Path::new(&out).exists());
    }
}
