//! The environment variables of wgpu.
//!
//! wgpu ignores most values that it does not know. Here they are errors, so that nobody measures one
//! driver and believes it to be another.

use crate::error::{Error, Result};

const ADAPTER: &str = "WGPU_ADAPTER_NAME";
const BACKEND: &str = "WGPU_BACKEND";
const POWER: &str = "WGPU_POWER_PREF";
pub(super) const COMPILER: &str = "WGPU_DX12_COMPILER";

/// The variables with a list of values, in lower case. The interfaces are those that compute; DXC
/// is not linked into the program, so `staticdxc` is missing.
const VALUES: [(&str, &[&str]); 7] = [
    (BACKEND, &["vulkan", "vk", "metal", "mtl", "dx12", "d3d12", "gl", "gles", "opengl"]),
    (POWER, &["low", "high", "none"]),
    (COMPILER, &["auto", "dxc", "dynamicdxc", "fxc"]),
    ("WGPU_DX12_AGILITY_SDK_REQUIRE", &["0", "1"]),
    ("WGPU_GLES_MINOR_VERSION", &["automatic", "0", "1", "2"]),
    ("WGPU_GL_DEBUG_FNS", &["auto", "enabled", "forceenabled", "force_enabled", "disabled"]),
    ("WGPU_GL_FENCE_BEHAVIOR", &["normal", "autofinish"]),
];

/// The choices that the environment makes. An empty variable counts as none.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// A part of the name of the adapter.
    adapter: Option<String>,
    /// The interfaces, as the variable lists them.
    interfaces: Option<String>,
    /// Whether integrated GPUs come before discrete ones.
    pub(super) low_power: bool,
    /// The compiler of DX12, in lower case.
    pub(super) compiler: Option<String>,
}

impl Environment {
    /// Reads the variables of this process.
    ///
    /// # Errors
    /// [`Error::Invalid`] names a variable with an unknown value.
    pub(super) fn read() -> Result<Self> {
        Self::of(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let given = |name| variable(name).filter(|value| !value.is_empty());
        let lower = |name| given(name).map(|value| value.to_lowercase());
        for (name, known) in VALUES {
            let Some(value) = lower(name) else { continue };
            let values: Vec<&str> = match name {
                BACKEND => value.split(',').map(str::trim).collect(),
                _ => vec![&value],
            };
            if let Some(unknown) = values.into_iter().find(|value| !known.contains(value)) {
                return Err(Error::invalid(name, unknown, format!("one of {}", known.join(", "))));
            }
        }
        Ok(Environment {
            adapter: given(ADAPTER),
            interfaces: given(BACKEND),
            low_power: lower(POWER).is_some_and(|value| value == "low"),
            compiler: lower(COMPILER),
        })
    }

    /// An instance for the interfaces of the environment, else for all.
    pub(super) fn instance(&self) -> wgpu::Instance {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = match &self.interfaces {
            Some(list) => wgpu::Backends::from_comma_list(list),
            None => wgpu::Backends::PRIMARY | wgpu::Backends::GL,
        };
        // No launch reads its grid from a buffer. The kernels that would check such grids do not
        // compile on some devices, which then could not be opened.
        descriptor.flags.remove(wgpu::InstanceFlags::VALIDATION_INDIRECT_CALL);
        descriptor.flags = descriptor.flags.with_env();
        descriptor.backend_options = descriptor.backend_options.with_env();
        wgpu::Instance::new(descriptor)
    }

    /// The names of adapters for a message.
    pub(super) fn listed(&self, names: &[String]) -> String {
        let found = match names {
            [] => "none found".to_owned(),
            names => format!("found {}", names.join(", ")),
        };
        match &self.interfaces {
            Some(list) => format!("{found} with {BACKEND}={list}"),
            None => found,
        }
    }

    /// The number of the adapter that the environment names, if it names one.
    ///
    /// # Errors
    /// [`Error::Invalid`] if no adapter has this name.
    pub(super) fn adapter(&self, names: &[String]) -> Result<Option<usize>> {
        let Some(part) = &self.adapter else { return Ok(None) };
        let found = position(names, part).ok_or_else(|| {
            let expected = format!("a part of the name of an adapter; {}", self.listed(names));
            Error::invalid(ADAPTER, part, expected)
        });
        found.map(Some)
    }
}

/// The number of the first name that contains a text, in any case of letters.
pub(super) fn position(names: &[String], part: &str) -> Option<usize> {
    let lower = part.to_lowercase();
    names.iter().position(|name| name.to_lowercase().contains(&lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Result<Environment> {
        Environment::of(|asked| (asked == name).then(|| value.to_owned()))
    }

    /// Each value in the list is one that wgpu knows; another value is an error with the list.
    #[test]
    fn unknown_values_are_errors() {
        for (name, known) in VALUES {
            for value in known {
                with(name, value).unwrap();
                with(name, &value.to_uppercase()).unwrap();
            }
            let error = with(name, "Vulcan").unwrap_err().to_string();
            let expected = format!("{name}: found vulcan, expected one of {}", known.join(", "));
            assert_eq!(error, expected);
            with(name, "").unwrap();
        }
        for interface in VALUES[0].1 {
            assert!(!wgpu::Backends::from_comma_list(interface).is_empty(), "{interface}");
        }
        for compiler in VALUES[2].1 {
            compiler.parse::<wgpu::Dx12Compiler>().unwrap();
        }
        // wgpu panics where it is asked for a compiler that is not linked, and computes nothing on
        // its interface for tests.
        for (name, value) in [(COMPILER, "staticdxc"), (BACKEND, "noop"), (BACKEND, "vulkan,noop")]
        {
            with(name, value).unwrap_err();
        }
    }

    #[test]
    fn the_environment_names_an_adapter() {
        let names = ["Intel UHD", "NVIDIA H200", "NVIDIA A2"].map(str::to_owned);
        let named = |part| with(ADAPTER, part).unwrap().adapter(&names);
        assert_eq!(named("nvidia").unwrap(), Some(1));
        assert_eq!(named("a2").unwrap(), Some(2));
        assert_eq!(named("").unwrap(), None);
        let error = named("radeon").unwrap_err().to_string();
        let expected = "WGPU_ADAPTER_NAME: found radeon, expected a part of the name of an adapter; \
                        found Intel UHD, NVIDIA H200, NVIDIA A2";
        assert_eq!(error, expected);
    }

    #[test]
    fn messages_name_the_interfaces() {
        let environment = with(BACKEND, "Vulkan, gl").unwrap();
        assert_eq!(environment.listed(&[]), "none found with WGPU_BACKEND=Vulkan, gl");
        let names = ["a".to_owned(), "b".to_owned()];
        assert_eq!(environment.listed(&names), "found a, b with WGPU_BACKEND=Vulkan, gl");
        assert_eq!(Environment::default().listed(&names), "found a, b");
        assert!(with(POWER, "Low").unwrap().low_power && !with(POWER, "high").unwrap().low_power);
    }
}
