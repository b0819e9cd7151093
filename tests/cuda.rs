//! The kernels in CUDA C beside those in WGSL, without a GPU: each has a twin with the same
//! constants and as many arguments as there are bindings; and a machine without CUDA is told so.
#![cfg(feature = "cuda")]

use flashschnet::Error;
use flashschnet::gpu::Device;
use flashschnet::gpu::wgsl::{KERNELS, block_size, compose, compose_cuda, parse, reflect};

/// Name, type and value of the constants of a text that are plain numbers or flags.
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

/// What a twin does without: bytes of tiles that it has in registers, and the like.
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

#[test]
fn twins_have_an_argument_for_every_binding() {
    for (name, _) in KERNELS {
        let (module, _) = parse(&compose(name, &[])).unwrap();
        let (reflection, text) = (reflect(&module), compose_cuda(name, &[]));
        let arguments = text.split_once(&format!(" {name}(")).expect("an entry point").1;
        let arguments = arguments.split_once(") {").expect("the arguments end").0;
        assert_eq!(arguments.matches('*').count(), reflection.bindings.len(), "{name}");
        assert!(
            text.contains("extern \"C\" __global__ void __launch_bounds__(WORKGROUP"),
            "{name}"
        );
        assert_eq!(block_size(&text), Some(reflection.invocations), "{name}");
    }
}

#[test]
fn a_machine_without_cuda_is_told_so() {
    match Device::open_cuda(None) {
        Ok(device) => assert!(device.is_cuda()),
        Err(Error::NoAdapter { found, advice }) => {
            assert!(found.contains("CUDA"), "{found}");
            assert!(advice.contains("--backend"), "{advice}");
        }
        Err(other) => panic!("{other}"),
    }
}
