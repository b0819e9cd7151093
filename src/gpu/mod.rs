//! The GPU backend: WGSL kernels through wgpu, on Vulkan, Metal or DX12.

mod buffer;
mod cfconv;
#[cfg(feature = "cuda")]
mod cuda;
mod dense;
mod device;
mod engine;
mod kernel;
mod limits;
mod network;
mod ops;
pub mod params;
mod plan;
mod priors;
mod profile;
mod stored;
mod table;
mod units;
pub mod wgsl;

pub use device::{ADVICE, AdapterInfo, Counters, Device, Profile, adapters};
pub use engine::Wgpu;
pub use limits::Limits;
pub(crate) use network::{layers_suit_units, narrow, split};
pub use ops::GpuOps;
pub(crate) use table::in_halves;
pub(crate) use units::filters_suit_units;
/// The version of wgpu whose devices [`Device::from_wgpu`] takes.
pub use wgpu;
