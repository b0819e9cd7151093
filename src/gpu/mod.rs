//! The GPU backend: WGSL kernels through wgpu, or their twins in CUDA C.
//!
//! Calls run downward in this order:
//!
//! - `batches` has an engine for each batch of replicas, if all of them exceed the largest buffer.
//! - `engine` submits steps, repeats them after an overflow, and reports.
//! - `step` is the list of the dispatches of a step.
//! - `state`, `neighbors`, `priors`, `integrate`, `network`, `exchange`, `variables` and `hills` each
//!   own their buffers, grow them and make their dispatches.
//! - `positions` shares the positions with a host program.
//! - `kept` has copies of a state from which steps can be repeated.
//! - `kernel`, `buffer`, `program` and `device` are typed.
//! - `api` is the interface to the device. It knows bytes only.
//!
//! The others help: `storage` decides in which formats a network is stored, `tuning` holds every
//! threshold, `pack` lays out weights and tables, `compose` makes the text of kernels, and `params`
//! has the structs that host and shaders share.

mod api;
mod batches;
mod biases;
mod buffer;
mod ceilings;
#[doc(hidden)]
pub mod compose;
mod device;
mod engine;
mod exchange;
mod fire;
mod hills;
mod integrate;
mod kept;
mod kernel;
mod metadynamics;
mod neighbors;
mod network;
mod ops;
mod pack;
#[doc(hidden)]
pub mod params;
mod positions;
mod priors;
mod program;
mod state;
mod steer;
mod step;
mod storage;
mod tuning;
#[doc(hidden)]
pub mod variables;

pub use api::{
    ADVICE, Access, AdapterInfo, FeatureSet, adapters, required_limits, suitable_adapters,
    wanted_features, without_facts,
};
pub(crate) use batches::{make_engine, positions};
pub use ceilings::Ceilings;
pub use device::{Counters, Device};
pub use engine::GpuEngine;
#[doc(hidden)]
pub use ops::GpuOps;
pub(crate) use pack::table::in_halves;
pub(crate) use pack::{narrow, split};
pub use positions::GpuPositions;
pub(crate) use storage::{Filters, Layers, Storage};
/// The version of wgpu whose devices [`Device::from_wgpu`] takes.
pub use wgpu;
