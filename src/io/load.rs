//! Loading of model and structure files of any kind. The kind follows from the content of the file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::content::{ENOUGH, is_safetensors, wrong_content};
use super::import::{Import, import_bytes};
use super::native::{parse_model, parse_structures};
use crate::error::{Error, OfFile, Result};
use crate::model::Model;
use crate::structure::Structure;

enum Kind {
    /// A zip file, as `torch.save` writes it.
    Torch,
    /// A safetensors file.
    Native,
}

/// Reads a file once, from its start to its end, so that it can be a pipe.
fn read(path: &Path) -> Result<(Kind, Vec<u8>)> {
    let io = |error| Error::io(path, error);
    let mut file = File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    // A file of another kind, which may be large or endless, is not read further.
    (&mut file).take(ENOUGH as u64).read_to_end(&mut bytes).map_err(io)?;
    let kind = if bytes.starts_with(b"PK") {
        Kind::Torch
    } else if is_safetensors(&bytes) {
        Kind::Native
    } else {
        let expected = "a .pt file of torch.save, or a native file (safetensors)";
        return Err(wrong_content(&bytes, expected).of_file(path));
    };
    file.read_to_end(&mut bytes).map_err(io)?;
    Ok((kind, bytes))
}

fn missing(path: &Path, found: &str, expected: &str) -> Error {
    Error::invalid("content", found, expected).of_file(path)
}

impl Model {
    /// Loads a model from a native file or from a file of mlcg or flashmd. [`import`] lists the
    /// supported files of these tools.
    ///
    /// # Errors
    /// The errors of [`read_model`](super::native::read_model) and [`import`]; [`Error::Invalid`]
    /// for a file without a model.
    ///
    /// [`import`]: fn@super::import::import
    pub fn load(path: &Path) -> Result<Model> {
        match read(path)? {
            (Kind::Native, bytes) => parse_model(&bytes).of_file(path),
            (Kind::Torch, bytes) => import_bytes(bytes).of_file(path)?.model.ok_or_else(|| {
                missing(path, "structures and no model", "a model; --structures takes this file")
            }),
        }
    }
}

/// Loads all that a model file holds: a native file, or a file of mlcg or flashmd, which may also
/// hold structures.
///
/// # Errors
/// The errors of [`read_model`](super::native::read_model) and
/// [`import`](fn@super::import::import).
pub fn load_contents(path: &Path) -> Result<Import> {
    match read(path)? {
        (Kind::Native, bytes) => {
            let model = parse_model(&bytes).of_file(path)?;
            Ok(Import { model: Some(model), structures: None })
        }
        (Kind::Torch, bytes) => import_bytes(bytes).of_file(path),
    }
}

/// Loads structures from a native file or from a file of mlcg or flashmd.
///
/// # Errors
/// The errors of [`read_structures`](super::native::read_structures) and
/// [`import`](fn@super::import::import); [`Error::Invalid`] for a file without structures.
pub fn load_structures(path: &Path) -> Result<Vec<Structure>> {
    match read(path)? {
        (Kind::Native, bytes) => parse_structures(&bytes).of_file(path),
        (Kind::Torch, bytes) => import_bytes(bytes).of_file(path)?.structures.ok_or_else(|| {
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
/// The errors of [`import`](fn@super::import::import); [`Error::Invalid`] for a file that lacks one
/// of the two.
pub fn load_model_and_structures(path: &Path) -> Result<(Model, Vec<Structure>)> {
    let expected = "a model together with its structures";
    match read(path)? {
        (Kind::Native, _) => {
            Err(missing(path, "a native file, which holds only one of them", expected))
        }
        (Kind::Torch, bytes) => match import_bytes(bytes).of_file(path)? {
            Import { model: Some(model), structures: Some(structures) } => Ok((model, structures)),
            Import { model: Some(_), .. } => {
                Err(missing(path, "a model and no structures", expected))
            }
            Import { .. } => Err(missing(path, "structures and no model", expected)),
        },
    }
}
