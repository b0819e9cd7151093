//! Force fields.

use std::path::{Path, PathBuf};

use super::look_up::{Row, Section};
use super::psf::Psf;
use crate::error::{Error, Result};
use crate::io::entry::{Entry, Source, Value};
use crate::io::yaml;
use crate::structure::is_mass;
use crate::units::AMU;

/// k (q − q0)²: k0 in kcal/mol by the square of the unit of q, and q0 in Å or radians.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Harmonic {
    pub(super) k: f64,
    pub(super) x0: f64,
}

/// k (1 + cos(n φ − phase)), phase in radians.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Periodic {
    pub(super) k: f64,
    pub(super) phase: f64,
    pub(super) per: f64,
}

/// The sections of a force field that coarse-grained models use.
#[derive(Debug, PartialEq)]
pub struct ForceField {
    source: Source,
    pub(super) bonds: Section<Harmonic>,
    pub(super) angles: Section<Harmonic>,
    pub(super) dihedrals: Section<Vec<Periodic>>,
    pub(super) impropers: Section<Periodic>,
    /// ε in kcal/mol and σ in Å.
    pub(super) lj: Section<[f64; 2]>,
    masses: Section<f64>,
}

impl ForceField {
    /// Reads a YAML file.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Invalid`] names the wrong line.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
        Self::parse(path.to_owned(), &text)
    }

    /// Parses the text of a YAML file.
    ///
    /// # Errors
    /// See [`ForceField::read`].
    pub fn parse(path: PathBuf, text: &str) -> Result<Self> {
        let source = Source { path };
        let sections = yaml::read(&source, text)?;
        let reader = Reader { source: &source, sections: &sections };
        let degrees = |entries: &Fields, name: &str| Ok(entries.number(name)?.to_radians());
        let periodic = |fields: &Fields| {
            let (k, phase) = (fields.number("phi_k")?, degrees(fields, "phase")?);
            Ok(Periodic { k, phase, per: fields.number("per")? })
        };
        let dihedral = |fields: &Fields| fields.list("terms")?.iter().map(periodic).collect();
        let angle = |fields: &Fields| {
            Ok(Harmonic { k: fields.number("k0")?, x0: degrees(fields, "theta0")? })
        };
        let bond =
            |fields: &Fields| Ok(Harmonic { k: fields.number("k0")?, x0: fields.number("req")? });
        let lj = |fields: &Fields| Ok([fields.number("epsilon")?, fields.number("sigma")?]);
        Ok(ForceField {
            bonds: reader.section("bonds", bond)?,
            angles: reader.section("angles", angle)?,
            dihedrals: reader.section("dihedrals", dihedral)?,
            impropers: reader.section("impropers", periodic)?,
            lj: reader.section("lj", lj)?,
            masses: reader.rows("masses", |entry| number(&source, entry))?,
            source,
        })
    }

    /// The masses of the atom types of a molecule, in the mass unit of [`crate::units`]. The masses
    /// of a PSF file are not used: published files have zeros.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an atom type without a mass, or with one that is not positive.
    pub fn masses(&self, psf: &Psf) -> Result<Vec<f64>> {
        let mass = |name: &String| {
            let row = self.masses.exact(name).ok_or_else(|| self.missing("masses", &[name]))?;
            let mass = row.value * AMU;
            match is_mass(mass) {
                true => Ok(mass),
                false => {
                    Err(self.invalid(row, &format!("mass of {name}"), row.value, "a mass > 0"))
                }
            }
        };
        psf.atom_types.iter().map(mass).collect()
    }

    pub(super) fn missing(&self, section: &str, names: &[&str]) -> Error {
        let found = format!("nothing for {}", names.join(", "));
        // CHARMM's own format numbers the atom types.
        let is_charmm = |name: &&str| name.bytes().all(|byte| byte.is_ascii_digit());
        let expected = match names.iter().all(is_charmm) {
            true => {
                "parameters for atom types, whose names a PSF file of the X-PLOR format has; this \
                     one has numbers, as CHARMM's format"
            }
            false => "parameters for every tuple of atom types",
        };
        self.source.invalid(0, section, found, expected)
    }

    /// An error about a row.
    pub(super) fn invalid<T>(
        &self,
        row: &Row<T>,
        name: &str,
        found: impl ToString,
        expected: impl Into<String>,
    ) -> Error {
        self.source.invalid(row.line, name, found.to_string(), expected)
    }

    /// A row that means something, but cannot be computed.
    pub(super) fn unsupported<T>(&self, row: &Row<T>, what: String, advice: &str) -> Error {
        Error::unsupported(what, advice).of_file(Path::new(&self.source.place(row.line)))
    }
}

/// The names of the sections of force fields.
const SECTIONS: [&str; 8] =
    ["atomtypes", "bonds", "angles", "dihedrals", "impropers", "lj", "electrostatics", "masses"];

/// Whether a text starts as a force field: a line of it is the name of a section.
pub(crate) fn is_force_field(start: &str) -> bool {
    let is_section = |line: &str| {
        let name = line.split_once(':').map(|(name, rest)| (name.trim_end(), rest.trim()));
        name.is_some_and(|(name, rest)| {
            SECTIONS.contains(&name) && (rest.is_empty() || rest.starts_with(['#', '{']))
        })
    };
    start.trim_start_matches('\u{feff}').lines().any(is_section)
}

struct Reader<'a> {
    source: &'a Source,
    sections: &'a [Entry],
}

/// The fields of an entry of a section.
struct Fields<'a> {
    source: &'a Source,
    line: usize,
    entries: &'a [Entry],
}

impl<'a> Reader<'a> {
    fn entries(&self, name: &str) -> Result<&'a [Entry]> {
        let section = self.sections.iter().find(|section| section.key == name);
        match section.map(|section| (&section.value, section.line)) {
            None | Some((Value::Null, _)) => Ok(&[]),
            Some((Value::Table(entries), _)) => Ok(entries),
            Some((other, line)) => {
                Err(self.source.invalid(line, name, other.describe(), "entries by atom types"))
            }
        }
    }

    fn section<T>(&self, name: &str, read: impl Fn(&Fields) -> Result<T>) -> Result<Section<T>> {
        self.rows(name, |Entry { key, line, value }| {
            let Value::Table(entries) = value else {
                let found = value.describe();
                return Err(self.source.invalid(*line, key, found, "parameters by name"));
            };
            read(&Fields { source: self.source, line: *line, entries })
        })
    }

    /// Keys that differ only in blanks are one key.
    fn rows<T>(&self, name: &str, read: impl Fn(&Entry) -> Result<T>) -> Result<Section<T>> {
        let mut section = Section::default();
        for entry in self.entries(name)? {
            if let Some(first) = section.add(&entry.key, entry.line, read(entry)?) {
                let found = format!("the key a second time, after line {}", first.line);
                return Err(self.source.invalid(entry.line, &entry.key, found, "it once"));
            }
        }
        Ok(section)
    }
}

impl<'a> Fields<'a> {
    fn find(&self, name: &str) -> Result<&'a Entry> {
        let entry = self.entries.iter().find(|entry| entry.key == name);
        entry.ok_or_else(|| self.source.invalid(self.line, name, "nothing", "a value"))
    }

    fn number(&self, name: &str) -> Result<f64> {
        number(self.source, self.find(name)?)
    }

    fn list(&self, name: &str) -> Result<Vec<Fields<'a>>> {
        let Entry { line, value, .. } = self.find(name)?;
        let wrong =
            |found: &Value| self.source.invalid(*line, name, found.describe(), "a list of terms");
        let Value::List(list) = value else { return Err(wrong(value)) };
        let fields = |value: &'a Value| match value {
            Value::Table(entries) => Ok(Fields { source: self.source, line: *line, entries }),
            other => Err(wrong(other)),
        };
        list.iter().map(fields).collect()
    }
}

/// The largest size of a number. Products of a few of them are finite in single precision.
const MOST: f64 = 1e30;

fn number(source: &Source, Entry { key, line, value }: &Entry) -> Result<f64> {
    let refused = |expected: &str| Err(source.invalid(*line, key, value.describe(), expected));
    let Value::Text(text) = value else { return refused("a number") };
    let digits = text.trim_start_matches(['+', '-']);
    if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|d| d.is_ascii_digit()) {
        return refused(
            "a number without a zero before it, which is octal for some readers of YAML",
        );
    }
    match text.parse::<f64>() {
        Ok(number) if number.abs() <= MOST => Ok(number),
        Ok(number) if number.is_finite() => refused(&format!("a number up to {MOST:e} in size")),
        _ => refused("a number"),
    }
}
