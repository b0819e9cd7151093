//! Configuration files of `run`. A file becomes arguments of the command line, so that every option
//! is a key, and values are checked in one place.

mod peers;
pub(super) mod settings;
mod toml;
mod torchmd;
mod translated;
pub(in crate::cli) mod unknown;

use std::any::TypeId;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::io::entry::{Entry, Source, Value};
use crate::io::yaml;
use crate::{Error, Result};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use self::translated::Translated;
use self::unknown::unknown;
use super::torchmd::Embeddings;

/// The command that takes a file.
pub(super) const COMMAND: &str = "run";
/// The identifier of the argument with the path of the file.
const FILE: &str = "config";

/// The largest file in bytes.
const MOST: u64 = 1 << 20;

/// Options that are no keys: they belong to one process.
const NOT_KEYS: [&str; 3] = ["resume", "help", "version"];

/// A command line that holds the settings of its configuration file, if it names one.
#[derive(Default)]
pub(super) struct Expanded {
    pub(super) arguments: Vec<OsString>,
    /// The keys that the file gives, and their places.
    keys: Vec<(String, String)>,
    /// A warning about the file.
    pub(super) warning: Option<String>,
}

/// Puts the settings of the configuration file, if one is named, into the command line.
///
/// # Errors
/// The file cannot be read, or has a wrong key or a value of a wrong type.
pub(super) fn expand(command: &Command, arguments: Vec<OsString>) -> Result<Expanded> {
    let mut expanded = Expanded { arguments, ..Expanded::default() };
    // A first pass without checks finds the file. Errors are those of the pass with all settings.
    let lenient = command.clone().ignore_errors(true);
    let found = lenient.try_get_matches_from(&expanded.arguments).ok();
    let given = found.as_ref().and_then(|found| found.subcommand_matches(COMMAND));
    let (Some(given), Some(options)) = (given, command.find_subcommand(COMMAND)) else {
        return Ok(expanded);
    };
    let path = given.get_one::<PathBuf>(FILE);
    let Some(path) = path.filter(|_| !is_given(given, "resume")) else { return Ok(expanded) };
    let source = Source { path: path.clone() };
    let mut settings = Vec::new();
    for mut entry in expanded.read(&source, options, given)? {
        entry.key = entry.key.replace('_', "-");
        let mut known = keys(options);
        let Some(option) = known.find(|option| option.get_long() == Some(&entry.key)) else {
            return Err(unknown(&source, &entry, keys(options).filter_map(Arg::get_long)));
        };
        let texts = texts(&source, option, &entry)?;
        if entry.value != Value::Null && !is_replaced(options, option, given) {
            settings.extend(texts);
            expanded.keys.push((entry.key, source.place(entry.line)));
        }
    }
    // The name of the command is the first argument.
    expanded.arguments.splice(2..2, settings);
    Ok(expanded)
}

impl Expanded {
    /// The keys and values of a file.
    fn read(
        &mut self,
        source: &Source,
        options: &Command,
        given: &ArgMatches,
    ) -> Result<Vec<Entry>> {
        let text = text(source)?;
        let mut entries = match is_yaml(&source.path, &text) {
            true => yaml::read(source, &text)?,
            false => toml::read(source, &text)?,
        };
        if entries.is_empty() {
            return Err(source.invalid(0, "content", "no keys", "settings of a run"));
        }
        if is_yaml(&source.path, &text) {
            let translated = if torchmd::is_of_torchmd(&entries) {
                let known: Vec<&str> = keys(options).filter_map(Arg::get_long).collect();
                torchmd::translate(source, entries, &known, &|id| is_given(given, id))?
            } else if peers::is_of_peers(&entries) {
                let given = is_given(given, "integrator").then_some(given);
                let integrator = given.and_then(|given| given.get_raw("integrator")?.next());
                let integrator = integrator.map(|name| name.to_string_lossy());
                peers::translate(source, entries, integrator.as_deref())?
            } else {
                Translated { entries, ignored: Vec::new() }
            };
            entries = translated.entries;
            if !translated.ignored.is_empty() {
                let (place, ignored) = (source.place(0), translated.ignored.join(", "));
                self.warning = Some(format!("{place}: keys without meaning here: {ignored}"));
            }
        }
        entries.iter_mut().for_each(|entry| entry.key = entry.key.replace('_', "-"));
        source.check_unique(&entries)?;
        Ok(entries)
    }

    /// The place of a key in the file, if the file gives the value of this option.
    pub(super) fn place(&self, long: &str) -> Option<&str> {
        self.keys.iter().find(|(key, _)| key == long).map(|(_, place)| place.as_str())
    }
}

/// The options that are keys.
fn keys(options: &Command) -> impl Iterator<Item = &Arg> {
    let is_key = |long: &str| !NOT_KEYS.contains(&long);
    options.get_arguments().filter(move |option| option.get_long().is_some_and(is_key))
}

fn is_given(found: &ArgMatches, id: &str) -> bool {
    found.value_source(id) == Some(ValueSource::CommandLine)
}

/// Whether the command line has the same option, or one that excludes it.
fn is_replaced(options: &Command, option: &Arg, given: &ArgMatches) -> bool {
    let mut others = options.get_arguments().filter(|arg| is_given(given, arg.get_id().as_str()));
    others.any(|other| other.get_id() == option.get_id() || excludes(options, option, other))
}

/// Whether one of two options cannot be given with the other.
fn excludes(options: &Command, one: &Arg, other: &Arg) -> bool {
    let conflicts = |one: &Arg, other: &Arg| {
        options.get_arg_conflicts_with(one).iter().any(|arg| arg.get_id() == other.get_id())
    };
    conflicts(one, other) || conflicts(other, one)
}

/// The keys of a TOML file.
///
/// # Errors
/// The file cannot be read, or is no TOML.
pub(super) fn read_toml(source: &Source) -> Result<Vec<Entry>> {
    toml::read(source, &text(source)?)
}

/// Reads a file as text.
fn text(source: &Source) -> Result<String> {
    let io = |error| Error::io(&source.path, error);
    let mut bytes = Vec::new();
    let file = std::fs::File::open(&source.path).map_err(io)?;
    file.take(MOST + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > MOST {
        let expected = format!("at most {MOST} bytes");
        return Err(source.invalid(0, "content", "a larger file", expected));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        source.invalid(line, "content", "a byte that is no UTF-8", "text in UTF-8")
    })?;
    Ok(text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_owned))
}

/// Whether a file is YAML, by its extension or, if that says nothing, by its first line.
fn is_yaml(path: &Path, text: &str) -> bool {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    match extension.to_str() {
        Some("toml") => false,
        Some("yaml" | "yml") => true,
        _ => {
            let mut lines = text.lines().map(str::trim);
            let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
            first.is_some_and(|line| !line.starts_with('[') && !line.contains('='))
        }
    }
}

/// How the values of an option are written in a file.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// true or false
    Flag,
    /// One value
    One,
    /// One value, or a list of values, each of which is an argument
    Many,
    /// A list of values, which are one argument with commas
    Tuple,
}

fn shape(option: &Arg) -> Shape {
    let names = option.get_value_names().unwrap_or_default();
    match option.get_action() {
        ArgAction::SetTrue => Shape::Flag,
        ArgAction::Append => Shape::Many,
        _ if names.iter().any(|name| name.contains(',')) => Shape::Tuple,
        _ => Shape::One,
    }
}

/// Whether the value of an option is a number.
pub(super) fn is_number(arg: &Arg) -> bool {
    let numbers =
        [TypeId::of::<u32>(), TypeId::of::<u64>(), TypeId::of::<usize>(), TypeId::of::<f64>()];
    numbers.into_iter().any(|number| arg.get_value_parser().type_id() == number)
}

fn is_path(option: &Arg) -> bool {
    option.get_value_parser().type_id() == TypeId::of::<PathBuf>()
}

/// Whether a value of an option is a path.
fn is_path_in(option: &Arg, value: &OsStr) -> bool {
    let may_be_path = option.get_value_parser().type_id() == TypeId::of::<Embeddings>();
    is_path(option) || (may_be_path && value.to_str().is_some_and(Embeddings::is_path))
}

/// Whether an option with a value can also be given without.
fn takes_none(option: &Arg) -> bool {
    option.get_num_args().is_some_and(|range| range.min_values() == 0)
}

/// The arguments of an entry.
fn texts(source: &Source, option: &Arg, entry: &Entry) -> Result<Vec<OsString>> {
    let wrong = |value: &Value, expected: &str| {
        source.invalid(entry.line, &entry.key, value.describe(), expected)
    };
    let text = |value: &Value| match value {
        Value::Text(text) => Ok(text.clone()),
        other => Err(wrong(other, "a value")),
    };
    let texts = match (shape(option), &entry.value) {
        // Tables in place of the path of a file with these tables.
        (Shape::One, Value::List(tables))
            if is_path(option) && tables.iter().any(|table| matches!(table, Value::Table(_))) =>
        {
            // The file is read again for its tables.
            let is_toml = source.path.is_file()
                && self::text(source).is_ok_and(|text| !is_yaml(&source.path, &text));
            let expected = "the path of a TOML file with the tables; they can stand in a \
                            configuration file in TOML that is no pipe";
            return match is_toml {
                true => Ok(vec![argument(option, Some(source.path.clone().into()))]),
                false => Err(wrong(&entry.value, expected)),
            };
        }
        (_, Value::Null) => return Ok(Vec::new()),
        (Shape::Flag, Value::Bool(false)) => return Ok(Vec::new()),
        (Shape::Flag, Value::Bool(true)) => return Ok(vec![argument(option, None)]),
        (Shape::One, Value::Bool(true)) if takes_none(option) => {
            return Ok(vec![argument(option, None)]);
        }
        (Shape::One, Value::Bool(false)) if takes_none(option) => return Ok(Vec::new()),
        (Shape::Flag, other) => return Err(wrong(other, "true or false")),
        (Shape::Many, Value::List(list)) if !list.is_empty() => {
            list.iter().map(text).collect::<Result<Vec<_>>>()?
        }
        (Shape::Tuple, Value::List(list)) if !list.is_empty() => {
            vec![list.iter().map(text).collect::<Result<Vec<_>>>()?.join(",")]
        }
        (Shape::One, other) => vec![text(other)?],
        (_, Value::Text(text)) => vec![text.clone()],
        (_, other) => return Err(wrong(other, "a value, or a list of values")),
    };
    // Paths are relative to the folder of the file.
    let placed = |text: String| match source.path.parent() {
        Some(folder) if !text.is_empty() && is_path_in(option, text.as_ref()) => {
            folder.join(text).into_os_string()
        }
        _ => text.into(),
    };
    Ok(texts.into_iter().map(|text| argument(option, Some(placed(text)))).collect())
}

/// `--option` or `--option=value`.
fn argument(option: &Arg, value: Option<OsString>) -> OsString {
    let mut argument = OsString::from("--");
    argument.push(option.get_long().unwrap_or_default());
    if let Some(value) = value {
        argument.push("=");
        argument.push(value);
    }
    argument
}
