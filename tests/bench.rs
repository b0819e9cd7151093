//! The reports of `bench` and of profiles. No test asserts a speed.

use std::path::Path;
use std::process::Output;

use flashschnet::backend::{Backend, BackendKind};
use flashschnet::engine::{Dynamics, Filter, KernelTime, Numerics, Precision};
use flashschnet::error::Error;
use flashschnet::gpu::{Device, FeatureSet, GpuEngine, adapters, wgpu};
use flashschnet::simulation::{Settings, Simulation};
use flashschnet::system::System;

use crate::common;
use crate::common::program::{program, small_files, stderr, stdout};
use crate::common::small;

/// Arguments that run `bench` on the small system, on the tests' adapter.
fn on_adapter() -> Vec<&'static str> {
    let [model, structures] = small_files().each_ref().map(|file| file.to_str().unwrap());
    vec!["bench", "--model", model, "--structures", structures, "--adapter", "0", "--json"]
}

#[test]
fn a_profile_lists_every_kernel_of_the_step() {
    let mut arguments = on_adapter();
    arguments.extend(["--trust-device", "--profile"]);
    arguments.extend(["--replicas", "3", "--steps", "6", "--warm-up", "2"]);
    let output = program(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    let sizes: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let size = &sizes[0];
    assert_eq!((&size["warm_up_steps"], &size["timed_steps"]), (&2.into(), &4.into()));
    assert!(size["submissions_per_step"].as_f64().unwrap() > 0.0);
    // The host neither waits nor allocates during the timed steps.
    for rate in ["waits_per_step", "allocations_per_step"] {
        assert_eq!(size[rate], 0.0, "{rate}");
    }
    assert!(size["list_builds_per_replica_step"].as_f64().unwrap() >= 0.0);
    let start_up = size["start_up"].as_object().unwrap();
    let part = |key: &str| start_up[key].as_f64().unwrap();
    let parts: f64 = start_up.keys().filter(|key| *key != "total_ms").map(|key| part(key)).sum();
    assert!(part("kernels_ms") > 0.0 && part("first_step_ms") > 0.0);
    assert!((parts / part("total_ms") - 1.0).abs() < 1e-9);

    let device = common::device(FeatureSet::Full);
    let system = System::new(&small::model(), &small::structures()).unwrap();
    let numerics = Numerics { filter: Precision::Mixed.table(), precision: Precision::Mixed };
    let dynamics = Dynamics::none(&system);
    let engine = GpuEngine::new(&device, system, &dynamics, numerics).unwrap();
    let expected = engine.kernel_names().unwrap();
    let profile = &size["profile"];
    let mut calls = 0;
    for kernel in profile["kernels"].as_array().unwrap() {
        let name = kernel["kernel"].as_str().unwrap();
        let of_name = expected.iter().filter(|known| **known == name).count();
        assert_eq!(kernel["calls"], of_name, "{name}");
        assert_eq!(kernel["us_of_calls"].as_array().unwrap().len(), of_name, "{name}");
        assert!(kernel["us_per_step"].as_f64().unwrap() > 0.0, "{name}");
        calls += of_name;
    }
    assert_eq!(calls, expected.len());
    for limit in ["copy_gb_per_s", "fma_gflop_per_s", "kernels_us", "step_us"] {
        assert!(profile[limit].as_f64().unwrap() > 0.0, "{limit}");
    }
}

/// Dynamics default to mixed precision with tabulated filters on an adapter with 16-bit floats,
/// such as Mesa's software adapter. On others, and in commands that report numbers, such as
/// `verify`, the default is f32.
#[test]
fn dynamics_take_mixed_precision_where_it_is_fast() {
    let [model, structures] = small_files().each_ref().map(|file| file.to_str().unwrap());
    let system = ["--model", model, "--structures", structures, "--adapter", "0", "--trust-device"];
    let default = default_precision();
    for (more, precision) in [
        (&[][..], default),
        (&["--precision", "f32"], "f32"),
        (&["--filter", "exact"], "f32"),
        (&["--filter", "exact", "--precision", "mixed"], "mixed"),
        (&["--portable"], "f32"),
    ] {
        let arguments =
            [&["bench", "--replicas", "1", "--steps", "4", "--json"], &system[..], more];
        let output = program(&arguments.concat());
        let sizes: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        let device = sizes[0]["device"].as_str().unwrap();
        assert!(device.starts_with(&format!("wgpu: {precision},")), "{more:?}: {device}");
    }
    let output = program(&["verify", "--adapter", "0", "--trust-device"]);
    assert!(stdout(&output).lines().last().unwrap().contains("wgpu: f32,"), "{output:?}");
}

/// The precision of dynamics on the tests' adapter, if none is given.
fn default_precision() -> &'static str {
    if common::device_with_f16().has_f16() { "mixed" } else { "f32" }
}

#[test]
fn a_profile_needs_a_device_and_a_warm_up_leaves_steps_to_time() {
    let says = |arguments: &[&str], what: &str| {
        let output = program(&[&["bench"], arguments].concat());
        let said = stderr(&output);
        assert!(!output.status.success() && said.contains(what), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    };
    says(&["--backend", "cpu", "--profile"], "--profile with the cpu backend is not supported");
    says(&["--backend", "cpu", "--steps", "4", "--warm-up", "3"], "warm-up: found 3");
    says(&["--backend", "cpu", "--steps", "3"], "steps: found 3");
    says(&["--backend", "cpu", "--dt", "0"], "dt: found 0");
}

#[test]
fn priors_can_be_left_out() {
    let mut arguments = on_adapter();
    arguments.extend([
        "--trust-device",
        "--profile",
        "--no-priors",
        "--replicas",
        "1",
        "--steps",
        "4",
    ]);
    arguments.extend(["--dt", "1e-6"]);
    let output = program(&arguments);
    let said = stderr(&output);
    assert!(output.status.success() && !said.contains("warning"), "{said}");
    let sizes: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let kernels = sizes[0]["profile"]["kernels"].as_array().unwrap();
    assert!(kernels.iter().all(|kernel| kernel["kernel"] != "prior_repulsion"));
}

/// Runs `bench --submit` on the smallest job, and reads the file.
fn submitted(arguments: &[&str], file: &Path) -> (Output, serde_json::Value) {
    let submit = ["--steps", "8", "--submit", file.to_str().unwrap()];
    let output = program(&[arguments, &submit].concat());
    let text = std::fs::read_to_string(file).unwrap();
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let [model, _] = small_files();
    let folders = [file.parent(), model.parent(), Some(Path::new(env!("CARGO_MANIFEST_DIR")))];
    let folders = folders.map(|folder| folder.unwrap().to_str().unwrap());
    for folder in folders {
        assert!(!text.contains(folder), "the file has {folder}");
    }
    let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '-');
    assert!(!words.any(|word| !word.is_empty() && word == host.trim()), "the file has {host}");
    (output, serde_json::from_str(&text).unwrap())
}

/// A submission has the device, its driver, the built-in cases in both precisions, and the figures
/// of each number of replicas with the times of kernels.
#[test]
fn a_submission_describes_the_device_and_its_results() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("submission.json");
    let arguments = [&on_adapter()[..], &["--replicas", "1,2", "--mts", "2"]].concat();
    let (output, found) = submitted(&arguments, &file);
    assert!(output.status.success(), "{output:?}");
    // With `--json` stdout has the figures alone.
    let sizes: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let said = stderr(&output);
    // The default precision, and f32 if that is another one.
    let precisions = if default_precision() == "mixed" { &["mixed", "f32"][..] } else { &["f32"] };
    let n_cases = 6 * precisions.len();
    let passed = format!("verify: {n_cases} of {n_cases} cases pass\nwrote ");
    assert!(said.contains(&passed) && said.contains("issue"), "{said}");

    assert_eq!(
        (&found["schema"], &found["version"]),
        (&1.into(), &env!("CARGO_PKG_VERSION").into())
    );
    let date = found["date"].as_str().unwrap();
    assert!(date.len() == 10 && date.starts_with("20"), "{date}");
    assert_eq!(found["build"]["debug_assertions"], cfg!(debug_assertions));
    assert!(found["build"]["target"].as_str().unwrap().starts_with(std::env::consts::ARCH));
    assert_eq!(found["machine"]["os"], std::env::consts::OS);
    assert!(found["machine"]["threads"].as_u64().unwrap() > 0);
    assert_eq!((&found["backend"], &found["precision"]), (&"wgpu".into(), &precisions[0].into()));
    assert!(found["filter"].as_str().unwrap().starts_with("table, tolerance "), "{found}");
    let job = ["builtin", "priors", "dt", "mts", "portable"].map(|key| found["job"][key].clone());
    assert_eq!(
        serde_json::Value::from(job.to_vec()),
        serde_json::json!([false, true, 0.004, 2, false])
    );
    assert!(found["error"].is_null());

    let known = adapters().unwrap().remove(0);
    let adapter = &found["adapter"];
    for (key, expected) in [
        ("name", &known.name),
        ("api", &known.api),
        ("driver", &known.driver),
        ("driver_info", &known.driver_info),
        ("type", &known.kind),
        ("vendor", &format!("{:#06x}", known.vendor)),
        ("device", &format!("{:#06x}", known.device)),
    ] {
        assert_eq!(adapter[key], **expected, "{key}");
    }
    assert_eq!(adapter["features"].as_array().unwrap().len(), known.features.len());
    for (name, value) in &known.limits {
        assert_eq!(adapter["limits"][name], *value, "{name}");
    }
    assert!(known.is_of(found["device"].as_str().unwrap()), "{}", found["device"]);

    assert!(found["known_answers"]["fault"].is_null(), "{}", found["known_answers"]);
    let cases = found["verify"].as_array().unwrap();
    assert_eq!(cases.len(), n_cases);
    for (precision, of_precision) in precisions.iter().zip(cases.chunks(6)) {
        for case in of_precision {
            assert_eq!(
                (&case["precision"], &case["status"]),
                (&(*precision).into(), &"pass".into())
            );
            assert!((0.0..=1.0).contains(&case["share"].as_f64().unwrap()), "{case}");
            assert!(case["worst"]["tensor"].is_string(), "{case}");
        }
    }
    let mut figures = sizes;
    for size in figures.as_array_mut().unwrap() {
        assert!(!size["profile"]["kernels"].as_array().unwrap().is_empty());
        size["system"] = "of the user".into();
    }
    assert_eq!(found["bench"], figures);
}

/// A measurement that fails is part of the file, and an error of the command.
#[test]
fn a_submission_has_the_error_of_a_measurement() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("submission.json");
    let many = ["bench", "--backend", "cpu", "--replicas", "100000000"];
    let (output, found) = submitted(&many, &file);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("verify: 6 of 6 cases pass\nwrote "), "{output:?}");
    let error = found["error"].as_str().unwrap();
    assert!(
        error.starts_with("replicas: found 100000000, ") && stderr(&output).contains(error),
        "{error}"
    );
    assert_eq!((&found["bench"], &found["job"]["builtin"]), (&serde_json::json!([]), &true.into()));
    assert!(found["adapter"].is_null() && found["device"].is_null());
}

/// Paths that cannot be written are refused before anything is measured.
#[test]
fn a_submission_replaces_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("submission.json");
    std::fs::write(&file, "mine").unwrap();
    for (path, message) in [
        (file.clone(), "already exists; choose another output"),
        (folder.path().join("no/submission.json"), "No such file or directory"),
        (file.join("submission.json"), "ot a directory"),
    ] {
        let path = path.to_str().unwrap();
        let output = program(&["bench", "--backend", "cpu", "--submit", path]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stdout(&output).is_empty() && stderr(&output).contains(message), "{output:?}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// A device of the tests' adapter with these features.
fn device_with(required_features: wgpu::Features) -> Device {
    let instance = wgpu::Instance::default();
    let adapter = pollster::block_on(instance.request_adapter(&Default::default())).unwrap();
    let descriptor = wgpu::DeviceDescriptor { required_features, ..Default::default() };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).unwrap();
    Device::from_wgpu(device, queue)
}

fn profile(device: &Device) -> flashschnet::Result<(Vec<KernelTime>, Vec<[f64; 3]>)> {
    let settings = Settings { n_replicas: 2, ..Settings::default() };
    let (model, structures) = (small::model(), small::structures());
    let mut simulation =
        Simulation::with_engine(&model, &structures, &settings, |system, dynamics| {
            Ok(Box::new(GpuEngine::new(device, system, dynamics, Filter::Exact)?))
        })?;
    let times = simulation.engine().probe().profile(3)?;
    Ok((times, simulation.engine().state()?.positions))
}

/// Profiled steps move the system exactly as other steps do. The device takes timestamps around
/// passes only, or also inside them.
#[test]
fn profiled_steps_are_real_steps() {
    let between = wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES;
    let around = wgpu::Features::TIMESTAMP_QUERY;
    let settings = Settings { n_replicas: 2, ..Settings::default() };
    let backend = Backend::open(BackendKind::Wgpu, Some("0")).unwrap();
    let mut plain =
        Simulation::new(&small::model(), &small::structures(), &settings, &backend).unwrap();
    plain.engine().advance(3).unwrap();
    let expected = plain.engine().state().unwrap().positions;
    for features in [around, around | between] {
        let (times, positions) = profile(&device_with(features)).unwrap();
        assert_eq!(positions, expected);
        assert!(times.iter().enumerate().all(|(k, time)| time.number == k));
        assert!(times.iter().all(|time| time.microseconds > 0.0), "{times:?}");
        let known = times.iter().filter(|time| time.bytes > 0 && time.flops > 0);
        assert!(known.count() > 2, "linear layers and messages report bytes and operations");
    }
    let error = profile(&device_with(wgpu::Features::empty())).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
}
