//! Replicas in batches, each with an engine of its own, because one buffer has no room for all: the
//! results have the same bits as those of one engine.
//!
//! Other modules run some of their tests on the backend `wgpu_batches`, too.

use flashschnet::bias::{Bias, BiasForm};
use flashschnet::engine::{
    CallbackForces, Dynamics, Engine, Exchange, Filter, ForceCallback, Ladder, Minimization,
    Mixing, Reading, State, Terms, Wanted, Watch,
};
use flashschnet::gpu::{Device, FeatureSet, wgpu};
use flashschnet::hills::{Axis, Hills};
use flashschnet::metadynamics::Metadynamics;
use flashschnet::system::System;
use flashschnet::variable::Variable;
use flashschnet::{Backend, Error};

use crate::common::{self, at_rest, chains, hot, mixture, numbers, points};
use crate::exchange::{imploding, uniforms};

const ALL: Wanted = Wanted {
    state: true,
    hills: false,
    energies: Some(Terms::Total),
    forces: true,
    trace: true,
    observables: true,
    biases: true,
};

/// One engine, and an engine for each replica or ladder, from a state.
fn engines(system: &System, dynamics: &Dynamics, state: &State) -> [Box<dyn Engine>; 2] {
    let device = common::device(FeatureSet::Full);
    [device.clone(), device.with_batch_bytes(1)].map(|device| {
        let backend = Backend::from_device(device);
        let mut engine = backend.engine(system.clone(), dynamics).unwrap();
        engine.set_state(state).unwrap();
        engine
    })
}

/// Does the same with both engines, and compares what it returns, bit by bit.
fn same<T: std::fmt::Debug + PartialEq>(
    engines: &mut [Box<dyn Engine>; 2],
    act: impl Fn(&mut dyn Engine) -> T,
) -> T {
    let [one, batches] = engines.each_mut().map(|engine| format_bits(act(&mut **engine)));
    assert_eq!(batches.1, one.1);
    one.0
}

/// NaN is not equal to itself, but its text is.
fn format_bits<T: std::fmt::Debug>(value: T) -> (T, String) {
    let text = format!("{value:?}");
    (value, text)
}

fn read(engine: &mut dyn Engine) -> Reading {
    engine.read(ALL).unwrap()
}

/// Replicas 10, 11, … in an order that is not theirs.
fn renumbered(dynamics: Dynamics) -> Dynamics {
    let replica_ids = dynamics.replica_ids.iter().map(|id| 10 + (7 * id) % 11).collect();
    Dynamics { replica_ids, ..dynamics }
}

/// Six replicas of five molecules.
fn mixed() -> (System, State) {
    let (model, mut structures) = mixture();
    structures.push(structures[0].clone());
    let system = System::new(&model, &structures).unwrap();
    let state = at_rest(&system, structures.iter().flat_map(|s| s.positions.clone()).collect());
    (system, state)
}

#[test]
fn dynamics_of_different_molecules() {
    let (system, state) = mixed();
    for mts in [1, 2] {
        let dynamics = renumbered(Dynamics { mts, ..hot(6) });
        let mut engines = engines(&system, &dynamics, &state);
        // One molecule has a single bead.
        let absent = [Variable::Distance { groups: [vec![0], vec![1]] }];
        let refused = same(&mut engines, |engine| {
            engine.set_observables(&absent).map_err(|error| error.to_string())
        });
        assert!(refused.is_err());
        let forces = points(3, system.n_beads(), 5.0);
        for k in 0..4 {
            let reading = same(&mut engines, |engine| {
                engine.advance(6).unwrap();
                engine.request(ALL).unwrap();
                engine.set_external_forces((k % 2 == 0).then_some(&forces)).unwrap();
                engine.advance(4).unwrap();
                let before = engine.collect().unwrap();
                (before, read(engine), engine.energies(Terms::Network).unwrap())
            });
            assert_eq!((reading.0.step, reading.1.step), (10 * k + 6, 10 * k + 10));
        }
        same(&mut engines, |engine| {
            let moved: Vec<_> = state.positions.iter().map(|x| x.map(|x| 1.001 * x)).collect();
            engine.set_positions(&moved).unwrap();
            let noise = points(9, mts as usize * system.n_beads(), 1.0);
            engine.probe().advance_with_noise(&noise).unwrap();
            (read(engine), engine.probe().n_edges().unwrap(), engine.probe().list_builds().unwrap())
        });
    }
}

/// Ladders whose walkers lie among each other, and replicas in no ladder.
fn ladders(mixing: Mixing) -> Exchange {
    let ladder = |walkers: &[usize]| Ladder {
        beta: (0..walkers.len()).map(|k| 0.5 - 0.02 * k as f64).collect(),
        walkers: walkers.to_vec(),
    };
    let ladders = vec![ladder(&[8, 3, 6]), ladder(&[1, 9]), ladder(&[7, 2, 4, 10])];
    Exchange { every: 5, mixing, ladders }
}

#[test]
fn exchanges_of_ladders_that_lie_among_each_other() {
    for mixing in [Mixing::Neighbors, Mixing::AllPairs] {
        let (system, state) = chains(7, 11);
        let dynamics = renumbered(Dynamics { exchange: Some(ladders(mixing)), ..hot(11) });
        let state = dynamics.at_start(state);
        let mut engines = engines(&system, &dynamics, &state);
        let mut labels = Vec::new();
        for k in 0..6 {
            let (asked, now) = same(&mut engines, |engine| {
                engine.advance(4).unwrap();
                engine.exchange().unwrap();
                engine.request(ALL).unwrap();
                engine.exchange().unwrap();
                engine.advance(2).unwrap();
                (engine.collect().unwrap(), read(engine))
            });
            let state = now.state.unwrap();
            assert_eq!((asked.trace.len(), now.trace.len()), (1, 1), "{k}");
            assert_eq!(state.exchanged.count, 2 * k + 2);
            labels.push(state.exchanged.label);
        }
        labels.dedup();
        assert!(labels.len() > 3, "{mixing:?}: {labels:?}");
        let tries = |number: u64| match mixing {
            Mixing::Neighbors => 1 + 1 + 2 - usize::from(number % 2 == 1),
            Mixing::AllPairs => 9 + 4 + 16,
        };
        let mut exchange = ladders(mixing);
        exchange.ladders[1].beta[1] = 0.4;
        for number in 12..14 {
            let energies = numbers(number, 11, 20.0);
            let given = uniforms(number, tries(number));
            same(&mut engines, |engine| {
                engine.probe().exchange_with(&energies, &given).unwrap();
                assert!(engine.probe().exchange_with(&energies, &[]).is_err());
                read(engine)
            });
        }
        same(&mut engines, |engine| {
            engine.set_ladders(&exchange).unwrap();
            let state = engine.state().unwrap();
            let mut state = State { ..state };
            exchange.set_beta(&state.exchanged, &mut state.beta);
            engine.set_state(&state).unwrap();
            engine.advance(3).unwrap();
            engine.exchange().unwrap();
            read(engine)
        });
        // A state goes on in the other kind of engine.
        let [one, batches] = &mut engines;
        let state = one.state().unwrap();
        batches.set_state(&state).unwrap();
        same(&mut engines, |engine| {
            engine.advance(5).unwrap();
            engine.exchange().unwrap();
            read(engine)
        });
    }
}

/// Biases with numbers of their own for each replica, one of which moves.
fn biases(n_replicas: usize) -> Vec<Bias> {
    let each = |x: f64| (0..n_replicas).map(|r| x + 0.25 * r as f64).collect::<Vec<_>>();
    let bias = |name: &str, form| Bias {
        name: name.into(),
        variable: Variable::radius_of_gyration(),
        form,
    };
    vec![
        bias("spring", BiasForm::Harmonic { k: vec![2.0], center: each(4.0) }),
        bias("wall", BiasForm::FlatBottom { k: each(1.0), lower: vec![], upper: each(3.0) }),
        bias("pull", BiasForm::Moving { k: each(1.0), path: vec![(2, 4.0), (30, 6.0)] }),
    ]
}

#[test]
fn biases_with_numbers_for_each_replica() {
    let (system, state) = chains(9, 4);
    let dynamics = renumbered(hot(4));
    let mut engines = engines(&system, &dynamics, &state);
    let forces = points(3, system.n_beads(), 2.0);
    let reading = same(&mut engines, |engine| {
        engine.set_observables(&[Variable::end_to_end(9), Variable::radius_of_gyration()]).unwrap();
        engine.set_biases(&biases(4)).unwrap();
        assert!(engine.set_biases(&biases(3)).is_err());
        engine.advance(12).unwrap();
        engine.set_external_forces(Some(&forces)).unwrap();
        let state = engine.state().unwrap();
        engine.advance(5).unwrap();
        let ahead = read(engine);
        engine.set_state(&state).unwrap();
        engine.advance(5).unwrap();
        let again = read(engine);
        assert_eq!(format!("{ahead:?}"), format!("{again:?}"));
        engine.set_biases(&biases(4)[1..]).unwrap();
        engine.advance(3).unwrap();
        let of_bias = engine.evaluate(Terms::Bias(1)).unwrap();
        assert!(engine.evaluate(Terms::Bias(2)).is_err());
        (again, read(engine), of_bias)
    });
    assert!(reading.1.work["pull"].iter().all(|work| *work != 0.0));
    assert_eq!(reading.1.biases.len(), 2);
}

/// Springs to the first bead of the next replica: the forces depend on all replicas.
fn linked(first: &[usize]) -> Box<dyn ForceCallback> {
    let first = first.to_vec();
    Box::new(move |positions: &[[f64; 3]]| {
        let n = first.len() - 1;
        let mut forces = vec![[0.0; 3]; positions.len()];
        for r in 0..n {
            let [here, next] = [first[r], first[(r + 1) % n]];
            forces[here] = std::array::from_fn(|c| 0.1 * (positions[next][c] - positions[here][c]));
        }
        let energy = (0..n).map(|r| forces[first[r]][0]).collect();
        Ok(CallbackForces { energy, forces })
    })
}

#[test]
fn a_callback_sees_all_replicas_at_once() {
    let (system, state) = chains(6, 4);
    for (mts, biased) in [(1, false), (2, true)] {
        let dynamics = renumbered(Dynamics { mts, ..hot(4) });
        let mut engines = engines(&system, &dynamics, &state);
        let forces = points(5, system.n_beads(), 2.0);
        let reading = same(&mut engines, |engine| {
            engine.advance(4).unwrap();
            engine.set_force_callback(Some(linked(system.first_bead()))).unwrap();
            if biased {
                engine.set_biases(&biases(4)[..2]).unwrap();
            }
            assert!(!engine.is_asynchronous());
            let first = read(engine);
            engine.request(ALL).unwrap();
            engine.advance(4).unwrap();
            let requested = engine.collect().unwrap();
            assert_eq!(first, requested);
            engine.set_external_forces(Some(&forces)).unwrap();
            engine.advance(4).unwrap();
            let noise = points(9, mts as usize * system.n_beads(), 1.0);
            engine.probe().advance_with_noise(&noise).unwrap();
            assert!(engine.minimize(&Minimization::default()).is_err());
            assert!(engine.probe().profile(2).is_err());
            let last = read(engine);
            engine.set_force_callback(None).unwrap();
            engine.advance(4).unwrap();
            (first, last, read(engine))
        });
        assert!(reading.1.callback.is_some_and(|found| found.energy.len() == 4));
        assert_eq!(reading.2.callback, None);
        // An error leaves the state.
        same(&mut engines, |engine| {
            let before = engine.state().unwrap();
            let mut calls = 0;
            let failing = move |positions: &[[f64; 3]]| {
                calls += 1;
                match calls {
                    0..3 => {
                        let forces = vec![[0.0; 3]; positions.len()];
                        Ok(CallbackForces { energy: vec![0.0; 4], forces })
                    }
                    _ => Err(Error::invalid("callback", "trouble", "none")),
                }
            };
            engine.set_force_callback(Some(Box::new(failing))).unwrap();
            assert!(engine.advance(4).is_err());
            let steps = if mts == 1 { 1 } else { 0 };
            let state = engine.state().unwrap();
            assert_eq!(state.step, before.step + steps);
            state
        });
    }
}

#[test]
fn minimizations() {
    let (system, state) = mixed();
    let mut engines = engines(&system, &renumbered(hot(6)), &state);
    let minimization = Minimization { most_steps: 30, tolerance: 1.0 };
    same(&mut engines, |engine| {
        let results = engine.minimize(&minimization).unwrap();
        engine.advance(3).unwrap();
        (results, read(engine))
    });
    // Forces of the last replica are not finite, and all states are what they were.
    let refused = same(&mut engines, |engine| {
        let mut forces = vec![[0.0; 3]; system.n_beads()];
        forces[system.first_bead()[5]] = [1e39, 0.0, 0.0];
        engine.set_external_forces(Some(&forces)).unwrap();
        let before = engine.state().unwrap();
        let error = engine.minimize(&minimization).unwrap_err();
        assert_eq!(engine.state().unwrap(), before);
        error.to_string()
    });
    let id = renumbered(hot(6)).replica_ids[5];
    assert!(refused.contains(&format!("forces of replica {id}")), "{refused}");
}

#[test]
fn replicas_that_freeze() {
    let (system, state) = chains(9, 5);
    let watch = Watch { max_force: 1e4, ..Watch::default() };
    let exchange = Some(Exchange::copies(Mixing::AllPairs, &[0.5, 0.48], 2));
    for exchange in [None, exchange] {
        let dynamics = renumbered(Dynamics { watch, exchange, ..hot(5) });
        let state = dynamics.at_start(state.clone());
        let mut engines = engines(&system, &dynamics, &state);
        let mut forces = vec![[0.0; 3]; system.n_beads()];
        forces[9 * 2 + 4] = [2e4, 0.0, 0.0];
        let reading = same(&mut engines, |engine| {
            engine.advance(3).unwrap();
            engine.set_external_forces(Some(&forces)).unwrap();
            engine.advance(3).unwrap();
            let error = engine.settle().unwrap_err().to_string();
            assert!(error.contains("replica 2:"), "{error}");
            engine.set_external_forces(None).unwrap();
            engine.advance(4).unwrap();
            if dynamics.exchange.is_some() {
                engine.exchange().unwrap();
            }
            let state = engine.state().unwrap();
            engine.set_state(&state).unwrap();
            engine.advance(2).unwrap();
            read(engine)
        });
        assert_eq!(reading.frozen.keys().collect::<Vec<_>>(), [&2]);
        assert_eq!(reading.frozen[&2].bead, 4);
        assert!(reading.evaluation.energy[2].is_nan());
    }
}

/// Lists that overflow before and after requested readings, and between exchanges.
#[test]
fn lists_that_grow() {
    let (system, dynamics, state) = imploding();
    let system = system.select([0, 1, 0, 1, 0]);
    let each = |all: &[[f64; 3]]| {
        let [first, second] = [&all[..30], &all[30..]];
        [first, second, first, second, first].concat()
    };
    let velocities = each(&state.velocities);
    let state = State { velocities, ..State::at_rest(&system, each(&state.positions)) };
    let ladder = |walkers: [usize; 2]| Ladder { beta: vec![1.1, 1.0], walkers: walkers.into() };
    let ladders = vec![ladder([3, 0]), ladder([4, 1])];
    let exchange = Exchange { every: 1, mixing: Mixing::Neighbors, ladders };
    let dynamics = Dynamics { exchange: Some(exchange), ..dynamics };
    let dynamics = Dynamics { replica_ids: (0..5).collect(), ..dynamics };
    let state = dynamics.at_start(state);
    let mut engines = engines(&system, &dynamics, &state);
    let mut most = 0;
    for k in 0..8 {
        let edges = same(&mut engines, |engine| {
            engine.advance(2).unwrap();
            engine.request(ALL).unwrap();
            engine.exchange().unwrap();
            engine.advance(4).unwrap();
            let requested = engine.collect().unwrap();
            (requested, read(engine), engine.probe().n_edges().unwrap())
        });
        most = most.max(*edges.2.iter().max().unwrap());
        assert_eq!(edges.1.step, 6 * (k + 1));
    }
    // The room at first.
    assert!(most > 174, "{most}");
}

#[test]
fn too_many_neighbors_name_the_replica() {
    let network =
        flashschnet::model::SchNet { max_num_neighbors: Some(5), ..common::small_schnet() };
    let (system, state) = common::chains_with(network, 14, 3);
    let spread: Vec<[f64; 3]> = (0..28).map(|i| [9.0 * f64::from(i), 0.0, 0.0]).collect();
    let positions = [&spread[..], &state.positions[28..]].concat();
    let dynamics = renumbered(Dynamics { watch: Watch::OFF, ..hot(3) });
    let mut engines = engines(&system, &dynamics, &at_rest(&system, positions));
    let error = same(&mut engines, |engine| engine.potential().unwrap_err().to_string());
    assert!(error.contains(&format!("replica {}", dynamics.replica_ids[2])), "{error}");
}

#[test]
fn wrong_states_name_the_numbers_of_the_system() {
    let (system, state) = chains(5, 3);
    let mut engines = engines(&system, &hot(3), &state);
    let mut positions = state.positions.clone();
    positions[12][1] = f64::NAN;
    let error = same(&mut engines, |engine| {
        let state = State { positions: positions.clone(), ..state.clone() };
        engine.set_state(&state).unwrap_err().to_string()
    });
    assert!(error.contains("positions[12]"), "{error}");
    let error = same(&mut engines, |engine| {
        engine.set_external_forces(Some(&positions)).unwrap_err().to_string()
    });
    assert!(error.contains("external forces[12]"), "{error}");
}

/// A device of the tests' adapter with these limits of a binding and of a buffer.
fn limited(binding: u64, buffer: u64) -> Device {
    let instance = wgpu::Instance::default();
    let adapter = pollster::block_on(instance.request_adapter(&Default::default())).unwrap();
    let required_limits = wgpu::Limits {
        max_storage_buffer_binding_size: binding,
        max_buffer_size: buffer,
        ..wgpu::Limits::default()
    };
    let descriptor = wgpu::DeviceDescriptor { required_limits, ..Default::default() };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).unwrap();
    Device::from_wgpu(device, queue)
}

/// The driver itself refuses larger buffers. A reading of a batch needs more than one buffer, too.
#[test]
fn a_device_with_small_buffers_computes_the_same() {
    const LIMIT: u64 = 128 << 10;
    let (system, state) = chains(20, 120);
    let dynamics = hot(120);
    let [small, large] = [limited(LIMIT, LIMIT), common::device(FeatureSet::Portable)];
    let [small, large] = [small, large].map(|device| {
        let backend = Backend::from_device(device.clone()).with_filter(Filter::Exact);
        let mut engine = backend.engine(system.clone(), &dynamics).unwrap();
        engine.set_state(&state).unwrap();
        // The state, the forces and the energies of a batch: 96 bytes for a bead.
        engine.set_external_forces(Some(&points(4, system.n_beads(), 1.0))).unwrap();
        let start = device.counters().submissions;
        engine.advance(2).unwrap();
        (read(&mut *engine), device.counters().submissions - start)
    });
    assert_eq!(small.0, large.0);
    assert!(small.1 > large.1, "one engine: {} {}", small.1, large.1);
}

#[test]
fn replicas_that_belong_together_are_refused_if_they_do_not_fit() {
    let device = limited(128 << 10, 256 << 10);
    let backend = Backend::from_device(device);
    let (system, _) = chains(20, 120);
    let said = |dynamics: &Dynamics| match backend.engine(system.clone(), dynamics) {
        Err(error @ Error::OutOfMemory { fits: Some(1..120), .. }) => error.to_string(),
        other => panic!("found {other:?}"),
    };
    let beta: Vec<f64> = (0..100).map(|k| 0.6 - 0.001 * f64::from(k)).collect();
    let walkers = (20..120).collect();
    let exchange =
        Exchange { every: 5, mixing: Mixing::Neighbors, ladders: vec![Ladder { beta, walkers }] };
    let error = said(&Dynamics { exchange: Some(exchange), ..hot(120) });
    assert!(error.contains("the largest buffer of a ladder of 100 replicas"), "{error}");
    assert!(error.contains("about 32 of the 100 replicas would fit"), "{error}");
    let axis = Axis { lower: 0.0, upper: 200.0, bins: 80, periodic: false, width: 5.0 };
    let hills = Hills { axes: vec![axis], height: 0.1, bias_factor: 10.0, temperature: 300.0 };
    let variables = vec![Variable::radius_of_gyration()];
    let metadynamics = Metadynamics { name: "hills".into(), variables, hills, every: 5 };
    let error = said(&Dynamics { metadynamics: Some(metadynamics), ..hot(120) });
    assert!(error.contains("of the 120 replicas would fit"), "{error}");
}
