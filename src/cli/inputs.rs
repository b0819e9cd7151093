//! Command-line options for models and structures, and how they are loaded.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{OfFile, printable};
use crate::io::force_field::{ForceField, check_network};
use crate::io::import::{Import, combine};
use crate::io::{Priors, load_contents, load_priors, load_structures};
use crate::model::Model;
use crate::prepare::{Coarse, Loaded, ModelChoice, Options};
use crate::structure::Structure;
use crate::system::check_specialised;
use crate::{Error, Result};
use clap::{ArgGroup, Args};
use serde::{Deserialize, Serialize};

use super::specialised;
use super::tell::{listed, tell};
use super::torchmd::{self, TopologyOptions};

/// The model and the structures.
#[derive(Args, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InputOptions {
    /// Model file: native, or a .pt or .ckpt file of mlcg, flashmd or TorchMD
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Structure files, unless the model file contains structures; the molecules may differ. PDB
    /// and mmCIF files become beads as by `prepare`, whose options they may need
    #[arg(long, value_name = "FILE", requires = "model", num_args = 1..)]
    structures: Vec<PathBuf>,
    /// Take the model with this number from PDB and mmCIF files, or all; the default is the first
    #[arg(long, value_name = "N|all", requires = "structures")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pdb_model: Option<String>,
    /// Prior file, for a model file that holds only a network; for one of TorchMD its force field
    /// (YAML)
    #[arg(long, value_name = "FILE", requires = "model")]
    priors: Option<PathBuf>,
    #[command(flatten)]
    #[serde(default, skip_serializing_if = "TopologyOptions::is_empty")]
    torchmd: TopologyOptions,
    /// Use the built-in 269-bead system instead of files
    #[arg(long, conflicts_with_all = ["model", "structures"])]
    builtin: bool,
}

/// The argument group of commands that require either `--model` or `--builtin`.
pub(super) fn required() -> ArgGroup {
    ArgGroup::new("system").args(["model", "builtin"]).required(true)
}

/// A model with structures, and the name of their source.
pub(super) struct Inputs {
    pub(super) model: Model,
    pub(super) structures: Vec<Structure>,
    pub(super) source: String,
    pub(super) builtin: bool,
    /// The residues and the choices of a topology of TorchMD, if there is one.
    pub(super) molecule: Option<torchmd::Molecule>,
}

impl InputOptions {
    pub(super) fn load(&self) -> Result<Inputs> {
        let (builtin, source) = (self.model.is_none(), self.source());
        if let Some(loaded) = self.load_on_topology() {
            let torchmd::Loaded { model, structures, molecule, neighbor_limit } = loaded?;
            warn_of_limit(neighbor_limit, &structures);
            return Ok(Inputs { model, structures, source, builtin, molecule: Some(molecule) });
        }
        let (model, structures) = self.load_model()?;
        let structures = structures.ok_or_else(|| {
            self.of_model(Error::invalid(
                "structures",
                "none",
                "a file with structures: --structures FILE",
            ))
        })?;
        Ok(Inputs { model, structures, source, builtin, molecule: None })
    }

    /// The model, and structures if there are any.
    pub(super) fn load_model(&self) -> Result<(Model, Option<Vec<Structure>>)> {
        if let Some(loaded) = self.load_on_topology() {
            let torchmd::Loaded { model, structures, neighbor_limit, .. } = loaded?;
            warn_of_limit(neighbor_limit, &structures);
            return Ok((model, Some(structures)));
        }
        match &self.model {
            Some(path) => {
                let (priors, options) = (self.priors.as_deref(), self.options());
                let files = load(path, priors, &self.structures, Some(&options))?;
                let structures = files.structures.as_deref().unwrap_or_default();
                warn_of_limit(files.neighbor_limit, structures);
                Ok((files.model, files.structures))
            }
            None => {
                let (model, structures) = builtin();
                Ok((model, Some(structures)))
            }
        }
    }

    /// A model of TorchMD, if there is a topology.
    fn load_on_topology(&self) -> Option<Result<torchmd::Loaded>> {
        let (model, field) = (self.model.as_deref()?, self.priors.as_deref());
        self.torchmd.load(model, field, &self.structures, &self.options())
    }

    /// The structures of `--structures` without a model.
    pub(super) fn structures_alone(&self) -> Result<Vec<Structure>> {
        let mut all = Vec::new();
        for path in &self.structures {
            let loaded = Loaded::load_alone(path, &self.options())?;
            tell_facts(loaded.coarse(), path);
            all.extend(loaded.structures());
        }
        Ok(all)
    }

    /// The options for PDB and mmCIF files.
    fn options(&self) -> Options {
        let model = self.pdb_model.as_deref().map_or_else(Default::default, model_choice);
        Options { model, ..Options::default() }
    }

    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.model.iter().chain(&self.priors).chain(self.torchmd.files()).chain(&self.structures)
    }

    /// Warns of inputs that a later process cannot read again, for example pipes.
    pub(super) fn warn_of_pipes(&self) {
        if let Some(pipe) = self.files().find(|file| !file.is_file()) {
            log::warn!(
                "{} is no file: run --resume needs {} again",
                printable(pipe.display()),
                listed(&self.in_use())
            );
        }
    }

    /// Checks the files of an earlier process. A pipe of that process is gone, and its name can be
    /// that of another pipe, or of a terminal.
    pub(super) fn check_files(&self) -> Result<()> {
        let Some(missing) = self.files().find(|file| !file.is_file()) else { return Ok(()) };
        let found = if missing.exists() { "a pipe or a device" } else { "No such file" };
        let expected = format!(
            "the file that the run began with; give {} again if it is elsewhere",
            listed(&self.in_use())
        );
        Err(Error::invalid("input", found, expected).of_file(missing))
    }

    /// The options that are given.
    fn in_use(&self) -> Vec<String> {
        let own = [
            ("--model", self.model.is_some()),
            ("--structures", !self.structures.is_empty()),
            ("--pdb-model", self.pdb_model.is_some()),
            ("--priors", self.priors.is_some()),
        ];
        let in_use = own.into_iter().chain(self.torchmd.in_use()).filter(|(_, is_given)| *is_given);
        in_use.map(|(name, _)| name.to_owned()).collect()
    }

    /// The names of the input files, or of the built-in system.
    pub(super) fn source(&self) -> String {
        let files: Vec<String> = self.files().map(|file| printable(file.display())).collect();
        if files.is_empty() { "built-in system".into() } else { files.join(", ") }
    }

    /// Whether a model is given.
    pub(super) fn is_given(&self) -> bool {
        self.builtin || self.model.is_some()
    }

    /// The same files by absolute paths, for a checkpoint, which is text.
    pub(super) fn absolute(&self) -> InputOptions {
        let absolute = |path: &PathBuf| {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            PathBuf::from(path.to_string_lossy().into_owned())
        };
        InputOptions {
            model: self.model.as_ref().map(absolute),
            structures: self.structures.iter().map(absolute).collect(),
            pdb_model: self.pdb_model.clone(),
            priors: self.priors.as_ref().map(absolute),
            torchmd: self.torchmd.with_paths(absolute),
            builtin: self.builtin,
        }
    }

    /// Whether `--structures` is given.
    pub(super) fn names_structures(&self) -> bool {
        !self.structures.is_empty()
    }

    /// Adds the name of the model file, if there is one, to an error.
    pub(super) fn of_model(&self, error: Error) -> Error {
        match &self.model {
            Some(path) => error.of_file(path),
            None => error,
        }
    }
}

/// A model, and what belongs to it.
pub(super) struct Parts {
    /// The model; a network alone if there is a force field.
    pub(super) model: Model,
    /// The force field, which makes the priors of each molecule.
    pub(super) force_field: Option<Arc<ForceField>>,
    /// The structures in the model file.
    structures: Option<Vec<Structure>>,
    neighbor_limit: Option<u32>,
}

/// A model with the priors of a second file, and structures if there are any.
pub(super) struct Files {
    pub(super) model: Model,
    pub(super) structures: Option<Vec<Structure>>,
    /// A limit that is not applied.
    pub(super) neighbor_limit: Option<u32>,
}

/// A limit of neighbors, which a model of TorchMD does not apply, in words.
pub(super) fn unlimited(limit: u32) -> String {
    format!(
        "max_num_neighbors={limit} of TorchMD's checkpoint is not applied: each bead has all neighbors \
         within the cutoff"
    )
}

/// Warns of a limit of neighbors that is not applied, if a bead can have more.
fn warn_of_limit(limit: Option<u32>, structures: &[Structure]) {
    let most = structures.iter().map(|structure| structure.positions.len()).max().unwrap_or(0);
    if let Some(limit) = limit.filter(|limit| most > *limit as usize + 1) {
        log::warn!("{}", unlimited(limit));
    }
}

/// Loads a model, with the priors of a second file if one is given.
pub(super) fn load_parts(model: &Path, priors: Option<&Path>) -> Result<Parts> {
    let mut contents = load_contents(model)?;
    let structures = contents.structures.take();
    let priors = priors.map(|path| Ok((load_priors(path)?, path))).transpose()?;
    let (network, force_field) = match (priors, contents.model) {
        (Some((Priors::Import(priors), path)), network) => {
            let network = Import { model: network, ..Import::default() };
            (combine(network, priors).of_file(path)?, None)
        }
        (Some((Priors::ForceField(field), _)), Some(network)) => {
            check_network(&network).of_file(model)?;
            (network, Some(Arc::new(field)))
        }
        (None, Some(network)) => (network, None),
        (_, None) => {
            let expected = "a model; --structures takes this file";
            return Err(Error::invalid("content", "no model", expected).of_file(model));
        }
    };
    network.check().of_file(model)?;
    let neighbor_limit = contents.neighbor_limit;
    Ok(Parts { model: network, force_field, structures, neighbor_limit })
}

/// Loads a model, with the priors of a second file if one is given. The structures come from their
/// own files or, if none are given, from the model file, which may contain some. PDB and mmCIF
/// files are refused without options for them.
pub(super) fn load(
    model: &Path,
    priors: Option<&Path>,
    structures: &[PathBuf],
    options: Option<&Options>,
) -> Result<Files> {
    let Parts { model: network, force_field, structures: own, neighbor_limit } =
        load_parts(model, priors)?;
    let Some(first_file) = structures.first() else {
        if force_field.is_some() {
            let expected = "structures of the molecule to which the force field gives priors";
            return Err(Error::invalid("structures", "none", expected));
        }
        return Ok(Files { model: network, structures: own, neighbor_limit });
    };
    let options =
        options.map(|options| Options { force_field: force_field.clone(), ..options.clone() });
    let mut all: Vec<Structure> = Vec::new();
    for path in structures {
        let of_file = match &options {
            Some(options) => {
                let loaded =
                    Loaded::load(path, options, &network).map_err(|error| match error {
                        Error::Invalid { origin, field, found, .. }
                            if force_field.is_some() && field == "content" =>
                        {
                            let expected =
                                "a PDB, mmCIF or native file; frames of XTC, DCD and .npy files \
                                        need --topology FILE.psf"
                                    .to_owned();
                            Error::Invalid { origin, field, found, expected }
                        }
                        error => error,
                    })?;
                tell_facts(loaded.coarse(), path);
                loaded.structures()
            }
            None => load_structures(path)?,
        };
        // Parameters per tuple fit only the molecule that the model file holds with them.
        if let Some(own) = own.as_ref().and_then(|own| own.first()) {
            for structure in &of_file {
                check_specialised(&network, &own.topology, &structure.topology).of_file(path)?;
            }
        }
        if force_field.is_some()
            && let Some(first) = all.first().or(of_file.first())
        {
            specialised::check_same((&first.topology, first_file), &of_file, path)?;
        }
        if structures.len() > 1 && !of_file.is_empty() {
            let last = all.len() + of_file.len() - 1;
            log::info!("{}: structures {} to {last}", printable(path.display()), all.len());
        }
        all.extend(of_file);
    }
    let model = match force_field {
        Some(field) => specialised::join(&network, &field, &mut all, first_file)?,
        None => network,
    };
    Ok(Files { model, structures: Some(all), neighbor_limit })
}

/// Tells what a PDB or mmCIF file has become.
fn tell_facts(coarse: Option<&Coarse>, path: &Path) {
    let Some(coarse) = coarse else { return };
    let name = printable(path.display());
    coarse.facts().iter().for_each(|fact| tell!("{name}: {fact}"));
    for warning in &coarse.log.warnings {
        log::warn!("{name}: {}", warning.line());
    }
}

/// The models of a PDB or mmCIF file that an option asks for.
pub(super) fn model_choice(text: &str) -> ModelChoice {
    match text {
        "first" => ModelChoice::First,
        "all" => ModelChoice::All,
        number => ModelChoice::Number(number.to_owned()),
    }
}

/// The built-in system.
pub(super) fn builtin() -> (Model, Vec<Structure>) {
    (crate::builtin::model(), vec![crate::builtin::structure()])
}
