//! `Potential`: many conformations in one call, whatever their number.

use std::fmt::Debug;
use std::sync::Arc;

use flashschnet::engine::{Filter, Terms};
use flashschnet::error::Error;
use flashschnet::gpu::{Device, FeatureSet};
use flashschnet::model::{Model, SchNet};
use flashschnet::potential::{Potential, Request, Scores};
use flashschnet::structure::Structure;
use flashschnet::{Backend, BackendKind, Settings, Simulation};

use crate::common::{self, chain, mixture, points, priors, small_schnet};

fn on(device: Device) -> Backend {
    Backend::from_device(device)
}

/// The CPU, a GPU, and a GPU whose buffers have room for one replica.
fn backends() -> Vec<Backend> {
    let device = || common::device(FeatureSet::Portable);
    let open = |kind| Backend::open(kind, None).unwrap();
    vec![
        open(BackendKind::Reference),
        open(BackendKind::Cpu),
        on(device()),
        on(device().with_batch_bytes(1)),
    ]
}

/// Conformations of molecules in turn.
fn conformations(
    of: &Potential,
    structures: &[Structure],
    n: usize,
) -> (Vec<usize>, Vec<[f64; 3]>) {
    let (mut molecules, mut positions) = (Vec::new(), Vec::new());
    for k in 0..n {
        let s = k * k % structures.len();
        let noise = points(k as u64, structures[s].positions.len(), 0.1);
        molecules.push(of.system().molecule_of()[s]);
        let moved = structures[s].positions.iter().zip(noise);
        positions.extend(moved.map(|(x, by)| std::array::from_fn::<f64, 3, _>(|c| x[c] + by[c])));
    }
    (molecules, positions)
}

fn evaluate(
    potential: &mut Potential,
    (molecules, positions): (&[usize], &[[f64; 3]]),
    request: &Request,
) -> Scores {
    let mut scores = Scores::default();
    potential.evaluate(molecules, positions, request, &mut scores).unwrap();
    scores
}

/// All terms of the mixture, alone and together.
fn all_terms(potential: &Potential) -> Request {
    let single = Terms::of(potential.system()).into_iter().map(|(_, terms)| terms);
    Request { terms: [Terms::Total].into_iter().chain(single).collect(), forces: true }
}

#[test]
fn an_item_is_what_it_is_alone() {
    let (model, structures) = mixture();
    for backend in backends() {
        let mut potential = Potential::new(&model, &structures, backend).unwrap();
        let request = all_terms(&potential);
        let (molecules, positions) = conformations(&potential, &structures, 11);
        let all = evaluate(&mut potential, (&molecules, &positions), &request);
        assert!(all.failed.is_empty() && all.evaluations.len() == request.terms.len());
        let mut first = 0;
        for (k, molecule) in molecules.iter().enumerate() {
            let beads = first..first + potential.system().molecules()[*molecule].n_beads();
            first = beads.end;
            let item = (&[*molecule][..], &positions[beads.clone()]);
            let alone = evaluate(&mut potential, item, &request);
            for (alone, all) in alone.evaluations.iter().zip(&all.evaluations) {
                assert_eq!(alone.energy[0], all.energy[k], "item {k}");
                assert_eq!(alone.forces, all.forces[beads.clone()], "item {k}");
                assert_eq!(alone.bead_energy, all.bead_energy[beads.clone()], "item {k}");
            }
        }
        let energies = Request { forces: false, ..request };
        let of_energies = evaluate(&mut potential, (&molecules, &positions), &energies);
        for (found, all) in of_energies.evaluations.iter().zip(&all.evaluations) {
            assert!(found.energy == all.energy && found.forces.is_empty());
        }
    }
}

/// A chain of 14 beads whose network allows as many neighbors as it has.
fn crowded() -> (Model, Structure) {
    let schnet = SchNet { max_num_neighbors: Some(12), ..small_schnet() };
    (Model { schnet: Some(schnet), priors: priors(14) }, chain(14, 3))
}

#[test]
fn a_wrong_item_spoils_no_other() {
    let (model, structure) = crowded();
    for backend in backends() {
        let mut potential =
            Potential::new(&model, std::slice::from_ref(&structure), backend).unwrap();
        let (molecules, good) = conformations(&potential, std::slice::from_ref(&structure), 7);
        let expected = evaluate(&mut potential, (&molecules, &good), &Request::forces());
        assert!(expected.failed.is_empty(), "{:?}", expected.failed);
        let mut positions = good;
        positions[14 + 3][1] = f64::NAN;
        positions[2 * 14] = [1e9; 3];
        positions[4 * 14..5 * 14].fill([7.0; 3]);
        positions[5 * 14..6 * 14].copy_from_slice(&points(5, 14, 1.5));
        let found = evaluate(&mut potential, (&molecules, &positions), &Request::forces());
        let failed = &found.failed;
        assert_eq!(failed.keys().copied().collect::<Vec<_>>(), [1, 2, 4, 5], "{failed:?}");
        assert!(matches!(failed[&1], Error::Invalid { .. }), "{failed:?}");
        assert!(matches!(failed[&2], Error::Invalid { .. }), "{failed:?}");
        assert!(matches!(failed[&4], Error::Overlap { replica: 4, .. }), "{failed:?}");
        let crowd = &failed[&5];
        assert!(matches!(crowd, Error::TooManyNeighbors { replica: 5, limit: 12, .. }), "{crowd}");
        let (found, expected) = (&found.evaluations[0], &expected.evaluations[0]);
        for k in 0..7 {
            let beads = k * 14..(k + 1) * 14;
            match failed.contains_key(&k) {
                true => assert!(found.energy[k].is_nan() && found.forces[beads.start][0].is_nan()),
                false => {
                    assert_eq!(found.energy[k], expected.energy[k]);
                    assert_eq!(found.forces[beads.clone()], expected.forces[beads]);
                }
            }
        }
        // All of them are wrong.
        positions.fill([f64::INFINITY; 3]);
        let found = evaluate(&mut potential, (&molecules, &positions), &Request::energies());
        assert_eq!(found.failed.len(), 7);
    }
}

#[test]
fn wrong_arguments_are_errors() {
    let (model, structure) = crowded();
    let backend = Backend::open(BackendKind::Cpu, None).unwrap();
    let mut potential = Potential::new(&model, std::slice::from_ref(&structure), backend).unwrap();
    let mut says = |molecules: &[usize], n_beads: usize, terms: Terms, expected: &str| {
        let request = Request { terms: vec![terms], forces: false };
        let positions = vec![[0.0; 3]; n_beads];
        let found = potential.evaluate(molecules, &positions, &request, &mut Scores::default());
        assert_eq!(found.unwrap_err().to_string(), expected);
    };
    says(&[0, 1], 28, Terms::Total, "molecules[1]: found 1, expected a molecule below 1");
    says(&[0, 0], 27, Terms::Total, "positions: found 27, expected 28, the beads of 2 items");
    says(&[0], 14, Terms::Prior(99), "prior: found 99, expected one of 4, counted from 0");
    says(&[0], 14, Terms::Bias(0), "bias: found 0, expected one of 0, counted from 0");
    assert!(evaluate(&mut potential, (&[], &[]), &Request::forces()).failed.is_empty());
}

/// On a device that knows the size of its neighbor lists, a call is one submission and one wait. It
/// allocates nothing if there was a call of the same size, or nearly the same, before.
#[test]
fn a_call_is_one_submission() {
    let (model, structure) = crowded();
    let structures = std::slice::from_ref(&structure);
    // Other tests do not count on this device.
    let device = Device::open(Some("0"), FeatureSet::Portable).unwrap();
    let mut potential = Potential::new(&model, structures, on(device.clone())).unwrap();
    let request = all_terms(&potential);
    let mut scores = Scores::default();
    for (n, is_new) in [(17, true), (17, false), (18, false), (1, true), (20, false), (1, false)] {
        let (molecules, positions) = conformations(&potential, structures, n);
        let before = device.counters();
        potential.evaluate(&molecules, &positions, &request, &mut scores).unwrap();
        assert!(scores.failed.is_empty());
        let after = device.counters();
        if !is_new {
            assert_eq!(after.submissions - before.submissions, 1, "{n} items");
            assert_eq!(after.waits - before.waits, 1, "{n} items");
            assert_eq!(after.allocations - before.allocations, 0, "{n} items");
        }
    }
}

/// Two models on one device, each in a thread of its own, give the bits that they give alone.
#[test]
fn two_threads_share_a_device() {
    let device = common::device(FeatureSet::Portable);
    let (model, structures) = mixture();
    let other = Model {
        schnet: Some(SchNet { max_num_neighbors: None, ..small_schnet() }),
        ..model.clone()
    };
    let run = |model: &Model, filter: Filter| {
        let backend = on(device.clone()).with_filter(filter);
        let mut potential = Potential::new(model, &structures, backend.clone()).unwrap();
        let settings = Settings { n_replicas: 4, ..Settings::default() };
        let mut simulation = Simulation::new(model, &structures, &settings, &backend).unwrap();
        let (mut energies, mut scores) = (Vec::new(), Scores::default());
        for _ in 0..6 {
            simulation.run(5).unwrap();
            let positions = simulation.positions().unwrap();
            let molecules = simulation.system().molecule_of();
            potential.evaluate(molecules, &positions, &Request::forces(), &mut scores).unwrap();
            energies.push(scores.evaluations[0].clone());
        }
        (simulation.state().unwrap(), energies)
    };
    let jobs = [(&model, Filter::TABLE), (&other, Filter::Exact)];
    let alone = jobs.map(|(model, filter)| run(model, filter));
    let together = std::thread::scope(|scope| {
        jobs.map(|(model, filter)| scope.spawn(move || run(model, filter)))
            .map(|thread| thread.join().unwrap())
    });
    assert_eq!(together, alone);
}

/// Each type that a host program holds can go to another thread, and implements `Debug`.
#[test]
fn everything_that_a_program_holds_can_go_to_another_thread() {
    fn is<T: Debug + Send + 'static>() {}
    is::<Backend>();
    is::<Device>();
    is::<Potential>();
    is::<Scores>();
    is::<Simulation>();
    is::<flashschnet::Checkpoint>();
    is::<flashschnet::output::Output>();
    is::<Arc<Model>>();
    let backend = Backend::open(BackendKind::Cpu, None).unwrap();
    let (model, structures) = mixture();
    let mut simulation =
        Simulation::new(&model, &structures, &Settings::default(), &backend).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let observer = move |frame: &flashschnet::simulation::Frame,
                         _: &mut flashschnet::simulation::Control| {
        sender.send(frame.step).map_err(|error| Error::invalid("channel", error, "open"))
    };
    simulation.attach(10, observer).unwrap();
    let thread = std::thread::spawn(move || {
        simulation.run(30).unwrap();
        format!("{simulation:?}")
    });
    assert!(thread.join().unwrap().starts_with("Simulation {"));
    assert_eq!(receiver.iter().collect::<Vec<_>>(), [10, 20, 30]);
}
