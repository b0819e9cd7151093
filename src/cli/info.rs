//! `flashschnet info`: what there is to compute on.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use flashschnet::backend::{Backend, Kind};
use flashschnet::gpu::adapters;

const ADVICE: &str = "install the GPU's driver, or software Vulkan to try out the shaders (Debian: \
                      apt install mesa-vulkan-drivers); the cpu backend needs neither";

/// Show the version, the adapters with their features and limits, and which backend `auto` takes.
#[derive(Args)]
pub(super) struct Info {}

impl Info {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let mut out = std::io::stdout();
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
        let auto = Backend::open(Kind::Auto, None)?;
        let best = auto.adapter().map(|name| format!("the best hardware adapter, {name}"));
        let reason = best.as_deref().or(auto.reason()).unwrap_or_default();
        writeln!(out, "auto takes: {} ({reason})", auto.kind().name())?;
        Ok(ExitCode::SUCCESS)
    }
}
