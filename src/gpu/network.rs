//! The network on the device: weights, activations, and the list of dispatches of a force
//! evaluation.

use half::f16;

use super::buffer::Buffer;
use super::cfconv::{Convolutions, Surroundings};
use super::device::Device;
use super::kernel::{Bindable, Dispatch, Kernel};
use super::stored::Stored;
use super::wgsl::{Constants, Value};
use crate::engine::{Numerics, Precision};
use crate::error::{Error, Result};
use crate::model::schnet::{Activation, Linear, SchNet};
use crate::system::System;

/// Narrows to f32.
pub(crate) fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

/// Fours of channels that hold `n` of them: features lie in memory in whole fours.
pub(super) fn quads(n: usize) -> u32 {
    n.div_ceil(4) as u32
}

/// W, or its transpose, input by input: `[n_in, n_out]` in whole multiples of `granule`, and that width.
pub(super) fn by_inputs(layer: &Linear, transposed: bool, granule: usize) -> (Vec<f32>, usize) {
    let (n_in, n_out) =
        if transposed { (layer.n_out, layer.n_in) } else { (layer.n_in, layer.n_out) };
    let [height, width] = [n_in, n_out].map(|n| n.next_multiple_of(granule));
    let mut block = vec![0.0; height * width];
    for k in 0..n_in {
        for o in 0..n_out {
            let from = if transposed { k * n_out + o } else { o * n_in + k };
            block[k * width + o] = layer.weight[from] as f32;
        }
    }
    (block, width)
}

/// The columns of W, `[n_in, n_out]`.
pub(super) fn columns(layer: &Linear) -> Vec<f32> {
    by_inputs(layer, false, 1).0
}

/// Constants of lib/activation.wgsl.
pub(super) fn activation_constants(activation: Activation) -> Constants {
    let (kind, shift) = match activation {
        Activation::Tanh => (0, 0.0),
        Activation::Silu => (1, 0.0),
        Activation::ShiftedSoftplus { shift } => (2, shift),
    };
    vec![("ACTIVATION", Value::Count(kind)), ("ACTIVATION_SHIFT", Value::Real(shift))]
}

/// What weights are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    F32,
    /// Normalised integers of 16 bits with a scale for each output.
    Norm,
    /// For the matrix units: the sum of two 16-bit floats.
    Parts,
}

/// Layers as lib/dense.wgsl reads them, one after the other.
struct Chain {
    form: Form,
    words: Vec<u32>,
    /// Of [`Form::Parts`], at the same places, matrices of 16 x 16 one after the other, each column
    /// by column.
    matrices: Vec<f32>,
    n_weights: usize,
}

impl Chain {
    fn new(form: Form) -> Self {
        Chain { form, words: Vec::new(), matrices: Vec::new(), n_weights: 0 }
    }

    /// Where the next layer begins: each place has four weights.
    fn at(&self) -> u32 {
        (self.words.len() / if self.form == Form::Norm { 2 } else { 4 }) as u32
    }

    /// Adds W and its bias, or the transpose of W; returns where it begins.
    fn push(&mut self, layer: &Linear, transposed: bool) -> u32 {
        let at = self.at();
        let granule = if self.form == Form::Parts { 16 } else { 4 };
        let (block, width) = by_inputs(layer, transposed, granule);
        self.n_weights += block.len();
        if self.form == Form::Parts {
            self.matrices.resize(self.words.len(), 0.0);
            self.matrices.extend(by_matrices(&block, width));
        }
        if self.form == Form::Norm {
            let (words, scales) = normalised(&block, width);
            self.words.extend(words);
            self.push_numbers(&scales);
        } else {
            self.push_numbers(&block);
        }
        if !transposed {
            let mut bias = narrow(layer.bias.as_deref().unwrap_or(&[]));
            bias.resize(width, 0.0);
            self.push_numbers(&bias);
        }
        at
    }

    fn push_numbers(&mut self, numbers: &[f32]) {
        self.words.extend(numbers.iter().map(|number| number.to_bits()));
    }

    /// On the device, with the constants that say where layers begin.
    fn upload(self, device: &Device, mut at: Constants) -> Result<Layers> {
        let weights = Buffer::from_slice(device, "weights", &self.words)?;
        let mut halves = None;
        match self.form {
            Form::F32 => {}
            Form::Norm => at.push(("weight", Value::File("weight_norm"))),
            Form::Parts => {
                let (both, scale) = split(&self.matrices);
                at.push(("dense", Value::File("dense_matrix")));
                at.push(("LOW_AT", Value::Count((self.matrices.len() / 4) as u32)));
                at.push(("UNSCALE", Value::Real(scale.recip())));
                if !device.has_matrices() {
                    at.push(("matrix_turned", Value::File("matrix_emulated")));
                    at.push(("lanes", Value::File("lanes_emulated")));
                }
                halves = Some(Buffer::from_slice(device, "halves", &both)?);
            }
        }
        Ok(Layers { weights, halves, n_weights: self.n_weights, at })
    }
}

/// Rows of `width`, multiples of 16 high and wide, as matrices of 16 x 16, each column by column: the
/// units take a column of weights, consecutive inputs, at once.
pub(super) fn by_matrices(block: &[f32], width: usize) -> Vec<f32> {
    let mut matrices = vec![0.0; block.len()];
    for (at, weight) in block.iter().enumerate() {
        let (k, o) = (at / width, at % width);
        let matrix = k / 16 * (width / 16) + o / 16;
        matrices[256 * matrix + o % 16 * 16 + k % 16] = *weight;
    }
    matrices
}

/// Rows of `width` as normalised integers of 16 bits, two to a word, and the scales of the columns.
fn normalised(block: &[f32], width: usize) -> (Vec<u32>, Vec<f32>) {
    let mut scales = vec![0.0_f32; width];
    for row in block.chunks_exact(width) {
        scales.iter_mut().zip(row).for_each(|(scale, w)| *scale = scale.max(w.abs()));
    }
    let integer = |(w, scale): (&f32, &f32)| {
        let part = if *scale > 0.0 { f64::from(*w) / f64::from(*scale) } else { 0.0 };
        (part * 32767.0).round() as i16 as u16
    };
    let integers: Vec<u16> = block.iter().zip(scales.iter().cycle()).map(integer).collect();
    let words = integers.chunks_exact(2).map(|two| u32::from(two[0]) | u32::from(two[1]) << 16);
    (words.collect(), scales)
}

/// Two 16-bit floats each whose sum is a weight times a power of two: all the higher ones, then all
/// the lower ones, and the power of two, which takes the largest weight to 2^14 or somewhat more.
pub(crate) fn split(weights: &[f32]) -> (Vec<u16>, f64) {
    let largest = weights.iter().fold(f32::MIN_POSITIVE, |a, w| a.max(w.abs()));
    let scale = 2.0_f64.powf(14.0 - f64::from(largest).log2().floor());
    let scaled = || weights.iter().map(|w| f64::from(*w) * scale);
    let low = scaled().map(|w| f16::from_f64(w - f16::from_f64(w).to_f64()));
    (scaled().map(f16::from_f64).chain(low).map(f16::to_bits).collect(), scale)
}

/// The widest layer on matrix units.
const MOST_CHANNELS: usize = 128;

/// Channels of the widest layer.
fn widest(schnet: &SchNet) -> usize {
    let readout = schnet.readout.iter().map(|layer| layer.n_out).max().unwrap_or(1);
    readout.max(schnet.n_hidden).max(schnet.n_filters())
}

/// Whether the linear layers are for matrix units, where a device has them.
pub(crate) fn layers_suit_units(schnet: &SchNet) -> bool {
    widest(schnet) <= MOST_CHANNELS
}

/// How linear layers are shared among workgroups.
#[derive(Debug)]
struct Tiles {
    /// Constants of lib/dense.wgsl or lib/dense_matrix.wgsl.
    constants: Constants,
    /// Rows of a tile.
    rows: usize,
    /// Whether the matrix units work on them.
    matrices: bool,
}

impl Tiles {
    /// For layers of up to `widest` channels.
    fn new(device: &Device, widest: usize, n_beads: usize) -> Result<Self> {
        match device.takes_matrices() && widest <= MOST_CHANNELS {
            true => Ok(Tiles::of_matrices(widest)),
            false => Tiles::of_lanes(device, widest, n_beads),
        }
    }

    /// A matrix high, which leaves several workgroups to a multiprocessor: each waits for weights and
    /// at barriers.
    fn of_matrices(widest: usize) -> Self {
        const ROWS: u32 = 16;
        const WORKGROUP: u32 = 256;
        let constants = vec![
            ("WORKGROUP", Value::Count(WORKGROUP)),
            ("WIDTH", Value::Count(quads(widest.next_multiple_of(16)))),
            ("ROWS", Value::Count(32 * ROWS / WORKGROUP)),
        ];
        Tiles { constants, rows: ROWS as usize, matrices: true }
    }

    /// The fewer the rows of all, the fewer of a tile, so that all of a device works on them, and
    /// the more of the weights that such a tile waits for are fetched at once.
    fn of_lanes(device: &Device, widest: usize, n_beads: usize) -> Result<Self> {
        let width = quads(widest);
        let lanes = width.next_power_of_two();
        let workgroup = lanes.max(128);
        let most: [u32; 2] = match n_beads {
            0..2_500 => [1, 16],
            2_500..10_000 => [2, 4],
            _ => [4, 4],
        };
        let memory = device.most_workgroup_bytes();
        let tile = |rows: u32| workgroup / lanes * rows;
        let fits = |[rows, ahead]: &[u32; 2]| 16 * width * (tile(*rows) + 4 * ahead) <= memory;
        let halved = (0..5).map(|k| most.map(|most| (most >> k).max(1)));
        let Some([rows, ahead]) = halved.into_iter().find(fits).filter(|_| lanes <= 256) else {
            let what = format!("a network {widest} channels wide on this adapter");
            return Err(Error::unsupported(what, "use --backend cpu"));
        };
        let constants = vec![
            ("WORKGROUP", Value::Count(workgroup)),
            ("LANES", Value::Count(lanes)),
            ("WIDTH", Value::Count(width)),
            ("ROWS", Value::Count(rows)),
            ("AHEAD", Value::Count(ahead)),
            ("FETCHES", Value::Count((4 * ahead * width).div_ceil(workgroup))),
        ];
        Ok(Tiles { constants, rows: tile(rows) as usize, matrices: false })
    }
}

/// What a block has, and what its backward pass needs again.
#[derive(Debug)]
struct Block {
    /// What is between this block's messages and the next block; nothing after the last block.
    between: Option<Between>,
    /// Filtered features; where there are none, those that all blocks have in turn.
    y: Option<Buffer<f32>>,
    /// The same for the way back in 16 bits, as `z` is; where there are none, `y`.
    kept: Option<Buffer<u32>>,
}

/// Layers, there and back, and the pre-activation that the way back needs again.
#[derive(Debug)]
struct Between {
    forward: Layers,
    backward: Layers,
    z: Buffer<u32>,
}

/// Weights of a kernel, and the constants that say where its layers begin.
#[derive(Debug)]
struct Layers {
    weights: Buffer<u32>,
    /// The same for the matrix units, which find only biases among the weights.
    halves: Option<Buffer<u16>>,
    n_weights: usize,
    at: Constants,
}

impl Layers {
    /// Layers by the names of their constants; `true` for the transpose.
    fn new(device: &Device, form: Form, layers: &[(&'static str, &Linear, bool)]) -> Result<Self> {
        let mut chain = Chain::new(form);
        let at = layers
            .iter()
            .map(|(name, layer, transposed)| (*name, Value::Count(chain.push(layer, *transposed))))
            .collect();
        chain.upload(device, at)
    }
}

/// Weights and activations.
#[derive(Debug)]
pub(super) struct Network {
    convolutions: Convolutions,
    tiles: Tiles,
    embedding: Buffer<f32>,
    blocks: Vec<Block>,
    readout: Layers,
    /// What the gradient begins with.
    seed: f64,
    /// Features forward, their gradient backward.
    h: Buffer<f32>,
    /// Messages forward, the gradient of filtered features backward.
    m: Buffer<f32>,
    /// [`Stored`].
    grad_m: Buffer<u32>,
    hidden: Buffer<f32>,
    /// [`Block::y`] in turn.
    y: Buffer<f32>,
    /// What a binding of fours takes that is not used.
    none: Buffer<u32>,
}

/// Quads of the widest layer within the readout.
fn inner_quads(schnet: &SchNet) -> u32 {
    let inner = &schnet.readout[..schnet.readout.len() - 1];
    inner.iter().map(|layer| quads(layer.n_out)).max().unwrap_or(1)
}

/// A layer whose outputs are multiplied by factors, if there are any.
fn scaled(layer: &Linear, factors: Option<&Vec<f64>>) -> Linear {
    let mut layer = layer.clone();
    for (o, factor) in factors.into_iter().flatten().enumerate() {
        layer.weight[o * layer.n_in..][..layer.n_in].iter_mut().for_each(|w| *w *= factor);
        layer.bias.iter_mut().for_each(|bias| bias[o] *= factor);
    }
    layer
}

/// A power of two that takes the gradients of messages to about 1, where 16-bit floats have most of
/// their range on both sides: what one step back through the network makes of 1 at its end, where
/// every activation has a slope of 1/2.
fn seed(schnet: &SchNet) -> f64 {
    let back = |layer: &Linear, gradient: &[f64]| -> Vec<f64> {
        let column = |k: usize| {
            let weights = (0..layer.n_out).map(|o| layer.weight[o * layer.n_in + k]);
            weights.zip(gradient).map(|(w, g)| 0.5 * w * g).sum()
        };
        (0..layer.n_in).map(column).collect()
    };
    let last = schnet.interactions.last().expect("a network has blocks");
    let layers = schnet.readout.iter().rev().chain([&last.lin, &last.lin2]);
    let gradient = layers.fold(vec![1.0], |gradient, layer| back(layer, &gradient));
    let largest = gradient.into_iter().fold(0.0_f64, |a, g| a.max(g.abs()));
    if largest > 0.0 { 2.0_f64.powf(-largest.log2().round()) } else { 1.0 }
}

/// What lin1 of the first block makes of the embedding: it depends on the type of a bead alone.
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
    let table: Vec<Vec<f32>> = schnet.embedding.chunks_exact(n_hidden).map(of_type).collect();
    let types = (0..system.n_replicas()).flat_map(|r| &system.molecule(r).types);
    types.flat_map(|bead_type| table[*bead_type as usize].iter().copied()).collect()
}

impl Network {
    /// For `capacity` edges per replica.
    pub(super) fn new(
        device: &Device,
        schnet: &SchNet,
        numerics: Numerics,
        system: &System,
        capacity: usize,
    ) -> Result<Self> {
        let (n_beads, replicas) = (system.n_beads(), system.n_replicas());
        let widest = (0..replicas).map(|r| system.molecule(r).n_beads()).max().unwrap_or(1);
        let convolutions =
            Convolutions::new(device, schnet, numerics, n_beads, widest, capacity * replicas)?;
        let tiles = Tiles::new(device, self::widest(schnet), n_beads)?;
        let (hidden, filters) = (quads(schnet.n_hidden), quads(schnet.n_filters()));
        let rows = |label, quads: u32| Buffer::zeroed(device, label, n_beads * 4 * quads as usize);
        let stored = convolutions.stored;
        let form = match (tiles.matrices, numerics.precision) {
            (true, _) => Form::Parts,
            (false, Precision::F32) => Form::F32,
            (false, Precision::Mixed) => Form::Norm,
        };
        let packed = |label, quads: u32| {
            Buffer::zeroed(device, label, n_beads * stored.words() * quads as usize)
        };
        let lin1: Vec<Linear> = (0..schnet.interactions.len())
            .map(|b| scaled(&schnet.interactions[b].lin1, convolutions.scales.get(b)))
            .collect();
        let mut blocks = Vec::new();
        for (b, layers) in schnet.interactions.iter().enumerate() {
            let between = |lin1: &Linear| {
                let forward = [
                    ("LIN2", &layers.lin2, false),
                    ("LIN", &layers.lin, false),
                    ("LIN1", lin1, false),
                ];
                let backward = forward.map(|(name, layer, _)| (name, layer, true));
                Ok(Between {
                    forward: Layers::new(device, form, &forward)?,
                    backward: Layers::new(device, form, &backward)?,
                    z: packed("z", hidden)?,
                })
            };
            let first = (b == 0).then(|| first_features(schnet, &lin1[0], system));
            let y = match &first {
                Some(features) => Some(Buffer::from_slice(device, "y", features)?),
                None if stored == Stored::F32 => Some(rows("y", filters)?),
                None => None,
            };
            let kept = match first {
                _ if stored == Stored::F32 => None,
                Some(features) => {
                    Some(Buffer::from_slice(device, "kept", &stored.pack(&features))?)
                }
                None => Some(packed("kept", filters)?),
            };
            let between = lin1.get(b + 1).map(between).transpose()?;
            blocks.push(Block { between, y, kept });
        }
        let last = schnet.interactions.last().expect("a network has blocks");
        let mut chain = Chain::new(form);
        let at = [
            ("LIN2", &last.lin2, false),
            ("LIN", &last.lin, false),
            ("LIN_BACK", &last.lin, true),
            ("LIN2_BACK", &last.lin2, true),
        ]
        .map(|(name, layer, transposed)| (name, Value::Count(chain.push(layer, transposed))));
        let layers: Vec<[u32; 4]> = schnet
            .readout
            .iter()
            .map(|layer| {
                let at = [false, true].map(|transposed| chain.push(layer, transposed));
                [at[0], at[1], quads(layer.n_in), quads(layer.n_out)]
            })
            .collect();
        let mut at = Constants::from(at);
        at.push(("LAYERS_AT", Value::Count(chain.at())));
        // f32 holds whole numbers up to 2^24.
        let numbers: Vec<f32> = layers.iter().flatten().map(|number| *number as f32).collect();
        chain.push_numbers(&numbers);
        let readout = chain.upload(device, at)?;
        let seed = if stored == Stored::F32 { 1.0 } else { seed(schnet) };

        let width = 4 * hidden as usize;
        let mut embedding = vec![0.0; schnet.embedding.len() / schnet.n_hidden * width];
        for (row, of_type) in
            embedding.chunks_exact_mut(width).zip(schnet.embedding.chunks_exact(schnet.n_hidden))
        {
            row[..schnet.n_hidden].copy_from_slice(&narrow(of_type));
        }
        Ok(Network {
            convolutions,
            tiles,
            embedding: Buffer::from_slice(device, "embedding", &embedding)?,
            blocks,
            readout,
            seed,
            h: rows("h", hidden)?,
            m: rows("m", filters)?,
            grad_m: packed("grad_m", filters)?,
            hidden: rows("hidden", inner_quads(schnet) * (layers.len() as u32 - 1))?,
            y: if stored == Stored::F32 {
                Buffer::zeroed(device, "y", 1)?
            } else {
                rows("y", filters)?
            },
            none: Buffer::zeroed(device, "none", 4)?,
        })
    }

    /// Makes room for more edges.
    pub(super) fn grow(&mut self, device: &Device, n_edges: usize) -> Result<()> {
        self.convolutions.grow(device, n_edges)
    }

    /// The features that a block filters.
    fn y_of<'a>(&'a self, block: &'a Block) -> &'a Buffer<f32> {
        block.y.as_ref().unwrap_or(&self.y)
    }

    /// Energy of every bead, then the force on it, added to what is there: the network read top
    /// to bottom, then bottom to top.
    pub(super) fn dispatches(
        &self,
        device: &Device,
        schnet: &SchNet,
        around: &Surroundings,
        bead_energy: &Buffer<f32>,
    ) -> Result<[Vec<Dispatch>; 2]> {
        let n = around.position.len;
        let Surroundings { params, bead, .. } = *around;
        let (hidden, filters) = (quads(schnet.n_hidden), quads(schnet.n_filters()));
        let groups = n.div_ceil(self.tiles.rows);
        let (convolutions, stored) = (&self.convolutions, self.convolutions.stored);
        // A kernel of linear layers, which reads and writes so many quads of features of a row.
        let bind = |name, layers: &Layers, more: &[_], buffers: &[&dyn Bindable], moved: u32| {
            let mut constants = activation_constants(schnet.activation);
            constants.extend(self.tiles.constants.iter().chain(&layers.at).chain(more));
            constants.extend(stored.files().into_iter().take(1));
            constants.push(("HIDDEN", Value::Count(hidden)));
            constants.push(("FILTERS", Value::Count(filters)));
            let mut bytes_of_weights = 4 * layers.weights.len;
            let mut buffers = buffers.to_vec();
            if let Some(halves) = &layers.halves {
                bytes_of_weights = 2 * halves.len;
                constants.push(("HALVES", Value::Count(buffers.len() as u32)));
                buffers.push(halves);
            }
            let dispatch = Kernel::new(device, name, &constants)?.bind(device, &buffers, groups)?;
            // Weights once per tile; multiply-adds of the layers.
            let bytes = groups * bytes_of_weights + n * 16 * moved as usize;
            Ok::<_, Error>(dispatch.working(bytes as u64, (2 * n * layers.n_weights) as u64))
        };
        let mut energies = Vec::from_iter(convolutions.edges(device, schnet, around)?);
        for (b, block) in self.blocks.iter().enumerate() {
            energies.push(convolutions.forward(
                device,
                schnet,
                b,
                around,
                self.y_of(block),
                &self.m,
            )?);
            if let Some(Between { forward: layers, z, .. }) = &block.between {
                let next = &self.blocks[b + 1];
                let buffers: [&dyn Bindable; 9] = [
                    params,
                    &layers.weights,
                    bead,
                    &self.embedding,
                    &self.m,
                    z,
                    &self.h,
                    self.y_of(next),
                    next.kept.as_ref().unwrap_or(&self.none),
                ];
                let kept = Value::Flag(next.kept.is_some());
                let first = [("FIRST", Value::Flag(b == 0)), ("KEPT", kept)];
                let moved = 2 * filters + 3 * hidden;
                energies.push(bind("block_forward", layers, &first, &buffers, moved)?);
            }
        }
        let constants = [
            ("LAYERS", Value::Count(schnet.readout.len() as u32)),
            ("INNER", Value::Count(inner_quads(schnet))),
            ("FIRST", Value::Flag(self.blocks.len() == 1)),
            ("SEED", Value::Real(self.seed)),
        ];
        let buffers: [&dyn Bindable; 9] = [
            params,
            &self.readout.weights,
            bead,
            &self.embedding,
            &self.m,
            &self.grad_m,
            &self.h,
            &self.hidden,
            bead_energy,
        ];
        let moved = 2 * filters + 2 * hidden;
        energies.push(bind("readout", &self.readout, &constants, &buffers, moved)?);

        let mut forces = Vec::new();
        for (b, block) in self.blocks.iter().enumerate().rev() {
            if let Some(Between { backward: layers, z, .. }) = &block.between {
                let buffers: [&dyn Bindable; 6] =
                    [params, &layers.weights, &self.m, z, &self.h, &self.grad_m];
                let moved = 2 * filters + 3 * hidden;
                forces.push(bind("block_backward", layers, &[], &buffers, moved)?);
            }
            let y: &dyn Bindable = match &block.kept {
                Some(kept) => kept,
                None => self.y_of(block),
            };
            let gathered = [y, &self.grad_m];
            let with_grad = b > 0;
            forces
                .push(convolutions.backward(
                    device, schnet, b, around, gathered, &self.m, with_grad, self.seed,
                )?);
        }
        Ok([energies, forces])
    }
}
