//! The YAML files of mlcg and flashmd: their keys and defaults in the options of `run`.

use std::path::Path;

use crate::Result;

use crate::io::entry::{Entry, Source, Value};

use super::translated::Translated;
use super::unknown::unknown;

/// Keys of the file itself, with the options that mean the same.
const TOP: [(&str, &str); 4] = [
    ("betas", "beta"),
    ("model_file", "model"),
    ("structure_file", "structures"),
    ("batch_size", "replicas"),
];

/// Keys of `simulation`, with the options that mean the same and the default of mlcg and flashmd.
const SIMULATION: [(&str, &str, Option<&str>); 6] = [
    ("dt", "dt", Some("5e-4")),
    ("friction", "friction", Some("1e-3")),
    ("n_timesteps", "steps", Some("100")),
    ("save_interval", "save-interval", Some("10")),
    ("random_seed", "seed", None),
    ("exchange_interval", "exchange-interval", None),
];

/// More keys of `simulation` that have a meaning.
const FILES: [&str; 3] = ["filename", "output_dir", "read_checkpoint_file"];

/// Keys of `simulation` that have no meaning here.
const WITHOUT_MEANING: [&str; 21] = [
    "export_interval",
    "log_interval",
    "log_type",
    "save_forces",
    "save_energies",
    "save_velocities",
    "save_force_components",
    "force_components",
    "save_energy_components",
    "energy_components",
    "create_checkpoints",
    "device",
    "dtype",
    "specialize_priors",
    "tqdm_refresh",
    "compile",
    "compile_mode",
    "force_compile",
    "sim_subroutine",
    "sim_subroutine_interval",
    "save_subroutine",
];

/// Keys of `simulation` that flashmd alone has. They have no meaning here.
const FLASHMD: [&str; 9] = [
    "add_timestamp",
    "compile_model",
    "gptq",
    "print_shape",
    "print_shape_steps",
    "dump_neighbor_list",
    "dump_neighbor_list_last_n",
    "profile_start_step",
    "profile_end_step",
];

/// flashmd's defaults.
const OUTPUT_DIR: &str = "./outputs";
const SEED: &str = "233";

/// The integrators with the default friction of flashschnet.
const OVERDAMPED: &str = "overdamped";

/// Whether a file has keys of mlcg or flashmd.
pub(super) fn is_of_peers(entries: &[Entry]) -> bool {
    entries.iter().any(|entry| entry.key == "simulation" || option(&entry.key).is_some())
}

fn option(key: &str) -> Option<&'static str> {
    TOP.iter().find(|(name, _)| *name == key).map(|(_, option)| *option)
}

/// Translates a file. Other keys of the file itself stay as they are. `integrator` is the one of
/// the command line.
pub(super) fn translate(
    source: &Source,
    entries: Vec<Entry>,
    integrator: Option<&str>,
) -> Result<Translated> {
    let mut to = Translated::default();
    let (mut simulation, mut is_flashmd) = (Vec::new(), false);
    for mut entry in entries {
        match (entry.key.as_str(), entry.value) {
            ("simulation", Value::Table(table)) => simulation = table,
            ("simulation", other) => {
                let expected = "a mapping: the settings of a simulation";
                return Err(source.invalid(entry.line, "simulation", other.describe(), expected));
            }
            ("profile", _) => to.ignored.push(entry.key),
            (key, value) => {
                is_flashmd |= key == "batch_size";
                let is_null = option(key).is_some() && value == Value::Null;
                entry.key = option(key).unwrap_or(key).to_owned();
                entry.value = value;
                to.entries.extend((!is_null).then_some(entry));
            }
        }
    }
    is_flashmd |= simulation
        .iter()
        .any(|entry| entry.key == "output_dir" || FLASHMD.contains(&entry.key.as_str()));
    let (mut folder, mut filename) = (is_flashmd.then(|| OUTPUT_DIR.to_owned()), None);
    for entry in simulation {
        let Entry { key, line, value } = entry;
        let known = SIMULATION.iter().find(|(name, ..)| *name == key);
        match (key.as_str(), value) {
            (_, Value::Null) if known.is_some() || FILES.contains(&key.as_str()) => {}
            (_, value) if known.is_some() => {
                let key = known.map_or("", |(_, option, _)| *option).to_owned();
                to.entries.push(Entry { key, line, value });
            }
            ("filename", Value::Text(name)) => filename = Some((name, line)),
            ("output_dir", Value::Text(name)) => folder = Some(name),
            ("read_checkpoint_file", Value::Bool(false)) => {}
            ("read_checkpoint_file", value) => {
                let expected = "false: run --resume continues a run of this program";
                return Err(source.invalid(line, &key, value.describe(), expected));
            }
            ("filename" | "output_dir", value) => {
                return Err(source.invalid(line, &key, value.describe(), "a path"));
            }
            (name, _) if WITHOUT_MEANING.contains(&name) || FLASHMD.contains(&name) => {
                to.ignored.push(format!("simulation.{key}"));
            }
            (_, value) => {
                let known = SIMULATION.iter().map(|(name, ..)| *name).chain(FILES);
                let known = known.chain(WITHOUT_MEANING).chain(FLASHMD);
                return Err(unknown(source, &Entry { key, line, value }, known));
            }
        }
    }
    if let Some((name, line)) = filename {
        // Unlike the other paths, this one belongs to the folder of the process.
        let name = Path::new(&folder.unwrap_or_default()).join(name);
        let path = std::path::absolute(&name).unwrap_or(name);
        let value = Value::Text(path.to_string_lossy().into_owned());
        to.entries.push(Entry { key: "output".into(), line, value });
    }
    let own = to.entries.iter().find(|entry| entry.key == "integrator");
    let own = own.and_then(|entry| match &entry.value {
        Value::Text(name) => Some(name.clone()),
        _ => None,
    });
    to.add_defaults(is_flashmd, integrator.or(own.as_deref()));
    Ok(to)
}

impl Translated {
    fn add_defaults(&mut self, is_flashmd: bool, integrator: Option<&str>) {
        let mut add = |key: &str, value: Value| {
            if self.entries.iter().all(|entry| entry.key != key) {
                self.entries.push(Entry { key: key.into(), line: 0, value });
            }
        };
        let is_overdamped = integrator.is_some_and(|name| name.starts_with(OVERDAMPED));
        for (_, option, default) in SIMULATION {
            let default = default.filter(|_| option != "friction" || !is_overdamped);
            let default = if option == "seed" && is_flashmd { Some(SEED) } else { default };
            default.into_iter().for_each(|text| add(option, Value::Text(text.into())));
        }
        add("npy", Value::Bool(true));
        if self.entries.iter().all(|entry| entry.key != "replicas") {
            self.entries.push(Entry {
                key: "all-structures".into(),
                line: 0,
                value: Value::Bool(true),
            });
        }
    }
}
