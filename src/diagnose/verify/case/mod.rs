//! A reference case: a JSON manifest, and the safetensors file that it names.

mod data;
mod force_field;
mod network;
mod priors;

use std::sync::Arc;

use serde_json::Value;

pub(crate) use self::data::{Case, Tensor};
use crate::engine::Integrator;
use crate::error::{Error, OfFile, Result};
use crate::model::Model;
use crate::simulation::Settings;
use crate::structure::{Structure, Topology};

/// A trajectory in TorchMD's scheme of Langevin dynamics. The case also has the end of the
/// trajectory that BAOAB makes with the same random numbers.
pub(crate) const TORCHMD: &str = "torchmd_langevin";

/// The kinds of cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CaseKind {
    /// Energies and forces at given positions.
    Static,
    /// A trajectory with given random numbers.
    Trajectory,
    /// Energies and forces of one network with several activations.
    Activations,
    /// Energies and forces of the terms of a force field.
    ForceField,
    /// Exchanges of states with given energies and random numbers.
    Exchange,
}

/// The model, the initial structures of all replicas, and their dynamics.
pub(crate) struct Start {
    pub(crate) model: Model,
    pub(crate) structures: Vec<Structure>,
    /// The integrator, time step and temperatures. The case has no seed.
    pub(crate) settings: Settings,
}

impl Case {
    /// The model of a static case.
    pub(crate) fn model(&self) -> Result<Model> {
        let schnet = match self.manifest.get("schnet") {
            Some(Value::Object(_)) => Some(self.network()?),
            _ => None,
        };
        let priors = match self.priors_of_files()? {
            Some((priors, _)) => priors,
            None => self.priors()?,
        };
        let model = Model { schnet, priors };
        model.check()?;
        Ok(model)
    }

    /// The networks of a case of several activations, with the names of the activations.
    pub(crate) fn networks(&self) -> Result<Vec<(String, Model)>> {
        let names = self.manifest.get("activations").and_then(Value::as_array);
        let named = |name: &Value| {
            let name = name.as_str().unwrap_or_default();
            let schnet = self.schnet(self.activation(name)?)?;
            let model = Model { schnet: Some(schnet), priors: Vec::new() };
            model.check()?;
            Ok((name.to_owned(), model))
        };
        names.into_iter().flatten().map(named).collect()
    }

    /// One structure for each replica in `positions`, `[replicas, beads, 3]`.
    pub(crate) fn structures(
        topology: Topology,
        positions: &Tensor,
        velocities: Option<&Tensor>,
    ) -> Result<Vec<Structure>> {
        let n_beads = topology.types.len();
        let [n_replicas, beads, 3] = positions.shape[..] else {
            let found = format!("{:?}", positions.shape);
            return Err(Error::invalid("positions", found, "[replicas, beads, 3]"));
        };
        if n_replicas == 0 || beads == 0 || beads != n_beads {
            let found = format!("{n_replicas} replicas of {beads} beads");
            let expected = format!("at least one replica, of {n_beads} beads (1 or more)");
            return Err(Error::invalid("positions", found, expected));
        }
        let topology = Arc::new(topology);
        let velocities = velocities.map(Tensor::vectors);
        let structure = |(r, positions): (usize, &[[f64; 3]])| Structure {
            topology: Arc::clone(&topology),
            positions: positions.to_vec(),
            velocities: velocities.as_ref().map(|v| v[r * n_beads..(r + 1) * n_beads].to_vec()),
        };
        Ok(positions.vectors().chunks_exact(n_beads).enumerate().map(structure).collect())
    }

    /// The kind of the case.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a case of another kind.
    pub(crate) fn kind(&self) -> Result<CaseKind> {
        let has = |key: &str| self.manifest.get(key).is_some();
        if has("kind") {
            Ok(CaseKind::Trajectory)
        } else if has("variants") {
            Ok(CaseKind::ForceField)
        } else if has("activations") {
            Ok(CaseKind::Activations)
        } else if ["schnet", "priors", "terms"].into_iter().any(has) {
            Ok(CaseKind::Static)
        } else if has("cases") {
            Ok(CaseKind::Exchange)
        } else {
            let found = "neither terms nor kind";
            Err(Error::invalid("manifest", found, "a static case, a trajectory or exchanges"))
        }
    }

    /// The start of a trajectory, or of a static case with default settings.
    pub(crate) fn start(&self) -> Result<Start> {
        match self.kind()? {
            CaseKind::Trajectory => self.start_of_trajectory(),
            CaseKind::Exchange => {
                Err(Error::unsupported("a start from a case of replica exchange", ""))
            }
            CaseKind::Activations | CaseKind::ForceField => {
                Err(Error::unsupported("a start from a case of several models", ""))
            }
            CaseKind::Static => {
                let (model, topology) = self.molecule()?;
                let structures = Self::structures(topology, &self.tensor("system/pos")?, None)?;
                let settings = Settings { n_replicas: structures.len(), ..Settings::default() };
                Ok(Start { model, structures, settings })
            }
        }
    }

    /// The model and the topology of a static case.
    fn molecule(&self) -> Result<(Model, Topology)> {
        let model = self.model()?;
        let topology = self.topology(&model)?;
        Ok((model, topology))
    }

    fn start_of_trajectory(&self) -> Result<Start> {
        let integrator = match self.text(&["kind"])? {
            // TorchMD's scheme samples the same ensemble. BAOAB takes its place.
            "langevin" | TORCHMD => Integrator::Langevin { friction: self.number(&["friction"])? },
            // The reference data follow the rule of the published tool chain.
            "overdamped" => {
                Integrator::OverdampedPublished { friction: self.number(&["friction"])? }
            }
            "nve" => Integrator::Nve,
            other => return Err(Error::unsupported(format!("trajectory kind {other}"), "")),
        };
        let model_case = self.model_case()?;
        let molecule = model_case.molecule();
        let (model, mut topology) = match &model_case.path {
            Some(path) => molecule.of_file(path)?,
            None => molecule?,
        };
        let positions = self.tensor("input/pos0")?;
        let velocities = match integrator {
            Integrator::Overdamped { .. } | Integrator::OverdampedPublished { .. } => None,
            Integrator::Langevin { .. } | Integrator::Nve => {
                Some(self.shaped("input/vel0", &positions.shape)?)
            }
        };
        topology.masses = self.shaped("input/masses", &[topology.types.len()])?.values;
        let structures = Self::structures(topology, &positions, velocities.as_ref())?;
        let n_replicas = structures.len();
        let settings = Settings {
            n_replicas,
            integrator,
            dt: self.number(&["dt"])?,
            beta: self.shaped("input/beta", &[n_replicas])?.values,
            ..Settings::default()
        };
        Ok(Start { model, structures, settings })
    }
}
