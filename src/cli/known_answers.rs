//! The known answers of a device, with the time that they took.

use std::fmt;
use std::time::{Duration, Instant};

use crate::{Backend, Error};
use serde::Serialize;

/// The result of [`Backend::check`].
#[derive(Serialize)]
pub(super) struct KnownAnswers {
    /// The first quantity that was wrong, or the error of the device.
    fault: Option<String>,
    /// Without the compilation of kernels.
    ms: f64,
    kernels_ms: f64,
}

impl KnownAnswers {
    /// Checks the device of a backend in the backend's precision; `None` on the CPU.
    pub(super) fn of(backend: &Backend) -> Option<Self> {
        let compiling = || backend.device().map(|device| device.counters().compiling);
        let (clock, before) = (Instant::now(), compiling()?);
        let fault = backend.check().err().map(|error| match error {
            Error::WrongResults { found, .. } => found,
            error => error.to_string(),
        });
        let (all, kernels) = (clock.elapsed(), compiling()?.saturating_sub(before));
        let ms = |time: Duration| 1e3 * time.as_secs_f64();
        Some(KnownAnswers { fault, ms: ms(all.saturating_sub(kernels)), kernels_ms: ms(kernels) })
    }
}

impl fmt::Display for KnownAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KnownAnswers { fault, ms, kernels_ms } = self;
        match fault {
            None => write!(f, "known answers: given in {ms:.0} ms")?,
            Some(fault) => write!(f, "known answers: NOT GIVEN: {fault}")?,
        }
        write!(f, "; kernels compiled in {kernels_ms:.0} ms")
    }
}
