//! The accuracy and the speed of backends.
//!
//! [`verify`] compares a backend with reference data, [`parity`] compares two backends,
//! [`precision`] measures the errors of mixed precision, and [`overview`] describes a system.

pub mod overview;
pub mod parity;
#[cfg(feature = "wgpu")]
pub mod precision;
pub mod verify;
