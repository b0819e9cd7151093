//! The biases on the command line: files of restraints and metadynamics.

mod table;

use std::collections::HashSet;
use std::f64::consts::{PI, TAU};
use std::path::{Path, PathBuf};

use crate::bias::{Bias, BiasForm};
use crate::engine::Integrator;
use crate::error::OfFile;
use crate::hills::{Axis, Hills};
use crate::metadynamics::Metadynamics;
use crate::simulation::Settings;
use crate::system::System;
use crate::variable::{CONTACT_BETA, CONTACT_CUTOFF, CONTACT_LAMBDA, Variable};
use crate::{Result, units};
use clap::Args;

use self::table::{Rows, Table, list};
use crate::cli::config::read_toml;
use crate::cli::config::unknown::unknown;
use crate::io::entry::{Entry, Source, Value};

#[derive(Args)]
#[command(next_help_heading = "Restraints")]
pub(super) struct BiasOptions {
    /// TOML file with restraints, one [[bias]] table each, that act in every step. Keys: name; variable
    /// = position, distance, angle, dihedral, rg, rmsd or q, with its beads, groups, reference, cutoff,
    /// beta and lambda; form = harmonic with k and center, flat-bottom with k, lower and upper, or
    /// moving with k, steps and centers: the center at each of the steps, on straight lines between
    /// them, and the work on each replica as a column. Another list of numbers has one for each state
    /// of a ladder or for each replica. Angles are in rad. The tables can stand in a configuration
    /// file, too. One table can have form = metadynamics with
    /// every, height, bias-factor and temperature, and for its variable, or for each of two
    /// [[bias.variables]], lower, upper, bins, width and periodic
    #[arg(long, value_name = "FILE")]
    pub(super) bias: Option<PathBuf>,
}

/// The key of the tables.
const TABLES: &str = "bias";

impl BiasOptions {
    /// The biases and the metadynamics of the file, if one is given. `config` is the configuration file
    /// of the run, and `settings` its other settings.
    ///
    /// # Errors
    /// The file cannot be read, has wrong keys or values, or biases that the system cannot have.
    pub(super) fn read(
        &self,
        config: Option<&Path>,
        settings: &Settings,
        system: impl FnOnce() -> Result<System>,
    ) -> Result<(Vec<Bias>, Option<Metadynamics>)> {
        let Some(path) = &self.bias else { return Ok((Vec::new(), None)) };
        let source = Source { path: path.clone() };
        let entries = read_toml(&source)?;
        // The file may be the configuration file of this run, or of an earlier one, whose other keys
        // are options.
        let is_of_run = |entry: &Entry| ["model", "builtin", "steps"].contains(&&*entry.key);
        let is_run = config == Some(path) || entries.iter().any(is_of_run);
        if let Some(other) = entries.iter().find(|entry| entry.key != TABLES && !is_run) {
            return Err(unknown(&source, other, [TABLES]));
        }
        let tables = entries.iter().find(|entry| entry.key == TABLES);
        let Some(Entry { line, value: Value::List(tables), .. }) = tables else {
            return Err(source.invalid(0, TABLES, "none", "tables with the header [[bias]]"));
        };
        let system = system()?;
        let (mut all, mut metadynamics) = (Vec::new(), None);
        let mut names = HashSet::new();
        for table in tables {
            let Value::Table(entries) = table else {
                return Err(source.invalid(*line, TABLES, table.describe(), "tables [[bias]]"));
            };
            let line = entries.first().map_or(*line, |entry| entry.line);
            let table = Table { source: &source, line, entries, rows: Rows::of(settings) };
            if table.one_of("form", &FORMS)?.0 != METADYNAMICS {
                let bias = table.bias(&system)?;
                bias.check(&system).of_file(path)?;
                table.check_free(&bias.name, &mut names)?;
                all.push(bias);
                continue;
            }
            let of = table.metadynamics(&system, kelvin(settings))?;
            of.check(&system).of_file(path)?;
            warn_of_sampling(&of, settings);
            if of.every % u64::from(settings.mts) != 0 {
                let expected = format!("a multiple of {}, the steps of --mts", settings.mts);
                return Err(table.wrong("every", &expected));
            }
            table.check_free(&of.name, &mut names)?;
            if metadynamics.replace(of).is_some() {
                return Err(table.wrong("form", "only one table with metadynamics"));
            }
        }
        Ok((all, metadynamics))
    }
}

/// The temperature of a run, if there is only one.
fn kelvin(settings: &Settings) -> Option<f64> {
    match settings.beta[..] {
        [beta] if settings.anneal.is_empty() => Some(units::kelvin(beta)),
        _ => None,
    }
}

/// Warns if the walkers do not sample exp(−E/(k_B T)) with the temperature of the hills: the estimate of
/// the free energy is wrong then.
fn warn_of_sampling(of: &Metadynamics, settings: &Settings) {
    let kelvin = of.hills.temperature;
    let is_same = |beta: &f64| (units::kelvin(*beta) / kelvin - 1.0).abs() < 1e-3;
    let integrator = settings.integrator;
    let samples = !matches!(integrator, Integrator::Nve | Integrator::OverdampedPublished { .. });
    if !(samples && settings.anneal.is_empty() && settings.beta.iter().all(is_same)) {
        log::warn!(
            "bias {}: the estimate of the free energy is right only if all replicas sample {kelvin:.2} K, \
             the temperature of the hills",
            of.name
        );
    }
}

/// The keys of every table.
const COMMON: [&str; 3] = ["name", "variable", "form"];
/// Variables and forms with their keys.
const VARIABLES: [(&str, &[&str]); 7] = [
    ("position", &["beads", "reference"]),
    ("distance", &["beads", "groups"]),
    ("angle", &["beads"]),
    ("dihedral", &["beads"]),
    ("rg", &["beads"]),
    ("rmsd", &["beads", "reference"]),
    ("q", &["reference", "cutoff", "beta", "lambda"]),
];
const FORMS: [(&str, &[&str]); 4] = [
    ("harmonic", &["k", "center"]),
    ("flat-bottom", &["k", "lower", "upper"]),
    ("moving", &["k", "steps", "centers"]),
    (METADYNAMICS, &["every", "height", "bias-factor", "temperature"]),
];
const METADYNAMICS: &str = "metadynamics";
/// The keys of an axis of metadynamics, which are beside those of its variable.
const AXIS: [&str; 5] = ["lower", "upper", "bins", "width", "periodic"];
/// The key of the tables of two variables.
const TWO: &str = "variables";

impl Table<'_> {
    fn bias(&self, system: &System) -> Result<Bias> {
        let (variable, of_variable) = self.one_of("variable", &VARIABLES)?;
        let (form, of_form) = self.one_of("form", &FORMS)?;
        self.check_keys(&[&COMMON, of_variable, of_form])?;
        Ok(Bias {
            name: self.text("name")?.to_owned(),
            variable: self.variable(variable, system)?,
            form: match form {
                "harmonic" => {
                    BiasForm::Harmonic { k: self.given("k")?, center: self.given("center")? }
                }
                "moving" => BiasForm::Moving { k: self.given("k")?, path: self.path()? },
                _ => BiasForm::FlatBottom {
                    k: self.given("k")?,
                    lower: self.numbers("lower")?.unwrap_or_default(),
                    upper: self.numbers("upper")?.unwrap_or_default(),
                },
            },
        })
    }

    /// The path of a moving center.
    fn path(&self) -> Result<Vec<(u64, f64)>> {
        let steps = self.entry("steps").and_then(|entry| list::<u64>(&entry.value));
        let steps = steps.ok_or_else(|| self.wrong("steps", "numbers of steps that increase"))?;
        let centers = self.entry("centers").and_then(|entry| list::<f64>(&entry.value));
        let centers = centers.ok_or_else(|| self.wrong("centers", "numbers"))?;
        match centers.len() == steps.len() {
            true => Ok(steps.into_iter().zip(centers).collect()),
            false => {
                Err(self.wrong("centers", &format!("{} numbers, one for each step", steps.len())))
            }
        }
    }

    fn metadynamics(&self, system: &System, kelvin: Option<f64>) -> Result<Metadynamics> {
        let (_, of_form) = self.one_of("form", &FORMS)?;
        let parts = match self.entry(TWO) {
            None => {
                let (_, of_variable) = self.one_of("variable", &VARIABLES)?;
                self.check_keys(&[&COMMON, of_variable, of_form, &AXIS])?;
                vec![self.with_axis(system)?]
            }
            Some(Entry { line, value: Value::List(tables), .. }) => {
                self.check_keys(&[&["name", "form", TWO], of_form])?;
                let of_table = |table: &Value| {
                    let Value::Table(entries) = table else {
                        return Err(self.wrong(TWO, "tables [[bias.variables]]"));
                    };
                    let line = entries.first().map_or(*line, |entry| entry.line);
                    let table = Table { line, entries, ..*self };
                    let (_, of_variable) = table.one_of("variable", &VARIABLES)?;
                    table.check_keys(&[&["variable"], of_variable, &AXIS])?;
                    table.with_axis(system)
                };
                tables.iter().map(of_table).collect::<Result<_>>()?
            }
            Some(_) => return Err(self.wrong(TWO, "tables [[bias.variables]]")),
        };
        let (variables, axes) = parts.into_iter().unzip();
        let hills = Hills {
            axes,
            height: self.number("height", None)?,
            bias_factor: self.number("bias-factor", None)?,
            temperature: self.number("temperature", kelvin)?,
        };
        let (name, every) = (self.text("name")?.to_owned(), self.number("every", None)?);
        Ok(Metadynamics { name, variables, hills, every })
    }

    /// A variable of metadynamics with its axis. A dihedral over a whole turn, which is from −π to π
    /// without ends, is periodic unless the keys say otherwise.
    fn with_axis(&self, system: &System) -> Result<(Variable, Axis)> {
        let variable = self.variable(self.one_of("variable", &VARIABLES)?.0, system)?;
        let turns = matches!(variable, Variable::Dihedral(_));
        let periodic = match self.entry("periodic") {
            None => {
                let lower = self.number("lower", Some(-PI))?;
                turns && (self.number("upper", Some(PI))? - lower - TAU).abs() < 1e-6
            }
            Some(Entry { value: Value::Bool(periodic), .. }) => *periodic,
            Some(_) => return Err(self.wrong("periodic", "true or false")),
        };
        let end = |end: f64| periodic.then_some(end);
        let axis = Axis {
            lower: self.number("lower", end(-PI))?,
            upper: self.number("upper", end(PI))?,
            bins: self.number("bins", None)?,
            periodic,
            width: self.number("width", None)?,
        };
        Ok((variable, axis))
    }

    fn variable(&self, kind: &str, system: &System) -> Result<Variable> {
        let of_reference = |beads: Option<Vec<u32>>| -> Result<(Vec<u32>, Vec<[f64; 3]>)> {
            let places = self.reference(system)?;
            let beads = beads.unwrap_or_else(|| (0..places.len() as u32).collect());
            let place = |bead: &u32| places.get(*bead as usize).copied();
            match beads.iter().map(place).collect() {
                Some(of_beads) => Ok((beads, of_beads)),
                None => {
                    let expected = format!("beads below {}, as in the reference", places.len());
                    Err(self.wrong("beads", &expected))
                }
            }
        };
        Ok(match kind {
            "position" => {
                let (beads, reference) = of_reference(Some(self.beads()?))?;
                Variable::Position { beads, reference }
            }
            "rmsd" => {
                let beads = self.entry("beads").map(|_| self.beads()).transpose()?;
                let (beads, reference) = of_reference(beads)?;
                Variable::Rmsd { beads, reference }
            }
            "distance" => Variable::Distance { groups: self.groups()? },
            "angle" => Variable::Angle(self.tuple()?),
            "dihedral" => Variable::Dihedral(self.tuple()?),
            "rg" => {
                let beads = self.entry("beads").map(|_| self.beads()).transpose()?;
                Variable::RadiusOfGyration { beads: beads.unwrap_or_default() }
            }
            _ => Variable::native_contacts(
                &self.reference(system)?,
                self.number("cutoff", Some(CONTACT_CUTOFF))?,
                self.number("beta", Some(CONTACT_BETA))?,
                self.number("lambda", Some(CONTACT_LAMBDA))?,
            ),
        })
    }
}
