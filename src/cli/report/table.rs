//! CSV tables and logs of a run and of its analysis.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::{Error, Result};

use super::names::counted;

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

/// Passes each row to `add`, which tells with false that the row is damaged. A run that is going on
/// may not have written its last row to the end. A row without the end of its line does not count,
/// because its last number may be cut. Returns it.
pub(super) fn rows(path: &Path, mut add: impl FnMut(&Row) -> bool) -> Result<Option<String>> {
    let io = |error| Error::io(path, error);
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let mut line = String::new();
    let mut columns = Vec::new();
    for number in 1_u64.. {
        line.clear();
        if file.read_line(&mut line).map_err(io)? == 0 {
            break;
        }
        let Some(text) = line.strip_suffix('\n') else { return Ok(Some(line)) };
        let cells = cells(text.strip_suffix('\r').unwrap_or(text));
        if number == 1 {
            columns = cells.into_iter().map(Cow::into_owned).collect();
        } else if !add(&Row { columns: &columns, cells: &cells }) {
            let expected = "the cells of a run's table";
            return Err(Error::invalid(format!("row {number}"), "others", expected).of_file(path));
        }
    }
    Ok(None)
}

/// The most lines of a log on a page.
const LOG_LINES: usize = 200;

/// The first and the last lines of a log, with a line about those left out. `see` gets every line.
pub(super) fn log_lines(path: &Path, mut see: impl FnMut(&str)) -> Result<Vec<String>> {
    let io = |error| Error::io(path, error);
    let (mut first, mut last, mut n_left_out) = (Vec::new(), VecDeque::new(), 0_u64);
    for line in BufReader::new(File::open(path).map_err(io)?).split(b'\n') {
        let line = line.map_err(io)?;
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        see(line);
        if line.is_empty() {
            continue;
        }
        if first.len() < LOG_LINES / 2 {
            first.push(line.to_owned());
            continue;
        }
        last.push_back(line.to_owned());
        if last.len() > LOG_LINES / 2 {
            last.pop_front();
            n_left_out += 1;
        }
    }
    if n_left_out > 0 {
        first.push(format!("... {} left out ...", counted(n_left_out, "line", "lines")));
    }
    first.extend(last);
    Ok(first)
}

/// No quantity is as large as this number. Axes of much larger numbers overflow.
const LARGEST: f64 = 1e60;

/// A row of a table.
pub(super) struct Row<'a> {
    pub(super) columns: &'a [String],
    pub(super) cells: &'a [Cow<'a, str>],
}

impl Row<'_> {
    /// Whether there is a cell for each column.
    pub(super) fn is_whole(&self) -> bool {
        self.cells.len() == self.columns.len()
    }

    /// The cell in a column; empty if there is no such column.
    pub(super) fn text(&self, name: &str) -> &str {
        let at = self.columns.iter().position(|column| column == name);
        at.and_then(|at| self.cells.get(at)).map_or("", |cell| cell)
    }

    /// The number in a column; NaN if it is unknown or too large for an axis.
    pub(super) fn number(&self, name: &str) -> f64 {
        let number = self.text(name).parse().ok();
        number.filter(|x: &f64| x.abs() < LARGEST).unwrap_or(f64::NAN)
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
/// [`Error::Invalid`] names a column among `numbers` or `texts` that is missing, and a row that has no
/// end or whose cells are not one for each column: numbers, or nothing, but in the columns `texts`.
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
    let unfinished = rows(path, |row| {
        number += 1;
        let is_good = |(cell, is_text): (&Cow<str>, &bool)| {
            *is_text || cell.is_empty() || cell.parse::<f64>().is_ok()
        };
        if !row.is_whole() || !row.cells.iter().zip(&is_text).all(is_good) {
            damaged.get_or_insert((number, row.cells.join(",")));
        } else if damaged.is_none() {
            add(row);
        }
        true
    })?;
    let damaged = damaged.or(unfinished.map(|row| (number + 1, row)));
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
    use super::{log_lines, rows};

    #[test]
    fn a_long_log_tells_that_it_is_cut() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (n, expected) in [(200, 200), (201, 201), (1020, 201)] {
            let lines: Vec<String> = (0..n).map(|k| format!("line {k}\n\n")).collect();
            std::fs::write(file.path(), lines.concat().as_bytes()).unwrap();
            let mut n_seen = 0;
            let found =
                log_lines(file.path(), |line| n_seen += usize::from(!line.is_empty())).unwrap();
            assert_eq!((found.len(), n_seen), (expected, n));
            assert_eq!(found[expected - 1], format!("line {}", n - 1));
            let cut = ["line 100", "... 1 line left out ...", "... 820 lines left out ..."];
            assert_eq!(found[100], cut[[200, 201, 1020].iter().position(|of| *of == n).unwrap()]);
        }
        std::fs::write(file.path(), b"\xff\n").unwrap();
        assert_eq!(log_lines(file.path(), |_| ()).unwrap(), ["\u{fffd}"]);
    }

    #[test]
    fn a_row_without_an_end_does_not_count() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (text, expected, rest) in [
            ("a,b\n1,2\n3,456\n", vec!["1,2", "3,456"], None),
            ("a,b\r\n1,2\r\n", vec!["1,2"], None),
            ("a,b\n1,2\n3,45", vec!["1,2"], Some("3,45")),
            ("a,", vec![], Some("a,")),
            ("", vec![], None),
        ] {
            std::fs::write(file.path(), text).unwrap();
            let mut found = Vec::new();
            let unfinished = rows(file.path(), |row| {
                found.push(row.cells.join(","));
                row.is_whole()
            });
            assert_eq!(
                (found, unfinished.unwrap().as_deref()),
                (expected.clone().into_iter().map(str::to_owned).collect(), rest)
            );
        }
    }

    #[test]
    fn quotes_hold_cells_together() {
        assert_eq!(super::cells("a,,1"), ["a", "", "1"]);
        assert_eq!(super::cells("\"a,\"\"b\"\"\",2"), ["a,\"b\"", "2"]);
    }
}
