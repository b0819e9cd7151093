//! The content of a configuration file, in whatever language it is written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use flashschnet::{Error, Result};

/// A key with its value, and the line of the key. Line 0 stands for a default.
#[derive(Debug, PartialEq)]
pub(in crate::cli) struct Entry {
    pub(in crate::cli) key: String,
    pub(in crate::cli) line: usize,
    pub(in crate::cli) value: Value,
}

/// A value. Numbers are text, because the parser of an option reads them from text.
#[derive(Debug, PartialEq)]
pub(in crate::cli) enum Value {
    Null,
    Bool(bool),
    Text(String),
    List(Vec<Value>),
    Table(Vec<Entry>),
}

impl Value {
    /// The value in an error message.
    pub(in crate::cli) fn describe(&self) -> String {
        match self {
            Value::Null => "null".into(),
            Value::Bool(value) => value.to_string(),
            Value::Text(text) => format!("{text:?}"),
            Value::List(list) if list.is_empty() => "an empty list".into(),
            Value::List(_) => "a list".into(),
            Value::Table(_) => "a table".into(),
        }
    }
}

/// A configuration file that is being read.
pub(in crate::cli) struct Source {
    pub(in crate::cli) path: PathBuf,
}

impl Source {
    /// The place of a line, for messages.
    pub(in crate::cli) fn place(&self, line: usize) -> String {
        match line {
            0 => self.path.display().to_string(),
            line => format!("{}:{line}", self.path.display()),
        }
    }

    pub(in crate::cli) fn invalid(
        &self,
        line: usize,
        field: &str,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Error {
        Error::Invalid {
            origin: self.place(line),
            field: field.into(),
            found: found.into(),
            expected: expected.into(),
        }
    }

    /// The error of a key that is not known; it names the nearest one that is.
    pub(in crate::cli) fn unknown<'a>(
        &self,
        entry: &Entry,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Error {
        let distance = |known: &&str| strsim::damerau_levenshtein(&entry.key, known);
        let nearest = known.into_iter().min_by_key(distance).unwrap_or_default();
        let found = format!("{:?}", entry.key);
        let expected = format!("a known key; the nearest one is {nearest:?}");
        self.invalid(entry.line, "key", found, expected)
    }

    /// Refuses a key that stands twice.
    pub(in crate::cli) fn check_unique(&self, entries: &[Entry]) -> Result<()> {
        let mut lines = BTreeMap::new();
        for Entry { key, line, .. } in entries {
            if let Some(first) = lines.insert(key.as_str(), *line) {
                let found = format!("the key a second time, after line {first}");
                return Err(self.invalid(*line, key, found, "it once"));
            }
        }
        Ok(())
    }
}
