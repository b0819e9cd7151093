//! The network of a case.

use super::data::Case;
use crate::error::{Error, OfFile, Result};
use crate::io::import::import;
use crate::model::fold::Scale;
use crate::model::{Activation, Cutoff, Interaction, Linear, RadialBasis, RadialFunctions, SchNet};

impl Case {
    fn cutoff(&self, path: &[&str]) -> Result<Cutoff> {
        let at = |key| [path, &[key]].concat();
        let upper = self.number(&at("upper"))?;
        let lower = if self.has_field(&at("lower")) { self.number(&at("lower"))? } else { 0.0 };
        match self.text(&at("class"))? {
            "IdentityCutoff" => Ok(Cutoff::Identity { lower, upper }),
            "CosineCutoff" => Ok(Cutoff::Cosine { lower, upper }),
            "ShiftedCosineCutoff" => {
                Ok(Cutoff::ShiftedCosine { upper, width: self.number(&at("smooth_width"))? })
            }
            other => Err(Error::unsupported(format!("cutoff {other}"), "")),
        }
    }

    /// The activation with a name of the manifest.
    pub(crate) fn activation(&self, name: &str) -> Result<Activation> {
        match name {
            "tanh" => Ok(Activation::Tanh),
            "silu" | "swish" => Ok(Activation::Silu),
            "shifted_softplus" | "ssp" => {
                let shift = self.number(&["schnet", "activation_shift"])?;
                Ok(Activation::ShiftedSoftplus { shift })
            }
            "sigmoid" => Ok(Activation::Sigmoid),
            "mish" => Ok(Activation::Mish),
            other => Err(Error::unsupported(format!("activation {other}"), "")),
        }
    }

    /// The network, from the tensors of the case or from the checkpoint that the case names.
    pub(super) fn network(&self) -> Result<SchNet> {
        if self.has("weights/embedding.weight") {
            return self.schnet(self.activation(self.text(&["schnet", "activation"])?)?);
        }
        let path = self.raw_file("checkpoint")?;
        let model = import(&path)?.model;
        let missing = || Error::invalid("checkpoint", "no network", "a file with a network");
        model.and_then(|model| model.schnet).ok_or_else(missing).of_file(&path)
    }

    /// The network in the tensors of the case.
    pub(super) fn schnet(&self, activation: Activation) -> Result<SchNet> {
        let cutoff = self.cutoff(&["schnet", "rbf", "cutoff"])?;
        let values = |name: &str| Ok(self.tensor(&format!("weights/rbf.{name}"))?.values);
        let exp_normal = |lower| -> Result<RadialFunctions> {
            let alpha = self.number(&["schnet", "rbf", "alpha"])?;
            let (means, betas) = (values("means")?, values("betas")?);
            Ok(RadialFunctions::ExpNormal { alpha, lower, means, betas })
        };
        let functions = match self.text(&["schnet", "rbf", "class"])? {
            "GaussianBasis" => {
                let coeff = values("coeff")?.first().copied().unwrap_or(f64::NAN);
                RadialFunctions::Gaussian { coeff, offset: values("offset")? }
            }
            "ExpNormalBasis" => exp_normal(cutoff.lower())?,
            "ExtendedExpNormalBasis" => {
                exp_normal(self.number(&["schnet", "rbf", "internal_cutoff_lower"])?)?
            }
            "SpacedExpBasis" => {
                RadialFunctions::SpacedExp { means: values("means")?, betas: values("betas")? }
            }
            other => return Err(Error::unsupported(format!("radial basis {other}"), "")),
        };
        let interactions = (0..self.count(&["schnet", "n_interactions"])?)
            .map(|b| {
                Ok(Interaction {
                    filter0: self.linear(&format!("block{b}.filter0"))?,
                    filter1: self.linear(&format!("block{b}.filter1"))?,
                    lin1: self.linear(&format!("block{b}.lin1"))?,
                    lin2: self.linear(&format!("block{b}.lin2"))?,
                    lin: self.linear(&format!("block{b}.lin"))?,
                })
            })
            .collect::<Result<_>>()?;
        let n_layers = self.names("weights/out").iter().filter(|n| n.ends_with(".weight")).count();
        let readout =
            (0..n_layers).map(|l| self.linear(&format!("out{l}"))).collect::<Result<_>>()?;
        let embedding = self.tensor("weights/embedding.weight")?;
        let [n_types, n_hidden] = embedding.shape[..] else {
            let found = format!("{:?}", embedding.shape);
            return Err(Error::invalid("tensor weights/embedding.weight", found, "two axes"));
        };
        let limit = &["schnet", "max_num_neighbors"];
        let max_num_neighbors = match self.has_field(limit) {
            true => Some(u32::try_from(self.count(limit)?).unwrap_or(u32::MAX)),
            false => None,
        };
        let mut schnet = SchNet {
            n_types,
            n_hidden,
            embedding: embedding.values,
            radial_basis: RadialBasis { functions, cutoff },
            cutoff: self.cutoff(&["schnet", "conv_cutoff"])?,
            activation,
            interactions,
            readout,
            max_num_neighbors,
            neighbor_embedding: None,
            constants: None,
        };
        let neighbors = |part: &str| format!("neighbor_embedding.{part}");
        if self.has(&format!("weights/{}.weight", neighbors("embedding"))) {
            let embedding = self.tensor(&format!("weights/{}.weight", neighbors("embedding")))?;
            let filter = self.linear(&neighbors("distance_proj"))?;
            let combine = self.linear(&neighbors("combine"))?;
            schnet.fold_neighbors(embedding.values, filter, &combine)?;
        }
        if self.has("weights/std") {
            let [mean, std] =
                ["mean", "std"].map(|name| self.shaped(&format!("weights/{name}"), &[1]));
            let atomref = "weights/atomref.weight";
            let atomref =
                self.has(atomref).then(|| Ok(self.tensor(atomref)?.values)).transpose()?;
            let (mean, std) = (mean?.values[0], std?.values[0]);
            schnet.fold_scale(Scale { mean, std, atomref })?;
        }
        Ok(schnet)
    }

    fn linear(&self, name: &str) -> Result<Linear> {
        let weight = self.tensor(&format!("weights/{name}.weight"))?;
        let [n_out, n_in] = weight.shape[..] else {
            let found = format!("{:?}", weight.shape);
            return Err(Error::invalid(format!("tensor weights/{name}.weight"), found, "two axes"));
        };
        let bias = format!("weights/{name}.bias");
        let bias = if self.has(&bias) { Some(self.tensor(&bias)?.values) } else { None };
        Ok(Linear { n_in, n_out, weight: weight.values, bias })
    }
}
