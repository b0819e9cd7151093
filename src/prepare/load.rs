//! Structures from a file of any kind: PDB and mmCIF files are prepared for the model.

use std::path::Path;

use super::{Coarse, Loaded, Options, mapping_of, prepare_beads, read};
use crate::error::{Error, OfFile, Result};
use crate::io::content::wrong_content;
use crate::io::{StructuresOr, load_structures_or};
use crate::model::Model;
use crate::structure::Structure;

impl Loaded {
    /// Loads the structures of a file. The content decides about its kind.
    ///
    /// # Errors
    /// Those of [`load_structures`](crate::io::load_structures) and [`super::prepare`].
    pub fn load(path: &Path, options: &Options, model: &Model) -> Result<Self> {
        let bytes = match load_structures_or(path, read::is_structure_file)? {
            StructuresOr::Structures(structures) => return Ok(Loaded::Structures(structures)),
            StructuresOr::Bytes(bytes) => bytes,
        };
        let mapping = mapping_of(model, options.mapping).map_err(|error| match error {
            Error::Invalid { .. } => wrong_content(&bytes, WITHOUT_MAPPING).of_file(path),
            error => error,
        })?;
        let prepared = Coarse::parse(&bytes, options, mapping)
            .and_then(|coarse| prepare_beads(coarse, options, model));
        prepared.map(|prepared| Loaded::Prepared(Box::new(prepared))).map_err(advised).of_file(path)
    }

    /// The structures.
    pub fn structures(self) -> Vec<Structure> {
        match self {
            Loaded::Structures(structures) => structures,
            Loaded::Prepared(prepared) => prepared.structures,
        }
    }
}

const WITHOUT_MAPPING: &str = "a native file or a .pt file, because the priors of the model do not \
                               tell which atoms are beads";

/// Names the command that has the options for a structure file that is refused.
fn advised(mut error: Error) -> Error {
    if let Error::Structure { lines, .. } = &mut error {
        let line = "flashschnet prepare has these options; --structures takes what it writes";
        lines.push(line.to_owned());
    }
    error
}
