//! Statistics of samples: pure functions of slices, in f64.
//!
//! Errors are those of the delete-one-block jackknife ([`blocks`]), except for first passage times
//! ([`events`]). Every sum has a fixed order, so results do not depend on the number of threads.
//!
//! A sample whose value is not finite is unknown. It is left out of means and histograms, whose
//! weights are normalized without it, and it is a gap in correlations, events and TICA. A sample
//! whose potential is unknown has no weight in any state; [`mbar::Mbar::unknown_samples`] counts
//! these.
//!
//! A number that the samples do not determine is an error, or `None` in place of an [`Estimate`].
//! [`Weights::at`] and [`profile::free_energies`] return plain numbers for statistics of a
//! jackknife; there, an unknown number is NaN, which the jackknife makes `None`.
//!
//! [`Estimate`]: blocks::Estimate
//! [`Weights::at`]: mbar::Weights::at
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

/// The first index of the largest value; `None` without values.
fn largest(values: &[f64]) -> Option<usize> {
    (0..values.len()).reduce(|a, b| if values[b] > values[a] { b } else { a })
}

/// all += own.
fn add(all: &mut [f64], own: &[f64]) {
    all.iter_mut().zip(own).for_each(|(all, own)| *all += own);
}
