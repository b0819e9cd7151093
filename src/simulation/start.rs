//! The initial system, dynamics and state, from structures and settings.

use crate::bias::Bias;
use crate::engine::{Dynamics, Exchange, Integrator, Minimization, State, Watch};
use crate::error::{Error, Result};
use crate::host;
use crate::metadynamics::Metadynamics;
use crate::model::Model;
use crate::random::{Stream, normal3};
use crate::sanity;
use crate::structure::{Structure, in_structure};
use crate::system::System;
use crate::units;

/// More beads than this in all replicas together are refused.
const MAX_BEADS: usize = 1 << 28;

/// The number of replicas, and how they move.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The number of replicas. Replica `r` starts from structure `r` modulo the number of
    /// structures.
    pub n_replicas: usize,
    /// The equations of motion.
    pub integrator: Integrator,
    /// Time step, ps.
    pub dt: f64,
    /// The steps of an outer step, with one evaluation of the network ([`Dynamics::mts`]). The step
    /// of every frame, exchange and end of a run is a multiple of it.
    pub mts: u32,
    /// 1/(k_B T), mol/kcal: one value for all replicas or one for each.
    pub beta: Vec<f64>,
    /// Seed of the random numbers.
    pub seed: u64,
    /// The number of the first replica. It selects the structure and the random numbers: with
    /// `first_replica` 5, replica 5 moves alone as it does among others.
    pub first_replica: u32,
    /// Replica exchange. It replaces `beta` for the replicas of its ladders, which are counted from
    /// 0 within the run.
    pub exchange: Option<Exchange>,
    /// The limits of a replica, and the action when a replica exceeds one.
    pub watch: Watch,
    /// Whether the motion of the center of mass of each replica is removed from the velocities at the
    /// start: v −= Σ m v/Σ m ([`Dynamics::remove_com_motion`]).
    pub remove_com_motion: bool,
    /// Temperatures that change with the step, as in [`Dynamics::anneal`]. They replace `beta`.
    pub anneal: Vec<(u64, f64)>,
    /// The biases that act in every step, also in a minimization of the start.
    pub biases: Vec<Bias>,
    /// Metadynamics of all replicas ([`Dynamics::metadynamics`]).
    pub metadynamics: Option<Metadynamics>,
    /// A minimization of the start, before it is checked ([`Settings::check_start`]).
    pub minimize: Option<Minimization>,
    /// Whether a start is refused that clashes, or whose vibrations are too fast for
    /// [`Settings::mts`]. A run that continues from a state of its own does not need the check.
    pub check_start: bool,
}

impl Default for Settings {
    /// One replica, Langevin dynamics at 300 K with a friction of 1/ps and 4 fs steps.
    fn default() -> Self {
        Settings {
            n_replicas: 1,
            integrator: Integrator::Langevin { friction: 1.0 },
            dt: 0.004,
            mts: 1,
            beta: vec![units::beta(300.0)],
            seed: 7,
            first_replica: 0,
            exchange: None,
            watch: Watch::default(),
            remove_com_motion: false,
            anneal: Vec::new(),
            biases: Vec::new(),
            metadynamics: None,
            minimize: None,
            check_start: true,
        }
    }
}

fn replica_ids(settings: &Settings) -> Result<std::ops::Range<u32>> {
    let Settings { n_replicas, first_replica, .. } = *settings;
    let Some(n) = u32::try_from(n_replicas).ok().filter(|n| *n > 0) else {
        return Err(Error::invalid("replicas", n_replicas, "at least 1"));
    };
    let most = u32::MAX - n;
    if first_replica > most {
        let expected = format!("at most {most}, so that {n} replicas have numbers of 32 bits");
        return Err(Error::invalid("first-replica", first_replica, expected));
    }
    Ok(first_replica..first_replica + n)
}

/// The bytes of host memory for a bead, an estimate: positions and velocities have 48, and a run
/// holds about seven copies of them, for the state, the engine, a reading, a frame and the last good
/// state.
const BEAD_BYTES: u64 = 350;

/// The number of the structure of each replica, and the system of them all.
pub(super) fn replicas(
    model: &Model,
    structures: &[Structure],
    settings: &Settings,
) -> Result<(Vec<usize>, System)> {
    if structures.is_empty() {
        return Err(Error::invalid("structures", "none", "at least one"));
    }
    for (s, structure) in structures.iter().enumerate() {
        structure.check_vectors().map_err(|error| in_structure(error, s))?;
    }
    // Beads are numbered in 32 bits on the device, with room for the neighbors of each.
    let most_beads = structures.iter().map(|s| s.positions.len()).max().unwrap_or(1).max(1);
    let most_replicas = MAX_BEADS / most_beads;
    if settings.n_replicas > most_replicas {
        let expected = format!("at most {most_replicas} replicas of {most_beads} beads");
        return Err(Error::invalid("replicas", settings.n_replicas, expected));
    }
    let beads = settings.n_replicas as u64 * most_beads as u64;
    let what = format!("{} replicas of {most_beads} beads", settings.n_replicas);
    let fit = host::available().unwrap_or(u64::MAX) / BEAD_BYTES / most_beads as u64;
    let advice = format!("about {fit} replicas would fit");
    host::require(what, beads * BEAD_BYTES, &advice).map_err(|error| error.fitting(fit))?;
    let number = |id| id as usize % structures.len();
    let numbers: Vec<usize> = replica_ids(settings)?.map(number).collect();
    // The system is built from the structures, not the replicas, so that errors name a structure.
    let system = System::new(model, structures)?;
    for (s, structure) in structures.iter().enumerate() {
        for doubt in sanity::doubts(system.molecule(s), &structure.positions) {
            log::warn!("structure {s}: {doubt}");
        }
    }
    if settings.integrator.has_velocities() {
        let doubts = system.molecules.iter().filter_map(|molecule| sanity::doubt_masses(molecule));
        doubts.for_each(|doubt| log::warn!("{doubt}"));
    }
    let system = system.select(numbers.iter().copied());
    Ok((numbers, system))
}

/// The dynamics of all replicas.
pub(super) fn dynamics(settings: &Settings) -> Result<Dynamics> {
    Ok(Dynamics {
        integrator: settings.integrator,
        dt: settings.dt,
        mts: settings.mts,
        seed: settings.seed,
        replica_ids: replica_ids(settings)?.collect(),
        exchange: settings.exchange.clone(),
        watch: settings.watch,
        remove_com_motion: settings.remove_com_motion,
        anneal: settings.anneal.clone(),
        metadynamics: settings.metadynamics.clone(),
    })
}

/// 1/(k_B T) of each replica.
fn beta(settings: &Settings) -> Result<Vec<f64>> {
    match settings.beta[..] {
        [beta] => Ok(vec![beta; settings.n_replicas]),
        _ if settings.beta.len() == settings.n_replicas => Ok(settings.beta.clone()),
        _ => {
            let expected = format!("one value, or {}, one per replica", settings.n_replicas);
            let found = format!("{} values", settings.beta.len());
            Err(Error::invalid("temperature", found, expected))
        }
    }
}

/// The initial state: the positions and velocities of the structures. A structure without
/// velocities gets random ones from the Maxwell-Boltzmann distribution.
pub(super) fn state(
    (structures, numbers): (&[Structure], &[usize]),
    system: &System,
    settings: &Settings,
    dynamics: &Dynamics,
) -> Result<State> {
    let of_replicas = || numbers.iter().map(|s| &structures[*s]);
    let positions = of_replicas().flat_map(|s| s.positions.iter().copied()).collect();
    let state = State { beta: beta(settings)?, ..State::at_rest(system, positions) };
    let mut state = dynamics.at_start(state);
    state.check(system)?;
    if !dynamics.integrator.has_velocities() {
        return Ok(state);
    }
    for (r, structure) in of_replicas().enumerate() {
        let velocities = &mut state.velocities[system.beads(r)];
        let masses = &structure.topology.masses;
        match &structure.velocities {
            Some(given) => velocities.copy_from_slice(given),
            None => {
                let beta = state.beta[r];
                velocities.copy_from_slice(&self::velocities(dynamics, r, 0, beta, masses));
            }
        }
        if dynamics.remove_com_motion {
            stop_center(masses, velocities);
        }
    }
    Ok(state)
}

/// v −= Σ m v/Σ m.
pub(super) fn stop_center(masses: &[f64], velocities: &mut [[f64; 3]]) {
    let mass: f64 = masses.iter().sum();
    let of_center: [f64; 3] = std::array::from_fn(|c| {
        masses.iter().zip(&*velocities).map(|(m, v)| m * v[c]).sum::<f64>() / mass
    });
    for v in velocities {
        *v = std::array::from_fn(|c| v[c] - of_center[c]);
    }
}

/// Random velocities of replica `r` from the Maxwell-Boltzmann distribution, with the random numbers
/// of a step.
pub(super) fn velocities(
    dynamics: &Dynamics,
    r: usize,
    step: u64,
    beta: f64,
    masses: &[f64],
) -> Vec<[f64; 3]> {
    let (seed, id) = (dynamics.seed, dynamics.replica_ids[r]);
    let of_bead = |(bead, mass): (usize, &f64)| {
        let thermal = (1.0 / (beta * mass)).sqrt();
        normal3(seed, Stream::Velocities, id, step, bead as u32).map(|xi| thermal * xi)
    };
    masses.iter().enumerate().map(of_bead).collect()
}
