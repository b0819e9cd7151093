//! The files of a run.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use flashschnet::output::{Format, OutputOptions};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::error::exception;
use crate::exit::detach;
use crate::simulation::Simulation;

/// The folder of files of a simulation.
#[pyclass(frozen, module = "flashschnet._native")]
pub(crate) struct Output {
    inner: Mutex<flashschnet::output::Output>,
}

#[pymethods]
impl Output {
    /// `parts` are the files beside trajectories and energies: npy, velocities, forces and terms.
    #[new]
    fn new(
        py: Python<'_>,
        simulation: &Simulation,
        folder: PathBuf,
        format: &str,
        parts: Vec<String>,
    ) -> PyResult<Self> {
        let format = match format {
            "xtc" => Format::Xtc,
            "dcd" => Format::Dcd,
            "both" => Format::Both,
            _ => return Err(PyValueError::new_err("the format is xtc, dcd or both")),
        };
        let has = |name: &str| parts.iter().any(|part| part == name);
        let options = OutputOptions {
            format,
            npy: has("npy"),
            velocities: has("velocities"),
            forces: has("forces"),
            terms: has("terms"),
            ..OutputOptions::default()
        };
        let output = simulation.with(py, |simulation| {
            flashschnet::output::Output::create(&folder, &mut simulation.simulation, options)
        })?;
        Ok(Output { inner: Mutex::new(output) })
    }

    /// Completes all files, and waits until the storage holds them.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        detach(py, || self.lock().finish()).map_err(exception)
    }
}

impl Output {
    pub(crate) fn lock(&self) -> MutexGuard<'_, flashschnet::output::Output> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
