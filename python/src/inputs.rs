//! Models and structures.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use flashschnet::structure::{Topology, TupleList};
use flashschnet::units::AMU;
use flashschnet::{Error, Structure, cli, io};
use numpy::{PyArray1, PyArray2, PyReadonlyArray2};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PySlice};

use crate::arrays::{array, numbers, vectors};
use crate::error::{exception, of_program};
use crate::exit::detach;

/// A potential without a molecule: a SchNet network and prior terms.
///
/// `Model(path)` reads a native file, or a file of mlcg, flashmd or TorchMD.
#[pyclass(frozen, from_py_object, module = "flashschnet")]
#[derive(Clone)]
pub(crate) struct Model(pub(crate) Arc<flashschnet::Model>);

#[pymethods]
impl Model {
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let loaded = detach(py, || flashschnet::Model::load(&path));
        Ok(Model(Arc::new(loaded.map_err(exception)?)))
    }

    /// Whether there is a network.
    #[getter]
    fn has_network(&self) -> bool {
        self.0.schnet.is_some()
    }

    /// The names of the prior terms.
    #[getter]
    fn priors(&self) -> Vec<String> {
        self.0.priors.iter().map(|prior| prior.name.clone()).collect()
    }

    fn __repr__(&self) -> String {
        let network = if self.has_network() { "a network" } else { "no network" };
        format!("<flashschnet.Model with {network} and the priors {:?}>", self.priors())
    }
}

/// Molecules with coordinates. They behave like a list: `len`, indices and slices.
///
/// `Structures(path)` reads a native file, or a file of mlcg or flashmd.
#[pyclass(frozen, sequence, from_py_object, module = "flashschnet")]
#[derive(Clone)]
pub(crate) struct Structures(pub(crate) Arc<Vec<Structure>>);

impl Structures {
    fn get(&self, index: isize) -> PyResult<&Structure> {
        let n = self.0.len();
        let at = if index < 0 { index.checked_add_unsigned(n) } else { Some(index) };
        let found = at.and_then(|at| self.0.get(usize::try_from(at).ok()?));
        found.ok_or_else(|| PyIndexError::new_err(format!("structure {index} of {n}")))
    }
}

#[pymethods]
impl Structures {
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let loaded = detach(py, || io::load_structures(&path));
        Ok(Structures(Arc::new(loaded.map_err(exception)?)))
    }

    /// One structure of arrays. `lists` has the tuples of beads of each prior by its name, `(n, 2)` to
    /// `(n, 4)`. `masses` are in amu.
    #[staticmethod]
    #[pyo3(signature = (types, positions, masses, lists, velocities))]
    fn from_arrays(
        types: Vec<u32>,
        positions: PyReadonlyArray2<'_, f64>,
        masses: Vec<f64>,
        lists: Vec<(String, usize, Vec<Vec<u32>>)>,
        velocities: Option<PyReadonlyArray2<'_, f64>>,
    ) -> PyResult<Self> {
        for (name, order, tuples) in &lists {
            let is_wrong = |beads: &Vec<u32>| beads.len() != *order;
            if !(2..=4).contains(order) || tuples.iter().any(is_wrong) {
                let expected = format!("tuples of {order} beads, 2 to 4");
                return Err(exception(Error::invalid(format!("list {name}"), "others", expected)));
            }
        }
        let list = |(name, order, tuples): (String, usize, Vec<Vec<u32>>)| {
            let tuple = |beads: Vec<u32>| {
                std::array::from_fn(|k| beads.get(k).copied().unwrap_or_default())
            };
            TupleList { name, order, tuples: tuples.into_iter().map(tuple).collect() }
        };
        let topology = Topology {
            types,
            masses: masses.into_iter().map(|mass| mass * AMU).collect(),
            lists: lists.into_iter().map(list).collect(),
        };
        let structure = Structure {
            topology: Arc::new(topology),
            positions: vectors(&positions)?.to_vec(),
            velocities: velocities.as_ref().map(vectors).transpose()?.map(<[_]>::to_vec),
        };
        structure.check().map_err(exception)?;
        Ok(Structures(Arc::new(vec![structure])))
    }

    /// The structures of an index or a slice.
    fn __getitem__(&self, index: &Bound<'_, PyAny>) -> PyResult<Self> {
        let numbers = match index.cast::<PySlice>() {
            Ok(slice) => {
                let range = slice.indices(self.0.len() as isize)?;
                let number = |k| range.start + k as isize * range.step;
                (0..range.slicelength).map(number).collect()
            }
            Err(_) => vec![index.extract()?],
        };
        self.select(numbers)
    }

    /// The structures of all parts, in their order.
    #[staticmethod]
    fn join(parts: Vec<Structures>) -> Self {
        Structures(Arc::new(parts.iter().flat_map(|part| part.0.iter().cloned()).collect()))
    }

    /// The structures with these numbers.
    fn select(&self, numbers: Vec<isize>) -> PyResult<Self> {
        let chosen = numbers.into_iter().map(|number| self.get(number).cloned());
        Ok(Structures(Arc::new(chosen.collect::<PyResult<_>>()?)))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    /// Types of the beads of structure k, which are rows of the embedding.
    #[pyo3(signature = (k = 0))]
    fn types(&self, k: isize) -> PyResult<Vec<u32>> {
        Ok(self.get(k)?.topology.types.clone())
    }

    /// Masses of the beads of structure k, amu; empty if none are given.
    #[pyo3(signature = (k = 0))]
    fn masses<'py>(&self, py: Python<'py>, k: isize) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let masses = self.get(k)?.topology.masses.iter().map(|mass| mass / AMU);
        Ok(numbers(py, masses.collect()))
    }

    /// Positions of structure k, Å.
    #[pyo3(signature = (k = 0))]
    fn positions<'py>(&self, py: Python<'py>, k: isize) -> PyResult<Bound<'py, PyArray2<f64>>> {
        array(py, self.get(k)?.positions.clone())
    }

    /// Velocities of structure k, Å/ps, if it has some.
    #[pyo3(signature = (k = 0))]
    fn velocities<'py>(
        &self,
        py: Python<'py>,
        k: isize,
    ) -> PyResult<Option<Bound<'py, PyArray2<f64>>>> {
        let velocities = self.get(k)?.velocities.clone();
        velocities.map(|velocities| array(py, velocities)).transpose()
    }

    /// Tuples of beads of structure k, by the name of their prior.
    #[pyo3(signature = (k = 0))]
    fn lists<'py>(&self, py: Python<'py>, k: isize) -> PyResult<Bound<'py, PyDict>> {
        let lists = PyDict::new(py);
        for list in &self.get(k)?.topology.lists {
            let tuples: Vec<&[u32]> =
                list.tuples.iter().map(|beads| &beads[..list.order]).collect();
            lists.set_item(&list.name, tuples)?;
        }
        Ok(lists)
    }

    fn __repr__(&self) -> String {
        let mut sizes: Vec<usize> = self.0.iter().map(|s| s.positions.len()).collect();
        sizes.dedup();
        format!("<flashschnet.Structures: {} structures of {sizes:?} beads>", self.0.len())
    }
}

/// A model and structures of both, if both are given.
pub(crate) fn given(
    given: Option<(Model, Structures)>,
) -> Option<(flashschnet::Model, Vec<Structure>)> {
    given.map(|(model, structures)| ((*model.0).clone(), (*structures.0).clone()))
}

/// The model and the structures of a command line.
#[pyfunction]
pub(crate) fn load(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<(Model, Structures)> {
    let loaded = detach(py, || cli::load(arguments)).map_err(of_program)?;
    Ok(pair(loaded))
}

/// The built-in system.
#[pyfunction]
pub(crate) fn builtin() -> (Model, Structures) {
    pair((flashschnet::builtin::model(), vec![flashschnet::builtin::structure()]))
}

/// The model and the structures of a case of reference data.
#[pyfunction]
pub(crate) fn load_case(py: Python<'_>, path: PathBuf) -> PyResult<(Model, Structures)> {
    let loaded = detach(py, || flashschnet::diagnose::verify::load_case(&path));
    Ok(pair(loaded.map_err(|error: Error| exception(error))?))
}

fn pair((model, structures): (flashschnet::Model, Vec<Structure>)) -> (Model, Structures) {
    (Model(Arc::new(model)), Structures(Arc::new(structures)))
}
