//! The choice of a backend.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::cpu::Cpu;
use crate::engine::{Dynamics, Engine, Filter, Numerics, Precision};
use crate::error::{Error, Result};
use crate::gpu::{self, Device, FeatureSet, adapters, suitable_adapters};
use crate::known_answers::{Part, find_fault};
use crate::reference::Reference;
use crate::system::System;

/// The kinds of backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum BackendKind {
    /// wgpu on the best hardware adapter that computes correctly ([`Backend::check`]), or the CPU if
    /// there is none; never a software adapter.
    #[default]
    Auto,
    /// WGSL kernels on any adapter that wgpu finds.
    Wgpu,
    /// The same kernels in CUDA C on NVIDIA GPUs. The crate needs its feature `cuda`.
    Cuda,
    /// f32 on the CPU, with threads and vector instructions.
    Cpu,
    /// f64 in plain loops. Slow, but the definition of every result.
    Reference,
}

impl BackendKind {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            BackendKind::Auto => "auto",
            BackendKind::Wgpu => "wgpu",
            BackendKind::Cuda => "cuda",
            BackendKind::Cpu => "cpu",
            BackendKind::Reference => "reference",
        }
    }
}

/// A backend ready to make engines.
///
/// Before a GPU makes its first engine, it has to give known answers ([`Backend::check`]). Clones share
/// the device and the results of this check.
#[derive(Debug, Clone)]
pub struct Backend {
    on: On,
    numerics: Numerics,
    /// Why `Auto` did not take an adapter.
    reason: Option<String>,
    /// Whether engines are made whatever the device computes.
    trusted: bool,
    checked: Arc<Mutex<Vec<Checked>>>,
}

/// The result of a part of the known answers.
#[derive(Debug)]
struct Checked {
    part: Part,
    /// Whether filters were tables.
    table: bool,
    precision: Precision,
    /// The quantity that was wrong.
    fault: Option<String>,
}

/// A device that takes longer for a submission of the known answers counts as lost.
const CHECK_LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
enum On {
    Reference,
    Cpu,
    Gpu(Device),
}

impl Backend {
    /// Opens a backend in f32. Filters are tabulated, but exact for the reference. `adapter` is the
    /// number of an adapter or CUDA device, or a part of its name; [`BackendKind::Auto`] with an
    /// adapter opens wgpu. Without `adapter`, wgpu follows its environment variables
    /// ([`Device::open`]).
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if wgpu or CUDA is requested and has no device, or no such device;
    /// [`Error::Unsupported`] for [`BackendKind::Cuda`] without the feature `cuda`;
    /// [`Error::Invalid`] for an adapter with a backend on the CPU, or a wrong environment variable;
    /// [`Error::Gpu`] if the device cannot be opened.
    pub fn open(kind: BackendKind, adapter: Option<&str>) -> Result<Self> {
        Self::open_with(kind, adapter, FeatureSet::Full)
    }

    /// Like [`Backend::open`], with the given features of an adapter of wgpu.
    ///
    /// # Errors
    /// See [`Backend::open`].
    pub fn open_with(
        kind: BackendKind,
        adapter: Option<&str>,
        features: FeatureSet,
    ) -> Result<Self> {
        Self::open_as(kind, adapter, features, false)
    }

    /// Like [`Backend::open_with`], but the device is trusted: engines are made without known
    /// answers, and [`BackendKind::Auto`] takes the first suitable adapter.
    ///
    /// # Errors
    /// See [`Backend::open`].
    pub fn open_trusting(
        kind: BackendKind,
        adapter: Option<&str>,
        features: FeatureSet,
    ) -> Result<Self> {
        Self::open_as(kind, adapter, features, true)
    }

    fn open_as(
        kind: BackendKind,
        adapter: Option<&str>,
        features: FeatureSet,
        trusted: bool,
    ) -> Result<Self> {
        let backend = match (kind, adapter) {
            (BackendKind::Cpu | BackendKind::Reference, Some(adapter)) => {
                let expected = format!("no adapter with the {} backend", kind.name());
                Err(Error::invalid("adapter", adapter, expected))
            }
            (BackendKind::Cpu, None) => Ok(Self::on(On::Cpu, None)),
            (BackendKind::Reference, None) => Ok(Self::on(On::Reference, None)),
            (BackendKind::Cuda, _) => Ok(Self::on(On::Gpu(Device::open_cuda(adapter)?), None)),
            (BackendKind::Auto, None) => Self::auto(features, trusted),
            (BackendKind::Auto | BackendKind::Wgpu, Some(_)) => Self::wgpu(adapter, features),
            (BackendKind::Wgpu, None) => match Self::wgpu(None, features) {
                // The user asked for wgpu, so a software adapter is accepted if there is no other.
                Err(Error::NoAdapter { .. }) if !adapters()?.is_empty() => {
                    Self::wgpu(Some("0"), features)
                }
                opened => opened,
            },
        }?;
        Ok(Backend { trusted, ..backend })
    }

    /// A backend on an open device, for example that of the host program ([`Device::from_wgpu`]).
    /// Like [`Backend::open`], it uses f32 with tabulated filters. The device is trusted: call
    /// [`Backend::check`] to find out whether it computes correctly.
    pub fn from_device(device: Device) -> Self {
        Backend { trusted: true, ..Self::on(On::Gpu(device), None) }
    }

    /// Checks that the device computes correctly with the backend's filters and precision: it runs
    /// its kernels on small systems and compares forces, lists, steps, exchanges and biases with
    /// constants that the f64 reference has computed. This takes milliseconds, besides the
    /// compilation of the kernels. A backend on the CPU passes without a test.
    ///
    /// [`Backend::engine`] makes the part of this check that the dynamics use, once for each part,
    /// unless the device is trusted.
    ///
    /// # Errors
    /// [`Error::WrongResults`] names the device and the first quantity that is wrong; errors of the
    /// device.
    pub fn check(&self) -> Result<()> {
        Part::ALL.into_iter().try_for_each(|part| self.check_part(part))
    }

    fn check_part(&self, part: Part) -> Result<()> {
        let On::Gpu(device) = &self.on else { return Ok(()) };
        let Numerics { filter, precision } = self.numerics;
        let table = filter != Filter::Exact;
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = |known: &Checked| {
            (known.part, known.table, known.precision) == (part, table, precision)
        };
        if !checked.iter().any(is_known) {
            // The answers are those of tables with small errors.
            let filter = if table { precision.table() } else { filter };
            let numerics = Numerics { filter, precision };
            let device = device.clone().with_wait_limit(CHECK_LIMIT);
            let fault = find_fault(part, precision, &|system, dynamics| {
                gpu::make_engine(&device, system, dynamics, numerics)
            })?;
            checked.push(Checked { part, table, precision, fault });
        }
        match checked.iter().find(|known| is_known(known)).and_then(|known| known.fault.as_ref()) {
            Some(found) => {
                Err(Error::WrongResults { device: device.name().into(), found: found.clone() })
            }
            None => Ok(()),
        }
    }

    fn on(on: On, reason: Option<String>) -> Self {
        let filter = match on {
            On::Reference => Filter::Exact,
            On::Cpu | On::Gpu(_) => Filter::default(),
        };
        let numerics = filter.into();
        Backend { on, numerics, reason, trusted: false, checked: Arc::default() }
    }

    /// The backend with the defaults of the program's `run` and `bench`. On a GPU with 16-bit
    /// floats and tabulated filters this is [`Precision::Mixed`] with tables to match. Any other
    /// backend is unchanged.
    ///
    /// [`Backend::open`] alone gives f32, for single energies and verification.
    pub fn for_dynamics(self) -> Self {
        let f16 = self.device().is_some_and(Device::has_f16);
        if !f16 || self.filter() == Filter::Exact {
            return self;
        }
        let precision = Precision::Mixed;
        Backend { numerics: Numerics { filter: precision.table(), precision }, ..self }
    }

    /// The backend with the given filters. The reference opens with [`Filter::Exact`], every other
    /// backend with [`Filter::TABLE`].
    pub fn with_filter(self, filter: Filter) -> Self {
        Backend { numerics: Numerics { filter, ..self.numerics }, ..self }
    }

    /// The backend with the network in the given precision.
    ///
    /// # Errors
    /// [`Error::Invalid`] for [`Precision::Mixed`] if the backend does not run on a GPU.
    pub fn with_precision(self, precision: Precision) -> Result<Self> {
        if precision == Precision::Mixed && self.device().is_none() {
            let expected = format!("f32 with the {} backend", self.kind().name());
            return Err(Error::invalid("precision", precision.name(), expected));
        }
        Ok(Backend { numerics: Numerics { precision, ..self.numerics }, ..self })
    }

    /// The precision in which its engines store the network.
    pub fn precision(&self) -> Precision {
        self.numerics.precision
    }

    /// The evaluation of filters in its engines.
    pub fn filter(&self) -> Filter {
        self.numerics.filter
    }

    /// The first suitable adapter that is trusted or gives the known answers of a run, or the CPU.
    fn auto(features: FeatureSet, trusted: bool) -> Result<Self> {
        let on_cpu = |why: &str| Self::on(On::Cpu, Some(format!("computing on the CPU: {why}")));
        let numbers = match suitable_adapters() {
            Ok(numbers) => numbers,
            Err(Error::NoAdapter { found, .. }) => return Ok(on_cpu(&found)),
            // A wrong variable of the environment: the user wants a certain device.
            Err(error) => return Err(error),
        };
        let mut faults = Vec::new();
        for number in numbers {
            let opened = Self::wgpu(Some(&number.to_string()), features);
            match opened.and_then(|opened| if trusted { Ok(opened) } else { opened.checked() }) {
                Ok(backend) => {
                    let reason = (!faults.is_empty()).then(|| faults.join("; "));
                    return Ok(Backend { reason, ..backend });
                }
                Err(error) => faults.push(error.to_string()),
            }
        }
        Ok(on_cpu(&faults.join("; ")))
    }

    /// The backend, if it gives the known answers of a run.
    fn checked(self) -> Result<Self> {
        let numerics = self.numerics;
        let backend = self.for_dynamics();
        [Part::Forces, Part::Steps].into_iter().try_for_each(|part| backend.check_part(part))?;
        Ok(Backend { numerics, ..backend })
    }

    fn wgpu(adapter: Option<&str>, features: FeatureSet) -> Result<Self> {
        Ok(Self::on(On::Gpu(Device::open(adapter, features)?), None))
    }

    /// The kind of the backend; never [`BackendKind::Auto`].
    pub fn kind(&self) -> BackendKind {
        match self.on {
            On::Reference => BackendKind::Reference,
            On::Cpu => BackendKind::Cpu,
            On::Gpu(ref device) if device.is_cuda() => BackendKind::Cuda,
            On::Gpu(_) => BackendKind::Wgpu,
        }
    }

    /// The device, if the backend runs on a GPU.
    pub fn device(&self) -> Option<&Device> {
        match &self.on {
            On::Gpu(device) => Some(device),
            On::Reference | On::Cpu => None,
        }
    }

    /// The name of the device, if the backend runs on a GPU.
    pub fn adapter(&self) -> Option<&str> {
        self.device().map(Device::name)
    }

    /// The reason why [`BackendKind::Auto`] fell back to the CPU or to another adapter than the best,
    /// if it did.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Makes an engine for a system and its dynamics.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] and [`Error::Gpu`] from the device, [`Error::WrongResults`] for a
    /// device that computes wrongly, [`Error::Unsupported`] for a system that the GPU's kernels
    /// cannot handle, [`Error::Invalid`] for a tolerance that no table can meet or for dynamics that
    /// do not fit the system.
    pub fn engine(&self, system: System, dynamics: &Dynamics) -> Result<Box<dyn Engine>> {
        if !self.trusted {
            let used = Part::ALL.into_iter().filter(|part| part.is_used(dynamics));
            used.into_iter().try_for_each(|part| self.check_part(part))?;
        }
        let Numerics { filter, .. } = self.numerics;
        Ok(match &self.on {
            On::Reference => Box::new(Reference::with_filter(system, dynamics, filter)?),
            On::Cpu => Box::new(Cpu::new(system, dynamics, filter)?),
            On::Gpu(device) => gpu::make_engine(device, system, dynamics, self.numerics)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `for_dynamics` chooses mixed precision if filters are tabulated and the GPU has 16-bit
    /// floats.
    #[test]
    fn dynamics_take_mixed_precision_on_a_gpu_with_tables() {
        let chosen = |backend: Backend| {
            let backend = backend.for_dynamics();
            (backend.precision(), backend.filter())
        };
        let open = |kind| Backend::open(kind, None).unwrap();
        let f32 = |filter| (Precision::F32, filter);
        assert_eq!(chosen(open(BackendKind::Reference)), f32(Filter::Exact));
        assert_eq!(chosen(open(BackendKind::Cpu)), f32(Filter::TABLE));
        let gpu = || open(BackendKind::Wgpu);
        assert_eq!(chosen(gpu().with_filter(Filter::Exact)), f32(Filter::Exact));
        let expected = match gpu().device().unwrap().has_f16() {
            true => (Precision::Mixed, Precision::Mixed.table()),
            false => f32(Filter::TABLE),
        };
        assert_eq!(chosen(gpu()), expected);
        let portable = Backend::open_with(BackendKind::Wgpu, None, FeatureSet::Portable).unwrap();
        assert_eq!(chosen(portable), f32(Filter::TABLE));
    }
}
