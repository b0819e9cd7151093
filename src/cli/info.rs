//! `flashschnet info`: the available adapters, a system in numbers, and the errors of a model in
//! mixed precision.

mod system;

use std::io::Write;
use std::process::ExitCode;

use crate::Error;
use crate::backend::{Backend, BackendKind};
use crate::diagnose::precision::{at_structures, tensors};
use crate::engine::{Filter, Precision};
use crate::error::printable;
use crate::gpu::adapters;
use crate::model::{FilterTable, Model};
use crate::structure::Structure;
use clap::builder::Resettable;
use clap::{ArgGroup, Args, Id};

use super::backend::PlaceOptions;
use super::flags::with_flags;
use super::inputs::InputOptions;
use super::known_answers::KnownAnswers;
use super::precision::Report;
use super::tell::{self, tell};

const ADVICE: &str = "install the GPU's driver, or software Vulkan to try out the shaders (Debian: \
                      apt install mesa-vulkan-drivers); the cpu backend needs neither";

/// Show the version, the adapters with their features and limits, whether they compute correctly, and
/// the backend that auto takes. --trust-device leaves out the test of the adapters.
///
/// With --structures, or a model that has structures, prints a system instead: chains, residues,
/// bead types, masses, the index list of each prior, neighbors within the cutoff, the closest
/// pairs, and with a model the energy of every term, by default on the CPU. A PDB or mmCIF file
/// without a model has the index lists of all terms that are known for its beads.
///
/// With --precision, reports on a model instead: the dynamic range of every tensor of the network,
/// and the error of each way to store the tensor in 16 bits. If there are structures and a GPU,
/// also reports the errors of the network's energy and forces in mixed precision.
#[derive(Args)]
#[command(group = model(), group = subject(), group = of_precision(), group = of_place())]
// Structures need no model here.
#[command(mut_arg("structures", |arg| arg.requires(Resettable::<Id>::Reset)))]
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

/// The subject of a report.
fn subject() -> ArgGroup {
    ArgGroup::new("subject").args(["model", "builtin", "structures"]).multiple(true)
}

fn of_precision() -> ArgGroup {
    ArgGroup::new("of_precision").args(["channels", "json"]).multiple(true).requires("precision")
}

fn of_place() -> ArgGroup {
    let place = ["backend", "adapter", "portable", "filter", "table_tolerance"];
    ArgGroup::new("of_place").args(place).multiple(true).requires("system")
}

/// The environment variables of wgpu that are set.
fn wgpu_variables() -> Vec<String> {
    let text = |text: std::ffi::OsString| printable(text.to_string_lossy());
    let all = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
    let of_wgpu = all.filter(|(name, _)| name.starts_with("WGPU_"));
    let mut lines: Vec<String> = of_wgpu.map(|(name, value)| format!("{name}={value}")).collect();
    lines.sort();
    lines
}

/// Whether an adapter gives the known answers, in the precision of dynamics.
fn known_answers(index: usize) -> String {
    let opened = Backend::open(BackendKind::Wgpu, Some(&index.to_string()));
    match opened.map(|backend| KnownAnswers::of(&backend.for_dynamics())) {
        Ok(found) => found.map_or_else(String::new, |found| found.to_string()),
        Err(error) => format!("known answers: NOT GIVEN: {error}"),
    }
}

impl Info {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match () {
            () if self.precision => self.report()?,
            () if self.inputs.is_given() || self.inputs.names_structures() => {
                system::print(&self.inputs, &self.place)?;
            }
            () => self.show()?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn show(&self) -> anyhow::Result<()> {
        let adapters = adapters()?;
        let mut out = tell::stdout();
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        writeln!(out, "flashschnet {}", env!("CARGO_PKG_VERSION"))?;
        writeln!(out, "cpu: {threads} threads, {}", std::env::consts::ARCH)?;
        let variables = wgpu_variables();
        if !variables.is_empty() {
            writeln!(out, "environment: {}", variables.join(", "))?;
        }
        if adapters.is_empty() {
            writeln!(out, "adapters: none found; {ADVICE}")?;
        }
        for adapter in &adapters {
            writeln!(out, "adapter {}: {adapter}", adapter.index)?;
            if let Some(advice) = &adapter.advice {
                writeln!(out, "    {advice}")?;
            }
            let features = match adapter.features.is_empty() {
                true => "none".to_owned(),
                false => adapter.features.join(", "),
            };
            writeln!(out, "    optional features: {features}")?;
            for (name, value) in &adapter.limits {
                writeln!(out, "    {name}: {value}")?;
            }
            if adapter.usable && !self.place.how.trust_device {
                // A driver that crashes leaves its name on the screen.
                out.flush()?;
                writeln!(out, "    {}", with_flags(known_answers(adapter.index)))?;
            }
        }
        let auto = Backend::open(BackendKind::Auto, None)?;
        let rule = match std::env::var_os("WGPU_ADAPTER_NAME").is_some_and(|name| !name.is_empty())
        {
            true => "the adapter that WGPU_ADAPTER_NAME names",
            false => "the best hardware adapter",
        };
        let best = auto.adapter().map(|name| format!("{rule}, {name}"));
        let reason = with_flags(best.as_deref().or(auto.reason()).unwrap_or_default());
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
    ) -> crate::Result<()> {
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
