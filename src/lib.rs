//! Molecular dynamics of coarse-grained proteins with CGSchNet potentials, many replicas at once.

pub mod builtin;
pub mod engine;
pub mod error;
pub mod model;
pub mod ops;
pub mod random;
pub mod reference;
pub mod system;
pub mod units;
pub mod verify;

pub use error::{Error, Result};
