//! Linear layers on rows of features, one slab of outputs at a time.

use rayon::prelude::*;

use super::simd;
use super::slab::{LANES, Lanes, n_slabs, to_slabs};
use crate::model::schnet::{Activation, Linear};

/// A linear layer, laid out for products with W and with Wᵀ. The weights are padded with zeros to
/// whole slabs of the input, so that the padding columns of the input do not matter.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub n_in: usize,
    pub n_out: usize,
    /// Wᵀ, `[n_out/16, n_in]`.
    forward: Vec<Lanes>,
    /// W, `[n_in/16, n_out]`.
    backward: Vec<Lanes>,
    /// `[n_out/16]`.
    bias: Vec<Lanes>,
}

impl Layer {
    pub(super) fn new(layer: &Linear) -> Self {
        let (n_in, n_out) = (layer.n_in, layer.n_out);
        let mut forward = vec![0.0; n_slabs(n_in) * LANES * n_out];
        let mut backward = vec![0.0; n_slabs(n_out) * LANES * n_in];
        for o in 0..n_out {
            for i in 0..n_in {
                forward[i * n_out + o] = layer.weight[o * n_in + i];
                backward[o * n_in + i] = layer.weight[o * n_in + i];
            }
        }
        let zeros = vec![0.0; n_out];
        Layer {
            n_in,
            n_out,
            forward: to_slabs(&forward, n_out),
            backward: to_slabs(&backward, n_in),
            bias: to_slabs(layer.bias.as_deref().unwrap_or(&zeros), n_out),
        }
    }

    /// `y = W x + b` or, if `add`, `y += W x + b` for every row. A thread takes at least
    /// `min_chunks` slabs.
    pub(super) fn forward(&self, x: &[Lanes], y: &mut [Lanes], add: bool, min_chunks: usize) {
        let n_rows = x.len() / n_slabs(self.n_in);
        y.par_chunks_mut(n_rows)
            .zip(self.forward.par_chunks(n_slabs(self.n_in) * LANES))
            .zip(&self.bias)
            .with_min_len(min_chunks)
            .for_each(|((y, weight), bias)| simd::product(x, weight, *bias, y, add));
    }

    /// `y = W x` for every row: the derivative of the output for the derivative `x` of the input.
    pub(super) fn tangent(&self, x: &[Lanes], y: &mut [Lanes], min_chunks: usize) {
        let n_rows = x.len() / n_slabs(self.n_in);
        y.par_chunks_mut(n_rows)
            .zip(self.forward.par_chunks(n_slabs(self.n_in) * LANES))
            .with_min_len(min_chunks)
            .for_each(|(y, weight)| simd::product(x, weight, Lanes::ZERO, y, false));
    }

    /// `y = Wᵀ x` or, if `add`, `y += Wᵀ x` for every row; then `y = act'(pre) ∘ y` if `slope`
    /// holds an activation and `pre`.
    pub(super) fn backward(
        &self,
        x: &[Lanes],
        y: &mut [Lanes],
        add: bool,
        slope: Option<(Activation, &[Lanes])>,
        min_chunks: usize,
    ) {
        let n_rows = x.len() / n_slabs(self.n_out);
        y.par_chunks_mut(n_rows)
            .zip(self.backward.par_chunks(n_slabs(self.n_out) * LANES))
            .enumerate()
            .with_min_len(min_chunks)
            .for_each(|(slab, (y, weight))| {
                simd::product(x, weight, Lanes::ZERO, y, add);
                if let Some((activation, pre)) = slope {
                    simd::multiply_slope(activation, &pre[slab * n_rows..][..n_rows], y);
                }
            });
    }

    /// Memory in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Lanes>() * (self.forward.len() + self.backward.len() + self.bias.len())
    }
}

/// `y = act(x)`, one slab of `n_rows` rows at a time.
pub(super) fn activate(
    activation: Activation,
    x: &[Lanes],
    y: &mut [Lanes],
    n_rows: usize,
    min_chunks: usize,
) {
    (y.par_chunks_mut(n_rows), x.par_chunks(n_rows))
        .into_par_iter()
        .with_min_len(min_chunks)
        .for_each(|(y, x)| simd::activate(activation, x, y));
}
