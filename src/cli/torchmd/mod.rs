//! Loading of TorchMD's models: a checkpoint, a force field, a topology and positions.

mod options;
mod starts;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use flashschnet::error::{Error, OfFile};
use flashschnet::io::force_field::{ForceField, Psf, priors};
use flashschnet::io::import::{Import, combine};
use flashschnet::model::{Model, SchNet};
use flashschnet::prepare::Options;
use flashschnet::structure::{Structure, Topology};
use flashschnet::{Result, io};

pub(super) use self::options::{Embeddings, TopologyOptions};
pub(super) use self::starts::is_residue;

/// A model of TorchMD on its molecule.
pub(super) struct Loaded {
    pub(super) model: Model,
    /// A structure for each frame.
    pub(super) structures: Vec<Structure>,
    pub(super) molecule: Molecule,
}

/// What a topology tells about a molecule beside its beads.
pub(super) struct Molecule {
    /// The name of the residue of each bead.
    pub(super) residues: Vec<String>,
    /// The terms, the excluded pairs and the source of the bead types in words.
    pub(super) summary: String,
}

impl TopologyOptions {
    /// The model of a network with the priors that a force field gives to the topology, and a structure
    /// for each frame of the given files; `None` without a topology.
    pub(super) fn load(
        &self,
        model: &Path,
        field: Option<&Path>,
        frames: &[PathBuf],
        of_structure_files: &Options,
    ) -> Option<Result<Loaded>> {
        let (topology, field) = (self.topology.as_deref()?, field?);
        Some(self.load_on(topology, model, field, frames, of_structure_files))
    }

    fn load_on(
        &self,
        psf: &Path,
        model: &Path,
        field: &Path,
        frames: &[PathBuf],
        of_structure_files: &Options,
    ) -> Result<Loaded> {
        let choice = self.choice()?;
        let network = network(io::load_contents(model)?).of_file(model)?;
        let (field, molecule) = (ForceField::read(field)?, Psf::read(psf)?);
        let (priors, lists) = priors(&field, &molecule, &choice).of_file(psf)?;
        let priors = Import { model: Some(Model { schnet: None, priors }), structures: None };
        let model = combine(network, priors).of_file(model)?;
        let (types, masses) = (self.types(&molecule, psf)?, field.masses(&molecule)?);
        let topology = Arc::new(Topology { types, masses, lists });
        let mut structures = Vec::new();
        for path in frames {
            let frames = starts::read(path, &molecule, psf, of_structure_files)?;
            structures.extend(frames.into_iter().map(|positions| Structure {
                topology: Arc::clone(&topology),
                positions,
                velocities: None,
            }));
        }
        if structures.is_empty() {
            return Err(Error::invalid("structures", "no frames", "at least one"));
        }
        let molecule = Molecule { residues: molecule.residues, summary: self.summary() };
        Ok(Loaded { model, structures, molecule })
    }
}

/// Refuses all but a network of TorchMD alone.
fn network(import: Import) -> Result<Import> {
    let is_torchmd = |model: &Model| model.schnet.as_ref().is_some_and(SchNet::has_filter1_bias);
    let expected = "a network of TorchMD alone; --topology and --priors give its priors";
    let found = match &import.model {
        None => "structures and no model",
        Some(model) if !is_torchmd(model) => "a model of another kind",
        Some(model) if !model.priors.is_empty() => "a model with priors",
        Some(_) => return Ok(Import { structures: None, ..import }),
    };
    Err(Error::invalid("content", found, expected))
}
