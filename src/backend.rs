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
    Wgpu(Device),
}

impl Backend {
    /// Opens a backend; `adapter` (a part of a name, or an index) asks for wgpu on that adapter.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if wgpu is asked for and there is none, or none of that name.
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
            (Kind::Auto, None) => Ok(Self::auto(profile)),
            (Kind::Auto | Kind::Wgpu, Some(_)) => Self::wgpu(adapter, profile),
            // Asked for by name, a software adapter will do if there is nothing better.
            (Kind::Wgpu, None) => Self::wgpu((!adapters().is_empty()).then_some("0"), profile),
        }
    }

    fn on(on: On, reason: Option<String>) -> Self {
        let filter = match on {
            On::Reference => Filter::Exact,
            On::Cpu | On::Wgpu(_) => Filter::default(),
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
            Ok(device) => return Self::on(On::Wgpu(device), None),
            Err(Error::NoAdapter { found, .. }) => found,
            Err(error) => error.to_string(),
        };
        Self::on(On::Cpu, Some(format!("computing on the CPU: {reason}")))
    }

    fn wgpu(adapter: Option<&str>, profile: Profile) -> Result<Self> {
        let device = Device::open(adapter, profile)?;
        Ok(Self::on(On::Wgpu(device), None))
    }

    /// The backend; never [`Kind::Auto`].
    pub fn kind(&self) -> Kind {
        match self.on {
            On::Reference => Kind::Reference,
            On::Cpu => Kind::Cpu,
            On::Wgpu(_) => Kind::Wgpu,
        }
    }

    /// The device, if it is a GPU's.
    pub fn device(&self) -> Option<&Device> {
        match &self.on {
            On::Wgpu(device) => Some(device),
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
            On::Wgpu(device) => Box::new(Wgpu::new(device, system, self.numerics)?),
        })
    }
}
