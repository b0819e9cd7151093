//! Multiple time steps: the network acts in the first and the last half kick of K steps.

use flashschnet::engine::{
    Dynamics, Engine, Evaluation, Exchange, Integrator, Mixing, Reading, Reason, State, Terms,
    Wanted, Watch,
};
use flashschnet::system::System;

use crate::common::{self, Backend, ENGINE, assert_close, chains, hot, points};
use crate::exchange::imploding;

on_every_backend!(
    given_noise_gives_the_steps_of_the_reference,
    a_short_run_matches_the_reference,
    reads_and_restarts_do_not_show,
    a_replica_alone_moves_as_among_others,
    overflows_and_exchanges_do_not_show,
    requested_readings_are_those_of_their_steps,
    a_blow_up_freezes_at_its_step,
    other_numbers_of_steps_are_refused,
);

on_every_backend!(
    @ reference:
    reads_and_restarts_do_not_show,
    a_replica_alone_moves_as_among_others,
    other_numbers_of_steps_are_refused
);

const INTEGRATORS: [Integrator; 2] = [Integrator::Langevin { friction: 5.0 }, Integrator::Nve];

fn forces(engine: &mut dyn Engine, positions: &[[f64; 3]], network: bool) -> Vec<[f64; 3]> {
    engine.set_positions(positions).unwrap();
    let [total, slow] = [Terms::Total, Terms::Network].map(|terms| engine.evaluate(terms).unwrap());
    if network {
        return slow.forces;
    }
    let fast = |(all, slow): (&[f64; 3], &[f64; 3])| std::array::from_fn(|c| all[c] - slow[c]);
    total.forces.iter().zip(&slow.forces).map(fast).collect()
}

/// An outer step by its definition: half a kick of the slow forces for all K steps, K BAOAB steps of
/// the fast forces, and half a kick of the slow forces.
fn outer_step(
    engine: &mut dyn Engine,
    (system, dynamics): (&System, &Dynamics),
    noise: &[[f64; 3]],
    state: &mut State,
) {
    let Dynamics { dt, mts, integrator, .. } = *dynamics;
    let (masses, n) = (system.masses(), system.n_beads());
    let friction = integrator.friction().unwrap_or(0.0);
    let keep = (-friction * dt).exp();
    let mut kick = |state: &mut State, network: bool, time: f64| {
        let forces = forces(engine, &state.positions, network);
        for ((v, force), mass) in state.velocities.iter_mut().zip(forces).zip(&masses) {
            *v = std::array::from_fn(|c| v[c] + 0.5 * time * force[c] / mass);
        }
    };
    let drift = |state: &mut State| {
        for (x, v) in state.positions.iter_mut().zip(&state.velocities) {
            *x = std::array::from_fn(|c| x[c] + 0.5 * dt * v[c]);
        }
    };
    kick(state, true, f64::from(mts) * dt);
    for noise in noise.chunks(n) {
        kick(state, false, dt);
        drift(state);
        for r in 0..system.n_replicas() {
            for i in system.beads(r) {
                let spread = ((1.0 - keep * keep) / (state.beta[r] * masses[i])).sqrt();
                let v = state.velocities[i];
                state.velocities[i] = std::array::from_fn(|c| keep * v[c] + spread * noise[i][c]);
            }
        }
        drift(state);
        kick(state, false, dt);
    }
    kick(state, true, f64::from(mts) * dt);
}

#[test]
fn the_reference_follows_the_definition() {
    let (system, start) = chains(11, 2);
    let reference = common::reference();
    for (integrator, mts) in INTEGRATORS.into_iter().flat_map(|i| [(i, 1), (i, 2), (i, 3)]) {
        let dynamics = Dynamics { integrator, mts, ..hot(2) };
        let mut engine = reference.moving(system.clone(), &dynamics, &start);
        let mut still = reference.still(system.clone());
        let mut expected = start.clone();
        for k in 0..4 {
            let noise = points(k, 22 * mts as usize, 1.5);
            engine.probe().advance_with_noise(&noise).unwrap();
            outer_step(&mut *still, (&system, &dynamics), &noise, &mut expected);
        }
        let found = engine.state().unwrap();
        assert_eq!(found.step, 4 * u64::from(mts));
        for (what, found, expected) in [
            ("positions", &found.positions, &expected.positions),
            ("velocities", &found.velocities, &expected.velocities),
        ] {
            let what = format!("{integrator:?}, mts {mts}: {what}");
            assert_close(&what, found.as_flattened(), expected.as_flattened(), 1e-11);
        }
    }
}

fn close(what: &str, found: &State, expected: &State) {
    assert_eq!(found.step, expected.step, "{what}");
    for (part, found, expected) in [
        ("positions", &found.positions, &expected.positions),
        ("velocities", &found.velocities, &expected.velocities),
    ] {
        let what = format!("{what}: {part}");
        assert_close(&what, found.as_flattened(), expected.as_flattened(), ENGINE);
    }
}

fn given_noise_gives_the_steps_of_the_reference(backend: &Backend) {
    let (system, state) = chains(11, 3);
    for (integrator, mts) in INTEGRATORS.into_iter().flat_map(|i| [(i, 2), (i, 3)]) {
        let dynamics = Dynamics { integrator, dt: 0.002, mts, ..hot(3) };
        let [found, expected] = [backend, &common::reference()].map(|backend| {
            let mut engine = backend.moving(system.clone(), &dynamics, &state);
            (0..6).for_each(|k| {
                let noise = points(k, 33 * mts as usize, 1.5);
                engine.probe().advance_with_noise(&noise).unwrap();
            });
            engine.state().unwrap()
        });
        close(&format!("{integrator:?}, mts {mts}"), &found, &expected);
    }
}

/// External forces are fast.
fn a_short_run_matches_the_reference(backend: &Backend) {
    let (system, state) = chains(11, 3);
    let state = State { beta: vec![1.7, 1.0, 0.5], step: 12, ..state };
    let external = points(5, 33, 20.0);
    for (integrator, mts) in INTEGRATORS.into_iter().flat_map(|i| [(i, 2), (i, 4)]) {
        let dynamics = Dynamics { integrator, dt: 0.002, mts, ..hot(3) };
        let [found, expected] = [backend, &common::reference()].map(|backend| {
            let mut engine = backend.moving(system.clone(), &dynamics, &state);
            engine.set_external_forces(Some(&external)).unwrap();
            engine.advance(20).unwrap();
            engine.state().unwrap()
        });
        close(&format!("{integrator:?}, mts {mts}"), &found, &expected);
        let mut alone = backend.moving(system.clone(), &Dynamics { mts: 1, ..dynamics }, &state);
        alone.set_external_forces(Some(&external)).unwrap();
        alone.advance(20).unwrap();
        assert_ne!(alone.state().unwrap().positions, found.positions);
    }
}

/// The state at the end of steps that are cut into pieces. Between them `reads` reads everything and
/// goes on with a new engine.
fn pieces(
    backend: &Backend,
    (system, start): (&System, &State),
    dynamics: &Dynamics,
    pieces: &[u64],
    reads: bool,
) -> (State, Evaluation) {
    let mut engine = backend.moving(system.clone(), dynamics, start);
    for steps in pieces {
        engine.advance(*steps).unwrap();
        if reads {
            engine.evaluate(Terms::Prior(0)).unwrap();
            engine.energies(Terms::Total).unwrap();
            engine.evaluate(Terms::Network).unwrap();
            let state = engine.state().unwrap();
            engine = backend.moving(system.clone(), dynamics, &state);
        }
    }
    (engine.state().unwrap(), engine.evaluate(Terms::Total).unwrap())
}

fn reads_and_restarts_do_not_show(backend: &Backend) {
    let (system, start) = chains(14, 2);
    for (integrator, mts) in INTEGRATORS.into_iter().flat_map(|i| [(i, 2), (i, 3)]) {
        let dynamics = Dynamics { integrator, dt: 0.002, mts, ..hot(2) };
        let run = |cuts: &[u64], reads| pieces(backend, (&system, &start), &dynamics, cuts, reads);
        let straight = run(&[60], false);
        assert_eq!(run(&[6, 12, 0, 42], false), straight);
        assert_eq!(run(&[6, 6, 36, 12], true), straight);
    }
}

fn a_replica_alone_moves_as_among_others(backend: &Backend) {
    let (system, start) = chains(14, 3);
    let dynamics = Dynamics { mts: 2, ..hot(3) };
    let (all, _) = pieces(backend, (&system, &start), &dynamics, &[40], false);
    let beads = system.beads(1);
    let alone = State {
        positions: start.positions[beads.clone()].to_vec(),
        velocities: start.velocities[beads.clone()].to_vec(),
        origins: vec![start.origins[1]],
        beta: vec![start.beta[1]],
        ..State::default()
    };
    let dynamics = Dynamics { replica_ids: vec![1], ..dynamics };
    let (alone, _) = pieces(backend, (&system.select([1]), &alone), &dynamics, &[40], false);
    assert_eq!(alone.positions, all.positions[beads.clone()]);
    assert_eq!(alone.velocities, all.velocities[beads]);
}

/// A list that overflows makes a device repeat steps and exchanges, with the same result.
fn overflows_and_exchanges_do_not_show(backend: &Backend) {
    let (system, dynamics, start) = imploding();
    let dynamics = Dynamics { mts: 4, ..dynamics };
    let run = |reads: bool| {
        let mut engine = backend.moving(system.clone(), &dynamics, &start);
        for k in 0..25 {
            engine.advance(8).unwrap();
            engine.exchange().unwrap();
            if reads {
                engine.potential().unwrap();
            }
            if reads && k % 4 == 0 {
                let state = engine.state().unwrap();
                engine = backend.moving(system.clone(), &dynamics, &state);
            }
        }
        let edges = engine.probe().n_edges().unwrap();
        // The room at first.
        assert!(edges.iter().max() > Some(&174), "{edges:?}");
        engine.state().unwrap()
    };
    let (alone, read) = (run(false), run(true));
    assert_eq!(alone, read);
    assert_eq!((alone.exchanged.count, alone.step), (25, 200));
}

fn requested_readings_are_those_of_their_steps(backend: &Backend) {
    let (system, dynamics, start) = imploding();
    let dynamics = Dynamics { mts: 2, ..dynamics };
    let frame = Wanted { state: true, energies: Some(Terms::Total), forces: false, trace: true };
    let rounds = |asked: bool| -> Vec<Reading> {
        let mut engine = backend.moving(system.clone(), &dynamics, &start);
        let round = |k: u64| {
            engine.advance(4 + 2 * (k % 3)).unwrap();
            let wanted = Wanted { forces: k.is_multiple_of(3), ..frame };
            let read = (!asked).then(|| engine.read(wanted).unwrap());
            if asked {
                engine.request(wanted).unwrap();
            }
            engine.exchange().unwrap();
            engine.advance(2 * (k % 3)).unwrap();
            read.unwrap_or_else(|| engine.collect().unwrap())
        };
        (0..30).map(round).collect()
    };
    assert_eq!(rounds(false), rounds(true));
}

fn a_blow_up_freezes_at_its_step(backend: &Backend) {
    let (system, state) = chains(9, 3);
    // The second chain is pushed so hard that it exceeds a limit within an outer step.
    let mut push = vec![[0.0; 3]; 27];
    push[15] = [0.0, 1.2e4, 0.0];
    let watch = Watch { max_force: 1e4, ..Watch::OFF };
    let dynamics = Dynamics { mts: 3, watch, ..hot(3) };
    let run = |backend: &Backend, cuts: &[u64]| {
        let mut engine = backend.moving(system.clone(), &dynamics, &state);
        engine.advance(6).unwrap();
        engine.set_external_forces(Some(&push)).unwrap();
        cuts.iter().for_each(|steps| engine.advance(*steps).unwrap());
        let energies = engine.potential().unwrap();
        (engine.state().unwrap(), energies)
    };
    let (found, energies) = run(backend, &[12]);
    let frozen = found.frozen[&1];
    assert_eq!((frozen.step, frozen.bead, frozen.reason), (7, 6, Reason::Force));
    assert!(energies[1].is_nan() && energies[0].is_finite() && energies[2].is_finite());
    let (expected, _) = run(&common::reference(), &[12]);
    assert_eq!(found.frozen, expected.frozen);
    close("a blow-up", &found, &expected);
    assert_eq!(run(backend, &[3, 3, 6]).0, found);
}

fn other_numbers_of_steps_are_refused(backend: &Backend) {
    let (system, state) = chains(9, 2);
    let dynamics = Dynamics { mts: 4, ..hot(2) };
    let mut engine = backend.moving(system.clone(), &dynamics, &state);
    for (steps, nearest) in [(3, "4 is"), (1, "4 is"), (6, "4 and 8 are"), (13, "12 and 16 are")] {
        let error = engine.advance(steps).unwrap_err().to_string();
        assert!(error.contains(&format!("{nearest} the nearest")), "{error}");
    }
    assert_eq!(engine.state().unwrap(), state);
    assert!(engine.probe().advance_with_noise(&state.positions).is_err());
    let error = engine.set_state(&State { step: 6, ..state.clone() }).unwrap_err().to_string();
    assert!(error.contains("step: found 6"), "{error}");
    engine.advance(8).unwrap();
    assert_eq!(engine.settle().unwrap(), 8);
    let refuse = |dynamics: Dynamics, expected: &str| {
        let error = (backend.engine)(system.clone(), &dynamics).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    };
    refuse(Dynamics { mts: 0, ..dynamics.clone() }, "mts: found 0");
    for integrator in [
        Integrator::Overdamped { friction: 20.0 },
        Integrator::OverdampedPublished { friction: 20.0 },
    ] {
        refuse(Dynamics { integrator, ..dynamics.clone() }, "mts: found 4");
    }
    let ladders = Exchange::copies(Mixing::Neighbors, &[0.6, 0.5], 1);
    let exchange = Some(Exchange { every: 10, ..ladders });
    refuse(Dynamics { exchange, ..dynamics }, "8 and 12 are the nearest");
}

/// The state after `n_steps` steps of the reference without friction.
fn nve(start: &(System, State), dt: f64, mts: u32, n_steps: u64) -> (State, f64) {
    let (system, state) = start;
    let dynamics = Dynamics { integrator: Integrator::Nve, dt, mts, watch: Watch::OFF, ..hot(1) };
    let mut engine = common::reference().moving(system.clone(), &dynamics, state);
    engine.advance(n_steps).unwrap();
    let state = engine.state().unwrap();
    let speeds = state.velocities.iter().zip(system.masses());
    let kinetic: f64 = speeds.map(|(v, m)| 0.5 * m * v.iter().map(|v| v * v).sum::<f64>()).sum();
    (state, kinetic + engine.potential().unwrap()[0])
}

/// A chain with velocities of about 300 K, after some time of its own.
fn moving_chain() -> (System, State) {
    let (system, state) = chains(11, 1);
    let mut engine = common::reference().moving(system.clone(), &hot(1), &state);
    engine.advance(500).unwrap();
    let state = State { step: 0, ..engine.state().unwrap() };
    (system, state)
}

#[test]
fn time_can_be_reversed() {
    let start = moving_chain();
    let (mut there, _) = nve(&start, 0.004, 3, 300);
    there.velocities.as_flattened_mut().iter_mut().for_each(|v| *v = -*v);
    let (back, _) = nve(&(start.0, there), 0.004, 3, 300);
    let (found, expected) = (back.positions.as_flattened(), start.1.positions.as_flattened());
    assert_close("positions", found, expected, 1e-9);
}

/// The energy of an outer step is conserved to second order, and does not drift.
#[test]
fn the_energy_is_conserved_to_second_order() {
    let start = moving_chain();
    let (_, energy) = nve(&start, 0.001, 2, 0);
    let errors = |dt: f64| -> Vec<f64> {
        let steps_of = |time: f64| 2 * (time / (2.0 * dt)).round() as u64;
        let (mut at, mut errors) = (start.clone(), Vec::new());
        for _ in 0..150 {
            let (state, now) = nve(&at, dt, 2, steps_of(0.016));
            errors.push(now - energy);
            at.1 = State { step: 0, ..state };
        }
        errors
    };
    let size =
        |errors: &[f64]| (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt();
    let [coarse, fine] = [0.004, 0.002].map(errors);
    let order = (size(&coarse) / size(&fine)).log2();
    assert!((1.7..2.3).contains(&order), "order {order}");
    let mean = |errors: &[f64]| errors.iter().sum::<f64>() / errors.len() as f64;
    let drift = mean(&coarse[100..]) - mean(&coarse[..50]);
    assert!(drift.abs() < size(&coarse), "drift {drift}, errors {}", size(&coarse));
}
