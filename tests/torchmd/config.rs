//! `simulate.yaml`: torchmd's configuration as one of `run`.

use super::files::{Files, same_results};
use super::reference;
use crate::common::program::{program, stderr, table};
use crate::trajectory::npy;

/// The keys of the published file.
const CONFIG: &str = "\
forcefield: field.yaml
forceterms:
- Bonds
- RepulsionCG
- Dihedrals
exclusions: ('bonds')
langevin_gamma: 1
langevin_temperature: 350
log_dir: some_350_ts1
output: output
output_period: 10
precision: double
replicas: 3
rfa: false
save_period: 1000
seed: 1
steps: 20
topology: chain.psf
coordinates: starts.xtc
temperature: 350
timestep: 1
external:
  module: torchmdnet.calculators
  embeddings: [1, 2, 3, 4, 1, 2]
  file: model.ckpt";

const REFERENCE: [&str; 2] = ["--backend", "reference"];

/// A folder with the file, in which some lines are other ones.
fn with(changed: &[(&str, &str)]) -> Files {
    let files = Files::new();
    let mut text = CONFIG.to_owned();
    for (from, to) in changed {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    files.write("simulate.yaml", text);
    files
}

/// The messages of a run with some other lines.
fn said(changed: &[(&str, &str)]) -> String {
    let files = with(changed);
    stderr(&files.succeeds(&[&["run", "simulate.yaml", "-o", "out"][..], &REFERENCE].concat()))
}

/// The settings of a run with some other lines.
fn settings(changed: &[(&str, &str)]) -> String {
    let files = with(changed);
    files.succeeds(&[&["run", "simulate.yaml", "-o", "out"][..], &REFERENCE].concat());
    files.read("out/settings.toml")
}

fn refusal(changed: &[(&str, &str)]) -> String {
    let files = with(changed);
    let said = files.fails(&["run", "simulate.yaml", "-o", "out"]);
    assert!(!files.path("out").exists());
    said
}

/// The options that mean the same give the same run.
#[test]
fn a_file_of_torchmd_is_a_run() {
    let files = with(&[]);
    let output = files.succeeds(&[&["run", "simulate.yaml"][..], &REFERENCE].concat());
    let warning = "simulate.yaml: keys without meaning here: precision (--precision chooses the \
                   network's, which is single in torchmd), save_period";
    assert!(stderr(&output).contains(warning), "{}", stderr(&output));
    // The folder belongs to that of the process.
    let folder = files.path("some_350_ts1/output");
    assert_eq!(table(&folder.join("energies.csv")).len(), 6);
    let options = [
        ["--replicas", "3"],
        ["--steps", "20"],
        ["--save-interval", "10"],
        ["--dt", "0.001"],
        ["--friction", "1"],
        ["--temperature", "350"],
        ["--seed", "1"],
        ["-o", "same"],
    ]
    .concat();
    files.succeeds(&Files::with("run", "starts.xtc", &options));
    same_results(&folder, &files.path("same"));

    // An option replaces its key, also one that the file does not know. Inputs belong to the folder
    // of the file.
    let path = files.path("simulate.yaml");
    let elsewhere = tempfile::tempdir().unwrap();
    let out = elsewhere.path().join("out");
    let [path, out] = [&path, &out].map(|path| path.to_str().unwrap());
    let given = ["run", path, "-o", out, "--steps", "10", "--temperature", "300", "--npy"];
    let output = program(&[&given[..], &REFERENCE].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let text = std::fs::read_to_string(elsewhere.path().join("out/settings.toml")).unwrap();
    for line in ["steps = 10", "temperature = [300]", "npy = true", "friction = 1", "dt = 0.001"] {
        assert!(text.contains(&format!("\n{line}\n")), "{line}: {text}");
    }
}

#[test]
fn keys_that_are_absent_have_the_defaults_of_torchmd() {
    let files = Files::new();
    files.write(
        "simulate.yaml",
        "forcefield: field.yaml\nforceterms: [Bonds, Dihedrals]\ntopology: chain.psf\n\
         coordinates: starts.xtc\nexternal: {module: torchmdnet.calculators, file: model.ckpt, \
         embeddings: [1, 2, 3, 4, 1, 2]}\n",
    );
    let arguments = ["run", "simulate.yaml", "--steps", "10", "--dry-run"];
    files.succeeds(&[&arguments[..], &REFERENCE].concat());
    files.succeeds(&[&arguments[..4], &REFERENCE].concat());
    let text = files.read("output/settings.toml");
    for line in [
        "integrator = \"nve\"",
        "temperature = [300]",
        "dt = 0.001",
        "replicas = 1",
        "save-interval = 10",
        "seed = 1",
        "exclusions = [\"bonds,angles,1-4\"]",
        "forceterms = [\"Bonds\", \"Dihedrals\"]",
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line}: {text}");
    }
    // Torchmd writes all its settings to input.yaml in this form.
    let all = "cutoff: null\ndevice: cpu\nextended_system: null\nminimize: null\nnpz_file: null\n\
               structure: null\nswitch_dist: null\nexclusions: !!python/tuple\n- bonds\n- angles\n\
               - 1-4\nlangevin_temperature: 0\n";
    files.write("input.yaml", format!("{}{all}", files.read("simulate.yaml")));
    files.succeeds(&["run", "input.yaml", "--steps", "10", "-o", "again"]);
    let again = files.read("again/settings.toml");
    assert!(again.contains("\nbackend = \"cpu\"\n") && again.contains("\"1-4\""), "{again}");
}

#[test]
fn every_key_is_translated() {
    let line = |changed: &[(&str, &str)], line: &str| {
        let text = settings(changed);
        assert!(text.contains(&format!("\n{line}\n")), "{line}: {text}");
    };
    line(&[("timestep: 1", "timestep: 4")], "dt = 0.004");
    line(&[("timestep: 1", "timestep: 0.5")], "dt = 0.0005");
    line(&[("langevin_gamma: 1", "langevin_gamma: 0.1")], "friction = 0.1");
    line(&[("seed: 1", "seed: 5\nminimize: 3")], "minimize = 3");
    line(&[("output_period: 10", "output_period: 4")], "save-interval = 4");
    line(&[("seed: 1", "seed: 5\ndevice: cpu")], "seed = 5");
    line(&[("('bonds')", "('bonds', 'angles')")], "exclusions = [\"('bonds', 'angles')\"]");
    line(&[("('bonds')", "[bonds, angles]")], "exclusions = [\"bonds\", \"angles\"]");
    for none in ["[]", "()", "''"] {
        line(&[("('bonds')", none)], "exclusions = [\"none\"]");
    }
    line(&[("\n- Bonds\n- RepulsionCG\n- Dihedrals", " Bonds")], "forceterms = [\"Bonds\"]");
    line(&[("\n- Bonds\n- RepulsionCG\n- Dihedrals", " []")], "forceterms = [\"none\"]");
    // No thermostat.
    let nve = [("langevin_temperature: 350", "langevin_temperature: 0"), ("e: 350", "e: 310")];
    line(&nve, "integrator = \"nve\"");
    line(&nve, "temperature = [310]");
    // The velocities at the start have the temperature of the thermostat.
    let other = [("\ntemperature: 350", "\ntemperature: 300")];
    line(&other, "temperature = [350]");
    let note = "temperature (the velocities start at langevin_temperature, 350 K)";
    assert!(said(&other).contains(note), "{}", said(&other));
    assert!(!said(&[("\ntemperature: 350", "")]).contains(note));
    let said = said(&[("seed: 1", "device: 'cuda:1'"), ("double", "single")]);
    assert!(said.contains("device (--backend and --adapter choose the GPU)"), "{said}");
}

#[test]
fn bead_types_are_a_file_beside_the_configuration() {
    let files = with(&[("[1, 2, 3, 4, 1, 2]", "types/chain.npy")]);
    std::fs::create_dir(files.path("types")).unwrap();
    let path = files.path("types/chain.npy");
    npy(&path, &[6], false, &[1.0, 2.0, 3.0, 4.0, 1.0, 2.0], false);
    let path = files.path("simulate.yaml");
    let elsewhere = tempfile::tempdir().unwrap();
    let out = elsewhere.path().join("out");
    let [path, out] = [&path, &out].map(|path| path.to_str().unwrap());
    let output = program(&[&["run", path, "-o", out][..], &REFERENCE].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let settings = format!("{out}/settings.toml");
    let again = elsewhere.path().join("again");
    let arguments = ["run", &settings, "-o", again.to_str().unwrap()];
    assert!(program(&arguments).status.success());
    same_results(&elsewhere.path().join("out"), &again);
}

/// torchmd starts all replicas from the first frame if their number is another one.
#[test]
fn replicas_start_from_the_frames_in_turn() {
    let same = said(&[]);
    assert!(!same.contains("frames") && !same.contains("not used"), "{same}");
    let more = said(&[("replicas: 3", "replicas: 5")]);
    assert!(more.contains("warning: 5 replicas start from 3 frames in turn"), "{more}");
    let fewer = said(&[("replicas: 3", "replicas: 2")]);
    assert!(fewer.contains("3 structures for 2 replicas: some structures are not used"), "{fewer}");
}

#[test]
fn wrong_keys_are_refused_by_name() {
    for (from, to, message) in [
        ("rfa: false", "rfa: true", "simulate.yaml:14: rfa: found true, expected null"),
        ("rfa: false", "cutoff: 9", "cutoff: found \"9\", expected null, because"),
        ("rfa: false", "switch_dist: 7.5", "switch_dist: found \"7.5\""),
        ("rfa: false", "extended_system: a.xsc", "extended_system: found \"a.xsc\""),
        ("rfa: false", "structure: a.pdb", "structure: found \"a.pdb\""),
        ("rfa: false", "npz_file: a.npz", "npz_file: found \"a.npz\""),
        ("langevin_gamma", "langevin_gama", "the nearest one is \"langevin_gamma\""),
        ("rfa: false", "wrap: true", "simulate.yaml:14: key: found \"wrap\""),
        ("torchmdnet.calculators", "schnetpack", "external.module: found \"schnetpack\""),
        ("  file: model.ckpt", "  checkpoint: a", "external.file: found nothing"),
        ("file: model.ckpt", "file: model.ckpt\n  dtype: f4", "external.dtype: found \"f4\""),
        ("  embeddings: [1, 2, 3, 4, 1, 2]\n", "", "external.embeddings: found nothing"),
        ("embeddings: [1, 2, 3, 4, 1, 2]", "embeddings: [1, 2]", "embeddings: found 2, expected 6"),
        ("embeddings: [1, 2, 3, 4, 1, 2]", "embeddings: [[1]]", "embeddings: found a list"),
        ("timestep: 1", "timestep: fast", "timestep: found \"fast\", expected a number"),
        ("timestep: 1", "timestep: [1]", "timestep: found a list, expected a number"),
        ("timestep: 1", "timestep: 0", "dt: found 0"),
        ("steps: 20", "steps: 1e3", "simulate.yaml:17: steps: found 1e3"),
        ("replicas: 3", "replicas: 0", "replicas: found 0"),
        ("e: 350", "e: -1", "temperature: found -1"),
        ("double", "half", "precision: found \"half\", expected single or double"),
        ("seed: 1", "device: tpu", "device: found tpu, expected cpu or cuda"),
        ("- RepulsionCG", "- LJ", "simulate.yaml:2: forceterms: found LJ, expected none"),
        ("('bonds')", "('bond')", "simulate.yaml:6: exclusions: found ('bond')"),
        ("('bonds')", "true", "exclusions: found true"),
        ("log_dir: some_350_ts1", "log_dir: [a]", "log_dir: found a list, expected a path"),
        ("chain.psf", "chain.prmtop", no_file!("chain.prmtop: ")),
        ("starts.xtc", "nowhere.xtc", no_file!("nowhere.xtc: ")),
        ("seed: 1", "seed: 1\nseed: 2", "seed: found the key a second time"),
    ] {
        let said = refusal(&[(from, to)]);
        assert!(said.contains(message), "{to}: {said}");
    }
    let network = CONFIG.find("external:").unwrap();
    let said = refusal(&[(&CONFIG[network..], "")]);
    assert!(said.contains("external: found nothing, expected the network"), "{said}");
    let said = refusal(&[("forceterms:\n- Bonds\n- RepulsionCG\n- Dihedrals\n", "")]);
    assert!(said.contains("forceterms: found nothing") && said.contains("LJ"), "{said}");
}

/// Nothing of the published file is changed but its paths.
#[test]
fn the_published_file_runs() {
    let Some(folder) = reference() else { return };
    let raw = folder.join("raw");
    let place = |name: &str| raw.join(name).to_str().unwrap().to_owned();
    let mut text = std::fs::read_to_string(raw.join("simulate.yaml")).unwrap();
    for (name, file) in [
        ("prior_force_field.yaml", "prior_force_field.yaml"),
        ("topology/cln.psf", "cln.psf"),
        ("starting_xtc/cln_kcenters_32clusters_coords.xtc", "cln_kcenters_32clusters_coords.xtc"),
        ("Models/cln/model.ckpt", "majewski_multiprotein_epoch97.ckpt"),
    ] {
        text = text.replace(name, &place(file));
    }
    let files = Files { folder: tempfile::tempdir().unwrap() };
    files.write("simulate.yaml", text);
    files.succeeds(&["run", "simulate.yaml", "--steps", "200", "--backend", "cpu"]);
    let folder = files.path("cln_32trajs_350_ts1/output");
    let rows = table(&folder.join("energies.csv"));
    // Two frames of 32 replicas, whose chains stay whole.
    assert_eq!(rows.len(), 64);
    assert!(rows.iter().all(|row| row[3] < 60.0), "{rows:?}");
    // The starts are not in equilibrium, and 0.2 ps are short.
    assert!(rows.iter().all(|row| (150.0..800.0).contains(&row[5])), "{rows:?}");
}
