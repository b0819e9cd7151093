//! `flashschnet info`: the available adapters, and the errors of a model in mixed precision.

use std::io::Write;
use std::process::ExitCode;

use clap::{ArgGroup, Args};
use flashschnet::Error;
use flashschnet::backend::{Backend, BackendKind};
use flashschnet::diagnose::precision::{at_structures, tensors};
use flashschnet::engine::{Filter, Precision};
use flashschnet::gpu::adapters;
use flashschnet::model::{FilterTable, Model};
use flashschnet::structure::Structure;

use super::backend::PlaceOptions;
use super::inputs::InputOptions;
use super::precision::Report;
use super::tell::{self, tell};

const ADVICE: &str = "install the GPU's driver, or software Vulkan to try out the shaders (Debian: \
                      apt install mesa-vulkan-drivers); the cpu backend needs neither";

/// Show the version, the adapters with their features and limits, and the backend that auto takes.
///
/// With --precision, reports on a model instead: the dynamic range of every tensor of the network,
/// and the error of each way to store the tensor in 16 bits. If there are structures and a GPU,
/// also reports the errors of the network's energy and forces in mixed precision.
#[derive(Args)]
#[command(group = model(), group = needs_precision())]
pub(super) struct Info {
    /// Report the effect of 16-bit storage on a model's network
    #[arg(long, requires = "system")]
    precision: bool,
    #[command(flatten)]
    inputs: InputOptions,
    #[command(flatten)]
    place: PlaceOptions,
    /// Also print the range of every channel
    #[arg(long)]
    channels: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

fn model() -> ArgGroup {
    ArgGroup::new("system").args(["model", "builtin"])
}

/// The options that apply only to the report on a model, and so require --precision.
fn needs_precision() -> ArgGroup {
    let inputs = ["model", "structures", "priors", "builtin"];
    let place = ["backend", "adapter", "portable", "filter", "table_tolerance"];
    let group = ArgGroup::new("of_precision").args(inputs).args(place);
    group.args(["channels", "json"]).multiple(true).requires("precision")
}

impl Info {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.precision {
            true => self.report()?,
            false => self.show()?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn show(&self) -> anyhow::Result<()> {
        let mut out = tell::stdout();
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        writeln!(out, "flashschnet {}", env!("CARGO_PKG_VERSION"))?;
        writeln!(out, "cpu: {threads} threads, {}", std::env::consts::ARCH)?;
        let adapters = adapters();
        if adapters.is_empty() {
            writeln!(out, "adapters: none found; {ADVICE}")?;
        }
        for adapter in &adapters {
            let kind = if adapter.software { "software" } else { "hardware" };
            let lacking = if adapter.usable { "" } else { "; below WebGPU's default limits" };
            let (index, name, api) = (adapter.index, &adapter.name, &adapter.api);
            writeln!(out, "adapter {index}: {name} ({kind}, {api}, {}{lacking})", adapter.driver)?;
            let features = match adapter.features.is_empty() {
                true => "none".to_owned(),
                false => adapter.features.join(", "),
            };
            writeln!(out, "    optional features: {features}")?;
            for (name, value) in &adapter.limits {
                writeln!(out, "    {name}: {value}")?;
            }
        }
        let auto = Backend::open(BackendKind::Auto, None)?;
        let best = auto.adapter().map(|name| format!("the best hardware adapter, {name}"));
        let reason = best.as_deref().or(auto.reason()).unwrap_or_default();
        writeln!(out, "auto takes: {} ({reason})", auto.kind().name())?;
        Ok(())
    }

    fn report(&self) -> anyhow::Result<()> {
        let (model, structures) = self.inputs.load_model()?;
        let Some(schnet) = &model.schnet else {
            let error = Error::invalid("model", "no network", "a model with a network");
            return Err(self.inputs.of_model(error).into());
        };
        let table = match self.place.how.filter(Precision::Mixed, Filter::TABLE) {
            Filter::Exact => None,
            Filter::Table { tolerance } => Some(FilterTable::new(schnet, tolerance)?),
        };
        let mut report = Report {
            model: self.inputs.source(),
            tensors: tensors(schnet, table.as_ref()),
            device: None,
            structures: Vec::new(),
        };
        let mut out = tell::stdout();
        if !self.json {
            report.print_tensors(&mut out, self.channels)?;
        }
        self.evaluate(&mut report, &model, &structures.unwrap_or_default())?;
        match self.json {
            true => writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?,
            false => report.print_structures(&mut out)?,
        }
        Ok(())
    }

    fn evaluate(
        &self,
        report: &mut Report,
        model: &Model,
        structures: &[Structure],
    ) -> flashschnet::Result<()> {
        if structures.is_empty() {
            return Ok(());
        }
        let mixed = |backend| self.place.finish(backend, Precision::Mixed);
        let backend = match self.place.open().and_then(mixed) {
            // Without `--structures` the evaluation is optional: its failure is only a note.
            Err(error) if !self.inputs.names_structures() => {
                tell!("note: the errors of energy and forces were not computed: {error}");
                return Ok(());
            }
            backend => backend?,
        };
        report.structures = at_structures(&backend, model, structures)?;
        report.device = backend.adapter().map(str::to_owned);
        Ok(())
    }
}
