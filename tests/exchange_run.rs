//! `run --exchange-interval`: the files of replica exchange agree with each other.

use std::path::Path;

use flashschnet::engine::Exchange;
use flashschnet::structure::molecules;
use flashschnet::units;

use crate::common::program::{dcd, npy, stderr, table, with_system, xtc};
use crate::common::small;

const STEPS: usize = 240;

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// Runs two ladders of three temperatures, and returns stderr.
fn run(arguments: &[&str], folder: &Path) -> String {
    let steps = STEPS.to_string();
    let common = ["--replicas", "6", "--steps", &steps, "--save-interval", "10"];
    let arguments = [&common[..], &["--exchange-interval", "5"], arguments].concat();
    let output = with_system("run", &arguments, folder).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    stderr(&output)
}

/// `states.csv`: the state of each replica after each exchange, by step.
fn states(folder: &Path, step: f64) -> Vec<usize> {
    let rows = table(&folder.join("states.csv"));
    // The frame of a step comes before its exchange.
    let row = rows.iter().rfind(|row| row[0] < step).unwrap();
    row[1..].iter().map(|state| *state as usize).collect()
}

#[test]
fn all_files_tell_the_same() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("run");
    let options = ["--temperature", "300,330,360", "--trajectories-by", "both"];
    let said = run(&[&options[..], &["--npy", "--format", "both"]].concat(), &folder);
    assert!(said.contains("acceptance between neighbors"), "{said}");
    assert!(said.contains("ladder_0001_state_0002.xtc  trajectories, 6"), "{said}");

    // An exchange at every multiple of 5, and the start.
    let of_states = table(&folder.join("states.csv"));
    let steps: Vec<usize> = of_states.iter().map(|row| row[0] as usize).collect();
    assert_eq!(steps, (0..=STEPS).step_by(5).collect::<Vec<_>>());
    assert_eq!(of_states[0][1..], [0.0, 1.0, 2.0, 0.0, 1.0, 2.0]);
    assert!(of_states.iter().any(|row| row[1..4] != [0.0, 1.0, 2.0]), "no exchange");

    // energies.csv has the state of each frame.
    let energies = table(&folder.join("energies.csv"));
    assert_eq!(energies.len(), 6 * STEPS / 10);
    for row in &energies {
        assert_eq!(row[3] as usize, states(&folder, row[0])[row[2] as usize], "step {}", row[0]);
    }

    let ladders = table(&folder.join("ladders.csv"));
    let kelvin: Vec<f64> = ladders.iter().map(|row| row[2]).collect();
    assert_eq!(kelvin, [300.0, 330.0, 360.0, 300.0, 330.0, 360.0]);
    let (_, potential) = npy::<f32>(folder.join("run_potential_0000.npy"));
    let n_frames = STEPS / 10;
    for l in 0..2 {
        // The frames of a state are those of the replica in it.
        for k in 0..3 {
            let of_state = xtc(&folder.join(format!("ladder_{l:04}_state_{k:04}.xtc")));
            assert_eq!(of_state.len(), n_frames);
            let in_dcd = dcd(&folder.join(format!("ladder_{l:04}_state_{k:04}.dcd")));
            assert_eq!(in_dcd.len(), n_frames);
            for (xtc, dcd) in of_state.iter().zip(&in_dcd) {
                assert_eq!(xtc.natoms(), dcd.len());
                for (nm, x) in xtc.positions.iter().zip(dcd.as_flattened()) {
                    assert!((10.0 * nm - x).abs() < 0.0051, "{nm} nm, {x} Å");
                }
            }
            for (f, frame) in of_state.iter().enumerate() {
                let step = 10 * (f + 1);
                let all = states(&folder, step as f64);
                let r = 3 * l + (0..3).find(|r| all[3 * l + r] == k).unwrap();
                let of_walker = &xtc(&folder.join(format!("replica_{r:04}.xtc")))[f];
                assert_eq!((frame.step as usize, &frame.positions), (step, &of_walker.positions));
            }
        }
        let name = |what: &str| folder.join(format!("ladder_{l:04}_{what}.npy"));
        let (shape, u_kn) = npy::<f64>(name("u_kn"));
        let (shape_of_samples, samples) = npy::<i64>(name("samples"));
        assert_eq!(shape, [3, 3 * n_frames]);
        assert_eq!(shape_of_samples, [3 * n_frames, 3]);
        assert_eq!(npy::<i64>(name("N_k")), (vec![3], vec![n_frames as i64; 3]));
        for (n, sample) in samples.chunks(3).enumerate() {
            let [replica, state, step] = [sample[0], sample[1], sample[2]].map(|x| x as usize);
            assert_eq!(state, states(&folder, step as f64)[replica]);
            let energy = f64::from(potential[replica * n_frames + step / 10 - 1]);
            for (k, kelvin) in [300.0, 330.0, 360.0].into_iter().enumerate() {
                let expected = units::beta(kelvin) * energy;
                let found = u_kn[3 * n + k];
                // `potential` is in f32.
                assert!((found - expected).abs() < 1e-6 * expected.abs(), "{found} {expected}");
            }
        }
    }

    // 24 tries of the pair (0, 1), at even numbers, and 24 of the pair (1, 2).
    let acceptance = table(&folder.join("acceptance.csv"));
    let tries: Vec<[usize; 4]> =
        acceptance.iter().map(|row| [row[0], row[1], row[2], row[3]].map(|x| x as usize)).collect();
    assert_eq!(tries, [[0, 0, 1, 24], [0, 1, 2, 24], [1, 0, 1, 24], [1, 1, 2, 24]]);
    let moves = |l: usize| {
        let pairs = of_states.windows(2).map(|rows| {
            let changed = (1..4).filter(|r| rows[0][3 * l + r] != rows[1][3 * l + r]).count();
            changed / 2
        });
        pairs.sum::<usize>()
    };
    for l in 0..2 {
        let accepted: f64 = acceptance[2 * l..2 * l + 2].iter().map(|row| row[4]).sum();
        assert_eq!(accepted as usize, moves(l));
    }
    // A round trip is a way from state 0 to state 2 and back.
    for trips in table(&folder.join("round_trips.csv")) {
        let (r, mut visits) = (trips[0] as usize, Vec::new());
        for row in &of_states {
            let state = row[1 + r] as usize;
            if state != 1 && visits.last() != Some(&state) && (state == 0 || !visits.is_empty()) {
                visits.push(state);
            }
        }
        assert_eq!(trips[2] as usize, visits.len().saturating_sub(1) / 2, "{visits:?}");
    }
}

#[test]
fn a_tuned_ladder_saves_no_frames_before() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("run");
    let options = ["--ladder", "300,500,3", "--tune-ladder", "80", "--trajectories-by", "state"];
    run(&options, &folder);
    let log = text(&folder.join("run.log"));
    for step in [10, 20, 40, 80] {
        assert!(log.contains(&format!("ladders tuned after step {step}: ")), "{log}");
    }
    let energies = table(&folder.join("energies.csv"));
    assert_eq!((energies.len(), energies[0][0]), (6 * (STEPS - 80) / 10, 90.0));
    assert!(!folder.join("replica_0000.xtc").exists());
    assert_eq!(xtc(&folder.join("ladder_0001_state_0001.xtc")).len(), (STEPS - 80) / 10);
    // The counts are those after the run-in, and the temperatures those of the samples.
    let acceptance = table(&folder.join("acceptance.csv"));
    assert_eq!(acceptance.iter().map(|row| row[3]).collect::<Vec<_>>(), [16.0; 4]);
    let ladders = table(&folder.join("ladders.csv"));
    let (_, u_kn) = npy::<f64>(folder.join("ladder_0000_u_kn.npy"));
    for (k, row) in ladders[..3].iter().enumerate() {
        let ratio = u_kn[k] / u_kn[0];
        assert!((ratio - 300.0 / row[2]).abs() < 1e-6, "{ratio} at {} K", row[2]);
    }
    assert_eq!([ladders[0][2], ladders[2][2]], [300.0, 500.0]);
    assert!((ladders[1][2] - 150_000_f64.sqrt()).abs() > 0.01, "not tuned");
}

#[test]
fn wrong_options_are_refused_before_anything_is_written() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("run");
    for (options, expected) in [
        ("--exchange-interval 5", "temperature: found one"),
        ("--exchange-interval 0 --ladder 300,400,3", "exchange-interval: found 0"),
        ("--exchange-interval 5 --ladder 400,300,3", "ladder: found 400,300,3"),
        ("--exchange-interval 5 --ladder 300,400", "ladder: found 300,400"),
        ("--exchange-interval 5 --ladder -3,400,3", "temperature: found -3"),
        ("--exchange-interval 5 --ladder 300,400,300", "found 300, expected 1 to 256 states"),
        (
            "--exchange-interval 5 --ladder 300,400,4 --replicas 6",
            "replicas: found 6 of molecule 0, expected a multiple of 4",
        ),
        (
            "--exchange-interval 5 --ladder 300,400,4 --tune-ladder 50",
            "tune-ladder: found 50, expected a multiple of 40",
        ),
        (
            "--exchange-interval 5 --ladder 300,400,4 --tune-ladder 240",
            "tune-ladder: found 240, expected fewer than the 240 steps",
        ),
        (
            "--exchange-interval 5 --temperature 300,400,350 --tune-ladder 40",
            "ladders[0].beta: found others",
        ),
        ("--exchange-interval 5 --ladder 300,400,4 --integrator nve", "for replica exchange"),
    ] {
        let arguments = ["--steps", "240"].into_iter().chain(options.split(' '));
        let arguments: Vec<&str> = arguments.collect();
        let output = with_system("run", &arguments, &folder).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{options}: {said}");
        assert!(said.contains(expected), "{options}: {said}");
        assert!(!folder.exists(), "{options}");
    }
    for options in ["--ladder 300,400,3", "--tune-ladder 40", "--mixing neighbors"] {
        let arguments = ["--steps", "240"].into_iter().chain(options.split(' '));
        let arguments: Vec<&str> = arguments.collect();
        let output = with_system("run", &arguments, &folder).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{options}");
    }
}

#[test]
fn ladders_have_one_molecule_each() {
    let mut structures = small::structures();
    let mut other = structures[0].clone();
    let mut topology = (*other.topology).clone();
    topology.types[0] += 1;
    other.topology = topology.into();
    structures.insert(1, other);
    let molecule_of = molecules(&structures);
    assert_eq!(molecule_of[..2], [0, 1]);
    let replicas = (0..8).map(|r| molecule_of[r % 2]);
    let ladders = Exchange::by_molecule(&[2.0, 1.0], replicas).unwrap();
    let walkers: Vec<&[usize]> = ladders.iter().map(|ladder| &ladder.walkers[..]).collect();
    assert_eq!(walkers, [[0, 2], [4, 6], [1, 3], [5, 7]]);
    let error = Exchange::by_molecule(&[2.0, 1.0], [0, 1, 0]).unwrap_err().to_string();
    assert!(error.contains("1 of molecule 1"), "{error}");
}

/// A replica that blows up has no more samples, and keeps its state; the others go on.
#[test]
fn a_frozen_replica_has_no_samples() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("run");
    let freeze = ["--on-blow-up", "freeze", "--max-force", "150", "--trajectories-by", "both"];
    let said = run(&[&["--temperature", "300,330,20000"], &freeze[..]].concat(), &folder);
    assert!(said.contains("blew up at step"), "{said}");
    let energies = table(&folder.join("energies.csv"));
    let of_states = table(&folder.join("states.csv"));
    for l in 0..2 {
        let (_, n_k) = npy::<i64>(folder.join(format!("ladder_{l:04}_N_k.npy")));
        let (_, samples) = npy::<i64>(folder.join(format!("ladder_{l:04}_samples.npy")));
        let (shape, u_kn) = npy::<f64>(folder.join(format!("ladder_{l:04}_u_kn.npy")));
        assert!(u_kn.iter().all(|u| u.is_finite()));
        assert_eq!(shape, [3, samples.len() / 3]);
        for (k, n) in n_k.iter().enumerate() {
            let of_state = |row: &&Vec<f64>| row[2] as usize / 3 == l && row[3] as usize == k;
            assert_eq!(*n as usize, energies.iter().filter(of_state).count());
            assert_eq!(*n as usize, samples.chunks(3).filter(|s| s[1] as usize == k).count());
            let frames = xtc(&folder.join(format!("ladder_{l:04}_state_{k:04}.xtc")));
            assert_eq!(frames.len(), *n as usize);
        }
        // The hottest state belongs to a frozen replica, and no other replica gets it.
        let n_frames = (STEPS / 10) as i64;
        assert!(n_k[2] < n_frames && n_k[0] == n_frames && n_k[1] == n_frames, "{n_k:?}");
        let last = of_states.last().unwrap();
        let frozen = (0..3).find(|r| last[1 + 3 * l + r] == 2.0).unwrap();
        let half = &of_states[of_states.len() / 2..];
        assert!(half.iter().all(|row| row[1 + 3 * l + frozen] == 2.0));
        assert!(
            half.iter()
                .any(|row| row[1 + 3 * l + (frozen + 1) % 3]
                    != half[0][1 + 3 * l + (frozen + 1) % 3])
        );
    }
}
