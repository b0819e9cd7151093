//! The choice of a backend.

#[cfg(feature = "wgpu")]
mod gpu;

#[cfg(feature = "wgpu")]
use self::gpu::Gpu;
use crate::cpu::Cpu;
use crate::engine::{Dynamics, Engine, Filter, Numerics, Precision};
use crate::error::{Error, Result};
#[cfg(feature = "wgpu")]
use crate::gpu::{Device, FeatureSet};
#[cfg(feature = "wgpu")]
use crate::known_answers::Part;
use crate::reference::Reference;
use crate::system::System;

/// The kinds of backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
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
}

#[derive(Debug, Clone)]
enum On {
    Reference,
    Cpu,
    #[cfg(feature = "wgpu")]
    Gpu(Gpu),
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
        #[cfg(feature = "wgpu")]
        return Self::open_with(kind, adapter, FeatureSet::Full);
        #[cfg(not(feature = "wgpu"))]
        match (kind, adapter) {
            (BackendKind::Cuda | BackendKind::Wgpu, _) | (BackendKind::Auto, Some(_)) => {
                let what = format!("the {} backend in this build", kind.name());
                let feature = if kind == BackendKind::Cuda { "cuda" } else { "wgpu" };
                Err(Error::unsupported(what, format!("build the crate with its feature {feature}")))
            }
            (BackendKind::Auto, None) => Ok(Self::on(
                On::Cpu,
                Some("computing on the CPU: this build is without wgpu".into()),
            )),
            (BackendKind::Cpu | BackendKind::Reference, _) => Self::on_host(kind, adapter),
        }
    }

    /// The CPU or the reference.
    fn on_host(kind: BackendKind, adapter: Option<&str>) -> Result<Self> {
        if let Some(adapter) = adapter {
            let expected = format!("no adapter with the {} backend", kind.name());
            return Err(Error::invalid("adapter", adapter, expected));
        }
        let on = if kind == BackendKind::Reference { On::Reference } else { On::Cpu };
        Ok(Self::on(on, None))
    }

    fn on(on: On, reason: Option<String>) -> Self {
        let filter = match on {
            On::Reference => Filter::Exact,
            _ => Filter::default(),
        };
        Backend { on, numerics: filter.into(), reason }
    }

    /// The backend with the defaults of the program's `run` and `bench`. On a GPU with 16-bit
    /// floats and tabulated filters this is [`Precision::Mixed`] with tables to match. Any other
    /// backend is unchanged.
    ///
    /// [`Backend::open`] alone gives f32, for single energies and verification.
    pub fn for_dynamics(self) -> Self {
        match &self.on {
            On::Reference | On::Cpu => self,
            #[cfg(feature = "wgpu")]
            On::Gpu(gpu) => Backend { numerics: gpu.of_dynamics(self.numerics), ..self },
        }
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
        if precision == Precision::Mixed && matches!(self.on, On::Reference | On::Cpu) {
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

    /// The kind of the backend; never [`BackendKind::Auto`].
    pub fn kind(&self) -> BackendKind {
        match &self.on {
            On::Reference => BackendKind::Reference,
            On::Cpu => BackendKind::Cpu,
            #[cfg(feature = "wgpu")]
            On::Gpu(gpu) if gpu.device.is_cuda() => BackendKind::Cuda,
            #[cfg(feature = "wgpu")]
            On::Gpu(_) => BackendKind::Wgpu,
        }
    }

    /// The name of the device, if the backend runs on a GPU.
    pub fn adapter(&self) -> Option<&str> {
        match &self.on {
            On::Reference | On::Cpu => None,
            #[cfg(feature = "wgpu")]
            On::Gpu(gpu) => Some(gpu.device.name()),
        }
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
        let filter = self.numerics.filter;
        Ok(match &self.on {
            On::Reference => Box::new(Reference::with_filter(system, dynamics, filter)?),
            On::Cpu => Box::new(Cpu::new(system, dynamics, filter)?),
            #[cfg(feature = "wgpu")]
            On::Gpu(gpu) => gpu.engine(system, dynamics, self.numerics)?,
        })
    }
}

#[cfg(feature = "wgpu")]
impl Backend {
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
        let on_gpu = |gpu| Self::on(On::Gpu(gpu), None);
        match (kind, adapter) {
            (BackendKind::Cpu | BackendKind::Reference, _) => Self::on_host(kind, adapter),
            (BackendKind::Cuda, _) => Ok(on_gpu(Gpu::new(Device::open_cuda(adapter)?, trusted))),
            (BackendKind::Auto, None) => Self::auto(features, trusted),
            (BackendKind::Auto | BackendKind::Wgpu, _) => {
                Gpu::wgpu(adapter, features, trusted).map(on_gpu)
            }
        }
    }

    fn auto(features: FeatureSet, trusted: bool) -> Result<Self> {
        Ok(match Gpu::auto(features, trusted, Filter::default().into())? {
            (Some(gpu), reason) => Self::on(On::Gpu(gpu), reason),
            (None, why) => {
                let why = why.unwrap_or_default();
                Self::on(On::Cpu, Some(format!("computing on the CPU: {why}")))
            }
        })
    }

    /// A backend on an open device, for example that of the host program ([`Device::from_wgpu`]).
    /// Like [`Backend::open`], it uses f32 with tabulated filters. The device is trusted: call
    /// [`Backend::check`] to find out whether it computes correctly.
    pub fn from_device(device: Device) -> Self {
        Self::on(On::Gpu(Gpu::new(device, true)), None)
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
        match &self.on {
            On::Reference | On::Cpu => Ok(()),
            On::Gpu(gpu) => {
                Part::ALL.into_iter().try_for_each(|part| gpu.check(part, self.numerics))
            }
        }
    }

    /// The device, if the backend runs on a GPU.
    pub fn device(&self) -> Option<&Device> {
        match &self.on {
            On::Gpu(gpu) => Some(&gpu.device),
            On::Reference | On::Cpu => None,
        }
    }
}

#[cfg(all(test, feature = "wgpu"))]
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
