//! The text of kernels: imports, constants and reflection. Needs no GPU.
//!
//! A shader is a legal WGSL file whose constants have values. A specialisation replaces the
//! initialisers of some constants. Imported files hold structs, constants and functions only. The
//! twins in CUDA C follow the same rules.

use naga::valid::{Capabilities, ValidationFlags, Validator};

use super::api::Access;

macro_rules! files {
    ($kind:literal, $end:literal: $($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../shaders/", $kind, $name, $end))),)*]
    };
}

macro_rules! kernels {
    ($end:literal) => {
        files!("", $end:
            "neighbor_check", "neighbor_count", "neighbor_fill", "neighbor_limit",
            "radial_basis", "dense", "cfconv_forward", "cfconv_backward",
            "cfconv_forward_matrix", "cfconv_backward_matrix",
            "edges", "cfconv_forward_table", "cfconv_backward_table",
            "block_forward", "readout", "block_backward",
            "prior_bonded", "prior_repulsion",
            "noise", "integrate_begin", "integrate_end", "energy_reduce",
            "exchange", "exchange_end", "fire", "anneal", "observe", "bias", "bias_levels", "steer", "steer_work",
            "metadynamics", "hill_heights", "hills",
            "limit_copy", "limit_fma",
        )
    };
}

/// Every kernel: the name of its file and entry point, and its text.
pub const KERNELS: &[(&str, &str)] = kernels!(".wgsl");

const LIBRARY: &[(&str, &str)] = files!("lib/", ".wgsl":
    "params", "walker", "math", "separation", "angles", "variable", "activation", "radial", "random",
    "wide", "dense", "dense_matrix", "row", "edge", "edge_share",
    "filter_table", "filter_table_read", "filter_table_read_half", "stored", "stored_half",
    "stored_f16", "weight", "weight_norm", "near", "matrix", "matrix_turned", "matrix_emulated",
    "lanes", "lanes_emulated", "parts", "acting", "grid", "descent", "bias", "spring", "ramp", "sum", "grid_potential",
    "filter_matrix",
);

/// The value of a constant in a specialisation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A `u32`.
    Count(u32),
    /// An `f32`. It is clamped to ±3e38, because WGSL has no literal for infinity.
    Real(f64),
    /// A `bool`.
    Flag(bool),
    /// A file to import in place of the file that the key names.
    File(&'static str),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Count(n) => write!(f, "{n}u"),
            Value::Real(x) => write!(f, "{:?}", x.clamp(-3e38, 3e38) as f32),
            Value::Flag(b) => write!(f, "{b}"),
            Value::File(name) => write!(f, "{name}"),
        }
    }
}

/// Constants, or imported files, to replace.
pub type Constants = Vec<(&'static str, Value)>;

/// The text of a kernel with its imports included and the given constants replaced.
///
/// # Panics
/// If the kernel, an import or a constant does not exist, which is a mistake in this crate.
pub fn compose(name: &str, constants: &[(&str, Value)]) -> String {
    let files = constants.iter().filter_map(|(import, value)| match value {
        Value::File(other) => Some((*import, find(LIBRARY, other))),
        _ => None,
    });
    compose_source(find(KERNELS, name), &files.collect::<Vec<_>>(), constants)
}

/// Like [`compose`], for the text of a kernel from outside the crate. The files of `library` can be
/// imported by name, and take precedence over the crate's own.
///
/// # Panics
/// If an import or a constant does not exist.
pub fn compose_source(
    source: &str,
    library: &[(&str, &str)],
    constants: &[(&str, Value)],
) -> String {
    let library: Vec<(&str, &str)> = library.iter().chain(LIBRARY).copied().collect();
    let declared = |text: &str, key: &str| text.find(&format!("const {key}: "));
    unroll(enables_first(&assemble(source, &library, constants, declared)))
}

/// The text of a source with its imports included and constants replaced. If the library has two
/// files of one name, the first is used. `declared` finds the declaration of a constant in a text.
fn assemble(
    source: &str,
    library: &[(&str, &str)],
    constants: &[(&str, Value)],
    declared: impl Fn(&str, &str) -> Option<usize>,
) -> String {
    let (mut text, mut done) = (String::new(), Vec::new());
    expand(source, library, &mut text, &mut done);
    for (key, value) in constants.iter().filter(|(_, value)| !matches!(value, Value::File(_))) {
        let title = source.lines().next().unwrap_or_default();
        let start = declared(&text, key).unwrap_or_else(|| panic!("{title}: no constant {key}"));
        let equals = start + text[start..].find("= ").expect("a constant has a value") + 2;
        let end = equals + text[equals..].find(';').expect("a declaration ends");
        text.replace_range(equals..end, &value.to_string());
    }
    text
}

const CUDA_KERNELS: &[(&str, &str)] = kernels!(".cu");

const CUDA_LIBRARY: &[(&str, &str)] = files!("lib/", ".cuh":
    "vector", "params", "walker", "math", "separation", "angles", "variable", "activation", "radial",
    "random", "wide", "dense", "dense_matrix", "row", "edge", "edge_share", "filter_table", "filter_table_read",
    "filter_table_read_half", "stored", "stored_half", "stored_f16", "weight", "weight_norm", "near",
    "matrix", "acting", "grid", "descent", "bias", "spring", "ramp", "sum", "grid_potential",
);

/// Like [`compose`], for a kernel in CUDA C.
///
/// # Panics
/// If the kernel, an import or a constant does not exist, which is a mistake in this crate.
pub fn compose_cuda(name: &str, constants: &[(&str, Value)]) -> String {
    let files = constants.iter().filter_map(|(import, value)| match value {
        Value::File(other) => Some((*import, find(CUDA_LIBRARY, other))),
        _ => None,
    });
    let library: Vec<(&str, &str)> = files.chain(CUDA_LIBRARY.iter().copied()).collect();
    let declared = |text: &str, key: &str| {
        let of = |kind: &&str| text.find(&format!("constexpr {kind} {key} = "));
        ["u32", "float", "bool"].iter().find_map(of)
    };
    assemble(find(CUDA_KERNELS, name), &library, constants, declared)
}

/// Moves `enable` directives, which imports may bring, to the top, where WGSL wants them.
fn enables_first(text: &str) -> String {
    let enables = |line: &&str| line.starts_with("enable ");
    let (first, rest): (Vec<&str>, Vec<&str>) = text.lines().partition(enables);
    first.into_iter().chain(rest).flat_map(|line| [line, "\n"]).collect()
}

/// The comment that marks a loop to unroll. An array stays in registers only if every index is a
/// constant, and drivers do not unroll the loops by themselves.
const UNROLL: &str = "// unroll\n";

/// Unrolls the loops marked with [`UNROLL`]. Their form is `for (var r = 0u; r < N; r++) { … }`,
/// where N is a literal or a constant whose value is a literal.
fn unroll(mut text: String) -> String {
    while let Some(start) = text.find(UNROLL) {
        let header = &text[start + UNROLL.len()..];
        let open = start + UNROLL.len() + header.find('{').expect("a loop has a body");
        let words: Vec<&str> = text[start + UNROLL.len()..open].split_whitespace().collect();
        let ["for", "(var", name, "=", "0u;", _, "<", bound, _] = words[..] else {
            panic!("not a loop to unroll: {words:?}");
        };
        let (name, bound) = (name.to_owned(), bound.trim_end_matches(';'));
        let count = number(&text, bound).unwrap_or_else(|| panic!("{bound} is not a number"));
        let close = open + closing(&text[open..]);
        let body = text[open..=close].to_owned();
        let copies = (0..count).map(|k| replace_word(&body, &name, &format!("{k}u")));
        let copies = copies.collect::<Vec<_>>().join("\n");
        text.replace_range(start..=close, &copies);
    }
    text
}

/// The value of a literal, or of a constant whose value is a literal.
fn number(text: &str, word: &str) -> Option<u32> {
    let literal = |word: &str| word.strip_suffix('u')?.parse().ok();
    literal(word).or_else(|| {
        let declaration = format!("const {word}: u32 = ");
        let value = &text[text.find(&declaration)? + declaration.len()..];
        literal(&value[..value.find(';')?])
    })
}

/// The index of the brace that closes the one at the start of `text`.
fn closing(text: &str) -> usize {
    let mut depth = 0;
    let closes = |c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0
    };
    text.find(closes).expect("braces match")
}

/// `text` with an identifier replaced wherever it is a whole word and not a member of a struct.
fn replace_word(text: &str, word: &str, by: &str) -> String {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        // A member of a struct may have the name of the variable.
        let alone = !before.ends_with(|c| in_word(c) || c == '.') && !after.starts_with(in_word);
        replaced.push_str(before);
        replaced.push_str(if alone { by } else { word });
        rest = after;
    }
    replaced + rest
}

fn find(files: &'static [(&str, &str)], name: &str) -> &'static str {
    let file = files.iter().find(|(known, _)| *known == name);
    file.unwrap_or_else(|| panic!("no shader file {name}")).1
}

fn expand<'a>(
    source: &'a str,
    library: &[(&str, &'a str)],
    text: &mut String,
    done: &mut Vec<&'a str>,
) {
    for line in source.lines() {
        match line.strip_prefix("#import ") {
            Some(import) if done.contains(&import) => {}
            Some(import) => {
                done.push(import);
                let found = library.iter().find(|(name, _)| *name == import);
                let (_, found) = found.unwrap_or_else(|| panic!("no shader file {import}"));
                expand(found, library, text, done);
            }
            None => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
}

/// The declarations of a kernel that the host needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reflection {
    /// Name and use of bindings 0, 1, 2, …
    pub bindings: Vec<(String, Access)>,
    /// Invocations of a workgroup.
    pub invocations: u32,
    /// Bytes of workgroup memory; 0 for CUDA C, where only the compiler knows.
    pub workgroup_bytes: u32,
}

/// Capabilities that some kernels need. wgpu accepts these kernels only on devices with the
/// features.
const CAPABILITIES: Capabilities = Capabilities::SHADER_FLOAT16_IN_FLOAT32
    .union(Capabilities::SHADER_FLOAT16)
    .union(Capabilities::SUBGROUP)
    .union(Capabilities::COOPERATIVE_MATRIX);

/// Parses and validates a composed kernel.
///
/// # Errors
/// naga's own message, with the line.
pub fn parse(text: &str) -> Result<(naga::Module, naga::valid::ModuleInfo), String> {
    let module = naga::front::wgsl::parse_str(text).map_err(|e| e.emit_to_string(text))?;
    let info = Validator::new(ValidationFlags::all(), CAPABILITIES)
        .validate(&module)
        .map_err(|e| e.emit_to_string(text))?;
    Ok((module, info))
}

/// Reads bindings, workgroup size and workgroup memory from a module with one entry point.
///
/// # Panics
/// If the numbers of the bindings are not 0, 1, 2, …
pub fn reflect(module: &naga::Module) -> Reflection {
    let mut bindings = Vec::new();
    let mut workgroup_bytes = 0;
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).expect("a valid module has layouts");
    for (_, variable) in module.global_variables.iter() {
        if variable.space == naga::AddressSpace::WorkGroup {
            workgroup_bytes += layouter[variable.ty].size.next_multiple_of(16);
        }
        if let Some(binding) = variable.binding {
            let access = match variable.space {
                naga::AddressSpace::Uniform => Access::Uniform,
                naga::AddressSpace::Storage { access }
                    if access.contains(naga::StorageAccess::STORE) =>
                {
                    Access::Write
                }
                _ => Access::Read,
            };
            let name = variable.name.clone().unwrap_or_default();
            bindings.push((binding.binding as usize, (name, access)));
        }
    }
    bindings.sort_by_key(|(number, _)| *number);
    assert!(bindings.iter().enumerate().all(|(k, (n, _))| k == *n), "bindings must be dense");
    let bindings = bindings.into_iter().map(|(_, binding)| binding).collect();
    let invocations = module.entry_points[0].workgroup_size.iter().product();
    Reflection { bindings, invocations, workgroup_bytes }
}

/// Reads arguments and block size from the text of a kernel in CUDA C.
///
/// # Errors
/// A message if the text has no signature of the kernel or no constant WORKGROUP.
pub fn reflect_cuda(name: &str, text: &str) -> Result<Reflection, String> {
    let signature = || {
        let start = text.find("extern \"C\" __global__")?;
        let open = start + text[start..].find(&format!("{name}("))? + name.len() + 1;
        Some(&text[open..open + text[open..].find(')')?])
    };
    // A library for tensor cores adds an argument through this macro.
    let more = text.lines().find_map(|line| line.strip_prefix("#define HALVES_ARGUMENT"));
    let arguments = signature().ok_or_else(|| format!("no kernel {name}"))?;
    let arguments = arguments.replace("HALVES_ARGUMENT", more.unwrap_or_default());
    let binding = |argument: &str| {
        let name = argument.trim().rsplit([' ', '*', '\n']).next().unwrap_or_default();
        let access = match (name, argument.trim_start().starts_with("const ")) {
            ("params", _) => Access::Uniform,
            (_, true) => Access::Read,
            (_, false) => Access::Write,
        };
        (name.to_owned(), access)
    };
    let declaration = "constexpr u32 WORKGROUP = ";
    let invocations = text.find(declaration).and_then(|at| {
        let value = &text[at + declaration.len()..];
        value[..value.find(';')?].trim_end_matches('u').parse().ok()
    });
    Ok(Reflection {
        bindings: arguments.trim_end().split(',').map(binding).collect(),
        invocations: invocations.ok_or("no constant WORKGROUP")?,
        workgroup_bytes: 0,
    })
}
