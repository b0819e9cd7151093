//! The origin of beads: a structure file, or a sequence.

use std::path::Path;

use crate::engine::Minimization;

/// The origin of beads.
#[derive(Debug, Clone, Copy)]
pub enum Origin<'a> {
    /// A structure file.
    File(&'a Path),
    /// A sequence.
    Sequence {
        /// Its conformations.
        start: Start,
        /// The minimization of the conformations.
        minimization: Option<Minimization>,
    },
}

/// A conformation to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// One extended chain.
    Extended,
    /// Random coils. Coil k does not depend on their number.
    RandomCoil {
        /// The number of coils.
        n: usize,
        /// The seed of the random numbers.
        seed: u64,
    },
}
