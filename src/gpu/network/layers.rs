//! The weights of consecutive linear layers that one kernel applies.

use super::super::buffer::Buffer;
use super::super::compose::{Constants, Value};
use super::super::device::Device;
use super::super::kernel::Scope;
use super::super::pack::{by_inputs, by_matrices, narrow, normalised, split};
use super::super::storage::{Layers as Format, Storage};
use crate::error::Result;
use crate::model::schnet::{Activation, Linear};

/// A layer before an activation, with outputs up to a whole quad. Tensor cores scale a row of inputs
/// by its largest one. Sigmoid makes 0.5 of an output that is 0, which is far larger than those of
/// channels with a negative bias, so added outputs have a bias at which it is 0.
pub(super) fn before(activation: Activation, layer: &Linear) -> Linear {
    let mut padded = layer.clone();
    if activation == Activation::Sigmoid {
        padded.n_out = layer.n_out.next_multiple_of(4);
        padded.weight.resize(padded.n_out * layer.n_in, 0.0);
        padded.bias.get_or_insert(vec![0.0; layer.n_out]).resize(padded.n_out, -128.0);
    }
    padded
}

/// The layers of a kernel, one after the other, as lib/dense.wgsl reads them.
pub(super) struct Chain {
    format: Format,
    words: Vec<u32>,
    /// For tensor cores, the weights once more, at the same places as in `words`: one matrix of
    /// 16 x 16 after the other, each column by column.
    matrices: Vec<f32>,
    n_weights: usize,
    constants: Constants,
}

/// The weights of a kernel on the device, and the constants for the places of its layers.
#[derive(Debug)]
pub(super) struct Layers {
    weight: Buffer<u32>,
    /// Weights for tensor cores, as pairs of f16. Kernels then take only biases from `weight`.
    halves: Option<Buffer<u16>>,
    pub(super) n_weights: usize,
    pub(super) constants: Constants,
}

impl Chain {
    pub(super) fn new(format: Format) -> Self {
        let (words, matrices, constants) = Default::default();
        Chain { format, words, matrices, n_weights: 0, constants }
    }

    /// The place where the next layer begins, counted in fours of weights.
    pub(super) fn at(&self) -> u32 {
        (self.words.len() / if self.format == Format::Snorm { 2 } else { 4 }) as u32
    }

    /// Like [`Chain::push`], and sets the constant `name` to the place.
    pub(super) fn push_named(&mut self, name: &'static str, layer: &Linear, transposed: bool) {
        let at = self.push(layer, transposed);
        self.constants.push((name, Value::Count(at)));
    }

    /// Sets a constant of the kernel.
    pub(super) fn say(&mut self, name: &'static str, value: Value) {
        self.constants.push((name, value));
    }

    /// Adds W and its bias, or the transpose of W. Returns the place where the layer begins.
    pub(super) fn push(&mut self, layer: &Linear, transposed: bool) -> u32 {
        let at = self.at();
        let granule = if self.format == Format::F16Pair { 16 } else { 4 };
        let (block, width) = by_inputs(layer, transposed, granule);
        self.n_weights += block.len();
        match self.format {
            Format::F32 => self.push_numbers(&block),
            Format::Snorm => {
                let (words, scales) = normalised(&block, width);
                self.words.extend(words);
                self.push_numbers(&scales);
            }
            Format::F16Pair => {
                self.matrices.resize(self.words.len(), 0.0);
                self.matrices.extend(by_matrices(&block, width));
                self.push_numbers(&block);
            }
        }
        if !transposed {
            let mut bias = narrow(layer.bias.as_deref().unwrap_or(&[]));
            bias.resize(width, 0.0);
            self.push_numbers(&bias);
        }
        at
    }

    pub(super) fn push_numbers(&mut self, numbers: &[f32]) {
        self.words.extend(numbers.iter().map(|number| number.to_bits()));
    }

    /// Copies the layers to the device.
    pub(super) fn upload(mut self, device: &Device, storage: Storage) -> Result<Layers> {
        let mut halves = None;
        match self.format {
            Format::F32 => {}
            Format::Snorm => self.say("weight", Value::File("weight_norm")),
            Format::F16Pair => {
                let (both, scale) = split(&self.matrices);
                self.say("dense", Value::File("dense_matrix"));
                self.say("LOW_AT", Value::Count((self.matrices.len() / 4) as u32));
                self.say("UNSCALE_AT", Value::Count(self.at()));
                self.push_numbers(&[scale.recip() as f32, 0.0, 0.0, 0.0]);
                if storage.emulated {
                    self.say("matrix_turned", Value::File("matrix_emulated"));
                    self.say("lanes", Value::File("lanes_emulated"));
                }
                halves = Some(Buffer::constants(device, "halves", &both)?);
            }
        }
        let Chain { words, n_weights, constants, .. } = self;
        let weight = Buffer::constants(device, "weight", &words)?;
        Ok(Layers { weight, halves, n_weights, constants })
    }
}

impl Layers {
    /// Layers with the names of the constants for their places; `true` stands for the transpose.
    pub(super) fn new(
        device: &Device,
        storage: Storage,
        layers: &[(&'static str, &Linear, bool)],
    ) -> Result<Self> {
        let mut chain = Chain::new(storage.layers);
        for (name, layer, transposed) in layers {
            chain.push_named(name, layer, *transposed);
        }
        chain.upload(device, storage)
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        let scope = Scope::default().with("weight", &self.weight);
        match &self.halves {
            Some(halves) => scope.with("halves", halves),
            None => scope,
        }
    }

    /// The constants of a kernel with `n_bindings` bindings. On tensor cores the weights get the
    /// next number, HALVES.
    pub(super) fn constants_for(&self, n_bindings: u32) -> Constants {
        let mut constants = self.constants.clone();
        if self.halves.is_some() {
            constants.push(("HALVES", Value::Count(n_bindings)));
        }
        constants
    }

    /// The bytes of weights that a tile of rows reads.
    pub(super) fn bytes(&self) -> usize {
        match &self.halves {
            Some(halves) => 2 * halves.len,
            None => 4 * self.weight.len,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An f16 pair holds numbers down to 2^-39 of the largest one of its row.
    #[test]
    fn added_outputs_do_not_set_the_scale_of_a_row() {
        let layer = Linear { n_in: 3, n_out: 2, weight: vec![1.0; 6], bias: None };
        let padded = before(Activation::Sigmoid, &layer);
        assert_eq!((padded.n_out, padded.weight.len()), (4, 12));
        let bias = padded.bias.expect("it has one");
        let after = |x: f64| Activation::Sigmoid.value_and_slope(x).0;
        assert!(bias[..2] == [0.0; 2] && bias[2..].iter().all(|x| after(*x) < 1e-50), "{bias:?}");
        assert_eq!(before(Activation::Tanh, &layer).n_out, 2);
    }
}
