//! The state of all replicas.

use std::collections::BTreeMap;

use super::ladder::Exchanged;
use super::watch::Frozen;
use crate::error::{Error, Result};
use crate::sanity::check_overlaps;
use crate::structure::check_vectors;
use crate::system::System;

/// The whole state of a run: with the same system, dynamics and backend, a run continues from it
/// bit for bit.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    /// Positions, Å, `[n_beads]` over all replicas.
    pub positions: Vec<[f64; 3]>,
    /// Velocities, Å/ps, `[n_beads]`. The overdamped integrators do not change them.
    pub velocities: Vec<[f64; 3]>,
    /// The origin of each replica, in whole Å. A GPU counts the replica's positions from it.
    /// `[n_replicas]`
    pub origins: Vec<[f64; 3]>,
    /// 1/(k_B T) of each replica, mol/kcal. `[n_replicas]`
    pub beta: Vec<f64>,
    /// Steps done.
    pub step: u64,
    /// The labels of the replicas and the counts of the exchanges; empty without exchange.
    pub exchanged: Exchanged,
    /// The replicas that are frozen, by their numbers in the system.
    pub frozen: BTreeMap<usize, Frozen>,
    /// The potential of all hills of [`Dynamics::metadynamics`](super::Dynamics::metadynamics), as
    /// [`Grid::nodes`](crate::hills::Grid::nodes) has it. Empty without metadynamics; in a state that
    /// is set also for no hills.
    #[cfg_attr(feature = "serde", serde(default))]
    pub hills: Vec<[f64; 4]>,
    /// The work on the replicas by each moving bias. A state that is set may lack some, which then
    /// start from 0.
    #[cfg_attr(feature = "serde", serde(default))]
    pub work: Work,
}

/// The work of moving biases by their names, kcal/mol, `[n_replicas]`.
pub type Work = BTreeMap<String, Vec<f64>>;

/// The largest absolute value of a coordinate, Å. Up to here f64 holds the sum of an origin and the
/// two f32 of a position on a device exactly.
pub const FARTHEST: f64 = 1_048_576.0;

/// A replica gets a new origin when a coordinate of its first bead is more than this from the old
/// one, Å.
pub const RECENTER: f64 = 64.0;

impl State {
    /// A state with velocities 0, 1/(k_B T) = 1 mol/kcal and step 0.
    pub fn at_rest(system: &System, positions: Vec<[f64; 3]>) -> Self {
        let velocities = vec![[0.0; 3]; positions.len()];
        let beta = vec![1.0; system.n_replicas()];
        let origins = origins(system, &positions);
        State { positions, velocities, origins, beta, ..State::default() }
    }

    /// Checks counts and ranges.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first value that is wrong.
    pub fn check(&self, system: &System) -> Result<()> {
        check_positions(system, &self.positions)?;
        check_vectors("velocities", &self.velocities, system.n_beads())?;
        let n_replicas = system.n_replicas();
        check_count("origins", self.origins.len(), n_replicas)?;
        let near = |x: &f64| x.abs() <= FARTHEST && x.fract() == 0.0;
        if let Some(r) = self.origins.iter().position(|origin| !origin.iter().all(near)) {
            let found = format!("{:?}", self.origins[r]);
            let expected = format!("whole numbers within {FARTHEST} Å");
            return Err(Error::invalid(format!("origins[{r}]"), found, expected));
        }
        check_beta(&self.beta, n_replicas)?;
        let is_known = |(r, frozen): &(&usize, &Frozen)| {
            let known = **r < n_replicas && (frozen.bead as usize) < system.beads(**r).len();
            known && frozen.step <= self.step
        };
        match self.frozen.iter().find(|entry| !is_known(entry)) {
            Some((r, frozen)) => {
                let expected = "replicas with beads of the system, and steps that are done";
                Err(Error::invalid(format!("frozen[{r}]"), format!("{frozen:?}"), expected))
            }
            None => Ok(()),
        }
    }

    /// Replaces the velocities.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong count or numbers that are not finite.
    pub(crate) fn set_velocities(&mut self, velocities: &[[f64; 3]]) -> Result<()> {
        check_vectors("velocities", velocities, self.velocities.len())?;
        self.velocities.copy_from_slice(velocities);
        Ok(())
    }

    /// Whether replica `r` is frozen.
    pub fn is_frozen(&self, r: usize) -> bool {
        self.frozen.contains_key(&r)
    }

    /// Freezes replica `r`, unless it froze at an earlier step.
    pub(super) fn freeze(&mut self, r: usize, frozen: Frozen) {
        let known = self.frozen.entry(r).or_insert(frozen);
        *known = frozen.min(*known);
    }

    /// Replaces the energies of frozen replicas by NaN, so that they take no part in exchanges.
    pub(crate) fn without_frozen(&self, mut energies: Vec<f64>) -> Vec<f64> {
        for r in self.frozen.keys() {
            if let Some(energy) = energies.get_mut(*r) {
                *energy = f64::NAN;
            }
        }
        energies
    }
}

/// The origin of each replica by the rule of the devices: the position of the first bead, rounded
/// to whole Å, if a coordinate of it is farther than [`RECENTER`] from 0; else 0.
pub fn origins(system: &System, positions: &[[f64; 3]]) -> Vec<[f64; 3]> {
    let first = system.first_bead[..system.n_replicas()].iter();
    first.map(|first| origin(positions.get(*first))).collect()
}

/// The origin of a replica whose first bead has this position.
pub(crate) fn origin(first: Option<&[f64; 3]>) -> [f64; 3] {
    match first {
        Some(first) if first.iter().any(|x| x.abs() > RECENTER) => first.map(f64::round),
        _ => [0.0; 3],
    }
}

/// Checks that every bead has a position, that all coordinates are within [`FARTHEST`], and that no
/// two beads are where the energy is not defined.
pub(crate) fn check_positions(system: &System, positions: &[[f64; 3]]) -> Result<()> {
    check_vectors("positions", positions, system.n_beads())?;
    match positions.iter().position(|x| x.iter().any(|x| x.abs() > FARTHEST)) {
        Some(bead) => {
            let expected = format!("coordinates within {FARTHEST} Å");
            let found = format!("{:?}", positions[bead]);
            Err(Error::invalid(format!("positions[{bead}]"), found, expected))
        }
        None => check_overlaps(system, positions),
    }
}

/// Checks inverse temperatures.
pub(super) fn check_beta(beta: &[f64], n_replicas: usize) -> Result<()> {
    check_count("beta", beta.len(), n_replicas)?;
    // Devices hold kT in f32.
    let is_temperature = |beta: &f64| *beta > 0.0 && ((1.0 / beta) as f32).is_normal();
    match beta.iter().find(|beta| !is_temperature(beta)) {
        Some(beta) => Err(Error::invalid("beta", beta, "a finite inverse temperature > 0")),
        None => Ok(()),
    }
}

pub(super) fn check_count(field: &str, found: usize, n_replicas: usize) -> Result<()> {
    if found == n_replicas {
        return Ok(());
    }
    Err(Error::invalid(field, found, format!("{n_replicas}, one per replica")))
}
