//! Tabulated filters: cubic pieces in f32, and pairs sorted by the intervals of the pieces.

use std::sync::Arc;

use rayon::prelude::*;

use super::neighbor::Pairs;
use super::slab::{LANES, Lanes, n_slabs};
use crate::geometry::{square, unit};
use crate::model::FilterTable;

/// Pairs per chunk.
const CHUNK: usize = 1024;

/// A filter table in f32.
#[derive(Debug)]
pub(super) struct Table {
    places: Arc<FilterTable>,
    /// c0..c3 of every interval, `[n_blocks][F/16, n_intervals]`.
    pub pieces: Vec<Vec<[Lanes; 4]>>,
}

/// A pair, and the place of its distance in a table.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PlacedPair {
    pub beads: [u32; 2],
    pub interval: u32,
    /// The coordinate within the interval, from 0 to 1.
    pub s: f32,
}

/// Pairs sorted by interval. The sort is stable, so pairs of one interval keep their order.
#[derive(Debug, Default)]
pub(super) struct PlacedPairs {
    pub pairs: Vec<PlacedPair>,
    /// ds/dx_i, 1/Å. `[n_pairs]`
    pub gradient: Vec<[f64; 3]>,
    unsorted: Vec<(PlacedPair, [f64; 3])>,
    /// The position of the next pair of each interval, during the sort.
    next: Vec<u32>,
}

impl Table {
    pub(super) fn new(table: Arc<FilterTable>, n_filters: usize) -> Self {
        let pieces = table.coefficients.iter().map(|block| pieces(block, n_filters)).collect();
        Table { places: table, pieces }
    }

    /// Finds the places of all pairs and sorts the pairs. A thread takes at least `min_chunks`
    /// chunks.
    pub(super) fn place(&self, pairs: &Pairs, placed: &mut PlacedPairs, min_chunks: usize) {
        let PlacedPairs { pairs: sorted, gradient, unsorted, next } = placed;
        unsorted.resize(pairs.len(), Default::default());
        unsorted
            .par_chunks_mut(CHUNK)
            .zip(pairs.beads.par_chunks(CHUNK).zip(pairs.separation.par_chunks(CHUNK)))
            .with_min_len(min_chunks)
            .for_each(|(unsorted, (beads, separation))| {
                for ((at, beads), separation) in unsorted.iter_mut().zip(beads).zip(separation) {
                    let d = square(*separation).sqrt();
                    let place = self.places.place(d);
                    let (interval, s) = (place.interval as u32, place.s as f32);
                    let gradient = unit(*separation).map(|x| place.rate * x);
                    *at = (PlacedPair { beads: *beads, interval, s }, gradient);
                }
            });
        next.clear();
        next.resize(self.places.n_intervals() + 1, 0);
        for (pair, _) in &*unsorted {
            next[pair.interval as usize + 1] += 1;
        }
        for k in 1..next.len() {
            next[k] += next[k - 1];
        }
        sorted.resize(pairs.len(), PlacedPair::default());
        gradient.resize(pairs.len(), [0.0; 3]);
        for (pair, of_pair) in &*unsorted {
            let next = &mut next[pair.interval as usize];
            sorted[*next as usize] = *pair;
            gradient[*next as usize] = *of_pair;
            *next += 1;
        }
    }

    /// Memory in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.pieces.iter().map(|pieces| size_of_val(&pieces[..])).sum()
    }
}

impl PlacedPairs {
    /// Memory in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.pairs.capacity() * size_of::<PlacedPair>()
            + self.gradient.capacity() * size_of::<[f64; 3]>()
            + self.unsorted.capacity() * size_of::<(PlacedPair, [f64; 3])>()
            + self.next.capacity() * size_of::<u32>()
    }
}

/// Converts the coefficients of a block, `[n_intervals, F]`, to slabs.
fn pieces(coefficients: &[[f64; 4]], n_filters: usize) -> Vec<[Lanes; 4]> {
    let n_intervals = coefficients.len() / n_filters;
    let mut pieces = vec![[Lanes::ZERO; 4]; n_slabs(n_filters) * n_intervals];
    for (interval, channels) in coefficients.chunks_exact(n_filters).enumerate() {
        for (f, coefficients) in channels.iter().enumerate() {
            let piece = &mut pieces[f / LANES * n_intervals + interval];
            for (lanes, c) in piece.iter_mut().zip(coefficients) {
                lanes.0[f % LANES] = *c as f32;
            }
        }
    }
    pieces
}
