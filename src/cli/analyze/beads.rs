//! Sums over all frames by beads: contacts and fluctuations.

use std::path::Path;

use crate::Result;
use crate::analysis::measures::{Fluctuations, Measured};
use crate::io::{npy_header, write_new};

use super::columns::Columns;
use super::source::Source;
use super::table::{Cell, Table};

/// Contacts and fluctuations of all frames.
#[derive(Default)]
pub(super) struct Sums {
    counts: Vec<u64>,
    fluctuations: Fluctuations,
    n_frames: u64,
}

impl Sums {
    /// Adds `n_frames` frames.
    pub(super) fn add(&mut self, measured: &Measured, n_frames: u64) {
        self.counts.resize(measured.counts.len(), 0);
        self.counts.iter_mut().zip(&measured.counts).for_each(|(n, m)| *n += u64::from(*m));
        self.fluctuations.join(&measured.fluctuations);
        self.n_frames += n_frames;
    }

    /// Writes `rmsf`, `contacts` and the reference.
    pub(super) fn write(&self, source: &Source, columns: &Columns, folder: &Path) -> Result<()> {
        let molecule = &source.molecule;
        let mut table = Table::new(["bead", "residue", "name", "rmsf_A"]);
        for (bead, rmsf) in columns.beads.iter().zip(self.fluctuations.rmsf()) {
            let number = &molecule.0[*bead as usize].number;
            let number = Cell::Named(number.clone(), residue(number));
            let name = Cell::Text(molecule.name(*bead));
            table.rows.push(vec![u64::from(*bead).into(), number, name, rmsf.into()]);
        }
        table.write(folder, "rmsf")?;
        let contacts = &columns.measures.contacts;
        let native = columns.reference.as_ref().map(|(_, positions)| contacts.of(positions));
        let mut table = Table::new(["i", "j", "frequency"]);
        table.columns.extend(native.is_some().then(|| "native".to_owned()));
        let n_beads = molecule.n_beads();
        let mut matrix = vec![f64::NAN; n_beads * n_beads];
        for (k, [i, j]) in contacts.pairs().enumerate() {
            let frequency = self.counts[k] as f64 / self.n_frames.max(1) as f64;
            let native = native.as_ref().map(|native| u64::from(native[k]).into());
            let row = [u64::from(i).into(), u64::from(j).into(), frequency.into()];
            table.rows.push(row.into_iter().chain(native).collect());
            let (i, j) = (i as usize, j as usize);
            (matrix[i * n_beads + j], matrix[j * n_beads + i]) = (frequency, frequency);
        }
        let mut bytes = npy_header(&[n_beads as u64; 2]);
        bytes.extend(matrix.iter().flat_map(|x| x.to_le_bytes()));
        table.write_with(folder, "contacts", &bytes)?;
        if let Some((_, positions)) = &columns.reference {
            let text = molecule.pdb(&molecule.of_chain(), positions);
            write_new(&folder.join("native.pdb"), text.as_bytes())?;
        }
        Ok(())
    }
}

/// The number of a residue without its insertion code; NaN if there is none.
fn residue(text: &str) -> f64 {
    text.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(f64::NAN)
}
