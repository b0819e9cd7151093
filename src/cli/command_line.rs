//! The command line of the program.

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::config::{self, Expanded};
use super::{analyze, bench, energy, import, info, options, parity, prepare, report, run, verify};

/// Molecular dynamics of coarse-grained proteins with CGSchNet potentials, many replicas at once.
///
/// Exit codes: 0, finished; 1, an error; 2, a command line that cannot be parsed; 75, a run that
/// --max-hours has stopped; 128 plus the number of the signal, an interrupted run (129 SIGHUP, 130
/// SIGINT, 143 SIGTERM).
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Subcommand)]
pub(super) enum Command {
    Run(Box<run::Run>),
    Energy(energy::Energy),
    Verify(verify::Verify),
    Parity(parity::Parity),
    Bench(bench::Bench),
    Info(info::Info),
    Import(import::Import),
    Prepare(prepare::Prepare),
    Analyze(Box<analyze::Analyze>),
    Report(report::Report),
}

/// A command line with all its settings.
pub(super) struct Parsed {
    pub(super) definition: clap::Command,
    pub(super) expanded: Expanded,
    pub(super) cli: Cli,
    pub(super) found: clap::ArgMatches,
}

/// Parses a command line. Prints the help or the version if it asks for one; then there is nothing to
/// run.
pub(super) fn parse(
    arguments: impl IntoIterator<Item = OsString>,
) -> anyhow::Result<Option<Parsed>> {
    let mut definition = options::with_negative_numbers(Cli::command());
    let expanded = config::expand(&definition, arguments.into_iter().collect())?;
    let parsed = definition.try_get_matches_from_mut(&expanded.arguments);
    let parsed = parsed.and_then(|found| Cli::from_arg_matches(&found).map(|cli| (cli, found)));
    match parsed {
        Ok((cli, found)) => Ok(Some(Parsed { definition, expanded, cli, found })),
        Err(text) => options::answer(text.format(&mut definition), &expanded).map(|()| None),
    }
}
