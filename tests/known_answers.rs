//! Known answers: every path of a device gives them, and an error in any kernel does not pass.

use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flashschnet::Backend;
use flashschnet::engine::{Filter, Numerics};
use flashschnet::error::Error;
use flashschnet::gpu::compose::{KERNELS, compose};
use flashschnet::gpu::{Device, FeatureSet};

use crate::common::program::{PROGRAM, small_files, stderr, stdout};
use crate::common::{MIXED, device, emulated};

/// A backend on a device, which is not trusted.
fn on(device: Device, numerics: impl Into<Numerics>) -> Backend {
    let Numerics { filter, precision } = numerics.into();
    Backend::from_device(device).with_precision(precision).unwrap().with_filter(filter)
}

#[test]
fn every_path_gives_them() {
    let [full, portable] = [FeatureSet::Full, FeatureSet::Portable].map(device);
    for (device, numerics) in
        [(&full, Filter::Exact.into()), (&full, MIXED), (&portable, Filter::TABLE.into())]
    {
        on(device.clone(), numerics).check().unwrap();
    }
}

#[test]
#[ignore = "takes long without a GPU"]
fn further_paths_give_them() {
    on(device(FeatureSet::Portable), MIXED).check().unwrap();
    on(emulated(), Filter::TABLE).check().unwrap();
}

#[test]
#[cfg(feature = "cuda")]
#[ignore = "needs CUDA"]
fn cuda_gives_them() {
    for numerics in [Filter::TABLE.into(), Filter::Exact.into(), MIXED, crate::common::MIXED_EXACT]
    {
        on(crate::common::cuda_device(), numerics).check().unwrap();
    }
}

/// The quantity that is wrong with an error in a kernel.
fn fault(numerics: impl Into<Numerics>, kernel: &'static str, text: [&'static str; 2]) -> String {
    let [found, put] = text;
    let device = device(FeatureSet::Portable).planting(kernel, found, put);
    match on(device, numerics).check() {
        Err(Error::WrongResults { found, .. }) => found,
        other => panic!("{kernel}, {found} -> {put}: {other:?}"),
    }
}

/// A barrier is missing. On llvmpipe a subgroup of 8 ends before the next one begins, so the error shows
/// every time. On other devices, whose subgroups may be as large as a workgroup, it need not show.
#[test]
fn missing_barriers_are_found_on_llvmpipe() {
    let is_llvmpipe = device(FeatureSet::Portable).name().starts_with("llvmpipe");
    for (kernel, found, put) in [
        ("neighbor_count", "workgroupBarrier();", ""),
        ("cfconv_forward_table", "own);\n                workgroupBarrier();", "own);"),
    ] {
        match is_llvmpipe {
            true => println!("{kernel}: {}", fault(Filter::TABLE, kernel, [found, put])),
            false => println!("{kernel}: not asserted, because this is not llvmpipe"),
        }
    }
}

/// A wrong sign, a transposed index, an element too few or too many.
#[test]
fn errors_in_kernels_are_found() {
    for (kernel, found, put) in [
        ("neighbor_check", "= REACH2", "= 100.0 * REACH2"),
        ("neighbor_check", "recentered(position[i], by)", "position[i]"),
        ("neighbor_count", "j < me.first + n", "j < me.first + n - 1u"),
        ("edges", "j - first", "j - first + 1u"),
        ("cfconv_backward_table", "y_i * grad_j", "y_i * grad_i"),
        ("block_forward", "product(LIN, HIDDEN, HIDDEN", "product(LIN2, HIDDEN, HIDDEN"),
        ("readout", "act_slope4(z[0u])", "act_slope4(z[0u] + 0.25)"),
        ("integrate_begin", "way = h * v", "way = h + v"),
        ("exchange", "tally[own.w + 2u", "tally[own.w - 2u"),
    ] {
        let fault = fault(Filter::TABLE, kernel, [found, put]);
        println!("{kernel}: {found} -> {put}: {fault}");
    }
}

/// How a kernel with an error is told to a process of its own.
const PLANTED: [&str; 3] = ["PLANTED_KERNEL", "PLANTED_FOUND", "PLANTED_PUT"];

/// Whether the kernel runs with exact filters only, or `None` for one that known answers do not run.
fn is_exact(kernel: &str) -> Option<bool> {
    match kernel {
        "radial_basis" | "dense" | "noise" | "limit_copy" | "limit_fma" => None,
        name if name.ends_with("_matrix") => None,
        "cfconv_forward" | "cfconv_backward" | "neighbor_limit" => Some(true),
        _ => Some(false),
    }
}

#[test]
#[ignore = "most_small_errors_are_found starts it"]
fn child() {
    let [Ok(kernel), Ok(found), Ok(put)] = PLANTED.map(std::env::var) else { return };
    let exact = is_exact(&kernel).unwrap();
    let planted = device(FeatureSet::Portable).planting(&kernel, &found, &put);
    let result = on(planted, if exact { Filter::Exact } else { Filter::TABLE }).check();
    println!(
        "{}",
        match result {
            Ok(()) => "missed",
            Err(Error::WrongResults { .. } | Error::DeviceLost { .. }) => "found",
            Err(_) => "no program",
        }
    );
}

/// Runs the known answers with an error in a process of its own, because an error can make a kernel run
/// for minutes. Then the error is found, too.
fn planted_alone(kernel: &str, line: &str, wrong: &str) -> &'static str {
    const SECONDS: u64 = 60;
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--ignored", "--exact", "--nocapture", "known_answers::child"]);
    child.envs(PLANTED.into_iter().zip([kernel, line, wrong]));
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(SECONDS);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            return "found, too slow";
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let said = stdout(&child.wait_with_output().unwrap());
    let known = ["missed", "found", "no program"];
    // A kernel may also end the process.
    known.into_iter().find(|what| said.lines().any(|line| line == *what)).unwrap_or("found, ended")
}

/// Small errors in the lines of every kernel that allow them. Two of three must be found. The others
/// change nothing in sound runs of small systems: they are in bounds that such systems do not reach, in
/// the reports of lists without room, or in loops over more channels. `FLASHSCHNET_PLANTED_EVERY=N` plants
/// every Nth error only.
#[test]
#[ignore = "takes long: tests/long/planted"]
fn most_small_errors_are_found() {
    let every = std::env::var("FLASHSCHNET_PLANTED_EVERY").map_or(1, |n| n.parse().unwrap());
    let mut planted: Vec<[String; 3]> = Vec::new();
    for (kernel, source) in KERNELS.iter().filter(|(kernel, _)| is_exact(kernel).is_some()) {
        let body = &source[source.find("@compute").unwrap()..];
        // Comments, and lines whose errors change nothing: which invocation writes, and clamps of the
        // numbers of invocations without work.
        let matters = |line: &&str| {
            source.matches(*line).count() == 1
                && !line.trim_start().starts_with("//")
                && !line.contains("lane == 0u")
                && (!line.contains("min(") || !line.contains(" - 1u)"))
        };
        for line in body.lines().filter(matters) {
            for (of, put) in [
                (" + ", " - "),
                (" - ", " + "),
                (" += ", " -= "),
                (" < ", " <= "),
                (" * ", " + "),
                (".x", ".y"),
                (" == 0u", " == 1u"),
            ] {
                if line.contains(of) && compose(kernel, &[]).contains(line) {
                    let wrong = line.replacen(of, put, 1);
                    planted.push([(*kernel).to_owned(), line.to_owned(), wrong]);
                }
            }
        }
    }
    let planted: Vec<_> = planted.iter().step_by(every).collect();
    let (next, counts) = (AtomicUsize::new(0), [const { AtomicUsize::new(0) }; 2]);
    let work = || {
        while let Some([kernel, line, wrong]) = planted.get(next.fetch_add(1, Ordering::Relaxed)) {
            let what = planted_alone(kernel, line, wrong);
            if what != "no program" {
                counts[usize::from(what == "missed")].fetch_add(1, Ordering::Relaxed);
            }
            println!("{what}, {kernel}: {} -> {}", line.trim(), wrong.trim());
        }
    };
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..n_threads).for_each(|_| drop(scope.spawn(work))));
    let [caught, missed] = counts.map(AtomicUsize::into_inner);
    println!("{} errors: {caught} found, {missed} missed", planted.len());
    assert!(missed * 2 <= caught, "{missed} errors missed, {caught} found");
}

/// The program with an error in a kernel.
fn planted(arguments: &[&str]) -> Output {
    let error = "block_backward|rows[0u] += grad_h|rows[0u] -= grad_h";
    let mut program = Command::new(PROGRAM);
    let adapter = flashschnet::gpu::adapters().unwrap().remove(0).name;
    program.args(arguments).env("FLASHSCHNET_PLANTED_ERROR", error);
    program.env("WGPU_ADAPTER_NAME", adapter).output().unwrap()
}

/// A device that computes wrongly is named by `info`, refused by name and skipped by `auto`, and
/// nothing is written. With `--trust-device` `auto` takes it all the same.
#[test]
fn a_wrong_device_is_named_refused_and_skipped() {
    let said = stdout(&planted(&["info"]));
    let name = flashschnet::gpu::adapters().unwrap().remove(0).name;
    let line = said.lines().find(|line| line.contains("known answers")).unwrap();
    assert!(line.contains("NOT GIVEN: forces of the network, replica 0: found"), "{said}");
    assert!(said.contains(&format!("auto takes: cpu (computing on the CPU: {name}")), "{said}");

    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("run");
    let [model, structures] = small_files().each_ref().map(|file| file.to_str().unwrap());
    let job = ["run", "--model", model, "--structures", structures, "--steps", "4"];
    let run =
        |more: &[&str]| planted(&[&job[..], &["-o", output.to_str().unwrap()], more].concat());
    let refused = run(&["--backend", "wgpu"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = stderr(&refused);
    assert!(said.contains(&name) && said.contains("computes wrongly: forces of"), "{said}");
    for advice in [
        "choose another device (flashschnet info lists them)",
        "use the CPU backend (--backend cpu)",
        "trust the device all the same (--trust-device)",
    ] {
        assert!(said.contains(advice), "{said}");
    }
    assert!(!output.exists());
    let trusted = run(&["--trust-device"]);
    let said = stderr(&trusted);
    assert!(trusted.status.success() && !said.contains("on the CPU"), "{said}");
    std::fs::remove_dir_all(&output).unwrap();
    let on_cpu = run(&[]);
    assert!(on_cpu.status.success(), "{}", stderr(&on_cpu));
    assert!(stderr(&on_cpu).contains("note: computing on the CPU: "), "{}", stderr(&on_cpu));
}
