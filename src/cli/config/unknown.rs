//! Keys that are not known.

use crate::Error;
use crate::io::entry::{Entry, Source};

/// The error of a key that is not known; it names the nearest one that is.
pub(in crate::cli) fn unknown<'a>(
    source: &Source,
    entry: &Entry,
    known: impl IntoIterator<Item = &'a str>,
) -> Error {
    let distance = |known: &&str| strsim::damerau_levenshtein(&entry.key, known);
    let nearest = known.into_iter().min_by_key(distance).unwrap_or_default();
    let found = format!("{:?}", entry.key);
    let expected = format!("a known key; the nearest one is {nearest:?}");
    source.invalid(entry.line, "key", found, expected)
}
