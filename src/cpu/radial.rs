//! Radial bases, and the filters W(d) with their slopes W'(d), by chunks of pairs.

use rayon::prelude::*;

use super::dense::{Layer, single};
use super::simd;
use crate::model::schnet::{Activation, SchNet};
use crate::model::{RadialBasis, radial::Envelope, radial::RadialForm};

/// Pairs per chunk: enough that packing the weights costs little, few enough that the chunk's
/// hidden layer stays in the second-level cache.
const CHUNK: usize = 256;

/// What the loops over functions and channels need to know of a pair. Computed in f64, because
/// sharp functions of the distance multiply its rounding.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PairRadial {
    /// t(d), as a number and what its rounding left.
    pub coordinate: [f32; 2],
    /// dt/dd, 1/Å.
    pub coordinate_slope: f32,
    /// The basis' own envelope and its slope.
    pub basis_envelope: [f32; 2],
    /// The convolution's envelope and its slope.
    pub envelope: [f32; 2],
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

    /// What the loops need to know of a pair at distance `d`, with the envelope `envelope` of the
    /// convolution.
    pub(super) fn pair(&self, envelope: &Envelope, d: f64) -> PairRadial {
        let both = |(value, slope): (f64, f64)| [value as f32, slope as f32];
        let (t, dt) = self.form.coordinate(d);
        PairRadial {
            coordinate: split(t),
            coordinate_slope: dt as f32,
            basis_envelope: both(self.own.value_and_slope(d)),
            envelope: both(envelope.value_and_slope(d)),
        }
    }

    /// `B_k(d)` and its slope, `[n_pairs, K]` each; at least `min_chunks` chunks to a thread.
    pub(super) fn evaluate(
        &self,
        radial: &[PairRadial],
        value: &mut [f32],
        slope: &mut [f32],
        min_chunks: usize,
    ) {
        let size = CHUNK * self.n_rbf();
        (value.par_chunks_mut(size), slope.par_chunks_mut(size), radial.par_chunks(CHUNK))
            .into_par_iter()
            .with_min_len(min_chunks)
            .for_each(|(value, slope, radial)| {
                simd::bells(radial, &self.center, &self.sharpness, value, slope);
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

    /// `W(d)` and `W'(d)` of all pairs, `[n_pairs, F]` each. The envelope acts on the input of the
    /// second layer: being linear, the layer does not mind.
    pub(super) fn evaluate(
        &self,
        radial: &[PairRadial],
        basis: [&[f32]; 2],
        value: &mut [f32],
        slope: &mut [f32],
        min_chunks: usize,
    ) {
        let (n_rbf, n_filters) = (self.filter0.n_in, self.filter0.n_out);
        let bias = self.filter0.bias.as_deref().unwrap_or_default();
        let (inputs, outputs) = (CHUNK * n_rbf, CHUNK * n_filters);
        (
            value.par_chunks_mut(outputs),
            slope.par_chunks_mut(outputs),
            radial.par_chunks(CHUNK),
            basis[0].par_chunks(inputs),
            basis[1].par_chunks(inputs),
        )
            .into_par_iter()
            .with_min_len(min_chunks)
            .for_each_init(
                || vec![0.0; 2 * outputs],
                |hidden, (value, slope, radial, basis, basis_slope)| {
                    let (hidden, hidden_slope) = hidden.split_at_mut(outputs);
                    let hidden = &mut hidden[..value.len()];
                    let hidden_slope = &mut hidden_slope[..value.len()];
                    self.filter0.forward(basis, hidden, false);
                    self.filter0.forward(basis_slope, hidden_slope, false);
                    simd::activate_filters(self.activation, radial, bias, hidden, hidden_slope);
                    self.filter1.forward(hidden, value, false);
                    self.filter1.forward(hidden_slope, slope, false);
                },
            );
    }
}
