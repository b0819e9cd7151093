//! A reading that was requested and not collected.

use crate::error::{Error, Result};

/// The reading, if there is one.
#[derive(Debug, Clone)]
pub(crate) struct Uncollected<T>(Option<T>);

impl<T> Default for Uncollected<T> {
    fn default() -> Self {
        Uncollected(None)
    }
}

impl<T> Uncollected<T> {
    /// Refuses a second request.
    pub(crate) fn check_none(&self) -> Result<()> {
        match self.0 {
            Some(_) => Err(Error::invalid("reading", "a second request", "Engine::collect first")),
            None => Ok(()),
        }
    }

    pub(crate) fn put(&mut self, reading: T) {
        self.0 = Some(reading);
    }

    pub(crate) fn forget(&mut self) {
        self.0 = None;
    }

    /// The reading, once.
    ///
    /// # Errors
    /// [`Error::Invalid`] if none was requested.
    pub(crate) fn take(&mut self) -> Result<T> {
        self.0.take().ok_or_else(|| Error::invalid("reading", "none", "one that was requested"))
    }
}
