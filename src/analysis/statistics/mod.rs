//! Statistics of samples: pure functions of slices, in f64.
//!
//! Errors come from one method, the delete-one-block jackknife ([`blocks`]). A number that the
//! samples do not determine is an `Option` or an error, never a NaN. Every sum has a fixed order, so
//! results do not depend on the number of threads.
//!
//! - [`blocks`]: blocks of samples, and errors of statistics
//! - [`autocorrelation`]: correlation in time, and the number of independent samples
//! - [`mbar`]: weights of samples of several states in any state
//! - [`profile`]: free energies along one or two coordinates
//! - [`melting`]: averages and heat capacity over temperatures, and melting temperatures
//! - [`events`]: folding and unfolding, and mean first passage times
//! - [`tica`]: slow coordinates and their time scales

pub mod autocorrelation;
pub mod blocks;
pub mod events;
pub mod mbar;
pub mod melting;
pub mod profile;
pub mod tica;
