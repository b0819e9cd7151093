//! The accuracy and the speed of backends.
//!
//! [`verify`] compares a backend with reference data, [`parity`] compares two backends, and
//! [`precision`] measures the errors of mixed precision.

pub mod parity;
pub mod precision;
pub mod verify;
