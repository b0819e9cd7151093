//! The GPU backend: WGSL kernels through wgpu, on Vulkan, Metal or DX12.

mod buffer;
mod device;
mod engine;
mod kernel;
mod network;
mod ops;
pub mod params;
mod priors;
pub mod wgsl;

pub use device::{AdapterInfo, Device, Profile, adapters};
pub use engine::Wgpu;
pub use ops::GpuOps;
