//! Forces of the host program.

use std::ffi::c_void;

use flashschnet::Error;
use flashschnet::engine::{CallbackForces, ForceCallback as Callback};

use crate::pointer::vectors;
use crate::simulation::{Simulation, running};
use crate::status::{Status, guard};

/// Computes forces in every step. It gets the positions of all replicas, A, [3 n_beads], and writes
/// energies, kcal/mol, [n_replicas], and forces, kcal/mol/A, [3 n_beads]. Both are 0 before the call.
/// 0 goes on, any other number is an error. It is called on the thread that uses the simulation. It
/// cannot use the simulation itself: a call returns FSN_STATUS_BUSY.
pub type ForceCallback = Option<
    unsafe extern "C" fn(
        positions: *const f64,
        n_beads: usize,
        energies: *mut f64,
        n_replicas: usize,
        forces: *mut f64,
        user_data: *mut c_void,
    ) -> i32,
>;

/// A [`ForceCallback`] with its data.
struct Given {
    callback:
        unsafe extern "C" fn(*const f64, usize, *mut f64, usize, *mut f64, *mut c_void) -> i32,
    user_data: *mut c_void,
    n_replicas: usize,
}

// SAFETY: the callback is called on the thread that uses the simulation, which the caller chooses.
unsafe impl Send for Given {}
// SAFETY: nothing is done with a shared reference.
unsafe impl Sync for Given {}

impl Callback for Given {
    fn evaluate(&mut self, positions: &[[f64; 3]]) -> flashschnet::Result<CallbackForces> {
        let Given { callback, user_data, n_replicas } = *self;
        let mut found = CallbackForces {
            energy: vec![0.0; n_replicas],
            forces: vec![[0.0; 3]; positions.len()],
        };
        let (energies, forces) = (found.energy.as_mut_ptr(), found.forces.as_mut_ptr());
        let (from, n_beads) = (positions.as_ptr().cast(), positions.len());
        // SAFETY: the arrays have the lengths of the header.
        match unsafe { callback(from, n_beads, energies, n_replicas, forces.cast(), user_data) } {
            0 => Ok(found),
            other => Err(Error::invalid("force callback", other, "0")),
        }
    }
}

/// Has a callback add forces in every step; NULL removes it. Frames have its energies, which the
/// potential energy does not include. A GPU waits for it in every step. Checkpoints do not contain it.
/// user_data must live until the callback is removed or the simulation is freed.
///
/// It is called by functions that run, and by fsn_simulation_energies. If it fails, or returns numbers
/// that are not finite, the run ends with an error at the last whole step, and can go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_simulation_set_force_callback(
    simulation: *mut Simulation,
    callback: ForceCallback,
    user_data: *mut c_void,
) -> Status {
    // SAFETY: the caller follows the header.
    guard(|| unsafe {
        let simulation = &mut running(simulation)?.simulation;
        let n_replicas = simulation.system().n_replicas();
        let given = callback.map(|callback| Given { callback, user_data, n_replicas });
        Ok(simulation.set_force_callback(given.map(|given| Box::new(given) as _))?)
    })
}

/// Sets external forces, kcal/mol/A, [3 n_beads], which are added to those of the potential until they
/// are replaced. NULL with n_beads 0 removes them. Energies and checkpoints do not contain them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_simulation_set_external_forces(
    simulation: *mut Simulation,
    forces: *const f64,
    n_beads: usize,
) -> Status {
    // SAFETY: the caller follows the header.
    guard(|| unsafe {
        let forces = match forces.is_null() && n_beads == 0 {
            true => None,
            false => Some(vectors("forces", forces, n_beads)?),
        };
        Ok(running(simulation)?.simulation.set_external_forces(forces)?)
    })
}
