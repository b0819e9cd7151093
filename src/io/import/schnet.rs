//! Import of the network: `StandardSchNet` of mlcg and flashmd.

use super::view::View;
use crate::error::Result;
use crate::model::{Activation, Cutoff, Interaction, Linear, RadialBasis, RadialFunctions, SchNet};

/// Whether the module is the network.
pub(super) fn is_schnet(view: &View) -> bool {
    matches!(view.own_class(), Some("StandardSchNet" | "SchNet"))
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

    let radial_basis = radial_basis(&view.module("rbf_layer")?)?;
    let mut shared = Shared { activation: None, cutoff: None };
    let mut interactions = Vec::new();
    let blocks = view.module("interaction_blocks")?;
    expect_torch(&blocks, "Sequential")?;
    for (_, block) in blocks.modules()? {
        interactions.push(shared.block(&block)?);
    }
    let readout = shared.mlp(&view.module("output_network")?)?;

    let no_blocks = || blocks.invalid("no blocks", "at least one");
    let cutoff = shared.cutoff.ok_or_else(no_blocks)?;
    let activation = shared.activation.ok_or_else(no_blocks)?;
    Ok(SchNet {
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
    })
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

fn expect_own(view: &View, class: &str, role: &str) -> Result<()> {
    match view.own_class() {
        Some(name) if name == class => Ok(()),
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
            "Tanh, SiLU, Softplus and ShiftedSoftplus are supported",
        )),
    }
}

fn cutoff(view: &View) -> Result<Cutoff> {
    view.only(&[], &[])?;
    let upper = || view.require("cutoff_upper")?.number();
    let lower = || view.require("cutoff_lower")?.number();
    match view.own_class() {
        Some("IdentityCutoff") => Ok(Cutoff::Identity { lower: lower()?, upper: upper()? }),
        Some("CosineCutoff") => Ok(Cutoff::Cosine { lower: lower()?, upper: upper()? }),
        Some("ShiftedCosineCutoff") => Ok(Cutoff::ShiftedCosine {
            upper: upper()?,
            width: view.require("smooth_width")?.number()?,
        }),
        _ => Err(view.unsupported(
            &format!("the cutoff {}", view.describe()),
            "IdentityCutoff, CosineCutoff and ShiftedCosineCutoff are supported",
        )),
    }
}

fn radial_basis(view: &View) -> Result<RadialBasis> {
    let tensors: &[_] = match view.own_class() {
        Some("GaussianBasis") => &["coeff", "offset"],
        Some("ExpNormalBasis" | "ExtendedExpNormalBasis") => &["means", "betas", "alpha"],
        Some("SpacedExpBasis") => &["means", "betas"],
        _ => {
            return Err(view.unsupported(
                &format!("the radial basis {}", view.describe()),
                "GaussianBasis, ExpNormalBasis, ExtendedExpNormalBasis and SpacedExpBasis are \
                 supported",
            ));
        }
    };
    view.only(&["cutoff"], tensors)?;
    let cutoff = cutoff(&view.module("cutoff")?)?;
    let functions = match view.own_class() {
        Some("GaussianBasis") => RadialFunctions::Gaussian {
            coeff: view.scalar("coeff")?,
            offset: view.vector("offset")?,
        },
        Some("SpacedExpBasis") => RadialFunctions::SpacedExp {
            means: view.vector("means")?,
            betas: view.vector("betas")?,
        },
        class => RadialFunctions::ExpNormal {
            alpha: view.scalar("alpha")?,
            lower: match class {
                Some("ExtendedExpNormalBasis") => view.scalar("internal_cutoff_lower")?,
                _ => cutoff.lower(),
            },
            means: view.vector("means")?,
            betas: view.vector("betas")?,
        },
    };
    Ok(RadialBasis { functions, cutoff })
}
