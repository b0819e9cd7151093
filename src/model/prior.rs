//! Classical prior terms: forms and parameters.

use std::collections::HashMap;

use crate::error::{Error, Result};

/// The functional form of a prior term. The parameters of a tuple are stored in the order that each
/// form lists.
///
/// r is the distance of a pair. θ, in [0, π], is the angle at the middle bead. φ, in (−π, π], is
/// the dihedral angle with the IUPAC sign. No form has a factor ½.
///
/// In a sum by beads, the energy of a tuple belongs to its first bead. The four repulsions assign
/// half of a pair's energy to each bead.
///
/// # Degenerate geometries
///
/// All backends use the same rules to keep energies and forces finite. Denominators have the lower
/// bounds [`MIN_DISTANCE`] and [`MIN_SINE`]; all other geometries are computed without change.
///
/// * A length in a denominator is at least 1e-4 Å. This holds for r in U = (σ/r)⁶ and its slope,
///   for the separation r in the unit vector of a force, for the two arms in sin θ, cos θ and their
///   gradients, and for the middle bond in the gradient of a dihedral angle. Everywhere else r is
///   unchanged, so that a bond of length 0 has the energy k x0² + v0.
/// * sin θ is at least 1e-4 in ∂θ/∂x = −(∂cos θ/∂x)/sin θ. θ itself is atan2(|a × b|, a·b) for the
///   arms a and b.
/// * sin²θ is at least 1e-8 in the term k/sin²θ of [`PriorForm::RestrictedQuartic`]. Below that
///   bound the term is constant and its slope is 0.
/// * |m|² and |n|² in the gradient of φ, with m = b1 × b2 and n = b2 × b3, are at least
///   1e-8 |b1|²|b2|² and 1e-8 |b2|²|b3|². In these bounds each bond length is at least 1e-4 Å. φ
///   itself is atan2(|b2| b1·n, m·n), and 0 if both arguments are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PriorForm {
    /// k (r − x0)² + v0; parameters `k, x0, v0`.
    HarmonicBond,
    /// k (cos θ − x0)² + v0; parameters `k, x0, v0`; x0 is a cosine.
    HarmonicAngle,
    /// k (θ − x0)² + v0; parameters `k, x0, v0`.
    HarmonicAngleRaw,
    /// k (φ − x0)² + v0 without periodic wrapping of φ − x0; parameters `k, x0, v0`.
    HarmonicImproper,
    /// k (ψ − x0)² + v0 with ψ = φ + π' for φ < 0, else φ − π'; parameters `k, x0, v0`. As in mlcg,
    /// π' is π in single precision, which is π + [`PI_EXCESS`].
    ShiftedHarmonicImproper,
    /// v0 + Σ_n k1_n sin(nφ) + k2_n cos(nφ), n = 1..D; parameters `v0, k1_1..k1_D, k2_1..k2_D`.
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
    /// [`PriorForm::CutoffRepulsion`] with U of [`PriorForm::ExpRepulsion`]; parameters
    /// `alpha, r_0, cutoff`.
    CutoffExpRepulsion,
}

/// The lower bound of a length in a denominator, Å.
pub const MIN_DISTANCE: f64 = crate::geometry::MIN_DISTANCE;

/// The lower bound of sin θ in a denominator; its square is the lower bound of sin²θ.
pub const MIN_SINE: f64 = crate::geometry::MIN_SINE;

/// π in single precision, minus π. In [`PriorForm::ShiftedHarmonicImproper`], mlcg shifts the angle
/// by π in single precision at every precision of the model. Published energies contain this error.
pub const PI_EXCESS: f64 = std::f32::consts::PI as f64 - std::f64::consts::PI;

/// ψ of [`PriorForm::ShiftedHarmonicImproper`] for φ = atan2(y, x), computed without the difference
/// φ − π, which would lose digits of a small ψ. y and x must not be −0.
pub(crate) fn psi(y: f64, x: f64) -> f64 {
    -y.atan2(-x) + if y < 0.0 { PI_EXCESS } else { -PI_EXCESS }
}

/// A tensor or number in a file: one parameter of a [`PriorForm`], or several consecutive ones.
pub(crate) struct Column {
    /// Its possible names; a file has only one of them.
    pub(crate) names: &'static [&'static str],
    /// The number of parameters, if the tensor has an axis for them.
    pub(crate) series: Option<usize>,
    pub(crate) kind: ColumnKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Required,
    /// The parameter is 0 if the file does not contain it.
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

    /// Whether the form is one of the four repulsions. [`crate::ops::Ops::prior_repulsion`]
    /// computes these, and [`crate::ops::Ops::prior_bonded`] all other forms.
    pub fn is_repulsion(&self) -> bool {
        match self {
            PriorForm::Repulsion
            | PriorForm::CutoffRepulsion
            | PriorForm::ExpRepulsion
            | PriorForm::CutoffExpRepulsion => true,
            PriorForm::HarmonicBond
            | PriorForm::HarmonicAngle
            | PriorForm::HarmonicAngleRaw
            | PriorForm::HarmonicImproper
            | PriorForm::ShiftedHarmonicImproper
            | PriorForm::Dihedral { .. }
            | PriorForm::QuarticAngle
            | PriorForm::QuarticAngleRaw
            | PriorForm::RestrictedQuartic => false,
        }
    }

    /// Whether these parameters leave the form undefined: exponential repulsions divide by α and
    /// r0.
    fn is_undefined(&self, parameters: &[f64]) -> bool {
        matches!(self, PriorForm::ExpRepulsion | PriorForm::CutoffExpRepulsion)
            && parameters[..2].contains(&0.0)
    }

    /// The form of a prior class of mlcg. `degree` is the degree of a Fourier series.
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

    /// The tensors of mlcg that hold the parameters, in the order of the parameters.
    pub(crate) fn columns(&self) -> Vec<Column> {
        use ColumnKind::{Optional, Required, Shared};
        let one = |names| Column { names, series: None, kind: Required };
        let series = |names, n| Column { names, series: Some(n), kind: Required };
        // The published harmonic priors do not contain the offset, which is 0 for them.
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

/// The largest degree of a dihedral that is read from a file, far above the degrees in use.
pub(crate) const MAX_DEGREE: usize = 64;

/// The bead types of a tuple; the elements from the order on are 0.
pub type TypeKey = [u32; 4];

/// The parameters of a prior term, and their assignment to tuples.
#[derive(Debug, Clone, PartialEq)]
pub enum PriorParameters {
    /// Row i belongs to the tuples whose bead types, in the order of the tuple, are `keys[i]`. A
    /// tuple whose types are not among the keys has zero parameters. This is an error for
    /// [`PriorForm::ExpRepulsion`] and [`PriorForm::CutoffExpRepulsion`], which are undefined then.
    Keyed {
        /// One key per row, without repeats.
        keys: Vec<TypeKey>,
        /// `[keys.len(), n_parameters]`.
        values: Vec<f64>,
    },
    /// Row i belongs to tuple i of the structure's tuple list with the name of the prior.
    PerTuple {
        /// `[n_tuples, n_parameters]`.
        values: Vec<f64>,
    },
}

/// One prior term of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Prior {
    /// Its name, which is also the name of the tuple list that it acts on.
    pub name: String,
    /// Its form.
    pub form: PriorForm,
    /// Its parameters.
    pub parameters: PriorParameters,
}

impl Prior {
    /// Checks the shapes and values of the parameters.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong number of parameters, or one that is not finite.
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

    /// Returns the parameters, `[n_tuples, n_parameters]`, and the number of tuples without a key.
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
                "{} of {} tuples with zero or no parameters, bead types {}",
                undefined.len(),
                tuples.len(),
                types.join(", ")
            ),
            "alpha and r_0 other than 0 for every tuple",
        ))
    }
}
