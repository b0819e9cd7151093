//! Files of any kind this program reads, told apart by their content.

use std::io::Read;
use std::path::Path;

use super::Model;
use super::import::{Import, import};
use super::native::{read_model, read_structures};
use crate::error::{Error, Result};
use crate::system::Structure;

enum Kind {
    /// A zip file, as `torch.save` writes it.
    Torch,
    /// A safetensors file.
    Native,
}

fn kind(path: &Path) -> Result<Kind> {
    let io = |error| Error::io(path, error);
    let mut start = Vec::new();
    std::fs::File::open(path).map_err(io)?.take(9).read_to_end(&mut start).map_err(io)?;
    if start.starts_with(b"PK") {
        Ok(Kind::Torch)
    // The length of the header, then the header, which is JSON.
    } else if start.get(8) == Some(&b'{') {
        Ok(Kind::Native)
    // The older forms of torch.save get a message of their own.
    } else if start.starts_with(&[0x80]) {
        Ok(Kind::Torch)
    } else {
        let expected = "a .pt file of torch.save, or a native file (safetensors)";
        let found = match start.is_empty() {
            true => "an empty file".to_owned(),
            false => format!("first bytes {start:02x?}"),
        };
        Err(Error::invalid("content", found, expected).of_file(path))
    }
}

fn missing(path: &Path, found: &str, expected: &str) -> Error {
    Error::invalid("content", found, expected).of_file(path)
}

impl Model {
    /// Loads a model from a native file or from one of the field's Python tools; see
    /// [`import`](fn@import) for the kinds of those.
    ///
    /// # Errors
    /// Those of [`read_model`] and [`import`](fn@import); [`Error::Invalid`] for a
    /// file without a model.
    pub fn load(path: &Path) -> Result<Model> {
        match kind(path)? {
            Kind::Native => read_model(path),
            Kind::Torch => import(path)?
                .model
                .ok_or_else(|| missing(path, "structures and no model", "a model")),
        }
    }
}

/// Loads structures from a native file or from one of the field's Python tools.
///
/// # Errors
/// Those of [`read_structures`] and [`import`](fn@import); [`Error::Invalid`] for a
/// file without structures.
pub fn load_structures(path: &Path) -> Result<Vec<Structure>> {
    match kind(path)? {
        Kind::Native => read_structures(path),
        Kind::Torch => import(path)?
            .structures
            .ok_or_else(|| missing(path, "a model and no structures", "structures")),
    }
}

/// Loads a file that brings both, as specialized models do.
///
/// # Errors
/// Those of [`import`](fn@import); [`Error::Invalid`] for a file that lacks either.
pub fn load_model_and_structures(path: &Path) -> Result<(Model, Vec<Structure>)> {
    let expected = "a model together with its structures";
    match kind(path)? {
        Kind::Native => Err(missing(path, "a native file, which holds one kind", expected)),
        Kind::Torch => match import(path)? {
            Import { model: Some(model), structures: Some(structures) } => Ok((model, structures)),
            Import { model: Some(_), .. } => {
                Err(missing(path, "a model and no structures", expected))
            }
            Import { .. } => Err(missing(path, "structures and no model", expected)),
        },
    }
}
