//! The result of a case.

use serde::Serialize;

use super::apart::{Apart, rms};
use crate::error::{Error, Result};
use crate::largest::largest_by;

/// The result of a case in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// All errors are within the tolerance.
    Pass,
    /// An error exceeds the tolerance, or the comparison failed.
    Fail,
    /// The case needs a feature that this version does not support.
    NotSupported,
}

/// The comparison of one tensor: the element with the largest error relative to its tolerance.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// The name of the tensor, without `out/f64/`.
    pub tensor: String,
    /// The index of the element, one number per axis.
    pub place: Vec<usize>,
    /// The computed value.
    pub found: f64,
    /// The reference value.
    pub expected: f64,
    /// |found − expected|.
    pub error: f64,
    /// The tolerated error of this element.
    pub tolerance: f64,
}

/// The result of one case.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The name of the case.
    pub case: String,
    /// The result.
    pub status: Status,
    /// The error message, if there is no comparison.
    pub reason: Option<String>,
    /// The comparisons of all tensors.
    pub comparisons: Vec<Comparison>,
    /// The errors of the network, if it is in mixed precision.
    pub mixed: Option<Mixed>,
    /// A part of the case that was not compared, and the reason.
    pub note: Option<String>,
}

/// The errors of the network in mixed precision.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Mixed {
    /// The root mean square error of the forces, in units of the root mean square of the network's
    /// forces.
    pub rms: f64,
    /// The largest error of a force component, in the same units.
    pub worst: f64,
    /// The largest error of an energy, kcal/mol.
    pub energy: f64,
}

/// The comparisons of a case.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) comparisons: Vec<Comparison>,
    pub(super) mixed: Option<Mixed>,
    pub(super) note: Option<String>,
}

/// The report of a case.
pub(super) fn finish(name: &str, result: Result<Findings>) -> Report {
    let case = name.to_owned();
    match result {
        Ok(Findings { comparisons, mixed, note }) => {
            let pass = !comparisons.is_empty() && comparisons.iter().all(|c| c.share() <= 1.0);
            let status = if pass { Status::Pass } else { Status::Fail };
            Report { case, status, reason: None, comparisons, mixed, note }
        }
        Err(error) => {
            let unsupported = matches!(error, Error::Unsupported { .. });
            let status = if unsupported { Status::NotSupported } else { Status::Fail };
            let (reason, comparisons) = (Some(error.to_string()), Vec::new());
            Report { case, status, reason, comparisons, mixed: None, note: None }
        }
    }
}

impl Mixed {
    /// Compares forces and energies. `forces` and `energies` are `[found, expected]`; `network` are
    /// the network's forces.
    pub(crate) fn new(forces: [&[f64]; 2], network: &[f64], energies: [&[f64]; 2]) -> Self {
        let Apart { rms, largest } = Apart::of(forces[0], forces[1]).over(rms(network));
        Mixed { rms, worst: largest, energy: Apart::of(energies[0], energies[1]).largest }
    }
}

impl Report {
    /// The comparison with the largest error relative to its tolerance.
    pub fn worst(&self) -> Option<&Comparison> {
        largest_by(&self.comparisons, |comparison| comparison.share())
    }
}

impl Comparison {
    /// The error divided by the tolerance. A share above 1 is a failure; NaN counts as infinite.
    pub fn share(&self) -> f64 {
        let share = self.error / self.tolerance;
        if self.error == 0.0 {
            0.0
        } else if share.is_nan() {
            f64::INFINITY
        } else {
            share
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let status = match self.status {
            Status::Pass => "pass",
            Status::Fail => "fail",
            Status::NotSupported => "not supported",
        };
        write!(f, "{:<36} {status:<13}", self.case)?;
        if let Some(reason) = &self.reason {
            return write!(f, " {reason}");
        }
        if let Some(Mixed { rms, worst, energy }) = self.mixed {
            write!(
                f,
                " network forces: rms error {rms:.1e}, largest error {worst:.1e}; energy error \
                 {energy:.1e};"
            )?;
        }
        if let Some(worst) = self.worst() {
            write!(
                f,
                " largest error {:.2e} (tolerance {:.2e}), {}{:?}",
                worst.error, worst.tolerance, worst.tensor, worst.place
            )?;
        }
        self.note.iter().try_for_each(|note| write!(f, "; {note}"))
    }
}
