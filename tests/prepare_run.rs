//! `flashschnet prepare` and `verify` as a user runs them.

use std::path::Path;

use flashschnet::io::load_structures;
use flashschnet::io::native::write_model;
use flashschnet::prepare::{AminoAcid, Mapping, min_pair, topology};

use crate::common::peptide::{self, Line, helix, pdb};
use crate::common::program::{program, stderr, stdout};

const SEQUENCE: &str = "MSKGPAVW";

fn aminos(sequence: &str) -> Vec<AminoAcid> {
    sequence.chars().map(|letter| AminoAcid::from_letter(letter).unwrap()).collect()
}

/// A folder with a structure file and a model for it.
fn folder(lines: &[Line]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.pdb"), pdb(lines)).unwrap();
    let mapping = Mapping::FiveBead;
    let sequences = [aminos(SEQUENCE)];
    let whole = topology(mapping, &sequences, min_pair(mapping));
    write_model(&folder.path().join("m"), &peptide::model(&[whole])).unwrap();
    folder
}

/// `prepare` of the files in a folder.
fn run(folder: &Path, output: &str, arguments: &[&str]) -> std::process::Output {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (file, model, output) = (path("x.pdb"), path("m"), path(output));
    let mut all = vec!["prepare", &file, "--model", &model, "-o", &output];
    all.extend(arguments);
    program(&all)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_output_is_what_run_and_energy_take() {
    let lines = helix(SEQUENCE, 'A', 1, [0.0; 3]);
    let folder = folder(&lines);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let output = run(folder.path(), "a.system", &["--report"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("chain A  MET 1 - TRP 8   8 residues  39 beads"), "{text}");
    assert!(text.contains("all keys found"), "{text}");
    assert!(text.contains("GLY 4        GLY     16  15 N 21 "), "{text}");
    assert!(text.contains("a_cg.pdb"), "{text}");

    // The same input gives the same bytes.
    assert!(run(folder.path(), "b.system", &[]).status.success());
    for [a, b] in [["a.system", "b.system"], ["a_cg.pdb", "b_cg.pdb"]] {
        assert_eq!(std::fs::read(path(a)).unwrap(), std::fs::read(path(b)).unwrap());
    }
    let structures = load_structures(Path::new(&path("a.system"))).unwrap();
    assert_eq!(structures[0].positions.len(), 39);
    let header = std::fs::read(path("a.system")).unwrap();
    let header = String::from_utf8_lossy(&header[..8000]);
    assert!(header.contains("provenance") && header.contains("x.pdb"), "{header}");

    let (model, system) = (path("m"), path("a.system"));
    let input = ["--model", &model, "--structures", &system, "--backend", "reference"];
    let energy = program(&[&["energy", "--csv"], &input[..]].concat());
    assert!(energy.status.success(), "{}", stderr(&energy));
    let total: f64 =
        stdout(&energy).lines().nth(1).unwrap().split(',').nth(1).unwrap().parse().unwrap();
    assert!(text.contains(&format!("energy {total:.1} kcal/mol")), "{total} {text}");
    let out = path("out");
    let steps = ["--steps", "20", "--save-interval", "20", "--temperature", "300", "-o", &out];
    let ran = program(&[&["run"], &input[..], &steps].concat());
    assert!(ran.status.success(), "{}", stderr(&ran));

    // The beads of the PDB file are the same system.
    std::fs::copy(path("a_cg.pdb"), path("x.pdb")).unwrap();
    assert!(run(folder.path(), "c.system", &[]).status.success());
    assert_eq!(load_structures(Path::new(&path("c.system"))).unwrap(), structures);
}

#[test]
fn nothing_is_written_after_an_error() {
    let mut lines = helix(SEQUENCE, 'A', 1, [0.0; 3]);
    lines.retain(|line| !(line.number == 3 && line.name == "CB") && line.number != 6);
    let folder = folder(&lines);
    let before = names(folder.path());
    let output = run(folder.path(), "a", &["--report=r"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("error: ") && lines[0].ends_with("[missing_atom]"), "{text}");
    assert_eq!(lines[1], "  LYS A 3 (line 11): CB");
    assert!(
        lines.last().unwrap().contains("rebuild CB and O (--rebuild cb,o), or repair"),
        "{text}"
    );
    let rebuilt = run(folder.path(), "a", &["--rebuild", "cb,o"]);
    assert!(stderr(&rebuilt).contains("between PRO 5 and VAL 7"), "{}", stderr(&rebuilt));
    let advice = "split the chains at their breaks (--breaks split)";
    assert!(stderr(&rebuilt).contains(advice), "{}", stderr(&rebuilt));
    assert_eq!(names(folder.path()), before);
    let split = run(folder.path(), "a", &["--rebuild", "cb", "--breaks", "split"]);
    // The two chains have lists that the model does not know.
    assert!(stderr(&split).contains("[missing_priors]"), "{}", stderr(&split));
    let advice = "allow missing priors (--allow-missing-priors)";
    assert!(stderr(&split).contains(advice), "{}", stderr(&split));
    assert_eq!(names(folder.path()), before);
    let report = folder.path().join("r").to_str().unwrap().to_owned();
    let allowed = ["--rebuild", "cb", "--breaks", "split", "--allow-missing-priors"];
    let output =
        run(folder.path(), "a", &[&allowed[..], &[&format!("--report={report}")]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(names(folder.path()), ["a", "a_cg.pdb", "m", "r", "x.pdb"]);
    assert!(std::fs::read_to_string(report).unwrap().contains("(CB rebuilt)"));
    // Files are not replaced.
    let again = run(folder.path(), "a", &[]);
    assert!(stderr(&again).contains("already exists"), "{}", stderr(&again));
}

#[test]
fn options_are_parsed() {
    let folder = folder(&helix(SEQUENCE, 'A', 1, [0.0; 3]));
    for (arguments, expected) in [
        (&["--map", "SEP"][..], "NAME=AMINO"),
        (&["--map", "SEP=XYZ"], "NAME=AMINO"),
        (&["--mapping", "martini"], "five_bead or ca"),
        (&["--breaks", "heal"], "split, bond"),
    ] {
        let output = run(folder.path(), "a", arguments);
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(2));
    }
    for (arguments, expected) in [
        (&["--chain", "B"][..], "chain B: found chains A"),
        (&["--pdb-model", "9"], "model 9: found only model 1"),
        (&["--mapping", "ca"], "no rule for the term"),
        (&["--map", "SEP=SER,sep=ALA"], "found SEP=SER and SEP=ALA"),
    ] {
        let output = run(folder.path(), "a", arguments);
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(1));
    }
    let taken =
        run(folder.path(), "a", &["--chain", "A,A", "--pdb-model", "all", "--map", "sep=SER"]);
    assert!(taken.status.success(), "{}", stderr(&taken));
    let warning = "SEP=SER in the map of names (--map): no residue that is taken";
    assert!(stdout(&taken).contains(warning), "{}", stdout(&taken));
}

/// A case that a manifest of its own describes: every kind of disagreement fails.
#[test]
fn verify_compares_structures() {
    let lines = helix("AG", 'A', 1, [0.0; 3]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.pdb"), pdb(&lines)).unwrap();
    let coarse = ["N", "CA", "CB", "C", "O", "N", "CA", "C", "O"];
    let types = [21, 22, 1, 23, 24, 21, 6, 23, 24];
    let beads = |types: &[u32]| {
        let bead = |k: usize| {
            let (residue, number) = if k < 5 { ("ALA", 0) } else { ("GLY", 1) };
            let is = |line: &&Line| line.number == number + 1 && line.name == coarse[k];
            let x =
                lines.iter().find(is).unwrap().x.map(|x| format!("{x:.3}").parse::<f64>().unwrap());
            serde_json::json!([coarse[k], residue, 0, number, types[k], x])
        };
        (0..9).map(bead).collect::<Vec<_>>()
    };
    let path = folder.path().join("cases.json");
    let verify = |case: serde_json::Value| {
        let manifest = serde_json::json!({
            "format": "prepare-cases/1", "mapping": "five_bead", "cases": [case]
        });
        std::fs::write(&path, manifest.to_string()).unwrap();
        program(&["verify", folder.path().to_str().unwrap()])
    };
    let right = serde_json::json!({"file": "x.pdb", "expect": "ok", "beads": beads(&types)});
    let output = verify(right.clone());
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(stdout(&output).ends_with("1 pass, 0 fail, 0 not supported\n"), "{}", stdout(&output));
    let mut other = types;
    other[1] = 6;
    let changed = |key: &str, value: serde_json::Value| {
        let mut case = right.clone();
        case[key] = value;
        case
    };
    for wrong in [
        changed("beads", beads(&other).into()),
        changed("beads", beads(&types)[..8].into()),
        changed("warnings", serde_json::json!(["chirality"])),
        changed("expect", "error".into()),
        changed("file", "/x.pdb".into()),
        changed("file", "absent.pdb".into()),
    ] {
        let output = verify(wrong.clone());
        assert_eq!(output.status.code(), Some(1), "{wrong}\n{}", stdout(&output));
        assert!(
            stdout(&output).ends_with("0 pass, 1 fail, 0 not supported\n"),
            "{}",
            stdout(&output)
        );
    }
}

/// A case of beads and lists: every column and list is compared, as far as the case has them.
#[test]
fn verify_compares_lists_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    let lines = helix("AG", 'A', 1, [0.0; 3]);
    std::fs::write(folder.path().join("x.pdb"), pdb(&lines)).unwrap();
    let lists = topology(Mapping::Ca, &[aminos("AG")], min_pair(Mapping::Ca)).lists;
    let terms: serde_json::Map<String, serde_json::Value> = lists
        .iter()
        .map(|list| {
            let tuples: Vec<_> = list.tuples.iter().map(|tuple| &tuple[..list.order]).collect();
            let term = serde_json::json!({
                "order": list.order, "count": tuples.len(), "tuples": tuples
            });
            (list.name.clone(), term)
        })
        .collect();
    let right = serde_json::json!({
        "format": "cg-topology/1", "mapping": "ca",
        "source": {"file": "x.pdb", "model": "1"},
        "units": {"position": "angstrom"},
        "n_beads": 2, "n_residues": 2, "n_chains": 1,
        "sequence": ["AG"],
        "beads": {
            "name": ["CA", "CA"], "residue": ["ALA", "GLY"], "type": [1, 6],
            "source_serial": [2, 7], "file_rank": [0, 1]
        },
        "terms": terms
    });
    let verify = |case: &serde_json::Value| {
        std::fs::write(folder.path().join("x.json"), case.to_string()).unwrap();
        let output = program(&["verify", folder.path().to_str().unwrap()]);
        (output.status.code(), stdout(&output))
    };
    let changed = |path: &str, value: serde_json::Value| {
        let mut case = right.clone();
        *case.pointer_mut(path).unwrap() = value;
        case
    };
    use serde_json::json;
    let mut least = right.clone();
    least
        .as_object_mut()
        .unwrap()
        .retain(|key, _| ["format", "mapping", "source", "beads", "terms"].contains(&key.as_str()));
    for case in [
        right.clone(),
        least,
        changed("/beads/file_rank", json!(null)),
        changed("/source/model", json!("first")),
        changed("/source/model", json!(1.0)),
        changed("/terms/bonds/count", json!(null)),
    ] {
        let (code, text) = verify(&case);
        assert_eq!(code, Some(0), "{case} {text}");
    }
    for case in [
        changed("/beads/file_rank", json!([1, 0])),
        changed("/beads/source_serial", json!([2, 6])),
        changed("/beads/type", json!([1, 1])),
        changed("/source/model", json!("2")),
        changed("/units/position", json!("nanometer")),
        changed("/n_beads", json!(3)),
        changed("/n_residues", json!(3)),
        changed("/n_chains", json!(2)),
        changed("/sequence", json!(["AA"])),
        changed("/terms/bonds/count", json!(2)),
        changed("/terms/bonds/order", json!(3)),
        changed("/terms/bonds/tuples", json!([[1, 0]])),
    ] {
        let (code, text) = verify(&case);
        assert_eq!(code, Some(1), "{case} {text}");
    }
}

/// The lists of a case can be in another order, but not their tuples.
#[test]
fn verify_sorts_lists() {
    let Some(reference) = std::env::var_os("FLASHSCHNET_REFERENCE") else {
        return eprintln!(
            "FLASHSCHNET_REFERENCE is not set: lists in another order are NOT tested"
        );
    };
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(&reference).join("topology");
    let text = std::fs::read_to_string(source.join("agp_five_bead.json")).unwrap();
    let mut case: serde_json::Value = serde_json::from_str(&text).unwrap();
    let file = case["source"]["file"].as_str().unwrap().to_owned();
    std::fs::create_dir(folder.path().join("inputs")).unwrap();
    std::fs::copy(source.join(&file), folder.path().join(&file)).unwrap();
    let verify = |case: &serde_json::Value| {
        std::fs::write(folder.path().join("x.json"), case.to_string()).unwrap();
        program(&["verify", folder.path().to_str().unwrap()]).status.code()
    };
    case["terms"]["gamma_1"]["tuples"].as_array_mut().unwrap().reverse();
    assert_eq!(verify(&case), Some(0));
    case["terms"]["gamma_1"]["tuples"][0].as_array_mut().unwrap().reverse();
    assert_eq!(verify(&case), Some(1));
}
