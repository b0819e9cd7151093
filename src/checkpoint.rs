//! Checkpoints: all that a run needs to continue with the same bits.
//!
//! ```no_run
//! # use flashschnet::{Model, Result, Settings, Structure};
//! # use std::path::Path;
//! # fn run(model: Model, structures: Vec<Structure>, settings: Settings, folder: &Path) -> Result<()> {
//! use flashschnet::checkpoint::{Checkpoint, Identity};
//! use flashschnet::{Backend, BackendKind, Simulation};
//!
//! let backend = Backend::open(BackendKind::Auto, None)?;
//! let identity = Identity::new(&model, &structures, &backend)?;
//! let mut simulation = Simulation::new(&model, &structures, &settings, &backend)?;
//! simulation.run(1000)?;
//! Checkpoint::new(&mut simulation, &identity)?.save(folder)?;
//!
//! // In another process:
//! let (checkpoint, _) = Checkpoint::latest(folder, |_| Ok(()))?;
//! let identity = Identity::new(&model, &structures, &backend)?;
//! identity.check(&checkpoint.identity)?;
//! let mut simulation =
//!     Simulation::new(&model, &structures, &checkpoint.settings(), &backend)?;
//! simulation.set_state(&checkpoint.state)?;
//! # Ok(())
//! # }
//! ```
//!
//! External forces and a force callback are not part of a checkpoint and must be set again.
//!
//! # The file
//!
//! A checkpoint is a native file ([`crate::io::native`]) of the format `flashschnet-checkpoint`.
//! The header has one more string, `sha256`: the checksum of the whole file, computed with 64 zeros
//! in its place. Fields, tensors and versions that are not listed here are refused.
//!
//! | field of the JSON | value |
//! |---|---|
//! | `step` | steps done |
//! | `integrator` | `{"kind": "langevin", "friction": 1.0}`, `{"kind": "nve"}`, or `overdamped` |
//! | | or `overdamped_published` with a friction |
//! | `dt`, `mts`, `seed` | time step in ps, steps of an outer step, seed of the random numbers |
//! | `watch` | `max_force`, `max_kinetic` and `max_stretch`, each a number or `null` for no limit, and |
//! | | `on_blow_up`, `stop` or `freeze` |
//! | `remove_com_motion` | whether the center of mass of each replica was at rest at the start |
//! | `anneal` | points of temperatures that change with the step, each a step and K |
//! | `biases` | for each bias `name`, `variable` and `form`, as [`Bias`] has them; missing without biases |
//! | `metadynamics` | `name`, `variables`, `hills` and `every`, as [`Metadynamics`] has them; missing |
//! | | without metadynamics |
//! | `frozen` | for each frozen replica `replica`, counted from 0, `step`, `bead`, and `reason`: |
//! | | `position`, `force`, `kinetic`, `stretch` or `grid` |
//! | `model`, `structures` | SHA-256 of their values |
//! | `backend`, `device` | kind of the backend, name of the GPU or `null` |
//! | `filter` | `{"kind": "exact"}` or `{"kind": "table", "tolerance": 1e-6}` |
//! | `precision` | `f32` or `mixed` |
//! | `exchange` | `null`, or interval `every`, `mixing` (`neighbors` or `all_pairs`), the numbers of |
//! | | `states` of the ladders, and the `count` of exchanges |
//! | `sections` | data of other parts of a run, by the name of the part |
//!
//! | tensor | shape |
//! |---|---|
//! | `positions`, `velocities` | (beads of all replicas, 3) |
//! | `origins` | (replicas, 3) |
//! | `beta` | (replicas) |
//! | `replica_ids` | `U32` (replicas) |
//!
//! With metadynamics also `hills` (nodes, 4), the numbers of [`State::hills`]. With moving biases also
//! `work` (moving biases by name, replicas), that of [`State::work`].
//!
//! With replica exchange also, ladder after ladder:
//!
//! | tensor | shape |
//! |---|---|
//! | `ladder_beta` | (states) |
//! | `ladder_walkers` | `U32` (states), the replica that starts in each state |
//! | `label`, `ends` | `U32` (replicas), as in [`Exchanged`] |
//! | `tally` | `U32` (elements of the matrices), as in [`Exchanged`] |

mod biases;
mod contents;
mod exchange;
mod files;

pub use self::files::{NEWEST, PREVIOUS};

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backend::{Backend, BackendKind};
use crate::bias::Bias;
#[cfg(doc)]
use crate::engine::Exchanged;
use crate::engine::{Dynamics, Numerics, State};
use crate::error::{Error, Result};
use crate::io::native::{model_digest, structures_digest};
use crate::io::{Reader, Writer};
#[cfg(doc)]
use crate::metadynamics::Metadynamics;
use crate::model::Model;
use crate::simulation::{Settings, Simulation};
use crate::structure::Structure;

use self::contents::Contents;
use self::exchange::ExchangeContents;

const FORMAT: &str = "flashschnet-checkpoint";

/// All that a run needs to continue with the same bits, apart from its model and structures.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Checkpoint {
    /// The state of all replicas.
    pub state: State,
    /// The equations of motion, the time step and the random numbers.
    pub dynamics: Dynamics,
    /// The biases, which act in every step.
    #[cfg_attr(feature = "serde", serde(default))]
    pub biases: Vec<Bias>,
    /// The model, the structures and the backend.
    pub identity: Identity,
    sections: BTreeMap<String, serde_json::Value>,
}

/// The model, the structures and the backend of a run. Together with dynamics and state they decide
/// every bit.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Identity {
    /// SHA-256 of the values of the model.
    pub model: String,
    /// SHA-256 of the values of all structures, in their order.
    pub structures: String,
    /// The kind of the backend.
    pub backend: BackendKind,
    /// The name of the GPU, if the backend uses one.
    pub device: Option<String>,
    /// The evaluation of the network.
    pub numerics: Numerics,
}

impl Identity {
    /// The identity of a run.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong model or structure.
    pub fn new(model: &Model, structures: &[Structure], backend: &Backend) -> Result<Self> {
        Ok(Identity {
            model: model_digest(model)?,
            structures: structures_digest(structures)?,
            backend: backend.kind(),
            device: backend.adapter().map(str::to_owned),
            numerics: Numerics { filter: backend.filter(), precision: backend.precision() },
        })
    }

    /// Checks that model and structures are those of a checkpoint. Returns whether the backend is
    /// the same too; on another one a run continues with other bits.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another model or other structures.
    pub fn check(&self, of_checkpoint: &Identity) -> Result<bool> {
        let parts = [
            ("model", &self.model, &of_checkpoint.model),
            ("structures", &self.structures, &of_checkpoint.structures),
        ];
        for (what, found, expected) in parts {
            if found != expected {
                let found = format!("other values (SHA-256 {})", short(found));
                let expected = format!("those of the checkpoint (SHA-256 {})", short(expected));
                return Err(Error::invalid(what, found, expected));
            }
        }
        Ok(self == of_checkpoint)
    }
}

/// The first digits of a hash.
fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

impl Checkpoint {
    /// The checkpoint of a simulation at its present step.
    ///
    /// # Errors
    /// See [`Simulation::state`].
    pub fn new(simulation: &mut Simulation, identity: &Identity) -> Result<Self> {
        Ok(Checkpoint {
            state: simulation.state()?,
            dynamics: simulation.dynamics().clone(),
            biases: simulation.biases().to_vec(),
            identity: identity.clone(),
            sections: BTreeMap::new(),
        })
    }

    /// The settings with which [`Simulation::new`] makes the same replicas. The start is not checked,
    /// because [`Checkpoint::state`] replaces it.
    pub fn settings(&self) -> Settings {
        Settings {
            n_replicas: self.dynamics.replica_ids.len(),
            integrator: self.dynamics.integrator,
            dt: self.dynamics.dt,
            mts: self.dynamics.mts,
            beta: self.state.beta.clone(),
            seed: self.dynamics.seed,
            first_replica: self.dynamics.replica_ids.first().copied().unwrap_or_default(),
            exchange: self.dynamics.exchange.clone(),
            watch: self.dynamics.watch,
            remove_com_motion: self.dynamics.remove_com_motion,
            anneal: self.dynamics.anneal.clone(),
            biases: self.biases.clone(),
            metadynamics: self.dynamics.metadynamics.clone(),
            minimize: None,
            check_start: false,
        }
    }

    /// Stores data of another part of a run under its name. Floating-point numbers in it must be
    /// finite.
    ///
    /// # Errors
    /// [`Error::Invalid`] for data that JSON cannot hold.
    pub fn set_section(&mut self, name: &str, data: &impl Serialize) -> Result<()> {
        let data = serde_json::to_value(data).map_err(|error| wrong_section(name, &error))?;
        self.sections.insert(name.to_owned(), data);
        Ok(())
    }

    /// The data of another part of a run.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there are none, or not of this type.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let Some(data) = self.sections.get(name) else {
            return Err(Error::invalid(format!("section {name}"), "none", "one"));
        };
        T::deserialize(data).map_err(|error| wrong_section(name, &error))
    }

    /// The names of all sections. A program refuses a checkpoint with sections that it does not
    /// know.
    pub fn section_names(&self) -> impl Iterator<Item = &str> {
        self.sections.keys().map(String::as_str)
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// [`Error::Invalid`] for numbers that JSON cannot hold.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let State { positions, velocities, origins, beta, .. } = &self.state;
        let mut writer = Writer::default();
        for (name, vectors) in
            [("positions", positions), ("velocities", velocities), ("origins", origins)]
        {
            writer.numbers(name, &[vectors.len(), 3], vectors.as_flattened());
        }
        writer.numbers("beta", &[beta.len()], beta);
        let ids = &self.dynamics.replica_ids;
        writer.counts("replica_ids", &[ids.len()], ids.iter().copied());
        biases::write(&self.dynamics, &self.state, &mut writer);
        let exchange = self.dynamics.exchange.as_ref();
        let exchange = exchange.map(|of| exchange::write(of, &self.state.exchanged, &mut writer));
        writer.sealed(FORMAT, &Contents::of(self, exchange))
    }

    /// The checkpoint in the bytes of a file.
    ///
    /// # Errors
    /// [`Error::Invalid`] for damaged bytes; [`Error::Unsupported`] for another version of the
    /// format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (mut reader, contents) = Reader::parse_sealed::<Contents>(bytes, FORMAT)?;
        let replica_ids = reader.counts("replica_ids", &[None])?;
        let n_replicas = Some(replica_ids.len());
        let positions = vectors(&mut reader, "positions", None)?;
        let velocities = vectors(&mut reader, "velocities", Some(positions.len()))?;
        let origins = vectors(&mut reader, "origins", n_replicas)?;
        let beta = reader.numbers("beta", &[n_replicas])?;
        let n_replicas = replica_ids.len();
        let (hills, work) = biases::read(&contents, n_replicas, &mut reader)?;
        let exchange = contents.exchange.map(|of| exchange::read(of, n_replicas, &mut reader));
        let (exchange, exchanged) = exchange.transpose()?.unzip();
        reader.finish()?;
        let frozen = contents::frozen(&contents.frozen);
        let Contents { step, integrator, dt, mts, seed, watch, sections, .. } = contents;
        let Contents { remove_com_motion, anneal, biases, metadynamics, .. } = contents;
        let Contents { model, structures, backend, device, filter, precision, .. } = contents;
        Ok(Checkpoint {
            state: State {
                positions,
                velocities,
                origins,
                beta,
                step,
                exchanged: exchanged.unwrap_or_default(),
                frozen,
                hills,
                work,
            },
            dynamics: Dynamics {
                integrator,
                dt,
                mts,
                seed,
                replica_ids,
                exchange,
                watch,
                remove_com_motion,
                anneal,
                metadynamics,
            },
            biases,
            identity: Identity {
                model,
                structures,
                backend,
                device,
                numerics: Numerics { filter, precision },
            },
            sections,
        })
    }

    /// Writes the checkpoint to a folder. It appears under the name [`NEWEST`] when the storage
    /// holds it, and the one before it is renamed to [`PREVIOUS`]. At every moment one of the two
    /// is whole.
    ///
    /// # Errors
    /// [`Error::Io`]. Then the earlier checkpoints are still there.
    pub fn save(&self, folder: &Path) -> Result<()> {
        files::save(folder, &self.to_bytes()?, |bytes| Checkpoint::from_bytes(bytes).is_ok())
    }

    /// Reads the newest checkpoint of a folder that is whole and that `fits` accepts. Returns also
    /// the error of a newer one that was not taken.
    ///
    /// # Errors
    /// [`Error::Invalid`] if no checkpoint is whole and accepted; [`Error::Unsupported`] for
    /// another version of the format.
    pub fn latest(
        folder: &Path,
        mut fits: impl FnMut(&Checkpoint) -> Result<()>,
    ) -> Result<(Self, Option<Error>)> {
        files::latest(folder, |bytes| {
            let checkpoint = Checkpoint::from_bytes(bytes)?;
            fits(&checkpoint).map(|()| checkpoint)
        })
    }
}

fn vectors(reader: &mut Reader, name: &str, n: Option<usize>) -> Result<Vec<[f64; 3]>> {
    Ok(reader.numbers(name, &[n, Some(3)])?.as_chunks().0.to_vec())
}

fn wrong_section(name: &str, error: &serde_json::Error) -> Error {
    Error::invalid(format!("section {name}"), error, "other data")
}

impl Contents {
    fn of(checkpoint: &Checkpoint, exchange: Option<ExchangeContents>) -> Self {
        let Checkpoint { state, dynamics, biases, identity, sections } = checkpoint;
        Contents {
            step: state.step,
            integrator: dynamics.integrator,
            dt: dynamics.dt,
            mts: dynamics.mts,
            seed: dynamics.seed,
            watch: dynamics.watch,
            remove_com_motion: dynamics.remove_com_motion,
            anneal: dynamics.anneal.clone(),
            biases: biases.clone(),
            metadynamics: dynamics.metadynamics.clone(),
            frozen: contents::entries(&state.frozen),
            model: identity.model.clone(),
            structures: identity.structures.clone(),
            backend: identity.backend,
            device: identity.device.clone(),
            filter: identity.numerics.filter,
            precision: identity.numerics.precision,
            exchange,
            sections: sections.clone(),
        }
    }
}
