//! Classical prior terms: forms and parameters.

use std::collections::HashMap;

use crate::error::{Error, Result};

/// The functional form of a prior term. Parameters of a tuple are stored in the order given.
///
/// θ is the angle at the middle bead, φ the dihedral in the IUPAC sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PriorForm {
    /// k (r − x0)² + v0; parameters `k, x0, v0`. No factor ½.
    HarmonicBond,
    /// k (cos θ − x0)² + v0; parameters `k, x0, v0`; x0 is a cosine. No factor ½.
    HarmonicAngle,
    /// v0 + Σ_n k1_n sin(nφ) + k2_n cos(nφ), n = 1..degree; parameters `v0, k1_1..k1_D, k2_1..k2_D`.
    Dihedral {
        /// The number of Fourier terms, D.
        degree: usize,
    },
    /// (σ/r)⁶, without a cutoff; parameter `sigma`.
    Repulsion,
}

impl PriorForm {
    /// The number of beads in a tuple.
    pub fn order(&self) -> usize {
        match self {
            PriorForm::HarmonicBond | PriorForm::Repulsion => 2,
            PriorForm::HarmonicAngle => 3,
            PriorForm::Dihedral { .. } => 4,
        }
    }

    /// The number of parameters of a tuple.
    pub fn n_parameters(&self) -> usize {
        match self {
            PriorForm::HarmonicBond | PriorForm::HarmonicAngle => 3,
            PriorForm::Dihedral { degree } => 1 + 2 * degree,
            PriorForm::Repulsion => 1,
        }
    }

    /// The name in native files.
    pub fn name(&self) -> &'static str {
        match self {
            PriorForm::HarmonicBond => "harmonic_bond",
            PriorForm::HarmonicAngle => "harmonic_angle",
            PriorForm::Dihedral { .. } => "dihedral",
            PriorForm::Repulsion => "repulsion",
        }
    }
}

/// The largest degree of a dihedral that files may have: far beyond any fit.
pub(crate) const MAX_DEGREE: usize = 64;

/// Bead types of a tuple; positions beyond the order are 0.
pub type TypeKey = [u32; 4];

/// How the parameters of a prior term are found.
#[derive(Debug, Clone, PartialEq)]
pub enum PriorParameters {
    /// Row i belongs to the tuples whose bead types, in the listed order, are `keys[i]`. A tuple
    /// whose types are not among the keys has zero parameters.
    Keyed {
        /// One key per row, without repeats.
        keys: Vec<TypeKey>,
        /// `[keys.len(), n_parameters]`.
        values: Vec<f64>,
    },
    /// Row i belongs to tuple i of the structure's list of the same name.
    PerTuple {
        /// `[n_tuples, n_parameters]`.
        values: Vec<f64>,
    },
}

/// One prior term of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Prior {
    /// Also the name of the structures' tuple list it acts on.
    pub name: String,
    /// Its form.
    pub form: PriorForm,
    /// Its parameters.
    pub parameters: PriorParameters,
}

impl Prior {
    /// Checks the shapes and values of the parameters.
    pub fn check(&self) -> Result<()> {
        let field = || format!("prior/{}", self.name);
        let stride = self.form.n_parameters();
        let values = match &self.parameters {
            PriorParameters::Keyed { keys, values } => {
                if values.len() != keys.len() * stride {
                    let expected = format!("{} rows of {stride}", keys.len());
                    return Err(Error::invalid(field(), values.len(), expected));
                }
                values
            }
            PriorParameters::PerTuple { values } => {
                if values.len() % stride != 0 {
                    let expected = format!("a multiple of {stride} values");
                    return Err(Error::invalid(field(), values.len(), expected));
                }
                values
            }
        };
        match values.iter().find(|value| !value.is_finite()) {
            Some(value) => Err(Error::invalid(field(), value, "finite parameters")),
            None => Ok(()),
        }
    }

    /// The parameters of each tuple, `[n_tuples, n_parameters]`, and how many tuples had no key.
    pub(crate) fn join(&self, tuples: &[[u32; 4]], types: &[u32]) -> Result<(Vec<f64>, usize)> {
        let stride = self.form.n_parameters();
        match &self.parameters {
            PriorParameters::PerTuple { values } => {
                if values.len() != tuples.len() * stride {
                    return Err(Error::invalid(
                        format!("prior/{}", self.name),
                        format!("{} parameter rows", values.len() / stride),
                        format!("{}, one for each tuple of the structure", tuples.len()),
                    ));
                }
                Ok((values.clone(), 0))
            }
            PriorParameters::Keyed { keys, values } => {
                let row_of_key: HashMap<&TypeKey, usize> =
                    keys.iter().enumerate().map(|(row, key)| (key, row)).collect();
                let mut joined = Vec::with_capacity(tuples.len() * stride);
                let mut missing = 0;
                for tuple in tuples {
                    let mut key = [0; 4];
                    for (type_of, bead) in key.iter_mut().zip(tuple).take(self.form.order()) {
                        *type_of = types[*bead as usize];
                    }
                    match row_of_key.get(&key) {
                        Some(row) => joined.extend(&values[row * stride..(row + 1) * stride]),
                        None => {
                            missing += 1;
                            joined.resize(joined.len() + stride, 0.0);
                        }
                    }
                }
                Ok((joined, missing))
            }
        }
    }
}
