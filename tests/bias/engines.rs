//! Runs and minimizations with biases.

use flashschnet::engine::{Dynamics, Engine, Integrator, Minimization, State, Terms, Watch};
use flashschnet::simulation::{Control, Frame, Settings};
use flashschnet::variable::Variable;

use super::{N, READING, gentle, harmonic};
use crate::callback::{REST, STIFFNESS, close, integrators, pairs, simulation, spring};
use crate::common::repeat::cuts_do_not_show;
use crate::common::{self, Backend, ENGINE, assert_close, chains, hot, points};

with_tables!(
    a_short_run_matches_the_reference,
    it_acts_with_the_forces_of_the_host,
    a_replica_moves_alone_as_among_others,
    reads_and_restarts_do_not_show,
);

on_every_backend!(
    @ reference:
    it_acts_with_the_forces_of_the_host,
    a_spring_moves_as_a_bond_and_a_callback,
    a_replica_moves_alone_as_among_others,
    reads_and_restarts_do_not_show,
    a_minimum_is_that_of_potential_and_bias
);

without_network!(
    a_spring_moves_as_a_bond_and_a_callback,
    a_spring_has_the_mean_energy_of_a_bond,
    a_minimum_is_that_of_potential_and_bias,
);

fn a_short_run_matches_the_reference(backend: &Backend) {
    let (system, start) = chains(N, 3);
    for (integrator, mts) in integrators() {
        let dynamics = Dynamics { integrator, dt: 0.002, mts, ..hot(3) };
        let [found, expected] = [backend, &common::reference()].map(|backend| {
            let mut engine = backend.moving(system.clone(), &dynamics, &start);
            engine.set_biases(&gentle(3)).unwrap();
            engine.advance(10).unwrap();
            engine.probe().advance_with_noise(&points(3, 27 * mts as usize, 1.5)).unwrap();
            engine.state().unwrap()
        });
        close(&format!("{integrator:?}, mts {mts}"), &found, &expected, ENGINE);
    }
}

/// Biases, constant forces and a callback act together, and each can be removed.
fn it_acts_with_the_forces_of_the_host(backend: &Backend) {
    let (system, start) = chains(N, 2);
    let n = 2 * N;
    let dynamics = hot(2);
    let (halves, whole) = (points(5, n, 4.0), points(5, n, 8.0));
    let run = |external: &[[f64; 3]], called: bool, biased: bool| {
        let mut engine = backend.moving(system.clone(), &dynamics, &start);
        let set = |engine: &mut dyn Engine, external: Option<&[[f64; 3]]>| {
            engine.set_external_forces(external).unwrap();
        };
        // In another order, too.
        if !called {
            set(&mut *engine, Some(external));
        }
        if biased {
            engine.set_biases(&gentle(2)).unwrap();
        }
        if called {
            set(&mut *engine, Some(external));
            let forces = external.to_vec();
            let found = move |_: &[[f64; 3]]| {
                let energy = vec![0.0; 2];
                Ok(flashschnet::engine::CallbackForces { energy, forces: forces.clone() })
            };
            engine.set_force_callback(Some(Box::new(found))).unwrap();
        }
        engine.advance(6).unwrap();
        let pushed = engine.state().unwrap();
        engine.set_force_callback(None).unwrap();
        engine.set_external_forces(None).unwrap();
        engine.advance(6).unwrap();
        let biased = engine.state().unwrap();
        engine.set_biases(&[]).unwrap();
        engine.advance(6).unwrap();
        (pushed, biased, engine.state().unwrap())
    };
    let expected = run(&whole, false, true);
    assert_eq!(run(&halves, true, true), expected);
    assert_ne!(run(&whole, false, false).0.positions, expected.0.positions);
    // After the end of the push the biases still act, and after theirs nothing does.
    let after = |start: &State, biased: bool| {
        let mut engine = backend.moving(system.clone(), &dynamics, start);
        if biased {
            engine.set_biases(&gentle(2)).unwrap();
        }
        engine.advance(6).unwrap();
        engine.state().unwrap()
    };
    assert_eq!(after(&expected.0, true), expected.1);
    assert_eq!(after(&expected.1, false), expected.2);
    assert_ne!(after(&expected.0, false), expected.1);
}

/// The spring of a pair: a prior, a callback or a bias.
#[derive(Clone, Copy, PartialEq, Debug)]
enum By {
    Prior,
    Callback,
    Bias,
}

fn sprung(backend: &Backend, n: usize, dynamics: &Dynamics, by: By) -> Box<dyn Engine> {
    let (_, _, system, state) = pairs(n, if by == By::Prior { STIFFNESS } else { 0.0 });
    let mut engine = backend.moving(system, dynamics, &state);
    match by {
        By::Prior => {}
        By::Callback => engine.set_force_callback(Some(Box::new(spring))).unwrap(),
        By::Bias => {
            let bias = harmonic("bond", Variable::end_to_end(2), &[STIFFNESS], &[REST]);
            engine.set_biases(&[bias]).unwrap();
        }
    }
    engine
}

/// The energies of the springs, and the state.
fn look(engine: &mut dyn Engine, by: By) -> (Vec<f64>, State) {
    let reading = engine.read(READING).unwrap();
    let energy = match by {
        By::Prior => reading.evaluation.energy,
        By::Callback => reading.callback.unwrap().energy,
        By::Bias => reading.biases[0].iter().map(|of| of[1]).collect(),
    };
    (energy, reading.state.unwrap())
}

fn a_spring_moves_as_a_bond_and_a_callback(backend: &Backend) {
    let n = 2;
    let dynamics = Dynamics { integrator: Integrator::Nve, watch: Watch::OFF, ..hot(n) };
    let masses = pairs(n, 0.0).2.masses();
    let run = |by: By| {
        let mut engine = sprung(backend, n, &dynamics, by);
        let mut totals = Vec::new();
        for _ in 0..60 {
            engine.advance(10).unwrap();
            let (spring, state) = look(&mut *engine, by);
            let kinetic = |r: usize| -> f64 {
                let of_bead = |i: usize| {
                    0.5 * masses[i] * state.velocities[i].iter().map(|v| v * v).sum::<f64>()
                };
                (2 * r..2 * r + 2).map(of_bead).sum()
            };
            totals.extend((0..n).map(|r| spring[r] + kinetic(r)));
        }
        (totals, engine.state().unwrap())
    };
    let all = [By::Prior, By::Callback, By::Bias].map(run);
    for (energies, end) in &all {
        close("a spring", end, &all[0].1, ENGINE);
        assert_close("total energy", energies, &all[0].0, ENGINE);
        // The energy only oscillates, by some percent.
        let [early, late] = [&energies[..n * 20], &energies[n * 40..]]
            .map(|part| part.iter().sum::<f64>() / part.len() as f64);
        assert!((late / early - 1.0).abs() < 2e-3, "{early} became {late}");
    }
}

/// Means of independent replicas with different random numbers agree within four standard errors.
fn a_spring_has_the_mean_energy_of_a_bond(backend: &Backend) {
    let n = 64;
    let run = |by: By| {
        let dynamics = Dynamics { seed: if by == By::Bias { 5 } else { 6 }, ..hot(n) };
        let mut engine = sprung(backend, n, &dynamics, by);
        engine.advance(200).unwrap();
        let mut means = vec![0.0; n];
        for _ in 0..50 {
            engine.advance(10).unwrap();
            let (spring, _) = look(&mut *engine, by);
            means.iter_mut().zip(spring).for_each(|(mean, energy)| *mean += energy / 50.0);
        }
        let mean = means.iter().sum::<f64>() / n as f64;
        let spread = means.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
        (mean, spread / (n * (n - 1)) as f64)
    };
    let ((found, error), (expected, other)) = (run(By::Bias), run(By::Prior));
    let allowed = 4.0 * (error + other).sqrt();
    assert!((found - expected).abs() < allowed, "{found} instead of {expected} ± {allowed}");
    // Half of kT, 2 kcal/mol. The distance of two beads adds less than a tenth of it.
    assert!((found - 1.0).abs() < 0.1 + 4.0 * error.sqrt(), "{found}");
}

fn a_replica_moves_alone_as_among_others(backend: &Backend) {
    let (system, start) = chains(N, 3);
    let dynamics = hot(3);
    let mut engine = backend.moving(system.clone(), &dynamics, &start);
    engine.set_biases(&gentle(3)).unwrap();
    engine.advance(20).unwrap();
    let expected = engine.read(READING).unwrap();
    let together = expected.state.unwrap();
    for r in 0..3 {
        let beads = system.beads(r);
        let start = State {
            positions: start.positions[beads.clone()].to_vec(),
            velocities: start.velocities[beads.clone()].to_vec(),
            origins: vec![start.origins[r]],
            beta: vec![start.beta[r]],
            ..State::default()
        };
        let replica_ids = vec![dynamics.replica_ids[r]];
        let dynamics = Dynamics { replica_ids, ..dynamics.clone() };
        let mut engine = backend.moving(system.select([r]), &dynamics, &start);
        let mut biases = gentle(3);
        biases[0] = harmonic("ends", Variable::end_to_end(N), &[1.0], &[5.0 + 2.0 * r as f64]);
        engine.set_biases(&biases).unwrap();
        engine.advance(20).unwrap();
        let found = engine.read(READING).unwrap();
        assert_eq!(found.state.unwrap().positions, together.positions[beads]);
        let of_replica: Vec<_> = expected.biases.iter().map(|of| vec![of[r]]).collect();
        assert_eq!(found.biases, of_replica);
    }
}

fn reads_and_restarts_do_not_show(backend: &Backend) {
    let (system, start) = chains(N, 2);
    let terms = [Terms::Prior(0), Terms::Bias(1)];
    for (integrator, mts) in integrators() {
        let dynamics = Dynamics { integrator, dt: 0.002, mts, ..hot(2) };
        cuts_do_not_show(
            &format!("{integrator:?}, mts {mts}"),
            (&start, READING),
            &terms,
            |state| {
                let mut engine = backend.moving(system.clone(), &dynamics, state);
                engine.set_biases(&gentle(2)).unwrap();
                engine
            },
        );
    }
}

/// A bond with rest length 3.8 Å and a bias of the same k to 5 Å meet in the middle.
fn a_minimum_is_that_of_potential_and_bias(backend: &Backend) {
    let (_, _, system, state) = pairs(2, STIFFNESS);
    let mut engine = backend.moving(system, &hot(2), &state);
    let bias = harmonic("pull", Variable::end_to_end(2), &[STIFFNESS], &[5.0, 6.0]);
    engine.set_biases(&[bias]).unwrap();
    let minimization = Minimization { tolerance: 1e-3, ..Minimization::default() };
    let results = engine.minimize(&minimization).unwrap();
    assert!(results.iter().all(|result| result.is_converged));
    let reading = engine.read(READING).unwrap();
    let values: Vec<f64> = reading.biases[0].iter().map(|of| of[0]).collect();
    assert_close("distances", &values, &[4.4, 4.9], 1e-4);
    let energies: Vec<f64> = reading.biases[0].iter().map(|of| of[1]).collect();
    assert_close("energies", &energies, &[3.6, 12.1], 1e-3);
    assert_close("energies", &reading.evaluation.energy, &[3.6, 12.1], 1e-3);
}

#[test]
fn a_simulation_reports_them() {
    let mut simulation = simulation(&Settings { n_replicas: 2, ..Settings::default() });
    let bond = harmonic("bond", Variable::end_to_end(2), &[STIFFNESS], &[REST, 5.0]);
    simulation.add_bias(bond.clone()).unwrap();
    assert!(simulation.add_bias(bond.clone()).is_err());
    assert_eq!(simulation.biases(), std::slice::from_ref(&bond));
    let mut frames = 0;
    let mut observe = |frame: &Frame, _: &mut Control| {
        assert_eq!(frame.biases[0].name, "bond");
        for r in 0..2 {
            let expected = bond.value_and_energy(&frame.positions[2 * r..2 * r + 2], r, 0);
            assert_eq!([frame.biases[0].value[r], frame.biases[0].energy[r]], expected);
        }
        assert!(frame.bias_levels.is_empty());
        frames += 1;
        Ok(())
    };
    simulation.run_with(20, 5, &mut observe).unwrap();
    assert_eq!(frames, 4);
    assert_eq!(simulation.energies().unwrap().potential, [0.0; 2]);
    assert_eq!(simulation.bias_values().unwrap()[0].name, "bond");
}

#[test]
fn a_blow_up_names_it() {
    let watch = Watch { max_force: 100.0, ..Watch::default() };
    let mut simulation = simulation(&Settings { n_replicas: 2, watch, ..Settings::default() });
    let pull = harmonic("pull", Variable::end_to_end(2), &[50.0], &[9.0]);
    simulation.add_bias(pull).unwrap();
    let error = simulation.run(20).unwrap_err().to_string();
    assert!(error.contains("the largest force on bead 0 is from bias pull"), "{error}");
}
