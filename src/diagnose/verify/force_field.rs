//! Comparison of the terms of a force field in several variants.

use serde_json::Value;

use super::apart::{Apart, rms};
use super::at_rest::at_rest;
use super::case::{Case, Tensor};
use super::check::{EngineFactory, Options, compare, flat};
use super::report::{Comparison, Findings};
use crate::engine::Terms;
use crate::error::{Error, Result};
use crate::system::System;
use crate::units::AMU;

/// Compares every variant that can be computed. The others are refused by name, and the note of the
/// report says so.
pub(super) fn force_field(
    case: &Case,
    options: Options,
    engine: &EngineFactory,
) -> Result<Findings> {
    let mut findings = Findings::default();
    let missing = || Error::invalid("force_field", "nothing", "a force field and a topology");
    let files = case.force_field()?.ok_or_else(missing)?;
    let Some(Value::Object(variants)) = case.manifest.get("variants") else {
        return Err(Error::invalid("variants", "nothing", "variants by name"));
    };
    let masses: Vec<f64> = files.field.masses(&files.psf)?.iter().map(|m| m / AMU).collect();
    let expected = case.tensor("system/masses_yaml_amu")?;
    findings.comparisons.push(compare("masses", &expected, 0, &masses, |m| 1e-6 * m)?);
    let positions = case.tensor("system/pos")?;
    let mut refused = Vec::new();
    for (name, variant) in variants {
        let (model, topology) = match files.variant(variant) {
            Err(Error::Unsupported { what, .. }) => {
                refused.push(format!("{name}: {what} is refused"));
                continue;
            }
            other => other?,
        };
        let pairs = topology.lists.iter().find(|list| list.name == "repulsioncg");
        let pairs = pairs.into_iter().flat_map(|list| &list.tuples);
        let pairs: Vec<f64> = pairs.flat_map(|pair| [pair[0], pair[1]]).map(f64::from).collect();
        let expected = case.tensor(&format!("{name}/pairs"))?;
        findings.comparisons.extend(exactly(&format!("{name}/pairs"), &expected, &pairs)?);

        let structures = Case::structures(topology, &positions, None)?;
        let mut engine = at_rest(engine, System::new(&model, &structures)?, &structures)?;
        let check = |tensor: &str, energy, found: &[f64]| {
            check(case, options, [name, tensor], energy, found)
        };
        let total = engine.evaluate(Terms::Total)?;
        findings.comparisons.push(check("energy_total", true, &total.energy)?);
        findings.comparisons.push(check("forces_total", false, flat(&total.forces))?);
        for (k, prior) in model.priors.iter().enumerate() {
            let term = engine.evaluate(Terms::Prior(k))?;
            let tensor = format!("energy/{}", prior.name);
            findings.comparisons.push(check(&tensor, true, &term.energy)?);
            let tensor = format!("forces/{}", prior.name);
            if case.has(&format!("{name}/out/f64/{tensor}")) {
                findings.comparisons.push(check(&tensor, false, flat(&term.forces))?);
            }
        }
    }
    findings.note = (!refused.is_empty()).then(|| refused.join("; "));
    Ok(findings)
}

/// Compares lists of indices, which must have the same length. Empty lists have nothing to compare.
fn exactly(name: &str, expected: &Tensor, found: &[f64]) -> Result<Option<Comparison>> {
    if expected.values.len() != found.len() {
        let (found, expected) = (found.len(), format!("{} numbers", expected.values.len()));
        return Err(Error::invalid(name, found, expected));
    }
    (!found.is_empty()).then(|| compare(name, expected, 0, found, |_| 0.5)).transpose()
}

/// Compares values with a tensor of a variant. The tolerances are those of other cases.
fn check(
    case: &Case,
    options: Options,
    [variant, name]: [&str; 2],
    energy: bool,
    found: &[f64],
) -> Result<Comparison> {
    let expected = case.tensor(&format!("{variant}/out/f64/{name}"))?;
    let single = || case.shaped(&format!("{variant}/out/f32/{name}"), &expected.shape);
    let tolerance = match options.exact {
        true => 1e-10 * rms(&expected.values),
        // Forces of single terms have no values in single precision.
        false if !case.has(&format!("{variant}/out/f32/{name}")) => 1e-5 * rms(&expected.values),
        false => 5.0 * Apart::of(&single()?.values, &expected.values).largest,
    };
    let relative = if energy && !options.exact { 1e-6 } else { 0.0 };
    let name = format!("{variant}/{name}");
    compare(&name, &expected, 0, found, |x| tolerance + relative * x.abs())
}
