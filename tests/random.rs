//! `noise`: the numbers of the definition, and different ones for everything in their key.

#[macro_use]
mod common;

use common::Backend;
use flashschnet::ops::Ops;
use flashschnet::reference::ReferenceOps;

on_every_backend!(matches_the_reference, depends_on_everything_in_the_key);

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
