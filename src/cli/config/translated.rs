//! The settings of a file of another program as options of `run`.

use crate::io::entry::{Entry, Value};

/// Options of `run`.
#[derive(Default)]
pub(super) struct Translated {
    pub(super) entries: Vec<Entry>,
    /// The keys that have no meaning here.
    pub(super) ignored: Vec<String>,
}

impl Translated {
    pub(super) fn push(&mut self, option: &str, line: usize, value: Value) {
        self.entries.push(Entry { key: option.to_owned(), line, value });
    }

    pub(super) fn has(&self, option: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == option)
    }
}
