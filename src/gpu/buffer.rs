//! Typed device buffers.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytemuck::Pod;

use super::device::Device;
use super::kernel::Commands;
use crate::error::{Error, Result};

/// A storage (or uniform) buffer of `len` elements. Never empty, because bindings must not be.
#[derive(Debug)]
pub(super) struct Buffer<T> {
    pub(super) raw: wgpu::Buffer,
    pub(super) len: usize,
    allocated: Arc<AtomicU64>,
    element: PhantomData<T>,
}

impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        self.allocated.fetch_sub(self.raw.size(), Ordering::Relaxed);
    }
}

impl<T: Pod> Buffer<T> {
    /// A zeroed buffer of at least one element.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if the device has no room or no binding of that size.
    pub(super) fn zeroed(device: &Device, label: &'static str, len: usize) -> Result<Self> {
        Self::new(device, label, len, wgpu::BufferUsages::STORAGE)
    }

    /// A buffer with these elements.
    pub(super) fn from_slice(device: &Device, label: &'static str, data: &[T]) -> Result<Self> {
        let buffer = Self::zeroed(device, label, data.len())?;
        buffer.write(device, data);
        Ok(buffer)
    }

    /// A uniform block.
    pub(super) fn uniform(device: &Device, label: &'static str) -> Result<Self> {
        Self::new(device, label, 1, wgpu::BufferUsages::UNIFORM)
    }

    /// A buffer that queries are resolved into.
    pub(super) fn of_queries(device: &Device, label: &'static str, len: usize) -> Result<Self> {
        Self::new(device, label, len, wgpu::BufferUsages::QUERY_RESOLVE)
    }

    fn new(
        device: &Device,
        label: &'static str,
        len: usize,
        usage: wgpu::BufferUsages,
    ) -> Result<Self> {
        let size = (len.max(1) * size_of::<T>()) as u64;
        let available = device.most_bytes();
        let out_of_memory = |available| Error::OutOfMemory {
            what: format!("buffer {label}"),
            needed: size,
            available,
            advice: String::new(),
        };
        if size > available {
            return Err(out_of_memory(available));
        }
        let copies = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let descriptor = wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage: usage | copies,
            mapped_at_creation: false,
        };
        let raw = device
            .scoped("allocation", || device.device.create_buffer(&descriptor))
            .map_err(|error| match error {
                Error::Gpu { message, .. } if message.to_lowercase().contains("memory") => {
                    out_of_memory(device.allocated_bytes())
                }
                other => other,
            })?;
        device.allocated.fetch_add(size, Ordering::Relaxed);
        device.tally.allocations.fetch_add(1, Ordering::Relaxed);
        Ok(Buffer { raw, len, allocated: Arc::clone(&device.allocated), element: PhantomData })
    }

    /// Replaces the first elements; takes effect before the next submission's commands.
    pub(super) fn write(&self, device: &Device, data: &[T]) {
        assert!(data.len() <= self.len.max(1), "more data than the buffer holds");
        if !data.is_empty() {
            device.queue.write_buffer(&self.raw, 0, bytemuck::cast_slice(data));
        }
    }

    /// Reads all elements back, after everything submitted so far.
    pub(super) fn read(&self, device: &Device) -> Result<Vec<T>> {
        let size = self.raw.size();
        let descriptor = wgpu::BufferDescriptor {
            label: Some("read back"),
            size,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        };
        let staging = device.scoped("reading back", || device.device.create_buffer(&descriptor))?;
        device.tally.allocations.fetch_add(1, Ordering::Relaxed);
        let mut commands = Commands::new(device);
        commands.encoder.copy_buffer_to_buffer(&self.raw, 0, &staging, 0, size);
        device.submit(commands);
        let (sender, receiver) = std::sync::mpsc::channel();
        staging.slice(..).map_async(wgpu::MapMode::Read, move |result| {
            // The receiver is gone only if this read has already failed.
            let _ = sender.send(result);
        });
        device.wait("reading back")?;
        // Another thread's wait may have taken our answer and be about to deliver it.
        match receiver.recv() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Error::gpu("reading back", error)),
            Err(_) => return Err(Error::gpu("reading back", "the device did not answer")),
        }
        let view = staging
            .slice(..)
            .get_mapped_range()
            .map_err(|error| Error::gpu("reading back", error))?;
        let mut data = vec![T::zeroed(); self.len];
        let bytes = self.len * size_of::<T>();
        bytemuck::cast_slice_mut::<T, u8>(&mut data).copy_from_slice(&view[..bytes]);
        Ok(data)
    }
}
