//! The adjoints and forces of the reference agree with central differences of fourth order of its
//! values, to 1e-7 of the largest component.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use flashschnet::diagnose::verify;
use flashschnet::diagnose::verify::Options;
use flashschnet::engine::{Engine, Filter, Terms};
use flashschnet::error::Error;
use flashschnet::model::Model;
use flashschnet::ops::{Dense, Ops};
use flashschnet::reference::{Reference, ReferenceOps};
use flashschnet::system::System;

use crate::common::{
    ACTIVATIONS, assert_close, bases, chain, chains, cutoffs, every_prior, farthest_apart, hot,
    linear, numbers, points, schnet, truth,
};

const TOLERANCE: f64 = 1e-7;

/// The gradient of `value` at `x` by central differences of fourth order.
pub(crate) fn differences(x: &[f64], mut value: impl FnMut(&[f64]) -> f64) -> Vec<f64> {
    /// The step is small enough that no pair of the fixtures crosses the cutoff, where C is not
    /// smooth.
    const H: f64 = 5e-5;
    let mut at = x.to_vec();
    (0..x.len())
        .map(|k| {
            let mut difference = |h: f64| {
                at[k] = x[k] + h;
                let plus = value(&at);
                at[k] = x[k] - h;
                let minus = value(&at);
                at[k] = x[k];
                (plus - minus) / (2.0 * h)
            };
            (4.0 * difference(H) - difference(2.0 * H)) / 3.0
        })
        .collect()
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn vectors(x: &[f64]) -> &[[f64; 3]] {
    x.as_chunks().0
}

fn negative(x: &[[f64; 3]]) -> Vec<f64> {
    x.iter().flatten().map(|x| -x).collect()
}

#[test]
fn transposed_layers_are_the_adjoints() {
    let (n_in, n_out, n_rows) = (7, 5, 3);
    let layer = linear(1, n_in, n_out, true);
    let (x, u) = (numbers(2, n_rows * n_in, 1.5), numbers(3, n_rows * n_out, 1.0));
    let dense = |mode, x: &[f64]| ReferenceOps.dense(&layer, mode, x).unwrap();
    let by_differences = |mode| differences(&x, |x| dot(&u, &dense(mode, x)));

    let linear = by_differences(Dense::Linear);
    assert_close("linear", &dense(Dense::Transposed, &u), &linear, TOLERANCE);
    let sum: Vec<f64> = linear.iter().zip(&x).map(|(g, x)| g + x).collect();
    assert_close("add", &dense(Dense::TransposedAdd(&x), &u), &sum, TOLERANCE);
    for activation in ACTIVATIONS {
        let found = dense(Dense::TransposedSlope(activation, &x), &u);
        let expected = by_differences(Dense::Activate(activation));
        assert_close(&format!("{activation:?}"), &found, &expected, TOLERANCE);
    }
}

#[test]
fn radial_slopes_are_the_derivatives() {
    for basis in bases(6, 8.0) {
        let positions = points(1, 9, 4.0);
        let graph = ReferenceOps.neighbor_list(&positions, &[0, 9], 8.0).unwrap();
        let [_, value, slope] = ReferenceOps.radial_basis(&basis, &graph, &positions).unwrap();
        let u = numbers(2, value.len(), 1.0);
        let expected = differences(positions.as_flattened(), |x| {
            dot(&u, &ReferenceOps.radial_basis(&basis, &graph, vectors(x)).unwrap()[1])
        });
        let mut found = vec![[0.0; 3]; 9];
        for i in 0..9 {
            for edge in graph.row(i) {
                let j = graph.col[edge] as usize;
                let separation: [f64; 3] =
                    std::array::from_fn(|c| positions[i][c] - positions[j][c]);
                let weight = dot(&u[edge * 6..][..6], &slope[edge * 6..][..6])
                    / dot(&separation, &separation).sqrt();
                for c in 0..3 {
                    found[i][c] += weight * separation[c];
                    found[j][c] -= weight * separation[c];
                }
            }
        }
        assert_close(&format!("{basis:?}"), found.as_flattened(), &expected, TOLERANCE);
    }
}

#[test]
fn cfconv_backward_is_the_adjoint_of_forward() {
    for (k, basis) in bases(6, 8.0).into_iter().enumerate() {
        let cutoff = cutoffs(8.0)[k % 4];
        let schnet = schnet((4, 5, 1), basis, cutoff, ACTIVATIONS[k % 3]);
        let positions = points(1, 9, 4.0);
        let graph = ReferenceOps.neighbor_list(&positions, &[0, 9], 8.0).unwrap();
        let (y, grad_m) = (numbers(2, 45, 1.0), numbers(3, 45, 1.0));
        let value = |x: &[[f64; 3]], y: &[f64]| {
            dot(&grad_m, &ReferenceOps.cfconv_forward(&schnet, 0, &graph, x, y).unwrap())
        };
        let (grad_y, force) =
            ReferenceOps.cfconv_backward(&schnet, 0, &graph, &positions, &y, &grad_m).unwrap();
        let expected = differences(&y, |y| value(&positions, y));
        assert_close(&format!("{k}: grad_y"), &grad_y, &expected, TOLERANCE);
        let expected = differences(positions.as_flattened(), |x| value(vectors(x), &y));
        assert_close(&format!("{k}: force"), &negative(&force), &expected, TOLERANCE);
    }
}

#[test]
fn prior_forces_are_the_derivatives() {
    for prior in every_prior(7) {
        let name = prior.name.clone();
        let structure = chain(7, 5);
        let positions = structure.positions.clone();
        let model = Model { schnet: None, priors: vec![prior] };
        let system = System::new(&model, &[structure]).unwrap();
        let both = |x: &[[f64; 3]]| {
            let results =
                [ReferenceOps.prior_bonded(&system, x), ReferenceOps.prior_repulsion(&system, x)];
            results.map(Result::unwrap)
        };
        let energy = |x: &[[f64; 3]]| both(x).iter().flat_map(|(energy, _)| energy).sum();
        let mut found = vec![0.0; 21];
        for (_, force) in both(&positions) {
            found.iter_mut().zip(negative(&force)).for_each(|(sum, x)| *sum += x);
        }
        assert!(found.iter().any(|x| *x != 0.0), "{name} does nothing");
        let expected = differences(positions.as_flattened(), |x| energy(vectors(x)));
        assert_close(&name, &found, &expected, TOLERANCE);
    }
}

/// Compares the forces of a whole system with differences of its energy along `n_directions` random
/// directions, or along the number of directions in `FLASHSCHNET_DIRECTIONS`.
fn check_system(name: &str, system: System, positions: &[[f64; 3]], n_directions: u64) {
    check_engine(name, truth(system), positions, n_directions);
}

fn check_engine(name: &str, mut engine: Reference, positions: &[[f64; 3]], n_directions: u64) {
    let mut at = |x: &[[f64; 3]]| {
        engine.set_positions(x).unwrap();
        engine.evaluate(Terms::Total).unwrap()
    };
    let wanted = std::env::var("FLASHSCHNET_DIRECTIONS").ok();
    let n_directions =
        wanted.map_or(n_directions, |text| text.parse().expect("FLASHSCHNET_DIRECTIONS"));
    let forces = at(positions).forces;
    let (mut found, mut expected) = (Vec::new(), Vec::new());
    for k in 0..n_directions {
        let direction = numbers(500 + k, 3 * positions.len(), 1.0);
        found.push(-dot(forces.as_flattened(), &direction));
        expected.extend(differences(&[0.0], |h| {
            let moved = positions.as_flattened().iter().zip(&direction).map(|(x, d)| x + h[0] * d);
            at(vectors(&moved.collect::<Vec<_>>())).energy.iter().sum()
        }));
    }
    assert_close(name, &found, &expected, TOLERANCE);
}

#[test]
fn forces_of_a_chain_with_a_network_and_priors_are_the_derivatives() {
    let (system, state) = chains(12, 2);
    check_system("chains", system, &state.positions, 6);
}

/// The table is so coarse that its forces differ from the network's by far more than the tolerance.
#[test]
fn forces_from_a_coarse_table_are_the_derivatives() {
    let (system, state) = chains(12, 2);
    let filter = Filter::Table { tolerance: 1.0 };
    let coarse = || Reference::with_filter(system.clone(), &hot(2), filter).unwrap();
    check_engine("coarse table", coarse(), &state.positions, 6);
    let [found, exact] = [coarse(), truth(system.clone())].map(|mut engine| {
        engine.set_state(&state).unwrap();
        engine.evaluate(Terms::Network).unwrap().forces
    });
    let apart = farthest_apart(found.as_flattened(), exact.as_flattened());
    assert!(apart > 100.0 * TOLERANCE, "{apart:e}");
}

#[test]
fn forces_of_the_cloud_cases_are_the_derivatives() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data"));
    let is_static = |case: &PathBuf| !case.ends_with("pt_exchange.json");
    for case in verify::cases_at(folder).unwrap().into_iter().filter(is_static) {
        // The verifier only serves to build the system of the case.
        let system = RefCell::new(None);
        verify::verify_file(&case, Options::default(), &|built, _| {
            *system.borrow_mut() = Some(built);
            Err(Error::unsupported("verification in this test", ""))
        });
        let bytes = std::fs::read(case.with_extension("safetensors")).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let values = tensors.tensor("system/pos").unwrap().data().as_chunks().0.iter();
        let positions: Vec<f64> = values.map(|x| f64::from(f32::from_le_bytes(*x))).collect();
        let system = system.into_inner().expect("a static case");
        check_system(&case.display().to_string(), system, vectors(&positions), 4);
    }
}
