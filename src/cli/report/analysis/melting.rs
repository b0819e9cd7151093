//! The melting curve and the heat capacity.

use std::path::Path;

use super::super::names::{ERRORS, with_error};
use super::super::page::Page;
use super::super::plots::{self, Axes, Kind, Line};
use super::super::table;

/// The start of a line of the log about a melting temperature that is not converged.
pub(in crate::cli) const UNCONVERGED: &str = "not converged: melting temperature by ";

/// The definition of a melting temperature that is not converged and the reason, in a line of the log.
pub(super) fn doubt(line: &str) -> Option<(String, String)> {
    let (definition, reason) =
        line.strip_prefix("warning: ")?.strip_prefix(UNCONVERGED)?.split_once(": ")?;
    Some((definition.to_owned(), reason.to_owned()))
}

/// Two sections: Q and the heat capacity at all temperatures. `doubts` has a definition and a reason for
/// each melting temperature that is not converged.
pub(super) fn sections(
    page: &mut Page,
    folder: &Path,
    doubts: &[(String, String)],
) -> anyhow::Result<()> {
    let empty = || Line { kind: Kind::LINE, ..Line::default() };
    let (mut contacts, mut capacity) = (empty(), empty());
    let value = "heat_capacity_kcal_per_mol_K";
    table::read(&folder.join("melting.csv"), &[], &["temperature_K", value], |row| {
        let temperature = row.number("temperature_K");
        let error = row.number("heat_capacity_error_kcal_per_mol_K");
        capacity.points.push([temperature, row.number(value), error]);
        contacts.points.push([temperature, row.number("q"), row.number("q_error")]);
    })?;
    for line in [&mut contacts, &mut capacity] {
        line.points.retain(|[x, y, _]| x.is_finite() && y.is_finite());
    }
    let found = temperatures(&folder.join("melting_temperatures.csv"))?;
    let marks: Vec<f64> = found.iter().map(|(_, temperature, _)| *temperature).collect();
    let note = noted(&found, doubts);
    if contacts.points.len() > 1 {
        let direct = direct(&folder.join("summary.csv"))?;
        let dots = match direct.points.is_empty() {
            true => "",
            false => " Dots are the means of the samples at the temperatures of the run.",
        };
        let caption = format!(
            "Mean fraction of native contacts at each temperature, from the samples of all temperatures \
             (MBAR); the band is {ERRORS}.{dots}{note}"
        );
        let axes = Axes { x: "temperature (K)", y: "fraction of native contacts Q" };
        let plot = plots::lines(axes, &[contacts, direct], &marks, false);
        page.section("Melting curve", &caption, plot)?;
    }
    if capacity.points.len() > 1 {
        let caption = format!(
            "Heat capacity of the potential energy in kcal/(mol K), without the part of the velocities, \
             from the samples of all temperatures (MBAR); the band is {ERRORS}.{note}"
        );
        let axes = Axes { x: "temperature (K)", y: "heat capacity (kcal/mol/K)" };
        page.section("Heat capacity", &caption, plots::lines(axes, &[capacity], &marks, false))?;
    }
    Ok(())
}

/// Definition, temperature and error of each melting temperature.
fn temperatures(path: &Path) -> anyhow::Result<Vec<(String, f64, f64)>> {
    let mut all = Vec::new();
    table::read(path, &["definition"], &["temperature_K", "error_K"], |row| {
        let (temperature, error) = (row.number("temperature_K"), row.number("error_K"));
        if temperature.is_finite() {
            all.push((row.text("definition").to_owned(), temperature, error));
        }
    })?;
    Ok(all)
}

/// Sentences about the marks of a plot.
fn noted(found: &[(String, f64, f64)], doubts: &[(String, String)]) -> String {
    let name = |definition: &str| match definition {
        "heat_capacity" => "the maximum of the heat capacity".to_owned(),
        "q" => "half-way Q".to_owned(),
        other => other.replace('_', " "),
    };
    let one = |(definition, temperature, error): &(String, f64, f64)| {
        let is_doubted = doubts.iter().any(|(of, _)| of == definition);
        let doubt = if is_doubted { ", not converged" } else { "" };
        format!("{} K ({}{doubt})", with_error(*temperature, *error), name(definition))
    };
    let all: Vec<String> = found.iter().map(one).collect();
    match all.is_empty() {
        true => String::new(),
        false => {
            let mut reasons: Vec<&str> = doubts.iter().map(|(_, reason)| &reason[..]).collect();
            reasons.dedup();
            let why: Vec<String> =
                reasons.iter().map(|reason| format!(" Not converged: {reason}.")).collect();
            let all = all.join(", ");
            format!(" Dashed lines are the melting temperatures: {all}.{}", why.concat())
        }
    }
}

/// The means of Q at the temperatures of the run.
fn direct(path: &Path) -> anyhow::Result<Line> {
    let mut line = Line { kind: Kind::Dots, ..Line::default() };
    table::read(path, &["quantity"], &["temperature_K", "mean", "error"], |row| {
        let point = ["temperature_K", "mean", "error"].map(|name| row.number(name));
        if row.text("quantity") == "q" && point[..2].iter().all(|x| x.is_finite()) {
            line.points.push(point);
        }
    })?;
    Ok(line)
}
