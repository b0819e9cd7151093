//! The tables of a file of biases, and their values.

use std::collections::HashSet;
use std::path::Path;

use crate::error::OfFile;
use crate::io::entry::{Entry, Source, Value};
use crate::simulation::Settings;
use crate::system::System;
use crate::{Error, Result};

use crate::cli::config::unknown::unknown;
use crate::cli::run::observables::reference;

/// The numbers in a list that has one for each state or replica.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    n: usize,
    each: &'static str,
}

impl Rows {
    pub(super) fn of(settings: &Settings) -> Self {
        match settings.exchange.as_ref().and_then(|exchange| exchange.ladders.first()) {
            Some(ladder) => Rows { n: ladder.n_states(), each: "state of the ladder" },
            None => Rows { n: settings.n_replicas, each: "replica" },
        }
    }
}

/// The table of a bias.
pub(super) struct Table<'a> {
    pub(super) source: &'a Source,
    pub(super) line: usize,
    pub(super) entries: &'a [Entry],
    pub(super) rows: Rows,
}

impl Table<'_> {
    /// Refuses keys that are in none of these lists.
    pub(super) fn check_keys(&self, lists: &[&[&str]]) -> Result<()> {
        let known = || lists.iter().flat_map(|list| list.iter().copied());
        match self.entries.iter().find(|entry| !known().any(|key| key == entry.key)) {
            Some(other) => Err(unknown(self.source, other, known())),
            None => Ok(()),
        }
    }

    /// Refuses a name that another table has.
    pub(super) fn check_free(&self, name: &str, names: &mut HashSet<String>) -> Result<()> {
        match names.insert(name.to_owned()) {
            true => Ok(()),
            false => Err(self.wrong("name", "a name that no other table has")),
        }
    }

    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The error of a value, or of a key that is missing.
    pub(super) fn wrong(&self, key: &str, expected: &str) -> Error {
        let (line, found) = match self.entry(key) {
            Some(entry) => (entry.line, entry.value.describe()),
            None => (self.line, "none".to_owned()),
        };
        self.source.invalid(line, key, found, expected)
    }

    pub(super) fn text(&self, key: &str) -> Result<&str> {
        match self.entry(key) {
            Some(Entry { value: Value::Text(text), .. }) => Ok(text),
            _ => Err(self.wrong(key, "text")),
        }
    }

    /// A name that has keys.
    pub(super) fn one_of<'a>(
        &self,
        key: &str,
        all: &[(&'a str, &'a [&'a str])],
    ) -> Result<(&'a str, &'a [&'a str])> {
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        let found = self.entry(key).and_then(|_| self.text(key).ok());
        let known = all.iter().find(|(name, _)| Some(*name) == found);
        known.copied().ok_or_else(|| self.wrong(key, &format!("one of {}", names.join(", "))))
    }

    /// A number, or its default.
    pub(super) fn number<T: std::str::FromStr + Copy>(
        &self,
        key: &str,
        default: Option<T>,
    ) -> Result<T> {
        let found = match self.entry(key) {
            Some(entry) => list(&entry.value).as_deref().and_then(|list| match list {
                [number] => Some(*number),
                _ => None,
            }),
            None => default,
        };
        found.ok_or_else(|| self.wrong(key, "one number"))
    }

    /// A number or a list of numbers, if there is one.
    pub(super) fn numbers(&self, key: &str) -> Result<Option<Vec<f64>>> {
        let Some(entry) = self.entry(key) else { return Ok(None) };
        let numbers = list(&entry.value);
        let numbers = numbers.ok_or_else(|| self.wrong(key, "a number, or a list of numbers"))?;
        let Rows { n, each } = self.rows;
        if numbers.len() != 1 && numbers.len() != n {
            let found = format!("{} numbers", numbers.len());
            let expected = format!("1, or {n}, one for each {each}");
            return Err(self.source.invalid(entry.line, key, found, expected));
        }
        Ok(Some(numbers))
    }

    pub(super) fn given(&self, key: &str) -> Result<Vec<f64>> {
        self.numbers(key)?.ok_or_else(|| self.wrong(key, "a number, or a list of numbers"))
    }

    pub(super) fn beads(&self) -> Result<Vec<u32>> {
        let found = self.entry("beads").and_then(|entry| list(&entry.value));
        found.ok_or_else(|| self.wrong("beads", "numbers of beads, from 0"))
    }

    pub(super) fn tuple<const N: usize>(&self) -> Result<[u32; N]> {
        let wrong = |_| self.wrong("beads", &format!("{N} numbers of beads, from 0"));
        self.beads()?.try_into().map_err(wrong)
    }

    /// The groups of a distance, or its two beads as groups.
    pub(super) fn groups(&self) -> Result<[Vec<u32>; 2]> {
        let Some(entry) = self.entry("groups") else {
            return Ok(self.tuple::<2>()?.map(|bead| vec![bead]));
        };
        if let Some(other) = self.entry("beads") {
            let expected = "beads or groups, not both";
            return Err(self.source.invalid(other.line, "beads", "groups, too", expected));
        }
        let groups = match &entry.value {
            Value::List(groups) => groups.iter().map(list).collect::<Option<Vec<_>>>(),
            _ => None,
        };
        let groups = groups.and_then(|groups| groups.try_into().ok());
        groups.ok_or_else(|| self.wrong("groups", "two lists of numbers of beads, from 0"))
    }

    /// The positions of the reference structure, whose path is relative to the folder of the file.
    pub(super) fn reference(&self, system: &System) -> Result<Vec<[f64; 3]>> {
        let folder = self.source.path.parent().unwrap_or(Path::new(""));
        let path = folder.join(self.text("reference")?);
        Ok(reference(&path, system).of_file(&path)?.positions)
    }
}

/// A value, or the values of a list.
pub(super) fn list<T: std::str::FromStr>(value: &Value) -> Option<Vec<T>> {
    let one = |value: &Value| match value {
        Value::Text(text) => text.parse().ok(),
        _ => None,
    };
    match value {
        Value::List(list) => list.iter().map(one).collect(),
        value => Some(vec![one(value)?]),
    }
}
