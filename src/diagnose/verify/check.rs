//! Comparison of values with the tensors of a case.

use super::apart::rms;
use super::case::{Case, Tensor};
use super::report::{Comparison, Findings, Mixed};
use crate::engine::{Dynamics, Engine};
use crate::error::{Error, Result};
use crate::largest::{largest, largest_by};
use crate::system::System;

/// Makes the engine under test for a system.
pub type EngineFactory<'a> = dyn Fn(System, &Dynamics) -> Result<Box<dyn Engine>> + 'a;

/// The tolerance and the extent of a comparison.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether the backend is the f64 reference.
    pub exact: bool,
    /// Whether the backend stores the network in 16 bits.
    pub mixed: bool,
    /// The largest number of steps of a trajectory. If a trajectory is cut, its final forces are
    /// not compared.
    pub max_steps: Option<usize>,
}

/// Compares values with the tensor `out/f64/{name}`, from its element `start` on.
pub(super) fn check(
    case: &Case,
    options: Options,
    name: &str,
    energy: bool,
    start: usize,
    found: &[f64],
) -> Result<Comparison> {
    let reference = case.reference(name, |expected| match options.exact {
        true => Ok(1e-10 * rms(&expected.values)),
        false => Ok(5.0 * observed(case, name, expected)?),
    })?;
    let relative = if energy && !options.exact { 1e-6 } else { 0.0 };
    let tolerance = |expected: f64| reference.tolerance + relative * expected.abs();
    compare(name, &reference.tensor, start, found, tolerance)
}

/// Compares values with a tensor, from its element `start` on. `tolerance` computes the tolerance
/// from the expected value.
pub(super) fn compare(
    name: &str,
    expected: &Tensor,
    start: usize,
    found: &[f64],
    tolerance: impl Fn(f64) -> f64,
) -> Result<Comparison> {
    let Some(slice) = expected.values.get(start..start + found.len()) else {
        let (found, shape) = (start + found.len(), format!("shape {:?}", expected.shape));
        return Err(Error::invalid(format!("tensor {name}"), shape, format!("{found} values")));
    };
    let comparisons = (0..found.len()).map(|k| Comparison {
        tensor: name.to_owned(),
        place: vec![start + k],
        found: found[k],
        expected: slice[k],
        error: (found[k] - slice[k]).abs(),
        tolerance: tolerance(slice[k]),
    });
    let worst = largest_by(comparisons, Comparison::share);
    let mut worst = worst
        .ok_or_else(|| Error::invalid(format!("tensor {name}"), "no values", "at least one"))?;
    let mut rest = worst.place[0];
    worst.place = vec![0; expected.shape.len()];
    for (place, length) in worst.place.iter_mut().zip(&expected.shape).rev() {
        (*place, rest) = (rest % length, rest / length);
    }
    Ok(worst)
}

/// The largest difference between single and double precision of the reference implementation, for
/// one tensor.
fn observed(case: &Case, name: &str, expected: &Tensor) -> Result<f64> {
    let listed = case.number(&["f32_vs_f64_observed", name, "max_abs_err"]);
    if let Ok(listed) = listed {
        return Ok(listed);
    }
    let single = case.shaped(&format!("out/f32/{name}"), &expected.shape)?;
    let differences = single.values.iter().zip(&expected.values).map(|(s, d)| (s - d).abs());
    Ok(largest(differences))
}

pub(super) fn flat(vectors: &[[f64; 3]]) -> &[f64] {
    vectors.as_flattened()
}

/// The tolerance of the rms error of forces in mixed precision, in units of the rms of the
/// network's forces.
const MIXED: f64 = 1e-3;

/// Compares forces and energies in mixed precision with those of the case. The error of the forces
/// is in units of the rms of the network's forces. These are `network`, or the case's forces if
/// `network` is `None`.
pub(super) fn check_mixed(
    case: &Case,
    name: &str,
    found: &[f64],
    network: Option<&[f64]>,
    (energy, energies): (&str, &[f64]),
) -> Result<Findings> {
    let first = |name: &str, n: usize| {
        let tensor = case.tensor(&format!("out/f64/{name}"))?;
        let found = format!("shape {:?}", tensor.shape);
        let values = tensor.values.get(..n).map(<[f64]>::to_vec);
        values
            .ok_or_else(|| Error::invalid(format!("out/f64/{name}"), found, format!("{n} values")))
    };
    let expected = first(name, found.len())?;
    let right = first(energy, energies.len())?;
    let mixed = Mixed::new([found, &expected], network.unwrap_or(&expected), [energies, &right]);
    let comparison = Comparison {
        tensor: format!("{name} rms"),
        place: Vec::new(),
        found: mixed.rms,
        expected: 0.0,
        error: mixed.rms,
        tolerance: MIXED,
    };
    Ok(Findings { comparisons: vec![comparison], mixed: Some(mixed), note: None })
}
