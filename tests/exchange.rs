//! `exchange`: decisions, labels, temperatures and velocities of replica exchange.

use std::sync::Arc;

use flashschnet::engine::{
    Dynamics, Engine, Exchange, Integrator, Ladder, Mixing, NO_LABEL, State, TRACE, Wanted,
    geometric,
};
use flashschnet::model::{Model, Prior, PriorForm, PriorParameters};
use flashschnet::ops::Ops;
use flashschnet::random::{Stream, normal3, uniform4};
use flashschnet::reference::{Reference, ReferenceOps};
use flashschnet::structure::{Structure, Topology, TupleList};
use flashschnet::system::System;
use flashschnet::{Backend as Opened, BackendKind, Error, Settings, Simulation, units};

use crate::common::{self, Backend, assert_close, chains, hot, numbers, points, small_schnet};

with_tables!(
    matches_the_reference,
    near_the_threshold_it_decides_as_in_f64,
    draws_the_numbers_of_the_reference,
    only_members_of_a_ladder_take_part,
    overdamped_velocities_stay,
    energies_that_are_not_finite_exchange_nothing,
    a_uniform_number_of_zero_accepts_any_try,
    reads_do_not_show,
    overflows_do_not_show,
);

on_every_backend!(
    @ wgpu_batches:
    matches_the_reference,
    only_members_of_a_ladder_take_part,
    reads_do_not_show,
    overflows_do_not_show
);

const MIXINGS: [Mixing; 2] = [Mixing::Neighbors, Mixing::AllPairs];

/// `n` uniform numbers in (0, 1).
pub(crate) fn uniforms(seed: u64, n: usize) -> Vec<f64> {
    let draws = (0..n as u64).map(|k| uniform4(seed, Stream::Model, 3, k, 0)[0]);
    draws.collect()
}

/// The model and `n` structures of two beads at a distance r, with the energy k r² and k = 2
/// kcal/mol/Å².
pub(crate) fn springs(n: usize) -> (Model, Vec<Structure>) {
    let spring = Prior {
        name: "spring".into(),
        form: PriorForm::HarmonicBond,
        parameters: PriorParameters::PerTuple { values: vec![2.0, 0.0, 0.0] },
    };
    let list = TupleList { name: "spring".into(), order: 2, tuples: vec![[0, 1, 0, 0]] };
    let topology = Topology { types: vec![1, 1], masses: vec![0.25, 0.5], lists: vec![list] };
    let topology = Arc::new(topology);
    let structure = |r: usize| Structure {
        topology: Arc::clone(&topology),
        positions: vec![[0.0; 3], [0.5 + 0.25 * (r % 7) as f64, 0.0, 0.125]],
        velocities: None,
    };
    (Model { schnet: None, priors: vec![spring] }, (0..n).map(structure).collect())
}

/// The system of [`springs`], dynamics with these ladders, and a state with random velocities.
pub(crate) fn start(n: usize, exchange: Exchange) -> (System, Dynamics, State) {
    let (model, structures) = springs(n);
    let system = System::new(&model, &structures).unwrap();
    let dynamics = Dynamics { exchange: Some(exchange), ..hot(n) };
    let positions = structures.iter().flat_map(|s| s.positions.clone()).collect();
    let velocities = points(3, 2 * n, 5.0);
    let state = State { velocities, ..State::at_rest(&system, positions) };
    (system, dynamics.clone(), dynamics.at_start(state))
}

/// The inverse temperatures of a ladder of `n` states.
fn ladder(n: usize) -> Vec<f64> {
    geometric(280.0, 280.0 + 12.0 * n as f64, n).unwrap()
}

/// Asserts that two states agree: labels and counts exactly, vectors within the tolerance.
pub(crate) fn assert_same(what: &str, found: &State, expected: &State) {
    assert_eq!(found.exchanged, expected.exchanged, "{what}");
    assert_close(&format!("{what}: beta"), &found.beta, &expected.beta, 1e-6);
    for (name, found, expected) in [
        ("velocities", &found.velocities, &expected.velocities),
        ("positions", &found.positions, &expected.positions),
    ] {
        let what = format!("{what}: {name}");
        assert_close(&what, found.as_flattened(), expected.as_flattened(), 1e-6);
    }
}

fn matches_the_reference(backend: &Backend) {
    for (mixing, states) in MIXINGS.into_iter().flat_map(|m| [1, 2, 3, 7, 64].map(|n| (m, n))) {
        let copies = if states > 7 { 2 } else { 3 };
        let n = states * copies;
        let (system, dynamics, mut state) =
            start(n, Exchange::copies(mixing, &ladder(states), copies));
        let mut moved = 0;
        for number in 0..4 {
            let what = format!("{mixing:?}, {states} states, exchange {number}");
            let energies: Vec<f64> =
                numbers(number + 70, n, 40.0).iter().map(|x| x * 1.1 - 600.0).collect();
            let tries = match mixing {
                Mixing::Neighbors => (states - usize::from(states > 2 && number % 2 == 1)) / 2,
                Mixing::AllPairs if states == 1 => 0,
                Mixing::AllPairs => states * states,
            };
            let uniforms = uniforms(number, copies * tries);
            let step = |ops: &dyn Ops| {
                ops.exchange(&system, &dynamics, &energies, &uniforms, &state).unwrap()
            };
            let (found, expected) = (step(&*backend.ops), step(&ReferenceOps));
            assert_same(&what, &found, &expected);
            assert_eq!(expected.exchanged.tally.iter().sum::<u32>() as usize, {
                let before = state.exchanged.tally.iter().sum::<u32>() as usize;
                before + copies * tries
            });
            moved += usize::from(expected.exchanged.label != state.exchanged.label);
            state = expected;
        }
        assert!(states == 1 || moved > 0, "{mixing:?}, {states} states: no exchange");
        let reached = state.exchanged.ends.iter().any(|ends| *ends > 1);
        assert!(!(2..=3).contains(&states) || reached, "{mixing:?}: no end was reached");
    }
}

/// The threshold of ln u is met but for 1e-6 kcal/mol, at energies of thousands of kcal/mol.
fn near_the_threshold_it_decides_as_in_f64(backend: &Backend) {
    const LADDERS: usize = 300;
    let (gaps, levels) = (uniforms(1, LADDERS), numbers(2, LADDERS, 9000.0));
    let (mut energies, mut given, mut expected) = (Vec::new(), Vec::new(), Vec::new());
    let mut ladders = Vec::new();
    for (l, (gap, level)) in gaps.iter().zip(&levels).enumerate() {
        let beta = vec![1.1 + gap, 1.1 + gap - 0.005 - 0.5 * gap * gap];
        // Between −15 and 0.
        let gain = -15.0 * (gap * 97.0).fract().max(1e-3);
        let apart = gain / (beta[0] - beta[1]);
        let closer = l % 2 == 0;
        let uniform = gain.exp();
        // A double has an error of 2e-12 kcal/mol here, far below 1e-6.
        let cold = level + apart + if closer { 1e-6 } else { -1e-6 };
        energies.extend([cold, *level]);
        let by_f64 = uniform.ln() < (beta[0] - beta[1]) * (cold - level);
        assert_eq!(by_f64, closer, "the test's own numbers");
        given.push(uniform);
        expected.extend(if closer { [1, 0] } else { [0, 1] });
        ladders.push(Ladder { beta, walkers: vec![2 * l, 2 * l + 1] });
    }
    let exchange = Exchange { every: 1, mixing: Mixing::Neighbors, ladders };
    let (system, dynamics, state) = start(2 * LADDERS, exchange);
    let found = backend.ops.exchange(&system, &dynamics, &energies, &given, &state).unwrap();
    let wrong: Vec<usize> =
        (0..expected.len()).filter(|r| found.exchanged.label[*r] != expected[*r]).collect();
    assert!(wrong.is_empty(), "walkers {wrong:?}");
}

/// An engine draws from the stream of exchanges: at fixed positions its labels are those of the
/// reference.
fn draws_the_numbers_of_the_reference(backend: &Backend) {
    for mixing in MIXINGS {
        let (system, dynamics, mut state) = start(15, Exchange::copies(mixing, &ladder(5), 3));
        // The count passes 2³² on the way.
        state.exchanged.count = (1 << 32) - 6;
        let labels = |mut engine: Box<dyn Engine>| {
            (0..12).for_each(|_| engine.exchange().unwrap());
            let reading = engine.read(Wanted { trace: true, ..Wanted::default() }).unwrap();
            let end = engine.state().unwrap();
            assert_eq!(reading.trace.len(), 12);
            assert_eq!(reading.trace[11], end.exchanged.label);
            let again = engine.read(Wanted { trace: true, ..Wanted::default() }).unwrap();
            assert!(again.trace.is_empty());
            (reading.trace, end)
        };
        let mut truth = Reference::new(system.clone(), &dynamics).unwrap();
        truth.set_state(&state).unwrap();
        let (expected, end) = labels(Box::new(truth));
        let (found, state) = labels(backend.moving(system, &dynamics, &state));
        assert_eq!(found, expected, "{mixing:?}");
        assert_eq!(state.exchanged.count, (1 << 32) + 6);
        assert_same(&format!("{mixing:?}"), &state, &end);
        let moves = expected.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(moves > 5, "{mixing:?}: labels moved {moves} times");
    }
}

fn only_members_of_a_ladder_take_part(backend: &Backend) {
    let ladders = vec![
        Ladder { beta: vec![1.5, 1.0], walkers: vec![4, 1] },
        Ladder { beta: vec![1.2], walkers: vec![3] },
    ];
    let exchange = Exchange { every: 1, mixing: Mixing::Neighbors, ladders };
    let (system, dynamics, mut state) = start(5, exchange);
    state.beta[0] = 0.5;
    // The cold walker has the higher energy: the states are exchanged.
    let energies = [9.0, -5.0, 8.0, 7.0, 6.0];
    let end = backend.ops.exchange(&system, &dynamics, &energies, &[0.999], &state).unwrap();
    assert_eq!(end.exchanged.label, [NO_LABEL, 0, NO_LABEL, 0, 1]);
    assert_close("beta", &end.beta, &[0.5, 1.5, 1.0, 1.2, 1.0], 1e-6);
    assert_eq!(end.exchanged.tally, [0, 1, 0, 0, 0]);
    for r in [0, 2, 3] {
        let beads = system.beads(r);
        let as_f32 =
            |v: &[[f64; 3]]| v.as_flattened().iter().map(|x| *x as f32).collect::<Vec<_>>();
        let [found, expected] = [&end, &state].map(|s| as_f32(&s.velocities[beads.clone()]));
        assert_eq!(found, expected, "replica {r}");
    }
    // From 1.5 to 1.0 mol/kcal, the velocities grow by √1.5: the reverse of the peers' factor.
    let [found, start] = [&end, &state].map(|s| s.velocities[system.beads(4).start][0]);
    assert!((found / start - 1.5f64.sqrt()).abs() < 1e-5, "{found} from {start}");
}

fn overdamped_velocities_stay(backend: &Backend) {
    let (system, dynamics, state) = start(2, Exchange::copies(Mixing::Neighbors, &[1.5, 1.0], 1));
    let integrator = Integrator::Overdamped { friction: 1.0 };
    let dynamics = Dynamics { integrator, ..dynamics };
    let end = backend.ops.exchange(&system, &dynamics, &[5.0, 0.0], &[0.9], &state).unwrap();
    assert_eq!(end.exchanged.label, [1, 0]);
    let [found, expected] = [&end, &state].map(|s| s.velocities.as_flattened());
    assert_close("velocities", found, expected, 1e-7);
}

fn energies_that_are_not_finite_exchange_nothing(backend: &Backend) {
    let (system, dynamics, state) = start(2, Exchange::copies(Mixing::Neighbors, &[1.5, 1.0], 1));
    for broken in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for energies in [[broken, 0.0], [0.0, broken]] {
            let end = backend.ops.exchange(&system, &dynamics, &energies, &[0.5], &state).unwrap();
            assert_eq!(end.exchanged.label, [0, 1], "{energies:?}");
            assert_eq!(end.exchanged.tally, [0, 0, 1, 0], "{energies:?}");
        }
    }
}

/// ln 0 is below any threshold.
fn a_uniform_number_of_zero_accepts_any_try(backend: &Backend) {
    let (system, dynamics, state) = start(2, Exchange::copies(Mixing::Neighbors, &[1.5, 1.0], 1));
    for cold in [-1e9, -1e3, 1e3] {
        let end = backend.ops.exchange(&system, &dynamics, &[cold, 0.0], &[0.0], &state).unwrap();
        assert_eq!(end.exchanged.label, [1, 0], "{cold}");
    }
}

/// Exchanges and steps have the same bits whether energies and states are read in between or not.
fn reads_do_not_show(backend: &Backend) {
    let (system, state) = chains(9, 4);
    let exchange = Exchange::copies(Mixing::AllPairs, &[0.6, 0.55, 0.5, 0.45], 1);
    let dynamics = Dynamics { exchange: Some(exchange), ..hot(4) };
    let state = dynamics.at_start(state);
    let run = |reads: bool| {
        let mut engine = backend.moving(system.clone(), &dynamics, &state);
        engine.exchange().unwrap();
        for k in 0..10 {
            engine.advance(3 + k).unwrap();
            if reads {
                engine.potential().unwrap();
            }
            engine.exchange().unwrap();
            if reads && k % 2 == 0 {
                let state = engine.state().unwrap();
                engine = backend.moving(system.clone(), &dynamics, &state);
            }
        }
        engine.state().unwrap()
    };
    let (alone, read) = (run(false), run(true));
    assert_eq!(alone, read);
    assert_eq!(alone.exchanged.count, 11);
    assert!(alone.exchanged.tally.iter().any(|count| *count > 0));
}

/// Two walkers whose beads fly toward one point without other forces. They start with fewer edges
/// than the neighbor list has room for, and the list overflows within 48 steps.
pub(crate) fn imploding() -> (System, Dynamics, State) {
    let n = 30;
    let topology = Topology { types: vec![1; n], masses: vec![1.0; n], lists: Vec::new() };
    let topology = Arc::new(topology);
    let away = |x: &[f64; 3]| {
        let size = x.iter().map(|x| x * x).sum::<f64>().sqrt();
        x.map(|x| f64::from((11.0 * x / size) as f32))
    };
    let structure = |r: u64| Structure {
        topology: Arc::clone(&topology),
        positions: points(3 + r, n, 1.0).iter().map(away).collect(),
        velocities: None,
    };
    let structures = [structure(0), structure(1)];
    let model = Model { schnet: Some(small_schnet()), priors: Vec::new() };
    let system = System::new(&model, &structures).unwrap();
    let positions: Vec<_> = structures.iter().flat_map(|s| s.positions.clone()).collect();
    let velocities = positions.iter().map(|x| x.map(|x| -2.25 * x)).collect();
    let exchange = Some(Exchange::copies(Mixing::Neighbors, &[1.1, 1.0], 1));
    let integrator = Integrator::Langevin { friction: 0.01 };
    let dynamics = Dynamics { integrator, exchange, ..hot(2) };
    let state = State { velocities, ..State::at_rest(&system, positions) };
    let state = dynamics.at_start(state);
    (system, dynamics, state)
}

/// A list that overflows makes a device repeat steps and exchanges, with the same result.
fn overflows_do_not_show(backend: &Backend) {
    let (system, dynamics, state) = imploding();
    let run = |reads: bool| {
        let mut engine = backend.moving(system.clone(), &dynamics, &state);
        for _ in 0..8 {
            engine.advance(6).unwrap();
            engine.exchange().unwrap();
            if reads {
                engine.settle().unwrap();
            }
        }
        let edges = engine.probe().n_edges().unwrap();
        // The room at first.
        assert!(edges.iter().max() > Some(&174), "{edges:?}");
        engine.state().unwrap()
    };
    let (alone, read) = (run(false), run(true));
    assert_eq!(alone, read);
    assert!(alone.exchanged.tally[1] > 0, "{:?}", alone.exchanged.tally);
}

/// Draws the positions of [`springs`] from exp(−β k r²).
fn draw_positions(system: &System, round: u64, state: &mut State) {
    for (r, beta) in state.beta.iter().enumerate() {
        // k r² = ½ x²/(β σ²)
        let sigma = (1.0 / (4.0 * beta)).sqrt();
        let x = normal3(5, Stream::Model, r as u32, round, 0);
        state.positions[system.beads(r).end - 1] = x.map(|x| sigma * x);
    }
}

/// Exchanges keep the distribution of each state: the mean of k r² stays 3/2 kT, with the variance
/// 3/2 (kT)², and that of the kinetic energy of two beads stays 3 kT, with the variance 3 (kT)².
/// The inverse factor of the velocities would shift the latter by tens of percent.
#[test]
fn both_mixings_keep_the_distributions() {
    const ROUNDS: u64 = 20;
    let (beta, copies) = ([2.0, 1.5, 1.1, 0.8], 250);
    for mixing in MIXINGS {
        let exchange = Exchange::copies(mixing, &beta, copies);
        let (system, dynamics, mut state) = start(beta.len() * copies, exchange);
        let mut engine = common::cpu().moving(system.clone(), &dynamics, &state);
        let masses = system.masses();
        let mut sums = [[0.0; 2]; 4];
        for round in 0..ROUNDS {
            draw_positions(&system, round, &mut state);
            for (r, beta) in state.beta.iter().enumerate() {
                for bead in system.beads(r) {
                    let thermal = (1.0 / (beta * masses[bead])).sqrt();
                    let xi = normal3(6, Stream::Model, bead as u32, round, 0);
                    state.velocities[bead] = xi.map(|xi| thermal * xi);
                }
            }
            engine.set_state(&state).unwrap();
            engine.exchange().unwrap();
            let potential = engine.potential().unwrap();
            state = engine.state().unwrap();
            for (r, label) in state.exchanged.label.iter().enumerate() {
                let square = |v: [f64; 3]| v.iter().map(|v| v * v).sum::<f64>();
                let kinetic = |bead: usize| 0.5 * masses[bead] * square(state.velocities[bead]);
                let sums = &mut sums[*label as usize];
                sums[0] += potential[r];
                sums[1] += system.beads(r).map(kinetic).sum::<f64>();
            }
        }
        let samples = copies as f64 * ROUNDS as f64;
        for (k, sums) in sums.iter().enumerate() {
            for (sum, shape) in sums.iter().zip([1.5, 3.0]) {
                let (found, expected) = (sum / samples, shape / beta[k]);
                let sigma = shape.sqrt() / beta[k] / samples.sqrt();
                let apart = (found - expected).abs() / sigma;
                assert!(apart < 4.0, "{mixing:?}, state {k}: {found}, not {expected} ± {sigma}");
            }
        }
        let tally = &state.exchanged.tally;
        let accepted: u32 = (0..copies).map(|l| tally[16 * l + 1]).sum();
        assert!(accepted > 1000, "{mixing:?}: {accepted}");
    }
}

/// The energy k r² of a spring in three dimensions has the distribution Gamma(3/2, β). A try is
/// accepted with the probability 2 P(U_cold > U_hot), which has a closed form.
#[test]
fn springs_exchange_with_the_known_probability() {
    const LADDERS: usize = 500;
    const ROUNDS: u64 = 20;
    let beta = [2.0, 1.1];
    let (system, dynamics, mut state) =
        start(2 * LADDERS, Exchange::copies(Mixing::Neighbors, &beta, LADDERS));
    let backend = common::cpu();
    let mut engine = backend.moving(system.clone(), &dynamics, &state);
    for round in 0..ROUNDS {
        draw_positions(&system, round, &mut state);
        engine.set_state(&state).unwrap();
        engine.exchange().unwrap();
        state = engine.state().unwrap();
    }
    let exchange = dynamics.exchange.as_ref().unwrap();
    let tallies = (0..LADDERS).map(|l| exchange.tally(&state.exchanged, l));
    let accepted = tallies.map(|tally| tally[1]).sum::<u32>();
    let tries = f64::from(state.exchanged.tally.iter().sum::<u32>());
    assert_eq!(tries, (LADDERS as u64 * ROUNDS) as f64);
    // β_c U_c/(β_c U_c + β_h U_h) has the distribution Beta(3/2, 3/2).
    let angle = (2.0 * beta[0] / (beta[0] + beta[1]) - 1.0).acos();
    let expected = 2.0 * (angle - angle.sin() * angle.cos()) / std::f64::consts::PI;
    let found = f64::from(accepted) / tries;
    let sigma = (expected * (1.0 - expected) / tries).sqrt();
    assert!((found - expected).abs() < 3.0 * sigma, "{found}, not {expected} ± {sigma}");
}

#[test]
fn wrong_ladders_are_refused() {
    let (system, dynamics, state) = start(4, Exchange::copies(Mixing::Neighbors, &[1.5, 1.0], 2));
    let refuse = |dynamics: &Dynamics, state: &State, expected: &str| {
        let engine = Reference::new(system.clone(), dynamics);
        let error = engine.and_then(|mut engine| engine.set_state(state)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    for integrator in [Integrator::Nve, Integrator::OverdampedPublished { friction: 1.0 }] {
        let dynamics = Dynamics { integrator, ..dynamics.clone() };
        refuse(&dynamics, &state, "for replica exchange");
    }
    let with = |ladders: Vec<Ladder>| {
        let exchange = Some(Exchange { every: 1, mixing: Mixing::Neighbors, ladders });
        Dynamics { exchange, ..dynamics.clone() }
    };
    let ladder =
        |beta: &[f64], walkers: &[usize]| Ladder { beta: beta.to_vec(), walkers: walkers.to_vec() };
    for (ladders, expected) in [
        (vec![], "ladders: found none"),
        (vec![ladder(&[], &[])], "ladders[0].beta: found 0"),
        (vec![ladder(&[1.0; 257], &[0; 257])], "ladders[0].beta: found 257"),
        (vec![ladder(&[1.0, -1.0], &[0, 1])], "ladders[0].beta: found -1"),
        (vec![ladder(&[1.0, f64::NAN], &[0, 1])], "ladders[0].beta: found NaN"),
        (vec![ladder(&[1.0], &[0, 1])], "ladders[0].walkers: found 2"),
        (vec![ladder(&[1.0], &[0]), ladder(&[1.0], &[0])], "ladders[1].walkers: found 0"),
        (vec![ladder(&[1.0], &[4])], "ladders[0].walkers: found 4"),
    ] {
        refuse(&with(ladders), &state, expected);
    }
    let mut twice = state.clone();
    twice.exchanged.label[2] = 0;
    refuse(&dynamics, &twice, "label[2]: found 0");
    let mut hotter = state.clone();
    hotter.beta[1] = 1.4;
    refuse(&dynamics, &hotter, "beta[1]: found 1.4");
    refuse(&dynamics, &State { exchanged: Default::default(), ..state.clone() }, "label");
    refuse(&Dynamics { exchange: None, ..dynamics.clone() }, &state, "without exchange");
    let alone = Dynamics { exchange: None, ..dynamics.clone() };
    let error = Reference::new(system.clone(), &alone).unwrap().exchange().unwrap_err();
    assert!(error.to_string().contains("dynamics with ladders"), "{error}");

    for backend in [common::reference(), common::cpu(), common::wgpu_portable()] {
        let mut engine = backend.moving(system.clone(), &dynamics, &state);
        for (energies, uniforms, expected) in [
            (&[0.0; 3][..], &[0.5; 2][..], "energies: found 3"),
            (&[0.0; 4], &[0.5; 3], "uniforms: found 3"),
            (&[0.0; 4], &[0.5, -0.1], "uniforms: found -0.1"),
            (&[0.0; 4], &[0.5, 1.0], "uniforms: found 1"),
        ] {
            let error = engine.probe().exchange_with(energies, uniforms).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
    for (lowest, highest, states) in
        [(300.0, 400.0, 0), (0.0, 400.0, 3), (1e-300, 1e300, 3), (300.0, 400.0, usize::MAX)]
    {
        assert!(matches!(geometric(lowest, highest, states), Err(Error::Invalid { .. })));
    }
    let ratio = geometric(300.0, 400.0, 3).unwrap();
    assert_close(
        "beta",
        &ratio,
        &[units::beta(300.0), units::beta(120_000f64.sqrt()), units::beta(400.0)],
        1e-12,
    );
}

/// One ladder of three springs, with an exchange every 5 steps.
fn simulation(kind: BackendKind) -> Simulation {
    let (model, structures) = springs(1);
    let exchange =
        Some(Exchange { every: 5, ..Exchange::copies(Mixing::Neighbors, &ladder(3), 1) });
    let settings = Settings { n_replicas: 3, exchange, ..Settings::default() };
    let backend = match kind {
        BackendKind::Wgpu => {
            Opened::from_device(common::device(flashschnet::gpu::FeatureSet::Portable))
        }
        _ => Opened::open(kind, None).unwrap(),
    };
    Simulation::new(&model, &structures, &settings, &backend).unwrap()
}

/// The records of an observer: the labels of frames, and those after exchanges.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    /// Whether it lets a device compute ahead.
    passive: bool,
    /// The number of calls of `progress` after which it stops the run, if it does.
    stop: Option<u32>,
    frames: Vec<(u64, Vec<u32>)>,
    exchanges: Vec<(u64, Vec<u32>)>,
}

impl flashschnet::simulation::Observer for Seen {
    fn frame(
        &mut self,
        frame: &flashschnet::simulation::Frame,
        _: &mut flashschnet::simulation::Control,
    ) -> flashschnet::Result<()> {
        // All earlier exchanges were announced.
        assert_eq!(self.exchanges.len() as u64, (frame.step - 1) / 5);
        self.frames.push((frame.step, frame.label.to_vec()));
        Ok(())
    }

    fn is_passive(&self) -> bool {
        self.passive
    }

    fn exchanged(&mut self, step: u64, label: &[u32]) -> flashschnet::Result<()> {
        self.exchanges.push((step, label.to_vec()));
        Ok(())
    }

    fn progress(
        &mut self,
        _: u64,
        control: &mut flashschnet::simulation::Control,
    ) -> flashschnet::Result<()> {
        if let Some(left) = &mut self.stop {
            *left = left.saturating_sub(1);
            if *left == 0 {
                control.stop();
            }
        }
        Ok(())
    }
}

/// An exchange follows the frame of its step, and every exchange is announced, however the run is
/// cut.
#[test]
fn exchanges_follow_frames() {
    for kind in [BackendKind::Cpu, BackendKind::Wgpu] {
        let run = |cuts: &[u64]| {
            let (mut simulation, mut seen) = (simulation(kind), Seen::default());
            for cut in cuts {
                simulation.run_with(*cut, 10, &mut seen).unwrap();
            }
            (seen, simulation.state().unwrap())
        };
        let (seen, end) = run(&[200]);
        assert_eq!(seen.frames.len(), 20);
        assert_eq!(seen.exchanges.len(), 40);
        let steps = |of: &[(u64, Vec<u32>)]| of.iter().map(|(step, _)| *step).collect::<Vec<_>>();
        assert_eq!(steps(&seen.exchanges), (1..=40).map(|k| 5 * k).collect::<Vec<_>>());
        for (step, label) in &seen.frames {
            // The frame of step s has the labels after the exchange of step s − 5.
            let before = &seen.exchanges[*step as usize / 5 - 2];
            assert_eq!((before.0, &before.1), (step - 5, label));
        }
        assert_eq!(seen.exchanges[39].1, end.exchanged.label);
        assert_eq!(end.exchanged.count, 40);
        assert!(end.exchanged.round_trips().iter().any(|trips| *trips > 0), "{end:?}");
        assert_eq!((seen, end), run(&[3, 1, 1, 5, 10, 7, 173]), "{kind:?}");
    }
}

/// A device that computes ahead shows the same frames and exchanges, also if the run is stopped at
/// any moment and goes on.
#[test]
fn computing_ahead_does_not_show() {
    for kind in [BackendKind::Cpu, BackendKind::Wgpu] {
        let run = |passive: bool, stops: &[u32]| {
            let (mut simulation, mut seen) = (simulation(kind), Seen::default());
            seen.passive = passive;
            for stop in stops {
                seen.stop = Some(*stop);
                simulation.run_with(1500 - simulation.step(), 10, &mut seen).unwrap();
                let last = seen.frames.last().map_or(0, |frame| frame.0);
                assert_eq!(last, simulation.step() / 10 * 10, "a frame was lost");
                assert_eq!(simulation.step(), simulation.state().unwrap().step);
            }
            seen.stop = None;
            simulation.run_with(1500 - simulation.step(), 10, &mut seen).unwrap();
            (seen.frames, seen.exchanges, simulation.state().unwrap())
        };
        let expected = run(false, &[]);
        assert_eq!((expected.0.len(), expected.1.len()), (150, 300));
        assert_eq!(run(true, &[]), expected, "{kind:?}");
        assert_eq!(run(true, &[1, 2, 30, 3, 17, 1]), expected, "{kind:?}");
    }
}

/// More exchanges between two frames than an engine keeps: all are announced.
#[test]
fn long_traces_are_whole() {
    for (kind, passive) in [(BackendKind::Cpu, false), (BackendKind::Wgpu, true)] {
        let (mut simulation, mut seen) = (simulation(kind), Seen { passive, ..Seen::default() });
        let steps = 5 * (3 * TRACE as u64 + 7);
        simulation.run_with(steps, 1 << 40, &mut seen).unwrap();
        check_trace(&mut simulation, &seen);
    }
}

fn check_trace(simulation: &mut Simulation, seen: &Seen) {
    assert_eq!(seen.exchanges.len(), 3 * TRACE + 7);
    let state = simulation.state().unwrap();
    assert_eq!(state.exchanged.count as usize, seen.exchanges.len());
    // Round trips counted from the trace are those of the state.
    for r in 0..3 {
        let mut ends = u32::from(r == 0);
        for (_, label) in &seen.exchanges {
            ends += u32::from(label[r] == if ends % 2 == 0 { 0 } else { 2 });
        }
        assert_eq!(ends, state.exchanged.ends[r]);
    }
}
