//! `flashschnet parity`: do two backends compute the same, and which is faster?

use std::io::{Result, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use flashschnet::Error;
use flashschnet::backend::Backend;
use flashschnet::parity::{Difference, Distance, Job, Pair, Speed};
use flashschnet::verify::cases_at;
use serde::Serialize;

use super::{BackendName, FilterName, PlaceOptions, PrecisionName};

/// Run two backends on the same input, and compare their results and speeds.
///
/// Tells the largest differences of the energies and forces of every term, how far two trajectories
/// of the same random numbers part over the first steps, and the times of a step and, where both
/// can tell, of its kernels. The input is the built-in system, or the replicas of reference cases.
#[derive(Args)]
pub(super) struct Parity {
    /// Two backends, with a comma between
    #[arg(long, value_enum, value_delimiter = ',', value_name = "A,B", required = true)]
    backends: Vec<BackendName>,
    /// Take the wgpu adapter of this index, or whose name contains this
    #[arg(long, value_name = "NAME|INDEX")]
    adapter: Option<String>,
    /// Ask of the adapter what every adapter has: no optional feature, WebGPU's default limits
    #[arg(long)]
    portable: bool,
    /// Take the network's filters from tables of cubic pieces, or evaluate them exactly for every
    /// edge
    #[arg(long, value_enum, default_value = "table", value_name = "KIND")]
    filter: FilterName,
    /// Largest error of a tabulated filter's slope, relative to the largest slope [default: 1e-6,
    /// and 3e-5 with mixed precision]
    #[arg(long, value_name = "ERROR")]
    table_tolerance: Option<f64>,
    /// Store the network's weights and features in f32, or in 16-bit floats where that is enough
    #[arg(long, value_enum, default_value = "f32", value_name = "KIND")]
    precision: PrecisionName,
    /// Replicas of the built-in system
    #[arg(long, default_value_t = 64, conflicts_with = "cases", value_name = "R")]
    replicas: usize,
    /// Steps of the trajectories
    #[arg(long, default_value_t = 100, value_name = "N")]
    steps: u64,
    /// Leave out the times
    #[arg(long)]
    no_times: bool,
    /// Print a JSON array, one object per input
    #[arg(long)]
    json: bool,
    /// Reference cases, or folders of them, instead of the built-in system
    #[arg(value_name = "CASE.json|DIR")]
    cases: Vec<PathBuf>,
}

/// All that is told of one input.
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
            let expected = "two backends, with a comma between";
            return Err(Error::invalid("backends", self.backends.len(), expected).into());
        };
        let mut files = Vec::new();
        for path in &self.cases {
            std::fs::metadata(path).map_err(|error| Error::io(path, error))?;
            files.extend(cases_at(path)?);
        }
        let backends = [self.open(a)?, self.open(b)?];
        let names = backends.each_ref().map(|backend| backend.kind().name());
        let mut reports = Vec::new();
        let mut compare = |job: Job| -> anyhow::Result<()> {
            let report = self.compare(job, backends.each_ref())?;
            if !self.json {
                report.print(&mut std::io::stdout(), names)?;
            }
            reports.push(report);
            Ok(())
        };
        if files.is_empty() {
            compare(Job::builtin(self.replicas))?;
        }
        for file in &files {
            match Job::of_case(file) {
                Err(error @ Error::Unsupported { .. }) => eprintln!("note: left out {error}"),
                job => compare(job?)?,
            }
        }
        if self.json {
            writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&reports)?)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn open(&self, backend: BackendName) -> flashschnet::Result<Backend> {
        let of_wgpu = matches!(backend, BackendName::Auto | BackendName::Wgpu);
        let place = PlaceOptions {
            backend,
            adapter: self.adapter.clone().filter(|_| of_wgpu),
            portable: self.portable,
            filter: Some(self.filter),
            table_tolerance: self.table_tolerance,
        };
        place.finish(place.open()?, self.precision.precision())
    }

    fn compare(&self, job: Job, backends: [&Backend; 2]) -> flashschnet::Result<Report> {
        let mut pair = Pair::new(&job, backends)?;
        Ok(Report {
            input: job.name,
            devices: pair.devices(),
            differences: pair.differences()?,
            distances: pair.distances(self.steps)?,
            speed: if self.no_times { None } else { Some(pair.speed()?) },
        })
    }
}

impl Report {
    fn print(&self, out: &mut impl Write, [a, b]: [&str; 2]) -> Result<()> {
        let [first, second] = &self.devices;
        writeln!(out, "{}\n  {first}\n  {second}", self.input)?;
        let heads = ("energy, kcal/mol", "forces, in parts of their rms");
        writeln!(out, "  {:<26}{:>22}{:>32}", "term", heads.0, heads.1)?;
        writeln!(out, "  {:<26}{:>22}{:>16}{:>16}", "", "largest", "rms", "largest")?;
        for Difference { term, energy, forces } in &self.differences {
            let (energy, rms, largest) = (energy.largest, forces.rms, forces.largest);
            writeln!(out, "  {term:<26}{energy:>22.1e}{rms:>16.1e}{largest:>16.1e}")?;
        }
        writeln!(out, "  {:<26}{:>22}{:>32}", "step", "", "positions, Å")?;
        for Distance { step, positions } in &self.distances {
            let (rms, largest) = (positions.rms, positions.largest);
            writeln!(out, "  {step:<26}{:>22}{rms:>16.1e}{largest:>16.1e}", "")?;
        }
        let Some(Speed { ms_per_step, kernels }) = &self.speed else { return Ok(()) };
        let ratio = [format!("{a}, µs"), format!("{b}, µs"), format!("{a}/{b}")];
        writeln!(out, "  {:<26}{:>22}{:>16}{:>16}", "kernel", ratio[0], ratio[1], ratio[2])?;
        let step = ("step, by the clock", ms_per_step.map(|ms| 1e3 * ms));
        for (name, [first, second]) in kernels.iter().copied().chain([step]) {
            let ratio = match first * second > 0.0 {
                true => format!("{:.2}", first / second),
                false => "-".to_owned(),
            };
            writeln!(out, "  {name:<26}{first:>22.1}{second:>16.1}{ratio:>16}")?;
        }
        Ok(())
    }
}
