//! Command-line options for the backend, its filters and its precision.

use crate::checkpoint::Identity;
use crate::engine::{Filter, Numerics, Precision};
use crate::gpu::{FeatureSet, adapters, without_facts};
use crate::{Backend, BackendKind};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::options::real;
use super::tell::tell;

/// The backend, its filters and its precision.
#[derive(Args)]
pub(super) struct BackendOptions {
    #[command(flatten)]
    place: PlaceOptions,
    /// Storage format of the network's weights and features [default: mixed for run and bench with
    /// tabulated filters on a GPU that has 16-bit floats; otherwise f32]
    #[arg(long, value_enum, value_name = "KIND")]
    precision: Option<PrecisionName>,
}

/// The backend and its filters.
#[derive(Args)]
pub(super) struct PlaceOptions {
    /// Where to compute [default: auto]
    #[arg(long, value_enum, value_name = "NAME")]
    backend: Option<BackendName>,
    #[command(flatten)]
    pub(super) how: HowOptions,
}

/// The adapter, its features, and the filters.
#[derive(Args)]
pub(super) struct HowOptions {
    /// Use the adapter with this index, or the first one whose name contains this text. `info`
    /// lists the adapters of wgpu; the cuda backend has its own list of devices [default: the one
    /// that WGPU_ADAPTER_NAME names, or the best]
    #[arg(long, value_name = "NAME|INDEX")]
    pub(super) adapter: Option<String>,
    /// With wgpu: use no optional features, and only WebGPU's default limits
    #[arg(long)]
    portable: bool,
    /// Compute on a GPU also if it does not give the known answers, with which a run begins
    #[arg(long)]
    pub(super) trust_device: bool,
    /// How to evaluate the network's filters [default: table; exact with the reference backend]
    #[arg(long, value_enum, value_name = "KIND")]
    filter: Option<FilterName>,
    /// Largest error of the slope of a tabulated filter, relative to the largest slope [default:
    /// 1e-6; 3e-5 with mixed precision]
    #[arg(long, value_parser = real, value_name = "ERROR")]
    table_tolerance: Option<f64>,
}

/// The number of the adapter of an earlier run, or its name if it is not here.
fn same_adapter(was: &Identity) -> crate::Result<Option<String>> {
    let Some(device) = &was.device else { return Ok(None) };
    let known = if was.backend == BackendKind::Wgpu { adapters()? } else { Vec::new() };
    let found = known.into_iter().find(|info| info.is_of(device));
    let name = || without_facts(device).to_owned();
    Ok(Some(found.map_or_else(name, |info| info.index.to_string())))
}

/// The adapter that a run has asked for, which its checkpoints hold.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Choice {
    adapter: Option<String>,
    portable: bool,
}

impl HowOptions {
    fn open_with(
        &self,
        kind: BackendKind,
        adapter: Option<&str>,
        portable: bool,
    ) -> crate::Result<Backend> {
        let features = if portable { FeatureSet::Portable } else { FeatureSet::Full };
        let open = if self.trust_device { Backend::open_trusting } else { Backend::open_with };
        let backend = open(kind, adapter, features)?;
        if let Some(reason) = backend.reason() {
            tell!("note: {reason}");
        }
        Ok(backend)
    }
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub(super) enum BackendName {
    /// The best hardware GPU, or the CPU if there is none; never a software adapter
    #[default]
    Auto,
    /// A GPU through Vulkan, Metal, DX12 or OpenGL
    Wgpu,
    /// An NVIDIA GPU through CUDA; needs a build with the feature cuda
    Cuda,
    /// All threads of the CPU
    Cpu,
    /// f64 on one thread: slow, but the definition of every result
    Reference,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum PrecisionName {
    /// 32-bit floats
    F32,
    /// 16 bits where little accuracy is lost (GPUs only): the rms error of the network's forces is
    /// below 1e-3 of their rms
    Mixed,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum FilterName {
    /// Evaluate the filter networks for every edge
    Exact,
    /// Interpolate in tables of cubic polynomials, built at the start: much faster
    Table,
}

impl BackendOptions {
    /// Opens the backend, in f32 unless `--precision` is given.
    pub(super) fn open(&self) -> crate::Result<Backend> {
        let backend = self.place.open()?;
        self.finish(backend, Precision::F32)
    }

    /// Opens the backend with the defaults of [`Backend::for_dynamics`].
    pub(super) fn open_for_dynamics(&self) -> crate::Result<Backend> {
        // `--filter` is applied first, because `for_dynamics` leaves exact filters in f32.
        let backend = self.place.finish(self.place.open()?, Precision::F32)?.for_dynamics();
        let usual = backend.precision();
        self.finish(backend, usual)
    }

    /// Whether optional features are out of use.
    pub(super) fn is_portable(&self) -> bool {
        self.place.how.portable
    }

    /// The adapter that the options ask for.
    pub(super) fn choice(&self) -> Choice {
        let HowOptions { adapter, portable, .. } = &self.place.how;
        Choice { adapter: adapter.clone(), portable: *portable }
    }

    /// Opens the backend of an earlier run, or another one that the options ask for, with the
    /// filters and the precision of the earlier run. Mixed precision becomes f32 on a backend that
    /// has no other. The choice becomes that of the opened backend.
    pub(super) fn open_again(&self, was: &Identity, choice: &mut Choice) -> crate::Result<Backend> {
        let PlaceOptions { backend: kind, how } = &self.place;
        let backend = match (kind, &how.adapter) {
            (None, None) => {
                let adapter = match &choice.adapter {
                    Some(adapter) => Some(adapter.clone()),
                    None => same_adapter(was)?,
                };
                how.open_with(was.backend, adapter.as_deref(), choice.portable)?
            }
            (kind, adapter) => {
                choice.adapter.clone_from(adapter);
                how.open_with(kind.unwrap_or_default().kind(), adapter.as_deref(), choice.portable)?
            }
        };
        let Numerics { filter, precision } = was.numerics;
        let tables = filter != Filter::Exact;
        if precision == Precision::Mixed && backend.device().is_none() {
            let filter = if tables { Precision::F32.table() } else { filter };
            return Ok(backend.with_filter(filter));
        }
        Ok(backend.with_precision(precision)?.with_filter(filter))
    }

    pub(super) fn finish(&self, backend: Backend, usual: Precision) -> crate::Result<Backend> {
        self.place.finish(backend, self.precision.map_or(usual, PrecisionName::precision))
    }
}

impl PrecisionName {
    pub(super) fn precision(self) -> Precision {
        match self {
            PrecisionName::F32 => Precision::F32,
            PrecisionName::Mixed => Precision::Mixed,
        }
    }
}

impl BackendName {
    fn kind(self) -> BackendKind {
        match self {
            BackendName::Auto => BackendKind::Auto,
            BackendName::Wgpu => BackendKind::Wgpu,
            BackendName::Cuda => BackendKind::Cuda,
            BackendName::Cpu => BackendKind::Cpu,
            BackendName::Reference => BackendKind::Reference,
        }
    }
}

impl PlaceOptions {
    pub(super) fn open(&self) -> crate::Result<Backend> {
        self.open_or(BackendName::default())
    }

    /// Opens the backend, the given one unless `--backend` is given.
    pub(super) fn open_or(&self, usual: BackendName) -> crate::Result<Backend> {
        self.how.open(self.backend.unwrap_or(usual), self.how.adapter.as_deref())
    }

    /// Sets the precision, and the filters that the options ask for.
    pub(super) fn finish(&self, backend: Backend, precision: Precision) -> crate::Result<Backend> {
        let filter = self.how.filter(precision, backend.filter());
        Ok(backend.with_precision(precision)?.with_filter(filter))
    }
}

impl HowOptions {
    pub(super) fn open(
        &self,
        backend: BackendName,
        adapter: Option<&str>,
    ) -> crate::Result<Backend> {
        self.open_with(backend.kind(), adapter, self.portable)
    }

    /// The filters that the options ask for; `usual` is the default of the backend.
    pub(super) fn filter(&self, precision: Precision, usual: Filter) -> Filter {
        match (self.filter, usual, self.table_tolerance) {
            (Some(FilterName::Exact), ..) | (None, Filter::Exact, _) => Filter::Exact,
            (.., Some(tolerance)) => Filter::Table { tolerance },
            (.., None) => precision.table(),
        }
    }
}
