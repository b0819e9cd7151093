//! Radial bases, and the filters W(d) with their slopes W'(d), by chunks of pairs.

use rayon::prelude::*;

use super::dense::{Layer, single};
use super::simd::{self, Layout};
use crate::model::schnet::{Activation, SchNet};
use crate::model::{RadialBasis, radial::Envelope, radial::RadialForm};

/// Pairs per chunk: enough that packing the weights costs little, few enough that the chunk's
/// hidden layer stays in the second-level cache.
pub(super) const CHUNK: usize = 256;

/// Numbers that the loops over functions and channels need to know of a pair. Computed in f64,
/// because sharp functions of the distance multiply its rounding.
pub(super) const N_RADIAL: usize = 7;

/// The numbers of a chunk of pairs, kind by kind: the coordinate t(d) and what its rounding left,
/// dt/dd in 1/Å, the basis' own envelope and its slope, the convolution's envelope and its slope.
#[derive(Debug, Clone, Copy)]
pub(super) struct RadialChunk<'a>(pub &'a [f32]);

impl<'a> RadialChunk<'a> {
    /// The number of pairs.
    pub(super) fn len(&self) -> usize {
        self.0.len() / N_RADIAL
    }

    /// One slice per kind.
    pub(super) fn columns(&self) -> [&'a [f32]; N_RADIAL] {
        let n_pairs = self.len();
        std::array::from_fn(|kind| &self.0[kind * n_pairs..(kind + 1) * n_pairs])
    }
}

/// x as the sum of two f32.
fn split(x: f64) -> [f32; 2] {
    let high = x as f32;
    [high, (x - f64::from(high)) as f32]
}

/// A radial basis ready for use.
#[derive(Debug, Clone)]
pub(super) struct Basis {
    form: RadialForm,
    own: Envelope,
    center: Vec<[f32; 2]>,
    sharpness: Vec<f32>,
}

impl Basis {
    pub(super) fn new(basis: &RadialBasis) -> Self {
        let (form, own) = (basis.form(), basis.cutoff.envelope());
        let center = form.center.iter().copied().map(split).collect();
        let sharpness = single(&form.sharpness);
        Basis { form, own, center, sharpness }
    }

    /// The number of functions.
    pub(super) fn n_rbf(&self) -> usize {
        self.center.len()
    }

    /// Writes the numbers of a chunk of pairs; `envelope` is that of the convolution.
    pub(super) fn fill(
        &self,
        envelope: &Envelope,
        distances: impl Iterator<Item = f64>,
        chunk: &mut [f32],
    ) {
        let n_pairs = chunk.len() / N_RADIAL;
        for (p, d) in distances.enumerate() {
            let (t, dt) = self.form.coordinate(d);
            let [high, low] = split(t);
            let (own, own_slope) = self.own.value_and_slope(d);
            let (c, dc) = envelope.value_and_slope(d);
            let rest = [dt, own, own_slope, c, dc].map(|x| x as f32);
            for (kind, x) in [high, low].into_iter().chain(rest).enumerate() {
                chunk[kind * n_pairs + p] = x;
            }
        }
    }

    /// The numbers of all pairs, chunk by chunk.
    pub(super) fn radial(&self, envelope: &Envelope, distances: &[f64]) -> Vec<f32> {
        let mut radial = vec![0.0; distances.len() * N_RADIAL];
        for (chunk, d) in radial.chunks_mut(CHUNK * N_RADIAL).zip(distances.chunks(CHUNK)) {
            self.fill(envelope, d.iter().copied(), chunk);
        }
        radial
    }

    /// The result of [`Basis::evaluate`] as `[n_pairs, K]`.
    pub(super) fn by_pair(&self, values: &[f32]) -> Vec<f32> {
        let mut rows = vec![0.0; values.len()];
        let size = CHUNK * self.n_rbf();
        for (columns, rows) in values.chunks(size).zip(rows.chunks_mut(size)) {
            simd::transpose(columns, columns.len() / self.n_rbf(), rows);
        }
        rows
    }

    /// `B_k(d)` and, where there is room for it, its slope, `[K, chunk]` for every chunk of pairs;
    /// at least `min_chunks` chunks to a thread.
    pub(super) fn evaluate(
        &self,
        radial: &[f32],
        value: &mut [f32],
        slope: Option<&mut [f32]>,
        min_chunks: usize,
    ) {
        let size = CHUNK * self.n_rbf();
        let Some(slope) = slope else {
            (value.par_chunks_mut(size), radial.par_chunks(CHUNK * N_RADIAL))
                .into_par_iter()
                .with_min_len(min_chunks)
                .for_each(|(value, radial)| {
                    let radial = RadialChunk(radial);
                    simd::bell_values(&radial, &self.center, &self.sharpness, value);
                });
            return;
        };
        (
            value.par_chunks_mut(size),
            slope.par_chunks_mut(size),
            radial.par_chunks(CHUNK * N_RADIAL),
        )
            .into_par_iter()
            .with_min_len(min_chunks)
            .for_each(|(value, slope, radial)| {
                simd::bells(&RadialChunk(radial), &self.center, &self.sharpness, value, slope);
            });
    }
}

/// The filter network of one block.
#[derive(Debug, Clone)]
pub(super) struct FilterNetwork {
    activation: Activation,
    filter0: Layer,
    filter1: Layer,
}

impl FilterNetwork {
    pub(super) fn new(schnet: &SchNet, block: usize) -> Self {
        let block = &schnet.interactions[block];
        FilterNetwork {
            activation: schnet.activation,
            filter0: Layer::new(&block.filter0),
            filter1: Layer::new(&block.filter1),
        }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.filter0.bytes() + self.filter1.bytes()
    }

    /// `W(d)` of all pairs, `[n_pairs, F]`, from the values of [`Basis::evaluate`]; with the
    /// basis' slopes and room for them `W'(d)` as well. The envelope acts on the input of the
    /// second layer: being linear, the layer does not mind.
    pub(super) fn evaluate(
        &self,
        radial: &[f32],
        basis: &[f32],
        value: &mut [f32],
        slopes: Option<(&[f32], &mut [f32])>,
        min_chunks: usize,
    ) {
        let (n_rbf, n_filters) = (self.filter0.n_in, self.filter0.n_out);
        let bias = self.filter0.bias.as_deref().unwrap_or_default();
        let (inputs, outputs) = (CHUNK * n_rbf, CHUNK * n_filters);
        let Some((basis_slope, slope)) = slopes else {
            (
                value.par_chunks_mut(outputs),
                radial.par_chunks(CHUNK * N_RADIAL),
                basis.par_chunks(inputs),
            )
                .into_par_iter()
                .with_min_len(min_chunks)
                .for_each_init(
                    || vec![0.0; outputs],
                    |hidden, (value, radial, basis)| {
                        let hidden = &mut hidden[..value.len()];
                        self.filter0.forward(basis, hidden, Layout::Columns, false);
                        let radial = RadialChunk(radial);
                        simd::activate_filter_values(self.activation, &radial, bias, hidden);
                        self.filter1.forward(hidden, value, Layout::Rows, false);
                    },
                );
            return;
        };
        (
            value.par_chunks_mut(outputs),
            slope.par_chunks_mut(outputs),
            radial.par_chunks(CHUNK * N_RADIAL),
            basis.par_chunks(inputs),
            basis_slope.par_chunks(inputs),
        )
            .into_par_iter()
            .with_min_len(min_chunks)
            .for_each_init(
                || vec![0.0; 2 * outputs],
                |hidden, (value, slope, radial, basis, basis_slope)| {
                    let (hidden, hidden_slope) = hidden.split_at_mut(outputs);
                    let hidden = &mut hidden[..value.len()];
                    let hidden_slope = &mut hidden_slope[..value.len()];
                    self.filter0.forward(basis, hidden, Layout::Columns, false);
                    self.filter0.forward(basis_slope, hidden_slope, Layout::Columns, false);
                    let radial = RadialChunk(radial);
                    simd::activate_filters(self.activation, &radial, bias, hidden, hidden_slope);
                    self.filter1.forward(hidden, value, Layout::Rows, false);
                    self.filter1.forward(hidden_slope, slope, Layout::Rows, false);
                },
            );
    }
}
