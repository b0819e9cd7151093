//! PDB files as structures of `run`, `energy` and `info`, and frames that do not fit a system.

use std::path::Path;

use flashschnet::diagnose::overview::Overview;
use flashschnet::io::native::{write_model, write_structures};
use flashschnet::prepare::{AminoAcid, Mapping, Options, min_pair, prepare, topology};
use flashschnet::structure::{Structure, Topology};
use npyz::WriterBuilder;

use crate::common::peptide::{self, Line, helix, pdb};
use crate::common::program::{program, small_files, stderr, stdout};
use crate::common::small;

const SEQUENCE: &str = "MSKGPAVW";

/// A folder with a model, a PDB file, and what `prepare` makes of it.
struct Files {
    folder: tempfile::TempDir,
    lines: Vec<Line>,
    structure: Structure,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lines = helix(SEQUENCE, 'A', 1, [0.0; 3]);
        let letter = |letter| AminoAcid::from_letter(letter).unwrap();
        let aminos: Vec<AminoAcid> = SEQUENCE.chars().map(letter).collect();
        let mapping = Mapping::FiveBead;
        let model = peptide::model(&[topology(mapping, &[aminos], min_pair(mapping))]);
        let path = |name: &str| folder.path().join(name);
        write_model(&path("m"), &model).unwrap();
        std::fs::write(path("x.pdb"), pdb(&lines)).unwrap();
        let prepared = prepare(&path("x.pdb"), &Options::default(), &model).unwrap();
        write_structures(&path("s"), &prepared.structures).unwrap();
        let structure = prepared.structures[0].clone();
        Files { folder, lines, structure }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// A command with the model and a structure file, on the reference backend.
    fn run(&self, command: &str, structures: &str, arguments: &[&str]) -> std::process::Output {
        let [model, structures] = ["m", structures].map(|name| self.path(name));
        let inputs = [command, "--model", &model, "--structures", &structures];
        program(&[&inputs[..], &["--backend", "reference"], arguments].concat())
    }

    /// Writes frames to a `.npy` file and computes their energies.
    fn score(&self, frames: &[Vec<[f64; 3]>], arguments: &[&str]) -> std::process::Output {
        let path = self.path("frames.npy");
        let shape = [frames.len() as u64, frames[0].len() as u64, 3];
        let file = std::fs::File::create(&path).unwrap();
        let options = npyz::WriteOptions::new().shape(&shape).default_dtype();
        let mut writer = options.writer(file).begin_nd().unwrap();
        writer.extend(frames.iter().flatten().flatten().copied()).unwrap();
        writer.finish().unwrap();
        self.run("energy", "s", &[&["--csv", "--trajectory", &path], arguments].concat())
    }
}

#[test]
fn a_pdb_file_is_the_system_that_prepare_makes() {
    let files = Files::new();
    let [direct, prepared] = ["x.pdb", "s"].map(|name| files.run("energy", name, &["--csv"]));
    assert!(direct.status.success(), "{}", stderr(&direct));
    assert_eq!(stdout(&direct), stdout(&prepared));
    assert!(stderr(&direct).contains("x.pdb: chain A  MET 1 - TRP 8   8 residues  39 beads"));
    assert_eq!(stderr(&prepared), "");

    // The same run, with the same identity in its checkpoint: each goes on from the other's files.
    let steps = |out: &str| {
        let out = files.path(out);
        ["--steps", "20", "--replicas", "2", "--save-interval", "10", "-o"]
            .map(str::to_owned)
            .into_iter()
            .chain([out])
            .collect::<Vec<_>>()
    };
    for (structures, out) in [("x.pdb", "a"), ("s", "b")] {
        let steps = steps(out);
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        let output = files.run("run", structures, &steps);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let read = |file: &str| std::fs::read(files.path(file)).unwrap();
    assert_eq!(read("a/replica_0001.xtc"), read("b/replica_0001.xtc"));
    assert_eq!(read("a/energies.csv"), read("b/energies.csv"));
    let [a, model, structures] = ["a", "m", "s"].map(|name| files.path(name));
    let output = program(&["run", "--resume", &a, "--steps", "30"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let again =
        ["run", "--resume", &a, "--steps", "40", "--model", &model, "--structures", &structures];
    let output = program(&again);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn the_models_of_a_pdb_file_are_chosen() {
    let files = Files::new();
    let atoms: String = pdb(&files.lines).replace("END\n", "");
    let text = format!("MODEL        1\n{atoms}ENDMDL\nMODEL        2\n{atoms}ENDMDL\nEND\n");
    std::fs::write(files.path("two.pdb"), text).unwrap();
    let rows = |arguments: &[&str]| {
        let output = files.run("energy", "two.pdb", &[&["--csv"], arguments].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output).lines().count() - 1
    };
    assert_eq!([rows(&[]), rows(&["--pdb-model", "2"]), rows(&["--pdb-model", "all"])], [1, 1, 2]);
    let output = files.run("energy", "two.pdb", &["--pdb-model", "3"]);
    assert!(stderr(&output).contains("model 3: found 2 models"), "{}", stderr(&output));
    let out = files.path("out");
    let arguments = ["--pdb-model", "all", "--all-structures", "--steps", "2", "-o", &out];
    assert!(files.run("run", "two.pdb", &arguments).status.success());
    let settings = std::fs::read_to_string(files.path("out/settings.toml")).unwrap();
    assert!(settings.contains("pdb-model = \"all\""), "{settings}");
    let again = files.path("again");
    let output = program(&["run", &files.path("out/settings.toml"), "-o", &again]);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_structure_file_that_is_not_certain_is_left_to_prepare() {
    let files = Files::new();
    let without_cb: Vec<Line> =
        files.lines.iter().filter(|l| !(l.number == 3 && l.name == "CB")).cloned().collect();
    std::fs::write(files.path("x.pdb"), pdb(&without_cb)).unwrap();
    let said = stderr(&files.run("energy", "x.pdb", &[]));
    assert!(said.contains("LYS A 3 (line 11): CB") && said.contains("[missing_atom]"), "{said}");
    assert!(said.contains("prepare structures of it (flashschnet prepare)"), "{said}");
    // A model whose priors do not tell the beads.
    let model = small_files()[0].to_str().unwrap();
    let pdb = files.path("x.pdb");
    let said = stderr(&program(&["energy", "--model", model, "--structures", &pdb]));
    assert!(said.contains("specialised"), "{said}");
}

#[test]
fn frames_that_do_not_fit_are_refused_with_their_numbers() {
    let files = Files::new();
    let good = files.structure.positions.clone();
    let output = files.score(&[good.clone(), good.clone()], &[]);
    assert!(output.status.success(), "{}", stderr(&output));

    let mut wrapped = good.clone();
    wrapped.iter_mut().skip(20).for_each(|x| x[2] -= 40.0);
    let zeros = vec![[0.0; 3]; good.len()];
    let mut padded = good.clone();
    padded[30..].fill([0.0; 3]);
    let mut not_finite = good.clone();
    not_finite[7][1] = f64::NAN;
    let nanometers: Vec<[f64; 3]> = good.iter().map(|x| x.map(|x| x / 10.0)).collect();
    let mut shuffled = good.clone();
    shuffled.reverse();
    for (frame, expected) in [
        (wrapped.clone(), "make molecules whole first"),
        (zeros, "all of 39 beads are at [0.0, 0.0, 0.0]"),
        (padded, "10 of 39 beads are at [0.0, 0.0, 0.0]"),
        (not_finite, "bead 7"),
        (nanometers, "seem to be in nm"),
        (in_file_order(&files, &good), "the beads may be in another order"),
        (shuffled, "the beads may be in another order"),
    ] {
        let output = files.score(&[good.clone(), frame], &[]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{expected}: {said}");
        assert!(said.contains("frame 1") && said.contains(expected), "{expected}: {said}");
        assert!(said.contains("frames.npy") && said.lines().count() == 1, "{said}");
        // The header and the frame before it.
        assert_eq!(stdout(&output).lines().count(), 2, "{}", stdout(&output));
    }
    let output = files.score(&[good[1..].to_vec()], &[]);
    assert!(stderr(&output).contains("frames: found 38 beads, expected 39"));

    // As structures they are evaluated with a warning.
    let structure = Structure { positions: wrapped, ..files.structure.clone() };
    write_structures(Path::new(&files.path("w")), &[structure]).unwrap();
    let output = files.run("energy", "w", &[]);
    assert!(output.status.success() && stderr(&output).contains("make molecules whole first"));
}

/// Positions in the order of the PDB file: N, CA, C, O, CB.
fn in_file_order(files: &Files, canonical: &[[f64; 3]]) -> Vec<[f64; 3]> {
    let mut frame = Vec::new();
    let mut first = 0;
    for number in 1..=SEQUENCE.len() as i64 {
        let n = files.lines.iter().filter(|line| line.number == number).count();
        let places: &[usize] = if n == 4 { &[0, 1, 2, 3] } else { &[0, 1, 3, 4, 2] };
        frame.extend(places.iter().map(|place| canonical[first + place]));
        first += n;
    }
    frame
}

/// A structure file with the order of the frames puts them in the order of the system.
#[test]
fn frames_in_the_order_of_a_structure_file_are_put_in_order() {
    let files = Files::new();
    let mut good = files.structure.positions.clone();
    good[4][0] += 0.02;
    let frame = in_file_order(&files, &good);
    let pdb_path = files.path("x.pdb");
    let found = files.score(std::slice::from_ref(&frame), &["--trajectory-order", &pdb_path]);
    assert!(found.status.success(), "{}", stderr(&found));
    assert_eq!(stdout(&found), stdout(&files.score(&[good], &[])));

    // Other sequences and all-atom files are refused.
    let other = files.path("y.pdb");
    for (sequence, expected) in [
        ("MSKGPAVY", "CB of TYR A 8, of type 20, in the place of bead 36"),
        ("MSKGPAV", "34 beads"),
    ] {
        std::fs::write(&other, pdb(&helix(sequence, 'A', 1, [0.0; 3]))).unwrap();
        let said =
            stderr(&files.score(std::slice::from_ref(&frame), &["--trajectory-order", &other]));
        assert!(said.contains(expected) && said.contains("y.pdb"), "{said}");
    }
    let mut lines = files.lines.clone();
    lines.insert(5, Line { name: "CG".into(), x: [9.0; 3], ..lines[4].clone() });
    std::fs::write(&other, pdb(&lines)).unwrap();
    let said = stderr(&files.score(&[frame], &["--trajectory-order", &other]));
    assert!(said.contains("other atoms than beads"), "{said}");
}

#[test]
fn info_describes_a_system() {
    let files = Files::new();
    let model = files.path("m");
    let info = |arguments: &[&str]| {
        let output = program(&[&["info"], arguments].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let [native, pdb_path] = ["s", "x.pdb"].map(|name| files.path(name));
    let lines = [
        "molecule 0: 39 beads, chains: 1",
        "  chain A  residues 1 - 8 (8), 39 beads",
        "    MSKGPAVW",
        "1 x1, 6 x1, 9 x1, 11 x1, 13 x1, 16 x1, 18 x1, 19 x1, 21 x8, 22 x7, 23 x8, 24 x8",
        "  masses: 12.0 to 16.0 amu, 516.0 amu in all",
        "    non_bonded                      545",
        "  closest pair: 1.23 A, ",
        "  closest without a bond or an angle between them: ",
    ];
    for arguments in [
        &["--structures", &native][..],
        &["--structures", &pdb_path],
        &["--structures", &native, "--model", &model],
        &["--structures", &pdb_path, "--model", &model],
    ] {
        let text = info(arguments);
        for line in lines {
            assert!(text.contains(line), "{arguments:?}: {line}\n{text}");
        }
        assert_eq!(text.contains("  energy, kcal/mol, and"), arguments.len() == 4, "{text}");
        assert!(!text.contains("warning"), "{text}");
    }
    // The energies are those of `energy`.
    let csv = stdout(&files.run("energy", "s", &["--csv"]));
    let row: Vec<f64> =
        csv.lines().nth(1).unwrap().split(',').map_while(|x| x.parse().ok()).collect();
    let text = info(&["--structures", &native, "--model", &model, "--backend", "reference"]);
    let total = text.lines().find(|line| line.trim_start().starts_with("total")).unwrap();
    assert!(total.contains(&format!("{:.4}", row[1])), "{total} {row:?}");

    // The built-in system, and a model that brings nothing.
    assert!(info(&["--builtin"]).contains("molecule 0: 269 beads"));
    let output = program(&["info", "--model", &model]);
    assert!(stderr(&output).contains("structures: found none"), "{}", stderr(&output));
    let output = program(&["info", "--structures", &native, "--json"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn info_warns_of_masses_neighbors_and_bonds() {
    let mut structures = small::structures();
    let heavy = Topology {
        masses: vec![110.0; small::N_BEADS as usize],
        ..Topology::clone(&structures[0].topology)
    };
    structures[0].topology = heavy.into();
    structures[1].positions[11] = [400.0; 3];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    write_structures(&path, &structures).unwrap();
    let model = small_files()[0].to_str().unwrap();
    let output = program(&["info", "--structures", path.to_str().unwrap(), "--model", model]);
    let text = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(text.contains(": 2 structures\n") && text.contains("molecule 1: 12 beads"), "{text}");
    assert!(
        text.contains("  warning: the masses of a molecule of 12 beads are 110 to 110"),
        "{text}"
    );
    assert!(text.contains("make molecules whole first"), "{text}");
}

/// Neighbors and closest pairs against all pairs.
#[test]
fn the_geometry_is_that_of_all_pairs() {
    let structure = &small::structures()[1];
    let overview = Overview::new(&structure.topology, None);
    let cutoff = 8.0;
    let found = overview.geometry(structure, Some(cutoff));
    let x = &structure.positions;
    let distance = |i: usize, j: usize| -> f64 {
        x[i].iter().zip(x[j]).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    };
    let count = |i: usize| (0..x.len()).filter(|j| *j != i && distance(i, *j) < cutoff).count();
    let counts: Vec<usize> = (0..x.len()).map(count).collect();
    let mean = counts.iter().sum::<usize>() as f64 / x.len() as f64;
    assert_eq!(found.neighbors, Some((mean, *counts.iter().max().unwrap())));
    let pairs = (0..x.len()).flat_map(|j| (0..j).map(move |i| (i, j)));
    let closest = pairs.map(|(i, j)| distance(i, j)).fold(f64::INFINITY, f64::min);
    assert_eq!(found.closest.unwrap().0, closest);
    // Neighbors in the chain and next neighbors are bonded.
    let [i, j] = found.closest_non_bonded.map_or([0, 3], |(_, pair)| pair);
    assert!(j - i > 2, "{i} {j}");
}
