//! The energies and temperatures of replicas, and those of biases.

use crate::engine::{Dynamics, Integrator, State};
use crate::system::System;
use crate::units;

/// Energies of each replica; NaN for a frozen one.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Energies {
    /// kcal/mol.
    pub potential: Vec<f64>,
    /// ½ Σ m v², kcal/mol; NaN with the overdamped integrators, which have no velocities.
    pub kinetic: Vec<f64>,
    /// Temperature of the kinetic energy, K: in 3 N degrees of freedom, or in 3 N − 3 where the center
    /// of mass stays at rest ([`Dynamics::remove_com_motion`] with constant energy, if no force from
    /// outside and no velocity that is set moves it).
    pub temperature: Vec<f64>,
    /// Energy of the force callback, kcal/mol; empty without one.
    pub callback: Vec<f64>,
    /// Temperature of the thermostat, K; empty unless it changes with the step
    /// ([`Dynamics::anneal`]).
    pub thermostat: Vec<f64>,
}

/// Value and energy of a bias at one step; for metadynamics the value of the first variable.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct BiasValues {
    /// The name of the bias.
    pub name: String,
    /// Å or rad, `[n_replicas]`; NaN for a frozen replica.
    pub value: Vec<f64>,
    /// The value of the second variable of metadynamics, as `value`; empty without one.
    pub second: Vec<f64>,
    /// kcal/mol, `[n_replicas]`; NaN for a frozen replica.
    pub energy: Vec<f64>,
    /// Work of a moving bias on each replica, kcal/mol, `[n_replicas]`; empty for another bias.
    pub work: Vec<f64>,
}

impl Energies {
    /// Adds kinetic energies and temperatures to potential energies and those of a callback.
    pub(super) fn new(
        system: &System,
        dynamics: &Dynamics,
        state: &State,
        potential: Vec<f64>,
        callback: Vec<f64>,
    ) -> Self {
        let mut energies = Energies { potential, callback, ..Energies::default() };
        let integrator = dynamics.integrator;
        let is_at_rest = dynamics.remove_com_motion && integrator == Integrator::Nve;
        if !dynamics.anneal.is_empty() {
            energies.thermostat = state.beta.iter().map(|beta| units::kelvin(*beta)).collect();
        }
        for r in 0..system.n_replicas() {
            let beads = system.beads(r);
            let kinetic = match integrator.has_velocities() && !state.is_frozen(r) {
                true => kinetic(&system.molecule(r).masses, &state.velocities[beads.clone()]),
                false => f64::NAN,
            };
            energies.kinetic.push(kinetic);
            let degrees = 3 * beads.len() - if is_at_rest { 3 } else { 0 };
            energies.temperature.push(units::temperature_of(kinetic, degrees));
        }
        energies
    }
}

/// ½ Σ m v².
fn kinetic(masses: &[f64], velocities: &[[f64; 3]]) -> f64 {
    let twice =
        velocities.iter().zip(masses).map(|(v, m)| m * v.iter().map(|v| v * v).sum::<f64>());
    0.5 * twice.sum::<f64>()
}
