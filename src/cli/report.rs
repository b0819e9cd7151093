//! `flashschnet report`: a page about a run.

mod page;
mod plots;
mod results;
mod series;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;
use flashschnet::error::printable;

use self::results::Results;
use super::tell::tell;

/// The name of the page in the folder of a run.
pub(super) const NAME: &str = "report.html";

/// Make a page about a run: settings, energies, temperatures, observables, distributions, free energies,
/// exchange and speed.
///
/// The page is one HTML file that needs no other file and no network. A run that ends makes it; this
/// command makes it again, also while the run is going on.
#[derive(Args)]
pub(super) struct Report {
    /// The output folder of the run
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The page [default: report.html in the folder of the run]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Report {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let path = self.output.unwrap_or_else(|| self.folder.join(NAME));
        write(&self.folder, &path)?;
        tell!("{}", printable(path.display()));
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes the page about a run. A page that is there is replaced.
pub(super) fn write(folder: &Path, path: &Path) -> anyhow::Result<()> {
    let results = Results::read(folder)?;
    let page = page::page(folder, &results).map_err(|error| anyhow!("report: {error}"))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = path.with_file_name(format!("{name}.part"));
    let written = std::fs::write(&part, page).and_then(|()| std::fs::rename(&part, path));
    written.map_err(|error| {
        // A failure to remove the part is ignored: the caller needs the first error.
        let _ = std::fs::remove_file(&part);
        flashschnet::Error::io(path, error)
    })?;
    Ok(())
}
