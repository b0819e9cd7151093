//! Models and structures.

use std::ffi::c_char;
use std::sync::Arc;

use flashschnet::structure::{Topology, TupleList};
use flashschnet::{Error, builtin, io, structure};

use crate::pointer::{Room, array, check_count, create, free, get, path, text, value, vectors};
use crate::status::{Result, Status, guard};

/// A model: a SchNet network and priors. It does not change.
#[derive(Debug)]
pub struct Model(pub(crate) Arc<flashschnet::Model>);

/// Structures: molecules with positions, and perhaps with velocities. They do not change.
#[derive(Debug)]
pub struct Structures(pub(crate) Arc<Vec<flashschnet::Structure>>);

impl Structures {
    fn get(&self, index: usize) -> Result<&flashschnet::Structure> {
        let expected = || format!("an index below {}", self.0.len());
        self.0.get(index).ok_or_else(|| Error::invalid("index", index, expected()).into())
    }
}

/// Loads a model from a native file (safetensors) or a .pt or .ckpt file of mlcg, flashmd or TorchMD.
/// A model of TorchMD is a network without priors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_model_load(path: *const c_char, model: *mut *mut Model) -> Status {
    // SAFETY: the caller follows the header.
    unsafe {
        create("model", model, || {
            Ok(Model(Arc::new(flashschnet::Model::load(self::path("path", path)?)?)))
        })
    }
}

/// The built-in model, for demonstrations and measurements: a made-up network of 324,480 parameters
/// with priors, for the structure of fsn_structures_builtin.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_model_builtin(model: *mut *mut Model) -> Status {
    // SAFETY: the caller follows the header.
    unsafe { create("model", model, || Ok(Model(Arc::new(builtin::model())))) }
}

/// Frees a model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_model_free(model: *mut Model) {
    // SAFETY: the caller follows the header.
    unsafe { free(model) }
}

/// Loads structures from a native file (safetensors) or a .pt file of mlcg or flashmd, also from one
/// that holds a model as well.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_structures_load(
    path: *const c_char,
    structures: *mut *mut Structures,
) -> Status {
    // SAFETY: the caller follows the header.
    unsafe {
        create("structures", structures, || {
            Ok(Structures(Arc::new(io::load_structures(self::path("path", path)?)?)))
        })
    }
}

/// The built-in structure: a compact, made-up chain of 269 beads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_structures_builtin(structures: *mut *mut Structures) -> Status {
    let make = || Ok(Structures(Arc::new(vec![builtin::structure()])));
    // SAFETY: the caller follows the header.
    unsafe { create("structures", structures, make) }
}

/// The tuples of beads of a prior of the model.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct List {
    /// The name of the prior, or of the list that it shares with others.
    pub name: *const c_char,
    /// Beads of a tuple, 2 to 4.
    pub order: usize,
    /// Beads, counted from 0, [n_tuples, order].
    pub beads: *const u32,
    /// The number of tuples.
    pub n_tuples: usize,
}

impl List {
    /// # Safety
    /// The pointers lead to a string and to arrays of these lengths, or are NULL.
    unsafe fn to_library(self) -> Result<TupleList> {
        // SAFETY: that of the caller.
        let name = unsafe { text("list.name", self.name) }?.to_owned();
        if !(2..=4).contains(&self.order) {
            return Err(Error::invalid("list.order", self.order, "2 to 4").into());
        }
        let n = self.n_tuples.checked_mul(self.order);
        let n = n.ok_or_else(|| Error::invalid("list.n_tuples", self.n_tuples, "fewer"))?;
        // SAFETY: that of the caller.
        let beads = unsafe { array("list.beads", self.beads, n) }?;
        let tuple = |of: &[u32]| std::array::from_fn(|k| of.get(k).copied().unwrap_or(0));
        let tuples = beads.chunks(self.order).map(tuple).collect();
        Ok(TupleList { name, order: self.order, tuples })
    }
}

/// Makes one structure of arrays. types [n_beads] are rows of the embedding of the model, positions, A,
/// [3 n_beads]. masses [n_beads] may be NULL: only dynamics with velocities need them. lists [n_lists]
/// has the tuples of each prior that the model has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_structures_new(
    types: *const u32,
    masses: *const f64,
    positions: *const f64,
    n_beads: usize,
    lists: *const List,
    n_lists: usize,
    structures: *mut *mut Structures,
) -> Status {
    // SAFETY: the caller follows the header.
    unsafe {
        create("structures", structures, || {
            let n_masses = if masses.is_null() { 0 } else { n_beads };
            let lists = array("lists", lists, n_lists)?.iter();
            let topology = Topology {
                types: array("types", types, n_beads)?.to_vec(),
                masses: array("masses", masses, n_masses)?.to_vec(),
                lists: lists.map(|list| list.to_library()).collect::<Result<_>>()?,
            };
            let positions = vectors("positions", positions, n_beads)?.to_vec();
            let topology = Arc::new(topology);
            let made = flashschnet::Structure { topology, positions, velocities: None };
            made.check()?;
            Ok(Structures(Arc::new(vec![made])))
        })
    }
}

/// Frees structures.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_structures_free(structures: *mut Structures) {
    // SAFETY: the caller follows the header.
    unsafe { free(structures) }
}

/// The number of structures.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_structures_count(
    structures: *const Structures,
    count: *mut usize,
) -> Status {
    // SAFETY: the caller follows the header.
    unsafe { get("count", count, || Ok(value("structures", structures)?.0.len())) }
}

/// The number of beads of the structure with an index, counted from 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_structures_n_beads(
    structures: *const Structures,
    index: usize,
    n_beads: *mut usize,
) -> Status {
    // SAFETY: the caller follows the header.
    unsafe {
        get("n_beads", n_beads, || Ok(value("structures", structures)?.get(index)?.positions.len()))
    }
}

/// The molecule of the structure with an index: structures of the same molecule have the same number.
/// A potential of these structures has these molecules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_structures_molecule(
    structures: *const Structures,
    index: usize,
    molecule: *mut u32,
) -> Status {
    // SAFETY: the caller follows the header.
    unsafe {
        get("molecule", molecule, || {
            let structures = value("structures", structures)?;
            structures.get(index)?;
            let number = structure::molecules(&structures.0)[index];
            Ok(number as u32)
        })
    }
}

/// Writes the positions of the structure with an index, A, [3 n_beads]. n_beads is the number of its
/// beads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_structures_positions(
    structures: *const Structures,
    index: usize,
    positions: *mut f64,
    n_beads: usize,
) -> Status {
    // SAFETY: the caller follows the header.
    guard(|| unsafe {
        let of = &value("structures", structures)?.get(index)?.positions;
        check_count("n_beads", n_beads, of.len())?;
        Room::vectors("positions", positions, n_beads)?.put(of);
        Ok(())
    })
}

/// Writes the types of the beads of the structure with an index, [n_beads], which are rows of the
/// embedding. n_beads is the number of its beads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_structures_types(
    structures: *const Structures,
    index: usize,
    types: *mut u32,
    n_beads: usize,
) -> Status {
    // SAFETY: the caller follows the header.
    guard(|| unsafe {
        let of = &value("structures", structures)?.get(index)?.topology.types;
        check_count("n_beads", n_beads, of.len())?;
        Room::new("types", types, n_beads)?.put(of);
        Ok(())
    })
}

/// Writes the masses of the beads of the structure with an index, [n_beads]. n_beads is the number of its
/// beads. A structure without masses is FSN_STATUS_INVALID.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_structures_masses(
    structures: *const Structures,
    index: usize,
    masses: *mut f64,
    n_beads: usize,
) -> Status {
    // SAFETY: the caller follows the header.
    guard(|| unsafe {
        let structure = value("structures", structures)?.get(index)?;
        check_count("n_beads", n_beads, structure.positions.len())?;
        let of = &structure.topology.masses;
        check_count("masses of the structure", of.len(), n_beads)?;
        Room::new("masses", masses, n_beads)?.put(of);
        Ok(())
    })
}
