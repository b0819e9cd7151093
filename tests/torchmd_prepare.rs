//! `prepare` for TorchMD's models: CA beads of files and sequences, with the priors of a force
//! field.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flashschnet::engine::Minimization;
use flashschnet::io::bead_names;
use flashschnet::io::force_field::{Choice, ForceField, Psf, priors, specialise};
use flashschnet::io::import::import;
use flashschnet::io::native::write_model;
use flashschnet::model::{Model, PriorParameters};
use flashschnet::prepare::{
    AminoAcid, Coarse, Mapping, Options, Start, parse_sequence, prepare, prepare_sequences,
};
use flashschnet::units::AMU;
use flashschnet::{Backend, BackendKind};

use crate::common::peptide::{self, Line, helix, pdb};
use crate::common::program::{program, stderr, stdout};
use crate::common::{linear, numbers, small_schnet};

const ALL: &str = "ACDEFGHIKLMNPQRSTVWY";

/// The folder of the reference data. Prints a message if the variable is not set.
fn reference() -> Option<PathBuf> {
    let folder = std::env::var_os("FLASHSCHNET_REFERENCE");
    if folder.is_none() {
        eprintln!("FLASHSCHNET_REFERENCE is not set: the data of TorchMD are NOT tested");
    }
    Some(PathBuf::from(folder?).join("torchmd"))
}

/// A network of random weights in the form of TorchMD, with the published bead types.
fn network() -> Model {
    let mut schnet = small_schnet();
    schnet.n_types = 23;
    schnet.embedding = numbers(5, 23 * schnet.n_hidden, 1.0);
    for (b, block) in (0..).zip(&mut schnet.interactions) {
        let n = block.filter1.n_out;
        block.filter1.bias = linear(40 + b, 1, n, true).bias;
    }
    Model { schnet: Some(schnet), priors: Vec::new() }
}

/// A force field for all residues: bonds of alanine have their own length, and masses differ.
fn field_text() -> String {
    let mut text = String::from("atomtypes: []\nbonds:\n");
    let _ = writeln!(text, "  (X, X): {{k0: 100, req: 3.8}}\n  (CAA, X): {{k0: 90, req: 3.85}}");
    let _ = writeln!(text, "dihedrals:\n  (X, X, X, X):\n    terms:");
    let _ = writeln!(text, "    - {{phi_k: 0.5, phase: 30, per: 1}}");
    let _ = writeln!(text, "lj:\n  X: {{epsilon: 2000, sigma: 1}}\nmasses:");
    for (k, letter) in ALL.chars().enumerate() {
        let _ = writeln!(text, "  CA{letter}: {}", 11 + k);
    }
    text
}

fn field() -> Arc<ForceField> {
    Arc::new(ForceField::parse("field.yaml".into(), &field_text()).unwrap())
}

fn options() -> Options {
    Options { force_field: Some(field()), ..Options::default() }
}

fn aminos(text: &str) -> Vec<Vec<AminoAcid>> {
    parse_sequence(text).unwrap()
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// A folder with a network, a force field and a structure file.
fn folder(lines: &[Line]) -> (tempfile::TempDir, impl Fn(&str) -> String + use<>) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    write_model(&root.join("network"), &network()).unwrap();
    std::fs::write(root.join("field"), field_text()).unwrap();
    std::fs::write(root.join("x.pdb"), pdb(lines)).unwrap();
    (folder, move |name: &str| root.join(name).to_str().unwrap().to_owned())
}

/// The published topologies: their sequences alone give the same residues, atom types, bonds and
/// dihedrals, and priors with the same parameters and energies.
#[test]
fn sequences_are_the_published_topologies() {
    let Some(folder) = reference() else { return };
    let raw = |name: &str| folder.join("raw").join(name);
    let field = Arc::new(ForceField::read(&raw("prior_force_field.yaml")).unwrap());
    let network = import(&raw("majewski_multiprotein_epoch97.ckpt")).unwrap().model.unwrap();
    let options = Options { force_field: Some(field.clone()), ..Options::default() };
    for (file, sequence) in [("cln.psf", "YYDPETGTWY"), ("trp.psf", "DAYAQWLKDGGPSSGRPPPS")] {
        let psf = Psf::read(&raw(file)).unwrap();
        let coarse = Coarse::build(&aminos(sequence), Mapping::TorchMd, Start::Extended).unwrap();
        assert_eq!(Psf::of_topology(&coarse.topology()).unwrap(), psf);
        assert_eq!(coarse.types(), psf.types().unwrap());

        let prepared =
            prepare_sequences(&aminos(sequence), Start::Extended, &options, &network).unwrap();
        let (terms, lists) = priors(&field, &psf, &Choice::default()).unwrap();
        let topology = &prepared.structures[0].topology;
        assert_eq!((&topology.lists, &topology.types), (&lists, &psf.types().unwrap()));
        assert_eq!(topology.masses, field.masses(&psf).unwrap());
        assert_eq!(prepared.model(&network).priors, terms);
        assert_eq!(prepared.model(&network).schnet, network.schnet);

        let text = psf.text(&topology.masses);
        assert_eq!(Psf::parse(file.into(), &text).unwrap(), psf);
        assert_eq!(
            text.lines().filter(|line| line.ends_with("12.0000           0")).count(),
            psf.n_beads()
        );
    }
}

/// The frames of the published starts have the same energies with the published topology as with
/// what `prepare` makes of the sequence.
#[test]
fn starts_have_the_energies_of_the_published_topology() {
    let Some(folder) = reference() else { return };
    let raw = |name: &str| folder.join("raw").join(name).to_str().unwrap().to_owned();
    let [model, field, psf, starts] = [
        "majewski_multiprotein_epoch97.ckpt",
        "prior_force_field.yaml",
        "cln.psf",
        "cln_kcenters_32clusters_coords.xtc",
    ]
    .map(raw);
    let made = tempfile::tempdir().unwrap();
    let system = made.path().join("s").to_str().unwrap().to_owned();
    let given = ["--model", &model, "--priors", &field];
    let sequence = ["prepare", "--sequence", "YYDPETGTWY", "--no-minimize", "-o", &system];
    let output = program(&[&sequence[..], &given].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let energies = |arguments: &[&str]| -> Vec<f64> {
        let energy = ["energy", "--csv", "--backend", "reference"];
        let output = program(&[&energy[..], &given, arguments].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        let text = stdout(&output);
        let total = |line: &str| line.split(',').nth(1).unwrap().parse().unwrap();
        text.lines().skip(1).map(total).collect()
    };
    let published = energies(&["--topology", &psf, "--structures", &starts]);
    let prepared = energies(&["--structures", &system, "--trajectory", &starts]);
    assert_eq!((published.len(), prepared.len()), (32, 32));
    for (a, b) in published.iter().zip(prepared) {
        assert!((a - b).abs() < 1e-6 * a.abs().max(1.0), "{a} {b}");
    }
}

/// The force field has no angles: a minimization that goes too far makes some of them straight,
/// where torsions have a kink.
#[test]
fn coils_of_the_published_model_converge_and_stay_bent() {
    let Some(folder) = reference() else { return };
    let raw = |name: &str| folder.join("raw").join(name).to_str().unwrap().to_owned();
    let [model, field] = ["majewski_multiprotein_epoch97.ckpt", "prior_force_field.yaml"].map(raw);
    let made = tempfile::tempdir().unwrap();
    let system = made.path().join("s").to_str().unwrap().to_owned();
    let sequence = ALL.repeat(4);
    let given = ["--model", &model, "--priors", &field, "-o", &system];
    let coils = ["prepare", "--sequence", &sequence, "--random-coil", "4"];
    let output = program(&[&coils[..], &given].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("4 of 4 replicas converged"), "{}", stderr(&output));
    for structure in flashschnet::io::load_structures(Path::new(&system)).unwrap() {
        for x in structure.positions.windows(3) {
            assert!(distance(x[0], x[2]) < 7.5, "{x:?}");
        }
    }
}

#[test]
fn residues_have_the_published_types_and_masses_of_the_force_field() {
    let built = prepare_sequences(&aminos(ALL), Start::Extended, &options(), &network()).unwrap();
    let topology = &built.structures[0].topology;
    let types = [1, 16, 5, 6, 3, 2, 11, 22, 20, 21, 15, 9, 8, 10, 19, 12, 13, 14, 7, 4];
    assert_eq!(topology.types, types);
    for (k, mass) in topology.masses.iter().enumerate() {
        assert!((mass / AMU - (11 + k) as f64).abs() < 1e-12, "{mass}");
    }
    let residues: String = bead_names(&built.molecule)
        .iter()
        .map(|bead| AminoAcid::from_name(bead.residue).unwrap().letter())
        .collect();
    assert_eq!(residues, ALL);
    let PriorParameters::PerTuple { values } =
        &built.specialised.as_ref().unwrap().priors[0].parameters
    else {
        panic!("parameters by bead types")
    };
    assert_eq!(values[..6], [90.0, 3.85, 0.0, 100.0, 3.8, 0.0]);
}

/// A file of two chains with the names of other programs, norleucine and selenomethionine.
#[test]
fn names_of_files_are_those_of_the_table() {
    let mut lines = helix("GHHHMLWAG", 'A', 1, [0.0; 3]);
    let names = [(2, "HSD"), (3, "HSP"), (4, "HIE"), (5, "MSE"), (6, "NLE")];
    for (number, name) in names {
        let of_residue = lines.iter_mut().filter(|line| line.number == number);
        of_residue.for_each(|line| line.residue = name.into());
    }
    lines.extend(helix("AK", 'B', 1, [20.0, 0.0, 0.0]));
    let (_folder, path) = folder(&lines);
    let file = path("x.pdb");
    let found = prepare(Path::new(&file), &options(), &network()).unwrap();
    let topology = &found.structures[0].topology;
    assert_eq!(topology.types, [2, 11, 11, 11, 15, 17, 7, 1, 2, 1, 20]);
    let warnings: Vec<String> = found.coarse.log.warnings.iter().map(|w| w.line()).collect();
    assert_eq!(warnings, ["MSE A 5 read as MET [modified_residue]"]);

    let molecule = Psf::of_topology(topology).unwrap();
    let expected = "CAG CAH CAH CAH CAM CAL CAW CAA CAG CAA CAK";
    assert_eq!(molecule.atom_types.join(" "), expected);
    let ends = |tuples: &[[u32; 4]], last: usize| -> Vec<u32> {
        tuples.iter().map(|tuple| tuple[last]).collect()
    };
    assert_eq!(ends(&molecule.bonds, 1), [1, 2, 3, 4, 5, 6, 7, 8, 10]);
    assert_eq!(ends(&molecule.dihedrals, 3), [3, 4, 5, 6, 7, 8]);
    assert!(molecule.angles.is_empty() && molecule.impropers.is_empty());
    // All pairs but the bonds, also of different chains.
    let repulsion = topology.lists.iter().find(|list| list.name == "repulsioncg").unwrap();
    assert_eq!(repulsion.tuples.len(), 11 * 10 / 2 - 9);
    let text = molecule.text(&topology.masses);
    let segments: Vec<&str> = text
        .lines()
        .filter(|line| line.contains(" CA "))
        .map(|line| line.split_whitespace().nth(1).unwrap())
        .collect();
    assert_eq!(segments.concat(), "AAAAAAAAABB");
    assert_eq!(Psf::parse("x.psf".into(), &text).unwrap(), molecule);

    // An option says that norleucine is another residue.
    let leucine = AminoAcid::from_letter('L').unwrap();
    let options = Options { map: [("NLE".into(), leucine)].into(), ..options() };
    let found = prepare(Path::new(&file), &options, &network()).unwrap();
    assert_eq!(found.structures[0].topology.types[5], 21);
}

#[test]
fn coils_keep_their_bonds_and_relax_with_the_whole_model() {
    let (options, network) = (options(), network());
    let start = Start::RandomCoil { n: 3, seed: 4 };
    let sequence = ALL.repeat(2);
    let built = prepare_sequences(&aminos(&sequence), start, &options, &network).unwrap();
    assert_eq!(built.coarse.log, Default::default());
    for x in built.structures.iter().map(|structure| &structure.positions) {
        for i in 0..x.len() {
            for j in 0..i {
                let d = distance(x[i], x[j]);
                let is_right = if j + 1 == i { (d - 3.8).abs() < 1e-9 } else { d > 4.0 };
                assert!(is_right, "{j} {i}: {d}");
            }
        }
    }
    let backend = Backend::open(BackendKind::Cpu, None).unwrap();
    let minimization = Minimization { most_steps: 500, tolerance: 0.5 };
    let (found, results) = built.minimize(&minimization, &backend, &options, &network).unwrap();
    assert_eq!(results.len(), 3);
    assert!(results.iter().all(|result| result.energy_after < result.energy_before));
    assert_eq!(found.structures[0].topology, built_topology(&sequence));
    for structure in &found.structures {
        for pair in structure.positions.windows(2) {
            assert!((distance(pair[0], pair[1]) - 3.8).abs() < 0.2, "{pair:?}");
        }
    }
}

fn built_topology(sequence: &str) -> Arc<flashschnet::structure::Topology> {
    let coarse = Coarse::build(&aminos(sequence), Mapping::TorchMd, Start::Extended).unwrap();
    Arc::new(specialise(&network(), &field(), &coarse.topology()).unwrap().1)
}

#[test]
fn a_cis_peptide_is_told_by_its_short_step() {
    let mut lines = helix("AGP", 'A', 1, [0.0; 3]);
    lines.retain(|line| line.name == "CA");
    for (line, x) in lines.iter_mut().zip([0.0, 3.8, 6.7]) {
        line.x = [x, 0.0, 0.0];
    }
    let (_folder, path) = folder(&lines);
    let found = prepare(Path::new(&path("x.pdb")), &options(), &network()).unwrap();
    let warning = &found.coarse.log.warnings[0];
    assert_eq!(warning.kind, "cis_peptide");
    assert!(warning.text.starts_with("GLY A 2 - PRO 3: "), "{}", warning.text);
}

/// The same system as a structure file, as a PDB file, as PSF with a trajectory, and as native
/// files of `import`.
#[test]
fn the_program_takes_what_prepare_writes() {
    let (_folder, path) = folder(&helix("GLIKWAPS", 'A', 1, [0.0; 3]));
    let [network, field, file, system] = ["network", "field", "x.pdb", "s"].map(&path);
    let given = ["--model", &network, "--priors", &field];
    let run = |arguments: &[&str]| {
        let output = program(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    };
    let psf = path("s.psf");
    let prepare = ["prepare", &file, "-o", &system, "--psf", &psf, "--report"];
    let text = run(&[&prepare[..], &given].concat());
    assert!(text.contains("priors: 3 terms, 33 tuples, all keys found"), "{text}");
    assert!(text.contains("LEU 2        LEU      5  1 CA 21 "), "{text}");
    assert!(
        text.contains("bead types  1 x1, 2 x1, 7 x1, 8 x1, 12 x1, 20 x1, 21 x1, 22 x1"),
        "{text}"
    );
    assert!(text.contains("  dihedrals dihedral 5\n  repulsioncg repulsion 21\n"), "{text}");
    assert!(text.contains("(8 beads, torchmd_ca), "), "{text}");
    let header = String::from_utf8_lossy(&std::fs::read(&system).unwrap()).into_owned();
    assert!(header.contains("provenance") && header.contains("torchmd_ca"), "provenance");
    let beads = std::fs::read_to_string(path("s_cg.pdb")).unwrap();
    assert!(beads.contains(" CA  ILE A   3 "), "{beads}");

    // The same input gives the same bytes.
    let (again, psf_again) = (path("t"), path("t.psf"));
    run(&[&["prepare", &file, "-o", &again, "--psf", &psf_again], &given[..]].concat());
    for [a, b] in [[&system, &again], [&psf, &psf_again]] {
        assert_eq!(std::fs::read(a).unwrap(), std::fs::read(b).unwrap());
    }

    let csv = ["energy", "--csv", "--backend", "reference"];
    let energy = |arguments: &[&str]| run(&[&csv[..], arguments].concat());
    let of_system = energy(&[&given[..], &["--structures", &system]].concat());
    assert_eq!(of_system.lines().next().unwrap().matches(',').count(), 7, "{of_system}");
    assert_eq!(energy(&[&given[..], &["--structures", &file]].concat()), of_system);
    let both = energy(&[&given[..], &["--structures", &file, &system]].concat());
    assert_eq!(both.lines().count(), 3, "{both}");

    let import = path("all");
    run(&["import", &network, &system, "--priors", &field, "-o", &import]);
    let [model, structures] = ["all.model.safetensors", "all.structures.safetensors"].map(&path);
    assert_eq!(energy(&["--model", &model, "--structures", &structures]), of_system);

    let out = path("out");
    let steps = ["--steps", "20", "--save-interval", "10", "--temperature", "300", "-o", &out];
    let backend = ["--backend", "reference", "--structures", &system];
    run(&[&["run"], &given[..], &backend, &steps].concat());
    let topology = std::fs::read_to_string(path("out/topology.pdb")).unwrap();
    assert!(topology.contains(" CA  LEU A   2 "), "{topology}");
    let frames = path("out/replica_0000.xtc");
    let order = ["--trajectory-order", &*path("out/topology.pdb")].map(str::to_owned);
    let scored = energy(
        &[&given[..], &["--structures", &system, "--trajectory", &frames, &order[0], &order[1]]]
            .concat(),
    );
    let as_starts = energy(&[&given[..], &["--topology", &psf, "--structures", &frames]].concat());
    let totals = |text: &str| -> Vec<f64> {
        text.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().parse().unwrap()).collect()
    };
    let (scored, as_starts) = (totals(&scored), totals(&as_starts));
    assert_eq!((scored.len(), as_starts.len()), (2, 2));
    for (a, b) in scored.iter().zip(as_starts) {
        assert!((a - b).abs() < 1e-6 * a.abs().max(1.0), "{a} {b}");
    }
    run(&["run", "--resume", &out, "--steps", "40"]);
}

#[test]
fn models_force_fields_and_structures_that_do_not_belong_together_are_refused() {
    let (_folder, path) = folder(&helix("GLIK", 'A', 1, [0.0; 3]));
    let [network, field, file] = ["network", "field", "x.pdb"].map(&path);
    let [other, peptides, special, foreign] = ["y.pdb", "mlcg", "special", "foreign"].map(&path);
    std::fs::write(&other, pdb(&helix("GLLK", 'A', 1, [0.0; 3]))).unwrap();
    let topology = flashschnet::prepare::topology(Mapping::Ca, &aminos("GLIK"), 4);
    write_model(Path::new(&peptides), &peptide::model(std::slice::from_ref(&topology))).unwrap();
    let prepared = prepare(Path::new(&file), &options(), &self::network()).unwrap();
    write_model(Path::new(&special), prepared.model(&self::network())).unwrap();
    let structure = flashschnet::structure::Structure {
        topology: Arc::new(topology),
        ..prepared.structures[0].clone()
    };
    flashschnet::io::native::write_structures(Path::new(&foreign), &[structure]).unwrap();
    let texts = [
        ("broken", field_text().replace("{k0: 100", "{k0: [100")),
        ("few", field_text().replace("  CAI: ", "  CAZ: ")),
        ("light", field_text().replace("  CAI: ", "  CAI: -")),
        ("bonds", field_text().replace("(X, X):", "(X, CAW):").replace("(CAA, X)", "(CAA, CAA)")),
        ("other", "model: graph-network\nrbf: expnorm\n".to_owned()),
    ];
    for (name, text) in &texts {
        std::fs::write(path(name), text).unwrap();
    }
    let out = path("out");
    let [broken, few, light, bonds, unrelated] = texts.each_ref().map(|(name, _)| path(name));
    let psf = path("x.psf");
    let unknown = path("z.pdb");
    let text = pdb(&helix("GLIK", 'A', 1, [0.0; 3])).replace("LEU", "SEP");
    std::fs::write(&unknown, text).unwrap();
    let prepare = |model: &str, priors: &[&str], more: &[&str]| {
        let all = [&["prepare", "--model", model, "-o", &out][..], priors, more].concat();
        program(&all)
    };
    let with = |field| ["--priors", field];
    let file = &*file;
    for (model, priors, more, expected) in [
        (&network, &[][..], &[file][..], "a network of TorchMD without a force field"),
        (&network, &[], &[file, "--mapping", "ca"], "a network of TorchMD without a force field"),
        (&network, &with(&peptides), &[file], "a network of TorchMD without a force field"),
        (&peptides, &with(&field), &[file], "a model that is not a network of TorchMD"),
        (&special, &with(&field), &[file], "a model with priors (bonds)"),
        (&network, &with(&broken), &[file], "broken:"),
        (&network, &with(&few), &[file], "masses: found nothing for CAI"),
        (&network, &with(&light), &[file], "mass of CAI: found -18, expected a mass > 0"),
        (&network, &with(&bonds), &[file], "bonds: found nothing for CAG, CAL"),
        (&network, &with(&unrelated), &[file], "or a force field (YAML)"),
        (&network, &with(file), &[file], "found a PDB file, expected"),
        (&field, &[], &[file], "the priors of a network of TorchMD (--priors)"),
        (&network, &with(&field), &[file, "--mapping", "five_bead"], "mapping: found five_bead"),
        (&network, &with(&field), &[file, "--allow-missing-priors"], "with a force field is not"),
        (&peptides, &[], &[file, "--psf", &psf], "--psf for a model without a force field"),
        (&network, &with(&field), &[&unknown], "it knows ALA, GLY, PHE, TYR, ASP"),
        (&network, &with(&field), &["--sequence", "AXG"], "letter 2 of chain 1: 'X'"),
    ] {
        let output = prepare(model, priors, more);
        assert_eq!(output.status.code(), Some(1), "{expected}: {}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{expected}: {}", stderr(&output));
        assert!(!Path::new(&out).exists() && !Path::new(&psf).exists());
    }
    let named = program(&["prepare", file, "--model", &network, "--priors", &field, "-o", &psf]);
    assert!(stderr(&named).contains("--psf FILE writes the topology"), "{}", stderr(&named));

    let given = ["energy", "--model", &network, "--priors", &field];
    for (structures, expected) in [
        (&[][..], "structures: found none"),
        (&["--structures", file, &other], "run the others on their own"),
        (&["--structures", &foreign], "structures that prepare made for this model"),
    ] {
        let output = program(&[&given[..], structures].concat());
        assert_eq!(output.status.code(), Some(1), "{expected}: {}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{expected}: {}", stderr(&output));
    }
}
