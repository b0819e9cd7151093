//! Molecular dynamics of coarse-grained proteins with CGSchNet potentials, many replicas at once.

pub mod backend;
pub mod cpu;
pub mod engine;
pub mod error;
pub mod gpu;
pub mod io;
pub mod model;
pub mod ops;
pub mod random;
pub mod reference;
pub mod simulation;
pub mod system;
pub mod units;
pub mod verify;

pub use error::{Error, Result};
