//! The choice of a backend.

use crate::cpu::Cpu;
use crate::engine::{Engine, Filter, Numerics, Precision};
use crate::error::{Error, Result};
use crate::gpu::{Device, Profile, Wgpu, adapters};
use crate::reference::Reference;
use crate::system::System;

/// The backends by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// The best hardware adapter, else the CPU; never a software adapter.
    #[default]
    Auto,
    /// f32 shaders on any adapter wgpu finds.
    Wgpu,
    /// The same kernels in CUDA C, on NVIDIA's GPUs, where the crate has its feature `cuda`.
    Cuda,
    /// f32 on native threads.
    Cpu,
    /// f64, plain loops: slow, and the definition of every result.
    Reference,
}

impl Kind {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Auto => "auto",
            Kind::Wgpu => "wgpu",
            Kind::Cuda => "cuda",
            Kind::Cpu => "cpu",
            Kind::Reference => "reference",
        }
    }
}

/// A backend ready to make engines.
#[derive(Debug)]
pub struct Backend {
    on: On,
    numerics: Numerics,
    reason: Option<String>,
}

#[derive(Debug)]
enum On {
    Reference,
    Cpu,
    Gpu(Device),
}

impl Backend {
    /// Opens a backend; `adapter` (a part of a name, or an index) asks for wgpu on that adapter, or
    /// is that of a device of CUDA.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if wgpu or CUDA is asked for and there is none, or none of that name;
    /// [`Error::Unsupported`] for [`Kind::Cuda`] without the feature `cuda`.
    pub fn open(kind: Kind, adapter: Option<&str>) -> Result<Self> {
        Self::open_with(kind, adapter, Profile::Full)
    }

    /// The same, with what `profile` asks of an adapter.
    ///
    /// # Errors
    /// See [`Backend::open`].
    pub fn open_with(kind: Kind, adapter: Option<&str>, profile: Profile) -> Result<Self> {
        match (kind, adapter) {
            (Kind::Cpu | Kind::Reference, Some(adapter)) => {
                let expected = format!("no adapter with the {} backend", kind.name());
                Err(Error::invalid("adapter", adapter, expected))
            }
            (Kind::Cpu, None) => Ok(Self::on(On::Cpu, None)),
            (Kind::Reference, None) => Ok(Self::on(On::Reference, None)),
            (Kind::Cuda, _) => Self::cuda(adapter),
            (Kind::Auto, None) => Ok(Self::auto(profile)),
            (Kind::Auto | Kind::Wgpu, Some(_)) => Self::wgpu(adapter, profile),
            // Asked for by name, a software adapter will do if there is nothing better.
            (Kind::Wgpu, None) => Self::wgpu((!adapters().is_empty()).then_some("0"), profile),
        }
    }

    fn on(on: On, reason: Option<String>) -> Self {
        let filter = match on {
            On::Reference => Filter::Exact,
            On::Cpu | On::Gpu(_) => Filter::default(),
        };
        Backend { on, numerics: filter.into(), reason }
    }

    /// The same backend with filters of a kind. The reference opens with [`Filter::Exact`], every
    /// other backend with [`Filter::TABLE`].
    pub fn with_filter(self, filter: Filter) -> Self {
        Backend { numerics: Numerics { filter, ..self.numerics }, ..self }
    }

    /// The same backend with the network in a precision.
    ///
    /// # Errors
    /// [`Error::Invalid`] for [`Precision::Mixed`] where the backend is not a GPU's.
    pub fn with_precision(self, precision: Precision) -> Result<Self> {
        if precision == Precision::Mixed && self.device().is_none() {
            let expected = format!("f32 with the {} backend", self.kind().name());
            return Err(Error::invalid("precision", precision.name(), expected));
        }
        Ok(Backend { numerics: Numerics { precision, ..self.numerics }, ..self })
    }

    /// What its engines store the network in.
    pub fn precision(&self) -> Precision {
        self.numerics.precision
    }

    /// The filters of its engines.
    pub fn filter(&self) -> Filter {
        self.numerics.filter
    }

    fn auto(profile: Profile) -> Self {
        let reason = match Device::open(None, profile) {
            Ok(device) => return Self::on(On::Gpu(device), None),
            Err(Error::NoAdapter { found, .. }) => found,
            Err(error) => error.to_string(),
        };
        Self::on(On::Cpu, Some(format!("computing on the CPU: {reason}")))
    }

    fn wgpu(adapter: Option<&str>, profile: Profile) -> Result<Self> {
        let device = Device::open(adapter, profile)?;
        Ok(Self::on(On::Gpu(device), None))
    }

    #[cfg(feature = "cuda")]
    fn cuda(adapter: Option<&str>) -> Result<Self> {
        Ok(Self::on(On::Gpu(Device::open_cuda(adapter)?), None))
    }

    #[cfg(not(feature = "cuda"))]
    fn cuda(_: Option<&str>) -> Result<Self> {
        let advice = "build it with --features cuda, or use --backend wgpu";
        Err(Error::unsupported("CUDA in this build", advice))
    }

    /// The backend; never [`Kind::Auto`].
    pub fn kind(&self) -> Kind {
        match self.on {
            On::Reference => Kind::Reference,
            On::Cpu => Kind::Cpu,
            On::Gpu(ref device) if device.is_cuda() => Kind::Cuda,
            On::Gpu(_) => Kind::Wgpu,
        }
    }

    /// The device, if it is a GPU's.
    pub fn device(&self) -> Option<&Device> {
        match &self.on {
            On::Gpu(device) => Some(device),
            On::Reference | On::Cpu => None,
        }
    }

    /// The name of the adapter, if it is one.
    pub fn adapter(&self) -> Option<&str> {
        self.device().map(Device::name)
    }

    /// Why [`Kind::Auto`] did not take an adapter, if so.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Sets up an engine for `system`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] and [`Error::Gpu`] of the device, [`Error::Invalid`] for a tolerance
    /// that no table can meet.
    pub fn engine(&self, system: System) -> Result<Box<dyn Engine>> {
        Ok(match &self.on {
            On::Reference => Box::new(Reference::with_filter(system, self.numerics.filter)?),
            On::Cpu => Box::new(Cpu::new(system, self.numerics.filter)?),
            On::Gpu(device) => Box::new(Wgpu::new(device, system, self.numerics)?),
        })
    }
}
