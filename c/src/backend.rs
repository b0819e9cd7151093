//! Backends: where to compute.

use std::ffi::{CString, c_char};

use flashschnet::Error;
use flashschnet::gpu::FeatureSet;

use crate::pointer::{create, free, get, text, value};
use crate::status::{Result, Status, c_string, start};

/// Kinds of backends.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendKind {
    /// The best hardware GPU that computes correctly, or the CPU if there is none.
    Auto = 0,
    /// A GPU through Vulkan, Metal, DX12 or OpenGL, also a software adapter if there is no other.
    Wgpu = 1,
    /// An NVIDIA GPU through CUDA, if the library was built with it.
    Cuda = 2,
    /// The CPU, f32 with threads and vector instructions.
    Cpu = 3,
    /// The CPU, f64 in plain loops: slow, but the definition of every result.
    Reference = 4,
}

/// Flags of fsn_backend_open. They can be joined with |.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendFlags {
    /// The defaults of the program for dynamics: mixed precision on a GPU with 16-bit floats. Without
    /// it, every backend but the reference computes in f32.
    ForDynamics = 1,
    /// No optional feature of an adapter, and only WebGPU's default limits.
    Portable = 2,
    /// A GPU is used without the test whether it computes correctly.
    Trusted = 4,
}

/// A backend. It does not change, and any number of potentials and simulations can share it.
#[derive(Debug)]
pub struct Backend {
    pub(crate) backend: flashschnet::Backend,
    adapter: Option<CString>,
    reason: Option<CString>,
}

fn kind_of(number: i32) -> Result<flashschnet::BackendKind> {
    use flashschnet::BackendKind as Kind;
    Ok(match number {
        n if n == BackendKind::Auto as i32 => Kind::Auto,
        n if n == BackendKind::Wgpu as i32 => Kind::Wgpu,
        n if n == BackendKind::Cuda as i32 => Kind::Cuda,
        n if n == BackendKind::Cpu as i32 => Kind::Cpu,
        n if n == BackendKind::Reference as i32 => Kind::Reference,
        n => return Err(Error::invalid("kind", n, "a number of fsn_backend_kind").into()),
    })
}

fn open(kind: i32, adapter: Option<&str>, flags: u32) -> Result<Backend> {
    let kind = kind_of(kind)?;
    let has = |flag| flags & flag as u32 != 0;
    let [dynamics, portable, trusted] =
        [BackendFlags::ForDynamics, BackendFlags::Portable, BackendFlags::Trusted].map(has);
    if flags >= 8 {
        return Err(Error::invalid("flags", flags, "numbers of fsn_backend_flag").into());
    }
    let features = if portable { FeatureSet::Portable } else { FeatureSet::Full };
    let open = match trusted {
        true => flashschnet::Backend::open_trusting,
        false => flashschnet::Backend::open_with,
    };
    let backend = open(kind, adapter, features)?;
    let backend = if dynamics { backend.for_dynamics() } else { backend };
    let adapter = backend.adapter().map(c_string);
    let reason = backend.reason().map(c_string);
    Ok(Backend { backend, adapter, reason })
}

/// Opens a backend. kind is an fsn_backend_kind. adapter is the index of an adapter, a part of its
/// name, or NULL for the best one. flags are fsn_backend_flag, or 0. A GPU is tested before its first
/// use and refused with FSN_STATUS_WRONG_RESULTS if it computes wrongly.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_backend_open(
    kind: i32,
    adapter: *const c_char,
    flags: u32,
    backend: *mut *mut Backend,
) -> Status {
    // SAFETY: the caller follows the header.
    unsafe {
        create("backend", backend, || {
            let adapter = (!adapter.is_null()).then(|| text("adapter", adapter)).transpose()?;
            open(kind, adapter, flags)
        })
    }
}

/// Frees a backend. Potentials and simulations go on with the device.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_backend_free(backend: *mut Backend) {
    // SAFETY: the caller follows the header.
    unsafe { free(backend) }
}

/// The kind of a backend, an fsn_backend_kind; never FSN_BACKEND_KIND_AUTO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_backend_get_kind(backend: *const Backend, kind: *mut i32) -> Status {
    use flashschnet::BackendKind as Kind;
    // SAFETY: the caller follows the header.
    unsafe {
        get("kind", kind, || {
            let number = match value("backend", backend)?.backend.kind() {
                Kind::Auto => BackendKind::Auto,
                Kind::Wgpu => BackendKind::Wgpu,
                Kind::Cuda => BackendKind::Cuda,
                Kind::Cpu => BackendKind::Cpu,
                Kind::Reference => BackendKind::Reference,
                other => {
                    let what = format!("a number for the {} backend", other.name());
                    return Err(flashschnet::Error::unsupported(what, "").into());
                }
            };
            Ok(number as i32)
        })
    }
}

/// The name of the GPU, or NULL for a backend on the CPU. The string lives as long as the backend.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_backend_adapter(
    backend: *const Backend,
    name: *mut *const c_char,
) -> Status {
    // SAFETY: the caller follows the header.
    unsafe { get("name", name, || Ok(start(&value("backend", backend)?.adapter))) }
}

/// The reason why FSN_BACKEND_KIND_AUTO took the CPU or another GPU than the best, or NULL. The string
/// lives as long as the backend.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_backend_reason(
    backend: *const Backend,
    reason: *mut *const c_char,
) -> Status {
    // SAFETY: the caller follows the header.
    unsafe { get("reason", reason, || Ok(start(&value("backend", backend)?.reason))) }
}
