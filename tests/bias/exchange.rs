//! Exchanges between states with different biases.

use flashschnet::engine::{Dynamics, Exchange, Ladder, Mixing, State};
use flashschnet::random::{Stream, uniform4};
use flashschnet::variable::Variable;

use super::{N, READING, harmonic};
use crate::common::{self, Backend, assert_close, chains, hot, numbers};
use crate::exchange::{imploding, start, uniforms};

with_tables!(overflows_do_not_show, exchanges_match_the_reference, exchanges_take_the_biases_along,);

on_every_backend!(@ reference: exchanges_take_the_biases_along);

without_network!(near_the_threshold_exchanges_decide_as_in_f64);

/// A list that overflows makes a device repeat steps and exchanges, with biases of the states.
fn overflows_do_not_show(backend: &Backend) {
    let (system, dynamics, start) = imploding();
    let radius = harmonic("rg", Variable::radius_of_gyration(), &[0.5], &[12.0, 13.0]);
    for mts in [1, 2] {
        let dynamics = Dynamics { mts, ..dynamics.clone() };
        let run = |reads: bool| {
            let mut engine = backend.moving(system.clone(), &dynamics, &start);
            engine.set_biases(std::slice::from_ref(&radius)).unwrap();
            for _ in 0..8 {
                engine.advance(6).unwrap();
                engine.exchange().unwrap();
                if reads {
                    engine.settle().unwrap();
                    engine.read(READING).unwrap();
                }
            }
            let edges = engine.probe().n_edges().unwrap();
            (engine.read(READING).unwrap(), edges)
        };
        let (alone, read) = (run(false), run(true));
        // The room at first.
        assert!(alone.1.iter().max() > Some(&174), "{:?}", alone.1);
        assert_eq!(alone, read);
    }
}

/// A ladder of `n` states for each molecule, all at one temperature or not.
fn ladders(n: usize, copies: usize, equal: bool, mixing: Mixing) -> Exchange {
    let beta: Vec<f64> = (0..n).map(|s| if equal { 0.5 } else { 0.6 - 0.02 * s as f64 }).collect();
    Exchange::copies(mixing, &beta, copies)
}

/// The same energies, uniform numbers and biases give the same labels as in f64.
fn exchanges_match_the_reference(backend: &Backend) {
    let centers: Vec<f64> = (0..5).map(|s| 3.6 + 0.15 * f64::from(s)).collect();
    let biases = [
        harmonic("ends", Variable::end_to_end(N), &[1.0, 1.5, 0.0, 2.0, 1.0], &centers),
        harmonic(
            "place",
            Variable::Position { beads: vec![0], reference: vec![[0.0; 3]] },
            &[0.5],
            &[1.0, 1.5, 2.0, 2.5, 3.0],
        ),
    ];
    for (mixing, equal) in [
        (Mixing::Neighbors, true),
        (Mixing::Neighbors, false),
        (Mixing::AllPairs, true),
        (Mixing::AllPairs, false),
    ] {
        let (system, start) = chains(N, 15);
        let exchange = ladders(5, 3, equal, mixing);
        let dynamics = Dynamics { exchange: Some(exchange), ..hot(15) };
        let start = dynamics.at_start(start);
        let mut engines = [backend, &common::reference()].map(|backend| {
            let mut engine = backend.moving(system.clone(), &dynamics, &start);
            engine.set_biases(&biases).unwrap();
            engine
        });
        for number in 0..8 {
            let draw = |r: u64| 5.0 * uniform4(number, Stream::Model, 5, r, 0)[0] - 600.0;
            let energies: Vec<f64> = (0..15).map(draw).collect();
            let tries = if mixing == Mixing::AllPairs { 25 } else { 2 };
            let uniforms = uniforms(number, 3 * tries);
            let states = engines.each_mut().map(|engine| {
                engine.probe().exchange_with(&energies, &uniforms).unwrap();
                engine.state().unwrap()
            });
            let what = format!("{mixing:?}, equal {equal}, exchange {number}");
            assert_eq!(states[0].exchanged, states[1].exchanged, "{what}");
        }
        let tally = engines[1].state().unwrap().exchanged.tally;
        let accepted: u32 = (0..3)
            .flat_map(|l| (0..4).map(move |a| (l, a)))
            .map(|(l, a)| tally[25 * l + 5 * a + a + 1])
            .sum();
        let all: u32 = tally.iter().sum();
        assert!(accepted > 5 && accepted + 5 < all, "{accepted} of {all}");
    }
}

/// The threshold of ln u is met but for 1e-5 kcal/mol, at energies of thousands of kcal/mol. The
/// energies of the biases are numbers that f32 holds.
fn near_the_threshold_exchanges_decide_as_in_f64(backend: &Backend) {
    const LADDERS: usize = 200;
    let (gaps, levels) = (uniforms(1, LADDERS), numbers(2, LADDERS, 9000.0));
    let bias = harmonic("ends", Variable::end_to_end(2), &[0.25, 0.5], &[1.0, 2.5]);
    let (mut energies, mut given, mut expected) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ladders, mut positions) = (Vec::new(), Vec::new());
    for (l, (gap, level)) in gaps.iter().zip(&levels).enumerate() {
        let second = if l % 3 == 0 { 1.1 + gap } else { 1.1 + gap - 0.005 - 0.5 * gap * gap };
        let beta = vec![1.1 + gap, second];
        let of_walker = [0.5 + 0.25 * (l % 8) as f64, 2.25 - 0.25 * (l % 5) as f64]
            .map(|distance| [[0.0; 3], [distance, 0.0, 0.0]]);
        let of =
            |walker: usize, state: usize| bias.value_and_energy(&of_walker[walker], state, 0)[1];
        let of_biases = beta[0] * (of(0, 0) - of(1, 0)) + beta[1] * (of(1, 1) - of(0, 1));
        let closer = l % 2 == 0;
        // With equal temperatures only the biases decide, and u makes the difference.
        let (cold, uniform) = if l % 3 == 0 {
            let shift: f64 = if closer { -1e-5 } else { 1e-5 };
            (level + 1.5, (of_biases + shift).exp())
        } else {
            let gain = -15.0 * (gap * 97.0).fract().max(1e-3);
            let apart = (gain - of_biases) / (beta[0] - beta[1]);
            let shift = 1e-5 / (beta[0] - beta[1]);
            (level + apart + if closer { shift } else { -shift }, gain.exp())
        };
        // An accepted try needs no number near 1.
        let is_certain = uniform >= 1.0;
        energies.extend([cold, *level]);
        given.push(if is_certain { 0.999 } else { uniform });
        expected.extend(if closer || is_certain { [1, 0] } else { [0, 1] });
        ladders.push(Ladder { beta, walkers: vec![2 * l, 2 * l + 1] });
        positions.extend(of_walker.as_flattened());
    }
    let exchange = Exchange { every: 1, mixing: Mixing::Neighbors, ladders };
    let (system, dynamics, state) = start(2 * LADDERS, exchange);
    let start = State { positions, ..state };
    for backend in [backend, &common::reference()] {
        let mut engine = backend.moving(system.clone(), &dynamics, &start);
        engine.set_biases(std::slice::from_ref(&bias)).unwrap();
        engine.probe().exchange_with(&energies, &given).unwrap();
        let label = engine.state().unwrap().exchanged.label;
        let wrong: Vec<usize> = (0..expected.len()).filter(|r| label[*r] != expected[*r]).collect();
        assert!(wrong.is_empty(), "walkers {wrong:?}");
    }
}

/// After an exchange the numbers are those of the new state, and without biases in the states the
/// rule is the plain one.
fn exchanges_take_the_biases_along(backend: &Backend) {
    let (system, start) = chains(N, 4);
    let exchange = ladders(4, 1, true, Mixing::AllPairs);
    let dynamics = Dynamics { exchange: Some(exchange), ..hot(4) };
    let start = dynamics.at_start(start);
    let centers = [3.0, 5.0, 7.0, 9.0];
    let ends = harmonic("ends", Variable::end_to_end(N), &[0.02], &centers);
    let run = |reads: bool| {
        let mut engine = backend.moving(system.clone(), &dynamics, &start);
        engine.set_biases(std::slice::from_ref(&ends)).unwrap();
        for _ in 0..10 {
            engine.advance(3).unwrap();
            engine.exchange().unwrap();
            if reads {
                let reading = engine.read(READING).unwrap();
                let state = reading.state.unwrap();
                for (r, label) in state.exchanged.label.iter().enumerate() {
                    let positions = &state.positions[system.beads(r)];
                    let expected = ends.value_and_energy(positions, *label as usize, 0);
                    assert_close("bias", &reading.biases[0][r], &expected, 1e-4);
                }
                engine = backend.moving(system.clone(), &dynamics, &state);
                engine.set_biases(std::slice::from_ref(&ends)).unwrap();
            }
        }
        engine.read(READING).unwrap()
    };
    let (alone, read) = (run(false), run(true));
    assert_eq!(alone, read);
    let exchanged = alone.state.unwrap().exchanged;
    assert!(exchanged.tally[1] > 0 && exchanged.label != [0, 1, 2, 3], "{exchanged:?}");
    let mut engine = backend.moving(system.clone(), &dynamics, &start);
    let error = engine.set_biases(&[harmonic("ends", Variable::end_to_end(N), &[1.0], &[1.0; 3])]);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("expected 1, or 4, one for each state of the ladder"), "{error}");
    let ladders = vec![Ladder { beta: vec![0.5; 3], walkers: vec![0, 1, 2] }];
    let exchange = Exchange { every: 1, mixing: Mixing::Neighbors, ladders };
    let dynamics = Dynamics { exchange: Some(exchange), ..hot(4) };
    let start = dynamics.at_start(State { exchanged: Default::default(), ..start.clone() });
    let mut engine = backend.moving(system.clone(), &dynamics, &start);
    let error = engine.set_biases(&[harmonic("ends", Variable::end_to_end(N), &[1.0; 3], &[1.0])]);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("some replicas are in no ladder"), "{error}");
    engine.set_biases(&[harmonic("ends", Variable::end_to_end(N), &[1.0], &[1.0])]).unwrap();
    engine.advance(2).unwrap();
    engine.exchange().unwrap();
    engine.settle().unwrap();
}
