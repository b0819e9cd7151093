//! `prior_bonded` and `prior_repulsion`: every form alone and all together.

#[macro_use]
mod common;

use common::{Backend, assert_close, chain, priors};
use flashschnet::model::Model;
use flashschnet::ops::Ops;
use flashschnet::reference::ReferenceOps;
use flashschnet::system::{Structure, System};

on_every_backend!(matches_the_reference);

fn system(priors: Vec<flashschnet::model::Prior>, n: usize) -> (System, Vec<[f64; 3]>) {
    let first = chain(n, 7);
    let second = Structure { topology: first.topology.clone(), ..chain(n, 8) };
    let structures = [first, second];
    let system = System::new(&Model { schnet: None, priors }, &structures).expect("valid");
    (system, structures.into_iter().flat_map(|s| s.positions).collect())
}

fn matches_the_reference(backend: &Backend) {
    for n in [2, 3, 5, 23] {
        let each = priors(n).into_iter().map(|prior| vec![prior]);
        for priors in each.chain([priors(n)]) {
            let names: Vec<_> = priors.iter().map(|prior| prior.name.clone()).collect();
            let (system, positions) = system(priors, n);
            let both = |ops: &dyn Ops| {
                [ops.prior_bonded(&system, &positions), ops.prior_repulsion(&system, &positions)]
                    .map(Result::unwrap)
            };
            for (found, expected) in both(&*backend.ops).into_iter().zip(both(&ReferenceOps)) {
                let what = format!("{names:?} of {n} beads");
                assert_close(&format!("{what}: energy"), &found.0, &expected.0, 1e-5);
                let (found, expected) = (found.1.as_flattened(), expected.1.as_flattened());
                assert_close(&format!("{what}: force"), found, expected, 1e-5);
            }
        }
    }
}
