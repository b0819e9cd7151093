//! The choice of a backend.

use crate::cpu::Cpu;
use crate::engine::{Dynamics, Engine, Filter, Numerics, Precision};
use crate::error::{Error, Result};
use crate::gpu::{self, Device, FeatureSet, adapters};
use crate::reference::Reference;
use crate::system::System;

/// The kinds of backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum BackendKind {
    /// wgpu on the best hardware adapter, or the CPU if there is none; never a software adapter.
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
#[derive(Debug)]
pub struct Backend {
    on: On,
    numerics: Numerics,
    /// Why `Auto` did not take an adapter.
    reason: Option<String>,
}

#[derive(Debug)]
enum On {
    Reference,
    Cpu,
    Gpu(Device),
}

impl Backend {
    /// Opens a backend in f32. Filters are tabulated, but exact for the reference. `adapter` is the
    /// number of an adapter or CUDA device, or a part of its name; [`BackendKind::Auto`] with an
    /// adapter opens wgpu.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if wgpu or CUDA is requested and has no device, or no such device;
    /// [`Error::Unsupported`] for [`BackendKind::Cuda`] without the feature `cuda`;
    /// [`Error::Invalid`] for an adapter with a backend on the CPU; [`Error::Gpu`] if the device
    /// cannot be opened.
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
        match (kind, adapter) {
            (BackendKind::Cpu | BackendKind::Reference, Some(adapter)) => {
                let expected = format!("no adapter with the {} backend", kind.name());
                Err(Error::invalid("adapter", adapter, expected))
            }
            (BackendKind::Cpu, None) => Ok(Self::on(On::Cpu, None)),
            (BackendKind::Reference, None) => Ok(Self::on(On::Reference, None)),
            (BackendKind::Cuda, _) => Ok(Self::from_device(Device::open_cuda(adapter)?)),
            (BackendKind::Auto, None) => Ok(Self::auto(features)),
            (BackendKind::Auto | BackendKind::Wgpu, Some(_)) => Self::wgpu(adapter, features),
            // The user asked for wgpu, so a software adapter is accepted if it is the best.
            (BackendKind::Wgpu, None) => {
                Self::wgpu((!adapters().is_empty()).then_some("0"), features)
            }
        }
    }

    /// A backend on an open device, for example that of the host program ([`Device::from_wgpu`]).
    /// Like [`Backend::open`], it uses f32 with tabulated filters.
    pub fn from_device(device: Device) -> Self {
        Self::on(On::Gpu(device), None)
    }

    fn on(on: On, reason: Option<String>) -> Self {
        let filter = match on {
            On::Reference => Filter::Exact,
            On::Cpu | On::Gpu(_) => Filter::default(),
        };
        Backend { on, numerics: filter.into(), reason }
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

    fn auto(features: FeatureSet) -> Self {
        let reason = match Device::open(None, features) {
            Ok(device) => return Self::on(On::Gpu(device), None),
            Err(Error::NoAdapter { found, .. }) => found,
            Err(error) => error.to_string(),
        };
        Self::on(On::Cpu, Some(format!("computing on the CPU: {reason}")))
    }

    fn wgpu(adapter: Option<&str>, features: FeatureSet) -> Result<Self> {
        Ok(Self::from_device(Device::open(adapter, features)?))
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

    /// The reason why [`BackendKind::Auto`] fell back to the CPU, if it did.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Makes an engine for a system and its dynamics.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] and [`Error::Gpu`] from the device, [`Error::Unsupported`] for a
    /// system that the GPU's kernels cannot handle, [`Error::Invalid`] for a tolerance that no
    /// table can meet or for dynamics that do not fit the system.
    pub fn engine(&self, system: System, dynamics: &Dynamics) -> Result<Box<dyn Engine>> {
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
