//! The slow motions that TICA finds.

use std::path::Path;

use super::super::names::{ERRORS, name};
use super::super::page::Page;
use super::super::plots::{self, Axes, Kind, Line};
use super::super::table;

/// The most features in the table.
const MOST: usize = 10;

/// Time scales at each lag, and the features that belong to the components.
pub(super) fn sections(page: &mut Page, folder: &Path) -> anyhow::Result<()> {
    let path = folder.join("tica_time_scales.csv");
    let found = table::columns(&path)?;
    let scales: Vec<&String> =
        found.iter().filter(|column| column.starts_with("time_scale_")).collect();
    let mut lines: Vec<Line> = (1..=scales.len())
        .map(|k| Line { name: format!("component {k}"), kind: Kind::LINE, ..Line::default() })
        .collect();
    let mut lags = Line { name: "lag time".to_owned(), kind: Kind::Guide, points: Vec::new() };
    table::read(&path, &[], &["lag_ps"], |row| {
        let lag = row.number("lag_ps") * 1e-3;
        lags.points.push([lag, lag, f64::NAN]);
        for (line, column) in lines.iter_mut().zip(&scales) {
            let error = column.replacen("time_scale", "error", 1);
            let [scale, error] = [column.as_str(), &error].map(|name| row.number(name) * 1e-3);
            if scale > 0.0 && scale.is_finite() {
                line.points.push([lag, scale, error]);
            }
        }
    })?;
    lines.retain(|line| !line.points.is_empty());
    let features = features(&folder.join("tica_features.csv"))?;
    if lines.is_empty() && features.is_empty() {
        return Ok(());
    }
    page.heading("Slow motions");
    if !lines.is_empty() {
        if lags.points.iter().all(|[lag, ..]| *lag > 0.0) {
            lines.push(lags);
        }
        let caption = format!(
            "Time scales of the slowest motions at each lag time (TICA), on a logarithmic axis; the bands \
             are {ERRORS}. Motions below the dashed line, which is the lag time, are too fast for it."
        );
        let axes = Axes { x: "lag time (ns)", y: "time scale (ns)" };
        page.plot(&caption, plots::lines(axes, &lines, &[], true))?;
    }
    if !features.is_empty() {
        page.paragraph(&format!(
            "Correlations of features with the components, from −1 to 1, without errors: the {} \
             features that are most like the first component.",
            features.len()
        ));
        page.table(&["feature".to_owned(), name("tic_1").text, name("tic_2").text], &features);
    }
    Ok(())
}

/// The features that are most like the first component, as rows of a table.
fn features(path: &Path) -> anyhow::Result<Vec<Vec<String>>> {
    let mut all: Vec<(f64, Vec<String>)> = Vec::new();
    table::read(path, &["feature"], &["weight_1"], |row| {
        let weights = ["weight_1", "weight_2"].map(|name| row.number(name));
        let text = |x: &f64| if x.is_finite() { format!("{x:.2}") } else { String::new() };
        let mut cells = vec![row.text("feature").to_owned()];
        cells.extend(weights.iter().map(text));
        all.push((weights[0].abs(), cells));
    })?;
    all.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    Ok(all.into_iter().map(|(_, cells)| cells).take(MOST).collect())
}
