//! The header is that of the sources, and programs in C and C++ that use it do what they should under
//! AddressSanitizer, with the numbers of the library.
#![cfg(unix)]

#[cfg(target_os = "linux")]
use std::collections::BTreeSet;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flashschnet::checkpoint::{Checkpoint, Identity};
use flashschnet::potential::{Request, Scores};
use flashschnet::simulation::{Control, Frame};
use flashschnet::{
    Backend, BackendKind, Model, Potential, Settings, Simulation, builtin, io, units,
};

/// Where Cargo puts the libraries: beside this program.
fn built() -> PathBuf {
    let program = std::env::current_exe().expect("a path");
    program.parent().expect("a folder").to_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a folder").to_owned()
}

#[test]
fn the_header_is_that_of_the_sources() {
    let c = root().join("c");
    let config = cbindgen::Config::from_file(c.join("cbindgen.toml")).expect("a configuration");
    let builder = cbindgen::Builder::new().with_config(config).with_src(c.join("src/lib.rs"));
    let mut header = Vec::new();
    builder.generate().expect("a header").write(&mut header);
    let committed = std::fs::read(root().join("include/flashschnet.h")).unwrap_or_default();
    if header != committed {
        let new = built().join("flashschnet.h");
        std::fs::write(&new, header).expect("a writable folder");
        panic!("the header is old: cp {} include/flashschnet.h", new.display());
    }
}

/// A folder with the libraries under the names that they have when they are installed.
struct Installed(tempfile::TempDir);

impl Installed {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        for (kind, from, to) in [
            ("shared", format!("{DLL_PREFIX}flashschnet_c{DLL_SUFFIX}"), shared_name()),
            ("static", "libflashschnet_c.a".to_owned(), "libflashschnet.a".to_owned()),
        ] {
            let folder = folder.path().join(kind);
            std::fs::create_dir(&folder).expect("a new folder");
            let from = built().join(from);
            assert!(from.exists(), "Cargo has not built {}", from.display());
            std::os::unix::fs::symlink(from, folder.join(to)).expect("a new link");
        }
        Installed(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Compiles a program in C or C++ with AddressSanitizer, and links the library of a kind.
    fn compile(&self, source: &str, kind: &str) -> PathBuf {
        let (compiler, standard, package) = match source.ends_with(".cpp") {
            true => ("c++", "-std=c++17", "g++"),
            false => ("cc", "-std=c99", "gcc libc6-dev"),
        };
        let program = self.path(&format!("{}-{kind}", source.replace(['/', '.'], "_")));
        let folder = self.path(kind);
        let mut command = Command::new(compiler);
        command.args([standard, "-Wall", "-Wextra", "-Werror", "-pedantic"]);
        command.args(["-g", "-O1", "-fsanitize=address"]);
        command.arg("-I").arg(root().join("include")).arg(root().join("c").join(source));
        command.arg("-L").arg(&folder).arg("-lflashschnet");
        match kind {
            "shared" => command.arg(format!("-Wl,-rpath,{}", folder.display())),
            // Those of `rustc --print native-static-libs`.
            _ => command.args(["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-ldl"]),
        };
        command.arg("-lm").arg("-o").arg(&program);
        let found = command.output().unwrap_or_else(|error| {
            panic!("{compiler}: {error}; install a compiler, on Debian: apt install {package}")
        });
        let messages = String::from_utf8_lossy(&found.stderr);
        assert!(found.status.success(), "{command:?}\n{messages}");
        program
    }
}

/// Starts a program. Wrong accesses of memory and, on Linux, leaks let it fail.
fn start(program: &Path, arguments: &[PathBuf]) -> Output {
    let mut command = Command::new(program);
    let leaks = if cfg!(target_os = "linux") { "detect_leaks=1" } else { "" };
    command.args(arguments).env("ASAN_OPTIONS", leaks).env_remove("LSAN_OPTIONS");
    command.output().expect("a program that starts")
}

/// The output of a program that succeeds without a message.
fn run(program: &Path, arguments: &[PathBuf]) -> String {
    let found = start(program, arguments);
    let [out, err] = [found.stdout, found.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(found.status.success(), "{program:?}: {}\n{out}{err}", found.status);
    assert_eq!(err, "", "{program:?}");
    out
}

fn shared_name() -> String {
    format!("{DLL_PREFIX}flashschnet{DLL_SUFFIX}")
}

/// The numbers of a line.
fn numbers(line: &str) -> Vec<f64> {
    line.split([' ', ',']).filter_map(|word| word.parse().ok()).collect()
}

/// The built-in model without its network, whose tables take a while.
fn priors() -> Model {
    Model { schnet: None, ..builtin::model() }
}

impl Installed {
    /// The files of [`priors`] and of the built-in structure.
    fn files(&self) -> [PathBuf; 2] {
        let files = [self.path("model é"), self.path("structures")];
        io::native::write_model(&files[0], &priors()).unwrap();
        io::native::write_structures(&files[1], &[builtin::structure()]).unwrap();
        files
    }
}

#[test]
fn the_example_in_c_gives_the_energies_and_forces_of_the_library() {
    let installed = Installed::new();
    let program = installed.compile("examples/score.c", "shared");
    check_scores(&priors(), &run(&program, &installed.files()));
    let program = match cfg!(target_os = "linux") {
        true => installed.compile("examples/score.c", "static"),
        false => program,
    };
    check_scores(&builtin::model(), &run(&program, &[]));
}

/// The lines of `score.c` for a model and the built-in structure.
fn check_scores(model: &Model, output: &str) {
    let structure = builtin::structure();
    let backend = Backend::open(BackendKind::Cpu, None).unwrap();
    let start = structure.positions.clone();
    let (mut moved, mut wrong) = (start.clone(), start.clone());
    moved[0][0] += 0.1;
    wrong[0][0] = f64::NAN;
    let mut potential = Potential::new(model, &[structure], backend).unwrap();
    let mut scores = Scores::default();
    let positions = [start, moved, wrong].concat();
    potential.evaluate(&[0; 3], &positions, &Request::forces(), &mut scores).unwrap();
    let evaluation = &scores.evaluations[0];
    assert_ne!(evaluation.energy[0], evaluation.energy[1]);
    let lines: Vec<&str> = output.lines().collect();
    for (item, line) in lines.iter().enumerate().take(2) {
        let [x, y, z] = evaluation.forces[item * 269];
        assert_eq!(numbers(line), [evaluation.energy[item], x, y, z], "{line}");
    }
    assert_eq!(lines[2..], [format!("invalid: {}", scores.failed[&2])]);
}

#[test]
fn the_example_in_cpp_moves_and_continues_as_the_library_does() {
    let installed = Installed::new();
    let program = installed.compile("examples/run.cpp", "shared");
    let folder = installed.path("run");
    std::fs::create_dir(&folder).unwrap();
    let [model, structures] = installed.files();
    let out = run(&program, &[folder.clone(), model, structures]);

    let (model, structures) = (priors(), [builtin::structure()]);
    let backend = Backend::open(BackendKind::Cpu, None).unwrap().for_dynamics();
    let beta = vec![units::beta(310.0)];
    let settings = Settings { n_replicas: 2, beta, seed: 11, ..Settings::default() };
    let mut simulation = Simulation::new(&model, &structures, &settings, &backend).unwrap();
    let mut frames = Vec::new();
    let mut observer = |frame: &Frame, _: &mut Control| {
        frames.push((frame.step, frame.potential.to_vec()));
        Ok(())
    };
    simulation.run_with(8, 4, &mut observer).unwrap();
    let lines: Vec<&str> = out.lines().collect();
    for ((step, potential), line) in frames.iter().zip(&lines) {
        let (first, rest) = line.split_once(':').unwrap();
        assert_eq!((first, numbers(rest)), (&*format!("step {step}"), potential.clone()));
    }
    assert_eq!(lines[2], "2 frames, 8 steps");

    let identity = Identity::new(&model, &structures, &backend).unwrap();
    let (saved, _) = Checkpoint::latest(&folder, |_| Ok(())).unwrap();
    assert!(saved == Checkpoint::new(&mut simulation, &identity).unwrap(), "another checkpoint");
    simulation.run(4).unwrap();
    let x = simulation.positions().unwrap()[0][0];
    let (first, rest) = lines[3].split_once(',').unwrap();
    let (_, number) = first.split_once(": ").unwrap();
    assert_eq!(numbers(number), [x], "{first}");
    assert_eq!((rest, lines.len()), (" the same bits: yes", 4));
}

#[test]
fn wrong_calls_are_errors() {
    let installed = Installed::new();
    let program = installed.compile("tests/misuse.c", "shared");
    let folder = installed.path("misuse");
    std::fs::create_dir(&folder).unwrap();
    let [model, _] = installed.files();
    let out = run(&program, &[model, folder]);
    assert!(out.ends_with(" checks hold\n") && numbers(&out)[0] > 150.0, "{out}");
    if cfg!(target_os = "linux") {
        let found = start(&program, &[]);
        let messages = String::from_utf8_lossy(&found.stderr);
        let is_found = messages.contains("LeakSanitizer: detected memory leaks");
        assert!(is_found && !found.status.success(), "a leak is not found: {messages}");
    }
}

/// The library gives other programs the functions of the header and nothing else.
#[cfg(target_os = "linux")]
#[test]
fn the_shared_library_exports_the_functions_of_the_header() {
    let header = std::fs::read_to_string(root().join("include/flashschnet.h")).unwrap();
    let declared = header.split('(').filter_map(|before| {
        let name = before.rsplit([' ', '*', '\n']).next().unwrap_or_default();
        (name.starts_with("fsn_") && !name.ends_with(')')).then(|| name.to_owned())
    });
    let declared: BTreeSet<String> = declared.collect();
    let library = built().join("libflashschnet_c.so");
    let listed = Command::new("nm").args(["-D", "--defined-only"]).arg(library).output();
    let listed = listed.expect("nm, a part of Debian's package binutils");
    let exported: BTreeSet<String> = String::from_utf8_lossy(&listed.stdout)
        .lines()
        .filter_map(|line| line.split(' ').nth(2).map(str::to_owned))
        .collect();
    assert!(declared.len() > 40, "{declared:?}");
    assert_eq!(exported, declared);
}

/// The page of the guide shows the example that is tested.
#[test]
fn the_guide_shows_the_example() {
    let page = std::fs::read_to_string(root().join("docs/c.md")).unwrap();
    let (_, rest) = page.split_once("```c\n").expect("a block in C");
    let (snippet, _) = rest.split_once("```").expect("the end of the block");
    let example = std::fs::read_to_string(root().join("c/examples/score.c")).unwrap();
    assert!(snippet.lines().count() > 10 && example.contains(snippet), "{snippet}");
}
