//! Vectors of three numbers in NumPy's arrays. The Python side gives arrays of the right type and
//! layout, and these functions check it again.

use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The vectors of an array of shape `(n, 3)`.
pub(crate) fn vectors<'a>(array: &'a PyReadonlyArray2<'_, f64>) -> PyResult<&'a [[f64; 3]]> {
    let numbers = array.as_slice()?;
    match numbers.as_chunks() {
        (vectors, []) if vectors.len() == array.as_array().nrows() => Ok(vectors),
        _ => Err(PyValueError::new_err("an array of shape (n, 3) is needed")),
    }
}

/// An array of shape `(n, 3)`.
pub(crate) fn array<'py>(
    py: Python<'py>,
    vectors: Vec<[f64; 3]>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let n = vectors.len();
    vectors.into_flattened().into_pyarray(py).reshape([n, 3])
}

/// An array of numbers.
pub(crate) fn numbers(py: Python<'_>, numbers: Vec<f64>) -> Bound<'_, PyArray1<f64>> {
    numbers.into_pyarray(py)
}
