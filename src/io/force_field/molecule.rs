//! A network with the priors that a force field gives to one molecule.

use super::field::ForceField;
use super::priors::{Choice, priors};
use super::psf::Psf;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::structure::Topology;

/// The model and the topology of a molecule: the priors and the masses are those of the force field.
/// The bead types, and the bonds and dihedrals if there are lists of these names, are those of the given
/// topology.
///
/// # Errors
/// Those of [`check_network`] and [`priors`](fn@priors); [`Error::Invalid`] for bead types that the
/// published networks do not have.
pub fn specialise(
    network: &Model,
    field: &ForceField,
    topology: &Topology,
) -> Result<(Model, Topology)> {
    check_network(network)?;
    let molecule = Psf::of_topology(topology)?;
    let (priors, lists) = priors(field, &molecule, &Choice::default())?;
    let model = Model { schnet: network.schnet.clone(), priors };
    let (types, masses) = (topology.types.clone(), field.masses(&molecule)?);
    Ok((model, Topology { types, masses, lists }))
}

/// Checks that a force field can give a model its priors.
///
/// # Errors
/// [`Error::Unsupported`] for a network that is not one of TorchMD; [`Error::Invalid`] for a model that
/// has priors.
pub fn check_network(network: &Model) -> Result<()> {
    if !network.schnet.as_ref().is_some_and(|schnet| schnet.has_filter1_bias()) {
        let what = "a force field for a model that is not a network of TorchMD";
        return Err(Error::unsupported(what, "its priors are a .pt file or a native file"));
    }
    match network.priors.first() {
        Some(prior) => {
            let found = format!("a model with priors ({})", prior.name);
            let expected = "a network alone, to which a force field gives its priors";
            Err(Error::invalid("model", found, expected))
        }
        None => Ok(()),
    }
}

/// Whether these names of terms or index lists come from a force field. Models of mlcg can have terms of
/// the other names, but not this repulsion.
pub fn has_terms<'a>(mut names: impl Iterator<Item = &'a str>) -> bool {
    names.any(|name| name == "repulsioncg")
}
