//! The environment of the program: the variables of wgpu, and none at all.

use std::process::{Command, Output};

use crate::common::program::{PROGRAM, small_files, stderr, stdout};

/// Runs the program with some environment variables.
fn with(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).envs(variables.iter().copied()).output().unwrap()
}

/// The device that `bench` takes.
fn device(variables: &[(&str, &str)], arguments: &[&str]) -> String {
    let [model, structures] = small_files().each_ref().map(|file| file.to_str().unwrap());
    let system = ["bench", "--model", model, "--structures", structures];
    let short =
        ["--precision", "f32", "--replicas", "1", "--steps", "4", "--json", "--trust-device"];
    let output = with(variables, &[&system[..], &short, arguments].concat());
    assert!(output.status.success(), "{variables:?}: {}", stderr(&output));
    let sizes: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    sizes[0]["device"].as_str().unwrap().to_owned()
}

/// The lines of `info` about adapters, after their numbers.
fn adapters(variables: &[(&str, &str)]) -> Vec<String> {
    let output = with(variables, &["info", "--trust-device"]);
    assert!(output.status.success(), "{variables:?}: {}", stderr(&output));
    let said = stdout(&output);
    for (name, value) in variables {
        assert!(said.contains(&format!("{name}={value}")), "{said}");
    }
    let lines = said.lines().filter(|line| line.starts_with("adapter "));
    let lines: Vec<_> = lines.filter_map(|line| line.split_once(": ")).collect();
    for (number, (start, _)) in lines.iter().enumerate() {
        assert_eq!(*start, format!("adapter {number}"), "{said}");
    }
    lines.into_iter().map(|(_, adapter)| adapter.to_owned()).collect()
}

/// An interface that this system does not have.
const ABSENT: &str = if cfg!(target_os = "macos") { "dx12" } else { "metal" };

#[test]
fn the_environment_limits_the_adapters() {
    let all = adapters(&[]);
    let mut kept = 0;
    for (interface, name) in [("Vulkan", "Vulkan"), ("gles", "Gl"), (ABSENT, "no interface")] {
        let limits = [("WGPU_BACKEND", interface)];
        let is_of = |line: &&String| line.contains(&format!("ware, {name}, "));
        let found = adapters(&limits);
        let expected: Vec<String> = all.iter().filter(is_of).cloned().collect();
        assert_eq!(found, expected, "{interface}");
        kept += found.len();
        // `--adapter` counts the adapters that `info` shows.
        let is_usable = |line: &String| !line.contains("without compute shaders");
        if let Some(last) = found.iter().rposition(is_usable) {
            let taken = device(&limits, &["--adapter", &last.to_string()]);
            let (adapter, _) = found[last].split_once(" (software, ").unwrap_or_else(|| {
                found[last].split_once(" (hardware, ").expect("a type of adapter")
            });
            assert!(taken.contains(&format!(", {adapter} ({name}, ")), "{taken}: {found:?}");
        }
    }
    assert!(kept > 0 && kept <= all.len());
    let said = stderr(&with(&[("WGPU_BACKEND", ABSENT)], &["verify"]));
    let expected = format!("no hardware adapter, none found with WGPU_BACKEND={ABSENT}");
    assert!(said.contains(&expected), "{said}");
}

/// `auto` never takes a software adapter unless the environment names it. `--adapter` and a backend
/// without adapters come before the environment.
#[test]
fn the_environment_names_the_adapter() {
    let all = adapters(&[("WGPU_POWER_PREF", "low")]);
    let name = all[0].split(" (").next().unwrap().to_uppercase();
    let taken = device(&[("WGPU_ADAPTER_NAME", &name)], &[]);
    assert!(taken.starts_with("wgpu: ") && taken.to_uppercase().contains(&name), "{taken}");
    let absent = [("WGPU_ADAPTER_NAME", "no such name")];
    for command in [&["bench"][..], &["verify", "--backend", "wgpu"], &["info"]] {
        let output = with(&absent, &[command, &["--trust-device"]].concat());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let expected = "error: WGPU_ADAPTER_NAME: found no such name, expected a part of the name of \
                        an adapter; found ";
        assert!(said.starts_with(expected) && said.lines().count() == 1, "{said}");
    }
    assert!(device(&absent, &["--adapter", "0"]).starts_with("wgpu: "));
    assert!(device(&absent, &["--backend", "cpu"]).starts_with("cpu: "));
}

#[test]
fn unknown_values_in_the_environment_are_errors() {
    for (name, value) in [
        ("WGPU_BACKEND", "vulcan"),
        ("WGPU_POWER_PREF", "medium"),
        ("WGPU_DX12_COMPILER", "staticdxc"),
        ("WGPU_GLES_MINOR_VERSION", "7"),
    ] {
        for command in [&["info"][..], &["verify"], &["verify", "--adapter", "0"]] {
            let output = with(&[(name, value)], command);
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{said}");
            let expected = format!("error: {name}: found {value}, expected one of ");
            assert!(said.starts_with(&expected) && said.lines().count() == 1, "{said}");
        }
    }
}

/// Without a desktop session Mesa's libraries say nothing that looks like an error of the program.
#[test]
fn an_empty_environment_is_no_error() {
    let mut program = Command::new(PROGRAM);
    program.args(["info", "--trust-device"]).env_clear();
    // The tests' driver may be a folder of its own.
    for kept in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "LD_LIBRARY_PATH", "SystemRoot"] {
        program.envs(std::env::var_os(kept).map(|value| (kept, value)));
    }
    let output = program.output().unwrap();
    assert!(output.status.success() && stdout(&output).contains("adapter 0: "), "{output:?}");
    assert_eq!(stderr(&output), "");
}
