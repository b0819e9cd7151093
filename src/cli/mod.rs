//! The program `flashschnet`: one file per subcommand. It exists with the feature `cli`.

mod analyze;
mod backend;
mod bench;
mod command_line;
mod config;
mod desktop;
mod embed;
mod energy;
mod flags;
mod import;
mod info;
mod inputs;
mod kernels;
mod known_answers;
mod logger;
mod options;
mod parity;
mod precision;
mod prepare;
mod progress;
mod reference;
mod report;
mod run;
mod signals;
mod specialised;
mod table;
mod tell;
mod threads;
mod torchmd;
mod verify;

use std::ffi::OsString;
use std::io::ErrorKind;
use std::process::ExitCode;

use self::command_line::{Command, Parsed, parse};
use self::config::settings::InForce;
pub use self::embed::{load, log_to_stderr, place, potential, restore, simulation};
pub use self::options::Unparsed;
use self::tell::tell;
use crate::Error;

/// The program's `main`: runs a command line, which starts with the name of the program, and prints its
/// error to stderr.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    // Before any thread is started.
    desktop::turn_off_complaint();
    match execute(arguments, || Ok(threads::start()?)) {
        Ok(code) => code,
        // The reader of stdout, for example `head`, has closed the pipe: no error.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) if error.is::<Unparsed>() => {
            error.downcast_ref().map(Unparsed::tell);
            ExitCode::from(Unparsed::EXIT_CODE)
        }
        Err(error) => {
            let message = error.to_string();
            if let Some(Error::Structure { .. }) = error.downcast_ref() {
                // Its places and remedies have lines of their own.
                tell!("error: {message}");
            } else {
                let lines: Vec<&str> = message.lines().map(str::trim).collect();
                tell!("error: {}", lines.join(" "));
            }
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// Runs the command of a command line, which starts with the name of the program. Results go to
/// stdout, messages to stderr. It takes over the log of the process, and while `run` and `analyze`
/// work its signals.
///
/// # Errors
/// That of the command, most often an [`Error`], or [`Unparsed`].
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<ExitCode> {
    // The threads of the CPU backend are those of the process.
    execute(arguments, || Ok(()))
}

fn execute(
    arguments: impl IntoIterator<Item = OsString>,
    start_threads: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    signals::ignore_file_size_limit();
    let Some(parsed) = parse(arguments)? else { return Ok(ExitCode::SUCCESS) };
    let Parsed { definition, expanded, cli, found } = parsed;
    logger::install();
    // Lines of another command of the process do not belong to this one.
    logger::take_lines();
    if let Some(warning) = &expanded.warning {
        log::warn!("{warning}");
    }
    start_threads()?;
    let ended = match cli.command {
        Command::Run(run) => run.run(InForce::new(&definition, &found)),
        Command::Energy(command) => command.run(),
        Command::Verify(command) => command.run(),
        Command::Parity(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Info(command) => command.run(),
        Command::Import(command) => command.run(),
        Command::Prepare(command) => command.run(),
        Command::Analyze(command) => command.run(),
        Command::Report(command) => command.run(),
    };
    let options = found.subcommand_name().and_then(|name| definition.find_subcommand(name));
    ended.map_err(|error| options::of_option(error, options, &expanded))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::command_line::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
