//! `flashschnet verify`: compares a backend with reference data.

use std::cell::RefCell;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use flashschnet::backend::BackendKind;
use flashschnet::diagnose::verify::{
    Options, Report, Status, cases_at, verify_built_in, verify_file,
};
use flashschnet::engine::{Dynamics, Engine, Filter, Precision};
use flashschnet::system::System;
use flashschnet::{Error, Result};
use serde::Serialize;

use super::backend::BackendOptions;
use super::options::whole;
use super::tell;

/// Compare a backend with reference data, case by case.
///
/// Prints one line per case with the number that is worst relative to its tolerance, and the counts
/// at the end. Exits with 1 unless every case passes. Without arguments, uses a few small built-in
/// cases to check that the device and its driver compute correctly.
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

impl Verify {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let mut files = Vec::new();
        for path in &self.cases {
            std::fs::metadata(path).map_err(|error| Error::io(path, error))?;
            files.extend(cases_at(path)?);
        }
        let backend = self.backend.open()?;
        let device = RefCell::new(String::new());
        let engine = |system: System, dynamics: &Dynamics| -> Result<Box<dyn Engine>> {
            let engine = backend.engine(system, dynamics)?;
            device.replace(engine.device());
            Ok(engine)
        };
        let exact = backend.kind() == BackendKind::Reference && backend.filter() == Filter::Exact;
        let mixed = backend.precision() == Precision::Mixed;
        let options = Options { exact, mixed, max_steps: self.max_steps };

        let mut entries = Vec::new();
        let mut finish = |report: Report| {
            let line = if self.json { None } else { Some(report.to_string()) };
            let device = device.borrow().clone();
            entries.push(Entry { backend: backend.kind().name(), device, report });
            // Each line is printed at once, because a large case takes minutes.
            line.map_or(Ok(()), |line| writeln!(tell::stdout_beside_result(), "{line}"))
        };
        if self.cases.is_empty() {
            verify_built_in(options, &engine).into_iter().try_for_each(&mut finish)?;
        }
        for file in &files {
            finish(verify_file(file, options, &engine))?;
        }

        let count = |status| entries.iter().filter(|e| e.report.status == status).count();
        let pass = count(Status::Pass);
        if self.json {
            writeln!(tell::stdout_beside_result(), "{}", serde_json::to_string_pretty(&entries)?)?;
        } else {
            let (fail, not_supported) = (count(Status::Fail), count(Status::NotSupported));
            let device = entries.last().map_or("", |entry| &entry.device);
            let counts = format!("{pass} pass, {fail} fail, {not_supported} not supported");
            writeln!(tell::stdout_beside_result(), "{counts}; {device}")?;
        }
        Ok(if pass == entries.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
