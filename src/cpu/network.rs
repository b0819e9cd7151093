//! The forward and backward pass of SchNet for a batch of replicas. Features are stored in slabs of
//! channels.

use std::ops::Range;

use super::cfconv::{cfconv_backward, cfconv_forward};
use super::dense::{Layer, activate};
use super::filter::{FilterWorkspace, Filters};
use super::neighbor::Pairs;
use super::projection::{Projected, Projections};
use super::slab::{LANES, Lanes, n_slabs, room, to_slabs};
use crate::engine::Filter;
use crate::error::Result;
use crate::model::Tabulated;
use crate::model::schnet::Activation;

/// The layers of one block. See [`super::projection`] for what they read and write.
#[derive(Debug)]
struct Block {
    activation: Activation,
    lin1: Option<Layer>,
    lin2: Layer,
    lin: Layer,
    /// The first slab that `lin` adds to.
    to: usize,
}

/// The weights of a SchNet in f32.
#[derive(Debug)]
pub(super) struct Network {
    n_types: usize,
    n_hidden: usize,
    n_filters: usize,
    /// The width of the first layer of the readout.
    n_first: usize,
    /// The projections before the first block. `[width, n_types]`
    start: Vec<Lanes>,
    filters: Filters,
    activation: Activation,
    blocks: Vec<Block>,
    /// The first layer of the readout, if it reads features.
    first_readout: Option<Layer>,
    /// The other layers of the readout.
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
    /// `[width, n_beads]`, for the backward pass, too.
    projections: Vec<Lanes>,
    /// z of each block, for the backward pass.
    z: Vec<Vec<Lanes>>,
    /// The outputs of the layers of the readout but the first, before the activation.
    readout: Vec<Vec<Lanes>>,
    m: Vec<Lanes>,
    activated: Vec<Lanes>,
    /// The gradients by the projections.
    grad_projections: Vec<Lanes>,
    /// Other gradients of the backward pass.
    grad: [Vec<Lanes>; 2],
    /// See [`cfconv_backward`].
    pull: Vec<[f32; 4]>,
    total: Vec<f64>,
}

impl Workspace {
    /// Memory in bytes.
    pub(super) fn bytes(&self) -> usize {
        let lanes = self.z.iter().chain(&self.readout).chain(&self.grad).chain([
            &self.projections,
            &self.m,
            &self.activated,
            &self.grad_projections,
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
        Network::of(schnet, filter, Projections::new(schnet))
    }

    fn of(schnet: &Tabulated, filter: Filter, projections: Projections) -> Result<Self> {
        let Projections { start, width, blocks, readout } = projections;
        let block = |(b, block): (usize, Projected)| Block {
            activation: schnet.activation_of(b),
            lin1: block.lin1.as_ref().map(Layer::new),
            lin2: Layer::new(&schnet.interactions[b].lin2),
            lin: Layer::new(&block.lin),
            to: block.to / LANES,
        };
        Ok(Network {
            n_types: schnet.n_types,
            n_hidden: n_slabs(schnet.n_hidden),
            n_filters: n_slabs(schnet.n_filters()),
            n_first: n_slabs(schnet.readout[0].n_out),
            start: to_slabs(&start, width),
            filters: Filters::new(schnet, filter)?,
            activation: schnet.activation,
            blocks: blocks.into_iter().enumerate().map(block).collect(),
            first_readout: readout.as_ref().map(Layer::new),
            readout: schnet.readout[1..].iter().map(Layer::new).collect(),
            radius: schnet.neighbor_radius(),
            max_num_neighbors: schnet.max_num_neighbors,
        })
    }

    /// Memory in bytes.
    pub(super) fn bytes(&self) -> usize {
        let blocks = self.blocks.iter();
        let of_blocks =
            blocks.flat_map(|block| [&block.lin2, &block.lin].into_iter().chain(&block.lin1));
        let layers = of_blocks.chain(&self.first_readout).chain(&self.readout);
        size_of_val(&self.start[..])
            + self.filters.bytes()
            + layers.map(Layer::bytes).sum::<usize>()
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
        let width = self.start.len() / self.n_types;
        let projections = room(&mut work.projections, width * n_beads);
        let slabs =
            projections.chunks_exact_mut(n_beads).zip(self.start.chunks_exact(self.n_types));
        for (slab, start) in slabs {
            for (row, bead_type) in slab.iter_mut().zip(types.clone()) {
                *row = start[bead_type as usize];
            }
        }
        let with_slopes = forces.is_some();
        self.filters.prepare(&work.pairs, &mut work.filters, with_slopes, min_chunks);
        self.forward(n_beads, work, with_slopes, min_chunks);
        let energies = match work.readout.last() {
            Some(energies) => energies,
            None => &work.projections[self.of_readout(n_beads)],
        };
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

    /// The range of r, the output of the first layer of the readout, among the projections.
    fn of_readout(&self, n_beads: usize) -> Range<usize> {
        let start = self.blocks.len() * self.n_filters * n_beads;
        start..start + self.n_first * n_beads
    }

    fn forward(&self, n_beads: usize, work: &mut Workspace, with_slopes: bool, min_chunks: usize) {
        let Workspace { pairs, filters, projections, z, m, activated, .. } = work;
        let n_y = self.n_filters * n_beads;
        z.resize_with(self.blocks.len(), Vec::new);
        for (b, (block, z)) in self.blocks.iter().zip(z).enumerate() {
            let (y, to) = projections.split_at_mut(block.to * n_beads);
            let y = &mut y[b * n_y..][..n_y];
            if let Some(lin1) = &block.lin1 {
                lin1.forward(to, y, false, min_chunks);
            }
            self.filters.evaluate(b, filters, with_slopes, min_chunks);
            let m = room(m, n_y);
            cfconv_forward(self.filters.of_block(b, pairs, filters), n_beads, y, m, min_chunks);
            let z = room(z, self.n_hidden * n_beads);
            block.lin2.forward(m, z, false, min_chunks);
            let activated = room(activated, self.n_hidden * n_beads);
            activate(block.activation, z, activated, n_beads, min_chunks);
            block.lin.forward(activated, to, true, min_chunks);
        }
        let r = self.of_readout(n_beads);
        if let Some(layer) = &self.first_readout {
            let (r, h) = projections[r.start..].split_at_mut(r.len());
            layer.forward(h, r, false, min_chunks);
        }
        work.readout.resize_with(self.readout.len(), Vec::new);
        let mut input = &projections[r];
        for (layer, output) in self.readout.iter().zip(&mut work.readout) {
            let activated = room(activated, input.len());
            activate(self.activation, input, activated, n_beads, min_chunks);
            let output = room(output, n_slabs(layer.n_out) * n_beads);
            layer.forward(activated, output, false, min_chunks);
            input = output;
        }
    }

    fn backward(&self, n_beads: usize, work: &mut Workspace, min_chunks: usize) {
        let Workspace { pairs, filters, projections, z, readout, m, pull, .. } = work;
        let Workspace { grad_projections, grad: [grad, next], .. } = work;
        let (n_y, r) = (self.n_filters * n_beads, self.of_readout(n_beads));
        room(grad, n_beads).fill(Lanes([1.0; LANES]));
        for (l, layer) in self.readout.iter().enumerate().rev() {
            let input = l.checked_sub(1).map_or(&projections[r.clone()], |l| &readout[l]);
            let next_grad = room(next, input.len());
            layer.backward(grad, next_grad, false, Some((self.activation, input)), min_chunks);
            std::mem::swap(grad, next);
        }
        let grad_projections = room(grad_projections, projections.len());
        let (grad_r, grad_h) = grad_projections[r.start..].split_at_mut(r.len());
        grad_r.copy_from_slice(grad);
        if let Some(layer) = &self.first_readout {
            layer.backward(grad_r, grad_h, false, None, min_chunks);
        }
        let pull = room(pull, self.n_filters * pairs.len());
        pull.fill([0.0; 4]);
        for (b, (block, z)) in self.blocks.iter().zip(z).enumerate().rev() {
            let (grad_y, grad_to) = grad_projections.split_at_mut(block.to * n_beads);
            let grad_z = room(next, self.n_hidden * n_beads);
            block.lin.backward(grad_to, grad_z, false, Some((block.activation, z)), min_chunks);
            let grad_m = room(m, n_y);
            block.lin2.backward(grad_z, grad_m, false, None, min_chunks);
            let of_block = self.filters.of_block(b, pairs, filters);
            let (y, grad_y) = (&projections[b * n_y..][..n_y], &mut grad_y[b * n_y..][..n_y]);
            cfconv_backward(of_block, n_beads, y, grad_m, grad_y, pull, min_chunks);
            if let Some(lin1) = &block.lin1 {
                lin1.backward(grad_y, grad_to, true, None, min_chunks);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fold::tests::network;
    use crate::model::schnet::{Linear, SchNet};

    /// Energies and forces of five beads within the cutoff of each other.
    fn evaluate(schnet: &SchNet, form: fn(&SchNet) -> Projections) -> (Vec<f64>, Vec<[f64; 3]>) {
        let positions: Vec<[f64; 3]> = (0..5)
            .map(|i| [2.1 * f64::from(i), f64::from(i % 2) * 3.0, f64::from(i * i) * 0.2])
            .collect();
        let graph = crate::cpu::neighbor::neighbor_list(&positions, &[0, 5], 12.0).unwrap();
        let network =
            Network::of(&Tabulated::new(schnet.clone()), Filter::Exact, form(schnet)).unwrap();
        let mut work =
            Workspace { pairs: Pairs::of_graph(&graph, &positions), ..Workspace::default() };
        let (mut energies, mut forces) = (vec![0.0; 5], vec![[0.0; 3]; 5]);
        let types = [0, 1, 2, 1, 0].into_iter();
        network.evaluate(types, &mut energies, Some(&mut forces), &mut work, 1).unwrap();
        (energies, forces)
    }

    #[test]
    fn networks_with_and_without_features_agree() {
        for n_blocks in 1..=4 {
            let (schnet, features) = network(n_blocks);
            let embedded = SchNet { neighbor_embedding: Some(features), ..schnet.clone() };
            let mut shallow = schnet.clone();
            shallow.readout = vec![Linear { n_in: 4, ..schnet.readout[1].clone() }];
            shallow.readout[0].weight = schnet.readout[0].weight[..4].to_vec();
            for schnet in [schnet, embedded, shallow] {
                let (energies, forces) = evaluate(&schnet, Projections::one_by_one);
                let (merged, of_merged) = evaluate(&schnet, Projections::merged);
                let numbers = |energies: &[f64], forces: &[[f64; 3]]| {
                    [energies, forces.as_flattened()].concat()
                };
                let expected = numbers(&energies, &forces);
                // The sums have other orders, and roundings of 6e-8 each.
                let largest = expected.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
                assert!(largest > 0.1, "{largest}");
                for (found, expected) in numbers(&merged, &of_merged).iter().zip(&expected) {
                    assert!((found - expected).abs() < 2e-6 * largest, "{found} {expected}");
                }
            }
        }
    }
}
