//! The configuration of torchmd's `run.py`, its `simulate.yaml`: keys and defaults in the options
//! of `run`.

use std::path::Path;

use crate::Result;
use crate::io::entry::{Entry, Source, Value};

use super::translated::Translated;
use super::unknown::unknown;

/// Keys that torchmd alone has. They tell its files.
const ITS_OWN: [&str; 8] = [
    "forcefield",
    "external",
    "coordinates",
    "langevin_gamma",
    "langevin_temperature",
    "output_period",
    "save_period",
    "log_dir",
];

/// Keys with the same values as options, and torchmd's defaults. Those without a default are
/// inputs, and `minimize`, which is not done by default.
const SAME: [(&str, &str, Option<&str>); 10] = [
    ("topology", "topology", None),
    ("coordinates", "structures", None),
    ("forcefield", "priors", None),
    ("minimize", "minimize", None),
    ("steps", "steps", Some("10000")),
    ("output_period", "save-interval", Some("10")),
    ("langevin_gamma", "friction", Some("0.1")),
    ("replicas", "replicas", Some("1")),
    ("seed", "seed", Some("1")),
    ("exclusions", "exclusions", Some("bonds,angles,1-4")),
];

/// Keys that are translated one by one.
const TRANSLATED: [&str; 9] = [
    "external",
    "forceterms",
    "timestep",
    "temperature",
    "langevin_temperature",
    "log_dir",
    "output",
    "device",
    "precision",
];

/// Keys that only `null` or `false` is taken for, and the reasons.
const REFUSED: [(&str, &str); 6] = [
    ("cutoff", "the terms of published models have no cutoff"),
    ("rfa", "there is no electrostatics"),
    ("switch_dist", "there is no Lennard-Jones term"),
    ("extended_system", "there is no periodic box"),
    ("structure", "topology and coordinates take its place"),
    ("npz_file", "topology, coordinates and external.embeddings take its place"),
];

/// Keys that have no meaning here.
const WITHOUT_MEANING: [&str; 2] = ["save_period", "conf"];

/// Torchmd's default temperature of the velocities at the start, K.
const TEMPERATURE: f64 = 300.0;

/// Torchmd's default time step, fs.
const TIMESTEP: f64 = 1.0;

/// Whether a file is torchmd's.
pub(super) fn is_of_torchmd(entries: &[Entry]) -> bool {
    entries.iter().any(|entry| ITS_OWN.contains(&entry.key.as_str()))
}

/// The keys of torchmd.
fn keys<'a>() -> impl Iterator<Item = &'a str> {
    let same = SAME.iter().map(|(key, ..)| *key);
    let refused = REFUSED.iter().map(|(key, _)| *key);
    same.chain(TRANSLATED).chain(refused).chain(WITHOUT_MEANING)
}

/// Translates a file. Options of `run` that torchmd does not have stay as they are: `options` are
/// all of them, and `is_given` tells which the command line has.
pub(super) fn translate(
    source: &Source,
    entries: Vec<Entry>,
    options: &[&str],
    is_given: &dyn Fn(&str) -> bool,
) -> Result<Translated> {
    let mut to = Translated::default();
    let mut own = Own::default();
    for entry in entries {
        let key = entry.key.as_str();
        if let Some((_, reason)) = REFUSED.iter().find(|(refused, _)| *refused == key) {
            if !matches!(entry.value, Value::Null | Value::Bool(false)) {
                let expected = format!("null, because {reason}");
                return Err(source.invalid(entry.line, key, entry.value.describe(), expected));
            }
        } else if WITHOUT_MEANING.contains(&key) {
            to.ignored.push(entry.key);
        } else if entry.value == Value::Null && keys().any(|known| known == key) {
            // torchmd writes its defaults in this way.
        } else if TRANSLATED.contains(&key) {
            own.add(source, &mut to, entry)?;
        } else {
            let option = SAME.iter().find(|(same, ..)| *same == key).map(|(_, option, _)| *option);
            if option.is_none() && !options.contains(&&*key.replace('_', "-")) {
                return Err(unknown(source, &entry, options.iter().copied().chain(keys())));
            }
            let Entry { key, line, value } = entry;
            let value = if key == "exclusions" { exclusions(source, line, value)? } else { value };
            to.push(option.unwrap_or(&key), line, value);
        }
    }
    own.finish(source, &mut to, is_given)?;
    for (_, option, default) in SAME {
        if let Some(default) = default.filter(|_| !to.has(option)) {
            to.push(option, 0, Value::Text(default.into()));
        }
    }
    Ok(to)
}

/// The values that options are made of when all are known.
#[derive(Default)]
struct Own {
    has_terms: bool,
    has_network: bool,
    timestep: Option<(f64, usize)>,
    temperature: Option<(f64, usize)>,
    thermostat: Option<(f64, usize)>,
    log_dir: Option<String>,
    output: Option<(String, usize)>,
}

impl Own {
    fn add(&mut self, source: &Source, to: &mut Translated, entry: Entry) -> Result<()> {
        let Entry { key, line, value } = entry;
        let number = |value: &Value| {
            let number = match value {
                Value::Text(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
                _ => None,
            };
            let wrong = || source.invalid(line, &key, value.describe(), "a number");
            number.map(|number| (number, line)).ok_or_else(wrong)
        };
        match (key.as_str(), value) {
            ("timestep", value) => self.timestep = Some(number(&value)?),
            ("temperature", value) => self.temperature = Some(number(&value)?),
            ("langevin_temperature", value) => self.thermostat = Some(number(&value)?),
            ("log_dir", Value::Text(name)) => self.log_dir = Some(name),
            ("output", Value::Text(name)) => self.output = Some((name, line)),
            ("log_dir" | "output", value) => {
                return Err(source.invalid(line, &key, value.describe(), "a path"));
            }
            ("forceterms", value) => {
                self.has_terms = true;
                let value = match value {
                    Value::List(list) if list.is_empty() => Value::Text("none".into()),
                    value => value,
                };
                to.push("forceterms", line, value);
            }
            ("external", value) => {
                self.has_network = true;
                external(source, to, line, value)?;
            }
            ("device", Value::Text(device)) => match device.as_str() {
                "cpu" => to.push("backend", line, Value::Text(device)),
                _ if device.starts_with("cuda") => {
                    to.ignored.push("device (--backend and --adapter choose the GPU)".into());
                }
                _ => return Err(source.invalid(line, &key, device, "cpu or cuda")),
            },
            ("precision", Value::Text(precision))
                if ["single", "double"].contains(&precision.as_str()) =>
            {
                to.ignored.push(
                    "precision (--precision chooses the network's, which is single in torchmd)"
                        .into(),
                );
            }
            (_, value) => {
                let expected = if key == "device" { "cpu or cuda" } else { "single or double" };
                return Err(source.invalid(line, &key, value.describe(), expected));
            }
        }
        Ok(())
    }

    fn finish(
        self,
        source: &Source,
        to: &mut Translated,
        is_given: &dyn Fn(&str) -> bool,
    ) -> Result<()> {
        if !self.has_network && !to.has("model") && !is_given("model") {
            let expected = "the network: module, file and embeddings";
            return Err(source.invalid(0, "external", "nothing", expected));
        }
        if !self.has_terms && !is_given("forceterms") {
            let expected =
                "a list of terms; without it torchmd computes LJ, which is not supported";
            return Err(source.invalid(0, "forceterms", "nothing", expected));
        }
        if !to.has("dt") {
            let (femtoseconds, line) = self.timestep.unwrap_or((TIMESTEP, 0));
            to.push("dt", line, Value::Text((femtoseconds / 1000.0).to_string()));
        }
        match (self.thermostat, self.temperature) {
            // The velocities at the start have the temperature of the thermostat.
            (Some((kelvin, line)), start) if kelvin != 0.0 => {
                if start.is_some_and(|(start, _)| start != kelvin) {
                    to.ignored.push(format!(
                        "temperature (the velocities start at langevin_temperature, {kelvin} K)"
                    ));
                }
                to.push("temperature", line, Value::Text(kelvin.to_string()));
            }
            (thermostat, start) => {
                let (kelvin, line) = start.unwrap_or((TEMPERATURE, 0));
                to.push("temperature", line, Value::Text(kelvin.to_string()));
                if !to.has("integrator") {
                    let line = thermostat.map_or(0, |(_, line)| line);
                    to.push("integrator", line, Value::Text("nve".into()));
                }
            }
        }
        // Unlike the other paths, this one belongs to the folder of the process.
        let (name, line) = self.output.unwrap_or_else(|| ("output".to_owned(), 0));
        let folder = Path::new(self.log_dir.as_deref().unwrap_or_default()).join(name);
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        to.push("output", line, Value::Text(folder.to_string_lossy().into_owned()));
        Ok(())
    }
}

/// Translates the network.
fn external(source: &Source, to: &mut Translated, line: usize, value: Value) -> Result<()> {
    let Value::Table(entries) = value else {
        let expected = "a mapping: module, file and embeddings";
        return Err(source.invalid(line, "external", value.describe(), expected));
    };
    for (key, expected) in [
        ("file", "the checkpoint of the network"),
        ("embeddings", "a list of bead types, or the path of a .npy file"),
    ] {
        if entries.iter().all(|entry| entry.key != key || entry.value == Value::Null) {
            let field = format!("external.{key}");
            return Err(source.invalid(line, &field, "nothing", expected));
        }
    }
    for Entry { key, line, value } in entries {
        let field = format!("external.{key}");
        match (key.as_str(), value) {
            ("module", Value::Text(module)) if module == "torchmdnet.calculators" => {}
            ("module", value) => {
                let expected = "torchmdnet.calculators, the networks of torchmd-net";
                return Err(source.invalid(line, &field, value.describe(), expected));
            }
            ("file", value) => to.push("model", line, value),
            ("embeddings", value) => to.push("embeddings", line, value),
            (_, value) => {
                let expected = "only module, file and embeddings";
                return Err(source.invalid(line, &field, value.describe(), expected));
            }
        }
    }
    Ok(())
}

/// A text stands for the names that it contains, as in torchmd.
fn exclusions(source: &Source, line: usize, value: Value) -> Result<Value> {
    let is_none = |text: &str| ["", "()", "[]"].contains(&text.trim());
    match value {
        Value::List(list) if list.is_empty() => Ok(Value::Text("none".into())),
        Value::Text(text) if is_none(&text) => Ok(Value::Text("none".into())),
        value @ (Value::Text(_) | Value::List(_)) => Ok(value),
        other => {
            let expected = "names of bonded terms: bonds, angles, 1-4";
            Err(source.invalid(line, "exclusions", other.describe(), expected))
        }
    }
}
