//! The checks of a system and its model.

use std::sync::Arc;

use flashschnet::model::{Model, Prior, PriorParameters, SchNet};
use flashschnet::structure::Structure;
use flashschnet::system::System;

use crate::common::{mixture, small_schnet};

/// The structures with the lists of one of them changed.
fn with_lists(
    structures: &[Structure],
    s: usize,
    change: impl FnOnce(&mut Vec<flashschnet::structure::TupleList>),
) -> Vec<Structure> {
    let mut structures = structures.to_vec();
    let mut topology = (*structures[s].topology).clone();
    change(&mut topology.lists);
    structures[s].topology = Arc::new(topology);
    structures
}

#[test]
fn a_mass_that_single_precision_does_not_hold_is_an_error() {
    let (model, structures) = mixture();
    for mass in [0.0, -1.0, f64::NAN, 1e-42, 1e39, f64::INFINITY] {
        let mut bad = structures.clone();
        let mut topology = (*bad[2].topology).clone();
        topology.masses[1] = mass;
        bad[2].topology = Arc::new(topology);
        let error = System::new(&model, &bad).unwrap_err().to_string();
        assert!(error.contains("structure 2, masses[1]"), "{error}");
    }
}

/// A prior without its list would vanish from the energy without a word.
#[test]
fn a_prior_without_its_list_is_an_error_that_names_both() {
    let (model, structures) = mixture();
    for s in [0, 3] {
        let missing = with_lists(&structures, s, |lists| {
            lists.retain(|list| list.name != "angles");
        });
        let error = System::new(&model, &missing).unwrap_err().to_string();
        assert!(error.contains(&format!("structure {s}, ")), "{error}");
        assert!(error.contains("a list angles of 3-tuples"), "{error}");
    }
    let none = with_lists(&structures, 1, Vec::clear);
    let error = System::new(&model, &none).unwrap_err().to_string();
    assert!(error.contains("structure 1, tuple lists: found none"), "{error}");
}

#[test]
fn an_empty_list_of_any_order_is_legal() {
    let (model, structures) = mixture();
    let empty = with_lists(&structures, 0, |lists| {
        for list in lists {
            (list.order, list.tuples) = (2, Vec::new());
        }
    });
    let system = System::new(&model, &empty).unwrap();
    assert!(system.molecule(0).terms.iter().all(|term| term.tuples.is_empty()));
    assert_eq!(system.molecule(0).terms.len(), model.priors.len());
}

fn refused(change: impl FnOnce(&mut SchNet)) -> String {
    let mut schnet = small_schnet();
    change(&mut schnet);
    Model { schnet: Some(schnet), priors: Vec::new() }.check().unwrap_err().to_string()
}

/// The error is the model's, so it is the same on every backend.
#[test]
fn a_network_without_channels_is_an_error() {
    let no_filters = refused(|schnet| {
        for block in &mut schnet.interactions {
            let layers = [&mut block.filter0, &mut block.filter1, &mut block.lin1, &mut block.lin2];
            for (l, layer) in layers.into_iter().enumerate() {
                layer.n_out = if l < 3 { 0 } else { layer.n_out };
                layer.n_in = if l % 2 == 1 { 0 } else { layer.n_in };
                layer.weight.clear();
            }
            block.filter0.bias = Some(Vec::new());
        }
    });
    assert!(no_filters.contains("found no filters, expected at least one"), "{no_filters}");
    let no_channels = refused(|schnet| {
        let [first, second] = &mut schnet.readout[..] else { panic!("two layers") };
        (first.n_out, first.weight, first.bias) = (0, Vec::new(), Some(Vec::new()));
        (second.n_in, second.weight) = (0, Vec::new());
    });
    assert!(no_channels.contains("out0.weight: found no channels"), "{no_channels}");
}

#[test]
fn a_weight_beyond_single_precision_is_an_error() {
    for weight in [1e39, f64::NAN, f64::NEG_INFINITY] {
        let error = refused(|schnet| schnet.interactions[0].lin1.weight[3] = weight);
        assert!(error.contains("block0.lin1"), "{error}");
        let error = refused(|schnet| schnet.embedding[0] = weight);
        assert!(error.contains("embedding.weight"), "{error}");
    }
    let (mut model, _) = mixture();
    let Prior { parameters, .. } = &mut model.priors[0];
    let PriorParameters::Keyed { values, .. } = parameters else { panic!("keyed") };
    values[0] = f64::INFINITY;
    assert!(model.check().unwrap_err().to_string().contains("prior/bonds"));
}
