//! The network on the device: weights, activations, and the dispatches of the forward and backward
//! pass.

pub(super) mod constants;
pub(super) mod convolution;
pub(super) mod dense;
mod layers;
mod scale;

use self::constants::activation_constants;
use self::convolution::{Convolutions, Size, feature_files};
use self::layers::{Chain, Layers, before};
use self::scale::{gradient_scale, scaled};
use super::buffer::{Bindable, Buffer};
use super::compose::{Constants, Value};
use super::device::Device;
use super::kernel::{Dispatch, Kernel, Scope, scope};
use super::neighbors::{Neighbors, widest};
use super::pack::{self, narrow, quads};
use super::params::Params;
use super::state::ReplicaState;
use super::storage::{self, Features, Filters, Storage};
use super::tuning::LayerShape;
use crate::engine::Numerics;
use crate::error::Result;
use crate::model::Tabulated;
use crate::model::schnet::{Linear, SchNet};
use crate::system::System;

/// Weights and activations.
#[derive(Debug)]
pub(super) struct Network {
    convolutions: Convolutions,
    shape: LayerShape,
    embedding: Buffer<f32>,
    blocks: Vec<Block>,
    readout: Layers,
    /// The factor of all gradients with respect to features, so that f16 can hold them.
    gradient_scale: f64,
    /// Features in the forward pass, and their gradient in the backward pass.
    h: Buffer<f32>,
    /// Messages in the forward pass, and `grad_y`, the gradient with respect to y, in the backward
    /// pass.
    m: Buffer<f32>,
    /// The gradient of messages, in the format of [`Storage::features`].
    grad_m: Buffer<u32>,
    /// Pre-activations of the inner layers of the readout.
    hidden: Buffer<f32>,
    /// y, the output of lin1 that a block filters, for all blocks without a buffer of their own.
    y: Buffer<f32>,
    /// For a binding that a specialisation does not use.
    none: Buffer<u32>,
}

/// Weights of a block, and the results of its forward pass that its backward pass needs.
#[derive(Debug)]
struct Block {
    /// The layers from this block's messages to the next block; `None` for the last block.
    between: Option<Between>,
    /// y, the output of lin1 that the block filters, if the block has its own buffer for it.
    y: Option<Buffer<f32>>,
    /// y in f16 for the backward pass, if features are stored in f16.
    kept: Option<Buffer<u32>>,
}

/// Layers of both passes, and the pre-activation z that the backward pass needs.
#[derive(Debug)]
struct Between {
    forward: Layers,
    backward: Layers,
    z: Buffer<u32>,
}

/// The dispatches of the network.
#[derive(Debug, Default)]
pub(super) struct Passes {
    /// The forward pass, up to the energies of beads.
    pub(super) forward: Vec<Dispatch>,
    /// The backward pass, down to the slow forces.
    pub(super) backward: Vec<Dispatch>,
}

/// The quads of channels of the widest layer inside the readout.
fn inner_quads(schnet: &SchNet) -> u32 {
    let inner = &schnet.readout[..schnet.readout.len() - 1];
    inner.iter().map(|layer| quads(layer.n_out)).max().unwrap_or(1)
}

/// The bead types of a system.
fn types_of(system: &System) -> Vec<u32> {
    let mut types: Vec<u32> =
        (0..system.n_replicas()).flat_map(|r| &system.molecule(r).types).copied().collect();
    types.sort_unstable();
    types.dedup();
    types
}

/// y of the first block: lin1 applied to the embedding, or the features of a neighbor embedding. It
/// depends on the types of the beads only, so it is computed once.
fn first_features(schnet: &SchNet, lin1: &Linear, system: &System) -> Vec<f32> {
    let n_hidden = schnet.n_hidden;
    let width = 4 * quads(lin1.n_out) as usize;
    let of_type = |embedding: &[f64]| {
        let mut y = vec![0.0; width];
        for (o, y) in y[..lin1.n_out].iter_mut().enumerate() {
            let weights = &lin1.weight[o * n_hidden..][..n_hidden];
            let bias = lin1.bias.as_ref().map_or(0.0, |bias| bias[o]);
            let sum: f64 = weights.iter().zip(embedding).map(|(w, h)| w * h).sum();
            *y = (sum + bias) as f32;
        }
        y
    };
    let given = |features: &[f64]| {
        let mut y = narrow(features);
        y.resize(width, 0.0);
        y
    };
    let table: Vec<Vec<f32>> = match &schnet.neighbor_embedding {
        Some(features) => features.chunks_exact(lin1.n_out).map(given).collect(),
        None => schnet.embedding.chunks_exact(n_hidden).map(of_type).collect(),
    };
    let types = (0..system.n_replicas()).flat_map(|r| &system.molecule(r).types);
    types.flat_map(|bead_type| table[*bead_type as usize].iter().copied()).collect()
}

impl Block {
    fn new(
        device: &Device,
        schnet: &SchNet,
        storage: Storage,
        system: &System,
        b: usize,
    ) -> Result<Self> {
        let (n_beads, layers) = (system.n_beads(), &schnet.interactions[b]);
        let (hidden, filters) = (quads(schnet.n_hidden), quads(schnet.n_filters()));
        let packed = |label, quads: u32| {
            Buffer::zeroed(device, label, n_beads * storage.features.words() * quads as usize)
        };
        let between = |lin1: &Linear| {
            let lin2 = before(schnet.activation_of(b), &layers.lin2);
            let forward =
                [("LIN2", &lin2, false), ("LIN", &layers.lin, false), ("LIN1", lin1, false)];
            let backward = forward.map(|(name, layer, _)| (name, layer, true));
            Ok(Between {
                forward: Layers::new(device, storage, &forward)?,
                backward: Layers::new(device, storage, &backward)?,
                z: packed("z", hidden)?,
            })
        };
        let f32 = storage.features == Features::F32;
        let first = (b == 0).then(|| first_features(schnet, &layers.lin1, system));
        let y = match &first {
            Some(features) => Some(Buffer::from_slice(device, "y", features)?),
            None if f32 => Some(rows(device, "y", n_beads, filters)?),
            None => None,
        };
        let kept = match first {
            _ if f32 => None,
            Some(features) => {
                let packed = pack::features(storage.features, &features);
                Some(Buffer::from_slice(device, "kept", &packed)?)
            }
            None => Some(packed("kept", filters)?),
        };
        let next = schnet.interactions.get(b + 1).map(|next| between(&next.lin1));
        Ok(Block { between: next.transpose()?, y, kept })
    }
}

fn rows(device: &Device, label: &'static str, n_beads: usize, quads: u32) -> Result<Buffer<f32>> {
    Buffer::zeroed(device, label, n_beads * 4 * quads as usize)
}

/// The layers after the last messages, for both passes.
fn readout_layers(device: &Device, schnet: &SchNet, storage: Storage) -> Result<Layers> {
    let last = schnet.interactions.last().expect("a network has blocks");
    let lin2 = before(schnet.activation_of(schnet.interactions.len() - 1), &last.lin2);
    let mut chain = Chain::new(storage.layers);
    for (name, layer, transposed) in [
        ("LIN2", &lin2, false),
        ("LIN", &last.lin, false),
        ("LIN_BACK", &last.lin, true),
        ("LIN2_BACK", &last.lin2, true),
    ] {
        chain.push_named(name, layer, transposed);
    }
    let of_layer = |(l, layer): (usize, &Linear)| {
        let is_last = l + 1 == schnet.readout.len();
        let forward = if is_last { layer.clone() } else { before(schnet.activation, layer) };
        let at = [chain.push(&forward, false), chain.push(layer, true)];
        [at[0], at[1], quads(layer.n_in), quads(layer.n_out)]
    };
    let layers: Vec<[u32; 4]> = schnet.readout.iter().enumerate().map(of_layer).collect();
    chain.say("LAYERS_AT", Value::Count(chain.at()));
    // f32 holds whole numbers up to 2^24 exactly.
    chain.push_numbers(&layers.iter().flatten().map(|n| *n as f32).collect::<Vec<_>>());
    chain.upload(device, storage)
}

impl Network {
    /// The network for a system whose neighbor lists have room for `n_edges` edges.
    pub(super) fn new(
        device: &Device,
        schnet: &Tabulated,
        numerics: Numerics,
        system: &System,
        n_edges: usize,
    ) -> Result<Self> {
        let n_beads = system.n_beads();
        let size = Size { n_beads, widest: widest(system), n_edges };
        let convolutions = Convolutions::new(device, schnet, numerics, size)?;
        let schnet = &scaled(schnet, convolutions.storage.features, &convolutions.scales)?;
        let storage = convolutions.storage.holding(schnet);
        let widest = storage::widest(schnet);
        let shape = match storage.layers {
            storage::Layers::F16Pair => LayerShape::on_tensor_cores(widest),
            _ => LayerShape::plain(device.capabilities(), widest, n_beads)?,
        };
        let (hidden, filters) = (quads(schnet.n_hidden), quads(schnet.n_filters()));
        let block = |b| Block::new(device, schnet, storage, system, b);
        let f32 = storage.features == Features::F32;
        let words = n_beads * storage.features.words() * filters as usize;
        let inner = inner_quads(schnet) * (schnet.readout.len() as u32 - 1);
        let width = 4 * hidden as usize;
        let mut embedding = vec![0.0; schnet.embedding.len() / schnet.n_hidden * width];
        for (row, of_type) in
            embedding.chunks_exact_mut(width).zip(schnet.embedding.chunks_exact(schnet.n_hidden))
        {
            row[..schnet.n_hidden].copy_from_slice(&narrow(of_type));
        }
        Ok(Network {
            shape,
            embedding: Buffer::constants(device, "embedding", &embedding)?,
            blocks: (0..schnet.interactions.len()).map(block).collect::<Result<_>>()?,
            readout: readout_layers(device, schnet, storage)?,
            gradient_scale: if f32 { 1.0 } else { gradient_scale(schnet, &types_of(system))? },
            h: rows(device, "h", n_beads, hidden)?,
            m: rows(device, "m", n_beads, filters)?,
            grad_m: Buffer::zeroed(device, "grad_m", words)?,
            hidden: rows(device, "hidden", n_beads, inner)?,
            y: if f32 {
                Buffer::zeroed(device, "y", 4)?
            } else {
                rows(device, "y", n_beads, filters)?
            },
            none: Buffer::zeroed(device, "none", 4)?,
            convolutions,
        })
    }

    /// `params` with the numbers of the network.
    pub(super) fn params(&self, schnet: &SchNet, params: Params) -> Params {
        self.convolutions.params(schnet, self.gradient_scale, params)
    }

    /// Frees the memory of edges. Dispatches that hold it must be dropped before.
    pub(super) fn shrink(&mut self) {
        self.convolutions.shrink();
    }

    /// Makes room for more edges.
    pub(super) fn grow(&mut self, device: &Device, n_edges: usize) -> Result<()> {
        self.convolutions.grow(device, n_edges)
    }

    /// y of a block, in f32.
    fn y_of<'a>(&'a self, block: &'a Block) -> &'a Buffer<f32> {
        block.y.as_ref().unwrap_or(&self.y)
    }

    /// The dispatches of the forward pass, first block to last, and of the backward pass, last to
    /// first.
    pub(super) fn dispatches(
        &self,
        device: &Device,
        schnet: &SchNet,
        state: &ReplicaState,
        neighbors: &Neighbors,
    ) -> Result<Passes> {
        let around = state.scope().and(&neighbors.scope());
        let layers = around.and(&scope!(self; embedding, m, grad_m, h, hidden));
        let convolutions = &self.convolutions;
        let mut forward = Vec::new();
        match convolutions.storage.filters {
            Filters::Table => forward.extend(convolutions.edges(device, &around)?),
            Filters::Exact | Filters::Matrices => forward.extend(neighbors.limit(device, state)?),
        }
        for (b, block) in self.blocks.iter().enumerate() {
            let messages = around.clone().with("y", self.y_of(block)).with("m", &self.m);
            forward.push(convolutions.forward(device, schnet, b, &messages)?);
            if let Some(between) = &block.between {
                forward.push(self.block_forward(device, schnet, b, between, &layers)?);
            }
        }
        forward.push(self.readout(device, schnet, &layers)?);

        let mut backward = Vec::new();
        for (b, block) in self.blocks.iter().enumerate().rev() {
            if let Some(between) = &block.between {
                backward.push(self.block_backward(device, schnet, b, between, &layers)?);
            }
            let gathered: &dyn Bindable = match &block.kept {
                Some(kept) => kept,
                None => self.y_of(block),
            };
            let gradients = around.clone().with("y", gathered).with("grad_m", &self.grad_m);
            let gradients = gradients.with("grad_y", &self.m);
            backward.push(convolutions.backward(device, schnet, b, &gradients, b > 0)?);
        }
        Ok(Passes { forward, backward })
    }

    fn block_forward(
        &self,
        device: &Device,
        schnet: &SchNet,
        b: usize,
        Between { forward: layers, z, .. }: &Between,
        around: &Scope,
    ) -> Result<Dispatch> {
        let next = &self.blocks[b + 1];
        let kept = next.kept.as_ref().unwrap_or(&self.none);
        let scope = around.clone().with("z", z).with("y", self.y_of(next)).with("kept", kept);
        let mut constants = layers.constants_for(9);
        constants.extend(activation_constants(schnet.activation_of(b)));
        constants.push(("FIRST", Value::Flag(b == 0)));
        constants.push(("KEPT", Value::Flag(next.kept.is_some())));
        let moved = 2 * quads(schnet.n_filters()) + 3 * quads(schnet.n_hidden);
        self.bind("block_forward", device, schnet, (layers, constants), &scope, moved)
    }

    fn readout(&self, device: &Device, schnet: &SchNet, around: &Scope) -> Result<Dispatch> {
        let mut constants = self.readout.constants_for(9);
        constants.extend(activation_constants(schnet.activation));
        constants.extend([
            ("LAYERS", Value::Count(schnet.readout.len() as u32)),
            ("INNER", Value::Count(inner_quads(schnet))),
            ("FIRST", Value::Flag(self.blocks.len() == 1)),
        ]);
        let moved = 2 * quads(schnet.n_filters()) + 2 * quads(schnet.n_hidden);
        self.bind("readout", device, schnet, (&self.readout, constants), around, moved)
    }

    fn block_backward(
        &self,
        device: &Device,
        schnet: &SchNet,
        b: usize,
        Between { backward: layers, z, .. }: &Between,
        around: &Scope,
    ) -> Result<Dispatch> {
        let scope = around.clone().with("z", z).with("grad_y", &self.m).with("grad_h", &self.h);
        let mut constants = layers.constants_for(6);
        constants.extend(activation_constants(schnet.activation_of(b)));
        let moved = 2 * quads(schnet.n_filters()) + 3 * quads(schnet.n_hidden);
        self.bind("block_backward", device, schnet, (layers, constants), &scope, moved)
    }

    /// Binds a kernel of linear layers. It reads and writes `moved` quads of features for each
    /// bead.
    fn bind(
        &self,
        name: &'static str,
        device: &Device,
        schnet: &SchNet,
        (layers, mut constants): (&Layers, Constants),
        scope: &Scope,
        moved: u32,
    ) -> Result<Dispatch> {
        let LayerShape { workgroup, width, rows, tile, lanes } = self.shape;
        constants.extend(feature_files(self.convolutions.storage.features));
        constants.extend([
            ("WORKGROUP", Value::Count(workgroup)),
            ("WIDTH", Value::Count(width)),
            ("ROWS", Value::Count(rows)),
            ("HIDDEN", Value::Count(quads(schnet.n_hidden))),
            ("FILTERS", Value::Count(quads(schnet.n_filters()))),
        ]);
        if let Some([lanes, ahead]) = lanes {
            constants.extend([
                ("LANES", Value::Count(lanes)),
                ("AHEAD", Value::Count(ahead)),
                ("FETCHES", Value::Count((4 * ahead * width).div_ceil(workgroup))),
            ]);
        }
        let n_beads = self.convolutions.n_beads();
        let groups = n_beads.div_ceil(tile);
        let kernel = Kernel::new(device, name, &constants)?;
        let dispatch = kernel.bind(device, &scope.and(&layers.scope()), groups)?;
        // Bytes: the weights once per tile, and the features. Operations: the products.
        let bytes = groups * layers.bytes() + n_beads * 16 * moved as usize;
        Ok(dispatch.working(bytes as u64, (2 * n_beads * layers.n_weights) as u64))
    }
}
