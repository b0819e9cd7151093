//! Writes every specialisation of every shader in the languages of other compilers, as wgpu hands
//! them to drivers. `tests/portability` gives the files to the compilers.

use std::collections::HashMap;
use std::path::Path;

use flashschnet::gpu::Access;
use flashschnet::gpu::compose::{Constants, KERNELS, compose, parse, reflect};
use naga::back::hlsl::{self, BindTarget, ShaderModel};
use naga::back::spv::{self, WriterFlags, ZeroInitializeWorkgroupMemoryMode};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::shaders;

/// Below the repository. Each language has a folder.
const FOLDER: &str = "target/portability/shaders";

/// The languages in which a kernel can be written.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Plain,
    /// With 16-bit arithmetic: in HLSL from shader model 6.2 on.
    Half,
    /// On tensor cores: naga's extension of WGSL, which has no HLSL.
    Matrix,
}

struct Specialisation {
    kernel: &'static str,
    constants: Constants,
    kind: Kind,
    text: String,
}

impl Specialisation {
    fn settings(&self) -> String {
        let each = self.constants.iter().map(|(key, value)| format!("{key}={value}"));
        each.collect::<Vec<_>>().join(" ")
    }

    /// The kernel and a hash of its constants.
    fn stem(&self) -> String {
        let hash = Sha256::digest(self.settings());
        format!("{}-{:02x}{:02x}{:02x}", self.kernel, hash[0], hash[1], hash[2])
    }
}

/// Every text once.
fn specialisations() -> Vec<Specialisation> {
    let everywhere = KERNELS.iter().filter(|(kernel, _)| !kernel.ends_with("_matrix"));
    let plain = everywhere.map(|(kernel, _)| (*kernel, Constants::new()));
    let plain = plain.chain(shaders::specialised_device().specialisations());
    let half = shaders::sixteen_bit_kernels().into_iter();
    let matrix = shaders::layers_on_tensor_cores().into_iter();
    let matrix = matrix.chain(shaders::filters_on_tensor_cores("matrix", 256));
    let all = plain
        .map(|(kernel, constants)| (kernel, constants, Kind::Plain))
        .chain(half.map(|(kernel, constants)| (kernel, constants, Kind::Half)))
        .chain(matrix.map(|(kernel, constants, _)| (kernel, constants, Kind::Matrix)));
    let mut texts = HashMap::new();
    for (kernel, constants, kind) in all {
        let text = compose(kernel, &constants);
        let made = || Specialisation { kernel, constants, kind, text: text.clone() };
        texts.entry(text.clone()).or_insert_with(made);
    }
    let mut all: Vec<_> = texts.into_values().collect();
    all.sort_by_key(Specialisation::stem);
    assert!(all.windows(2).all(|pair| pair[0].stem() != pair[1].stem()), "two have one hash");
    all
}

/// SPIR-V of a version. Unchecked it is what wgpu-hal makes of trusted shaders.
fn spirv(
    module: &naga::Module,
    info: &naga::valid::ModuleInfo,
    version: (u8, u8),
    checked: bool,
) -> Vec<u32> {
    let policy = if checked { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked };
    let options = spv::Options {
        lang_version: version,
        flags: WriterFlags::LABEL_VARYINGS | WriterFlags::FORCE_POINT_SIZE,
        bounds_check_policies: BoundsCheckPolicies {
            index: policy,
            buffer: policy,
            image_load: policy,
            binding_array: BoundsCheckPolicy::Unchecked,
        },
        zero_initialize_workgroup_memory: ZeroInitializeWorkgroupMemoryMode::None,
        // wgpu-hal bounds loops also in trusted shaders.
        force_loop_bounding: true,
        ..Default::default()
    };
    spv::write_vec(module, info, &options, None).expect("translates to SPIR-V")
}

/// HLSL with the registers that wgpu-hal gives to the bindings of one group. naga writes the same
/// text for shader models 5.1 to 6.3.
fn hlsl(
    module: &naga::Module,
    info: &naga::valid::ModuleInfo,
    shader_model: ShaderModel,
    checked: bool,
) -> String {
    let bindings = reflect(module).bindings;
    let mut next = HashMap::new();
    let mut target = |kind: char| {
        let register = next.entry(kind).or_insert(0);
        *register += 1;
        BindTarget { register: *register - 1, ..Default::default() }
    };
    let register = |(binding, (_, access)): (usize, &(String, Access))| {
        let kind = match access {
            Access::Uniform => 'b',
            Access::Read => 't',
            Access::Write => 'u',
        };
        let at = naga::ResourceBinding { group: 0, binding: binding as u32 };
        (at, target(kind))
    };
    let options = hlsl::Options {
        shader_model,
        binding_map: bindings.iter().enumerate().map(register).collect(),
        fake_missing_bindings: false,
        // The number of workgroups, behind the uniform buffer.
        special_constants_binding: Some(BindTarget { register: 1, ..Default::default() }),
        zero_initialize_workgroup_memory: false,
        restrict_indexing: checked,
        force_loop_bounding: checked,
        ..Default::default()
    };
    let mut text = String::new();
    hlsl::Writer::new(&mut text, &options, &hlsl::PipelineOptions::default())
        .write(module, info, None)
        .expect("translates to HLSL");
    text
}

/// A kernel that holds 300 numbers over a barrier.
fn many_registers() -> String {
    let read: String = (0..300).map(|k| format!("let x{k} = x[lane + {k}u * 64u];\n")).collect();
    let write: String = (0..300).map(|k| format!("x[lane * 300u + {k}u] = x{k};\n")).collect();
    format!(
        "@group(0) @binding(0) var<storage, read_write> x: array<f32>;
        @compute @workgroup_size(64)
        fn registers(@builtin(local_invocation_index) lane: u32) {{
            {read} storageBarrier(); {write}
        }}"
    )
}

#[test]
#[ignore = "writes the files for tests/portability"]
fn write() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    let put = |language: &str, name: String, bytes: &[u8]| {
        std::fs::create_dir_all(folder.join(language)).unwrap();
        std::fs::write(folder.join(language).join(name), bytes).unwrap();
    };
    let all = specialisations();
    all.par_iter().for_each(|specialisation| {
        let Specialisation { kernel, kind, text, .. } = specialisation;
        let stem = specialisation.stem();
        let (module, info) = parse(text).unwrap_or_else(|e| panic!("{kernel}: {e}"));
        // Versions 1.0, 1.3 and 1.6 belong to Vulkan 1.0, 1.1 and 1.3.
        let versions: &[((u8, u8), bool, &str)] = match kind {
            Kind::Matrix => &[((1, 6), false, "spirv-matrix")],
            _ => &[
                ((1, 0), true, "spirv-1.0"),
                ((1, 3), true, "spirv-1.3"),
                ((1, 6), false, "spirv-1.6"),
            ],
        };
        for (version, checked, language) in versions {
            let words = spirv(&module, &info, *version, *checked);
            put(language, format!("{stem}.spv"), bytemuck::cast_slice(&words));
        }
        let (model, languages) = match kind {
            Kind::Plain => (ShaderModel::V5_1, ["hlsl", "hlsl-checked"]),
            Kind::Half => (ShaderModel::V6_2, ["hlsl-f16", "hlsl-f16-checked"]),
            Kind::Matrix => return,
        };
        put("wgsl", format!("{stem}.wgsl"), text.as_bytes());
        for (language, checked) in languages.into_iter().zip([false, true]) {
            let text = hlsl(&module, &info, model, checked);
            put(language, format!("{stem}.hlsl"), text.as_bytes());
        }
    });
    let rows = all.iter().map(|one| format!("{},{},{}\n", one.stem(), one.kernel, one.settings()));
    put("", "constants.csv".to_owned(), rows.collect::<String>().as_bytes());
    // Invalid: the bound of its numbers is 1.
    let (module, info) = parse(&all[0].text).unwrap();
    let mut words = spirv(&module, &info, (1, 6), false);
    words[3] = 1;
    put("refused", "bound.spv".to_owned(), bytemuck::cast_slice(&words));
    let (module, info) = parse(&many_registers()).unwrap();
    let words = spirv(&module, &info, (1, 6), false);
    put("refused", "registers.spv".to_owned(), bytemuck::cast_slice(&words));
}
