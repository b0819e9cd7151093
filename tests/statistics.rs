//! `analysis::statistics`: against pymbar and deeptime (`tests/data/statistics`), exact results, and
//! the spread of repeated experiments.

// Correlation in time.
mod autocorrelation;
// Blocks, and errors by the jackknife.
mod blocks;
// Folding, unfolding, and first passage times.
mod events;
// Weights of samples of several states.
mod mbar;
// Averages over temperatures, and melting temperatures.
mod melting;
// Free energies along coordinates.
mod profile;
// Slow coordinates and their time scales.
mod tica;

use flashschnet::analysis::statistics::blocks::{Blocks, Cut, Estimate, Group};
use flashschnet::random::{Stream, normal3};
use serde::de::DeserializeOwned;

/// A file of golden numbers.
fn golden<T: DeserializeOwned>(name: &str) -> T {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/statistics");
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).expect("exists");
    serde_json::from_str(&text).expect("valid")
}

/// `count` blocks of trajectories of one state with these lengths.
fn cut(lengths: &[usize], count: usize) -> Blocks {
    let trajectories: Vec<_> = lengths.iter().map(|n| (Group::State(0), *n as u64)).collect();
    let cut = Cut::new(&trajectories, count);
    let of = |(k, n): (usize, &usize)| (0..*n).map(move |frame| (k, frame as u64));
    let frames = lengths.iter().enumerate().flat_map(of);
    Blocks::of_samples(&frames.map(|(k, frame)| cut.block(k, frame)).collect::<Vec<_>>())
}

/// `n` seeded standard normal numbers.
fn normals(seed: u64, n: usize) -> Vec<f64> {
    let draws = (0..n.div_ceil(3) as u64).flat_map(|k| normal3(seed, Stream::Noise, 0, k, 0));
    draws.take(n).collect()
}

/// `n` samples of the stationary process x_(t+1) = a x_t + √(1 - a²) noise, with variance 1 and the
/// autocorrelation function a^t.
fn autoregressive(seed: u64, n: usize, a: f64) -> Vec<f64> {
    let mut x = normals(seed, n);
    for t in 1..n {
        x[t] = a * x[t - 1] + (1.0 - a * a).sqrt() * x[t];
    }
    x
}

/// Panics unless the estimate has an error and is within `errors` of them of the expected value.
#[track_caller]
fn assert_within(what: &str, found: Option<Estimate>, expected: f64, errors: f64) {
    let Estimate { value, error } = found.unwrap_or_else(|| panic!("{what} is known"));
    let error = error.unwrap_or_else(|| panic!("the error of {what} is known"));
    let distance = (value - expected).abs() / error;
    assert!(distance <= errors, "{what}: {value} ± {error}, expected {expected}");
}

/// The mean squared jackknife error, divided by the variance of the values in repeated experiments.
/// The variance has the relative error √(2/(n - 1)) for n experiments.
fn ratio_of_variances(experiments: &[Estimate]) -> f64 {
    let n = experiments.len() as f64;
    let mean = experiments.iter().map(|found| found.value).sum::<f64>() / n;
    let squares = experiments.iter().map(|found| (found.value - mean).powi(2)).sum::<f64>();
    let errors = experiments.iter().map(|found| found.error.expect("known").powi(2)).sum::<f64>();
    errors / n / (squares / (n - 1.0))
}
