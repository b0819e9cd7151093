//! Comparison of a backend with reference data, case by case.
//!
//! A case passes on the f64 reference if every number agrees within 1e-10 of the rms of its
//! tensor, and on any other backend within five times the difference that the original
//! single-precision implementation shows for that tensor (`f32_vs_f64_observed`), plus 1e-6 of the
//! value for energies.
//!
//! In mixed precision the network's forces pass within 1e-3 of their root mean square, by root mean
//! square over a case; its worst component and the offset of its energy are told. Priors are as
//! exact as ever. Trajectories part from the data's: only their first forces are compared.

mod apart;
mod case;
mod trajectory;

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

pub use self::apart::Apart;
pub(crate) use self::apart::rms;
pub(crate) use self::case::Start;
use self::case::{Case, Kind, Tensor};
use crate::engine::{Engine, State, Terms};
use crate::error::{Error, OfFile, Result};
use crate::model::{Prior, SCHNET};
use crate::system::{Structure, System};

/// Makes the engine under test for a system.
pub type EngineFactory<'a> = dyn Fn(System) -> Result<Box<dyn Engine>> + 'a;

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Everything within tolerance.
    Pass,
    /// Something outside, or an error.
    Fail,
    /// Needs something this version lacks.
    NotSupported,
}

/// One compared tensor: its element furthest outside (or nearest to) its tolerance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Name of the tensor, without `out/f64/`.
    pub tensor: String,
    /// Index of the worst element, one number per axis.
    pub place: Vec<usize>,
    /// Computed.
    pub found: f64,
    /// Reference.
    pub expected: f64,
    /// |found − expected|.
    pub error: f64,
    /// Allowed there.
    pub tolerance: f64,
}

/// The result of one case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The case.
    pub case: String,
    /// How it ended.
    pub status: Status,
    /// Why, when it did not come to a comparison.
    pub reason: Option<String>,
    /// Every tensor compared.
    pub comparisons: Vec<Comparison>,
    /// What mixed precision does to the network, where it is mixed.
    pub mixed: Option<Mixed>,
}

/// Errors of the network in mixed precision.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Mixed {
    /// Of forces, root mean square, in parts of the network's own.
    pub rms: f64,
    /// The largest of a component, in the same.
    pub worst: f64,
    /// The largest of an energy, kcal/mol.
    pub energy: f64,
}

/// What a case came to.
#[derive(Default)]
struct Findings {
    comparisons: Vec<Comparison>,
    mixed: Option<Mixed>,
}

impl Mixed {
    /// Of forces and energies, each beside the right ones; `network` are the network's own forces.
    pub(crate) fn new(forces: [&[f64]; 2], network: &[f64], energies: [&[f64]; 2]) -> Self {
        let Apart { rms, largest } = Apart::of(forces[0], forces[1]).over(rms(network));
        Mixed { rms, worst: largest, energy: Apart::of(energies[0], energies[1]).largest }
    }
}

impl Report {
    /// The comparison with the largest error relative to its tolerance.
    pub fn worst(&self) -> Option<&Comparison> {
        self.comparisons.iter().max_by(|a, b| a.share().total_cmp(&b.share()))
    }
}

impl Comparison {
    /// Error over tolerance; above 1 is a failure. NaN counts as the worst.
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
            write!(f, " network forces {rms:.1e} rms, {worst:.1e} worst, energy {energy:.1e};")?;
        }
        match self.worst() {
            Some(worst) => write!(
                f,
                " worst {:.2e} of {:.2e} allowed, {}{:?}",
                worst.error, worst.tolerance, worst.tensor, worst.place
            ),
            None => Ok(()),
        }
    }
}

/// What to compare, and how closely.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// The backend is the f64 reference.
    pub exact: bool,
    /// The backend stores the network in 16 bits.
    pub mixed: bool,
    /// Stop trajectories after this many steps; their final forces are then not compared.
    pub max_steps: Option<usize>,
}

/// The cases at `path`: a case's manifest, or a folder of them (subfolders and other JSON ignored).
///
/// # Errors
/// A missing file, or a folder without cases.
pub fn cases_at(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).map_err(|error| Error::io(path, error))?;
    let mut cases = Vec::new();
    for entry in entries {
        let file = entry.map_err(|error| Error::io(path, error))?.path();
        if file.extension().is_some_and(|e| e == "json")
            && file.is_file()
            && Case::read_manifest(&file).is_ok_and(|manifest| Case::is_case(&manifest))
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

/// Runs the case whose manifest is at `path`.
pub fn verify_file(path: &Path, options: Options, engine: &EngineFactory) -> Report {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    finish(&name, Case::open(path).and_then(|case| compare(&case, options, engine)))
}

/// Runs the small cases built into the program.
pub fn verify_built_in(options: Options, engine: &EngineFactory) -> Vec<Report> {
    macro_rules! built_in {
        ($($name:literal),*) => {[$((
            $name,
            &include_bytes!(concat!("../../tests/data/", $name, ".json"))[..],
            &include_bytes!(concat!("../../tests/data/", $name, ".safetensors"))[..],
        )),*]};
    }
    built_in!(
        "cloud_h32_f16_k9_gauss_trainable",
        "cloud_h40_f24_k11_lowercut_silu",
        "cloud_variant_extended_exp",
        "cloud_variant_spaced_shiftedcos",
        "priors_all_forms"
    )
    .map(|(name, manifest, tensors)| {
        let case = Case::built_in(manifest, tensors);
        finish(name, case.and_then(|case| compare(&case, options, engine)))
    })
    .into()
}

fn finish(name: &str, result: Result<Findings>) -> Report {
    let case = name.to_owned();
    match result {
        Ok(Findings { comparisons, mixed }) => {
            let pass = !comparisons.is_empty() && comparisons.iter().all(|c| c.share() <= 1.0);
            let status = if pass { Status::Pass } else { Status::Fail };
            Report { case, status, reason: None, comparisons, mixed }
        }
        Err(error) => {
            let unsupported = matches!(error, Error::Unsupported { .. });
            let status = if unsupported { Status::NotSupported } else { Status::Fail };
            let (reason, comparisons) = (Some(error.to_string()), Vec::new());
            Report { case, status, reason, comparisons, mixed: None }
        }
    }
}

fn compare(case: &Case, options: Options, engine: &EngineFactory) -> Result<Findings> {
    match case.kind()? {
        Kind::Trajectory => trajectory::trajectory(case, options, engine),
        Kind::Static => {
            let mut findings = static_case(case, options, engine)?;
            findings.comparisons.extend(unspecialised(case, options, engine)?);
            Ok(findings)
        }
    }
}

/// Model, structures and dynamics of the case whose manifest is at `path`.
///
/// # Errors
/// What is wrong with the case's files, by name.
pub(crate) fn start_of(path: &Path) -> Result<Start> {
    Case::open(path)?.start().of_file(path)
}

/// Compares values with the tensor `out/f64/{name}`, from its element `start` on.
fn check(
    case: &Case,
    options: Options,
    name: &str,
    energy: bool,
    start: usize,
    found: &[f64],
) -> Result<Comparison> {
    let expected = case.tensor(&format!("out/f64/{name}"))?;
    let Some(slice) = expected.values.get(start..start + found.len()) else {
        let (found, shape) = (start + found.len(), format!("shape {:?}", expected.shape));
        return Err(Error::invalid(format!("out/f64/{name}"), shape, format!("{found} values")));
    };
    let absolute = if options.exact {
        1e-10 * rms(&expected.values)
    } else {
        5.0 * observed(case, name, &expected)?
    };
    let relative = if energy && !options.exact { 1e-6 } else { 0.0 };
    let worst = (0..found.len())
        .map(|k| Comparison {
            tensor: name.to_owned(),
            place: vec![start + k],
            found: found[k],
            expected: slice[k],
            error: (found[k] - slice[k]).abs(),
            tolerance: absolute + relative * slice[k].abs(),
        })
        .max_by(|a, b| a.share().total_cmp(&b.share()));
    let mut worst = worst
        .ok_or_else(|| Error::invalid(format!("out/f64/{name}"), "no values", "at least one"))?;
    let mut rest = worst.place[0];
    worst.place = vec![0; expected.shape.len()];
    for (place, length) in worst.place.iter_mut().zip(&expected.shape).rev() {
        (*place, rest) = (rest % length, rest / length);
    }
    Ok(worst)
}

/// The largest difference between the original's single and double precision for a tensor.
fn observed(case: &Case, name: &str, expected: &Tensor) -> Result<f64> {
    let listed = case.number(&["f32_vs_f64_observed", name, "max_abs_err"]);
    if let Ok(listed) = listed {
        return Ok(listed);
    }
    let single = case.shaped(&format!("out/f32/{name}"), &expected.shape)?;
    let differences = single.values.iter().zip(&expected.values).map(|(s, d)| (s - d).abs());
    Ok(differences.fold(0.0, f64::max))
}

fn flat(vectors: &[[f64; 3]]) -> &[f64] {
    vectors.as_flattened()
}

/// The largest rms error of the network's forces in mixed precision, in parts of their rms.
const MIXED: f64 = 1e-3;

/// Compares in mixed precision: forces with those in the case, in parts of the rms of the network's,
/// which are those in the case where none are given.
fn check_mixed(
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
    Ok(Findings { comparisons: vec![comparison], mixed: Some(mixed) })
}

fn static_case(case: &Case, options: Options, engine: &EngineFactory) -> Result<Findings> {
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

/// The terms as they were before the original merged them, with parameters by bead types.
fn unspecialised(case: &Case, options: Options, engine: &EngineFactory) -> Result<Vec<Comparison>> {
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

fn at_rest(
    engine: &EngineFactory,
    system: System,
    structures: &[Structure],
) -> Result<Box<dyn Engine>> {
    let mut engine = engine(system)?;
    let positions: Vec<[f64; 3]> = structures.iter().flat_map(|s| s.positions.clone()).collect();
    let velocities = vec![[0.0; 3]; positions.len()];
    engine.set_state(&State { positions, velocities, step: 0 })?;
    Ok(engine)
}

fn edges(case: &Case, engine: &mut dyn Engine) -> Result<Vec<Comparison>> {
    let edges = case.tensor("out/n_edges")?;
    // Where the original's own precisions disagree about the edges, a count proves nothing.
    if case.manifest.get("f32_edge_count_differs") == Some(&Value::Bool(true)) {
        return Ok(Vec::new());
    }
    let mut comparisons = Vec::new();
    for (r, found) in engine.n_edges()?.into_iter().enumerate() {
        let (found, expected) = (found as f64, edges.values.get(r).copied());
        let expected = expected
            .ok_or_else(|| Error::invalid("out/n_edges", edges.values.len(), "one each"))?;
        let (tensor, error) = ("n_edges".to_owned(), (found - expected).abs());
        let place = vec![r];
        comparisons.push(Comparison { tensor, place, found, expected, error, tolerance: 0.5 });
    }
    Ok(comparisons)
}
