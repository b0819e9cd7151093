//! The filters of all blocks for the pairs of a batch, from the filter networks or from tables.

use rayon::prelude::*;

use super::cfconv::{PairFilters, add_forces};
use super::neighbor::Pairs;
use super::radial::{Basis, CHUNK, FilterNetwork};
use super::simd::Radial;
use super::slab::{Lanes, room};
use super::table::{PlacedPairs, Table};
use crate::engine::Filter;
use crate::error::Result;
use crate::geometry::{square, unit};
use crate::model::Tabulated;
use crate::model::radial::Envelope;

/// How filters are evaluated.
#[derive(Debug)]
pub(super) enum Filters {
    /// From the filter network of each block.
    Exact { basis: Basis, envelope: Envelope, networks: Vec<FilterNetwork> },
    /// From tables.
    Table(Table),
}

/// The filters of a batch's pairs and their inputs. It is kept between evaluations so that its
/// memory is reused.
#[derive(Debug, Default)]
pub(super) struct FilterWorkspace {
    placed: PlacedPairs,
    radial: Vec<Radial>,
    /// dd/dx_i, for exact filters. `[n_pairs]`
    gradient: Vec<[f64; 3]>,
    basis: [Vec<Lanes>; 2],
    /// Values and slopes of exact filters, for each block.
    blocks: Vec<[Vec<Lanes>; 2]>,
}

impl FilterWorkspace {
    /// Memory in bytes.
    pub(super) fn bytes(&self) -> usize {
        let lanes = self.basis.iter().chain(self.blocks.iter().flatten());
        lanes.map(|lanes| lanes.capacity() * size_of::<Lanes>()).sum::<usize>()
            + self.placed.bytes()
            + self.radial.capacity() * size_of::<Radial>()
            + self.gradient.capacity() * size_of::<[f64; 3]>()
    }
}

impl Filters {
    /// # Errors
    /// [`crate::Error::Invalid`] for a tolerance that no table can meet.
    pub(super) fn new(schnet: &Tabulated, filter: Filter) -> Result<Self> {
        if let Some(table) = filter.table(schnet)? {
            return Ok(Filters::Table(Table::new(table, schnet.n_filters())));
        }
        Ok(Filters::Exact {
            basis: Basis::new(&schnet.radial_basis),
            envelope: schnet.cutoff.envelope(),
            networks: (0..schnet.interactions.len())
                .map(|block| FilterNetwork::new(schnet, block))
                .collect(),
        })
    }

    /// Prepares the pairs for all blocks: their places in the tables or, for exact filters, the
    /// values and slopes of the radial basis.
    pub(super) fn prepare(
        &self,
        pairs: &Pairs,
        work: &mut FilterWorkspace,
        with_slopes: bool,
        min_chunks: usize,
    ) {
        let (basis, envelope) = match self {
            Filters::Table(table) => return table.place(pairs, &mut work.placed, min_chunks),
            Filters::Exact { basis, envelope, .. } => (basis, envelope),
        };
        let radial = room(&mut work.radial, pairs.len());
        let gradient = room(&mut work.gradient, pairs.len());
        (
            radial.par_chunks_mut(CHUNK),
            gradient.par_chunks_mut(CHUNK),
            pairs.separation.par_chunks(CHUNK),
        )
            .into_par_iter()
            .with_min_len(min_chunks)
            .for_each(|(radial, gradient, separation)| {
                for ((radial, gradient), x) in radial.iter_mut().zip(gradient).zip(separation) {
                    let d = square(*x).sqrt();
                    *radial = basis.radial(envelope, d);
                    *gradient = unit(*x);
                }
            });
        let [value, slope] = &mut work.basis;
        let n = pairs.len() * basis.n_slabs();
        let slope = with_slopes.then(|| room(slope, n));
        basis.evaluate(radial, room(value, n), slope, min_chunks);
    }

    /// Evaluates the exact filters of a block for the prepared pairs; does nothing with tables.
    pub(super) fn evaluate(
        &self,
        block: usize,
        work: &mut FilterWorkspace,
        with_slopes: bool,
        min_chunks: usize,
    ) {
        let Filters::Exact { networks, .. } = self else { return };
        if work.blocks.len() <= block {
            work.blocks.resize_with(block + 1, Default::default);
        }
        let network = &networks[block];
        let n = work.radial.len() * network.n_slabs();
        let [value, slope] = &mut work.blocks[block];
        let slopes = with_slopes.then(|| (&work.basis[1][..], room(slope, n)));
        network.evaluate(&work.radial, &work.basis[0], room(value, n), slopes, min_chunks);
    }

    /// The filters of a block, in the form that the convolutions take.
    pub(super) fn of_block<'a>(
        &'a self,
        block: usize,
        pairs: &'a Pairs,
        work: &'a FilterWorkspace,
    ) -> PairFilters<'a> {
        match self {
            Filters::Exact { .. } => {
                let [value, slope] = &work.blocks[block];
                PairFilters::Exact { pairs: &pairs.beads, value, slope }
            }
            Filters::Table(table) => {
                let (pairs, pieces) = (&work.placed.pairs, &table.pieces[block]);
                PairFilters::Table { pairs, pieces }
            }
        }
    }

    /// Calls [`add_forces`] with the pairs in the order that the convolutions use.
    pub(super) fn add_forces(
        &self,
        pairs: &Pairs,
        work: &FilterWorkspace,
        pull: &[[f32; 4]],
        total: &mut [f64],
        forces: &mut [[f64; 3]],
        min_chunks: usize,
    ) {
        match self {
            Filters::Exact { .. } => {
                let beads = pairs.beads.iter().copied();
                add_forces(beads, &work.gradient, pull, total, forces, min_chunks);
            }
            Filters::Table(_) => {
                let PlacedPairs { pairs, gradient, .. } = &work.placed;
                let beads = pairs.iter().map(|pair| pair.beads);
                add_forces(beads, gradient, pull, total, forces, min_chunks);
            }
        }
    }

    /// Memory in bytes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Filters::Exact { networks, .. } => networks.iter().map(FilterNetwork::bytes).sum(),
            Filters::Table(table) => table.bytes(),
        }
    }
}
