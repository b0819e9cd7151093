//! Prior terms as the kernels gather them: for every bead of every molecule, the tuples it is in.

use super::params::Tuple;
use crate::error::{Error, Result};
use crate::model::PriorForm;
use crate::system::System;

/// Gather lists over the beads ("rows") of all molecules.
#[derive(Debug, Default)]
pub(super) struct GatherLists {
    /// First row of each molecule.
    pub(super) first_row: Vec<usize>,
    /// `[n_rows + 1]`
    pub(super) tuple_row: Vec<u32>,
    pub(super) tuples: Vec<Tuple>,
    pub(super) values: Vec<f32>,
    /// `[n_rows + 1]`
    pub(super) pair_row: Vec<u32>,
    /// (local bead | term << 24, σ⁶ as bits)
    pub(super) pairs: Vec<[u32; 2]>,
}

const BEAD_BITS: u32 = 24;

impl GatherLists {
    pub(super) fn new(system: &System) -> Result<Self> {
        let mut lists = GatherLists { tuple_row: vec![0], pair_row: vec![0], ..Default::default() };
        for molecule in &system.molecules {
            let n_beads = molecule.n_beads();
            if n_beads >= 1 << BEAD_BITS || molecule.terms.len() >= 256 {
                return Err(Error::unsupported(
                    format!("{n_beads} beads and {} prior terms", molecule.terms.len()),
                    "the GPU backend takes fewer than 2^24 beads and 256 terms per molecule",
                ));
            }
            lists.first_row.push(lists.tuple_row.len() - 1);
            let mut tuples_of = vec![Vec::new(); n_beads];
            let mut pairs_of = vec![Vec::new(); n_beads];
            for (k, term) in molecule.terms.iter().enumerate() {
                let (form, degree) = match term.form {
                    PriorForm::HarmonicBond => (0, 0),
                    PriorForm::HarmonicAngle => (1, 0),
                    PriorForm::Dihedral { degree } => (2, degree as u32),
                    PriorForm::Repulsion => {
                        for (t, [i, j, ..]) in term.tuples.iter().copied().enumerate() {
                            let sigma6 = (term.parameters(t)[0].powi(6) as f32).to_bits();
                            for (bead, partner) in [(i, j), (j, i)] {
                                let word = partner | (k as u32) << BEAD_BITS;
                                pairs_of[bead as usize].push([word, sigma6]);
                            }
                        }
                        continue;
                    }
                    other => {
                        let what = format!("the prior form {} on the GPU", other.name());
                        return Err(Error::unsupported(what, "the CPU backend has it"));
                    }
                };
                for (t, beads) in term.tuples.iter().enumerate() {
                    let values = lists.values.len() as u32;
                    lists.values.extend(term.parameters(t).iter().map(|v| *v as f32));
                    for slot in 0..term.form.order() {
                        tuples_of[beads[slot] as usize].push(Tuple {
                            beads: *beads,
                            form,
                            slot: slot as u32,
                            term: k as u32,
                            degree,
                            values,
                            padding: [0; 3],
                        });
                    }
                }
            }
            for (tuples, pairs) in tuples_of.into_iter().zip(pairs_of) {
                lists.tuples.extend(tuples);
                lists.tuple_row.push(lists.tuples.len() as u32);
                lists.pairs.extend(pairs);
                lists.pair_row.push(lists.pairs.len() as u32);
            }
        }
        Ok(lists)
    }
}
