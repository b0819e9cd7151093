//! Classical prior terms: forms and parameters.

use std::collections::HashMap;

use crate::error::{Error, Result};

/// The functional form of a prior term. Parameters of a tuple are stored in the order given.
///
/// r is the distance of a pair; θ, in [0, π], the angle at the middle bead; φ, in (−π, π], the
/// dihedral in the IUPAC sign. No form has a factor ½.
///
/// The energy of a pair of the four repulsions belongs half to each bead, any other tuple's to its
/// first bead.
///
/// # Where the geometry is degenerate
///
/// Every backend keeps energies and forces finite by the same rules, and computes exactly
/// everywhere else. What divides has a lower bound, [`MIN_DISTANCE`] and [`MIN_SINE`]:
///
/// * A length that divides is at least 1e-4 Å: of r in U = (σ/r)⁶ and its slope, of the
///   separation in the direction of a force, of the two arms in cos θ and its gradient, of the
///   middle bond in a dihedral's. Elsewhere r stays what it is, so that a bond of no length has
///   its energy.
/// * sin θ is at least 1e-4 in ∂θ/∂x = −(∂cos θ/∂x)/sin θ. θ itself is atan2(|a × b|, a·b).
/// * sin²θ is at least 1e-8 in the k/sin²θ of [`PriorForm::RestrictedQuartic`], in the energy too,
///   whose slope by that term is 0 below the bound.
/// * |m|² and |n|² in the gradient of φ, m = b1 × b2 and n = b2 × b3, are at least
///   1e-8 |b1|²|b2|² and 1e-8 |b2|²|b3|², of bonds that are each at least 1e-4 Å long. φ itself is
///   atan2(|b2| b1·n, m·n), and 0 where both arguments are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PriorForm {
    /// k (r − x0)² + v0; parameters `k, x0, v0`.
    HarmonicBond,
    /// k (cos θ − x0)² + v0; parameters `k, x0, v0`; x0 is a cosine.
    HarmonicAngle,
    /// k (θ − x0)² + v0; parameters `k, x0, v0`.
    HarmonicAngleRaw,
    /// k (φ − x0)² + v0, the difference not wrapped; parameters `k, x0, v0`.
    HarmonicImproper,
    /// k (ψ − x0)² + v0, ψ = φ + π for φ < 0, else φ − π; parameters `k, x0, v0`. This π is
    /// [`SHIFT`], that of mlcg.
    ShiftedHarmonicImproper,
    /// v0 + Σ_n k1_n sin(nφ) + k2_n cos(nφ), n = 1..degree; parameters `v0, k1_1..k1_D, k2_1..k2_D`.
    Dihedral {
        /// The number of Fourier terms, D.
        degree: usize,
    },
    /// v0 + Σ_n k_n cosⁿθ, n = 1..4; parameters `v0, k1, k2, k3, k4`.
    QuarticAngle,
    /// v0 + Σ_n k_n θⁿ, n = 1..4; parameters `v0, k1, k2, k3, k4`.
    QuarticAngleRaw,
    /// a cos⁴θ + b cos³θ + c cos²θ + d cos θ + k/sin²θ + v0; parameters `a, b, c, d, k, v0`.
    RestrictedQuartic,
    /// U(r) = (σ/r)⁶, without a cutoff; parameter `sigma`.
    Repulsion,
    /// U(r) − U(rc) − (r − rc) U'(rc) for r < rc, else 0, U = (σ/r)⁶; parameters `sigma, cutoff`.
    CutoffRepulsion,
    /// (6/α) exp(α (1 − r/r0)); parameters `alpha, r_0`, neither of them 0.
    ExpRepulsion,
    /// As [`PriorForm::CutoffRepulsion`], of [`PriorForm::ExpRepulsion`]; parameters
    /// `alpha, r_0, cutoff`.
    CutoffExpRepulsion,
}

/// Å; the least length that divides.
pub const MIN_DISTANCE: f64 = 1e-4;

/// The least sine that divides; its square is the least sin²θ.
pub const MIN_SINE: f64 = 1e-4;

/// The π of [`PriorForm::ShiftedHarmonicImproper`]: mlcg subtracts π in single precision whatever
/// the precision of the rest, and published energies contain it. ψ is thereby 8.7e-8 off, with
/// opposite signs on the two sides of φ = 0; the force is not affected but through ψ.
pub const SHIFT: f64 = std::f32::consts::PI as f64;

/// Where files keep one parameter of a [`PriorForm`], or several that follow each other.
pub(crate) struct Column {
    /// Its names: a file has one of them.
    pub(crate) names: &'static [&'static str],
    /// How many parameters, if the tensor has an axis for them.
    pub(crate) series: Option<usize>,
    pub(crate) kind: ColumnKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Required,
    /// 0 where the file has none.
    Optional,
    /// One number for all tuples.
    Shared,
}

impl PriorForm {
    /// The number of beads in a tuple.
    pub fn order(&self) -> usize {
        match self {
            PriorForm::HarmonicBond
            | PriorForm::Repulsion
            | PriorForm::CutoffRepulsion
            | PriorForm::ExpRepulsion
            | PriorForm::CutoffExpRepulsion => 2,
            PriorForm::HarmonicAngle
            | PriorForm::HarmonicAngleRaw
            | PriorForm::QuarticAngle
            | PriorForm::QuarticAngleRaw
            | PriorForm::RestrictedQuartic => 3,
            PriorForm::HarmonicImproper
            | PriorForm::ShiftedHarmonicImproper
            | PriorForm::Dihedral { .. } => 4,
        }
    }

    /// The number of parameters of a tuple.
    pub fn n_parameters(&self) -> usize {
        match self {
            PriorForm::HarmonicBond
            | PriorForm::HarmonicAngle
            | PriorForm::HarmonicAngleRaw
            | PriorForm::HarmonicImproper
            | PriorForm::ShiftedHarmonicImproper => 3,
            PriorForm::Dihedral { degree } => 1 + 2 * degree,
            PriorForm::QuarticAngle | PriorForm::QuarticAngleRaw => 5,
            PriorForm::RestrictedQuartic => 6,
            PriorForm::Repulsion => 1,
            PriorForm::CutoffRepulsion | PriorForm::ExpRepulsion => 2,
            PriorForm::CutoffExpRepulsion => 3,
        }
    }

    /// The name in native files.
    pub fn name(&self) -> &'static str {
        match self {
            PriorForm::HarmonicBond => "harmonic_bond",
            PriorForm::HarmonicAngle => "harmonic_angle",
            PriorForm::HarmonicAngleRaw => "harmonic_angle_raw",
            PriorForm::HarmonicImproper => "harmonic_improper",
            PriorForm::ShiftedHarmonicImproper => "shifted_harmonic_improper",
            PriorForm::Dihedral { .. } => "dihedral",
            PriorForm::QuarticAngle => "quartic_angle",
            PriorForm::QuarticAngleRaw => "quartic_angle_raw",
            PriorForm::RestrictedQuartic => "restricted_quartic",
            PriorForm::Repulsion => "repulsion",
            PriorForm::CutoffRepulsion => "cutoff_repulsion",
            PriorForm::ExpRepulsion => "exp_repulsion",
            PriorForm::CutoffExpRepulsion => "cutoff_exp_repulsion",
        }
    }

    /// Whether the form is one of the four repulsions, which [`crate::ops::Ops::prior_repulsion`]
    /// computes; all others are [`crate::ops::Ops::prior_bonded`]'s.
    pub fn is_repulsion(&self) -> bool {
        matches!(
            self,
            PriorForm::Repulsion
                | PriorForm::CutoffRepulsion
                | PriorForm::ExpRepulsion
                | PriorForm::CutoffExpRepulsion
        )
    }

    /// Whether these parameters leave the form without a value: it divides by α and r0.
    fn is_undefined(&self, parameters: &[f64]) -> bool {
        matches!(self, PriorForm::ExpRepulsion | PriorForm::CutoffExpRepulsion)
            && parameters[..2].contains(&0.0)
    }

    /// The form that a class of mlcg stands for; `degree` is that of a Fourier series.
    pub(crate) fn of_class(class: &str, degree: usize) -> Option<Self> {
        Some(match class {
            "HarmonicBonds" | "GeneralBonds" => PriorForm::HarmonicBond,
            "HarmonicAngles" | "GeneralAngles" => PriorForm::HarmonicAngle,
            "HarmonicAnglesRaw" => PriorForm::HarmonicAngleRaw,
            "HarmonicImpropers" => PriorForm::HarmonicImproper,
            "ShiftedPeriodicHarmonicImpropers" => PriorForm::ShiftedHarmonicImproper,
            "Dihedral" | "FourierSeries" => PriorForm::Dihedral { degree },
            "QuarticAngles" => PriorForm::QuarticAngle,
            "QuarticRawAngles" => PriorForm::QuarticAngleRaw,
            "RestrictedQuartic" => PriorForm::RestrictedQuartic,
            "Repulsion" => PriorForm::Repulsion,
            "CutoffRepulsion" => PriorForm::CutoffRepulsion,
            "ExpRepulsion" => PriorForm::ExpRepulsion,
            "CutoffExpRepulsion" => PriorForm::CutoffExpRepulsion,
            _ => return None,
        })
    }

    /// Where mlcg's tensors hold the parameters, in their order.
    pub(crate) fn columns(&self) -> Vec<Column> {
        use ColumnKind::{Optional, Required, Shared};
        let one = |names| Column { names, series: None, kind: Required };
        let series = |names, n| Column { names, series: Some(n), kind: Required };
        // Absent from the harmonic priors as published, where it is always 0.
        let offset = |kind| Column { names: &["v_0", "V0", "v0"], series: None, kind };
        let cutoff = || Column { names: &["cutoff"], series: None, kind: Shared };
        let exponential = || vec![one(&["alpha"]), one(&["r_0", "r0"])];
        match *self {
            PriorForm::HarmonicBond
            | PriorForm::HarmonicAngle
            | PriorForm::HarmonicAngleRaw
            | PriorForm::HarmonicImproper
            | PriorForm::ShiftedHarmonicImproper => {
                vec![one(&["k"]), one(&["x_0", "x0"]), offset(Optional)]
            }
            PriorForm::Dihedral { degree } => {
                vec![offset(Required), series(&["k1s"], degree), series(&["k2s"], degree)]
            }
            PriorForm::QuarticAngle | PriorForm::QuarticAngleRaw => {
                vec![offset(Required), series(&["ks"], 4)]
            }
            PriorForm::RestrictedQuartic => {
                let coefficients = [&["a"], &["b"], &["c"], &["d"], &["k"]];
                coefficients.into_iter().map(|name| one(name)).chain([offset(Required)]).collect()
            }
            PriorForm::Repulsion => vec![one(&["sigma"])],
            PriorForm::CutoffRepulsion => vec![one(&["sigma"]), cutoff()],
            PriorForm::ExpRepulsion => exponential(),
            PriorForm::CutoffExpRepulsion => exponential().into_iter().chain([cutoff()]).collect(),
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
    /// whose types are not among the keys has zero parameters, which is an error for the two forms
    /// that have no value then, [`PriorForm::ExpRepulsion`] and [`PriorForm::CutoffExpRepulsion`].
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
        let (order, stride) = (self.form.order(), self.form.n_parameters());
        let key_of = |tuple: &[u32; 4]| {
            let mut key = TypeKey::default();
            for (type_of, bead) in key.iter_mut().zip(tuple).take(order) {
                *type_of = types[*bead as usize];
            }
            key
        };
        let (joined, missing) = match &self.parameters {
            PriorParameters::PerTuple { values } => {
                if values.len() != tuples.len() * stride {
                    return Err(Error::invalid(
                        format!("prior/{}", self.name),
                        format!("{} parameter rows", values.len() / stride),
                        format!("{}, one for each tuple of the structure", tuples.len()),
                    ));
                }
                (values.clone(), 0)
            }
            PriorParameters::Keyed { keys, values } => {
                let row_of_key: HashMap<&TypeKey, usize> =
                    keys.iter().enumerate().map(|(row, key)| (key, row)).collect();
                let mut joined = Vec::with_capacity(tuples.len() * stride);
                let mut missing = 0;
                for tuple in tuples {
                    match row_of_key.get(&key_of(tuple)) {
                        Some(row) => joined.extend(&values[row * stride..(row + 1) * stride]),
                        None => {
                            missing += 1;
                            joined.resize(joined.len() + stride, 0.0);
                        }
                    }
                }
                (joined, missing)
            }
        };
        let rows = tuples.iter().zip(joined.chunks_exact(stride));
        let undefined: Vec<TypeKey> = rows
            .filter(|(_, row)| self.form.is_undefined(row))
            .map(|(tuple, _)| key_of(tuple))
            .collect();
        if undefined.is_empty() {
            return Ok((joined, missing));
        }
        let mut keys = undefined.clone();
        keys.sort_unstable();
        keys.dedup();
        let mut types: Vec<String> =
            keys.iter().take(5).map(|key| format!("{:?}", &key[..order])).collect();
        if keys.len() > types.len() {
            types.push(format!("and {} more", keys.len() - types.len()));
        }
        Err(Error::invalid(
            format!("prior/{}", self.name),
            format!(
                "{} of {} tuples without parameters, of bead types {}",
                undefined.len(),
                tuples.len(),
                types.join(", ")
            ),
            "alpha and r_0 other than 0 for every tuple",
        ))
    }
}
