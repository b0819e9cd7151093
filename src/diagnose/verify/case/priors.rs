//! The prior terms of a case, with parameters by tuple (manifest section `priors`) or by bead types
//! (sections `terms` and `type_keyed`).

use serde_json::Value;

use super::data::Case;
use crate::error::{Error, Result};
use crate::model::prior::{Column, ColumnKind, MAX_DEGREE, TypeKey};
use crate::model::{Model, Prior, PriorForm, PriorParameters};
use crate::structure::{Topology, TupleList};

/// A group of terms in a case, and its place in the files.
struct Group<'a> {
    /// The section of the manifest that has an entry for each term.
    section: &'a str,
    /// The prefix of the names of their tensors.
    prefix: &'a str,
}

const PER_TUPLE: Group = Group { section: "priors", prefix: "prior" };
const KEYED: Group = Group { section: "terms", prefix: "prior" };
const UNSPECIALISED: Group = Group { section: "type_keyed", prefix: "prior_table" };

impl Case {
    /// The prior terms whose sum, with the network, is the total energy of the case.
    pub(super) fn priors(&self) -> Result<Vec<Prior>> {
        if let Some(Value::Object(terms)) = self.manifest.get("priors") {
            return terms.keys().map(|name| self.per_tuple(name)).collect();
        }
        let Some(Value::Object(terms)) = self.manifest.get("terms") else {
            return Ok(Vec::new());
        };
        let class = |name: &str| self.text(&["terms", name, "class"]);
        terms.keys().map(|name| self.keyed(&KEYED, name, class(name)?)).collect()
    }

    /// The terms before specialization, which merges the terms of each class, if the case has them.
    pub(crate) fn unspecialised(&self) -> Result<Option<(Model, Topology)>> {
        let names = self.names("prior_table/").into_iter().filter_map(|tensor| {
            let name = tensor.strip_prefix("prior_table/")?.strip_suffix("/keys")?;
            self.has(&format!("out/f64/unspecialised/energy/{name}")).then(|| name.into())
        });
        let names: Vec<String> = names.collect();
        if names.is_empty() {
            return Ok(None);
        }
        let prior = |name: &String| {
            self.keyed(&UNSPECIALISED, name, self.text(&[UNSPECIALISED.section, name])?)
        };
        let priors = names.iter().map(prior).collect::<Result<_>>()?;
        let model = Model { schnet: None, priors };
        let topology = self.topology_of(&UNSPECIALISED, &model)?;
        Ok(Some((model, topology)))
    }

    fn per_tuple(&self, name: &str) -> Result<Prior> {
        let form = match self.text(&["priors", name, "form"])? {
            "harmonic_distance" => PriorForm::HarmonicBond,
            "harmonic_cos_angle" => PriorForm::HarmonicAngle,
            "harmonic_raw_angle" => PriorForm::HarmonicAngleRaw,
            "harmonic_improper" => PriorForm::HarmonicImproper,
            "shifted_periodic_harmonic_improper" => PriorForm::ShiftedHarmonicImproper,
            "fourier_dihedral" => PriorForm::Dihedral { degree: self.degree(&PER_TUPLE, name)? },
            "quartic_cos_angle" => PriorForm::QuarticAngle,
            "quartic_raw_angle" => PriorForm::QuarticAngleRaw,
            "restricted_quartic" => PriorForm::RestrictedQuartic,
            "repulsion_pow6" => PriorForm::Repulsion,
            "repulsion_pow6_cutoff" => PriorForm::CutoffRepulsion,
            "repulsion_exp" => PriorForm::ExpRepulsion,
            "repulsion_exp_cutoff" => PriorForm::CutoffExpRepulsion,
            other => return Err(Error::unsupported(format!("prior form {other}"), "")),
        };
        let n_tuples = self.tuples(&format!("prior/{name}/index"), form.order())?.len();
        let values = self.parameters(&PER_TUPLE, name, form, n_tuples)?;
        Ok(Prior { name: name.to_owned(), form, parameters: PriorParameters::PerTuple { values } })
    }

    fn keyed(&self, group: &Group, name: &str, class: &str) -> Result<Prior> {
        let form = match PriorForm::of_class(class, 0) {
            Some(PriorForm::Dihedral { .. }) => {
                PriorForm::Dihedral { degree: self.degree(group, name)? }
            }
            Some(form) => form,
            None => return Err(Error::unsupported(format!("prior class {class}"), "")),
        };
        let keys: Vec<TypeKey> =
            self.tuples(&format!("{}/{name}/keys", group.prefix), form.order())?;
        let values = self.parameters(group, name, form, keys.len())?;
        let parameters = PriorParameters::Keyed { keys, values };
        Ok(Prior { name: name.to_owned(), form, parameters })
    }

    fn degree(&self, group: &Group, name: &str) -> Result<usize> {
        let field = format!("{}/{name}/k1s", group.prefix);
        let shape = self.tensor(&field)?.shape;
        match shape[..] {
            [_, degree] if degree <= MAX_DEGREE => Ok(degree),
            _ => {
                let expected = format!("two axes, at most {MAX_DEGREE} terms");
                Err(Error::invalid(format!("tensor {field}"), format!("shape {shape:?}"), expected))
            }
        }
    }

    /// The parameters of a term, `[n_rows, n_parameters]`.
    fn parameters(
        &self,
        group: &Group,
        name: &str,
        form: PriorForm,
        n_rows: usize,
    ) -> Result<Vec<f64>> {
        let stride = form.n_parameters();
        let mut values = vec![0.0; n_rows * stride];
        let mut first = 0;
        for column in form.columns() {
            let width = column.series.unwrap_or(1);
            if let Some(tensor) = self.column(group, name, &column, n_rows)? {
                for (row, part) in values.chunks_mut(stride).zip(tensor.chunks(width.max(1))) {
                    row[first..first + width].copy_from_slice(&part[..width]);
                }
            }
            first += width;
        }
        Ok(values)
    }

    fn column(
        &self,
        group: &Group,
        name: &str,
        column: &Column,
        n_rows: usize,
    ) -> Result<Option<Vec<f64>>> {
        let field = |key: &str| format!("{}/{name}/{key}", group.prefix);
        let present = column.names.iter().map(|key| field(key)).find(|name| self.has(name));
        match (present, column.kind) {
            (Some(field), _) => {
                let shape: Vec<usize> = std::iter::once(n_rows).chain(column.series).collect();
                Ok(Some(self.shaped(&field, &shape)?.values))
            }
            (None, ColumnKind::Optional) => Ok(None),
            (None, ColumnKind::Shared) => {
                let number = self.number(&[group.section, name, column.names[0]])?;
                Ok(Some(vec![number; n_rows]))
            }
            (None, ColumnKind::Required) => Err(Error::invalid(
                format!("tensor {}", field(column.names[0])),
                "nothing",
                "a tensor",
            )),
        }
    }

    /// The topology of a static case.
    pub(crate) fn topology(&self, model: &Model) -> Result<Topology> {
        self.topology_of(&PER_TUPLE, model)
    }

    fn topology_of(&self, group: &Group, model: &Model) -> Result<Topology> {
        let (_, types) = self.counts("system/types")?;
        let masses = match self.has("system/masses") {
            true => self.tensor("system/masses")?.values,
            false => Vec::new(),
        };
        let list = |prior: &Prior| {
            let order = prior.form.order();
            let tuples = self.tuples(&format!("{}/{}/index", group.prefix, prior.name), order)?;
            Ok(TupleList { name: prior.name.clone(), order, tuples })
        };
        let lists = match self.priors_of_files()? {
            Some((_, lists)) => lists,
            None => model.priors.iter().map(list).collect::<Result<_>>()?,
        };
        Ok(Topology { types, masses, lists })
    }

    /// The rows of a tensor, `order` whole numbers each.
    fn tuples(&self, name: &str, order: usize) -> Result<Vec<[u32; 4]>> {
        let (shape, values) = self.counts(name)?;
        if shape.len() != 2 || shape[1] != order {
            let expected = format!("rows of {order} numbers");
            return Err(Error::invalid(
                format!("tensor {name}"),
                format!("shape {shape:?}"),
                expected,
            ));
        }
        let tuple = |row: &[u32]| {
            let mut tuple = [0; 4];
            tuple[..order].copy_from_slice(row);
            tuple
        };
        Ok(values.chunks_exact(order).map(tuple).collect())
    }
}
