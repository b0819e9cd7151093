//! The network: random weights, and a few chosen weights that hold the chain together.
//!
//! The non-bonded prior only repels. The chosen weights make the chain a drop of a steady size.
//! They reserve two features of every bead and two channels of its messages:
//!
//! ```text
//! feature 0     1 at every bead, in every block
//! message 0     near_i = Σ_j f(d_ij): f ≈ 1 up to 11 Å and falls smoothly to 0 at 15 Å
//! message 1     close_i = Σ_j g(d_ij): g falls from 1 to 0 between 3 and 9 Å
//! feature 1     in every block, − pull tanh((near_i − n0)/w0) + push tanh((close_i − n1)/w1)
//! readout       DEPTH kcal/mol per unit of feature 1, through one nearly linear unit per layer
//! ```
//!
//! In feature 1, the first term is a long-range attraction, which rounds the drop. The second term
//! is a repulsion, which rises faster and faster with the density and so sets the size of the drop.
//! All other weights are uniform random numbers.

use super::chain::N_TYPES;
use crate::model::{Activation, Cutoff, Interaction, Linear, RadialBasis, RadialFunctions, SchNet};
use crate::random::Draw;

const HIDDEN: usize = 128;
const FILTERS: usize = 128;
const FUNCTIONS: usize = 64;
const BLOCKS: usize = 4;
const READOUT: [usize; 4] = [HIDDEN, 128, 64, 1];
const CUTOFF: f64 = 15.0;

/// Standard deviations of the random weights in units of 1/√(n_in), chosen so that the arguments of
/// the activations are of the order of 1 in a compact chain.
const FILTER0_GAIN: f64 = 2.0;
const FILTER1_GAIN: f64 = 1.0;
const LIN1_GAIN: f64 = 1.0;
const LIN2_GAIN: f64 = 0.15;
const LIN_GAIN: f64 = 0.7;
const READOUT_GAIN: [f64; 3] = [0.6, 1.0, 10.0];
const BIAS: f64 = 0.2;

/// The hidden units of the filters f and g: weight of the sum over the radial basis, and bias.
const UNITS: [(f64, f64); 4] = [(0.0, 3.0), (0.4, 0.0), (2.0, 0.0), (2.0, -3.8)];
/// f: a constant minus two units that saturate where the cutoff envelope is far from 0.
const NEAR: [(usize, f64); 3] = [(0, 15.4), (1, -4.0), (2, -10.9)];
/// g: a smooth step in the sum over the radial basis.
const CLOSE: [(usize, f64); 2] = [(0, 0.5), (3, 0.5)];
/// n0 and w0: where the attraction is steepest, and the width of its slope, in beads.
const PULL: (f64, f64) = (130.0, 100.0);
/// n1 and w1: the same for the repulsion.
const PUSH: (f64, f64) = (34.0, 15.0);
/// pull and push: the largest changes of feature 1 by a block. They are small, so that feature 1
/// stays where tanh is nearly linear.
const STRENGTH: (f64, f64) = (0.0275, 0.075);
/// The initial value of feature 1, chosen so that its final value stays near 0.
const OFFSET: f64 = 0.125;
/// kcal/mol per unit of feature 1.
const DEPTH: f64 = 40.0;

/// The network.
pub(super) fn network(draw: &mut Draw) -> SchNet {
    let mut embedding = draw.uniform(N_TYPES * HIDDEN, 3_f64.sqrt());
    for features in embedding.chunks_exact_mut(HIDDEN) {
        (features[0], features[1]) = (1.0, OFFSET);
    }
    let cutoff = Cutoff::Cosine { lower: 0.0, upper: CUTOFF };
    SchNet {
        n_types: N_TYPES,
        n_hidden: HIDDEN,
        embedding,
        radial_basis: RadialBasis { functions: exp_normal(), cutoff },
        cutoff,
        activation: Activation::Tanh,
        interactions: (0..BLOCKS).map(|_| interaction(draw)).collect(),
        readout: readout(draw),
        max_num_neighbors: None,
        neighbor_embedding: None,
        constants: None,
    }
}

/// The customary initial values: centers evenly spaced in exp(−d), with matching widths.
fn exp_normal() -> RadialFunctions {
    let first = (-CUTOFF).exp();
    let spacing = (1.0 - first) / (FUNCTIONS - 1) as f64;
    let width = 2.0 / FUNCTIONS as f64 * (1.0 - first);
    let single = |x: f64| f64::from(x as f32);
    RadialFunctions::ExpNormal {
        alpha: 5.0 / CUTOFF,
        lower: 0.0,
        means: (0..FUNCTIONS).map(|k| single(first + spacing * k as f64)).collect(),
        betas: vec![single(width.powi(-2)); FUNCTIONS],
    }
}

fn random(draw: &mut Draw, n_in: usize, n_out: usize, gain: f64, bias: bool) -> Linear {
    let limit = gain * (3.0 / n_in as f64).sqrt();
    let weight = draw.uniform(n_out * n_in, limit);
    let bias = bias.then(|| draw.uniform(n_out, BIAS));
    Linear { n_in, n_out, weight, bias }
}

/// Makes an output of a layer depend on the given inputs only, with the given weights.
fn set_row(layer: &mut Linear, row: usize, bias: f64, entries: &[(usize, f64)]) {
    let n_in = layer.n_in;
    let weights = &mut layer.weight[row * n_in..(row + 1) * n_in];
    weights.fill(0.0);
    for (column, weight) in entries {
        weights[*column] = f64::from(*weight as f32);
    }
    if let Some(biases) = &mut layer.bias {
        biases[row] = f64::from(bias as f32);
    }
}

fn interaction(draw: &mut Draw) -> Interaction {
    let mut filter0 = random(draw, FUNCTIONS, FILTERS, FILTER0_GAIN, true);
    let mut filter1 = random(draw, FILTERS, FILTERS, FILTER1_GAIN, false);
    let mut lin1 = random(draw, HIDDEN, FILTERS, LIN1_GAIN, false);
    let mut lin2 = random(draw, FILTERS, HIDDEN, LIN2_GAIN, true);
    let mut lin = random(draw, HIDDEN, HIDDEN, LIN_GAIN, true);

    for (unit, (weight, bias)) in UNITS.into_iter().enumerate() {
        let sum: Vec<_> = (0..FUNCTIONS).map(|k| (k, weight)).collect();
        set_row(&mut filter0, unit, bias, &sum);
    }
    let well = [(&NEAR[..], PULL), (&CLOSE[..], PUSH)];
    for (channel, (units, (middle, width))) in well.into_iter().enumerate() {
        set_row(&mut filter1, channel, 0.0, units);
        set_row(&mut lin1, channel, 0.0, &[(0, 1.0)]);
        set_row(&mut lin2, channel, -middle / width, &[(channel, 1.0 / width)]);
    }
    set_row(&mut lin, 0, 0.0, &[]);
    set_row(&mut lin, 1, 0.0, &[(0, -STRENGTH.0), (1, STRENGTH.1)]);
    Interaction { filter0, filter1, lin1, lin2, lin }
}

fn readout(draw: &mut Draw) -> Vec<Linear> {
    let last = READOUT_GAIN.len() - 1;
    let mut layers: Vec<Linear> = (0..=last)
        .map(|l| random(draw, READOUT[l], READOUT[l + 1], READOUT_GAIN[l], l != last))
        .collect();
    set_row(&mut layers[0], 0, 0.0, &[(1, 1.0)]);
    set_row(&mut layers[1], 0, 0.0, &[(0, 1.0)]);
    layers[last].weight[0] = DEPTH;
    layers
}
