//! The atom types of a molecule as numbers: parameters are looked up once for the same types.

use std::collections::HashMap;

use super::psf::Psf;
use crate::error::Result;

/// The different atom types of a molecule.
pub(super) struct Kinds<'a> {
    pub(super) names: Vec<&'a str>,
    /// The place of the atom type of each bead in `names`.
    pub(super) of_bead: Vec<u32>,
}

/// Parameters of tuples.
pub(super) struct Rows<T> {
    pub(super) distinct: Vec<T>,
    /// The place of the parameters of each tuple in `distinct`.
    of_tuple: Vec<usize>,
}

impl<'a> Kinds<'a> {
    pub(super) fn new(psf: &'a Psf) -> Self {
        let mut numbers = HashMap::new();
        let mut kinds = Kinds { names: Vec::new(), of_bead: Vec::new() };
        for name in &psf.atom_types {
            let number = *numbers.entry(name.as_str()).or_insert_with(|| {
                kinds.names.push(name);
                kinds.names.len() as u32 - 1
            });
            kinds.of_bead.push(number);
        }
        kinds
    }

    /// The parameters of tuples of `order` beads, by the names of their atom types.
    pub(super) fn rows<T>(
        &self,
        tuples: &[[u32; 4]],
        order: usize,
        of_names: impl Fn(&[&str]) -> Result<T>,
    ) -> Result<Rows<T>> {
        let mut places = HashMap::new();
        let mut rows = Rows { distinct: Vec::new(), of_tuple: Vec::with_capacity(tuples.len()) };
        for tuple in tuples {
            let mut kinds = [0; 4];
            for (kind, bead) in kinds.iter_mut().zip(&tuple[..order]) {
                *kind = self.of_bead[*bead as usize];
            }
            let place = match places.get(&kinds) {
                Some(place) => *place,
                None => {
                    let names = kinds[..order].iter().map(|kind| self.names[*kind as usize]);
                    rows.distinct.push(of_names(&names.collect::<Vec<_>>())?);
                    places.insert(kinds, rows.distinct.len() - 1);
                    rows.distinct.len() - 1
                }
            };
            rows.of_tuple.push(place);
        }
        Ok(rows)
    }
}

impl<T> Rows<T> {
    /// Parameters that do not depend on the atom types alone.
    pub(super) fn each(
        tuples: &[[u32; 4]],
        of_tuple: impl Fn(&[u32; 4]) -> Result<T>,
    ) -> Result<Self> {
        let distinct = tuples.iter().map(of_tuple).collect::<Result<Vec<_>>>()?;
        Ok(Rows { of_tuple: (0..distinct.len()).collect(), distinct })
    }

    /// The numbers of all tuples in a row.
    pub(super) fn concat(&self, numbers: impl Fn(&T) -> Vec<f64>) -> Vec<f64> {
        let distinct: Vec<Vec<f64>> = self.distinct.iter().map(numbers).collect();
        self.of_tuple.iter().flat_map(|place| distinct[*place].iter().copied()).collect()
    }
}
