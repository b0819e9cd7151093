//! The choice of a backend.

use crate::cpu::Cpu;
use crate::engine::Engine;
use crate::error::{Error, Result};
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

/// An adapter of the machine, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adapter {
    /// Name as the driver gives it.
    pub name: String,
    /// Graphics API, kind of device and driver.
    pub description: String,
    /// Whether it computes on the CPU.
    pub software: bool,
    /// Features and limits that matter here.
    pub details: Vec<(String, String)>,
}

/// The adapters wgpu finds, in the order in which `--adapter` counts them.
pub fn adapters() -> Vec<Adapter> {
    Vec::new()
}

/// A backend ready to make engines.
#[derive(Debug)]
pub struct Backend {
    kind: Kind,
    reason: Option<String>,
}

impl Backend {
    /// Opens a backend; `adapter` (a part of a name, or an index) asks for wgpu on that adapter.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if wgpu is asked for and there is none, or none of that name.
    pub fn open(kind: Kind, adapter: Option<&str>) -> Result<Self> {
        match (kind, adapter) {
            (Kind::Cpu | Kind::Reference, Some(adapter)) => {
                let expected = format!("no adapter with the {} backend", kind.name());
                Err(Error::invalid("adapter", adapter, expected))
            }
            (Kind::Auto, None) => Ok(Self::auto()),
            (Kind::Auto | Kind::Wgpu, adapter) => Self::wgpu(adapter),
            (Kind::Cpu | Kind::Reference, None) => Ok(Backend { kind, reason: None }),
        }
    }

    fn auto() -> Self {
        let reason = "no hardware adapter was found: computing on the CPU".to_owned();
        Backend { kind: Kind::Cpu, reason: Some(reason) }
    }

    fn wgpu(adapter: Option<&str>) -> Result<Self> {
        Err(Error::NoAdapter {
            found: format!("none of {} is {}", adapters().len(), adapter.unwrap_or("usable")),
            advice: ADVICE.into(),
        })
    }

    /// The backend; never [`Kind::Auto`].
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Why [`Kind::Auto`] chose it, if it did.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Sets up an engine for `system`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] and [`Error::Gpu`] of the device.
    pub fn engine(&self, system: System) -> Result<Box<dyn Engine>> {
        match self.kind {
            Kind::Reference => Ok(Box::new(Reference::new(system))),
            Kind::Cpu => Ok(Box::new(Cpu::new(system)?)),
            Kind::Wgpu | Kind::Auto => Err(Error::unsupported("the wgpu backend", "")),
        }
    }
}

/// What to do about a machine without an adapter.
pub const ADVICE: &str = "install the GPU's Vulkan driver, or mesa-vulkan-drivers for software \
                          Vulkan (apt install mesa-vulkan-drivers), or use --backend cpu";
