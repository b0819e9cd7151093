//! A device that kernels run on: its capabilities, its account of memory and work, its compiled
//! kernels, and the functions that wait for it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::api::{self, Api, Capabilities, Commands, FeatureSet, Submission};
use super::compose::Constants;
use super::program::Compiled;
use super::tuning::WAIT_LIMIT;
use crate::error::{Error, Result};

/// A device that kernels run on. Clones share the device.
#[derive(Debug, Clone)]
pub struct Device {
    pub(super) api: Arc<dyn Api>,
    /// If set, the kernels for tensor cores run on any device. Loops do the matrix products if the
    /// device has no tensor cores.
    pub(super) emulates_matrices: bool,
    wait_limit: Duration,
    /// Errors in kernels, for tests of the known answers.
    planted: Vec<Planted>,
    batch_bytes: u64,
    pub(super) account: Arc<Account>,
    /// Compiled kernels by their text. Two threads can compile two texts at a time.
    kernels: Arc<Mutex<HashMap<String, Slot>>>,
    /// Host memory that read-backs reuse.
    staging: Arc<Mutex<Vec<Box<dyn api::Staging>>>>,
}

/// The place of a compiled kernel, which is locked while it is compiled.
type Slot = Arc<Mutex<Option<Arc<Compiled>>>>;

/// An error in a kernel: the kernel, a piece of its text, and the text in its place.
type Planted = [String; 3];

/// An error to plant in builds with debug assertions, for tests of the program:
/// `FLASHSCHNET_PLANTED_ERROR=kernel|found|put`.
fn planted_by_the_environment() -> Vec<Planted> {
    let planted = std::env::var("FLASHSCHNET_PLANTED_ERROR").unwrap_or_default();
    let parts: Vec<String> = planted.split('|').map(str::to_owned).collect();
    match <Planted>::try_from(parts) {
        Ok(planted) if cfg!(debug_assertions) => vec![planted],
        _ => Vec::new(),
    }
}

/// Counts of a device since it was opened. Their differences show the overhead of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Allocations of buffers on the device and of host memory for read-backs.
    pub allocations: u64,
    /// Submissions of commands to the device.
    pub submissions: u64,
    /// Waits for everything that was submitted. A wait for an earlier submission while a later one
    /// keeps the device busy does not count.
    pub waits: u64,
    /// The most bytes that buffers had at one time.
    pub peak_bytes: u64,
    /// Time spent compiling kernels.
    pub compiling: Duration,
}

/// Running counts behind [`Counters`], and the bytes of all buffers at present.
#[derive(Debug, Default)]
pub(super) struct Account {
    allocations: AtomicU64,
    bytes: AtomicU64,
    peak_bytes: AtomicU64,
    compile_nanoseconds: AtomicU64,
    submissions: AtomicU64,
    waits: AtomicU64,
}

impl Account {
    pub(super) fn allocated(&self, bytes: u64) {
        let now = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak_bytes.fetch_max(now, Ordering::Relaxed);
        self.allocations.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn freed(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn compiled(&self, time: Duration) {
        self.compile_nanoseconds.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Device {
    /// Opens an adapter. `wanted` is its number or a part of its name. Without it, the first adapter
    /// whose name contains the value of the environment variable `WGPU_ADAPTER_NAME` is opened, or
    /// else the best hardware adapter. The other variables of wgpu are honoured too: see
    /// [`adapters`](super::adapters).
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if there is no such adapter; [`Error::Invalid`] for an environment
    /// variable with an unknown value, or one that names no adapter; [`Error::Gpu`] if the adapter
    /// cannot be opened; [`Error::Unsupported`] on WebAssembly, where a program cannot wait for a
    /// device.
    pub fn open(wanted: Option<&str>, features: FeatureSet) -> Result<Self> {
        Ok(Device::with(api::open_wgpu(wanted, features)?))
    }

    /// Opens a CUDA device. `wanted` is its number or a part of its name; without it, the first
    /// device is opened.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] without CUDA's libraries or such a device; [`Error::Gpu`] if the driver
    /// fails; [`Error::Unsupported`] in a build without the feature `cuda`.
    pub fn open_cuda(wanted: Option<&str>) -> Result<Self> {
        Ok(Device::with(api::open_cuda(wanted)?))
    }

    /// Uses the device and queue of a host program, and leaves the program's error callbacks in
    /// place. It does not exist on WebAssembly, where a program cannot wait for a device.
    #[cfg(not(target_family = "wasm"))]
    pub fn from_wgpu(device: wgpu::Device, queue: wgpu::Queue) -> Self {
        Device::with(api::from_wgpu(device, queue))
    }

    fn with(api: Arc<dyn Api>) -> Self {
        Device {
            emulates_matrices: false,
            wait_limit: WAIT_LIMIT,
            planted: planted_by_the_environment(),
            batch_bytes: api.capabilities().buffer_bytes,
            api,
            account: Arc::default(),
            kernels: Arc::default(),
            staging: Arc::default(),
        }
    }

    /// The device with tensor cores emulated: linear layers, and the exact filters of
    /// [`Precision::Mixed`](crate::engine::Precision), use the kernels for tensor cores with the
    /// matrix products done by loops. This is slow. It serves tests on devices without tensor
    /// cores; a device that has them uses them.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the device has no 16-bit floats.
    #[doc(hidden)]
    pub fn emulating_matrices(self) -> Result<Self> {
        if !self.has_f16() {
            let what = format!("emulating tensor cores on {}", self.name());
            return Err(Error::unsupported(what, "use a device with 16-bit floats"));
        }
        Ok(Device { emulates_matrices: true, ..self })
    }

    /// The device with an error in a kernel: the first `found` of its text becomes `put`. Tests plant
    /// errors to see that the known answers find them.
    #[doc(hidden)]
    pub fn planting(mut self, kernel: &str, found: &str, put: &str) -> Self {
        self.planted.push([kernel, found, put].map(str::to_owned));
        self
    }

    /// The text of a kernel with the planted errors.
    ///
    /// # Panics
    /// If the text lacks the piece to replace.
    pub(super) fn planted(&self, kernel: &str, mut text: String) -> String {
        for [_, found, put] in self.planted.iter().filter(|[name, ..]| name == kernel) {
            assert!(text.contains(found.as_str()), "{kernel} has no {found}");
            text = text.replacen(found, put, 1);
        }
        text
    }

    /// The device with another limit for every wait. A device that takes longer counts as lost.
    pub fn with_wait_limit(self, wait_limit: Duration) -> Self {
        Device { wait_limit, ..self }
    }

    /// The device with a lower limit for the largest buffer of several replicas, bytes. Replicas that
    /// exceed it get an engine each. It serves tests with small systems.
    #[doc(hidden)]
    pub fn with_batch_bytes(self, batch_bytes: u64) -> Self {
        Device { batch_bytes, ..self }
    }

    /// The limit for the largest buffer of several replicas, bytes.
    pub(super) fn batch_bytes(&self) -> u64 {
        self.batch_bytes
    }

    pub(super) fn capabilities(&self) -> &Capabilities {
        self.api.capabilities()
    }

    /// The names of device, interface and driver.
    pub fn name(&self) -> &str {
        &self.capabilities().name
    }

    /// Whether the device computes with 16-bit floats.
    pub fn has_f16(&self) -> bool {
        self.capabilities().f16
    }

    /// Whether the device has tensor cores that the kernels can use.
    pub fn has_matrices(&self) -> bool {
        self.capabilities().matrices
    }

    /// Whether the kernels of the device are in CUDA C.
    pub fn is_cuda(&self) -> bool {
        self.api.language() == api::Language::Cuda
    }

    /// The name and the constants of every kernel compiled so far.
    #[doc(hidden)]
    pub fn specialisations(&self) -> Vec<(&'static str, Constants)> {
        let slots: Vec<Slot> = lock(&self.kernels).values().cloned().collect();
        let of = |slot: &Slot| {
            let kernel = lock(slot);
            kernel.as_ref().map(|kernel| (kernel.name, kernel.constants.clone()))
        };
        slots.iter().filter_map(of).collect()
    }

    /// The kernel of this text, from the cache or compiled now.
    pub(super) fn compiled(
        &self,
        text: String,
        compile: impl FnOnce(&str) -> Result<Compiled>,
    ) -> Result<Arc<Compiled>> {
        let slot = Arc::clone(lock(&self.kernels).entry(text.clone()).or_default());
        let mut known = lock(&slot);
        if let Some(kernel) = &*known {
            return Ok(Arc::clone(kernel));
        }
        let kernel = Arc::new(compile(&text)?);
        *known = Some(Arc::clone(&kernel));
        Ok(kernel)
    }

    /// Submits recorded commands and does not wait.
    pub(super) fn submit(&self, commands: Box<dyn Commands>) -> Result<Box<dyn Submission>> {
        self.account.submissions.fetch_add(1, Ordering::Relaxed);
        commands.submit()
    }

    /// Waits for a submission while a later one keeps the device busy.
    pub(super) fn wait_for(&self, earlier: Box<dyn Submission>, during: &str) -> Result<()> {
        earlier.wait(self.wait_limit, during)
    }

    /// Submits commands and waits until they are done.
    pub(super) fn finish(&self, commands: Box<dyn Commands>, during: &str) -> Result<()> {
        let submission = self.submit(commands)?;
        self.wait_and_count(submission, during)
    }

    /// Waits for a submission whose results the host needs.
    pub(super) fn wait_and_count(
        &self,
        submission: Box<dyn Submission>,
        during: &str,
    ) -> Result<()> {
        self.account.waits.fetch_add(1, Ordering::Relaxed);
        submission.wait(self.wait_limit, during)
    }

    /// Host memory of at least `bytes` bytes for one read-back.
    pub(super) fn stage(&self, bytes: u64) -> Result<Box<dyn api::Staging>> {
        let mut idle = lock(&self.staging);
        // The smallest, so that a later read-back finds the larger ones.
        let fitting = (0..idle.len()).filter(|k| idle[*k].bytes() >= bytes);
        if let Some(k) = fitting.min_by_key(|k| idle[*k].bytes()) {
            return Ok(idle.swap_remove(k));
        }
        // Memory that was too small now will be too small again.
        idle.clear();
        drop(idle);
        let staging = self.api.stage(bytes)?;
        self.account.allocations.fetch_add(1, Ordering::Relaxed);
        let what = "host memory for reads";
        staging.ok_or_else(|| Error::out_of_memory(what, bytes, 0, "free memory"))
    }

    /// Returns host memory, which the next read-back can reuse.
    pub(super) fn unstage(&self, staging: Box<dyn api::Staging>) {
        lock(&self.staging).push(staging);
    }

    /// The counts so far of all clones of the device.
    pub fn counters(&self) -> Counters {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        let Account { allocations, peak_bytes, compile_nanoseconds, submissions, waits, .. } =
            &*self.account;
        Counters {
            allocations: count(allocations),
            submissions: count(submissions),
            waits: count(waits),
            peak_bytes: count(peak_bytes),
            compiling: Duration::from_nanos(count(compile_nanoseconds)),
        }
    }

    /// The bytes of all buffers at present.
    pub(super) fn allocated_bytes(&self) -> u64 {
        self.account.bytes.load(Ordering::Relaxed)
    }

    /// The bytes that the allocator took from the driver.
    pub(super) fn reserved_bytes(&self) -> u64 {
        self.api.reserved_bytes().unwrap_or_else(|| self.allocated_bytes())
    }
}
