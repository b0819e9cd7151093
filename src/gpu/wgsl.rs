//! Shader text: imports, constants, and what naga knows of the result. Needs no GPU.
//!
//! A shader is one legal WGSL file with real numbers in its constants; a specialisation replaces
//! the initialisers of some. Imported files hold structs, constants and functions only.

use naga::valid::{Capabilities, ValidationFlags, Validator};

macro_rules! files {
    ($kind:literal, $end:literal: $($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../shaders/", $kind, $name, $end))),)*]
    };
}

/// Every kernel, by the name of its file and entry point.
pub const KERNELS: &[(&str, &str)] = files!("", ".wgsl":
    "neighbor_check", "neighbor_count", "neighbor_scan", "neighbor_fill",
    "radial_basis", "dense", "cfconv_forward", "cfconv_backward",
    "cfconv_forward_matrix", "cfconv_backward_matrix",
    "edges", "cfconv_forward_table", "cfconv_backward_table",
    "block_forward", "readout", "block_backward",
    "prior_bonded", "prior_repulsion",
    "noise", "integrate_begin", "integrate_end", "energy_reduce",
    "limit_copy", "limit_fma",
);

const LIBRARY: &[(&str, &str)] = files!("lib/", ".wgsl":
    "params", "math", "activation", "radial", "random", "dense", "dense_matrix", "row", "edge", "edge_share",
    "filter_table", "filter_table_read", "filter_table_read_half", "stored", "stored_half",
    "stored_f16", "weight", "weight_norm", "near", "matrix", "matrix_turned", "matrix_emulated",
    "lanes", "lanes_emulated", "parts",
    "filter_units",
);

/// The value of a constant in a specialisation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A `u32`.
    Count(u32),
    /// An `f32`; infinities become ±3e38.
    Real(f64),
    /// A `bool`.
    Flag(bool),
    /// No constant, but another file to import in place of the named one.
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

/// Constants to replace.
pub type Constants = Vec<(&'static str, Value)>;

/// The text of a kernel with its imports in place and the given constants replaced.
///
/// # Panics
/// If the kernel, an import or a constant does not exist: those are mistakes in this crate.
pub fn compose(name: &str, constants: &[(&str, Value)]) -> String {
    let files = constants.iter().filter_map(|(import, value)| match value {
        Value::File(other) => Some((*import, find(LIBRARY, other))),
        _ => None,
    });
    compose_source(find(KERNELS, name), &files.collect::<Vec<_>>(), constants)
}

/// The same for the text of a kernel that is not ours, which may import files of its own by name
/// beside or in place of ours.
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

/// The text of a source with its imports from a library, the first of a name, and constants replaced
/// where they are declared.
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

/// The same kernels in CUDA C.
#[cfg(feature = "cuda")]
mod cuda {
    use super::{Value, assemble, find};

    const KERNELS: &[(&str, &str)] = files!("", ".cu":
        "neighbor_check", "neighbor_count", "neighbor_scan", "neighbor_fill",
        "radial_basis", "dense", "cfconv_forward", "cfconv_backward",
        "cfconv_forward_matrix", "cfconv_backward_matrix",
        "edges", "cfconv_forward_table", "cfconv_backward_table",
        "block_forward", "readout", "block_backward",
        "prior_bonded", "prior_repulsion",
        "noise", "integrate_begin", "integrate_end", "energy_reduce",
        "limit_copy", "limit_fma",
    );

    const LIBRARY: &[(&str, &str)] = files!("lib/", ".cuh":
        "vector", "params", "math", "activation", "radial", "random", "dense", "dense_matrix", "row",
        "edge", "edge_share", "filter_table", "filter_table_read", "filter_table_read_half", "stored",
        "stored_half", "stored_f16", "weight", "weight_norm", "near", "matrix",
    );

    fn declared(text: &str, key: &str) -> Option<usize> {
        let of = |kind: &&str| text.find(&format!("constexpr {kind} {key} = "));
        ["u32", "float", "bool"].iter().find_map(of)
    }

    /// The text of a kernel with its imports in place and the given constants replaced. What only
    /// WGSL needs to be told is left out.
    ///
    /// # Panics
    /// If the kernel, an import or a constant does not exist: those are mistakes in this crate.
    pub fn compose_cuda(name: &str, constants: &[(&str, Value)]) -> String {
        let files = constants.iter().filter_map(|(import, value)| match value {
            Value::File(other) => Some((*import, find(LIBRARY, other))),
            _ => None,
        });
        let library: Vec<(&str, &str)> = files.chain(LIBRARY.iter().copied()).collect();
        assemble(find(KERNELS, name), &library, constants, declared)
    }

    /// Threads of a block of a composed kernel.
    pub fn block_size(text: &str) -> Option<u32> {
        let declaration = "constexpr u32 WORKGROUP = ";
        let value = &text[text.find(declaration)? + declaration.len()..];
        value[..value.find(';')?].trim_end_matches('u').parse().ok()
    }
}
#[cfg(feature = "cuda")]
pub use cuda::block_size;
#[cfg(feature = "cuda")]
pub use cuda::compose_cuda;

/// Directives stand before everything else, wherever they were imported.
fn enables_first(text: &str) -> String {
    let enables = |line: &&str| line.starts_with("enable ");
    let (first, rest): (Vec<&str>, Vec<&str>) = text.lines().partition(enables);
    first.into_iter().chain(rest).flat_map(|line| [line, "\n"]).collect()
}

/// What stands before a loop that is written out: the elements of an array are registers only
/// where every index is a constant, and drivers do not see to that themselves.
const UNROLL: &str = "// unroll\n";

/// Writes out the loops marked with [`UNROLL`]: `for (var r = 0u; r < N; r++) { … }`, where N is a
/// number or a constant with a number.
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

/// The value of a literal, or of a constant that is one.
fn number(text: &str, word: &str) -> Option<u32> {
    let literal = |word: &str| word.strip_suffix('u')?.parse().ok();
    literal(word).or_else(|| {
        let declaration = format!("const {word}: u32 = ");
        let value = &text[text.find(&declaration)? + declaration.len()..];
        literal(&value[..value.find(';')?])
    })
}

/// Where the brace closes that opens at the start of `text`.
fn closing(text: &str) -> usize {
    let mut depth = 0;
    let closes = |c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0
    };
    text.find(closes).expect("braces match")
}

/// `text` with an identifier replaced wherever it stands by itself.
fn replace_word(text: &str, word: &str, by: &str) -> String {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        // A member of a struct is not the variable of that name.
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

/// How a kernel uses a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A uniform block.
    Uniform,
    /// A storage buffer that is only read.
    Read,
    /// A storage buffer that is written.
    Write,
}

/// What naga knows of a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reflection {
    /// Of bindings 0, 1, 2 …
    pub bindings: Vec<Access>,
    /// Invocations of a workgroup.
    pub invocations: u32,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
}

/// What the kernels for detected features use, and wgpu lets pass only where they are there.
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

/// Reads bindings, workgroup size and workgroup memory off a module with one entry point.
///
/// # Panics
/// If bindings are not dense in group 0.
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
            bindings.push((binding.binding as usize, access));
        }
    }
    bindings.sort_by_key(|(number, _)| *number);
    assert!(bindings.iter().enumerate().all(|(k, (n, _))| k == *n), "bindings must be dense");
    let bindings = bindings.into_iter().map(|(_, access)| access).collect();
    let invocations = module.entry_points[0].workgroup_size.iter().product();
    Reflection { bindings, invocations, workgroup_bytes }
}
