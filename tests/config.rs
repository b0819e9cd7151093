//! Configuration files of `run`: TOML, and YAML of mlcg and flashmd.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use crate::common::program::{PROGRAM, small_files, stderr, table};

/// Runs `flashschnet run` in a folder.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM).arg("run").args(arguments).current_dir(folder).output().unwrap()
}

fn succeeds(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    stderr(&output)
}

/// The message of a run that fails in one line, whose start is the name of the file.
fn fails(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let said = stderr(&output);
    assert!(!output.status.success() && said.lines().count() == 1, "{said}");
    said.trim_end().to_owned()
}

/// A folder with the small system in `model` and `chain`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let [model, chain] = small_files();
    std::fs::copy(model, folder.path().join("model")).unwrap();
    std::fs::copy(chain, folder.path().join("chain")).unwrap();
    folder
}

/// The results of a run by name. The log and the report have times, and the order of a checkpoint's metadata is free.
fn files(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(run).unwrap().map(|entry| entry.unwrap());
    let name = |entry: &std::fs::DirEntry| entry.file_name().into_string().unwrap();
    entries
        .filter(|entry| !["run.log", "report.html"].contains(&&*name(entry)))
        .filter(|entry| !name(entry).starts_with("checkpoint"))
        .map(|entry| (name(&entry), std::fs::read(entry.path()).unwrap()))
        .collect()
}

fn assert_same(a: &Path, b: &Path) {
    let (a, b) = (files(a), files(b));
    assert!(a.contains_key("settings.toml") && a.contains_key("energies.csv"));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in &a {
        assert!(*bytes == b[name], "{name} differs");
    }
}

const SYSTEM: &str = "model = 'model'\nstructures = ['chain']\nbackend = 'reference'\n";

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

#[test]
fn the_settings_of_a_run_repeat_it() {
    let system = ["--model", "model", "--structures", "chain"];
    let huge = u64::MAX.to_string();
    let cases: [&[&str]; 9] = [
        &["--replicas", "2", "--seed", &huge, "--npy", "--temperature", "290,1e3"],
        &["--integrator", "overdamped", "--dt", "1e-4", "--friction", "2", "--beta", "1.67"],
        &["--integrator", "nve", "--first-replica", "3", "--all-structures", "--dt=0.001"],
        &["--exchange-interval", "4", "--ladder", "300, 400,3", "--mixing", "all-pairs"],
        &[
            "--exchange-interval=2",
            "--temperature=300,333.3,350",
            "--tune-ladder=16",
            "--trajectories-by=both",
            "--all-structures",
        ],
        &["--on-blow-up", "freeze", "--max-force", "150", "--temperature", "300,30000,9"],
        &["--anneal", "0:300,9:400", "--minimize=30", "--remove-com-motion", "--friction", "2"],
        &["--max-kinetic", "inf", "--max-stretch", "4.5", "--replicas", "1"],
        &["--backend", "cpu", "--filter", "table", "--table-tolerance", "1e-5", "--replicas", "1"],
    ];
    for (k, case) in cases.into_iter().enumerate() {
        let folder = folder();
        let mut arguments = [&system[..], case, &["--steps=20", "--save-interval=5"]].concat();
        if !case.contains(&"--backend") {
            arguments.extend(["--backend", "reference"]);
        }
        if !case.iter().any(|word| word.contains("replica") || word.contains("structures")) {
            arguments.extend(["--replicas", "3"]);
        }
        arguments.extend(["--max-hours", "5", "--checkpoint-interval", "8", "-o", "first"]);
        succeeds(folder.path(), &arguments);
        let settings = folder.path().join("first/settings.toml");
        let text = std::fs::read_to_string(&settings).unwrap();
        for line in ["\nsteps = 20\n", "\nseed = ", "\nprecision = \"f32\"\n", "\nreplicas = "] {
            assert!(text.contains(line), "case {k}: {line} is not in {text}");
        }
        // The folder of the process does not matter.
        let second = folder.path().join("second");
        let elsewhere = tempfile::tempdir().unwrap();
        let path = settings.to_str().unwrap();
        succeeds(elsewhere.path(), &[path, "-o", second.to_str().unwrap()]);
        assert_same(&folder.path().join("first"), &second);
    }
}

#[test]
fn a_flag_replaces_a_key_and_paths_belong_to_the_file() {
    let folder = folder();
    let text = "steps = 12\nsave_interval = 4\nreplicas = 2\ntemperature = [300, 310.5]\nnpy = true\n\
                output = 'out'\n# A comment\r\non-blow-up = \"freeze\"\r\n";
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    for name in ["model", "chain"] {
        std::fs::rename(folder.path().join(name), folder.path().join("sub").join(name)).unwrap();
    }
    write(folder.path(), "sub/a.toml", &format!("\u{feff}{SYSTEM}{text}"));
    succeeds(folder.path(), &["sub/a.toml"]);
    let log = std::fs::read_to_string(folder.path().join("sub/out/run.log")).unwrap();
    for line in ["configuration file: sub/a.toml\n", "temperature: 300, 310.5 K\n", ": freeze\n"] {
        assert!(log.contains(line), "{line} is not in {log}");
    }
    assert!(folder.path().join("sub/out/run_coords_0000.npy").exists());
    assert_eq!(table(&folder.path().join("sub/out/energies.csv")).len(), 6);

    // A ladder excludes temperatures. The flag stands before or after the file.
    let ladder = ["--ladder=300,400,2", "--exchange-interval", "4"];
    succeeds(folder.path(), &[&["--steps", "8", "sub/a.toml", "-o", "b"], &ladder[..]].concat());
    assert!(folder.path().join("b/states.csv").exists());
    assert_eq!(table(&folder.path().join("b/energies.csv")).len(), 4);
    // A file without an extension.
    std::fs::rename(folder.path().join("sub/a.toml"), folder.path().join("sub/a")).unwrap();
    succeeds(folder.path(), &["sub/a", "-o", "c"]);
    let said = fails(folder.path(), &["sub/a", "--output=d", "--steps", "0"]);
    assert_eq!(said, "error: --steps: found 0, expected at least one step");
    let said = run(folder.path(), &["sub/a", "--resume", "c"]);
    assert_eq!(said.status.code(), Some(2));
    assert!(stderr(&said).contains("cannot be used with"), "{}", stderr(&said));
}

#[test]
fn options_that_are_given_again_replace_settings() {
    let folder = folder();
    write(
        folder.path(),
        "a.toml",
        &format!("{SYSTEM}steps = 10\nreplicas = 1\nsave-interval = 5\n"),
    );
    succeeds(folder.path(), &["a.toml", "-o", "a"]);
    let again = ["--steps", "20", "--checkpoint-interval", "9", "--max-hours", "1"];
    succeeds(folder.path(), &[&["--resume", "a"], &again[..]].concat());
    succeeds(folder.path(), &["a/settings.toml", "-o", "b"]);
    let [a, b] = ["a", "b"].map(|run| files(&folder.path().join(run)));
    assert!(["energies.csv", "replica_0000.xtc"].iter().all(|name| a[*name] == b[*name]));
    let text = String::from_utf8(a["settings.toml"].clone()).unwrap();
    assert!(
        text.contains("\nsteps = 20\n") && text.contains("checkpoint-interval = 9\n"),
        "{text}"
    );
    assert_eq!((text.matches("steps =").count(), text.contains("max-hours")), (1, false));
    // A damaged file is left alone.
    write(folder.path(), "a/settings.toml", "= =");
    let said = succeeds(folder.path(), &["--resume", "a", "--steps", "30"]);
    assert!(said.contains("warning: ") && said.contains("settings.toml"), "{said}");
    std::fs::remove_file(folder.path().join("b/settings.toml")).unwrap();
    succeeds(folder.path(), &["--resume", "b", "--steps", "30"]);
    assert!(!folder.path().join("b/settings.toml").exists());
}

#[test]
fn wrong_files_are_one_clear_error() {
    let folder = folder();
    let place = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
    for (text, expected) in [
        (
            "stepz = 5",
            ":4: key: found \"stepz\", expected a known key; the nearest one is \"steps\"",
        ),
        ("resume = 'x'", ":4: key: found \"resume\", expected a known key"),
        ("[simulation]\ndt = 1", ":4: key: found \"simulation\", expected a known key"),
        ("steps = 5\nsteps = 6", ":5: TOML: found duplicate key"),
        ("save-interval = 5\nsave_interval = 5", ":5: save-interval: found the key a second time"),
        ("steps = 'many'", ":4: steps: found many, expected a whole number >= 1"),
        ("steps = 1000.0", ":4: steps: found 1000.0, expected a whole number >= 1"),
        ("steps = true", ":4: steps: found true, expected a value"),
        ("steps = [1]", ":4: steps: found a list, expected a value"),
        ("\nsteps = -1", ":5: steps: found -1, expected a whole number >= 1"),
        ("steps = 1\ndt = -1", ":5: dt: found -1, expected "),
        ("dt = { a = 1 }", ":4: dt: found a table, expected a value"),
        ("npy = 1", ":4: npy: found \"1\", expected true or false"),
        ("temperature = []", ":4: temperature: found an empty list, expected "),
        ("temperature = [[1]]", ":4: temperature: found a list, expected a value"),
        ("temperature = [300, 'x']", ":4: temperature: found x, expected a number"),
        ("integrator = 'verlet'", ":4: integrator: found verlet, expected langevin, nve, "),
        ("replicas = 1\nall-structures = true", ": found it with "),
        ("steps = 1\nreplicas = 0", ":5: replicas: found 0, expected "),
        ("steps = ", ":4: TOML: found "),
        ("steps = 99999999999999999999", ":4: TOML: found "),
    ] {
        place("a.toml", format!("{SYSTEM}{text}").as_bytes());
        let mut arguments = vec!["a.toml", "-o", "out"];
        if !text.contains("steps") {
            arguments.extend(["--steps", "2"]);
        }
        let said = fails(folder.path(), &arguments);
        assert!(said.contains(&format!("a.toml{expected}")) || said.contains(expected), "{said}");
        assert!(said.starts_with("error: a.toml:"), "{said}");
        assert!(!folder.path().join("out").exists(), "{text}");
    }
    let deep = format!("steps = {}", "[".repeat(100_000));
    let mapping = format!("a: {}", "{b: ".repeat(100_000));
    let huge = vec![b'#'; 2 << 20];
    for (name, text, expected) in [
        ("a.toml", &b""[..], "a.toml: content: found no keys"),
        ("a.yaml", b"# nothing\n", "a.yaml: content: found no keys"),
        ("a.toml", b"steps = 1\ndt = '\xff'", "a.toml:2: content: found a byte that is no UTF-8"),
        ("a.toml", &huge, "a.toml: content: found a larger file, expected at most 1048576 bytes"),
        ("a.toml", deep.as_bytes(), "a.toml:1: TOML: found "),
        ("a.yaml", mapping.as_bytes(), "a.yaml:1: YAML: found more than 8 levels"),
        ("a.yaml", b"steps: &a [1]\ndt: *a", "a.yaml:2: YAML: found an alias"),
        ("a.yaml", b"steps: 1\n\nsteps: 2", "a.yaml:3: steps: found the key a second time"),
        ("a.yaml", b"steps: 1\n---\ndt: 2", "a.yaml:2: YAML: found a second document"),
        ("a.yaml", b"just text", "a.yaml:1: YAML: found \"just text\""),
        ("a.yaml", b"steps: 1\n  dt: [", "a.yaml:2: YAML: found "),
        ("a.yaml", b"[1]: 2", "a.yaml:1: YAML: found a list"),
        ("a.yaml", b"stepz: 1", "a.yaml:1: key: found \"stepz\""),
        ("b", b"stepz: 1", "b:1: key: found \"stepz\""),
        ("b", b"[stepz]", "b:1: key: found \"stepz\""),
    ] {
        place(name, text);
        let said = fails(folder.path(), &[name, "--steps", "2", "-o", "out"]);
        assert!(said.starts_with(&format!("error: {expected}")), "{said}");
    }
    std::fs::create_dir(folder.path().join("dir.toml")).unwrap();
    assert!(fails(folder.path(), &["dir.toml"]).contains("dir.toml: "));
    assert!(fails(folder.path(), &["none.toml"]).contains(no_file!("none.toml: ")));
    // Errors of the command line come as without a file.
    place("a.toml", format!("{SYSTEM}steps = 1").as_bytes());
    let output = run(folder.path(), &["a.toml", "--nonsense"]);
    assert!(stderr(&output).contains("unexpected argument '--nonsense'"), "{}", stderr(&output));
    let output = run(folder.path(), &["a.toml"]);
    assert!(stderr(&output).contains("--output <DIR>"), "{}", stderr(&output));
}

/// An example of flashmd, with its paths to be filled in.
const FLASHMD: &str = "simulation:
  friction: 1.0
  n_timesteps: 20
  dt: 0.004
  save_forces: false
  save_energies: false
  save_interval: 10
  random_seed: 103838
  device: cuda
  dtype: single
  export_interval: 50
  log_interval: 10
  log_type: write
  specialize_priors: true
  create_checkpoints: true
  read_checkpoint_file: false
  filename: cln_model
  compile: false\u{20}
  compile_mode: default
betas: [1.67]
model_file: SOME_PATH
structure_file: SOME_PATH
";

#[test]
fn files_of_flashmd_and_mlcg_run_as_they_are() {
    let folder = folder();
    let text = FLASHMD.replacen("SOME_PATH", "model", 1).replacen("SOME_PATH", "chain", 1);
    write(folder.path(), "langevin.yaml", &text);
    let said = succeeds(folder.path(), &["langevin.yaml", "--backend", "reference"]);
    let warning = "warning: langevin.yaml: keys without meaning here: simulation.save_forces, ";
    assert_eq!(said.matches("without meaning").count(), 1, "{said}");
    assert!(said.contains(warning) && said.contains(", simulation.compile_mode"), "{said}");
    let out = folder.path().join("cln_model");
    let log = std::fs::read_to_string(out.join("run.log")).unwrap();
    for line in
        ["seed: 103838\n", "friction: 1 1/ps\n", "dt: 0.004 ps\n", "replicas: 2 from number"]
    {
        assert!(log.contains(line), "{line} is not in {log}");
    }
    assert!(log.contains("warning: langevin.yaml: keys without meaning here"), "{log}");
    assert_eq!(table(&out.join("energies.csv")).len(), 4);
    assert!(out.join("run_coords_0000.npy").exists());
    let settings = std::fs::read_to_string(out.join("settings.toml")).unwrap();
    assert!(
        settings.contains("beta = [1.67]\n") && !settings.contains("\ntemperature"),
        "{settings}"
    );
    // The same by the settings, and by options alone.
    succeeds(folder.path(), &["cln_model/settings.toml", "-o", "again"]);
    assert_same(&out, &folder.path().join("again"));
    let options = "--model model --structures chain --backend reference --beta 1.67 --friction 1 --steps \
                   20 --dt 0.004 --save-interval 10 --seed 103838 --replicas 2 --npy -o flags";
    succeeds(folder.path(), &options.split_whitespace().collect::<Vec<_>>());
    assert_same(&out, &folder.path().join("flags"));

    // Absent keys have the defaults of mlcg, and those of flashmd where a key is its own.
    let text = "model_file: model\nstructure_file: chain\nBETASsimulation:\n  \
                filename: a/b\n";
    let defaults = ["steps = 100\n", "save-interval = 10\n"];
    let (dt, friction) = ("  dt: 0.004\n", "  friction: 1.0\n");
    let cases = [
        (dt, "a/b", ["seed = 7\n", "replicas = 2\n", "friction = 0.001\n"]),
        (friction, "a/b", ["seed = 7\n", "dt = 0.0005\n", "friction = 1\n"]),
        (
            "  dt: 1e-2\n  gptq: null\n",
            "outputs/a/b",
            ["seed = 233\n", "dt = 0.01\n", "npy = true\n"],
        ),
        ("  friction: 2\n  output_dir: o\n", "o/a/b", ["seed = 233\n", "friction = 2\n", "dt = "]),
        (
            "  exchange_interval: 5\n  random_seed: 1_0\n  friction: 1.\n",
            "a/b",
            ["seed = 10\n", "replicas = 4\n", "exchange-interval = 5\n"],
        ),
        (
            "  dt: 1e-5\nintegrator: overdamped\n",
            "a/b",
            ["integrator = \"overdamped\"\n", "friction = 1\n", "dt = 0.00001\n"],
        ),
        (
            "  friction: 1\nminimize: true\n",
            "a/b",
            ["minimize = 5000\n", "minimize-tolerance = 0.1\n", "friction = 1\n"],
        ),
        (
            "  friction: 1\nbackend: cpu\nreplicas: 4\nbetas: [1.5]\n",
            "a/b",
            ["replicas = 4\n", "beta = [1.5]\n", "\"cpu\""],
        ),
    ];
    for (k, (more, out, lines)) in cases.into_iter().enumerate() {
        let start = folder.path().join(k.to_string());
        std::fs::create_dir(&start).unwrap();
        let text = text
            .replace("BETAS", if more.contains("betas") { "" } else { "betas:\n- 1.67\n- 1.42\n" });
        write(folder.path(), "m.yml", &format!("{text}{more}"));
        let backend = if more.contains("backend") { "--portable" } else { "--backend=reference" };
        succeeds(&start, &["../m.yml", backend]);
        let settings = std::fs::read_to_string(start.join(out).join("settings.toml")).unwrap();
        for line in defaults.into_iter().chain(lines) {
            assert!(settings.contains(line), "{line} is not in {settings}");
        }
    }
    // The default friction is too weak for single precision with the default time step.
    write(folder.path(), "m.yml", &text.replace("BETAS", "betas: [1.67]\n"));
    let said = fails(folder.path(), &["m.yml", "--backend=reference"]);
    assert!(said.starts_with("error: m.yml: friction: found 0.001, expected "), "{said}");
    let overdamped = ["m.yml", "--integrator=overdamped", "--dt=1e-4", "-o", "over"];
    succeeds(folder.path(), &overdamped);
    let settings = std::fs::read_to_string(folder.path().join("over/settings.toml")).unwrap();
    assert!(settings.contains("friction = 1\n"), "{settings}");

    for (from, to, expected) in [
        (
            "dt:",
            "dtt:",
            "langevin.yaml:4: key: found \"dtt\", expected a known key; the nearest one is \"dt\"",
        ),
        ("file: false", "file: true", "langevin.yaml:16: read_checkpoint_file: found true"),
        ("[1.67]", "[]", "langevin.yaml:20: beta: found an empty list"),
        ("[1.67]", "[hot]", "langevin.yaml:20: beta: found hot, expected a number"),
        ("0.004", "fast", "langevin.yaml:4: dt: found fast, expected a number"),
        ("simulation:", "other:", "langevin.yaml:1: key: found \"other\""),
    ] {
        write(folder.path(), "langevin.yaml", &FLASHMD.replacen(from, to, 1));
        let said = fails(folder.path(), &["langevin.yaml"]);
        assert!(said.starts_with(&format!("error: {expected}")), "{said}");
    }
}
