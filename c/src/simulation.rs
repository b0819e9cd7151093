//! The dynamics of replicas.

use std::ffi::c_void;
use std::sync::{Arc, Mutex, MutexGuard};

use flashschnet::checkpoint::Identity;
use flashschnet::engine::Terms;
use flashschnet::simulation::{self, Control, Energies};
use flashschnet::{Error, Structure};

use crate::backend::Backend;
use crate::checkpoint::Checkpoint;
use crate::model::{Model, Structures};
use crate::pointer::{Place, Room, check_count, create, free_idle, get, lock, value};
use crate::settings::Settings;
use crate::status::{Result, Status, guard};

/// Replicas in motion on a backend.
#[derive(Debug)]
pub struct Simulation(Mutex<Running>);

#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) simulation: flashschnet::Simulation,
    of: Of,
    identity: Option<Identity>,
}

/// The model, the structures and the backend of a simulation.
#[derive(Debug)]
struct Of {
    model: Arc<flashschnet::Model>,
    structures: Arc<Vec<Structure>>,
    backend: flashschnet::Backend,
}

impl Of {
    /// # Safety
    /// The pointers lead to handles or are NULL.
    unsafe fn new(
        model: *const Model,
        structures: *const Structures,
        backend: *const Backend,
    ) -> Result<Self> {
        // SAFETY: that of the caller.
        unsafe {
            Ok(Of {
                model: Arc::clone(&value("model", model)?.0),
                structures: Arc::clone(&value("structures", structures)?.0),
                backend: value("backend", backend)?.backend.clone(),
            })
        }
    }

    fn identity(&self) -> Result<Identity> {
        Ok(Identity::new(&self.model, &self.structures, &self.backend)?)
    }

    fn simulation(&self, settings: &flashschnet::Settings) -> Result<flashschnet::Simulation> {
        let Of { model, structures, backend } = self;
        Ok(flashschnet::Simulation::new(model, structures, settings, backend)?)
    }
}

impl Running {
    /// The identity, which takes a while for a large model.
    pub(crate) fn identity(&mut self) -> Result<Identity> {
        if self.identity.is_none() {
            self.identity = Some(self.of.identity()?);
        }
        let identity = self.identity.clone();
        Ok(identity.expect("it was just computed"))
    }
}

/// The content of a simulation, for one call.
///
/// # Safety
/// `simulation` leads to a handle or is NULL.
pub(crate) unsafe fn running<'a>(simulation: *const Simulation) -> Result<MutexGuard<'a, Running>> {
    // SAFETY: that of the caller.
    lock("simulation", &unsafe { value("simulation", simulation) }?.0)
}

/// The replicas at one step of a run. All is valid during the callback only. Later versions add fields
/// at the end.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// Steps done.
    pub step: u64,
    /// Simulated time, ps.
    pub time: f64,
    /// The number of replicas.
    pub n_replicas: usize,
    /// The number of beads of all replicas.
    pub n_beads: usize,
    /// A, [3 n_beads].
    pub positions: *const f64,
    /// A/ps, [3 n_beads]; without meaning for the overdamped integrators.
    pub velocities: *const f64,
    /// Potential energy, kcal/mol, [n_replicas]; NaN for a frozen replica.
    pub potential: *const f64,
    /// Kinetic energy, kcal/mol, [n_replicas]; NaN for a frozen replica and for the overdamped
    /// integrators.
    pub kinetic: *const f64,
    /// Temperature of the kinetic energy, K, [n_replicas]; NaN like it.
    pub temperature: *const f64,
    /// Energy of the force callback, kcal/mol, [n_replicas]; NaN for a frozen replica. NULL without a
    /// force callback.
    pub callback: *const f64,
}

/// Receives a frame. 0 goes on, any other number ends the run at this step. It is called on the thread
/// that called fsn_simulation_run_observed.
pub type FrameCallback =
    Option<unsafe extern "C" fn(frame: *const Frame, user_data: *mut c_void) -> i32>;

/// Makes replicas at step 0, with the positions of structures, and their velocities or random ones.
/// settings are read during the call; NULL stands for the defaults.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_simulation_new(
    model: *const Model,
    structures: *const Structures,
    settings: *const Settings,
    backend: *const Backend,
    simulation: *mut *mut Simulation,
) -> Status {
    // SAFETY: the caller follows the header.
    unsafe {
        create("simulation", simulation, || {
            let of = Of::new(model, structures, backend)?;
            let simulation = of.simulation(&Settings::read(settings)?.to_library()?)?;
            Ok(Simulation(Mutex::new(Running { simulation, of, identity: None })))
        })
    }
}

/// Makes the replicas of a checkpoint, which continue its run. The settings are those of the
/// checkpoint. Model and structures must have the values of then. same_bits is 1 if the backend is
/// that of the checkpoint, too, so that the run continues with the same bits, and else 0; it may be
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_simulation_continue(
    model: *const Model,
    structures: *const Structures,
    checkpoint: *const Checkpoint,
    backend: *const Backend,
    simulation: *mut *mut Simulation,
    same_bits: *mut i32,
) -> Status {
    // SAFETY: the caller follows the header.
    unsafe {
        create("simulation", simulation, || {
            let of = Of::new(model, structures, backend)?;
            let checkpoint = &value("checkpoint", checkpoint)?.0;
            let to = Place::optional("same_bits", same_bits)?;
            let identity = of.identity()?;
            let is_same = identity.check(&checkpoint.identity)?;
            let mut simulation = of.simulation(&checkpoint.settings())?;
            simulation.set_state(&checkpoint.state)?;
            if let Some(to) = to {
                to.put(i32::from(is_same));
            }
            Ok(Simulation(Mutex::new(Running { simulation, of, identity: Some(identity) })))
        })
    }
}

/// Frees a simulation. During a call that uses it this does nothing, but sets the last error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_simulation_free(simulation: *mut Simulation) {
    // SAFETY: the caller follows the header.
    unsafe { free_idle("simulation", simulation, |simulation| &simulation.0) }
}

/// Moves every replica by n_steps steps. done is the number of steps done; it may be NULL. After an error
/// fsn_simulation_step has the step. Only a callback of fsn_simulation_run_observed can end a run early.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_simulation_run(
    simulation: *mut Simulation,
    n_steps: u64,
    done: *mut u64,
) -> Status {
    // SAFETY: the caller follows the header.
    guard(|| unsafe {
        let mut running = running(simulation)?;
        let to = Place::optional("done", done)?;
        let n = running.simulation.run(n_steps)?;
        to.into_iter().for_each(|to| to.put(n));
        Ok(())
    })
}

/// Moves every replica by n_steps steps, or fewer if the callback ends the run. The callback gets
/// user_data and a frame at every step that is a multiple of every. done is the number of steps done
/// in this call; it may be NULL. Steps are counted from the start of the simulation, and step 0 has no
/// frame. The callback cannot use the simulation: a call returns FSN_STATUS_BUSY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_simulation_run_observed(
    simulation: *mut Simulation,
    n_steps: u64,
    every: u64,
    callback: FrameCallback,
    user_data: *mut c_void,
    done: *mut u64,
) -> Status {
    // SAFETY: the caller follows the header.
    guard(|| unsafe {
        let mut running = running(simulation)?;
        let to = Place::optional("done", done)?;
        let callback = callback.ok_or_else(|| Error::invalid("callback", "NULL", "a function"))?;
        let mut observer = |frame: &simulation::Frame, control: &mut Control| {
            let frame = Frame {
                step: frame.step,
                time: frame.time,
                n_replicas: frame.potential.len(),
                n_beads: frame.positions.len(),
                positions: frame.positions.as_ptr().cast(),
                velocities: frame.velocities.as_ptr().cast(),
                potential: frame.potential.as_ptr(),
                kinetic: frame.kinetic.as_ptr(),
                temperature: frame.temperature.as_ptr(),
                callback: match frame.callback.is_empty() {
                    true => std::ptr::null(),
                    false => frame.callback.as_ptr(),
                },
            };
            if callback(&raw const frame, user_data) != 0 {
                control.stop();
            }
            Ok(())
        };
        let n = running.simulation.run_with(n_steps, every, &mut observer)?;
        to.into_iter().for_each(|to| to.put(n));
        Ok(())
    })
}

/// The number of replicas.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_simulation_n_replicas(
    simulation: *const Simulation,
    n_replicas: *mut usize,
) -> Status {
    // SAFETY: the caller follows the header.
    unsafe {
        get("n_replicas", n_replicas, || Ok(running(simulation)?.simulation.system().n_replicas()))
    }
}

/// The beads of a replica, counted from 0: its first one among those of all replicas, and their
/// number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_simulation_beads(
    simulation: *const Simulation,
    replica: usize,
    first: *mut usize,
    n_beads: *mut usize,
) -> Status {
    // SAFETY: the caller follows the header.
    guard(|| unsafe {
        let running = running(simulation)?;
        let system = running.simulation.system();
        if replica >= system.n_replicas() {
            let expected = format!("a replica below {}", system.n_replicas());
            return Err(Error::invalid("replica", replica, expected).into());
        }
        let beads = system.beads(replica);
        let (of_first, of_n) = (Place::new("first", first)?, Place::new("n_beads", n_beads)?);
        of_first.put(beads.start);
        of_n.put(beads.len());
        Ok(())
    })
}

/// The number of beads of all replicas.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_simulation_n_beads(
    simulation: *const Simulation,
    n_beads: *mut usize,
) -> Status {
    // SAFETY: the caller follows the header.
    unsafe { get("n_beads", n_beads, || Ok(running(simulation)?.simulation.system().n_beads())) }
}

/// The number of steps done since step 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_simulation_step(
    simulation: *const Simulation,
    step: *mut u64,
) -> Status {
    // SAFETY: the caller follows the header.
    unsafe { get("step", step, || Ok(running(simulation)?.simulation.step())) }
}

/// The simulated time, ps.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_simulation_time(
    simulation: *const Simulation,
    time: *mut f64,
) -> Status {
    // SAFETY: the caller follows the header.
    unsafe { get("time", time, || Ok(running(simulation)?.simulation.time())) }
}

/// A reading of vectors.
///
/// # Safety
/// The pointers lead to a handle and to room for 3 `n_beads` numbers, or are NULL.
unsafe fn read_vectors(
    simulation: *const Simulation,
    (name, to, n_beads): (&str, *mut f64, usize),
    read: impl FnOnce(&mut flashschnet::Simulation) -> flashschnet::Result<Vec<[f64; 3]>>,
) -> Status {
    // SAFETY: that of the caller.
    guard(|| unsafe {
        let mut running = running(simulation)?;
        check_count("n_beads", n_beads, running.simulation.system().n_beads())?;
        let room = Room::vectors(name, to, n_beads)?;
        room.put(&read(&mut running.simulation)?);
        Ok(())
    })
}

/// Writes the positions of all replicas, A, [3 n_beads]. n_beads is the number of all beads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_simulation_positions(
    simulation: *mut Simulation,
    positions: *mut f64,
    n_beads: usize,
) -> Status {
    let to = ("positions", positions, n_beads);
    // SAFETY: the caller follows the header.
    unsafe { read_vectors(simulation, to, flashschnet::Simulation::positions) }
}

/// Writes the velocities of all replicas, A/ps, [3 n_beads]. n_beads is the number of all beads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_simulation_velocities(
    simulation: *mut Simulation,
    velocities: *mut f64,
    n_beads: usize,
) -> Status {
    let to = ("velocities", velocities, n_beads);
    // SAFETY: the caller follows the header.
    unsafe { read_vectors(simulation, to, flashschnet::Simulation::velocities) }
}

/// Writes the forces of the potential on all beads, kcal/mol/A, [3 n_beads], without external forces
/// and those of a callback. n_beads is the number of all beads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_simulation_forces(
    simulation: *mut Simulation,
    forces: *mut f64,
    n_beads: usize,
) -> Status {
    let to = ("forces", forces, n_beads);
    // SAFETY: the caller follows the header.
    unsafe { read_vectors(simulation, to, |of| Ok(of.evaluate(Terms::Total)?.forces)) }
}

/// Writes potential and kinetic energies, kcal/mol, and temperatures of the kinetic energies, K, of
/// each replica, [n_replicas], as in fsn_frame. Each array may be NULL. n_replicas is the number of
/// replicas.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_simulation_energies(
    simulation: *mut Simulation,
    potential: *mut f64,
    kinetic: *mut f64,
    temperature: *mut f64,
    n_replicas: usize,
) -> Status {
    // SAFETY: the caller follows the header.
    guard(|| unsafe {
        let mut running = running(simulation)?;
        check_count("n_replicas", n_replicas, running.simulation.system().n_replicas())?;
        let rooms = [
            Room::optional("potential", potential, n_replicas)?,
            Room::optional("kinetic", kinetic, n_replicas)?,
            Room::optional("temperature", temperature, n_replicas)?,
        ];
        let Energies { potential, kinetic, temperature, .. } = running.simulation.energies()?;
        for (room, values) in rooms.into_iter().zip([potential, kinetic, temperature]) {
            room.into_iter().for_each(|room| room.put(&values));
        }
        Ok(())
    })
}

/// Writes for each replica, [n_replicas], 1 if it is frozen, because it exceeded a limit of fsn_settings,
/// and else 0. n_replicas is the number of replicas.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_simulation_frozen(
    simulation: *mut Simulation,
    frozen: *mut i32,
    n_replicas: usize,
) -> Status {
    // SAFETY: the caller follows the header.
    guard(|| unsafe {
        let mut running = running(simulation)?;
        check_count("n_replicas", n_replicas, running.simulation.system().n_replicas())?;
        let room = Room::new("frozen", frozen, n_replicas)?;
        let state = running.simulation.state()?;
        room.put(&(0..n_replicas).map(|r| i32::from(state.is_frozen(r))).collect::<Vec<_>>());
        Ok(())
    })
}

/// The time step, ps, and how many steps an outer step has: every number of steps has to be a multiple
/// of mts. Either may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_simulation_time_step(
    simulation: *const Simulation,
    dt: *mut f64,
    mts: *mut u32,
) -> Status {
    // SAFETY: the caller follows the header.
    guard(|| unsafe {
        let running = running(simulation)?;
        let (to_dt, to_mts) = (Place::optional("dt", dt)?, Place::optional("mts", mts)?);
        let dynamics = running.simulation.dynamics();
        to_dt.into_iter().for_each(|to| to.put(dynamics.dt));
        to_mts.into_iter().for_each(|to| to.put(dynamics.mts));
        Ok(())
    })
}
