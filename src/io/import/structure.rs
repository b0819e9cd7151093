//! Import of structures: `AtomicData` of mlcg.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::view::View;
use crate::error::{Error, Result};
use crate::io::pickle::NodeId;
use crate::structure::{Structure, Topologies, Topology, TupleList};

pub(super) fn is_structure(view: &View) -> bool {
    view.own_class() == Some("AtomicData")
}

/// Reads structures. Those with equal topologies share one.
#[derive(Default)]
pub(super) struct Reader<'a> {
    /// Topologies by the nodes of their types, masses and lists.
    by_origin: HashMap<(NodeId, Option<NodeId>, NodeId), Arc<Topology>>,
    /// Topologies by their content, with the nodes of the tuple lists instead of the lists.
    by_content: HashMap<Content<'a>, Arc<Topology>>,
    all: Topologies,
}

/// Types, bits of the masses, and names and nodes of the lists.
type Content<'a> = (Vec<u32>, Vec<u64>, Vec<(&'a str, NodeId)>);

impl<'a> Reader<'a> {
    pub(super) fn read(&mut self, view: &View<'a>) -> Result<Structure> {
        if !is_structure(view) {
            let what = format!("the structure {}", view.describe());
            return Err(view.unsupported(&what, "AtomicData of mlcg is supported"));
        }
        let data = data(view)?;
        refuse_periodic(&data)?;
        refuse_batch(&data)?;
        if let Some(excluded) = present(&data, "exc_pair_index")?
            && excluded.tensor()?.is_none_or(|pairs| pairs.numel() > 0)
        {
            return Err(excluded.unsupported("the exclusion of pairs", ""));
        }

        let topology = self.topology(&data)?;
        let n_beads = topology.types.len();
        if let Some(count) = present(&data, "n_atoms")? {
            let tensor = count.tensor()?;
            if tensor.is_some_and(|tensor| tensor.numel() > 1) {
                return Err(count.unsupported("a batch of structures", "save a list of them"));
            }
            if count.number()? != n_beads as f64 {
                return Err(count.invalid(count.number()?, format!("{n_beads}, as many as types")));
            }
        }
        let positions = vectors(&require(&data, "pos")?, n_beads)?;
        let velocities = match present(&data, "velocities")? {
            Some(velocities) => Some(vectors(&velocities, n_beads)?),
            None => None,
        };
        let structure = Structure { topology, positions, velocities };
        structure.check_vectors().map_err(|error| below(view, error))?;
        Ok(structure)
    }

    fn topology(&mut self, data: &View<'a>) -> Result<Arc<Topology>> {
        let (types, masses) = (require(data, "atom_types")?, present(data, "masses")?);
        let lists = present(data, "neighbor_list")?;
        let origin = (
            types.id,
            masses.as_ref().map(|masses| masses.id),
            lists.as_ref().map_or(data.id, |lists| lists.id),
        );
        if let Some(known) = self.by_origin.get(&origin) {
            return Ok(known.clone());
        }
        let as_type = |value: &i64| {
            u32::try_from(*value).map_err(|_| types.invalid(value, "a bead type of 0 or more"))
        };
        let types = integers(&types, 1)?.0.iter().map(as_type).collect::<Result<Vec<_>>>()?;
        let masses = masses.map_or(Ok(Vec::new()), |masses| Ok(numbers(&masses, 1)?.0))?;
        let mappings = lists.map_or(Ok(Vec::new()), |lists| mappings(&lists))?;
        let lists: Vec<_> = mappings.iter().map(|(name, mapping)| (*name, mapping.id)).collect();

        // Frames of a trajectory share the lists, which are often by far their largest part.
        // Comparing their nodes avoids reading them again.
        let bits = masses.iter().map(|mass| mass.to_bits()).collect();
        let topology = match self.by_content.entry((types.clone(), bits, lists)) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(entry) => {
                let tuples = mappings.iter().map(|(name, mapping)| tuple_list(name, mapping));
                let topology = Topology { types, masses, lists: tuples.collect::<Result<_>>()? };
                topology.check().map_err(|error| below(data, error))?;
                let index = self.all.add(&Arc::new(topology));
                entry.insert(self.all.get(index).clone()).clone()
            }
        };
        self.by_origin.insert(origin, topology.clone());
        Ok(topology)
    }
}

/// The dict with the data of a structure. PyTorch Geometric (PyG) stores it in `_store`, and before
/// version 2.0 in the object itself.
fn data<'a>(view: &View<'a>) -> Result<View<'a>> {
    let mut data = match view.attribute("_store")? {
        Some(store) => store.require("_mapping")?,
        None => match view.attributes() {
            Some(data) if present(&data, "pos")?.is_some() => data,
            _ => {
                let advice = "it may be of PyTorch Geometric (PyG) before 2.0; load the file and save \
                              it again with PyG 2.0 or newer";
                return Err(view.unsupported("AtomicData without _store", advice));
            }
        },
    };
    data.path.clone_from(&view.path);
    Ok(data)
}

/// Adds the path of the structure to an error.
fn below(view: &View, error: Error) -> Error {
    match error {
        Error::Invalid { field, found, expected, .. } => {
            let field = if view.path.is_empty() { field } else { format!("{}/{field}", view.path) };
            Error::invalid(field, found, expected)
        }
        other => other,
    }
}

/// An entry that exists and is not `None`.
fn present<'a>(data: &View<'a>, name: &str) -> Result<Option<View<'a>>> {
    Ok(data.get(name)?.filter(|value| !value.is_none()))
}

fn require<'a>(data: &View<'a>, name: &str) -> Result<View<'a>> {
    present(data, name)?.ok_or_else(|| data.invalid(format!("no {name}"), format!("a {name}")))
}

/// Refuses several structures joined in one object. Without this they would count as one molecule.
fn refuse_batch(data: &View) -> Result<()> {
    for (name, single) in [("batch", None), ("ptr", Some(2))] {
        let Some(view) = present(data, name)? else { continue };
        let Some(tensor) = view.tensor()? else { continue };
        let is_single = match single {
            None => data.archive.numbers(&tensor)?.iter().all(|structure| *structure == 0.0),
            Some(ends) => tensor.numel() <= ends,
        };
        if !is_single {
            return Err(view.unsupported("a batch of structures", "save a list of them"));
        }
    }
    Ok(())
}

fn refuse_periodic(data: &View) -> Result<()> {
    let advice = "open boundaries only";
    let pbc = present(data, "pbc")?;
    let Some(pbc) = pbc else {
        return match present(data, "cell")? {
            Some(cell) => Err(cell.unsupported("a cell", advice)),
            None => Ok(()),
        };
    };
    let flags = match pbc.tensor()? {
        Some(flags) => data.archive.numbers(&flags)?,
        None => vec![f64::from(pbc.flag()?)],
    };
    match flags.iter().all(|flag| *flag == 0.0) {
        true => Ok(()),
        false => Err(pbc.unsupported("a periodic cell", advice)),
    }
}

/// The values and the shape of a tensor of `n_axes` axes.
fn numbers(view: &View, n_axes: usize) -> Result<(Vec<f64>, Vec<usize>)> {
    match view.tensor()? {
        Some(tensor) if tensor.shape.len() == n_axes => {
            Ok((view.archive.numbers(&tensor)?, tensor.shape))
        }
        Some(tensor) => {
            let found = format!("shape {:?}", tensor.shape);
            Err(view.invalid(found, format!("a tensor of {n_axes} axes")))
        }
        None => Err(view.invalid(view.describe(), "a tensor")),
    }
}

fn integers(view: &View, n_axes: usize) -> Result<(Vec<i64>, Vec<usize>)> {
    match view.tensor()? {
        Some(tensor) if tensor.shape.len() == n_axes => match view.archive.integers(&tensor)? {
            Some(values) => Ok((values, tensor.shape)),
            None => Err(view.invalid(format!("{:?}", tensor.dtype), "integers")),
        },
        Some(tensor) => {
            let found = format!("shape {:?}", tensor.shape);
            Err(view.invalid(found, format!("a tensor of {n_axes} axes")))
        }
        None => Err(view.invalid(view.describe(), "a tensor of integers")),
    }
}

fn vectors(view: &View, n_beads: usize) -> Result<Vec<[f64; 3]>> {
    let (values, shape) = numbers(view, 2)?;
    if shape != [n_beads, 3] {
        return Err(view.invalid(format!("shape {shape:?}"), format!("({n_beads}, 3)")));
    }
    Ok(values.as_chunks().0.to_vec())
}

/// The keys of a tuple list that are read, or do not change its meaning. Another key could say that
/// the tuples are given in another way, for example as exceptions.
const LIST_KEYS: [&str; 6] =
    ["tag", "order", "index_mapping", "cell_shifts", "self_interaction", "mapping_batch"];

/// The names and index tensors of the tuple lists.
fn mappings<'a>(lists: &View<'a>) -> Result<Vec<(&'a str, View<'a>)>> {
    let mut all = Vec::new();
    for (name, list) in lists.entries()? {
        if let Some(shifts) = present(&list, "cell_shifts")? {
            return Err(shifts.unsupported("a list with cell shifts", "open boundaries only"));
        }
        if let Some(cutoff) = present(&list, "rcut")? {
            let what = format!("the cutoff rcut {} of a tuple list", cutoff.describe());
            let advice = "no prior uses it; set it to None if the list is to stay as it is";
            return Err(cutoff.unsupported(&what, advice));
        }
        if let Some(flag) = present(&list, "self_interaction")?
            && flag.flag()?
        {
            let advice = "no prior acts on a bead and itself; set it to False";
            return Err(flag.unsupported("a list with self_interaction", advice));
        }
        for (key, value) in list.entries()? {
            if !LIST_KEYS.contains(&key) && !value.is_none() {
                let what = format!("{key} of a tuple list");
                return Err(value.unsupported(&what, "give the tuples themselves in index_mapping"));
            }
        }
        let mapping = require(&list, "index_mapping")?;
        if let Some(declared) = present(&list, "order")?
            && let Some(tensor) = mapping.tensor()?
            && declared.number()? != tensor.shape.first().map_or(0.0, |order| *order as f64)
        {
            let expected = format!("that of index_mapping, {:?}", tensor.shape);
            return Err(declared.invalid(declared.describe(), expected));
        }
        all.push((name, mapping));
    }
    Ok(all)
}

fn tuple_list(name: &str, mapping: &View) -> Result<TupleList> {
    let (beads, shape) = integers(mapping, 2)?;
    let (order, n_tuples) = (shape[0], shape[1]);
    if !(2..=4).contains(&order) {
        return Err(mapping.unsupported(&format!("a list of {order}-tuples"), ""));
    }
    mapping.archive.charge(n_tuples.saturating_mul(size_of::<[u32; 4]>()))?;
    let mut tuples = vec![[0; 4]; n_tuples];
    for (i, bead) in beads.iter().enumerate() {
        let bead =
            u32::try_from(*bead).map_err(|_| mapping.invalid(bead, "a bead of 0 or more"))?;
        tuples[i % n_tuples][i / n_tuples] = bead;
    }
    Ok(TupleList { name: name.to_owned(), order, tuples })
}
