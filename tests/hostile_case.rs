//! Damaged and malicious cases of `verify` fail with a reason, never with a panic. They take memory
//! in proportion to the size of their files at most.

use std::path::{Path, PathBuf};
use std::time::Instant;

use flashschnet::backend::{Backend, BackendKind};
use flashschnet::diagnose::verify::{Options, Status, verify_file};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

use crate::counting;
use crate::mutate::{Seed, campaign};

/// A case may take this much memory per byte of its files, plus `BYTES_BASE`.
const BYTES_PER_BYTE: usize = 200;
const BYTES_BASE: usize = 8 << 20;

struct Folder {
    folder: tempfile::TempDir,
    backend: Backend,
}

impl Folder {
    fn new() -> Self {
        let backend = Backend::open(BackendKind::Reference, None).unwrap();
        Folder { folder: tempfile::tempdir().unwrap(), backend }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The status of a case and the reason of a failure, with a check of the memory.
    fn verify(&self, manifest: &[u8], tensors: &[u8]) -> (Status, String) {
        let path = self.path("case.json");
        std::fs::write(&path, manifest).unwrap();
        std::fs::write(self.path("case.safetensors"), tensors).unwrap();
        let options = Options { exact: true, mixed: false, max_steps: Some(2) };
        let account = counting::Account::open();
        let report =
            verify_file(&path, options, &|system, dynamics| self.backend.engine(system, dynamics));
        let (peak, bytes) = (account.peak(), manifest.len() + tensors.len());
        let limit = BYTES_PER_BYTE * bytes + BYTES_BASE;
        assert!(peak <= limit, "{bytes} bytes of files took {peak} bytes of memory");
        let reason = report.reason.unwrap_or_default();
        assert!(!reason.contains(char::is_control) && reason.len() < 4000, "{reason}");
        (report.status, reason)
    }
}

type Tensor = (&'static str, Dtype, Vec<usize>, Vec<u8>);

fn f64s(name: &'static str, shape: &[usize], values: &[f64]) -> Tensor {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    (name, Dtype::F64, shape.to_vec(), bytes)
}

fn i32s(name: &'static str, shape: &[usize], values: &[i32]) -> Tensor {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    (name, Dtype::I32, shape.to_vec(), bytes)
}

/// A case of four beads with a torsion, and its tensors.
fn torsion() -> (Value, Vec<Tensor>) {
    let manifest = json!({
        "file": "case.safetensors", "tensors": {}, "priors": {"d": {"form": "fourier_dihedral"}},
    });
    let zigzag = [0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 3.0, 3.0, 0.0, 3.0, 3.0, 3.0];
    let tensors = vec![
        f64s("system/pos", &[1, 4, 3], &zigzag),
        i32s("system/types", &[4], &[0; 4]),
        i32s("prior/d/index", &[1, 4], &[0, 1, 2, 3]),
        f64s("prior/d/k1s", &[1, 2], &[0.5, 0.25]),
        f64s("prior/d/k2s", &[1, 2], &[1.0, 0.75]),
        f64s("prior/d/v_0", &[1], &[0.0]),
    ];
    (manifest, tensors)
}

fn file(tensors: &[Tensor]) -> Vec<u8> {
    fn view((name, dtype, shape, bytes): &Tensor) -> (&str, TensorView<'_>) {
        (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    }
    safetensors::serialize(tensors.iter().map(view).collect::<Vec<_>>(), None).unwrap()
}

#[test]
fn a_case_that_lies_fails_with_a_reason() {
    let folder = Folder::new();
    let reason = |change: &dyn Fn(&mut Value, &mut Vec<Tensor>)| {
        let (mut manifest, mut tensors) = torsion();
        change(&mut manifest, &mut tensors);
        let start = Instant::now();
        let manifest = manifest.to_string();
        let (status, reason) = folder.verify(manifest.as_bytes(), &file(&tensors));
        assert!(start.elapsed().as_secs_f64() < 1.0, "{reason}");
        assert_ne!(status, Status::Pass);
        reason
    };
    // The sound case has no results to compare with.
    assert!(reason(&|_, _| {}).contains("tensor out/f64/energy_total: found nothing"));
    let replace = |tensor: Tensor| {
        reason(&move |_: &mut Value, tensors: &mut Vec<Tensor>| {
            tensors.retain(|(name, ..)| *name != tensor.0);
            tensors.push(tensor.clone());
        })
    };
    for (tensor, expected) in [
        (f64s("prior/d/k1s", &[0, 1 << 40], &[]), "axes of at most 16777216"),
        (f64s("prior/d/k1s", &[0, i64::MAX as usize], &[]), "axes of at most 16777216"),
        (f64s("prior/d/k1s", &[1 << 32, 0, 1 << 32], &[]), "axes of at most 16777216"),
        (f64s("prior/d/k1s", &[0, 1 << 20], &[]), "two axes, at most"),
        (f64s("prior/d/k1s", &[2], &[0.0; 2]), "two axes, at most"),
        (f64s("system/pos", &[0, 1 << 50, 3], &[]), "axes of at most"),
        (f64s("system/pos", &[0, 4, 3], &[]), "positions: found 0 replicas"),
        (f64s("out/anything", &[1 << 60, 0], &[]), "axes of at most"),
        (i32s("system/types", &[4], &[0, 0, -1, 0]), "system/types: found -1, expected whole"),
        (f64s("system/types", &[4], &[0.0, 0.5, 0.0, 0.0]), "system/types: found 0.5"),
        (f64s("system/types", &[4], &[0.0, f64::NAN, 0.0, 0.0]), "system/types: found NaN"),
        (i32s("prior/d/index", &[2, 2], &[0, 1, 2, 3]), "expected rows of 4 numbers"),
        (i32s("prior/d/index", &[1, 4], &[0, 1, 2, 4]), "expected a bead below 4"),
    ] {
        let reason = replace(tensor);
        assert!(reason.contains(expected), "{reason}\nexpected {expected}");
    }
    let long = " ".repeat(3 << 20);
    let (status, reason) = folder.verify(format!("{{\"a\":1{long}}}").as_bytes(), b"");
    assert!(status == Status::Fail && reason.contains("a longer file"), "{reason}");
}

/// The time to read a case does not grow with the square of the number of its terms.
#[test]
fn many_terms_take_a_moment() {
    const N: usize = 2000;
    let names: Vec<&'static str> = (0..2 * N)
        .map(|k| {
            let kind = if k % 2 == 0 { "index" } else { "sigma" };
            &*format!("prior/p{:06}/{kind}", k / 2).leak()
        })
        .collect();
    let mut tensors = vec![
        f64s("system/pos", &[1, 2, 3], &[0.0, 0.0, 0.0, 3.0, 0.0, 0.0]),
        i32s("system/types", &[2], &[0; 2]),
    ];
    let mut priors = serde_json::Map::new();
    for pair in names.chunks(2) {
        tensors.push(i32s(pair[0], &[1, 2], &[0, 1]));
        tensors.push(f64s(pair[1], &[1], &[1.0]));
        let name = pair[0].split('/').nth(1).unwrap().to_owned();
        priors.insert(name, json!({"form": "repulsion_pow6"}));
    }
    let manifest = json!({"file": "case.safetensors", "tensors": {}, "priors": priors});
    let start = Instant::now();
    let (_, reason) = Folder::new().verify(manifest.to_string().as_bytes(), &file(&tensors));
    let seconds = start.elapsed().as_secs_f64();
    assert!(reason.contains("out/f64/energy_total: found nothing"), "{reason}");
    assert!(seconds < 2.0, "{seconds} s");
}

/// The time to compare a trajectory does not grow with the square of its length.
#[test]
fn many_steps_take_a_moment() {
    const STEPS: usize = 150_000;
    let folder = Folder::new();
    let model = json!({
        "file": "model.safetensors", "tensors": {}, "priors": {"p": {"form": "harmonic_distance"}},
    });
    let rest = [0.0, 0.0, 0.0, 3.0, 0.0, 0.0];
    let tensors = [
        i32s("system/types", &[2], &[0; 2]),
        i32s("prior/p/index", &[1, 2], &[0, 1]),
        f64s("prior/p/k", &[1], &[0.0]),
        f64s("prior/p/x_0", &[1], &[3.0]),
    ];
    std::fs::write(folder.path("model.json"), model.to_string()).unwrap();
    std::fs::write(folder.path("model.safetensors"), file(&tensors)).unwrap();
    let manifest = json!({
        "file": "case.safetensors", "tensors": {}, "kind": "nve", "model": "model", "dt": 0.001,
        "steps": STEPS, "frame_stride_pos_vel": 2 * STEPS,
    });
    // Two beads at rest without forces.
    let zeros = vec![0.0; STEPS + 1];
    let tensors = [
        f64s("input/pos0", &[1, 2, 3], &rest),
        f64s("input/vel0", &[1, 2, 3], &[0.0; 6]),
        f64s("input/masses", &[2], &[0.1; 2]),
        f64s("input/beta", &[1], &[1.0]),
        f64s("out/f64/potential", &[STEPS + 1, 1], &zeros),
        f64s("out/f64/kinetic", &[STEPS + 1, 1], &zeros),
        f64s("out/f64/forces_initial", &[1, 2, 3], &[0.0; 6]),
        f64s("out/f64/forces_final", &[1, 2, 3], &[0.0; 6]),
    ];
    let path = folder.path("case.json");
    std::fs::write(&path, manifest.to_string()).unwrap();
    std::fs::write(folder.path("case.safetensors"), file(&tensors)).unwrap();
    let options = Options { exact: true, mixed: false, max_steps: None };
    let start = Instant::now();
    let report =
        verify_file(&path, options, &|system, dynamics| folder.backend.engine(system, dynamics));
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(report.reason, None);
    assert_eq!(report.comparisons.len(), 2 * STEPS + 3);
    assert!(seconds < 3.0, "{seconds} s");
}

#[test]
fn mutated_cases_fail_or_pass() {
    let folder = Folder::new();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let names = ["priors_all_forms", "cloud_variant_spaced_shiftedcos"];
    let mut seeds = Vec::new();
    let mut partners: Vec<Vec<u8>> = Vec::new();
    for name in names {
        let text = std::fs::read(data.join(format!("{name}.json"))).unwrap();
        let mut manifest: Value = serde_json::from_slice(&text).unwrap();
        manifest["file"] = "case.safetensors".into();
        let manifest = manifest.to_string().into_bytes();
        let tensors = std::fs::read(data.join(format!("{name}.safetensors"))).unwrap();
        assert_eq!(folder.verify(&manifest, &tensors).0, Status::Pass, "{name}");
        seeds.push(Seed::new("manifest of a case", manifest.clone()));
        partners.push(tensors.clone());
        seeds.push(Seed::new("tensors of a case", tensors));
        partners.push(manifest);
    }
    campaign(&seeds, |seed, file| {
        let partner = seeds.iter().position(|other| std::ptr::eq(other, seed)).unwrap();
        let (manifest, tensors) = match seed.kind {
            "manifest of a case" => (file, &partners[partner][..]),
            _ => (&partners[partner][..], file),
        };
        folder.verify(manifest, tensors).0 == Status::Pass
    });
}
