//! The examples run and give the results that they describe.

#[path = "../examples/embedding.rs"]
mod embedding;
#[path = "../examples/observer.rs"]
mod observer;
#[path = "../examples/single_point.rs"]
mod single_point;

#[test]
fn single_point_adds_up() {
    // Bonds of 3.9 Å and d = √(1.7² + 3.4²) Å with energy 60 (d − 3.8)², and an angle of cosine
    // −1.7/d with energy 4 (cos θ + 0.5)².
    let second = 14.45_f64.sqrt();
    let expected = 60.0 * (0.01 + (second - 3.8).powi(2)) + 4.0 * (-1.7 / second + 0.5).powi(2);
    let energy = single_point::run().unwrap();
    assert!((energy - expected).abs() < 1e-4, "{energy} instead of {expected}");
}

#[test]
fn observer_stretches_the_chain() {
    assert!(observer::run().unwrap() > 24.0);
}

/// The springs start 0.2 Å too long, with 2 kcal/mol each, and lose most of it to friction: the
/// mean in equilibrium is k_B T/2 = 0.3 kcal/mol.
#[test]
fn embedding_runs_on_the_hosts_device() {
    let mean = embedding::run().unwrap();
    assert!(mean > 0.0 && mean < 1.5, "{mean}");
}
