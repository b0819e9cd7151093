//! What is simulated: structures from files, joined with a model into molecules and replicas.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::model::{Model, Prior, PriorForm, PriorParameters, SchNet};

/// A list of bead tuples that a prior term of the same name acts on.
#[derive(Debug, Clone, PartialEq)]
pub struct TupleList {
    /// The prior term.
    pub name: String,
    /// Beads per tuple, 2 to 4.
    pub order: usize,
    /// Zero-based bead indices; positions beyond `order` are 0.
    pub tuples: Vec<[u32; 4]>,
}

/// What the copies of a molecule have in common.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Topology {
    /// Bead types: rows of the embedding table. `[n_beads]`
    pub types: Vec<u32>,
    /// Masses, amu/418.4. `[n_beads]`
    pub masses: Vec<f64>,
    /// Tuple lists, at most one per name.
    pub lists: Vec<TupleList>,
}

/// A topology with coordinates.
#[derive(Debug, Clone, PartialEq)]
pub struct Structure {
    /// Shared by structures of the same molecule.
    pub topology: Arc<Topology>,
    /// Å, `[n_beads]`.
    pub positions: Vec<[f64; 3]>,
    /// Å/ps, `[n_beads]`.
    pub velocities: Option<Vec<[f64; 3]>>,
}

impl Topology {
    /// Checks counts, masses and indices.
    pub fn check(&self) -> Result<()> {
        let n_beads = self.types.len();
        if n_beads == 0 {
            return Err(Error::invalid("types", "no beads", "at least one"));
        }
        if self.masses.len() != n_beads {
            let expected = format!("{n_beads}, one per bead");
            return Err(Error::invalid("masses", self.masses.len(), expected));
        }
        if let Some((bead, mass)) =
            self.masses.iter().enumerate().find(|(_, m)| !(m.is_finite() && **m > 0.0))
        {
            return Err(Error::invalid(format!("masses[{bead}]"), mass, "a mass > 0"));
        }
        for (l, list) in self.lists.iter().enumerate() {
            let field = format!("list {}", list.name);
            if !(2..=4).contains(&list.order) {
                return Err(Error::invalid(field, format!("order {}", list.order), "2, 3 or 4"));
            }
            if self.lists[..l].iter().any(|other| other.name == list.name) {
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
    /// Checks the topology, counts and finiteness of the coordinates.
    pub fn check(&self) -> Result<()> {
        self.topology.check()?;
        check_vectors("positions", &self.positions, self.topology.types.len())?;
        if let Some(velocities) = &self.velocities {
            check_vectors("velocities", velocities, self.topology.types.len())?;
        }
        Ok(())
    }
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

/// Refuses parameters written tuple by tuple for another molecule than the first: they fit that
/// one only, even where the numbers of tuples agree.
fn check_specialised(model: &Model, first: &Topology, other: &Topology) -> Result<()> {
    let list = |of: &Topology, name: &str| {
        let list = of.lists.iter().find(|list| list.name == name);
        list.map_or_else(Vec::new, |list| list.tuples.clone())
    };
    let keyless = |prior: &&Prior| matches!(&prior.parameters, PriorParameters::PerTuple { values } if !values.is_empty());
    let differs = |prior: &&Prior| {
        first.types != other.types || list(first, &prior.name) != list(other, &prior.name)
    };
    match model.priors.iter().filter(keyless).find(differs) {
        Some(prior) => Err(Error::invalid(
            format!("prior/{}", prior.name),
            "another molecule than in structure 0",
            "the same one: these parameters are written tuple by tuple, for one molecule; priors \
             with bead types as keys fit any",
        )),
        None => Ok(()),
    }
}

/// The same error, said of one structure of several.
pub(crate) fn in_structure(error: Error, s: usize) -> Error {
    match error {
        Error::Invalid { origin, field, found, expected } => {
            Error::Invalid { origin, field: format!("structure {s}, {field}"), found, expected }
        }
        other => other,
    }
}

/// A prior term with the parameters of each tuple.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// The name of the prior.
    pub name: String,
    /// Its form.
    pub form: PriorForm,
    /// Local bead indices; positions beyond the form's order are 0.
    pub tuples: Vec<[u32; 4]>,
    /// `[n_tuples, n_parameters]`.
    pub values: Vec<f64>,
}

impl Term {
    /// The parameters of tuple `t`.
    pub fn parameters(&self, t: usize) -> &[f64] {
        let stride = self.form.n_parameters();
        &self.values[t * stride..(t + 1) * stride]
    }
}

/// A topology joined with a model's priors: all that a backend needs to know of a molecule.
#[derive(Debug, Clone, PartialEq)]
pub struct Molecule {
    /// Bead types. `[n_beads]`
    pub types: Vec<u32>,
    /// Masses, amu/418.4. `[n_beads]`
    pub masses: Vec<f64>,
    /// The prior terms, in the model's order; a term without tuples is kept, empty.
    pub terms: Vec<Term>,
}

impl Molecule {
    /// Looks up the parameters of every tuple.
    ///
    /// A type key that a table lacks means zero parameters and one warning with the count; a
    /// list that no prior of the model acts on is ignored with a warning.
    pub fn join(model: &Model, topology: &Topology) -> Result<Self> {
        topology.check()?;
        if let Some(schnet) = &model.schnet
            && let Some(bead) = topology.types.iter().position(|t| *t as usize >= schnet.n_types)
        {
            return Err(Error::invalid(
                format!("types[{bead}]"),
                topology.types[bead],
                format!("a bead type below {}, the rows of the embedding", schnet.n_types),
            ));
        }
        let mut terms = Vec::with_capacity(model.priors.len());
        for prior in &model.priors {
            let list = topology.lists.iter().find(|list| list.name == prior.name);
            let tuples = match list {
                Some(list) if list.order == prior.form.order() => list.tuples.clone(),
                Some(list) => {
                    return Err(Error::invalid(
                        format!("list {}", list.name),
                        format!("order {}", list.order),
                        format!("{}, the order of the prior", prior.form.order()),
                    ));
                }
                None => Vec::new(),
            };
            let (values, missing) = prior.join(&tuples, &topology.types)?;
            if missing > 0 {
                log::warn!(
                    "prior {}: {missing} of {} tuples have bead types without parameters; \
                     their energy is zero",
                    prior.name,
                    tuples.len()
                );
            }
            terms.push(Term { name: prior.name.clone(), form: prior.form, tuples, values });
        }
        for list in &topology.lists {
            let unused = !model.priors.iter().any(|prior| prior.name == list.name);
            if unused && !list.tuples.is_empty() {
                log::warn!(
                    "list {} of {} tuples: the model has no prior of that name; ignored",
                    list.name,
                    list.tuples.len()
                );
            }
        }
        let (types, masses) = (topology.types.clone(), topology.masses.clone());
        Ok(Molecule { types, masses, terms })
    }

    /// The number of beads.
    pub fn n_beads(&self) -> usize {
        self.types.len()
    }
}

/// Everything that stays constant during a run: the network, the molecules, and which replica is
/// a copy of which molecule. Beads of all replicas are numbered through, replica by replica.
#[derive(Debug, Clone)]
pub struct System {
    /// The network, shared by all.
    pub schnet: Option<Arc<SchNet>>,
    /// The different molecules.
    pub molecules: Vec<Molecule>,
    /// The molecule of each replica.
    pub molecule_of: Vec<usize>,
    /// First bead of each replica, and the total at the end. `[n_replicas + 1]`
    pub first_bead: Vec<usize>,
}

impl System {
    /// Joins a model with the molecules of `structures`, one replica each.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first value of the model or of a structure that is wrong, such
    /// as the parameters of priors that were written for the tuples of another molecule.
    pub fn new(model: &Model, structures: &[Structure]) -> Result<Self> {
        model.check()?;
        if structures.is_empty() {
            return Err(Error::invalid("structures", "none", "at least one"));
        }
        let mut topologies: Vec<&Arc<Topology>> = Vec::new();
        let mut molecules = Vec::new();
        let mut molecule_of = Vec::with_capacity(structures.len());
        let mut first_bead = vec![0];
        for (s, structure) in structures.iter().enumerate() {
            structure.check().map_err(|error| in_structure(error, s))?;
            let same = |known: &&Arc<Topology>| {
                Arc::ptr_eq(known, &structure.topology) || ***known == *structure.topology
            };
            let molecule = match topologies.iter().position(same) {
                Some(molecule) => molecule,
                None => {
                    if let Some(first) = topologies.first() {
                        check_specialised(model, first, &structure.topology)
                            .map_err(|error| in_structure(error, s))?;
                    }
                    topologies.push(&structure.topology);
                    let joined = Molecule::join(model, &structure.topology);
                    molecules.push(joined.map_err(|error| in_structure(error, s))?);
                    molecules.len() - 1
                }
            };
            molecule_of.push(molecule);
            first_bead.push(first_bead[first_bead.len() - 1] + structure.positions.len());
        }
        let schnet = model.schnet.clone().map(Arc::new);
        Ok(System { schnet, molecules, molecule_of, first_bead })
    }

    /// A system of copies of the replicas of this one, in the order given.
    ///
    /// # Panics
    /// If there is no replica of a given number.
    pub fn select(&self, replicas: impl IntoIterator<Item = usize>) -> System {
        let mut chosen: Vec<usize> = Vec::new();
        let mut molecule_of = Vec::new();
        let mut first_bead = vec![0];
        for r in replicas {
            let molecule = self.molecule_of[r];
            let known = chosen.iter().position(|of| *of == molecule);
            molecule_of.push(known.unwrap_or(chosen.len()));
            if known.is_none() {
                chosen.push(molecule);
            }
            first_bead.push(first_bead[first_bead.len() - 1] + self.beads(r).len());
        }
        let molecules = chosen.into_iter().map(|of| self.molecules[of].clone()).collect();
        System { schnet: self.schnet.clone(), molecules, molecule_of, first_bead }
    }

    /// The number of replicas.
    pub fn n_replicas(&self) -> usize {
        self.molecule_of.len()
    }

    /// The number of beads of all replicas together.
    pub fn n_beads(&self) -> usize {
        self.first_bead[self.n_replicas()]
    }

    /// The beads of replica `r`.
    pub fn beads(&self, r: usize) -> std::ops::Range<usize> {
        self.first_bead[r]..self.first_bead[r + 1]
    }

    /// The molecule of replica `r`.
    pub fn molecule(&self, r: usize) -> &Molecule {
        &self.molecules[self.molecule_of[r]]
    }

    /// The mass of every bead of every replica, amu/418.4.
    pub fn masses(&self) -> Vec<f64> {
        (0..self.n_replicas()).flat_map(|r| self.molecule(r).masses.iter().copied()).collect()
    }

    /// The names of the energy terms, in order: the network's first, if there is one.
    pub fn term_names(&self) -> Vec<String> {
        let network = self.schnet.iter().map(|_| crate::model::SCHNET.to_owned());
        let priors = self.molecules[0].terms.iter().map(|term| term.name.clone());
        network.chain(priors).collect()
    }
}
