//! Tables of results: a CSV file, and the same numbers as a `.npy` array.

use std::fmt::Write as _;
use std::path::Path;

use crate::Result;
use crate::analysis::statistics::blocks::Estimate;
use crate::io::{npy_header, write_new};
use crate::output::csv_cell;

/// A cell.
pub(super) enum Cell {
    /// NaN is unknown, an empty cell.
    Number(f64),
    Whole(u64),
    Text(String),
    /// A text, and its number in the array.
    Named(String, f64),
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Cell::Number(number)
    }
}

impl From<Option<f64>> for Cell {
    fn from(number: Option<f64>) -> Self {
        Cell::Number(number.unwrap_or(f64::NAN))
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Cell::Whole(number)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.to_owned())
    }
}

/// Rows under named columns.
pub(super) struct Table {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Cell>>,
}

/// Value and error, as far as they are known.
pub(super) fn cells(estimate: Option<Estimate>) -> [Cell; 2] {
    [estimate.map(|of| of.value).into(), estimate.and_then(|of| of.error).into()]
}

/// A number with about eight digits.
pub(super) fn number(x: f64) -> String {
    match x {
        x if !x.is_finite() => String::new(),
        x if x == 0.0 || (1e-3..1e7).contains(&x.abs()) => format!("{x:.6}"),
        x => format!("{x:.6e}"),
    }
}

impl Table {
    pub(super) fn new<'a>(columns: impl IntoIterator<Item = &'a str>) -> Self {
        Table { columns: columns.into_iter().map(str::to_owned).collect(), rows: Vec::new() }
    }

    /// Writes `NAME.csv` and `NAME.npy`. In the array a text is a number: texts of a column are counted
    /// from 0 in the order in which they come.
    pub(super) fn write(&self, folder: &Path, name: &str) -> Result<()> {
        let (text, bytes) = self.encoded();
        write_both(folder, name, &text, &bytes)
    }

    /// Writes `NAME.csv`, and another array as `NAME.npy`.
    pub(super) fn write_with(&self, folder: &Path, name: &str, array: &[u8]) -> Result<()> {
        write_both(folder, name, &self.encoded().0, array)
    }

    /// The text and the array.
    fn encoded(&self) -> (String, Vec<u8>) {
        let mut text = self.columns.join(",") + "\n";
        let mut bytes = npy_header(&[self.rows.len() as u64, self.columns.len() as u64]);
        let mut texts: Vec<Vec<&str>> = vec![Vec::new(); self.columns.len()];
        for row in &self.rows {
            for (k, cell) in row.iter().enumerate() {
                if k > 0 {
                    text.push(',');
                }
                let x = match cell {
                    Cell::Number(x) => {
                        text += &number(*x);
                        *x
                    }
                    Cell::Whole(n) => {
                        let _ = write!(text, "{n}");
                        *n as f64
                    }
                    Cell::Named(cell, number) => {
                        text += &csv_cell(cell);
                        *number
                    }
                    Cell::Text(cell) => {
                        text += &csv_cell(cell);
                        let known = texts[k].iter().position(|other| other == cell);
                        known.unwrap_or_else(|| {
                            texts[k].push(cell);
                            texts[k].len() - 1
                        }) as f64
                    }
                };
                bytes.extend(x.to_le_bytes());
            }
            text.push('\n');
        }
        (text, bytes)
    }
}

fn write_both(folder: &Path, name: &str, text: &str, array: &[u8]) -> Result<()> {
    write_new(&folder.join(format!("{name}.csv")), text.as_bytes())?;
    write_new(&folder.join(format!("{name}.npy")), array)
}
