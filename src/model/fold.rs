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

/// The identity of n numbers.
fn identity(n: usize) -> Linear {
    let weight = (0..n * n).map(|k| f64::from(u8::from(k / n == k % n))).collect();
    Linear { n_in: n, n_out: n, weight, bias: None }
}
