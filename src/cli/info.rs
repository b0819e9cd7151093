//! `flashschnet info`: what there is to compute on.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use flashschnet::backend::{ADVICE, Backend, Kind, adapters};

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
        for (index, adapter) in adapters.iter().enumerate() {
            let kind = if adapter.software { "software" } else { "hardware" };
            let (name, description) = (&adapter.name, &adapter.description);
            writeln!(out, "adapter {index}: {name} ({kind}; {description})")?;
            for (name, value) in &adapter.details {
                writeln!(out, "    {name}: {value}")?;
            }
        }
        let auto = Backend::open(Kind::Auto, None)?;
        let reason = auto.reason().unwrap_or("the best hardware adapter");
        writeln!(out, "auto takes: {} ({reason})", auto.kind().name())?;
        Ok(ExitCode::SUCCESS)
    }
}
