//! A molecule without its potential: bead types, masses, tuple lists and coordinates.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::error::{Error, Result, check_name};

/// A list of bead tuples. The prior term of the same name acts on them.
#[derive(Debug, Clone, PartialEq, Hash)]
pub struct TupleList {
    /// The name of the prior term.
    pub name: String,
    /// Beads per tuple, 2 to 4.
    pub order: usize,
    /// Zero-based bead indices; the elements from index `order` on are 0.
    pub tuples: Vec<[u32; 4]>,
}

/// The properties that all copies of a molecule share.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Topology {
    /// Bead types, which are row numbers of the embedding table. `[n_beads]`
    pub types: Vec<u32>,
    /// Masses in the mass unit of [`crate::units`]. `[n_beads]`, or empty if none are given: energies
    /// and overdamped dynamics need none.
    pub masses: Vec<f64>,
    /// Tuple lists, at most one per name.
    pub lists: Vec<TupleList>,
}

/// A topology with coordinates.
#[derive(Debug, Clone, PartialEq)]
pub struct Structure {
    /// The topology. Structures of the same molecule can share it.
    pub topology: Arc<Topology>,
    /// Positions, Å, `[n_beads]`.
    pub positions: Vec<[f64; 3]>,
    /// Velocities, Å/ps, `[n_beads]`.
    pub velocities: Option<Vec<[f64; 3]>>,
}

impl Topology {
    /// Checks counts, masses and indices.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first wrong value.
    pub fn check(&self) -> Result<()> {
        let n_beads = self.types.len();
        if n_beads == 0 {
            return Err(Error::invalid("types", "no beads", "at least one"));
        }
        if !self.masses.is_empty() && self.masses.len() != n_beads {
            let expected = format!("{n_beads}, one per bead, or none");
            return Err(Error::invalid("masses", self.masses.len(), expected));
        }
        if let Some((bead, mass)) = self.masses.iter().enumerate().find(|(_, m)| !is_mass(**m)) {
            return Err(Error::invalid(format!("masses[{bead}]"), mass, "a mass > 0"));
        }
        let mut names = HashSet::new();
        for list in &self.lists {
            check_name("list name", &list.name)?;
            let field = format!("list {}", list.name);
            if !(2..=4).contains(&list.order) {
                return Err(Error::invalid(field, format!("order {}", list.order), "2, 3 or 4"));
            }
            if !names.insert(&list.name) {
                return Err(Error::invalid(field, "given twice", "one list per name"));
            }
            for (t, tuple) in list.tuples.iter().enumerate() {
                let beads = &tuple[..list.order];
                if let Some(bead) = beads.iter().find(|bead| **bead as usize >= n_beads) {
                    let field = format!("list {}, tuple {t}", list.name);
                    return Err(Error::invalid(field, bead, format!("a bead below {n_beads}")));
                }
                if (1..beads.len()).any(|k| beads[..k].contains(&beads[k])) {
                    let field = format!("list {}, tuple {t}", list.name);
                    return Err(Error::invalid(field, format!("{beads:?}"), "distinct beads"));
                }
            }
        }
        Ok(())
    }
}

impl Structure {
    /// Checks the topology, and the number and finiteness of positions and velocities.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first wrong value.
    pub fn check(&self) -> Result<()> {
        self.topology.check()?;
        self.check_vectors()
    }

    /// Checks everything but the topology, which structures can share.
    pub(crate) fn check_vectors(&self) -> Result<()> {
        check_vectors("positions", &self.positions, self.topology.types.len())?;
        if let Some(velocities) = &self.velocities {
            check_vectors("velocities", velocities, self.topology.types.len())?;
        }
        Ok(())
    }
}

/// Whether m is positive, and single precision holds m and 1/m.
pub(crate) fn is_mass(m: f64) -> bool {
    m > 0.0 && (m as f32).is_normal() && (1.0 / m as f32).is_normal()
}

/// Checks that there is one finite vector per bead.
pub(crate) fn check_vectors(field: &str, vectors: &[[f64; 3]], n_beads: usize) -> Result<()> {
    if vectors.len() != n_beads {
        return Err(Error::invalid(field, vectors.len(), format!("{n_beads}, one per bead")));
    }
    match vectors.iter().position(|v| v.iter().any(|x| !x.is_finite())) {
        Some(bead) => Err(Error::invalid(
            format!("{field}[{bead}]"),
            format!("{:?}", vectors[bead]),
            "finite numbers",
        )),
        None => Ok(()),
    }
}

/// The molecule of each structure, by number. Structures with equal topologies share a molecule, and
/// molecules are numbered in the order of their first structures.
pub fn molecules(structures: &[Structure]) -> Vec<usize> {
    let mut topologies = Topologies::default();
    // Most structures share a topology, which is not compared again.
    let mut known: HashMap<*const Topology, usize> = HashMap::new();
    let of_structure = |structure: &Structure| {
        let add = || topologies.add(&structure.topology);
        *known.entry(Arc::as_ptr(&structure.topology)).or_insert_with(add)
    };
    structures.iter().map(of_structure).collect()
}

/// Topologies without duplicates. The time to add one does not depend on their number.
#[derive(Debug, Default)]
pub(crate) struct Topologies {
    all: Vec<Arc<Topology>>,
    /// The indices of the topologies with the same hash.
    by_hash: HashMap<u64, Vec<usize>>,
}

impl Topologies {
    /// The index of an equal topology, which is this one if there was none.
    pub(crate) fn add(&mut self, topology: &Arc<Topology>) -> usize {
        let mut hasher = DefaultHasher::new();
        topology.types.hash(&mut hasher);
        topology.masses.iter().for_each(|mass| mass.to_bits().hash(&mut hasher));
        topology.lists.hash(&mut hasher);
        let same = self.by_hash.entry(hasher.finish()).or_default();
        let equal = |known: &&usize| {
            Arc::ptr_eq(&self.all[**known], topology) || self.all[**known] == *topology
        };
        if let Some(known) = same.iter().find(equal) {
            return *known;
        }
        same.push(self.all.len());
        self.all.push(topology.clone());
        self.all.len() - 1
    }

    /// The topology with an index.
    pub(crate) fn get(&self, index: usize) -> &Arc<Topology> {
        &self.all[index]
    }

    /// All topologies in the order of their indices.
    pub(crate) fn all(&self) -> &[Arc<Topology>] {
        &self.all
    }
}

/// Prefixes the field of an error with the number of the structure.
pub(crate) fn in_structure(error: Error, s: usize) -> Error {
    match error {
        Error::Invalid { origin, field, found, expected } => {
            Error::Invalid { origin, field: format!("structure {s}, {field}"), found, expected }
        }
        other => other,
    }
}
