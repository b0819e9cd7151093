//! Features for TICA: distances between beads.

use crate::geometry::{separation, square};

use super::measures::NEAREST;

/// Distances between pairs of beads, Å.
#[derive(Debug, Clone)]
pub struct Distances {
    /// The pairs.
    pub pairs: Vec<[u32; 2]>,
}

impl Distances {
    /// The distances between beads whose places in `beads` differ by at least [`NEAREST`]. If there
    /// are more than `most`, they are those between every second bead, every third one and so on.
    pub fn new(beads: &[u32], most: usize) -> Self {
        let of_stride = |stride: usize| {
            let places = (0..beads.len()).step_by(stride);
            let pair = |i: usize| {
                let later = (i..beads.len()).step_by(stride).filter(move |j| j - i >= NEAREST);
                later.map(move |j| [beads[i], beads[j]])
            };
            places.flat_map(pair).collect::<Vec<_>>()
        };
        let strides = (1..).map(of_stride);
        let pairs = strides.into_iter().find(|pairs| pairs.len() <= most).unwrap_or_default();
        Distances { pairs }
    }

    /// Appends the distances in a frame.
    pub fn add(&self, positions: &[[f64; 3]], to: &mut Vec<f64>) {
        let distance = |[i, j]: &[u32; 2]| {
            square(separation(positions[*i as usize], positions[*j as usize])).sqrt()
        };
        to.extend(self.pairs.iter().map(distance));
    }
}
