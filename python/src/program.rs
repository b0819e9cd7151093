//! The program in the process of Python.

use std::ffi::OsString;
use std::process::ExitCode;

use pyo3::prelude::*;

use crate::error::of_program;

/// Runs a command line, which starts with the name of the program, and returns the exit code.
#[pyfunction]
pub(crate) fn execute(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<u8> {
    let code = py.detach(|| flashschnet::cli::run(arguments)).map_err(of_program)?;
    // The number of an exit code has no stable function.
    Ok((0..=u8::MAX).find(|number| ExitCode::from(*number) == code).unwrap_or(1))
}
