//! The operations on a device, and buffers for their arguments.

use super::super::buffer::Buffer;
use super::super::device::Device;
use super::super::params::Params;
use crate::engine::Numerics;
use crate::error::Result;
use crate::ops::Graph;

/// The operations on a device, with the given numerics of the network.
#[derive(Debug, Clone)]
pub struct GpuOps(pub Device, pub Numerics);

impl GpuOps {
    pub(super) fn upload<T: bytemuck::Pod>(
        &self,
        label: &'static str,
        data: &[T],
    ) -> Result<Buffer<T>> {
        Buffer::from_slice(&self.0, label, data)
    }

    pub(super) fn zeroed<T: bytemuck::Pod>(
        &self,
        label: &'static str,
        len: usize,
    ) -> Result<Buffer<T>> {
        Buffer::zeroed(&self.0, label, len)
    }

    pub(super) fn params(&self, params: Params) -> Result<Buffer<Params>> {
        let buffer = Buffer::uniform(&self.0, "params")?;
        buffer.write(&self.0, &[params])?;
        Ok(buffer)
    }

    pub(super) fn rows(&self, graph: &Graph) -> Result<(Buffer<[u32; 2]>, Buffer<u32>)> {
        let rows: Vec<[u32; 2]> = graph.row_ptr.windows(2).map(|w| [w[0], w[1]]).collect();
        Ok((self.upload("row", &rows)?, self.upload("col", &graph.col)?))
    }
}
