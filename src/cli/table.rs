//! Tables of energies, as CSV or as text: a row for each structure or frame, or a row for each term
//! if there are many terms.

use std::io::{Result, Write};

use crate::output::csv_cell;

/// With more energies than this, each term has a row instead of a column.
const MOST_COLUMNS: usize = 12;

/// Structures or frames side by side where each term has a row.
const SIDE_BY_SIDE: usize = 5;

/// The energies of one structure or frame.
pub(super) struct Row {
    /// The numbers that identify it: structure, frame, or replica and frame.
    pub(super) labels: Vec<u64>,
    /// kcal/mol; `None` for a term of which the molecule has no tuples.
    pub(super) energies: Vec<Option<f64>>,
    /// Its magnitude, kcal/mol/Å, and the bead it acts on.
    pub(super) largest_force: Option<(f64, usize)>,
}

/// A table that is printed in pieces.
pub(super) struct Table {
    csv: bool,
    labels: Vec<&'static str>,
    names: Vec<String>,
    with_forces: bool,
    started: bool,
}

impl Table {
    /// `labels` are the headings of a row's numbers, `names` those of its energies.
    pub(super) fn new(
        csv: bool,
        labels: Vec<&'static str>,
        names: Vec<String>,
        with_forces: bool,
    ) -> Self {
        Table { csv, labels, names, with_forces, started: false }
    }

    /// Prints rows.
    pub(super) fn print(&mut self, out: &mut impl Write, rows: &[Row]) -> Result<()> {
        if self.csv {
            self.csv(out, rows)?;
        } else if self.names.len() > MOST_COLUMNS {
            for rows in rows.chunks(SIDE_BY_SIDE) {
                self.lines(out, rows)?;
            }
        } else {
            self.columns(out, rows)?;
        }
        self.started = true;
        out.flush()
    }

    fn csv(&self, out: &mut impl Write, rows: &[Row]) -> Result<()> {
        if !self.started {
            let mut cells: Vec<String> = self.labels.iter().map(|l| (*l).to_owned()).collect();
            // The names of terms are free text.
            cells.extend(self.names.iter().map(|name| csv_cell(name).into_owned()));
            if self.with_forces {
                cells.extend(["largest_force".to_owned(), "on_bead".to_owned()]);
            }
            writeln!(out, "{}", cells.join(","))?;
        }
        for row in rows {
            let mut cells: Vec<String> = row.labels.iter().map(u64::to_string).collect();
            cells.extend(row.energies.iter().map(|e| e.unwrap_or(0.0).to_string()));
            if let Some((force, bead)) = row.largest_force {
                cells.extend([force.to_string(), bead.to_string()]);
            }
            writeln!(out, "{}", cells.join(","))?;
        }
        Ok(())
    }

    fn columns(&self, out: &mut impl Write, rows: &[Row]) -> Result<()> {
        let width = self.names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(14);
        if !self.started {
            let mut line = String::new();
            self.labels.iter().for_each(|label| line += &format!("{label:>9} "));
            self.names.iter().for_each(|name| line += &format!("{name:>width$} "));
            if self.with_forces {
                line += &format!("{:>14} {:>7}", "largest force", "on bead");
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        for row in rows {
            let mut line = String::new();
            row.labels.iter().for_each(|number| line += &format!("{number:>9} "));
            row.energies.iter().for_each(|e| line += &format!("{:>width$} ", energy(*e)));
            if let Some((force, bead)) = row.largest_force {
                line += &format!("{force:>14.6} {bead:>7}");
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    /// Prints a line for each term, with the values of a few rows side by side.
    fn lines(&self, out: &mut impl Write, rows: &[Row]) -> Result<()> {
        let width = self.names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(14);
        let mut line = |name: &str, cell: &dyn Fn(&Row) -> String| {
            let cells: Vec<String> = rows.iter().map(|row| format!("{:>14}", cell(row))).collect();
            writeln!(out, "{name:<width$} {}", cells.join(" "))
        };
        for (k, label) in self.labels.iter().enumerate() {
            line(label, &|row| row.labels[k].to_string())?;
        }
        for (k, name) in self.names.iter().enumerate() {
            line(name, &|row| energy(row.energies[k]))?;
        }
        if self.with_forces {
            let force = |row: &Row| row.largest_force.unwrap_or_default();
            line("largest force", &|row| format!("{:.6}", force(row).0))?;
            line("on bead", &|row| force(row).1.to_string())?;
        }
        writeln!(out)
    }
}

fn energy(energy: Option<f64>) -> String {
    energy.map_or_else(|| "-".to_owned(), |energy| format!("{energy:.6}"))
}
