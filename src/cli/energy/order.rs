//! The order of the beads of a trajectory, from a structure file that has the same order.

use std::path::Path;

use crate::error::OfFile;
use crate::io::force_field::has_terms;
use crate::prepare::{Bead, Coarse, Mapping, Options};
use crate::structure::Structure;
use crate::{Error, Result};

use crate::cli::torchmd::{Molecule, is_residue};

/// For each bead of a structure its place in the file. Beads of a topology have the residues of
/// their molecule, and others the types of the mapping.
///
/// # Errors
/// Those of [`Coarse::read`]; [`Error::Invalid`] for a file with other atoms than beads, or with
/// beads of another molecule.
pub(super) fn of_beads(
    path: &Path,
    structure: &Structure,
    molecule: Option<&Molecule>,
) -> Result<Vec<usize>> {
    let types = &structure.topology.types;
    let lists = structure.topology.lists.iter().map(|list| list.name.as_str());
    let mapping = match molecule.is_some() || has_terms(lists) {
        true => Mapping::TorchMd,
        false => Mapping::of_types(types),
    };
    let coarse = Coarse::read(path, &Options::default(), mapping)?;
    let invalid = |found: String, expected: &str| {
        Err(Error::invalid("trajectory-order", found, expected)).of_file(path)
    };
    let Some(order) = coarse.order() else {
        return invalid("other atoms than beads".into(), "a file of the beads of the trajectory");
    };
    let of_file = coarse.types();
    if of_file.len() != types.len() {
        let found = format!("{} beads", of_file.len());
        return invalid(found, &format!("the {} beads of the structure", types.len()));
    }
    let fits = |(k, bead): (usize, &Bead)| match molecule {
        Some(molecule) => is_residue(bead.residue, &molecule.residues[k]),
        None => of_file[k] == types[k],
    };
    match coarse.beads().enumerate().find(|(k, bead)| !fits((*k, bead))) {
        None => Ok(order),
        Some((k, bead)) => {
            let label = bead.label();
            match molecule {
                Some(molecule) => {
                    let found = format!("{label} in the place of bead {k}");
                    invalid(found, &format!("{}, as in the topology", molecule.residues[k]))
                }
                None => {
                    let found =
                        format!("{label}, of type {}, in the place of bead {k}", of_file[k]);
                    invalid(found, &format!("type {}, the molecule of the structure", types[k]))
                }
            }
        }
    }
}
