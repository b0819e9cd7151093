//! The errors of 16-bit storage: the range of each channel of a network's tensors, the loss of each
//! storage format, and the errors of energies and forces in mixed precision.
//!
//! A loss is a rounding error, in units of the root mean square of the channel's values. A channel
//! of a layer is the row of weights of one output. A channel of a filter table is one coefficient
//! of one filter in all intervals; its loss is the difference from the table in f32, whose third
//! and fourth coefficients are already rounded ([`crate::model::FilterTable::coefficients`]).

mod range;

use half::f16;
use serde::Serialize;

pub use self::range::Range;
use crate::backend::{Backend, BackendKind};
use crate::diagnose::verify::Mixed;
use crate::engine::{Filter, Numerics, Precision, Terms};
use crate::error::{Error, Result};
use crate::gpu::{Filters, Layers, Storage, in_halves, narrow, split};
use crate::largest::largest_by;
use crate::model::{FilterTable, Linear, Model, SchNet};
use crate::potential::{Potential, Request, Scores};
use crate::structure::Structure;
use crate::system::System;

/// The errors of a tensor's values, in units of the root mean square of their channel. NaN if the
/// format cannot represent a value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Loss {
    /// Root mean square.
    pub rms: f64,
    /// The largest error.
    pub worst: f64,
}

/// The loss of a tensor in each storage format.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Losses {
    /// f16, with one power of two as the scale factor of the whole tensor.
    pub f16: Loss,
    /// f16, with a power of two as the scale factor of each channel.
    pub f16_by_channel: Loss,
    /// Normalized 16-bit integers (snorm), in units of the largest absolute value of each channel.
    pub snorm_by_channel: Loss,
    /// Two f16, 32 bits: the second holds the rounding error of the first.
    pub f16_pair: Loss,
    /// Four f16 for the coefficients of a filter in an interval, with a power of two as the scale
    /// factor of each filter. The lower byte of the fourth is replaced by the upper byte of an f16
    /// that holds the rounding error of the first. Only filter tables have this format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packed: Option<Loss>,
}

/// The format of a tensor in mixed precision on a device with tensor cores. On other devices layers
/// have the format [`Losses::snorm_by_channel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Format {
    /// [`Losses::f16`].
    F16,
    /// [`Losses::f16_pair`].
    F16Pair,
    /// [`Losses::snorm_by_channel`].
    Snorm,
    /// [`Losses::packed`], on all devices.
    Packed,
    /// f32.
    F32,
    /// The tensor is not stored; the device stores other tensors that are computed from it.
    Nothing,
}

impl Format {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Format::F16 => "f16",
            Format::F16Pair => "f16 pair",
            Format::Snorm => "snorm/channel",
            Format::Packed => "packed",
            Format::F32 => "f32",
            Format::Nothing => "-",
        }
    }
}

/// A tensor of a network.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Tensor {
    /// For example `block0.lin2`, `out1`, or `block0.c3` for a coefficient of a filter table.
    pub name: String,
    /// The number of channels, and the number of values in each.
    pub shape: [usize; 2],
    /// The range of every channel.
    pub channels: Vec<Range>,
    /// The loss in each format.
    pub losses: Losses,
    /// The format in which mixed precision stores the tensor.
    pub stored: Format,
}

impl Tensor {
    /// A tensor with `length` values per channel. `packed` are `values` rounded to that format.
    fn new(
        name: String,
        length: usize,
        values: &[f64],
        stored: Format,
        packed: Option<&[f64]>,
    ) -> Self {
        let length = length.max(1);
        let by_channel = |format: &dyn Fn(&[f64]) -> Vec<f64>| -> Vec<f64> {
            values.chunks(length).flat_map(format).collect()
        };
        let channels: Vec<Range> = values.chunks(length).map(Range::new).collect();
        let loss = |found: &[f64]| {
            let (mut sum, mut worst) = (0.0, 0.0);
            for (k, (x, found)) in values.iter().zip(found).enumerate() {
                let error = (found - x).abs();
                let share = if error == 0.0 { 0.0 } else { error / channels[k / length].rms };
                sum += share * share;
                worst = if share > worst || share.is_nan() { share } else { worst };
            }
            Loss { rms: (sum / values.len().max(1) as f64).sqrt(), worst }
        };
        let [high, pair] = halves(values);
        let losses = Losses {
            f16: loss(&high),
            f16_by_channel: loss(&by_channel(&|values| {
                let [high, _] = halves(values);
                high
            })),
            snorm_by_channel: loss(&by_channel(&snorm)),
            f16_pair: loss(&pair),
            packed: packed.map(loss),
        };
        Tensor { name, shape: [channels.len(), length], channels, losses, stored }
    }

    fn of_layer(name: String, layer: &Linear, stored: Format) -> Self {
        Tensor::new(name, layer.n_in, &layer.weight, stored, None)
    }

    /// The widest range of a channel.
    pub fn widest(&self) -> Option<Range> {
        largest_by(self.channels.iter().copied(), |channel| channel.bits)
    }
}

/// The values rounded to f16, and to pairs of f16.
fn halves(values: &[f64]) -> [Vec<f64>; 2] {
    let (bits, scale) = split(&narrow(values));
    let finite = |x: f64| if x.is_finite() { x } else { f64::NAN };
    let value = |bits: &u16| finite(f16::from_bits(*bits).to_f64() / scale);
    let (high, low) = bits.split_at(values.len());
    let pair = high.iter().zip(low).map(|(high, low)| value(high) + value(low)).collect();
    [high.iter().map(value).collect(), pair]
}

/// The values rounded to snorm, as WGSL's unpack2x16snorm returns them, times the largest value.
fn snorm(values: &[f64]) -> Vec<f64> {
    let largest = Range::new(values).largest;
    let whole = |x: &f64| (x / largest * 32767.0).round() / 32767.0 * largest;
    if largest > 0.0 { values.iter().map(whole).collect() } else { values.to_vec() }
}

/// All tensors of a network, and those of its filter table, if there is one. With a table, a device
/// does not store the filter networks.
pub fn tensors(schnet: &SchNet, table: Option<&FilterTable>) -> Vec<Tensor> {
    let filter = if table.is_some() { Filter::TABLE } else { Filter::Exact };
    let storage = Storage::at_best(schnet, Numerics { filter, precision: Precision::Mixed });
    let of_layers = match storage.layers {
        Layers::F32 => Format::F32,
        Layers::Snorm => Format::Snorm,
        Layers::F16Pair => Format::F16Pair,
    };
    let of_filters = match storage.filters {
        Filters::Table => Format::Nothing,
        Filters::Matrices => Format::F16,
        Filters::Exact => Format::F32,
    };
    let mut tensors = Vec::new();
    for (b, block) in schnet.interactions.iter().enumerate() {
        // The first block's lin1 is not stored: the device stores its product with the embedding.
        let lin1 = if b == 0 { Format::Nothing } else { of_layers };
        for (name, layer, stored) in [
            ("filter0", &block.filter0, of_filters),
            ("filter1", &block.filter1, of_filters),
            ("lin1", &block.lin1, lin1),
            ("lin2", &block.lin2, of_layers),
            ("lin", &block.lin, of_layers),
        ] {
            tensors.push(Tensor::of_layer(format!("block{b}.{name}"), layer, stored));
        }
        tensors.extend(table.into_iter().flat_map(|table| coefficients(schnet, table, b)));
    }
    for (l, layer) in schnet.readout.iter().enumerate() {
        tensors.push(Tensor::of_layer(format!("out{l}"), layer, of_layers));
    }
    tensors
}

/// Block `b`'s table: coefficients of powers of the distance from the middle of an interval.
fn coefficients(schnet: &SchNet, table: &FilterTable, b: usize) -> Vec<Tensor> {
    let (n_filters, n_intervals) = (schnet.n_filters(), table.n_intervals());
    let mut values = vec![vec![Vec::with_capacity(n_intervals); n_filters]; 4];
    let mut packed = values.clone();
    for (_, f, exact, stored) in in_halves(schnet, table, b) {
        for k in 0..4 {
            values[k][f].push(exact[k]);
            packed[k][f].push(stored[k]);
        }
    }
    let tensor = |k: usize| {
        let (values, packed) = (values[k].concat(), packed[k].concat());
        let name = format!("block{b}.c{k}");
        Tensor::new(name, n_intervals, &values, Format::Packed, Some(&packed))
    };
    (0..4).map(tensor).collect()
}

/// Errors of the network at a structure in mixed precision, against f64 with exact filters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AtStructure {
    /// The number of beads of the structure.
    pub n_beads: usize,
    /// The network's energy in f64, kcal/mol.
    pub energy: f64,
    /// The energy in mixed precision minus `energy`, kcal/mol.
    pub energy_offset: f64,
    /// Root mean square of the components of the network's forces in f64, kcal/mol/Å.
    pub force: f64,
    /// The root mean square error of the force components, in units of `force`.
    pub force_rms: f64,
    /// The largest error of a force component, in units of `force`.
    pub force_worst: f64,
}

/// Evaluates the network of a model on `backend`, which must be in mixed precision, and in f64.
///
/// # Errors
/// [`Error::Invalid`] for a backend in another precision or a model without a network; the errors
/// of [`Potential::evaluate`].
pub fn at_structures(
    backend: &Backend,
    model: &Model,
    structures: &[Structure],
) -> Result<Vec<AtStructure>> {
    if backend.precision() != Precision::Mixed {
        return Err(Error::invalid("precision", backend.precision().name(), "mixed"));
    }
    if model.schnet.is_none() {
        return Err(Error::invalid("model", "no network", "a network"));
    }
    let system = System::new(model, structures)?;
    let positions: Vec<_> = structures.iter().flat_map(|s| s.positions.iter().copied()).collect();
    let request = Request { terms: vec![Terms::Network], forces: true };
    let evaluate = |backend: Backend| {
        let mut potential = Potential::of_system(system.clone(), backend);
        let mut scores = Scores::default();
        potential.evaluate(system.molecule_of(), &positions, &request, &mut scores)?;
        Ok(scores.into_result()?.remove(0))
    };
    let found = evaluate(backend.clone())?;
    let right = evaluate(Backend::open(BackendKind::Reference, None)?)?;
    let at = |s: usize| {
        let beads = system.beads(s);
        let [forces, network] = [&found, &right].map(|of| of.forces[beads.clone()].as_flattened());
        let Mixed { rms, worst, .. } = Mixed::new([forces, network], network, [&[], &[]]);
        AtStructure {
            n_beads: beads.len(),
            energy: right.energy[s],
            energy_offset: found.energy[s] - right.energy[s],
            force: Range::new(network).rms,
            force_rms: rms,
            force_worst: worst,
        }
    };
    Ok((0..structures.len()).map(at).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tensor of two channels.
    fn tensor(values: &[f64]) -> Tensor {
        Tensor::new("x".into(), values.len() / 2, values, Format::F16, None)
    }

    fn is_close(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= 1e-12 * expected.abs()
    }

    #[test]
    fn ranges_are_of_channels() {
        let [first, second] =
            tensor(&[0.5, -8.0, 0.0, 0.0, 0.0, 0.0]).channels.try_into().expect("two channels");
        let rms = (64.25_f64 / 3.0).sqrt();
        assert_eq!((first.largest, first.smallest, first.bits), (8.0, 0.5, 4.0));
        assert!(is_close(first.rms, rms));
        assert_eq!(second, Range { largest: 0.0, smallest: 0.0, rms: 0.0, bits: 0.0 });
        assert!(is_close(Range::new(&[1e200, 1e200]).rms, 1e200));
    }

    /// 1 + 2^-11 lies in the middle between two f16 and is rounded to the even one, 1.
    #[test]
    fn f16_rounds_to_even() {
        let step = 0.5_f64.powi(11);
        let Losses { f16, f16_by_channel, f16_pair, .. } =
            tensor(&[1.0, 1.0 + step, 1.0, 1.0]).losses;
        let rms = ((1.0 + (1.0 + step).powi(2)) / 2.0).sqrt();
        assert!(is_close(f16.worst, step / rms), "{f16:?}");
        assert!(is_close(f16.rms, step / rms / 2.0), "{f16:?}");
        assert_eq!(f16_by_channel, f16);
        assert_eq!(f16_pair, Loss { rms: 0.0, worst: 0.0 });
    }

    #[test]
    fn a_small_channel_needs_a_scale_of_its_own() {
        let small = 0.5_f64.powi(60);
        let losses = tensor(&[1.0, 0.75, small, 0.75 * small]).losses;
        assert_eq!(losses.f16_by_channel.worst, 0.0);
        // With one scale factor for the tensor, the small channel becomes 0.
        assert!(is_close(losses.f16.worst, 1.0 / (1.5625_f64 / 2.0).sqrt()), "{losses:?}");
    }

    #[test]
    fn snorm_is_within_half_a_step() {
        let values: Vec<f64> = (0..200).map(|k| (f64::from(k) * 1.7).sin()).collect();
        let tensor = tensor(&values);
        let bound = |channel: &Range| 0.5 / 32767.0 * channel.largest / channel.rms;
        let most = tensor.channels.iter().map(bound).fold(0.0, f64::max);
        let found = tensor.losses.snorm_by_channel;
        assert!(found.worst <= most && found.worst > 0.8 * most, "{found:?}, at most {most:e}");
        // Rounding errors are distributed uniformly, so that their rms is the largest one over √3.
        assert!((found.rms / (most / 3.0_f64.sqrt()) - 1.0).abs() < 0.1, "{found:?}");
    }

    #[test]
    fn what_no_format_holds_is_no_panic() {
        let zero = tensor(&[0.0; 4]).losses;
        assert_eq!((zero.f16.worst, zero.snorm_by_channel.worst), (0.0, 0.0));
        assert!(tensor(&[1e300, 1.0, 1.0, 1.0]).losses.f16.worst.is_nan());
        for x in [f64::NAN, f64::INFINITY] {
            let losses = tensor(&[x, 1.0, 1.0, 1.0]).losses;
            assert!(losses.f16.worst.is_nan() && losses.snorm_by_channel.rms.is_nan());
        }
        assert!(tensor(&[]).widest().is_none());
    }

    #[test]
    fn every_tensor_is_there() {
        let schnet = crate::builtin::model().schnet.expect("the built-in model has a network");
        let table = FilterTable::new(&schnet, 1e-3).unwrap();
        let found = tensors(&schnet, Some(&table));
        assert_eq!(found.len(), 9 * schnet.interactions.len() + schnet.readout.len());
        let of = |name: &str| found.iter().find(|tensor| tensor.name == name).unwrap();
        assert_eq!(of("block1.c0").shape, [schnet.n_filters(), table.n_intervals()]);
        assert_eq!(of("block0.lin1").stored, Format::Nothing);
        assert_eq!(of("block1.lin1").stored, Format::F16Pair);
        assert_eq!(of("out0").stored, Format::F16Pair);
        for tensor in &found {
            // Rounding errors are at most half a unit in the last place of `most` times the rms.
            let most = tensor.channels.iter().map(|c| c.largest / c.rms).fold(0.0, f64::max);
            let Losses { f16_by_channel, f16_pair, .. } = tensor.losses;
            assert!(f16_by_channel.worst <= most * 0.5_f64.powi(11), "{}", tensor.name);
            assert!(f16_pair.worst <= most * 0.5_f64.powi(21), "{}", tensor.name);
        }
        let c0 = of("block0.c0").losses;
        let packed = c0.packed.expect("tables are packed");
        assert!(packed.rms < c0.f16_by_channel.rms / 8.0, "{c0:?}");
    }
}
