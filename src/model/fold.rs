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
    /// [`Error::Invalid`] for a table of energies with fewer rows than there are bead types, and for
    /// a bias of more than one value.
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

    /// Puts a neighbor embedding before the first block. `combine` is TorchMD's layer on the
    /// features of a bead and the sum over its neighbors, (H, H + F) with bias. Its part on the
    /// features of a bead depends on the type only, and is applied to the embedding.
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::{Activation, Cutoff, RadialBasis, RadialFunctions};

    const TYPES: usize = 3;
    const HIDDEN: usize = 4;
    const FILTERS: usize = 5;
    const RADIAL: usize = 2;

    /// Numbers in [-1, 1) that depend on the seed.
    fn noise(n: usize, seed: usize) -> Vec<f64> {
        let number = |k: usize| (0.37 + 0.618_034 * (k + 31 * seed) as f64).fract() * 2.0 - 1.0;
        (0..n).map(number).collect()
    }

    fn layer(n_in: usize, n_out: usize, seed: usize) -> Linear {
        let (weight, bias) = (noise(n_in * n_out, seed), Some(noise(n_out, seed + 7)));
        Linear { n_in, n_out, weight, bias }
    }

    fn apply(layer: &Linear, x: &[f64]) -> Vec<f64> {
        let row = |o: usize| {
            let weights = &layer.weight[o * layer.n_in..][..layer.n_in];
            let bias = layer.bias.as_ref().map_or(0.0, |bias| bias[o]);
            weights.iter().zip(x).map(|(w, x)| w * x).sum::<f64>() + bias
        };
        (0..layer.n_out).map(row).collect()
    }

    /// A small network, and a neighbor embedding's features for it.
    pub(crate) fn network(n_blocks: usize) -> (SchNet, Vec<f64>) {
        let block = |seed| Interaction {
            filter0: layer(RADIAL, FILTERS, seed + 1),
            filter1: layer(FILTERS, FILTERS, seed + 2),
            lin1: Linear { bias: None, ..layer(HIDDEN, FILTERS, seed + 3) },
            lin2: layer(FILTERS, HIDDEN, seed + 4),
            lin: layer(HIDDEN, HIDDEN, seed + 5),
        };
        let cutoff = Cutoff::Cosine { lower: 0.0, upper: 12.0 };
        let schnet = SchNet {
            n_types: TYPES,
            n_hidden: HIDDEN,
            embedding: noise(TYPES * HIDDEN, 6),
            radial_basis: RadialBasis {
                functions: RadialFunctions::Gaussian { coeff: -1.0, offset: vec![3.0, 6.0] },
                cutoff,
            },
            cutoff,
            activation: Activation::Tanh,
            interactions: (0..n_blocks).map(|b| block(100 * b)).collect(),
            readout: vec![layer(HIDDEN, 2, 8), layer(2, 1, 9)],
            max_num_neighbors: None,
            neighbor_embedding: None,
            constants: None,
        };
        (schnet, noise(TYPES * FILTERS, 12))
    }

    fn assert_near(a: &[f64], b: &[f64]) {
        assert_eq!(a.len(), b.len());
        let is_near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-14 * (1.0 + a.abs());
        assert!(a.iter().zip(b).all(is_near), "{a:?} {b:?}");
    }

    fn scale(std: f64, atomref: Option<Vec<f64>>) -> Scale {
        Scale { mean: -3.5, std, atomref }
    }

    #[test]
    fn a_scaled_energy_is_that_of_the_folded_readout() {
        let last = |schnet: &SchNet| schnet.readout.last().unwrap().clone();
        for (std, atomref) in
            [(2.5, None), (-1e4, Some(noise(TYPES, 10))), (0.0, Some(noise(TYPES + 2, 11)))]
        {
            let (plain, mut folded) = (network(1).0, network(1).0);
            folded.fold_scale(scale(std, atomref.clone())).unwrap();
            let constants = folded.constants.clone().unwrap();
            assert_eq!(constants.of_molecule, -3.5);
            for z in 0..TYPES {
                let x = noise(2, 20 + z);
                let of_type = atomref.as_ref().map_or(0.0, |table| table[z]);
                let expected = std * apply(&last(&plain), &x)[0] + of_type;
                let found = apply(&last(&folded), &x)[0] + constants.of_type[z];
                assert!((found - expected).abs() <= 1e-14 * (1.0 + std.abs()), "{found}");
            }
            // All else stays.
            let (readout, constants) = (plain.readout.clone(), None);
            assert_eq!(SchNet { readout, constants, ..folded }, plain);
        }
    }

    #[test]
    fn wrong_tables_and_biases_are_refused() {
        let refused = |change: fn(&mut SchNet), table| {
            let mut schnet = network(1).0;
            change(&mut schnet);
            schnet.fold_scale(scale(1.0, table)).unwrap_err().to_string()
        };
        assert!(refused(|_| {}, Some(vec![0.0; TYPES - 1])).contains("rows of atomref: found 2"));
        let two = |schnet: &mut SchNet| schnet.readout[1].bias = Some(vec![0.0; 2]);
        assert!(refused(two, None).contains("found 2 values"));
        let mut schnet = network(1).0;
        schnet.readout[1].bias = None;
        schnet.fold_scale(scale(1.0, None)).unwrap();
        assert_eq!(schnet.constants.unwrap().of_type, [0.0; TYPES]);
    }

    #[test]
    fn a_neighbor_embedding_is_a_block_before_the_others() {
        let (plain, mut folded) = (network(1).0, network(1).0);
        let (features, filter) = (network(1).1, layer(RADIAL, FILTERS, 13));
        let combine = layer(HIDDEN + FILTERS, HIDDEN, 14);
        folded.fold_neighbors(features.clone(), filter.clone(), &combine).unwrap();
        let block = &folded.interactions[0];
        assert_eq!(folded.interactions[1..], plain.interactions[..]);
        assert_eq!(folded.neighbor_embedding.as_deref(), Some(&features[..]));
        assert_eq!(folded.activation_of(0), Activation::Identity);
        assert_eq!(folded.activation_of(1), Activation::Tanh);
        for z in 0..TYPES {
            let (basis, sum) = (noise(RADIAL, 15 + z), noise(FILTERS, 18 + z));
            let w = apply(&block.filter1, &apply(&block.filter0, &basis));
            assert_near(&w, &apply(&filter, &basis));
            let of_type = |schnet: &SchNet| schnet.embedding[z * HIDDEN..][..HIDDEN].to_vec();
            let expected = apply(&combine, &[of_type(&plain), sum.clone()].concat());
            let of_sum = apply(&block.lin, &apply(&block.lin2, &sum));
            let found: Vec<f64> = of_type(&folded).iter().zip(of_sum).map(|(h, m)| h + m).collect();
            assert_near(&found, &expected);
        }
        let narrow = layer(HIDDEN + FILTERS - 1, HIDDEN, 14);
        let error = network(1).0.fold_neighbors(features, filter, &narrow).unwrap_err().to_string();
        assert!(error.contains("combine.weight: found shape (4, 8), expected (4, 9)"), "{error}");
    }
}
