//! `flashschnet parity` and the comparison behind it. No test asserts a speed.

use std::path::{Path, PathBuf};

use flashschnet::backend::{Backend, BackendKind};
use flashschnet::diagnose::parity::{Job, Pair};
use flashschnet::engine::Filter;
use flashschnet::simulation::Settings;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use crate::common::program::{program, stderr, stdout};
use crate::common::small;

fn job() -> Job {
    Job {
        name: "small".into(),
        model: small::model(),
        structures: small::structures(),
        settings: Settings { n_replicas: 3, ..Settings::default() },
    }
}

/// A backend does not differ from itself. A coarse table differs from exact filters, but only in
/// terms with filters.
#[test]
fn differences_are_those_of_the_backends() {
    let open = |kind| Backend::open(kind, None).unwrap();
    let exact = open(BackendKind::Reference);
    let coarse = open(BackendKind::Reference).with_filter(Filter::Table { tolerance: 1e-2 });

    let mut same = Pair::new(&job(), [&exact, &exact]).unwrap();
    let differences = same.differences().unwrap();
    assert_eq!(differences.len(), 2 + small::model().priors.len());
    assert!(differences.iter().all(|d| d.energy.largest == 0.0 && d.forces.largest == 0.0));
    assert!(same.distances(12).unwrap().iter().all(|d| d.positions.largest == 0.0));

    let mut apart = Pair::new(&job(), [&exact, &coarse]).unwrap();
    for (k, difference) in apart.differences().unwrap().iter().enumerate() {
        // The total and the network have filters, priors have none.
        let forces = difference.forces;
        assert_eq!(forces.rms > 0.0, k < 2, "{difference:?}");
        assert!(forces.largest >= forces.rms && forces.largest < 0.1, "{difference:?}");
    }
    let distances = apart.distances(12).unwrap();
    assert_eq!(distances.iter().map(|d| d.step).collect::<Vec<_>>(), [1, 2, 5, 10, 12]);
    assert!(distances[0].positions.rms > 0.0);
    assert!(distances[4].positions.rms > distances[0].positions.rms, "{distances:?}");
}

#[test]
fn backends_with_kernels_of_one_name_are_compared_by_kernel() {
    let wgpu = Backend::open(BackendKind::Wgpu, Some("0")).unwrap();
    let cpu = Backend::open(BackendKind::Cpu, None).unwrap();
    let speed = |sides| Pair::new(&job(), sides).unwrap().speed().unwrap();
    let both = speed([&wgpu, &wgpu]);
    assert!(both.kernels.iter().any(|(name, _)| *name == "cfconv_backward_table"));
    // The device's clock may be too coarse for a single small kernel, so the times are summed.
    for side in [0, 1] {
        assert!(both.kernels.iter().map(|(_, times)| times[side]).sum::<f64>() > 0.0);
    }
    let mixed = speed([&wgpu, &cpu]);
    assert!(mixed.kernels.is_empty() && mixed.ms_per_step[0] > 0.0 && mixed.ms_per_step[1] > 0.0);
}

#[test]
fn the_program_compares_cases() {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
    let case = format!("{data}/cloud_h32_f16_k9_gauss_trainable.json");
    let arguments = ["parity", "--backends", "cpu,wgpu", "--adapter", "0", "--trust-device"];
    let output =
        program(&[&arguments[..], &["--steps", "3", "--no-times", "--json", &case]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let reports: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let report = &reports[0];
    assert_eq!(report["input"], "cloud_h32_f16_k9_gauss_trainable");
    assert!(report["devices"][0].as_str().unwrap().starts_with("cpu"));
    assert!(report["devices"][1].as_str().unwrap().starts_with("wgpu"));
    let total = &report["differences"][0];
    let rms = total["forces"]["rms"].as_f64().unwrap();
    assert!(total["term"] == "total" && rms > 0.0 && rms < 1e-5, "{total}");
    assert_eq!(report["distances"].as_array().unwrap().len(), 3);
    assert!(report.get("speed").is_none());

    let output = program(&[&arguments[..], &[&case]].concat());
    let text = stdout(&output);
    for part in ["cloud_h32", "forces, in units of their rms", "total", "step, wall clock"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// Writes a trajectory case that uses the model of `priors_all_forms`: its manifest and its
/// tensors. Returns the path of the manifest.
fn trajectory(name: &str, manifest: &str, n_replicas: usize, masses: &[f64]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    for file in ["priors_all_forms.json", "priors_all_forms.safetensors"] {
        std::fs::copy(data.join(file), folder.join(file)).unwrap();
    }
    let bytes = std::fs::read(data.join("priors_all_forms.safetensors")).unwrap();
    let of_case = SafeTensors::deserialize(&bytes).unwrap();
    let positions = of_case.tensor("system/pos").unwrap();
    let [_, n_beads, 3] = positions.shape()[..] else { panic!("{:?}", positions.shape()) };
    let numbers = n_replicas * n_beads * 3;
    let start = &positions.data()[..positions.data().len() / positions.shape()[0] * n_replicas];
    let f64s = |values: &[f64]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let (still, beta) = (f64s(&vec![0.0; numbers]), f64s(&vec![1.677; n_replicas]));
    let masses = f64s(masses);
    let shape = vec![n_replicas, n_beads, 3];
    let tensors = [
        ("input/pos0", positions.dtype(), shape.clone(), start),
        ("input/vel0", Dtype::F64, shape, &still),
        ("input/masses", Dtype::F64, vec![masses.len() / 8], &masses),
        ("input/beta", Dtype::F64, vec![n_replicas], &beta),
    ];
    let views = tensors
        .map(|(name, dtype, shape, data)| (name, TensorView::new(dtype, shape, data).unwrap()));
    std::fs::write(folder.join("case.safetensors"), serialize(views, None).unwrap()).unwrap();
    std::fs::write(folder.join("case.json"), manifest).unwrap();
    folder.join("case.json")
}

fn manifest(kind: &str) -> String {
    format!(
        r#"{{"file": "case.safetensors", "tensors": {{}}, "kind": "{kind}", "friction": 1.0,
            "model": "priors_all_forms", "dt": 0.001}}"#
    )
}

fn n_beads() -> usize {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/priors_all_forms.safetensors");
    let bytes = std::fs::read(data).unwrap();
    let case = SafeTensors::deserialize(&bytes).unwrap();
    case.tensor("system/types").unwrap().shape()[0]
}

#[test]
fn trajectories_move_as_their_cases_say() {
    let masses = vec![0.03; n_beads()];
    let open = |kind| Backend::open(kind, None).unwrap();
    let (cpu, reference) = (open(BackendKind::Cpu), open(BackendKind::Reference));
    let mut moved = Vec::new();
    for kind in ["langevin", "nve", "overdamped"] {
        let job = Job::of_case(&trajectory(kind, &manifest(kind), 2, &masses)).unwrap();
        // Overdamped reference data follow the rule of the published tool chain.
        let name = if kind == "overdamped" { "overdamped-published" } else { kind };
        assert_eq!((job.settings.integrator.name(), job.settings.dt), (name, 0.001));
        assert_eq!((job.settings.n_replicas, job.structures.len()), (2, 2));
        assert_eq!(job.structures[0].velocities.is_none(), kind == "overdamped");
        assert!(job.structures[0].topology.masses == masses);
        let distances = Pair::new(&job, [&cpu, &reference]).unwrap().distances(3).unwrap();
        assert!(distances[2].positions.largest < 1e-6, "{kind}: {distances:?}");
        moved.push(job);
    }
    assert!(moved[0].settings.integrator != moved[1].settings.integrator);
}

#[test]
fn damaged_cases_are_errors_that_name_their_files() {
    let masses = vec![0.03; n_beads()];
    let says = |case: PathBuf, parts: &[&str]| {
        let case = case.to_str().unwrap();
        let output = program(&["parity", "--backends", "cpu,reference", "--no-times", case]);
        let said = stderr(&output);
        assert!(!output.status.success() && !said.contains("panicked"), "{said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    };
    let langevin = manifest("langevin");
    says(trajectory("none", &langevin, 0, &masses), &["case.json", "0 replicas"]);
    says(
        trajectory("few", &langevin, 1, &[0.03]),
        &["case.json", "input/masses: found [1], expected shape"],
    );
    let slow = langevin.replace("0.001", "-1.0");
    says(trajectory("slow", &slow, 1, &masses), &["case: dt: found -1"]);
    says(trajectory("strange", &manifest("monte carlo"), 1, &masses), &["none to compare"]);

    let case = trajectory("damaged", &langevin, 1, &masses);
    std::fs::write(case.with_file_name("priors_all_forms.json"), "{}").unwrap();
    says(case, &["priors_all_forms.json", "expected an object with file and tensors"]);
}

#[test]
fn bad_input_is_one_clear_error() {
    let says = |arguments: &[&str], part: &str| {
        let output = program(&[&["parity", "--backends"], arguments].concat());
        let said = stderr(&output);
        assert!(!output.status.success() && said.contains(part), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    };
    says(&["cpu"], "backends: found 1, expected two");
    says(&["cpu,reference,cpu"], "backends: found 3, expected two");
    says(&["cpu,gpu"], "possible values");
    says(&["cpu,reference", "--precision", "mixed"], "precision: found mixed");
    says(&["cpu,reference", "--adapter", "0"], "adapter: found 0, expected wgpu among");
    says(&["cpu,reference", "none.json"], "none.json");
    says(&["cpu,reference", "--replicas", "0"], "replicas: found 0");
    says(&["cpu,reference", "--replicas", "2", "case.json"], "cannot be used with");
}
