//! Positions that make no sense: beads in one place, padding, wrapped chains. All backends give the
//! same answer or the same error.

use flashschnet::engine::{Engine, State, Terms};
use flashschnet::error::Error;
use flashschnet::model::{Model, Prior, PriorForm, PriorParameters};
use flashschnet::potential::Potential;
use flashschnet::structure::{Structure, Topology, TupleList};
use flashschnet::system::System;
use flashschnet::{Backend as Opened, BackendKind};

use crate::common::{Backend, ENGINE, assert_close, points, small_schnet, truth};

on_every_backend!(
    @ wgpu_emulated:
    beads_in_one_place_have_no_force_between_them
);
on_every_backend!(
    beads_in_one_place_have_no_force_between_them,
    a_repulsion_in_one_place_names_the_beads,
    a_replica_in_one_place_is_refused,
);
on_mixed_backends!(beads_in_one_place_have_no_force_between_them);

/// A system of `n` beads with the network and bonds along the chain, and with a repulsion of all
/// pairs if asked for.
fn system(n: usize, repulsion: bool) -> System {
    let list =
        |name: &str, tuples: Vec<[u32; 4]>| TupleList { name: name.into(), order: 2, tuples };
    let bonds: Vec<_> = (1..n as u32).map(|i| [i - 1, i, 0, 0]).collect();
    let pairs = (0..n as u32).flat_map(|i| (i + 1..n as u32).map(move |j| [i, j, 0, 0]));
    let pairs: Vec<[u32; 4]> = if repulsion { pairs.collect() } else { Vec::new() };
    let prior = |name: &str, form, values: Vec<f64>| Prior {
        name: name.into(),
        form,
        parameters: PriorParameters::PerTuple { values },
    };
    let priors = vec![
        prior("bonds", PriorForm::HarmonicBond, [20.0, 3.8, 0.0].repeat(bonds.len())),
        prior("apart", PriorForm::Repulsion, vec![3.0; pairs.len()]),
    ];
    let topology = Topology {
        types: (0..n as u32).map(|i| i % 5).collect(),
        masses: vec![0.1; n],
        lists: vec![list("bonds", bonds), list("apart", pairs)],
    };
    let structure =
        Structure { topology: topology.into(), positions: points(3, n, 6.0), velocities: None };
    let model = Model { schnet: Some(small_schnet()), priors };
    System::new(&model, &[structure]).unwrap()
}

/// Bonded beads 3 and 4, and 7 and 11, are in one place: both have network energies, and forces
/// from all other beads.
fn beads_in_one_place_have_no_force_between_them(backend: &Backend) {
    let system = system(14, false);
    let mut positions = points(3, 14, 6.0);
    (positions[4], positions[11]) = (positions[3], positions[7]);
    let mut expected = truth(system.clone());
    let mut found = backend.still(system);
    let mixed = found.device().contains("mixed");
    expected.set_positions(&positions).unwrap();
    found.set_positions(&positions).unwrap();
    for terms in [Terms::Network, Terms::Prior(0), Terms::Total] {
        let expected = expected.evaluate(terms).unwrap();
        let found = found.evaluate(terms).unwrap();
        assert!(expected.forces.as_flattened().iter().all(|f| f.is_finite()));
        // See `scales` for mixed precision of a network with random weights.
        let tolerance = if mixed { 4e-3 } else { ENGINE };
        let what = format!("{terms:?}");
        assert_close(&what, &found.energy, &expected.energy, tolerance);
        let [found, expected] = [found, expected].map(|evaluation| evaluation.forces);
        assert_close(&what, found.as_flattened(), expected.as_flattened(), tolerance);
    }
}

fn a_repulsion_in_one_place_names_the_beads(backend: &Backend) {
    let system = system(14, true);
    let mut positions = points(3, 14, 6.0);
    let mut engine = backend.still(system.clone());
    engine.set_positions(&positions).unwrap();
    positions[11] = positions[7];
    let state = State::at_rest(&system, positions.clone());
    for result in [engine.set_positions(&positions), engine.set_state(&state)] {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Overlap { replica: 0, .. }), "{error}");
        let said = error.to_string();
        assert!(said.contains("beads 7 and 11") && said.contains("repulsion apart"), "{said}");
    }
}

fn a_replica_in_one_place_is_refused(backend: &Backend) {
    for repulsion in [false, true] {
        let mut engine = backend.still(system(14, repulsion));
        let error = engine.set_positions(&[[0.0; 3]; 14]).unwrap_err().to_string();
        assert!(error.contains("all of 14 beads are at [0.0, 0.0, 0.0]"), "{error}");
    }
}

/// Three beads at 0 are padding, too. Two beads nearer than a device resolves are in one place.
#[test]
fn parts_of_a_replica_in_one_place_are_refused() {
    let mut engine = truth(system(14, true));
    let mut positions = points(3, 14, 6.0);
    positions[11..].fill([0.0; 3]);
    let error = engine.set_positions(&positions).unwrap_err().to_string();
    assert!(error.contains("3 of 14 beads are at [0.0, 0.0, 0.0]"), "{error}");
    let mut positions = points(3, 14, 6.0);
    positions[4] = positions[2].map(|x| x + 1e-11);
    let error = engine.set_positions(&positions).unwrap_err().to_string();
    assert!(error.contains("beads 2 and 4 are in one place"), "{error}");
}

/// Beads that share one or two coordinates are in places of their own.
#[test]
fn beads_on_a_line_are_apart() {
    let mut engine = truth(system(14, true));
    for axis in 0..3 {
        let on_line =
            |i: u8| std::array::from_fn(|c| if c == axis { 3.8 * f64::from(i) } else { 1.0 });
        let mut positions: Vec<[f64; 3]> = (0..14).map(on_line).collect();
        engine.set_positions(&positions).unwrap();
        positions[9] = positions[5];
        let error = engine.set_positions(&positions).unwrap_err().to_string();
        assert!(error.contains("beads 5 and 9 are in one place"), "{error}");
    }
}

#[test]
fn a_wrapped_chain_and_far_coordinates_are_doubted() {
    let backend = Opened::open(BackendKind::Cpu, None).unwrap();
    let potential = Potential::of_system(system(12, false), backend);
    let straight: Vec<[f64; 3]> = (0..12).map(|i| [3.8 * f64::from(i), 0.0, 0.0]).collect();
    assert!(potential.doubts(0, &straight).is_empty());
    let mut wrapped = straight.clone();
    wrapped.iter_mut().skip(7).for_each(|x| x[0] -= 60.0);
    let doubts = potential.doubts(0, &wrapped);
    assert_eq!(doubts.len(), 1);
    assert!(doubts[0].contains("beads 6 and 7 are 56.2 Å apart"), "{}", doubts[0]);
    let far: Vec<[f64; 3]> = straight.iter().map(|x| [x[0] + 2e5, x[1], x[2]]).collect();
    let doubts = potential.doubts(0, &far);
    assert_eq!(doubts.len(), 1);
    assert!(doubts[0].contains("a coordinate is 200042 Å from 0"), "{}", doubts[0]);
}
