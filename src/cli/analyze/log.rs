//! The log of an analysis, and its progress.

use std::path::Path;

use crate::Result;
use crate::error::printable;
use crate::io::write_new;
use indicatif::{ProgressBar, ProgressStyle};

use super::columns::Columns;
use super::options::Analyze;
use super::place::LOG;
use super::source::Source;
use crate::cli::tell::stderr_has_room;

/// A bar of the frames that are read, on a terminal.
pub(super) fn bar(n_frames: u64) -> ProgressBar {
    let bar = if stderr_has_room(0) { ProgressBar::new(n_frames) } else { ProgressBar::hidden() };
    let style =
        ProgressStyle::with_template("[{bar:16}] {percent:>3}%  {pos}/{len} frames, ETA {eta}");
    match style {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

/// The lines of `analysis.log`.
pub(super) struct Log(String);

impl Log {
    /// The input and the settings in force.
    pub(super) fn new(options: &Analyze, source: &Source, columns: &Columns) -> Self {
        let mut log = Log(format!("flashschnet {} analyze\n", env!("CARGO_PKG_VERSION")));
        for path in &options.inputs {
            log.note(format!("input: {}", printable(path.display())));
        }
        let n_frames: u64 = source.tracks.iter().map(|track| track.len()).sum();
        let n_beads = source.molecule.n_beads();
        let n_tracks = source.n_trajectories();
        log.note(format!("{n_tracks} trajectories, {n_frames} frames, {n_beads} beads"));
        for (k, state) in source.states.iter().enumerate() {
            let kelvin =
                state.temperature.map_or("unknown temperature".into(), |t| format!("{t} K"));
            let biases: Vec<&str> = state.biases.iter().map(|bias| bias.name.as_str()).collect();
            let biases = match biases.is_empty() {
                true => String::new(),
                false => format!(", biases {}", biases.join(", ")),
            };
            log.note(format!("state {k}: {kelvin}{biases}"));
        }
        match &columns.reference {
            Some((path, _)) => {
                let [cutoff, beta, lambda] = columns.contacts;
                log.note(format!("reference: {}", printable(path.display())));
                match columns.names.contains(&"q") {
                    true => {
                        log.note(format!("q: cutoff {cutoff} Å, beta {beta} /Å, lambda {lambda}"))
                    }
                    false => log.note(format!(
                        "no q: the reference has no native contacts within {cutoff} Å"
                    )),
                }
                if let Some(core) = columns.core {
                    let [folded, unfolded] = columns.cores;
                    let core = columns.names[core];
                    log.note(format!("cores: folded {folded}, unfolded {unfolded}, of {core}"));
                }
            }
            None => log.note("reference: none; RMSF after superposition on the first frame"),
        }
        log.note(format!(
            "beads of rg, rmsd and rmsf: {} ({})",
            options.beads,
            columns.beads.len()
        ));
        log.note(format!(
            "discard {} ps, stride {}, contact cutoff {} Å, {} bins, {} blocks",
            options.discard, options.stride, options.contact_cutoff, options.bins, options.blocks
        ));
        log
    }

    pub(super) fn note(&mut self, line: impl AsRef<str>) {
        self.0 += line.as_ref();
        self.0.push('\n');
    }

    /// A line that the user also sees now.
    pub(super) fn warn(&mut self, line: impl AsRef<str>) {
        ::log::warn!("{}", line.as_ref());
        self.note(format!("warning: {}", line.as_ref()));
    }

    /// The frames that are read, and those that are samples.
    pub(super) fn frames(&mut self, n_frames: u64, every: u64) {
        let samples = match every {
            1 => "all of them samples".to_owned(),
            n => format!(
                "one of {n} a sample; averages, rmsf, contacts and events are of all frames"
            ),
        };
        self.note(format!("{n_frames} frames after discard and stride, {samples}"));
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        write_new(&folder.join(LOG), self.0.as_bytes())
    }
}
