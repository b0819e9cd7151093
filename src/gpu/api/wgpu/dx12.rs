//! The compiler of DX12: DXC, which is a library beside the program, or FXC, a part of Windows.
//!
//! wgpu takes DXC if the system finds `dxcompiler.dll`, and otherwise FXC without a word. FXC takes
//! seconds for a kernel and knows neither 16-bit floats nor subgroups.

use std::path::{Path, PathBuf};

use super::environment::COMPILER;
use crate::error::{Error, Result};

const LIBRARY: &str = "dxcompiler.dll";

const REMEDY: &str = "put dxcompiler.dll of version 1.8.2502 or newer beside the program; it is in \
                      https://github.com/microsoft/DirectXShaderCompiler/releases";

/// The library of DXC beside the program or on the path.
pub(super) fn find() -> Option<PathBuf> {
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().and_then(Path::parent).map(Path::to_owned);
    let path = std::env::var_os("PATH").unwrap_or_default();
    first_with_library(beside.into_iter().chain(std::env::split_paths(&path)))
}

fn first_with_library(folders: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    folders.into_iter().map(|folder| folder.join(LIBRARY)).find(|library| library.is_file())
}

/// Refuses DXC without its library, because wgpu would leave out DX12 without a word.
///
/// # Errors
/// [`Error::Invalid`].
pub(super) fn check(asked: Option<&str>, library: Option<&Path>) -> Result<()> {
    match (asked, library) {
        (Some(asked @ ("dxc" | "dynamicdxc")), None) => {
            let expected = format!("auto or fxc, as there is no {LIBRARY}; for DXC, {REMEDY}");
            Err(Error::invalid(COMPILER, asked, expected))
        }
        _ => Ok(()),
    }
}

/// Advice for a device whose kernels FXC compiles, unless the user has asked for FXC.
pub(super) fn advice(
    interface: wgpu::Backend,
    features: wgpu::Features,
    asked: Option<&str>,
    library: Option<&Path>,
) -> Option<String> {
    // Every device of DX12 has subgroups with DXC, and none has them with FXC.
    let is_fxc = interface == wgpu::Backend::Dx12 && !features.contains(wgpu::Features::SUBGROUP);
    if !is_fxc || asked == Some("fxc") {
        return None;
    }
    let remedy = match library {
        None => REMEDY.to_owned(),
        Some(library) => format!("{} cannot be used: {REMEDY}", library.display()),
    };
    Some(format!("FXC compiles its kernels, which takes seconds for each; {remedy}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_that_compile_with_fxc_get_advice() {
        use wgpu::Backend::{Dx12, Vulkan};
        let (none, subgroup) = (wgpu::Features::empty(), wgpu::Features::SUBGROUP);
        assert_eq!(advice(Vulkan, none, None, None), None);
        assert_eq!(advice(Dx12, subgroup, None, None), None);
        assert_eq!(advice(Dx12, none, Some("fxc"), None), None);
        let text = advice(Dx12, none, Some("auto"), None).unwrap();
        assert!(text.contains("seconds for each; put dxcompiler.dll"), "{text}");
        assert!(text.contains("microsoft/DirectXShaderCompiler/releases"), "{text}");
        let text = advice(Dx12, none, None, Some(Path::new("C:/old/dxcompiler.dll"))).unwrap();
        assert!(text.contains("C:/old/dxcompiler.dll cannot be used: put"), "{text}");
    }

    #[test]
    fn dxc_needs_its_library() {
        let library = Path::new(LIBRARY);
        for asked in [None, Some("auto"), Some("fxc")] {
            check(asked, None).unwrap();
        }
        for asked in ["dxc", "dynamicdxc"] {
            check(Some(asked), Some(library)).unwrap();
            let error = check(Some(asked), None).unwrap_err().to_string();
            let start = format!("WGPU_DX12_COMPILER: found {asked}, expected auto or fxc");
            assert!(error.starts_with(&start) && error.contains(REMEDY), "{error}");
        }
    }

    /// The first folder in the list wins: that of the program comes before those of the path.
    #[test]
    fn the_library_is_found_in_the_first_folder() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let paths = || folders.iter().map(|folder| folder.path().to_owned());
        assert_eq!(first_with_library(paths()), None);
        for folder in paths().rev() {
            std::fs::write(folder.join(LIBRARY), "").unwrap();
            assert_eq!(first_with_library(paths()), Some(folder.join(LIBRARY)));
        }
    }
}
