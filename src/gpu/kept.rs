//! Copies of a state on the device, from which steps can be repeated.

use super::api::Commands;
use crate::error::Result;

/// Buffers that can be copied to buffers of the same lengths.
pub(super) trait Copied {
    fn copy_to(&self, commands: &mut dyn Commands, to: &Self);
}

/// A copy from before the pending steps, and, if a reading was requested, one from after it.
#[derive(Debug)]
pub(super) struct Kept<T> {
    first: T,
    /// Made when it is first needed.
    next: Option<T>,
}

impl<T: Copied> Kept<T> {
    pub(super) fn new(first: T) -> Self {
        Kept { first, next: None }
    }

    /// Makes room for the second copy.
    pub(super) fn make_next(&mut self, make: impl FnOnce() -> Result<T>) -> Result<()> {
        if self.next.is_none() {
            self.next = Some(make()?);
        }
        Ok(())
    }

    /// Copies the present state.
    pub(super) fn keep(&self, present: &T, commands: &mut dyn Commands) {
        present.copy_to(commands, &self.first);
    }

    /// Copies the present state to the second copy.
    pub(super) fn keep_next(&self, present: &T, commands: &mut dyn Commands) {
        self.next.iter().for_each(|next| present.copy_to(commands, next));
    }

    /// Makes the second copy the first.
    pub(super) fn take_next(&mut self) {
        if let Some(next) = &mut self.next {
            std::mem::swap(&mut self.first, next);
        }
    }

    /// Replaces the present state by the first copy.
    pub(super) fn restore(&self, present: &T, commands: &mut dyn Commands) {
        self.first.copy_to(commands, present);
    }
}
