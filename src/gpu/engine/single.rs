//! The results of one of several terms.

use super::super::buffer::Buffer;
use super::super::device::Device;
use super::super::params::Params;
use super::super::state::ReplicaState;
use crate::error::Result;

/// The parameters of the kernels of one term, and a copy of its results.
#[derive(Debug)]
pub(super) struct Single {
    pub(super) params: Buffer<Params>,
    pub(super) energy: Buffer<[f32; 2]>,
    /// Made when forces are wanted.
    pub(super) force: Option<Buffer<[f32; 4]>>,
}

impl Single {
    pub(super) fn new(device: &Device, state: &ReplicaState) -> Result<Self> {
        Ok(Single {
            params: Buffer::zeroed(device, "params of a term", 1)?,
            energy: Buffer::zeroed(device, "energy of a term", state.energy.len)?,
            force: None,
        })
    }
}
