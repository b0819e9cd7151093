//! The settings in force of a run, as a TOML file that repeats the run.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;

use crate::checkpoint::Identity;
use crate::engine::{Filter, Numerics};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use toml_edit::{Array, DocumentMut, Item, Value};

use super::{COMMAND, Shape, argument, excludes, is_number, is_path_in, keys, shape};

/// Options that are not written: where the results go, and the limits of one process.
const NOT_WRITTEN: [&str; 2] = ["output", "max-hours"];

/// The options of a command line, given or by default.
pub(in crate::cli) struct InForce {
    command: Command,
    found: ArgMatches,
}

/// An option that was left to the program, and the value that it has taken, if any.
pub(in crate::cli) type Resolved = (&'static str, Option<String>);

/// The options of a backend.
pub(in crate::cli) fn of_backend(identity: &Identity) -> Vec<Resolved> {
    let Numerics { filter, precision } = identity.numerics;
    let (filter, tolerance) = match filter {
        Filter::Exact => ("exact", None),
        Filter::Table { tolerance } => ("table", Some(tolerance.to_string())),
    };
    vec![
        ("backend", Some(identity.backend.name().into())),
        ("precision", Some(precision.name().into())),
        ("filter", Some(filter.into())),
        ("table-tolerance", tolerance),
    ]
}

impl InForce {
    /// The options that were found for the subcommand of `command`.
    pub(in crate::cli) fn new(command: &Command, found: &ArgMatches) -> Option<Self> {
        let found = found.subcommand_matches(COMMAND)?.clone();
        let command = command.find_subcommand(COMMAND)?.clone();
        Some(InForce { command, found })
    }

    /// The text of the file.
    pub(in crate::cli) fn text(&self, resolved: &[Resolved]) -> String {
        let mut text = format!(
            "# The settings of a run of flashschnet {}. This repeats the run:\n\
             # flashschnet run settings.toml -o FOLDER\n",
            env!("CARGO_PKG_VERSION")
        );
        let settings: Vec<Setting> =
            self.options().filter_map(|option| self.setting(option, resolved)).collect();
        // A default without effect, for example one of replica exchange, may need another option.
        let given = settings.iter().filter(|setting| !setting.is_default);
        let mut arguments: Vec<OsString> = ["", "--output=."].map(Into::into).to_vec();
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

    /// The text of an earlier file with the options that are given again; `None` if it is no TOML.
    pub(in crate::cli) fn replace(&self, text: &str, resolved: &[Resolved]) -> Option<String> {
        let mut file: DocumentMut = text.parse().ok()?;
        for (key, _) in resolved.iter().filter(|(_, value)| value.is_none()) {
            file.remove(key);
        }
        let settings = self.options().filter_map(|option| self.setting(option, resolved));
        for setting in settings.filter(|setting| !setting.is_default) {
            let option = setting.option;
            for other in self.options().filter(|other| excludes(&self.command, option, other)) {
                file.remove(other.get_long().unwrap_or_default());
            }
            if let Some(value) = setting.value() {
                file.insert(option.get_long().unwrap_or_default(), Item::Value(value));
            }
        }
        Some(file.to_string())
    }

    /// The options that are written.
    fn options(&self) -> impl Iterator<Item = &Arg> {
        keys(&self.command)
            .filter(|option| !NOT_WRITTEN.contains(&option.get_long().unwrap_or_default()))
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
        Ok(path) if is_path_in(option, value) => path.into_os_string(),
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
        match self.value() {
            Some(value) => format!("{key} = {value}"),
            None => format!("# The path of --{key} is not in UTF-8: give it again."),
        }
    }

    fn value(&self) -> Option<Value> {
        let values: Vec<&str> =
            self.values.iter().map(|value| value.to_str()).collect::<Option<_>>()?;
        let is_text = !is_number(self.option) && shape(self.option) != Shape::Tuple;
        let list = |values: &mut dyn Iterator<Item = &str>| {
            Value::Array(values.map(|text| value(text, is_text)).collect::<Array>())
        };
        Some(match shape(self.option) {
            Shape::Flag => Value::from(values[0] == "true"),
            Shape::One => value(values[0], is_text),
            Shape::Many => list(&mut values.into_iter()),
            Shape::Tuple => list(&mut values[0].split(',').map(str::trim)),
        })
    }
}

/// A number, or text. Equal numbers are the same text.
fn value(text: &str, is_text: bool) -> Value {
    /// Smaller whole numbers are exact in f64.
    const EXACT: f64 = 1e15;
    match (text.parse::<i64>(), text.parse::<f64>()) {
        _ if is_text => text.into(),
        (Ok(number), _) => number.into(),
        // A whole number beyond the range of TOML stays text.
        (_, Ok(_)) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.into(),
        (_, Ok(number)) if number.abs() < EXACT && number.fract() == 0.0 => (number as i64).into(),
        (_, Ok(number)) => number.into(),
        _ => text.into(),
    }
}
