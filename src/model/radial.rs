//! Radial bases and cutoff envelopes: the parameters of each kind, and one common formula.

use std::f64::consts::PI;

use crate::error::{Error, Result};
use crate::largest::largest;

/// A cutoff envelope C(d). Distances in Å.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Cutoff {
    /// C = 1 everywhere; `upper` still bounds the neighbor list.
    Identity {
        /// Å; C does not depend on it.
        lower: f64,
        /// Å.
        upper: f64,
    },
    /// If `lower` ≤ 0: C = ½(cos(π d/upper) + 1) below `upper`, else 0. If `lower` > 0:
    /// C = ½(cos(π(2(d − lower)/(upper − lower) + 1)) + 1) between `lower` and `upper`, else 0.
    Cosine {
        /// Å.
        lower: f64,
        /// Å.
        upper: f64,
    },
    /// C = 1 up to `upper − width`, ½ + ½cos(π(d − upper + width)/width) up to `upper`, then 0.
    ShiftedCosine {
        /// Å.
        upper: f64,
        /// Å.
        width: f64,
    },
}

impl Cutoff {
    /// The upper limit, Å. The envelope is 0 beyond it, except for `Identity`.
    pub fn upper(&self) -> f64 {
        match *self {
            Cutoff::Identity { upper, .. }
            | Cutoff::Cosine { upper, .. }
            | Cutoff::ShiftedCosine { upper, .. } => upper,
        }
    }

    /// The lower limit, Å; 0 for a kind without one.
    pub fn lower(&self) -> f64 {
        match *self {
            Cutoff::Identity { lower, .. } | Cutoff::Cosine { lower, .. } => lower,
            Cutoff::ShiftedCosine { .. } => 0.0,
        }
    }

    /// The envelope in the form that every backend evaluates.
    ///
    /// A cosine without a lower limit equals the shifted cosine of width `upper`.
    pub fn envelope(&self) -> Envelope {
        match *self {
            Cutoff::Identity { .. } => Envelope { start: f64::INFINITY, ..Envelope::ONE },
            Cutoff::Cosine { lower, upper } if lower > 0.0 => {
                let rate = 2.0 / (upper - lower);
                Envelope { low: lower, start: lower, end: upper, rate }
            }
            Cutoff::Cosine { upper, .. } => {
                Envelope { start: 0.0, end: upper, rate: 1.0 / upper, ..Envelope::ONE }
            }
            Cutoff::ShiftedCosine { upper, width } => {
                Envelope { start: upper - width, end: upper, rate: 1.0 / width, ..Envelope::ONE }
            }
        }
    }

    pub(crate) fn check(&self, field: &str) -> Result<()> {
        let (lower, upper) = (self.lower(), self.upper());
        if !(upper.is_finite() && upper > 0.0) {
            return Err(Error::invalid(format!("{field}.upper"), upper, "a cutoff > 0 Å"));
        }
        if !(lower.is_finite() && lower < upper) {
            return Err(Error::invalid(format!("{field}.lower"), lower, format!("< {upper} Å")));
        }
        if let Cutoff::ShiftedCosine { width, .. } = *self
            && !(width > 0.0 && width <= upper)
        {
            return Err(Error::invalid(
                format!("{field}.smooth_width"),
                width,
                format!("> 0 and ≤ {upper} Å"),
            ));
        }
        Ok(())
    }
}

/// The common form of all envelopes: 0 up to `low`, 1 up to `start`, sin²(½π (end − d)·rate) up to
/// `end`, and 0 beyond. The sine is accurate near the end, where ½ + ½cos would lose digits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Envelope {
    /// C is 0 at this distance and below, Å.
    pub low: f64,
    /// C is 1 up to this distance, Å.
    pub start: f64,
    /// C is 0 at this distance and beyond, Å.
    pub end: f64,
    /// Half periods of the cosine per Å.
    pub rate: f64,
}

impl Envelope {
    const ONE: Envelope =
        Envelope { low: f64::NEG_INFINITY, start: f64::INFINITY, end: f64::INFINITY, rate: 0.0 };

    /// C(d) and dC/dd (1/Å).
    pub fn value_and_slope(&self, d: f64) -> (f64, f64) {
        if d <= self.low || d >= self.end {
            return (0.0, 0.0);
        }
        if d <= self.start {
            return (1.0, 0.0);
        }
        let (sin, cos) = (0.5 * PI * self.rate * (self.end - d)).sin_cos();
        (sin * sin, -PI * self.rate * sin * cos)
    }
}

/// The K functions of a radial basis, without its envelope.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RadialFunctions {
    /// exp(coeff (d − offset_k)²).
    Gaussian {
        /// 1/Å², negative.
        coeff: f64,
        /// Å, length K.
        offset: Vec<f64>,
    },
    /// exp(−betas_k (exp(alpha (lower − d)) − means_k)²). `lower` is the lower limit of the cutoff;
    /// in mlcg's ExtendedExpNormalBasis it is a parameter of its own.
    ExpNormal {
        /// 1/Å.
        alpha: f64,
        /// Å.
        lower: f64,
        /// Length K.
        means: Vec<f64>,
        /// Length K.
        betas: Vec<f64>,
    },
    /// exp(−(d − means_k)²/betas_k).
    SpacedExp {
        /// Å, length K.
        means: Vec<f64>,
        /// Å², length K.
        betas: Vec<f64>,
    },
}

/// A radial basis: functions of the distance, multiplied by the envelope of the basis.
#[derive(Debug, Clone, PartialEq)]
pub struct RadialBasis {
    /// The functions.
    pub functions: RadialFunctions,
    /// The envelope of the basis; its upper limit is the neighbor radius.
    pub cutoff: Cutoff,
}

/// The common form of all bases: B_k(d) = exp(−sharpness_k (t(d) − center_k)²) with t(d) = d, or
/// t(d) = exp(alpha (lower − d)) if `warp` is (alpha, lower).
#[derive(Debug, Clone, PartialEq)]
pub struct RadialForm {
    /// Centers, length K.
    pub center: Vec<f64>,
    /// Factors in the exponents, length K.
    pub sharpness: Vec<f64>,
    /// (alpha in 1/Å, lower in Å), or `None` for t(d) = d.
    pub warp: Option<(f64, f64)>,
}

/// The largest exponent of t(d) = exp(alpha (lower − d)). Where the exponent is larger, t is
/// constant, so that t² and the slope of t stay inside the range of f32. [`RadialBasis::check`]
/// makes sure that all functions are 0 there.
pub(crate) const MOST_EXPONENT: f64 = 30.0;

/// e^−x of a larger x is 0 for every backend.
const NEGLIGIBLE: f64 = 88.0;

impl RadialForm {
    /// t(d) and dt/dd.
    pub fn coordinate(&self, d: f64) -> (f64, f64) {
        match self.warp {
            None => (d, 1.0),
            Some((alpha, lower)) => {
                let exponent = alpha * (lower - d);
                let t = exponent.min(MOST_EXPONENT).exp();
                (t, if exponent > MOST_EXPONENT { 0.0 } else { -alpha * t })
            }
        }
    }

    /// The largest |dt/dd| between two distances, at which a function is not 0.
    pub(crate) fn steepest(&self, [start, end]: [f64; 2]) -> f64 {
        let Some((alpha, _)) = self.warp else { return 1.0 };
        let reach = |(center, sharpness): (&f64, &f64)| center + (NEGLIGIBLE / sharpness).sqrt();
        let last = largest(self.center.iter().zip(&self.sharpness).map(reach));
        let [a, b] = [start, end].map(|d| self.coordinate(d).0);
        if a.min(b) > last { 0.0 } else { alpha.abs() * a.max(b).min(last) }
    }

    /// Whether all functions are 0 at the distances up to `radius` where t is constant.
    fn ends_before_t_does(&self, radius: f64) -> bool {
        let Some((alpha, lower)) = self.warp else { return true };
        let largest = (alpha * lower).max(alpha * (lower - radius));
        let most = MOST_EXPONENT.exp();
        let ends = |(center, sharpness): (&f64, &f64)| {
            *center < most && sharpness * (most - center).powi(2) > NEGLIGIBLE
        };
        largest <= MOST_EXPONENT || self.center.iter().zip(&self.sharpness).all(ends)
    }
}

impl RadialBasis {
    /// The number of functions, K.
    pub fn n_rbf(&self) -> usize {
        match &self.functions {
            RadialFunctions::Gaussian { offset, .. } => offset.len(),
            RadialFunctions::ExpNormal { means, .. } | RadialFunctions::SpacedExp { means, .. } => {
                means.len()
            }
        }
    }

    /// The functions in the form that every backend evaluates.
    pub fn form(&self) -> RadialForm {
        match &self.functions {
            RadialFunctions::Gaussian { coeff, offset } => RadialForm {
                center: offset.clone(),
                sharpness: vec![-coeff; offset.len()],
                warp: None,
            },
            RadialFunctions::ExpNormal { alpha, lower, means, betas } => RadialForm {
                center: means.clone(),
                sharpness: betas.clone(),
                warp: Some((*alpha, *lower)),
            },
            RadialFunctions::SpacedExp { means, betas } => RadialForm {
                center: means.clone(),
                sharpness: betas.iter().map(|beta| 1.0 / beta).collect(),
                warp: None,
            },
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.cutoff.check("rbf.cutoff")?;
        if let Cutoff::ShiftedCosine { .. } = self.cutoff {
            return Err(Error::unsupported(
                "ShiftedCosineCutoff inside a radial basis",
                "it is defined for the convolution only",
            ));
        }
        if self.n_rbf() == 0 {
            return Err(Error::invalid("rbf.num_rbf", 0, "at least one function"));
        }
        if let RadialFunctions::ExpNormal { means, betas, .. }
        | RadialFunctions::SpacedExp { means, betas } = &self.functions
            && means.len() != betas.len()
        {
            return Err(Error::invalid(
                "rbf.betas",
                format!("{} values", betas.len()),
                format!("{} values, as many as rbf.means", means.len()),
            ));
        }
        let form = self.form();
        let (alpha, lower) = form.warp.unwrap_or_default();
        let parameters = form.center.iter().chain(&form.sharpness).chain([&alpha, &lower]);
        if let Some(value) = parameters.copied().find(|value| !(*value as f32).is_finite()) {
            let expected = "numbers that are finite in single precision";
            return Err(Error::invalid("rbf parameters", value, expected));
        }
        match form.ends_before_t_does(self.cutoff.upper()) {
            true => Ok(()),
            false => Err(Error::unsupported(
                format!(
                    "a radial function that does not vanish where t(d) is above e^{MOST_EXPONENT}"
                ),
                "the lower limit of the basis is too high for its betas and means",
            )),
        }
    }
}
