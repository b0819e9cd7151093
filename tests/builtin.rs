//! The built-in system: its size, its weights, and the forces at its start.

use flashschnet::builtin;
use flashschnet::engine::{Engine, Terms};
use flashschnet::model::{Linear, Model, PriorForm};
use flashschnet::reference::Reference;
use flashschnet::system::System;

use crate::common::truth;

/// The reference engine at `positions`.
fn reference(positions: Vec<[f64; 3]>) -> Reference {
    let system = System::new(&builtin::model(), &[builtin::structure()]).unwrap();
    let mut engine = truth(system);
    engine.set_positions(&positions).unwrap();
    engine
}

/// Root mean square of the components.
fn rms(vectors: &[[f64; 3]]) -> f64 {
    let sum: f64 = vectors.iter().flatten().map(|x| x * x).sum();
    (sum / (3 * vectors.len()) as f64).sqrt()
}

/// All weights of the network in a fixed order.
fn weights(model: &Model) -> Vec<f64> {
    let schnet = model.schnet.as_ref().unwrap();
    let blocks = schnet.interactions.iter();
    let layers: Vec<&Linear> = blocks
        .flat_map(|block| [&block.filter0, &block.filter1, &block.lin1, &block.lin2, &block.lin])
        .chain(&schnet.readout)
        .collect();
    let of_layer = |layer: &&Linear| [layer.weight.clone(), layer.bias.clone().unwrap_or_default()];
    schnet.embedding.iter().copied().chain(layers.iter().flat_map(of_layer).flatten()).collect()
}

#[test]
fn has_the_size_of_the_published_system() {
    let (model, structure) = (builtin::model(), builtin::structure());
    model.check().unwrap();
    structure.check().unwrap();
    assert_eq!(structure.positions.len(), 269);
    assert_eq!(weights(&model).len(), 324_480);

    let tuples = |form: fn(&PriorForm) -> bool| {
        let names = model.priors.iter().filter(|prior| form(&prior.form)).map(|prior| &prior.name);
        let list = |name| structure.topology.lists.iter().find(|list| &list.name == name);
        names.map(|name| list(name).unwrap().tuples.len()).sum::<usize>()
    };
    assert_eq!(tuples(|form| *form == PriorForm::HarmonicBond), 268);
    assert_eq!(tuples(|form| *form == PriorForm::HarmonicAngle), 373);
    assert_eq!(tuples(|form| matches!(form, PriorForm::Dihedral { .. })), 265);
    assert_eq!(tuples(|form| *form == PriorForm::Repulsion), 34_562);
}

/// Every tuple has parameters, so no prior term is silently zero.
#[test]
fn every_tuple_has_parameters() {
    let system = System::new(&builtin::model(), &[builtin::structure()]).unwrap();
    for term in &system.molecules()[0].terms {
        assert!(!term.tuples.is_empty(), "{}", term.name);
        for t in 0..term.tuples.len() {
            assert!(term.parameters(t).iter().any(|x| *x != 0.0), "{}, tuple {t}", term.name);
        }
    }
}

/// Compares an FNV-1a hash of the weights' bits in f32, which represents every weight exactly.
#[test]
fn weights_are_the_same_everywhere() {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for weight in weights(&builtin::model()) {
        assert_eq!(f64::from(weight as f32), weight);
        for byte in (weight as f32).to_bits().to_le_bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    assert_eq!(hash, 0x9971_5077_b5c2_bac5, "{hash:#x}");
}

#[test]
fn start_is_compact_and_at_rest_in_its_well() {
    let start = builtin::structure().positions;
    for axis in 0..3 {
        let center = start.iter().map(|x| x[axis]).sum::<f64>() / start.len() as f64;
        assert!(center.abs() < 1e-3, "center {center} Å");
    }
    let mut engine = reference(start);
    let edges = engine.probe().n_edges().unwrap()[0] as f64 / 269.0;
    assert!((135.0..150.0).contains(&edges), "{edges} edges per bead");
    let network = engine.evaluate(Terms::Network).unwrap();
    let force = rms(&network.forces);
    assert!((2.0..6.0).contains(&force), "network force {force} kcal/mol/Å");
    let total = rms(&engine.evaluate(Terms::Total).unwrap().forces);
    assert!(total < 30.0, "total force {total} kcal/mol/Å");
}

/// The slope of the energy along the normalized forces is minus their norm.
#[test]
fn forces_are_the_gradient() {
    let start = builtin::structure().positions;
    let forces = reference(start.clone()).evaluate(Terms::Total).unwrap().forces;
    let norm = forces.iter().flatten().map(|f| f * f).sum::<f64>().sqrt();
    let h = 1e-4;
    let energy = |sign: f64| {
        let mut positions = start.clone();
        for (x, f) in positions.iter_mut().flatten().zip(forces.iter().flatten()) {
            *x += sign * h * f / norm;
        }
        reference(positions).potential().unwrap()[0]
    };
    let slope = (energy(1.0) - energy(-1.0)) / (2.0 * h);
    // The error of the central difference is about h²/6 · 10⁴ from the third derivative of the
    // bonds, and about 10⁻⁸ from rounding.
    assert!((slope + norm).abs() < 1e-5 * norm, "slope {slope}, force {norm}");
}
