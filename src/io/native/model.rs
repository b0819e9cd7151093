//! Reading and writing of `flashschnet-model` files.

use std::collections::HashSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::file::{Reader, Writer};
use super::network::{Network, read_schnet, write_schnet};
use crate::error::{Error, OfFile, Result};
use crate::model::prior::{MAX_DEGREE, TypeKey};
use crate::model::{Model, Prior, PriorForm, PriorParameters};

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
