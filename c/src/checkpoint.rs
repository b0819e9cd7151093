//! Checkpoints: all that a run needs to continue, apart from its model and structures.

use std::ffi::c_char;
use std::sync::OnceLock;

use flashschnet::checkpoint;

use crate::pointer::{Place, array, create, free, get, path, value};
use crate::simulation::{Simulation, running};
use crate::status::{Failure, Status, guard};

/// The state of all replicas at one step with all settings, the SHA-256 of model and structures, and
/// the backend. It does not change.
#[derive(Debug)]
pub struct Checkpoint(pub(crate) checkpoint::Checkpoint, OnceLock<Vec<u8>>);

impl From<checkpoint::Checkpoint> for Checkpoint {
    fn from(of: checkpoint::Checkpoint) -> Self {
        Checkpoint(of, OnceLock::new())
    }
}

/// Makes a checkpoint of a simulation at its present step. External forces are not part of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_checkpoint_new(
    simulation: *mut Simulation,
    checkpoint: *mut *mut Checkpoint,
) -> Status {
    // SAFETY: the caller follows the header.
    unsafe {
        create("checkpoint", checkpoint, || {
            let mut running = running(simulation)?;
            let identity = running.identity()?;
            Ok(checkpoint::Checkpoint::new(&mut running.simulation, &identity)?.into())
        })
    }
}

/// Loads the newest checkpoint of a folder that is whole. A warning says why a newer one is not taken.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_checkpoint_load(
    folder: *const c_char,
    checkpoint: *mut *mut Checkpoint,
) -> Status {
    // SAFETY: the caller follows the header.
    unsafe {
        create("checkpoint", checkpoint, || {
            let folder = path("folder", folder)?;
            let (checkpoint, newer) = checkpoint::Checkpoint::latest(folder, |_| Ok(()))?;
            if let Some(error) = newer {
                log::warn!("the newest checkpoint is not taken: {error}");
            }
            Ok(checkpoint.into())
        })
    }
}

/// Reads a checkpoint from n_bytes bytes of fsn_checkpoint_bytes, or of a file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_checkpoint_from_bytes(
    bytes: *const u8,
    n_bytes: usize,
    checkpoint: *mut *mut Checkpoint,
) -> Status {
    // SAFETY: the caller follows the header.
    unsafe {
        create("checkpoint", checkpoint, || {
            let bytes = array("bytes", bytes, n_bytes)?;
            Ok(checkpoint::Checkpoint::from_bytes(bytes)?.into())
        })
    }
}

/// Frees a checkpoint.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_checkpoint_free(checkpoint: *mut Checkpoint) {
    // SAFETY: the caller follows the header.
    unsafe { free(checkpoint) }
}

/// Saves a checkpoint in a folder, which has to exist. The one that was there is kept beside it, and
/// at every moment one of the two is whole.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_checkpoint_save(
    checkpoint: *const Checkpoint,
    folder: *const c_char,
) -> Status {
    // SAFETY: the caller follows the header.
    guard(|| unsafe { Ok(value("checkpoint", checkpoint)?.0.save(path("folder", folder)?)?) })
}

/// The bytes of a checkpoint, as in its file. They live as long as the checkpoint.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_checkpoint_bytes(
    checkpoint: *const Checkpoint,
    bytes: *mut *const u8,
    n_bytes: *mut usize,
) -> Status {
    // SAFETY: the caller follows the header.
    guard(|| unsafe {
        let Checkpoint(of, known) = value("checkpoint", checkpoint)?;
        let (to, to_n) = (Place::new("bytes", bytes)?, Place::new("n_bytes", n_bytes)?);
        let all = match known.get() {
            Some(all) => all,
            None => {
                let all = of.to_bytes()?;
                known.get_or_init(|| all)
            }
        };
        to.put(all.as_ptr());
        to_n.put(all.len());
        Ok::<(), Failure>(())
    })
}

/// The step of a checkpoint.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_checkpoint_step(
    checkpoint: *const Checkpoint,
    step: *mut u64,
) -> Status {
    // SAFETY: the caller follows the header.
    unsafe { get("step", step, || Ok(value("checkpoint", checkpoint)?.0.state.step)) }
}
