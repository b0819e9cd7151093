//! Comparison of a backend with the reference data of cases.
//!
//! A case passes if the error of every number is within the tolerance:
//!
//! * On the f64 reference backend, 1e-10 of the rms of the tensor.
//! * On other backends, five times the largest difference between single and double precision of
//!   the reference implementation for that tensor (`f32_vs_f64_observed`). For energies, 1e-6 of
//!   the value is added.
//! * For a trajectory in TorchMD's scheme of Langevin dynamics, the start is compared, and the end of
//!   the trajectory with that of BAOAB with the same random numbers.
//! * For force fields, the index lists are exact. Variants with terms that this program does not have
//!   are refused, and the report names them.
//! * For replica exchange, decisions and counts are exact, and velocities have an error of at most
//!   1e-6 of their largest magnitude; 1e-10 on the reference.
//! * In mixed precision, the rms error of the network's forces in a case is at most 1e-3 of their
//!   rms. The report also contains the largest errors of a force component and of an energy. Priors
//!   have the tolerances of f32. For a trajectory with a network, which diverges from the
//!   reference, only the initial forces are tested.
//!
//! Cases about structures need no backend: beads and index lists of PDB and mmCIF files, and what
//! [`crate::prepare`] does with awkward files ([`verify_structures`]). They are exact, and energies
//! of priors have an error of at most 1e-10 (1 + |value|) in f64.

mod apart;
mod at_rest;
mod case;
mod check;
mod exchange;
mod force_field;
mod report;
mod structures;
mod trajectory;

use std::path::{Path, PathBuf};

use serde_json::Value;

pub use self::apart::Apart;
pub(crate) use self::apart::rms;
pub(crate) use self::case::Start;
use self::case::{Case, CaseKind};
pub use self::check::{EngineFactory, Options};
pub use self::report::{Comparison, Mixed, Report, Status};
use self::report::{Findings, finish};
pub use self::structures::{is_about_structures, verify_structures};
use crate::error::{Error, OfFile, Result, printable};
use crate::model::Model;
use crate::structure::Structure;

/// The manifests of the cases at `path`, which is a manifest or a folder. In a folder, subfolders,
/// cases about structures and other JSON files are ignored.
///
/// # Errors
/// [`Error::Io`]; [`Error::Invalid`] for a folder without cases.
pub fn cases_at(path: &Path) -> Result<Vec<PathBuf>> {
    manifests(path, &Case::is_case)
}

/// [`cases_at`] with the cases about structures.
///
/// # Errors
/// Those of [`cases_at`].
pub fn all_cases_at(path: &Path) -> Result<Vec<PathBuf>> {
    manifests(path, &|manifest| Case::is_case(manifest) || structures::is_case(manifest))
}

fn manifests(path: &Path, is_case: &dyn Fn(&Value) -> bool) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).map_err(|error| Error::io(path, error))?;
    let mut cases = Vec::new();
    for entry in entries {
        let file = entry.map_err(|error| Error::io(path, error))?.path();
        if file.extension().is_some_and(|e| e == "json")
            && file.is_file()
            && Case::read_manifest(&file).is_ok_and(|manifest| is_case(&manifest))
        {
            cases.push(file);
        }
    }
    cases.sort();
    if cases.is_empty() {
        let error = Error::invalid("cases", "none", "JSON files with `file` and `tensors`");
        return Err(error.of_file(path));
    }
    Ok(cases)
}

/// The model of the case whose manifest is at `path`, and a structure for each of its replicas.
///
/// # Errors
/// [`Error::Io`]; [`Error::Invalid`]; [`Error::Unsupported`] for a case without a single model.
pub fn load_case(path: &Path) -> Result<(Model, Vec<Structure>)> {
    let Start { model, structures, .. } = Case::open(path)?.start().of_file(path)?;
    Ok((model, structures))
}

/// Runs the case whose manifest is at `path`.
pub fn verify_file(path: &Path, options: Options, engine: &EngineFactory) -> Report {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    finish(&printable(name), Case::open(path).and_then(|case| compare(&case, options, engine)))
}

/// Runs the small cases that are part of the program.
pub fn verify_built_in(options: Options, engine: &EngineFactory) -> Vec<Report> {
    macro_rules! built_in {
        ($($name:literal),*) => {[$((
            $name,
            &include_bytes!(concat!("../../../tests/data/", $name, ".json"))[..],
            &include_bytes!(concat!("../../../tests/data/", $name, ".safetensors"))[..],
        )),*]};
    }
    built_in!(
        "cloud_h32_f16_k9_gauss_trainable",
        "cloud_h40_f24_k11_lowercut_silu",
        "cloud_variant_extended_exp",
        "cloud_variant_spaced_shiftedcos",
        "priors_all_forms",
        "pt_exchange"
    )
    .map(|(name, manifest, tensors)| {
        let case = Case::built_in(manifest, tensors);
        finish(name, case.and_then(|case| compare(&case, options, engine)))
    })
    .into()
}

fn compare(case: &Case, options: Options, engine: &EngineFactory) -> Result<Findings> {
    match case.kind()? {
        CaseKind::Trajectory => trajectory::trajectory(case, options, engine),
        CaseKind::ForceField => force_field::force_field(case, options, engine),
        CaseKind::Activations => at_rest::activations(case, options, engine),
        CaseKind::Exchange => exchange::exchange(case, options, engine),
        CaseKind::Static => {
            let mut findings = at_rest::static_case(case, options, engine)?;
            findings.comparisons.extend(at_rest::unspecialised(case, options, engine)?);
            Ok(findings)
        }
    }
}

/// The model, structures and dynamics of the case whose manifest is at `path`.
///
/// # Errors
/// [`Error::Invalid`] names the first error in the files of the case.
pub(crate) fn start_of(path: &Path) -> Result<Start> {
    Case::open(path)?.start().of_file(path)
}
