//! The published prior files on proteins: every term and the forces, against golden numbers that
//! were computed in f64 from the formulas.

use std::path::PathBuf;
use std::sync::Arc;

use flashschnet::engine::{Engine, Terms};
use flashschnet::io::load_structures;
use flashschnet::model::{Model, Prior};
use flashschnet::reference::Reference;
use flashschnet::structure::{Structure, Topology, TupleList};
use flashschnet::system::System;
use serde_json::Value;

use crate::common::{Backend, assert_close, truth};

on_every_backend!(agrees_with_the_reference);

/// The folder of the reference data. Prints a message if the variable is not set.
fn reference() -> Option<PathBuf> {
    let folder = std::env::var_os("FLASHSCHNET_REFERENCE").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("FLASHSCHNET_REFERENCE is not set: the published priors are NOT tested");
    }
    folder
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn vectors(value: &Value) -> Vec<[f64; 3]> {
    value.as_array().unwrap().iter().map(|x| numbers(x).try_into().unwrap()).collect()
}

/// The structure that a golden file describes.
fn structure(golden: &Value) -> Structure {
    let beads = &golden["beads"];
    let lists = golden["terms"].as_object().unwrap().iter().map(|(name, list)| {
        let tuple = |tuple: &Value| {
            let mut beads = [0; 4];
            for (slot, bead) in beads.iter_mut().zip(numbers(tuple)) {
                *slot = bead as u32;
            }
            beads
        };
        TupleList {
            name: name.clone(),
            order: list["order"].as_u64().unwrap() as usize,
            tuples: list["tuples"].as_array().unwrap().iter().map(tuple).collect(),
        }
    });
    let topology = Topology {
        types: numbers(&beads["type"]).iter().map(|x| *x as u32).collect(),
        masses: numbers(&beads["mass"]),
        lists: lists.collect(),
    };
    let positions = vectors(&beads["position"]);
    Structure { topology: Arc::new(topology), positions, velocities: None }
}

/// Calls `check` for every protein and every prior file that has golden numbers for it.
fn for_each(check: impl Fn(&str, &Model, &Structure, &Value)) {
    let Some(folder) = reference() else { return };
    for (name, totals) in [
        ("cln_five_bead", &[-168.101027, -168.101027][..]),
        ("cln_ca", &[-28.013379]),
        ("trpcage_five_bead", &[-410.970006, -410.970006, 251.751383]),
        ("bpti_five_bead", &[-1024.437099]),
    ] {
        let golden = std::fs::read(folder.join("topology").join(format!("{name}.json"))).unwrap();
        let golden: Value = serde_json::from_slice(&golden).unwrap();
        let structure = structure(&golden);
        // The golden totals must agree with the published totals above to their last digit, 1e-6
        // kcal/mol.
        let mut totals = totals.to_vec();
        for (file, expected) in golden["prior_energies"].as_object().unwrap() {
            let what = format!("{file} on {name}");
            let model = Model::load(&folder.join("raw").join(file)).unwrap();
            assert_eq!(model.priors.len() as u64, expected["terms_in_file"].as_u64().unwrap());
            check(&what, &model, &structure, expected);
            let total = expected["total"].as_f64().unwrap();
            let printed = totals.iter().position(|printed| (total - printed).abs() < 1e-6);
            totals.remove(printed.unwrap_or_else(|| panic!("{what}: {total}")));
        }
        assert!(totals.is_empty(), "{name}: no file has the total {totals:?}");
    }
}

fn engine_of(model: &Model, structure: &Structure) -> Reference {
    let system = System::new(model, std::slice::from_ref(structure)).unwrap();
    let mut engine = truth(system);
    engine.set_positions(&structure.positions).unwrap();
    engine
}

/// The energy of every term, and the total.
fn energies(engine: &mut dyn Engine, model: &Model) -> Vec<f64> {
    let terms = (0..model.priors.len()).map(Terms::Prior).chain([Terms::Total]);
    terms.map(|terms| engine.evaluate(terms).unwrap().energy[0]).collect()
}

#[test]
fn reference_agrees_with_the_golden_energies() {
    for_each(|what, model, structure, golden| {
        let mut engine = engine_of(model, structure);
        let per_term = |prior: &Prior| golden["per_term"][&prior.name].as_f64().unwrap();
        let mut expected: Vec<f64> = model.priors.iter().map(per_term).collect();
        expected.push(golden["total"].as_f64().unwrap());
        assert_close(what, &energies(&mut engine, model), &expected, 1e-12);
        let forces = engine.evaluate(Terms::Total).unwrap().forces;
        let expected = vectors(&golden["forces"]);
        assert_close(what, forces.as_flattened(), expected.as_flattened(), 1e-12);
    });
}

/// Rounding the golden positions to f32 changes the energies of stiff bonds, so the expected
/// numbers are those of the reference at the rounded positions.
fn agrees_with_the_reference(backend: &Backend) {
    for_each(|what, model, structure, _| {
        let mut structure = structure.clone();
        structure.positions.as_flattened_mut().iter_mut().for_each(|x| *x = f64::from(*x as f32));
        let mut reference = engine_of(model, &structure);
        let system = System::new(model, std::slice::from_ref(&structure)).unwrap();
        let mut engine = backend.still(system);
        engine.set_positions(&structure.positions).unwrap();
        let expected = energies(&mut reference, model);
        assert_close(what, &energies(&mut *engine, model), &expected, 1e-5);
        let [found, expected] = [&mut *engine as &mut dyn Engine, &mut reference]
            .map(|engine| engine.evaluate(Terms::Total).unwrap().forces);
        assert_close(what, found.as_flattened(), expected.as_flattened(), 1e-5);
    });
}

/// The published structures have the bead types and lists of the golden files, but other positions.
/// At the golden positions they give the published totals.
#[test]
fn published_structures_have_the_totals_of_the_specification() {
    let Some(folder) = reference() else { return };
    let raw = |name: &str| folder.join("raw").join(name);
    for (priors, structures, golden, total) in [
        ("sparse_prior_cln_5b.pt", "structures_cln_5b.pt", "cln_five_bead", -168.101027),
        ("prior_multiple_molecules.pt", "cln_configurations_demo.pt", "cln_five_bead", -168.101027),
        ("sparse_prior_cln_ca.pt", "structures_cln_ca.pt", "cln_ca", -28.013379),
    ] {
        let golden = std::fs::read(folder.join("topology").join(format!("{golden}.json"))).unwrap();
        let golden = structure(&serde_json::from_slice(&golden).unwrap());
        let model = Model::load(&raw(priors)).unwrap();
        for frame in load_structures(&raw(structures)).unwrap() {
            assert!(engine_of(&model, &frame).potential().unwrap()[0].is_finite());
            let moved = Structure { positions: golden.positions.clone(), ..frame };
            let found = engine_of(&model, &moved).potential().unwrap()[0];
            assert!((found - total).abs() < 1e-6, "{priors} on {structures}: {found}");
        }
    }
}
