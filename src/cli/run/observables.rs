//! The observables on the command line.

use std::path::{Path, PathBuf};

use crate::error::OfFile;
use crate::prepare::Mapping;
use crate::structure::Structure;
use crate::system::{Convention, System};
use crate::variable::{CONTACT_BETA, CONTACT_CUTOFF, CONTACT_LAMBDA, Variable};
use crate::{Error, Result};
use clap::{Args, ValueEnum};

use crate::cli::options::real;
use crate::cli::reference::{first_structure, native_contacts};

#[derive(Args)]
#[command(next_help_heading = "Observables")]
pub(super) struct ObservableOptions {
    /// Observables to write in each frame, separated by commas: as columns of energies.csv and, with
    /// --npy, as run_rg_0000.npy (replicas, frames) and so on
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LIST")]
    observables: Vec<Name>,
    /// Structure file with the reference of rmsd and q, also PDB or mmCIF; its first structure counts,
    /// and it must have the same beads
    #[arg(long, value_name = "FILE", requires = "observables")]
    reference: Option<PathBuf>,
    /// Native contacts are pairs of beads that are nearer than this in the reference, Å
    #[arg(long, value_parser = real, default_value_t = CONTACT_CUTOFF, value_name = "R")]
    #[arg(requires = "reference")]
    q_cutoff: f64,
    /// Steepness of a native contact, 1/Å
    #[arg(long, value_parser = real, default_value_t = CONTACT_BETA, value_name = "BETA")]
    #[arg(requires = "reference")]
    q_beta: f64,
    /// Tolerance of a native contact: half of it is left at LAMBDA times its distance in the reference
    #[arg(long, value_parser = real, default_value_t = CONTACT_LAMBDA, value_name = "LAMBDA")]
    #[arg(requires = "reference")]
    q_lambda: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Radius of gyration, Å
    Rg,
    /// Distance between the first and the last bead, Å
    EndToEnd,
    /// RMSD from the reference after optimal superposition, Å
    Rmsd,
    /// Fraction of native contacts, from 0 to 1 (Best, Hummer and Eaton 2013), of beads whose numbers
    /// differ by more than 3
    Q,
}

impl Name {
    /// The name in files.
    fn text(self) -> &'static str {
        match self {
            Name::Rg => "rg",
            Name::EndToEnd => "end_to_end",
            Name::Rmsd => "rmsd",
            Name::Q => "q",
        }
    }
}

impl ObservableOptions {
    /// The observables with their names in files.
    ///
    /// # Errors
    /// [`Error::Invalid`] if an observable is given twice, for a reference that is missing or has
    /// other beads, and for variables that the system cannot have.
    pub(super) fn variables(&self, system: &System) -> Result<Vec<(String, Variable)>> {
        let has = |name: Name| self.observables.contains(&name);
        let found = self.reference.as_ref().filter(|_| !has(Name::Rmsd) && !has(Name::Q));
        if let Some(path) = found {
            let expected = "none, without the observables rmsd and q";
            return Err(Error::invalid("reference", path.display(), expected));
        }
        let constants = [
            ("q-cutoff", self.q_cutoff, CONTACT_CUTOFF),
            ("q-beta", self.q_beta, CONTACT_BETA),
            ("q-lambda", self.q_lambda, CONTACT_LAMBDA),
        ];
        let changed = constants.into_iter().find(|(_, number, usual)| number != usual);
        if let Some((name, number, _)) = changed.filter(|_| !has(Name::Q)) {
            return Err(Error::invalid(name, number, "none, without the observable q"));
        }
        let reference = match &self.reference {
            Some(path) => Some(reference(path, system).of_file(path)?),
            None => None,
        };
        let mut all: Vec<(String, Variable)> = Vec::new();
        for name in &self.observables {
            let text = name.text();
            if all.iter().any(|(known, _)| known == text) {
                let found = format!("{text} twice");
                return Err(Error::invalid("observables", found, "different names"));
            }
            let reference = || {
                let missing = || Error::invalid("reference", "none", format!("a file, for {text}"));
                reference.as_ref().map(|structure| &structure.positions[..]).ok_or_else(missing)
            };
            let variable = match name {
                Name::Rg => Variable::radius_of_gyration(),
                Name::EndToEnd => Variable::end_to_end(n_beads(system)?),
                Name::Rmsd => Variable::rmsd(reference()?),
                Name::Q => {
                    native_contacts(reference()?, [self.q_cutoff, self.q_beta, self.q_lambda])?
                }
            };
            variable.check(system)?;
            all.push((text.to_owned(), variable));
        }
        Ok(all)
    }
}

/// The number of beads, if all molecules have the same.
fn n_beads(system: &System) -> Result<usize> {
    let mut numbers = system.molecules().iter().map(|molecule| molecule.n_beads());
    let first = numbers.next().unwrap_or_default();
    match numbers.find(|number| *number != first) {
        Some(other) => {
            let found = format!("molecules of {first} and of {other} beads");
            Err(Error::invalid("end-to-end", found, "molecules with the same last bead"))
        }
        None => Ok(first),
    }
}

/// The first structure of a file, which must have the beads of every molecule. Atoms of a PDB or mmCIF
/// file become beads.
pub(super) fn reference(path: &Path, system: &System) -> Result<Structure> {
    let mapping = match system.molecules().first() {
        Some(molecule) if molecule.convention == Convention::TorchMd => Mapping::TorchMd,
        Some(molecule) => Mapping::of_types(&molecule.types),
        None => Mapping::Ca,
    };
    let structure = first_structure(path, mapping)?;
    let types = &structure.topology.types;
    match system.molecules().iter().find(|molecule| molecule.types != *types) {
        Some(other) if other.n_beads() != types.len() => {
            let expected = format!("the {} beads of the run", other.n_beads());
            Err(Error::invalid("reference", format!("{} beads", types.len()), expected))
        }
        Some(_) => Err(Error::invalid(
            "reference",
            "beads of other types",
            "the bead types of every molecule of the run",
        )),
        None => Ok(structure),
    }
}
