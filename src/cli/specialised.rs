//! The priors that a force field of TorchMD gives to the molecule of structure files.

use std::path::Path;
use std::sync::Arc;

use crate::error::{OfFile, printable};
use crate::io::force_field::{ForceField, specialise};
use crate::model::Model;
use crate::structure::{Structure, Topology};
use crate::{Error, Result};

/// Refuses structures of other molecules than the first one, whose file is `first`.
pub(super) fn check_same(
    first: (&Topology, &Path),
    structures: &[Structure],
    path: &Path,
) -> Result<()> {
    let (topology, file) = first;
    if structures.iter().all(|structure| *structure.topology == *topology) {
        return Ok(());
    }
    let found = format!("another molecule than in {}", printable(file.display()));
    let expected = "structures of one molecule, because a force field makes the priors of one; run \
                    the others on their own";
    Err(Error::invalid("structures", found, expected).of_file(path))
}

/// The model with the priors of the molecule that all structures share.
pub(super) fn join(
    network: &Model,
    field: &ForceField,
    structures: &mut [Structure],
    path: &Path,
) -> Result<Model> {
    let Some(first) = structures.first() else {
        return Err(Error::invalid("structures", "none", "at least one").of_file(path));
    };
    let (model, topology) = specialise(network, field, &first.topology).of_file(path)?;
    if topology.lists != first.topology.lists {
        let found = "index lists of another model";
        let expected = "structures that prepare made for this model and its force field";
        return Err(Error::invalid("structures", found, expected).of_file(path));
    }
    let topology = Arc::new(topology);
    structures.iter_mut().for_each(|structure| structure.topology = Arc::clone(&topology));
    Ok(model)
}
