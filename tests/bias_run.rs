//! `run --bias`: files of restraints, and the columns and samples that they add.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use flashschnet::bias::{Bias, BiasForm};
use flashschnet::units;
use flashschnet::variable::Variable;

use crate::common::program::{PROGRAM, npy, small_files, stderr, table};
use crate::common::small::N_BEADS;

/// Runs `flashschnet run` in a folder.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM).arg("run").args(arguments).current_dir(folder).output().unwrap()
}

fn succeeds(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    stderr(&output)
}

/// A folder with the small system in `model` and `chain`, and a file with this text.
fn folder(name: &str, text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let [model, chain] = small_files();
    std::fs::copy(model, folder.path().join("model")).unwrap();
    std::fs::copy(chain, folder.path().join("chain")).unwrap();
    std::fs::write(folder.path().join(name), text).unwrap();
    folder
}

const SYSTEM: [&str; 8] =
    ["--model", "model", "--structures", "chain", "--backend", "reference", "--save-interval", "5"];

const BIASES: &str = "
[[bias]]
name = 'ends'
variable = 'distance'
beads = [0, 11]
form = 'harmonic'
k = 0.5
center = [10.0, 12.5, 15]

[[bias]]
name = 'groups'
variable = 'distance'
groups = [[0, 1, 2], [9, 10, 11]]
form = 'flat-bottom'
k = [1, 2, 3]
lower = 5.0
upper = 8.0

[[bias]]
name = 'bend'
variable = 'angle'
beads = [2, 5, 8]
form = 'harmonic'
k = 3
center = 2.0

[[bias]]
name = 'twist'
variable = 'dihedral'
beads = [1, 4, 7, 10]
form = 'harmonic'
k = 0.25
center = -3

[[bias]]
name = 'size'
variable = 'rg'
form = 'flat-bottom'
k = 2
upper = 6

[[bias]]
name = 'shape'
variable = 'rmsd'
reference = 'chain'
form = 'harmonic'
k = 1.0
center = 0.5

[[bias]]
name = 'contacts'
variable = 'q'
reference = 'chain'
cutoff = 30.0
beta = 1.0
form = 'harmonic'
k = 10.0
center = 0.5

[[bias]]
name = 'place'
variable = 'position'
beads = [3]
reference = 'chain'
form = 'harmonic'
k = 0.5
center = 0.0

[[bias]]
name = 'drag'
variable = 'distance'
beads = [1, 10]
form = 'moving'
k = [1, 2, 3]
steps = [5, 30]
centers = [8.0, 12.0]
";

/// The numbers of the columns of `energies.csv` by name.
fn columns(run: &Path) -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(run.join("energies.csv")).unwrap();
    let header = text.lines().next().unwrap();
    header.split(',').map(str::to_owned).zip(0..).collect()
}

/// The bytes of the files that have no times of the clock in them.
fn files(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let is_result = |path: &Path| path.extension().is_some_and(|end| end == "xtc" || end == "csv");
    let results = entries.filter(|path| is_result(path));
    results.map(|path| (name(&path), std::fs::read(path).unwrap())).collect()
}

#[test]
fn energies_have_the_columns() {
    let folder = folder("pull.toml", BIASES);
    let folder = folder.path();
    let more = ["--bias", "pull.toml", "--replicas", "3", "--steps", "40", "--npy", "-o", "run"];
    succeeds(folder, &[&SYSTEM[..], &more].concat());
    let run = folder.join("run");
    let columns = columns(&run);
    let rows = table(&run.join("energies.csv"));
    assert_eq!(rows.len(), 24);
    let (shape, positions) = npy::<f32>(run.join("run_coords_0000.npy"));
    let n = N_BEADS as usize;
    assert_eq!(shape, [3, 8, n, 3]);
    let ends = |k: f64, center: f64| Bias {
        name: "ends".into(),
        variable: Variable::end_to_end(n),
        form: BiasForm::Harmonic { k: vec![k], center: vec![center] },
    };
    for (f, rows) in rows.chunks(3).enumerate() {
        for (r, row) in rows.iter().enumerate() {
            let of_frame = &positions[3 * n * (8 * r + f)..][..3 * n];
            let of_frame: Vec<[f64; 3]> =
                of_frame.as_chunks().0.iter().map(|x: &[f32; 3]| x.map(f64::from)).collect();
            let bias = ends(0.5, [10.0, 12.5, 15.0][r]);
            let [value, energy] = bias.value_and_energy(&of_frame, 0, 0);
            let at = |name: &str| row[columns[name]];
            assert!((at("bias_ends_value") - value).abs() < 1e-4, "{}", at("bias_ends_value"));
            assert!((at("bias_ends") - energy).abs() < 1e-3, "{} {energy}", at("bias_ends"));
            let twist = at("bias_twist_value");
            assert!((-3.2..3.2).contains(&twist) && at("bias_place") >= 0.0);
        }
    }
    for name in ["groups", "bend", "twist", "size", "shape", "contacts", "place", "drag"] {
        assert!(columns.contains_key(&format!("bias_{name}")), "{name}");
        assert_eq!(columns.contains_key(&format!("bias_{name}_work")), name == "drag");
    }
    // The center moves from step 5 to step 30.
    let work: Vec<_> = rows.chunks(3).map(|rows| rows[0][columns["bias_drag_work"]]).collect();
    assert_eq!(work[0], 0.0);
    assert!(work[1..6].windows(2).all(|pair| pair[0] != pair[1]), "{work:?}");
    assert!(work[5] != 0.0 && work[5..] == [work[5]; 3], "{work:?}");
    let log = std::fs::read_to_string(run.join("run.log")).unwrap();
    assert!(log.contains("bias ends: "), "{log}");
}

/// A checkpoint holds the restraints: the run goes on with the same bytes without their file.
#[test]
fn a_run_goes_on_without_the_file() {
    for backend in ["reference", "cpu"] {
        let folder = folder("pull.toml", BIASES);
        let folder = folder.path();
        let start = |steps: &str, output: &str| {
            let more = ["--bias", "pull.toml", "--replicas", "3", "--steps", steps, "-o", output];
            let mut arguments = [&SYSTEM[..], &more].concat();
            arguments[5] = backend;
            succeeds(folder, &arguments);
        };
        start("40", "whole");
        start("20", "cut");
        std::fs::remove_file(folder.join("pull.toml")).unwrap();
        succeeds(folder, &["--resume", "cut", "--steps", "40"]);
        let [whole, cut] = ["whole", "cut"].map(|name| files(&folder.join(name)));
        assert!(whole.len() == 4 && whole == cut, "{:?}", whole.keys());
    }
    let folder = folder("pull.toml", BIASES);
    let output = run(folder.path(), &["--resume", "cut", "--bias", "pull.toml"]);
    assert!(!output.status.success(), "{}", stderr(&output));
}

const HILLS: &str = "
[[bias]]
name = 'pull'
variable = 'rg'
form = 'harmonic'
k = 0.1
center = 5

[[bias]]
name = 'hills'
form = 'metadynamics'
every = 5
height = 0.25
bias-factor = 8
";
const ENDS: &str = "variable = 'distance'\nbeads = [0, 11]\nlower = 0\nupper = 60\nbins = 120\n\
                    width = 1.5\n";
const PLANE: &str = "[[bias.variables]]\nvariable = 'dihedral'\nbeads = [1, 4, 7, 10]\nbins = 40\n\
                     width = 0.4\n";

/// Metadynamics in one and in two variables: its columns, the free energy, and a run that goes on with
/// the same bytes without the file.
#[test]
fn metadynamics_goes_on_without_the_file() {
    let line = format!("{HILLS}{ENDS}");
    let plane = format!("{HILLS}temperature = 310\n{PLANE}\n[[bias.variables]]\n{ENDS}");
    for (text, nodes, numbers) in [(line, 121, 2), (plane, 40 * 121, 3)] {
        for backend in ["reference", "cpu"] {
            let folder = folder("pull.toml", &text);
            let folder = folder.path();
            let start = |steps: &str, output: &str| {
                let more =
                    ["--bias", "pull.toml", "--replicas", "3", "--steps", steps, "-o", output];
                let mut arguments = [&SYSTEM[..], &more].concat();
                arguments[5] = backend;
                succeeds(folder, &arguments);
            };
            start("40", "whole");
            start("20", "cut");
            std::fs::remove_file(folder.join("pull.toml")).unwrap();
            succeeds(folder, &["--resume", "cut", "--steps", "40"]);
            let [whole, cut] = ["whole", "cut"].map(|name| files(&folder.join(name)));
            assert!(whole.len() == 5 && whole == cut, "{:?}", whole.keys());
            let run = folder.join("whole");
            let rows = table(&run.join("metadynamics_hills.csv"));
            assert!(
                rows.len() == nodes && rows[0].len() == numbers,
                "{} {:?}",
                rows.len(),
                rows[0]
            );
            let free: Vec<f64> = rows.iter().map(|row| row[numbers - 1]).collect();
            let most = free.iter().copied().fold(0.0, f64::max);
            assert!(free.contains(&0.0) && most > 0.2 && most < 7.0, "{most}");
            let columns = columns(&run);
            let last = table(&run.join("energies.csv")).pop().unwrap();
            let [energy, value] =
                ["bias_hills", "bias_hills_value"].map(|name| last[columns[name]]);
            let second = columns.get("bias_hills_value_1").map(|column| last[*column]);
            assert_eq!(second.is_some(), numbers == 3);
            assert!(second.is_none_or(|q| q > 3.5 && q < 60.0), "{second:?}");
            assert!(energy > 0.2 && (-3.2..60.0).contains(&value), "{energy} {value}");
            assert!(columns.contains_key("bias_pull"));
        }
    }
}

/// settings.toml has the tables, and repeats the run. A dry run tells of the grid.
#[test]
fn settings_repeat_metadynamics() {
    let line = format!("{HILLS}{ENDS}");
    let plane = format!("{HILLS}temperature = 310\n{PLANE}\n[[bias.variables]]\n{ENDS}");
    for (text, nodes) in [(line, 121), (plane, 40 * 121)] {
        let folder = folder("pull.toml", &text);
        let folder = folder.path();
        let more = ["--bias", "pull.toml", "--replicas", "3", "--steps", "40", "-o", "first"];
        succeeds(folder, &[&SYSTEM[..], &more].concat());
        succeeds(folder, &["first/settings.toml", "-o", "second"]);
        let [first, second] = ["first", "second"].map(|name| files(&folder.join(name)));
        assert!(first.contains_key("metadynamics_hills.csv") && first == second);
        let said = succeeds(folder, &["first/settings.toml", "-o", "third", "--dry-run"]);
        assert!(said.contains(&format!("metadynamics: a grid of {nodes} nodes, about ")), "{said}");
    }
}

/// The second replica is hot and leaves the grid. The run ends, or goes on without it. All files of the
/// run are named, also the free energy.
#[test]
fn a_replica_that_leaves_the_grid_ends_the_run_or_freezes() {
    let narrow = ENDS.replace("lower = 0", "lower = 31").replace("upper = 60", "upper = 35");
    let narrow = narrow.replace("width = 1.5", "width = 0.1");
    let folder = folder("pull.toml", &format!("{HILLS}temperature = 20\n{narrow}"));
    let folder = folder.path();
    let run = |more: &[&str]| {
        let all = ["--bias", "pull.toml", "--replicas", "3", "--temperature", "20,4000,20"];
        run(folder, &[&SYSTEM[..], &all, &["--steps", "150"], more].concat())
    };
    let output = run(&["-o", "stopped"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in [
        "replica 1 blew up at step ",
        "it is not on the grid of bias hills: value 0 is 3",
        " Å, on an axis from 31 to 35; its last good state",
        "; use a wider axis, or a restraint that keeps the replica on the grid",
    ] {
        assert!(said.contains(part), "{said}");
    }
    // The hot replica does not sample the temperature of the hills.
    assert!(said.contains("only if all replicas sample 20.00 K"), "{said}");
    // The hills up to there are not lost.
    let free = table(&folder.join("stopped/metadynamics_hills.csv"));
    assert!(free.iter().any(|row| row[1] != free[0][1]), "{free:?}");
    let output = run(&["--on-blow-up", "freeze", "-o", "frozen"]);
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("it is not on the grid of bias hills"), "{said}");
    assert!(said.contains("metadynamics_hills.csv  free energy at each node"), "{said}");
    let rows = table(&folder.join("frozen/energies.csv"));
    let last = rows.iter().filter(|row| row[0] == 150.0).map(|row| row[2]);
    assert_eq!(last.collect::<Vec<_>>(), [0.0, 2.0]);
    let free = table(&folder.join("frozen/metadynamics_hills.csv"));
    assert!(free.iter().any(|row| row[1] > 0.1));
}

/// A dihedral over a whole turn is periodic, whatever its ends are. 3999 points of a path are one line of
/// the log.
#[test]
fn whole_turns_are_periodic_and_paths_can_be_long() {
    let turn = PLANE.replace("[[bias.variables]]\n", "");
    let ends =
        format!("{turn}lower = {}\nupper = {}\n", -std::f64::consts::PI, std::f64::consts::PI);
    let list = |of: fn(usize) -> usize| (0..3999).map(|k| of(k).to_string()).collect::<Vec<_>>();
    let (steps, centers) = (list(|k| k).join(", "), list(|k| 5 + k % 2).join(", "));
    let path = format!(
        "[[bias]]\nname = 'drag'\nvariable = 'distance'\nbeads = [0, 5]\nform = 'moving'\nk = 0.1\n\
         steps = [{steps}]\ncenters = [{centers}]\n"
    );
    let runs = [turn, ends].map(|turn| {
        let folder = folder("pull.toml", &format!("{HILLS}{turn}{path}"));
        let more = ["--bias", "pull.toml", "--replicas", "3", "--steps", "40", "-o", "run"];
        succeeds(folder.path(), &[&SYSTEM[..], &more].concat());
        let log = std::fs::read_to_string(folder.path().join("run/run.log")).unwrap();
        let line =
            "bias drag: moving on distance, k 0.1, steps 0 to 3998 in 3999 numbers, centers 5 to 5";
        assert!(log.contains(line) && log.contains("periodic axis"), "{log}");
        files(&folder.path().join("run"))
    });
    assert!(runs[0] == runs[1]);
}

#[test]
fn wrong_metadynamics_is_refused() {
    let with = |lines: &str| format!("{HILLS}{lines}");
    let second = HILLS.replace("hills", "more").replace("pull", "drag");
    for (text, expected) in [
        (with(""), "variable: found none, expected one of position"),
        (with(&format!("{ENDS}k = 1")), ":21: key: found \"k\""),
        (with(&ENDS.replace("width = 1.5", "")), ": width: found none, expected one number"),
        (with(&ENDS.replace("bins = 120", "bins = 1.5")), ":19: bins: found \"1.5\""),
        (with(&ENDS.replace("bins = 120", "bins = 9")), "bias hills: hills, bins: found 9"),
        (with(&format!("{ENDS}periodic = true")), "bias hills: hills, periodic: found 0 to 60"),
        (
            with(&format!("{ENDS}periodic = 1")),
            ":21: periodic: found \"1\", expected true or false",
        ),
        (with(&ENDS.replace("upper = 60", "upper = 3")), "it is not on the grid of bias hills"),
        (with(&format!("{ENDS}{PLANE}")), ": key: found \"variable\""),
        (with("variables = 1\n"), ": variables: found \"1\", expected tables"),
        (with(&format!("{ENDS}{second}{ENDS}")), "expected only one table with metadynamics"),
        (with(ENDS).replace("every = 5", "every = 0"), "bias hills: every: found 0"),
        (
            with(ENDS).replace("'hills'", "'pull'"),
            ":10: name: found \"pull\", expected a name that no other",
        ),
        (with(ENDS).replace("'hills'", &format!("'{}'", "a".repeat(65))), "at most 64 letters"),
    ] {
        let folder = folder("pull.toml", &text);
        let more = ["--bias", "pull.toml", "--replicas", "3", "--steps", "5", "-o", "run"];
        let output = run(folder.path(), &[&SYSTEM[..], &more].concat());
        let said = stderr(&output);
        assert!(!output.status.success(), "{text}");
        assert!(said.contains(expected) && said.lines().count() == 1, "{text}: {said}");
        assert!(!folder.path().join("run").exists());
    }
}

/// The tables can stand in the configuration file, and settings.toml repeats the run.
#[test]
fn a_configuration_file_may_have_the_tables() {
    let options = "model = 'model'\nstructures = ['chain']\nbackend = 'reference'\nreplicas = 3\n\
                   steps = 20\nsave_interval = 5\n";
    let folder = folder("run.toml", &format!("{options}{BIASES}"));
    let folder = folder.path();
    std::fs::write(folder.join("pull.toml"), BIASES).unwrap();
    let more = ["--bias", "pull.toml", "--replicas", "3", "--steps", "20", "-o", "first"];
    succeeds(folder, &[&SYSTEM[..], &more].concat());
    succeeds(folder, &["run.toml", "-o", "second"]);
    std::fs::create_dir(folder.join("elsewhere")).unwrap();
    for (run, again) in [("first", "third"), ("second", "fourth")] {
        let settings = folder.join(run).join("settings.toml");
        let output = folder.join(again);
        let arguments = [settings.to_str().unwrap(), "-o", output.to_str().unwrap()];
        succeeds(&folder.join("elsewhere"), &arguments);
    }
    let first = files(&folder.join("first"));
    assert!(first.len() == 4);
    for other in ["second", "third", "fourth"] {
        assert!(files(&folder.join(other)) == first, "{other}");
    }
    // The other keys of the file are options of the run, wherever its model comes from.
    std::fs::write(folder.join("few.toml"), format!("save-interval = 5\n{BIASES}")).unwrap();
    let more = ["few.toml", "--replicas", "3", "--steps", "20", "-o", "fifth"];
    succeeds(folder, &[&more[..1], &SYSTEM[..], &more[1..]].concat());
    assert!(files(&folder.join("fifth")) == first);
    let inline = "bias = [{ name = 'a', variable = 'rg', form = 'harmonic', k = 1, center = 5 }]\n";
    std::fs::write(folder.join("inline.toml"), inline).unwrap();
    let more = ["--bias", "inline.toml", "--replicas", "3", "--steps", "20", "-o", "sixth"];
    succeeds(folder, &[&SYSTEM[..], &more].concat());
    std::fs::write(folder.join("run.yaml"), "bias:\n- name: a\n  variable: rg\n").unwrap();
    let output = run(folder, &[&["run.yaml"], &SYSTEM[..], &["-o", "seventh"]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("expected the path of a TOML file with the tables"), "{said}");
}

/// Umbrella windows at one temperature: samples have the reduced energies of all windows.
#[test]
fn windows_exchange_and_have_their_reduced_energies() {
    let text = "[[bias]]\nname = 'ends'\nvariable = 'distance'\nbeads = [0, 11]\n\
                form = 'harmonic'\nk = 0.2\ncenter = [9.0, 11.0, 13.0]\n";
    let folder = folder("windows.toml", text);
    let folder = folder.path();
    let more = ["--bias", "windows.toml", "--ladder", "300,300,3", "--exchange-interval", "5"];
    let end = ["--steps", "200", "-o", "run"];
    succeeds(folder, &[&SYSTEM[..], &more, &end].concat());
    let run = folder.join("run");
    let columns = columns(&run);
    let rows = table(&run.join("energies.csv"));
    let (shape, u_kn) = npy::<f64>(run.join("ladder_0000_u_kn.npy"));
    assert_eq!(shape, [3, 120]);
    let (_, samples) = npy::<i64>(run.join("ladder_0000_samples.npy"));
    for (n, sample) in samples.chunks(3).enumerate() {
        let [replica, state, step] = [sample[0], sample[1], sample[2]].map(|x| x as f64);
        let row = rows.iter().find(|row| row[0] == step && row[2] == replica).unwrap();
        let at = |name: &str| row[columns[name]];
        assert_eq!(at("state"), state);
        let (value, potential) = (at("bias_ends_value"), at("potential_kcal_per_mol"));
        for (k, center) in [9.0, 11.0, 13.0].into_iter().enumerate() {
            let energy: f64 = 0.2 * f64::powi(value - center, 2);
            if k as f64 == state {
                assert!((energy - at("bias_ends")).abs() < 1e-4);
            }
            // RowsLast: the states of a sample follow each other.
            let expected = units::beta(300.0) * (potential + energy);
            assert!((u_kn[3 * n + k] - expected).abs() < 1e-4, "{} {expected}", u_kn[3 * n + k]);
        }
    }
    let acceptance = table(&run.join("acceptance.csv"));
    assert!(acceptance.iter().any(|row| row[4] > 0.0 && row[4] < row[3]), "{acceptance:?}");
    let without = ["--ladder", "300,300,3", "--exchange-interval", "5", "--steps", "5", "-o", "a"];
    let said = stderr(&self::run(folder, &[&SYSTEM[..], &without].concat()));
    assert!(said.contains("LOW,HIGH,COUNT"), "{said}");
}

#[test]
fn wrong_files_are_refused() {
    let table = |lines: &str| format!("\n[[bias]]\nname = 'a'\n{lines}\n");
    let distance = "variable = 'distance'\nbeads = [0, 5]";
    let form = "form = 'harmonic'\nk = 1\ncenter = 2";
    for (text, expected) in [
        (
            table(&format!("{distance}\n{form}\ncentre = 3")),
            ":9: key: found \"centre\", expected a \
                                                             known key; the nearest one is \"center\"",
        ),
        (table(&format!("{distance}\n{form}\nupper = 3")), ":9: key: found \"upper\""),
        (
            table(&format!("{distance}\nform = 'moving'\nk = 1\ncenters = [1, 2]")),
            ":3: steps: found none, expected numbers of steps that increase",
        ),
        (
            table(&format!("{distance}\nform = 'moving'\nk = 1\nsteps = [0, 9]\ncenters = 2")),
            ":9: centers: found \"2\", expected 2 numbers, one for each step",
        ),
        (
            table(&format!("{distance}\nform = 'moving'\nk = 1\nsteps = [9, 9]\ncenters = [1, 2]")),
            "pull.toml: bias a: steps: found 9:1, 9:2, expected steps that increase",
        ),
        (
            table(&format!("{distance}\n{form}\nreference = 'chain'")),
            ":9: key: found \"reference\"",
        ),
        (
            table(&format!("variable = 'distnce'\nbeads = [0, 5]\n{form}")),
            ":4: variable: found \"distnce\", expected one of position, distance",
        ),
        (
            table(&format!("variable = 'distance'\nbeads = [0, 5, 6]\n{form}")),
            ":5: beads: found a list, expected 2 numbers of beads",
        ),
        (
            table(&format!("variable = 'distance'\nbeads = [0, 12]\n{form}")),
            "pull.toml: bias a: distance: found bead 12",
        ),
        (
            table(&format!("variable = 'distance'\nbeads = [0, -1]\n{form}")),
            ":5: beads: found a list",
        ),
        (
            table(&format!("variable = 'distance'\nbeads = [0, 1]\ngroups = [[0], [1]]\n{form}")),
            ":5: beads: found groups, too",
        ),
        (table(&format!("variable = 'rmsd'\n{form}")), ":3: reference: found none, expected text"),
        (table(&format!("variable = 'rmsd'\nreference = 'none'\n{form}")), no_file!("none: ")),
        (
            table(&format!("variable = 'rmsd'\nreference = 'chain'\nbeads = [0, 12]\n{form}")),
            ":6: beads: found a list, expected beads below 12",
        ),
        (table(distance), ":3: form: found none, expected one of harmonic, flat-bottom"),
        (table(&format!("{distance}\nform = 'harmonic'\nk = 1")), ":3: center: found none"),
        (
            table(&format!("{distance}\nform = 'harmonic'\nk = 'x'\ncenter = 2")),
            ":7: k: found \"x\"",
        ),
        (
            table(&format!("{distance}\nform = 'harmonic'\nk = 1\ncenter = [1.0, 2.0]")),
            ":8: center: found 2 numbers, expected 1, or 3, one for each replica",
        ),
        (
            "biases = 1\n".into(),
            ":1: key: found \"biases\", expected a known key; the nearest one is \
                                 \"bias\"",
        ),
        ("bias = 1\n".into(), "bias: found none, expected tables with the header [[bias]]"),
        (String::new(), "bias: found none, expected tables with the header [[bias]]"),
        ("[[bias]\n".into(), ":1: TOML: "),
        (
            table(&format!("{distance}\n{form}")) + &table(&format!("{distance}\n{form}")),
            ":11: name: found \"a\", expected a name that no other table has",
        ),
    ] {
        let folder = folder("pull.toml", &text);
        let more = ["--bias", "pull.toml", "--replicas", "3", "--steps", "5", "-o", "run"];
        let output = run(folder.path(), &[&SYSTEM[..], &more].concat());
        let said = stderr(&output);
        assert!(!output.status.success(), "{text}");
        assert!(said.contains(expected) && said.lines().count() == 1, "{text}: {said}");
        assert!(!folder.path().join("run").exists());
    }
}
