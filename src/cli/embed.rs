//! Functions for programs that embed the library and take the options of the program, as the Python
//! package does. Command lines start with the name of the program and of a command.

use std::ffi::OsString;
use std::path::PathBuf;

use super::command_line::{Command, parse};
use super::inputs::{InputOptions, Inputs};
use super::logger;
use crate::checkpoint::{Checkpoint, Identity};
use crate::model::Model;
use crate::potential::Potential;
use crate::simulation::Simulation;
use crate::structure::Structure;
use crate::{Error, Result};

/// A model and structures.
type System = (Model, Vec<Structure>);

/// Warnings of the library go to stderr from now on, as those of the program do.
pub fn log_to_stderr() {
    logger::install();
}

/// The model and the structures that a command line of `energy` names.
///
/// # Errors
/// [`Unparsed`](super::Unparsed), or an [`Error`] of a file.
pub fn load(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<System> {
    let Inputs { model, structures, .. } = energy(arguments)?.inputs.load()?;
    Ok((model, structures))
}

/// The potential of a command line of `energy`. `given` replaces its model and structures.
///
/// # Errors
/// [`Unparsed`](super::Unparsed), or an [`Error`] of a file or of the device.
pub fn potential(
    arguments: impl IntoIterator<Item = OsString>,
    given: Option<System>,
) -> anyhow::Result<Potential> {
    let options = energy(arguments)?;
    let Inputs { model, structures, .. } = inputs(&options.inputs, given)?;
    Ok(Potential::new(&model, &structures, options.backend.open()?)?)
}

/// The simulation of a command line of `run`, and its identity for checkpoints. `given` replaces its
/// model and structures. Options about steps and files have no effect.
///
/// # Errors
/// [`Unparsed`](super::Unparsed), or an [`Error`] as that of [`Simulation::new`].
pub fn simulation(
    arguments: impl IntoIterator<Item = OsString>,
    given: Option<System>,
) -> anyhow::Result<(Simulation, Identity)> {
    let Command::Run(run) = command(arguments)? else { return Err(other("run")) };
    let settings = run.settings()?;
    let (simulation, identity, _) = run.set_up(settings, &inputs(&run.inputs, given)?)?;
    Ok((simulation, identity))
}

/// The simulation that continues from a checkpoint, with model and structures of a command line of
/// `energy` or with `given` ones. Its backend is that of the checkpoint unless the options name another.
///
/// # Errors
/// [`Unparsed`](super::Unparsed); [`Error::Invalid`] for another model or other structures.
pub fn restore(
    arguments: impl IntoIterator<Item = OsString>,
    given: Option<System>,
    checkpoint: &Checkpoint,
) -> anyhow::Result<(Simulation, Identity)> {
    let options = energy(arguments)?;
    let Inputs { model, structures, .. } = inputs(&options.inputs, given)?;
    let mut choice = options.backend.choice();
    let backend = options.backend.open_again(&checkpoint.identity, &mut choice)?;
    let identity = Identity::new(&model, &structures, &backend)?;
    identity.check(&checkpoint.identity)?;
    let mut simulation = Simulation::new(&model, &structures, &checkpoint.settings(), &backend)?;
    simulation.set_state(&checkpoint.state)?;
    Ok((simulation, identity))
}

/// The folder or the file to which a command line of `run`, `prepare` or `analyze` writes its results.
///
/// # Errors
/// [`Unparsed`](super::Unparsed), or an [`Error`] of a configuration file.
pub fn place(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<PathBuf> {
    Ok(match command(arguments)? {
        Command::Run(run) => run.place().ok_or_else(|| other("one with an output"))?.to_owned(),
        Command::Prepare(prepare) => prepare.output,
        Command::Analyze(analyze) => analyze.place()?,
        _ => return Err(other("run, prepare or analyze")),
    })
}

fn command(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<Command> {
    let parsed = parse(arguments)?.ok_or_else(|| other("run"))?;
    if let Some(warning) = &parsed.expanded.warning {
        log::warn!("{warning}");
    }
    Ok(parsed.cli.command)
}

fn energy(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<super::energy::Energy> {
    match command(arguments)? {
        Command::Energy(options) => Ok(options),
        _ => Err(other("energy")),
    }
}

fn other(expected: &str) -> anyhow::Error {
    Error::invalid("command", "another one", expected).into()
}

fn inputs(options: &InputOptions, given: Option<System>) -> Result<Inputs> {
    match given {
        Some((model, structures)) => {
            Ok(Inputs { model, structures, source: String::new(), builtin: false, molecule: None })
        }
        None => options.load(),
    }
}
