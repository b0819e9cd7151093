//! TorchMD's parts of a network in the form of [`SchNet`].

use super::schnet::{Constants, Interaction, Linear, SchNet};
use crate::error::{Error, Result};

/// TorchMD's energy: E = mean + Σ_i (std e_i + atomref[type_i]).
pub(crate) struct Scale {
    pub(crate) mean: f64,
    pub(crate) std: f64,
    /// Energies by bead type, one for each row of the table.
    pub(crate) atomref: Option<Vec<f64>>,
}

impl SchNet {
    /// Moves the bias of the last readout layer to the constants, and the scale to both.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a table of energies with fewer rows than there are bead types, and for a
    /// bias of more than one value.
    pub(crate) fn fold_scale(&mut self, scale: Scale) -> Result<()> {
        let Scale { mean, std, atomref } = scale;
        let mut of_type = atomref.unwrap_or_else(|| vec![0.0; self.n_types]);
        if of_type.len() < self.n_types {
            let expected = format!("{} or more, the rows of the embedding", self.n_types);
            return Err(Error::invalid("rows of atomref", of_type.len(), expected));
        }
        of_type.truncate(self.n_types);
        if let Some(last) = self.readout.last_mut() {
            last.weight.iter_mut().for_each(|weight| *weight *= std);
            let bias = match last.bias.take().as_deref() {
                None => 0.0,
                Some([bias]) => *bias,
                Some(values) => {
                    let found = format!("{} values", values.len());
                    return Err(Error::invalid("bias of the last readout layer", found, "one"));
                }
            };
            of_type.iter_mut().for_each(|energy| *energy += std * bias);
        }
        self.constants = Some(Constants { of_type, of_molecule: mean });
        Ok(())
    }

    /// Puts a neighbor embedding before the first block. `combine` is TorchMD's layer on the features of a bead and the
    /// sum over its neighbors, (H, H + F) with bias. Its part on the features of a bead depends on
    /// the type only, and is applied to the embedding.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another shape of `combine` or of the embedding.
    pub(crate) fn fold_neighbors(
        &mut self,
        embedding: Vec<f64>,
        filter: Linear,
        combine: &Linear,
    ) -> Result<()> {
        let (n_hidden, n_filters) = (self.n_hidden, filter.n_out);
        let Linear { n_in, n_out, weight, bias } = combine;
        let fits = (*n_out, *n_in) == (n_hidden, n_hidden + n_filters)
            && weight.len() == n_in * n_out
            && self.embedding.len() == self.n_types * n_hidden;
        if !fits {
            let expected = format!("({n_hidden}, {})", n_hidden + n_filters);
            let found = format!("shape ({n_out}, {n_in})");
            return Err(Error::invalid("neighbor_embedding.combine.weight", found, expected));
        }
        let rows = || weight.chunks_exact(*n_in);
        let of_type = |of_type: &[f64]| {
            let product = |row: &[f64]| row.iter().zip(of_type).map(|(w, x)| w * x).sum::<f64>();
            let sums = rows().map(product);
            let biases = bias.iter().flatten().copied().chain(std::iter::repeat(0.0));
            sums.zip(biases).map(|(sum, bias)| sum + bias).collect::<Vec<_>>()
        };
        self.embedding = self.embedding.chunks_exact(n_hidden).flat_map(of_type).collect();
        let weight = rows().flat_map(|row| row[n_hidden..].iter().copied()).collect();
        let zeros = |n: usize| Some(vec![0.0; n]);
        let block = Interaction {
            filter0: filter,
            filter1: Linear {
                bias: if self.has_filter1_bias() { zeros(n_filters) } else { None },
                ..identity(n_filters)
            },
            lin1: Linear {
                n_in: n_hidden,
                n_out: n_filters,
                weight: vec![0.0; n_hidden * n_filters],
                bias: None,
            },
            lin2: Linear { n_in: n_filters, n_out: n_hidden, weight, bias: zeros(n_hidden) },
            lin: Linear { bias: zeros(n_hidden), ..identity(n_hidden) },
        };
        self.interactions.insert(0, block);
        self.neighbor_embedding = Some(embedding);
        Ok(())
    }
}

/// The output of the hidden channel that stands for a bias: f16 holds it exactly.
const CONSTANT: f64 = 0.5;

impl SchNet {
    /// The same network without a bias of the second filter layers. One more hidden channel of the
    /// filter networks, whose output does not depend on the distance, multiplies the bias. The
    /// filters get a channel of zeros with it, because both layers have the same width.
    pub(crate) fn without_filter1_bias(&self) -> SchNet {
        let mut wide = self.clone();
        for b in 0..wide.interactions.len() {
            let activation = self.activation_of(b);
            let Interaction { filter0, filter1, lin1, lin2, .. } = &mut wide.interactions[b];
            let Some(bias) = filter1.bias.take() else { return wide };
            // The activations rise to CONSTANT, and stay above it from there on.
            let (mut low, mut high) = (-40.0, 40.0);
            while f64::midpoint(low, high) > low && f64::midpoint(low, high) < high {
                let middle = f64::midpoint(low, high);
                let is_below = activation.value_and_slope(middle).0 < CONSTANT;
                *(if is_below { &mut low } else { &mut high }) = middle;
            }
            let hidden = f64::from(high as f32);
            let (value, _) = activation.value_and_slope(hidden);
            add_input(filter1, |o| bias[o] / value);
            for (layer, of_bias) in [(&mut *filter0, hidden), (filter1, 0.0), (lin1, 0.0)] {
                layer.n_out += 1;
                layer.weight.extend(vec![0.0; layer.n_in]);
                layer.bias.iter_mut().for_each(|bias| bias.push(of_bias));
            }
            add_input(lin2, |_| 0.0);
        }
        if let Some(features) = &mut wide.neighbor_embedding {
            let rows = features.chunks_exact(self.n_filters());
            *features = rows.flat_map(|row| row.iter().copied().chain([0.0])).collect();
        }
        wide
    }
}

/// Adds an input with these weights.
fn add_input(layer: &mut Linear, weight: impl Fn(usize) -> f64) {
    let rows = layer.weight.chunks_exact(layer.n_in).enumerate();
    layer.weight = rows.flat_map(|(o, row)| row.iter().copied().chain([weight(o)])).collect();
    layer.n_in += 1;
}

/// The identity of n numbers.
fn identity(n: usize) -> Linear {
    let weight = (0..n * n).map(|k| f64::from(u8::from(k / n == k % n))).collect();
    Linear { n_in: n, n_out: n, weight, bias: None }
}
