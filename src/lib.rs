//! Molecular dynamics of coarse-grained proteins with CGSchNet potentials, many replicas at once.

pub mod engine;
pub mod error;
pub mod model;
pub mod system;
pub mod units;

pub use error::{Error, Result};
