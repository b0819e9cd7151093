//! Import of the network: `StandardSchNet` of mlcg and flashmd, and networks that mean the same.

use super::radial::{Factors, cutoff, radial_basis};
use super::view::View;
use crate::error::Result;
use crate::model::fold::Scale;
use crate::model::{Activation, Cutoff, Interaction, Linear, SchNet};

/// Whether the module is the network.
pub(super) fn is_schnet(view: &View) -> bool {
    matches!(
        view.own_class(),
        Some(
            "StandardSchNet"
                | "SchNet"
                | "RBFRegularizedSchNet"
                | "StandardFlashSchNet"
                | "FlashSchNet"
        )
    )
}

pub(super) fn schnet(view: &View) -> Result<SchNet> {
    view.only(&["embedding_layer", "rbf_layer", "interaction_blocks", "output_network"], &[])?;
    if let Some(flag) = view.attribute("self_interaction")?
        && flag.flag()?
    {
        return Err(flag.unsupported("self_interaction=True", ""));
    }
    let max_num_neighbors = match view.attribute("max_num_neighbors")? {
        Some(limit) if !limit.is_none() => Some(limit.count()?),
        _ => None,
    };

    let embedding = view.module("embedding_layer")?;
    expect_torch(&embedding, "Embedding")?;
    if let Some(norm) = embedding.attribute("max_norm")?
        && !norm.is_none()
    {
        return Err(norm.unsupported("an embedding with max_norm", ""));
    }
    let (n_types, n_hidden, embedding) = match embedding.require_weight("weight")? {
        (shape, values) if shape.len() == 2 => (shape[0], shape[1], values),
        (shape, _) => {
            return Err(embedding.invalid(format!("shape {shape:?}"), "(types, hidden)"));
        }
    };

    let rbf_layer = view.module("rbf_layer")?;
    let (basis, factors) = Factors::read(&rbf_layer)?;
    let radial_basis = radial_basis(&basis)?;
    let mut shared = Shared { activation: None, cutoff: None };
    let mut interactions = Vec::new();
    let blocks = view.module("interaction_blocks")?;
    expect_torch(&blocks, "Sequential")?;
    for (_, block) in blocks.modules()? {
        interactions.push(shared.block(&block)?);
    }
    if let Some(factors) = factors {
        factors.fold(&rbf_layer, &mut interactions)?;
    }
    let readout = shared.readout(&view.module("output_network")?)?;

    let no_blocks = || blocks.invalid("no blocks", "at least one");
    let cutoff = shared.cutoff.ok_or_else(no_blocks)?;
    let activation = shared.activation.ok_or_else(no_blocks)?;
    let mut schnet = SchNet {
        n_types,
        n_hidden,
        embedding,
        radial_basis,
        cutoff,
        activation,
        interactions,
        readout,
        max_num_neighbors,
        neighbor_embedding: None,
        constants: None,
    };
    if schnet.readout.last().is_some_and(|last| last.bias.is_some()) {
        schnet.fold_scale(Scale { mean: 0.0, std: 1.0, atomref: None })?;
    }
    Ok(schnet)
}

/// The settings that must be equal in all blocks.
struct Shared {
    activation: Option<Activation>,
    cutoff: Option<Cutoff>,
}

impl Shared {
    fn block(&mut self, block: &View) -> Result<Interaction> {
        expect_own(block, "InteractionBlock", "interaction block")?;
        block.only(&["conv", "activation", "lin"], &[])?;
        let conv = block.module("conv")?;
        expect_own(&conv, "CFConv", "convolution")?;
        conv.only(&["aggr_module", "lin1", "lin2", "filter_network", "cutoff"], &[])?;
        if let Some(aggregation) = conv.attribute("aggr")?
            && !matches!(aggregation.text()?, "add" | "sum")
        {
            return Err(aggregation.unsupported(&aggregation.describe(), "only sums are supported"));
        }
        if let Ok(aggregation) = conv.module("aggr_module")
            && aggregation.class() != Some(("torch_geometric", "SumAggregation"))
        {
            return Err(aggregation.unsupported(&aggregation.describe(), "only sums are supported"));
        }
        let cutoff_view = conv.module("cutoff")?;
        let cutoff = cutoff(&cutoff_view)?;
        if *self.cutoff.get_or_insert(cutoff) != cutoff {
            return Err(cutoff_view.unsupported("a cutoff that differs between blocks", ""));
        }
        self.activation(&block.module("activation")?)?;
        let filter = conv.module("filter_network")?;
        let layers = self.mlp(&filter)?;
        let Ok([filter0, filter1]) = <[Linear; 2]>::try_from(layers) else {
            return Err(filter.unsupported("a filter network without exactly two layers", ""));
        };
        Ok(Interaction {
            filter0,
            filter1,
            lin1: linear(&conv.module("lin1")?)?,
            lin2: linear(&conv.module("lin2")?)?,
            lin: linear(&block.module("lin")?)?,
        })
    }

    /// Reads the output network: an MLP, or a `TypesMLP` that has one MLP for all bead types.
    fn readout(&mut self, view: &View) -> Result<Vec<Linear>> {
        if view.own_class() != Some("TypesMLP") {
            return self.mlp(view);
        }
        if view.weight("species")?.is_some() {
            let what = "a TypesMLP with a network for each species";
            return Err(view.unsupported(what, "one readout for all bead types is supported"));
        }
        view.only(&["mlp"], &[])?;
        self.mlp(&view.module("mlp")?)
    }

    /// Reads the linear layers of an MLP, which alternate with the activation.
    fn mlp(&mut self, view: &View) -> Result<Vec<Linear>> {
        expect_own(view, "MLP", "network")?;
        view.only(&["layers"], &[])?;
        let layers = view.module("layers")?;
        expect_torch(&layers, "Sequential")?;
        let modules = layers.modules()?;
        let mut linears = Vec::new();
        for (l, (_, module)) in modules.iter().enumerate() {
            match l % 2 {
                0 => linears.push(linear(module)?),
                _ => self.activation(module)?,
            }
        }
        if modules.len() % 2 == 0 {
            let found = format!("{} modules", modules.len());
            return Err(layers.invalid(found, "linear layers with activations between them"));
        }
        Ok(linears)
    }

    fn activation(&mut self, view: &View) -> Result<()> {
        let activation = activation(view)?;
        if *self.activation.get_or_insert(activation) != activation {
            return Err(view.unsupported("an activation that differs between layers", ""));
        }
        Ok(())
    }
}

/// Expects a class, or the class that computes the same in fused kernels.
fn expect_own(view: &View, class: &str, role: &str) -> Result<()> {
    match view.own_class() {
        Some(name) if name.strip_prefix("Flash").unwrap_or(name) == class => Ok(()),
        _ => Err(view.unsupported(&format!("the {role} {}", view.describe()), "")),
    }
}

fn expect_torch(view: &View, class: &str) -> Result<()> {
    match view.torch_class() {
        Some(name) if name == class => Ok(()),
        _ => Err(view.unsupported(&view.describe(), &format!("torch's {class} is supported"))),
    }
}

fn linear(view: &View) -> Result<Linear> {
    expect_torch(view, "Linear")?;
    view.only(&[], &["weight", "bias"])?;
    let (shape, weight) = view.require_weight("weight")?;
    let [n_out, n_in] = shape[..] else {
        return Err(view.invalid(format!("weight of shape {shape:?}"), "(out, in)"));
    };
    let bias = match view.dense_weight("bias")? {
        Some((shape, bias)) if shape == [n_out] => Some(bias),
        Some((shape, _)) => {
            return Err(view.invalid(format!("bias of shape {shape:?}"), format!("({n_out})")));
        }
        None => None,
    };
    Ok(Linear { n_in, n_out, weight, bias })
}

fn activation(view: &View) -> Result<Activation> {
    view.only(&[], &[])?;
    match view.class() {
        Some(("torch", "Tanh")) => Ok(Activation::Tanh),
        Some(("torch", "SiLU")) => Ok(Activation::Silu),
        Some(("torch", "Sigmoid")) => Ok(Activation::Sigmoid),
        Some(("torch", "Mish")) => Ok(Activation::Mish),
        Some(("torch", "Softplus")) => {
            let beta = view.require("beta")?;
            if beta.number()? != 1.0 {
                return Err(
                    beta.unsupported(&format!("Softplus with beta={}", beta.describe()), "")
                );
            }
            // Above the threshold torch returns x. With a threshold of 20 or more, this changes the
            // value by less than 3e-9.
            let threshold = view.require("threshold")?;
            if threshold.number()? < 20.0 {
                let what = format!("Softplus with threshold={}", threshold.describe());
                return Err(threshold.unsupported(&what, "the default, 20, is supported"));
            }
            Ok(Activation::ShiftedSoftplus { shift: 0.0 })
        }
        Some(("torch_geometric", "ShiftedSoftplus")) => {
            Ok(Activation::ShiftedSoftplus { shift: view.scalar("shift")? })
        }
        _ => Err(view.unsupported(
            &format!("the activation {}", view.describe()),
            "Tanh, SiLU, Softplus, ShiftedSoftplus, Sigmoid and Mish are supported",
        )),
    }
}
