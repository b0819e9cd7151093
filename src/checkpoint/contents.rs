//! The JSON of a checkpoint. The names of the file do not depend on those of the types.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::exchange::ExchangeContents;
use crate::backend::BackendKind;
use crate::engine::{Filter, Integrator, Precision};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contents {
    pub(super) step: u64,
    #[serde(with = "IntegratorName")]
    pub(super) integrator: Integrator,
    pub(super) dt: f64,
    pub(super) seed: u64,
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
