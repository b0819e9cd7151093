//! A network with the priors that a force field gives to one molecule.

use std::path::Path;

use super::field::ForceField;
use super::priors::{Choice, priors};
use super::psf::Psf;
use crate::error::{Error, OfFile, Result};
use crate::model::Model;
use crate::structure::Topology;

/// Loads a model of TorchMD for the molecule of a PSF file: the network of a checkpoint or of a
/// native file, with the priors and the masses of a force field (YAML).
///
/// # Errors
/// Those of [`Model::load`], [`ForceField::read`], [`Psf::read`] and [`join`]. They name the file.
///
/// # Examples
/// ```no_run
/// use std::path::Path;
/// use std::sync::Arc;
///
/// use flashschnet::io::Trajectory;
/// use flashschnet::io::force_field::{Choice, load};
/// use flashschnet::{Backend, BackendKind, Settings, Simulation, Structure};
///
/// let [network, field] = ["majewski.ckpt", "prior_force_field.yaml"].map(Path::new);
/// let (model, topology) = load(network, field, Path::new("cln.psf"), &Choice::default())?;
/// let mut starts = Trajectory::open(Path::new("starts.xtc"), topology.types.len())?;
/// let topology = Arc::new(topology);
/// let mut structures = Vec::new();
/// while let Some(positions) = starts.read()? {
///     let topology = Arc::clone(&topology);
///     structures.push(Structure { topology, positions, velocities: None });
/// }
/// let settings = Settings { n_replicas: structures.len(), ..Settings::default() };
/// let backend = Backend::open(BackendKind::Auto, None)?;
/// let mut simulation = Simulation::new(&model, &structures, &settings, &backend)?;
/// simulation.run(1000)?;
/// # Ok::<(), flashschnet::Error>(())
/// ```
pub fn load(
    network: &Path,
    field: &Path,
    psf: &Path,
    choice: &Choice,
) -> Result<(Model, Topology)> {
    let model = Model::load(network)?;
    check_network(&model).of_file(network)?;
    join(&model, &ForceField::read(field)?, &Psf::read(psf)?, choice).of_file(psf)
}

/// The model and the topology of a molecule: the priors and the masses are those of the force
/// field.
///
/// # Errors
/// Those of [`check_network`], [`ForceField::masses`] and [`priors`](fn@priors); [`Error::Invalid`]
/// for residues without a bead type.
pub fn join(
    network: &Model,
    field: &ForceField,
    psf: &Psf,
    choice: &Choice,
) -> Result<(Model, Topology)> {
    check_network(network)?;
    let types = choice.types.clone().map_or_else(|| psf.types(), Ok)?;
    if types.len() != psf.n_beads() {
        let expected = format!("{}, one for each bead", psf.n_beads());
        return Err(Error::invalid("bead types", types.len(), expected));
    }
    let masses = field.masses(psf)?;
    let (priors, lists) = priors(field, psf, choice)?;
    let model = Model { schnet: network.schnet.clone(), priors };
    Ok((model, Topology { types, masses, lists }))
}

/// [`join`] for the bead types of a topology. Its lists of bonds and dihedrals, if there are any,
/// are the tuples of the molecule.
///
/// # Errors
/// Those of [`join`]; [`Error::Invalid`] for bead types that the published networks do not have.
pub fn specialise(
    network: &Model,
    field: &ForceField,
    topology: &Topology,
) -> Result<(Model, Topology)> {
    let choice = Choice { types: Some(topology.types.clone()), ..Choice::default() };
    join(network, field, &Psf::of_topology(topology)?, &choice)
}

/// Checks that a force field can give a model its priors.
///
/// # Errors
/// [`Error::Unsupported`] for a network that is not one of TorchMD; [`Error::Invalid`] for a model
/// that has priors.
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

/// Whether these names of terms or index lists come from a force field. Models of mlcg can have
/// terms of the other names, but not this repulsion.
pub fn has_terms<'a>(mut names: impl Iterator<Item = &'a str>) -> bool {
    names.any(|name| name == "repulsioncg")
}
