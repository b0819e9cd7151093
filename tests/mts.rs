//! Multiple time steps: the network acts in the first and the last half kick of K steps.

use std::f64::consts::PI;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use flashschnet::Checkpoint;
use flashschnet::backend::BackendKind;
use flashschnet::bias::{Bias, BiasForm};
use flashschnet::diagnose::parity::Job;
use flashschnet::engine::{
    Dynamics, Engine, Evaluation, Exchange, Integrator, Mixing, Reading, Reason, State, Terms,
    Wanted, Watch,
};
use flashschnet::model::{Model, Prior, PriorForm, PriorParameters};
use flashschnet::simulation::{Control, Frame, Settings, Simulation, fastest_vibration};
use flashschnet::structure::{Structure, Topology, TupleList};
use flashschnet::system::System;
use flashschnet::variable::Variable;

use crate::common::program::{PROGRAM, small_files, stderr};
use crate::common::{self, Backend, ENGINE, assert_close, chains, hot, points};
use crate::exchange::imploding;

with_tables!(
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
        for k in 0..8 {
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
    assert_eq!((alone.exchanged.count, alone.step), (8, 64));
}

fn requested_readings_are_those_of_their_steps(backend: &Backend) {
    let (system, dynamics, start) = imploding();
    let dynamics = Dynamics { mts: 2, ..dynamics };
    let frame =
        Wanted { state: true, energies: Some(Terms::Total), trace: true, ..Wanted::default() };
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
        (0..9).map(round).collect()
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

/// A chain of `n` equal beads on a line, with harmonic bonds of force constant `k`.
fn straight(n: usize, k: f64, mass: f64) -> (Model, Structure) {
    let bonds = Prior {
        name: "bonds".into(),
        form: PriorForm::HarmonicBond,
        parameters: PriorParameters::PerTuple { values: [k, 3.8, 0.0].repeat(n - 1) },
    };
    let tuples = (1..n as u32).map(|j| [j - 1, j, 0, 0]).collect();
    let list = TupleList { name: "bonds".into(), order: 2, tuples };
    let topology = Topology { types: vec![1; n], masses: vec![mass; n], lists: vec![list] };
    let positions = (0..n).map(|i| [3.8 * i as f64, 0.0, 0.0]).collect();
    let structure = Structure { topology: Arc::new(topology), positions, velocities: None };
    (Model { schnet: None, priors: vec![bonds] }, structure)
}

fn fastest(model: &Model, structure: &Structure) -> f64 {
    let system = System::new(model, std::slice::from_ref(structure)).unwrap();
    fastest_vibration(&system.molecules()[0], &[], &structure.positions)
}

/// A chain of n equal beads, with bonds k (r − r0)² along a line, has the frequencies
/// 2 √(2k/m) sin(π j/2n), j from 0 to n − 1.
#[test]
fn the_fastest_vibration_of_a_straight_chain_is_known() {
    for n in [2, 5, 40] {
        let (model, structure) = straight(n, 100.0, 0.03);
        let found = fastest(&model, &structure);
        let angle = 0.5 * PI * (n - 1) as f64 / n as f64;
        let expected = 2.0 * (200.0f64 / 0.03).sqrt() * angle.sin();
        assert!((found / expected - 1.0).abs() < 1e-6, "{n} beads: {found} instead of {expected}");
    }
}

/// Bonds and angles together vibrate faster than the stiffest bond alone, and dihedrals add a little.
#[test]
fn the_reference_case_has_the_known_vibration() {
    let Some(folder) = std::env::var_os("FLASHSCHNET_REFERENCE").map(PathBuf::from) else {
        eprintln!("FLASHSCHNET_REFERENCE is not set: its fastest vibration is NOT tested");
        return;
    };
    let job = Job::of_case(&folder.join("enh269_expnormal.json")).unwrap();
    let of = |names: &[&str]| {
        let (mut model, mut structure) = (job.model.clone(), job.structures[0].clone());
        model.priors.retain(|prior| names.contains(&prior.name.as_str()));
        let topology = Arc::make_mut(&mut structure.topology);
        topology.lists.retain(|list| names.contains(&list.name.as_str()));
        fastest(&model, &structure).round()
    };
    assert_eq!(of(&["bonds", "angles"]), 293.0);
    assert_eq!(of(&["bonds", "angles", "dihedrals", "non_bonded"]), 297.0);
    let system = System::new(&job.model, &job.structures[..1]).unwrap();
    let molecule = &system.molecules()[0];
    let bonds = molecule.terms.iter().find(|term| term.name == "bonds").unwrap();
    let frequency = |t: usize| {
        let [i, j, ..] = bonds.tuples[t].map(|bead| molecule.masses[bead as usize]);
        (2.0 * bonds.parameters(t)[0] * (1.0 / i + 1.0 / j)).sqrt()
    };
    let stiffest = (0..bonds.tuples.len()).map(frequency).fold(0.0, f64::max);
    assert_eq!(stiffest.round(), 236.0, "{stiffest}");
}

/// Two beads whose bond vibrates with 120 rad/ps.
fn pair(settings: &Settings) -> flashschnet::Result<Simulation> {
    let (model, structure) = straight(2, 0.25 * 0.03 * 120.0 * 120.0, 0.03);
    let backend = flashschnet::Backend::open(BackendKind::Reference, None).unwrap();
    Simulation::new(&model, &[structure], settings, &backend)
}

#[test]
fn the_resonance_is_refused() {
    let refused = |mts, dt| {
        pair(&Settings { mts, dt, ..Settings::default() }).map(|_| ()).unwrap_err().to_string()
    };
    let allowed = |mts, dt| pair(&Settings { mts, dt, ..Settings::default() }).is_ok();
    // 2 asin(0.24) = 0.485 rad in a step of 0.004 ps: six steps are 2.91 rad, seven are 3.39 rad.
    assert!(allowed(6, 0.004));
    for mts in [7, 12, 1000] {
        let error = refused(mts, 0.004);
        assert!(error.contains("mts: found") && error.contains("at most 6"), "{error}");
        assert!(error.contains("120 rad/ps"), "{error}");
    }
    // Without the shift of the frequency, two steps of 0.0129 ps would be 3.096 rad, below π.
    assert!(allowed(2, 0.0115));
    assert!(refused(2, 0.0129).contains("at most 1"));
    // 2/120 ps = 0.01667 ps.
    let error = refused(2, 0.017);
    assert!(error.contains("dt: found 0.017") && error.contains("below 1.67e-2 ps"), "{error}");
    assert!(allowed(1, 0.017));
}

/// Restraints vibrate, too: on the distance of the pair as a second bond, and on each position as a bond
/// to a place.
#[test]
fn a_stiff_restraint_resonates() {
    let k = 0.25 * 0.03 * 120.0 * 120.0;
    let distance = Variable::end_to_end(2);
    let place = Variable::Position { beads: vec![0, 1], reference: vec![[0.0; 3]; 2] };
    let harmonic = BiasForm::Harmonic { k: vec![0.0, 3.0 * k], center: vec![1.0] };
    let flat = BiasForm::FlatBottom { k: vec![3.0 * k], lower: vec![0.0], upper: vec![9.0] };
    let moving = BiasForm::Moving { k: vec![3.0 * k], path: vec![(0, 4.0), (9, 5.0)] };
    for (variable, form, omega) in [
        (&distance, harmonic.clone(), 120.0 * 2.0),
        (&distance, flat, 120.0 * 2.0),
        (&distance, moving, 120.0 * 2.0),
        // Both beads together with 2 · 3k, or against each other with 4k + 2 · 3k.
        (&place, harmonic, 120.0 * f64::sqrt(10.0 / 4.0)),
    ] {
        let bias = Bias { name: "stiff".into(), variable: variable.clone(), form };
        let (model, structure) = straight(2, k, 0.03);
        let system = System::new(&model, std::slice::from_ref(&structure)).unwrap();
        let molecule = &system.molecules()[0];
        let found = fastest_vibration(molecule, std::slice::from_ref(&bias), &structure.positions);
        assert!((found / omega - 1.0).abs() < 1e-4, "{found} instead of {omega}");
        let settings =
            Settings { biases: vec![bias], n_replicas: 2, mts: 6, ..Settings::default() };
        let error = pair(&settings).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("mts: found 6") && error.contains("priors and biases"), "{error}");
        // So is one that is added later.
        let biases = settings.biases.clone();
        let mut later = pair(&Settings { biases: Vec::new(), ..settings }).unwrap();
        let error = later.set_biases(&biases).unwrap_err().to_string();
        assert!(error.contains("mts: found 6") && later.biases().is_empty(), "{error}");
    }
}

#[test]
fn schedules_are_multiples() {
    let settings = Settings { mts: 4, ..Settings::default() };
    let mut simulation = pair(&settings).unwrap();
    let refused = |result: flashschnet::Result<u64>, expected: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let mut steps = Vec::new();
    let mut note = |frame: &Frame, _: &mut Control| {
        steps.push(frame.step);
        Ok(())
    };
    refused(simulation.run(6), "steps: found 6");
    refused(simulation.run_with(8, 2, &mut note), "every: found 2");
    refused(simulation.run_to(10, 4, &mut note), "steps: found 10");
    assert_eq!(simulation.run_with(20, 8, &mut note).unwrap(), 20);
    assert_eq!(simulation.run_to(28, 12, &mut note).unwrap(), 8);
    assert_eq!(steps, [8, 16, 24, 28]);
    let error = simulation.attach(3, |_: &Frame, _: &mut Control| Ok(())).unwrap_err();
    assert!(error.to_string().contains("4 is the nearest"), "{error}");
    let exchange = Exchange { every: 6, ..Exchange::copies(Mixing::Neighbors, &[1.7, 1.5], 1) };
    let settings = Settings { n_replicas: 2, exchange: Some(exchange), ..settings };
    let error = pair(&settings).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("exchange-interval: found 6"), "{error}");
}

/// Runs the program on the small system. Returns its exit code and its messages.
fn program(arguments: &str, folder: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(PROGRAM);
    command.arg("run");
    if !arguments.starts_with("--resume") {
        let [model, structures] = small_files();
        command.args(["--backend", "cpu", "--replicas", "2", "-o"]).arg(folder);
        command.arg("--model").arg(model).arg("--structures").arg(structures);
    }
    let words = arguments.split(' ').map(|word| match word {
        "DIR" => folder.as_os_str(),
        word => word.as_ref(),
    });
    let output = command.args(words).output().unwrap();
    (output.status.code(), stderr(&output))
}

fn succeeds(arguments: &str, folder: &Path) -> Vec<Vec<u8>> {
    let (code, said) = program(arguments, folder);
    assert_eq!(code, Some(0), "{arguments}: {said}");
    let names = ["replica_0000.xtc", "replica_0001.xtc", "energies.csv"];
    names.map(|name| std::fs::read(folder.join(name)).unwrap()).into()
}

#[test]
fn the_program_takes_multiple_time_steps() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let plain = succeeds("--steps 40 --save-interval 10", &at("plain"));
    assert_eq!(succeeds("--steps 40 --save-interval 10 --mts 1", &at("one")), plain);
    let two = "--save-interval 10 --mts 2 --checkpoint-interval 8 --steps";
    let straight = succeeds(&format!("{two} 40"), &at("straight"));
    assert_ne!(straight, plain);
    succeeds(&format!("{two} 20"), &at("cut"));
    assert_eq!(succeeds("--resume DIR --steps 40", &at("cut")), straight);
    let log = std::fs::read_to_string(at("straight").join("run.log")).unwrap();
    assert!(log.contains("mts: the network acts every 2 steps"), "{log}");
    assert!(Checkpoint::latest(&at("cut"), |_| Ok(())).unwrap().0.dynamics.mts == 2);
    let refused = |arguments: &str, folder: &Path, expected: &str| {
        let (code, said) = program(arguments, folder);
        assert_eq!(code, Some(1), "{arguments}: {said}");
        assert!(said.contains(expected), "{arguments}: {said}");
    };
    let steps = "--steps: found 45, expected a multiple of 2, for mts 2; 44 and 46 are the nearest";
    refused("--resume DIR --steps 45", &at("cut"), steps);
    refused(
        "--resume DIR --steps 50 --checkpoint-interval 5",
        &at("cut"),
        "4 and 6 are the nearest",
    );
    for (arguments, expected) in [
        ("--mts 2 --steps 45", steps),
        ("--mts 2 --steps 40 --save-interval 15", "--save-interval: found 15"),
        ("--mts 4 --steps 40 --save-interval 10", "8 and 12 are the nearest"),
        ("--mts 2 --steps 40 --checkpoint-interval 7", "--checkpoint-interval: found 7"),
        (
            "--mts 2 --steps 40 --exchange-interval 5 --ladder 300,320,2",
            "--exchange-interval: found 5",
        ),
        ("--mts 2 --steps 40 --equilibration-steps 11", "--equilibration-steps: found 11"),
        ("--mts 500 --steps 500 --save-interval 500", "below the resonance"),
        ("--mts 2 --steps 40 --integrator overdamped", "--mts: found 2"),
    ] {
        refused(arguments, &at("refused"), expected);
        assert!(!at("refused").exists(), "{arguments}");
    }
}
