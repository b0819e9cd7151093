//! A small model of TorchMD in files: a checkpoint, a force field, a topology and starts.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flashschnet::io::{FrameFormat, TrajectoryWriter};

use super::small::{Checkpoint, FIELD, SEQUENCE, psf};
use crate::common::peptide::{Line, helix};
use crate::common::program::{PROGRAM, stderr, stdout};

/// All atoms of the molecule, far from the origin.
pub(crate) fn atoms() -> Vec<Line> {
    helix(SEQUENCE, 'A', 1, [150.0, -90.0, 30.0])
}

/// Positions of the CA atoms, each set slightly wider than the one before.
pub(crate) fn starts(n: usize) -> Vec<Vec<[f64; 3]>> {
    let lines = atoms();
    let ca: Vec<[f64; 3]> =
        lines.iter().filter(|line| line.name == "CA").map(|line| line.x).collect();
    let wider = |k: usize| ca.iter().map(|x| x.map(|x| x * (1.0 + 0.01 * k as f64))).collect();
    (0..n).map(wider).collect()
}

/// A folder with `model.ckpt`, `field.yaml`, `chain.psf` and `starts.xtc`, which has three frames.
pub(crate) struct Files {
    pub(crate) folder: tempfile::TempDir,
}

impl Files {
    pub(crate) fn new() -> Self {
        let files = Files { folder: tempfile::tempdir().unwrap() };
        Checkpoint::default().write(&files.path("model.ckpt"));
        files.write("field.yaml", FIELD);
        files.write("chain.psf", psf());
        let mut writer =
            TrajectoryWriter::create(&files.path("starts.xtc"), FrameFormat::Xtc).unwrap();
        starts(3).iter().for_each(|frame| writer.write(0, 0.0, frame).unwrap());
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs the program in the folder.
    pub(crate) fn program(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM).args(arguments).current_dir(self.folder.path()).output().unwrap()
    }

    pub(crate) fn succeeds(&self, arguments: &[&str]) -> Output {
        let output = self.program(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        output
    }

    /// The message of a command that fails.
    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        let output = self.program(arguments);
        assert!(!output.status.success(), "{arguments:?}: {}", stdout(&output));
        stderr(&output)
    }

    /// The arguments of a command on the small model.
    pub(crate) fn with<'a>(command: &'a str, starts: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let model = ["--model", "model.ckpt", "--priors", "field.yaml", "--topology", "chain.psf"];
        let place = ["--backend", "reference", "--structures", starts];
        [&[command][..], &model, &place, more].concat()
    }

    /// The energies of starts: a row of numbers for each structure.
    pub(crate) fn energies(&self, starts: &str, more: &[&str]) -> Vec<Vec<f64>> {
        let output = self.succeeds(&Self::with("energy", starts, &[&["--csv"], more].concat()));
        rows(&stdout(&output))
    }
}

/// The rows of a table without its header.
pub(crate) fn rows(text: &str) -> Vec<Vec<f64>> {
    let row = |line: &str| line.split(',').map(|cell| cell.parse().unwrap()).collect();
    text.lines().skip(1).map(row).collect()
}

/// Whether two tables have the same numbers up to rounding of coordinates.
pub(crate) fn assert_near(a: &[Vec<f64>], b: &[Vec<f64>], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().flatten().zip(b.iter().flatten()) {
        assert!((a - b).abs() <= tolerance * a.abs().max(1.0), "{a} {b}");
    }
}

/// The files of a run that do not depend on time.
pub(crate) fn same_results(a: &Path, b: &Path) {
    for name in ["energies.csv", "replica_0000.xtc", "replica_0001.xtc", "topology.pdb"] {
        let [a, b] = [a, b].map(|folder| std::fs::read(folder.join(name)).unwrap());
        assert!(a == b, "{name} differs");
    }
}
