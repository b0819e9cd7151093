//! Loading of TorchMD's models: a checkpoint, a force field, a topology and positions.

mod options;
mod starts;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Result;
use crate::error::{Error, OfFile};
use crate::io::force_field::{ForceField, Psf, check_network, join};
use crate::io::load_contents;
use crate::model::Model;
use crate::prepare::Options;
use crate::structure::Structure;

pub(super) use self::options::{Embeddings, TopologyOptions};
pub(super) use self::starts::is_residue;

/// A model of TorchMD on its molecule.
pub(super) struct Loaded {
    pub(super) model: Model,
    /// A structure for each frame.
    pub(super) structures: Vec<Structure>,
    pub(super) molecule: Molecule,
    /// A limit that is not applied.
    pub(super) neighbor_limit: Option<u32>,
}

/// The facts of a topology that a structure does not have.
pub(super) struct Molecule {
    /// The name of the residue of each bead.
    pub(super) residues: Vec<String>,
    /// The terms, the excluded pairs and the source of the bead types in words.
    pub(super) summary: String,
}

impl TopologyOptions {
    /// The model of a network with the priors that a force field gives to the topology, and a
    /// structure for each frame of the given files; `None` without a topology.
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
        let molecule = Psf::read(psf)?;
        let choice = self.choice(&molecule, psf)?;
        let contents = load_contents(model)?;
        let network = contents.model.ok_or_else(|| {
            let expected = "a network of TorchMD; --structures takes this file";
            Error::invalid("content", "no model", expected).of_file(model)
        })?;
        check_network(&network).of_file(model)?;
        let field = ForceField::read(field)?;
        let (model, topology) = join(&network, &field, &molecule, &choice).of_file(psf)?;
        let topology = Arc::new(topology);
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
        Ok(Loaded { model, structures, molecule, neighbor_limit: contents.neighbor_limit })
    }
}
