//! Energies and forces of given positions.

use std::ffi::{CString, c_char};
use std::sync::Mutex;

use flashschnet::Error;
use flashschnet::potential::{Request, Scores};

use crate::backend::Backend;
use crate::model::{Model, Structures};
use crate::pointer::{Room, array, check_count, create, free_idle, get, lock, value, vectors};
use crate::status::{Failure, Result, Status, c_string, guard, start};

/// The potential of molecules on a backend.
#[derive(Debug)]
pub struct Potential(Mutex<Scorer>);

#[derive(Debug)]
struct Scorer {
    potential: flashschnet::Potential,
    scores: Scores,
    molecules: Vec<usize>,
    /// The messages of the items without a result in the latest call.
    messages: Vec<Option<CString>>,
}

impl Scorer {
    fn n_beads(&self, molecule: usize) -> Result<usize> {
        let molecules = self.potential.system().molecules();
        let expected = || format!("a molecule below {}", molecules.len());
        let found = molecules.get(molecule);
        Ok(found.ok_or_else(|| Error::invalid("molecule", molecule, expected()))?.n_beads())
    }

    fn evaluate(
        &mut self,
        (molecules, n_items): (Option<&[u32]>, usize),
        positions: &[[f64; 3]],
        request: &Request,
    ) -> Result<()> {
        self.messages.clear();
        self.molecules.clear();
        match molecules {
            Some(molecules) => self.molecules.extend(molecules.iter().map(|m| *m as usize)),
            None => {
                // The number of items is the caller's word, so it is checked before room is made.
                let expected = n_items.saturating_mul(self.n_beads(0)?);
                check_count("n_beads", positions.len(), expected)?;
                self.molecules.resize(n_items, 0);
            }
        }
        Ok(self.potential.evaluate(&self.molecules, positions, request, &mut self.scores)?)
    }

    /// The failures of items, whose messages are kept.
    fn failures(&mut self) -> Vec<(usize, Failure)> {
        self.messages.resize(self.molecules.len(), None);
        let failed = std::mem::take(&mut self.scores.failed);
        let failures = failed.into_iter().map(|(item, error)| (item, Failure::from(error)));
        let failures: Vec<_> = failures.collect();
        for (item, failure) in &failures {
            self.messages[*item] = Some(c_string(&failure.message));
        }
        failures
    }
}

/// Makes the potential of the molecules of structures.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_potential_new(
    model: *const Model,
    structures: *const Structures,
    backend: *const Backend,
    potential: *mut *mut Potential,
) -> Status {
    // SAFETY: the caller follows the header.
    unsafe {
        create("potential", potential, || {
            let model = &value("model", model)?.0;
            let structures = &value("structures", structures)?.0;
            let backend = value("backend", backend)?.backend.clone();
            Ok(Potential(Mutex::new(Scorer {
                potential: flashschnet::Potential::new(model, structures, backend)?,
                scores: Scores::default(),
                molecules: Vec::new(),
                messages: Vec::new(),
            })))
        })
    }
}

/// Frees a potential. During a call that uses it this does nothing, but sets the last error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_potential_free(potential: *mut Potential) {
    // SAFETY: the caller follows the header.
    unsafe { free_idle("potential", potential, |potential| &potential.0) }
}

/// The number of molecules of a potential.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_potential_n_molecules(
    potential: *const Potential,
    n_molecules: *mut u32,
) -> Status {
    // SAFETY: the caller follows the header.
    unsafe {
        get("n_molecules", n_molecules, || {
            let scorer = lock("potential", &value("potential", potential)?.0)?;
            let n = scorer.potential.system().molecules().len();
            Ok(n as u32)
        })
    }
}

/// The number of beads of a molecule, counted from 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_potential_n_beads(
    potential: *const Potential,
    molecule: u32,
    n_beads: *mut usize,
) -> Status {
    // SAFETY: the caller follows the header.
    unsafe {
        get("n_beads", n_beads, || {
            let scorer = lock("potential", &value("potential", potential)?.0)?;
            let n = scorer.n_beads(molecule as usize)?;
            Ok(n)
        })
    }
}

/// Evaluates n_items conformations. Their results do not depend on each other.
///
/// molecules [n_items] has the molecule of each item, numbered as by fsn_structures_molecule; NULL
/// stands for molecule 0 in all items. positions, A, [3 n_beads], has the beads of all items, one item
/// after the other, and n_beads is their number in all.
///
/// energies, kcal/mol, [n_items], and forces, kcal/mol/A, [3 n_beads], are results. NULL for forces
/// saves the time to compute them.
///
/// An item can fail for itself, for example with a coordinate that is NaN (FSN_STATUS_INVALID) or with
/// beads in one place (FSN_STATUS_OVERLAP). Then its energy and forces are NaN. statuses [n_items] has the
/// status of each item, and fsn_potential_message the message. If statuses is NULL, the call returns the
/// status of the first item that failed, with its message, after all results are written.
///
/// A call with another number of items than before can take longer: room is made on the device, and
/// kept for the last eight.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_potential_evaluate(
    potential: *mut Potential,
    molecules: *const u32,
    n_items: usize,
    positions: *const f64,
    n_beads: usize,
    energies: *mut f64,
    forces: *mut f64,
    statuses: *mut Status,
) -> Status {
    // SAFETY: the caller follows the header.
    guard(|| unsafe {
        let mut scorer = lock("potential", &value("potential", potential)?.0)?;
        let molecules = (!molecules.is_null()).then(|| array("molecules", molecules, n_items));
        let positions = vectors("positions", positions, n_beads)?;
        let of_energies = Room::new("energies", energies, n_items)?;
        let of_forces = Room::optional("forces", forces.cast::<[f64; 3]>(), n_beads)?;
        let of_statuses = Room::optional("statuses", statuses, n_items)?;
        let request = Request { forces: of_forces.is_some(), ..Request::energies() };
        scorer.evaluate((molecules.transpose()?, n_items), positions, &request)?;
        let failures = scorer.failures();
        let found = &scorer.scores.evaluations[0];
        of_energies.put(&found.energy);
        if let Some(room) = of_forces {
            room.put(&found.forces);
        }
        match of_statuses {
            Some(room) => {
                let mut statuses = vec![Status::Ok; n_items];
                failures.iter().for_each(|(item, failure)| statuses[*item] = failure.status);
                room.put(&statuses);
                Ok(())
            }
            None => failures.into_iter().next().map_or(Ok(()), |(_, failure)| Err(failure)),
        }
    })
}

/// The message of an item that failed in the latest evaluation, or NULL if it did not. The string is
/// valid up to the next evaluation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_potential_message(
    potential: *const Potential,
    item: usize,
    message: *mut *const c_char,
) -> Status {
    // SAFETY: the caller follows the header.
    unsafe {
        get("message", message, || {
            let scorer = lock("potential", &value("potential", potential)?.0)?;
            let expected = || format!("an item below {}", scorer.messages.len());
            let found = scorer.messages.get(item);
            let found = found.ok_or_else(|| Error::invalid("item", item, expected()))?;
            Ok(start(found))
        })
    }
}
