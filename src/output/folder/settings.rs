//! The settings of a run beside its results.

use super::super::names;
use super::Output;
use crate::error::Result;
use crate::io::rewrite;

impl Output {
    /// The text of `settings.toml`, if there is one that can be read.
    pub fn settings(&self) -> Option<String> {
        std::fs::read_to_string(self.folder.join(names::SETTINGS)).ok()
    }

    /// Writes or replaces `settings.toml`, with the settings of the run. At every moment the file is
    /// whole.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io). Then the file is as before.
    pub fn write_settings(&mut self, text: &str) -> Result<()> {
        let path = self.folder.join(names::SETTINGS);
        if !path.exists() {
            self.new.add(path.clone());
        }
        rewrite(&path, text.as_bytes())
    }
}
