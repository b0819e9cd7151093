//! Energies without forces: the same bits as in a whole evaluation, and no effect on later steps.

use std::sync::Arc;

use flashschnet::engine::{Filter, State, Terms};
use flashschnet::error::Error;
use flashschnet::gpu::{FeatureSet, GpuEngine};
use flashschnet::model::{Model, SchNet};
use flashschnet::structure::Topology;
use flashschnet::system::System;

use crate::common::{
    self, Backend, at_rest, chain, chains, chains_with, hot, points, small_schnet,
};

on_every_backend!(
    energies_are_those_of_an_evaluation,
    scoring_leaves_no_trace_on_a_run,
    external_forces_do_not_show_in_energies,
    errors_are_those_of_an_evaluation,
    all_terms_at_once_are_each_for_itself,
);

/// Three molecules without priors: a single bead, two beads beyond the cutoff, and 21 beads.
fn sparse() -> (System, State) {
    let model = Model { schnet: Some(small_schnet()), priors: Vec::new() };
    let structures = [1, 2, 21].map(|n| {
        let mut structure = chain(n, n as u64);
        let topology = Topology { lists: Vec::new(), ..(*structure.topology).clone() };
        structure.topology = Arc::new(topology);
        structure.positions[n - 1][0] += 20.0;
        structure
    });
    let system = System::new(&model, &structures).unwrap();
    let state = at_rest(&system, structures.into_iter().flat_map(|s| s.positions).collect());
    (system, state)
}

fn energies_are_those_of_an_evaluation(backend: &Backend) {
    for (system, state) in [sparse(), chains(15, 3)] {
        let n_terms = system.molecules()[0].terms.len();
        let engine = || backend.moving(system.clone(), &hot(3), &state);
        let terms = (0..n_terms).map(Terms::Prior).chain([Terms::Network, Terms::Total]);
        for terms in terms {
            let expected = engine().evaluate(terms).unwrap();
            assert_eq!(engine().energies(terms).unwrap(), expected.energy, "{terms:?}");
            // Energies and evaluations in any order, and after another term.
            let mut engine = engine();
            engine.energies(Terms::Network).unwrap();
            assert_eq!(engine.energies(terms).unwrap(), expected.energy, "{terms:?}");
            assert_eq!(engine.evaluate(terms).unwrap(), expected, "{terms:?}");
            assert_eq!(engine.energies(terms).unwrap(), expected.energy, "{terms:?}");
        }
        let potential = engine().potential().unwrap();
        assert_eq!(potential, engine().evaluate(Terms::Total).unwrap().energy);
    }
}

fn scoring_leaves_no_trace_on_a_run(backend: &Backend) {
    let (system, state) = chains(12, 2);
    let run = |scored: bool| {
        let mut engine = backend.moving(system.clone(), &hot(2), &state);
        for _ in 0..4 {
            if scored {
                engine.energies(Terms::Prior(1)).unwrap();
                engine.energies(Terms::Total).unwrap();
            }
            engine.advance(10).unwrap();
        }
        (engine.state().unwrap(), engine.evaluate(Terms::Total).unwrap())
    };
    assert_eq!(run(true), run(false));
}

fn external_forces_do_not_show_in_energies(backend: &Backend) {
    let (system, state) = chains(8, 2);
    let mut engine = backend.moving(system, &hot(2), &state);
    let expected = engine.energies(Terms::Total).unwrap();
    engine.set_external_forces(Some(&points(9, 16, 20.0))).unwrap();
    assert_eq!(engine.energies(Terms::Total).unwrap(), expected);
    assert_eq!(engine.potential().unwrap(), expected);
}

fn errors_are_those_of_an_evaluation(backend: &Backend) {
    let schnet = SchNet { max_num_neighbors: Some(2), ..small_schnet() };
    let (system, state) = chains_with(schnet, 14, 2);
    let mut engine = backend.moving(system, &hot(2), &state);
    let error = engine.energies(Terms::Total).unwrap_err();
    assert!(matches!(error, Error::TooManyNeighbors { replica: 0, limit: 2, .. }), "{error}");
    assert_eq!(error.to_string(), engine.evaluate(Terms::Total).unwrap_err().to_string());
}

fn all_terms_at_once_are_each_for_itself(backend: &Backend) {
    for (system, state) in [sparse(), chains(15, 3)] {
        let n_terms = system.molecules()[0].terms.len();
        let priors = (0..n_terms).rev().map(Terms::Prior);
        let terms: Vec<Terms> = [Terms::Network]
            .into_iter()
            .chain(priors)
            .chain([Terms::Total, Terms::Network])
            .collect();
        let engine = || backend.moving(system.clone(), &hot(3), &state);
        let expected: Vec<_> = terms.iter().map(|of| engine().evaluate(*of).unwrap()).collect();
        let mut all = engine();
        let energies = all.evaluate_all(&terms, false).unwrap();
        assert!(energies.iter().zip(&expected).all(|(found, of)| found.energy == of.energy));
        assert!(energies.iter().all(|found| found.forces.is_empty()));
        assert_eq!(all.evaluate_all(&terms, true).unwrap(), expected);
        assert_eq!(all.evaluate_all(&terms, true).unwrap(), expected, "again");
        // The step after it is that of an engine that evaluated nothing.
        let mut other = engine();
        all.advance(3).unwrap();
        other.advance(3).unwrap();
        assert_eq!(all.state().unwrap(), other.state().unwrap());
    }
}

#[test]
fn the_reference_keeps_the_promises() {
    energies_are_those_of_an_evaluation(&common::reference());
    scoring_leaves_no_trace_on_a_run(&common::reference());
    external_forces_do_not_show_in_energies(&common::reference());
    errors_are_those_of_an_evaluation(&common::reference());
    all_terms_at_once_are_each_for_itself(&common::reference());
}

/// A GPU runs no kernel of the backward pass.
#[test]
fn scoring_runs_the_forward_kernels_alone() {
    let device = common::device(FeatureSet::Full);
    let engine = GpuEngine::new(&device, chains(9, 2).0, &hot(2), Filter::Exact).unwrap();
    let step = engine.kernel_names().unwrap();
    let scoring = engine.energy_kernel_names().unwrap();
    let count = |names: &[&str], name: &str| names.iter().filter(|found| **found == name).count();
    assert_eq!((count(&scoring, "cfconv_forward"), count(&scoring, "cfconv_backward")), (2, 0));
    for (name, of_scoring, of_step) in
        [("block_forward", 1, 1), ("readout", 1, 1), ("block_backward", 0, 1)]
    {
        assert_eq!((count(&scoring, name), count(&step, name)), (of_scoring, of_step), "{name}");
    }
    assert_eq!(scoring.last(), Some(&"energy_reduce"));
}
