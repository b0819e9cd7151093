//! Crowded beads: the pairs of a structure grow with the square of its beads if all of them are near
//! each other. They are counted before memory is taken for them.

use crate::error::{Error, Result};
use crate::geometry::{separation, square};
use crate::host;

/// Structures with fewer possible pairs are not counted: their pairs fit on any host, and counting
/// would take as long as listing them.
const FEW: usize = 1 << 24;

/// Refuses positions with more pairs within `reach` Å than the host has memory for, at `pair_bytes`
/// for each.
///
/// # Errors
/// [`Error::TooManyNeighbors`] of replica 0 if a bead has more than `limit` neighbors within
/// `radius` Å, else [`Error::OutOfMemory`].
pub(crate) fn check(
    positions: &[[f64; 3]],
    (radius, limit): (f64, Option<u32>),
    reach: f64,
    pair_bytes: u64,
) -> Result<()> {
    let n = positions.len();
    if n.saturating_mul(n) / 2 < FEW {
        return Ok(());
    }
    let near = |i: usize| {
        let others = positions[i + 1..].iter();
        others.filter(|x| square(separation(positions[i], **x)) < reach * reach).count() as u64
    };
    let pairs: u64 = (0..n).map(near).sum();
    let what = format!("a structure of {n} beads with {pairs} pairs of neighbors");
    let advice = "the beads are too close together, or the cutoff is too long for a structure of \
                  this size";
    let fits = host::require(what, pairs.saturating_mul(pair_bytes), advice);
    fits.map_err(|error| too_many_neighbors(positions, radius, limit).unwrap_or(error))
}

/// The error of the first bead with more than `limit` neighbors within `radius` Å, in replica 0.
pub(crate) fn too_many_neighbors(
    positions: &[[f64; 3]],
    radius: f64,
    limit: Option<u32>,
) -> Option<Error> {
    let limit = limit?;
    let found = |x: &[f64; 3]| {
        let near = |y: &&[f64; 3]| square(separation(*x, **y)) < radius * radius;
        (positions.iter().filter(near).count() - 1) as u32
    };
    let counts = positions.iter().map(found).enumerate();
    let (bead, found) = counts.into_iter().find(|(_, found)| *found > limit)?;
    Some(Error::TooManyNeighbors { replica: 0, bead: bead as u32, found, limit })
}
