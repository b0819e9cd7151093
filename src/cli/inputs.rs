//! The one place where models and structures come from.

use std::path::{Path, PathBuf};

use clap::Args;
use flashschnet::error::OfFile;
use flashschnet::model::Model;
use flashschnet::system::Structure;
use flashschnet::{Error, Result};

#[path = "../../tests/common/small.rs"]
mod small;

/// What to simulate.
#[derive(Args)]
pub(super) struct InputOptions {
    /// Model: a native file, or a .pt or .ckpt of mlcg or flashmd
    #[arg(long, value_name = "FILE", required_unless_present = "builtin")]
    model: Option<PathBuf>,
    /// Structures, unless the model's file brings them
    #[arg(long, value_name = "FILE", requires = "model")]
    structures: Option<PathBuf>,
    /// Priors for a model that is only a network
    #[arg(long, value_name = "FILE", requires = "model")]
    priors: Option<PathBuf>,
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

/// What a file holds.
pub(super) struct Contents {
    pub(super) model: Option<Model>,
    pub(super) structures: Option<Vec<Structure>>,
}

impl InputOptions {
    pub(super) fn load(&self) -> Result<Inputs> {
        let Some(path) = &self.model else {
            let (model, structures) = builtin();
            return Ok(Inputs { model, structures, source: "built-in system".into() });
        };
        let files = [Some(path), self.priors.as_ref(), self.structures.as_ref()];
        let files: Vec<String> = files.iter().flatten().map(|f| f.display().to_string()).collect();
        let source = files.join(", ");
        let (model, structures) = load(path, self.priors.as_deref(), self.structures.as_deref())?;
        let structures = structures.ok_or_else(|| {
            Error::invalid("structures", "none", "a file with structures: --structures FILE")
                .of_file(path)
        })?;
        Ok(Inputs { model, structures, source })
    }
}

/// A model, its priors from a second file if one is given, and structures: of their own file, or
/// else those that the model's file brings, if it does.
pub(super) fn load(
    model: &Path,
    priors: Option<&Path>,
    structures: Option<&Path>,
) -> Result<(Model, Option<Vec<Structure>>)> {
    let missing = |path: &Path, what: &str| {
        Error::invalid(what, "none", format!("a file with a {what}")).of_file(path)
    };
    let contents = read(model)?;
    let own = contents.structures.clone();
    let network = match priors {
        Some(priors) => combine(contents, read(priors)?).of_file(priors)?,
        None => contents.model.ok_or_else(|| missing(model, "model"))?,
    };
    network.check().of_file(model)?;
    let Some(path) = structures else { return Ok((network, own)) };
    let structures = read(path)?.structures.ok_or_else(|| missing(path, "structure"))?;
    for structure in &structures {
        structure.check().of_file(path)?;
    }
    Ok((network, Some(structures)))
}

/// The built-in system.
pub(super) fn builtin() -> (Model, Vec<Structure>) {
    (small::model(), small::structures())
}

/// Reads any file with a model, priors or structures.
fn read(path: &Path) -> Result<Contents> {
    std::fs::metadata(path).map_err(|error| Error::io(path, error))?;
    Err(Error::unsupported("reading files", "use --builtin").of_file(path))
}

/// The network of one file with the priors of another.
fn combine(network: Contents, priors: Contents) -> Result<Model> {
    let priors = priors.model.map(|model| model.priors).unwrap_or_default();
    let schnet = network.model.and_then(|model| model.schnet);
    Ok(Model { schnet, priors })
}

/// A model in the native format.
pub(super) fn model_bytes(_model: &Model) -> Result<Vec<u8>> {
    Err(Error::unsupported("writing models", ""))
}

/// Structures in the native format.
pub(super) fn structures_bytes(_structures: &[Structure]) -> Result<Vec<u8>> {
    Err(Error::unsupported("writing structures", ""))
}
