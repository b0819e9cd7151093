//! `noise`: the same numbers as the reference, and different numbers for different keys.

use flashschnet::ops::Ops;
use flashschnet::reference::ReferenceOps;

use crate::common::Backend;

on_every_backend!(
    matches_the_reference,
    small_numbers_match_the_reference,
    depends_on_everything_in_the_key,
);

fn matches_the_reference(backend: &Backend) {
    for (seed, replica, step, n_beads) in
        [(0, 0, 0, 1), (1 << 40, 3, 5_000_000_000, 300), (u64::MAX, u32::MAX, (1 << 56) - 1, 129)]
    {
        let found = backend.ops.noise(seed, replica, step, n_beads).unwrap();
        let expected = ReferenceOps.noise(seed, replica, step, n_beads).unwrap();
        assert_eq!(found.len(), n_beads);
        for (found, expected) in found.as_flattened().iter().zip(expected.as_flattened()) {
            assert!(
                (found - expected).abs() <= 2e-6,
                "{seed} {replica} {step}: {found} {expected}"
            );
        }
    }
}

/// There are so many beads that some draw a u near 1, where the radius √(−2 ln u) is small.
fn small_numbers_match_the_reference(backend: &Backend) {
    let found = backend.ops.noise(8, 0, 1, 400_000).unwrap();
    let expected = ReferenceOps.noise(8, 0, 1, 400_000).unwrap();
    let radius = |x: &[f64; 3]| x[0].hypot(x[1]);
    let least = expected.iter().map(radius).fold(f64::INFINITY, f64::min);
    assert!(least < 3e-3, "no u near 1: {least}");
    for (found, expected) in found.as_flattened().iter().zip(expected.as_flattened()) {
        assert!((found - expected).abs() <= 2e-6, "{found} {expected}");
    }
}

fn depends_on_everything_in_the_key(backend: &Backend) {
    let keys = [(1, 2, 3), (2, 2, 3), (1 + (1 << 32), 2, 3), (1, 3, 3), (1, 2, 4)];
    let mut seen: Vec<[f64; 3]> = keys
        .into_iter()
        .chain([(1, 2, 3 + (1 << 32))])
        .flat_map(|(seed, replica, step)| backend.ops.noise(seed, replica, step, 50).unwrap())
        .collect();
    let n = seen.len();
    seen.sort_by(|a, b| a.partial_cmp(b).expect("finite numbers"));
    seen.dedup();
    assert_eq!((n, seen.len()), (300, 300));
}
