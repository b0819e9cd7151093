//! Radial bases, and filters W(d) and their slopes W'(d), in f64. Filter tables are fitted to these
//! functions, and the backends are tested against them.

use super::radial::RadialBasis;
use super::schnet::{Activation, Interaction, Linear, SchNet};

/// `B_k(d)` and `dB_k/dd` (1/Å) of all distances, `[distance.len(), K]` each.
pub(crate) fn radial_basis(basis: &RadialBasis, distance: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (form, envelope) = (basis.form(), basis.cutoff.envelope());
    let n = distance.len() * basis.n_rbf();
    let (mut value, mut slope) = (Vec::with_capacity(n), Vec::with_capacity(n));
    for &d in distance {
        let (c, dc) = envelope.value_and_slope(d);
        let (t, dt) = form.coordinate(d);
        for (center, sharpness) in form.center.iter().zip(&form.sharpness) {
            let offset = t - center;
            let bell = (-sharpness * offset * offset).exp();
            value.push(c * bell);
            slope.push(dc * bell - c * bell * 2.0 * sharpness * offset * dt);
        }
    }
    (value, slope)
}

/// The most values of a basis that are held at once.
const BASIS_VALUES: usize = 1 << 18;

/// A block's filters and their slopes at given distances.
pub(crate) struct Filters {
    /// The number of channels, F.
    pub(crate) n_filters: usize,
    /// `W_f(d)`, `[n_distances, F]`.
    pub(crate) value: Vec<f64>,
    /// `dW_f/dd`, `[n_distances, F]`, 1/Å; empty if the caller did not request it.
    pub(crate) slope: Vec<f64>,
}

/// `W = C G`, `G = filter1 act(s) + b1`, `s = filter0 B + b0`;
/// `W' = C' G + C filter1 (act'(s) ∘ filter0 B')`.
pub(crate) fn filters(
    schnet: &SchNet,
    block: usize,
    distance: &[f64],
    with_slope: bool,
) -> Filters {
    let (block, activation) = (&schnet.interactions[block], schnet.activation_of(block));
    let envelope = schnet.cutoff.envelope();
    let n_filters = schnet.n_filters();
    let (mut value, mut slope) = (Vec::new(), Vec::new());
    // The basis of all distances at once could be much larger than the model.
    let together = (BASIS_VALUES / schnet.radial_basis.n_rbf()).max(1);
    for distance in distance.chunks(together) {
        let (basis, mut basis_slope) = radial_basis(&schnet.radial_basis, distance);
        if !with_slope {
            basis_slope.clear();
        }
        let (hidden, hidden_slope) = hidden(activation, block, &basis, &basis_slope);
        value.extend(product(&block.filter1, &hidden, true));
        slope.extend(product(&block.filter1, &hidden_slope, false));
    }

    let rows = value.chunks_exact(n_filters).zip(slope.chunks_exact_mut(n_filters));
    for ((value, slope), &d) in rows.zip(distance) {
        let (c, dc) = envelope.value_and_slope(d);
        for (g, dg) in value.iter().zip(slope) {
            *dg = dc * g + c * *dg;
        }
    }
    for (value, &d) in value.chunks_exact_mut(n_filters).zip(distance) {
        let (c, _) = envelope.value_and_slope(d);
        value.iter_mut().for_each(|g| *g *= c);
    }
    Filters { n_filters, value, slope }
}

/// The hidden layer of a filter network, `act(s)`, and its slope by d. `basis` and `basis_slope`
/// come from [`radial_basis`].
pub(crate) fn hidden(
    activation: Activation,
    block: &Interaction,
    basis: &[f64],
    basis_slope: &[f64],
) -> (Vec<f64>, Vec<f64>) {
    let mut value = product(&block.filter0, basis, true);
    let mut slope = product(&block.filter0, basis_slope, false);
    for (s, ds) in value.iter().zip(&mut slope) {
        *ds *= activation.value_and_slope(*s).1;
    }
    for s in &mut value {
        *s = activation.value_and_slope(*s).0;
    }
    (value, slope)
}

/// With fewer outputs than this, loops over outputs are too short to be fast.
const FEW_OUTPUTS: usize = 8;

/// `W x (+ b)` for every row of `x`. Every sum has the order of the inputs.
pub(crate) fn product(layer: &Linear, x: &[f64], with_bias: bool) -> Vec<f64> {
    let mut y = Vec::with_capacity(x.len() / layer.n_in * layer.n_out);
    if layer.n_out < FEW_OUTPUTS {
        for row in x.chunks_exact(layer.n_in) {
            for (o, weights) in layer.weight.chunks_exact(layer.n_in).enumerate() {
                let bias = layer.bias.as_ref().filter(|_| with_bias).map_or(0.0, |bias| bias[o]);
                let products = weights.iter().zip(row).map(|(w, x)| w * x);
                y.push(products.fold(bias, |sum, product| sum + product));
            }
        }
        return y;
    }
    // W is transposed so that the inner loop runs over consecutive outputs.
    let mut columns = vec![0.0; layer.weight.len()];
    for o in 0..layer.n_out {
        for k in 0..layer.n_in {
            columns[k * layer.n_out + o] = layer.weight[o * layer.n_in + k];
        }
    }
    for row in x.chunks_exact(layer.n_in) {
        let start = y.len();
        match &layer.bias {
            Some(bias) if with_bias => y.extend(bias),
            _ => y.resize(start + layer.n_out, 0.0),
        }
        for (value, column) in row.iter().zip(columns.chunks_exact(layer.n_out)) {
            for (sum, weight) in y[start..].iter_mut().zip(column) {
                *sum += weight * value;
            }
        }
    }
    y
}

/// `Wᵀ x` for every row of `x`.
pub(crate) fn transposed_product(layer: &Linear, x: &[f64]) -> Vec<f64> {
    let mut y = Vec::with_capacity(x.len() / layer.n_out * layer.n_in);
    for row in x.chunks_exact(layer.n_out) {
        let start = y.len();
        y.resize(start + layer.n_in, 0.0);
        for (value, weights) in row.iter().zip(layer.weight.chunks_exact(layer.n_in)) {
            for (sum, weight) in y[start..].iter_mut().zip(weights) {
                *sum += weight * value;
            }
        }
    }
    y
}
