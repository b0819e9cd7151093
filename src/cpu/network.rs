//! SchNet forward and backward for a batch of replicas: the list of operations of one evaluation.

use rayon::prelude::*;

use super::cfconv::{add_forces, cfconv, pair_slopes};
use super::dense::{Layer, Mode, dense, single};
use super::neighbor::{Pairs, Rows, square};
use super::radial::{Basis, CHUNK, FilterNetwork, N_RADIAL};
use crate::error::Result;
use crate::model::radial::Envelope;
use crate::model::schnet::{Activation, SchNet};

/// The layers of one block.
#[derive(Debug)]
struct Block {
    filters: FilterNetwork,
    lin1: Layer,
    lin2: Layer,
    lin: Layer,
}

/// The weights of a SchNet in f32.
#[derive(Debug)]
pub(super) struct Network {
    n_hidden: usize,
    n_filters: usize,
    embedding: Vec<f32>,
    basis: Basis,
    envelope: Envelope,
    activation: Activation,
    blocks: Vec<Block>,
    readout: Vec<Layer>,
    /// Å.
    pub radius: f64,
    max_num_neighbors: Option<u32>,
}

/// What a batch needs on its way through the network. Kept between evaluations for its memory.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// Pairs within the cutoff; set by the caller of [`Network::evaluate`].
    pub pairs: Pairs,
    rows: Rows,
    radial: Vec<f32>,
    basis: [Vec<f32>; 2],
    blocks: Vec<BlockWorkspace>,
    /// The readout's inputs, the network's energies last.
    readout: Vec<Vec<f32>>,
    /// Features on the way forward.
    h: Vec<f32>,
    m: Vec<f32>,
    /// Gradients on the way back.
    grad: [Vec<f32>; 2],
    slope: Vec<f64>,
}

/// What the backward pass needs of a block.
#[derive(Debug, Default)]
struct BlockWorkspace {
    value: Vec<f32>,
    slope: Vec<f32>,
    y: Vec<f32>,
    z: Vec<f32>,
}

impl Workspace {
    /// Bytes held, nearly.
    pub(super) fn bytes(&self) -> usize {
        let blocks = self.blocks.iter().flat_map(|b| [&b.value, &b.slope, &b.y, &b.z]);
        let rest =
            [&self.radial, &self.h, &self.m].into_iter().chain(&self.basis).chain(&self.grad);
        let floats: usize = blocks.chain(rest).chain(&self.readout).map(Vec::capacity).sum();
        let pairs = self.slope.capacity();
        4 * floats + pairs * (8 + 32 + 16)
    }
}

/// Makes room for `length` numbers whose old values do not matter.
fn room<T: Copy + Default>(values: &mut Vec<T>, length: usize) -> &mut [T] {
    if values.capacity() < length {
        // The number of pairs wanders: an eighth more saves most later moves, doubling wastes.
        values.clear();
        values.reserve_exact(length + length / 8);
    }
    values.resize(length, T::default());
    values
}

impl Network {
    pub(super) fn new(schnet: &SchNet) -> Self {
        let block = |(b, block): (usize, &crate::model::Interaction)| Block {
            filters: FilterNetwork::new(schnet, b),
            lin1: Layer::new(&block.lin1),
            lin2: Layer::new(&block.lin2),
            lin: Layer::new(&block.lin),
        };
        Network {
            n_hidden: schnet.n_hidden,
            n_filters: schnet.n_filters(),
            embedding: single(&schnet.embedding),
            basis: Basis::new(&schnet.radial_basis),
            envelope: schnet.cutoff.envelope(),
            activation: schnet.activation,
            blocks: schnet.interactions.iter().enumerate().map(block).collect(),
            readout: schnet.readout.iter().map(Layer::new).collect(),
            radius: schnet.neighbor_radius(),
            max_num_neighbors: schnet.max_num_neighbors,
        }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        let of_block = |block: &Block| {
            let layers = [&block.lin1, &block.lin2, &block.lin];
            block.filters.bytes() + layers.map(Layer::bytes).iter().sum::<usize>()
        };
        4 * self.embedding.len()
            + self.blocks.iter().map(of_block).sum::<usize>()
            + self.readout.iter().map(Layer::bytes).sum::<usize>()
    }

    /// Checks the number of neighbors of every bead.
    ///
    /// # Errors
    /// [`crate::Error::TooManyNeighbors`] of replica 0.
    pub(super) fn check(&self, pairs: &Pairs, n_beads: usize) -> Result<()> {
        let mut rows = Rows::default();
        rows.fill(n_beads, &pairs.beads);
        rows.check(self.max_num_neighbors)
    }

    /// Energies of the beads of a batch, and their forces, if asked for, added to `forces`. The pairs are those
    /// in `work`; `min_chunks` is 1 to use all threads and `usize::MAX` to stay on one.
    ///
    /// # Errors
    /// [`crate::Error::TooManyNeighbors`] with the bead's number in the batch.
    pub(super) fn evaluate(
        &self,
        types: impl Iterator<Item = u32>,
        bead_energy: &mut [f64],
        forces: Option<&mut [[f64; 3]]>,
        work: &mut Workspace,
        min_chunks: usize,
    ) -> Result<()> {
        let n_beads = bead_energy.len();
        work.rows.fill(n_beads, &work.pairs.beads);
        work.rows.check(self.max_num_neighbors)?;

        let h = room(&mut work.h, n_beads * self.n_hidden);
        for (h, bead_type) in h.chunks_exact_mut(self.n_hidden).zip(types) {
            h.copy_from_slice(&self.embedding[bead_type as usize * self.n_hidden..][..h.len()]);
        }
        self.radial(work, forces.is_some(), min_chunks);
        self.forward(n_beads, work, forces.is_some(), min_chunks);
        let energies = work.readout.last().map_or(&[][..], |energies| energies);
        for (energy, found) in bead_energy.iter_mut().zip(energies) {
            *energy = f64::from(*found);
        }
        if let Some(forces) = forces {
            self.backward(n_beads, work, min_chunks);
            add_forces(&work.pairs, &work.slope, forces);
        }
        Ok(())
    }

    /// The radial basis of all pairs; its slope too if forces are wanted.
    fn radial(&self, work: &mut Workspace, with_slope: bool, min_chunks: usize) {
        let n_pairs = work.pairs.len();
        let radial = room(&mut work.radial, n_pairs * N_RADIAL);
        (radial.par_chunks_mut(CHUNK * N_RADIAL), work.pairs.separation.par_chunks(CHUNK))
            .into_par_iter()
            .with_min_len(min_chunks)
            .for_each(|(radial, separation)| {
                let distances = separation.iter().map(|s| square(*s).sqrt());
                self.basis.fill(&self.envelope, distances, radial);
            });
        let [value, slope] = &mut work.basis;
        let n = n_pairs * self.basis.n_rbf();
        let slope = with_slope.then(|| room(slope, n));
        self.basis.evaluate(radial, room(value, n), slope, min_chunks);
    }

    fn forward(&self, n_beads: usize, work: &mut Workspace, with_slope: bool, min_chunks: usize) {
        let n_pairs = work.pairs.len();
        let basis = &work.basis[0][..];
        work.blocks.resize_with(self.blocks.len(), BlockWorkspace::default);
        for (block, kept) in self.blocks.iter().zip(&mut work.blocks) {
            let BlockWorkspace { value, slope, y, z } = kept;
            let value = room(value, n_pairs * self.n_filters);
            let slope =
                with_slope.then(|| (&work.basis[1][..], room(slope, n_pairs * self.n_filters)));
            block.filters.evaluate(&work.radial, basis, value, slope, min_chunks);
            let y = room(y, n_beads * self.n_filters);
            dense(&block.lin1, Mode::Linear, &work.h, y, false, min_chunks);
            let m = room(&mut work.m, n_beads * self.n_filters);
            cfconv(&work.rows, value, y, m, self.n_filters, min_chunks);
            let z = room(z, n_beads * self.n_hidden);
            dense(&block.lin2, Mode::Linear, m, z, false, min_chunks);
            dense(&block.lin, Mode::Activate(self.activation), z, &mut work.h, true, min_chunks);
        }
        work.readout.resize_with(self.readout.len(), Vec::new);
        let mut input = &work.h;
        for (l, (layer, output)) in self.readout.iter().zip(&mut work.readout).enumerate() {
            let mode = if l == 0 { Mode::Linear } else { Mode::Activate(self.activation) };
            dense(layer, mode, input, room(output, n_beads * layer.n_out), false, min_chunks);
            input = output;
        }
    }

    fn backward(&self, n_beads: usize, work: &mut Workspace, min_chunks: usize) {
        let [grad, next] = &mut work.grad;
        room(grad, n_beads).fill(1.0);
        for (l, layer) in self.readout.iter().enumerate().rev() {
            let mode = match l.checked_sub(1) {
                Some(before) => Mode::TransposedSlope(self.activation, &work.readout[before]),
                None => Mode::Transposed,
            };
            dense(layer, mode, grad, room(next, n_beads * layer.n_in), false, min_chunks);
            std::mem::swap(grad, next);
        }
        work.slope.clear();
        work.slope.resize(work.pairs.len(), 0.0);
        for (block, kept) in self.blocks.iter().zip(&work.blocks).rev() {
            let BlockWorkspace { value, slope, y, z } = kept;
            let grad_z = room(next, n_beads * self.n_hidden);
            let mode = Mode::TransposedSlope(self.activation, z);
            dense(&block.lin, mode, grad, grad_z, false, min_chunks);
            let grad_m = room(&mut work.m, n_beads * self.n_filters);
            dense(&block.lin2, Mode::Transposed, grad_z, grad_m, false, min_chunks);
            pair_slopes(&work.pairs, slope, y, grad_m, &mut work.slope, min_chunks);
            let grad_y = room(next, n_beads * self.n_filters);
            cfconv(&work.rows, value, grad_m, grad_y, self.n_filters, min_chunks);
            dense(&block.lin1, Mode::Transposed, grad_y, grad, true, min_chunks);
        }
    }
}
