//! The program: molecular dynamics of coarse-grained proteins from the command line.

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod cli;

use std::io::ErrorKind;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::main() {
        Ok(code) => code,
        // The reader of stdout, for example `head`, has closed the pipe: no error.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let message = error.to_string();
            if let Some(flashschnet::Error::Structure { .. }) = error.downcast_ref() {
                // Its places and remedies have lines of their own.
                cli::tell::tell!("error: {message}");
            } else {
                let lines: Vec<&str> = message.lines().map(str::trim).collect();
                cli::tell::tell!("error: {}", lines.join(" "));
            }
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
