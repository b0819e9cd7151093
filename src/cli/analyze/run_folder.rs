//! The folder of a run, which may still be going on.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::analysis::frames::Track;
use crate::bias::{Bias, BiasForm};
use crate::checkpoint::Checkpoint;
use crate::engine::Integrator;
use crate::error::OfFile;
use crate::io::Trajectory;
use crate::{Error, Result, units};
use rayon::prelude::*;
use toml_edit::DocumentMut;

use super::molecule::Molecule;
use super::options::CONTACTS;
use super::rows::{self, Key, Run, Steps};
use super::source::{Clock, Facts, Native, Source, State, States, number};

/// The steps and states of the frames of a source.
#[derive(Default)]
struct Frames {
    steps: Steps,
    states: Vec<u16>,
}

/// Reads a folder.
///
/// # Errors
/// [`Error::Invalid`] if it is not the folder of a run of one molecule, has no frames, or its files
/// do not fit each other.
pub(super) fn read(folder: &Path) -> Result<Source> {
    let invalid = |field: &str, found: String, expected: &str| {
        Error::invalid(field, found, expected).of_file(folder)
    };
    let energies = folder.join("energies.csv");
    if !energies.is_file() {
        let expected = "the output folder of a run, with energies.csv and trajectories";
        return Err(invalid("input", "no run".into(), expected));
    }
    if folder.join("topology_0000.pdb").exists() {
        let expected = "one: the trajectories of one of them, with --topology topology_0000.pdb";
        return Err(invalid("run", "several molecules".into(), expected));
    }
    let molecule = Molecule::read(&folder.join("topology.pdb"))?;
    let (checkpoint, _) = Checkpoint::latest(folder, |_| Ok(()))?;
    let dynamics = &checkpoint.dynamics;
    let files = Files::find(folder, &checkpoint)?;
    let (mut states, of_source) = states(&checkpoint);
    let ids = dynamics.replica_ids.iter().enumerate();
    let mut run = Run {
        energies,
        replicas: ids.map(|(replica, id)| (*id, replica)).collect(),
        ladders: files.by_state().then(|| ladders(&checkpoint)),
        tracks: HashMap::new(),
    };

    let of_replica = ladders(&checkpoint);
    let mut frames: HashMap<Key, Frames> = HashMap::new();
    rows::each(&run.energies, |row| {
        let key = run.key(&row)?;
        let of_key = frames.entry(key).or_default();
        of_key.steps.push(row.step);
        if dynamics.exchange.is_some() {
            let replica = run.replicas[&row.replica];
            let of_ladder = of_source.get(of_replica[replica]);
            let state = of_ladder.and_then(|of| of.get(usize::from(row.state?)).copied());
            of_key.states.push(state.ok_or_else(|| run.wrong("state", row.state))?);
        }
        Ok(())
    })?;
    let mut keys: Vec<Key> = frames.keys().copied().collect();
    keys.sort();
    if keys.is_empty() {
        return Err(invalid("frames", "none yet".into(), "at least one frame"));
    }
    run.tracks = keys.iter().enumerate().map(|(track, key)| (*key, track)).collect();
    let n_beads = molecule.n_beads();
    let open = |key: &Key| files.track(*key, &frames[key].steps, n_beads);
    let tracks = keys.par_iter().map(open).collect::<Result<Vec<Track>>>()?;
    let mut facts = Vec::new();
    for key in &keys {
        let Frames { steps, states } = frames.remove(key).unwrap_or_default();
        let of_key = match (key, dynamics.exchange.is_some()) {
            (Key::Replica(_), true) => States::Each(states),
            (Key::State { .. }, _) => States::All(states[0]),
            (Key::Replica(replica), false) => States::All(of_source[0][*replica]),
        };
        facts.push(Facts {
            trajectory: facts.len(),
            clock: Clock::Steps(steps, dynamics.dt),
            states: of_key,
            is_continuous: matches!(key, Key::Replica(_)),
            ladder: dynamics.exchange.as_ref().map(|_| match key {
                Key::Replica(replica) => of_replica[*replica],
                Key::State { ladder, .. } => *ladder,
            }),
        });
    }
    let no_energies = if dynamics.metadynamics.is_some() {
        Some("hills of metadynamics change with time".to_owned())
    } else if !dynamics.anneal.is_empty() {
        Some("the temperature changes with time".to_owned())
    } else if checkpoint.biases.iter().any(|bias| matches!(bias.form, BiasForm::Moving { .. })) {
        Some("the center of a bias moves".to_owned())
    } else {
        None
    };
    if no_energies.is_some() {
        states.iter_mut().for_each(|state| state.biases.clear());
    }
    let native = settings(folder)?;
    let (runs, lines) = (vec![run], Vec::new());
    Ok(Source { molecule, tracks, facts, states, runs, native, lines, no_energies })
}

/// The ladder of each replica; 0 without ladders.
fn ladders(checkpoint: &Checkpoint) -> Vec<usize> {
    let mut of_replica = vec![0; checkpoint.dynamics.replica_ids.len()];
    let ladders = checkpoint.dynamics.exchange.iter().flat_map(|of| of.ladders.iter().enumerate());
    for (l, ladder) in ladders {
        ladder.walkers.iter().for_each(|replica| of_replica[*replica] = l);
    }
    of_replica
}

/// The different states of a run, and the number of that of each state of each ladder, or of each
/// replica.
fn states(checkpoint: &Checkpoint) -> (Vec<State>, Vec<Vec<u16>>) {
    let Checkpoint { dynamics, biases, state, .. } = checkpoint;
    let is_known = dynamics.anneal.is_empty() && dynamics.integrator != Integrator::Nve;
    let mut all = Vec::new();
    let mut of_source = |(k, beta): (usize, &f64)| {
        let biases = biases.iter().map(|bias| alone(bias, k)).collect();
        // The digits of the temperatures that a user has given.
        let kelvin = (1e6 * units::kelvin(*beta)).round() / 1e6;
        number(&mut all, State { temperature: is_known.then_some(kelvin), biases })
    };
    let numbers = match &dynamics.exchange {
        Some(exchange) => {
            let ladders = exchange.ladders.iter();
            ladders.map(|of| of.beta.iter().enumerate().map(&mut of_source).collect()).collect()
        }
        None => vec![state.beta.iter().enumerate().map(of_source).collect()],
    };
    (all, numbers)
}

/// A bias with the numbers of one state.
fn alone(bias: &Bias, state: usize) -> Bias {
    let one = |list: &Vec<f64>| list.get(state).or(list.first()).copied().into_iter().collect();
    let form = match &bias.form {
        BiasForm::Harmonic { k, center } => BiasForm::Harmonic { k: one(k), center: one(center) },
        BiasForm::FlatBottom { k, lower, upper } => {
            BiasForm::FlatBottom { k: one(k), lower: one(lower), upper: one(upper) }
        }
        moving @ BiasForm::Moving { .. } => moving.clone(),
    };
    Bias { form, ..bias.clone() }
}

/// The reference and the constants of native contacts in the settings.
fn settings(folder: &Path) -> Result<Native> {
    let path = folder.join("settings.toml");
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(Native::default()) };
    let file: DocumentMut = text
        .parse()
        .map_err(|_| Error::invalid("content", "no TOML", "the settings of a run"))
        .of_file(&path)?;
    let number = |key: &str| {
        let value = file.get(key)?;
        value.as_float().or(value.as_integer().map(|n| n as f64))
    };
    let reference = file.get("reference").and_then(|value| value.as_str()).map(PathBuf::from);
    let contacts = CONTACTS.map(number);
    Ok(Native { reference: reference.map(|reference| (path, reference)), contacts })
}

/// The files that have the frames.
enum Files {
    /// By source, XTC or DCD.
    Trajectories { paths: HashMap<Key, PathBuf>, by_state: bool, is_xtc: bool },
    /// Arrays of all replicas.
    Arrays(Vec<PathBuf>),
}

impl Files {
    fn find(folder: &Path, checkpoint: &Checkpoint) -> Result<Self> {
        let ids = &checkpoint.dynamics.replica_ids;
        let exchange = checkpoint.dynamics.exchange.iter();
        let ladders: Vec<usize> =
            exchange.flat_map(|of| of.ladders.iter().map(|ladder| ladder.n_states())).collect();
        for by_state in [false, true] {
            for extension in ["xtc", "dcd"] {
                let name = |key: Key| match key {
                    Key::Replica(r) => format!("replica_{:04}.{extension}", ids[r]),
                    Key::State { ladder, state } => {
                        format!("ladder_{ladder:04}_state_{state:04}.{extension}")
                    }
                };
                let keys: Vec<Key> = match by_state {
                    false => (0..ids.len()).map(Key::Replica).collect(),
                    true => {
                        let of_ladder = |(ladder, n): (usize, &usize)| {
                            (0..*n).map(move |state| Key::State { ladder, state })
                        };
                        ladders.iter().enumerate().flat_map(of_ladder).collect()
                    }
                };
                let paths: HashMap<Key, PathBuf> = keys
                    .into_iter()
                    .map(|key| (key, folder.join(name(key))))
                    .filter(|(_, path)| path.is_file())
                    .collect();
                if !paths.is_empty() {
                    let is_xtc = extension == "xtc";
                    return Ok(Files::Trajectories { paths, by_state, is_xtc });
                }
            }
        }
        let block = |n: usize| folder.join(format!("run_coords_{n:04}.npy"));
        let blocks: Vec<PathBuf> = (0..).map(block).take_while(|path| path.is_file()).collect();
        if blocks.is_empty() {
            let expected = "replica_*.xtc, replica_*.dcd, ladder_*_state_*.xtc or run_coords_*.npy";
            return Err(Error::invalid("trajectories", "none", expected)).of_file(folder);
        }
        Ok(Files::Arrays(blocks))
    }

    fn by_state(&self) -> bool {
        matches!(self, Files::Trajectories { by_state: true, .. })
    }

    /// The trajectory of a source whose frames have these steps.
    fn track(&self, key: Key, steps: &Steps, n_beads: usize) -> Result<Track> {
        let (paths, is_xtc) = match self {
            Files::Trajectories { paths, is_xtc, .. } => (paths, *is_xtc),
            Files::Arrays(blocks) => return of_arrays(blocks, key, steps, n_beads),
        };
        let path = paths.get(&key).ok_or_else(|| {
            Error::invalid(
                "trajectories",
                format!("none of {key:?}"),
                "one of each in energies.csv",
            )
        })?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let mut track = Track::new(name, n_beads);
        let mut other = None;
        track.add(path, (0, steps.len()), |frame, stamp| {
            // A DCD file has no steps of frames, and steps of XTC are at most 2³¹ − 1.
            let wrong = stamp
                .filter(|(step, _)| is_xtc && *step < i32::MAX as u64 && *step != steps.get(frame));
            other = other.or(wrong.map(|(step, _)| (frame, step)));
        })?;
        if let Some((frame, step)) = other {
            let expected = format!("step {}, as in energies.csv", steps.get(frame));
            let field = format!("frame {frame}");
            return Err(Error::invalid(field, format!("step {step}"), expected)).of_file(path);
        }
        if track.len() < steps.len() {
            let expected = format!("{}, as many as rows of energies.csv", steps.len());
            return Err(Error::invalid("frames", track.len(), expected)).of_file(path);
        }
        Ok(track)
    }
}

/// The trajectory of a replica in arrays. A run that is going on has rows of energies beyond them.
fn of_arrays(blocks: &[PathBuf], key: Key, steps: &Steps, n_beads: usize) -> Result<Track> {
    let Key::Replica(replica) = key else {
        return Err(Error::invalid("arrays", "states", "replicas"));
    };
    let mut track = Track::new(format!("replica_{replica:04}"), n_beads);
    for path in blocks {
        let n = Trajectory::open(path, n_beads)?.frames_per_replica().ok_or_else(|| {
            let expected = "(replicas, frames, beads, 3)";
            Error::invalid("shape", "no axis of replicas", expected).of_file(path)
        })?;
        let left = steps.len() - track.len();
        track.add(path, (replica as u64 * n, n.min(left)), |_, _| {})?;
    }
    Ok(track)
}
