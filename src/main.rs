//! The program: molecular dynamics of coarse-grained proteins from the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    flashschnet::cli::main(std::env::args_os())
}
