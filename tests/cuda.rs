//! The kernels in CUDA C, without a GPU. Every WGSL kernel has a twin in CUDA C with the same
//! constants, bindings and structs, and NVIDIA's run-time compiler (NVRTC) compiles it.
#![cfg(feature = "cuda")]

use std::collections::HashSet;

use cudarc::nvrtc::{self, CompileOptions};
use flashschnet::Error;
use flashschnet::gpu::Device;
use flashschnet::gpu::compose::{
    Constants, KERNELS, Value, compose, compose_cuda, parse, reflect, reflect_cuda,
};
use rayon::prelude::*;

use crate::shaders;

/// Name, type and value of every constant in a text whose value is a plain number or flag. The
/// declaration starts with `keyword`; `read` splits its left side into name and type.
fn constants(
    text: &str,
    keyword: &str,
    read: impl Fn(&str) -> Option<(String, String)>,
) -> Vec<[String; 3]> {
    let declared = text.lines().filter_map(|line| line.trim().strip_prefix(keyword));
    let values = declared.filter_map(|line| {
        let (left, value) = line.split_once(" = ")?;
        let (name, kind) = read(left)?;
        let value = value.split_once(';')?.0.trim_end_matches(['u', 'f']);
        let number: Option<f64> = match value.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok().map(f64::from),
            None => value.parse().ok(),
        };
        let plain = number.map(|number| format!("{:e}", number as f32));
        let flag = matches!(value, "true" | "false").then(|| value.to_owned());
        Some([name, kind, plain.or(flag)?])
    });
    values.collect()
}

fn of_wgsl(text: &str) -> Vec<[String; 3]> {
    constants(text, "const ", |left| {
        let (name, kind) = left.split_once(": ")?;
        Some((name.to_owned(), if kind == "f32" { "float" } else { kind }.to_owned()))
    })
}

fn of_cuda(text: &str) -> Vec<[String; 3]> {
    constants(text, "constexpr ", |left| {
        let (kind, name) = left.split_once(' ')?;
        Some((name.to_owned(), kind.to_owned()))
    })
}

/// Constants whose values differ between a WGSL kernel and its twin: WGSL keeps these words in
/// workgroup memory, CUDA C in registers.
const ITS_OWN: [(&str, &str); 1] = [("neighbor_fill", "WORDS")];

#[test]
fn every_kernel_has_a_twin_with_its_constants() {
    for (name, _) in KERNELS {
        let twin = of_cuda(&compose_cuda(name, &[]));
        for constant in of_wgsl(&compose(name, &[])) {
            let own = ITS_OWN.contains(&(name, constant[0].as_str()));
            assert!(own || twin.contains(&constant), "{name}: {constant:?} is not in its twin");
        }
    }
}

/// The names of the arguments of a kernel in CUDA C.
fn arguments(name: &str, text: &str) -> Vec<String> {
    let arguments = text.split_once(&format!(" {name}(")).expect("an entry point").1;
    let arguments = arguments.split_once(") {").expect("the arguments end").0;
    // Linear layers on tensor cores have one more argument, which a macro declares.
    let halves = text.lines().find_map(|line| line.strip_prefix("#define HALVES_ARGUMENT"));
    let arguments = arguments.replace(" HALVES_ARGUMENT", halves.unwrap_or_default());
    let last_word = |argument: &str| argument.rsplit([' ', '*']).next().unwrap_or("").to_owned();
    arguments.split(',').map(|argument| last_word(argument.trim())).collect()
}

/// The variables of a module that have a binding, in the order of their bindings.
fn bindings(module: &naga::Module) -> Vec<&naga::GlobalVariable> {
    let variables = module.global_variables.iter().map(|(_, variable)| variable);
    let mut bound: Vec<_> = variables.filter(|variable| variable.binding.is_some()).collect();
    bound.sort_by_key(|variable| variable.binding.map(|binding| binding.binding));
    bound
}

#[test]
fn twins_have_an_argument_for_every_binding() {
    let plain = KERNELS.iter().map(|(name, _)| (*name, Constants::new()));
    let on_tensor_cores = shaders::layers_on_tensor_cores();
    for (name, constants) in
        plain.chain(on_tensor_cores.into_iter().map(|(name, all, _)| (name, all)))
    {
        let (module, _) = parse(&compose(name, &constants)).unwrap();
        let (reflection, text) = (reflect(&module), compose_cuda(name, &constants));
        let names = bindings(&module).into_iter().map(|variable| variable.name.clone().unwrap());
        assert_eq!(arguments(name, &text), names.collect::<Vec<_>>(), "{name}");
        assert!(
            text.contains("extern \"C\" __global__ void __launch_bounds__(WORKGROUP"),
            "{name}"
        );
        let twin = reflect_cuda(name, &text).unwrap();
        assert_eq!(twin.bindings, reflection.bindings, "{name}");
        assert_eq!(twin.invocations, reflection.invocations, "{name}");
    }
}

/// The PTX of a text for an architecture. For a virtual architecture such as `compute_90` NVRTC
/// only compiles. For a real one such as `sm_90` it also assembles the PTX, which checks inline
/// assembly.
fn ptx(name: &str, text: &str, architecture: &str) -> String {
    let options = CompileOptions {
        name: Some(format!("{name}.cu")),
        // The options of src/gpu/api/cuda.rs.
        options: vec![
            format!("--gpu-architecture={architecture}"),
            "--std=c++17".into(),
            "--device-as-default-execution-space".into(),
            "--diag-suppress=177".into(),
            // Optimization takes most of the time of assembly, and nothing runs the result.
            "--ptxas-options=-O0".into(),
            "--Ofast-compile=max".into(),
        ],
        ..Default::default()
    };
    match nvrtc::compile_ptx_with_opts(text, options) {
        Ok(ptx) => ptx.to_src(),
        Err(nvrtc::CompileError::CompileError { log, .. }) => {
            panic!("{name} for {architecture}: {}", log.to_string_lossy())
        }
        Err(other) => panic!("{name} for {architecture}: {other:?}"),
    }
}

/// The architectures that NVRTC compiles for.
#[allow(unsafe_code, reason = "CUDA's interface")]
fn architectures() -> Vec<i32> {
    // SAFETY: the call only looks for a library and its entry points.
    let present = unsafe { nvrtc::sys::is_culib_present() };
    assert!(present, "no libnvrtc: `tests/run` unpacks NVIDIA's");
    let mut count = 0;
    // SAFETY: NVRTC writes `count` numbers, and the vector has room for them.
    unsafe {
        nvrtc::sys::nvrtcGetNumSupportedArchs(&mut count).result().unwrap();
        let mut known = vec![0; count as usize];
        nvrtc::sys::nvrtcGetSupportedArchs(known.as_mut_ptr()).result().unwrap();
        known
    }
}

/// Every kernel with its default constants, and every specialisation in use.
fn specialisations() -> Vec<(&'static str, Constants)> {
    let plain = KERNELS.iter().map(|(name, _)| (*name, Constants::new()));
    let on_tensor_cores = shaders::layers_on_tensor_cores().into_iter();
    let on_tensor_cores = on_tensor_cores.chain(shaders::filters_on_tensor_cores("matrix", 256));
    // Activations of TorchMD's networks.
    let with_activation = |kind: u32| {
        [
            "dense",
            "cfconv_forward",
            "cfconv_backward",
            "cfconv_forward_matrix",
            "cfconv_backward_matrix",
        ]
        .map(|name| (name, vec![("ACTIVATION", Value::Count(kind))]))
    };
    plain
        .chain((3..=5).flat_map(with_activation))
        .chain(shaders::sixteen_bit_kernels())
        .chain(on_tensor_cores.map(|(name, constants, _)| (name, constants)))
        .chain(shaders::specialised_device().specialisations())
        .collect()
}

/// The library files that a specialisation imports in place of the default ones.
fn files(constants: &Constants) -> Vec<&'static str> {
    let file = |value: &Value| if let Value::File(file) = value { Some(*file) } else { None };
    constants.iter().filter_map(|(_, value)| file(value)).collect()
}

/// Every specialisation compiles to PTX. Inline assembly depends only on the imported files, so one
/// specialisation per choice of files is also assembled: for the oldest architecture that the
/// kernel supports and for a new one.
#[test]
fn every_specialisation_compiles() {
    let known = architectures();
    let (mut texts, mut assembled) = (HashSet::new(), HashSet::new());
    for (name, constants) in specialisations() {
        let (text, files) = (compose_cuda(name, &constants), files(&constants));
        let on_tensor_cores = name.ends_with("_matrix") || files.contains(&"dense_matrix");
        // sm_80 is the first architecture with the tensor-core instructions of lib/matrix and
        // lib/dense_matrix.
        let first = if on_tensor_cores { 80 } else { 70 };
        let oldest =
            known.iter().filter(|known| **known >= first).min().expect("NVRTC compiles for it");
        if assembled.insert((name, files)) {
            texts.insert((name, text.clone(), format!("sm_{oldest}")));
            texts.insert((name, text, "sm_90".to_owned()));
        } else {
            texts.insert((name, text, "compute_90".to_owned()));
        }
    }
    assert!(assembled.len() > 30 && texts.len() > 120, "{} {}", assembled.len(), texts.len());
    texts.par_iter().for_each(|(name, text, architecture)| {
        assert!(ptx(name, text, architecture).contains(&format!(".entry {name}(")), "{name}");
    });
}

/// An expression in CUDA C and its value.
type Fact = (String, u32);

/// The sizes of the elements of a WGSL kernel's bindings, and the offsets of their struct members.
fn layout(name: &str) -> Vec<Fact> {
    let (module, _) = parse(&compose(name, &[])).unwrap();
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).unwrap();
    let mut facts = Vec::new();
    for (number, variable) in bindings(&module).into_iter().enumerate() {
        let (element, size) = match module.types[variable.ty].inner {
            naga::TypeInner::Array { base, stride, .. } => (base, stride),
            _ => (variable.ty, layouter[variable.ty].size),
        };
        facts.push((format!("sizeof(Element<{number}>)"), size));
        let ty = &module.types[element];
        if let naga::TypeInner::Struct { members, .. } = &ty.inner {
            let of = ty.name.as_deref().unwrap();
            let members = members.iter().map(|member| (member.name.as_deref().unwrap(), member));
            let members = members.filter(|(member, _)| !member.starts_with("padding"));
            facts.extend(
                members.map(|(member, found)| (format!("offsetof({of}, {member})"), found.offset)),
            );
        }
    }
    facts
}

/// Definitions appended to a kernel, so that NVRTC can evaluate the expressions of its facts.
const ELEMENTS: &str = "
// NVRTC has no headers; this is the operator behind NVIDIA's offsetof.
#define offsetof(type, member) (u32)__INTADDR__(&((type*)0)->member)
template <class T> struct Pointed;
template <class T> struct Pointed<T*> { using type = T; };
template <u32 N, class F> struct Argument;
template <u32 N, class First, class... Rest>
struct Argument<N, void(First, Rest...)> { using type = typename Argument<N - 1, void(Rest...)>::type; };
template <class First, class... Rest>
struct Argument<0, void(First, Rest...)> { using type = First; };
";

#[test]
fn twins_lay_out_memory_alike() {
    architectures();
    KERNELS.par_iter().for_each(|(name, _)| {
        let facts = layout(name);
        let expressions: Vec<&str> = facts.iter().map(|(text, _)| text.as_str()).collect();
        let text = format!(
            "{}{ELEMENTS}template <u32 N> using Element = \
             typename Pointed<typename Argument<N, decltype({name})>::type>::type;\n\
             extern \"C\" __device__ u32 FACTS[] = {{{}}};\n",
            compose_cuda(name, &[]),
            expressions.join(", "),
        );
        let ptx = ptx(name, &text, "compute_90");
        let values = ptx.split_once(".b8 FACTS[").expect("the facts are an array of bytes").1;
        let values = values.split_once(" = {").expect("the array has values").1;
        let values = values.split_once('}').expect("the array ends").0;
        let mut bytes: Vec<u8> =
            values.split(", ").map(|value| value.parse::<u8>().unwrap()).collect();
        // PTX leaves out zeros at the end of an array.
        bytes.resize(4 * facts.len(), 0);
        let found = bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap()));
        let found: Vec<Fact> = facts.iter().map(|(text, _)| text.clone()).zip(found).collect();
        assert_eq!(found, facts, "{name}");
    });
}

#[test]
fn a_machine_without_cuda_is_told_so() {
    match Device::open_cuda(None) {
        Ok(device) => assert!(device.is_cuda()),
        Err(Error::NoAdapter { found, advice }) => {
            assert!(found.contains("CUDA"), "{found}");
            assert!(advice.contains("wgpu backend"), "{advice}");
        }
        Err(other) => panic!("{other}"),
    }
}
