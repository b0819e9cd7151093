//! The biases on the command line: files of restraints and metadynamics.

use std::f64::consts::PI;
use std::path::{Path, PathBuf};

use clap::Args;
use flashschnet::bias::{Bias, BiasForm};
use flashschnet::error::OfFile;
use flashschnet::hills::{Axis, Hills};
use flashschnet::metadynamics::Metadynamics;
use flashschnet::simulation::Settings;
use flashschnet::system::System;
use flashschnet::variable::{CONTACT_BETA, CONTACT_CUTOFF, CONTACT_LAMBDA, Variable};
use flashschnet::{Error, Result, units};

use super::observables::reference;
use crate::cli::config::read_toml;
use crate::cli::config::unknown::unknown;
use flashschnet::io::entry::{Entry, Source, Value};

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
        for table in tables {
            let Value::Table(entries) = table else {
                return Err(source.invalid(*line, TABLES, table.describe(), "tables [[bias]]"));
            };
            let line = entries.first().map_or(*line, |entry| entry.line);
            let table = Table { source: &source, line, entries, rows: Rows::of(settings) };
            if table.one_of("form", &FORMS)?.0 != METADYNAMICS {
                let bias = table.bias(&system)?;
                bias.check(&system).of_file(path)?;
                all.push(bias);
                continue;
            }
            let of = table.metadynamics(&system, kelvin(settings))?;
            of.check(&system).of_file(path)?;
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

/// The numbers in a list that has one for each state or replica.
#[derive(Clone, Copy)]
struct Rows {
    n: usize,
    each: &'static str,
}

impl Rows {
    fn of(settings: &Settings) -> Self {
        match settings.exchange.as_ref().and_then(|exchange| exchange.ladders.first()) {
            Some(ladder) => Rows { n: ladder.n_states(), each: "state of the ladder" },
            None => Rows { n: settings.n_replicas, each: "replica" },
        }
    }
}

/// The table of a bias.
struct Table<'a> {
    source: &'a Source,
    line: usize,
    entries: &'a [Entry],
    rows: Rows,
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

    /// A variable of metadynamics with its axis. A dihedral is periodic, from −π to π, unless the keys
    /// say otherwise.
    fn with_axis(&self, system: &System) -> Result<(Variable, Axis)> {
        let variable = self.variable(self.one_of("variable", &VARIABLES)?.0, system)?;
        let turns = matches!(variable, Variable::Dihedral(_));
        let periodic = match self.entry("periodic") {
            None => turns && self.entry("lower").is_none() && self.entry("upper").is_none(),
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

    /// Refuses keys that are in none of these lists.
    fn check_keys(&self, lists: &[&[&str]]) -> Result<()> {
        let known = || lists.iter().flat_map(|list| list.iter().copied());
        match self.entries.iter().find(|entry| !known().any(|key| key == entry.key)) {
            Some(other) => Err(unknown(self.source, other, known())),
            None => Ok(()),
        }
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

    fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The error of a value, or of a key that is missing.
    fn wrong(&self, key: &str, expected: &str) -> Error {
        let (line, found) = match self.entry(key) {
            Some(entry) => (entry.line, entry.value.describe()),
            None => (self.line, "none".to_owned()),
        };
        self.source.invalid(line, key, found, expected)
    }

    fn text(&self, key: &str) -> Result<&str> {
        match self.entry(key) {
            Some(Entry { value: Value::Text(text), .. }) => Ok(text),
            _ => Err(self.wrong(key, "text")),
        }
    }

    /// A name that has keys.
    fn one_of<'a>(
        &self,
        key: &str,
        all: &[(&'a str, &'a [&'a str])],
    ) -> Result<(&'a str, &'a [&'a str])> {
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        let found = self.entry(key).and_then(|_| self.text(key).ok());
        let known = all.iter().find(|(name, _)| Some(*name) == found);
        known.copied().ok_or_else(|| self.wrong(key, &format!("one of {}", names.join(", "))))
    }

    /// A number, or its default.
    fn number<T: std::str::FromStr + Copy>(&self, key: &str, default: Option<T>) -> Result<T> {
        let found = match self.entry(key) {
            Some(entry) => list(&entry.value).as_deref().and_then(|list| match list {
                [number] => Some(*number),
                _ => None,
            }),
            None => default,
        };
        found.ok_or_else(|| self.wrong(key, "one number"))
    }

    /// A number or a list of numbers, if there is one.
    fn numbers(&self, key: &str) -> Result<Option<Vec<f64>>> {
        let Some(entry) = self.entry(key) else { return Ok(None) };
        let numbers = list(&entry.value);
        let numbers = numbers.ok_or_else(|| self.wrong(key, "a number, or a list of numbers"))?;
        let Rows { n, each } = self.rows;
        if numbers.len() != 1 && numbers.len() != n {
            let found = format!("{} numbers", numbers.len());
            let expected = format!("1, or {n}, one for each {each}");
            return Err(self.source.invalid(entry.line, key, found, expected));
        }
        Ok(Some(numbers))
    }

    fn given(&self, key: &str) -> Result<Vec<f64>> {
        self.numbers(key)?.ok_or_else(|| self.wrong(key, "a number, or a list of numbers"))
    }

    fn beads(&self) -> Result<Vec<u32>> {
        let found = self.entry("beads").and_then(|entry| list(&entry.value));
        found.ok_or_else(|| self.wrong("beads", "numbers of beads, from 0"))
    }

    fn tuple<const N: usize>(&self) -> Result<[u32; N]> {
        let wrong = |_| self.wrong("beads", &format!("{N} numbers of beads, from 0"));
        self.beads()?.try_into().map_err(wrong)
    }

    /// The groups of a distance, or its two beads as groups.
    fn groups(&self) -> Result<[Vec<u32>; 2]> {
        let Some(entry) = self.entry("groups") else {
            return Ok(self.tuple::<2>()?.map(|bead| vec![bead]));
        };
        if let Some(other) = self.entry("beads") {
            let expected = "beads or groups, not both";
            return Err(self.source.invalid(other.line, "beads", "groups, too", expected));
        }
        let groups = match &entry.value {
            Value::List(groups) => groups.iter().map(list).collect::<Option<Vec<_>>>(),
            _ => None,
        };
        let groups = groups.and_then(|groups| groups.try_into().ok());
        groups.ok_or_else(|| self.wrong("groups", "two lists of numbers of beads, from 0"))
    }

    /// The positions of the reference structure, whose path is relative to the folder of the file.
    fn reference(&self, system: &System) -> Result<Vec<[f64; 3]>> {
        let folder = self.source.path.parent().unwrap_or(Path::new(""));
        let path = folder.join(self.text("reference")?);
        Ok(reference(&path, system).of_file(&path)?.positions)
    }
}

/// A value, or the values of a list.
fn list<T: std::str::FromStr>(value: &Value) -> Option<Vec<T>> {
    let one = |value: &Value| match value {
        Value::Text(text) => text.parse().ok(),
        _ => None,
    };
    match value {
        Value::List(list) => list.iter().map(one).collect(),
        value => Some(vec![one(value)?]),
    }
}
