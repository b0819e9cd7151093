//! `run --resume`: a run that was killed or stopped continues to the files of a run that was not.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use flashschnet::Checkpoint;
use flashschnet::checkpoint::{NEWEST, PREVIOUS};
use flashschnet::io::native::{write_model, write_structures};

use crate::common::program::{PROGRAM, small_files, stderr, with_system};
use crate::common::small;

/// A new run of the small system with arrays.
fn start(backend: &str, arguments: &[&str], folder: &Path) -> Command {
    let mut command = start_of(3, backend, arguments, folder);
    command.arg("--npy");
    command
}

/// The known answers, which take seconds on a software adapter, have tests of their own.
const TRUSTING: &str = "--trust-device";

fn start_of(replicas: usize, backend: &str, arguments: &[&str], folder: &Path) -> Command {
    let [model, structures] = small_files();
    let mut command = Command::new(PROGRAM);
    command.args(["run", TRUSTING, "--backend", backend, "--replicas", &replicas.to_string()]);
    command.arg("--model").arg(model).arg("--structures").arg(structures);
    command.args(arguments).arg("-o").arg(folder);
    command
}

fn resume(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["run", TRUSTING, "--resume"]).arg(folder).args(arguments);
    command
}

fn succeeds(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    output
}

/// The message of a command that ends with an error.
fn fails(mut command: Command) -> String {
    let output = command.output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{command:?}: {said}");
    said.lines().find(|line| line.starts_with("error: ")).unwrap().to_owned()
}

/// The result files of a run, without its log, its report and its checkpoints.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| {
        !["run.log", "run.lock", "report.html", NEWEST, PREVIOUS].contains(&&*name(path))
    })
    .map(|path| (name(&path), std::fs::read(&path).unwrap()))
    .collect()
}

#[track_caller]
fn assert_same(found: &Path, expected: &Path) {
    let (a, b) = (files(found), files(expected));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in &a {
        assert!(*bytes == b[name], "{name} differs");
    }
    let state = |folder| Checkpoint::latest(folder, |_| Ok(())).unwrap().0.state;
    assert_eq!(state(found), state(expected));
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("run.log")).unwrap()
}

/// Random numbers for the moments of the kills, below `n`.
fn random(state: &mut u64, n: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % n
}

fn wait_for(what: &str, mut ready: impl FnMut() -> bool) {
    let clock = Instant::now();
    while !ready() {
        assert!(clock.elapsed() < Duration::from_secs(120), "no {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Two ladders, one of each molecule of the small system.
const EXCHANGE: [&str; 10] = [
    "--exchange-interval",
    "5",
    "--temperature",
    "300,320,345",
    "--mixing",
    "all-pairs",
    "--trajectories-by",
    "both",
    "--tune-ladder",
    "80",
];

/// Every observable.
const OBSERVABLES: [&str; 4] = ["--observables", "rg,end-to-end,rmsd,q", "--q-cutoff", "15"];

/// Restraints, one of them with numbers of each state.
const BIASES: &str = "
[[bias]]
name = 'ends'
variable = 'distance'
beads = [0, 7]
form = 'harmonic'
k = 0.3
center = [9.0, 11.0, 13.0]

[[bias]]
name = 'size'
variable = 'rg'
form = 'flat-bottom'
k = 0.5
upper = 4.0
";

/// Metadynamics in two variables, restraints that keep the replicas on its grid, and a moving bias.
const HILLS: &str = "
[[bias]]
name = 'size'
variable = 'rg'
form = 'flat-bottom'
k = 0.5
upper = 4.0

[[bias]]
name = 'ends'
variable = 'distance'
beads = [0, 7]
form = 'harmonic'
k = 0.3
center = [9, 10, 11, 12, 13, 14]

[[bias]]
name = 'drag'
variable = 'distance'
beads = [1, 6]
form = 'moving'
k = 0.2
steps = [0, 3000, 6000, 20000]
centers = [8, 11, 8, 14]

[[bias]]
name = 'hills'
form = 'metadynamics'
every = 6
height = 0.2
bias-factor = 8
temperature = 300

[[bias.variables]]
variable = 'dihedral'
beads = [0, 2, 4, 7]
bins = 30
width = 0.5

[[bias.variables]]
variable = 'rg'
lower = 0
upper = 100
bins = 150
width = 1.5
";

/// The methods of a run that gets signals.
#[derive(Clone, Copy, PartialEq)]
enum Methods {
    /// Restraints and replica exchange, on a GPU with multiple time steps.
    Exchange,
    /// Restraints, a moving bias and metadynamics with multiple time steps.
    Hills,
}

/// Every file that a run can write.
const FILES: [&str; 6] = ["--npy", "--format", "both", "--velocities", "--forces", "--terms"];

/// Sends a signal to a run at random moments, resumes it each time, and compares all files with those of
/// a run without interruption. The number of steps is chosen after the last signal, so that no run ends
/// before its signal, however fast it is.
fn interrupted(backend: &str, methods: Methods, signal: i32, kills: u32) {
    let interval = if backend == "cpu" { "500" } else { "100" };
    let mts = if backend == "cpu" && methods == Methods::Exchange { "1" } else { "2" };
    let exchange = EXCHANGE.map(|text| if text == "5" { "10" } else { text });
    let (tables, exchange) = match methods {
        Methods::Exchange => (BIASES, &exchange[..]),
        Methods::Hills => (HILLS, &[][..]),
    };
    let temporary = tempfile::tempdir().unwrap();
    let [whole, cut, biases] =
        ["whole", "cut", "biases.toml"].map(|name| temporary.path().join(name));
    std::fs::write(&biases, tables).unwrap();
    let begin = |folder: &Path, steps: &str| {
        let each = ["--save-interval", "8", "--checkpoint-interval", interval, "--steps", steps];
        let all = [exchange, &FILES, &OBSERVABLES, &each, &["--mts", mts]].concat();
        let mut command = start_of(6, backend, &all, folder);
        command.arg("--reference").arg(&small_files()[1]).arg("--bias").arg(&biases);
        command
    };
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ u64::from(std::process::id());
    for kill in 0..kills {
        let mut command =
            if kill > 0 { resume(&cut, &[]) } else { begin(&cut, &(u64::MAX - 1).to_string()) };
        let length = || std::fs::metadata(cut.join("energies.csv")).map_or(0, |data| data.len());
        let before = length();
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let mut runs = || child.try_wait().unwrap().is_none();
        // Every fourth signal may come while the run starts.
        if kill == 0 {
            wait_for("checkpoint", || cut.join(NEWEST).exists() || !runs());
        } else if random(&mut state, 4) > 0 {
            wait_for("frame", || length() != before || !runs());
        }
        std::thread::sleep(Duration::from_micros(random(&mut state, 150_000)));
        assert!(runs(), "the run has ended before signal {kill}: {}", log(&cut));
        // SAFETY: the child has not ended when it was looked at, and has not been waited for.
        assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
        let sent = Instant::now();
        let status = child.wait().unwrap();
        assert!(sent.elapsed() < Duration::from_secs(10), "{:?}", sent.elapsed());
        // A signal can come before the program heeds it.
        let stopped = status.code() == Some(128 + signal) || status.signal() == Some(signal);
        assert!(stopped, "{status:?}: {}", log(&cut));
    }
    let steps = (step(&cut) + 250).to_string();
    succeeds(resume(&cut, &["--steps", &steps]));
    succeeds(begin(&whole, &steps));
    assert_same(&cut, &whole);
    assert_eq!(whole.join("metadynamics_hills.csv").exists(), methods == Methods::Hills);
}

/// The number of signals. With `FLASHSCHNET_KILLS`, which `tests/long/kill` sets, it is a share of
/// that many kills, of which a usual test run has ten.
fn kills(usual: u32) -> u32 {
    match std::env::var("FLASHSCHNET_KILLS") {
        Ok(all) => (all.parse::<u32>().unwrap() * usual / 10).max(1),
        Err(_) => usual,
    }
}

#[test]
fn killed_on_cpu() {
    interrupted("cpu", Methods::Exchange, libc::SIGKILL, kills(4));
}

#[test]
fn killed_on_wgpu() {
    interrupted("wgpu", Methods::Exchange, libc::SIGKILL, kills(2));
}

#[test]
fn killed_with_hills_on_cpu() {
    interrupted("cpu", Methods::Hills, libc::SIGKILL, kills(2));
}

#[test]
fn killed_with_hills_on_wgpu() {
    interrupted("wgpu", Methods::Hills, libc::SIGKILL, kills(1));
}

#[test]
fn stopped_on_cpu() {
    interrupted("cpu", Methods::Exchange, libc::SIGTERM, kills(1));
}

#[test]
#[ignore = "takes long without a GPU"]
fn stopped_on_wgpu() {
    interrupted("wgpu", Methods::Exchange, libc::SIGTERM, kills(1));
}

#[test]
fn stopped_with_hills_on_cpu() {
    interrupted("cpu", Methods::Hills, libc::SIGTERM, kills(1));
}

/// The number of steps done, in the newest checkpoint.
fn step(folder: &Path) -> u64 {
    Checkpoint::latest(folder, |_| Ok(())).unwrap().0.state.step
}

/// The intervals of [`finished`].
const EVERY_TEN: [&str; 4] = ["--save-interval", "10", "--checkpoint-interval", "10"];

/// A run of 25 steps in a new folder, and the folder.
fn finished() -> (tempfile::TempDir, PathBuf) {
    finished_on("reference")
}

fn finished_on(backend: &str) -> (tempfile::TempDir, PathBuf) {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("run");
    succeeds(start(backend, &[&["--steps", "25"], &EVERY_TEN[..]].concat(), &folder));
    (temporary, folder)
}

#[test]
fn a_finished_run_says_so() {
    let (_temporary, run) = finished();
    let before = files(&run);
    for arguments in [&[][..], &["--steps", "25"]] {
        let said = stderr(&succeeds(resume(&run, arguments)));
        assert!(said.contains("is finished: 25 steps"), "{said}");
    }
    assert_eq!(files(&run), before);
    let said = fails(resume(&run, &["--steps", "24"]));
    assert!(said.contains("steps: found 24, expected at least 25"), "{said}");
}

/// Also the frame at the end of the shorter run, at no multiple of the interval, is not there.
#[test]
fn more_steps_extend_a_run() {
    let (temporary, run) = finished_on("cpu");
    let whole = temporary.path().join("whole");
    succeeds(start("cpu", &[&["--steps", "1250"], &EVERY_TEN[..]].concat(), &whole));
    for steps in ["45", "1001", "1250"] {
        succeeds(resume(&run, &["--steps", steps]));
        assert_eq!(step(&run).to_string(), steps);
    }
    assert_same(&run, &whole);
    assert!(log(&run).contains("resumed at step 25 of 45"), "{}", log(&run));
    assert!(files(&run).contains_key("run_coords_0001.npy"));
}

/// A replica that is frozen stays frozen in the continued run, which does not warn of it again.
#[test]
fn a_frozen_replica_stays_frozen() {
    let temporary = tempfile::tempdir().unwrap();
    let [cut, whole] = ["cut", "whole"].map(|name| temporary.path().join(name));
    for backend in ["cpu", "wgpu"] {
        let arguments = |steps| {
            let hot = ["--temperature", "300,30000,300", "--max-force", "150"];
            let freeze = ["--on-blow-up", "freeze", "--save-interval", "5", "--steps", steps];
            [&hot[..], &freeze].concat()
        };
        let [cut, whole] = [&cut, &whole].map(|path| path.join(backend));
        succeeds(start(backend, &arguments("120"), &whole));
        succeeds(start(backend, &arguments("63"), &cut));
        let state = Checkpoint::latest(&cut, |_| Ok(())).unwrap().0.state;
        assert_eq!(state.frozen.keys().collect::<Vec<_>>(), [&1], "{state:?}");
        let said = stderr(&succeeds(resume(&cut, &["--steps", "120"])));
        assert!(!said.contains("blew up"), "{said}");
        assert_same(&cut, &whole);
    }
}

/// The paths of a checkpoint are absolute, and others can be given.
#[test]
fn model_and_structures_are_found_again() {
    let temporary = tempfile::tempdir().unwrap();
    let [model, structures] = ["m", "s"].map(|name| temporary.path().join(name));
    for (file, copy) in small_files().iter().zip([&model, &structures]) {
        std::fs::copy(file, copy).unwrap();
    }
    let run = temporary.path().join("run");
    let mut command = Command::new(PROGRAM);
    command.current_dir(temporary.path());
    command.args(["run", "--model", "m", "--structures", "s", "--backend", "reference"]);
    succeeds({
        command.args(["--replicas", "1", "--steps", "5", "-o", "run"]);
        command
    });
    succeeds(resume(&run, &["--steps", "6"]));
    std::fs::rename(&model, temporary.path().join("moved")).unwrap();
    let said = fails(resume(&run, &["--steps", "7"]));
    assert!(said.contains(model.to_str().unwrap()) && said.contains("No such file"), "{said}");
    let moved = temporary.path().join("moved");
    let paths = [moved.to_str().unwrap(), structures.to_str().unwrap()];
    let given = ["--steps", "7", "--model", paths[0], "--structures", paths[1]];
    succeeds(resume(&run, &given));
    succeeds(resume(&run, &["--steps", "8"]));

    let mut other = small::model();
    other.schnet.as_mut().unwrap().embedding[0] += 1e-9;
    write_model(&model, &other).unwrap();
    let (before, state) = (files(&run), step(&run));
    let given = ["--steps", "9", "--model", model.to_str().unwrap(), "--structures", paths[1]];
    let said = fails(resume(&run, &given));
    assert!(said.contains("model: found other values (SHA-256 "), "{said}");
    let said = fails(resume(&run, &["--steps", "9", "--builtin"]));
    assert!(said.contains("model: found other values"), "{said}");
    assert_eq!((files(&run), step(&run)), (before, state));
}

#[test]
fn a_damaged_checkpoint_falls_back_to_the_previous_one() {
    let (temporary, run) = finished();
    let whole = temporary.path().join("whole");
    succeeds(start("reference", &[&["--steps", "40"], &EVERY_TEN[..]].concat(), &whole));
    // The previous checkpoint is that of step 20. Its files are shorter.
    let mut bytes = std::fs::read(run.join(NEWEST)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(run.join(NEWEST), &bytes).unwrap();
    let said = stderr(&succeeds(resume(&run, &["--steps", "40"])));
    assert!(said.contains(NEWEST) && said.contains("damaged"), "{said}");
    assert!(said.contains("resumed at step 20 of 40"), "{said}");
    assert_same(&run, &whole);
    for name in [NEWEST, PREVIOUS] {
        std::fs::write(run.join(name), &bytes[..middle]).unwrap();
    }
    let before = files(&run);
    let said = fails(resume(&run, &["--steps", "50"]));
    assert!(said.contains(NEWEST) && said.contains(PREVIOUS), "{said}");
    assert_eq!(files(&run), before);
}

/// Somebody has shortened a file: the previous checkpoint may fit it.
#[test]
fn a_file_that_is_too_short_falls_back_to_the_previous_checkpoint() {
    let temporary = tempfile::tempdir().unwrap();
    let [run, whole] = ["run", "whole"].map(|name| temporary.path().join(name));
    let arguments = ["--save-interval", "10", "--checkpoint-interval", "10"];
    succeeds(start("reference", &[&["--steps", "20"], &arguments[..]].concat(), &run));
    succeeds(start("reference", &[&["--steps", "40"], &arguments[..]].concat(), &whole));
    let shorten = |name: &str, by: u64| {
        let file = std::fs::OpenOptions::new().write(true).open(run.join(name)).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(by)).unwrap();
    };
    shorten("replica_0001.xtc", 4);
    let said = stderr(&succeeds(resume(&run, &["--steps", "40"])));
    assert!(said.contains("replica_0001.xtc: length: found"), "{said}");
    assert!(said.contains("resumed at step 10 of 40"), "{said}");
    assert_same(&run, &whole);
    shorten("energies.csv", 1_000_000);
    let before = files(&run);
    let said = fails(resume(&run, &["--steps", "50"]));
    assert!(said.contains("energies.csv: length: found 0"), "{said}");
    assert_eq!(files(&run), before);
    std::fs::remove_file(run.join("run_coords_0000.npy")).unwrap();
    std::fs::write(run.join("energies.csv"), "x".repeat(5000)).unwrap();
    let said = fails(resume(&run, &["--steps", "50"]));
    assert!(said.contains("run_coords_0000.npy"), "{said}");
}

#[test]
fn a_folder_without_a_run_is_an_error() {
    let temporary = tempfile::tempdir().unwrap();
    for folder in [temporary.path().to_owned(), temporary.path().join("none")] {
        let said = fails(resume(&folder, &[]));
        assert!(said.contains("checkpoint: found none"), "{said}");
    }
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

/// Settings come from the checkpoint: options that would be ignored are refused.
#[test]
fn settings_cannot_be_changed() {
    for option in [
        "--dt",
        "--seed",
        "--replicas",
        "--temperature",
        "--friction",
        "--output",
        "--max-force",
        "--max-kinetic",
        "--max-stretch",
    ] {
        let mut command = resume(Path::new("run"), &[option, "1"]);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(option), "{}", stderr(&output));
    }
}

#[test]
fn another_backend_goes_on_with_a_warning() {
    let (_temporary, run) = finished();
    let said = stderr(&succeeds(resume(&run, &["--steps", "30", "--backend", "cpu"])));
    assert!(said.contains("bits may differ") && log(&run).contains("bits may differ"), "{said}");
    // The run stays there.
    let said = stderr(&succeeds(resume(&run, &["--steps", "35"])));
    assert!(!said.contains("bits may differ") && said.contains("device: cpu"), "{said}");
    let said = stderr(&succeeds(resume(&run, &["--steps", "40", "--backend", "wgpu"])));
    assert!(said.contains("bits may differ"), "{said}");
}

/// Mixed precision becomes f32 on the CPU.
#[test]
fn mixed_precision_goes_on_in_f32_on_the_cpu() {
    let temporary = tempfile::tempdir().unwrap();
    let run = temporary.path().join("run");
    let arguments = ["--steps", "3", "--precision", "mixed"];
    succeeds(start("wgpu", &arguments, &run));
    let said = stderr(&succeeds(resume(&run, &["--steps", "6"])));
    assert!(!said.contains("warning"), "{said}");
    let said = stderr(&succeeds(resume(&run, &["--steps", "9", "--backend", "cpu"])));
    assert!(said.contains("in f32, but") && said.contains("in mixed: "), "{said}");
}

#[test]
fn two_runs_do_not_write_into_one_folder() {
    let temporary = tempfile::tempdir().unwrap();
    let run = temporary.path().join("run");
    let mut command = start("reference", &["--steps", "100000000"], &run);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    wait_for("checkpoint", || run.join(NEWEST).exists());
    let said = fails(resume(&run, &[]));
    assert!(said.contains(run.to_str().unwrap()) && said.contains("another run writes"), "{said}");
    let said = fails(start("reference", &["--steps", "5"], &run));
    assert!(said.contains(run.to_str().unwrap()) && said.contains("already exists"), "{said}");
    child.kill().unwrap();
    child.wait().unwrap();
    // The lock is free again.
    let steps = (step(&run) + 3).to_string();
    succeeds(resume(&run, &["--steps", &steps]));
}

#[test]
fn the_time_of_a_run_can_be_limited() {
    let temporary = tempfile::tempdir().unwrap();
    let run = temporary.path().join("run");
    let clock = Instant::now();
    let arguments = ["--steps", "100000000", "--max-hours", "0.0003"];
    let output = start("reference", &arguments, &run).output().unwrap();
    assert!(clock.elapsed() < Duration::from_secs(20), "{:?}", clock.elapsed());
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
    assert!(log(&run).contains("stopped by --max-hours at step "), "{}", log(&run));
    let done = step(&run);
    let output = resume(&run, &["--max-hours", "0.0003"]).output().unwrap();
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
    assert!(step(&run) > done);
    for bad in ["0", "-1", "nan"] {
        let said = fails(resume(&run, &["--max-hours", bad]));
        assert!(said.contains("max-hours: found"), "{said}");
    }
}

/// A limit of the size of files stands for a full disk: the run ends with one error, and goes on
/// when there is room.
#[test]
fn a_run_goes_on_after_a_full_disk() {
    let temporary = tempfile::tempdir().unwrap();
    let whole = temporary.path().join("whole");
    let arguments = ["--steps", "350", "--save-interval", "1", "--checkpoint-interval", "50"];
    succeeds(start("reference", &arguments, &whole));
    let limited = |mut command: Command, bytes: u64| {
        let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
        let set = move || match unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        };
        // SAFETY: the closure only makes a system call.
        unsafe { command.pre_exec(set) };
        fails(command)
    };
    // An array of coordinates has 43,328 bytes.
    for (limit, step_before) in [(12_000, 0), (44_000, 200)] {
        let run = temporary.path().join(limit.to_string());
        let said = limited(start("reference", &arguments, &run), limit);
        assert!(said.contains("File too large"), "{said}");
        assert!(step(&run) >= step_before || step_before == 0, "{}", step(&run));
        let said = limited(resume(&run, &[]), limit);
        assert!(said.contains("File too large"), "{said}");
        succeeds(resume(&run, &[]));
        assert_same(&run, &whole);
    }
    // The first checkpoint does not fit: nothing is left.
    let run = temporary.path().join("none");
    let command = with_system("run", &["--replicas", "100", "--steps", "5"], &run);
    let said = limited(command, 9000);
    assert!(said.contains(NEWEST) && said.contains("File too large"), "{said}");
    assert!(!run.exists());
}

/// A minimization belongs to the start of a run: a continued run neither repeats it nor checks the
/// start that needed it. Temperatures that change with the step go on.
#[test]
fn minimized_and_annealed_runs_continue() {
    let temporary = tempfile::tempdir().unwrap();
    let [whole, cut] = ["whole", "cut"].map(|name| temporary.path().join(name));
    let file = temporary.path().join("stretched.safetensors");
    let mut structures = small::structures();
    for structure in &mut structures {
        structure.positions[11] = structure.positions[11].map(|x| x + 20.0);
    }
    write_structures(&file, &structures).unwrap();
    let begin = |arguments: &[&str], folder: &Path| {
        let mut command = Command::new(PROGRAM);
        command.args(["run", TRUSTING, "--backend", "reference", "--replicas", "3"]);
        command.args(["--save-interval", "5"]);
        command.arg("--model").arg(&small_files()[0]).arg("--structures").arg(&file);
        command.args(arguments).arg("-o").arg(folder);
        command
    };
    let said = fails(begin(&["--steps", "10"], &whole));
    assert!(said.contains("the start clashes"), "{said}");
    let options = ["--minimize", "2000", "--minimize-tolerance", "0.5", "--remove-com-motion"];
    let options = [&options[..], &["--anneal", "0:300,11:450,30:200", "--npy"]].concat();
    succeeds(begin(&[&options[..], &["--steps", "40"]].concat(), &whole));
    let said = stderr(&succeeds(begin(&[&options[..], &["--steps", "15"]].concat(), &cut)));
    assert!(said.contains("minimization: 3 of 3 replicas converged within"), "{said}");
    let said = stderr(&succeeds(resume(&cut, &["--steps", "40"])));
    assert!(!said.contains("minimization"), "{said}");
    assert_same(&cut, &whole);
    let log = log(&cut);
    for line in
        ["minimization: 3 of 3", "center of mass", "temperature: 300 at step 0, 450 at step 11"]
    {
        assert!(log.contains(line), "{line}: {log}");
    }
    let energies = std::fs::read_to_string(cut.join("energies.csv")).unwrap();
    let header = energies.lines().next().unwrap();
    assert!(header.ends_with(",temperature_K,thermostat_K"), "{header}");
    let of = |step: &str| energies.lines().find(|line| line.starts_with(step)).unwrap().to_owned();
    assert!(of("5,").ends_with(",368.182") && of("40,").ends_with(",200.000"), "{energies}");
    // One step is too few, and no reason to stop.
    let few = temporary.path().join("few");
    let said = stderr(&succeeds(begin(
        &["--minimize=400", "--minimize-tolerance=1e-9", "--steps=5"],
        &few,
    )));
    assert!(said.contains("minimization: 0 of 3 replicas converged within 400 steps"), "{said}");
    assert!(said.contains("warning: some replicas did not converge"), "{said}");
}

#[test]
fn wrong_options_of_the_start_are_refused() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("run");
    let cases: [(&[&str], &str); 7] = [
        (&["--anneal", "0:300"], "at least two points"),
        (&["--anneal", "5:300,5:400"], "steps that increase"),
        (&["--anneal", "0:300,9:-4"], "a temperature > 0 K"),
        (&["--anneal", "0:300,9:400", "--integrator", "nve"], "nve"),
        (&["--minimize", "0"], "minimize: found 0"),
        (&["--minimize", "--minimize-tolerance", "0"], "minimize-tolerance: found 0"),
        (&["--remove-com-motion", "--integrator", "overdamped"], "remove-com-motion"),
    ];
    for (arguments, expected) in cases {
        let said = fails(start("reference", &[arguments, &["--steps", "5"]].concat(), &folder));
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(!folder.exists(), "{arguments:?}");
    }
    for arguments in [
        &["--anneal", "0:300,x:400"][..],
        &["--anneal", "0:300,9:400", "--temperature", "300"],
        &["--anneal", "0:300,9:400", "--beta", "1.6"],
        &["--anneal", "0:300,9:400", "--exchange-interval", "5", "--ladder", "300,400,3"],
        &["--minimize-tolerance", "1"],
        &["--minimize", "x"],
    ] {
        let mut command = start("reference", &[arguments, &["--steps", "5"]].concat(), &folder);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
    }
}
