//! The sections about an analysis, made from the tables in its folder. A missing table is a missing
//! section.

mod beads;
mod folding;
mod melting;
mod profiles;
mod slow;

use std::path::Path;

use self::folding::Cores;
pub(in crate::cli) use self::melting::UNCONVERGED;
use super::names::{ERRORS, kelvin_or_unknown, name, with_error};
use super::page::Page;
use super::series::spread;
use super::table;

/// The most temperatures in a table.
const MOST_ROWS: usize = 64;

/// The log of an analysis.
pub(super) const LOG: &str = "analysis.log";

/// Adds the sections. A damaged table costs its section, which then names the file and the row.
pub(super) fn sections(page: &mut Page, folder: &Path) {
    if !folder.is_dir() {
        return;
    }
    // An analysis has a log, but a page can do without it.
    let (mut cores, mut doubts) = (None, Vec::new());
    let log = table::log_lines(&folder.join(LOG), |line| {
        cores = cores.take().or_else(|| Cores::of(line));
        doubts.extend(melting::doubt(line));
    });
    page.attempt("Averages", |page| averages(page, &folder.join("summary.csv")));
    let (slow, profiles) = profiles::files(page, folder).into_iter().partition(profiles::is_slow);
    profiles::sections(page, profiles);
    page.attempt("Melting curve", |page| melting::sections(page, folder, &doubts));
    page.attempt("Folding and unfolding", |page| folding::sections(page, folder, cores.as_ref()));
    page.attempt("Fluctuations", |page| beads::rmsf(page, &folder.join("rmsf.csv")));
    page.attempt("Contacts", |page| beads::contacts(page, &folder.join("contacts.csv")));
    page.attempt("Slow motions", |page| slow::sections(page, folder));
    profiles::sections(page, slow);
    if let Ok(log) = log {
        page.lines("Log of the analysis", log.iter().map(String::as_str));
    }
}

/// The means of all quantities.
fn averages(page: &mut Page, path: &Path) -> anyhow::Result<()> {
    // Temperatures in the order of the file, with the cells of their quantities.
    let mut rows: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut quantities: Vec<String> = Vec::new();
    table::read(path, &["quantity"], &["temperature_K", "mean", "error"], |row| {
        let temperature = kelvin_or_unknown(row.number("temperature_K"));
        let quantity = row.text("quantity");
        // The means of components of TICA are about 0 by definition.
        if quantity.starts_with("tic_") {
            return;
        }
        if !quantities.iter().any(|known| known == quantity) {
            quantities.push(quantity.to_owned());
        }
        let mut cell = with_error(row.number("mean"), row.number("error"));
        let samples = row.number("independent_samples");
        if samples.is_finite() {
            cell += &format!("\nn = {samples:.0}");
        }
        // States can share a temperature.
        let is_known = |of: &[(String, String)]| of.iter().any(|(known, _)| known == quantity);
        if rows.last().is_none_or(|(last, of)| *last != temperature || is_known(of)) {
            rows.push((temperature, Vec::new()));
        }
        rows.last_mut()
            .into_iter()
            .for_each(|(_, of)| of.push((quantity.to_owned(), cell.clone())));
    })?;
    if rows.is_empty() {
        return Ok(());
    }
    let columns = quantities.iter().map(|quantity| name(quantity).axis);
    let columns: Vec<String> = std::iter::once("temperature".to_owned()).chain(columns).collect();
    let cells = |(temperature, of): &(String, Vec<(String, String)>)| -> Vec<String> {
        let found = quantities.iter().map(|quantity| {
            let cell = of.iter().find(|(known, _)| known == quantity);
            cell.map_or(String::new(), |(_, cell)| cell.clone())
        });
        std::iter::once(temperature.to_owned()).chain(found).collect()
    };
    let all: Vec<Vec<String>> =
        spread(rows.iter().collect(), MOST_ROWS).into_iter().map(cells).collect();
    page.heading("Averages");
    page.paragraph(&format!(
        "Means of all samples at each temperature, with {ERRORS}; below each mean n, the number \
         of independent samples, from the autocorrelation of the quantity."
    ));
    page.table(&columns, &all);
    Ok(())
}
