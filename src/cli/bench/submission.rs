//! The file of `bench --submit`: a device, whether it computes correctly, and how fast.

use std::io::Write;
use std::path::Path;

use crate::backend::{Backend, BackendKind};
use crate::diagnose::verify::{Comparison, Mixed, Report, Status};
use crate::engine::{Filter, Precision};
use crate::error::printable;
use crate::gpu::{AdapterInfo, adapters};
use crate::io::{check_free, write_new};
use crate::{Error, Result};
use serde::Serialize;
use serde_json::{Map, Value};

use super::super::known_answers::KnownAnswers;
use super::super::tell::{self, tell};
use super::super::verify::built_in;
use super::figures::Figures;
use super::machine::{Build, Machine, today};

/// The version of the format.
const SCHEMA: u32 = 1;

/// Everything that a reader of a file gets. It names no user, host or path.
#[derive(Serialize)]
pub(super) struct Submission {
    schema: u32,
    date: String,
    version: &'static str,
    build: Build,
    machine: Machine,
    backend: &'static str,
    /// The precision of the dynamics.
    precision: &'static str,
    filter: String,
    device: Option<String>,
    /// The adapter of wgpu.
    adapter: Option<Adapter>,
    /// The known answers with which a run begins; `None` on the CPU.
    known_answers: Option<KnownAnswers>,
    verify: Vec<Verified>,
    job: Job,
    bench: Value,
    /// The error that ended the measurement.
    error: Option<String>,
}

/// The job that is measured.
#[derive(Serialize)]
pub(super) struct Job {
    /// Whether the system is the built-in one.
    pub(super) builtin: bool,
    pub(super) priors: bool,
    pub(super) dt: f64,
    pub(super) mts: u32,
    pub(super) portable: bool,
}

#[derive(Serialize)]
struct Adapter {
    name: String,
    vendor: String,
    device: String,
    api: String,
    driver: String,
    driver_info: String,
    #[serde(rename = "type")]
    kind: String,
    usable: bool,
    features: Vec<String>,
    limits: Map<String, Value>,
}

/// A built-in case.
#[derive(Serialize)]
struct Verified {
    precision: &'static str,
    case: String,
    status: Status,
    reason: Option<String>,
    mixed: Option<Mixed>,
    worst: Option<Comparison>,
    /// The error of the worst number, relative to its tolerance.
    share: Option<f64>,
}

/// Refuses a file that exists, or cannot be written, before hours of measuring.
///
/// # Errors
/// [`Error::Exists`], [`Error::Io`].
pub(super) fn check(path: &Path) -> Result<()> {
    check_free(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    match std::fs::metadata(folder) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(Error::io(folder, std::io::ErrorKind::NotADirectory.into())),
        Err(error) => Err(Error::io(folder, error)),
    }
}

impl Submission {
    /// Describes the device and verifies it, in f32 and in the precision of the dynamics.
    /// `measured` is the error that ended the measurement of the figures.
    pub(super) fn new(
        job: Job,
        backend: Backend,
        figures: &[Figures],
        measured: Option<&Error>,
    ) -> anyhow::Result<Self> {
        let (precision, filter) = (backend.precision(), backend.filter());
        let device = backend.adapter().map(str::to_owned);
        let is_wgpu = backend.kind() == BackendKind::Wgpu;
        let known = if is_wgpu { adapters()? } else { Vec::new() };
        let is_own = |info: &AdapterInfo| device.as_deref().is_some_and(|name| info.is_of(name));
        let mut figures = serde_json::to_value(figures)?;
        if let (false, Value::Array(sizes)) = (job.builtin, &mut figures) {
            // The name of a system is that of its files.
            sizes.iter_mut().for_each(|size| size["system"] = "of the user".into());
        }
        let kind = backend.kind().name();
        let known_answers = KnownAnswers::of(&backend);
        let verify = verified(backend)?;
        // Errors about the files of a user name them.
        let error = measured.map(|error| match job.builtin {
            true => error.to_string(),
            false => "an error with a system of the user".to_owned(),
        });
        Ok(Submission {
            schema: SCHEMA,
            date: today(),
            version: env!("CARGO_PKG_VERSION"),
            build: Build::new(),
            machine: Machine::new(),
            backend: kind,
            precision: precision.name(),
            filter: match filter {
                Filter::Exact => "exact".to_owned(),
                Filter::Table { tolerance } => format!("table, tolerance {tolerance:e}"),
            },
            adapter: known.into_iter().find(is_own).map(Adapter::new),
            device,
            known_answers,
            verify,
            job,
            bench: figures,
            error,
        })
    }

    /// Writes the file and tells what to do with it; on stderr if a result is on stdout.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::Io`].
    pub(super) fn write(&self, path: &Path, is_quiet: bool) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        write_new(path, text.as_bytes())?;
        let passed = self.verify.iter().filter(|case| case.status == Status::Pass).count();
        let said = format!(
            "verify: {passed} of {} cases pass\nwrote {}: the device, its driver, the machine, the \
             cases and the figures, without names of users, hosts or files\nattach it to an issue \
             of flashschnet's repository",
            self.verify.len(),
            printable(path.display())
        );
        match is_quiet {
            true => tell!("{said}"),
            false => tell::print_beside(&[path], |out| writeln!(out, "{said}"))?,
        }
        Ok(())
    }
}

impl Adapter {
    fn new(info: AdapterInfo) -> Self {
        Adapter {
            vendor: format!("{:#06x}", info.vendor),
            device: format!("{:#06x}", info.device),
            limits: info.limits.into_iter().map(|(name, value)| (name, value.into())).collect(),
            name: info.name,
            api: info.api,
            driver: info.driver,
            driver_info: info.driver_info,
            kind: info.kind,
            usable: info.usable,
            features: info.features,
        }
    }
}

/// The built-in cases in the precision of the backend, and in f32 with tables to match.
fn verified(backend: Backend) -> Result<Vec<Verified>> {
    let (precision, filter) = (backend.precision(), backend.filter());
    let mut all = of_precision(&backend);
    if precision != Precision::F32 {
        let filter = match filter {
            Filter::Exact => Filter::Exact,
            Filter::Table { .. } => Precision::F32.table(),
        };
        all.extend(of_precision(&backend.with_precision(Precision::F32)?.with_filter(filter)));
    }
    Ok(all)
}

fn of_precision(backend: &Backend) -> Vec<Verified> {
    let precision = backend.precision().name();
    let verified = |report: Report| {
        let worst = report.worst().cloned();
        let share = worst.as_ref().map(Comparison::share);
        let Report { case, status, reason, mixed, .. } = report;
        Verified { precision, case, status, reason, mixed, worst, share }
    };
    built_in(backend).into_iter().map(verified).collect()
}
