//! Gives the shaders that `tests/portability` wrote to compilers that are libraries: drivers of
//! Vulkan and Microsoft's DXC. Prints one line for each compiler.

mod dxc;
mod table;
mod vulkan;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "compilers vulkan SHADERS TABLE [--update]
compilers dxc LIBRARY PROFILE CONTROL FOLDER...";

pub(crate) type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["vulkan", shaders, table] => vulkan::run(shaders.as_ref(), table.as_ref(), false),
        ["vulkan", shaders, table, "--update"] => {
            vulkan::run(shaders.as_ref(), table.as_ref(), true)
        }
        ["dxc", library, profile, control, ref folders @ ..] => {
            dxc::run(library, profile, control.as_ref(), folders)
        }
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The files of a folder in order.
///
/// # Errors
/// If there is none, because then nothing would be checked.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e: std::io::Error| format!("{}: {e}", folder.display());
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let mut files = Vec::new();
    for entry in entries {
        files.push(entry.map_err(failed)?.path());
    }
    files.sort();
    if files.is_empty() { Err(format!("{}: no files", folder.display())) } else { Ok(files) }
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))
}

pub(crate) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
