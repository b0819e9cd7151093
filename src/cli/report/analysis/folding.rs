//! Folding and unfolding.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::names::{kelvin, with_error};
use super::super::page::Page;
use super::super::plots::{self, Axes, Strip};
use super::super::series::Series;
use super::super::table;

/// The most trajectories with a plot.
const MOST: usize = 5;

/// The table of rates, and the courses of trajectories with their events.
pub(super) fn sections(page: &mut Page, folder: &Path) -> anyhow::Result<()> {
    let rates = rates(&folder.join("kinetics.csv"))?;
    // Times in ns, and whether the molecule folds.
    let mut events: BTreeMap<String, Vec<(f64, bool)>> = BTreeMap::new();
    let texts = ["trajectory", "direction"];
    table::read(&folder.join("events.csv"), &texts, &["time_ps"], |row| {
        let event = (row.number("time_ps") * 1e-3, row.text("direction") == "folding");
        events.entry(row.text("trajectory").to_owned()).or_default().push(event);
    })?;
    let (column, courses) = courses(&folder.join("series.csv"), &events)?;
    if rates.is_empty() && courses.is_empty() {
        return Ok(());
    }
    page.heading("Folding and unfolding");
    page.paragraph(
        "A chain folds when it reaches the folded core after the unfolded one, and unfolds when it \
         reaches the unfolded core after the folded one.",
    );
    if !rates.is_empty() {
        page.paragraph(
            "The mean first passage time is the total time in the state that is left, divided by the \
             number of events. Its relative error is 1/√events.",
        );
        let columns = [
            "temperature",
            "direction",
            "events",
            "time in the state (ns)",
            "mean first passage (ns)",
        ];
        page.table(&columns.map(str::to_owned), &rates);
    }
    if courses.is_empty() {
        return Ok(());
    }
    let n_events: usize = events.values().map(Vec::len).sum();
    let caption = format!(
        "Course of {} trajectories, first those with the most events. The band goes from the smallest \
         to the largest value of each stretch of time. Blue lines are foldings, red ones are \
         unfoldings; there are {n_events} of both in all trajectories.",
        courses.len()
    );
    let mut strips = Vec::new();
    for (name, series) in &courses {
        let events = events.get(name).map_or(&[][..], Vec::as_slice);
        strips.push(Strip { name, bins: series.bins(), events });
    }
    let axes = Axes { x: "time (ns)", y: if column == "q" { "Q" } else { "RMSD (Å)" } };
    page.plot(&caption, plots::strips(axes, &strips, NS))
}

/// 1 fs, which is a step of the courses, in ns.
const NS: f64 = 1e-6;

/// The rows of the table of rates.
fn rates(path: &Path) -> anyhow::Result<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    let numbers = ["temperature_K", "events", "time_ps", "mean_first_passage_ps", "error_ps"];
    table::read(path, &["direction"], &numbers, |row| {
        let [temperature, events, time, mean, error] = numbers.map(|name| row.number(name));
        let mean = match mean.is_finite() {
            true => with_error(mean * 1e-3, error * 1e-3),
            false => "unknown".to_owned(),
        };
        rows.push(vec![
            if temperature.is_finite() { kelvin(temperature) } else { "unknown".to_owned() },
            row.text("direction").to_owned(),
            format!("{events}"),
            with_error(time * 1e-3, f64::NAN),
            mean,
        ]);
    })?;
    Ok(rows)
}

/// The quantity that tells whether a chain is folded, and its courses in some trajectories.
fn courses(
    path: &Path,
    events: &BTreeMap<String, Vec<(f64, bool)>>,
) -> anyhow::Result<(&'static str, Vec<(String, Series)>)> {
    let found = table::columns(path)?;
    let column = ["q", "rmsd_A"].into_iter().find(|name| found.iter().any(|column| column == name));
    let Some(column) = column else { return Ok(("", Vec::new())) };
    let n_events = |name: &str| events.get(name).map_or(0, Vec::len);
    let mut ranked: Vec<&String> = events.keys().collect();
    ranked.sort_by_key(|name| std::cmp::Reverse(n_events(name)));
    ranked.truncate(MOST);
    let mut all: Vec<(String, Series)> = Vec::new();
    let mut n_others = 0;
    table::read(path, &["trajectory"], &["time_ps", column], |row| {
        let name = row.text("trajectory");
        // Rows of a trajectory are together.
        let is_last = all.last().is_some_and(|(last, _)| last == name);
        if !is_last && !all.iter().any(|(known, _)| known == name) {
            let is_ranked = ranked.iter().any(|known| *known == name);
            n_others += usize::from(!is_ranked);
            if is_ranked || n_others <= MOST {
                all.push((name.to_owned(), Series::default()));
            }
        }
        let series = match is_last {
            true => all.last_mut(),
            false => all.iter_mut().find(|(known, _)| known == name),
        };
        let step = (row.number("time_ps") * 1e3).round().max(0.0) as u64;
        series.into_iter().for_each(|(_, series)| series.add(step, row.number(column)));
    })?;
    all.retain(|(_, series)| series.bins().len() > 1);
    all.sort_by_key(|(name, _)| std::cmp::Reverse(n_events(name)));
    all.truncate(MOST);
    Ok((column, all))
}
