//! Blow-ups: a replica freezes at the step at which it exceeds a limit, and the others go on.

use std::collections::BTreeMap;
use std::sync::Arc;

use flashschnet::engine::{
    Dynamics, Engine, Exchange, Frozen, Integrator, Mixing, OnBlowUp, Reason, State, Terms, Watch,
};
use flashschnet::model::{Model, Prior, PriorForm, PriorParameters};
use flashschnet::simulation::{Control, Frame, Reset, Velocities};
use flashschnet::structure::{Structure, Topology, TupleList};
use flashschnet::system::System;
use flashschnet::{Backend as Opened, BackendKind, Error, Settings, Simulation};

use crate::common::{self, Backend, chains, hot, small};
use crate::exchange::imploding;

with_tables!(
    every_limit_freezes_at_its_step,
    a_clash_on_the_way_freezes,
    a_start_beyond_a_limit_does_not_move,
    numbers_that_overflow_freeze,
    the_others_do_not_notice,
    cuts_and_reads_do_not_show,
    overflows_of_lists_do_not_show,
    frozen_walkers_exchange_nothing,
    new_positions_move_again,
);

on_every_backend!(
    @ wgpu_batches:
    cuts_and_reads_do_not_show,
    overflows_of_lists_do_not_show,
    frozen_walkers_exchange_nothing,
    new_positions_move_again
);

on_every_backend!(
    @ reference:
    a_start_beyond_a_limit_does_not_move,
    the_others_do_not_notice,
    cuts_and_reads_do_not_show,
    frozen_walkers_exchange_nothing,
    new_positions_move_again
);

/// Limits that the chains of these tests keep unless they are pushed.
const TIGHT: Watch =
    Watch { max_force: 1e4, max_kinetic: 300.0, max_stretch: 1.5, on_blow_up: OnBlowUp::Stop };

/// Three chains of 9 beads and dynamics with limits.
fn three(integrator: Integrator) -> (System, Dynamics, State) {
    let (system, state) = chains(9, 3);
    (system, Dynamics { integrator, watch: TIGHT, ..hot(3) }, state)
}

/// External forces: one on bead 6 of the second of [`three`].
fn push(force: f64) -> Vec<[f64; 3]> {
    let mut forces = vec![[0.0; 3]; 27];
    forces[15] = [0.0, force, 0.0];
    forces
}

fn frozen(r: usize, step: u64, bead: u32, reason: Reason) -> BTreeMap<usize, Frozen> {
    [(r, Frozen { step, bead, reason })].into()
}

fn every_limit_freezes_at_its_step(backend: &Backend) {
    let langevin = Integrator::Langevin { friction: 5.0 };
    let overdamped = Integrator::Overdamped { friction: 1.0 };
    for (integrator, force, reason) in [
        (langevin, 1.2e4, Reason::Force),
        (langevin, 1.5e3, Reason::Kinetic),
        (Integrator::Nve, 1.5e3, Reason::Kinetic),
        (langevin, 600.0, Reason::Stretch),
        (overdamped, 3e4, Reason::Force),
        (overdamped, 600.0, Reason::Stretch),
        (Integrator::OverdampedPublished { friction: 1.0 }, 600.0, Reason::Stretch),
    ] {
        let (system, mut dynamics, state) = three(integrator);
        // One limit alone, because a push that is strong enough exceeds all of them.
        dynamics.watch = match reason {
            Reason::Force => Watch { max_force: TIGHT.max_force, ..Watch::OFF },
            Reason::Kinetic => Watch { max_kinetic: TIGHT.max_kinetic, ..Watch::OFF },
            _ => Watch { max_stretch: TIGHT.max_stretch, ..Watch::OFF },
        };
        let [found, expected] = [backend, &common::reference()].map(|backend| {
            let mut engine = backend.moving(system.clone(), &dynamics, &state);
            engine.advance(5).unwrap();
            assert!(engine.state().unwrap().frozen.is_empty());
            engine.set_external_forces(Some(&push(force))).unwrap();
            engine.advance(200).unwrap();
            engine.state().unwrap().frozen
        });
        let what = format!("{integrator:?}, {force}");
        assert_eq!(found, expected, "{what}");
        assert!(expected.contains_key(&1), "{what}: {expected:?}");
        let Frozen { step, bead, reason: why } = expected[&1];
        assert_eq!((expected.len(), why), (1, reason), "{what}");
        // The push acts from step 6 on. It may exceed the limit at the neighbor of the bead first.
        assert!(step > 5 && (5..=6).contains(&bead), "{what}: {expected:?}");
        let at_once = reason == Reason::Force || !integrator.has_velocities();
        assert!(at_once || step > 6, "{what}: {expected:?}");
    }
}

/// `n_replicas` pairs of beads with a repulsion between them.
fn pairs(n_replicas: usize, sigma: f64) -> (System, State) {
    let repulsion = Prior {
        name: "repulsion".into(),
        form: PriorForm::Repulsion,
        parameters: PriorParameters::PerTuple { values: vec![sigma] },
    };
    let list = TupleList { name: "repulsion".into(), order: 2, tuples: vec![[0, 1, 0, 0]] };
    let topology = Topology { types: vec![1, 1], masses: vec![0.25, 0.5], lists: vec![list] };
    let structure = Structure {
        topology: Arc::new(topology),
        positions: vec![[0.0; 3], [10.0, 0.5, 0.0]],
        velocities: None,
    };
    let model = Model { schnet: None, priors: vec![repulsion] };
    let system = System::new(&model, &vec![structure.clone(); n_replicas]).unwrap();
    let positions = structure.positions.repeat(n_replicas);
    let state = State::at_rest(&system, positions);
    (system, state)
}

/// Two beads that fly toward each other.
fn a_clash_on_the_way_freezes(backend: &Backend) {
    let (system, mut state) = pairs(2, 4.0);
    state.velocities[3] = [-20.0, 0.0, 0.0];
    let watch = Watch { max_force: 15.0, ..TIGHT };
    let dynamics = Dynamics { integrator: Integrator::Nve, watch, ..hot(2) };
    let watch = Watch { max_kinetic: 200.0, ..watch };
    let dynamics = Dynamics { watch, ..dynamics };
    let [found, expected] = [backend, &common::reference()].map(|backend| {
        let mut engine = backend.moving(system.clone(), &dynamics, &state);
        engine.advance(300).unwrap();
        engine.state().unwrap().frozen
    });
    assert_eq!(found, expected);
    assert_eq!((expected[&1].bead, expected[&1].reason), (0, Reason::Force));
    assert!(expected.len() == 1 && expected[&1].step > 30, "{expected:?}");
}

/// The bonds of a state that was set are tested before its first step; a state that is only read is
/// as it was set.
fn a_start_beyond_a_limit_does_not_move(backend: &Backend) {
    let (system, dynamics, mut state) = three(Integrator::Langevin { friction: 5.0 });
    // Rounded, as a device holds the temperatures.
    state.beta = vec![0.5; 3];
    let far = |x: &mut [f64; 3]| x[2] += 20.0;
    state.positions[14..18].iter_mut().for_each(far);
    let mut engine = backend.moving(system, &dynamics, &state);
    assert_eq!(engine.state().unwrap(), state);
    engine.advance(3).unwrap();
    let end = engine.state().unwrap();
    assert_eq!(end.frozen, frozen(1, 0, 4, Reason::Stretch));
    assert_eq!(end.positions[9..18], state.positions[9..18]);
    assert_eq!(end.velocities[9..18], state.velocities[9..18]);
    assert_ne!(end.positions[..9], state.positions[..9]);
}

/// Numbers stay finite even without limits, so that a state can be set again.
fn numbers_that_overflow_freeze(backend: &Backend) {
    for (velocity, force) in [(1e30, 0.0), (1e300, 0.0), (0.0, 1e30)] {
        let (system, dynamics, mut state) = three(Integrator::Langevin { friction: 5.0 });
        let dynamics = Dynamics { watch: Watch::OFF, ..dynamics };
        state.velocities[15] = [0.0, velocity, 0.0];
        let mut engine = backend.moving(system.clone(), &dynamics, &state);
        engine.set_external_forces(Some(&push(force))).unwrap();
        engine.advance(7).unwrap();
        let end = engine.state().unwrap();
        assert_eq!(end.frozen, frozen(1, 1, 6, Reason::Position), "{velocity} {force}");
        assert_eq!(end.positions[15], state.positions[15]);
        engine.set_state(&end).unwrap();
        assert_eq!(engine.state().unwrap(), end);
        let energies = engine.potential().unwrap();
        assert!(energies[1].is_nan() && energies[0].is_finite() && energies[2].is_finite());
    }
}

/// The first and the third replica have the bits that they have alone, and the second one keeps its
/// state.
fn the_others_do_not_notice(backend: &Backend) {
    let (system, dynamics, state) = three(Integrator::Langevin { friction: 5.0 });
    let mut all = backend.moving(system.clone(), &dynamics, &state);
    all.set_external_forces(Some(&push(250.0))).unwrap();
    all.advance(100).unwrap();
    let middle = all.state().unwrap();
    all.advance(100).unwrap();
    let end = all.state().unwrap();
    assert_eq!((middle.frozen.len(), &middle.frozen), (1, &end.frozen));
    assert!(middle.frozen[&1].step < 100);
    for r in [0, 2] {
        let beads = system.beads(r);
        let alone = State {
            positions: state.positions[beads.clone()].to_vec(),
            velocities: state.velocities[beads.clone()].to_vec(),
            origins: vec![state.origins[r]],
            beta: vec![state.beta[r]],
            ..State::default()
        };
        let dynamics = Dynamics { replica_ids: vec![r as u32], ..dynamics.clone() };
        let mut engine = backend.moving(system.select([r]), &dynamics, &alone);
        engine.advance(200).unwrap();
        let alone = engine.state().unwrap();
        assert_eq!(alone.positions, end.positions[beads.clone()], "replica {r}");
        assert_eq!(alone.velocities, end.velocities[beads], "replica {r}");
    }
    assert_eq!(end.positions[9..18], middle.positions[9..18]);
    assert_eq!(end.velocities[9..18], middle.velocities[9..18]);
}

/// The states after a run in pieces of the given lengths. `look` reads or restarts the engine.
fn in_pieces(
    backend: &Backend,
    pieces: &[u64],
    look: impl Fn(&mut Box<dyn Engine>, &System, &Dynamics),
) -> State {
    let (system, dynamics, state) = three(Integrator::Langevin { friction: 5.0 });
    let mut engine = backend.moving(system.clone(), &dynamics, &state);
    for piece in pieces {
        engine.set_external_forces(Some(&push(250.0))).unwrap();
        engine.advance(*piece).unwrap();
        look(&mut engine, &system, &dynamics);
    }
    engine.state().unwrap()
}

fn cuts_and_reads_do_not_show(backend: &Backend) {
    let whole = in_pieces(backend, &[60], |_, _, _| {});
    let Frozen { step, .. } = whole.frozen[&1];
    assert!((3..58).contains(&step), "{step}");
    let pieces = [step - 2, 1, 1, 1, 59 - step];
    let read = in_pieces(backend, &pieces, |engine, _, _| {
        engine.potential().unwrap();
        engine.evaluate(Terms::Prior(0)).unwrap();
        engine.state().unwrap();
        engine.evaluate(Terms::Total).unwrap();
    });
    assert_eq!(read, whole);
    let restarted = in_pieces(backend, &pieces, |engine, system, dynamics| {
        let state = engine.state().unwrap();
        *engine = backend.moving(system.clone(), dynamics, &state);
    });
    assert_eq!(restarted, whole);
}

/// A list that overflows makes a device repeat steps, some of them with missing pairs. The beads of
/// the first replica fly toward one point; the second one blows up before.
fn overflows_of_lists_do_not_show(backend: &Backend) {
    let (system, dynamics, start) = imploding();
    let n = system.beads(0).len();
    let mut state = State { exchanged: Default::default(), ..start };
    state.velocities[n..].fill([0.0; 3]);
    let watch = Watch { max_force: 300.0, ..Watch::default() };
    let dynamics = Dynamics { watch, exchange: None, ..dynamics };
    let mut forces = vec![[0.0; 3]; 2 * n];
    forces[n + 7] = [0.0, 0.0, 310.0];
    let run = |reads: bool| {
        let mut engine = backend.moving(system.clone(), &dynamics, &state);
        for piece in 0..8 {
            if piece == 2 {
                engine.set_external_forces(Some(&forces)).unwrap();
            }
            engine.advance(6).unwrap();
            if reads {
                engine.state().unwrap();
            }
        }
        let edges = engine.probe().n_edges().unwrap();
        // The room at first.
        assert!(edges[0] > 174, "{edges:?}");
        engine.state().unwrap()
    };
    let (alone, read) = (run(false), run(true));
    assert_eq!(alone, read);
    assert_eq!(alone.frozen, frozen(1, 13, 7, Reason::Force));
}

fn frozen_walkers_exchange_nothing(backend: &Backend) {
    let (system, state) = chains(9, 4);
    let exchange = Exchange::copies(Mixing::AllPairs, &[0.6, 0.58, 0.56, 0.54], 1);
    let dynamics = Dynamics { exchange: Some(exchange), watch: TIGHT, ..hot(4) };
    let state = dynamics.at_start(state);
    let mut engine = backend.moving(system, &dynamics, &state);
    let exchange = |engine: &mut Box<dyn Engine>| {
        for _ in 0..10 {
            engine.advance(5).unwrap();
            engine.exchange().unwrap();
        }
        engine.state().unwrap()
    };
    let before = exchange(&mut engine);
    assert!(before.frozen.is_empty());
    assert_ne!(before.exchanged.label, state.exchanged.label);
    let mut forces = vec![[0.0; 3]; 36];
    forces[20] = [2e4, 0.0, 0.0];
    engine.set_external_forces(Some(&forces)).unwrap();
    engine.advance(1).unwrap();
    let froze = engine.state().unwrap();
    assert_eq!(froze.frozen, frozen(2, 51, 2, Reason::Force));
    assert_eq!(froze.exchanged, before.exchanged);
    engine.exchange().unwrap();
    let end = exchange(&mut engine);
    assert_eq!(end.frozen, froze.frozen);
    assert_eq!(end.exchanged.label[2], froze.exchanged.label[2]);
    assert_eq!((end.beta[2], end.exchanged.ends[2]), (froze.beta[2], froze.exchanged.ends[2]));
    assert_eq!(end.velocities[18..27], froze.velocities[18..27]);
    assert_ne!(end.exchanged.label, froze.exchanged.label);
    let energies = engine.potential().unwrap();
    let finite: Vec<usize> = (0..4).filter(|r| energies[*r].is_finite()).collect();
    assert_eq!(finite, [0, 1, 3]);
}

/// [`Engine::set_positions`] lets frozen replicas move, with their temperatures.
fn new_positions_move_again(backend: &Backend) {
    let (system, state) = chains(9, 3);
    let exchange = Exchange::copies(Mixing::AllPairs, &[0.6, 0.5, 0.4], 1);
    let dynamics = Dynamics { exchange: Some(exchange), watch: TIGHT, ..hot(3) };
    let state = dynamics.at_start(state);
    let mut engine = backend.moving(system, &dynamics, &state);
    engine.advance(5).unwrap();
    engine.exchange().unwrap();
    engine.set_external_forces(Some(&push(1.2e4))).unwrap();
    engine.advance(2).unwrap();
    let froze = engine.state().unwrap();
    assert_eq!(froze.frozen, frozen(1, 6, 6, Reason::Force));
    engine.set_external_forces(None).unwrap();
    engine.set_positions(&state.positions).unwrap();
    let set = engine.state().unwrap();
    assert_eq!((&set.beta, &set.velocities), (&froze.beta, &froze.velocities));
    assert!(set.frozen.is_empty() && set.positions == state.positions);
    engine.set_state(&State { velocities: state.velocities, ..set }).unwrap();
    engine.advance(3).unwrap();
    assert_eq!(engine.settle().unwrap(), 10);
    assert!(engine.potential().unwrap().iter().all(|energy| energy.is_finite()));
}

#[test]
fn wrong_limits_are_refused() {
    let (system, dynamics, state) = three(Integrator::Nve);
    for (watch, expected) in [
        (Watch { max_force: 0.0, ..TIGHT }, "max-force: found 0"),
        (Watch { max_kinetic: f64::NAN, ..TIGHT }, "max-kinetic: found NaN"),
        (Watch { max_stretch: 0.5, ..TIGHT }, "max-stretch: found 0.5"),
    ] {
        let dynamics = Dynamics { watch, ..dynamics.clone() };
        let error = (common::cpu().engine)(system.clone(), &dynamics).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    for (r, step, bead) in [(3, 0, 0), (1, 1, 0), (1, 0, 9)] {
        let state = State { frozen: frozen(r, step, bead, Reason::Force), ..state.clone() };
        let mut engine = (common::cpu().engine)(system.clone(), &dynamics).unwrap();
        let error = engine.set_state(&state).unwrap_err().to_string();
        assert!(error.contains(&format!("frozen[{r}]")), "{error}");
    }
}

/// A simulation of three chains with the numbers 40 to 42.
fn simulation(kind: BackendKind, on_blow_up: OnBlowUp) -> Simulation {
    let watch = Watch { on_blow_up, ..Watch::default() };
    let settings = Settings { n_replicas: 3, first_replica: 40, watch, ..Settings::default() };
    let backend = match kind {
        BackendKind::Wgpu => {
            Opened::from_device(common::device(flashschnet::gpu::FeatureSet::Portable))
        }
        _ => Opened::open(kind, None).unwrap(),
    };
    Simulation::new(&small::model(), &small::structures(), &settings, &backend).unwrap()
}

const KINDS: [BackendKind; 3] = [BackendKind::Reference, BackendKind::Cpu, BackendKind::Wgpu];

/// An observer that pushes bead 3 of replica `r` from step `step` on, and notes the frames: the
/// step, the frozen replicas, and the energies of all.
fn pusher(
    r: usize,
    step: u64,
    seen: &mut Vec<(u64, Vec<usize>, Vec<f64>)>,
) -> impl FnMut(&Frame, &mut Control) -> flashschnet::Result<()> {
    move |frame: &Frame, control: &mut Control| {
        let frozen = frame.frozen.keys().copied().collect();
        seen.push((frame.step, frozen, [frame.potential, frame.kinetic].concat()));
        if frame.step == step {
            let mut forces = vec![[0.0; 3]; 36];
            forces[12 * r + 3] = [0.0, 2e5, 0.0];
            control.set_external_forces(Some(forces));
        }
        Ok(())
    }
}

#[test]
fn a_run_stops_with_the_whole_story() {
    for kind in KINDS {
        let mut simulation = simulation(kind, OnBlowUp::Stop);
        let mut seen = Vec::new();
        let error = simulation.run_with(100, 10, &mut pusher(1, 20, &mut seen)).unwrap_err();
        assert!(
            matches!(error, Error::BlowUp { replica: 41, step: 21, last_good: Some(20), .. }),
            "{kind:?}: {error}"
        );
        let said = error.to_string();
        for part in [
            "replica 41 blew up at step 21: the force on bead 3 is 1.99",
            "e5 kcal/mol/Å, the limit 1e5; the largest force on bead 3 is from external forces, 2.000e5 ",
            "; its last good state is of step 20; ",
        ] {
            assert!(said.contains(part), "{kind:?}: {said}");
        }
        assert_eq!(seen.iter().map(|frame| frame.0).collect::<Vec<_>>(), [10, 20]);
        assert_eq!(simulation.last_good().step, [20; 3]);
        // It does not go on by itself.
        assert!(matches!(simulation.run(1), Err(Error::BlowUp { replica: 41, .. })));
    }
}

/// The other replicas go on with the same bits. The replica is put back to its last good state, and
/// moves again.
#[test]
fn a_frozen_replica_can_be_reset() {
    for kind in KINDS {
        let mut undisturbed = simulation(kind, OnBlowUp::Freeze);
        undisturbed.run(40).unwrap();
        let expected = undisturbed.state().unwrap();
        let mut simulation = simulation(kind, OnBlowUp::Freeze);
        let mut good = State::default();
        let mut keep = |frame: &Frame, _: &mut Control| {
            good.positions = frame.positions.to_vec();
            good.velocities = frame.velocities.to_vec();
            Ok(())
        };
        simulation.run_with(20, 20, &mut keep).unwrap();
        let mut seen = Vec::new();
        simulation.set_external_forces(None).unwrap();
        let mut pushed = vec![[0.0; 3]; 36];
        pushed[15] = [0.0, 2e5, 0.0];
        simulation.set_external_forces(Some(&pushed)).unwrap();
        simulation.run_with(20, 10, &mut pusher(0, 0, &mut seen)).unwrap();
        assert_eq!(seen.len(), 2);
        for (step, frozen, energies) in &seen {
            let broken: Vec<usize> = (0..6).filter(|k| energies[*k].is_nan()).collect();
            assert_eq!((&frozen[..], &broken[..]), (&[1][..], &[1, 4][..]), "{kind:?}, {step}");
        }
        let found = simulation.state().unwrap();
        assert_eq!(found.frozen, frozen(1, 21, 3, Reason::Force), "{kind:?}");
        for beads in [0..12, 24..36] {
            assert_eq!(found.positions[beads.clone()], expected.positions[beads.clone()]);
            assert_eq!(found.velocities[beads.clone()], expected.velocities[beads]);
        }
        let energies = simulation.energies().unwrap();
        for of in [&energies.potential, &energies.kinetic, &energies.temperature] {
            assert!(of[1].is_nan() && of[0].is_finite() && of[2].is_finite(), "{energies:?}");
        }
        let last = simulation.last_good().clone();
        assert_eq!(last.step, [40, 20, 40]);
        assert!(last.state.frozen.is_empty());
        assert_eq!(last.state.positions[12..24], good.positions[12..24]);
        assert_eq!(last.state.velocities[12..24], good.velocities[12..24]);

        simulation.set_external_forces(None).unwrap();
        let keep = Reset { velocities: Velocities::Keep, ..Reset::last_good(1) };
        simulation.reset(&[keep]).unwrap();
        let kept = simulation.state().unwrap();
        assert_eq!(kept.step, 40);
        assert!(kept.frozen.is_empty());
        assert_eq!(kept.positions[12..24], good.positions[12..24]);
        assert_eq!(kept.velocities[12..24], good.velocities[12..24]);
        assert_eq!(kept.positions[..12], expected.positions[..12]);
        simulation.reset(&[Reset::last_good(1)]).unwrap();
        let drawn = simulation.state().unwrap();
        assert_eq!(drawn.positions, kept.positions);
        assert_ne!(drawn.velocities[12..24], kept.velocities[12..24]);
        assert_eq!(drawn.velocities[..12], kept.velocities[..12]);
        let at = &expected.positions[12..24];
        let velocities = Velocities::Given(&[[0.0; 3]; 12]);
        let given = Reset { replica: 1, positions: Some(at), velocities };
        simulation.reset(&[Reset::last_good(2), given]).unwrap();
        let both = simulation.state().unwrap();
        assert_eq!(both.positions[12..24], expected.positions[12..24]);
        assert_eq!(both.positions[24..], drawn.positions[24..]);
        assert_ne!(both.velocities[24..], drawn.velocities[24..]);
        assert_eq!(both.velocities[..12], drawn.velocities[..12]);
        simulation.run(10).unwrap();
        assert_ne!(simulation.positions().unwrap()[12..24], expected.positions[12..24]);
        for r in 0..3 {
            assert!(simulation.energies().unwrap().potential[r].is_finite());
        }
        let before = simulation.state().unwrap();
        let short = Reset { positions: Some(&at[..3]), ..Reset::last_good(1) };
        for wrong in [Reset::last_good(3), short] {
            assert!(simulation.reset(&[Reset::last_good(0), wrong]).is_err());
            assert_eq!(simulation.state().unwrap(), before, "{kind:?}");
        }
    }
}

/// The end of a run is a good state also without frames, and so are positions that are set.
#[test]
fn runs_without_frames_have_good_states() {
    for kind in [BackendKind::Reference, BackendKind::Cpu, BackendKind::Wgpu] {
        let backend = flashschnet::Backend::open(kind, None).unwrap();
        let settings = Settings { n_replicas: 3, ..Settings::default() };
        let mut simulation =
            Simulation::new(&small::model(), &small::structures(), &settings, &backend).unwrap();
        for end in [7, 12] {
            simulation.run(end - simulation.step()).unwrap();
            let state = simulation.state().unwrap();
            let good = simulation.last_good();
            assert_eq!((&good.state, &good.step), (&state, &vec![end; 3]), "{kind:?}");
        }
        let moved: Vec<[f64; 3]> =
            simulation.positions().unwrap().iter().map(|x| x.map(|x| x + 500.0)).collect();
        simulation.set_positions(&moved).unwrap();
        simulation.reset(&[Reset::last_good(1)]).unwrap();
        assert!((simulation.positions().unwrap()[12][0] - moved[12][0]).abs() < 1e-9);
    }
}

/// A run ends when no replica is left. A state that was set with a frozen replica has no good state
/// of it.
#[test]
fn a_run_ends_with_its_last_replica() {
    for kind in KINDS {
        let mut simulation = simulation(kind, OnBlowUp::Freeze);
        let mut forces = vec![[0.0; 3]; 36];
        for (r, step) in [(2, 10), (0, 20), (1, 30)] {
            forces[12 * r + 3] = [0.0, 2e5, 0.0];
            simulation.set_external_forces(Some(&forces)).unwrap();
            let ended = simulation.run(10);
            if r != 1 {
                assert_eq!((ended.unwrap(), simulation.step()), (10, step));
                continue;
            }
            match ended.unwrap_err() {
                Error::BlowUp { replica: 41, step: 21, what, .. } => {
                    assert!(what.ends_with("; no replica is left"), "{what}");
                }
                other => panic!("{kind:?}: {other}"),
            }
        }
        let state = simulation.state().unwrap();
        assert_eq!(state.frozen.values().map(|f| f.step).collect::<Vec<_>>(), [11, 21, 1]);
        simulation.set_external_forces(None).unwrap();
        simulation.set_state(&state).unwrap();
        assert!(simulation.reset(&[Reset::last_good(1)]).is_err());
        let at = small::structures()[1].positions.clone();
        let placed = Reset { positions: Some(&at), ..Reset::last_good(1) };
        simulation.reset(&[placed]).unwrap();
        let step = simulation.step();
        assert_eq!(simulation.run(5).unwrap(), 5);
        assert_eq!(simulation.step(), step + 5);
        assert_eq!(simulation.state().unwrap().frozen.len(), 2);
    }
}

/// A start with a bond beyond its limit is refused like one with forces that are too large.
#[test]
fn a_stretched_start_is_refused() {
    let (model, mut structures) = (small::model(), small::structures());
    structures[1].positions[6..].iter_mut().for_each(|x| x[0] += 10.0);
    for kind in KINDS {
        let backend = Opened::open(kind, None).unwrap();
        let settings = Settings { n_replicas: 2, dt: 1e-4, ..Settings::default() };
        let error = Simulation::new(&model, &structures, &settings, &backend).err().unwrap();
        let said = error.to_string();
        assert!(said.starts_with("replica 1: the start clashes: the bond of beads 5 and 6 is 1"));
        assert!(said.contains(" Å long, the limit 3 times its rest length of 3.8 Å; "), "{said}");
    }
}
