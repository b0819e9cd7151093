//! CSV tables of a run and of its analysis.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flashschnet::{Error, Result};

/// The cells of a line, without the quotes of `flashschnet::output::csv_cell`.
fn cells(line: &str) -> Vec<Cow<'_, str>> {
    if !line.contains('"') {
        return line.split(',').map(Cow::from).collect();
    }
    let (mut all, mut cell, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => all.push(std::mem::take(&mut cell).into()),
            letter => cell.push(letter),
        }
    }
    all.push(cell.into());
    all
}

/// Passes the names of the columns and the cells of each row to `add`. The last row of a run that
/// is going on may be incomplete, which `add` tells with false.
pub(super) fn rows(path: &Path, mut add: impl FnMut(&[String], &[Cow<str>]) -> bool) -> Result<()> {
    let io = |error| Error::io(path, error);
    let mut lines = BufReader::new(File::open(path).map_err(io)?).lines();
    let header = lines.next().transpose().map_err(io)?.unwrap_or_default();
    let columns: Vec<String> = cells(&header).into_iter().map(Cow::into_owned).collect();
    let mut bad = None;
    for (number, line) in lines.enumerate() {
        if let Some(number) = bad {
            let expected = "the cells of a run's table";
            return Err(Error::invalid(format!("row {number}"), "others", expected).of_file(path));
        }
        let line = line.map_err(io)?;
        if !add(&columns, &cells(&line)) {
            bad = Some(number + 2);
        }
    }
    Ok(())
}

/// A row of a whole table.
pub(super) struct Row<'a> {
    columns: &'a [String],
    cells: &'a [Cow<'a, str>],
}

impl Row<'_> {
    /// The cell in a column; empty if there is no such column.
    pub(super) fn text(&self, name: &str) -> &str {
        let at = self.columns.iter().position(|column| column == name);
        at.and_then(|at| self.cells.get(at)).map_or("", |cell| cell)
    }

    /// The number in a column; NaN if it is unknown.
    pub(super) fn number(&self, name: &str) -> f64 {
        self.text(name).parse().unwrap_or(f64::NAN)
    }
}

/// The names of the columns of a table; none if there is no file.
pub(super) fn columns(path: &Path) -> Result<Vec<String>> {
    let Ok(file) = File::open(path) else { return Ok(Vec::new()) };
    let header = BufReader::new(file).lines().next().transpose();
    let header = header.map_err(|error| Error::io(path, error))?.unwrap_or_default();
    Ok(cells(&header).into_iter().map(Cow::into_owned).collect())
}

/// Passes the rows of a whole table to `add`. Without the file there are none.
///
/// # Errors
/// [`Error::Invalid`] names a column among `numbers` or `texts` that is missing, and a row whose
/// cells are not one for each column: numbers, or nothing, but in the columns `texts`.
pub(super) fn read(
    path: &Path,
    texts: &[&str],
    numbers: &[&str],
    mut add: impl FnMut(&Row),
) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let found = columns(path)?;
    let has = |name: &&&str| found.iter().any(|column| column == **name);
    if let Some(missing) = texts.iter().chain(numbers).find(|name| !has(name)) {
        let expected = format!("a column {missing}");
        return Err(Error::invalid("row 1", found.join(","), expected).of_file(path));
    }
    let is_text: Vec<bool> = found.iter().map(|column| texts.contains(&&**column)).collect();
    let (mut number, mut damaged) = (1, None);
    rows(path, |columns, cells| {
        number += 1;
        let is_good = |(cell, is_text): (&Cow<str>, &bool)| {
            *is_text || cell.is_empty() || cell.parse::<f64>().is_ok()
        };
        if cells.len() != columns.len() || !cells.iter().zip(&is_text).all(is_good) {
            damaged.get_or_insert((number, cells.join(",")));
        } else if damaged.is_none() {
            add(&Row { columns, cells });
        }
        true
    })?;
    match damaged {
        None => Ok(()),
        Some((number, found)) => {
            let expected = format!("{} cells, numbers where the others have them", is_text.len());
            Err(Error::invalid(format!("row {number}"), found, expected).of_file(path))
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn quotes_hold_cells_together() {
        assert_eq!(super::cells("a,,1"), ["a", "", "1"]);
        assert_eq!(super::cells("\"a,\"\"b\"\"\",2"), ["a,\"b\"", "2"]);
    }
}
