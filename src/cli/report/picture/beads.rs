//! The beads of a run as its files have them.

use std::ops::Range;
use std::path::Path;

use crate::io::Trajectory;
use crate::prepare::Mapping;
use crate::{Error, Result};

use crate::cli::reference::first_structure;

/// The beads of a molecule.
pub(super) struct Molecule {
    pub(super) n_beads: usize,
    /// The beads that a tube goes through: the CA, or all beads if there are none.
    pub(super) drawn: Vec<usize>,
    pub(super) has_ca: bool,
    /// The drawn beads of each chain.
    pub(super) chains: Vec<Range<usize>>,
    /// Five beads in a residue.
    has_backbone: bool,
}

impl Molecule {
    /// Reads a topology of a run.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
        let mut names: Vec<(&str, usize)> = Vec::new();
        let mut chain = 0;
        for line in text.lines() {
            if line.starts_with("ATOM") {
                names.push((line.get(12..16).unwrap_or_default().trim(), chain));
            }
            chain += usize::from(line.starts_with("TER"));
        }
        let has = |name: &str| names.iter().any(|(found, _)| *found == name);
        let has_ca = has("CA");
        let all = names.iter().enumerate();
        let drawn: Vec<usize> =
            all.filter(|(_, (name, _))| !has_ca || *name == "CA").map(|(k, _)| k).collect();
        if drawn.is_empty() {
            return Err(Error::invalid("beads", "none", "at least one").of_file(path));
        }
        let mut chains: Vec<Range<usize>> = Vec::new();
        for beads in drawn.chunk_by(|a, b| names[*a].1 == names[*b].1) {
            let start = chains.last().map_or(0, |chain| chain.end);
            chains.push(start..start + beads.len());
        }
        let (n_beads, has_backbone) = (names.len(), has("N"));
        Ok(Molecule { n_beads, drawn, has_ca, chains, has_backbone })
    }

    pub(super) fn of(&self, positions: &[[f64; 3]]) -> Vec<[f64; 3]> {
        self.drawn.iter().map(|bead| positions[*bead]).collect()
    }

    /// The drawn beads of the first structure of a file.
    pub(super) fn reference(&self, path: &Path) -> Result<Vec<[f64; 3]>> {
        let mapping = if self.has_backbone { Mapping::FiveBead } else { Mapping::Ca };
        let read = |mapping| first_structure(path, mapping);
        // Beads of TorchMD are CA too, also those of other residues.
        let found = read(mapping).or_else(|error| read(Mapping::TorchMd).map_err(|_| error))?;
        let positions = found.positions;
        match positions.len() == self.n_beads {
            true => Ok(self.of(&positions)),
            false => {
                let expected = format!("{} as in the topology", self.n_beads);
                Err(Error::invalid("beads", positions.len(), expected).of_file(path))
            }
        }
    }
}

/// The first and the last frame of a trajectory, and the error that ends it, if any.
pub(super) struct Ends {
    pub(super) first: Vec<[f64; 3]>,
    pub(super) last: Vec<[f64; 3]>,
    pub(super) n_frames: u64,
    pub(super) error: Option<Error>,
}

/// Reads the first and the last frame of a trajectory. About `n` frames are expected, so that those
/// between are not decoded.
pub(super) fn ends(path: &Path, n_beads: usize, n: u64) -> Result<Ends> {
    let mut trajectory = Trajectory::open(path, n_beads)?;
    let no_frame = || Error::invalid("frames", "none", "at least one").of_file(path);
    let first = trajectory.read()?.ok_or_else(no_frame)?;
    let mut skipped = Ok(true);
    while trajectory.frame() + 1 < n && matches!(skipped, Ok(true)) {
        skipped = trajectory.skip();
    }
    if !matches!(skipped, Ok(true)) {
        // The file has fewer frames than expected.
        let found = trajectory.frame();
        let mut ends = ends(path, n_beads, found)?;
        ends.error = skipped.err().or(ends.error);
        return Ok(ends);
    }
    let mut ends = Ends { last: first.clone(), first, n_frames: trajectory.frame(), error: None };
    loop {
        match trajectory.read() {
            Ok(Some(frame)) => (ends.last, ends.n_frames) = (frame, trajectory.frame()),
            Ok(None) => return Ok(ends),
            Err(error) => {
                ends.error = Some(error);
                return Ok(ends);
            }
        }
    }
}
