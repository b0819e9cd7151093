//! The one place where models and structures come from.

use std::path::{Path, PathBuf};

use clap::Args;
use flashschnet::model::Model;
use flashschnet::system::Structure;
use flashschnet::{Error, Result};

#[path = "../../tests/common/small.rs"]
mod small;

/// What to simulate.
#[derive(Args)]
pub(super) struct InputOptions {
    /// Model: a native file, or a .pt of mlcg or flashmd
    #[arg(long, value_name = "FILE", required_unless_present = "builtin")]
    model: Option<PathBuf>,
    /// Structures, unless the model's file brings them
    #[arg(long, value_name = "FILE", requires = "model")]
    structures: Option<PathBuf>,
    /// The built-in 269-bead system instead of files
    #[arg(long, conflicts_with = "model")]
    builtin: bool,
}

/// A model with structures, and a name for both.
pub(super) struct Inputs {
    pub(super) model: Model,
    pub(super) structures: Vec<Structure>,
    pub(super) source: String,
}

impl InputOptions {
    pub(super) fn load(&self) -> Result<Inputs> {
        let Some(path) = &self.model else {
            let (model, structures) = builtin();
            return Ok(Inputs { model, structures, source: "built-in system".into() });
        };
        let (model, own) = read_model(path)?;
        let mut source = path.display().to_string();
        let structures = match (&self.structures, own) {
            (Some(structures), _) => {
                source += &format!(" and {}", structures.display());
                read_structures(structures)?
            }
            (None, Some(own)) => own,
            (None, None) => {
                let error = Error::invalid("structures", "none", "--structures FILE");
                return Err(error.of_file(path));
            }
        };
        Ok(Inputs { model, structures, source })
    }
}

/// The built-in system.
pub(super) fn builtin() -> (Model, Vec<Structure>) {
    (small::model(), small::structures())
}

/// Reads a model, with the structures that some files bring.
pub(super) fn read_model(path: &Path) -> Result<(Model, Option<Vec<Structure>>)> {
    std::fs::metadata(path).map_err(|error| Error::io(path, error))?;
    Err(Error::unsupported("reading models", "use --builtin").of_file(path))
}

/// Reads a model whose priors come from a second file.
pub(super) fn read_model_with_priors(path: &Path, priors: &Path) -> Result<Model> {
    std::fs::metadata(priors).map_err(|error| Error::io(priors, error))?;
    Ok(read_model(path)?.0)
}

/// Reads structures.
pub(super) fn read_structures(path: &Path) -> Result<Vec<Structure>> {
    std::fs::metadata(path).map_err(|error| Error::io(path, error))?;
    Err(Error::unsupported("reading structures", "use --builtin").of_file(path))
}

/// A model in the native format.
pub(super) fn model_bytes(_model: &Model) -> Result<Vec<u8>> {
    Err(Error::unsupported("writing models", ""))
}

/// Structures in the native format.
pub(super) fn structures_bytes(_structures: &[Structure]) -> Result<Vec<u8>> {
    Err(Error::unsupported("writing structures", ""))
}
