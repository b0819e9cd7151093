//! The hyperparameters and weights of SchNet. Matrices are row-major, (out, in): y = W x + b.

use super::radial::{Cutoff, RadialBasis};
use crate::error::{Error, Result};

/// A linear layer y = W x + b.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    /// Length of x.
    pub n_in: usize,
    /// Length of y.
    pub n_out: usize,
    /// W, `[n_out, n_in]`.
    pub weight: Vec<f64>,
    /// b, `[n_out]`.
    pub bias: Option<Vec<f64>>,
}

impl Linear {
    fn check(&self, field: &str, n_in: usize, n_out: Option<usize>, bias: bool) -> Result<()> {
        let n_out = n_out.unwrap_or(self.n_out);
        let n_weights = n_out.checked_mul(n_in);
        if (self.n_out, self.n_in) != (n_out, n_in) || Some(self.weight.len()) != n_weights {
            return Err(Error::invalid(
                format!("{field}.weight"),
                format!("shape ({}, {})", self.n_out, self.n_in),
                format!("({n_out}, {n_in})"),
            ));
        }
        let found = self.bias.as_ref().map(Vec::len);
        let expected = bias.then_some(n_out);
        if found != expected {
            let say = |n: Option<usize>| n.map_or("none".into(), |n| format!("{n} values"));
            return Err(Error::invalid(format!("{field}.bias"), say(found), say(expected)));
        }
        check_weights(field, self.weight.iter().chain(self.bias.iter().flatten()))
    }
}

/// Refuses weights that are not finite, or too large for single precision.
fn check_weights<'a>(field: &str, weights: impl IntoIterator<Item = &'a f64>) -> Result<()> {
    match weights.into_iter().find(|weight| !(**weight as f32).is_finite()) {
        Some(weight) => {
            Err(Error::invalid(field, weight, "weights that are finite in single precision"))
        }
        None => Ok(()),
    }
}

/// The activation shared by the filter networks, the blocks and the readout.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// tanh x.
    Tanh,
    /// x / (1 + e^−x).
    Silu,
    /// ln(1 + e^x) − shift. The shift of PyTorch Geometric is ln 2 in single precision; the plain
    /// softplus has a shift of 0.
    ShiftedSoftplus {
        /// The subtracted constant.
        shift: f64,
    },
    /// 1 / (1 + e^−x).
    Sigmoid,
    /// x tanh(ln(1 + e^x)).
    Mish,
    /// x. Only a neighbor embedding has it.
    Identity,
}

impl Activation {
    /// act(x) and act'(x).
    pub fn value_and_slope(&self, x: f64) -> (f64, f64) {
        match *self {
            Activation::Tanh => {
                // 1 − tanh² would lose the digits of a small slope.
                let tail = (-2.0 * x.abs()).exp();
                (x.tanh(), 4.0 * tail / (1.0 + tail).powi(2))
            }
            Activation::Silu => {
                let s = 1.0 / (1.0 + (-x).exp());
                (x * s, s * (1.0 + x * (1.0 - s)))
            }
            Activation::ShiftedSoftplus { shift } => {
                let value = x.max(0.0) + (-x.abs()).exp().ln_1p() - shift;
                (value, 1.0 / (1.0 + (-x).exp()))
            }
            Activation::Sigmoid => {
                let tail = (-x.abs()).exp();
                (1.0 / (1.0 + (-x).exp()), tail / (1.0 + tail).powi(2))
            }
            Activation::Identity => (x, 1.0),
            Activation::Mish => {
                // tanh ln(1 + u) = n / d with n = u (u + 2), d = n + 2 and u = e^x. For x > 0 both
                // are divided by u².
                let t = (-x.abs()).exp();
                let (n, rest, weight) = match x > 0.0 {
                    true => (1.0 + 2.0 * t, 2.0 * t * t, t * t),
                    false => (t * (t + 2.0), 2.0, t),
                };
                let d = n + rest;
                (x * n / d, n / d + 4.0 * x * weight * (1.0 + t) / (d * d))
            }
        }
    }
}

/// One interaction block.
#[derive(Debug, Clone, PartialEq)]
pub struct Interaction {
    /// First layer of the filter network: (F, K) with bias, followed by the activation.
    pub filter0: Linear,
    /// Second layer of the filter network: (F, F), with a bias in all blocks or in none.
    pub filter1: Linear,
    /// From the features to the channels of the filters: (F, H) without bias.
    pub lin1: Linear,
    /// From the messages to the features: (H, F) with bias, followed by the activation.
    pub lin2: Linear,
    /// Output layer of the block: (H, H) with bias. Its result is added to the features.
    pub lin: Linear,
}

/// Constants that are added to the energy. They exert no force.
#[derive(Debug, Clone, PartialEq)]
pub struct Constants {
    /// Energy of a bead of each type, kcal/mol, `[n_types]`.
    pub of_type: Vec<f64>,
    /// Energy of a molecule, kcal/mol.
    pub of_molecule: f64,
}

/// The SchNet graph network of a CGSchNet model.
///
/// ```text
/// h_i  = embedding[type_i]
/// per block:  W(d) = C(d) (filter1 act(filter0 B(d) + b0) + b1)
///             m_i  = Σ_j (lin1 h_j) ∘ W(d_ij)
///             h_i += lin act(lin2 m_i + b2) + bl
/// e_i  = readout(h_i) + of_type[type_i];   E = Σ_i e_i + of_molecule
/// ```
///
/// mlcg's networks have neither b1 nor constants. TorchMD's networks have both, and some more
/// parts, which `SchNet::fold_scale` and `SchNet::fold_neighbors` bring into this form:
///
/// ```text
/// TorchMD                                           this form
/// E = mean + Σ_i (std e_i + atomref[z_i])           the last readout layer is multiplied by std
/// e_i = O1 act(O0 h_i + o0) + o1                    of_type[z] = std o1 + atomref[z]
///                                                   of_molecule = mean
/// C(r) between the lower and the upper cutoff       cutoff = Cosine { lower, upper }
/// B(r) with an envelope that ignores the lower one  radial_basis.cutoff = Cosine { 0, upper }
/// neighbor embedding, before the first block:
/// h_i = A Emb[z_i] + D n_i + a, [A D] = combine     embedding[z] = A Emb[z] + a
/// n_i = Σ_j NEmb[z_j] ∘ C(r_ij) (P B(r_ij) + p)     a block before the others, whose act is the
///                                                   identity: filter0 = P with b0 = p,
///                                                   filter1 = 1, lin2 = D, lin = 1;
///                                                   neighbor_embedding[z_j] = NEmb[z_j] takes the
///                                                   place of lin1 h_j
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SchNet {
    /// Rows of the embedding table.
    pub n_types: usize,
    /// Width of the features, H.
    pub n_hidden: usize,
    /// The embedding table, `[n_types, n_hidden]`.
    pub embedding: Vec<f64>,
    /// B(d), which contains an envelope of its own.
    pub radial_basis: RadialBasis,
    /// C(d), which multiplies the output of the filter networks.
    pub cutoff: Cutoff,
    /// act, the same in the whole network.
    pub activation: Activation,
    /// The interaction blocks.
    pub interactions: Vec<Interaction>,
    /// Readout layers, H → … → 1, with the activation between them. All but the last have a bias;
    /// a bias of the last layer belongs to `constants`.
    pub readout: Vec<Linear>,
    /// The features that beads send to their neighbors in the first block, `[n_types, n_filters]`.
    /// If there are any, the first block is a neighbor embedding: they take the place of lin1 h_j,
    /// and its activation is the identity.
    pub neighbor_embedding: Option<Vec<f64>>,
    /// Constants that are added to the energy.
    pub constants: Option<Constants>,
    /// The largest number of neighbors of a bead; more are an error. Networks of TorchMD have none:
    /// their import does not apply the limit of the file.
    pub max_num_neighbors: Option<u32>,
}

impl SchNet {
    /// Width of the filters, F.
    pub fn n_filters(&self) -> usize {
        self.interactions.first().map_or(0, |block| block.filter1.n_out)
    }

    /// The activation of block `b`.
    pub fn activation_of(&self, b: usize) -> Activation {
        match self.neighbor_embedding {
            Some(_) if b == 0 => Activation::Identity,
            _ => self.activation,
        }
    }

    /// Whether the second layers of the filter networks have a bias.
    pub fn has_filter1_bias(&self) -> bool {
        self.interactions.first().is_some_and(|block| block.filter1.bias.is_some())
    }

    /// Beads within this radius are neighbors, Å: the upper limit of the radial basis' envelope.
    pub fn neighbor_radius(&self) -> f64 {
        self.radial_basis.cutoff.upper()
    }

    /// Checks all shapes and values, so that backends can rely on them.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first wrong field.
    pub fn check(&self) -> Result<()> {
        self.radial_basis.check()?;
        self.cutoff.check("conv.cutoff")?;
        if self.activation == Activation::Identity {
            return Err(Error::invalid(
                "activation",
                "the identity",
                "a function that is not linear",
            ));
        }
        let (n_hidden, n_rbf) = (self.n_hidden, self.radial_basis.n_rbf());
        check_rows("embedding.weight", &self.embedding, [self.n_types, n_hidden])?;
        if self.interactions.is_empty() {
            return Err(Error::invalid("interaction_blocks", "none", "at least one block"));
        }
        let n_filters = self.n_filters();
        if n_filters == 0 {
            return Err(Error::invalid("block0.filter1.weight", "no filters", "at least one"));
        }
        let filter1_bias = self.has_filter1_bias();
        for (b, block) in self.interactions.iter().enumerate() {
            let name = |layer: &str| format!("block{b}.{layer}");
            block.filter0.check(&name("filter0"), n_rbf, Some(n_filters), true)?;
            block.filter1.check(&name("filter1"), n_filters, Some(n_filters), filter1_bias)?;
            block.lin1.check(&name("lin1"), n_hidden, Some(n_filters), false)?;
            block.lin2.check(&name("lin2"), n_filters, Some(n_hidden), true)?;
            block.lin.check(&name("lin"), n_hidden, Some(n_hidden), true)?;
        }
        let Some(last) = self.readout.len().checked_sub(1) else {
            return Err(Error::invalid("output_network", "no layers", "at least one"));
        };
        let mut n_in = n_hidden;
        for (l, layer) in self.readout.iter().enumerate() {
            let n_out = (l == last).then_some(1);
            layer.check(&format!("out{l}"), n_in, n_out, l != last)?;
            if layer.n_out == 0 {
                return Err(Error::invalid(
                    format!("out{l}.weight"),
                    "no channels",
                    "at least one",
                ));
            }
            n_in = layer.n_out;
        }
        if let Some(features) = &self.neighbor_embedding {
            check_rows("neighbor_embedding", features, [self.n_types, n_filters])?;
        }
        if let Some(Constants { of_type, of_molecule }) = &self.constants {
            check_rows("constants.of_type", of_type, [self.n_types, 1])?;
            check_weights("constants.of_molecule", [of_molecule])?;
        }
        Ok(())
    }
}

/// Checks the values of a matrix.
fn check_rows(field: &str, values: &[f64], [n_rows, n_columns]: [usize; 2]) -> Result<()> {
    match n_rows.checked_mul(n_columns) {
        Some(n) if n > 0 && n == values.len() => check_weights(field, values),
        _ => {
            let found = format!("{} values", values.len());
            Err(Error::invalid(field, found, format!("({n_rows}, {n_columns}), both > 0")))
        }
    }
}
