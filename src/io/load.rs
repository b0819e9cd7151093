//! Loading of model and structure files of any kind. The kind follows from the content of the file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::content::{ENOUGH, is_safetensors, wrong_content};
use super::force_field::{ForceField, is_force_field};
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

/// A file of which the start is read. It is read once, from its start to its end, so that it can be
/// a pipe.
struct Opened<'a> {
    path: &'a Path,
    file: File,
    bytes: Vec<u8>,
}

impl<'a> Opened<'a> {
    fn new(path: &'a Path) -> Result<Self> {
        let io = |error| Error::io(path, error);
        let file = File::open(path).map_err(io)?;
        let mut bytes = Vec::new();
        (&file).take(ENOUGH as u64).read_to_end(&mut bytes).map_err(io)?;
        Ok(Opened { path, file, bytes })
    }

    fn kind(&self) -> Option<Kind> {
        match () {
            () if self.bytes.starts_with(b"PK") => Some(Kind::Torch),
            () if is_safetensors(&self.bytes) => Some(Kind::Native),
            () => None,
        }
    }

    fn all(mut self) -> Result<Vec<u8>> {
        let io = |error| Error::io(self.path, error);
        self.file.read_to_end(&mut self.bytes).map_err(io)?;
        Ok(self.bytes)
    }

    /// All bytes. A file of another kind, which may be large or endless, is not read further.
    fn read(self) -> Result<(Kind, Vec<u8>)> {
        self.read_or("a .pt file of torch.save, or a native file (safetensors)")
    }

    /// [`Opened::read`] with a description of the files that are taken.
    fn read_or(self, expected: &str) -> Result<(Kind, Vec<u8>)> {
        let Some(kind) = self.kind() else {
            return Err(wrong_content(&self.bytes, expected).of_file(self.path));
        };
        Ok((kind, self.all()?))
    }
}

fn read(path: &Path) -> Result<(Kind, Vec<u8>)> {
    Opened::new(path)?.read()
}

fn contents(kind: Kind, bytes: Vec<u8>, path: &Path) -> Result<Import> {
    match kind {
        Kind::Native => {
            let model = parse_model(&bytes).of_file(path)?;
            Ok(Import { model: Some(model), ..Import::default() })
        }
        Kind::Torch => import_bytes(bytes).of_file(path),
    }
}

fn missing(path: &Path, found: &str, expected: &str) -> Error {
    Error::invalid("content", found, expected).of_file(path)
}

impl Model {
    /// Loads a model from a native file or from a file of mlcg, flashmd or TorchMD. [`import`] lists
    /// the supported files of these tools. A model of TorchMD is a network without priors;
    /// [`force_field::load`](super::force_field::load()) loads it with them.
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
                missing(path, "structures and no model", "a model; give this file as structures")
            }),
        }
    }
}

/// Loads all that a model file holds: a native file, or a file of mlcg, flashmd or TorchMD. One of
/// mlcg or flashmd may also hold structures.
///
/// # Errors
/// The errors of [`read_model`](super::native::read_model) and
/// [`import`](fn@super::import::import).
pub fn load_contents(path: &Path) -> Result<Import> {
    let (kind, bytes) = read(path)?;
    contents(kind, bytes, path)
}

/// The content of a prior file.
#[derive(Debug)]
pub enum Priors {
    /// Priors with parameters by bead types.
    Import(Import),
    /// A force field of TorchMD, which makes the priors of a molecule.
    ForceField(ForceField),
}

/// Loads a prior file: a native file, a file of mlcg or flashmd, or a force field (YAML). The
/// content decides.
///
/// # Errors
/// Those of [`load_contents`] and [`ForceField::read`].
pub fn load_priors(path: &Path) -> Result<Priors> {
    let opened = Opened::new(path)?;
    if opened.kind().is_none() && is_force_field(&String::from_utf8_lossy(&opened.bytes)) {
        let text = String::from_utf8(opened.all()?).map_err(|_| {
            missing(path, "a text that is not UTF-8", "a force field (YAML) in UTF-8")
        })?;
        return ForceField::parse(path.to_owned(), &text).map(Priors::ForceField);
    }
    let expected = "a .pt file of torch.save, a native file (safetensors) or a force field (YAML)";
    let (kind, bytes) = opened.read_or(expected)?;
    contents(kind, bytes, path).map(Priors::Import)
}

/// Loads structures from a native file or from a file of mlcg or flashmd.
///
/// # Errors
/// The errors of [`read_structures`](super::native::read_structures) and
/// [`import`](fn@super::import::import); [`Error::Invalid`] for a file without structures.
pub fn load_structures(path: &Path) -> Result<Vec<Structure>> {
    structures(Opened::new(path)?)
}

/// Structures, or the bytes of a file of another kind.
pub(crate) enum StructuresOr {
    Structures(Vec<Structure>),
    Bytes(Vec<u8>),
}

/// [`load_structures`], or the bytes of a file of another kind whose start the caller knows.
pub(crate) fn load_structures_or(
    path: &Path,
    knows: impl Fn(&[u8]) -> bool,
) -> Result<StructuresOr> {
    let opened = Opened::new(path)?;
    match opened.kind().is_none() && knows(&opened.bytes) {
        true => opened.all().map(StructuresOr::Bytes),
        false => structures(opened).map(StructuresOr::Structures),
    }
}

fn structures(opened: Opened) -> Result<Vec<Structure>> {
    let path = opened.path;
    match opened.read()? {
        (Kind::Native, bytes) => parse_structures(&bytes).of_file(path),
        (Kind::Torch, bytes) => import_bytes(bytes).of_file(path)?.structures.ok_or_else(|| {
            missing(
                path,
                "a model and no structures",
                "structures; give this file as a model or as priors",
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
            Import { model: Some(model), structures: Some(structures), .. } => {
                Ok((model, structures))
            }
            Import { model: Some(_), .. } => {
                Err(missing(path, "a model and no structures", expected))
            }
            Import { .. } => Err(missing(path, "structures and no model", expected)),
        },
    }
}
