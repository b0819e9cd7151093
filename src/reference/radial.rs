//! Radial bases, and the filters W(d) with their slopes W'(d).

use super::dense::product;
use crate::model::schnet::{Interaction, SchNet};
use crate::model::{FilterTable, RadialBasis};

/// `B_k(d)` and `dB_k/dd`, `[distance.len(), K]` each.
pub(crate) fn radial_basis(basis: &RadialBasis, distance: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (form, envelope) = (basis.form(), basis.cutoff.envelope());
    let (mut value, mut slope) = (Vec::new(), Vec::new());
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

/// A filter and its slope at a number of distances.
pub(crate) struct Filters {
    /// Channels, F.
    pub(crate) n_filters: usize,
    /// `W_f(d)`, `[n_distances, F]`.
    pub(crate) value: Vec<f64>,
    /// `dW_f/dd`, `[n_distances, F]`, 1/Å; empty where it was not asked for.
    pub(crate) slope: Vec<f64>,
}

/// `W = C G`, `G = filter1 act(s)`, `s = filter0 B + b0`; `W' = C' G + C filter1 (act'(s) ∘ filter0 B')`.
pub(crate) fn filters(
    schnet: &SchNet,
    block: usize,
    distance: &[f64],
    with_slope: bool,
) -> Filters {
    let block = &schnet.interactions[block];
    let envelope = schnet.cutoff.envelope();
    let (basis, mut basis_slope) = radial_basis(&schnet.radial_basis, distance);
    if !with_slope {
        basis_slope.clear();
    }
    let (hidden, hidden_slope) = hidden(schnet, block, &basis, &basis_slope);
    let mut value = product(&block.filter1, &hidden, false);
    let mut slope = product(&block.filter1, &hidden_slope, false);

    let n_filters = schnet.n_filters();
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

/// The layer between the two of a filter network, `act(s)`, and its slope, from those of the basis.
pub(crate) fn hidden(
    schnet: &SchNet,
    block: &Interaction,
    basis: &[f64],
    basis_slope: &[f64],
) -> (Vec<f64>, Vec<f64>) {
    let mut value = product(&block.filter0, basis, true);
    let mut slope = product(&block.filter0, basis_slope, false);
    for (s, ds) in value.iter().zip(&mut slope) {
        *ds *= schnet.activation.value_and_slope(*s).1;
    }
    for s in &mut value {
        *s = schnet.activation.value_and_slope(*s).0;
    }
    (value, slope)
}

/// The same from a table: `W = c0 + c1 s + c2 s² + c3 s³` and its derivative, for s(d) from 0 to 1
/// within the interval of d.
pub(super) fn tabulated_filters(
    table: &FilterTable,
    n_filters: usize,
    block: usize,
    distance: &[f64],
) -> Filters {
    let (mut value, mut slope) = (Vec::new(), Vec::new());
    for &d in distance {
        let place = table.place(d);
        let s = place.s;
        let pieces = &table.coefficients[block][place.interval * n_filters..][..n_filters];
        for [c0, c1, c2, c3] in pieces {
            value.push(c0 + s * (c1 + s * (c2 + s * c3)));
            slope.push(place.rate * (c1 + s * (2.0 * c2 + s * 3.0 * c3)));
        }
    }
    Filters { n_filters, value, slope }
}
