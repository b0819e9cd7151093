//! A GPU as a backend, and the known answers that it has to give.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::engine::{Dynamics, Engine, Filter, Numerics, Precision};
use crate::error::{Error, Result};
use crate::gpu::{self, Device, FeatureSet, adapters, suitable_adapters};
use crate::known_answers::{Part, find_fault};
use crate::system::System;

/// A GPU. Clones share the device and the results of its check.
#[derive(Debug, Clone)]
pub(super) struct Gpu {
    pub(super) device: Device,
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

impl Gpu {
    pub(super) fn new(device: Device, trusted: bool) -> Self {
        Gpu { device, trusted, checked: Arc::default() }
    }

    /// Opens an adapter of wgpu. Without `adapter` it may be a software adapter, if there is no other:
    /// the user asked for wgpu.
    pub(super) fn wgpu(adapter: Option<&str>, features: FeatureSet, trusted: bool) -> Result<Self> {
        let device = match Device::open(adapter, features) {
            Err(Error::NoAdapter { .. }) if adapter.is_none() && !adapters()?.is_empty() => {
                Device::open(Some("0"), features)
            }
            opened => opened,
        };
        Ok(Self::new(device?, trusted))
    }

    /// The first suitable adapter that is trusted or gives the known answers of a run, and the reason if
    /// it is not the best one or if there is none.
    pub(super) fn auto(
        features: FeatureSet,
        trusted: bool,
        numerics: Numerics,
    ) -> Result<(Option<Self>, Option<String>)> {
        let numbers = match suitable_adapters() {
            Ok(numbers) => numbers,
            Err(Error::NoAdapter { found, .. }) => return Ok((None, Some(found))),
            // A wrong variable of the environment: the user wants a certain device.
            Err(error) => return Err(error),
        };
        let mut faults = Vec::new();
        for number in numbers {
            let opened = Self::wgpu(Some(&number.to_string()), features, trusted);
            match opened.and_then(|gpu| gpu.for_run(numerics)) {
                Ok(gpu) => {
                    return Ok((Some(gpu), (!faults.is_empty()).then(|| faults.join("; "))));
                }
                Err(error) => faults.push(error.to_string()),
            }
        }
        Ok((None, Some(faults.join("; "))))
    }

    /// The GPU, if it is trusted or gives the known answers of a run.
    fn for_run(self, numerics: Numerics) -> Result<Self> {
        if !self.trusted {
            let numerics = self.of_dynamics(numerics);
            [Part::Forces, Part::Steps]
                .into_iter()
                .try_for_each(|part| self.check(part, numerics))?;
        }
        Ok(self)
    }

    /// The numerics of dynamics by default: mixed precision if filters are tables and the device has
    /// 16-bit floats.
    pub(super) fn of_dynamics(&self, numerics: Numerics) -> Numerics {
        if !self.device.has_f16() || numerics.filter == Filter::Exact {
            return numerics;
        }
        let precision = Precision::Mixed;
        Numerics { filter: precision.table(), precision }
    }

    /// Checks that the device gives the known answers of a part.
    pub(super) fn check(&self, part: Part, numerics: Numerics) -> Result<()> {
        let device = &self.device;
        let Numerics { filter, precision } = numerics;
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

    /// Makes an engine. A device that is not trusted has to give the known answers of its kernels.
    pub(super) fn engine(
        &self,
        system: System,
        dynamics: &Dynamics,
        numerics: Numerics,
    ) -> Result<Box<dyn Engine>> {
        if !self.trusted {
            let used = Part::ALL.into_iter().filter(|part| part.is_used(dynamics));
            used.into_iter().try_for_each(|part| self.check(part, numerics))?;
        }
        gpu::make_engine(&self.device, system, dynamics, numerics)
    }
}
