//! Radial bases, and the filters W(d) with their slopes W'(d), in chunks of pairs.

use rayon::prelude::*;

use super::dense::Layer;
use super::simd::{self, Bells, Radial};
use super::slab::{Lanes, n_slabs, room, to_slabs};
use crate::model::schnet::{Activation, SchNet};
use crate::model::{RadialBasis, radial::Envelope, radial::RadialForm};

/// Pairs per chunk. The basis and the hidden layer of a chunk fit in the second-level cache.
pub(super) const CHUNK: usize = 256;

/// x as the sum of two f32.
fn split(x: f64) -> [f32; 2] {
    let high = x as f32;
    [high, (x - f64::from(high)) as f32]
}

/// A radial basis, ready for evaluation.
#[derive(Debug, Clone)]
pub(super) struct Basis {
    form: RadialForm,
    own: Envelope,
    /// `[K/16]`
    bells: Vec<Bells>,
}

impl Basis {
    pub(super) fn new(basis: &RadialBasis) -> Self {
        let (form, own) = (basis.form(), basis.cutoff.envelope());
        let n_rbf = form.center.len();
        let rest: Vec<f64> = form.center.iter().map(|c| f64::from(split(*c)[1])).collect();
        let lanes = |values: &[f64]| to_slabs(values, n_rbf);
        let (center, rest, sharpness) = (lanes(&form.center), lanes(&rest), lanes(&form.sharpness));
        let bells = (0..n_slabs(n_rbf))
            .map(|k| Bells { center: [center[k], rest[k]], sharpness: sharpness[k] })
            .collect();
        Basis { form, own, bells }
    }

    /// The number of functions.
    pub(super) fn n_rbf(&self) -> usize {
        self.form.center.len()
    }

    /// The number of slabs of its values.
    pub(super) fn n_slabs(&self) -> usize {
        self.bells.len()
    }

    /// The numbers of a pair at distance `d`; `envelope` is the envelope of the convolution.
    pub(super) fn radial(&self, envelope: &Envelope, d: f64) -> Radial {
        let (t, dt) = self.form.coordinate(d);
        let single = |(value, slope): (f64, f64)| [value as f32, slope as f32];
        Radial {
            t: split(t),
            dt: dt as f32,
            own: single(self.own.value_and_slope(d)),
            envelope: single(envelope.value_and_slope(d)),
        }
    }

    /// `B_k(d)` and, if `slope` is given, its slope, `[K/16, CHUNK]` for every chunk of pairs. A
    /// thread takes at least `min_chunks` chunks.
    pub(super) fn evaluate(
        &self,
        radial: &[Radial],
        value: &mut [Lanes],
        slope: Option<&mut [Lanes]>,
        min_chunks: usize,
    ) {
        let size = CHUNK * self.n_slabs();
        let Some(slope) = slope else {
            (value.par_chunks_mut(size), radial.par_chunks(CHUNK))
                .into_par_iter()
                .with_min_len(min_chunks)
                .for_each(|(value, radial)| simd::bell_values(radial, &self.bells, value));
            return;
        };
        (value.par_chunks_mut(size), slope.par_chunks_mut(size), radial.par_chunks(CHUNK))
            .into_par_iter()
            .with_min_len(min_chunks)
            .for_each(|(value, slope, radial)| simd::bells(radial, &self.bells, value, slope));
    }
}

/// The filter network of one block: `W = C (W1 x + b1)`, `x = act(W0 B + b0)`.
#[derive(Debug, Clone)]
pub(super) struct FilterNetwork {
    activation: Activation,
    filter0: Layer,
    filter1: Layer,
    /// Whether the envelope multiplies x instead of the result. This is the same for a linear layer
    /// without bias, and takes no pass of its own.
    envelope_first: bool,
}

impl FilterNetwork {
    pub(super) fn new(schnet: &SchNet, b: usize) -> Self {
        let block = &schnet.interactions[b];
        FilterNetwork {
            activation: schnet.activation_of(b),
            filter0: Layer::new(&block.filter0),
            filter1: Layer::new(&block.filter1),
            envelope_first: block.filter1.bias.is_none(),
        }
    }

    /// The number of slabs of its filters.
    pub(super) fn n_slabs(&self) -> usize {
        n_slabs(self.filter1.n_out)
    }

    /// Memory in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.filter0.bytes() + self.filter1.bytes()
    }

    /// `W(d)` of all pairs, `[F/16, CHUNK]` for every chunk, from the values of
    /// [`Basis::evaluate`]. `slopes` holds the slopes of the basis and the output for `W'(d)`.
    pub(super) fn evaluate(
        &self,
        radial: &[Radial],
        basis: &[Lanes],
        value: &mut [Lanes],
        slopes: Option<(&[Lanes], &mut [Lanes])>,
        min_chunks: usize,
    ) {
        let (inputs, outputs) = (CHUNK * n_slabs(self.filter0.n_in), CHUNK * self.n_slabs());
        let Some((basis_slope, slope)) = slopes else {
            (value.par_chunks_mut(outputs), radial.par_chunks(CHUNK), basis.par_chunks(inputs))
                .into_par_iter()
                .with_min_len(min_chunks)
                .for_each_init(Vec::new, |hidden, (value, radial, basis)| {
                    self.chunk(radial, basis, value, None, hidden);
                });
            return;
        };
        (
            value.par_chunks_mut(outputs),
            slope.par_chunks_mut(outputs),
            radial.par_chunks(CHUNK),
            basis.par_chunks(inputs),
            basis_slope.par_chunks(inputs),
        )
            .into_par_iter()
            .with_min_len(min_chunks)
            .for_each_init(
                Vec::new,
                |hidden, (value, slope, radial, basis, basis_slope)| {
                    self.chunk(radial, basis, value, Some((basis_slope, slope)), hidden);
                },
            );
    }

    /// `evaluate` for a chunk of pairs. All its layers run on one thread.
    fn chunk(
        &self,
        radial: &[Radial],
        basis: &[Lanes],
        value: &mut [Lanes],
        slopes: Option<(&[Lanes], &mut [Lanes])>,
        hidden: &mut Vec<Lanes>,
    ) {
        let one = usize::MAX;
        let without = |at: &Radial| Radial { envelope: [1.0, 0.0], ..*at };
        let plain: Vec<Radial> = match self.envelope_first {
            true => Vec::new(),
            false => radial.iter().map(without).collect(),
        };
        let of_hidden = if self.envelope_first { radial } else { &plain };
        let n = radial.len() * self.n_slabs();
        let (hidden, hidden_slope) = room(hidden, 2 * n).split_at_mut(n);
        self.filter0.forward(basis, hidden, false, one);
        let Some((basis_slope, slope)) = slopes else {
            simd::activate_filter_values(self.activation, of_hidden, hidden);
            self.filter1.forward(hidden, value, false, one);
            if !self.envelope_first {
                simd::envelop(radial, value);
            }
            return;
        };
        self.filter0.tangent(basis_slope, hidden_slope, one);
        simd::activate_filters(self.activation, of_hidden, hidden, hidden_slope);
        self.filter1.forward(hidden, value, false, one);
        self.filter1.tangent(hidden_slope, slope, one);
        if !self.envelope_first {
            simd::envelop_slope(radial, value, slope);
            simd::envelop(radial, value);
        }
    }
}
