//! A small chain with a small network, written by hand.

use std::sync::Arc;

use flashschnet::model::schnet::{Activation, Interaction, Linear, SchNet};
use flashschnet::model::{
    Cutoff, Model, Prior, PriorForm, PriorParameters, RadialBasis, RadialFunctions,
};
use flashschnet::structure::{Structure, Topology, TupleList};

/// Number of beads of the chain.
pub(crate) const N_BEADS: u32 = 12;

fn linear(n_in: usize, n_out: usize, bias: bool) -> Linear {
    let value = |i: usize| 0.4 * (1.3 * i as f64 + n_out as f64).sin();
    Linear {
        n_in,
        n_out,
        weight: (0..n_in * n_out).map(value).collect(),
        bias: bias.then(|| (0..n_out).map(value).collect()),
    }
}

fn prior(name: &str, form: PriorForm, parameters: &[f64]) -> Prior {
    let n_tuples = N_BEADS as usize + 1 - form.order();
    let parameters = PriorParameters::PerTuple { values: parameters.repeat(n_tuples) };
    Prior { name: name.into(), form, parameters }
}

/// Bonds, angles and a network of one block with 5 hidden channels and 6 filters.
pub(crate) fn model() -> Model {
    let (n_types, n_hidden, n_filters) = (21, 5, 6);
    let cutoff = Cutoff::Cosine { lower: 0.0, upper: 8.0 };
    let offset: Vec<f64> = (0..7).map(|k| f64::from(k) * 8.0 / 6.0).collect();
    let functions = RadialFunctions::Gaussian { coeff: -0.3, offset };
    let block = Interaction {
        filter0: linear(7, n_filters, true),
        filter1: linear(n_filters, n_filters, false),
        lin1: linear(n_hidden, n_filters, false),
        lin2: linear(n_filters, n_hidden, true),
        lin: linear(n_hidden, n_hidden, true),
    };
    let schnet = SchNet {
        n_types,
        n_hidden,
        embedding: (0..n_types * n_hidden).map(|i| (0.7 * i as f64).cos()).collect(),
        radial_basis: RadialBasis { functions, cutoff },
        cutoff,
        activation: Activation::Tanh,
        interactions: vec![block],
        readout: vec![linear(n_hidden, 3, true), linear(3, 1, false)],
        max_num_neighbors: None,
        neighbor_embedding: None,
        constants: None,
    };
    Model {
        schnet: Some(schnet),
        priors: vec![
            prior("bonds", PriorForm::HarmonicBond, &[50.0, 3.8, 0.0]),
            prior("angles", PriorForm::HarmonicAngle, &[5.0, -0.3, 0.0]),
        ],
    }
}

/// Two bent chains of the same molecule.
pub(crate) fn structures() -> Vec<Structure> {
    let tuple = |i: u32, order: u32| [i, i + 1, if order > 2 { i + 2 } else { 0 }, 0];
    let list = |name: &str, order: u32| TupleList {
        name: name.into(),
        order: order as usize,
        tuples: (0..=N_BEADS - order).map(|i| tuple(i, order)).collect(),
    };
    let topology = Arc::new(Topology {
        types: (1..=N_BEADS).collect(),
        masses: vec![0.3; N_BEADS as usize],
        lists: vec![list("bonds", 2), list("angles", 3)],
    });
    let chain = |pitch: f64| Structure {
        topology: topology.clone(),
        positions: (0..N_BEADS)
            .map(f64::from)
            .map(|i| [3.0 * i, 2.4 * (i % 2.0), pitch * i])
            .collect(),
        velocities: None,
    };
    vec![chain(0.0), chain(0.3)]
}
