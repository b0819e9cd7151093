//! The forward and backward pass of SchNet for a batch of replicas. Features are stored in slabs of
//! channels.

use super::cfconv::{cfconv_backward, cfconv_forward};
use super::dense::{Layer, activate};
use super::filter::{FilterWorkspace, Filters};
use super::neighbor::Pairs;
use super::slab::{LANES, Lanes, n_slabs, room, to_slabs};
use crate::engine::Filter;
use crate::error::Result;
use crate::model::Tabulated;
use crate::model::schnet::Activation;

/// The layers of one block.
#[derive(Debug)]
struct Block {
    activation: Activation,
    lin1: Layer,
    lin2: Layer,
    lin: Layer,
}

/// The weights of a SchNet in f32.
#[derive(Debug)]
pub(super) struct Network {
    n_types: usize,
    n_hidden: usize,
    n_filters: usize,
    /// `[H/16, n_types]`
    embedding: Vec<Lanes>,
    /// y of the first block by type, if that is a neighbor embedding. `[F/16, n_types]`
    neighbor_embedding: Option<Vec<Lanes>>,
    filters: Filters,
    activation: Activation,
    blocks: Vec<Block>,
    readout: Vec<Layer>,
    /// Å.
    radius: f64,
    max_num_neighbors: Option<u32>,
}

/// The intermediate arrays of an evaluation of a batch. They are kept between evaluations so that
/// their memory is reused.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// Pairs within the cutoff; set by the caller of [`Network::evaluate`].
    pub pairs: Pairs,
    filters: FilterWorkspace,
    /// y and z of each block, for the backward pass.
    blocks: Vec<[Vec<Lanes>; 2]>,
    /// The outputs of the layers of the readout, before the activation. The last one holds the
    /// energies of the beads.
    readout: Vec<Vec<Lanes>>,
    /// The features of the beads.
    h: Vec<Lanes>,
    m: Vec<Lanes>,
    activated: Vec<Lanes>,
    /// Gradients of the backward pass.
    grad: [Vec<Lanes>; 2],
    /// See [`cfconv_backward`].
    pull: Vec<[f32; 4]>,
    total: Vec<f64>,
}

impl Workspace {
    /// Memory in bytes.
    pub(super) fn bytes(&self) -> usize {
        let lanes = (self.blocks.iter().flatten()).chain(&self.readout).chain(&self.grad).chain([
            &self.h,
            &self.m,
            &self.activated,
        ]);
        lanes.map(|lanes| lanes.capacity() * size_of::<Lanes>()).sum::<usize>()
            + self.pairs.bytes()
            + self.filters.bytes()
            + self.pull.capacity() * size_of::<[f32; 4]>()
            + self.total.capacity() * size_of::<f64>()
    }
}

impl Network {
    /// # Errors
    /// [`crate::Error::Invalid`] for a tolerance that no table can meet.
    pub(super) fn new(schnet: &Tabulated, filter: Filter) -> Result<Self> {
        let block = |(b, block): (usize, &crate::model::Interaction)| Block {
            activation: schnet.activation_of(b),
            lin1: Layer::new(&block.lin1),
            lin2: Layer::new(&block.lin2),
            lin: Layer::new(&block.lin),
        };
        Ok(Network {
            n_types: schnet.n_types,
            n_hidden: n_slabs(schnet.n_hidden),
            n_filters: n_slabs(schnet.n_filters()),
            embedding: to_slabs(&schnet.embedding, schnet.n_hidden),
            neighbor_embedding: schnet
                .neighbor_embedding
                .as_ref()
                .map(|features| to_slabs(features, schnet.n_filters())),
            filters: Filters::new(schnet, filter)?,
            activation: schnet.activation,
            blocks: schnet.interactions.iter().enumerate().map(block).collect(),
            readout: schnet.readout.iter().map(Layer::new).collect(),
            radius: schnet.neighbor_radius(),
            max_num_neighbors: schnet.max_num_neighbors,
        })
    }

    /// Memory in bytes.
    pub(super) fn bytes(&self) -> usize {
        let of_block = |block: &Block| {
            let layers = [&block.lin1, &block.lin2, &block.lin];
            layers.map(Layer::bytes).iter().sum::<usize>()
        };
        let neighbors = self.neighbor_embedding.as_deref().unwrap_or_default();
        size_of_val(&self.embedding[..])
            + size_of_val(neighbors)
            + self.filters.bytes()
            + self.blocks.iter().map(of_block).sum::<usize>()
            + self.readout.iter().map(Layer::bytes).sum::<usize>()
    }

    /// The radius within which beads are neighbors, Å, and the largest number of neighbors.
    pub(super) fn reach(&self) -> (f64, Option<u32>) {
        (self.radius, self.max_num_neighbors)
    }

    /// Checks the number of neighbors of every bead.
    ///
    /// # Errors
    /// [`crate::Error::TooManyNeighbors`] of replica 0.
    pub(super) fn check(&self, pairs: &Pairs) -> Result<()> {
        pairs.check(self.max_num_neighbors)
    }

    /// Computes the energies of the beads of a batch and adds the forces, if asked for, to
    /// `forces`. The caller sets `work.pairs`. `min_chunks` is 1 to use all threads, and
    /// `usize::MAX` to use one.
    ///
    /// # Errors
    /// [`crate::Error::TooManyNeighbors`] with the number of the bead in the batch.
    pub(super) fn evaluate(
        &self,
        types: impl Iterator<Item = u32> + Clone,
        bead_energy: &mut [f64],
        forces: Option<&mut [[f64; 3]]>,
        work: &mut Workspace,
        min_chunks: usize,
    ) -> Result<()> {
        let n_beads = bead_energy.len();
        self.check(&work.pairs)?;
        let of_types = |rows: &[Lanes], to: &mut [Lanes]| {
            let slabs = to.chunks_exact_mut(n_beads).zip(rows.chunks_exact(self.n_types));
            for (to, rows) in slabs {
                for (to, bead_type) in to.iter_mut().zip(types.clone()) {
                    *to = rows[bead_type as usize];
                }
            }
        };
        of_types(&self.embedding, room(&mut work.h, self.n_hidden * n_beads));
        work.blocks.resize_with(self.blocks.len(), Default::default);
        if let Some(features) = &self.neighbor_embedding {
            of_types(features, room(&mut work.blocks[0][0], self.n_filters * n_beads));
        }
        let with_slopes = forces.is_some();
        self.filters.prepare(&work.pairs, &mut work.filters, with_slopes, min_chunks);
        self.forward(n_beads, work, with_slopes, min_chunks);
        let energies = work.readout.last().map_or(&[][..], |energies| energies);
        for (energy, found) in bead_energy.iter_mut().zip(energies) {
            *energy = f64::from(found.0[0]);
        }
        if let Some(forces) = forces {
            self.backward(n_beads, work, min_chunks);
            let Workspace { pairs, filters, pull, total, .. } = work;
            let total = room(total, pairs.len());
            self.filters.add_forces(pairs, filters, pull, total, forces, min_chunks);
        }
        Ok(())
    }

    fn forward(&self, n_beads: usize, work: &mut Workspace, with_slopes: bool, min_chunks: usize) {
        let Workspace { pairs, filters, blocks, h, m, activated, .. } = work;
        let act = self.activation;
        for (b, (block, [y, z])) in self.blocks.iter().zip(blocks).enumerate() {
            self.filters.evaluate(b, filters, with_slopes, min_chunks);
            let of_block = self.filters.of_block(b, pairs, filters);
            if b > 0 || self.neighbor_embedding.is_none() {
                block.lin1.forward(h, room(y, self.n_filters * n_beads), false, min_chunks);
            }
            let m = room(m, self.n_filters * n_beads);
            cfconv_forward(of_block, n_beads, y, m, min_chunks);
            let z = room(z, self.n_hidden * n_beads);
            block.lin2.forward(m, z, false, min_chunks);
            let activated = room(activated, self.n_hidden * n_beads);
            activate(block.activation, z, activated, n_beads, min_chunks);
            block.lin.forward(activated, h, true, min_chunks);
        }
        work.readout.resize_with(self.readout.len(), Vec::new);
        let mut input = &h[..];
        for (l, (layer, output)) in self.readout.iter().zip(&mut work.readout).enumerate() {
            let output = room(output, n_slabs(layer.n_out) * n_beads);
            if l == 0 {
                layer.forward(input, output, false, min_chunks);
            } else {
                let activated = room(activated, input.len());
                activate(act, input, activated, n_beads, min_chunks);
                layer.forward(activated, output, false, min_chunks);
            }
            input = output;
        }
    }

    fn backward(&self, n_beads: usize, work: &mut Workspace, min_chunks: usize) {
        let Workspace { pairs, filters, blocks, readout, m, grad: [grad, next], pull, .. } = work;
        let act = self.activation;
        room(grad, n_beads).fill(Lanes([1.0; LANES]));
        for (l, layer) in self.readout.iter().enumerate().rev() {
            let slope = l.checked_sub(1).map(|before| (act, &readout[before][..]));
            let next_grad = room(next, n_slabs(layer.n_in) * n_beads);
            layer.backward(grad, next_grad, false, slope, min_chunks);
            std::mem::swap(grad, next);
        }
        let pull = room(pull, self.n_filters * pairs.len());
        pull.fill([0.0; 4]);
        for (b, (block, [y, z])) in self.blocks.iter().zip(blocks).enumerate().rev() {
            let grad_z = room(next, self.n_hidden * n_beads);
            block.lin.backward(grad, grad_z, false, Some((block.activation, z)), min_chunks);
            let grad_m = room(m, self.n_filters * n_beads);
            block.lin2.backward(grad_z, grad_m, false, None, min_chunks);
            let of_block = self.filters.of_block(b, pairs, filters);
            let grad_y = room(next, self.n_filters * n_beads);
            cfconv_backward(of_block, n_beads, y, grad_m, grad_y, pull, min_chunks);
            // The features before the first block do not depend on the positions.
            if b > 0 {
                block.lin1.backward(grad_y, grad, true, None, min_chunks);
            }
        }
    }
}
