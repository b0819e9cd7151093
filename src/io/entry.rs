//! The content of a file of keys and values, in whatever language it is written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A key with its value, and the line of the key. Line 0 stands for a default.
#[derive(Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The line of the key.
    pub line: usize,
    /// The value.
    pub value: Value,
}

/// A value. Numbers are text, because the parser of an option reads them from text.
#[derive(Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A word for true or false.
    Bool(bool),
    /// Any other scalar.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A mapping.
    Table(Vec<Entry>),
}

impl Value {
    /// The value in an error message.
    pub fn describe(&self) -> String {
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

/// A file that is being read.
#[derive(Debug, PartialEq)]
pub struct Source {
    /// Its path.
    pub path: PathBuf,
}

impl Source {
    /// The place of a line, for messages.
    pub fn place(&self, line: usize) -> String {
        match line {
            0 => self.path.display().to_string(),
            line => format!("{}:{line}", self.path.display()),
        }
    }

    /// An error with the place of a line.
    pub fn invalid(
        &self,
        line: usize,
        field: &str,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Error {
        Error::invalid(field, found.into(), expected).of_file(Path::new(&self.place(line)))
    }

    /// Refuses a key that stands twice.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the key and its first line.
    pub fn check_unique(&self, entries: &[Entry]) -> Result<()> {
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
