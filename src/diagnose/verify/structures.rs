//! Cases about structures: the beads, index lists and energies of a PDB or mmCIF file
//! (`cg-topology/1`), and the outcomes for a list of files (`prepare-cases/1`).

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value};

use super::case::{Case, Tensor};
use super::check::compare;
use super::report::{Comparison, Findings, Report, finish};
use crate::error::{Error, OfFile, Result, printable};
use crate::model::Model;
use crate::prepare::{
    AminoAcid, Bead, Chain, Coarse, Mapping, ModelChoice, Options, prepare_beads,
};
use crate::reference::prior_energies;

const TOPOLOGY: &str = "cg-topology/1";
const CASES: &str = "prepare-cases/1";

/// The kinds of warnings that the cases list. Other warnings are of no importance to them.
const WARNINGS: [&str; 3] = ["modified_residue", "chirality", "cis_peptide"];

/// The first words of the units of a case.
const UNITS: [(&str, &str); 5] = [
    ("position", "angstrom"),
    ("mass_amu", "atomic mass unit"),
    ("mass", "kcal/mol ps^2 / angstrom^2"),
    ("energy", "kcal/mol"),
    ("force", "kcal/mol/angstrom"),
];

/// Whether a JSON object is a case about structures.
pub(super) fn is_case(manifest: &Value) -> bool {
    matches!(manifest["format"].as_str(), Some(TOPOLOGY | CASES))
}

/// Whether the file at `path` is a case about structures.
pub fn is_about_structures(path: &Path) -> bool {
    Case::read_manifest(path).is_ok_and(|manifest| is_case(&manifest))
}

/// Runs the cases of a manifest about structures. Prior files are in the folder `priors`, or in
/// `../raw` beside the manifest.
pub fn verify_structures(path: &Path, priors: Option<&Path>) -> Vec<Report> {
    let name = printable(path.file_stem().unwrap_or_default().to_string_lossy());
    let manifest = match Case::read_manifest(path) {
        Ok(manifest) => manifest,
        Err(error) => return vec![finish(&name, Err(error))],
    };
    if manifest["format"] == TOPOLOGY {
        let folder = priors.map_or_else(|| path.with_file_name("../raw"), PathBuf::from);
        return vec![finish(&name, topology(path, &manifest, &folder).of_file(path))];
    }
    let cases = array(&manifest, "cases").map(Vec::as_slice).unwrap_or_default();
    if cases.is_empty() {
        let error = Error::invalid("cases", "none", "a list of cases").of_file(path);
        return vec![finish(&name, Err(error))];
    }
    let mapping = match &manifest["mapping"] {
        Value::Null => Ok(Mapping::FiveBead),
        _ => mapping(&manifest),
    };
    let report = |case: &Value| {
        let file = case["file"].as_str().unwrap_or_default();
        let of_mapping = mapping.as_ref().map_err(|error| Error::invalid("mapping", error, "one"));
        finish(&printable(file), of_mapping.and_then(|mapping| outcome(path, case, *mapping)))
    };
    cases.iter().map(report).collect()
}

/// Compares the outcome for a file with the one that a case expects.
fn outcome(path: &Path, case: &Value, mapping: Mapping) -> Result<Findings> {
    let input = beside(path, text(case, "file")?)?;
    let found = Coarse::read(&input, &Options::default(), mapping);
    let mut findings = Findings::default();
    match (text(case, "expect")?, found) {
        ("error", Err(error)) => {
            let kind = match &error {
                Error::Structure { kind, .. } => kind,
                _ => "unreadable",
            };
            same("error", kind, text(case, "error")?)?;
            findings.comparisons.push(agreement("error"));
        }
        ("error", Ok(_)) => return Err(Error::invalid("outcome", "beads", text(case, "error")?)),
        (_, Err(error)) => return Err(error),
        (_, Ok(coarse)) => {
            let kinds = coarse.log.warnings.iter().map(|warning| warning.kind);
            let found: BTreeSet<&str> = kinds.filter(|kind| WARNINGS.contains(kind)).collect();
            let expected = case["warnings"].as_array().into_iter().flatten();
            let expected: BTreeSet<&str> = expected.filter_map(Value::as_str).collect();
            same("warnings", format!("{found:?}"), format!("{expected:?}"))?;
            if case["beads"].is_null() {
                findings.comparisons.push(agreement("warnings"));
                return Ok(findings);
            }
            let rows = array(case, "beads")?;
            same("number of beads", coarse.beads().count(), rows.len())?;
            let column = |k: usize| rows.iter().map(move |row| &row[k]);
            for (bead, row) in coarse.beads().zip(rows) {
                let expected = [&row[0], &row[1]].map(|x| x.as_str().unwrap_or_default());
                let found = [bead.site.name(), bead.residue.amino.name()];
                same(&format!("bead {}", bead.label()), found.join(" "), expected.join(" "))?;
            }
            let indices = |of: &dyn Fn(Bead) -> usize| {
                coarse.beads().map(|bead| of(bead) as f64).collect::<Vec<_>>()
            };
            let types: Vec<f64> = coarse.topology().types.into_iter().map(f64::from).collect();
            let of = &mut findings.comparisons;
            equal(of, "chain", &indices(&|bead| bead.chain_index), numbers(column(2))?)?;
            equal(of, "residue", &indices(&|bead| bead.residue_index), numbers(column(3))?)?;
            equal(of, "types", &types, numbers(column(4))?)?;
            equal(of, "positions", coarse.positions[0].as_flattened(), numbers(column(5))?)?;
        }
    }
    Ok(findings)
}

/// Compares the beads, the index lists and the energies of a structure file.
fn topology(path: &Path, manifest: &Value, priors: &Path) -> Result<Findings> {
    let source = &manifest["source"];
    let input = beside(path, text(source, "file")?)?;
    let model = match &source["model"] {
        Value::Number(number) => ModelChoice::Number(match number.as_f64() {
            Some(whole) if whole.fract() == 0.0 => (whole as i64).to_string(),
            _ => number.to_string(),
        }),
        Value::String(text) if text.parse::<i64>().is_ok() => ModelChoice::Number(text.clone()),
        _ => ModelChoice::First,
    };
    let options = Options { model, ..Options::default() };
    let coarse = Coarse::read(&input, &options, mapping(manifest)?)?;
    if let Some(digest) = given(source, "sha256") {
        same("sha256 of the structure file", &coarse.digest, plain(digest))?;
    }
    for (name, unit) in UNITS {
        if let Some(given) = given(&manifest["units"], name) {
            let is_ours = plain(given).starts_with(unit);
            same(
                &format!("units.{name}"),
                if is_ours { plain(given) } else { unit.into() },
                plain(given),
            )?;
        }
    }
    for (name, found) in [
        ("n_beads", coarse.beads().count()),
        ("n_residues", coarse.chains.iter().map(|chain| chain.residues.len()).sum()),
        ("n_chains", coarse.chains.len()),
    ] {
        if let Some(expected) = given(manifest, name) {
            same(name, found, plain(expected))?;
        }
    }
    let mut findings = Findings::default();
    beads(&coarse, &manifest["beads"], &mut findings.comparisons)?;
    if given(manifest, "sequence").is_some() {
        let letters = |chain: &Chain| chain.aminos().into_iter().map(AminoAcid::letter).collect();
        let found: Vec<String> = coarse.chains.iter().map(letters).collect();
        same("sequence", found.join(" "), {
            let expected = array(manifest, "sequence")?.iter().map(plain);
            expected.collect::<Vec<_>>().join(" ")
        })?;
    }

    let lists = coarse.topology().lists;
    let terms = object(manifest, "terms")?;
    let names: BTreeSet<&str> = lists.iter().map(|list| list.name.as_str()).collect();
    let expected: BTreeSet<&str> = terms.keys().map(String::as_str).collect();
    same("terms", format!("{names:?}"), format!("{expected:?}"))?;
    for list in &lists {
        let expected = &terms[&list.name];
        let tuples = array(expected, "tuples")?;
        for (name, found) in [("count", list.tuples.len()), ("order", list.order)] {
            if let Some(expected) = given(expected, name) {
                same(&format!("{name} of {}", list.name), found, plain(expected))?;
            }
        }
        same(&format!("number of tuples of {}", list.name), list.tuples.len(), tuples.len())?;
        // The order of the tuples carries no meaning.
        let mut found: Vec<Vec<f64>> = list
            .tuples
            .iter()
            .map(|tuple| tuple[..list.order].iter().map(|bead| f64::from(*bead)).collect())
            .collect();
        let mut expected: Vec<Vec<f64>> =
            tuples.iter().map(|tuple| numbers([tuple])).collect::<Result<_>>()?;
        for tuples in [&mut found, &mut expected] {
            tuples.sort_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
        }
        equal(&mut findings.comparisons, &list.name, &found.concat(), expected.concat())?;
    }

    let none = Map::new();
    let mut absent = Vec::new();
    for (file, expected) in manifest["prior_energies"].as_object().unwrap_or(&none) {
        let prior_file = beside(&priors.join("prior"), file)?;
        if prior_file.is_file() {
            energies(&coarse, &prior_file, expected, &mut findings.comparisons)?;
        } else {
            absent.push(printable(prior_file.display()));
        }
    }
    if !absent.is_empty() {
        findings.note = Some(format!("energies not compared, no {}", absent.join(", ")));
    }
    Ok(findings)
}

fn beads(coarse: &Coarse, expected: &Value, of: &mut Vec<Comparison>) -> Result<()> {
    let column = |name: &str| array(expected, name);
    let beads: Vec<_> = coarse.beads().collect();
    same("number of beads", beads.len(), column("name")?.len())?;
    for (k, bead) in beads.iter().enumerate() {
        let residue = bead.residue;
        // A number can be given with the insertion code.
        let number = [&residue.number, &format!("{}{}", residue.number, residue.icode)];
        for (name, found) in [
            ("name", [bead.site.name(); 2]),
            ("residue", [residue.amino.name(); 2]),
            ("chain_id", [&bead.chain.letter; 2]),
            ("residue_number", number.map(String::as_str)),
        ] {
            let Some(column) = given(expected, name) else { continue };
            let value = plain(&column[k]);
            if found[1] != value {
                same(&format!("beads.{name}[{k}]"), found[0], &value)?;
            }
        }
    }
    let mut lines: Vec<usize> = beads.iter().filter_map(|bead| bead.line()).collect();
    lines.sort_unstable();
    let rank = |bead: &Bead| {
        bead.line().and_then(|line| lines.binary_search(&line).ok()).unwrap_or(usize::MAX)
    };
    if given(expected, "source_serial").is_some() {
        let serials = column("source_serial")?;
        for (bead, serial) in beads.iter().zip(serials) {
            // Serial numbers that are not decimal are not read.
            if let (Some(found), Some(expected)) = (bead.serial(), serial.as_u64()) {
                same(&format!("source_serial of {}", bead.label()), found, expected)?;
            }
        }
    }
    let topology = coarse.topology();
    let index = |of_bead: &dyn Fn(&Bead) -> usize| {
        beads.iter().map(|bead| of_bead(bead) as f64).collect::<Vec<_>>()
    };
    let types: Vec<f64> = topology.types.iter().map(|t| f64::from(*t)).collect();
    let amu: Vec<f64> = beads.iter().map(|bead| bead.site.mass_amu()).collect();
    for (name, found) in [
        ("chain_index", index(&|bead| bead.chain_index)),
        ("residue_index", index(&|bead| bead.residue_index)),
        ("file_rank", index(&rank)),
        ("type", types),
        ("mass_amu", amu),
        ("position", coarse.positions[0].as_flattened().to_vec()),
    ] {
        if given(expected, name).is_some() {
            equal(of, name, &found, numbers(column(name)?.iter())?)?;
        }
    }
    if given(expected, "mass").is_none() {
        return Ok(());
    }
    // The unit of mass is a quotient, whose last digit depends on how it is computed.
    near(of, "mass", &topology.masses, numbers(column("mass")?.iter())?, &|x| 1e-15 * x)
}

/// Compares the energy of every term of a prior file, and the forces.
fn energies(
    coarse: &Coarse,
    file: &Path,
    expected: &Value,
    of: &mut Vec<Comparison>,
) -> Result<()> {
    let model = Model::load(file)?;
    let options = Options { allow_missing_priors: true, ..Options::default() };
    let prepared = prepare_beads(coarse.clone(), &options, &model)?;
    let molecule = &prepared.molecule;
    let (found, forces) = prior_energies(molecule, &coarse.positions[0]);
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let of_terms = object(expected, "per_term")?;
    same(&format!("number of terms of {name}"), found.len(), of_terms.len())?;
    let tolerance = |x: f64| 1e-10 * (1.0 + x.abs());
    for (term, energy) in molecule.terms.iter().zip(&found) {
        let value = of_terms.get(&term.name).into_iter();
        near(of, &format!("{name} {}", term.name), &[*energy], numbers(value)?, &tolerance)?;
    }
    let total = [found.iter().sum()];
    near(of, &format!("{name} total"), &total, numbers([&expected["total"]])?, &tolerance)?;
    let expected_forces = numbers(array(expected, "forces")?.iter())?;
    near(of, &format!("{name} forces"), forces.as_flattened(), expected_forces, &tolerance)?;
    for missing in prepared.joined.missing.iter().filter(|missing| missing.n_keys > 0) {
        let keys = &expected["missing_keys"][&missing.term];
        let of_file = numbers([&keys["tuples"], &keys["distinct_keys"]])?;
        let found = [missing.n_tuples as f64, missing.n_keys as f64];
        equal(of, &format!("{name} missing keys of {}", missing.term), &found, of_file)?;
    }
    let n_missing = prepared.joined.missing.iter().filter(|missing| missing.n_keys > 0).count();
    let expected = expected["missing_keys"].as_object().map_or(0, Map::len);
    same(&format!("terms of {name} with missing keys"), n_missing, expected)
}

/// The path of a file that a manifest names, relative to its folder.
fn beside(manifest: &Path, file: &str) -> Result<PathBuf> {
    let is_relative = |part| matches!(part, Component::Normal(_) | Component::ParentDir);
    match !file.is_empty() && Path::new(file).components().all(is_relative) {
        true => Ok(manifest.parent().unwrap_or(Path::new("")).join(file)),
        false => Err(Error::invalid("file", file, "a path relative to the manifest")),
    }
}

fn mapping(manifest: &Value) -> Result<Mapping> {
    let name = text(manifest, "mapping")?;
    Mapping::from_name(name).ok_or_else(|| Error::invalid("mapping", name, "five_bead or ca"))
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().ok_or_else(|| Error::invalid(name, &value[name], "a text"))
}

fn array<'a>(value: &'a Value, name: &str) -> Result<&'a Vec<Value>> {
    value[name].as_array().ok_or_else(|| Error::invalid(name, "no list", "a list"))
}

/// A value of an object, if it is there.
fn given<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.get(name).filter(|value| !value.is_null())
}

/// A text or a number as it is written, without quotes and blanks around it.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned())
}

fn object<'a>(value: &'a Value, name: &str) -> Result<&'a Map<String, Value>> {
    value[name].as_object().ok_or_else(|| Error::invalid(name, "no object", "an object"))
}

/// All numbers of JSON values, which can be nested lists.
fn numbers<'a>(values: impl IntoIterator<Item = &'a Value>) -> Result<Vec<f64>> {
    let mut all = Vec::new();
    for value in values {
        match value {
            Value::Array(inner) => all.extend(numbers(inner)?),
            other => {
                all.push(other.as_f64().ok_or_else(|| Error::invalid("value", other, "a number"))?)
            }
        }
    }
    Ok(all)
}

/// Refuses different values.
fn same(what: &str, found: impl ToString, expected: impl ToString) -> Result<()> {
    let (found, expected) = (found.to_string(), expected.to_string());
    match found == expected {
        true => Ok(()),
        false => Err(Error::invalid(what, found, expected)),
    }
}

/// Compares numbers that must be equal.
fn equal(of: &mut Vec<Comparison>, name: &str, found: &[f64], expected: Vec<f64>) -> Result<()> {
    near(of, name, found, expected, &|_| 0.0)
}

fn near(
    of: &mut Vec<Comparison>,
    name: &str,
    found: &[f64],
    expected: Vec<f64>,
    tolerance: &dyn Fn(f64) -> f64,
) -> Result<()> {
    same(&format!("number of values of {name}"), found.len(), expected.len())?;
    if !found.is_empty() {
        let tensor = Tensor { shape: vec![expected.len()], values: expected };
        of.push(compare(name, &tensor, 0, found, tolerance)?);
    }
    Ok(())
}

/// The comparison of something other than numbers, which agrees.
fn agreement(name: &str) -> Comparison {
    let (tensor, place) = (name.to_owned(), Vec::new());
    Comparison { tensor, place, found: 0.0, expected: 0.0, error: 0.0, tolerance: 0.0 }
}
