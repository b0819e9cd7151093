//! TorchMD's graph networks: their checkpoints, and the reference data of their networks.

mod config;
mod files;
mod force_field;
mod options;
mod small;
mod starts;

use std::path::PathBuf;

use flashschnet::diagnose::verify::{self, EngineFactory, Options, Status};
use flashschnet::engine::{Dynamics, Engine, Filter};
use flashschnet::io::import::import;
use flashschnet::io::native::{read_model, write_model};
use flashschnet::io::pickle::{Archive, NodeId, Tensor};
use flashschnet::model::{Activation, Cutoff, RadialFunctions};
use flashschnet::reference::Reference;
use flashschnet::system::System;
use serde_json::Value;
use sha2::{Digest, Sha256};

use self::small::{Checkpoint, HIDDEN, RADIAL, TYPES, changed, state, values};
use crate::common::Backend;
use crate::common::program::{program, stderr, stdout};
use crate::pt::{self, Py, dict, f32s};

with_tables!(agrees_with_the_data);
on_every_backend!(@ slow wgpu_mixed: is_near_the_data);
on_every_backend!(@ slow wgpu_mixed_portable: is_near_the_data);
on_every_backend!(@ hardware cuda_mixed: is_near_the_data);
on_every_backend!(@ hardware cuda_matrix: is_near_the_data);

/// The folder of the reference data. Prints a message if the variable is not set.
fn reference() -> Option<PathBuf> {
    let folder = std::env::var_os("FLASHSCHNET_REFERENCE");
    if folder.is_none() {
        eprintln!("FLASHSCHNET_REFERENCE is not set: the data of TorchMD are NOT tested");
    }
    Some(PathBuf::from(folder?).join("torchmd"))
}

/// The checkpoints, and the entries of `importer_checks.json` for them.
fn checkpoints() -> Vec<(PathBuf, Value)> {
    let Some(folder) = reference() else { return Vec::new() };
    let checks = std::fs::read_to_string(folder.join("importer_checks.json")).unwrap();
    let Value::Object(checks) = serde_json::from_str(&checks).unwrap() else { panic!() };
    checks.into_iter().map(|(name, check)| (folder.join("raw").join(name), check)).collect()
}

fn get(archive: &Archive, dict: NodeId, name: &str) -> NodeId {
    let flashschnet::io::pickle::Node::Dict(items) = archive.node(dict) else { panic!("{name}") };
    let found = items.iter().find(|(key, _)| archive.str(*key) == Some(name));
    found.unwrap_or_else(|| panic!("{name}")).1
}

#[test]
fn every_tensor_of_the_checkpoints_is_read() {
    for (path, check) in checkpoints() {
        let archive = Archive::open(&path).unwrap();
        for (name, expected) in check["tensors"].as_object().unwrap() {
            let (part, key) = name.split_once('/').unwrap();
            let dict = get(&archive, archive.root(), part);
            let Some(Tensor::Dense(tensor)) = archive.tensor(get(&archive, dict, key)).unwrap()
            else {
                panic!("{name}")
            };
            let bytes = archive.bytes_of(&tensor).unwrap();
            let hash: String =
                Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hash, expected["sha256"], "{} {name}", path.display());
            let shape: Vec<Value> = tensor.shape.iter().map(|n| (*n).into()).collect();
            assert_eq!(Value::Array(shape), expected["shape"], "{} {name}", path.display());
        }
    }
}

#[test]
fn checkpoints_become_models_that_native_files_hold() {
    let folder = tempfile::tempdir().unwrap();
    for (path, check) in checkpoints() {
        let model = import(&path).unwrap().model.unwrap();
        let schnet = model.schnet.as_ref().unwrap();
        let parameters = &check["hyper_parameters"];
        let number = |name: &str| parameters[name].as_f64().unwrap();
        let [lower, upper] = ["cutoff_lower", "cutoff_upper"].map(number);
        assert_eq!(schnet.cutoff, Cutoff::Cosine { lower, upper });
        assert_eq!(schnet.n_hidden as f64, number("embedding_dimension"));
        assert_eq!(schnet.n_types as f64, number("max_z"));
        let has_neighbors = parameters["neighbor_embedding"] == true;
        let n_blocks = number("num_layers") + f64::from(u8::from(has_neighbors));
        assert_eq!(schnet.interactions.len() as f64, n_blocks);
        assert_eq!(schnet.radial_basis.n_rbf() as f64, number("num_rbf"));
        assert_eq!(schnet.max_num_neighbors, None);
        assert_eq!(schnet.neighbor_embedding.is_some(), has_neighbors);
        assert!(schnet.has_filter1_bias() && schnet.constants.is_some());

        let file = folder.path().join("some.model.safetensors");
        write_model(&file, &model).unwrap();
        assert_eq!(read_model(&file).unwrap(), model, "{}", path.display());
    }
}

/// The cases in `tests/data`, which are small.
const OWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/torchmd");

/// Runs all cases of the reference data, or the small ones if there are no others.
fn check_cases(options: Options, engine: &EngineFactory) {
    let folder = reference().unwrap_or_else(|| PathBuf::from(OWN));
    let mut failed = Vec::new();
    for path in verify::cases_at(&folder).unwrap() {
        let report = verify::verify_file(&path, options, engine);
        println!("{report}");
        if report.status != Status::Pass {
            failed.push(report.case);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn reference_agrees_with_the_data() {
    let engine = |system: System, dynamics: &Dynamics| {
        Ok(Box::new(Reference::new(system, dynamics)?) as Box<dyn Engine>)
    };
    check_cases(Options { exact: true, ..Options::default() }, &engine);
}

#[test]
fn reference_with_tables_agrees_with_the_data() {
    let engine = |system: System, dynamics: &Dynamics| {
        Ok(Box::new(Reference::with_filter(system, dynamics, Filter::TABLE)?) as Box<dyn Engine>)
    };
    check_cases(Options::default(), &engine);
}

/// Only variants that need terms of all-atom models, a cutoff or harmonic torsions are left out.
#[test]
fn variants_of_force_fields_are_refused_by_name() {
    let folder = PathBuf::from(OWN);
    let engine = |system: System, dynamics: &Dynamics| {
        Ok(Box::new(Reference::new(system, dynamics)?) as Box<dyn Engine>)
    };
    for (name, expected) in [
        ("yaml_terms", "cg_cutoff lj_14_elec lj_switch repulsion12"),
        (
            "yaml_terms_harmonic",
            "cg_bonds_excluded cg_cutoff cg_default_exclusions lj_14_elec lj_switch repulsion12",
        ),
    ] {
        let path = folder.join(format!("{name}.json"));
        let note = verify::verify_file(&path, Options::default(), &engine).note.unwrap();
        let refused = note.split("; ").map(|part| part.split(':').next().unwrap());
        let mut refused: Vec<&str> = refused.collect();
        refused.sort_unstable();
        assert_eq!(refused.join(" "), expected, "{note}");
    }
}

#[test]
fn a_variant_with_an_unknown_term_or_other_pairs_fails() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["yaml_terms.safetensors", "raw/yaml_terms.psf", "raw/yaml_terms.yaml"] {
        let to = folder.path().join(name);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(PathBuf::from(OWN).join(name), to).unwrap();
    }
    let text = std::fs::read_to_string(PathBuf::from(OWN).join("yaml_terms.json")).unwrap();
    let mut manifest: Value = serde_json::from_str(&text).unwrap();
    let path = folder.path().join("yaml_terms.json");
    let mut run = |terms: &str| {
        manifest["variants"] = serde_json::json!({"cg_terms_off": {"terms": [terms]}});
        std::fs::write(&path, manifest.to_string()).unwrap();
        let engine = |system: System, dynamics: &Dynamics| {
            Ok(Box::new(Reference::new(system, dynamics)?) as Box<dyn Engine>)
        };
        verify::verify_file(&path, Options::default(), &engine).to_string()
    };
    // The case has the pairs of another choice.
    assert!(run("Bonds").contains("cg_terms_off/pairs: found 0, expected"), "{}", run("Bonds"));
    assert!(run("LJ").contains("is refused"), "{}", run("LJ"));
    let report = run("Bond");
    assert!(report.contains("fail") && report.contains("forceterms"), "{report}");
}

fn agrees_with_the_data(backend: &Backend) {
    let max_steps = Some(backend.extent.small);
    check_cases(Options { max_steps, ..Options::default() }, &backend.engine);
}

fn is_near_the_data(backend: &Backend) {
    let max_steps = Some(backend.extent.small);
    check_cases(Options { mixed: true, max_steps, ..Options::default() }, &backend.engine);
}

#[test]
fn the_program_reads_checkpoint_force_field_topology_and_starts() {
    let Some(folder) = reference() else { return };
    let raw = |name: &str| folder.join("raw").join(name).to_str().unwrap().to_owned();
    let [model, field, psf, starts] = [
        "majewski_multiprotein_epoch97.ckpt",
        "prior_force_field.yaml",
        "cln.psf",
        "cln_kcenters_32clusters_coords.xtc",
    ]
    .map(raw);
    let network = ["energy", "--backend", "reference", "--model", &model, "--priors", &field];
    let output = program(&[&network[..], &["--topology", &psf, "--structures", &starts]].concat());
    let text = stdout(&output);
    // The repulsions of 36 pairs in the first frame.
    let first = text.lines().nth(1).unwrap();
    assert!(output.status.success() && first.contains("2.9375"), "{text}{}", stderr(&output));
    assert_eq!(text.lines().filter(|line| line.starts_with(' ')).count(), 32, "{text}");
    let output = program(&["energy", "--model", &model, "--topology", &psf]);
    assert!(!output.status.success() && stderr(&output).contains("--priors"));
}

#[test]
fn layouts_and_wrappers_of_all_versions_give_the_same_model() {
    let model = Checkpoint::default().model();
    let schnet = model.schnet.as_ref().unwrap();
    let RadialFunctions::ExpNormal { alpha, lower, .. } = schnet.radial_basis.functions else {
        panic!()
    };
    assert_eq!((alpha, lower), (5.0 / 9.0, 3.0));
    assert_eq!(schnet.radial_basis.cutoff, Cutoff::Cosine { lower: 0.0, upper: 12.0 });

    for prefix in ["", "_orig_mod.model.", "model._orig_mod.", "module.", "model.module."] {
        let other = Checkpoint { prefix, ..Checkpoint::default() };
        assert_eq!(other.model(), model, "{prefix}");
    }
    let newer = Checkpoint { layers: ".layers", ..Checkpoint::default() };
    assert_eq!(newer.model(), model);
    let attribute_dict = |items| {
        let class = Box::new(Py::Global("torchmdexp.utils.parsing", "AttributeDict"));
        Py::Subclass(class, items)
    };
    let namespace = |items| pt::object("argparse", "Namespace", Py::Dict(items));
    for container in [attribute_dict as fn(Vec<(Py, Py)>) -> Py, namespace] {
        assert_eq!(Checkpoint { container, ..Checkpoint::default() }.model(), model);
    }
    let none = |name| changed(name, None).model();
    for name in ["reduce_op", "atom_filter", "prior_model", "neighbor_embedding", "derivative"] {
        assert_eq!(none(name), model, "{name}");
    }
    assert_eq!(none("max_num_neighbors"), model);
}

#[test]
fn scale_and_energies_of_types_become_constants() {
    let number = |name: &str| f64::from(values(name, &[])[0]);
    let (mean, std) = (number("mean"), number("std"));
    let bias = f64::from(values("output_model.output_network.2.bias", &[1])[0]);
    let weight = values("output_model.output_network.2.weight", &[1, 2]);
    let schnet = Checkpoint::default().model().schnet.unwrap();
    let constants = schnet.constants.unwrap();
    assert_eq!(constants.of_molecule, mean);
    assert_eq!(constants.of_type, vec![std * bias; TYPES as usize]);
    let last = schnet.readout.last().unwrap();
    assert_eq!(last.bias, None);
    assert_eq!(last.weight, weight.iter().map(|w| std * f64::from(*w)).collect::<Vec<_>>());

    let table = || f32s(&[TYPES + 1, 1], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let entry = |name: &str, arguments: Py| Py::Dict(vec![(name.into(), arguments)]);
    let on = |on| dict([("enable", Py::Bool(on)), ("max_z", Py::Int(6))]);
    let of_type = |prior: Py, arguments: Py, name: &str| {
        let changed = vec![("prior_model", Some(prior)), ("prior_args", Some(arguments))];
        let more = vec![
            (format!("model.{name}.atomref.weight"), table()),
            (format!("model.{name}.initial_atomref"), table()),
        ];
        let model = Checkpoint { changed, more, ..Checkpoint::default() }.model();
        model.schnet.unwrap().constants.unwrap().of_type
    };
    let expected: Vec<f64> = (1..=5).map(|k| f64::from(k) + std * bias).collect();
    for (prior, arguments) in [
        ("Atomref".into(), Py::None),
        ("Atomref".into(), on(true)),
        (Py::List(vec!["Atomref".into()]), Py::List(vec![on(true)])),
        (entry("Atomref", on(true)), Py::None),
        (Py::List(vec![entry("Atomref", Py::None)]), Py::None),
        // The arguments beside the names replace those inside.
        (Py::List(vec![entry("Atomref", on(false))]), Py::List(vec![on(true)])),
    ] {
        assert_eq!(of_type(prior, arguments, "prior_model.0"), expected);
    }
    assert_eq!(of_type("Atomref".into(), Py::None, "prior_model"), expected);
    for (prior, arguments) in [
        ("Atomref".into(), on(false)),
        (entry("Atomref", on(false)), Py::None),
        (entry("Atomref", on(true)), on(false)),
    ] {
        assert_eq!(of_type(prior, arguments, "prior_model.0"), constants.of_type);
    }
}

#[test]
fn every_activation_is_read() {
    for (name, expected) in [
        ("tanh", Activation::Tanh),
        ("silu", Activation::Silu),
        ("swish", Activation::Silu),
        ("ssp", Activation::ShiftedSoftplus { shift: 0.693_147_182_464_599_6 }),
        ("sigmoid", Activation::Sigmoid),
        ("mish", Activation::Mish),
    ] {
        let model = changed("activation", Py::from(name)).model();
        assert_eq!(model.schnet.unwrap().activation, expected);
    }
}

#[test]
fn other_networks_are_refused_by_name() {
    for (name, value, expected) in [
        ("model", "tensornet".into(), "architecture \"tensornet\""),
        ("model", "equivariant-transformer".into(), "\"equivariant-transformer\""),
        ("output_model", "DipoleMoment".into(), "output_model=\"DipoleMoment\""),
        ("output_model", Py::None, "a checkpoint without output_model"),
        ("aggr", "mean".into(), "aggr=\"mean\""),
        ("reduce_op", "mean".into(), "reduce_op=\"mean\""),
        ("rbf_type", "bessel".into(), "rbf_type=\"bessel\""),
        ("activation", "relu".into(), "the activation \"relu\""),
        ("prior_model", "ZBL".into(), "the prior \"ZBL\""),
        ("prior_model", dict([("D2", Py::None)]), "the prior \"D2\""),
        ("atom_filter", Py::Int(3), "atom_filter=3"),
        ("charge", Py::Bool(true), "charge=True"),
        ("spin", Py::Bool(true), "spin=True"),
        ("box_vecs", Py::List(vec![Py::Int(1)]), "box_vecs"),
        ("num_layers", Py::Int(3), "hyper_parameters/num_layers: found 3"),
        ("embedding_dimension", Py::Int(8), "hyper_parameters/embedding_dimension: found 8"),
        ("num_rbf", Py::Int(4), "hyper_parameters/num_rbf: found 4"),
        ("max_z", Py::Int(100), "hyper_parameters/max_z: found 100"),
        (
            "neighbor_embedding",
            Py::Bool(true),
            "neighbor_embedding.embedding.weight: found no such",
        ),
        ("prior_model", "Atomref".into(), "prior_model.0.atomref.weight: found no such"),
        ("cutoff_lower", Py::Float(12.0), "hyper_parameters/cutoff_lower: found 12"),
    ] {
        let error = changed(name, value).refusal();
        assert!(error.contains(expected), "{name}: {error}");
    }
    for name in ["rbf_type", "activation", "cutoff_upper"] {
        let error = changed(name, None).refusal();
        assert!(error.contains(&format!("no {name}")), "{error}");
    }
    let with = |name: &str, value| {
        let more = vec![(name.to_owned(), value)];
        Checkpoint { more, ..Checkpoint::default() }
    };
    let unknown = with("model.representation_model.more.weight", f32s(&[1], [1.0])).refusal();
    assert!(unknown.contains("state_dict/model.representation_model.more.weight"), "{unknown}");
    let length = |x: f32| f32s(&[3, 3], [x, 0.0, 0.0, 0.0, x, 0.0, 0.0, 0.0, x]);
    let periodic = with("model.representation_model.distance.box", length(30.0)).refusal();
    assert!(periodic.contains("periodic box"), "{periodic}");
    let none = with("model.representation_model.distance.box", length(0.0)).model();
    assert_eq!(none, Checkpoint::default().model());

    let name = "representation_model.interactions.1.mlp.2.bias";
    let copy = "model.representation_model.interactions.1.conv.net.2.bias";
    let same = f32s(&[HIDDEN], values(name, &[HIDDEN]));
    assert_eq!(with(copy, same).model(), Checkpoint::default().model());
    let error = with(copy, f32s(&[HIDDEN], [1.0, 2.0, 3.0, 4.0])).refusal();
    assert!(error.contains(copy) && error.contains("other values"), "{error}");
}

#[test]
fn every_tensor_is_needed_and_no_other_is_taken() {
    for (name, _) in state("") {
        let left_out = Checkpoint { left_out: name.clone(), ..Checkpoint::default() };
        let error = left_out.refusal();
        // Without the first tensor of a layer of the readout, there are fewer layers.
        let fewer = ["network.0.weight", "network.2.weight"];
        if !fewer.iter().any(|end| name.ends_with(end)) {
            assert!(error.contains(&format!("{name}: found no such tensor")), "{name}: {error}");
        }
    }
    let more = |name: &str, shape: &[i64]| {
        let more = vec![(format!("model.{name}"), f32s(shape, values(name, shape)))];
        Checkpoint { more, ..Checkpoint::default() }.refusal()
    };
    let name = "representation_model.interactions.0.conv.lin1.bias";
    assert!(more(name, &[HIDDEN]).contains(&format!("{name}: found a tensor that")));
    let name = "representation_model.neighbor_embedding.embedding.weight";
    let error = more(name, &[TYPES, HIDDEN]);
    assert!(
        error.contains("hyper_parameters/neighbor_embedding: found False, expected"),
        "{error}"
    );
    let name = "representation_model.interactions.4.mlp.0.weight";
    assert!(more(name, &[HIDDEN, RADIAL]).contains(&format!("{name}: found a tensor that")));
    let name = "output_model.output_network.2.bias";
    let left_out = name.to_owned();
    let more = vec![(format!("model.{name}"), f32s(&[2], values(name, &[2])))];
    let error = Checkpoint { left_out, more, ..Checkpoint::default() }.refusal();
    assert!(error.contains("bias of the last readout layer: found 2 values"), "{error}");
}
