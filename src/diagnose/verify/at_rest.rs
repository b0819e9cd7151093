//! Comparison of energies and forces at given positions.

use serde_json::Value;

use super::case::{Case, Start};
use super::check::{EngineFactory, Options, check, check_mixed, flat};
use super::report::{Comparison, Findings, Mixed};
use crate::engine::{Dynamics, Engine, Terms};
use crate::error::{Error, Result};
use crate::largest::largest_by;
use crate::model::{Prior, SCHNET};
use crate::structure::Structure;
use crate::system::System;

pub(super) fn static_case(
    case: &Case,
    options: Options,
    engine: &EngineFactory,
) -> Result<Findings> {
    let Start { model, structures, .. } = case.start()?;
    let mut engine = at_rest(engine, System::new(&model, &structures)?, &structures)?;

    let check = |name: &str, energy, found: &[f64]| check(case, options, name, energy, 0, found);
    let mixed = options.mixed && model.schnet.is_some();
    let mut findings = Findings::default();
    let comparisons = &mut findings.comparisons;
    if !mixed {
        let total = engine.evaluate(Terms::Total)?;
        comparisons.push(check("energy_total", true, &total.energy)?);
        comparisons.push(check("forces_total", false, flat(&total.forces))?);
    }
    let network = model.schnet.iter().map(|_| (SCHNET, Terms::Network));
    let priors = model.priors.iter().enumerate().map(|(k, p)| (p.name.as_str(), Terms::Prior(k)));
    for (name, terms) in network.chain(priors) {
        let term = engine.evaluate(terms)?;
        if mixed && terms == Terms::Network {
            let (forces, energy) = (flat(&term.forces), format!("energy/{name}"));
            let energies = (energy.as_str(), term.energy.as_slice());
            let found = check_mixed(case, &format!("forces/{name}"), forces, None, energies)?;
            comparisons.extend(found.comparisons);
            findings.mixed = found.mixed;
            continue;
        }
        comparisons.push(check(&format!("energy/{name}"), true, &term.energy)?);
        comparisons.push(check(&format!("forces/{name}"), false, flat(&term.forces))?);
        if terms == Terms::Network {
            comparisons.push(check("bead_energy", true, &term.bead_energy)?);
        }
    }
    if model.schnet.is_some() {
        comparisons.extend(edges(case, &mut *engine)?);
    }
    Ok(findings)
}

/// Compares the energies of the terms before specialization, with parameters by bead types. In the
/// other tensors of such a case, the reference implementation has merged the terms of each class.
pub(super) fn unspecialised(
    case: &Case,
    options: Options,
    engine: &EngineFactory,
) -> Result<Vec<Comparison>> {
    let Some((model, topology)) = case.unspecialised()? else {
        return Ok(Vec::new());
    };
    let structures = Case::structures(topology, &case.tensor("system/pos")?, None)?;
    let mut engine = at_rest(engine, System::new(&model, &structures)?, &structures)?;
    let compare = |(k, prior): (usize, &Prior)| {
        let name = format!("unspecialised/energy/{}", prior.name);
        check(case, options, &name, true, 0, &engine.evaluate(Terms::Prior(k))?.energy)
    };
    model.priors.iter().enumerate().map(compare).collect()
}

/// Compares the energies and forces of one network with each of several activations.
pub(super) fn activations(
    case: &Case,
    options: Options,
    engine: &EngineFactory,
) -> Result<Findings> {
    let mut findings = Findings::default();
    for (name, model) in case.networks()? {
        let topology = case.topology(&model)?;
        let structures = Case::structures(topology, &case.tensor("system/pos")?, None)?;
        let mut engine = at_rest(engine, System::new(&model, &structures)?, &structures)?;
        let total = engine.evaluate(Terms::Total)?;
        let [energy, forces] = ["energy", "forces"].map(|of| format!("{name}/{of}_total"));
        if options.mixed {
            let energies = (energy.as_str(), total.energy.as_slice());
            let found = check_mixed(case, &forces, flat(&total.forces), None, energies)?;
            findings.comparisons.extend(found.comparisons);
            // The worst activation stands for all.
            let worst = |of: &Mixed| of.rms;
            findings.mixed = largest_by(findings.mixed.into_iter().chain(found.mixed), worst);
            continue;
        }
        findings.comparisons.push(check(case, options, &energy, true, 0, &total.energy)?);
        findings.comparisons.push(check(case, options, &forces, false, 0, flat(&total.forces))?);
    }
    Ok(findings)
}

pub(super) fn at_rest(
    engine: &EngineFactory,
    system: System,
    structures: &[Structure],
) -> Result<Box<dyn Engine>> {
    let dynamics = Dynamics::none(&system);
    let mut engine = engine(system, &dynamics)?;
    let positions: Vec<[f64; 3]> = structures.iter().flat_map(|s| s.positions.clone()).collect();
    engine.set_positions(&positions)?;
    Ok(engine)
}

fn edges(case: &Case, engine: &mut dyn Engine) -> Result<Vec<Comparison>> {
    let edges = case.tensor("out/n_edges")?;
    // The number of edges is no test if single and double precision of the reference implementation
    // find different edges.
    if case.manifest.get("f32_edge_count_differs") == Some(&Value::Bool(true)) {
        return Ok(Vec::new());
    }
    let mut comparisons = Vec::new();
    for (r, found) in engine.probe().n_edges()?.into_iter().enumerate() {
        let (found, expected) = (found as f64, edges.values.get(r).copied());
        let expected = expected
            .ok_or_else(|| Error::invalid("out/n_edges", edges.values.len(), "one per replica"))?;
        let (tensor, error) = ("n_edges".to_owned(), (found - expected).abs());
        let place = vec![r];
        comparisons.push(Comparison { tensor, place, found, expected, error, tolerance: 0.5 });
    }
    Ok(comparisons)
}
