//! The interface to a device: wgpu or CUDA. It knows bytes, but no element types. The files above
//! this folder work with either one; only the language of kernels ([`Language`]) differs.
//!
//! Both interfaces implement the traits of `interface.rs`. A [`Memory`] is a piece of device
//! memory, a [`Program`] a compiled kernel, and a [`Launch`] a program with its memory and its
//! grid. [`Commands`] hold launches, copies and fetches in order. Submitted commands become a
//! [`Submission`]. Only [`Submission::wait`] waits for the device.

#[cfg(feature = "cuda")]
mod cuda;
mod interface;
mod name;
mod wgpu;

use std::sync::Arc;

pub use self::interface::Access;
pub(super) use self::interface::{
    Api, Capabilities, Commands, Language, Launch, Memory, Part, Program, Purpose, Signature,
    Staging, Submission, Timer,
};
pub use self::name::without_facts;
#[cfg(not(target_family = "wasm"))]
pub(super) use self::wgpu::from_wgpu;
pub(super) use self::wgpu::open_wgpu;
pub use self::wgpu::{
    ADVICE, AdapterInfo, FeatureSet, adapters, required_limits, suitable_adapters, wanted_features,
};
#[cfg(not(feature = "cuda"))]
use crate::error::Error;
use crate::error::Result;

/// Opens a CUDA device. `wanted` is its number or a part of its name; without it, the first device
/// is opened.
#[cfg(feature = "cuda")]
pub(super) fn open_cuda(wanted: Option<&str>) -> Result<Arc<dyn Api>> {
    cuda::open(wanted)
}

/// Fails, because CUDA is not part of this build.
///
/// # Errors
/// Always [`Error::Unsupported`].
#[cfg(not(feature = "cuda"))]
pub(super) fn open_cuda(_: Option<&str>) -> Result<Arc<dyn Api>> {
    let advice = "build it with the feature cuda, or use the wgpu backend";
    Err(Error::unsupported("CUDA in this build", advice))
}
