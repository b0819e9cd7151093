//! Import of files of Python tools: models, priors, structures and training checkpoints of mlcg and
//! flashmd, and checkpoints of TorchMD's graph networks.
//!
//! Classes are recognized by the package and the name of the class, because versions of the tools
//! keep the same class in different modules. The import refuses all other content and names it with
//! its place in the file. It does not skip parts or guess their meaning.

mod keys;
mod prior;
mod radial;
mod schnet;
mod structure;
mod torchmd;
mod view;
mod wrapper;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use view::View;
use wrapper::{MAX_DEPTH, PART, StateDict};

use crate::error::{Error, OfFile, Result};
use crate::io::pickle::{Archive, Node};
use crate::model::{Model, SCHNET};
use crate::structure::{Structure, Topology};

/// The content of a file: a model, structures, or both.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Import {
    /// A network, priors, or both. One part alone may be an incomplete model.
    pub model: Option<Model>,
    /// Structures. Those with equal topologies share one.
    pub structures: Option<Vec<Structure>>,
    /// The largest number of neighbors of a bead in a file of TorchMD, which the model does not
    /// apply.
    pub neighbor_limit: Option<u32>,
}

/// Imports a file written by `torch.save`.
///
/// The file can contain:
///
/// * a whole model (`SumOut`), priors (`ModuleDict` or `SumOut`), or a network (`GradientsOut`,
///   `EnergyOut` or the module itself);
/// * structures (`AtomicData` or a list of them);
/// * a specialized model: a pair of a model and its structures;
/// * a training checkpoint of Lightning, from which the model is taken: one of mlcg, or of a graph
///   network of TorchMD.
///
/// Modules may be wrapped by `torch.compile`, `DataParallel` or similar wrappers.
///
/// # Errors
/// [`Error::Io`]; [`Error::Invalid`] for a damaged file; [`Error::Unsupported`] names a class or an
/// option that this version does not support, and its place.
pub fn import(path: &Path) -> Result<Import> {
    read(&Archive::open(path)?).of_file(path)
}

/// Imports the bytes of a file written by `torch.save`.
pub(super) fn import_bytes(bytes: Vec<u8>) -> Result<Import> {
    read(&Archive::parse(bytes)?)
}

/// Combines the network of one import with the priors of both.
///
/// # Errors
/// [`Error::Invalid`] if `network` has no network, if `priors` has one, or if the model is invalid.
pub fn combine(network: Import, priors: Import) -> Result<Model> {
    let part = |import: Import, role: &str| {
        let (found, expected) = ("structures and no model", "a file with a model");
        import.model.ok_or_else(|| Error::invalid(role, found, expected))
    };
    let (network, priors) = (part(network, "network")?, part(priors, "priors")?);
    if network.schnet.is_none() {
        return Err(Error::invalid("network", "only priors", "a file with a network"));
    }
    if priors.schnet.is_some() {
        return Err(Error::invalid("priors", "a second network", "a file with priors only"));
    }
    let priors = network.priors.into_iter().chain(priors.priors).collect();
    let model = Model { schnet: network.schnet, priors };
    model.check()?;
    Ok(model)
}

fn read(archive: &Archive) -> Result<Import> {
    let root = View::root(archive);
    let only_model = |model| Import { model: Some(model), ..Import::default() };
    if let Some(elements) = root.sequence() {
        if let [model, list] = elements {
            let (model, list) = (root.at(*model, "0"), root.at(*list, "1"));
            if !structure::is_structure(&model) && list.sequence().is_some() {
                let structures = structures(&list)?;
                let mut topologies: Vec<_> =
                    structures.iter().map(|s| s.topology.clone()).collect();
                let mut seen = HashSet::new();
                topologies.retain(|topology| seen.insert(Arc::as_ptr(topology)));
                let model = checked(modules(&model, Some(&topologies))?)?;
                let (model, structures) = (Some(model), Some(structures));
                return Ok(Import { model, structures, neighbor_limit: None });
            }
        }
        return Ok(Import { structures: Some(structures(&root)?), ..Import::default() });
    }
    if structure::is_structure(&root) {
        let structure = structure::Reader::default().read(&root)?;
        return Ok(Import { structures: Some(vec![structure]), ..Import::default() });
    }
    if let Node::Dict(_) = root.node() {
        let (model, neighbor_limit) = checkpoint(&root)?;
        return Ok(Import { model: Some(checked(model)?), neighbor_limit, structures: None });
    }
    modules(&root, None).and_then(checked).map(only_model)
}

fn checked(model: Model) -> Result<Model> {
    model.check()?;
    Ok(model)
}

fn structures(list: &View) -> Result<Vec<Structure>> {
    let elements = list.sequence().unwrap_or_default();
    if elements.is_empty() {
        return Err(list.invalid("an empty list", "at least one structure"));
    }
    let mut reader = structure::Reader::default();
    let mut all = Vec::new();
    for (i, element) in elements.iter().enumerate() {
        list.archive.charge(size_of::<Structure>())?;
        all.push(reader.read(&list.at(*element, &i.to_string()))?);
    }
    Ok(all)
}

/// Reads a model from a module, which is a sum of terms or a single term.
fn modules(view: &View, topologies: Option<&[Arc<Topology>]>) -> Result<Model> {
    let view = &inner(view.clone().unwrapped()?)?;
    let mut model = Model { schnet: None, priors: Vec::new() };
    if view.own_class() == Some("SumOut") {
        view.only(&["models"], &[])?;
        let terms = view.module("models")?;
        if terms.torch_class() != Some("ModuleDict") {
            return Err(terms.unsupported(&terms.describe(), "torch's ModuleDict is supported"));
        }
        add_terms(&mut model, &terms, topologies)?;
    } else if view.torch_class() == Some("ModuleDict") {
        add_terms(&mut model, view, topologies)?;
    } else {
        let name = match view.attribute("name")? {
            Some(name) if !name.is_none() => name.text()?,
            _ => SCHNET,
        };
        add_term(&mut model, name, view, topologies)?;
    }
    Ok(model)
}

fn add_terms(model: &mut Model, terms: &View, topologies: Option<&[Arc<Topology>]>) -> Result<()> {
    for (name, term) in terms.modules()? {
        add_term(model, name, &inner(term)?, topologies)?;
    }
    Ok(())
}

/// The module inside classes that compute forces (`GradientsOut`) or select the energy
/// (`EnergyOut`).
fn inner(mut view: View) -> Result<View> {
    for _ in 0..MAX_DEPTH {
        let Some("GradientsOut" | "EnergyOut") = view.own_class() else { return Ok(view) };
        view.only(&["model"], &[])?;
        view = view.module("model")?;
    }
    Err(view.unsupported(&format!("more than {MAX_DEPTH} nested GradientsOut or EnergyOut"), ""))
}

fn add_term(
    model: &mut Model,
    name: &str,
    view: &View,
    topologies: Option<&[Arc<Topology>]>,
) -> Result<()> {
    if schnet::is_schnet(view) {
        if model.schnet.is_some() {
            return Err(view.unsupported("a second network", ""));
        }
        model.schnet = Some(schnet::schnet(view)?);
        return Ok(());
    }
    let specialized = view.own_class().is_some_and(|class| class.starts_with("Static"));
    let n_tuples = match topologies {
        Some(topologies) if specialized => Some(n_tuples(view, name, topologies)?),
        _ => None,
    };
    model.priors.push(prior::prior(view, name, n_tuples)?);
    Ok(())
}

/// The number of tuples in the list `name`, which must be the same in all topologies.
fn n_tuples(view: &View, name: &str, topologies: &[Arc<Topology>]) -> Result<usize> {
    let mut counts = topologies.iter().map(|topology| {
        let list = topology.lists.iter().find(|list| list.name == name);
        list.map(|list| list.tuples.len())
    });
    let first = counts.next().flatten();
    match first {
        Some(n) if counts.all(|other| other == first) => Ok(n),
        Some(_) => Err(view.unsupported(
            "a specialized prior for different molecules",
            "import the model before it was specialized",
        )),
        None => Err(view.invalid(
            format!("structures without a list {name:?}"),
            "structures that were specialized together with the model",
        )),
    }
}

/// Reads the model of a training checkpoint: the architecture from the pickled module or from plain
/// hyperparameters, the weights from the state dict. The number is the limit of neighbors that a
/// model of TorchMD does not apply.
fn checkpoint(root: &View) -> Result<(Model, Option<u32>)> {
    let (state, parameters) = (root.get("state_dict")?, root.get("hyper_parameters")?);
    let (Some(state), Some(parameters)) = (&state, &parameters) else {
        if root.get("pos")?.is_some() && root.get("current_timestep")?.is_some() {
            return Err(root.unsupported(
                "a simulation checkpoint",
                "it holds the state of a run, but no model; give the model it was run with",
            ));
        }
        // A state dict, alone or in a dict of another name, has no activation, cutoffs and so on.
        let entries = root.entries().unwrap_or_default();
        let has_weights = entries.iter().any(|(name, _)| name.ends_with(".weight"));
        let found = match has_weights || state.is_some() {
            true => "weights without hyper_parameters, which define the architecture".to_owned(),
            false => root.describe(),
        };
        return Err(root.invalid(
            found,
            "a model, structures or a training checkpoint (state_dict and hyper_parameters)",
        ));
    };
    let Some(module) = parameters.member("model")? else {
        let found = format!("{} without a model", parameters.describe());
        let expected = "a pickled module `model`, or its name, which defines the architecture";
        return Err(parameters.invalid(found, expected));
    };
    if torchmd::is_torchmd(&module) {
        return torchmd::model(state, parameters);
    }
    let state = state.entries()?.into_iter().map(|(name, view)| (name, view.id));
    let state = StateDict::new(state, PART)?;
    // Lightning stores the module as the attribute `model` of its own module.
    let model = modules(&module.with_weights(&state, "model"), None)?;
    match state.unused(PART) {
        Some(name) => Err(Error::invalid(
            format!("state_dict/{name}"),
            "a tensor that the architecture in hyper_parameters does not have",
            "the weights of that architecture",
        )),
        None => Ok((model, None)),
    }
}
