//! Reading and writing of `flashschnet-model` files.

use std::collections::HashSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::file::{Reader, Writer};
use crate::error::{Error, OfFile, Result};
use crate::model::prior::{MAX_DEGREE, TypeKey};
use crate::model::{
    Activation, Cutoff, Interaction, Linear, Model, Prior, PriorForm, PriorParameters, RadialBasis,
    RadialFunctions, SchNet,
};

const FORMAT: &str = "flashschnet-model";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hyperparameters {
    // Without this attribute, serde reads a missing field as `null`.
    #[serde(deserialize_with = "Option::deserialize")]
    schnet: Option<Network>,
    priors: Vec<Term>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Network {
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
}

// The variants have braces because serde does not refuse unknown fields for variants without them.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum ActivationKind {
    Tanh {},
    Silu {},
    ShiftedSoftplus { shift: f64 },
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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Term {
    name: String,
    form: Form,
    parameters: Layout,
    n_rows: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Form {
    HarmonicBond {},
    HarmonicAngle {},
    HarmonicAngleRaw {},
    HarmonicImproper {},
    ShiftedHarmonicImproper {},
    Dihedral { degree: usize },
    QuarticAngle {},
    QuarticAngleRaw {},
    RestrictedQuartic {},
    Repulsion {},
    CutoffRepulsion {},
    ExpRepulsion {},
    CutoffExpRepulsion {},
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Layout {
    Keyed,
    PerTuple,
}

/// Writes the whole model or nothing. An existing file of that name is replaced.
///
/// # Errors
/// [`Error::Invalid`] for a model that [`Model::check`] refuses; [`Error::Io`].
pub fn write_model(path: &Path, model: &Model) -> Result<()> {
    model.check().of_file(path)?;
    let (writer, hyper) = collect(model);
    writer.write(path, FORMAT, &hyper).of_file(path)
}

/// SHA-256 of the values of a model, as hexadecimal digits. It does not depend on the file that the
/// model comes from.
///
/// # Errors
/// [`Error::Invalid`] for a model that [`Model::check`] refuses.
pub fn model_digest(model: &Model) -> Result<String> {
    model.check()?;
    let (writer, hyper) = collect(model);
    writer.digest(&hyper)
}

fn collect(model: &Model) -> (Writer, Hyperparameters) {
    let mut writer = Writer::default();
    let schnet = model.schnet.as_ref().map(|schnet| write_schnet(&mut writer, schnet));
    let priors = model.priors.iter().map(|prior| write_prior(&mut writer, prior)).collect();
    (writer, Hyperparameters { schnet, priors })
}

/// Reads a model.
///
/// # Errors
/// [`Error::Io`]; [`Error::Invalid`] for a file that violates the format; [`Error::Unsupported`]
/// for another version of the format.
pub fn read_model(path: &Path) -> Result<Model> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    parse_model(&bytes).of_file(path)
}

pub(crate) fn parse_model(bytes: &[u8]) -> Result<Model> {
    let (mut reader, hyper) = Reader::parse::<Hyperparameters>(bytes, FORMAT)?;
    let schnet = hyper.schnet.map(|network| read_schnet(&mut reader, network)).transpose()?;
    let priors = hyper.priors.into_iter().map(|term| read_prior(&mut reader, term));
    let model = Model { schnet, priors: priors.collect::<Result<_>>()? };
    reader.finish()?;
    model.check()?;
    Ok(model)
}

fn write_schnet(writer: &mut Writer, schnet: &SchNet) -> Network {
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
        },
        radial_basis,
        radial_cutoff: schnet.radial_basis.cutoff.into(),
        cutoff: schnet.cutoff.into(),
        max_num_neighbors: schnet.max_num_neighbors,
    }
}

fn read_schnet(reader: &mut Reader, network: Network) -> Result<SchNet> {
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
            filter1: linear(format!("block{b}.filter1"), n_filters, n_filters, false)?,
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
        },
        interactions,
        readout,
        max_num_neighbors: network.max_num_neighbors,
    })
}

fn write_prior(writer: &mut Writer, prior: &Prior) -> Term {
    let (stride, order) = (prior.form.n_parameters(), prior.form.order());
    let (PriorParameters::Keyed { values, .. } | PriorParameters::PerTuple { values }) =
        &prior.parameters;
    let n_rows = values.len() / stride;
    writer.numbers(format!("prior/{}/values", prior.name), &[n_rows, stride], values);
    let parameters = match &prior.parameters {
        PriorParameters::Keyed { keys, .. } => {
            let types = keys.iter().flat_map(|key| key[..order].iter().copied());
            writer.counts(format!("prior/{}/keys", prior.name), &[n_rows, order], types);
            Layout::Keyed
        }
        PriorParameters::PerTuple { .. } => Layout::PerTuple,
    };
    let form = match prior.form {
        PriorForm::HarmonicBond => Form::HarmonicBond {},
        PriorForm::HarmonicAngle => Form::HarmonicAngle {},
        PriorForm::Dihedral { degree } => Form::Dihedral { degree },
        PriorForm::Repulsion => Form::Repulsion {},
        PriorForm::HarmonicAngleRaw => Form::HarmonicAngleRaw {},
        PriorForm::HarmonicImproper => Form::HarmonicImproper {},
        PriorForm::ShiftedHarmonicImproper => Form::ShiftedHarmonicImproper {},
        PriorForm::QuarticAngle => Form::QuarticAngle {},
        PriorForm::QuarticAngleRaw => Form::QuarticAngleRaw {},
        PriorForm::RestrictedQuartic => Form::RestrictedQuartic {},
        PriorForm::CutoffRepulsion => Form::CutoffRepulsion {},
        PriorForm::ExpRepulsion => Form::ExpRepulsion {},
        PriorForm::CutoffExpRepulsion => Form::CutoffExpRepulsion {},
    };
    Term { name: prior.name.clone(), form, parameters, n_rows }
}

fn read_prior(reader: &mut Reader, term: Term) -> Result<Prior> {
    let Term { name, n_rows, .. } = term;
    let form = match term.form {
        Form::HarmonicBond {} => PriorForm::HarmonicBond,
        Form::HarmonicAngle {} => PriorForm::HarmonicAngle,
        Form::Dihedral { degree } if degree <= MAX_DEGREE => PriorForm::Dihedral { degree },
        Form::Dihedral { degree } => {
            let expected = format!("at most {MAX_DEGREE}");
            return Err(Error::invalid(format!("prior/{name}/degree"), degree, expected));
        }
        Form::Repulsion {} => PriorForm::Repulsion,
        Form::HarmonicAngleRaw {} => PriorForm::HarmonicAngleRaw,
        Form::HarmonicImproper {} => PriorForm::HarmonicImproper,
        Form::ShiftedHarmonicImproper {} => PriorForm::ShiftedHarmonicImproper,
        Form::QuarticAngle {} => PriorForm::QuarticAngle,
        Form::QuarticAngleRaw {} => PriorForm::QuarticAngleRaw,
        Form::RestrictedQuartic {} => PriorForm::RestrictedQuartic,
        Form::CutoffRepulsion {} => PriorForm::CutoffRepulsion,
        Form::ExpRepulsion {} => PriorForm::ExpRepulsion,
        Form::CutoffExpRepulsion {} => PriorForm::CutoffExpRepulsion,
    };
    let (stride, order) = (form.n_parameters(), form.order());
    let values = reader.numbers(&format!("prior/{name}/values"), &[Some(n_rows), Some(stride)])?;
    let parameters = match term.parameters {
        Layout::PerTuple => PriorParameters::PerTuple { values },
        Layout::Keyed => {
            let field = format!("prior/{name}/keys");
            let types = reader.counts(&field, &[Some(n_rows), Some(order)])?;
            let as_key = |types: &[u32]| {
                let mut key = TypeKey::default();
                key[..order].copy_from_slice(types);
                key
            };
            let keys: Vec<_> = types.chunks_exact(order).map(as_key).collect();
            let mut seen = HashSet::new();
            if let Some(key) = keys.iter().find(|key| !seen.insert(**key)) {
                let found = format!("{:?} twice", &key[..order]);
                return Err(Error::invalid(field, found, "each key once"));
            }
            PriorParameters::Keyed { keys, values }
        }
    };
    Ok(Prior { name, form, parameters })
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
