//! The program in the process of Python.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use pyo3::prelude::*;

use crate::error::of_program;
use crate::exit::detach;

/// Runs the program with a command line, and returns the exit code. Errors are printed.
#[pyfunction]
pub(crate) fn main(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    number(detach(py, || flashschnet::cli::main(arguments)))
}

/// Where a command line of `run`, `prepare` or `analyze` writes its results.
#[pyfunction]
pub(crate) fn place(arguments: Vec<OsString>) -> PyResult<PathBuf> {
    flashschnet::cli::place(arguments).map_err(of_program)
}

/// Runs a command line, which starts with the name of the program, and returns the exit code.
#[pyfunction]
pub(crate) fn execute(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<u8> {
    let code = detach(py, || flashschnet::cli::run(arguments)).map_err(of_program)?;
    Ok(number(code))
}

/// The number of an exit code, for which the standard library has no stable function.
fn number(code: ExitCode) -> u8 {
    (0..=u8::MAX).find(|number| ExitCode::from(*number) == code).unwrap_or(1)
}
