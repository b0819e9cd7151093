//! Folding and unfolding.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::names::{counted, kelvin_or_unknown, with_error};
use super::super::page::Page;
use super::super::plots::{self, Axes, Strip};
use super::super::series::Series;
use super::super::table;

/// The most trajectories with a plot.
const MOST: usize = 5;

/// The folded and the unfolded core.
#[derive(Debug, PartialEq)]
pub(super) struct Cores {
    /// The quantity that defines them, as a column of series.csv.
    column: String,
    folded: f64,
    unfolded: f64,
}

impl Cores {
    /// The cores in a line of the log of an analysis, such as
    /// `cores: folded 0.8, unfolded 0.3, of q`.
    pub(super) fn of(line: &str) -> Option<Self> {
        let (folded, rest) = line.strip_prefix("cores: folded ")?.split_once(", unfolded ")?;
        let (unfolded, column) = rest.split_once(", of ")?;
        let (folded, unfolded) = (folded.parse().ok()?, unfolded.parse().ok()?);
        Some(Cores { column: column.to_owned(), folded, unfolded })
    }

    /// A sentence.
    fn told(&self) -> String {
        let Cores { column, folded, unfolded } = self;
        match column.as_str() {
            "q" => format!(" The folded core is Q ≥ {folded}, the unfolded core Q ≤ {unfolded}."),
            "rmsd_A" => format!(
                " The folded core is RMSD ≤ {folded} Å, the unfolded core RMSD ≥ {unfolded} Å."
            ),
            _ => String::new(),
        }
    }
}

/// The table of rates, and the courses of trajectories with their events.
pub(super) fn sections(
    page: &mut Page,
    folder: &Path,
    cores: Option<&Cores>,
) -> anyhow::Result<()> {
    let rates = rates(&folder.join("kinetics.csv"))?;
    // Times in ns, and whether the molecule folds.
    let mut events: BTreeMap<String, Vec<(f64, bool)>> = BTreeMap::new();
    let texts = ["trajectory", "direction"];
    table::read(&folder.join("events.csv"), &texts, &["time_ps"], |row| {
        let event = (row.number("time_ps") * 1e-3, row.text("direction") == "folding");
        events.entry(row.text("trajectory").to_owned()).or_default().push(event);
    })?;
    let Courses { column, has_times, all: courses } =
        courses(&folder.join("series.csv"), &events, cores)?;
    if rates.is_empty() && courses.is_empty() {
        return Ok(());
    }
    page.heading("Folding and unfolding");
    page.paragraph(&format!(
        "A chain folds when it reaches the folded core after the unfolded one, and unfolds when it \
         reaches the unfolded core after the folded one.{}",
        cores.map_or(String::new(), Cores::told)
    ));
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
    let n_events = |folds: bool| {
        let all = events.values().flatten();
        all.filter(|(_, is_folding)| *is_folding == folds).count() as u64
    };
    let caption = format!(
        "Course of {}, first those with the most events. The band goes from the smallest to the \
         largest value of each stretch of time. Blue lines are foldings, red ones are unfoldings: {} \
         and {} in all trajectories.",
        counted(courses.len() as u64, "trajectory", "trajectories"),
        counted(n_events(true), "folding", "foldings"),
        counted(n_events(false), "unfolding", "unfoldings"),
    );
    let mut strips = Vec::new();
    for (name, series) in &courses {
        let events = events.get(name).map_or(&[][..], Vec::as_slice);
        strips.push(Strip { name, bins: series.bins(), events });
    }
    let (x, scale) = if has_times { ("time (ns)", NS) } else { ("frame", 1.0) };
    let axes = Axes { x, y: if column == "q" { "Q" } else { "RMSD (Å)" } };
    page.plot(&caption, plots::strips(axes, &strips, scale))
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
            kelvin_or_unknown(temperature),
            row.text("direction").to_owned(),
            format!("{events}"),
            with_error(time * 1e-3, f64::NAN),
            mean,
        ]);
    })?;
    Ok(rows)
}

/// The quantity that tells whether a chain is folded, and its courses in some trajectories.
#[derive(Default)]
struct Courses {
    column: &'static str,
    /// Without times the steps are frames.
    has_times: bool,
    all: Vec<(String, Series)>,
}

/// Reads courses. Without known cores the quantity is Q, or the RMSD if there is no Q.
fn courses(
    path: &Path,
    events: &BTreeMap<String, Vec<(f64, bool)>>,
    cores: Option<&Cores>,
) -> anyhow::Result<Courses> {
    let found = table::columns(path)?;
    let is_chosen = |name: &&str| cores.is_none_or(|cores| cores.column == *name);
    let is_there = |name: &&str| found.iter().any(|column| column == name);
    let column = ["q", "rmsd_A"].into_iter().filter(is_chosen).find(is_there);
    let Some(column) = column else { return Ok(Courses::default()) };
    let n_events = |name: &str| events.get(name).map_or(0, Vec::len);
    let mut ranked: Vec<&String> = events.keys().collect();
    ranked.sort_by_key(|name| std::cmp::Reverse(n_events(name)));
    ranked.truncate(MOST);
    let mut all: Vec<(String, Series)> = Vec::new();
    let (mut n_others, mut has_times) = (0, false);
    table::read(path, &["trajectory"], &["frame", "time_ps", column], |row| {
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
        let time = row.number("time_ps");
        has_times |= time.is_finite();
        let step = if time.is_finite() { time * 1e3 } else { row.number("frame") };
        let step = step.round().max(0.0) as u64;
        series.into_iter().for_each(|(_, series)| series.add(step, row.number(column)));
    })?;
    all.retain(|(_, series)| series.bins().len() > 1);
    all.sort_by_key(|(name, _)| std::cmp::Reverse(n_events(name)));
    all.truncate(MOST);
    Ok(Courses { column, has_times, all })
}

#[cfg(test)]
mod tests {
    use super::Cores;

    #[test]
    fn a_line_of_the_log_has_the_cores() {
        let cores = Cores::of("cores: folded 3, unfolded 8.5, of rmsd_A").unwrap();
        assert_eq!((&*cores.column, cores.folded, cores.unfolded), ("rmsd_A", 3.0, 8.5));
        assert_eq!(cores.told(), " The folded core is RMSD ≤ 3 Å, the unfolded core RMSD ≥ 8.5 Å.");
        assert_eq!(Cores::of("cores: folded x, unfolded 8.5, of q"), None);
    }
}
