//! The frames that reporters get.

use flashschnet::simulation::BiasValues;
use numpy::{PyArray1, PyArray2};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{array, numbers};

/// The replicas at one step, as a copy. Vectors are those of all beads, replica by replica.
#[pyclass(frozen, module = "flashschnet._native")]
pub(crate) struct Frame {
    /// Steps done.
    #[pyo3(get)]
    step: u64,
    /// ps.
    #[pyo3(get)]
    time: f64,
    positions: Vec<[f64; 3]>,
    velocities: Vec<[f64; 3]>,
    forces: Vec<[f64; 3]>,
    potential: Vec<f64>,
    kinetic: Vec<f64>,
    temperature: Vec<f64>,
    callback: Vec<f64>,
    terms: Vec<Vec<f64>>,
    observables: Vec<(String, Vec<f64>)>,
    biases: Vec<BiasValues>,
    /// The state of each replica in its ladder; empty without replica exchange.
    #[pyo3(get)]
    labels: Vec<u32>,
    /// The frozen replicas.
    #[pyo3(get)]
    frozen: Vec<usize>,
}

impl Frame {
    pub(crate) fn copy(of: &flashschnet::simulation::Frame) -> Self {
        Frame {
            step: of.step,
            time: of.time,
            positions: of.positions.to_vec(),
            velocities: of.velocities.to_vec(),
            forces: of.forces.to_vec(),
            potential: of.potential.to_vec(),
            kinetic: of.kinetic.to_vec(),
            temperature: of.temperature.to_vec(),
            callback: of.callback.to_vec(),
            terms: of.terms.to_vec(),
            observables: of.observables.to_vec(),
            biases: of.biases.to_vec(),
            labels: of.label.to_vec(),
            frozen: of.frozen.keys().copied().collect(),
        }
    }
}

#[pymethods]
impl Frame {
    /// Å.
    #[getter]
    fn positions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        array(py, self.positions.clone())
    }

    /// Å/ps.
    #[getter]
    fn velocities<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        array(py, self.velocities.clone())
    }

    /// kcal/mol/Å; empty unless they are asked for.
    #[getter]
    fn forces<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        array(py, self.forces.clone())
    }

    /// kcal/mol.
    #[getter]
    fn potential<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        numbers(py, self.potential.clone())
    }

    /// kcal/mol.
    #[getter]
    fn kinetic<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        numbers(py, self.kinetic.clone())
    }

    /// K.
    #[getter]
    fn temperature<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        numbers(py, self.temperature.clone())
    }

    /// kcal/mol; empty without a force callback.
    #[getter]
    fn callback<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        numbers(py, self.callback.clone())
    }

    /// kcal/mol, of each term; empty unless they are asked for.
    #[getter]
    fn terms<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyArray1<f64>>> {
        self.terms.iter().map(|energies| numbers(py, energies.clone())).collect()
    }

    /// Å or rad, by name.
    #[getter]
    fn observables<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let found = PyDict::new(py);
        for (name, values) in &self.observables {
            found.set_item(name, numbers(py, values.clone()))?;
        }
        Ok(found)
    }

    /// Value and energy of each bias, by name.
    #[getter]
    fn biases<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        named(py, &self.biases)
    }
}

/// Value and energy of biases, by name.
pub(crate) fn named<'py>(py: Python<'py>, biases: &[BiasValues]) -> PyResult<Bound<'py, PyDict>> {
    let found = PyDict::new(py);
    for of in biases {
        let pair = (numbers(py, of.value.clone()), numbers(py, of.energy.clone()));
        found.set_item(&of.name, pair)?;
    }
    Ok(found)
}
