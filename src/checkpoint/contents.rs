//! The JSON of a checkpoint. The names of the file do not depend on those of the types.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::exchange::ExchangeContents;
use crate::backend::BackendKind;
use crate::bias::Bias;
use crate::engine::{Filter, Frozen, Integrator, OnBlowUp, Precision, Reason, Watch};
use crate::metadynamics::Metadynamics;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contents {
    pub(super) step: u64,
    #[serde(with = "IntegratorName")]
    pub(super) integrator: Integrator,
    pub(super) dt: f64,
    pub(super) mts: u32,
    pub(super) seed: u64,
    #[serde(with = "WatchName")]
    pub(super) watch: Watch,
    pub(super) remove_com_motion: bool,
    pub(super) anneal: Vec<(u64, f64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) biases: Vec<Bias>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) metadynamics: Option<Metadynamics>,
    pub(super) frozen: Vec<FrozenReplica>,
    pub(super) model: String,
    pub(super) structures: String,
    #[serde(with = "BackendName")]
    pub(super) backend: BackendKind,
    // Without this attribute, serde reads a missing field as `null`.
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) device: Option<String>,
    #[serde(with = "FilterName")]
    pub(super) filter: Filter,
    #[serde(with = "PrecisionName")]
    pub(super) precision: Precision,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) exchange: Option<ExchangeContents>,
    pub(super) sections: BTreeMap<String, serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Integrator", tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum IntegratorName {
    Langevin { friction: f64 },
    Nve,
    Overdamped { friction: f64 },
    OverdampedPublished { friction: f64 },
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "BackendKind", rename_all = "snake_case")]
enum BackendName {
    Auto,
    Wgpu,
    Cuda,
    Cpu,
    Reference,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Filter", tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum FilterName {
    Exact,
    Table { tolerance: f64 },
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Precision", rename_all = "snake_case")]
enum PrecisionName {
    F32,
    Mixed,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Watch", deny_unknown_fields)]
struct WatchName {
    #[serde(with = "limit")]
    max_force: f64,
    #[serde(with = "limit")]
    max_kinetic: f64,
    #[serde(with = "limit")]
    max_stretch: f64,
    #[serde(with = "OnBlowUpName")]
    on_blow_up: OnBlowUp,
}

/// JSON has no infinite numbers: an infinite limit is `null`.
mod limit {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(limit: &f64, to: S) -> Result<S::Ok, S::Error> {
        limit.is_finite().then_some(*limit).serialize(to)
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<f64, D::Error> {
        Ok(Option::deserialize(from)?.unwrap_or(f64::INFINITY))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "OnBlowUp", rename_all = "snake_case")]
enum OnBlowUpName {
    Stop,
    Freeze,
}

/// A frozen replica.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FrozenReplica {
    replica: usize,
    step: u64,
    bead: u32,
    #[serde(with = "ReasonName")]
    reason: Reason,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Reason", rename_all = "snake_case")]
enum ReasonName {
    Position,
    Force,
    Kinetic,
    Stretch,
    Grid,
}

/// The entries of frozen replicas.
pub(super) fn entries(frozen: &BTreeMap<usize, Frozen>) -> Vec<FrozenReplica> {
    let entry = |(replica, frozen): (&usize, &Frozen)| {
        let (replica, Frozen { step, bead, reason }) = (*replica, *frozen);
        FrozenReplica { replica, step, bead, reason }
    };
    frozen.iter().map(entry).collect()
}

/// The frozen replicas of entries.
pub(super) fn frozen(entries: &[FrozenReplica]) -> BTreeMap<usize, Frozen> {
    let of_entry = |entry: &FrozenReplica| {
        let FrozenReplica { replica, step, bead, reason } = *entry;
        (replica, Frozen { step, bead, reason })
    };
    entries.iter().map(of_entry).collect()
}
