//! Typed device buffers.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytemuck::Pod;

#[cfg(feature = "cuda")]
use super::cuda::Memory;
use super::device::{Api, Device, scoped};
use super::kernel::Commands;
use crate::error::{Error, Result};

/// Memory of a device, as its interface has it.
#[derive(Debug, Clone)]
pub(super) enum Raw {
    Wgpu(wgpu::Buffer),
    #[cfg(feature = "cuda")]
    Cuda(Arc<Memory>),
}

impl Raw {
    /// Bytes.
    pub(super) fn size(&self) -> u64 {
        match self {
            Raw::Wgpu(buffer) => buffer.size(),
            #[cfg(feature = "cuda")]
            Raw::Cuda(memory) => memory.bytes as u64,
        }
    }

    /// Of a device of wgpu.
    pub(super) fn wgpu(&self) -> &wgpu::Buffer {
        match self {
            Raw::Wgpu(buffer) => buffer,
            #[cfg(feature = "cuda")]
            Raw::Cuda(_) => panic!("a buffer of another device"),
        }
    }

    /// Of a device of CUDA.
    #[cfg(feature = "cuda")]
    pub(super) fn cuda(&self) -> &Arc<Memory> {
        match self {
            Raw::Cuda(memory) => memory,
            Raw::Wgpu(_) => panic!("a buffer of another device"),
        }
    }
}

/// A storage (or uniform) buffer of `len` elements. Never empty, because bindings must not be.
#[derive(Debug)]
pub(super) struct Buffer<T> {
    pub(super) raw: Raw,
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
        let raw = match &device.api {
            Api::Wgpu { device: wgpu, .. } => {
                Raw::Wgpu(allocate(wgpu, label, size, usage).map_err(|error| match error {
                    Error::Gpu { message, .. } if message.to_lowercase().contains("memory") => {
                        out_of_memory(device.allocated_bytes())
                    }
                    other => other,
                })?)
            }
            #[cfg(feature = "cuda")]
            Api::Cuda(cuda) => {
                let memory = cuda.zeroed(size as usize)?;
                Raw::Cuda(memory.ok_or_else(|| out_of_memory(device.allocated_bytes()))?)
            }
        };
        device.allocated.fetch_add(size, Ordering::Relaxed);
        device.tally.allocations.fetch_add(1, Ordering::Relaxed);
        Ok(Buffer { raw, len, allocated: Arc::clone(&device.allocated), element: PhantomData })
    }

    /// Replaces the first elements; takes effect before the next submission's commands.
    pub(super) fn write(&self, device: &Device, data: &[T]) {
        assert!(data.len() <= self.len.max(1), "more data than the buffer holds");
        if data.is_empty() {
            return;
        }
        let bytes = bytemuck::cast_slice(data);
        match &device.api {
            Api::Wgpu { queue, .. } => queue.write_buffer(self.raw.wgpu(), 0, bytes),
            #[cfg(feature = "cuda")]
            Api::Cuda(cuda) => device.keep_failure(cuda.write(self.raw.cuda(), bytes)),
        }
    }

    /// Reads all elements back, after everything submitted so far.
    pub(super) fn read(&self, device: &Device) -> Result<Vec<T>> {
        let mut data = vec![T::zeroed(); self.len];
        let bytes = bytemuck::cast_slice_mut(&mut data);
        match &device.api {
            Api::Wgpu { .. } => read_back(device, self.raw.wgpu(), bytes)?,
            #[cfg(feature = "cuda")]
            Api::Cuda(cuda) => {
                cuda.read(self.raw.cuda(), bytes)?;
                device.count_wait();
                device.check("reading back")?;
            }
        }
        Ok(data)
    }
}

fn allocate(
    device: &wgpu::Device,
    label: &'static str,
    size: u64,
    usage: wgpu::BufferUsages,
) -> Result<wgpu::Buffer> {
    let copies = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    let descriptor = wgpu::BufferDescriptor {
        label: Some(label),
        size,
        usage: usage | copies,
        mapped_at_creation: false,
    };
    scoped(device, "allocation", || device.create_buffer(&descriptor))
}

fn read_back(device: &Device, from: &wgpu::Buffer, data: &mut [u8]) -> Result<()> {
    let size = from.size();
    let descriptor = wgpu::BufferDescriptor {
        label: Some("read back"),
        size,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    };
    let (wgpu, _) = device.wgpu();
    let staging = scoped(wgpu, "reading back", || wgpu.create_buffer(&descriptor))?;
    device.tally.allocations.fetch_add(1, Ordering::Relaxed);
    let mut encoder = wgpu.create_command_encoder(&Default::default());
    encoder.copy_buffer_to_buffer(from, 0, &staging, 0, size);
    device.submit(Commands::Wgpu(encoder));
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
    let view =
        staging.slice(..).get_mapped_range().map_err(|error| Error::gpu("reading back", error))?;
    data.copy_from_slice(&view[..data.len()]);
    Ok(())
}
