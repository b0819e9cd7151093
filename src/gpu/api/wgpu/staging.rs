//! Host memory that a wgpu device can copy into.

use std::sync::mpsc::channel;
use std::time::Duration;

use super::super::interface::Staging;
use super::handle::Wgpu;
use crate::error::Result;

/// A buffer that the host can map.
#[derive(Debug)]
pub(super) struct Staged {
    wgpu: Wgpu,
    pub(super) buffer: wgpu::Buffer,
}

impl Staged {
    pub(super) fn new(wgpu: Wgpu, buffer: wgpu::Buffer) -> Self {
        Staged { wgpu, buffer }
    }
}

/// The limit for mapping a buffer. Mapping copies nothing, so only the callback takes time.
const MAP_LIMIT: Duration = Duration::from_secs(60);

impl Staging for Staged {
    fn bytes(&self) -> u64 {
        self.buffer.size()
    }

    fn read(&self, bytes: u64) -> Result<Vec<u8>> {
        let during = "reading back";
        let slice = self.buffer.slice(..bytes);
        let (sender, receiver) = channel();
        slice.map_async(wgpu::MapMode::Read, move |result| {
            // There is no receiver if this read has already failed.
            let _ = sender.send(result);
        });
        let Wgpu { device, .. } = &self.wgpu;
        device.poll(wgpu::PollType::Poll).map_err(|error| self.wgpu.failed(during, error))?;
        self.wgpu.check(during)?;
        // Another thread's poll may have taken the callback and be about to run it.
        match receiver.recv_timeout(MAP_LIMIT) {
            Ok(mapped) => mapped.map_err(|error| self.wgpu.failed(during, error))?,
            Err(_) => return Err(self.wgpu.lost(during, "the device did not answer")),
        }
        let mapped = slice.get_mapped_range();
        let data = mapped.map_err(|error| self.wgpu.failed(during, error))?.to_vec();
        self.buffer.unmap();
        Ok(data)
    }
}
