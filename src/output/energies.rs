//! The text of `energies.csv`.

use std::borrow::Cow;
use std::fmt::Write;

use super::options::OutputOptions;
use crate::engine::NO_LABEL;
use crate::simulation::{Frame, Simulation};

/// A cell of a CSV table. Text with separators is quoted.
pub fn csv_cell(text: &str) -> Cow<'_, str> {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")).into(),
        false => text.into(),
    }
}

/// The columns of energies that are not those of terms.
const OTHERS: [&str; 2] = ["potential", "kinetic"];

/// The names of the columns.
pub(super) fn header(simulation: &Simulation, options: &OutputOptions) -> String {
    let state = if simulation.dynamics().exchange.is_some() { "state," } else { "" };
    let columns = "potential_kcal_per_mol,kinetic_kcal_per_mol,temperature_K";
    let thermostat = if simulation.dynamics().anneal.is_empty() { "" } else { ",thermostat_K" };
    let mut header = format!("step,time_ps,replica,{state}{columns}{thermostat}");
    let terms = if options.terms { simulation.system().term_names() } else { Vec::new() };
    for name in terms {
        // Each column has a name of its own.
        let of_term = if OTHERS.contains(&&*name) { "term_" } else { "" };
        let _ = write!(header, ",{}", csv_cell(&format!("{of_term}{name}_kcal_per_mol")));
    }
    for (name, variable) in simulation.observables() {
        let _ = match variable.unit() {
            "" => write!(header, ",{name}"),
            unit => write!(header, ",{name}_{unit}"),
        };
    }
    for name in simulation.bias_names() {
        let _ = write!(header, ",bias_{name},bias_{name}_value");
        let metadynamics = simulation.dynamics().metadynamics.as_ref();
        if metadynamics.is_some_and(|of| of.name == *name && of.variables.len() > 1) {
            let _ = write!(header, ",bias_{name}_value_1");
        }
        if simulation.biases().iter().any(|bias| bias.name == *name && bias.moves()) {
            let _ = write!(header, ",bias_{name}_work");
        }
    }
    header + "\n"
}

/// The rows of a frame, without frozen replicas.
pub(super) fn rows(frame: &Frame, replica_ids: &[u32], options: &OutputOptions) -> String {
    let mut rows = String::new();
    for (r, replica) in replica_ids.iter().enumerate() {
        if frame.frozen.contains_key(&r) {
            continue;
        }
        let _ = write!(rows, "{},{:.6},{replica},", frame.step, frame.time);
        let _ = match frame.label.get(r) {
            Some(&NO_LABEL) => write!(rows, ","),
            Some(label) => write!(rows, "{label},"),
            None => Ok(()),
        };
        let _ = match frame.kinetic[r] {
            kinetic if kinetic.is_nan() => write!(rows, "{:.6},,", frame.potential[r]),
            kinetic => {
                let (potential, temperature) = (frame.potential[r], frame.temperature[r]);
                write!(rows, "{potential:.6},{kinetic:.6},{temperature:.3}")
            }
        };
        if let Some(kelvin) = frame.thermostat.get(r) {
            let _ = write!(rows, ",{kelvin:.3}");
        }
        for term in frame.terms.iter().filter(|_| options.terms) {
            let _ = write!(rows, ",{:.6}", term[r]);
        }
        for (_, values) in frame.observables {
            let _ = write!(rows, ",{:.6}", values[r]);
        }
        for bias in frame.biases {
            let _ = write!(rows, ",{:.6},{:.6}", bias.energy[r], bias.value[r]);
            if let Some(second) = bias.second.get(r) {
                let _ = write!(rows, ",{second:.6}");
            }
            if let Some(work) = bias.work.get(r) {
                let _ = write!(rows, ",{work:.6}");
            }
        }
        rows.push('\n');
    }
    rows
}
