//! The reference structure of RMSD and native contacts.

use std::path::Path;
use std::sync::Arc;

use crate::io::load_structures;
use crate::prepare::{Coarse, Mapping, Options};
use crate::structure::Structure;
use crate::variable::Variable;
use crate::{Error, Result};

/// The first structure of a file. Atoms of a PDB or mmCIF file become the beads of a mapping.
pub(super) fn first_structure(path: &Path, mapping: Mapping) -> Result<Structure> {
    let structures = match Coarse::read_if_structure(path, &Options::default(), mapping)? {
        Some(coarse) => coarse.structures(&Arc::new(coarse.topology())),
        None => load_structures(path)?,
    };
    let structure = structures.into_iter().next();
    structure.ok_or_else(|| Error::invalid("reference", "no structure", "one structure"))
}

/// The fraction of native contacts of a reference, for the values of `--q-cutoff`, `--q-beta` and
/// `--q-lambda`.
pub(super) fn native_contacts(
    reference: &[[f64; 3]],
    [cutoff, beta, lambda]: [f64; 3],
) -> Result<Variable> {
    let constants = [("q-cutoff", cutoff), ("q-beta", beta), ("q-lambda", lambda)];
    match constants.into_iter().find(|(_, number)| !(*number > 0.0 && number.is_finite())) {
        Some((name, number)) => Err(Error::invalid(name, number, "a finite number > 0")),
        None => Ok(Variable::native_contacts(reference, cutoff, beta, lambda)),
    }
}
