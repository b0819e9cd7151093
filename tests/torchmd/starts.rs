//! Starts of a topology: trajectories and structure files.

use super::files::{Files, assert_near, atoms, rows, same_results, starts};
use super::small::SEQUENCE;
use crate::common::dcd::Dcd;
use crate::common::peptide::{COLUMNS, cif, helix, pdb};
use crate::common::program::{stderr, stdout};
use crate::trajectory::npy;

fn singles(frames: &[Vec<[f64; 3]>]) -> Vec<Vec<[f32; 3]>> {
    frames.iter().map(|frame| frame.iter().map(|x| x.map(|x| x as f32)).collect()).collect()
}

/// The trajectories hold coordinates in f32 or rounded to 0.01 Å, far from the origin.
#[test]
fn frames_of_every_format_are_the_same_starts() {
    let files = Files::new();
    let (frames, n) = (starts(3), SEQUENCE.len() as u64);
    let flat: Vec<f64> = frames.iter().flatten().flatten().copied().collect();
    npy(&files.path("a.npy"), &[3, n, 3], false, &flat, false);
    npy(&files.path("b.npy"), &[1, 3, n, 3], false, &flat, false);
    let two: Vec<f64> = (0..n as usize)
        .flat_map(|bead| (0..3).flat_map(move |axis| (0..2).map(move |f| (bead, axis, f))))
        .map(|(bead, axis, f)| frames[f][bead][axis])
        .collect();
    npy(&files.path("torchmd.npy"), &[n, 3, 2], false, &two, false);
    let one = &flat[..3 * n as usize];
    npy(&files.path("one.npy"), &[n, 3], false, one, false);
    npy(&files.path("last.npy"), &[n, 3, 1], false, one, false);
    files.write("a.dcd", Dcd::default().bytes(&singles(&frames)));

    let exact = files.energies("a.npy", &[]);
    assert_eq!(exact.len(), 3);
    assert_eq!(files.energies("b.npy", &[]), exact);
    assert_eq!(files.energies("torchmd.npy", &[]), exact[..2]);
    assert_eq!(files.energies("one.npy", &[]), exact[..1]);
    assert_eq!(files.energies("last.npy", &[]), exact[..1]);
    assert_near(&files.energies("a.dcd", &[]), &exact, 1e-2);
    assert_near(&files.energies("starts.xtc", &[]), &exact, 1e-1);
    let columns = |energies: &[Vec<f64>]| energies.iter().map(|row| row[1]).collect::<Vec<_>>();
    let total = columns(&exact);
    assert!((total[0] - total[2]).abs() > 0.5, "the frames differ: {total:?}");

    // The frames of a trajectory, which are not moved to the origin, have the same energies.
    let output = files.succeeds(&Files::with(
        "energy",
        "one.npy",
        &["--csv", "--trajectory", "torchmd.npy"],
    ));
    let found = rows(&stdout(&output));
    let found: Vec<Vec<f64>> = found.into_iter().map(|row| vec![row[1]]).collect();
    assert_near(&found, &[vec![total[0]], vec![total[1]]], 1e-9);
}

#[test]
fn the_atoms_of_a_structure_file_are_a_start() {
    let files = Files::new();
    // The files have three decimals.
    let rounded = |x: f64| (1000.0 * x).round() / 1000.0;
    let flat: Vec<f64> = starts(1).into_iter().flatten().flatten().map(rounded).collect();
    npy(&files.path("one.npy"), &[1, SEQUENCE.len() as u64, 3], false, &flat, false);
    let exact = files.energies("one.npy", &[]);
    let all = atoms();
    let ca: Vec<_> = all.iter().filter(|line| line.name == "CA").cloned().collect();
    files.write("all.pdb", pdb(&all));
    files.write("ca.pdb", pdb(&ca));
    files.write("all.cif", cif(&all, &COLUMNS));
    let models = pdb(&all).replace("END\n", "");
    let models = format!("MODEL 1\n{models}ENDMDL\nMODEL 2\n{models}ENDMDL\nEND\n");
    files.write("two.pdb", models);
    for name in ["all.pdb", "ca.pdb", "all.cif", "two.pdb"] {
        assert_near(&files.energies(name, &[]), &exact, 1e-9);
    }
    assert_eq!(files.energies("two.pdb", &["--pdb-model", "all"]).len(), 2);
    assert_eq!(files.energies("two.pdb", &["--pdb-model", "2"]).len(), 1);
    let said = stderr(&files.succeeds(&Files::with("energy", "all.pdb", &[])));
    assert!(said.contains("all.pdb: chain A  ALA 1 - GLY 6   6 residues  6 beads"), "{said}");

    // Two files of different formats are starts of the same molecule.
    let both = Files::with("energy", "all.pdb", &["--structures", "starts.xtc", "--csv"]);
    assert_eq!(rows(&stdout(&files.succeeds(&both))).len(), 4);

    // Spellings are the same residue, and others are not.
    let psf = files.read("chain.psf");
    let with = |from: &str, to: &str| pdb(&all).replace(from, to);
    for (topology, residue, fits) in
        [("HSD", "HIS", true), ("HIS", "HID", true), ("PHE", "TRP", false), ("HSE", "PHE", false)]
    {
        files.write("chain.psf", psf.replace("PHE", topology));
        files.write("other.pdb", with("PHE", residue));
        let types = ["--embeddings", "1,2,3,4,1,2"];
        match fits {
            true => assert_eq!(files.energies("other.pdb", &types).len(), 1),
            false => {
                let said = files.fails(&Files::with("energy", "other.pdb", &types));
                let found = format!("residue of bead 2: found {residue} A 3, expected {topology}");
                assert!(said.contains("other.pdb") && said.contains(&found), "{said}");
            }
        }
    }
}

#[test]
fn wrong_starts_are_one_error_with_the_file() {
    let files = Files::new();
    let n = SEQUENCE.len();
    let mut frames = starts(2);
    let flat = |frames: &[Vec<[f64; 3]>]| frames.iter().flatten().flatten().copied().collect();
    let write = |name: &str, frames: &[Vec<[f64; 3]>]| {
        let values: Vec<f64> = flat(frames);
        let shape = [frames.len() as u64, frames[0].len() as u64, 3];
        npy(&files.path(name), &shape, false, &values, false);
    };
    write("few.npy", &[frames[0][1..].to_vec()]);
    npy(&files.path("none.npy"), &[0, n as u64, 3], false, &[], false);
    files.write("few.dcd", Dcd::default().bytes(&singles(&[frames[0][1..].to_vec()])));
    let all = atoms();
    let other = helix(SEQUENCE, 'B', 1, [180.0, -90.0, 30.0]);
    files.write("more.pdb", pdb(&[all.clone(), other].concat()));
    files.write("few.pdb", pdb(&all).replace("GLY A   6", "HOH A   6"));
    files.write("gap.pdb", pdb(&all).replace("CA  PHE", "CX  PHE"));
    files.write("sep.pdb", pdb(&all).replace("PHE", "SEP"));
    files.write("empty", "");
    let (found, expected) = ("found 5 beads", "expected 6, those of the molecule");
    for (name, parts) in [
        ("few.npy", [found, expected]),
        ("few.dcd", [found, expected]),
        ("none.npy", ["frames: found none", ""]),
        ("more.pdb", ["found 12 CA atoms", "expected 6, one for each bead of chain.psf"]),
        ("few.pdb", ["found 5 CA atoms", "expected 6, one for each bead of chain.psf"]),
        ("gap.pdb", ["PHE A 3", "[missing_atom]"]),
        ("sep.pdb", ["SEP A 3", "prepare structures of it (flashschnet prepare)"]),
        ("empty", ["an empty file", "XTC, DCD, .npy, PDB or mmCIF"]),
        ("model.ckpt", ["a .pt or zip file", "XTC, DCD, .npy, PDB or mmCIF"]),
        ("nowhere", [no_file!(""), ""]),
    ] {
        let said = files.fails(&Files::with("energy", name, &[]));
        let errors = said.lines().filter(|line| line.starts_with("error: "));
        assert_eq!(errors.clone().count(), 1, "{said}");
        assert!(errors.clone().all(|line| line.contains(name)), "{said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{name}: {said}");
    }
    frames[1][3][2] = f64::NAN;
    write("nan.npy", &frames);
    let said = files.fails(&Files::with("energy", "nan.npy", &[]));
    assert!(said.contains("nan.npy: frame 1, bead 3: found ["), "{said}");
    frames[1][3] = frames[1][0];
    write("overlap.npy", &frames);
    let said = files.fails(&Files::with("energy", "overlap.npy", &[]));
    assert!(said.contains("structure 1: found") && said.contains("expected beads apart"), "{said}");
    let run = ["--steps", "2", "--all-structures", "-o", "out"];
    let said = files.fails(&Files::with("run", "overlap.npy", &run));
    assert!(said.contains("error: ") && !files.path("out").exists(), "{said}");
}

#[test]
fn a_box_is_noted_once_for_each_file_that_has_one() {
    let files = Files::new();
    let frames = singles(&starts(2));
    files.write("cell.dcd", Dcd { cell: true, ..Dcd::default() }.bytes(&frames));
    files.write("none.dcd", Dcd::default().bytes(&frames));
    // A diagonal of the box of each frame.
    let mut bytes = std::fs::read(files.path("starts.xtc")).unwrap();
    bytes[16..20].copy_from_slice(&4.5_f32.to_be_bytes());
    files.write("cell.xtc", bytes);
    for (name, count) in [("cell.dcd", 1), ("none.dcd", 0), ("cell.xtc", 1), ("starts.xtc", 0)] {
        let said = stderr(&files.succeeds(&Files::with("energy", name, &[])));
        let note = format!("{name}: note: the box of this file is not used");
        assert_eq!(said.matches(&note).count(), count, "{said}");
        assert_eq!(said.matches("box").count(), count, "{said}");
        let run = ["--steps", "2", "--replicas", "1", "-o", name.split('.').next().unwrap()];
        let folder = run[5].to_owned() + &name.replace('.', "_");
        files.succeeds(&Files::with("run", name, &[&run[..5], &[folder.as_str()]].concat()));
        let log = files.read(&format!("{folder}/run.log"));
        assert_eq!(log.matches(&note).count(), count, "{log}");
    }
}

#[test]
fn a_run_on_a_topology_goes_on_from_its_checkpoint() {
    let files = Files::new();
    let all = atoms();
    files.write("all.pdb", pdb(&all));
    npy(&files.path("types.npy"), &[6], false, &[1.0, 2.0, 3.0, 4.0, 1.0, 2.0], false);
    let options = ["--embeddings", "types.npy", "--exclusions", "bonds,1-4", "--dt", "0.001"];
    for starts in ["starts.xtc", "all.pdb"] {
        let run = |steps: &str, out: &str| {
            let more = ["--replicas", "2", "--steps", steps, "--save-interval", "5", "-o", out];
            files.succeeds(&Files::with("run", starts, &[&options[..], &more].concat()));
        };
        run("10", "a");
        run("20", "b");
        files.succeeds(&["run", "--resume", "a", "--steps", "20"]);
        same_results(&files.path("a"), &files.path("b"));
        let log = files.read("a/run.log");
        let line = "force field: terms Bonds, RepulsionCG, Dihedrals; exclusions bonds,1-4; bead \
                    types of types.npy\n";
        assert!(log.contains(line), "{log}");
        let names = files.read("a/topology.pdb");
        for atom in ["CA  ALA A   1", "CA  GLY A   2", "CA  PHE A   3", "CA  TYR A   4"] {
            assert!(names.contains(atom), "{names}");
        }
        // The settings repeat the run from any folder.
        let settings = files.path("a/settings.toml");
        let elsewhere = tempfile::tempdir().unwrap();
        let out = elsewhere.path().join("c");
        let arguments = ["run", settings.to_str().unwrap(), "-o", out.to_str().unwrap()];
        files.succeeds(&arguments);
        same_results(&files.path("b"), &out);
        // A file that has changed is not the run's.
        let types = std::fs::read(files.path("types.npy")).unwrap();
        npy(&files.path("types.npy"), &[6], false, &[1.0, 2.0, 3.0, 4.0, 1.0, 1.0], false);
        let said = files.fails(&["run", "--resume", "a", "--steps", "30"]);
        assert!(said.contains("error: "), "{said}");
        files.write("types.npy", types);
        // A file that is elsewhere must be given again, with all other options.
        std::fs::rename(files.path("chain.psf"), files.path("moved.psf")).unwrap();
        let said = files.fails(&["run", "--resume", "a", "--steps", "30"]);
        let given = "give --model, --structures, --priors, --topology, --exclusions and --embeddings \
                     again if it is elsewhere";
        assert!(
            said.contains("chain.psf: input: found No such file") && said.contains(given),
            "{said}"
        );
        std::fs::rename(files.path("moved.psf"), files.path("chain.psf")).unwrap();
        for out in ["a", "b"] {
            std::fs::remove_dir_all(files.path(out)).unwrap();
        }
    }
}

#[test]
fn a_file_that_names_the_order_of_a_trajectory_has_the_residues() {
    let files = Files::new();
    let ca: Vec<_> = atoms().into_iter().filter(|line| line.name == "CA").collect();
    files.write("order.pdb", pdb(&ca));
    let order = ["--trajectory", "starts.xtc", "--trajectory-order", "order.pdb", "--csv"];
    let output = files.succeeds(&Files::with("energy", "starts.xtc", &order));
    let found: Vec<f64> = rows(&stdout(&output)).iter().map(|row| row[1]).collect();
    let expected: Vec<f64> = files.energies("starts.xtc", &[]).iter().map(|row| row[1]).collect();
    assert_near(&[found], &[expected], 1e-9);
    files.write("order.pdb", pdb(&ca).replace("PHE", "TRP"));
    let said = files.fails(&Files::with("energy", "starts.xtc", &order));
    assert!(said.contains("TRP A 3 in the place of bead 2, expected PHE"), "{said}");
}

/// One step of 1e-6 ps leaves the RMSD from the start at the digits of energies.csv.
#[test]
fn a_structure_file_is_a_reference() {
    let files = Files::new();
    let all = atoms();
    files.write("all.pdb", pdb(&all));
    files.write("all.cif", cif(&all, &COLUMNS));
    files.write("other.pdb", pdb(&all).replace("PHE", "TRP"));
    files.write("short.pdb", pdb(&all[..all.len() / 2]));
    let with = |reference: &str, folder: &str| {
        let mut arguments = Files::with("run", "all.pdb", &["--steps", "1"]);
        arguments.retain(|argument| *argument != "--csv");
        let more = ["--replicas", "2", "--save-interval", "1", "--dt", "1e-6", "--observables"];
        let rest = ["rmsd", "--reference", reference, "-o", folder];
        let arguments = [&arguments[..], &more, &rest].concat();
        arguments.into_iter().map(str::to_owned).collect::<Vec<String>>()
    };
    let run = |reference: &str, folder: &str| {
        let arguments = with(reference, folder);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        files.program(&arguments)
    };
    for (k, reference) in ["all.pdb", "all.cif"].into_iter().enumerate() {
        let folder = format!("out{k}");
        let output = run(reference, &folder);
        assert!(output.status.success(), "{}", stderr(&output));
        let energies = files.read(&format!("{folder}/energies.csv"));
        let rmsd = energies.lines().skip(1).map(|line| line.split(',').next_back().unwrap());
        let rmsd: Vec<f64> = rmsd.map(|number| number.parse().unwrap()).collect();
        assert!(rmsd.len() == 2 && rmsd.iter().all(|rmsd| *rmsd < 1e-3), "{energies}");
    }
    for (reference, expected) in
        [("other.pdb", "beads of other types"), ("short.pdb", "expected the 6 beads of the run")]
    {
        let said = stderr(&run(reference, "out"));
        assert!(said.contains(reference) && said.contains(expected), "{said}");
    }
}
