//! A state is all that a run needs. It continues with the same bits in another process, even if a
//! list overflows or a replica is recentered right after it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use flashschnet::engine::{Dynamics, Engine, Exchange, Exchanged, Integrator, Mixing, State};
use flashschnet::model::Model;
use flashschnet::structure::{Structure, Topology};
use flashschnet::system::System;

use crate::common::{self, Backend, at_rest, chain, chains, hot, points, small_schnet};

/// Steps before and after the state is read.
const STEPS: [u64; 2] = [100, 25];

/// A system, its first state, and its dynamics.
struct Run {
    system: System,
    state: State,
    dynamics: Dynamics,
}

const RUNS: [&str; 4] = [
    "walkers that exchange",
    "hot chains",
    "a list that overflows",
    "a replica that is recentered",
];

fn run_of(name: &str) -> Run {
    match name {
        "walkers that exchange" => {
            let (system, state) = chains(14, 3);
            let exchange = Some(Exchange::copies(Mixing::AllPairs, &[0.6, 0.5, 0.4], 1));
            let dynamics = Dynamics { exchange, ..hot(3) };
            Run { system, state: dynamics.at_start(state), dynamics }
        }
        "hot chains" => {
            let (system, state) = chains(14, 3);
            Run { system, state, dynamics: hot(3) }
        }
        "a list that overflows" => collapse(),
        _ => flight(),
    }
}

/// Free beads that move toward one point. They come near each other soon after the first
/// `STEPS[0]` steps. The list at first has room for a fifth of the replica's 870 possible edges.
fn collapse() -> Run {
    let n = 30;
    let topology = Topology { types: vec![1; n], masses: vec![1.0; n], lists: Vec::new() };
    let away = |x: [f64; 3]| {
        let size = x.iter().map(|x| x * x).sum::<f64>().sqrt();
        x.map(|x| f64::from((32.0 * x / size) as f32))
    };
    let positions: Vec<_> = points(3, n, 1.0).into_iter().map(away).collect();
    let velocities = positions.iter().map(|x| x.map(|x| -50.0 * x / 32.0)).collect();
    let structure =
        Structure { topology: Arc::new(topology), positions: positions.clone(), velocities: None };
    let model = Model { schnet: Some(small_schnet()), priors: Vec::new() };
    let system = System::new(&model, &[structure]).unwrap();
    let state = State { velocities, ..at_rest(&system, positions) };
    let dynamics = Dynamics { integrator: Integrator::Nve, dt: 0.004, ..hot(1) };
    Run { system, state, dynamics }
}

/// A chain in free flight. It passes 64 Å from its origin, where it is recentered, soon after the
/// first `STEPS[0]` steps.
fn flight() -> Run {
    let (system, state) = chains(12, 1);
    let first = state.positions[0];
    let positions = state.positions.iter().map(|x| std::array::from_fn(|c| x[c] - first[c]));
    let start = at_rest(&system, positions.collect());
    let velocities = vec![[158.0, 0.0, 0.0]; 12];
    let state = State { velocities, ..start };
    let dynamics = Dynamics { integrator: Integrator::Nve, dt: 0.004, ..hot(1) };
    Run { system, state, dynamics }
}

fn write(path: &Path, state: &State) {
    let State { positions, velocities, origins, beta, step, exchanged, frozen, .. } = state;
    assert!(frozen.is_empty(), "{frozen:?}");
    let Exchanged { count, label, ends, tally } = exchanged;
    let vectors = [positions, velocities, origins].map(|v| v.as_flattened());
    let numbers = vectors.into_iter().flatten().chain(beta).map(|x| x.to_bits());
    let lists = [label, ends, tally].into_iter().flat_map(|list| {
        [list.len() as u64].into_iter().chain(list.iter().map(|word| u64::from(*word)))
    });
    let numbers = numbers.chain([*step, *count]).chain(lists);
    std::fs::write(path, numbers.flat_map(u64::to_le_bytes).collect::<Vec<u8>>()).unwrap();
}

fn read(path: &Path, system: &System) -> State {
    let bytes = std::fs::read(path).unwrap();
    let mut words = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
    let mut word = || words.next().unwrap();
    let mut number = || f64::from_bits(word());
    let mut vectors = |n: usize| (0..n).map(|_| std::array::from_fn(|_| number())).collect();
    let (n, r) = (system.n_beads(), system.n_replicas());
    let (positions, velocities, origins) = (vectors(n), vectors(n), vectors(r));
    let beta = (0..r).map(|_| number()).collect();
    let (step, count) = (word(), word());
    let mut list = || (0..word()).map(|_| word() as u32).collect();
    let exchanged = Exchanged { count, label: list(), ends: list(), tally: list() };
    State { positions, velocities, origins, beta, step, exchanged, ..State::default() }
}

/// Advances an engine, with an exchange every 25 steps if it has ladders.
fn advance(engine: &mut dyn Engine, dynamics: &Dynamics, n_steps: u64) {
    if dynamics.exchange.is_none() {
        return engine.advance(n_steps).unwrap();
    }
    for _ in 0..n_steps / 25 {
        engine.advance(25).unwrap();
        engine.exchange().unwrap();
    }
}

/// The backend of a name, which the parent process passes to its child.
fn backend(name: &str) -> Backend {
    match name {
        "cpu" => common::cpu(),
        "cpu_table" => common::cpu_table(),
        "wgpu" => common::wgpu(),
        "wgpu_table" => common::wgpu_table(),
        "wgpu_mixed" => common::wgpu_mixed(),
        #[cfg(feature = "cuda")]
        "cuda_table" => common::cuda_table(),
        #[cfg(feature = "cuda")]
        "cuda_mixed" => common::cuda_mixed(),
        other => panic!("no backend {other}"),
    }
}

const FILE: &str = "FLASHSCHNET_TEST_STATE";
const BACKEND: &str = "FLASHSCHNET_TEST_BACKEND";

/// The other process: continues every run from the state that its parent wrote.
#[test]
#[ignore = "the other tests of this module start it"]
fn child() {
    let Ok(folder) = std::env::var(FILE) else { return };
    let backend = backend(&std::env::var(BACKEND).unwrap());
    for (k, name) in RUNS.iter().enumerate() {
        let Run { system, dynamics, .. } = run_of(name);
        let state = read(&Path::new(&folder).join(k.to_string()), &system);
        let mut engine = backend.moving(system, &dynamics, &state);
        advance(&mut *engine, &dynamics, STEPS[1]);
        let end = engine.state().unwrap();
        write(&Path::new(&folder).join(format!("{k}.end")), &end);
    }
}

fn continues_in_another_process(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let at = |file: String| -> PathBuf { folder.path().join(file) };
    let mut ends = Vec::new();
    for (k, run) in RUNS.iter().enumerate() {
        let Run { system, state, dynamics } = run_of(run);
        let mut engine = backend(name).moving(system.clone(), &dynamics, &state);
        advance(&mut *engine, &dynamics, STEPS[0]);
        let middle = engine.state().unwrap();
        let edges = engine.probe().n_edges().unwrap();
        write(&at(k.to_string()), &middle);
        advance(&mut *engine, &dynamics, STEPS[1]);
        let end = engine.state().unwrap();
        match *run {
            "walkers that exchange" => {
                assert_ne!(end.exchanged.label, middle.exchanged.label, "{name}");
            }
            "a list that overflows" => {
                assert!(edges[0] < 174 && engine.probe().n_edges().unwrap()[0] > 174, "{edges:?}");
            }
            "a replica that is recentered" if !name.starts_with("cpu") => {
                assert_eq!(middle.origins, [[0.0; 3]]);
                assert_ne!(end.origins, middle.origins);
            }
            _ => {}
        }
        ends.push((system, end));
    }
    let program = std::env::current_exe().unwrap();
    let output = std::process::Command::new(program)
        .args(["continuation::child", "--exact", "--ignored"])
        .env(FILE, folder.path())
        .env(BACKEND, name)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    for (k, (system, end)) in ends.into_iter().enumerate() {
        assert_eq!(read(&at(format!("{k}.end")), &system), end, "{name}: {}", RUNS[k]);
    }
}

macro_rules! on_backends {
    ($($(#[$attribute:meta])* $backend:ident),* $(,)?) => {
        $(
            #[test]
            $(#[$attribute])*
            fn $backend() {
                continues_in_another_process(stringify!($backend));
            }
        )*
    };
}

on_backends!(
    cpu,
    cpu_table,
    #[ignore = "takes long without a GPU"]
    wgpu,
    wgpu_table,
    wgpu_mixed,
    #[cfg(feature = "cuda")]
    #[ignore = "needs CUDA"]
    cuda_table,
    #[cfg(feature = "cuda")]
    #[ignore = "needs CUDA"]
    cuda_mixed,
);

/// A run has the same bits however it is cut into calls, also where a replica is recentered or a
/// list overflows.
#[test]
fn cuts_do_not_show() {
    for name in ["wgpu_table", "cpu_table"] {
        for run in &RUNS[2..] {
            let Run { system, state, dynamics } = run_of(run);
            let end = |pieces: &[u64]| {
                let mut engine = backend(name).moving(system.clone(), &dynamics, &state);
                for steps in pieces {
                    engine.advance(*steps).unwrap();
                    engine.potential().unwrap();
                }
                engine.state().unwrap()
            };
            let pieces: Vec<u64> = (0..25).map(|k| 3 + k % 5).collect();
            let steps = pieces.iter().sum();
            assert_eq!(end(&pieces), end(&[steps]), "{name}: {run}");
        }
    }
}

/// A state about 100,000 Å from the origin is read exactly as it was set.
#[test]
fn a_state_far_out_is_read_as_it_was_set() {
    let structure = chain(7, 3);
    let model = Model { schnet: Some(small_schnet()), priors: common::priors(7) };
    let system = System::new(&model, std::slice::from_ref(&structure)).unwrap();
    // The device stores positions as multiples of 2⁻³² Å.
    let on_grid = |x: f64| (x * 4_294_967_296.0).round() / 4_294_967_296.0;
    let shifted = |x: &[f64; 3]| [x[0] + 99_000.25, x[1] - 3.0, x[2]].map(on_grid);
    let positions: Vec<_> = structure.positions.iter().map(shifted).collect();
    let state = at_rest(&system, positions);
    for name in ["cpu", "wgpu_table"] {
        let mut engine = backend(name).moving(system.clone(), &hot(1), &state);
        assert_eq!(engine.state().unwrap(), state, "{name}");
    }
}
