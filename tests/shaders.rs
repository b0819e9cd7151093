//! Every shader, without a GPU: composes, validates, translates, keeps to the limits, says what
//! it is, and agrees with the host about the structs they share.

mod common;

use std::collections::BTreeSet;
use std::mem::offset_of;
use std::path::Path;

use common::{ACTIVATIONS, bases, chains, cutoffs, priors, schnet};
use flashschnet::engine::{Engine, Filter};
use flashschnet::gpu::params::{Bead, PairRule, Params, Status, Tuple};
use flashschnet::gpu::wgsl::{Access, KERNELS, Value, compose, parse, reflect};
use flashschnet::gpu::{Device, GpuOps, Wgpu, wgpu};
use flashschnet::model::Model;
use flashschnet::ops::Ops;
use flashschnet::system::System;
use naga::back::hlsl::ShaderModel;
use naga::back::{hlsl, msl, spv};

/// A device that runs nothing, with WebGPU's default limits: kernels are composed, specialised and
/// checked as on any other.
fn no_device() -> Device {
    let (device, queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor {
        required_limits: wgpu::Limits::default(),
        ..Default::default()
    });
    Device::from_wgpu(device, queue)
}

/// Name and text of every kernel, plain and in every specialisation in use: all activations, bases
/// and envelopes, sizes from one filter to those that fill the workgroup memory.
fn specialisations() -> Vec<(&'static str, String)> {
    let device = no_device();
    let mut networks = Vec::new();
    for (k, basis) in bases(17, 9.0).into_iter().enumerate() {
        let (cutoff, activation) = (cutoffs(9.0)[k % 4], ACTIVATIONS[k % 3]);
        networks.push(schnet((96, 24, 2), basis, cutoff, activation));
    }
    for (n_hidden, n_filters, n_rbf) in
        [(128, 128, 64), (256, 128, 33), (40, 1, 2), (33, 96, 50), (64, 300, 60)]
    {
        let basis = bases(n_rbf, 15.0).swap_remove(4);
        networks.push(schnet((n_hidden, n_filters, 1), basis, cutoffs(15.0)[0], ACTIVATIONS[0]));
    }
    let structure = common::chain(6, 1);
    for network in networks {
        let model = Model { schnet: Some(network), priors: priors(6) };
        let system = System::new(&model, std::slice::from_ref(&structure)).expect("a valid system");
        for numerics in [Filter::Exact.into(), Filter::TABLE.into(), common::MIXED] {
            Wgpu::new(&device, system.clone(), numerics).expect("fits WebGPU's default limits");
        }
    }
    // The unfused form stands outside the step. Its device computes nothing, so neither does it.
    for basis in bases(17, 9.0) {
        let graph = flashschnet::ops::Graph { row_ptr: vec![0, 0], col: vec![] };
        // Reading back is all a device without a driver may refuse.
        let _ =
            GpuOps(device.clone(), Filter::Exact.into()).radial_basis(&basis, &graph, &[[0.0; 3]]);
    }
    let mut all = device.shaders();
    let everywhere = KERNELS.iter().filter(|(name, _)| !name.ends_with("_matrix"));
    all.extend(everywhere.map(|(name, _)| (*name, compose(name, &[]))));
    all
}

#[test]
fn every_specialisation_translates_and_keeps_to_the_default_limits() {
    let all = specialisations();
    let names: BTreeSet<&str> = all.iter().map(|(name, _)| *name).collect();
    let elsewhere: BTreeSet<&str> = FILTERS_ON_MATRIX_UNITS.map(|(name, _)| name).into();
    let registered: BTreeSet<&str> = KERNELS.iter().map(|(name, _)| *name).collect();
    assert_eq!(&names | &elsewhere, registered, "some kernel is never used");
    assert!(names.is_disjoint(&elsewhere), "a kernel for matrix units without any");
    assert!(all.len() > 60, "only {} specialisations", all.len());
    for (name, text) in &all {
        let (module, info) = parse(text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let reflection = reflect(&module);
        assert!(reflection.invocations <= 256, "{name}: {} invocations", reflection.invocations);
        let bytes = reflection.workgroup_bytes;
        assert!(bytes <= 16_384, "{name}: {bytes} bytes of workgroup memory");
        assert_eq!(reflection.bindings[0], Access::Uniform, "{name}");
        assert!(reflection.bindings.len() <= 9, "{name}: more than 8 storage buffers");
        assert_eq!(module.entry_points.len(), 1, "{name}");
        assert_eq!(module.entry_points[0].name, *name);
        translate(name, (&module, &info), ShaderModel::V5_1);
    }
}

/// What adapters with 16-bit arithmetic run, which no_device lacks.
#[test]
fn sixteen_bit_arithmetic_translates() {
    let files = [
        ("stored", Value::File("stored_f16")),
        ("filter_table_read", Value::File("filter_table_read_half")),
    ];
    for name in [
        "cfconv_forward_table",
        "cfconv_backward_table",
        "block_forward",
        "readout",
        "block_backward",
    ] {
        let (module, info) =
            parse(&compose(name, &files)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(reflect(&module).workgroup_bytes <= 16_384, "{name}");
        // The first with 16-bit floats.
        translate(name, (&module, &info), ShaderModel::V6_2);
    }
}

/// The form of the linear layers for matrix units, which no_device and software drivers lack.
#[test]
fn layers_on_matrix_units_translate() {
    for width in [32, 12] {
        for (name, bindings) in [("block_forward", 10), ("readout", 10), ("block_backward", 7)] {
            let constants = [
                ("dense", Value::File("dense_matrix")),
                ("WORKGROUP", Value::Count(256)),
                ("ROWS", Value::Count(2)),
                ("WIDTH", Value::Count(width)),
                ("HALVES", Value::Count(bindings - 1)),
            ];
            let (module, info) =
                parse(&compose(name, &constants)).unwrap_or_else(|e| panic!("{e}"));
            let reflection = reflect(&module);
            assert_eq!(reflection.bindings.len(), bindings as usize, "{name}");
            // Room for several workgroups on a multiprocessor.
            assert!(reflection.workgroup_bytes <= 17_408, "{name}");
            let spirv = naga::back::spv::write_vec(&module, &info, &Default::default(), None);
            assert!(!spirv.unwrap_or_else(|e| panic!("{name}: {e}")).is_empty());
        }
    }
}

/// Kernels that have matrix units or their emulation alone, and their bindings.
const FILTERS_ON_MATRIX_UNITS: [(&str, usize); 2] =
    [("cfconv_forward_matrix", 8), ("cfconv_backward_matrix", 10)];

/// They are in use on such devices; `tests/cfconv.rs` computes with the emulation.
#[test]
fn filters_on_matrix_units_translate() {
    for (quads, filters, functions, lanes) in
        [(32, 8, 4, 16), (1, 1, 1, 4), (24, 6, 3, 16), (32, 8, 8, 32)]
    {
        for (name, bindings) in FILTERS_ON_MATRIX_UNITS {
            for (file, segment) in [("matrix", 256), ("matrix_emulated", 128)] {
                let constants = [
                    ("matrix", Value::File(file)),
                    ("SEGMENT", Value::Count(segment)),
                    ("WORDS", Value::Count(segment / 32)),
                    ("QUADS", Value::Count(quads)),
                    ("FILTER_MATRICES", Value::Count(filters)),
                    ("RBF_MATRICES", Value::Count(functions)),
                    ("BASIS_LANES", Value::Count(lanes)),
                ];
                let (module, info) =
                    parse(&compose(name, &constants)).unwrap_or_else(|e| panic!("{e}"));
                let reflection = reflect(&module);
                assert_eq!(reflection.bindings.len(), bindings, "{name}");
                assert_eq!(reflection.invocations, 512, "{name}");
                // What `has_matrices` asks for.
                assert!(reflection.workgroup_bytes <= 46_080, "{name}");
                let spirv = naga::back::spv::write_vec(&module, &info, &Default::default(), None);
                assert!(!spirv.unwrap_or_else(|e| panic!("{name}: {e}")).is_empty());
            }
        }
    }
}

fn translate(
    name: &str,
    (module, info): (&naga::Module, &naga::valid::ModuleInfo),
    shader_model: ShaderModel,
) {
    let spirv = spv::write_vec(module, info, &spv::Options::default(), None);
    assert!(!spirv.unwrap_or_else(|e| panic!("{name}: SPIR-V: {e}")).is_empty());
    let options = msl::Options { fake_missing_bindings: true, ..Default::default() };
    let metal = msl::write_string(module, info, &options, &msl::PipelineOptions::default());
    assert!(metal.unwrap_or_else(|e| panic!("{name}: MSL: {e}")).0.contains("kernel void"));
    let mut text = String::new();
    let options = hlsl::Options { fake_missing_bindings: true, shader_model, ..Default::default() };
    let pipeline = hlsl::PipelineOptions::default();
    hlsl::Writer::new(&mut text, &options, &pipeline)
        .write(module, info, None)
        .unwrap_or_else(|e| panic!("{name}: HLSL: {e}"));
    assert!(text.contains("numthreads"), "{name}");
}

/// Offset of every member and size of a struct in a shader.
fn layout_of(kernel: &str, name: &str) -> (Vec<(String, usize)>, usize) {
    let (module, _) = parse(&compose(kernel, &[])).expect("validates");
    let found = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some(name));
    let (_, ty) = found.unwrap_or_else(|| panic!("{kernel} has no struct {name}"));
    let naga::TypeInner::Struct { members, span } = &ty.inner else {
        panic!("{name} is no struct");
    };
    let member = |m: &naga::StructMember| (m.name.clone().unwrap_or_default(), m.offset as usize);
    (members.iter().map(member).collect(), *span as usize)
}

macro_rules! layout {
    ($type:ident { $($field:ident),* $(,)? }) => {
        (vec![$((stringify!($field).to_owned(), offset_of!($type, $field))),*], size_of::<$type>())
    };
}

#[test]
fn host_structs_match() {
    let params = layout!(Params {
        n_beads,
        n_replicas,
        capacity,
        term,
        with_external,
        seed_low,
        seed_high,
        integrator,
        dt,
        keep,
        refresh,
        mobility,
    });
    assert_eq!(layout_of("block_forward", "Params"), params);
    assert_eq!(
        layout_of("block_forward", "Bead"),
        layout!(Bead { replica, first, row, bead_type })
    );
    assert_eq!(
        layout_of("prior_repulsion", "PairRule"),
        layout!(PairRule { records, mask_low, mask_high, term })
    );
    // WGSL has no arrays of words without a stride of their own in storage: three words of padding.
    let (mut members, size) = layout_of("prior_bonded", "Tuple");
    members.retain(|(name, _)| !name.starts_with("padding"));
    let host = layout!(Tuple { beads, form, slot, term, degree, values });
    assert_eq!((members, size), host);
}

/// The status is an array of words in the shaders, with the words' numbers as constants.
#[test]
fn status_words_match() {
    let text = compose("neighbor_check", &[]);
    let word = |name: &str| {
        let declaration = format!("const {name}: u32 = ");
        let start = text.find(&declaration).expect("declared") + declaration.len();
        let digits: String = text[start..].chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().expect("a number")
    };
    assert_eq!(4 * word("STATUS_WORDS"), size_of::<Status>());
    assert_eq!(4 * word("STATUS_REBUILD"), offset_of!(Status, rebuild));
    assert_eq!(4 * word("STATUS_EDGES"), offset_of!(Status, edges));
    assert_eq!(4 * word("STATUS_OVERFLOW"), offset_of!(Status, overflow));
    assert_eq!(4 * word("STATUS_CROWDED"), offset_of!(Status, crowded));
    assert_eq!(4 * word("STATUS_BROKEN"), offset_of!(Status, broken));
    assert_eq!(4 * word("STATUS_BUILDS"), offset_of!(Status, builds));
}

#[test]
fn every_file_is_registered_and_says_what_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(root.join("shaders")).expect("the folder is there") {
        let path = entry.expect("readable").path();
        if path.extension().is_some_and(|extension| extension == "wgsl") {
            files.insert(path.file_stem().expect("a name").to_string_lossy().into_owned());
        }
    }
    let registered: BTreeSet<String> = KERNELS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(files, registered);
    for (name, text) in KERNELS {
        assert!(text.starts_with(&format!("// {name} -- ")), "{name}: first line");
        for label in ["// reads  ", "// writes ", "// grid   ", "// twin   "] {
            assert!(text.contains(label), "{name}: no {label}");
        }
        let twin = text.lines().find_map(|line| line.strip_prefix("// twin    "));
        let twin = twin.expect("was just found");
        assert!(root.join(twin).exists(), "{name}: {twin} does not exist");
    }
}

/// A device that computes nothing still takes a system and a state: no call panics.
#[test]
fn a_host_device_is_taken() {
    let (system, state) = chains(5, 2);
    let mut engine = Wgpu::new(&no_device(), system, Filter::Exact).expect("kernels compile");
    engine.set_state(&state).expect("a valid state");
    assert!(engine.device().contains("of the host"));
}

/// The tables that lead from the paper to the files lead somewhere.
#[test]
fn every_path_in_the_readme_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = 0;
    for file in ["README.md", "tests/README.md"] {
        let text = std::fs::read_to_string(root.join(file)).expect("is there");
        for word in text.split('`').skip(1).step_by(2) {
            if ["src/", "shaders/", "tests/", "examples/"].iter().any(|top| word.starts_with(top)) {
                paths += 1;
                assert!(root.join(word).exists(), "{file} names {word}");
            }
        }
    }
    assert!(paths > 30, "only {paths} paths found");
}
