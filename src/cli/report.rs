//! `flashschnet report`: a page about a run.

mod analysis;
mod names;
mod of_run;
mod page;
mod picture;
mod plots;
mod results;
mod series;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::error::printable;
use clap::Args;

pub(super) use self::analysis::UNCONVERGED;
use self::page::Page;
pub(super) use self::picture::Look;
use self::results::Results;
use super::tell::tell;

/// The name of the page in the folder of a run.
pub(super) const NAME: &str = "report.html";

/// Make a page about a run: a picture of the chain, observables, energies, temperatures,
/// distributions, free energies, exchange, the results of an analysis, speed and settings.
///
/// The page is one HTML file that needs no other file and no network. A run that ends makes it;
/// this command makes it again, also while the run is going on. A folder with the results of an
/// analysis of trajectories has a page too.
#[derive(Args)]
pub(super) struct Report {
    /// The output folder of the run or of the analysis
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The page [default: report.html in this folder]
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

/// Writes the page about a run, or about an analysis of trajectories that belong to no run. A page
/// that is there is replaced. Returns the trajectory of the picture with its topology, if there is
/// one.
pub(super) fn write(folder: &Path, path: &Path) -> anyhow::Result<Option<Look>> {
    let is_there = |name| folder.join(name).is_file();
    if is_there(analysis::LOG) && !is_there(results::LOG) {
        let mut page = Page::new(folder);
        analysis::sections(&mut page, folder);
        replace(path, page.finish())?;
        return Ok(None);
    }
    let results = Results::read(folder)?;
    let chosen = picture::choose(folder, &results);
    replace(path, of_run::page(folder, &results, chosen.as_ref())?)?;
    Ok(chosen.map(|chosen| chosen.look))
}

/// Writes a file whole, or leaves the one that is there.
fn replace(path: &Path, page: String) -> anyhow::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = path.with_file_name(format!("{name}.part"));
    let written = std::fs::write(&part, page).and_then(|()| std::fs::rename(&part, path));
    written.map_err(|error| {
        // A failure to remove the part is ignored: the caller needs the first error.
        let _ = std::fs::remove_file(&part);
        crate::Error::io(path, error)
    })?;
    Ok(())
}
