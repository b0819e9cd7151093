//! The numbers of the command line, and the messages about the values of options.

use std::error::Error as _;
use std::fmt;

use crate::Error;
use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::config::{Expanded, is_number};
use super::tell::{self, tell};

/// Parses a whole number. `LEAST` is the smallest one that makes sense, for the message.
pub(super) fn whole<T: TryFrom<u64>, const LEAST: u64>(text: &str) -> Result<T, String> {
    let number = text.parse::<u64>().ok().and_then(|number| T::try_from(number).ok());
    let is_large = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    number.ok_or_else(|| match is_large {
        true => {
            let most = u64::MAX >> (u64::BITS - 8 * size_of::<T>() as u32);
            format!("a whole number from {LEAST} to {most}")
        }
        false => format!("a whole number >= {LEAST}"),
    })
}

/// Parses a number.
pub(super) fn real(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| "a number".to_owned())
}

/// Lets every number be negative, so that `-1` is refused as a value and not as an unknown option.
pub(super) fn with_negative_numbers(command: Command) -> Command {
    command.mut_subcommands(|command| {
        command.mut_args(|arg| match is_number(&arg) {
            true => arg.allow_negative_numbers(true),
            false => arg,
        })
    })
}

/// The longest value that is shown as it is.
const MOST: usize = 60;

/// A command line that cannot be parsed.
#[derive(Debug)]
pub struct Unparsed(Reason);

#[derive(Debug)]
enum Reason {
    /// The value of an option is wrong.
    Value(Error),
    /// All else.
    Text(clap::Error),
}

impl Unparsed {
    pub(super) const EXIT_CODE: u8 = 2;

    /// Prints it to stderr. A failure to do so is ignored.
    pub(super) fn tell(&self) {
        match &self.0 {
            Reason::Value(error) => tell!("error: {error}"),
            Reason::Text(text) => drop(text.print()),
        }
    }
}

impl fmt::Display for Unparsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Value(error) => error.fmt(f),
            Reason::Text(text) => {
                let text = text.render().to_string();
                f.write_str(text.trim_start_matches("error: ").trim_end())
            }
        }
    }
}

impl std::error::Error for Unparsed {}

/// Prints the help or the version, or returns the reason why the command line cannot be parsed.
pub(super) fn answer(mut text: clap::Error, from: &Expanded) -> anyhow::Result<()> {
    if !text.use_stderr() {
        // The help and the version are results.
        return Ok(tell::help(|| text.print())?);
    }
    if let Some(ContextValue::String(value)) = text.get(ContextKind::InvalidValue)
        && let Some((end, _)) = value.char_indices().nth(MOST)
    {
        let short = format!("{}… ({} characters)", &value[..end], value.chars().count());
        text.insert(ContextKind::InvalidValue, ContextValue::String(short));
    }
    let reason = refused(&text, from).map_or(Reason::Text(text), Reason::Value);
    Err(Unparsed(reason).into())
}

/// The error of a value that the parser of its option has refused, and any error of a value from a
/// configuration file.
fn refused(text: &clap::Error, from: &Expanded) -> Option<Error> {
    let context = |kind| match text.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => Some(texts.join(", ")),
        _ => None,
    };
    let option = context(ContextKind::InvalidArg)?;
    let option = option.split_whitespace().next()?;
    let place = from.place(option.trim_start_matches('-'));
    let (found, expected) = match (text.kind(), text.source(), place) {
        (ErrorKind::ValueValidation, Some(expected), _) => {
            (context(ContextKind::InvalidValue)?, expected.to_string())
        }
        (ErrorKind::InvalidValue, _, Some(_)) => {
            let expected = context(ContextKind::ValidValue).unwrap_or_else(|| "a value".into());
            (context(ContextKind::InvalidValue)?, expected)
        }
        (ErrorKind::ArgumentConflict, _, Some(_)) => {
            let other = context(ContextKind::PriorArg)?;
            (format!("it with {other}"), "one of the two".into())
        }
        _ => return None,
    };
    Some(with_place(option, found, expected, from))
}

/// The error of an option, or of the key of a configuration file that gives its value.
fn with_place(option: &str, found: String, expected: String, from: &Expanded) -> Error {
    let long = option.trim_start_matches('-');
    let (origin, field) = match from.place(long) {
        Some(place) => (place.to_owned(), long.to_owned()),
        None => (String::new(), format!("--{long}")),
    };
    Error::Invalid { origin, field, found, expected }
}

/// Gives the value of an option in an error the name with which the option is typed, or the place
/// of its key in the configuration file.
pub(super) fn of_option(
    error: anyhow::Error,
    command: Option<&Command>,
    from: &Expanded,
) -> anyhow::Error {
    let error = match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => return error,
    };
    let error = match (error, command) {
        (Error::Invalid { origin, field, found, expected }, Some(command)) if origin.is_empty() => {
            let name = field.replace([' ', '_'], "-");
            match command.get_arguments().any(|arg| arg.get_long() == Some(&name)) {
                true => with_place(&name, found, expected, from),
                false => Error::Invalid { origin, field, found, expected },
            }
        }
        (error, _) => error,
    };
    error.into()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use std::any::TypeId;

    use super::*;

    #[test]
    fn every_number_is_refused_by_its_own_parser() {
        let command = with_negative_numbers(crate::cli::command_line::Cli::command());
        let mut n_options = 0;
        for sub in command.get_subcommands() {
            for arg in sub.get_arguments().filter(|arg| is_number(arg)) {
                let option = format!("--{}", arg.get_long().unwrap());
                let long = "9".repeat(300);
                let bad = match arg.get_value_parser().type_id() == TypeId::of::<f64>() {
                    true => vec!["x", ""],
                    false => vec!["x", "", "-1", &long],
                };
                for bad in bad {
                    let line = ["flashschnet", sub.get_name(), &option, bad];
                    let error = command.clone().try_get_matches_from(line).unwrap_err();
                    let error = refused(&error, &Expanded::default()).unwrap().to_string();
                    let found = error.starts_with(&format!("{option}: found "));
                    assert!(found && error.contains("expected a "), "{error}");
                }
                n_options += 1;
            }
        }
        assert!(n_options > 15);
    }

    #[test]
    fn whole_numbers_have_the_range_of_their_type() {
        assert_eq!(whole::<u32, 0>("4294967295"), Ok(u32::MAX));
        assert_eq!(
            whole::<u32, 0>("4294967296").unwrap_err(),
            "a whole number from 0 to 4294967295"
        );
        assert_eq!(whole::<u64, 1>("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(whole::<u64, 1>("1e6").unwrap_err(), "a whole number >= 1");
    }
}
