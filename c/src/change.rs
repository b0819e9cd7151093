//! Changes of replicas between steps.

use flashschnet::simulation::Reset;

use crate::pointer::{array, vectors};
use crate::simulation::{Simulation, running};
use crate::status::{Status, guard};

/// Replaces the positions of all replicas, A, [3 n_beads]. Frozen replicas move again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_simulation_set_positions(
    simulation: *mut Simulation,
    positions: *const f64,
    n_beads: usize,
) -> Status {
    // SAFETY: the caller follows the header.
    guard(|| unsafe {
        let positions = vectors("positions", positions, n_beads)?;
        Ok(running(simulation)?.simulation.set_positions(positions)?)
    })
}

/// Replaces the velocities of all replicas, A/ps, [3 n_beads].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_simulation_set_velocities(
    simulation: *mut Simulation,
    velocities: *const f64,
    n_beads: usize,
) -> Status {
    // SAFETY: the caller follows the header.
    guard(|| unsafe {
        let velocities = vectors("velocities", velocities, n_beads)?;
        Ok(running(simulation)?.simulation.set_velocities(velocities)?)
    })
}

/// Multiplies the velocities of each replica by its factor, [n_replicas]: sqrt(T_new/T_old) after a
/// change of temperature.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_simulation_scale_velocities(
    simulation: *mut Simulation,
    factors: *const f64,
    n_replicas: usize,
) -> Status {
    // SAFETY: the caller follows the header.
    guard(|| unsafe {
        let factors = array("factors", factors, n_replicas)?;
        Ok(running(simulation)?.simulation.scale_velocities(factors)?)
    })
}

/// Replaces the temperatures of the thermostats, K, [n_replicas]. Velocities stay.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_simulation_set_temperatures(
    simulation: *mut Simulation,
    temperatures: *const f64,
    n_replicas: usize,
) -> Status {
    // SAFETY: the caller follows the header.
    guard(|| unsafe {
        let temperatures = array("temperatures", temperatures, n_replicas)?;
        Ok(running(simulation)?.simulation.set_temperatures(temperatures)?)
    })
}

/// Exchanges positions and velocities of the two replicas of each pair, [2 n_pairs], one pair after the
/// other, so that a replica can be in several. Replicas of a pair have one molecule. Temperatures stay.
/// The time is that of a few steps, for any number of pairs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_simulation_swap(
    simulation: *mut Simulation,
    pairs: *const usize,
    n_pairs: usize,
) -> Status {
    // SAFETY: the caller follows the header.
    guard(|| unsafe {
        let pairs: &[[usize; 2]] = array("pairs", pairs.cast(), n_pairs)?;
        Ok(running(simulation)?.simulation.swap(pairs)?)
    })
}

/// Puts replicas back to their last good states, with new random velocities, and lets them move if
/// they were frozen. The time is that of a few steps, for any number of replicas.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsn_simulation_reset(
    simulation: *mut Simulation,
    replicas: *const usize,
    n_replicas: usize,
) -> Status {
    // SAFETY: the caller follows the header.
    guard(|| unsafe {
        let replicas = array("replicas", replicas, n_replicas)?;
        let resets: Vec<Reset> = replicas.iter().copied().map(Reset::last_good).collect();
        Ok(running(simulation)?.simulation.reset(&resets)?)
    })
}
