//! The examples run, and do what they say.

#[path = "../examples/embedding.rs"]
mod embedding;
#[path = "../examples/observer.rs"]
mod observer;
#[path = "../examples/single_point.rs"]
mod single_point;

#[test]
fn single_point_adds_up() {
    // Bonds of 3.9 and √(1.7² + 3.4²) Å at 60 (d − 3.8)², and an angle of cosine −1.7/that.
    let second = 14.45_f64.sqrt();
    let expected = 60.0 * (0.01 + (second - 3.8).powi(2)) + 4.0 * (-1.7 / second + 0.5).powi(2);
    let energy = single_point::run().unwrap();
    assert!((energy - expected).abs() < 1e-4, "{energy} instead of {expected}");
}

#[test]
fn observer_stretches_the_chain() {
    assert!(observer::run().unwrap() > 24.0);
}

/// Springs that started 0.2 Å too long, at 2 kcal/mol, lost most of that to friction: k_B T/2 is 0.3.
#[test]
fn embedding_runs_on_the_hosts_device() {
    let mean = embedding::run().unwrap();
    assert!(mean > 0.0 && mean < 1.5, "{mean}");
}
