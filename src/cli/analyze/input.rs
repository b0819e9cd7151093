//! The reading of the input: folders of runs, or trajectories.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::analysis::frames::Track;
use crate::error::{OfFile, printable};
use crate::io::Trajectory;
use crate::{Error, Result};
use rayon::prelude::*;

use super::molecule::Molecule;
use super::options::Analyze;
use super::run_folder;
use super::source::{Facts, Native, Source, State, States};
use super::times::Times;

/// Reads folders of runs, or trajectories.
///
/// # Errors
/// [`Error::Invalid`] for a mixture, and those of the files.
pub(super) fn read(options: &Analyze) -> Result<Source> {
    // A path that does not exist has another error.
    let real: Vec<_> = options.inputs.iter().map(|path| path.canonicalize().ok()).collect();
    for (k, path) in options.inputs.iter().enumerate() {
        if real[k].is_some() && real[..k].contains(&real[k]) {
            let expected = "different files or folders: its frames would count twice";
            return Err(Error::invalid("input", format!("{} twice", path.display()), expected));
        }
    }
    let n_folders = options.inputs.iter().filter(|path| path.is_dir()).count();
    match n_folders {
        0 => of_trajectories(options),
        n if n == options.inputs.len() => of_runs(options),
        _ => {
            let expected = "either folders of runs or trajectories";
            Err(Error::invalid("input", "folders and files", expected))
        }
    }
}

fn of_runs(options: &Analyze) -> Result<Source> {
    let given = [
        ("topology", options.topology.is_some()),
        ("temperature", options.temperature.is_some()),
        ("interval", options.interval.is_some()),
    ];
    if let Some((name, _)) = given.into_iter().find(|(_, is_given)| *is_given) {
        return Err(Error::invalid(name, "it with a run", "none: the run tells it"));
    }
    let mut source: Option<Source> = None;
    for folder in &options.inputs {
        let mut read = run_folder::read(folder)?;
        if options.inputs.len() > 1 {
            let name = name(folder, &options.inputs, |path| path.file_name());
            for track in &mut read.tracks {
                track.name = format!("{name}/{}", track.name);
            }
        }
        match &mut source {
            None => source = Some(read),
            Some(source) => source.add(read, folder, options)?,
        }
    }
    source.ok_or_else(|| Error::invalid("input", "none", "at least one run"))
}

fn of_trajectories(options: &Analyze) -> Result<Source> {
    let topology = options.topology.as_ref().ok_or_else(|| {
        Error::invalid("topology", "none", "a PDB, mmCIF or structures file of the molecule")
    })?;
    let molecule = Molecule::read(topology)?;
    let (mut tracks, mut facts, mut lines) = (Vec::new(), Vec::new(), Vec::new());
    let scan = |path: &PathBuf| {
        let name = name(path, &options.inputs, |path| path.file_stem());
        scan(path, name, molecule.n_beads())
    };
    let scanned = options.inputs.par_iter().map(scan).collect::<Result<Vec<_>>>()?;
    for (trajectory, (track, times)) in scanned.into_iter().flatten().enumerate() {
        for (track, clock) in times.parts(track, options.interval, &mut lines) {
            tracks.push(track);
            facts.push(Facts {
                trajectory,
                clock,
                states: States::All(0),
                is_continuous: true,
                ladder: None,
            });
        }
    }
    let state = State { temperature: options.temperature, biases: Vec::new() };
    Ok(Source {
        molecule,
        tracks,
        facts,
        states: vec![state],
        runs: Vec::new(),
        native: Native::default(),
        lines,
        no_energies: None,
    })
}

/// The name of an input in results: the short one, or the whole path if another input has that name.
fn name(path: &Path, all: &[PathBuf], short: impl Fn(&Path) -> Option<&OsStr>) -> String {
    let of_path = short(path);
    let is_unique = all.iter().filter(|other| short(other) == of_path).count() == 1;
    let name = of_path.filter(|_| is_unique).unwrap_or(path.as_os_str());
    printable(name.to_string_lossy())
}

/// The trajectories of a file, and their times.
fn scan(path: &Path, name: String, n_beads: usize) -> Result<Vec<(Track, Times)>> {
    let per_replica = Trajectory::open(path, n_beads)?.frames_per_replica();
    let n_tracks = match per_replica {
        None => 1,
        Some(0) => 0,
        Some(n) => {
            let mut all = Track::new("", n_beads);
            all.add(path, (0, u64::MAX), |_, _| {})?;
            all.len() / n
        }
    };
    let mut tracks = Vec::new();
    for r in 0..n_tracks {
        let mut track = match per_replica {
            None => Track::new(&name, n_beads),
            Some(_) => Track::new(format!("{name}_replica_{r:04}"), n_beads),
        };
        let range = per_replica.map_or((0, u64::MAX), |n| (r * n, n));
        let mut times = Times::default();
        track.add(path, range, |frame, stamp| times.push(frame, stamp))?;
        tracks.push((track, times));
    }
    if tracks.iter().all(|(track, _)| track.is_empty()) {
        return Err(Error::invalid("frames", "none", "at least one")).of_file(path);
    }
    Ok(tracks)
}
