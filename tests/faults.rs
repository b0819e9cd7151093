//! The program when its streams, disks, folders or threads fail, and when signals come.
#![cfg(unix)]

use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::program::{PROGRAM, small_files, small_system, stderr, with_system};

const LONG: [&str; 4] = ["--replicas", "2", "--steps", "100000000"];

/// The numbers of frames in the trajectories, the table and the arrays of two replicas.
fn frames(folder: &Path) -> [usize; 4] {
    let xtc = |r: usize| {
        let path = folder.join(format!("replica_{r:04}.xtc"));
        molly::XTCReader::open(path).unwrap().read_all_frames().unwrap().len()
    };
    let text = std::fs::read_to_string(folder.join("energies.csv")).unwrap();
    assert!(text.ends_with('\n') && text.lines().all(|row| row.split(',').count() == 6));
    let n_rows = text.lines().count() - 1;
    assert_eq!(n_rows % 2, 0);
    let mut in_arrays = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.ends_with(".partial"), "{name}");
        if name.contains("_coords_") {
            let file = npyz::NpyFile::new(File::open(folder.join(&name)).unwrap()).unwrap();
            let shape = file.shape().to_vec();
            assert_eq!(file.into_vec::<f32>().unwrap().len() as u64, shape.iter().product::<u64>());
            in_arrays += shape[1] as usize;
        }
    }
    [xtc(0), xtc(1), n_rows / 2, in_arrays]
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("run.log")).unwrap()
}

/// Starts a command and waits until the run has saved a few frames.
fn started(mut command: Command, folder: &Path, n_rows: usize) -> Child {
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let clock = Instant::now();
    let rows = || std::fs::read_to_string(folder.join("energies.csv")).unwrap_or_default();
    while rows().lines().count() < n_rows + 1 {
        assert!(clock.elapsed() < Duration::from_secs(120), "no frames");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

/// Lets the program see SIGHUP, which the tests ignore if they run under `nohup` themselves.
fn heeding_hangups(command: &mut Command) -> &mut Command {
    // SAFETY: the closure only makes a system call.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGHUP, libc::SIG_DFL);
            Ok(())
        })
    }
}

fn kill(child: &Child, signal: i32) {
    // SAFETY: the child has not been waited for, so the process id is still its own.
    assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
}

fn limited(command: &mut Command, resource: i32, bytes: u64) -> &mut Command {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    let set = move || match unsafe { libc::setrlimit(resource as _, &raw const limit) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    };
    // SAFETY: the closure only makes a system call.
    unsafe { command.pre_exec(set) }
}

/// A device on which every write fails for want of room. Only Linux has one.
#[cfg(target_os = "linux")]
fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

/// A pipe whose reader is gone.
fn broken() -> std::io::PipeWriter {
    std::io::pipe().unwrap().1
}

#[test]
fn signals_stop_a_run_and_leave_whole_files() {
    let folder = tempfile::tempdir().unwrap();
    for (signal, name) in [
        (libc::SIGINT, "SIGINT"),
        (libc::SIGTERM, "SIGTERM"),
        (libc::SIGHUP, "SIGHUP"),
        (libc::SIGUSR1, "SIGUSR1"),
        (libc::SIGUSR2, "SIGUSR2"),
        (libc::SIGXCPU, "SIGXCPU"),
    ] {
        let run = folder.path().join(name);
        let mut command = with_system("run", &LONG, &run);
        heeding_hangups(&mut command).args(["--save-interval", "4", "--npy"]);
        let child = started(command, &run, 8);
        kill(&child, signal);
        // A terminal that closes sends the signal twice.
        kill(&child, signal);
        let output = child.wait_with_output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(128 + signal), "{said}");
        assert!(said.contains(&format!("interrupted by {name} at step ")), "{said}");
        let found = frames(&run);
        assert!(found[0] > 0 && found.iter().all(|n| *n == found[0]), "{found:?}");
        let last = format!("last frame of step {}: ", 4 * found[0]);
        assert!(log(&run).contains(&last) && log(&run).contains(name), "{}", log(&run));
    }
}

/// A run of many replicas takes seconds to create its files.
#[test]
fn a_signal_does_not_wait_for_all_files_to_be_created() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut command = with_system("run", &["--replicas", "60000", "--steps", "100000000"], &run);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let clock = Instant::now();
    while !run.join("replica_1000.xtc").exists() {
        assert!(clock.elapsed() < Duration::from_secs(120), "no files");
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(1));
    }
    if cfg!(target_os = "linux") {
        let open = std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap().count();
        assert!(open < 16, "{open} open files");
    }
    kill(&child, libc::SIGTERM);
    let clock = Instant::now();
    let output = child.wait_with_output().unwrap();
    let said = stderr(&output);
    assert!(clock.elapsed() < Duration::from_secs(10), "{:?}", clock.elapsed());
    assert_eq!(output.status.code(), Some(128 + libc::SIGTERM), "{said}");
    assert!(said.contains("interrupted by SIGTERM before the first step: no files"), "{said}");
    assert!(!run.exists());
}

/// `nohup` ignores SIGHUP for the program that it starts.
#[test]
fn a_run_under_nohup_outlives_its_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut command = with_system("run", &LONG, &run);
    command.args(["--save-interval", "4"]);
    // SAFETY: the closure only makes a system call.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGHUP, libc::SIG_IGN);
            Ok(())
        });
    }
    let child = started(command, &run, 4);
    kill(&child, libc::SIGHUP);
    std::thread::sleep(Duration::from_millis(1500));
    kill(&child, libc::SIGTERM);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(128 + libc::SIGTERM));
    assert!(log(&run).contains("interrupted by SIGTERM"), "{}", log(&run));
}

#[test]
fn a_signal_does_not_wait_for_a_frame() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut command = with_system("run", &LONG, &run);
    command.args(["--save-interval", "100000000", "--npy"]);
    let child = started(command, &run, 0);
    std::thread::sleep(Duration::from_millis(500));
    kill(&child, libc::SIGTERM);
    let clock = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert!(clock.elapsed() < Duration::from_secs(10), "{:?}", clock.elapsed());
    assert_eq!(output.status.code(), Some(128 + libc::SIGTERM));
    assert_eq!(frames(&run), [0; 4]);
    assert!(log(&run).contains("last frame none: "), "{}", log(&run));
    assert!(!stderr(&output).contains(".npy"), "{}", stderr(&output));
}

/// A step of 32 replicas of the built-in system takes many seconds on the reference backend.
#[test]
fn a_second_signal_ends_a_run_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut command = Command::new(PROGRAM);
    command.args(["run", "--builtin", "--backend", "reference", "--replicas", "2"]);
    command.args(["--steps", "10", "-o"]).arg(&run);
    heeding_hangups(&mut command);
    let child = started(command, &run, 0);
    std::thread::sleep(Duration::from_millis(200));
    kill(&child, libc::SIGTERM);
    std::thread::sleep(Duration::from_millis(800));
    kill(&child, libc::SIGHUP);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(128 + libc::SIGHUP));
    assert!(!log(&run).contains("interrupted"), "{}", log(&run));
}

/// Streams whose text is lost, and their names.
fn lost() -> Vec<(&'static str, Stdio)> {
    vec![
        ("pipe", broken().into()),
        #[cfg(target_os = "linux")]
        ("full", full().into()),
    ]
}

/// Nobody receives the messages of a run any more, as after a lost terminal or on a full disk.
#[test]
fn a_run_outlives_the_reader_of_its_messages() {
    let folder = tempfile::tempdir().unwrap();
    for (name, stream) in lost() {
        let run = folder.path().join(name);
        let arguments = ["--replicas", "2", "--steps", "8", "--save-interval", "4", "--npy"];
        let mut command = with_system("run", &arguments, &run);
        // A wrong filter, and the warnings that it lets pass, are messages too.
        let status = command.env("RUST_LOG", "=,=").stderr(stream).status().unwrap();
        assert!(status.success(), "{status}");
        assert_eq!(frames(&run), [2; 4]);
    }
    // Errors and usage keep their exit codes.
    for (arguments, code) in [(["energy", "--model", "no-such-file"], 1), (["run", "--no", "x"], 2)]
    {
        for (_, stream) in lost() {
            let status = Command::new(PROGRAM).args(arguments).stderr(stream).status().unwrap();
            assert_eq!(status.code(), Some(code), "{arguments:?}");
        }
    }
}

/// The reader of the messages does not read, as a pager or a stopped terminal.
#[test]
fn a_run_does_not_wait_for_the_reader_of_its_messages() {
    use std::io::Write;
    let (reader, writer) = std::io::pipe().unwrap();
    // A thread fills the pipe and waits. It ends when the reader is dropped.
    let mut filler = writer.try_clone().unwrap();
    std::thread::spawn(move || filler.write_all(&vec![b'x'; 16 << 20]));
    std::thread::sleep(Duration::from_millis(300));
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let arguments = ["--replicas", "2", "--steps", "400", "--save-interval", "4"];
    let clock = Instant::now();
    let mut child = with_system("run", &arguments, &run).stderr(writer).spawn().unwrap();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if clock.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("the run waits");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{status}");
    assert_eq!(frames(&run)[..3], [100; 3]);
    drop(reader);
}

/// Commands that print a result, with the name of their output file if they write one.
fn printing(folder: &Path) -> Vec<(Command, Option<&'static str>)> {
    let [model, _] = small_files();
    let command = |arguments: &[&str], file: Option<&str>| {
        let mut command = Command::new(PROGRAM);
        command.args(arguments);
        if let Some(file) = file {
            command.arg("-o").arg(folder.join(file.split('.').next().unwrap()));
        }
        command
    };
    let energy = [&["energy", "--csv"][..], &small_system()].concat();
    let import = ["import", model.to_str().unwrap()];
    let report = ["info", "--precision", "--model", model.to_str().unwrap()];
    let mut commands = vec![(command(&energy, Some("energies")), Some("energies"))];
    commands.push((command(&import, Some("copy")), Some("copy.model.safetensors")));
    for arguments in [
        &energy[..],
        &report,
        &["verify", "--backend", "reference"],
        &["bench", "--backend", "cpu", "--replicas", "1", "--steps", "4"],
        &["info", "--trust-device"],
        &["--help"],
        &["run", "--help"],
        &["--version"],
    ] {
        commands.push((command(arguments, None), None));
    }
    commands
}

/// Stdout is full or closed (`>&-`). Files are written nevertheless, and the error tells so.
#[test]
fn a_result_that_cannot_be_printed_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let close = |command: &mut Command| {
        // SAFETY: the closure only makes a system call.
        unsafe {
            command.pre_exec(|| match libc::close(libc::STDOUT_FILENO) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
    };
    type Spoil = dyn Fn(&mut Command);
    let ways: [(&str, &Spoil); _] = [
        ("closed since the start", &close),
        #[cfg(target_os = "linux")]
        ("No space left", &|command| {
            command.stdout(full());
        }),
    ];
    for (message, spoil) in ways {
        for (mut command, file) in printing(folder.path()) {
            spoil(&mut command);
            let output = command.output().unwrap();
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{command:?}: {said}");
            assert!(said.contains(&format!("error: stdout: {message}")), "{command:?}: {said}");
            if let Some(file) = file.map(|file| folder.path().join(file)) {
                assert!(said.contains(&format!("{} is written", file.display())), "{said}");
                std::fs::remove_file(file).unwrap();
            }
        }
    }
}

/// A program that is started with `/dev/null` as stdout, for reading too, succeeds.
#[test]
fn a_result_for_dev_null_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    for write in [false, true] {
        for (mut command, file) in printing(folder.path()) {
            let null = OpenOptions::new().read(write).write(true).open("/dev/null").unwrap();
            let output = command.stdout(null).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{command:?}: {}", stderr(&output));
            if let Some(file) = file {
                std::fs::remove_file(folder.path().join(file)).unwrap();
            }
        }
    }
}

/// The files of the run are complete without its log.
#[test]
fn a_log_that_is_removed_does_not_fail_the_run() {
    let folder = tempfile::tempdir().unwrap();
    // A machine may finish a short run before the log is removed: then a longer one follows.
    let finished = ["400", "4000", "40000", "400000"].map(|steps| (steps, 0));
    let mut is_tested = false;
    for (steps, code) in finished.into_iter().chain([(LONG[3], 143)]) {
        if is_tested && code == 0 {
            continue;
        }
        let run = folder.path().join(steps);
        let arguments = ["--replicas", "2", "--steps", steps, "--save-interval", "4", "--npy"];
        let child = started(with_system("run", &arguments, &run), &run, 4);
        std::fs::remove_file(run.join("run.log")).unwrap();
        if code != 0 {
            assert!(is_tested, "every finished run was too short");
            kill(&child, libc::SIGTERM);
        }
        let output = child.wait_with_output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        is_tested = said.contains("warning: ");
        if !is_tested && code == 0 {
            continue;
        }
        let warned = said.lines().find(|line| line.starts_with("warning: "));
        assert!(warned.is_some_and(|line| line.contains("run.log: No such file")), "{said}");
        let found = frames(&run);
        assert!(found[0] > 0 && found.iter().all(|n| *n == found[0]), "{found:?}");
    }
}

/// `head` closes the pipe early. That is no error, and files are written nevertheless.
#[test]
fn a_closed_pipe_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    for (mut command, file) in printing(folder.path()) {
        let output = command.stdout(broken()).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{command:?}: {said}");
        assert!(!said.contains("error") && !said.contains("panic"), "{command:?}: {said}");
        assert!(file.is_none_or(|file| folder.path().join(file).exists()), "{command:?}");
    }
}

/// A limit of the size of files stands for a full disk: writing fails in the middle of a frame.
#[test]
fn a_full_disk_leaves_whole_frames_and_the_error() {
    let folder = tempfile::tempdir().unwrap();
    for (limit, npy) in
        [(4500, false), (5555, false), (6666, false), (20_000, true), (30_000, true)]
    {
        let run = folder.path().join(limit.to_string());
        let mut command = with_system("run", &LONG, &run);
        command.args(["--save-interval", "1"]);
        if npy {
            command.arg("--npy");
        }
        let output = limited(&mut command, libc::RLIMIT_FSIZE as i32, limit).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("error: ") && said.contains("File too large"), "{said}");
        let found = frames(&run);
        let n_frames = found[0];
        let n_arrays = if npy { n_frames } else { 0 };
        assert_eq!(found, [n_frames, n_frames, n_frames, n_arrays]);
        // The coordinates of a block have 28,928 bytes.
        assert_eq!(n_frames > 10, limit != 20_000, "{said}");
        let saved = match n_frames {
            0 => "no frame was saved before the error".into(),
            n => format!("frames up to step {n} are complete"),
        };
        assert!(said.contains(&saved), "{said}");
        let log = log(&run);
        let last = log.lines().last().unwrap();
        assert!(last.starts_with("error: ") && last.ends_with("File too large (os error 27)"));
    }
}

/// A run that cannot start leaves nothing behind, so that a second try is not refused.
#[test]
fn a_run_that_cannot_start_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("new/folders/run");
    let arguments = ["--replicas", "2", "--steps", "8"];
    for limit in [0, 100, 4095] {
        let mut command = with_system("run", &arguments, &run);
        let output = limited(&mut command, libc::RLIMIT_FSIZE as i32, limit).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
        assert!(stderr(&output).contains("File too large"), "{}", stderr(&output));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for bad in [file.clone(), file.join("run"), "/dev/null/run".into(), "/dev/null".into()] {
        let output = with_system("run", &arguments, &bad).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
        assert!(stderr(&output).contains(bad.to_str().unwrap()), "{}", stderr(&output));
    }
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 0);
    let output = with_system("run", &arguments, &run).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

/// Other commands leave no partial file.
#[test]
fn a_file_that_cannot_be_written_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for (mut command, file) in printing(folder.path()) {
        if file.is_some() {
            let output = limited(&mut command, libc::RLIMIT_FSIZE as i32, 200).output().unwrap();
            assert_eq!(output.status.code(), Some(1));
            assert!(stderr(&output).contains("File too large"), "{}", stderr(&output));
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_that_is_removed_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut command = with_system("run", &LONG, &run);
    command.args(["--save-interval", "4", "--npy"]);
    let child = started(command, &run, 4);
    // The run can create a file in the meantime.
    while run.exists() {
        let _ = std::fs::remove_dir_all(&run);
    }
    let output = child.wait_with_output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    // The file that is missed first depends on the moment.
    let missed = |line: &str| line.contains(run.to_str().unwrap()) && line.contains("No such file");
    assert!(said.lines().any(missed), "{said}");
    assert!(said.contains("may be incomplete") && !run.exists(), "{said}");
}

/// The run ends with one error. All files are completed where they are now, and continue there. A
/// second folder at the old place is left alone.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_is_moved_has_whole_files() {
    let folder = tempfile::tempdir().unwrap();
    let (run, elsewhere) = (folder.path().join("run"), folder.path().join("elsewhere"));
    for replaced in [false, true] {
        let mut command = with_system("run", &LONG, &run);
        command.args(["--save-interval", "4", "--npy"]);
        let child = started(command, &run, 8);
        std::fs::rename(&run, &elsewhere).unwrap();
        if replaced {
            std::fs::create_dir(&run).unwrap();
        }
        let output = child.wait_with_output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
        let message = format!("moved to {} while the run wrote to it", elsewhere.display());
        assert!(errors.len() == 1 && errors[0].contains(&message), "{said}");
        let found = frames(&elsewhere);
        // The fourth frame can have been under way.
        assert!(found[0] >= 3 && found.iter().all(|n| *n == found[0]), "{found:?}");
        let saved = format!("frames up to step {} are complete in", 4 * found[0]);
        assert!(said.contains(&saved), "{said}");
        assert!(log(&elsewhere).contains(&message), "{}", log(&elsewhere));
        if replaced {
            assert_eq!(std::fs::read_dir(&run).unwrap().count(), 0);
        }
        let resume = ["run", "--resume", elsewhere.to_str().unwrap(), "--steps", "40"];
        let output = Command::new(PROGRAM).args(resume).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(frames(&elsewhere), [10; 4]);
        std::fs::remove_dir_all(&elsewhere).unwrap();
    }
}

/// Another program changes a file: the run does not go on in silence, and the other files have the
/// same frames.
#[test]
fn a_file_that_is_replaced_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["energies.csv", "replica_0001.xtc", "run_potential_0000.npy.partial"] {
        let run = folder.path().join(name);
        let mut command = with_system("run", &LONG, &run);
        command.args(["--save-interval", "100", "--npy"]);
        let child = started(command, &run, 4);
        // The file appears at once, and with it a length that the run has not written.
        std::fs::write(run.join("other"), "step\n").unwrap();
        std::fs::rename(run.join("other"), run.join(name)).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(name) && said.contains("another program changed"), "{said}");
        assert!(said.contains("may be incomplete"), "{said}");
        let own = std::fs::read_to_string(run.join(name)).unwrap();
        assert_eq!(own, "step\n");
        assert!(log(&run).contains("error: "), "{}", log(&run));
        let read = |r: usize| {
            let path = run.join(format!("replica_{r:04}.xtc"));
            molly::XTCReader::open(path).unwrap().read_all_frames().map(|all| all.len()).ok()
        };
        if !name.ends_with(".xtc") {
            assert_eq!(read(0).unwrap(), read(1).unwrap());
        }
    }
}

/// A user who may have one process, and on Linux so no second thread. The limit does not apply to root, who
/// therefore becomes a user without a name, for whom the program lies in a public folder.
#[cfg(target_os = "linux")]
#[test]
fn threads_that_do_not_start_are_no_panic() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let copy = folder.path().join("flashschnet");
    // By another process: a test that starts a program now would inherit the open file, and a file that
    // is open for writing cannot be started.
    assert!(Command::new("cp").args([Path::new(PROGRAM), &copy]).status().unwrap().success());
    let mut command = Command::new(copy);
    command.args(["energy", "--csv", "--builtin", "--backend", "cpu"]).current_dir("/");
    let expected = command.env("RAYON_NUM_THREADS", "1").output().unwrap();
    limited(command.env("RAYON_NUM_THREADS", "8"), libc::RLIMIT_NPROC as i32, 1);
    // SAFETY: the closure only makes system calls.
    unsafe {
        command.pre_exec(|| match libc::geteuid() == 0 && libc::setuid(54_321) != 0 {
            true => Err(std::io::Error::last_os_error()),
            false => Ok(()),
        });
    }
    let output = command.output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("warning: the system started 0 of 8 threads"), "{said}");
    assert_eq!(output.stdout, expected.stdout);
}
