//! `flashschnet parity` and the comparison behind it. Speeds are nowhere asserted.

use flashschnet::backend::{Backend, Kind};
use flashschnet::engine::Filter;
use flashschnet::parity::{Job, Pair};
use flashschnet::simulation::Settings;

#[path = "common/program.rs"]
mod common;

use common::{program, small, stderr, stdout};

fn job() -> Job {
    Job {
        name: "small".into(),
        model: small::model(),
        structures: small::structures(),
        settings: Settings { n_replicas: 3, ..Settings::default() },
    }
}

/// The same twice are not apart; a coarse table is, where there are filters.
#[test]
fn differences_are_those_of_the_backends() {
    let open = |kind| Backend::open(kind, None).unwrap();
    let exact = open(Kind::Reference);
    let coarse = open(Kind::Reference).with_filter(Filter::Table { tolerance: 1e-2 });

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
    let wgpu = Backend::open(Kind::Wgpu, Some("0")).unwrap();
    let cpu = Backend::open(Kind::Cpu, None).unwrap();
    let speed = |sides| Pair::new(&job(), sides).unwrap().speed().unwrap();
    let both = speed([&wgpu, &wgpu]);
    assert!(both.kernels.iter().any(|(name, _)| *name == "cfconv_backward_table"));
    assert!(both.kernels.iter().all(|(_, times)| times[0] > 0.0 && times[1] > 0.0));
    let mixed = speed([&wgpu, &cpu]);
    assert!(mixed.kernels.is_empty() && mixed.ms_per_step[0] > 0.0 && mixed.ms_per_step[1] > 0.0);
}

#[test]
fn the_program_compares_cases() {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
    let case = format!("{data}/cloud_h32_f16_k9_gauss_trainable.json");
    let arguments = ["parity", "--backends", "cpu,wgpu", "--adapter", "0", "--steps", "3"];
    let output = program(&[&arguments[..], &["--no-times", "--json", &case]].concat());
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
    for part in ["cloud_h32", "forces, in parts of their rms", "total", "step, by the clock"] {
        assert!(text.contains(part), "{part}: {text}");
    }
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
    says(&["cpu,reference", "none.json"], "none.json");
    says(&["cpu,reference", "--replicas", "0"], "replicas: found 0");
    says(&["cpu,reference", "--replicas", "2", "case.json"], "cannot be used with");
}
