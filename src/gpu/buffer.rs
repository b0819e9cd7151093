//! Typed device buffers, and read-backs of several buffers in one submission.

use std::marker::PhantomData;
use std::sync::Arc;

use bytemuck::Pod;

use super::api::{Commands, Memory, Part, Purpose, Staging, Submission};
use super::device::{Account, Device};
use crate::error::{Error, Result};

/// Device memory that the device's account counts until it is dropped. A buffer and the dispatches
/// that use it share the allocation.
#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) memory: Memory,
    bytes: u64,
    account: Arc<Account>,
}

impl Drop for Allocation {
    fn drop(&mut self) {
        self.account.freed(self.bytes);
    }
}

impl Allocation {
    fn part(&self) -> Part<'_> {
        Part { memory: &self.memory, offset: 0, bytes: self.bytes }
    }
}

/// A binding must hold at least one element of the array that a kernel declares, which may be wider
/// than the host's: four words.
const LEAST_BYTES: u64 = 16;

/// A storage buffer or uniform block of `len` elements, with memory for at least one element.
#[derive(Debug)]
pub(super) struct Buffer<T> {
    pub(super) allocation: Arc<Allocation>,
    pub(super) len: usize,
    element: PhantomData<fn() -> T>,
}

impl<T: Pod> Buffer<T> {
    /// A zeroed buffer of `len` elements.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if the device has no room or allows no binding of that size.
    pub(super) fn zeroed(device: &Device, label: &'static str, len: usize) -> Result<Self> {
        Self::new(device, label, len, Purpose::Storage)
    }

    /// A buffer with these elements.
    pub(super) fn from_slice(device: &Device, label: &'static str, data: &[T]) -> Result<Self> {
        let buffer = Self::zeroed(device, label, data.len())?;
        buffer.write(device, data)?;
        Ok(buffer)
    }

    /// A buffer with these elements, whose number does not depend on the number of replicas.
    pub(super) fn constants(device: &Device, label: &'static str, data: &[T]) -> Result<Self> {
        Self::from_slice(device, label, data).map_err(|error| of_constants(device, error))
    }

    /// A zeroed uniform block of one element.
    pub(super) fn uniform(device: &Device, label: &'static str) -> Result<Self> {
        Self::new(device, label, 1, Purpose::Uniform)
    }

    fn new(device: &Device, label: &'static str, len: usize, purpose: Purpose) -> Result<Self> {
        let out_of_memory = |needed, available| {
            Error::out_of_memory(format!("buffer {label}"), needed, available, "")
        };
        let most = device.capabilities().buffer_bytes;
        let bytes = (len.max(1) as u64).saturating_mul(size_of::<T>() as u64).max(LEAST_BYTES);
        if bytes > most {
            return Err(out_of_memory(bytes, most));
        }
        let memory = device.api.allocate(label, bytes, purpose)?;
        let memory = memory.ok_or_else(|| {
            // The driver does not say how much it has: at least what it gave.
            let given = device.allocated_bytes();
            out_of_memory(given + bytes, given)
        })?;
        device.account.allocated(bytes);
        let account = Arc::clone(&device.account);
        let allocation = Arc::new(Allocation { memory, bytes, account });
        Ok(Buffer { allocation, len, element: PhantomData })
    }

    /// Replaces the first elements. The write takes effect before the commands of the next
    /// submission.
    pub(super) fn write(&self, device: &Device, data: &[T]) -> Result<()> {
        self.write_from(device, 0, data)
    }

    /// Replaces elements from `first` on, like [`Buffer::write`].
    pub(super) fn write_from(&self, device: &Device, first: usize, data: &[T]) -> Result<()> {
        assert!(first + data.len() <= self.len.max(1), "more data than the buffer holds");
        if data.is_empty() {
            return Ok(());
        }
        let offset = (first * size_of::<T>()) as u64;
        device.api.write(&self.allocation.memory, offset, bytemuck::cast_slice(data))
    }

    /// Waits for everything submitted so far and reads all elements back.
    pub(super) fn read(&self, device: &Device) -> Result<Vec<T>> {
        let mut fetch = Fetch::new(device);
        let all = fetch.add(self);
        Ok(fetch.run("reading back")?.take(all))
    }
}

/// The error of a buffer whose size does not depend on the number of replicas.
pub(super) fn of_constants(device: &Device, error: Error) -> Error {
    match error {
        Error::OutOfMemory { what, needed, available, .. }
            if available == device.capabilities().buffer_bytes =>
        {
            let advice = "the number of replicas does not matter; try the CPU backend";
            Error::out_of_memory(what, needed, available, advice)
        }
        other => other,
    }
}

impl<T> Buffer<T> {
    /// Copies all elements into a buffer of the same length.
    pub(super) fn copy_to(&self, commands: &mut dyn Commands, to: &Buffer<T>) {
        assert_eq!(self.len, to.len, "a copy between buffers of one size");
        commands.copy(self.allocation.part(), &to.allocation.memory);
    }
}

/// A buffer of any element type, as kernels are bound to it.
pub(super) trait Bindable {
    fn allocation(&self) -> &Arc<Allocation>;
}

impl<T> Bindable for Buffer<T> {
    fn allocation(&self) -> &Arc<Allocation> {
        &self.allocation
    }
}

/// A read-back of several buffers in one submission: commands, then copies into host memory.
pub(super) struct Fetch<'a> {
    device: &'a Device,
    pub(super) commands: Box<dyn Commands>,
    parts: Vec<Part<'a>>,
    bytes: u64,
}

/// The place of a buffer's elements in the bytes of a [`Fetched`].
#[derive(Debug, Clone)]
pub(super) struct Slot<T> {
    start: usize,
    bytes: usize,
    element: PhantomData<fn() -> T>,
}

/// The bytes of all buffers of a [`Fetch`].
pub(super) struct Fetched(Vec<u8>);

impl<'a> Fetch<'a> {
    pub(super) fn new(device: &'a Device) -> Self {
        Fetch { device, commands: device.api.commands(), parts: Vec::new(), bytes: 0 }
    }

    /// Adds a buffer to the read-back.
    pub(super) fn add<T: Pod>(&mut self, buffer: &'a Buffer<T>) -> Slot<T> {
        let (start, bytes) = (self.bytes as usize, buffer.len * size_of::<T>());
        let part = buffer.allocation.part();
        self.bytes += padded(part.bytes);
        self.parts.push(part);
        Slot { start, bytes, element: PhantomData }
    }

    /// Submits the commands and the copies, waits for them, and returns the data. `during` names
    /// the activity in errors.
    pub(super) fn run(self, during: &str) -> Result<Fetched> {
        self.begin()?.wait(during)
    }

    /// Submits the commands and the copies.
    pub(super) fn begin(self) -> Result<Fetching> {
        let Fetch { device, mut commands, parts, .. } = self;
        let most = device.capabilities().buffer_bytes;
        let mut pieces = Vec::new();
        for parts in in_pieces(&parts, most) {
            let bytes = parts.iter().map(|part| padded(part.bytes)).sum();
            let mut staging = device.stage(bytes)?;
            let mut at = 0;
            for part in parts {
                commands.fetch(*part, &mut *staging, at);
                at += padded(part.bytes);
            }
            pieces.push(Piece { staging, bytes });
        }
        match device.submit(commands) {
            Ok(submission) => {
                Ok(Fetching { device: device.clone(), under_way: Some((submission, pieces)) })
            }
            Err(error) => {
                // The device may write to it, and freeing it may wait for the device.
                std::mem::forget(pieces);
                Err(error)
            }
        }
    }
}

/// The bytes of a part with those that fill it up, in host memory.
fn padded(bytes: u64) -> u64 {
    bytes.next_multiple_of(8)
}

/// The parts in pieces of at most `most` bytes, because host memory of a device is limited like its
/// buffers. A larger part is a piece of its own.
fn in_pieces<'a, 'b>(parts: &'b [Part<'a>], most: u64) -> impl Iterator<Item = &'b [Part<'a>]> {
    let mut rest = parts;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |part: &&Part| {
            bytes += padded(part.bytes);
            bytes <= most
        };
        let n = rest.iter().take_while(fits).count().max(1);
        let (piece, others) = rest.split_at_checked(n)?;
        rest = others;
        Some(piece)
    })
}

/// A piece of a read-back: host memory, and how many bytes of it are in use.
#[derive(Debug)]
struct Piece {
    staging: Box<dyn Staging>,
    bytes: u64,
}

/// A read-back that was submitted. If nobody waits for it, it waits when it is dropped, because the
/// device writes to its host memory.
#[derive(Debug)]
pub(super) struct Fetching {
    device: Device,
    under_way: Option<(Box<dyn Submission>, Vec<Piece>)>,
}

impl Fetching {
    /// Waits for the device, and returns the data. `during` names the activity in errors.
    pub(super) fn wait(mut self, during: &str) -> Result<Fetched> {
        let data = self.data(during)?;
        Ok(Fetched(data))
    }

    /// The data, once.
    fn data(&mut self, during: &str) -> Result<Vec<u8>> {
        let Some((submission, pieces)) = self.under_way.take() else { return Ok(Vec::new()) };
        if let Err(error) = self.device.wait_and_count(submission, during) {
            // The device may still write to it, and freeing it may wait for the device.
            std::mem::forget(pieces);
            return Err(error);
        }
        let mut data = Vec::new();
        for Piece { staging, bytes } in pieces {
            let read = staging.read(bytes)?;
            self.device.unstage(staging);
            // Most read-backs are one piece, which needs no copy.
            match data.is_empty() {
                true => data = read,
                false => data.extend(read),
            }
        }
        Ok(data)
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        // Nobody asks for the error.
        let _ = self.data("reading");
    }
}

impl Fetched {
    /// The elements of the buffer that the slot belongs to.
    pub(super) fn take<T: Pod>(&self, slot: Slot<T>) -> Vec<T> {
        bytemuck::pod_collect_to_vec(&self.0[slot.start..slot.start + slot.bytes])
    }
}
