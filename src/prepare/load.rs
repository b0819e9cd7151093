//! Structures from a file of any kind: PDB and mmCIF files are prepared for the model.

use std::path::Path;
use std::sync::Arc;

use super::join::check_size;
use super::{Coarse, Loaded, Mapping, Options, mapping_of, prepare_beads, read};
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
        let mapping = mapping_of(model, options)
            .map_err(|error| match error {
                Error::Invalid { .. } => wrong_content(&bytes, WITHOUT_MAPPING),
                Error::Unsupported { .. } => {
                    let expected = format!("a native file or a .pt file, because {error}");
                    Error::invalid("content", read::name(&bytes), expected)
                }
                error => error,
            })
            .of_file(path)?;
        let prepared = Coarse::parse(&bytes, options, mapping)
            .and_then(|coarse| prepare_beads(coarse, options, model));
        let prepared = prepared.map_err(advised).of_file(path)?;
        Ok(Loaded::Prepared(Box::new(prepared.coarse), prepared.structures))
    }

    /// Loads the structures of a file without a model. Those of a PDB or mmCIF file have five beads
    /// for each residue, or one if the file has nothing but CA, and all index lists of the mapping.
    ///
    /// # Errors
    /// Those of [`load_structures`](crate::io::load_structures) and [`Coarse::read`].
    pub fn load_alone(path: &Path, options: &Options) -> Result<Self> {
        let bytes = match load_structures_or(path, read::is_structure_file)? {
            StructuresOr::Structures(structures) => return Ok(Loaded::Structures(structures)),
            StructuresOr::Bytes(bytes) => bytes,
        };
        let parse = |mapping| Coarse::parse(&bytes, options, mapping);
        let coarse = parse(Mapping::FiveBead)
            .or_else(|error| parse(Mapping::Ca).map_err(|_| error))
            .map_err(advised)
            .of_file(path)?;
        check_size(&coarse.layout()).of_file(path)?;
        let topology = Arc::new(coarse.topology());
        let structures = coarse.structures(&topology);
        Ok(Loaded::Prepared(Box::new(coarse), structures))
    }

    /// The structures.
    pub fn structures(self) -> Vec<Structure> {
        match self {
            Loaded::Structures(structures) | Loaded::Prepared(_, structures) => structures,
        }
    }

    /// The beads of a PDB or mmCIF file.
    pub fn coarse(&self) -> Option<&Coarse> {
        match self {
            Loaded::Structures(_) => None,
            Loaded::Prepared(coarse, _) => Some(coarse),
        }
    }
}

impl Coarse {
    /// Reads the beads of a file; `None` for a file that does not start as a PDB or mmCIF file.
    ///
    /// # Errors
    /// Those of [`Coarse::read`].
    pub fn read_if_structure(
        path: &Path,
        options: &Options,
        mapping: Mapping,
    ) -> Result<Option<Self>> {
        match read::bytes_of_structure(path)? {
            None => Ok(None),
            Some(bytes) => {
                let coarse = Self::parse(&bytes, options, mapping).map_err(advised);
                coarse.of_file(path).map(Some)
            }
        }
    }
}

const WITHOUT_MAPPING: &str = "a native file or a .pt file, because the priors of the model do not \
                               tell which atoms are beads";

/// Names the command that has the options for a structure file that is refused.
fn advised(mut error: Error) -> Error {
    if let Error::Structure { lines, .. } = &mut error {
        let line = "prepare structures of it with options for these problems";
        lines.push(line.to_owned());
    }
    error
}
