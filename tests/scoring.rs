//! Energies without forces: the bits of a whole evaluation, and no trace on what follows.

#[macro_use]
mod common;

use std::sync::Arc;

use common::{Backend, at_rest, chain, chains, hot, points, small_schnet};
use flashschnet::engine::{Filter, State, Terms};
use flashschnet::error::Error;
use flashschnet::gpu::{Device, Profile, Wgpu};
use flashschnet::model::Model;
use flashschnet::reference::Reference;
use flashschnet::system::{System, Topology};

on_every_backend!(
    energies_are_those_of_an_evaluation,
    scoring_leaves_no_trace_on_a_run,
    external_forces_do_not_show_in_energies,
    errors_are_those_of_an_evaluation,
);

fn reference() -> Backend {
    Backend { engine: |system| Ok(Box::new(Reference::new(system))), ..common::cpu() }
}

/// Free beads: a single one, two out of reach of each other, and a cloud.
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
    (system, at_rest(structures.into_iter().flat_map(|s| s.positions).collect()))
}

fn energies_are_those_of_an_evaluation(backend: &Backend) {
    for (system, state) in [sparse(), chains(15, 3)] {
        let n_terms = system.molecules[0].terms.len();
        let engine = || {
            let mut engine = (backend.engine)(system.clone()).unwrap();
            engine.set_state(&state).unwrap();
            engine
        };
        let terms = (0..n_terms).map(Terms::Prior).chain([Terms::Network, Terms::Total]);
        for terms in terms {
            let expected = engine().evaluate(terms).unwrap();
            assert_eq!(engine().energies(terms).unwrap(), expected.energy, "{terms:?}");
            // In any order, and after another term.
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
        let mut engine = (backend.engine)(system.clone()).unwrap();
        engine.set_dynamics(&hot(2)).unwrap();
        engine.set_state(&state).unwrap();
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
    let mut engine = (backend.engine)(system).unwrap();
    engine.set_state(&state).unwrap();
    let expected = engine.energies(Terms::Total).unwrap();
    engine.set_external_forces(Some(&points(9, 16, 20.0))).unwrap();
    assert_eq!(engine.energies(Terms::Total).unwrap(), expected);
    assert_eq!(engine.potential().unwrap(), expected);
}

fn errors_are_those_of_an_evaluation(backend: &Backend) {
    let (mut system, state) = chains(14, 2);
    let mut schnet = small_schnet();
    schnet.max_num_neighbors = Some(2);
    system.schnet = Some(Arc::new(schnet));
    let mut engine = (backend.engine)(system).unwrap();
    engine.set_state(&state).unwrap();
    let error = engine.energies(Terms::Total).unwrap_err();
    assert!(matches!(error, Error::TooManyNeighbors { replica: 0, limit: 2, .. }), "{error}");
    assert_eq!(error.to_string(), engine.evaluate(Terms::Total).unwrap_err().to_string());
}

#[test]
fn the_reference_keeps_the_promises() {
    energies_are_those_of_an_evaluation(&reference());
    scoring_leaves_no_trace_on_a_run(&reference());
    external_forces_do_not_show_in_energies(&reference());
    errors_are_those_of_an_evaluation(&reference());
}

/// On a GPU nothing of the way back is dispatched.
#[test]
fn scoring_runs_the_forward_kernels_alone() {
    let device = Device::open(Some("0"), Profile::Full).unwrap();
    let engine = Wgpu::new(&device, chains(9, 2).0, Filter::Exact).unwrap();
    let (step, scoring) = (engine.kernel_names(), engine.energy_kernel_names());
    let count = |names: &[&str], name: &str| names.iter().filter(|found| **found == name).count();
    assert_eq!((count(&scoring, "cfconv_forward"), count(&scoring, "cfconv_backward")), (2, 0));
    for (name, of_scoring, of_step) in
        [("block_forward", 1, 1), ("readout", 1, 1), ("block_backward", 0, 1)]
    {
        assert_eq!((count(&scoring, name), count(&step, name)), (of_scoring, of_step), "{name}");
    }
    assert_eq!(scoring.last(), Some(&"energy_reduce"));
}
