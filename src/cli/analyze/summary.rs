//! The table of averages, and the lines at the end.

use std::fmt::Write as _;
use std::path::Path;

use crate::Result;
use crate::analysis::statistics::blocks::{Estimate, mean};

use super::columns::{Columns, FOLDED};
use super::correlation::{Correlations, judged};
use super::ensemble::{Ensemble, Weighing};
use super::log::Log;
use super::samples::Averages;
use super::table::{Cell, Table, cells};
use crate::cli::tell::tell;

/// The averages, and the lines for the user.
pub(super) struct Summary {
    lines: Vec<String>,
    /// Why melting temperatures have no errors, or are those of the starts.
    doubts: Vec<String>,
}

impl Summary {
    /// Writes `summary`: averages of each state, or of each temperature if there are biases.
    pub(super) fn new(
        ensemble: &Ensemble,
        weighing: &Weighing,
        averages: &Averages,
        columns: &Columns,
        folder: &Path,
        log: &mut Log,
    ) -> Result<Self> {
        let mut table = Table::new([
            "temperature_K",
            "quantity",
            "mean",
            "error",
            "autocorrelation_time_ps",
            "independent_samples",
            "samples",
        ]);
        let mut lines = Vec::new();
        let names: Vec<&str> =
            ensemble.names.iter().copied().chain(columns.core.map(|_| FOLDED)).collect();
        let correlations = Correlations::new(ensemble);
        let doubts = correlations.judge(ensemble, judged(columns), log).into_iter().collect();
        if let (true, Weighing::Mbar(mbar)) = (ensemble.is_biased(), weighing) {
            for (target, estimates) in ensemble.targets().into_iter().zip(ensemble.means(mbar)) {
                for (name, estimate) in names.iter().zip(&estimates) {
                    let mut row = vec![target.into(), Cell::from(*name)];
                    row.extend(cells(*estimate));
                    row.extend([None, None].map(Cell::from));
                    row.push(Cell::Whole(ensemble.samples.state.len() as u64));
                    table.rows.push(row);
                }
                lines.push(line(target, &names, &estimates));
            }
        } else {
            for (state, of_state) in ensemble.source.states.iter().enumerate() {
                let mut estimates = Vec::new();
                for (column, name) in names.iter().enumerate() {
                    let sums: Vec<(u64, f64)> = averages.blocks(state, column).collect();
                    let n: u64 = sums.iter().map(|(n, _)| n).sum();
                    let estimate = mean(&sums);
                    estimates.push(estimate);
                    if estimate.is_none() {
                        continue;
                    }
                    let correlation = correlations.get(ensemble, state, column);
                    let time = correlation.zip(ensemble.interval).map(|(of, i)| of.time(i));
                    let independent = correlation.map(|of| of.independent_samples());
                    let mut row = vec![of_state.temperature.into(), Cell::from(*name)];
                    row.extend(cells(estimate));
                    row.extend([time, independent].map(Cell::from));
                    row.push(Cell::Whole(n));
                    table.rows.push(row);
                }
                if estimates.iter().any(Option::is_some) {
                    lines.push(line(of_state.temperature, &names, &estimates));
                }
            }
        }
        table.write(folder, "summary")?;
        Ok(Summary { lines, doubts })
    }

    /// Adds a reason why melting temperatures are not converged.
    pub(super) fn doubt(&mut self, reason: Option<String>) {
        self.doubts.extend(reason);
    }

    /// Why melting temperatures are not converged, if there is a reason.
    pub(super) fn doubts(&self) -> Option<String> {
        (!self.doubts.is_empty()).then(|| self.doubts.join("; "))
    }

    /// Adds a melting temperature. It has no error if it is not converged.
    pub(super) fn melting(&mut self, definition: &str, estimate: Estimate) {
        let doubt = self.doubts().map_or(String::new(), |of| format!(", not converged: {of}"));
        let text = text(estimate, 1);
        let definition = definition.replace('_', " ");
        self.lines.push(format!("melting temperature by {definition}: {text} K{doubt}"));
    }

    pub(super) fn events(&mut self, folding: u64, unfolding: u64) {
        self.lines.push(format!("{folding} folding and {unfolding} unfolding events"));
    }

    /// Tells the user.
    pub(super) fn tell(&self) {
        self.lines.iter().for_each(|line| tell!("{line}"));
    }
}

/// A number with its error.
fn text(Estimate { value, error }: Estimate, least_digits: usize) -> String {
    match error.filter(|error| *error > 0.0) {
        Some(error) => {
            let digits = (1.0 - error.log10().floor()).clamp(least_digits as f64, 6.0) as usize;
            format!("{value:.digits$} ± {error:.digits$}")
        }
        None => format!("{value:.3}"),
    }
}

/// The averages of a state in a line.
fn line(temperature: Option<f64>, names: &[&str], estimates: &[Option<Estimate>]) -> String {
    let mut line = temperature.map_or(String::new(), |kelvin| format!("{kelvin:.1} K: "));
    let start = line.len();
    for (name, estimate) in names.iter().zip(estimates) {
        let Some(estimate) = estimate else { continue };
        if name.starts_with("tic_") {
            continue;
        }
        let (name, unit) = name.strip_suffix("_A").map_or((*name, ""), |name| (name, " Å"));
        let comma = if line.len() > start { ", " } else { "" };
        let _ = write!(line, "{comma}{} {}{unit}", name.replace('_', " "), text(*estimate, 0));
    }
    line
}
