//! What 16 bits do to a network: the range of every channel of its tensors, what each way to store
//! them loses, and the errors of energies and forces in mixed precision.
//!
//! Losses are relative to the root mean square of the channel's own values. A channel is an output
//! of a layer, a row of its weights; of a filter table it is a filter, with a value for every
//! interval. Tables are compared as they are in f32, where the third and fourth coefficients already
//! have few digits ([`crate::model::FilterTable::coefficients`]).

use half::f16;
use serde::Serialize;

use crate::backend::{Backend, Kind};
use crate::engine::{Precision, Terms};
use crate::error::{Error, Result};
use crate::gpu::{filters_suit_units, in_halves, layers_suit_units, narrow, split};
use crate::model::{FilterTable, Linear, Model, SchNet};
use crate::scoring::Scorer;
use crate::system::{Structure, System};
use crate::verify::Mixed;

/// The magnitudes of a channel's values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Range {
    /// The largest.
    pub largest: f64,
    /// The smallest that is not 0; 0 where all are.
    pub smallest: f64,
    /// Root mean square.
    pub rms: f64,
    /// log2 of largest over smallest.
    pub bits: f64,
}

impl Range {
    fn new(values: &[f64]) -> Self {
        let magnitudes = || values.iter().map(|x| x.abs());
        let largest = magnitudes().fold(0.0, f64::max);
        let smallest = magnitudes().filter(|x| *x > 0.0).fold(f64::INFINITY, f64::min);
        if largest == 0.0 && magnitudes().all(|x| x == 0.0) {
            return Range { largest, smallest: 0.0, rms: 0.0, bits: 0.0 };
        }
        // In parts of the largest: squares of large numbers may be beyond any.
        let sum: f64 = magnitudes().map(|x| (x / largest).powi(2)).sum();
        let rms = largest * (sum / values.len() as f64).sqrt();
        Range { largest, smallest, rms, bits: largest.log2() - smallest.log2() }
    }
}

/// What is lost of a tensor's values, relative to the root mean square of their channel. Not a
/// number where a format cannot hold a value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Loss {
    /// Root mean square.
    pub rms: f64,
    /// The largest.
    pub worst: f64,
}

/// What each way to store a tensor in 16 bits loses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Losses {
    /// A 16-bit float, in parts of one power of two for the tensor.
    pub f16: Loss,
    /// The same, in parts of a power of two for each channel.
    pub f16_by_channel: Loss,
    /// A normalised 16-bit integer, in parts of the largest of each channel.
    pub snorm_by_channel: Loss,
    /// Two 16-bit floats, the second for what the first leaves: twice the bits.
    pub f16_pair: Loss,
    /// The four coefficients of a table in 64 bits, in parts of one power of two for each filter,
    /// of the fourth its upper byte and in place of the lower one what the first leaves. Nothing but
    /// tables is packed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packed: Option<Loss>,
}

/// How mixed precision stores a tensor, where the device has matrix units; elsewhere layers are
/// [`Losses::snorm_by_channel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stored {
    /// [`Losses::f16`].
    F16,
    /// [`Losses::f16_pair`].
    F16Pair,
    /// [`Losses::snorm_by_channel`].
    Snorm,
    /// [`Losses::packed`], on every device.
    Packed,
    /// f32.
    F32,
    /// Not at all: something computed from it is.
    Nothing,
}

impl Stored {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Stored::F16 => "f16",
            Stored::F16Pair => "f16 pair",
            Stored::Snorm => "snorm/channel",
            Stored::Packed => "packed",
            Stored::F32 => "f32",
            Stored::Nothing => "-",
        }
    }
}

/// A tensor of a network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tensor {
    /// For example `block0.lin2`, `out1`, or `block0.c3` for coefficients of a table.
    pub name: String,
    /// Channels, and values of each.
    pub shape: [usize; 2],
    /// Of every channel.
    pub channels: Vec<Range>,
    /// By format.
    pub losses: Losses,
    /// As it is today.
    pub stored: Stored,
}

impl Tensor {
    /// A tensor of `values`, so many of each channel, and what packing makes of them.
    fn new(
        name: String,
        length: usize,
        values: &[f64],
        stored: Stored,
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

    fn of_layer(name: String, layer: &Linear, stored: Stored) -> Self {
        Tensor::new(name, layer.n_in, &layer.weight, stored, None)
    }

    /// The range of the channel that has most of it.
    pub fn widest(&self) -> Option<Range> {
        self.channels.iter().copied().max_by(|a, b| a.bits.total_cmp(&b.bits))
    }
}

/// Values as 16-bit floats, and as pairs of them.
fn halves(values: &[f64]) -> [Vec<f64>; 2] {
    let (bits, scale) = split(&narrow(values));
    let value = |bits: &u16| f16::from_bits(*bits).to_f64() / scale;
    let (high, low) = bits.split_at(values.len());
    let pair = high.iter().zip(low).map(|(high, low)| value(high) + value(low)).collect();
    [high.iter().map(value).collect(), pair]
}

/// Values as unpack2x16snorm gives them, times the largest.
fn snorm(values: &[f64]) -> Vec<f64> {
    let largest = Range::new(values).largest;
    let whole = |x: &f64| (x / largest * 32767.0).round() / 32767.0 * largest;
    if largest > 0.0 { values.iter().map(whole).collect() } else { values.to_vec() }
}

/// All tensors of a network, and those of its filter tables where it has them: with tables the
/// filter networks themselves are not stored.
pub fn tensors(schnet: &SchNet, table: Option<&FilterTable>) -> Vec<Tensor> {
    let of_layers = if layers_suit_units(schnet) { Stored::F16Pair } else { Stored::Snorm };
    let of_filters = match table {
        Some(_) => Stored::Nothing,
        None if filters_suit_units(schnet) => Stored::F16,
        None => Stored::F32,
    };
    let mut tensors = Vec::new();
    for (b, block) in schnet.interactions.iter().enumerate() {
        // The first lin1 is applied to the embedding beforehand.
        let lin1 = if b == 0 { Stored::Nothing } else { of_layers };
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

/// The four coefficients of block `b`, of powers of the distance from the middle of an interval.
fn coefficients(schnet: &SchNet, table: &FilterTable, b: usize) -> Vec<Tensor> {
    let (n_filters, n_intervals) = (schnet.n_filters(), table.n_intervals());
    let mut values = vec![vec![Vec::with_capacity(n_intervals); n_filters]; 4];
    let mut packed = values.clone();
    for (f, exact, stored) in in_halves(schnet, table, b) {
        for k in 0..4 {
            values[k][f].push(exact[k]);
            packed[k][f].push(stored[k]);
        }
    }
    let tensor = |k: usize| {
        let (values, packed) = (values[k].concat(), packed[k].concat());
        let name = format!("block{b}.c{k}");
        Tensor::new(name, n_intervals, &values, Stored::Packed, Some(&packed))
    };
    (0..4).map(tensor).collect()
}

/// The network at a structure in mixed precision, beside f64 with exact filters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AtStructure {
    /// Beads of the structure.
    pub n_beads: usize,
    /// The network's energy in f64, kcal/mol.
    pub energy: f64,
    /// Energy in mixed precision less that, kcal/mol.
    pub energy_offset: f64,
    /// Root mean square of the components of the network's forces in f64, kcal/mol/Å.
    pub force: f64,
    /// Error of the forces, root mean square, in parts of theirs.
    pub force_rms: f64,
    /// The largest of a component, in the same.
    pub force_worst: f64,
}

/// Evaluates the network of a model on `backend`, which is in mixed precision, and in f64.
///
/// # Errors
/// [`Error::Invalid`] for a backend in another precision or a model without a network, and what
/// evaluating structures may end with.
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
    let replicas: Vec<usize> = (0..structures.len()).collect();
    let positions: Vec<_> = structures.iter().map(|s| s.positions.clone()).collect();
    let evaluate = |backend: &Backend| {
        let mut scorer = Scorer::new(backend, system.clone());
        Ok(scorer.evaluate(&replicas, &positions, &[Terms::Network], true)?.remove(0))
    };
    let found = evaluate(backend)?;
    let right = evaluate(&Backend::open(Kind::Reference, None)?)?;
    let mut first = 0;
    let at = |(s, positions): (usize, &Vec<[f64; 3]>)| {
        let beads = first..first + positions.len();
        first = beads.end;
        let [forces, network] = [&found, &right].map(|of| of.forces[beads.clone()].as_flattened());
        let Mixed { rms, worst, .. } = Mixed::new([forces, network], network, [&[], &[]]);
        AtStructure {
            n_beads: positions.len(),
            energy: right.energy[s],
            energy_offset: found.energy[s] - right.energy[s],
            force: Range::new(network).rms,
            force_rms: rms,
            force_worst: worst,
        }
    };
    Ok(positions.iter().enumerate().map(at).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two channels.
    fn tensor(values: &[f64]) -> Tensor {
        Tensor::new("x".into(), values.len() / 2, values, Stored::F16, None)
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

    /// 1 + 2^-11 lies between two 16-bit floats and becomes the even one, 1.
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
        // All of it is lost.
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
        // Errors of rounding are spread evenly.
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
        assert_eq!(of("block0.lin1").stored, Stored::Nothing);
        assert_eq!(of("block1.lin1").stored, Stored::F16Pair);
        assert_eq!(of("out0").stored, Stored::F16Pair);
        for tensor in &found {
            // Half a unit in the last place, for values up to so many times the rms.
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
