//! The priors of a model on the index lists of a molecule.

use std::collections::HashSet;

use super::log::{Log, Warning, capped, count, refuse};
use super::mapping::{Layout, Mapping};
use super::names::AminoAcid;
use super::options::Options;
use super::topology::{lists, min_pair, most_tuples, of_layout, term_names};
use crate::error::{Error, Result};
use crate::host;
use crate::io::force_field::{ForceField, specialise};
use crate::model::prior::TypeKey;
use crate::model::{Model, Prior, PriorParameters, SchNet};
use crate::structure::{Topology, TupleList};

/// The mapping of a model, from its force field, or from the names of its priors and the bead types
/// in them.
///
/// # Errors
/// [`Error::Invalid`] if the priors do not tell it; [`Error::Unsupported`] for bead types and terms
/// of other conventions.
pub fn mapping_of(model: &Model, options: &Options) -> Result<Mapping> {
    let asked = options.mapping;
    if options.force_field.is_some() {
        return match asked {
            None | Some(Mapping::Ca | Mapping::TorchMd) => Ok(Mapping::TorchMd),
            Some(other) => {
                let expected = "ca: a force field of TorchMD has one bead per residue";
                Err(Error::invalid("mapping", other.name(), expected))
            }
        };
    }
    if model.schnet.as_ref().is_some_and(SchNet::has_filter1_bias) {
        let advice = "a force field (YAML) has the priors of a network of TorchMD";
        return Err(Error::unsupported("a network of TorchMD without a force field", advice));
    }
    let types = || {
        model.priors.iter().flat_map(|prior| {
            let order = prior.form.order();
            keys(prior).iter().flat_map(move |key| key[..order].iter().copied())
        })
    };
    let has = |is: &dyn Fn(&str) -> bool| model.priors.iter().any(|prior| is(&prior.name));
    let mapping = asked.or_else(|| {
        if has(&|name| name == "gamma_1" || name.ends_with("_phi")) || types().any(|t| t > 20) {
            Some(Mapping::FiveBead)
        } else {
            has(&|name| name == "pseudo_ca_dihedral").then_some(Mapping::Ca)
        }
    });
    let specialised = |prior: &&Prior| matches!(prior.parameters, PriorParameters::PerTuple { .. });
    if let Some(prior) = model.priors.iter().find(specialised) {
        let what = format!("the specialised prior {}", prior.name);
        let advice = "its parameters fit one molecule only; give the model before it was \
                      specialised, or its priors by bead types";
        return Err(Error::unsupported(what, advice));
    }
    let Some(mapping) = mapping else {
        let found = match model.priors.len() {
            0 => "a model without priors",
            _ => "priors that do not tell it",
        };
        let expected = "the mapping five_bead or ca; a prior file adds priors to a network";
        return Err(Error::invalid("mapping", found, expected));
    };
    for prior in &model.priors {
        check_name(&prior.name, mapping)?;
    }
    let most = types().max().unwrap_or(0);
    match mapping {
        _ if types().any(|t| t == 0) => {
            let advice = "types 1 to 20 are the residues; an older table has others";
            Err(Error::unsupported("bead type 0 of the priors", advice))
        }
        Mapping::FiveBead if most > 24 => {
            let what = format!("bead type {most} of the priors");
            Err(Error::unsupported(what, "types of terminal beads are not known here"))
        }
        Mapping::Ca if most > 20 => {
            let what = format!("bead type {most} of the priors for one bead per residue");
            Err(Error::unsupported(
                what,
                "types 1 to 20 are the residues; an older table has others",
            ))
        }
        _ => Ok(mapping),
    }
}

/// The type keys of a prior.
fn keys(prior: &Prior) -> &[TypeKey] {
    match &prior.parameters {
        PriorParameters::Keyed { keys, .. } => keys,
        PriorParameters::PerTuple { .. } => &[],
    }
}

fn check_name(name: &str, mapping: Mapping) -> Result<()> {
    if term_names(mapping).iter().any(|known| known == name) {
        return Ok(());
    }
    if name.ends_with("_nonbonded") {
        let advice = "non-bonded pairs are one term, non_bonded";
        return Err(Error::unsupported(format!("the term {name}"), advice));
    }
    let other = [Mapping::FiveBead, Mapping::Ca].into_iter().find(|other| *other != mapping);
    let remedy = match other.filter(|o| term_names(*o).iter().any(|known| known == name)) {
        Some(other) => format!("it is a term of the mapping {}", other.name()),
        None => {
            "its index list cannot be made; give the structures from the tool that fitted it".into()
        }
    };
    let what = format!("no rule for the term {name} in the mapping {}", mapping.name());
    Err(Error::structure("unknown_term", what, [remedy]))
}

/// The priors of a molecule.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Joined {
    /// The number of terms.
    pub n_terms: usize,
    /// The number of tuples of all terms.
    pub n_tuples: usize,
    /// The tuples without parameters, whose energy is zero.
    pub missing: Vec<Missing>,
}

/// Tuples of a term without parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// The name of the term.
    pub term: String,
    /// The number of tuples.
    pub n_tuples: usize,
    /// The number of different type keys, where a key and its mirror image are one; 0 if the model
    /// does not have the term at all.
    pub n_keys: usize,
}

impl Joined {
    /// The number of tuples without parameters.
    pub fn n_missing(&self) -> usize {
        self.missing.iter().map(|missing| missing.n_tuples).sum()
    }
}

/// The topology of a molecule with the lists of a model's priors, in their order.
///
/// # Errors
/// `missing_priors` if parameters are missing, unless the options allow it; [`Error::Invalid`] for
/// a bead type that the network does not have; [`Error::OutOfMemory`].
pub(super) fn join(
    model: &Model,
    layout: &Layout,
    options: &Options,
    log: &mut Log,
) -> Result<(Topology, Joined)> {
    check_size(layout)?;
    let types = layout.types();
    check_types(model, &types)?;
    let mut all = lists(layout, min_pair(layout.mapping));
    let mut joined = Joined { n_terms: model.priors.len(), ..Joined::default() };
    let (mut places, mut chosen) = (Vec::new(), Vec::new());
    for prior in &model.priors {
        let place = all.iter().position(|list| list.name == prior.name);
        let list = place.map(|place| all.swap_remove(place)).unwrap_or_else(|| TupleList {
            name: prior.name.clone(),
            order: prior.form.order(),
            tuples: Vec::new(),
        });
        joined.n_tuples += list.tuples.len();
        if let Some((missing, text)) = missing_keys(prior, &list, &types, layout.mapping) {
            joined.missing.push(missing);
            places.push(text);
        }
        chosen.push(list);
    }
    let mut unused: Vec<TupleList> =
        all.into_iter().filter(|list| !list.tuples.is_empty()).collect();
    unused.sort_by(|a, b| a.name.cmp(&b.name));
    for list in unused {
        let n_tuples = list.tuples.len();
        joined.n_tuples += n_tuples;
        places.push(format!("{}: no such term; {}", list.name, count(n_tuples, "tuple")));
        joined.missing.push(Missing { term: list.name, n_tuples, n_keys: 0 });
    }
    if !joined.missing.is_empty() {
        let (missing, all) = (joined.n_missing(), joined.n_tuples);
        let what = format!("the priors have no parameters for {missing} of {all} tuples");
        if !options.allow_missing_priors {
            let remedies = [
                "they were fitted to other sequences; the energy of these tuples would be zero",
                "give priors for this sequence, or allow missing priors",
            ];
            return Err(refuse("missing_priors", what, places, &remedies));
        }
        let text = format!("{what}; their energy is zero: {}", capped(places).join("; "));
        log.warnings.push(Warning { kind: "missing_priors", text });
    }
    let topology = Topology { types, masses: layout.masses(), lists: chosen };
    Ok((topology, joined))
}

/// The model and the topology of a molecule with the priors of a force field.
///
/// # Errors
/// Those of [`specialise`]; [`Error::Unsupported`] if the options allow missing parameters;
/// [`Error::OutOfMemory`].
pub(super) fn join_force_field(
    network: &Model,
    field: &ForceField,
    layout: &Layout,
    options: &Options,
) -> Result<(Model, Topology, Joined)> {
    if options.allow_missing_priors {
        let advice = "without it, the error names the tuples that lack parameters";
        return Err(Error::unsupported(
            "the choice to allow missing priors with a force field",
            advice,
        ));
    }
    check_size(layout)?;
    let chains = of_layout(layout, min_pair(layout.mapping));
    let (model, topology) = specialise(network, field, &chains)?;
    check_types(&model, &topology.types)?;
    let n_tuples = topology.lists.iter().map(|list| list.tuples.len()).sum();
    let joined = Joined { n_terms: model.priors.len(), n_tuples, ..Joined::default() };
    Ok((model, topology, joined))
}

/// Refuses bead types that the network does not have.
fn check_types(model: &Model, types: &[u32]) -> Result<()> {
    let Some(schnet) = &model.schnet else { return Ok(()) };
    match types.iter().max().filter(|t| **t as usize >= schnet.n_types) {
        Some(largest) => {
            let expected = format!("types below {}, the rows of the embedding", schnet.n_types);
            Err(Error::invalid("bead types", format!("up to {largest}"), expected))
        }
        None => Ok(()),
    }
}

/// Refuses a molecule whose lists do not fit into memory.
pub(super) fn check_size(layout: &Layout) -> Result<()> {
    // Bytes of a pair and its parameters while both the lists and the priors are made.
    const PER_TUPLE: u64 = 64;
    let tuples = most_tuples(layout);
    let what = format!(
        "a molecule of {} residues, {} beads and about {tuples} pairs, which all interact,",
        layout.aminos.len(),
        layout.n_beads()
    );
    host::require(what, tuples.saturating_mul(PER_TUPLE), "simulate some of its chains")
}

/// The tuples without parameters, if there are any, and a line about them.
fn missing_keys(
    prior: &Prior,
    list: &TupleList,
    types: &[u32],
    mapping: Mapping,
) -> Option<(Missing, String)> {
    /// Types are below 32 here.
    const BITS: usize = 5;
    let order = list.order;
    let mut counts = vec![0_usize; 1 << (BITS * order)];
    for tuple in &list.tuples {
        let pack = |packed, bead: &u32| packed << BITS | types[*bead as usize] as usize;
        counts[tuple[..order].iter().fold(0, pack)] += 1;
    }
    let fitted: HashSet<&[u32]> = keys(prior).iter().map(|key| &key[..order]).collect();
    // A prior has a key and its mirror image together, so both count once.
    let (mut n, mut texts, mut distinct) = (0, Vec::new(), HashSet::new());
    for (packed, count) in counts.into_iter().enumerate().filter(|(_, count)| *count > 0) {
        let part = |k: usize| (packed >> (BITS * (order - 1 - k)) & ((1 << BITS) - 1)) as u32;
        let key: Vec<u32> = (0..order).map(part).collect();
        if !fitted.contains(&key[..]) {
            n += count;
            let names: Vec<&str> = key.iter().map(|t| type_name(*t, mapping)).collect();
            let numbers: Vec<String> = key.iter().map(u32::to_string).collect();
            let mirror: Vec<u32> = key.iter().rev().copied().collect();
            texts.push(format!("{} ({}) x{count}", names.join("-"), numbers.join(",")));
            distinct.insert(key.min(mirror));
        }
    }
    let n_keys = distinct.len();
    if n_keys == 0 {
        return None;
    }
    texts.truncate(4);
    let more = if n_keys > texts.len() { format!(", ... {n_keys} keys") } else { String::new() };
    let missing = Missing { term: list.name.clone(), n_tuples: n, n_keys };
    Some((missing, format!("{}: {}{more}", list.name, texts.join(", "))))
}

/// A name for a bead type: the residue for its side chain, else the atom.
fn type_name(bead_type: u32, mapping: Mapping) -> &'static str {
    let backbone = match (mapping, bead_type) {
        (Mapping::FiveBead, 21) => Some("N"),
        (Mapping::FiveBead, 22) => Some("CA"),
        (Mapping::FiveBead, 23) => Some("C"),
        (Mapping::FiveBead, 24) => Some("O"),
        _ => None,
    };
    let residue = AminoAcid::all().find(|amino| amino.bead_type() == bead_type);
    backbone.or(residue.map(AminoAcid::name)).unwrap_or("?")
}
