//! Loading of model and structure files of any kind. The kind follows from the content of the file.

use std::io::Read;
use std::path::Path;

use super::content::{ENOUGH, is_safetensors, wrong_content};
use super::import::{Import, import};
use super::native::{read_model, read_structures};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::structure::Structure;

enum Kind {
    /// A zip file, as `torch.save` writes it.
    Torch,
    /// A safetensors file.
    Native,
}

fn kind(path: &Path) -> Result<Kind> {
    let io = |error| Error::io(path, error);
    let mut start = Vec::new();
    let enough = ENOUGH as u64;
    std::fs::File::open(path).map_err(io)?.take(enough).read_to_end(&mut start).map_err(io)?;
    if start.starts_with(b"PK") {
        Ok(Kind::Torch)
    } else if is_safetensors(&start) {
        Ok(Kind::Native)
    } else {
        let expected = "a .pt file of torch.save, or a native file (safetensors)";
        Err(wrong_content(&start, expected).of_file(path))
    }
}

fn missing(path: &Path, found: &str, expected: &str) -> Error {
    Error::invalid("content", found, expected).of_file(path)
}

impl Model {
    /// Loads a model from a native file or from a file of mlcg or flashmd. [`import`](fn@import)
    /// lists the supported files of these tools.
    ///
    /// # Errors
    /// The errors of [`read_model`] and [`import`](fn@import); [`Error::Invalid`] for a file
    /// without a model.
    pub fn load(path: &Path) -> Result<Model> {
        match kind(path)? {
            Kind::Native => read_model(path),
            Kind::Torch => import(path)?.model.ok_or_else(|| {
                missing(path, "structures and no model", "a model; --structures takes this file")
            }),
        }
    }
}

/// Loads structures from a native file or from a file of mlcg or flashmd.
///
/// # Errors
/// The errors of [`read_structures`] and [`import`](fn@import); [`Error::Invalid`] for a file
/// without structures.
pub fn load_structures(path: &Path) -> Result<Vec<Structure>> {
    match kind(path)? {
        Kind::Native => read_structures(path),
        Kind::Torch => import(path)?.structures.ok_or_else(|| {
            missing(
                path,
                "a model and no structures",
                "structures; --model or --priors takes this file",
            )
        }),
    }
}

/// Loads a file with a model and its structures. Specialized models of mlcg are saved in this way.
///
/// # Errors
/// The errors of [`import`](fn@import); [`Error::Invalid`] for a file that lacks one of the two.
pub fn load_model_and_structures(path: &Path) -> Result<(Model, Vec<Structure>)> {
    let expected = "a model together with its structures";
    match kind(path)? {
        Kind::Native => Err(missing(path, "a native file, which holds only one of them", expected)),
        Kind::Torch => match import(path)? {
            Import { model: Some(model), structures: Some(structures) } => Ok((model, structures)),
            Import { model: Some(_), .. } => {
                Err(missing(path, "a model and no structures", expected))
            }
            Import { .. } => Err(missing(path, "structures and no model", expected)),
        },
    }
}
