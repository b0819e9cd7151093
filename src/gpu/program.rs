//! Compiled kernels, which `device` keeps and `kernel` binds.

use super::api::Program;
use super::compose::Constants;

/// A kernel compiled with given values of its constants.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) name: &'static str,
    pub(super) constants: Constants,
    pub(super) program: Program,
    /// The names of bindings 0, 1, 2, …
    pub(super) bindings: Vec<String>,
    /// Invocations of a workgroup.
    pub(super) workgroup: u32,
}
