//! `set_ladders`: the temperatures of ladders in a run, and their tuning.

use flashschnet::engine::{Exchange, Integrator, Mixing, geometric};
use flashschnet::ops::Ops;
use flashschnet::reference::ReferenceOps;
use flashschnet::{Backend as Opened, BackendKind, Settings, Simulation};

use crate::common::{Backend, numbers};
use crate::exchange::{assert_same, springs, start, uniforms};

with_tables!(new_temperatures_decide);

/// Exchanges after a change of the temperatures are those of the reference.
fn new_temperatures_decide(backend: &Backend) {
    let beta = geometric(280.0, 350.0, 5).unwrap();
    let (system, mut dynamics, state) = start(10, Exchange::copies(Mixing::Neighbors, &beta, 2));
    let mut engine = backend.moving(system.clone(), &dynamics, &state);
    engine.exchange().unwrap();
    let mut exchange = dynamics.exchange.clone().unwrap();
    for beta in exchange.ladders.iter_mut().flat_map(|ladder| &mut ladder.beta) {
        *beta = beta.powi(3);
    }
    engine.set_ladders(&exchange).unwrap();
    dynamics.exchange = Some(exchange);
    let state = dynamics.at_start(state);
    engine.set_state(&state).unwrap();
    // Products with the old differences of beta would give other decisions for most pairs.
    let energies: Vec<f64> = numbers(3, 10, 2.0);
    let uniforms = uniforms(4, 4);
    engine.probe().exchange_with(&energies, &uniforms).unwrap();
    let expected = ReferenceOps.exchange(&system, &dynamics, &energies, &uniforms, &state).unwrap();
    assert_same("new temperatures", &engine.state().unwrap(), &expected);

    let mut other = dynamics.exchange.unwrap();
    other.ladders[0].walkers.swap(0, 1);
    let error = engine.set_ladders(&other).unwrap_err().to_string();
    assert!(error.contains("other walkers"), "{error}");
    other.ladders[0].beta[0] = 0.0;
    assert!(engine.set_ladders(&other).is_err());
}

/// A run-in makes the acceptance of a bad ladder equal. Springs have the heat capacity 3/2 k_B.
#[test]
fn a_run_in_makes_the_acceptance_equal() {
    // Half of the temperatures lie near the lowest one.
    let beta = [2.0, 1.96, 1.92, 1.88, 1.84, 0.4];
    let exchange = Some(Exchange { every: 20, ..Exchange::copies(Mixing::AllPairs, &beta, 2) });
    let integrator = Integrator::Langevin { friction: 4.0 };
    let settings =
        Settings { n_replicas: 12, dt: 0.05, integrator, exchange, ..Settings::default() };
    let (model, structures) = springs(1);
    let backend = Opened::open(BackendKind::Cpu, None).unwrap();
    let mut simulation = Simulation::new(&model, &structures, &settings, &backend).unwrap();
    let acceptance = |simulation: &mut Simulation| -> Vec<f64> {
        let state = simulation.state().unwrap();
        let exchange = simulation.dynamics().exchange.clone().unwrap();
        let tally = exchange.tally(&state.exchanged, 1);
        let rate = |k: usize| {
            let [accepted, rejected] =
                [6 * k + k + 1, 6 * k + 6 + k].map(|at| f64::from(tally[at]));
            accepted / (accepted + rejected)
        };
        (0..5).map(rate).collect()
    };
    let spread = |rates: &[f64]| {
        let [least, most] =
            [f64::min, f64::max].map(|of| rates.iter().copied().reduce(of).unwrap());
        most - least
    };
    for round in 0..4 {
        simulation.run(10_000 << round).unwrap();
        if round == 0 {
            assert!(spread(&acceptance(&mut simulation)) > 0.3);
        }
        simulation.tune_ladders().unwrap();
    }
    let state = simulation.state().unwrap();
    assert_eq!(state.exchanged.tally, [0; 72]);
    assert!(state.exchanged.ends.iter().all(|ends| *ends < 2));
    simulation.run(80_000).unwrap();
    let rates = acceptance(&mut simulation);
    // The rates of 4,000 exchanges have errors below 0.01, and so have the last temperatures.
    assert!(spread(&rates) < 0.04, "{rates:?}");
    let tuned = &simulation.dynamics().exchange.as_ref().unwrap().ladders[1].beta;
    assert_eq!([tuned[0], tuned[5]], [2.0, 0.4]);
}
