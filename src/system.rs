//! The simulated system: molecules, made from structures and a model, and their replicas.

use std::collections::HashSet;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::model::{Model, Prior, PriorForm, PriorParameters, Tabulated};
use crate::structure::{self, Structure, Topology, in_structure};

/// Refuses a molecule whose bead types or tuples differ from the first molecule's, if a prior has
/// [`PriorParameters::PerTuple`] parameters for these tuples. Such parameters fit one molecule
/// only, even if the numbers of tuples agree.
#[doc(hidden)]
pub fn check_specialised(model: &Model, first: &Topology, other: &Topology) -> Result<()> {
    fn list<'a>(of: &'a Topology, name: &str) -> &'a [[u32; 4]] {
        let list = of.lists.iter().find(|list| list.name == name);
        list.map(|list| &list.tuples[..]).unwrap_or_default()
    }
    let keyless = |prior: &&Prior| matches!(&prior.parameters, PriorParameters::PerTuple { values } if !values.is_empty());
    let differs = |prior: &&Prior| {
        first.types != other.types || list(first, &prior.name) != list(other, &prior.name)
    };
    match model.priors.iter().filter(keyless).find(differs) {
        Some(prior) => Err(Error::invalid(
            format!("prior/{}", prior.name),
            "another molecule than in structure 0",
            "the same molecule: these parameters are stored per tuple and fit one molecule only; \
             parameters by bead types fit any molecule",
        )),
        None => Ok(()),
    }
}

/// A prior term with the parameters of each tuple.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// The name of the prior.
    pub name: String,
    /// Its form.
    pub form: PriorForm,
    /// Bead indices within the molecule; the elements from the form's order on are 0.
    pub tuples: Vec<[u32; 4]>,
    /// The parameters, `[n_tuples, n_parameters]`.
    pub values: Vec<f64>,
}

impl Term {
    /// The parameters of tuple `t`.
    pub fn parameters(&self, t: usize) -> &[f64] {
        let stride = self.form.n_parameters();
        &self.values[t * stride..(t + 1) * stride]
    }
}

/// The residues that bead types stand for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Convention {
    /// Those of mlcg's models.
    #[default]
    Mlcg,
    /// Those of the published networks of TorchMD.
    TorchMd,
}

/// A topology with the prior terms of a model: all data of a molecule that a backend needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Molecule {
    /// Bead types, which are row numbers of the embedding table. `[n_beads]`
    pub types: Vec<u32>,
    /// Masses in the mass unit of [`crate::units`], NaN if the topology has none. `[n_beads]`
    pub masses: Vec<f64>,
    /// The prior terms, in the order of the model. A term without tuples stays in the list.
    pub terms: Vec<Term>,
    /// The residues of the bead types, for people.
    pub convention: Convention,
}

impl Molecule {
    /// Looks up the parameters of every tuple.
    ///
    /// Every prior needs the list of its name. The list may be empty, for a molecule to which the
    /// prior does not apply; a list that is missing is an error. A tuple whose bead types have no
    /// parameters gets zeros; one warning per prior gives the number of such tuples. A tuple list
    /// that belongs to no prior of the model is ignored with a warning.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong topology ([`Topology::check`]), a bead type beyond the rows of
    /// the embedding, a list that is missing or has another order than its prior, and tuples without
    /// parameters that their prior needs.
    pub fn join(model: &Model, topology: &Topology) -> Result<Self> {
        Self::join_with(model, topology, |warning| log::warn!("{warning}"))
    }

    /// [`Molecule::join`] with another receiver of the warnings.
    pub(crate) fn join_with(
        model: &Model,
        topology: &Topology,
        warn: impl Fn(String),
    ) -> Result<Self> {
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
                Some(list) if list.tuples.is_empty() => Vec::new(),
                Some(list) if list.order == prior.form.order() => list.tuples.clone(),
                Some(list) => {
                    return Err(Error::invalid(
                        format!("list {}", list.name),
                        format!("order {}", list.order),
                        format!("{}, the order of the prior", prior.form.order()),
                    ));
                }
                None => {
                    let names = topology.lists.iter().map(|list| list.name.as_str());
                    let names = names.collect::<Vec<_>>().join(", ");
                    return Err(Error::invalid(
                        "tuple lists",
                        if names.is_empty() { "none".to_owned() } else { format!("only {names}") },
                        format!(
                            "a list {} of {}-tuples for the prior of that name; an empty list if \
                             it applies to no tuple",
                            prior.name,
                            prior.form.order()
                        ),
                    ));
                }
            };
            let (values, missing) = prior.join(&tuples, &topology.types)?;
            if missing > 0 {
                warn(format!(
                    "prior {}: {missing} of {} tuples have bead types without parameters; \
                     their energy is zero",
                    prior.name,
                    tuples.len()
                ));
            }
            terms.push(Term { name: prior.name.clone(), form: prior.form, tuples, values });
        }
        for list in &topology.lists {
            let unused = !model.priors.iter().any(|prior| prior.name == list.name);
            if unused && !list.tuples.is_empty() {
                warn(format!(
                    "list {} of {} tuples: the model has no prior of that name; ignored",
                    list.name,
                    list.tuples.len()
                ));
            }
        }
        let types = topology.types.clone();
        let masses = match topology.masses.is_empty() {
            true => vec![f64::NAN; types.len()],
            false => topology.masses.clone(),
        };
        let convention = match &model.schnet {
            Some(schnet) if schnet.has_filter1_bias() => Convention::TorchMd,
            _ => Convention::Mlcg,
        };
        Ok(Molecule { types, masses, terms, convention })
    }

    /// A torsion with three beads in a row whose angle no prior holds. Its force has no bound where
    /// these beads come into a line.
    pub fn torsion_without_angles(&self) -> Option<[u32; 4]> {
        use PriorForm::{
            Dihedral, HarmonicAngle, HarmonicAngleRaw, QuarticAngle, QuarticAngleRaw,
            RestrictedQuartic,
        };
        let is_angle = |form: &PriorForm| {
            matches!(
                form,
                HarmonicAngle
                    | HarmonicAngleRaw
                    | QuarticAngle
                    | QuarticAngleRaw
                    | RestrictedQuartic
            )
        };
        let tuples = |chosen: &dyn Fn(&PriorForm) -> bool| -> Vec<[u32; 4]> {
            let terms = self.terms.iter().filter(|term| chosen(&term.form));
            terms.flat_map(|term| &term.tuples).copied().collect()
        };
        let held: HashSet<[u32; 3]> =
            tuples(&is_angle).iter().map(|[i, j, k, _]| [*i.min(k), *j, *i.max(k)]).collect();
        let is_held = |i: u32, j: u32, k: u32| held.contains(&[i.min(k), j, i.max(k)]);
        let mut torsions = tuples(&|form| matches!(form, Dihedral { .. })).into_iter();
        torsions.find(|[i, j, k, l]| !is_held(*i, *j, *k) || !is_held(*j, *k, *l))
    }

    /// The number of beads.
    pub fn n_beads(&self) -> usize {
        self.types.len()
    }
}

/// The data that stay constant during a run: the network, the molecules, and the molecule of each
/// replica. Beads are numbered consecutively over all replicas, one replica after the other.
#[derive(Debug, Clone)]
pub struct System {
    /// The network, shared by all replicas and by copies of the system; a model of priors only has none.
    pub(crate) schnet: Option<Arc<Tabulated>>,
    /// The different molecules, which can be large: systems share them.
    pub(crate) molecules: Vec<Arc<Molecule>>,
    /// The index of each replica's molecule in `molecules`. `[n_replicas]`
    pub(crate) molecule_of: Vec<usize>,
    /// The first bead of each replica, and the number of all beads at the end. `[n_replicas + 1]`
    pub(crate) first_bead: Vec<usize>,
}

impl System {
    /// Makes one replica of each structure. Structures with equal topologies share a molecule.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first wrong value of the model or of a structure. Different
    /// molecules are an error if a prior stores its parameters per tuple.
    pub fn new(model: &Model, structures: &[Structure]) -> Result<Self> {
        model.check()?;
        if structures.is_empty() {
            return Err(Error::invalid("structures", "none", "at least one"));
        }
        let molecule_of = structure::molecules(structures);
        let mut molecules = Vec::new();
        let mut first_bead = vec![0];
        for (s, structure) in structures.iter().enumerate() {
            // The topology, which structures can share, is checked when it is joined.
            structure.check_vectors().map_err(|error| in_structure(error, s))?;
            if molecule_of[s] == molecules.len() {
                let joined = check_specialised(model, &structures[0].topology, &structure.topology)
                    .and_then(|()| Molecule::join(model, &structure.topology));
                molecules.push(Arc::new(joined.map_err(|error| in_structure(error, s))?));
            }
            first_bead.push(first_bead[first_bead.len() - 1] + structure.positions.len());
        }
        let schnet = model.schnet.clone().map(|schnet| Arc::new(Tabulated::new(schnet)));
        Ok(System { schnet, molecules, molecule_of, first_bead })
    }

    /// A system whose replicas are copies of the given replicas of this one, in the given order.
    ///
    /// # Panics
    /// If a given replica does not exist.
    pub fn select(&self, replicas: impl IntoIterator<Item = usize>) -> System {
        let mut chosen: Vec<usize> = Vec::new();
        let mut place = vec![None; self.molecules.len()];
        let mut molecule_of = Vec::new();
        let mut first_bead = vec![0];
        for r in replicas {
            let molecule = self.molecule_of[r];
            molecule_of.push(*place[molecule].get_or_insert_with(|| {
                chosen.push(molecule);
                chosen.len() - 1
            }));
            first_bead.push(first_bead[first_bead.len() - 1] + self.beads(r).len());
        }
        let molecules = chosen.into_iter().map(|of| Arc::clone(&self.molecules[of])).collect();
        System { schnet: self.schnet.clone(), molecules, molecule_of, first_bead }
    }

    /// The network.
    #[cfg(feature = "wgpu")]
    pub(crate) fn schnet(&self) -> Option<&crate::model::SchNet> {
        self.schnet.as_ref().map(|network| &***network)
    }

    /// Whether the model has a network.
    pub fn has_network(&self) -> bool {
        self.schnet.is_some()
    }

    /// The different molecules.
    pub fn molecules(&self) -> &[Arc<Molecule>] {
        &self.molecules
    }

    /// The first bead of each replica, and the number of all beads at the end. `[n_replicas + 1]`
    pub fn first_bead(&self) -> &[usize] {
        &self.first_bead
    }

    /// The number of replicas.
    pub fn n_replicas(&self) -> usize {
        self.molecule_of.len()
    }

    /// The total number of beads of all replicas.
    pub fn n_beads(&self) -> usize {
        self.first_bead[self.n_replicas()]
    }

    /// The beads of replica `r`.
    pub fn beads(&self, r: usize) -> std::ops::Range<usize> {
        self.first_bead[r]..self.first_bead[r + 1]
    }

    /// The molecule of replica `r`.
    pub fn molecule(&self, r: usize) -> &Arc<Molecule> {
        &self.molecules[self.molecule_of[r]]
    }

    /// The number of each replica's molecule in [`System::molecules`]. `[n_replicas]`
    pub fn molecule_of(&self) -> &[usize] {
        &self.molecule_of
    }

    /// The mass of every bead of every replica, in the mass unit of [`crate::units`]; NaN for a
    /// molecule without masses.
    pub fn masses(&self) -> Vec<f64> {
        (0..self.n_replicas()).flat_map(|r| self.molecule(r).masses.iter().copied()).collect()
    }

    /// Adds the constants of the network to its energies of all replicas and of all beads.
    pub(crate) fn add_constants(&self, energy: &mut [f64], bead_energy: &mut [f64]) {
        let Some(constants) = self.schnet.as_ref().and_then(|schnet| schnet.constants.as_ref())
        else {
            return;
        };
        for (r, energy) in energy.iter_mut().enumerate() {
            let of_beads = self.molecule(r).types.iter().map(|z| constants.of_type[*z as usize]);
            let beads = bead_energy.get_mut(self.beads(r)).unwrap_or_default();
            beads.iter_mut().zip(of_beads.clone()).for_each(|(sum, of_bead)| *sum += of_bead);
            *energy += of_beads.sum::<f64>() + constants.of_molecule;
        }
    }

    /// The names of the energy terms: the network's, if there is one, then the priors'.
    pub fn term_names(&self) -> Vec<String> {
        let network = self.schnet.iter().map(|_| crate::model::SCHNET.to_owned());
        let priors = self.molecules[0].terms.iter().map(|term| term.name.clone());
        network.chain(priors).collect()
    }
}
