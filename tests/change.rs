//! Changes of replicas between steps: velocities, temperatures, swaps.

use flashschnet::engine::State;
use flashschnet::{BackendKind, Settings, Simulation, units};

use crate::common::small;
use crate::common::{Backend, chains, hot, points};

with_tables!(parts_of_a_state_are_set_alone);
on_every_backend!(@ wgpu_batches: parts_of_a_state_are_set_alone);

/// Three replicas of small chains on the reference.
fn simulation(settings: Settings) -> Simulation {
    let settings = Settings { n_replicas: 3, ..settings };
    let backend = flashschnet::Backend::open(BackendKind::Reference, None).unwrap();
    Simulation::new(&small::model(), &small::structures(), &settings, &backend).unwrap()
}

/// Temperatures and velocities that are set one by one have the effect of a whole state.
fn parts_of_a_state_are_set_alone(backend: &Backend) {
    let (system, state) = chains(9, 3);
    let beta = vec![1.7, 1.0, 0.4];
    let velocities: Vec<[f64; 3]> = points(5, 27, 0.5);
    let engine = || backend.moving(system.clone(), &hot(3), &state);
    let (mut parts, mut whole) = (engine(), engine());
    parts.advance(7).unwrap();
    parts.set_velocities(&velocities).unwrap();
    parts.set_beta(&beta).unwrap();
    whole.advance(7).unwrap();
    let changed = State { beta, velocities, ..whole.state().unwrap() };
    whole.set_state(&changed).unwrap();
    assert_eq!(parts.state().unwrap(), whole.state().unwrap());
    for engine in [&mut parts, &mut whole] {
        engine.advance(9).unwrap();
    }
    assert_eq!(parts.state().unwrap(), whole.state().unwrap());
    assert!(parts.set_velocities(&[[0.0; 3]; 26]).is_err());
    assert!(parts.set_velocities(&[[f64::NAN; 3]; 27]).is_err());
    assert!(parts.set_beta(&[1.0, 1.0]).is_err());
    assert!(parts.set_beta(&[1.0, -1.0, 1.0]).is_err());
}

#[test]
fn replicas_change_while_a_simulation_runs() {
    let mut simulation = simulation(Settings::default());
    simulation.run(5).unwrap();
    let before = simulation.energies().unwrap();
    simulation.scale_velocities(&[2.0, 1.0, 0.0]).unwrap();
    let after = simulation.energies().unwrap();
    assert_eq!(after.potential, before.potential);
    assert!((after.kinetic[0] / before.kinetic[0] - 4.0).abs() < 1e-6);
    assert_eq!((after.kinetic[1], after.kinetic[2]), (before.kinetic[1], 0.0));

    simulation.set_temperatures(&[250.0, 300.0, 400.0]).unwrap();
    let state = simulation.state().unwrap();
    let kelvin: Vec<f64> = state.beta.iter().map(|beta| units::kelvin(*beta)).collect();
    assert!(
        kelvin.iter().zip([250.0, 300.0, 400.0]).all(|(found, t)| (found / t - 1.0).abs() < 1e-6)
    );

    simulation.swap(&[[0, 2]]).unwrap();
    let swapped = simulation.state().unwrap();
    let n = swapped.positions.len() / 3;
    assert_eq!(swapped.positions[..n], state.positions[2 * n..]);
    assert_eq!(swapped.velocities[2 * n..], state.velocities[..n]);
    assert_eq!(swapped.positions[n..2 * n], state.positions[n..2 * n]);
    assert_eq!((&swapped.beta, swapped.step), (&state.beta, 5));
    // One pair after the other: 0, 1, 2 → 1, 0, 2 → 1, 2, 0.
    simulation.swap(&[[0, 1], [1, 2]]).unwrap();
    let turned = simulation.state().unwrap();
    assert_eq!(turned.positions[..n], swapped.positions[n..2 * n]);
    assert_eq!(turned.velocities[n..2 * n], swapped.velocities[2 * n..]);
    assert_eq!(turned.positions[2 * n..], swapped.positions[..n]);
    simulation.run(5).unwrap();
    assert_eq!(simulation.step(), 10);

    let says = |found: flashschnet::Result<()>| found.unwrap_err().to_string();
    assert_eq!(says(simulation.swap(&[[0, 1], [0, 3]])), "replica: found 3, expected one below 3");
    assert_eq!(
        says(simulation.scale_velocities(&[1.0])),
        "factors: found 1, expected 3, one per replica"
    );
    assert!(says(simulation.scale_velocities(&[f64::NAN, 1.0, 1.0])).contains("velocities[0]"));
    let error = says(simulation.set_temperatures(&[300.0, -5.0, 300.0]));
    assert_eq!(error, "temperatures: found -5, expected temperatures > 0 K");
    let annealed = Settings { anneal: vec![(0, 300.0), (100, 200.0)], ..Settings::default() };
    let error = says(self::simulation(annealed).set_temperatures(&[300.0; 3]));
    assert!(error.contains("temperatures that change with the step"), "{error}");
}
