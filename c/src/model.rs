//! Models and structures.

use std::ffi::c_char;
use std::sync::Arc;

use flashschnet::{Error, builtin, io, structure};

use crate::pointer::{Room, check_count, create, free, get, path, value};
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
