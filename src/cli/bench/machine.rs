//! The machine and the build, without anything about the user.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// The operating system and the CPU.
#[derive(Serialize)]
pub(super) struct Machine {
    os: &'static str,
    /// The name and version of the distribution, and the version of the kernel, as far as known.
    version: Vec<String>,
    cpu: Option<String>,
    threads: usize,
}

/// The build of the program.
#[derive(Serialize)]
pub(super) struct Build {
    features: Vec<&'static str>,
    /// Builds with debug assertions run kernels with checks of indices, which are slower.
    debug_assertions: bool,
    target: String,
}

impl Machine {
    pub(super) fn new() -> Self {
        let release = read("/etc/os-release");
        let name = release.and_then(|text| value(&text, "PRETTY_NAME", '='));
        let kernel = read("/proc/sys/kernel/osrelease");
        let macos = sysctl("kern.osproductversion");
        let cpu = read("/proc/cpuinfo").and_then(|text| value(&text, "model name", ':'));
        Machine {
            os: std::env::consts::OS,
            version: [name, kernel, macos].into_iter().flatten().collect(),
            cpu: cpu
                .or_else(|| sysctl("machdep.cpu.brand_string"))
                .or_else(|| std::env::var("PROCESSOR_IDENTIFIER").ok()),
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        }
    }
}

impl Build {
    pub(super) fn new() -> Self {
        let features =
            [("cuda", cfg!(feature = "cuda")), ("serde", cfg!(feature = "serde"))].into_iter();
        let environment = match () {
            () if cfg!(target_env = "gnu") => "-gnu",
            () if cfg!(target_env = "musl") => "-musl",
            () if cfg!(target_env = "msvc") => "-msvc",
            () => "",
        };
        let (arch, os) = (std::env::consts::ARCH, std::env::consts::OS);
        Build {
            features: features.filter(|(_, is_on)| *is_on).map(|(name, _)| name).collect(),
            debug_assertions: cfg!(debug_assertions),
            target: format!("{arch}-{os}{environment}"),
        }
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// The first value of a key in lines of keys and values.
fn value(text: &str, key: &str, separator: char) -> Option<String> {
    let of_line = |line: &str| {
        let (found, value) = line.split_once(separator)?;
        (found.trim() == key).then(|| value.trim().trim_matches('"').to_owned())
    };
    text.lines().find_map(of_line)
}

/// A fact about macOS.
fn sysctl(name: &str) -> Option<String> {
    if !cfg!(target_os = "macos") {
        return None;
    }
    let output = Command::new("/usr/sbin/sysctl").args(["-n", name]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// Today's date in UTC.
pub(super) fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    date(since.as_secs() / 86_400)
}

/// The date that is some days after 1970-01-01.
fn date(days: u64) -> String {
    let (mut year, mut day) = (1970, days);
    let leap_day = |year: u64| {
        u64::from(year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)))
    };
    while day >= 365 + leap_day(year) {
        day -= 365 + leap_day(year);
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + leap_day(year), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (364, "1970-12-31"),
            (365, "1971-01-01"),
            (11_016, "2000-02-29"),
            (20_786, "2026-11-29"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ] {
            assert_eq!(date(days), expected);
        }
    }

    #[test]
    fn values_are_found_in_lines() {
        let text = "NAME=\"a\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\nmodel name\t: EPYC: 2\n";
        assert_eq!(value(text, "PRETTY_NAME", '=').unwrap(), "Debian GNU/Linux 12");
        assert_eq!(value(text, "model name", ':').unwrap(), "EPYC: 2");
        assert_eq!(value(text, "model", ':'), None);
    }
}
