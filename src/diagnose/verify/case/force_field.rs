//! The prior terms of a case whose force field and topology are files.

use serde_json::Value;

use super::data::Case;
use crate::error::{Error, Result};
use crate::io::force_field::{Choice, Exclusions, ForceField, Psf, priors};
use crate::model::{Model, Prior};
use crate::structure::{Topology, TupleList};

/// A force field and a topology.
pub(crate) struct Files {
    pub(crate) field: ForceField,
    pub(crate) psf: Psf,
}

impl Case {
    /// The files that the manifest names, if it does.
    pub(crate) fn force_field(&self) -> Result<Option<Files>> {
        if !self.has_field(&["force_field"]) || !self.has_field(&["topology"]) {
            return Ok(None);
        }
        let field = ForceField::read(&self.raw_file("force_field")?)?;
        let psf = Psf::read(&self.raw_file("topology")?)?;
        Ok(Some(Files { field, psf }))
    }

    /// The prior terms and tuples of a static case that come from files.
    pub(super) fn priors_of_files(&self) -> Result<Option<(Vec<Prior>, Vec<TupleList>)>> {
        let Some(Files { field, psf }) = self.force_field()? else { return Ok(None) };
        let terms = self.manifest.get("priors").and_then(Value::as_object);
        let terms = terms.map(|terms| terms.keys().cloned().collect()).unwrap_or_default();
        let exclusions = exclusions(self.manifest.get("exclusions"));
        priors(&field, &psf, &Choice { terms, exclusions, types: None }).map(Some)
    }
}

fn exclusions(value: Option<&Value>) -> Exclusions {
    match value {
        Some(Value::String(text)) => Exclusions::Text(text.clone()),
        other => Exclusions::List(texts(other)),
    }
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let list = value.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

impl Files {
    /// The model and the topology of a variant of the terms, which the manifest describes.
    pub(crate) fn variant(&self, variant: &Value) -> Result<(Model, Topology)> {
        if variant.get("cutoff").is_some_and(|cutoff| !cutoff.is_null()) {
            let advice = "no published model has one";
            return Err(Error::unsupported("a cutoff of the terms of a force field", advice));
        }
        let (terms, exclusions) =
            (texts(variant.get("terms")), exclusions(variant.get("exclusions")));
        let (priors, lists) =
            priors(&self.field, &self.psf, &Choice { terms, exclusions, types: None })?;
        let types = vec![0; self.psf.n_beads()];
        let topology = Topology { types, masses: self.field.masses(&self.psf)?, lists };
        Ok((Model { schnet: None, priors }, topology))
    }
}
