//! The contract of a backend: it holds the state of all replicas and advances it.

mod anneal;
mod biases;
mod dynamics;
mod equalize;
mod evaluation;
mod exchange;
mod guard;
mod hills;
mod host_forces;
mod ladder;
mod minimize;
mod numerics;
mod parts;
mod reading;
mod shared;
mod state;
mod uncollected;
mod watch;

pub(crate) use self::biases::{bias_levels, check_biases, check_work, work_of};
pub use self::dynamics::{Dynamics, Integrator, check_multiple};
pub use self::evaluation::{Evaluation, Terms};
pub use self::exchange::TRACE;
pub(crate) use self::exchange::{Trace, check_given, exchange};
pub(crate) use self::guard::{end_step, hold, watch_bonds};
pub use self::host_forces::{CallbackForces, ForceCallback};
pub(crate) use self::host_forces::{HostForces, check_callback};
pub use self::ladder::{Exchange, Exchanged, Ladder, MOST_STATES, Mixing, NO_LABEL, geometric};
#[cfg(feature = "wgpu")]
pub(crate) use self::minimize::{FIRE, broken};
pub use self::minimize::{Minimization, Minimized};
pub(crate) use self::minimize::{end_minimization, minimize};
pub use self::numerics::{Filter, Numerics, Precision};
pub(crate) use self::parts::Parts;
pub use self::reading::{Reading, Wanted};
pub use self::shared::Shared;
pub use self::state::{FARTHEST, RECENTER, State, Work, origins};
pub(crate) use self::state::{check_positions, origin};
pub(crate) use self::uncollected::Uncollected;
pub(crate) use self::watch::bonds;
pub use self::watch::{Frozen, LEAST_REST, OnBlowUp, Reason, Watch};
use std::any::Any;

use crate::bias::Bias;
use crate::error::{Error, Result};
use crate::variable::Variable;

/// Device memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Memory {
    /// Bytes that the engine requested.
    pub allocated: u64,
    /// Bytes that the allocator took from the device for them.
    pub reserved: u64,
}

/// Device time and work of one kernel call of an outer step.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct KernelTime {
    /// The name of the kernel.
    pub kernel: &'static str,
    /// The number of the call in the outer step, from 0.
    pub number: usize,
    /// Device time, mean over the timed outer steps.
    pub microseconds: f64,
    /// Bytes requested from the device's memory or its caches; 0 if unknown.
    pub bytes: u64,
    /// Floating-point operations, with a fused multiply-add as two; 0 if unknown.
    pub flops: u64,
}

impl KernelTime {
    /// The calls of each kernel. Kernels are in the order of their first call.
    pub fn by_kernel(times: &[KernelTime]) -> Vec<(&'static str, Vec<KernelTime>)> {
        let mut kernels: Vec<(&'static str, Vec<KernelTime>)> = Vec::new();
        for time in times {
            match kernels.iter_mut().find(|(kernel, _)| *kernel == time.kernel) {
                Some((_, calls)) => calls.push(*time),
                None => kernels.push((time.kernel, vec![*time])),
            }
        }
        kernels
    }
}

/// A backend at work on one system and its dynamics. The state stays on the device between calls.
///
/// A caller sets the state or the positions first. [`Engine::read`] waits for the device, so errors
/// of earlier calls may appear there.
///
/// A replica that exceeds a limit of [`Dynamics::watch`] freezes at the end of that step. Bonds are
/// tested whenever forces are computed, so those of a state that was set are tested before its
/// first step. Then the replica keeps its positions, velocities and temperature, exchanges nothing,
/// and has the energy NaN. That is no error: [`Reading::frozen`] tells it.
pub trait Engine: Any + std::fmt::Debug + Shared {
    /// A description of the device.
    fn device(&self) -> String;

    /// Replaces the state.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a count is wrong or a number is out of range.
    fn set_state(&mut self, state: &State) -> Result<()>;

    /// Replaces the positions, Å, `[n_beads]`. Velocities, temperatures and the step stay. Frozen
    /// replicas move again.
    ///
    /// # Errors
    /// See [`Engine::set_state`].
    fn set_positions(&mut self, positions: &[[f64; 3]]) -> Result<()>;

    /// Replaces the velocities, Å/ps, `[n_beads]`. All else stays, and forces and neighbor lists remain
    /// valid.
    ///
    /// # Errors
    /// See [`Engine::set_state`].
    fn set_velocities(&mut self, velocities: &[[f64; 3]]) -> Result<()>;

    /// Replaces the temperatures as 1/(k_B T), mol/kcal, `[n_replicas]`. All else stays.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong count, for numbers out of range, and if replica exchange or
    /// [`Dynamics::anneal`] sets the temperatures; errors of the device.
    fn set_beta(&mut self, beta: &[f64]) -> Result<()>;

    /// Sets constant forces that are added to those of the potential in every step, kcal/mol/Å,
    /// `[n_beads]`. They do not change the reported energies. `None` removes them.
    ///
    /// Forces that depend on positions need [`Engine::set_force_callback`]. If a caller computes them
    /// between steps and sets them here, the second half kick of a step has the forces of the
    /// positions before it. That heats the system.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong count or numbers that are not finite, and errors of the device.
    fn set_external_forces(&mut self, forces: Option<&[[f64; 3]]>) -> Result<()>;

    /// Sets a function of the host program whose forces are added to those of the potential. It is
    /// called after each drift, before the second half kick, with [`Dynamics::mts`] in every step,
    /// and before the first step. [`Reading::callback`] has its energies, which the potential energy
    /// does not include. `None` removes it.
    ///
    /// The callback is not part of a [`State`] and stays when the state is set. A GPU waits for the
    /// host in every step, so that [`Engine::advance`] takes at least one round trip for each step.
    ///
    /// An error of the callback ends [`Engine::advance`]. The state is then that before the outer
    /// step. A wrong count and a number that is not finite are errors, too. Forces and energies of
    /// frozen replicas are ignored.
    ///
    /// # Errors
    /// [`Error::Unsupported`] together with replica exchange, and errors of the device.
    fn set_force_callback(&mut self, callback: Option<Box<dyn ForceCallback>>) -> Result<()>;

    /// Sets the biases that act in every step. They replace those before. [`Reading::biases`] has
    /// their values and energies, which the potential energy does not include. They stay when the
    /// state is set. The work of a moving bias goes on from that of the moving bias of the same name
    /// before, if there was one.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that is given twice, and for lists of numbers that are neither
    /// one nor one for each state or replica; see also [`Bias::check`]; errors of the device.
    fn set_biases(&mut self, biases: &[Bias]) -> Result<()>;

    /// Sets the variables that a reading can evaluate. They do not act on the beads.
    ///
    /// # Errors
    /// See [`Variable::check`]. Then the variables stay as they were.
    fn set_observables(&mut self, variables: &[Variable]) -> Result<()>;

    /// Advances every replica by `n_steps` steps, a multiple of [`Dynamics::mts`].
    ///
    /// The results have the same bits however a run is cut into calls and whatever is read in
    /// between. Callers may cut a run by wall-clock time.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a number that is no multiple, and errors of the device.
    fn advance(&mut self, n_steps: u64) -> Result<()>;

    /// Minimizes the energy of every replica, with external forces and biases, each until it has
    /// converged. The hills of metadynamics do not act.
    /// Velocities, temperatures and the step stay. Frozen replicas do not move. Like
    /// [`Engine::set_state`], it drops a reading that was requested.
    ///
    /// # Errors
    /// [`Error::Invalid`] for wrong settings, or with the replica whose forces are not finite, and
    /// errors of [`Engine::read`]. Then the state is what it was.
    fn minimize(&mut self, minimization: &Minimization) -> Result<Vec<Minimized>>;

    /// Exchanges states between the walkers of each ladder, by the rule of
    /// [`crate::ops::Ops::exchange`] with the potential energies of the present positions and random
    /// numbers. It waits for nothing.
    ///
    /// With biases, walkers p and q in states a and b exchange with the probability
    /// min(1, exp(β_a (E_a(x_p) − E_a(x_q)) + β_b (E_b(x_q) − E_b(x_p)))). E_k is the potential energy
    /// plus the energies of the biases with the numbers of state k. All states may have the same
    /// temperature.
    ///
    /// # Errors
    /// [`Error::Invalid`] for dynamics without exchange, and errors of the device.
    fn exchange(&mut self) -> Result<()>;

    /// Replaces the temperatures of the states of all ladders. The state must be set before the next
    /// step.
    ///
    /// # Errors
    /// [`Error::Invalid`] for wrong temperatures, or other walkers or mixing than before.
    fn set_ladders(&mut self, exchange: &Exchange) -> Result<()>;

    /// Waits for the device and reads the wanted parts of the present state.
    ///
    /// # Errors
    /// [`Error::TooManyNeighbors`] if a bead had more neighbors than the model allows,
    /// [`Error::Invalid`] for a term that the model does not have, and errors of the device.
    fn read(&mut self, wanted: Wanted) -> Result<Reading>;

    /// Whether [`Engine::advance`] returns before all steps are done.
    fn is_asynchronous(&self) -> bool {
        false
    }

    /// Begins a reading of the present state. Steps and exchanges that follow do not change it, and
    /// a device computes them while the reading is on its way to the host. [`Engine::set_state`]
    /// drops the reading.
    ///
    /// # Errors
    /// See [`Engine::read`]; [`Error::Invalid`] if the reading before was not collected.
    fn request(&mut self, wanted: Wanted) -> Result<()>;

    /// Waits for the reading that was requested.
    ///
    /// # Errors
    /// See [`Engine::read`]; [`Error::Invalid`] if none was requested.
    fn collect(&mut self) -> Result<Reading>;

    /// The memory that is used on the device.
    fn memory(&self) -> Memory;

    /// The functions for benches and tests.
    fn probe(&mut self) -> &mut dyn Probe;

    /// Waits for the device and returns the number of steps done.
    ///
    /// # Errors
    /// [`Error::BlowUp`] if a replica is frozen, with its number counted from 0; see also
    /// [`Engine::read`].
    fn settle(&mut self) -> Result<u64> {
        let reading = self.read(Wanted::default())?;
        let first = reading.frozen.first_key_value();
        let error: Option<Error> = first.map(|(r, frozen)| frozen.error(*r as u32));
        error.map_or(Ok(reading.step), Err)
    }

    /// The present state, with the hills.
    ///
    /// # Errors
    /// See [`Engine::read`].
    fn state(&mut self) -> Result<State> {
        let reading = self.read(Wanted { state: true, hills: true, ..Wanted::default() })?;
        Ok(reading.state.unwrap_or_default())
    }

    /// The energy of each replica in its present state, kcal/mol. The bits are those of
    /// [`Engine::evaluate`], without the work for the forces.
    ///
    /// # Errors
    /// See [`Engine::read`].
    fn energies(&mut self, terms: Terms) -> Result<Vec<f64>> {
        let reading = self.read(Wanted { energies: Some(terms), ..Wanted::default() })?;
        Ok(reading.evaluation.energy)
    }

    /// The potential energy of each replica in its present state, kcal/mol.
    ///
    /// # Errors
    /// See [`Engine::read`].
    fn potential(&mut self) -> Result<Vec<f64>> {
        self.energies(Terms::Total)
    }

    /// Energies and forces of the present positions. External forces and those of a callback are not
    /// included, and biases only as [`Terms::Bias`].
    ///
    /// # Errors
    /// See [`Engine::read`].
    fn evaluate(&mut self, terms: Terms) -> Result<Evaluation> {
        let wanted = Wanted { energies: Some(terms), forces: true, ..Wanted::default() };
        Ok(self.read(wanted)?.evaluation)
    }

    /// [`Engine::evaluate`] for each of some terms of the potential or, without `forces`, the energies
    /// alone. A GPU does it in one submission. [`Terms::Bias`] is for [`Engine::evaluate`]: a GPU refuses
    /// it here.
    ///
    /// # Errors
    /// See [`Engine::read`].
    fn evaluate_all(&mut self, terms: &[Terms], forces: bool) -> Result<Vec<Evaluation>> {
        let wanted = |terms: &Terms| Wanted { energies: Some(*terms), forces, ..Wanted::default() };
        terms.iter().map(|terms| Ok(self.read(wanted(terms))?.evaluation)).collect()
    }
}

/// The functions of an engine that only benches and tests need.
pub trait Probe {
    /// Advances one outer step, [`Dynamics::mts`] steps, with the given standard normal numbers
    /// instead of random ones, `[mts, n_beads]`.
    ///
    /// # Errors
    /// See [`Engine::read`].
    fn advance_with_noise(&mut self, noise: &[[f64; 3]]) -> Result<()>;

    /// Does one exchange with the given energies, `[n_replicas]`, and the given uniform numbers
    /// in [0, 1) for its decisions: ladder after ladder, one for each try.
    ///
    /// # Errors
    /// [`Error::Invalid`] for wrong counts or numbers; see also [`Engine::exchange`].
    fn exchange_with(&mut self, energies: &[f64], uniforms: &[f64]) -> Result<()>;

    /// The number of directed edges of each replica within the cutoff, in its present state. Zero
    /// without a network.
    ///
    /// # Errors
    /// See [`Engine::read`].
    fn n_edges(&mut self) -> Result<Vec<u64>>;

    /// Advances like [`Engine::advance`], and returns the device time of every kernel call of an
    /// outer step, in order.
    ///
    /// # Errors
    /// [`Error::Unsupported`] on a backend or device without such times.
    fn profile(&mut self, n_steps: u64) -> Result<Vec<KernelTime>>;

    /// The number of neighbor lists built since the state was set, summed over replicas; `None` on
    /// a backend that does not count them.
    ///
    /// # Errors
    /// See [`Engine::read`].
    fn list_builds(&mut self) -> Result<Option<u64>>;
}
