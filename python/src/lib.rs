//! The native module of the Python package: thin classes around the library. The package itself is in
//! `flashschnet/*.py`, which checks and shapes arguments.

mod arrays;
mod called;
mod error;
mod exit;
mod frame;
mod inputs;
mod output;
mod potential;
mod program;
mod simulation;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    use super::*;

    #[pymodule_export]
    use super::frame::Frame;
    #[pymodule_export]
    use super::inputs::{Model, Structures, builtin, load, load_case};
    #[pymodule_export]
    use super::output::Output;
    #[pymodule_export]
    use super::potential::Potential;
    #[pymodule_export]
    use super::program::{execute, main, place};
    #[pymodule_export]
    use super::simulation::{Checkpoint, Simulation};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        flashschnet::cli::log_to_stderr();
        exit::register(module.py())?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
