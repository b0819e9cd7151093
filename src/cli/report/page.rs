//! The page: one HTML file without links to other files.

use std::fmt::Write as _;
use std::path::Path;

use flashschnet::error::printable;

use super::plots::{self, Axes};
use super::results::{FreeEnergy, Results};
use super::series::{Bin, Series};

type Plotted = Result<String, Box<dyn std::error::Error>>;

const STYLE: &str = "
body { font: 16px/1.5 system-ui, sans-serif; color: #1d232b; max-width: 940px; margin: 2em auto;
       padding: 0 1em; }
h1 { font-size: 1.7em; margin-bottom: 0; }
h2 { font-size: 1.2em; margin: 2em 0 0.3em; border-bottom: 1px solid #d8dde3; }
p { margin: 0.4em 0; color: #4a535e; }
svg { width: 100%; height: auto; }
table { border-collapse: collapse; }
td, th { padding: 0.15em 1.2em 0.15em 0; text-align: left; vertical-align: top; }
th { font-weight: 600; color: #4a535e; white-space: nowrap; }
pre { background: #f4f6f8; padding: 0.8em; overflow-x: auto; font-size: 13px; }
";

/// The most states with lines of their own.
const MOST_LINES: usize = 10;

/// The most replicas with rows of their own.
const MOST_ROWS: usize = 32;

/// Text that HTML shows as it is.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The page as text.
pub(super) fn page(folder: &Path, results: &Results) -> Plotted {
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    let name = escaped(&printable(name.to_string_lossy()));
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{name} - \
         flashschnet</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{name}</h1>\n"
    );
    let time =
        results.potential.bins().last().map_or(0.0, |bin| bin.step as f64 * results.dt * 1e-3);
    let _ = writeln!(html, "<p>{} frames, {:.6} ns per replica</p>", results.n_frames, time);
    settings(&mut html, &results.log);
    let mut section =
        |title: &str, note: &str, plot: Plotted| -> Result<(), Box<dyn std::error::Error>> {
            let _ = writeln!(html, "<h2>{title}</h2>\n<p>{note}</p>\n{}", plot?);
            Ok(())
        };
    let ns = results.dt * 1e-3;
    let has = |series: &Series| series.bins().len() > 1;
    let band = "Mean of all replicas; the band goes from the smallest to the largest value.";
    if has(&results.potential) {
        let axes = Axes { x: "time (ns)", y: "potential energy (kcal/mol)" };
        let plot = plots::over_time(axes, results.potential.bins(), ns);
        section("Potential energy", band, plot)?;
    }
    if has(&results.temperature) {
        let axes = Axes { x: "time (ns)", y: "temperature (K)" };
        section("Temperature", band, plots::over_time(axes, results.temperature.bins(), ns))?;
    }
    let observables: Vec<_> = results.observables.iter().map(|(column, ..)| axis(column)).collect();
    for (label, (_, series, _)) in observables.iter().zip(&results.observables) {
        if has(series) {
            let axes = Axes { x: "time (ns)", y: &label.axis };
            section(&label.title, band, plots::over_time(axes, series.bins(), ns))?;
        }
    }
    if let Some(FreeEnergy { columns, nodes }) = &results.free_energy {
        let most = nodes.iter().map(|node| node[2]).fold(1e-9, f64::max);
        let names: Vec<Label> = columns.iter().map(|column| axis(column)).collect();
        let (note, plot) = match &names[..] {
            [x, y] => (
                format!(", from blue for 0 to red for {most:.2} kcal/mol"),
                plots::surface(Axes { x: &x.axis, y: &y.axis }, nodes, most),
            ),
            names => {
                let x = names.first().map_or("", |label| &label.axis);
                let points = nodes.iter().map(|node| (node[0], node[2])).collect();
                let axes = Axes { x, y: "free energy (kcal/mol)" };
                (String::new(), plots::curves(axes, &[(String::new(), points)]))
            }
        };
        let note = format!(
            "Estimate of metadynamics at the last checkpoint, above the minimum{note}. \
                     Where no hill has been, it is the largest value."
        );
        section("Free energy", &note, plot)?;
    }
    let all = [
        ("the potential energy", "potential energy (kcal/mol)", &results.potentials),
        ("the temperature", "temperature (K)", &results.temperatures),
    ];
    let of_observables = observables.iter().zip(&results.observables);
    let of_observables =
        of_observables.map(|(Label { title, axis }, (_, _, values))| (&**title, &**axis, values));
    for (name, x, all) in all.into_iter().chain(of_observables) {
        let some = spread(all.keys().copied().collect(), MOST_LINES);
        let lines: Vec<_> =
            some.iter().map(|state| (state_name(results, *state), &all[state])).collect();
        if lines.iter().any(|(_, values)| values.range().is_some_and(|(low, high)| high > low)) {
            let axes = Axes { x, y: "probability density" };
            let of = if results.ladder.is_empty() {
                "All replicas."
            } else {
                "One line for each state."
            };
            let title = format!("Distribution of {name}");
            section(&title, of, plots::distributions(axes, &lines))?;
        }
    }
    if !results.acceptance.is_empty() {
        let rates: Vec<f64> = results.acceptance.iter().map(|(_, _, rate)| *rate).collect();
        let axes = Axes { x: "pair of neighboring states, ladder after ladder", y: "acceptance" };
        section(
            "Acceptance of exchanges",
            "Share of the tries that were accepted.",
            plots::bars(axes, &rates),
        )?;
    }
    if !results.walks.is_empty() {
        let names: Vec<&String> = results.walks.keys().collect();
        let some = spread((0..names.len()).collect(), MOST_ROWS);
        let rows: Vec<(&str, &[Bin])> =
            some.iter().map(|k| (names[*k].as_str(), results.walks[names[*k]].bins())).collect();
        let trips: u64 = results.round_trips.iter().map(|(_, trips)| trips).sum();
        let note = format!(
            "One row for each of {} of {} replicas, with a color for its mean state: blue for state 0, \
             red for the last one. Round trips in all: {trips}.",
            rows.len(),
            names.len()
        );
        let last = results.ladder.len().saturating_sub(1).max(1) as f64;
        let axes = Axes { x: "time (ns)", y: "replica" };
        section("Walks through the states", &note, plots::map(axes, &rows, ns, last))?;
    }
    if has(&results.speed) {
        let axes = Axes { x: "time (ns)", y: "ns/day per replica" };
        section(
            "Speed",
            "Since the line before.",
            plots::over_time(axes, results.speed.bins(), ns),
        )?;
    }
    let log: String = results.log.iter().map(|line| escaped(line) + "\n").collect();
    let _ = writeln!(html, "<h2>Log</h2>\n<pre>{log}</pre>\n</body>\n</html>");
    Ok(html)
}

/// The names of an observable.
struct Label {
    title: String,
    /// With the unit.
    axis: String,
}

/// The names of an observable in a column of energies.csv.
fn axis(column: &str) -> Label {
    let units = [("_A", " (Å)"), ("_rad", " (rad)")];
    let found = units.into_iter().find_map(|(end, unit)| Some((column.strip_suffix(end)?, unit)));
    let is_work = column.starts_with("bias_") && column.ends_with("_work");
    let (name, unit) = found.unwrap_or((column, if is_work { " (kcal/mol)" } else { "" }));
    let name = name.replace('_', " ");
    Label { axis: format!("{name}{unit}"), title: escaped(&name) }
}

/// The lines of the log that name a setting, up to the first one that does not.
fn settings(html: &mut String, log: &[String]) {
    html.push_str("<h2>Settings</h2>\n<table>\n");
    for line in log.iter().skip(1) {
        let Some((name, value)) = line.split_once(": ") else { break };
        if ["warning", "error", "note"].contains(&name) || name.starts_with("step ") {
            break;
        }
        let (name, value) = (escaped(name), escaped(value));
        let _ = writeln!(html, "<tr><th>{name}</th><td>{value}</td></tr>");
    }
    html.push_str("</table>\n");
}

/// A few of many, from the first to the last.
fn spread<T: Copy>(all: Vec<T>, most: usize) -> Vec<T> {
    if all.len() <= most {
        return all;
    }
    let last = all.len() - 1;
    (0..most).map(|k| all[k * last / (most - 1)]).collect()
}

fn state_name(results: &Results, state: u64) -> String {
    match results.ladder.get(state as usize) {
        Some(kelvin) => format!("{kelvin:.1} K"),
        None => "all".to_owned(),
    }
}
