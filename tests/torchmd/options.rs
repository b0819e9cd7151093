//! The terms, the excluded pairs and the bead types of a topology on the command line, and its
//! import.

use npyz::WriterBuilder;

use super::files::{Files, rows};
use super::small::{Checkpoint, SEQUENCE, changed};
use crate::common::program::{small_files, stderr, stdout};
use crate::trajectory::npy;

/// The names of the terms in a table of energies.
fn terms(files: &Files, more: &[&str]) -> Vec<String> {
    let output = files.succeeds(&Files::with("energy", "starts.xtc", &[&["--csv"], more].concat()));
    let text = stdout(&output);
    let header = text.lines().next().unwrap().split(',').map(str::to_owned);
    header.skip(2).take_while(|name| name != "largest_force").collect()
}

#[test]
fn terms_are_those_that_are_named() {
    let files = Files::new();
    let published = ["SchNet", "bonds", "dihedrals", "repulsioncg"];
    assert_eq!(terms(&files, &[]), published);
    assert_eq!(terms(&files, &["--forceterms", "BONDS,RepulsionCG,dihedrals"]), published);
    assert_eq!(terms(&files, &["--forceterms", "repulsioncg"]), ["SchNet", "repulsioncg"]);
    assert_eq!(terms(&files, &["--forceterms", "none"]), ["SchNet"]);
    let repeated = ["--forceterms", "Bonds", "--forceterms", "Dihedrals"];
    assert_eq!(terms(&files, &repeated), ["SchNet", "bonds", "dihedrals"]);
    for other in ["LJ", "Bonds,Electrostatics", "", "none,bonds"] {
        let said = files.fails(&Files::with("energy", "starts.xtc", &["--forceterms", other]));
        assert!(said.contains("repulsioncg") && said.lines().count() <= 2, "{other}: {said}");
    }
}

/// Pairs of six beads: 15, of which 5 are bonded, and 3 are at the ends of a dihedral.
#[test]
fn exclusions_leave_out_pairs() {
    let files = Files::new();
    let pairs = |more: &[&str]| {
        let output = files.succeeds(&Files::with("info", "starts.xtc", more));
        let text = stdout(&output);
        let line = text.lines().find(|line| line.trim_start().starts_with("repulsioncg")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap()
    };
    assert_eq!(pairs(&[]), 10);
    for (exclusions, expected) in [
        ("bonds", 10),
        ("('bonds')", 10),
        ("bonds,angles,1-4", 7),
        ("('bonds', 'angles', '1-4')", 7),
        ("1-4", 12),
        ("none", 15),
    ] {
        assert_eq!(pairs(&["--exclusions", exclusions]), expected, "{exclusions}");
    }
    assert_eq!(pairs(&["--exclusions", "bonds", "--exclusions", "1-4"]), 7);
    // A name acts only with its term.
    let without = ["--exclusions", "bonds,1-4", "--forceterms", "repulsioncg,bonds"];
    assert_eq!(pairs(&without), 10);
    for wrong in [&["--exclusions", "bond"][..], &["--exclusions", ""]] {
        let said = files.fails(&Files::with("info", "starts.xtc", wrong));
        assert!(said.contains("--exclusions") && said.contains("bonds, angles, 1-4"), "{said}");
    }
    let two = ["--exclusions", "bonds", "--exclusions", "('1-4')"];
    let said = files.fails(&Files::with("info", "starts.xtc", &two));
    assert!(said.contains("--exclusions: found \"('1-4')\""), "{said}");
}

#[test]
fn bead_types_are_given_as_a_list_or_a_file() {
    let files = Files::new();
    let energy = |more: &[&str]| files.energies("starts.xtc", more);
    let published = energy(&[]);
    assert_eq!(energy(&["--embeddings", "1,2,3,4,1,2"]), published);
    let other = energy(&["--embeddings", "1, 2, 3, 4, 1, 1"]);
    assert_ne!(other, published);
    npy(&files.path("f8.npy"), &[6], false, &[1.0, 2.0, 3.0, 4.0, 1.0, 2.0], false);
    npy(&files.path("f4.npy"), &[6], true, &[1.0, 2.0, 3.0, 4.0, 1.0, 2.0], true);
    let integers = |name: &str, types: [i64; 6], shape: &[u64]| {
        let file = std::fs::File::create(files.path(name)).unwrap();
        let options = npyz::WriteOptions::new().shape(shape).default_dtype();
        let mut writer = options.writer(file).begin_nd().unwrap();
        writer.extend(types).unwrap();
        writer.finish().unwrap();
    };
    integers("i8.npy", [1, 2, 3, 4, 1, 2], &[6]);
    integers("flat.npy", [1, 2, 3, 4, 1, 2], &[1, 6]);
    integers("minus.npy", [1, 2, 3, 4, 1, -2], &[6]);
    for name in ["f8.npy", "f4.npy", "i8.npy"] {
        assert_eq!(energy(&["--embeddings", name]), published, "{name}");
    }
    npy(&files.path("half.npy"), &[6], false, &[1.0, 2.5, 3.0, 4.0, 1.0, 2.0], false);
    npy(&files.path("few.npy"), &[3], false, &[1.0; 3], false);
    for (types, message) in [
        ("1,2,3", "--embeddings: found 3, expected 6, one for each bead of chain.psf"),
        ("few.npy", "few.npy: embeddings: found 3, expected 6, one for each bead of chain.psf"),
        ("1,2,3,4,1,-2", "--embeddings: found 1,2,3,4,1,-2, expected whole numbers"),
        ("1,2,3,4,1,5", "types[5]: found 5, expected a bead type below 5"),
        ("minus.npy", "minus.npy: bead 5: found -2, expected a whole number"),
        ("half.npy", "half.npy: bead 1: found 2.5, expected a whole number"),
        ("flat.npy", "flat.npy: shape: found [1, 6]"),
        ("chain.psf", "chain.psf: content: found a PSF file, expected a NumPy array"),
        ("none.npy", no_file!("none.npy: ")),
    ] {
        let said = files.fails(&Files::with("energy", "starts.xtc", &["--embeddings", types]));
        assert!(said.contains(message), "{types}: {said}");
    }
    // Residues without a bead type need none if the types are given.
    files.write("chain.psf", files.read("chain.psf").replace("PHE", "XAA"));
    assert_eq!(energy(&["--embeddings", "1,2,3,4,1,2"]), published);
    let said = files.fails(&Files::with("energy", "starts.xtc", &[]));
    assert!(said.contains("chain.psf: residue of bead 2: found XAA"), "{said}");
}

#[test]
fn options_of_a_topology_need_one() {
    let files = Files::new();
    for option in [["--forceterms", "bonds"], ["--exclusions", "bonds"], ["--embeddings", "1"]] {
        let model = ["energy", "--model", "model.ckpt"];
        let said = files.fails(&[&model[..], &option].concat());
        assert!(said.contains("--topology"), "{said}");
    }
    let topology = ["--topology", "chain.psf", "--structures", "starts.xtc"];
    let said = files.fails(&[&["energy", "--model", "model.ckpt"][..], &topology].concat());
    assert!(said.contains("--priors"), "{said}");
    let with = |model: &str, priors: &str| {
        let files_of = ["energy", "--model", model, "--priors", priors];
        files.fails(&[&files_of[..], &topology].concat())
    };
    let small = small_files()[0].to_str().unwrap();
    let said = with(small, "field.yaml");
    assert!(
        said.contains("a force field for a model that is not a network of TorchMD is not"),
        "{said}"
    );
    let said = with("model.ckpt", "chain.psf");
    assert!(said.contains("chain.psf"), "{said}");
    let said = with("chain.psf", "field.yaml");
    assert!(said.contains("chain.psf: content: found a PSF file"), "{said}");
}

/// The native files hold the model of the molecule and its starts.
#[test]
fn an_import_holds_the_priors_of_a_topology() {
    let files = Files::new();
    let choice = ["--forceterms", "bonds,repulsioncg", "--exclusions", "none"];
    let import = ["import", "model.ckpt", "starts.xtc", "--priors", "field.yaml"];
    let import = [&import[..], &["--topology", "chain.psf"], &choice, &["-o", "out"]].concat();
    let text = stdout(&files.succeeds(&import));
    assert!(text.contains("prior repulsioncg: repulsion, 15 tuples"), "{text}");
    assert!(text.contains(&format!("structures: 3 of {} beads", SEQUENCE.len())), "{text}");
    let native = ["--model", "out.model.safetensors", "--structures", "out.structures.safetensors"];
    let energy = [&["energy", "--csv", "--backend", "reference"], &native[..]].concat();
    assert_eq!(rows(&stdout(&files.succeeds(&energy))), files.energies("starts.xtc", &choice));
    let model = "out.model.safetensors";
    let again = ["energy", "--model", model, "--priors", "field.yaml", "--topology", "chain.psf"];
    let said = files.fails(&[&again[..], &["--structures", "starts.xtc"]].concat());
    assert!(said.contains("found a model with priors (bonds), expected a network"), "{said}");
}

/// A limit of neighbors is not applied, with one warning if a bead can have more.
#[test]
fn a_limit_of_neighbors_is_told_and_not_applied() {
    let files = Files::new();
    let without = changed("max_num_neighbors", None);
    let limit = |limit: i64| changed("max_num_neighbors", Some(crate::pt::Py::Int(limit)));
    let mut energies = Vec::new();
    for (checkpoint, warnings) in
        [(without, 0), (limit(2), 1), (limit(4), 1), (limit(5), 0), (Checkpoint::default(), 0)]
    {
        checkpoint.write(&files.path("model.ckpt"));
        energies.push(files.energies("starts.xtc", &[]));
        let run = ["--steps", "2", "--replicas", "1", "-o", "out"];
        files.succeeds(&Files::with("run", "starts.xtc", &run));
        let log = files.read("out/run.log");
        assert_eq!(log.matches("warning: max_num_neighbors=").count(), warnings, "{log}");
        std::fs::remove_dir_all(files.path("out")).unwrap();
    }
    assert!(energies.iter().all(|of| *of == energies[0]));
    let import = files.succeeds(&["import", "model.ckpt", "-o", "out"]);
    assert!(
        stderr(&import)
            .contains("note: max_num_neighbors=128 of TorchMD's checkpoint is not applied")
    );
    let native = ["energy", "--model", "out.model.safetensors", "--priors", "field.yaml"];
    let topology = ["--topology", "chain.psf", "--structures", "starts.xtc", "--csv"];
    let output = files.succeeds(&[&native[..], &topology, &["--backend", "reference"]].concat());
    assert_eq!((rows(&stdout(&output)), stderr(&output)), (energies.remove(0), String::new()));
}
