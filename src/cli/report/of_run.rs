//! The page about a run.

use std::path::Path;

use crate::Error;

use super::analysis;
use super::names::{Name, counted, kelvin, name};
use super::page::Page;
use super::picture::{self, Chosen};
use super::plots::{self, Axes, Grid, Kind, Line};
use super::results::{FreeEnergy, MOST_COURSES, Results};
use super::series::{Bin, Series, spread};

/// The most states with lines of their own.
const MOST_LINES: usize = 10;

/// The most replicas with rows of their own.
const MOST_ROWS: usize = 32;

/// The folder of an analysis in that of a run.
const ANALYSIS: &str = "analysis";

/// The page as text.
pub(super) fn page(
    folder: &Path,
    results: &Results,
    chosen: Option<&Chosen>,
) -> anyhow::Result<String> {
    let mut page = Page::new(folder);
    let time =
        results.potential.bins().last().map_or(0.0, |bin| bin.step as f64 * results.dt * 1e-3);
    let frames = counted(results.n_frames, "frame", "frames");
    page.paragraph(&format!("{frames}, {time:.6} ns per replica"));
    picture(&mut page, folder, results, chosen)?;
    courses(&mut page, results)?;
    free_energy(&mut page, results)?;
    distributions(&mut page, results)?;
    exchange(&mut page, results)?;
    analysis::sections(&mut page, &folder.join(ANALYSIS));
    if has(&results.speed) {
        let axes = Axes { x: "time (ns)", y: "ns/day per replica" };
        let plot = plots::over_time(axes, results.speed.bins(), &[], results.dt * 1e-3);
        page.section("Speed", "The speed of each replica since the line before in the log.", plot)?;
    }
    settings(&mut page, &results.log);
    page.lines("Log", results.log.iter().map(String::as_str));
    Ok(page.finish())
}

fn picture(
    page: &mut Page,
    folder: &Path,
    results: &Results,
    chosen: Option<&Chosen>,
) -> anyhow::Result<()> {
    let title = "Start and end";
    match chosen {
        _ if results.n_frames == 0 => {}
        None => {
            page.heading(title);
            page.paragraph("There is no picture, because the folder has no trajectory.");
        }
        Some(chosen) => match picture::picture(folder, results, chosen) {
            Ok((svg, caption)) => page.section(title, &caption, Ok(svg))?,
            Err(error) => {
                page.heading(title);
                page.paragraph(&picture::missing(&error));
            }
        },
    }
    Ok(())
}

/// Whether there is a course to plot.
fn has(series: &Series) -> bool {
    series.bins().len() > 1
}

/// Observables, energies and temperatures over time.
fn courses(page: &mut Page, results: &Results) -> anyhow::Result<()> {
    let ns = results.dt * 1e-3;
    let band = match results.replicas.len() {
        1 => {
            "There is one replica. Where a point stands for several frames, the line is their mean and \
             the band goes from the smallest to the largest value."
        }
        _ => {
            "The line is the mean of all replicas; the band goes from the smallest to the largest value."
        }
    };
    for observable in results.observables.iter().filter(|of| has(&of.all)) {
        let name = results.name(&observable.column);
        let axes = Axes { x: "time (ns)", y: &name.axis };
        let courses: Vec<&[Bin]> = match observable.courses.len() {
            0 | 1 => Vec::new(),
            _ => observable.courses.values().map(Series::bins).collect(),
        };
        let n = results.replicas.len();
        let single = match courses.len() {
            0 => String::new(),
            MOST_COURSES if n > MOST_COURSES => {
                format!(" Thin lines are the first {MOST_COURSES} of {n} replicas.")
            }
            n => format!(" Thin lines are the {n} replicas."),
        };
        let plot = plots::over_time(axes, observable.all.bins(), &courses, ns);
        page.section(&name.title(), &format!("{band}{single}"), plot)?;
    }
    for (title, y, series) in [
        ("Potential energy", "potential energy (kcal/mol)", &results.potential),
        ("Temperature", "temperature (K)", &results.temperature),
    ] {
        if has(series) {
            let plot = plots::over_time(Axes { x: "time (ns)", y }, series.bins(), &[], ns);
            page.section(title, band, plot)?;
        }
    }
    Ok(())
}

/// The estimate of metadynamics.
fn free_energy(page: &mut Page, results: &Results) -> anyhow::Result<()> {
    let Some(FreeEnergy { path, columns, nodes }) = &results.free_energy else { return Ok(()) };
    let names: Vec<Name> = columns.iter().map(|column| name(column)).collect();
    let (note, plot) = match &names[..] {
        [x, y] => {
            let others = || Error::invalid("nodes", "others", "nodes of a grid").of_file(path);
            let grid = Grid::of(nodes).ok_or_else(others)?;
            let axes = Axes { x: &x.axis, y: &y.axis };
            (", from blue for 0 to red", plots::maps(axes, "kcal/mol", &[(String::new(), grid)]))
        }
        names => {
            let x = names.first().map_or("", |name| &name.axis);
            let points = nodes.iter().map(|node| [node[0], node[2], f64::NAN]).collect();
            let axes = Axes { x, y: "free energy (kcal/mol)" };
            let line = Line { points, kind: Kind::LINE, ..Line::default() };
            ("", plots::lines(axes, &[line], &[], false))
        }
    };
    let caption = format!(
        "Estimate of metadynamics at the last checkpoint, above the minimum{note}, without an error. \
         Where no hill has been, it is the largest value."
    );
    page.section("Free energy of metadynamics", &caption, plot)
}

fn distributions(page: &mut Page, results: &Results) -> anyhow::Result<()> {
    let energies = Name {
        text: "potential energy".to_owned(),
        axis: "potential energy (kcal/mol)".to_owned(),
    };
    let temperatures = Name { text: "temperature".to_owned(), axis: "temperature (K)".to_owned() };
    let of_observables = results.observables.iter();
    let of_observables = of_observables.map(|of| (results.name(&of.column), &of.values));
    let all = [(energies, &results.potentials), (temperatures, &results.temperatures)];
    for (name, all) in of_observables.chain(all) {
        let some = spread(all.keys().copied().collect(), MOST_LINES);
        let of_state = |state: &u64| (state_name(results, *state), &all[state]);
        let lines: Vec<_> = some.iter().map(of_state).collect();
        if lines.iter().any(|(_, values)| values.range().is_some_and(|(low, high)| high > low)) {
            let axes = Axes { x: &name.axis, y: "probability density" };
            let of = match (results.ladder.is_empty(), results.replicas.len()) {
                (true, 1) => "Histogram of all frames, with an area of 1.",
                (true, _) => "Histogram of all frames of all replicas, with an area of 1.",
                (false, _) => "Histograms of all frames, one for each state, with an area of 1.",
            };
            let title = format!("Distribution of {}", name.text);
            page.section(&title, of, plots::distributions(axes, &lines))?;
        }
    }
    Ok(())
}

fn exchange(page: &mut Page, results: &Results) -> anyhow::Result<()> {
    if !results.acceptance.is_empty() {
        let rates: Vec<f64> = results.acceptance.iter().map(|(_, _, rate)| *rate).collect();
        let axes = Axes { x: "pair of neighboring states, ladder after ladder", y: "acceptance" };
        let caption = "Share of the tries that were accepted.";
        page.section("Acceptance of exchanges", caption, plots::bars(axes, &rates))?;
    }
    if !results.walks.is_empty() {
        let some = spread(results.walks.iter().collect(), MOST_ROWS);
        let rows: Vec<(u32, &[Bin])> =
            some.into_iter().map(|(replica, walk)| (*replica, walk.bins())).collect();
        let trips: u64 = results.round_trips.values().map(|(_, trips)| trips).sum();
        let caption = format!(
            "One row for each of {} of {} replicas, with a color for its mean state: blue for state 0, \
             red for the last one. Round trips in all: {trips}.",
            rows.len(),
            results.walks.len()
        );
        let last = results.ladder.len().saturating_sub(1).max(1) as f64;
        let axes = Axes { x: "time (ns)", y: "replica" };
        let ends = rows.iter().filter_map(|(_, bins)| Some(bins.last()?.step));
        let end = ends.chain(results.last_step).max().unwrap_or_default();
        let plot = plots::map(axes, &rows, (results.dt * 1e-3, end), last);
        page.section("Walks through the states", &caption, plot)?;
    }
    Ok(())
}

/// The lines of the log that name a setting, up to the first one that does not.
fn settings(page: &mut Page, log: &[String]) {
    let lines = log.iter().skip(1).map_while(|line| line.split_once(": "));
    let is_setting = |(name, _): &(&str, &str)| {
        !["warning", "error", "note"].contains(name) && !name.starts_with("step ")
    };
    let row = |(name, value): (&str, &str)| vec![name.to_owned(), value.to_owned()];
    let rows: Vec<_> = lines.take_while(is_setting).map(row).collect();
    page.heading("Settings");
    page.table(&[], &rows);
}

/// The temperature of a state, or its number if another state has the same temperature.
fn state_name(results: &Results, state: u64) -> String {
    let Some(own) = results.ladder.get(state as usize) else { return "all".to_owned() };
    let is_same = |other: &&f64| kelvin(**other) == kelvin(*own);
    match results.ladder.iter().filter(is_same).count() {
        1 => kelvin(*own),
        _ => format!("state {state}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Results, state_name};

    #[test]
    fn states_of_one_temperature_have_numbers() {
        let results = Results { ladder: vec![300.0, 300.0, 310.0], ..Results::default() };
        let names = [0, 1, 2, 3].map(|state| state_name(&results, state));
        assert_eq!(names, ["state 0", "state 1", "310.0 K", "all"]);
    }
}
