//! The library's simulation on the reference engine: bookkeeping, and physics on small systems.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use flashschnet::backend::{Backend, BackendKind};
use flashschnet::engine::{Integrator, State, Terms};
use flashschnet::model::{Model, Prior, PriorForm, PriorParameters};
use flashschnet::simulation::{Control, Frame, Observer, Settings, Simulation, Wants};
use flashschnet::structure::{Structure, Topology, TupleList};
use flashschnet::{Error, Result, units};

use crate::common::small;

fn reference() -> Backend {
    Backend::open(BackendKind::Reference, None).unwrap()
}

fn chains(settings: Settings) -> Simulation {
    Simulation::new(&small::model(), &small::structures(), &settings, &reference()).unwrap()
}

fn replicas(n_replicas: usize) -> Settings {
    Settings { n_replicas, ..Settings::default() }
}

/// Pairs of beads with the bond energy k (d − 3.8 Å)²; free particles if `k` is 0.
fn pairs(k: f64, settings: &Settings) -> Simulation {
    let parameters = PriorParameters::PerTuple { values: vec![k, 3.8, 0.0] };
    let bonds = Prior { name: "bonds".into(), form: PriorForm::HarmonicBond, parameters };
    let list = TupleList { name: "bonds".into(), order: 2, tuples: vec![[0, 1, 0, 0]] };
    let topology = Topology { types: vec![1; 2], masses: vec![0.3, 0.6], lists: vec![list] };
    let structure = Structure {
        topology: Arc::new(topology),
        positions: vec![[0.0; 3], [3.8, 0.0, 0.0]],
        velocities: None,
    };
    let model = Model { schnet: None, priors: vec![bonds] };
    Simulation::new(&model, &[structure], settings, &reference()).unwrap()
}

#[test]
fn frames_come_at_multiples_of_the_interval() {
    let mut simulation = chains(replicas(3));
    let mut seen = Vec::new();
    let mut note = |frame: &Frame, _: &mut Control| {
        assert_eq!((frame.positions.len(), frame.potential.len()), (36, 3));
        assert!((frame.time - 0.004 * frame.step as f64).abs() < 1e-12);
        seen.push(frame.step);
        Ok(())
    };
    assert_eq!(simulation.run_with(10, 4, &mut note).unwrap(), 10);
    assert_eq!(simulation.run_with(6, 4, &mut note).unwrap(), 6);
    assert_eq!((simulation.step(), simulation.run_with(0, 4, &mut note).unwrap()), (16, 0));
    assert_eq!(seen, [4, 8, 12, 16]);
    assert!(simulation.run_with(1, 0, &mut |_: &Frame, _: &mut Control| Ok(())).is_err());
}

#[test]
fn each_of_several_observers_has_its_own_interval() {
    let (mut often, mut rarely) = (Vec::new(), Vec::new());
    let mut note_often = |frame: &Frame, _: &mut Control| {
        often.push(frame.step);
        Ok(())
    };
    let mut note_rarely = |frame: &Frame, _: &mut Control| {
        rarely.push(frame.step);
        Ok(())
    };
    let mut simulation = chains(replicas(1));
    let done = simulation.run_among(12, vec![(4, &mut note_often), (5, &mut note_rarely)]);
    assert_eq!(done.unwrap(), 12);
    let mut silent = |_: &Frame, _: &mut Control| Ok(());
    assert!(simulation.run_among(1, vec![(0, &mut silent)]).is_err());
    assert_eq!((often, rarely), (vec![4, 8, 12], vec![5, 10]));
}

/// The last interval of a run to a given step can be shorter.
#[test]
fn the_end_of_a_run_is_a_frame_too() {
    let mut simulation = chains(replicas(1));
    let attached = Counter::default();
    simulation.attach(4, attached.clone()).unwrap();
    let mut seen = Vec::new();
    let mut note = |frame: &Frame, _: &mut Control| {
        seen.push(frame.step);
        Ok(())
    };
    let done = [10, 12, 12, 5, 13].map(|end| simulation.run_to(end, 4, &mut note).unwrap());
    assert_eq!(done, [10, 2, 0, 0, 1]);
    assert_eq!(simulation.run_to(15, 1000, &mut note).unwrap(), 2);
    assert!(simulation.run_to(20, 0, &mut note).is_err());
    assert_eq!(seen, [4, 8, 10, 12, 13, 15]);
    // The others keep to their intervals.
    assert_eq!(attached.0[0].load(Ordering::Relaxed), 3);
}

/// Stops a run between frames.
struct Stopper {
    at_step: u64,
    frames: Vec<u64>,
}

impl Observer for Stopper {
    fn frame(&mut self, frame: &Frame, _: &mut Control) -> Result<()> {
        self.frames.push(frame.step);
        Ok(())
    }

    fn progress(&mut self, step: u64, control: &mut Control) -> Result<()> {
        match step {
            step if step > 30 => Err(Error::invalid("step", step, "at most 30")),
            step => {
                if step >= self.at_step {
                    control.stop();
                }
                Ok(())
            }
        }
    }
}

#[test]
fn a_run_stops_between_frames() {
    let mut simulation = chains(replicas(1));
    // The first piece of a run is one step.
    let mut stopper = Stopper { at_step: 0, frames: Vec::new() };
    assert_eq!(simulation.run_to(1000, 1000, &mut stopper).unwrap(), 1);
    // The frame of the step at which the run stops is not lost.
    assert_eq!(simulation.run_to(1000, 2, &mut stopper).unwrap(), 1);
    assert_eq!((stopper.frames.as_slice(), simulation.step()), ([2].as_slice(), 2));
    stopper.at_step = u64::MAX;
    assert!(simulation.run_to(1000, 1000, &mut stopper).is_err());
    assert!(simulation.step() > 30);
}

/// A frame holds the same numbers as the simulation returns at that step.
#[test]
fn frames_agree_with_the_state() {
    let mut simulation = chains(replicas(2));
    let mut last = (State::default(), Vec::new(), Vec::new());
    let mut keep = |frame: &Frame, _: &mut Control| {
        let (positions, velocities) = (frame.positions.to_vec(), frame.velocities.to_vec());
        let state = State { positions, velocities, step: frame.step, ..State::default() };
        last = (state, frame.potential.to_vec(), frame.kinetic.to_vec());
        Ok(())
    };
    simulation.run_with(9, 9, &mut keep).unwrap();
    let energies = simulation.energies().unwrap();
    let State { positions, velocities, step, .. } = simulation.state().unwrap();
    let state = State { positions, velocities, step, ..State::default() };
    assert_eq!(last, (state, energies.potential, energies.kinetic));
    let temperature = units::temperature(last.2[1], small::N_BEADS as usize);
    assert_eq!(energies.temperature[1], temperature);
    let network = simulation.evaluate(Terms::Network).unwrap();
    let priors = [0, 1].map(|k| simulation.evaluate(Terms::Prior(k)).unwrap().energy[1]);
    let sum = network.energy[1] + priors[0] + priors[1];
    assert!((sum - last.1[1]).abs() < 1e-12, "{sum} {}", last.1[1]);
}

#[derive(Clone, Default)]
struct Counter(Arc<[AtomicU64; 2]>);

impl Observer for Counter {
    fn frame(&mut self, _: &Frame, _: &mut Control) -> Result<()> {
        self.0[0].fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn progress(&mut self, step: u64, _: &mut Control) -> Result<()> {
        self.0[1].store(step, Ordering::Relaxed);
        Ok(())
    }
}

#[test]
fn attached_observers_stay_for_all_runs() {
    let mut simulation = chains(replicas(1));
    let counter = Counter::default();
    simulation.attach(5, counter.clone()).unwrap();
    assert!(simulation.attach(0, counter.clone()).is_err());
    simulation.run(12).unwrap();
    simulation.run_with(8, 20, &mut |_: &Frame, _: &mut Control| Ok(())).unwrap();
    assert_eq!(counter.0[0].load(Ordering::Relaxed), 4);
    assert_eq!(counter.0[1].load(Ordering::Relaxed), 20);
}

#[test]
fn an_observer_stops_the_run_and_an_error_ends_it() {
    let mut simulation = chains(replicas(1));
    let mut stop = |frame: &Frame, control: &mut Control| {
        if frame.step >= 6 {
            control.stop();
        }
        Ok(())
    };
    assert_eq!(simulation.run_with(100, 3, &mut stop).unwrap(), 6);
    let mut fail = |_: &Frame, _: &mut Control| Err(Error::invalid("it", "bad", "good"));
    assert!(matches!(simulation.run_with(100, 3, &mut fail), Err(Error::Invalid { .. })));
    assert_eq!(simulation.step(), 9);
}

/// A panic of an observer passes through. The simulation is at a whole step then, keeps its observers, and
/// goes on with the same bits.
#[test]
fn a_panic_of_an_observer_leaves_no_trace() {
    let mut undisturbed = chains(replicas(2));
    undisturbed.run(24).unwrap();
    let mut simulation = chains(replicas(2));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let frames = Arc::clone(&seen);
    let attached = move |frame: &Frame, _: &mut Control| {
        frames.lock().unwrap().push(frame.step);
        Ok(())
    };
    simulation.attach(8, attached).unwrap();
    let mut fail = |_: &Frame, _: &mut Control| panic!("an observer fails");
    let run = AssertUnwindSafe(|| simulation.run_with(24, 12, &mut fail));
    let panic = catch_unwind(run).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"an observer fails"));
    assert_eq!(simulation.step(), 12);
    simulation.run(12).unwrap();
    assert_eq!(*seen.lock().unwrap(), [8, 16, 24]);
    assert_eq!(simulation.state().unwrap(), undisturbed.state().unwrap());
}

/// Collects what it wants.
#[derive(Clone, Default)]
struct Wanting {
    wants: Wants,
    frames: Vec<Seen>,
}

#[derive(Clone)]
struct Seen {
    positions: Vec<[f64; 3]>,
    potential: Vec<f64>,
    forces: Vec<[f64; 3]>,
    terms: Vec<Vec<f64>>,
}

impl Observer for Wanting {
    fn frame(&mut self, frame: &Frame, _: &mut Control) -> Result<()> {
        self.frames.push(Seen {
            positions: frame.positions.to_vec(),
            potential: frame.potential.to_vec(),
            forces: frame.forces.to_vec(),
            terms: frame.terms.to_vec(),
        });
        Ok(())
    }

    fn is_passive(&self) -> bool {
        true
    }

    fn wants(&self) -> Wants {
        self.wants
    }
}

/// Forces and energies of terms are those of the frame's positions, and the run has the same bits
/// with and without them.
#[test]
fn observers_get_the_forces_and_terms_that_they_want() {
    for kind in [BackendKind::Reference, BackendKind::Cpu, BackendKind::Wgpu] {
        let backend = Backend::open(kind, None).unwrap();
        let (model, structures) = (small::model(), small::structures());
        let simulation = || Simulation::new(&model, &structures, &replicas(3), &backend).unwrap();
        let run = |wants: Wants| {
            let mut observer = Wanting { wants, ..Wanting::default() };
            simulation().run_with(60, 5, &mut observer).unwrap();
            observer.frames
        };
        let nothing = run(Wants::default());
        for (forces, terms) in [(true, false), (false, true), (true, true)] {
            let frames = run(Wants { forces, terms });
            assert_eq!((nothing.len(), frames.len()), (12, 12));
            let mut fresh = simulation();
            for (frame, without) in frames.iter().zip(&nothing) {
                assert_eq!(frame.positions, without.positions, "{kind:?}");
                assert_eq!(frame.potential, without.potential, "{kind:?}");
                assert!(without.forces.is_empty() && without.terms.is_empty());
                fresh.set_positions(&frame.positions).unwrap();
                let evaluation = fresh.evaluate(Terms::Total).unwrap();
                let expected = if forces { evaluation.forces } else { Vec::new() };
                assert_eq!(frame.forces, expected, "{kind:?}");
                let mut expected = Vec::new();
                if terms {
                    for term in [Terms::Network, Terms::Prior(0), Terms::Prior(1)] {
                        expected.push(fresh.evaluate(term).unwrap().energy);
                    }
                }
                assert_eq!(frame.terms, expected, "{kind:?}");
            }
        }
    }
}

/// A run has the same bits however the caller or the frames cut it.
#[test]
fn cuts_leave_no_trace() {
    let settings = replicas(2);
    let mut whole = chains(settings.clone());
    whole.run(30).unwrap();
    let mut cut = chains(settings);
    cut.run(7).unwrap();
    cut.run_with(23, 5, &mut |_: &Frame, _: &mut Control| Ok(())).unwrap();
    assert_eq!(whole.state().unwrap(), cut.state().unwrap());
}

/// Steps on the engine itself are steps of the simulation.
#[test]
fn steps_on_the_engine_count() {
    let (mut whole, mut parts) = (chains(replicas(2)), chains(replicas(2)));
    whole.run(24).unwrap();
    parts.run(3).unwrap();
    parts.engine().advance(4).unwrap();
    assert_eq!((parts.run(5).unwrap(), parts.step()), (5, 12));
    parts.engine().advance(6).unwrap();
    let mut seen = Vec::new();
    let mut note = |frame: &Frame, _: &mut Control| {
        seen.push(frame.step);
        Ok(())
    };
    assert_eq!(parts.run_to(24, 4, &mut note).unwrap(), 6);
    assert_eq!(seen, [20, 24]);
    parts.engine().advance(1).unwrap();
    let mut never = |_: &Frame, _: &mut Control| unreachable!("no step is left");
    assert_eq!((parts.run_to(24, 4, &mut never).unwrap(), parts.step()), (0, 25));
    whole.run(1).unwrap();
    assert_eq!(whole.state().unwrap(), parts.state().unwrap());
}

#[test]
fn a_replica_alone_moves_as_among_others() {
    let mut many = chains(replicas(5));
    let mut alone = chains(Settings { first_replica: 3, ..replicas(1) });
    many.run(20).unwrap();
    alone.run(20).unwrap();
    let beads = many.system().beads(3);
    assert_eq!(many.positions().unwrap()[beads.clone()], alone.positions().unwrap());
    assert_eq!(many.velocities().unwrap()[beads], alone.velocities().unwrap());
    let mut other_seed = chains(Settings { seed: 8, ..replicas(5) });
    other_seed.run(20).unwrap();
    assert_ne!(many.positions().unwrap(), other_seed.positions().unwrap());
}

#[test]
fn structures_are_repeated_in_turn() {
    let mut structures = small::structures();
    let velocities = vec![[1.0, 2.0, 3.0]; small::N_BEADS as usize];
    structures[1].velocities = Some(velocities.clone());
    let settings = replicas(5);
    let mut simulation =
        Simulation::new(&small::model(), &structures, &settings, &reference()).unwrap();
    let (positions, all) = (simulation.positions().unwrap(), simulation.velocities().unwrap());
    for r in 0..5 {
        let beads = simulation.system().beads(r);
        assert_eq!(positions[beads.clone()], structures[r % 2].positions);
        assert_eq!(all[beads] == velocities[..], r % 2 == 1);
    }
}

#[test]
fn positions_and_velocities_can_be_replaced() {
    let mut simulation = chains(replicas(1));
    simulation.run(3).unwrap();
    let mut positions = simulation.positions().unwrap();
    positions[0][0] -= 0.25;
    simulation.set_positions(&positions).unwrap();
    simulation.set_velocities(&vec![[0.5; 3]; positions.len()]).unwrap();
    assert_eq!(simulation.positions().unwrap(), positions);
    assert_eq!(simulation.velocities().unwrap()[7], [0.5; 3]);
    assert_eq!(simulation.step(), 3);
    positions[2][1] = f64::NAN;
    let error = simulation.set_positions(&positions).unwrap_err().to_string();
    assert!(error.contains("positions[2]"), "{error}");
    assert!(simulation.set_velocities(&positions[..4]).is_err());
}

/// No sum of steps may overflow.
#[test]
fn steps_without_end_are_refused() {
    let mut simulation = chains(replicas(2));
    let state = simulation.state().unwrap();
    let last = u64::MAX / 2;
    let error = simulation.set_state(&State { step: last + 1, ..state.clone() }).unwrap_err();
    assert!(error.to_string().starts_with(&format!("step: found {}, expected", last + 1)));
    assert_eq!(simulation.state().unwrap(), state);
    simulation.set_state(&State { step: last, ..state }).unwrap();
    simulation.run(2).unwrap();
    assert_eq!(simulation.step(), last + 2);
}

/// Errors have global numbers of replicas.
#[test]
fn replicas_have_indices_within_their_run() {
    let simulation = chains(Settings { first_replica: 5, ..replicas(3) });
    assert_eq!([4, 5, 7, 8].map(|id| simulation.index_of(id)), [None, Some(0), Some(2), None]);
}

#[test]
fn a_blow_up_names_the_replica() {
    let settings = Settings { dt: 5.0, first_replica: 40, ..replicas(2) };
    let mut simulation = pairs(1e4, &settings);
    let error = simulation.run(100_000).unwrap_err();
    match error {
        Error::BlowUp { replica, step, last_good: Some(0), .. } => {
            assert!((40..42).contains(&replica) && step > 0);
        }
        other => panic!("{other}"),
    }
}

#[test]
fn wrong_settings_are_named() {
    let ok = replicas(2);
    let cases = [
        (Settings { n_replicas: 0, ..ok.clone() }, "replicas: found 0"),
        (Settings { n_replicas: 1 << 40, ..ok.clone() }, "replicas: found 1099511627776"),
        (Settings { first_replica: u32::MAX, ..ok.clone() }, "replicas"),
        (Settings { dt: 0.0, ..ok.clone() }, "dt: found 0"),
        (Settings { dt: f64::NAN, ..ok.clone() }, "dt: found NaN"),
        (Settings { beta: vec![1.0; 3], ..ok.clone() }, "temperature: found 3 values"),
        (Settings { beta: vec![0.0], ..ok.clone() }, "beta: found 0"),
        (
            Settings { integrator: Integrator::Langevin { friction: -1.0 }, ..ok.clone() },
            "friction",
        ),
        // A device holds these numbers in f32, where they would become 0, 1 or infinite.
        (
            Settings { integrator: Integrator::Langevin { friction: 1e-5 }, ..ok.clone() },
            "friction",
        ),
        (
            Settings { integrator: Integrator::Overdamped { friction: 1e-42 }, ..ok.clone() },
            "friction",
        ),
        (Settings { dt: 1e-40, ..ok }, "dt"),
    ];
    for (settings, message) in cases {
        let (model, structures) = (small::model(), small::structures());
        let result = Simulation::new(&model, &structures, &settings, &reference());
        let error = result.expect_err("is refused").to_string();
        assert!(error.contains(message), "{error}");
    }
    let nothing = Simulation::new(&small::model(), &[], &replicas(1), &reference());
    assert!(nothing.expect_err("is refused").to_string().starts_with("structures: found none"));
    let mut structures = small::structures();
    structures[1].positions[4][2] = f64::NAN;
    let error = Simulation::new(&small::model(), &structures, &replicas(1), &reference());
    let error = error.expect_err("is refused").to_string();
    assert!(error.starts_with("structure 1, positions[4]"), "{error}");
}

/// A bead far from its neighbors: the message names it and the term that pulls it back.
#[test]
fn a_start_that_clashes_is_refused_at_step_0() {
    let (model, mut structures) = (small::model(), small::structures());
    structures.truncate(1);
    structures[0].positions[7][0] += 400.0;
    for backend in [reference(), Backend::open(BackendKind::Cpu, None).unwrap()] {
        let error = Simulation::new(&model, &structures, &replicas(1), &backend).err();
        let error = error.expect("is refused");
        assert!(
            matches!(error, Error::BlowUp { replica: 0, step: 0, last_good: None, .. }),
            "{error}"
        );
        let said = error.to_string();
        assert!(said.starts_with("replica 0: the start clashes: "), "{said}");
        assert!(said.contains("bonds pushes bead 7 with "), "{said}");
    }
}

/// β m v² has mean 1 and variance 2. With 14,400 components five standard errors are 6 %.
#[test]
fn initial_velocities_are_maxwell_and_boltzmanns() {
    let mut simulation = chains(Settings { beta: vec![units::beta(350.0)], ..replicas(400) });
    let masses = simulation.system().masses();
    let velocities = simulation.velocities().unwrap();
    let scaled = velocities.iter().zip(masses).flat_map(|(v, m)| v.map(|v| v * m.sqrt()));
    let scaled: Vec<f64> = scaled.map(|v| v * units::beta(350.0).sqrt()).collect();
    let n = scaled.len() as f64;
    let mean = scaled.iter().sum::<f64>() / n;
    let square = scaled.iter().map(|v| v * v).sum::<f64>() / n;
    assert!(mean.abs() < 5.0 / n.sqrt(), "mean {mean}");
    assert!((square - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "mean square {square}");
}

/// Velocity Verlet is exact for a constant force on free beads: x = v t + F t²/(2 m). An observer
/// removes the force halfway.
#[test]
fn external_forces_act_until_they_are_removed() {
    let settings = Settings { integrator: Integrator::Nve, dt: 0.01, ..replicas(1) };
    let mut simulation = pairs(0.0, &settings);
    let start = [[0.0; 3], [5.0, 0.0, 0.0]];
    let velocity = [[0.0, 1.0, 0.0]; 2];
    let (positions, velocities) = (start.into(), velocity.into());
    let state = State { positions, velocities, ..simulation.state().unwrap() };
    simulation.set_state(&state).unwrap();
    let force = [[0.3, 0.0, 0.0], [0.0, 0.0, -1.2]];
    simulation.set_external_forces(Some(&force)).unwrap();
    let mut remove = |_: &Frame, control: &mut Control| {
        control.set_external_forces(None);
        Ok(())
    };
    simulation.run_with(100, 50, &mut remove).unwrap();
    // The second half kick of step 50 still has the force; the first half kick of step 51 has not.
    let (positions, t) = (simulation.positions().unwrap(), 0.5);
    for (i, mass) in [0.3, 0.6].into_iter().enumerate() {
        for c in 0..3 {
            let a = force[i][c] / mass;
            let expected = start[i][c] + 2.0 * t * velocity[i][c] + 1.5 * a * t * t;
            assert!((positions[i][c] - expected).abs() < 1e-9, "bead {i}, axis {c}");
        }
    }
    assert!(simulation.set_external_forces(Some(&force[..1])).is_err());
}

/// The mean square displacement of free overdamped particles along an axis is 2 D t, D =
/// kT/friction. With 6000 numbers five standard errors are 9 %.
#[test]
fn overdamped_particles_diffuse() {
    let (friction, dt, steps) = (2.0, 0.01, 5);
    let integrator = Integrator::Overdamped { friction };
    let mut simulation = pairs(0.0, &Settings { integrator, dt, ..replicas(1000) });
    let start = simulation.positions().unwrap();
    simulation.run(steps).unwrap();
    let end = simulation.positions().unwrap();
    let moved = end.as_flattened().iter().zip(start.as_flattened()).map(|(a, b)| (a - b).powi(2));
    let n = end.as_flattened().len() as f64;
    let expected = 2.0 * dt * steps as f64 / (units::beta(300.0) * friction);
    let ratio = moved.sum::<f64>() / n / expected;
    assert!((ratio - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "{ratio}");
    assert!(simulation.energies().unwrap().kinetic[0].is_nan());
}

/// BAOAB samples a harmonic bond, each replica at its own temperature: the means of k (d − d0)² and
/// of the kinetic energy per momentum are kT/2. Frames are nearly independent, because they are 0.5
/// ps apart at a friction of 5/ps. Each temperature has 1600 bonds and 9600 momenta, so five
/// standard errors are 18 % and 7 %.
#[test]
fn langevin_samples_a_harmonic_bond() {
    let kelvin = [250.0, 400.0];
    let beta = (0..64).map(|r| units::beta(kelvin[r % 2])).collect();
    let integrator = Integrator::Langevin { friction: 5.0 };
    let settings = Settings { integrator, dt: 0.005, beta, ..replicas(64) };
    let mut simulation = pairs(50.0, &settings);
    simulation.run(200).unwrap();
    let (mut potential, mut kinetic, mut frames) = ([0.0; 2], [0.0; 2], 0.0);
    let mut sum = |frame: &Frame, _: &mut Control| {
        frames += 1.0;
        for r in 0..64 {
            potential[r % 2] += frame.potential[r] / 32.0;
            kinetic[r % 2] += frame.kinetic[r] / 32.0;
        }
        Ok(())
    };
    simulation.run_with(5000, 100, &mut sum).unwrap();
    for (k, kelvin) in kelvin.into_iter().enumerate() {
        let kt = 1.0 / units::beta(kelvin);
        let (bond, momenta) =
            (potential[k] / frames / (0.5 * kt), kinetic[k] / frames / (3.0 * kt));
        assert!((bond - 1.0).abs() < 5.0 * (2.0_f64 / 1600.0).sqrt(), "{bond} at {kelvin} K");
        assert!((momenta - 1.0).abs() < 5.0 * (2.0_f64 / 9600.0).sqrt(), "{momenta} at {kelvin} K");
    }
}

/// Velocity Verlet keeps the energy to about (ω dt)²/8 of its value. The stiffest mode has ω ≤
/// √(8 k/m) = 37/ps, which gives 7e-4 of a kinetic energy of about 11 kcal/mol. The tolerance is 2.5
/// times that.
#[test]
fn nve_keeps_the_energy() {
    let settings = Settings { integrator: Integrator::Nve, dt: 0.002, ..replicas(1) };
    let mut simulation = chains(settings);
    let total = |simulation: &mut Simulation| {
        let energies = simulation.energies().unwrap();
        energies.potential[0] + energies.kinetic[0]
    };
    let start = total(&mut simulation);
    let mut worst: f64 = 0.0;
    for _ in 0..50 {
        simulation.run(20).unwrap();
        worst = worst.max((total(&mut simulation) - start).abs());
    }
    assert!(worst < 0.02, "off by {worst} kcal/mol");
}

/// Overdamped dynamics sample the given temperature: the mean energy of a harmonic bond is kT/2.
/// Frames are 100 steps apart, and a bond loses 99 % of its memory between them. Each temperature
/// thus has 1600 independent bonds, and five standard errors are 18 %. A step h changes the
/// extension of a bond by the fraction 2·2k h/γ = 5 %, which raises its mean energy by half of
/// that, 2.5 %. The published rule gives a mean energy of 1/2 kcal/mol at any temperature.
#[test]
fn overdamped_dynamics_sample_their_temperature() {
    let kelvin = [250.0, 400.0];
    let sample = |integrator: Integrator| {
        let beta = (0..64).map(|r| units::beta(kelvin[r % 2])).collect();
        let settings = Settings { integrator, dt: 0.01, beta, ..replicas(64) };
        let mut simulation = pairs(50.0, &settings);
        simulation.run(200).unwrap();
        let (mut potential, mut frames) = ([0.0; 2], 0.0);
        let mut sum = |frame: &Frame, _: &mut Control| {
            frames += 1.0;
            (0..64).for_each(|r| potential[r % 2] += frame.potential[r] / 32.0);
            Ok(())
        };
        simulation.run_with(5000, 100, &mut sum).unwrap();
        potential.map(|potential| potential / frames)
    };
    let right = sample(Integrator::Overdamped { friction: 40.0 });
    for (found, kelvin) in right.into_iter().zip(kelvin) {
        let ratio = found / (0.5 / units::beta(kelvin));
        assert!((ratio - 1.0).abs() < 0.18 + 0.025, "{ratio} at {kelvin} K");
    }
    // The published drift is D F h with D = kT/γ. At this γ a step changes the extension of a bond
    // by 5 % at 250 K and by 8 % at 400 K, which raises the mean energy by up to 4 %. The tolerance
    // of 25 % is the sum of this and of five standard errors, with a margin.
    let published = sample(Integrator::OverdampedPublished { friction: 20.0 });
    for (found, kelvin) in published.into_iter().zip(kelvin) {
        assert!((found / 0.5 - 1.0).abs() < 0.25, "{found} kcal/mol at {kelvin} K");
    }
}
