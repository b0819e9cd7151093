//! The order of the beads of a trajectory, from a structure file that has the same order.

use std::path::Path;

use flashschnet::error::OfFile;
use flashschnet::io::force_field::has_terms;
use flashschnet::prepare::{Coarse, Mapping, Options};
use flashschnet::structure::Structure;
use flashschnet::{Error, Result};

/// For each bead of a structure its place in the file.
///
/// # Errors
/// Those of [`Coarse::read`]; [`Error::Invalid`] for a file with other atoms than beads, or with beads
/// of another molecule.
pub(super) fn of_beads(path: &Path, structure: &Structure) -> Result<Vec<usize>> {
    let types = &structure.topology.types;
    let is_backbone = |t: &u32| (21..=24).contains(t);
    let mapping = match has_terms(structure.topology.lists.iter().map(|list| list.name.as_str())) {
        true => Mapping::TorchMd,
        false if types.iter().any(is_backbone) => Mapping::FiveBead,
        false => Mapping::Ca,
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
    match of_file.iter().zip(types).position(|(a, b)| a != b) {
        Some(bead) => {
            let label = coarse.beads().nth(bead).map(|bead| bead.label()).unwrap_or_default();
            let found = format!("{label}, of type {}, in the place of bead {bead}", of_file[bead]);
            invalid(found, &format!("type {}, the molecule of the structure", types[bead]))
        }
        None => Ok(order),
    }
}
