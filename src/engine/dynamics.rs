//! The dynamics of a run: equations of motion, time step and random numbers.

use super::ladder::{Exchange, Exchanged};
use super::state::{State, check_beta, check_count};
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::hills::Grid;
use crate::metadynamics::Metadynamics;
use crate::system::System;

/// The equations of motion.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Integrator {
    /// Langevin dynamics, BAOAB splitting (Leimkuhler and Matthews 2013). With h = dt and
    /// c = exp(−friction h): v += h/2 F/m; x += h/2 v; v = c v + √((1−c²)/(β m)) ξ; x += h/2 v;
    /// F(x); v += h/2 F/m.
    Langevin {
        /// 1/ps.
        friction: f64,
    },
    /// Velocity Verlet: v += h/2 F/m; x += h v; F(x); v += h/2 F/m.
    Nve,
    /// Overdamped Langevin (Brownian) dynamics: x += β D F h + √(2 D h) ξ; F(x), with
    /// D = 1/(β friction). It samples exp(−β E).
    Overdamped {
        /// kcal ps/(mol Å²). The masses have no effect.
        friction: f64,
    },
    /// Overdamped dynamics as in the published tool chain, which omits β from the drift:
    /// x += D F h + √(2 D h) ξ. It samples exp(−E/(1 kcal/mol)) for any β. Only for comparison with
    /// data from that tool chain.
    OverdampedPublished {
        /// kcal ps/(mol Å²).
        friction: f64,
    },
}

impl Integrator {
    /// The name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Integrator::Langevin { .. } => "langevin",
            Integrator::Nve => "nve",
            Integrator::Overdamped { .. } => "overdamped",
            Integrator::OverdampedPublished { .. } => "overdamped-published",
        }
    }

    /// The friction, if the integrator has one.
    pub fn friction(&self) -> Option<f64> {
        match *self {
            Integrator::Langevin { friction }
            | Integrator::Overdamped { friction }
            | Integrator::OverdampedPublished { friction } => Some(friction),
            Integrator::Nve => None,
        }
    }

    /// Whether the beads have velocities.
    pub fn has_velocities(&self) -> bool {
        match self {
            Integrator::Langevin { .. } | Integrator::Nve => true,
            Integrator::Overdamped { .. } | Integrator::OverdampedPublished { .. } => false,
        }
    }
}

/// Checks that a number of steps is a multiple of [`Dynamics::mts`], before there are dynamics.
///
/// # Errors
/// See [`Dynamics::check_steps`].
pub fn check_multiple(field: &str, steps: u64, mts: u32) -> Result<()> {
    let k = u64::from(mts.max(1));
    let below = steps - steps % k;
    if below == steps {
        return Ok(());
    }
    let nearest = match (below, below.checked_add(k)) {
        (0, Some(above)) => format!("{above} is the nearest"),
        (_, Some(above)) => format!("{below} and {above} are the nearest"),
        (_, None) => format!("{below} is the nearest"),
    };
    Err(Error::invalid(field, steps, format!("a multiple of {k}, for mts {k}; {nearest}")))
}

/// The most steps of an outer step. The resonance with vibrations leaves a few.
const MOST_MTS: u32 = 1000;

/// The least friction of a step, friction dt. exp(−friction dt) is an f32 on a device, which would
/// round smaller frictions by more than some percent, and finally to none.
const LEAST_FRICTION: f64 = 1e-6;

/// The last step that a state may have, so that no sum of steps overflows.
const LAST_STEP: u64 = u64::MAX / 2;

/// The dynamics of a run: equations of motion, time step, random numbers and ladders. Temperatures
/// are part of the [`State`].
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Dynamics {
    /// The equations of motion.
    pub integrator: Integrator,
    /// Time step, ps.
    pub dt: f64,
    /// The steps K of an outer step. The forces of the priors are fast: they act in every step, as
    /// external forces do. Those of the network are slow: they are computed once in K steps, and act
    /// with K times their size in the first and the last half kick of an outer step (impulse RESPA,
    /// Tuckerman, Berne and Martyna 1992). With K = 1 all forces act in every step.
    pub mts: u32,
    /// The seed, the key of the random numbers.
    pub seed: u64,
    /// The number of each replica, part of the counter of the random numbers. A replica with the
    /// same number gets the same bits alone as among others. `[n_replicas]`
    pub replica_ids: Vec<u32>,
    /// The ladders whose states the replicas exchange, if there are any.
    pub exchange: Option<Exchange>,
    /// The limits of a replica.
    pub watch: Watch,
    /// Whether the center of mass of each replica is at rest at the start. Then constant-energy
    /// dynamics keeps it at rest, and temperatures count 3 N − 3 degrees of freedom. A thermostat
    /// acts on the center of mass too, so that with one they count 3 N.
    pub remove_com_motion: bool,
    /// Temperatures of all replicas that change with the step: points of steps and K, in order. The
    /// temperature is linear in the step between two points, and constant before the first and
    /// after the last. It changes after each outer step, and is a function of the steps done alone.
    /// Empty for constant temperatures.
    pub anneal: Vec<(u64, f64)>,
    /// Metadynamics of all replicas, if there is one. It acts like a bias with the number behind
    /// those of [`Engine::set_biases`](super::Engine::set_biases).
    #[cfg_attr(feature = "serde", serde(default))]
    pub metadynamics: Option<Metadynamics>,
}

impl Dynamics {
    /// Dynamics for an engine that only evaluates: overdamped, which needs no masses, replicas
    /// numbered from 0, and no limits.
    pub fn none(system: &System) -> Self {
        let replica_ids = (0..system.n_replicas() as u32).collect();
        let integrator = Integrator::Overdamped { friction: 1.0 };
        Dynamics {
            integrator,
            dt: 0.001,
            mts: 1,
            seed: 0,
            replica_ids,
            exchange: None,
            watch: Watch::OFF,
            remove_com_motion: false,
            anneal: Vec::new(),
            metadynamics: None,
        }
    }

    /// Checks counts and ranges, and that the beads have masses if the integrator needs them.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first value that is wrong.
    pub fn check(&self, system: &System) -> Result<()> {
        if !(self.dt.is_finite() && self.dt > 0.0) {
            return Err(Error::invalid("dt", self.dt, "a time step > 0 ps"));
        }
        if !(self.dt as f32).is_normal() {
            return Err(Error::invalid("dt", self.dt, "a time step that single precision holds"));
        }
        if let Some(friction) = self.integrator.friction() {
            if !(friction.is_finite() && friction > 0.0) {
                return Err(Error::invalid("friction", friction, "a number > 0"));
            }
            let (strength, held) = match self.integrator {
                Integrator::Langevin { .. } => (friction * self.dt, LEAST_FRICTION..f64::INFINITY),
                _ => (self.dt / friction, f64::from(f32::MIN_POSITIVE)..f64::from(f32::MAX)),
            };
            if !held.contains(&strength) {
                let expected = "a friction that single precision holds with this time step; nve \
                                has none";
                return Err(Error::invalid("friction", friction, expected));
            }
        }
        if self.integrator.has_velocities()
            && let Some(replica) =
                (0..system.n_replicas()).find(|r| system.molecule(*r).masses[0].is_nan())
        {
            let expected = format!(
                "structures with masses, which {} dynamics needs; the overdamped integrator needs none",
                self.integrator.name()
            );
            let found = format!("none in the structure of replica {replica}");
            return Err(Error::invalid("masses", found, expected));
        }
        if !(1..=MOST_MTS).contains(&self.mts) {
            let expected = format!("a number of steps from 1 to {MOST_MTS}");
            return Err(Error::invalid("mts", self.mts, expected));
        }
        if self.mts > 1 && !self.integrator.has_velocities() {
            let expected = format!("1, for {} dynamics", self.integrator.name());
            return Err(Error::invalid("mts", self.mts, expected));
        }
        check_count("replica_ids", self.replica_ids.len(), system.n_replicas())?;
        self.watch.check()?;
        self.check_anneal()?;
        if self.remove_com_motion && !self.integrator.has_velocities() {
            let expected = format!("none, for {} dynamics", self.integrator.name());
            return Err(Error::invalid("remove-com-motion", "velocities to change", expected));
        }
        self.check_metadynamics(system)?;
        let Some(exchange) = &self.exchange else { return Ok(()) };
        self.check_steps("exchange-interval", exchange.every)?;
        // The others do not sample exp(−β E).
        match self.integrator {
            Integrator::Langevin { .. } | Integrator::Overdamped { .. } => exchange.check(system),
            Integrator::Nve | Integrator::OverdampedPublished { .. } => {
                let expected = "langevin or overdamped, for replica exchange";
                Err(Error::invalid("integrator", self.integrator.name(), expected))
            }
        }
    }

    fn check_metadynamics(&self, system: &System) -> Result<()> {
        let Some(metadynamics) = &self.metadynamics else { return Ok(()) };
        metadynamics.check(system)?;
        if self.exchange.is_some() {
            return Err(Error::unsupported(
                "metadynamics together with replica exchange",
                "use one of them",
            ));
        }
        let checked = self.check_steps("every", metadynamics.every);
        checked.map_err(|error| error.of_bias(&metadynamics.name))
    }

    /// Checks that a number of steps is a number of whole outer steps.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the field, and the nearest numbers that are right.
    pub fn check_steps(&self, field: &str, steps: u64) -> Result<()> {
        check_multiple(field, steps, self.mts)
    }

    /// The weights of the slow forces in the two half kicks of each step of an outer step: K in the
    /// first and in the last half kick, and 0 between them.
    pub(crate) fn slow_weights(&self) -> impl Iterator<Item = [u32; 2]> + use<> {
        let k = self.mts;
        let weight = move |acts: bool| if acts { k } else { 0 };
        (0..k).map(move |step| [weight(step == 0), weight(step + 1 == k)])
    }

    /// The ladders.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there are none.
    pub(crate) fn exchange(&self) -> Result<&Exchange> {
        let none = || Error::invalid("exchange", "none", "dynamics with ladders");
        self.exchange.as_ref().ok_or_else(none)
    }

    /// Replaces the temperatures of all ladders.
    ///
    /// # Errors
    /// [`Error::Invalid`] for wrong temperatures, or other walkers or mixing than before.
    pub(crate) fn set_ladders(&mut self, system: &System, exchange: &Exchange) -> Result<()> {
        exchange.check(system)?;
        let walkers = |exchange: &Exchange| -> Vec<Vec<usize>> {
            exchange.ladders.iter().map(|ladder| ladder.walkers.clone()).collect()
        };
        let own = self.exchange()?;
        if own.mixing != exchange.mixing || walkers(own) != walkers(exchange) {
            return Err(Error::invalid("ladders", "other walkers or mixing", "those of the run"));
        }
        self.exchange = Some(exchange.clone());
        Ok(())
    }

    /// Checks a state for these dynamics.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the first value that is wrong.
    pub fn check_state(&self, system: &System, state: &State) -> Result<()> {
        state.check(system)?;
        if state.step > LAST_STEP {
            return Err(Error::invalid("step", state.step, format!("at most {LAST_STEP}")));
        }
        self.check_steps("step", state.step)?;
        self.grid(&state.hills)?;
        match &self.exchange {
            Some(exchange) => exchange.check_state(&state.exchanged, &state.beta),
            None if state.exchanged == Exchanged::default() => Ok(()),
            None => Err(Error::invalid("exchanged", "labels", "none, without exchange")),
        }
    }

    /// Checks temperatures that a caller sets in a run.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong count or a number out of range, and if replica exchange or
    /// [`Dynamics::anneal`] sets the temperatures.
    pub(crate) fn check_beta(&self, beta: &[f64]) -> Result<()> {
        check_beta(beta, self.replica_ids.len())?;
        let found = match (&self.exchange, self.anneal.is_empty()) {
            (Some(_), _) => "replica exchange, which sets them",
            (None, false) => "temperatures that change with the step",
            (None, true) => return Ok(()),
        };
        Err(Error::invalid("temperatures", found, "dynamics at constant temperatures"))
    }

    /// The grid of the metadynamics with these nodes, or without hills if there are none.
    ///
    /// # Errors
    /// See [`Grid::with_nodes`]; [`Error::Invalid`] for nodes without metadynamics.
    pub(crate) fn grid(&self, nodes: &[[f64; 4]]) -> Result<Option<Grid>> {
        match (&self.metadynamics, nodes) {
            (None, []) => Ok(None),
            (None, _) => {
                Err(Error::invalid("hills, nodes", nodes.len(), "0, without metadynamics"))
            }
            (Some(of), []) => Grid::new(of.hills.clone()).map(Some),
            (Some(of), _) => Grid::with_nodes(of.hills.clone(), nodes.to_vec()).map(Some),
        }
    }

    /// `state` before the first exchange: with the labels where the walkers start, and their
    /// temperatures. Without exchange, `state` with the temperature of its step if that changes.
    pub fn at_start(&self, mut state: State) -> State {
        if let Some(exchange) = &self.exchange {
            state.exchanged = exchange.start(state.beta.len());
            exchange.set_beta(&state.exchanged, &mut state.beta);
        }
        self.set_temperature(&mut state);
        state
    }
}
