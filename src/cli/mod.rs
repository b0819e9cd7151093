//! The command line: one file per subcommand.

mod bench;
mod energy;
mod import;
mod info;
mod inputs;
mod kernels;
mod logger;
mod parity;
mod precision;
mod progress;
mod run;
mod signals;
mod table;
mod verify;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use flashschnet::backend::{Backend, Kind};
use flashschnet::engine::{Filter, Precision};
use flashschnet::gpu::{Device, Profile};

/// Molecular dynamics of coarse-grained proteins with CGSchNet potentials, many replicas at once.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Run),
    Energy(energy::Energy),
    Verify(verify::Verify),
    Parity(parity::Parity),
    Bench(bench::Bench),
    Info(info::Info),
    Import(import::Import),
}

/// Where to compute, and in which precision.
#[derive(Args)]
struct BackendOptions {
    #[command(flatten)]
    place: PlaceOptions,
    /// Store the network's weights and features in f32, or in 16-bit floats where that is enough
    /// [default: mixed for the dynamics of run and bench, with tabulated filters on a GPU that has
    /// 16-bit floats; else f32]
    #[arg(long, value_enum, value_name = "KIND")]
    precision: Option<PrecisionName>,
}

/// Where to compute, and with which filters.
#[derive(Args)]
struct PlaceOptions {
    /// auto takes the best hardware adapter, never a software one, else cpu
    #[arg(long, value_enum, default_value_t, value_name = "NAME")]
    backend: BackendName,
    #[command(flatten)]
    how: HowOptions,
}

/// What a backend is asked for.
#[derive(Args)]
struct HowOptions {
    /// Take the adapter of this index, or whose name contains this: wgpu's, or CUDA's device
    #[arg(long, value_name = "NAME|INDEX")]
    adapter: Option<String>,
    /// Ask of the adapter what every adapter has: no optional feature, WebGPU's default limits
    #[arg(long)]
    portable: bool,
    /// Take the network's filters from tables of cubic pieces, or evaluate them exactly for every
    /// edge [default: table, and exact with the reference backend]
    #[arg(long, value_enum, value_name = "KIND")]
    filter: Option<FilterName>,
    /// Largest error of a tabulated filter's slope, relative to the largest slope [default: 1e-6,
    /// and 3e-5 with mixed precision]
    #[arg(long, value_name = "ERROR")]
    table_tolerance: Option<f64>,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum BackendName {
    #[default]
    Auto,
    Wgpu,
    Cuda,
    Cpu,
    Reference,
}

#[derive(Clone, Copy, ValueEnum)]
enum PrecisionName {
    F32,
    Mixed,
}

#[derive(Clone, Copy, ValueEnum)]
enum FilterName {
    Exact,
    Table,
}

impl BackendOptions {
    /// Opens the backend, in f32 unless told.
    fn open(&self) -> flashschnet::Result<Backend> {
        let backend = self.place.open()?;
        self.finish(backend, Precision::F32)
    }

    /// The same for dynamics: in mixed precision with tables on a GPU that has 16-bit floats.
    fn open_for_dynamics(&self) -> flashschnet::Result<Backend> {
        let backend = self.place.open()?;
        let halves = backend.device().is_some_and(Device::has_halves);
        let filter = self.place.how.filter(Precision::Mixed, backend.filter());
        let mixed = halves && filter != Filter::Exact;
        self.finish(backend, if mixed { Precision::Mixed } else { Precision::F32 })
    }

    fn finish(&self, backend: Backend, usual: Precision) -> flashschnet::Result<Backend> {
        self.place.finish(backend, self.precision.map_or(usual, PrecisionName::precision))
    }
}

impl PrecisionName {
    fn precision(self) -> Precision {
        match self {
            PrecisionName::F32 => Precision::F32,
            PrecisionName::Mixed => Precision::Mixed,
        }
    }
}

impl BackendName {
    fn kind(self) -> Kind {
        match self {
            BackendName::Auto => Kind::Auto,
            BackendName::Wgpu => Kind::Wgpu,
            BackendName::Cuda => Kind::Cuda,
            BackendName::Cpu => Kind::Cpu,
            BackendName::Reference => Kind::Reference,
        }
    }
}

impl PlaceOptions {
    fn open(&self) -> flashschnet::Result<Backend> {
        self.how.open(self.backend, self.how.adapter.as_deref())
    }

    /// The backend in a precision, with the filters asked for.
    fn finish(&self, backend: Backend, precision: Precision) -> flashschnet::Result<Backend> {
        let filter = self.how.filter(precision, backend.filter());
        Ok(backend.with_precision(precision)?.with_filter(filter))
    }
}

impl HowOptions {
    fn open(&self, backend: BackendName, adapter: Option<&str>) -> flashschnet::Result<Backend> {
        let profile = if self.portable { Profile::Portable } else { Profile::Full };
        let backend = Backend::open_with(backend.kind(), adapter, profile)?;
        if let Some(reason) = backend.reason() {
            eprintln!("note: {reason}");
        }
        Ok(backend)
    }

    /// The filters asked for, where a backend opens with `usual` ones.
    fn filter(&self, precision: Precision, usual: Filter) -> Filter {
        match (self.filter, usual, self.table_tolerance) {
            (Some(FilterName::Exact), ..) | (None, Filter::Exact, _) => Filter::Exact,
            (.., Some(tolerance)) => Filter::Table { tolerance },
            (.., None) => precision.table(),
        }
    }
}

/// Parses the command line and does what it says.
pub(crate) fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    logger::install();
    match cli.command {
        Command::Run(command) => command.run(),
        Command::Energy(command) => command.run(),
        Command::Verify(command) => command.run(),
        Command::Parity(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Info(command) => command.run(),
        Command::Import(command) => command.run(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
