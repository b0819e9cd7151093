//! The hyperparameters of torchmd-net that say how a network is computed.

use super::super::view::View;
use crate::error::Result;
use crate::model::Activation;

/// The kinds of radial functions.
pub(super) enum Basis {
    ExpNormal,
    Gaussian,
}

/// Hyperparameters.
pub(super) struct Settings {
    pub(super) n_hidden: Option<u32>,
    pub(super) n_blocks: Option<u32>,
    pub(super) n_rbf: Option<u32>,
    pub(super) n_types: Option<u32>,
    pub(super) basis: Basis,
    pub(super) activation: Activation,
    /// The lower and the upper cutoff, Å.
    pub(super) cutoffs: [f64; 2],
    /// `None` if only the tensors say it.
    pub(super) neighbor_embedding: Option<bool>,
    /// The limit of the file, which is not applied.
    pub(super) max_num_neighbors: Option<u32>,
    /// Whether energies by bead type are added; `None` if the network has none.
    pub(super) atomref: Option<bool>,
}

/// ln 2 in single precision, which torchmd-net subtracts.
const SHIFT: f64 = std::f32::consts::LN_2 as f64;

/// A value that is present and not Python's `None`.
fn value<'a>(parameters: &View<'a>, name: &str) -> Result<Option<View<'a>>> {
    Ok(parameters.member(name)?.filter(|value| !value.is_none()))
}

fn required<'a>(parameters: &View<'a>, name: &str) -> Result<View<'a>> {
    let missing = || parameters.invalid(format!("no {name}"), "hyperparameters of torchmd-net");
    value(parameters, name)?.ok_or_else(missing)
}

/// Refuses a text that is not one of `supported`.
fn check_text(parameters: &View, name: &str, supported: &[&str], advice: &str) -> Result<()> {
    match value(parameters, name)? {
        Some(text) if !supported.contains(&text.text()?) => {
            Err(text.unsupported(&format!("{name}={}", text.describe()), advice))
        }
        _ => Ok(()),
    }
}

impl Settings {
    pub(super) fn read(parameters: &View) -> Result<Self> {
        let model = required(parameters, "model")?;
        if model.text()? != "graph-network" {
            let what = format!("TorchMD's architecture {}", model.describe());
            return Err(model.unsupported(&what, "graph-network is supported"));
        }
        if value(parameters, "output_model")?.is_none() {
            let advice = "torchmd-net of July 2021 and later writes it; before, the radial basis \
                          had alpha = 1, and the tensors had other names";
            return Err(parameters.unsupported("a checkpoint without output_model", advice));
        }
        check_text(parameters, "output_model", &["Scalar"], "Scalar is supported")?;
        let sums = "versions of torchmd-net disagree on means and maxima; add is supported";
        check_text(parameters, "aggr", &["add"], sums)?;
        check_text(parameters, "reduce_op", &["add", "sum"], sums)?;
        for name in ["charge", "spin"] {
            if let Some(flag) = value(parameters, name)?
                && flag.flag()?
            {
                return Err(flag.unsupported(&format!("{name}=True"), ""));
            }
        }
        if let Some(vectors) = value(parameters, "box_vecs")? {
            return Err(vectors.unsupported("a periodic box (box_vecs)", ""));
        }
        if let Some(filter) = value(parameters, "atom_filter")?
            && filter.number()? > -1.0
        {
            let what = format!("atom_filter={}", filter.describe());
            return Err(filter.unsupported(&what, "-1, no filter, is supported"));
        }
        let number = |name| required(parameters, name)?.number();
        let cutoffs = [number("cutoff_lower")?, number("cutoff_upper")?];
        if cutoffs[0].is_nan() || cutoffs[0] >= cutoffs[1] {
            let lower = required(parameters, "cutoff_lower")?;
            return Err(lower.invalid(lower.describe(), "a number below cutoff_upper"));
        }
        let count = |name| value(parameters, name)?.map(|count| count.count()).transpose();
        Ok(Settings {
            n_hidden: count("embedding_dimension")?,
            n_blocks: count("num_layers")?,
            n_rbf: count("num_rbf")?,
            n_types: count("max_z")?,
            basis: basis(&required(parameters, "rbf_type")?)?,
            activation: activation(&required(parameters, "activation")?)?,
            cutoffs,
            neighbor_embedding: value(parameters, "neighbor_embedding")?
                .map(|flag| flag.flag())
                .transpose()?,
            max_num_neighbors: count("max_num_neighbors")?,
            atomref: has_atomref(parameters)?,
        })
    }
}

fn basis(name: &View) -> Result<Basis> {
    match name.text()? {
        "expnorm" => Ok(Basis::ExpNormal),
        "gauss" => Ok(Basis::Gaussian),
        _ => {
            let what = format!("rbf_type={}", name.describe());
            Err(name.unsupported(&what, "expnorm and gauss are supported"))
        }
    }
}

fn activation(name: &View) -> Result<Activation> {
    match name.text()? {
        "tanh" => Ok(Activation::Tanh),
        "silu" | "swish" => Ok(Activation::Silu),
        "ssp" => Ok(Activation::ShiftedSoftplus { shift: SHIFT }),
        "sigmoid" => Ok(Activation::Sigmoid),
        "mish" => Ok(Activation::Mish),
        _ => {
            let advice = "ssp, silu, tanh, sigmoid, swish and mish are supported";
            Err(name.unsupported(&format!("the activation {}", name.describe()), advice))
        }
    }
}

/// Whether Atomref, if it is among the priors of torchmd-net, is enabled. These priors are part of
/// the network's energy. All others are refused.
fn has_atomref<'a>(parameters: &View<'a>) -> Result<Option<bool>> {
    let Some(priors) = value(parameters, "prior_model")? else { return Ok(None) };
    // The arguments beside the names replace those inside a dict of names.
    let arguments = value(parameters, "prior_args")?;
    let of_prior = |k: usize, own: Option<View<'a>>| match &arguments {
        None => own,
        Some(all) => match all.sequence() {
            Some(ids) => ids.get(k).map(|id| all.at(*id, &k.to_string())),
            None => Some(all.clone()),
        },
    };
    // A name, a dict of names and arguments, or a list of both.
    let mut found: Vec<(String, Option<View<'a>>)> = Vec::new();
    let mut add = |prior: &View<'a>| -> Result<()> {
        let named = match prior.text() {
            Ok(name) => vec![(name, None)],
            Err(_) => prior.entries()?.into_iter().map(|(name, own)| (name, Some(own))).collect(),
        };
        for (name, own) in named {
            found.push((name.to_owned(), of_prior(found.len(), own)));
        }
        Ok(())
    };
    match priors.sequence() {
        Some(all) => {
            for (k, id) in all.iter().enumerate() {
                add(&priors.at(*id, &k.to_string()))?;
            }
        }
        None => add(&priors)?,
    }
    if let Some((other, _)) = found.iter().find(|(name, _)| name != "Atomref") {
        let advice = "Atomref is supported";
        return Err(priors.unsupported(&format!("the prior {other:?} of torchmd-net"), advice));
    }
    match &found[..] {
        [] => Ok(None),
        [(_, None)] => Ok(Some(true)),
        [(_, Some(arguments))] => match value(arguments, "enable")? {
            Some(flag) => flag.flag().map(Some),
            None => Ok(Some(true)),
        },
        _ => Err(priors.unsupported("more than one Atomref", "")),
    }
}
