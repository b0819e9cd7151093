//! Linear layers on rows of features, by chunks of rows.

use rayon::prelude::*;

use super::simd::{self, Layout};
use crate::model::schnet::{Activation, Linear};

/// Most rows per chunk: the weights are packed once for each.
const CHUNK: usize = 128;

/// Fewest rows per chunk.
const MIN_CHUNK: usize = 32;

/// Numbers rounded to f32.
pub(super) fn single(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

/// Numbers widened to f64.
pub(super) fn double(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

/// A linear layer, laid out for products from either side.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub n_in: usize,
    pub n_out: usize,
    /// W, `[n_out, n_in]`.
    weight: Vec<f32>,
    /// Wᵀ, `[n_in, n_out]`.
    transposed: Vec<f32>,
    /// `[n_out]`.
    pub bias: Option<Vec<f32>>,
}

/// What [`dense`] does before and after the product.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mode<'a> {
    /// W x + b
    Linear,
    /// W act(x) + b
    Activate(Activation),
    /// Wᵀ x
    Transposed,
    /// act'(pre) ∘ (Wᵀ x)
    TransposedSlope(Activation, &'a [f32]),
}

impl Layer {
    pub(super) fn new(layer: &Linear) -> Self {
        let (n_in, n_out) = (layer.n_in, layer.n_out);
        let weight = single(&layer.weight);
        let mut transposed = vec![0.0; weight.len()];
        for o in 0..n_out {
            for i in 0..n_in {
                transposed[i * n_out + o] = weight[o * n_in + i];
            }
        }
        Layer { n_in, n_out, weight, transposed, bias: layer.bias.as_deref().map(single) }
    }

    /// `y = W x`, or `y += W x`, for every row of `x`, which lies in columns; without the bias.
    pub(super) fn forward(&self, x: &[f32], y: &mut [f32], layout: Layout, add: bool) {
        simd::product(x, &self.transposed, self.n_in, y, layout, add);
    }

    /// `y = Wᵀ x`, or `y += Wᵀ x`, for every row of `x`, which lies in columns.
    fn backward(&self, x: &[f32], y: &mut [f32], add: bool) {
        simd::product(x, &self.weight, self.n_out, y, Layout::Rows, add);
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        4 * (2 * self.weight.len() + self.bias.as_ref().map_or(0, Vec::len))
    }
}

/// Applies a layer to every row of `x`, and sets `y` to the result or, if `add`, adds it; at least
/// `min_chunks` chunks to a thread.
pub(super) fn dense(
    layer: &Layer,
    mode: Mode,
    x: &[f32],
    y: &mut [f32],
    add: bool,
    min_chunks: usize,
) {
    let (n_x, n_y) = match mode {
        Mode::Linear | Mode::Activate(_) => (layer.n_in, layer.n_out),
        Mode::Transposed | Mode::TransposedSlope(..) => (layer.n_out, layer.n_in),
    };
    let n_threads = if min_chunks == 1 { rayon::current_num_threads() } else { 1 };
    let n_rows = (x.len() / n_x).div_ceil(n_threads).clamp(MIN_CHUNK, CHUNK);
    let (size_x, size_y) = (n_rows * n_x, n_rows * n_y);
    (y.par_chunks_mut(size_y), x.par_chunks(size_x))
        .into_par_iter()
        .enumerate()
        .with_min_len(min_chunks)
        .for_each_init(Vec::new, |columns, (chunk, (y, x))| {
            columns.resize(x.len(), 0.0);
            simd::transpose(x, n_x, columns);
            match mode {
                Mode::Linear | Mode::Activate(_) => {
                    if let Mode::Activate(activation) = mode {
                        simd::activate(activation, columns);
                    }
                    layer.forward(columns, y, Layout::Rows, add);
                    add_bias(layer, y);
                }
                Mode::Transposed => layer.backward(columns, y, add),
                Mode::TransposedSlope(activation, pre) => {
                    layer.backward(columns, y, add);
                    simd::multiply_slope(activation, &pre[chunk * size_y..][..y.len()], y);
                }
            }
        });
}

fn add_bias(layer: &Layer, y: &mut [f32]) {
    let Some(bias) = &layer.bias else { return };
    for row in y.chunks_exact_mut(layer.n_out) {
        for (y, bias) in row.iter_mut().zip(bias) {
            *y += bias;
        }
    }
}
