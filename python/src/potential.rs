//! Energies and forces of given positions.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::{Mutex, PoisonError};

use flashschnet::engine::Terms;
use flashschnet::potential::{Request, Scores};
use flashschnet::{Error, Result, cli};
use numpy::{PyReadonlyArray2, PyReadwriteArray2, PyReadwriteArray3};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::vectors;
use crate::error::{exception, instance, of_program};
use crate::exit::detach;
use crate::inputs::{Model, Structures, given};

/// A potential on a backend. Threads that use it at a time wait for each other.
#[pyclass(frozen, module = "flashschnet._native")]
pub(crate) struct Potential {
    inner: Mutex<Inner>,
    /// The molecule of each structure.
    #[pyo3(get)]
    molecules: Vec<usize>,
    /// The number of beads of each molecule.
    #[pyo3(get)]
    sizes: Vec<usize>,
    /// The types of the beads of each molecule.
    #[pyo3(get)]
    types: Vec<Vec<u32>>,
    /// The names of the terms.
    #[pyo3(get)]
    terms: Vec<String>,
    #[pyo3(get)]
    backend: &'static str,
    #[pyo3(get)]
    device: Option<String>,
}

struct Inner {
    potential: flashschnet::Potential,
    scores: Scores,
}

/// The places of the results.
struct Out<'a> {
    /// `[n_terms][n_items]`
    energies: &'a mut [f64],
    /// `[n_terms][n_beads][3]`
    forces: Option<&'a mut [f64]>,
}

#[pymethods]
impl Potential {
    #[new]
    #[pyo3(signature = (arguments, system))]
    fn new(
        py: Python<'_>,
        arguments: Vec<OsString>,
        system: Option<(Model, Structures)>,
    ) -> PyResult<Self> {
        let made = detach(py, || cli::potential(arguments, given(system)));
        let potential = made.map_err(of_program)?;
        let (system, backend) = (potential.system(), potential.backend());
        Ok(Potential {
            molecules: system.molecule_of().to_vec(),
            sizes: system.molecules().iter().map(|molecule| molecule.n_beads()).collect(),
            types: system.molecules().iter().map(|molecule| molecule.types.clone()).collect(),
            terms: system.term_names(),
            backend: backend.kind().name(),
            device: backend.adapter().map(str::to_owned),
            inner: Mutex::new(Inner { potential, scores: Scores::default() }),
        })
    }

    /// Evaluates terms, by their numbers and None for all together, into arrays of shapes
    /// `(terms, items)` and `(terms, beads, 3)`. Returns the exceptions of the items without a result.
    #[pyo3(signature = (molecules, positions, terms, energies, forces))]
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        molecules: Vec<usize>,
        positions: PyReadonlyArray2<'py, f64>,
        terms: Vec<Option<usize>>,
        mut energies: PyReadwriteArray2<'py, f64>,
        mut forces: Option<PyReadwriteArray3<'py, f64>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let positions = vectors(&positions)?;
        let forces = forces.as_mut().map(|forces| forces.as_slice_mut()).transpose()?;
        let out = Out { energies: energies.as_slice_mut()?, forces };
        let failed = detach(py, || {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.evaluate(&molecules, positions, &terms, out)
        });
        let failures = PyDict::new(py);
        for (item, error) in failed.map_err(exception)? {
            failures.set_item(item, instance(py, &error)?)?;
        }
        Ok(failures)
    }
}

impl Inner {
    fn evaluate(
        &mut self,
        molecules: &[usize],
        positions: &[[f64; 3]],
        terms: &[Option<usize>],
        mut out: Out,
    ) -> Result<BTreeMap<usize, Error>> {
        let Inner { potential, scores } = self;
        let known = Terms::of(potential.system());
        let term = |number: &Option<usize>| match number {
            None => Ok(Terms::Total),
            Some(k) => known.get(*k).map(|(_, term)| *term).ok_or_else(|| {
                Error::invalid("term", k, format!("one of {}, counted from 0", known.len()))
            }),
        };
        let terms = terms.iter().map(term).collect::<Result<_>>()?;
        let request = Request { terms, forces: out.forces.is_some() };
        potential.evaluate(molecules, positions, &request, scores)?;
        let (n_items, n_numbers) = (molecules.len(), 3 * positions.len());
        for (k, found) in scores.evaluations.iter().enumerate() {
            copy(&found.energy, &mut *out.energies, k, n_items)?;
            if let Some(forces) = &mut out.forces {
                copy(found.forces.as_flattened(), forces, k, n_numbers)?;
            }
        }
        Ok(std::mem::take(&mut scores.failed))
    }
}

/// Copies `n` numbers to row `k`.
fn copy(from: &[f64], to: &mut [f64], k: usize, n: usize) -> Result<()> {
    match to.get_mut(k * n..(k + 1) * n) {
        Some(row) if from.len() == n => row.copy_from_slice(from),
        _ => return Err(Error::invalid("out", "another shape", format!("rows of {n} numbers"))),
    }
    Ok(())
}
