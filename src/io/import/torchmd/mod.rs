//! Import of TorchMD's graph networks: a state dict and plain hyperparameters.
//!
//! torchmd-net of 2021 and of 2026, and torchmd-exp, save the same network with different names of
//! some tensors. [`SchNet`] has the equations of the network, and says how the parts that mlcg's
//! networks do not have are brought into its form.
//!
//! `max_num_neighbors` is not applied: every bead has all its neighbors within the cutoff. The
//! program warns of it where a molecule is large enough for so many neighbors. torchmd-net of 2021
//! left out neighbors beyond the limit, whichever they were. Since October 2023 it takes all of
//! them unless the pairs of all beads together exceed the limit. mlcg's networks keep their limit,
//! which is an error there.

mod settings;
mod weights;

use self::settings::{Basis, Settings};
use self::weights::Weights;
use super::view::View;
use super::wrapper::StateDict;
use crate::error::{Error, Result};
use crate::model::fold::Scale;
use crate::model::{Cutoff, Interaction, Model, RadialBasis, RadialFunctions, SchNet};

/// Whether hyperparameters are TorchMD's: the model is a name instead of a module.
pub(super) fn is_torchmd(model: &View) -> bool {
    model.text().is_ok()
}

/// Reads the model of a training checkpoint, and its limit of neighbors.
pub(super) fn model(state: &View, parameters: &View) -> Result<(Model, Option<u32>)> {
    let settings = Settings::read(parameters)?;
    let entries = state.entries()?;
    let tensors = StateDict::new(entries.iter().map(|(name, view)| (*name, view.id)), "")?;
    let weights = Weights::new(state, &tensors);
    let schnet = schnet(&settings, &weights)?;
    weights.check_all_used()?;
    Ok((Model { schnet: Some(schnet), priors: Vec::new() }, settings.max_num_neighbors))
}

fn schnet(settings: &Settings, weights: &Weights) -> Result<SchNet> {
    let [lower, upper] = settings.cutoffs;
    let (shape, embedding) = weights.matrix("representation_model.embedding")?;
    let [n_types, n_hidden] = shape;
    let blocks = weights.count_blocks();
    let radial_basis = radial_basis(settings, weights)?;
    for (name, found, said) in [
        ("embedding_dimension", n_hidden, settings.n_hidden),
        ("num_layers", blocks, settings.n_blocks),
        ("num_rbf", radial_basis.n_rbf(), settings.n_rbf),
        ("max_z", n_types, settings.n_types),
    ] {
        if let Some(said) = said
            && said as usize != found
        {
            let expected = format!("{found}, which the tensors have");
            return Err(Error::invalid(format!("hyper_parameters/{name}"), said, expected));
        }
    }
    let interactions = (0..blocks).map(|b| interaction(weights, b)).collect::<Result<Vec<_>>>()?;
    weights.check_box()?;
    let mut schnet = SchNet {
        n_types,
        n_hidden,
        embedding,
        radial_basis,
        cutoff: Cutoff::Cosine { lower, upper },
        activation: settings.activation,
        interactions,
        readout: weights.readout()?,
        max_num_neighbors: None,
        neighbor_embedding: None,
        constants: None,
    };
    let name = |part: &str| format!("representation_model.neighbor_embedding.{part}");
    let has_neighbors = weights.has(&name("embedding.weight"));
    if settings.neighbor_embedding == Some(false) && has_neighbors {
        let expected = "True: the state dict has the tensors of one";
        return Err(Error::invalid("hyper_parameters/neighbor_embedding", "False", expected));
    }
    if settings.neighbor_embedding.unwrap_or(has_neighbors) {
        let (_, embedding) = weights.matrix(&name("embedding"))?;
        let filter = weights.linear(&name("distance_proj"))?;
        schnet.fold_neighbors(embedding, filter, &weights.linear(&name("combine"))?)?;
    }
    let atomref = settings.atomref.map(|enabled| Ok((enabled, weights.atomref()?))).transpose()?;
    schnet.fold_scale(Scale {
        mean: weights.number("mean")?,
        std: weights.number("std")?,
        atomref: atomref.filter(|(enabled, _)| *enabled).map(|(_, table)| table),
    })?;
    Ok(schnet)
}

fn interaction(weights: &Weights, b: usize) -> Result<Interaction> {
    let name = |part: &str| format!("representation_model.interactions.{b}.{part}");
    for layer in ["0", "2"] {
        for part in ["weight", "bias"] {
            // The convolution holds the layers of the filter network a second time.
            let [first, second] =
                ["mlp", "conv.net"].map(|net| name(&format!("{net}.{layer}.{part}")));
            weights.check_equal(&first, &second)?;
        }
    }
    Ok(Interaction {
        filter0: weights.linear(&name("mlp.0"))?,
        filter1: weights.linear(&name("mlp.2"))?,
        lin1: weights.linear_without_bias(&name("conv.lin1"))?,
        lin2: weights.linear(&name("conv.lin2"))?,
        lin: weights.linear(&name("lin"))?,
    })
}

/// Gaussians have no envelope. That of the other functions has no lower limit.
fn radial_basis(settings: &Settings, weights: &Weights) -> Result<RadialBasis> {
    let [lower, upper] = settings.cutoffs;
    let name = |part: &str| format!("representation_model.distance_expansion.{part}");
    Ok(match settings.basis {
        Basis::Gaussian => RadialBasis {
            functions: RadialFunctions::Gaussian {
                coeff: weights.number(&name("coeff"))?,
                offset: weights.vector(&name("offset"))?,
            },
            cutoff: Cutoff::Identity { lower, upper },
        },
        Basis::ExpNormal => RadialBasis {
            functions: RadialFunctions::ExpNormal {
                alpha: 5.0 / (upper - lower),
                lower,
                means: weights.vector(&name("means"))?,
                betas: weights.vector(&name("betas"))?,
            },
            cutoff: Cutoff::Cosine { lower: 0.0, upper },
        },
    })
}
