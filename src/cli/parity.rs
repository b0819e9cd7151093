//! `flashschnet parity`: compares the results and the speeds of two backends.

use std::io::{Result, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::Error;
use crate::backend::Backend;
use crate::diagnose::parity::{Difference, Distance, Job, Pair, Speed};
use crate::diagnose::verify::cases_at;
use crate::engine::Filter;
use clap::Args;
use serde::Serialize;

use super::backend::{BackendName, HowOptions, PrecisionName};
use super::options::whole;
use super::tell::{self, tell};

/// Run two backends on the same input, and compare their results and speeds.
///
/// Prints the differences of the energies and forces of every term, and the distance between two
/// trajectories with the same random numbers over the first steps. Then prints the time of a step
/// and, if both backends can measure them, the times of its kernels. The input is the built-in
/// system, or the replicas of reference cases.
///
/// If one backend is the reference, both use exact filters unless --filter table is given.
/// --adapter chooses the adapter of wgpu; CUDA uses its first device.
#[derive(Args)]
pub(super) struct Parity {
    /// The two backends, separated by a comma
    #[arg(long, value_enum, value_delimiter = ',', value_name = "A,B", required = true)]
    backends: Vec<BackendName>,
    #[command(flatten)]
    how: HowOptions,
    /// Storage format of the network's weights and features
    #[arg(long, value_enum, default_value = "f32", value_name = "KIND")]
    precision: PrecisionName,
    /// Number of replicas of the built-in system
    #[arg(long, value_parser = whole::<usize, 1>, default_value_t = 64, conflicts_with = "cases", value_name = "R")]
    replicas: usize,
    /// Number of steps of the trajectories
    #[arg(long, value_parser = whole::<u64, 0>, default_value_t = 100, value_name = "N")]
    steps: u64,
    /// Do not measure times
    #[arg(long)]
    no_times: bool,
    /// Print a JSON array, with one object per input
    #[arg(long)]
    json: bool,
    /// Reference cases, or folders of cases, instead of the built-in system
    #[arg(value_name = "CASE.json|DIR")]
    cases: Vec<PathBuf>,
}

/// The results for one input.
#[derive(Serialize)]
struct Report {
    input: String,
    devices: [String; 2],
    differences: Vec<Difference>,
    distances: Vec<Distance>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<Speed>,
}

impl Parity {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let [a, b] = self.backends[..] else {
            let expected = "two backends, separated by a comma";
            return Err(Error::invalid("backends", self.backends.len(), expected).into());
        };
        let mut files = Vec::new();
        for path in &self.cases {
            std::fs::metadata(path).map_err(|error| Error::io(path, error))?;
            files.extend(cases_at(path)?);
        }
        let backends = self.open([a, b])?;
        let mut reports = Vec::new();
        let mut compare = |job: Job| -> anyhow::Result<()> {
            reports.push(self.compare(&job, backends.each_ref())?);
            Ok(())
        };
        let compared = match files.as_slice() {
            [] => compare(Job::builtin(self.replicas)),
            files => files.iter().try_for_each(|file| match Job::of_case(file) {
                Err(error @ Error::Unsupported { .. }) => {
                    tell!("note: this case is left out: {error}");
                    Ok(())
                }
                job => compare(job?),
            }),
        };
        if self.json {
            writeln!(tell::stdout(), "{}", serde_json::to_string_pretty(&reports)?)?;
        }
        compared?;
        if reports.is_empty() {
            let expected = "at least one static case or trajectory";
            return Err(Error::invalid("cases", "none to compare", expected).into());
        }
        Ok(ExitCode::SUCCESS)
    }

    fn open(&self, names: [BackendName; 2]) -> crate::Result<[Backend; 2]> {
        let of_wgpu = |name| matches!(name, BackendName::Auto | BackendName::Wgpu);
        if let Some(adapter) = &self.how.adapter
            && !names.into_iter().any(of_wgpu)
        {
            return Err(Error::invalid("adapter", adapter, "wgpu among the backends"));
        }
        let open =
            |name| self.how.open(name, self.how.adapter.as_deref().filter(|_| of_wgpu(name)));
        let [a, b] = [open(names[0])?, open(names[1])?];
        let exact = [&a, &b].into_iter().any(|backend| backend.filter() == Filter::Exact);
        let usual = if exact { Filter::Exact } else { Filter::TABLE };
        let precision = self.precision.precision();
        let filter = self.how.filter(precision, usual);
        let finish = |backend: Backend| Ok(backend.with_precision(precision)?.with_filter(filter));
        Ok([finish(a)?, finish(b)?])
    }

    /// Compares the backends on a job. Without `--json`, prints each part as soon as it is done.
    fn compare(&self, job: &Job, backends: [&Backend; 2]) -> anyhow::Result<Report> {
        // Without cases the error is about an option.
        let of_job = |error: Error| match self.cases.is_empty() {
            true => error.into(),
            false => anyhow::anyhow!("{}: {error}", job.name),
        };
        let out: &mut dyn Write =
            if self.json { &mut std::io::sink() } else { &mut tell::stdout() };
        let mut pair = Pair::new(job, backends).map_err(of_job)?;
        let devices = pair.devices();
        writeln!(out, "{}\n  {}\n  {}", job.name, devices[0], devices[1])?;
        let differences = pair.differences().map_err(of_job)?;
        print_differences(out, &differences)?;
        let distances = pair.distances(self.steps).map_err(of_job)?;
        print_distances(out, &distances)?;
        let speed = match self.no_times {
            true => None,
            false => Some(pair.speed().map_err(of_job)?),
        };
        if let Some(speed) = &speed {
            print_speed(out, backends.map(|backend| backend.kind().name()), speed)?;
        }
        Ok(Report { input: job.name.clone(), devices, differences, distances, speed })
    }
}

/// Prints a row of a table.
fn line(out: &mut dyn Write, cells: [&str; 4]) -> Result<()> {
    let [name, a, b, c] = cells;
    writeln!(out, "  {name:<26}{a:>22}{b:>16}{c:>16}")
}

fn print_differences(out: &mut dyn Write, differences: &[Difference]) -> Result<()> {
    writeln!(
        out,
        "  {:<26}{:>22}{:>32}",
        "term", "energy, kcal/mol", "forces, in units of their rms"
    )?;
    line(out, ["", "largest", "rms", "largest"])?;
    for Difference { term, energy, forces } in differences {
        let numbers = [energy.largest, forces.rms, forces.largest].map(|x| format!("{x:.1e}"));
        line(out, [term, &numbers[0], &numbers[1], &numbers[2]])?;
    }
    Ok(())
}

fn print_distances(out: &mut dyn Write, distances: &[Distance]) -> Result<()> {
    line(out, ["step", "", "positions, Å: rms", "largest"])?;
    for Distance { step, positions } in distances {
        let numbers = [positions.rms, positions.largest].map(|x| format!("{x:.1e}"));
        line(out, [&step.to_string(), "", &numbers[0], &numbers[1]])?;
    }
    Ok(())
}

fn print_speed(out: &mut dyn Write, [a, b]: [&str; 2], speed: &Speed) -> Result<()> {
    let heads = [format!("{a}, µs"), format!("{b}, µs"), format!("{a}/{b}")];
    line(out, ["kernel", &heads[0], &heads[1], &heads[2]])?;
    let step = ("step, wall clock", speed.ms_per_step.map(|ms| 1e3 * ms));
    for (name, [a, b]) in speed.kernels.iter().copied().chain([step]) {
        let ratio = if a * b > 0.0 { format!("{:.2}", a / b) } else { "-".to_owned() };
        line(out, [name, &format!("{a:.1}"), &format!("{b:.1}"), &ratio])?;
    }
    Ok(())
}
