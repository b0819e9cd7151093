//! Draws the beads and bonds of a running simulation from its buffer on the GPU, without a copy.
//!
//! The program makes the wgpu device (`gpu.rs`), lends it to the engine (`run.rs`) and binds the
//! engine's buffer of positions to its own shaders (`scene.rs`, `shader.wgsl`). The rule of access
//! has two halves:
//!
//! - The program reads the buffer only in commands that it submits to the queue of the same device.
//!   The queue runs them in order, so they see the state after the last call of `Simulation::run`
//!   that returned, and the next call waits its turn. Nothing else needs to be synchronized.
//! - It never writes to the buffer. `Simulation::set_state` and its like do that.
//!
//! A run and its pictures take turns on one thread here. A program that runs the simulation on
//! another thread must submit its pictures between two runs, for example behind a mutex.

mod arguments;
mod camera;
mod color;
mod gpu;
mod offscreen;
mod pipelines;
mod run;
mod scene;
mod trail;
mod window;

use std::process::ExitCode;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match view() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn view() -> Result<()> {
    let Some(arguments) = arguments::parse(std::env::args_os().skip(1))? else {
        println!("{}", arguments::HELP);
        return Ok(());
    };
    match &arguments.offscreen {
        Some(path) => offscreen::picture(&arguments, path),
        None => window::open(arguments),
    }
}
