//! The settings in force of a run, as a TOML file that repeats the run.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use toml_edit::{Array, Value};

use super::{COMMAND, Shape, argument, is_path, keys, shape};

/// Options that are not written: where the results go, and the limits of one process.
const NOT_WRITTEN: [&str; 2] = ["output", "max-hours"];

/// The options of a command line, given or by default.
pub(in crate::cli) struct InForce {
    command: Command,
    found: ArgMatches,
}

/// An option that was left to the program, and the value that it has taken, if any.
pub(in crate::cli) type Resolved<'a> = (&'a str, Option<String>);

impl InForce {
    /// The options that were found for the subcommand of `command`.
    pub(in crate::cli) fn new(command: &Command, found: &ArgMatches) -> Option<Self> {
        let found = found.subcommand_matches(COMMAND)?.clone();
        Some(InForce { command: command.clone(), found })
    }

    /// The text of the file.
    pub(in crate::cli) fn text(&self, resolved: &[Resolved]) -> String {
        let mut text = format!(
            "# The settings of a run of flashschnet {}. This repeats the run:\n\
             # flashschnet run settings.toml -o FOLDER\n",
            env!("CARGO_PKG_VERSION")
        );
        let Some(options) = self.command.find_subcommand(COMMAND) else { return text };
        let written = |option: &&Arg| !NOT_WRITTEN.contains(&option.get_long().unwrap_or_default());
        let settings: Vec<Setting> = keys(options)
            .filter(written)
            .filter_map(|option| self.setting(option, resolved))
            .collect();
        // A default without effect, for example one of replica exchange, may need another option.
        let given = settings.iter().filter(|setting| !setting.is_default);
        let mut arguments: Vec<OsString> = ["", COMMAND, "--output=."].map(Into::into).to_vec();
        arguments.extend(given.flat_map(Setting::arguments));
        let mut heading = None;
        for setting in &settings {
            if setting.is_default {
                let more = arguments.iter().cloned().chain(setting.arguments());
                if self.command.clone().try_get_matches_from(more).is_err() {
                    continue;
                }
            }
            let next = setting.option.get_help_heading();
            if next != heading {
                let _ = writeln!(text, "\n# {}", next.unwrap_or_default());
                heading = next;
            }
            let _ = writeln!(text, "{}", setting.line());
        }
        text
    }

    fn setting<'a>(&self, option: &'a Arg, resolved: &[Resolved]) -> Option<Setting<'a>> {
        let (id, long) = (option.get_id().as_str(), option.get_long()?);
        let is_default = self.found.value_source(id) != Some(ValueSource::CommandLine);
        if let Some((_, value)) = resolved.iter().find(|(key, _)| *key == long) {
            let values = vec![value.as_ref()?.into()];
            return Some(Setting { option, values, is_default: false });
        }
        let values: Vec<OsString> = match shape(option) {
            Shape::Flag if self.found.get_flag(id) => vec!["true".into()],
            Shape::Flag => vec!["false".into()],
            _ => self.found.get_raw(id)?.map(|value| of_value(option, value)).collect(),
        };
        Some(Setting { option, values, is_default })
    }
}

/// A value as the file has it: paths are absolute.
fn of_value(option: &Arg, value: &OsStr) -> OsString {
    match std::path::absolute(value) {
        Ok(path) if is_path(option) => path.into_os_string(),
        _ => value.to_owned(),
    }
}

/// An option and its values.
struct Setting<'a> {
    option: &'a Arg,
    values: Vec<OsString>,
    is_default: bool,
}

impl Setting<'_> {
    fn arguments(&self) -> Vec<OsString> {
        match shape(self.option) {
            Shape::Flag if self.values[0] == "true" => vec![argument(self.option, None)],
            Shape::Flag => Vec::new(),
            _ => {
                let values = self.values.iter().cloned();
                values.map(|value| argument(self.option, Some(value))).collect()
            }
        }
    }

    /// The line of the file. A comment stands for a path that TOML cannot hold.
    fn line(&self) -> String {
        let key = self.option.get_long().unwrap_or_default();
        let Some(values) =
            self.values.iter().map(|value| value.to_str()).collect::<Option<Vec<_>>>()
        else {
            return format!("# The path of --{key} is not in UTF-8: give it again.");
        };
        let is_text = is_path(self.option);
        let list = |values: &mut dyn Iterator<Item = &str>| {
            Value::Array(values.map(|text| value(text, is_text)).collect::<Array>())
        };
        let value = match shape(self.option) {
            Shape::Flag => Value::from(values[0] == "true"),
            Shape::One => value(values[0], is_text),
            Shape::Many => list(&mut values.into_iter()),
            Shape::Tuple => list(&mut values[0].split(',').map(str::trim)),
        };
        format!("{key} = {value}")
    }
}

/// A number, or text.
fn value(text: &str, is_text: bool) -> Value {
    match (text.parse::<i64>(), text.parse::<f64>()) {
        (Ok(number), _) if !is_text && number.to_string() == text => number.into(),
        // A whole number beyond the range of TOML stays text.
        (_, Ok(number)) if !is_text && !text.bytes().all(|byte| byte.is_ascii_digit()) => {
            number.into()
        }
        _ => text.into(),
    }
}
