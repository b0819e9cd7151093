//! `flashschnet verify`: compares a backend with reference data.

use std::cell::RefCell;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::backend::{Backend, BackendKind};
use crate::diagnose::verify::{
    Options, Report, Status, all_cases_at, is_about_structures, verify_built_in, verify_file,
    verify_structures,
};
use crate::engine::{Dynamics, Engine, Filter, Precision};
use crate::system::System;
use crate::{Error, Result};
use clap::Args;
use serde::Serialize;

use super::backend::BackendOptions;
use super::flags::with_flags;
use super::options::whole;
use super::tell;

/// Compare a backend with reference data, case by case.
///
/// Prints one line per case with the number that is worst relative to its tolerance, and the counts
/// at the end. Exits with 1 unless every case passes. Without arguments, uses a few small built-in
/// cases to check that the device and its driver compute correctly. Cases about structures compare
/// what prepare makes of PDB and mmCIF files, and need no device.
#[derive(Args)]
pub(super) struct Verify {
    #[command(flatten)]
    backend: BackendOptions,
    /// Print a JSON array, with one object per case
    #[arg(long)]
    json: bool,
    /// Stop trajectories after this many steps; their final forces are then not compared
    #[arg(long, value_parser = whole::<usize, 0>, value_name = "N")]
    max_steps: Option<usize>,
    /// Folder of the prior files that cases about structures name; the default is ../raw beside them
    #[arg(long, value_name = "DIR")]
    priors: Option<PathBuf>,
    /// Reference cases, or folders of cases
    #[arg(value_name = "CASE.json|DIR")]
    cases: Vec<PathBuf>,
}

/// A report, with the backend and the device that it was computed on.
#[derive(Serialize)]
struct Entry {
    backend: &'static str,
    device: String,
    #[serde(flatten)]
    report: Report,
}

/// The reports so far.
struct Entries {
    json: bool,
    all: Vec<Entry>,
}

impl Entries {
    fn add(&mut self, backend: &'static str, device: &str, report: Report) -> std::io::Result<()> {
        let line = if self.json { None } else { Some(with_flags(&report)) };
        self.all.push(Entry { backend, device: device.to_owned(), report });
        // Each line is printed at once, because a large case takes minutes.
        line.map_or(Ok(()), |line| writeln!(tell::stdout_beside_result(), "{line}"))
    }
}

/// The reports of the built-in cases.
pub(super) fn built_in(backend: &Backend) -> Vec<Report> {
    verify_built_in(options(backend, None), &|system, dynamics| backend.engine(system, dynamics))
}

fn options(backend: &Backend, max_steps: Option<usize>) -> Options {
    let exact = backend.kind() == BackendKind::Reference && backend.filter() == Filter::Exact;
    Options { exact, mixed: backend.precision() == Precision::Mixed, max_steps }
}

impl Verify {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let mut files = Vec::new();
        for path in &self.cases {
            std::fs::metadata(path).map_err(|error| Error::io(path, error))?;
            files.extend(all_cases_at(path)?);
        }
        let (structures, files): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|file| is_about_structures(file));
        let mut entries = Entries { json: self.json, all: Vec::new() };
        for file in &structures {
            for report in verify_structures(file, self.priors.as_deref()) {
                entries.add(BackendKind::Reference.name(), "", report)?;
            }
        }
        if !files.is_empty() || self.cases.is_empty() {
            self.run_on_backend(&files, &mut entries)?;
        }

        let count = |status| entries.all.iter().filter(|e| e.report.status == status).count();
        let pass = count(Status::Pass);
        if self.json {
            let text = serde_json::to_string_pretty(&entries.all)?;
            writeln!(tell::stdout_beside_result(), "{text}")?;
        } else {
            let (fail, not_supported) = (count(Status::Fail), count(Status::NotSupported));
            let counts = format!("{pass} pass, {fail} fail, {not_supported} not supported");
            let device = entries.all.iter().rev().map(|entry| entry.device.as_str());
            let device = device.into_iter().find(|device| !device.is_empty());
            let device = device.map_or(String::new(), |device| format!("; {device}"));
            writeln!(tell::stdout_beside_result(), "{counts}{device}")?;
        }
        Ok(if pass == entries.all.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Runs cases on the chosen backend, or the built-in cases if there are none.
    fn run_on_backend(&self, files: &[PathBuf], entries: &mut Entries) -> anyhow::Result<()> {
        let backend = self.backend.open()?;
        let device = RefCell::new(String::new());
        let engine = |system: System, dynamics: &Dynamics| -> Result<Box<dyn Engine>> {
            let engine = backend.engine(system, dynamics)?;
            device.replace(engine.device());
            Ok(engine)
        };
        let options = options(&backend, self.max_steps);
        let mut add = |report: Report| {
            let device = device.borrow();
            entries.add(backend.kind().name(), &device, report)
        };
        if files.is_empty() {
            verify_built_in(options, &engine).into_iter().try_for_each(&mut add)?;
        }
        for file in files {
            add(verify_file(file, options, &engine))?;
        }
        Ok(())
    }
}
