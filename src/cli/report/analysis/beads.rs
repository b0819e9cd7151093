//! Fluctuations and contacts of beads.

use std::path::Path;

use crate::Error;

use super::super::page::Page;
use super::super::plots::{self, Axes, Kind, Line};
use super::super::table;

/// The fluctuation of each bead.
pub(super) fn rmsf(page: &mut Page, path: &Path) -> anyhow::Result<()> {
    let empty = || Line { kind: Kind::LINE, ..Line::default() };
    let (mut beads, mut residues) = (empty(), empty());
    // The number of a residue can have a letter.
    table::read(path, &["residue", "name"], &["bead", "rmsf_A"], |row| {
        let [bead, residue, rmsf] = ["bead", "residue", "rmsf_A"].map(|name| row.number(name));
        if rmsf.is_finite() {
            beads.points.push([bead, rmsf, f64::NAN]);
            residues.points.push([residue, rmsf, f64::NAN]);
        }
    })?;
    if beads.points.len() < 2 {
        return Ok(());
    }
    // Each bead is a residue of its own.
    let is_one = residues.points.windows(2).all(|pair| pair[0][0] < pair[1][0]);
    let (x, line) = if is_one { ("residue", residues) } else { ("bead", beads) };
    let caption = "Root mean square fluctuation of each bead in Å around its mean position, after \
                   superposition, over all frames of all temperatures; it has no error.";
    let axes = Axes { x, y: "RMSF (Å)" };
    page.section("Fluctuations", caption, plots::lines(axes, &[line], &[], false))
}

/// The frequency of each contact.
pub(super) fn contacts(page: &mut Page, path: &Path) -> anyhow::Result<()> {
    let mut pairs = Vec::new();
    let (mut is_native, mut odd) = (false, None);
    table::read(path, &[], &["i", "j", "frequency"], |row| {
        let (i, j) = (row.number("i"), row.number("j"));
        if !(0.0..MOST_BEADS).contains(&i) || !(0.0..MOST_BEADS).contains(&j) {
            odd.get_or_insert(format!("{i}, {j}"));
        } else {
            let native = row.number("native");
            is_native |= native.is_finite();
            pairs.push((i as usize, j as usize, row.number("frequency"), native));
        }
    })?;
    if let Some(pair) = odd {
        let expected = format!("numbers from 0 to {MOST_BEADS}");
        return Err(Error::invalid("beads", pair, expected).of_file(path).into());
    }
    let Some(n) = pairs.iter().map(|(i, j, ..)| i.max(j) + 1).max() else { return Ok(()) };
    let native = match is_native {
        true => "Below the diagonal are the contacts of the native structure.",
        false => "There is no native structure, so the part below the diagonal is empty.",
    };
    let means = match plots::beads_of_cell(n) {
        1 => String::new(),
        by => format!(
            " A cell has the mean of the pairs of {by} and {by} beads that are in the table; others are \
             white."
        ),
    };
    let caption = format!(
        "Above the diagonal, the share of all frames in which two beads are in contact, without an \
         error. {native}{means} Beads are counted from 0."
    );
    page.section("Contacts", &caption, plots::contacts(Axes { x: "bead", y: "bead" }, n, &pairs))
}

/// A limit of the numbers of beads in a table.
const MOST_BEADS: f64 = 1e9;
