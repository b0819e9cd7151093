//! From structures and settings to the first state.

use crate::engine::{Dynamics, Integrator, State};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::random::{Stream, normal3};
use crate::system::{Structure, System, in_structure};
use crate::units;

/// More beads than this in all replicas together are refused.
const MAX_BEADS: usize = 1 << 28;

/// How many replicas, and how they move.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Replicas to run; replica `r` starts from structure `r` modulo their number.
    pub n_replicas: usize,
    /// The equations of motion.
    pub integrator: Integrator,
    /// Time step, ps.
    pub dt: f64,
    /// 1/(k_B T), mol/kcal: one value for all replicas or one for each.
    pub beta: Vec<f64>,
    /// Key of the random numbers.
    pub seed: u64,
    /// The number of the first replica. Replica 5 computed alone, as the first of one, moves as it
    /// does among others.
    pub first_replica: u32,
}

impl Default for Settings {
    /// One replica, Langevin dynamics at 300 K with a friction of 1/ps and 4 fs steps.
    fn default() -> Self {
        Settings {
            n_replicas: 1,
            integrator: Integrator::Langevin { friction: 1.0 },
            dt: 0.004,
            beta: vec![units::beta(300.0)],
            seed: 7,
            first_replica: 0,
        }
    }
}

fn replica_ids(settings: &Settings) -> Result<std::ops::Range<u32>> {
    let n_replicas = u32::try_from(settings.n_replicas).ok().filter(|n| *n > 0);
    let end = n_replicas.and_then(|n| settings.first_replica.checked_add(n));
    let expected = "at least one replica, and numbers below 4294967295";
    let end = end.ok_or_else(|| Error::invalid("replicas", settings.n_replicas, expected))?;
    Ok(settings.first_replica..end)
}

/// The structure of each replica, and the system of them all.
pub(super) fn replicas(
    model: &Model,
    structures: &[Structure],
    settings: &Settings,
) -> Result<(Vec<Structure>, System)> {
    if structures.is_empty() {
        return Err(Error::invalid("structures", "none", "at least one"));
    }
    for (s, structure) in structures.iter().enumerate() {
        structure.check().map_err(|error| in_structure(error, s))?;
    }
    // Beads are numbered in 32 bits on the device, with room for the neighbors of each.
    let most_beads = structures.iter().map(|s| s.positions.len()).max().unwrap_or(1);
    let most_replicas = MAX_BEADS / most_beads;
    if settings.n_replicas > most_replicas {
        let expected = format!("at most {most_replicas} of {most_beads} beads");
        return Err(Error::invalid("replicas", settings.n_replicas, expected));
    }
    let number = |id| id as usize % structures.len();
    let numbers: Vec<usize> = replica_ids(settings)?.map(number).collect();
    // Of the structures and not of the replicas, so that errors name what the caller gave.
    let system = System::new(model, structures)?.select(numbers.iter().copied());
    Ok((numbers.iter().map(|s| structures[*s].clone()).collect(), system))
}

/// The dynamics of all replicas.
pub(super) fn dynamics(settings: &Settings) -> Result<Dynamics> {
    let beta = match settings.beta[..] {
        [beta] => vec![beta; settings.n_replicas],
        _ if settings.beta.len() == settings.n_replicas => settings.beta.clone(),
        _ => {
            let expected = format!("one value, or {}, one per replica", settings.n_replicas);
            let found = format!("{} values", settings.beta.len());
            return Err(Error::invalid("temperature", found, expected));
        }
    };
    Ok(Dynamics {
        integrator: settings.integrator,
        dt: settings.dt,
        beta,
        seed: settings.seed,
        replica_ids: replica_ids(settings)?.collect(),
    })
}

/// Positions of the structures, and their velocities or Maxwell and Boltzmann's.
pub(super) fn state(structures: &[Structure], dynamics: &Dynamics) -> State {
    let mut state = State::default();
    for (r, structure) in structures.iter().enumerate() {
        state.positions.extend(&structure.positions);
        let masses = &structure.topology.masses;
        match (&structure.velocities, dynamics.integrator) {
            (_, Integrator::Overdamped { .. }) => {
                state.velocities.resize(state.positions.len(), [0.0; 3]);
            }
            (Some(velocities), _) => state.velocities.extend(velocities),
            (None, _) => state.velocities.extend(masses.iter().enumerate().map(|(bead, mass)| {
                let (seed, id) = (dynamics.seed, dynamics.replica_ids[r]);
                let thermal = (1.0 / (dynamics.beta[r] * mass)).sqrt();
                normal3(seed, Stream::Velocities, id, 0, bead as u32).map(|xi| thermal * xi)
            })),
        }
    }
    state
}
