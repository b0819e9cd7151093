//! Every shader, without a GPU: it validates, translates, keeps to the limits, has a header, and
//! agrees with the host about shared structs and constants.

use std::collections::BTreeSet;
use std::mem::offset_of;
use std::path::Path;

use flashschnet::bias::{Bias, BiasForm};
use flashschnet::engine::{
    Dynamics, Engine, Exchange, FARTHEST, Filter, LEAST_REST, MOST_STATES, Minimization, Mixing,
    RECENTER, Reason, TRACE,
};
use flashschnet::gpu::compose::{Constants, KERNELS, Value, compose, parse, reflect};
use flashschnet::gpu::params::{
    self, Bead, Descent, GridAxis, GridNode, GridPotential, PairRule, Params, Position, Rung,
    Status, Tuple, Walker, activation, descent, form, integrator,
};
use flashschnet::gpu::variables::{HEADER_WORDS, kind};
use flashschnet::gpu::{Access, Device, GpuEngine, GpuOps, wgpu};
use flashschnet::hills::{Axis, Grid, Hills};
use flashschnet::metadynamics::Metadynamics;
use flashschnet::model::{Model, prior};
use flashschnet::ops::Ops;
use flashschnet::random::Stream;
use flashschnet::system::System;
use flashschnet::variable::Variable;
use naga::back::hlsl::ShaderModel;
use naga::back::{hlsl, msl, spv};

use crate::common::{self, ACTIVATIONS, bases, chains, cutoffs, hot, priors, schnet};

/// A device that runs nothing, with WebGPU's default limits. It composes, specialises and checks
/// kernels as any other device does.
fn no_device() -> Device {
    let (device, queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor {
        required_limits: wgpu::Limits::default(),
        ..Default::default()
    });
    Device::from_wgpu(device, queue)
}

/// A device that holds every specialisation in use of the kernels for any adapter: all activations,
/// bases and envelopes, and sizes from one filter to those that fill the workgroup memory.
pub(crate) fn specialised_device() -> Device {
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
            let dynamics = Dynamics::none(&system);
            GpuEngine::new(&device, system.clone(), &dynamics, numerics)
                .expect("fits WebGPU's default limits");
        }
    }
    for mixing in [Mixing::Neighbors, Mixing::AllPairs] {
        let (system, _) = chains(5, 6);
        let exchange = Some(Exchange::copies(mixing, &[1.7, 1.4, 1.1], 2));
        let dynamics = Dynamics { exchange, ..hot(6) };
        GpuEngine::new(&device, system, &dynamics, Filter::Exact).expect("kernels compile");
    }
    let anneal = vec![(0, 300.0), (10, 500.0), (20, 300.0)];
    let dynamics = Dynamics { mts: 3, anneal, ..hot(6) };
    let engine = GpuEngine::new(&device, chains(5, 6).0, &dynamics, Filter::Exact);
    let mut engine = engine.expect("kernels compile");
    // The result is ignored, because this device computes nothing.
    let _ = engine.minimize(&Minimization::default());
    engine.set_external_forces(Some(&[[1.0; 3]; 30])).expect("kernels compile");
    let _ = engine.minimize(&Minimization::default());
    for exchange in [None, Some(Exchange::copies(Mixing::Neighbors, &[1.7, 1.4, 1.1], 2))] {
        let dynamics = Dynamics { exchange, ..hot(6) };
        let engine = GpuEngine::new(&device, chains(5, 6).0, &dynamics, Filter::Exact);
        let form = BiasForm::Harmonic { k: vec![1.0], center: vec![2.0] };
        let bias = Bias { name: "rg".into(), variable: Variable::radius_of_gyration(), form };
        engine.expect("kernels compile").set_biases(&[bias]).expect("kernels compile");
    }
    let engine = GpuEngine::new(&device, chains(5, 6).0, &hot(6), Filter::Exact);
    let form = BiasForm::Moving { k: vec![1.0], path: vec![(0, 2.0), (9, 3.0)] };
    let bias = Bias { name: "rg".into(), variable: Variable::radius_of_gyration(), form };
    engine.expect("kernels compile").set_biases(&[bias]).expect("kernels compile");
    let axis = Axis { lower: 0.0, upper: 1.0, bins: 10, periodic: false, width: 0.25 };
    let hills = |n: usize| {
        let (height, bias_factor, temperature) = (0.5, 8.0, 300.0);
        Hills { axes: vec![axis; n], height, bias_factor, temperature }
    };
    for n in [1, 2] {
        let variables = vec![Variable::radius_of_gyration(); n];
        let of = Metadynamics { name: "rg".into(), variables, hills: hills(n), every: 1 };
        let dynamics = Dynamics { metadynamics: Some(of), ..hot(6) };
        let engine = GpuEngine::new(&device, chains(5, 6).0, &dynamics, Filter::Exact);
        engine.expect("kernels compile");
    }
    // A step does not use the unfused radial basis, so its own operation compiles it here.
    for basis in bases(17, 9.0) {
        let graph = flashschnet::ops::Graph { row_ptr: vec![0, 0], col: vec![] };
        // The result is ignored, because this device may fail to read results back.
        let _ =
            GpuOps(device.clone(), Filter::Exact.into()).radial_basis(&basis, &graph, &[[0.0; 3]]);
    }
    // Nor does a step evaluate variables that do not act.
    let model = Model { schnet: None, priors: priors(6) };
    let system = System::new(&model, std::slice::from_ref(&structure));
    let gyration = Variable::radius_of_gyration();
    let ops = GpuOps(device.clone(), Filter::Exact.into());
    let _ = ops.variable(&system.expect("a valid system"), &gyration, &structure.positions);
    let _ = ops.hills(&Grid::new(hills(1)).expect("valid"), &[vec![[0.5, 0.0]]], &[[0.5, 0.0]]);
    device
}

/// Name and text of every kernel, with its default constants and in every specialisation in use.
fn specialisations() -> Vec<(&'static str, String)> {
    let specialised = specialised_device().specialisations().into_iter();
    let mut all: Vec<_> =
        specialised.map(|(name, constants)| (name, compose(name, &constants))).collect();
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
    assert!(names.is_disjoint(&elsewhere), "a device without tensor cores uses a kernel for them");
    assert!(all.len() > 60, "only {} specialisations", all.len());
    for (name, text) in &all {
        let (module, info) = parse(text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let reflection = reflect(&module);
        assert!(reflection.invocations <= 256, "{name}: {} invocations", reflection.invocations);
        let bytes = reflection.workgroup_bytes;
        assert!(bytes <= 16_384, "{name}: {bytes} bytes of workgroup memory");
        assert_eq!(reflection.bindings[0], ("params".to_owned(), Access::Uniform), "{name}");
        assert!(reflection.bindings.len() <= 9, "{name}: more than 8 storage buffers");
        assert_eq!(module.entry_points.len(), 1, "{name}");
        assert_eq!(module.entry_points[0].name, *name);
        translate(name, (&module, &info), ShaderModel::V5_1);
    }
}

/// The kernels for adapters with 16-bit arithmetic, which `no_device` lacks.
pub(crate) fn sixteen_bit_kernels() -> [(&'static str, Constants); 5] {
    let files = [
        ("stored", Value::File("stored_f16")),
        ("filter_table_read", Value::File("filter_table_read_half")),
    ];
    let names = [
        "cfconv_forward_table",
        "cfconv_backward_table",
        "block_forward",
        "readout",
        "block_backward",
    ];
    names.map(|name| (name, files.to_vec()))
}

#[test]
fn sixteen_bit_arithmetic_translates() {
    for (name, files) in sixteen_bit_kernels() {
        let (module, info) =
            parse(&compose(name, &files)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(reflect(&module).workgroup_bytes <= 16_384, "{name}");
        // Shader model 6.2 is the first with 16-bit floats.
        translate(name, (&module, &info), ShaderModel::V6_2);
    }
}

/// The kernels of linear layers on tensor cores, which `no_device` and software drivers lack, and
/// the number of bindings of each.
pub(crate) fn layers_on_tensor_cores() -> Vec<(&'static str, Constants, usize)> {
    let mut all = Vec::new();
    for width in [32, 12] {
        for (name, bindings) in [("block_forward", 10), ("readout", 10), ("block_backward", 7)] {
            let constants = vec![
                ("dense", Value::File("dense_matrix")),
                ("WORKGROUP", Value::Count(256)),
                ("ROWS", Value::Count(2)),
                ("WIDTH", Value::Count(width)),
                ("HALVES", Value::Count(bindings - 1)),
            ];
            all.push((name, constants, bindings as usize));
        }
    }
    all
}

#[test]
fn layers_on_tensor_cores_translate() {
    for (name, constants, bindings) in layers_on_tensor_cores() {
        let (module, info) = parse(&compose(name, &constants)).unwrap_or_else(|e| panic!("{e}"));
        let reflection = reflect(&module);
        assert_eq!(reflection.bindings.len(), bindings, "{name}");
        // At 17 KiB several workgroups fit on a multiprocessor.
        assert!(reflection.workgroup_bytes <= 17_408, "{name}");
        let spirv = naga::back::spv::write_vec(&module, &info, &Default::default(), None);
        assert!(!spirv.unwrap_or_else(|e| panic!("{name}: {e}")).is_empty());
    }
}

/// The kernels that only run on tensor cores or their emulation, and the number of bindings of
/// each.
const FILTERS_ON_MATRIX_UNITS: [(&str, usize); 2] =
    [("cfconv_forward_matrix", 8), ("cfconv_backward_matrix", 10)];

/// Specialisations of these kernels with the matrix library `library`, and the number of bindings
/// of each.
pub(crate) fn filters_on_tensor_cores(
    library: &'static str,
    segment: u32,
) -> Vec<(&'static str, Constants, usize)> {
    let mut all = Vec::new();
    for (quads, filters, functions, lanes) in
        [(32, 8, 4, 16), (1, 1, 1, 4), (24, 6, 3, 16), (32, 8, 8, 32)]
    {
        for (name, bindings) in FILTERS_ON_MATRIX_UNITS {
            let constants = vec![
                ("matrix", Value::File(library)),
                ("SEGMENT", Value::Count(segment)),
                ("WORDS", Value::Count(segment / 32)),
                ("QUADS", Value::Count(quads)),
                ("FILTER_MATRICES", Value::Count(filters)),
                ("RBF_MATRICES", Value::Count(functions)),
                ("BASIS_LANES", Value::Count(lanes)),
            ];
            all.push((name, constants, bindings));
        }
    }
    all
}

/// Kernels with tensor cores and with the emulation. `tests/cfconv.rs` runs the emulation.
#[test]
fn filters_on_tensor_cores_translate() {
    let on_tensor_cores = filters_on_tensor_cores("matrix", 256).into_iter();
    for (name, constants, bindings) in
        on_tensor_cores.chain(filters_on_tensor_cores("matrix_emulated", 128))
    {
        let (module, info) = parse(&compose(name, &constants)).unwrap_or_else(|e| panic!("{e}"));
        let reflection = reflect(&module);
        assert_eq!(reflection.bindings.len(), bindings, "{name}");
        assert_eq!(reflection.invocations, 512, "{name}");
        // `has_matrices` requires this much workgroup memory of an adapter.
        assert!(reflection.workgroup_bytes <= 46_080, "{name}");
        let spirv = naga::back::spv::write_vec(&module, &info, &Default::default(), None);
        assert!(!spirv.unwrap_or_else(|e| panic!("{name}: {e}")).is_empty());
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

/// The offset of every member of a shader's struct, and the size of the struct.
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
        classes,
        seed_low,
        seed_high,
        integrator,
        dt,
        keep,
        refresh,
        mobility,
        max_force2,
        max_kinetic,
        max_stretch,
        bead_bits,
        t_per_angstrom,
        higher,
        gradient_scale,
        gradient_unit,
        list2,
        radius,
        max_neighbors,
        n_ladders,
    });
    assert_eq!(layout_of("block_forward", "Params"), params);
    assert_eq!(
        layout_of("block_forward", "Bead"),
        layout!(Bead { replica, first, row, bead_type })
    );
    assert_eq!(layout_of("neighbor_check", "Position"), layout!(Position { high, low }));
    assert_eq!(
        layout_of("prior_repulsion", "PairRule"),
        layout!(PairRule { records, mask_low, mask_high, term })
    );
    let walker = layout!(Walker { origin, kt, alarm, frozen_low, frozen_high, padding });
    assert_eq!(layout_of("integrate_end", "Walker"), walker);
    assert_eq!(layout_of("exchange", "Rung"), layout!(Rung { beta_low, beta_high, kt, walker }));
    assert_eq!(
        layout_of("fire", "Descent"),
        layout!(Descent { status, steps_left, good, bead, step, mixing, tolerance2, largest2 })
    );
    let axis = layout!(GridAxis { lower, upper, per_unit, sharpness, bins, nodes, periodic });
    assert_eq!(layout_of("hills", "GridAxis"), axis);
    let potential = layout!(GridPotential { x, y, first, height, rate });
    assert_eq!(layout_of("hills", "GridPotential"), potential);
    assert_eq!(layout_of("hills", "GridNode"), layout!(GridNode { high, low }));
    // The shader has three words of padding where the host has one array of them.
    let (mut members, size) = layout_of("prior_bonded", "Tuple");
    members.retain(|(name, _)| !name.starts_with("padding"));
    let host = layout!(Tuple { beads, form, slot, term, degree, values });
    assert_eq!((members, size), host);
}

/// The value of a constant that a file in `shaders` declares exactly once.
fn constant(file: &str, name: &str) -> f64 {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders").join(file);
    let text = std::fs::read_to_string(path).expect("is there");
    let values = text.lines().filter_map(|line| {
        let (head, value) = line.strip_suffix(';')?.split_once(" = ")?;
        // `const NAME: u32` and `const NAME: f32` in WGSL; `constexpr u32 NAME` and
        // `constexpr float NAME` in CUDA C.
        let words: Vec<&str> = head.split(' ').collect();
        let declared = match words[..] {
            ["const", word, "u32" | "f32"] => word.strip_suffix(':')?,
            ["constexpr", "u32" | "float", word] => word,
            _ => return None,
        };
        (declared == name).then_some(value)
    });
    let values: Vec<&str> = values.collect();
    let [value] = values[..] else { panic!("{file}: {name} is declared as {values:?}") };
    let number = match value.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits.trim_end_matches('u'), 16).ok().map(f64::from),
        None => value.trim_end_matches(['u', 'f']).parse().ok(),
    };
    number.unwrap_or_else(|| panic!("{file}: {name} is {value}"))
}

#[test]
fn numbers_match() {
    let status = |offset: usize| (offset / size_of::<u32>()) as f64;
    let (distance, sine) = (prior::MIN_DISTANCE, prior::MIN_SINE);
    let word = |number: u32| f64::from(number);
    for (number, reason) in params::REASONS.into_iter().enumerate() {
        assert_eq!(reason as usize, number);
    }
    let reason = |reason: Reason| f64::from(reason as u32);
    for (file, constants) in [
        (
            "prior_bonded",
            vec![
                ("BOND", word(form::BOND)),
                ("ANGLE", word(form::ANGLE)),
                ("ANGLE_RAW", word(form::ANGLE_RAW)),
                ("QUARTIC", word(form::QUARTIC)),
                ("QUARTIC_RAW", word(form::QUARTIC_RAW)),
                ("RESTRICTED", word(form::RESTRICTED)),
                ("DIHEDRAL", word(form::DIHEDRAL)),
                ("IMPROPER", word(form::IMPROPER)),
                ("IMPROPER_SHIFTED", word(form::IMPROPER_SHIFTED)),
                ("LEAST_REST", LEAST_REST),
            ],
        ),
        ("lib/angles", vec![("SIN2_FLOOR", sine * sine), ("DISTANCE_FLOOR", distance)]),
        (
            "prior_repulsion",
            vec![
                ("BEAD_BITS", word(params::BEAD_BITS)),
                ("NO_RULE", word(params::NO_RULE)),
                ("NEVER", params::NEVER),
                ("SQUARE_FLOOR", distance * distance),
            ],
        ),
        ("lib/grid", vec![("GRID", params::GRID), ("FARTHEST", FARTHEST)]),
        ("hills", vec![("UNIT", params::GRID)]),
        (
            "exchange",
            vec![
                ("MOST_STATES", MOST_STATES as f64),
                ("TRACE", TRACE as f64),
                ("STREAM", f64::from((Stream::Exchange as u32) << 24)),
            ],
        ),
        ("neighbor_check", vec![("RECENTER", RECENTER)]),
        (
            "lib/walker",
            vec![
                ("NO_ALARM", word(params::NO_ALARM)),
                ("POSITION", reason(Reason::Position)),
                ("FORCE", reason(Reason::Force)),
                ("KINETIC", reason(Reason::Kinetic)),
                ("STRETCH", reason(Reason::Stretch)),
                ("OFF_GRID", reason(Reason::Grid)),
            ],
        ),
        (
            "lib/descent",
            vec![
                ("RUNNING", word(descent::RUNNING)),
                ("CONVERGED", word(descent::CONVERGED)),
                ("EXHAUSTED", word(descent::EXHAUSTED)),
                ("BROKEN", word(descent::BROKEN)),
                ("FROZEN", word(descent::FROZEN)),
            ],
        ),
        (
            "lib/activation",
            vec![
                ("TANH", word(activation::TANH)),
                ("SILU", word(activation::SILU)),
                ("SHIFTED_SOFTPLUS", word(activation::SHIFTED_SOFTPLUS)),
            ],
        ),
        (
            "lib/variable",
            vec![
                ("VARIABLE_POSITION", word(kind::POSITION)),
                ("VARIABLE_DISTANCE", word(kind::DISTANCE)),
                ("VARIABLE_ANGLE", word(kind::ANGLE)),
                ("VARIABLE_DIHEDRAL", word(kind::DIHEDRAL)),
                ("VARIABLE_GYRATION", word(kind::GYRATION)),
                ("VARIABLE_RMSD", word(kind::RMSD)),
                ("VARIABLE_CONTACTS", word(kind::CONTACTS)),
                ("HEADER_WORDS", HEADER_WORDS as f64),
            ],
        ),
        (
            "lib/params",
            vec![
                ("ALL_TERMS", word(params::ALL_TERMS)),
                ("LANGEVIN", word(integrator::LANGEVIN)),
                ("NVE", word(integrator::NVE)),
                ("OVERDAMPED", word(integrator::OVERDAMPED)),
                ("OVERDAMPED_PUBLISHED", word(integrator::OVERDAMPED_PUBLISHED)),
                ("FAST", word(params::FAST)),
                ("SLOW", word(params::SLOW)),
                ("STATUS_WORDS", status(size_of::<Status>())),
                ("STATUS_REBUILD", status(offset_of!(Status, rebuild))),
                ("STATUS_EDGES", status(offset_of!(Status, edges))),
                ("STATUS_OVERFLOW", status(offset_of!(Status, overflow))),
                ("STATUS_CROWDED", status(offset_of!(Status, crowded))),
                ("STATUS_BUILDS", status(offset_of!(Status, builds))),
            ],
        ),
    ] {
        let cuda = if file.starts_with("lib/") { "cuh" } else { "cu" };
        for (name, host) in constants {
            for extension in ["wgsl", cuda] {
                let file = format!("{file}.{extension}");
                let found = constant(&file, name);
                // Real numbers are compared in f32. Integers below 2^32 are exact in f64.
                let same = found == host || found as f32 == host as f32 && host.fract() != 0.0;
                assert!(same, "{file}: {name} is {found}, the host's {host}");
            }
        }
    }
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

/// An engine accepts a system and a state on a device that computes nothing. No call panics.
#[test]
fn a_host_device_is_taken() {
    let (system, state) = chains(5, 2);
    let engine = GpuEngine::new(&no_device(), system, &hot(2), Filter::Exact);
    let mut engine = engine.expect("kernels compile");
    engine.set_state(&state).expect("a valid state");
    assert!(engine.device().contains("of the host"));
}
