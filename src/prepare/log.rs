//! The messages of a preparation: notes, warnings, and problems, which end it.

use std::collections::BTreeMap;

use crate::error::Error;

/// A message about something that may be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// Its kind in one word: `modified_residue`, `alternate_residue`, `chirality`, `cis_peptide`,
    /// `clash`, `large_force`, `missing_priors`, `truncated`, `left_out` or `unused_map`.
    pub kind: &'static str,
    /// The message.
    pub text: String,
}

impl Warning {
    /// The message with its kind.
    pub fn line(&self) -> String {
        format!("{} [{}]", self.text, self.kind)
    }
}

/// The messages of a preparation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Log {
    /// Facts: choices that were made, and molecules that were left out.
    pub notes: Vec<String>,
    /// Doubts.
    pub warnings: Vec<Warning>,
    /// The numbers of the residues and molecules that were left out, by name.
    pub dropped: BTreeMap<String, usize>,
}

/// Places that a message lists; the others are counted.
const MOST_PLACES: usize = 20;

/// At most [`MOST_PLACES`] of the places.
pub(super) fn capped(mut places: Vec<String>) -> Vec<String> {
    if places.len() > MOST_PLACES {
        let more = places.len() - MOST_PLACES;
        places.truncate(MOST_PLACES);
        places.push(format!("and {more} more"));
    }
    places
}

/// The error of a stage with all its problems.
pub(super) fn refuse(
    kind: &'static str,
    what: impl Into<String>,
    places: Vec<String>,
    remedies: &[&str],
) -> Error {
    let remedies = remedies.iter().map(|line| (*line).to_owned());
    Error::structure(kind, what, capped(places).into_iter().chain(remedies))
}

/// `1 atom`, `2 atoms`.
pub(super) fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

impl Log {
    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Warns once of all places.
    pub(super) fn warn(&mut self, kind: &'static str, places: Vec<String>, text: &str) {
        if !places.is_empty() {
            let text = format!("{}{text}", capped(places).join(", "));
            self.warnings.push(Warning { kind, text });
        }
    }

    pub(super) fn drop(&mut self, name: &str) {
        *self.dropped.entry(name.to_owned()).or_default() += 1;
    }
}
