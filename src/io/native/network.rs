//! The network in `flashschnet-model` files.

use serde::{Deserialize, Serialize};

use super::file::{Reader, Writer};
use crate::error::Result;
use crate::model::{
    Activation, Constants, Cutoff, Interaction, Linear, RadialBasis, RadialFunctions, SchNet,
};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Network {
    n_types: usize,
    n_hidden: usize,
    n_filters: usize,
    n_rbf: usize,
    n_interactions: usize,
    readout: Vec<usize>,
    activation: ActivationKind,
    radial_basis: Basis,
    radial_cutoff: Envelope,
    cutoff: Envelope,
    #[serde(deserialize_with = "Option::deserialize")]
    max_num_neighbors: Option<u32>,
    // Files of networks without a part do not name it, so that they stay as they were before the
    // format knew the part.
    #[serde(default, skip_serializing_if = "is_absent")]
    filter1_bias: bool,
    #[serde(default, skip_serializing_if = "is_absent")]
    neighbor_embedding: bool,
    #[serde(default, skip_serializing_if = "is_absent")]
    constants: bool,
}

fn is_absent(part: &bool) -> bool {
    !part
}

// The variants have braces because serde does not refuse unknown fields for variants without them.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum ActivationKind {
    Tanh {},
    Silu {},
    ShiftedSoftplus { shift: f64 },
    Sigmoid {},
    Mish {},
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Basis {
    Gaussian { coeff: f64 },
    ExpNormal { alpha: f64, lower: f64 },
    SpacedExp {},
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Envelope {
    Identity { lower: f64, upper: f64 },
    Cosine { lower: f64, upper: f64 },
    ShiftedCosine { upper: f64, width: f64 },
}

pub(super) fn write_schnet(writer: &mut Writer, schnet: &SchNet) -> Network {
    let n_rbf = schnet.radial_basis.n_rbf();
    writer.numbers("embedding.weight", &[schnet.n_types, schnet.n_hidden], &schnet.embedding);
    let radial_basis = match &schnet.radial_basis.functions {
        RadialFunctions::Gaussian { coeff, offset } => {
            writer.numbers("rbf.offset", &[n_rbf], offset);
            Basis::Gaussian { coeff: *coeff }
        }
        RadialFunctions::ExpNormal { alpha, lower, means, betas } => {
            writer.numbers("rbf.means", &[n_rbf], means);
            writer.numbers("rbf.betas", &[n_rbf], betas);
            Basis::ExpNormal { alpha: *alpha, lower: *lower }
        }
        RadialFunctions::SpacedExp { means, betas } => {
            writer.numbers("rbf.means", &[n_rbf], means);
            writer.numbers("rbf.betas", &[n_rbf], betas);
            Basis::SpacedExp {}
        }
    };
    let mut linear = |name: String, layer: &Linear| {
        writer.numbers(format!("{name}.weight"), &[layer.n_out, layer.n_in], &layer.weight);
        if let Some(bias) = &layer.bias {
            writer.numbers(format!("{name}.bias"), &[layer.n_out], bias);
        }
    };
    for (b, block) in schnet.interactions.iter().enumerate() {
        linear(format!("block{b}.filter0"), &block.filter0);
        linear(format!("block{b}.filter1"), &block.filter1);
        linear(format!("block{b}.lin1"), &block.lin1);
        linear(format!("block{b}.lin2"), &block.lin2);
        linear(format!("block{b}.lin"), &block.lin);
    }
    for (l, layer) in schnet.readout.iter().enumerate() {
        linear(format!("out{l}"), layer);
    }
    if let Some(features) = &schnet.neighbor_embedding {
        let shape = [schnet.n_types, schnet.n_filters()];
        writer.numbers("neighbor_embedding.weight", &shape, features);
    }
    if let Some(constants) = &schnet.constants {
        writer.numbers("constants.of_type", &[schnet.n_types], &constants.of_type);
        writer.numbers("constants.of_molecule", &[1], &[constants.of_molecule]);
    }
    Network {
        n_types: schnet.n_types,
        n_hidden: schnet.n_hidden,
        n_filters: schnet.n_filters(),
        n_rbf,
        n_interactions: schnet.interactions.len(),
        readout: schnet.readout.iter().map(|layer| layer.n_out).collect(),
        activation: match schnet.activation {
            Activation::Tanh => ActivationKind::Tanh {},
            Activation::Silu => ActivationKind::Silu {},
            Activation::ShiftedSoftplus { shift } => ActivationKind::ShiftedSoftplus { shift },
            Activation::Sigmoid => ActivationKind::Sigmoid {},
            Activation::Mish => ActivationKind::Mish {},
            Activation::Identity => unreachable!("a checked network has an activation"),
        },
        radial_basis,
        radial_cutoff: schnet.radial_basis.cutoff.into(),
        cutoff: schnet.cutoff.into(),
        max_num_neighbors: schnet.max_num_neighbors,
        filter1_bias: schnet.has_filter1_bias(),
        neighbor_embedding: schnet.neighbor_embedding.is_some(),
        constants: schnet.constants.is_some(),
    }
}

pub(super) fn read_schnet(reader: &mut Reader, network: Network) -> Result<SchNet> {
    let Network { n_types, n_hidden, n_filters, n_rbf, .. } = network;
    let mut linear = |name: String, n_in: usize, n_out: usize, bias: bool| {
        let weight = reader.numbers(&format!("{name}.weight"), &[Some(n_out), Some(n_in)])?;
        let bias = match bias {
            true => Some(reader.numbers(&format!("{name}.bias"), &[Some(n_out)])?),
            false => None,
        };
        Ok(Linear { n_in, n_out, weight, bias })
    };
    let mut interactions = Vec::new();
    for b in 0..network.n_interactions {
        interactions.push(Interaction {
            filter0: linear(format!("block{b}.filter0"), n_rbf, n_filters, true)?,
            filter1: linear(
                format!("block{b}.filter1"),
                n_filters,
                n_filters,
                network.filter1_bias,
            )?,
            lin1: linear(format!("block{b}.lin1"), n_hidden, n_filters, false)?,
            lin2: linear(format!("block{b}.lin2"), n_filters, n_hidden, true)?,
            lin: linear(format!("block{b}.lin"), n_hidden, n_hidden, true)?,
        });
    }
    let mut readout: Vec<Linear> = Vec::new();
    for (l, n_out) in network.readout.iter().enumerate() {
        let n_in = readout.last().map_or(n_hidden, |layer| layer.n_out);
        let last = l + 1 == network.readout.len();
        readout.push(linear(format!("out{l}"), n_in, *n_out, !last)?);
    }
    let neighbor_embedding = match network.neighbor_embedding {
        true => {
            let shape = [Some(n_types), Some(n_filters)];
            Some(reader.numbers("neighbor_embedding.weight", &shape)?)
        }
        false => None,
    };
    let constants = match network.constants {
        true => Some(Constants {
            of_type: reader.numbers("constants.of_type", &[Some(n_types)])?,
            of_molecule: reader.numbers("constants.of_molecule", &[Some(1)])?[0],
        }),
        false => None,
    };
    let mut vector = |name: &str| reader.numbers(name, &[Some(n_rbf)]);
    let functions = match network.radial_basis {
        Basis::Gaussian { coeff } => {
            RadialFunctions::Gaussian { coeff, offset: vector("rbf.offset")? }
        }
        Basis::ExpNormal { alpha, lower } => RadialFunctions::ExpNormal {
            alpha,
            lower,
            means: vector("rbf.means")?,
            betas: vector("rbf.betas")?,
        },
        Basis::SpacedExp {} => {
            RadialFunctions::SpacedExp { means: vector("rbf.means")?, betas: vector("rbf.betas")? }
        }
    };
    Ok(SchNet {
        n_types,
        n_hidden,
        embedding: reader.numbers("embedding.weight", &[Some(n_types), Some(n_hidden)])?,
        radial_basis: RadialBasis { functions, cutoff: network.radial_cutoff.into() },
        cutoff: network.cutoff.into(),
        activation: match network.activation {
            ActivationKind::Tanh {} => Activation::Tanh,
            ActivationKind::Silu {} => Activation::Silu,
            ActivationKind::ShiftedSoftplus { shift } => Activation::ShiftedSoftplus { shift },
            ActivationKind::Sigmoid {} => Activation::Sigmoid,
            ActivationKind::Mish {} => Activation::Mish,
        },
        interactions,
        readout,
        max_num_neighbors: network.max_num_neighbors,
        neighbor_embedding,
        constants,
    })
}

impl From<Cutoff> for Envelope {
    fn from(cutoff: Cutoff) -> Self {
        match cutoff {
            Cutoff::Identity { lower, upper } => Envelope::Identity { lower, upper },
            Cutoff::Cosine { lower, upper } => Envelope::Cosine { lower, upper },
            Cutoff::ShiftedCosine { upper, width } => Envelope::ShiftedCosine { upper, width },
        }
    }
}

impl From<Envelope> for Cutoff {
    fn from(envelope: Envelope) -> Self {
        match envelope {
            Envelope::Identity { lower, upper } => Cutoff::Identity { lower, upper },
            Envelope::Cosine { lower, upper } => Cutoff::Cosine { lower, upper },
            Envelope::ShiftedCosine { upper, width } => Cutoff::ShiftedCosine { upper, width },
        }
    }
}
