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

    /// A failed operation. A user with several devices learns which one.
    pub(super) fn failed(&self, during: &str, message: impl ToString) -> Error {
        Error::gpu(self.here(during), message)
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

    /// Runs `make` and returns the errors that wgpu reports about it.
    pub(super) fn scoped<T>(&self, during: &str, make: impl FnOnce() -> T) -> Result<T> {
        self.scoped_for_memory(during, make)?.ok_or_else(|| self.failed(during, "out of memory"))
    }

    /// The same, with `None` if the device is out of memory.
    fn scoped_for_memory<T>(&self, during: &str, make: impl FnOnce() -> T) -> Result<Option<T>> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let internal = self.device.push_error_scope(wgpu::ErrorFilter::Internal);
        let made = make();
        // On native devices error scopes resolve at once.
        let errors = [internal, validation, memory].map(|scope| pollster::block_on(scope.pop()));
        match errors.into_iter().flatten().next() {
            Some(wgpu::Error::OutOfMemory { .. }) => Ok(None),
            Some(error) => Err(self.failed(during, error)),
            None => Ok(Some(made)),
        }
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
