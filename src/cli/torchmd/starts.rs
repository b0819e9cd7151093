//! The positions that simulations of a topology start from.

use std::path::Path;

use crate::Result;
use crate::error::{Error, OfFile, printable};
use crate::io::Trajectory;
use crate::io::force_field::{Psf, type_of};
use crate::prepare::{Breaks, Coarse, Mapping, Options, Residue};

use crate::cli::logger::note;
use crate::cli::tell::tell;

/// The frames of a trajectory, or of the CA atoms of a PDB or mmCIF file. The center of each is in
/// the origin: all-atom simulations leave a protein far from it, where single precision loses
/// digits.
pub(super) fn read(
    path: &Path,
    molecule: &Psf,
    topology: &Path,
    options: &Options,
) -> Result<Vec<Vec<[f64; 3]>>> {
    // The topology tells the bonds.
    let options = Options { breaks: Breaks::Bond, ..options.clone() };
    let mut frames = match Coarse::read_if_structure(path, &options, Mapping::TorchMd)? {
        Some(coarse) => of_structure(coarse, molecule, topology, path).of_file(path)?,
        None => of_trajectory(path, molecule.n_beads())?,
    };
    frames.iter_mut().for_each(|frame| center(frame));
    match frames.is_empty() {
        true => Err(Error::invalid("frames", "none", "at least one").of_file(path)),
        false => Ok(frames),
    }
}

fn of_trajectory(path: &Path, n_beads: usize) -> Result<Vec<Vec<[f64; 3]>>> {
    let expected = "positions of a topology: XTC, DCD, .npy, PDB or mmCIF";
    let mut trajectory = Trajectory::open_or(path, n_beads, expected)?;
    let mut frames = Vec::new();
    while let Some(positions) = trajectory.read()? {
        frames.push(positions);
    }
    if trajectory.has_box() {
        note(format!("{}: note: the box of this file is not used", printable(path.display())));
    }
    Ok(frames)
}

fn of_structure(
    coarse: Coarse,
    molecule: &Psf,
    topology: &Path,
    path: &Path,
) -> Result<Vec<Vec<[f64; 3]>>> {
    let (name, topology) = (printable(path.display()), printable(topology.display()));
    // Notes are about bonds and names, which the topology tells.
    let is_note = |fact: &String| fact.starts_with("note: ");
    coarse.facts().iter().filter(|fact| !is_note(fact)).for_each(|fact| tell!("{name}: {fact}"));
    let beads: Vec<_> = coarse.beads().collect();
    if beads.len() != molecule.n_beads() {
        let found = format!("{} CA atoms", beads.len());
        let expected = format!("{}, one for each bead of {topology}", molecule.n_beads());
        return Err(Error::invalid("beads", found, expected));
    }
    for (k, (bead, expected)) in beads.iter().zip(&molecule.residues).enumerate() {
        if !is_residue(bead.residue, expected) {
            let expected = format!("{expected}, as in {topology}");
            let found = bead.residue.label(&bead.chain.letter);
            return Err(Error::invalid(format!("residue of bead {k}"), found, expected));
        }
    }
    for warning in &coarse.log.warnings {
        log::warn!("{name}: {}", warning.line());
    }
    Ok(coarse.positions)
}

/// Whether a residue of a structure file is the one that a topology names. Spellings do not matter.
pub(in crate::cli) fn is_residue(residue: &Residue, name: &str) -> bool {
    let of_file = type_of(&residue.name).or_else(|| type_of(residue.amino.name()));
    residue.name == name || (of_file.is_some() && of_file == type_of(name))
}

fn center(positions: &mut [[f64; 3]]) {
    for c in 0..3 {
        let center = positions.iter().map(|x| x[c]).sum::<f64>() / positions.len() as f64;
        positions.iter_mut().for_each(|x| x[c] -= center);
    }
}
