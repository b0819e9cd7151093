//! A wgpu device with its queue and its errors.

use std::sync::{Arc, Mutex, PoisonError};

use super::super::interface::{Capabilities, MOST_BUFFER_BYTES};
use crate::error::{Error, Result};

/// The first error outside any error scope: whether the device was lost, and the message.
pub(super) type Failure = Arc<Mutex<Option<(bool, String)>>>;

/// A wgpu device with its queue.
#[derive(Debug, Clone)]
pub(super) struct Wgpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) capabilities: Arc<Capabilities>,
    failure: Failure,
}

impl Wgpu {
    pub(super) fn new(
        device: wgpu::Device,
        queue: wgpu::Queue,
        name: String,
        matrices: bool,
        failure: Failure,
    ) -> Self {
        let limits = device.limits();
        let capabilities = Arc::new(Capabilities {
            name,
            buffer_bytes: (limits.max_buffer_size)
                .min(limits.max_storage_buffer_binding_size)
                .min(MOST_BUFFER_BYTES),
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
            invocations: limits.max_compute_invocations_per_workgroup,
            f16: device.features().contains(wgpu::Features::SHADER_F16),
            matrices,
        });
        Wgpu { device, queue, capabilities, failure }
    }

    /// A failed operation, or the loss of the device if that is why. A user with several devices
    /// learns which one.
    pub(super) fn failed(&self, during: &str, message: impl ToString) -> Error {
        match self.check(during) {
            Err(first) => first,
            Ok(()) if self.is_lost() => self.lost(during, message),
            Ok(()) => Error::gpu(self.here(during), message),
        }
    }

    /// Whether a write to a new buffer fails. wgpu tells the loss of a device to one callback alone,
    /// which may be the host program's, and to others by the failure of later operations.
    pub(super) fn is_lost(&self) -> bool {
        let descriptor = wgpu::BufferDescriptor {
            label: Some("probe"),
            size: wgpu::COPY_BUFFER_ALIGNMENT,
            usage: wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        };
        let write = || {
            let buffer = self.device.create_buffer(&descriptor);
            self.queue.write_buffer(&buffer, 0, &[0; wgpu::COPY_BUFFER_ALIGNMENT as usize]);
        };
        matches!(self.observed(write), Err(wgpu::Error::Validation { .. }))
    }

    /// The loss of the device.
    pub(super) fn lost(&self, during: &str, message: impl ToString) -> Error {
        Error::device_lost(self.here(during), message)
    }

    fn here(&self, during: &str) -> String {
        format!("{during} on {}", self.capabilities.name)
    }

    /// Fails if an error occurred in the background.
    pub(super) fn check(&self, during: &str) -> Result<()> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match &*failure {
            Some((true, message)) => Err(self.lost(during, message)),
            Some((false, message)) => Err(self.failed(during, message)),
            None => Ok(()),
        }
    }

    /// Runs `make` and returns the error that wgpu reports about it. Without a scope, wgpu reports
    /// it to the callback of the device, which may be the host program's, or panics.
    pub(super) fn scoped<T>(&self, during: &str, make: impl FnOnce() -> T) -> Result<T> {
        self.scoped_for_memory(during, make)?.ok_or_else(|| self.failed(during, "out of memory"))
    }

    /// The same, with `None` if the device is out of memory.
    fn scoped_for_memory<T>(&self, during: &str, make: impl FnOnce() -> T) -> Result<Option<T>> {
        match self.observed(make) {
            Err(wgpu::Error::OutOfMemory { .. }) => Ok(None),
            Err(error) => Err(self.failed(during, error)),
            Ok(made) => Ok(Some(made)),
        }
    }

    /// Runs `make` and returns the first error that wgpu reports about it.
    fn observed<T>(&self, make: impl FnOnce() -> T) -> std::result::Result<T, wgpu::Error> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let internal = self.device.push_error_scope(wgpu::ErrorFilter::Internal);
        let made = make();
        // On native devices error scopes resolve at once.
        let errors = [internal, validation, memory].map(|scope| pollster::block_on(scope.pop()));
        errors.into_iter().flatten().next().map_or(Ok(made), Err)
    }

    pub(super) fn buffer(
        &self,
        label: &'static str,
        size: u64,
        usage: wgpu::BufferUsages,
    ) -> Result<Option<wgpu::Buffer>> {
        let descriptor = wgpu::BufferDescriptor {
            label: Some(label),
            size: size.next_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT),
            usage,
            mapped_at_creation: false,
        };
        self.scoped_for_memory("allocation", || self.device.create_buffer(&descriptor))
    }
}
