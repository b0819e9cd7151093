//! Forces that are computed on the host: constant external forces, those of a callback, and those of
//! biases for engines whose state is in host memory.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::biases;
use super::dynamics::Dynamics;
use super::evaluation::Evaluation;
use super::hills::HillsOnHost;
use super::state::{State, check_count};
use super::watch::Frozen;
use crate::bias::Bias;
use crate::error::{Error, Result};
use crate::structure::check_vectors;
use crate::system::System;

/// The results of a [`ForceCallback`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CallbackForces {
    /// Energies, kcal/mol, `[n_replicas]`. They are reported, and do not act on the dynamics. In a
    /// [`Reading`](super::Reading) they are NaN for a frozen replica.
    pub energy: Vec<f64>,
    /// Forces, kcal/mol/Å, `[n_beads]` over all replicas.
    pub forces: Vec<[f64; 3]>,
}

impl CallbackForces {
    /// Replaces the energies of frozen replicas by NaN.
    pub(crate) fn without_frozen(mut self, frozen: &BTreeMap<usize, Frozen>) -> Self {
        for r in frozen.keys() {
            self.energy[*r] = f64::NAN;
        }
        self
    }
}

/// A function of the host program that computes forces in every step. Closures that take positions
/// implement it.
pub trait ForceCallback: Send + Sync {
    /// Energies and forces at these positions, Å, `[n_beads]` over all replicas. An engine calls it on
    /// the thread that called the engine. Forces of a frozen replica are ignored.
    ///
    /// # Errors
    /// Any error ends the step, and the call that asked for the step returns it. A panic is an error,
    /// too.
    fn evaluate(&mut self, positions: &[[f64; 3]]) -> Result<CallbackForces>;
}

impl<F: FnMut(&[[f64; 3]]) -> Result<CallbackForces> + Send + Sync> ForceCallback for F {
    fn evaluate(&mut self, positions: &[[f64; 3]]) -> Result<CallbackForces> {
        self(positions)
    }
}

/// The forces from the host that act on an engine's replicas.
#[derive(Default)]
pub(crate) struct HostForces {
    external: Option<Vec<[f64; 3]>>,
    callback: Option<Box<dyn ForceCallback>>,
    /// The callback's results at the present positions; `None` until they are needed.
    found: Option<CallbackForces>,
    /// Empty for an engine that computes the forces of its biases on a device.
    biases: Vec<Bias>,
    /// `None` also while the hills do not act.
    hills: Option<HillsOnHost>,
    /// The forces of biases and hills at the present positions; `None` until they are needed.
    biasing: Option<Vec<[f64; 3]>>,
    /// The sum of all forces; `None` if there are none.
    sum: Option<Vec<[f64; 3]>>,
}

impl std::fmt::Debug for HostForces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("HostForces");
        shown.field("external", &self.external).field("has_callback", &self.has_callback());
        shown.field("biases", &self.biases).finish_non_exhaustive()
    }
}

impl HostForces {
    /// Replaces the external forces, which were checked.
    pub(crate) fn set_external(&mut self, forces: Option<&[[f64; 3]]>) {
        self.external = forces.map(<[_]>::to_vec);
        self.add_up();
    }

    /// Replaces the callback.
    pub(crate) fn set_callback(&mut self, callback: Option<Box<dyn ForceCallback>>) {
        self.callback = callback;
        self.outdate();
    }

    /// Replaces the biases, which were checked.
    pub(crate) fn set_biases(&mut self, biases: &[Bias]) {
        self.biases = biases.to_vec();
        self.biasing = None;
        self.add_up();
    }

    pub(crate) fn biases(&self) -> &[Bias] {
        &self.biases
    }

    /// The number of biases, with the metadynamics.
    pub(crate) fn n_biases(&self) -> usize {
        self.biases.len() + usize::from(self.hills.is_some())
    }

    /// Energies and forces of bias `k` alone.
    pub(crate) fn of_bias(&self, k: usize, first_bead: &[usize], state: &State) -> Evaluation {
        match &self.hills {
            Some(hills) if k == self.biases.len() => hills.evaluate(first_bead, state),
            _ => biases::evaluate(&self.biases[k..=k], first_bead, state, state.step),
        }
    }

    /// Values and energies of all biases, `[n_biases][n_replicas]`; NaN for a frozen replica.
    pub(crate) fn values(&self, system: &System, state: &State) -> Vec<Vec<[f64; 2]>> {
        let mut all = biases::values(&self.biases, system, state);
        all.extend(self.hills.iter().map(|hills| hills.values(&system.first_bead, state)));
        all
    }

    /// The value of the second variable of the hills in each replica, if there is one; NaN for a frozen
    /// replica.
    pub(crate) fn second(&self, system: &System, state: &State) -> Vec<f64> {
        self.hills.as_ref().map_or(Vec::new(), |hills| hills.second(&system.first_bead, state))
    }

    /// Replaces the hills by those of a state.
    ///
    /// # Errors
    /// See [`Dynamics::grid`].
    pub(crate) fn set_hills(&mut self, dynamics: &Dynamics, nodes: &[[f64; 4]]) -> Result<()> {
        self.hills = HillsOnHost::new(dynamics, nodes)?;
        self.outdate_biases();
        Ok(())
    }

    /// Makes the hills act no more, until they are set, and returns them.
    pub(crate) fn take_hills(&mut self) -> Vec<[f64; 4]> {
        let nodes = self.nodes();
        self.hills = None;
        self.outdate_biases();
        nodes
    }

    /// Bytes of the hills.
    pub(crate) fn bytes_of_hills(&self) -> usize {
        self.hills.as_ref().map_or(0, |hills| size_of_val(hills.nodes()))
    }

    /// [`State::hills`].
    pub(crate) fn nodes(&self) -> Vec<[f64; 4]> {
        self.hills.as_ref().map_or(Vec::new(), |hills| hills.nodes().to_vec())
    }

    /// Adds hills, if this is done at the step of a state.
    pub(crate) fn deposit(&mut self, state: &State, first_bead: &[usize]) {
        if self.hills.as_mut().is_some_and(|hills| hills.deposit(first_bead, state)) {
            self.outdate_biases();
        }
    }

    #[cfg(feature = "wgpu")]
    pub(crate) fn has_external(&self) -> bool {
        self.external.is_some()
    }

    pub(crate) fn has_callback(&self) -> bool {
        self.callback.is_some()
    }

    /// Refuses a callback where forces must be a function of the device.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    pub(crate) fn check_constant(&self) -> Result<()> {
        match self.has_callback() {
            true => Err(Error::unsupported(
                "energy minimization with a force callback",
                "remove the callback, and set it again afterwards",
            )),
            false => Ok(()),
        }
    }

    /// Refuses a callback where kernels are timed.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    #[cfg(feature = "wgpu")]
    pub(crate) fn check_timed(&self) -> Result<()> {
        match self.has_callback() {
            true => Err(Error::unsupported("timing kernels with a force callback", "remove it")),
            false => Ok(()),
        }
    }

    /// The positions changed, or the states of the replicas.
    pub(crate) fn outdate(&mut self) {
        (self.found, self.biasing) = (None, None);
        self.add_up();
    }

    /// Whether the callback must be called before the forces act.
    pub(crate) fn is_outdated(&self) -> bool {
        self.callback.is_some() && self.found.is_none()
    }

    /// Calls the callback, if there is one, at new positions. `is_frozen` tells whether a replica is
    /// frozen.
    pub(crate) fn call(
        &mut self,
        positions: &[[f64; 3]],
        first_bead: &[usize],
        is_frozen: impl Fn(usize) -> bool,
    ) -> Result<()> {
        self.found = None;
        let Some(callback) = &mut self.callback else { return Ok(()) };
        // A panic that passed through an engine would leave it in the middle of a step.
        let mut found = catch_unwind(AssertUnwindSafe(|| callback.evaluate(positions)))
            .unwrap_or_else(|_| {
                let expected = "energies and forces";
                Err(Error::invalid("force callback", "a panic", expected))
            })?;
        let n_replicas = first_bead.len() - 1;
        check_count("energies of the force callback", found.energy.len(), n_replicas)?;
        for r in (0..n_replicas).filter(|r| is_frozen(*r)) {
            let beads = first_bead[r]..first_bead[r + 1];
            let forces = found.forces.get_mut(beads).into_iter().flatten();
            forces.filter(|force| !is_finite(force)).for_each(|force| *force = [0.0; 3]);
        }
        let broken = |r: &usize| !(found.energy[*r].is_finite() || is_frozen(*r));
        if let Some(r) = (0..n_replicas).find(broken) {
            let field = format!("energies of the force callback[{r}]");
            return Err(Error::invalid(field, found.energy[r], "a finite number"));
        }
        check_vectors("forces of the force callback", &found.forces, positions.len())?;
        self.found = Some(found);
        self.add_up();
        Ok(())
    }

    /// The states of the replicas changed, or the hills.
    fn outdate_biases(&mut self) {
        self.biasing = None;
        self.add_up();
    }

    /// Computes the forces of biases and hills at a state, if they are outdated. `step` is the number
    /// of steps done when the present step ends. Replicas that are not on the grid freeze.
    pub(crate) fn update_biases(&mut self, state: &mut State, step: u64, first_bead: &[usize]) {
        if self.n_biases() == 0 || self.biasing.is_some() {
            return;
        }
        let mut forces = biases::evaluate(&self.biases, first_bead, state, step).forces;
        if let Some(hills) = &self.hills {
            hills.watch(first_bead, step, state);
            let of_hills = hills.evaluate(first_bead, state).forces;
            let all = forces.as_flattened_mut().iter_mut().zip(of_hills.as_flattened());
            all.for_each(|(sum, force)| *sum += force);
        }
        self.biasing = Some(forces);
        self.add_up();
    }

    /// Adds the work of moving biases in a step that began at these positions, after the drift. `step` is
    /// the number of steps done when it ends.
    pub(crate) fn add_work(
        &self,
        start: &[[f64; 3]],
        state: &mut State,
        step: u64,
        first_bead: &[usize],
    ) {
        biases::add_work(&self.biases, first_bead, start, state, step);
    }

    /// Computes the forces at a state that are outdated, as [`HostForces::update_biases`].
    pub(crate) fn update(
        &mut self,
        state: &mut State,
        step: u64,
        first_bead: &[usize],
    ) -> Result<()> {
        self.update_biases(state, step, first_bead);
        self.update_callback(state, first_bead)
    }

    /// Calls the callback at a state, if its results are outdated.
    pub(crate) fn update_callback(&mut self, state: &State, first_bead: &[usize]) -> Result<()> {
        match self.is_outdated() {
            true => self.call(&state.positions, first_bead, |r| state.is_frozen(r)),
            false => Ok(()),
        }
    }

    /// The lists of forces at the present positions.
    fn lists(&self) -> impl Iterator<Item = &Vec<[f64; 3]>> {
        let found = self.found.as_ref().map(|found| &found.forces);
        [self.external.as_ref(), found, self.biasing.as_ref()].into_iter().flatten()
    }

    fn add_up(&mut self) {
        let sum = self.lists().cloned().reduce(|mut sum, list| {
            let all = sum.as_flattened_mut().iter_mut().zip(list.as_flattened());
            all.for_each(|(sum, force)| *sum += force);
            sum
        });
        self.sum = sum;
    }

    /// The forces that act at the present positions, if there are any.
    pub(crate) fn sum(&self) -> Option<&[[f64; 3]]> {
        self.sum.as_deref()
    }

    /// The number of vectors for each bead in memory.
    pub(crate) fn n_vectors(&self) -> usize {
        self.lists().chain(&self.sum).count()
    }

    /// The callback's results at the present positions, without the forces unless `with_forces`.
    pub(crate) fn found(&self, with_forces: bool) -> Option<CallbackForces> {
        let CallbackForces { energy, forces } = self.found.as_ref()?;
        let forces = if with_forces { forces.clone() } else { Vec::new() };
        Some(CallbackForces { energy: energy.clone(), forces })
    }
}

fn is_finite(vector: &[f64; 3]) -> bool {
    vector.iter().all(|x| x.is_finite())
}

/// Refuses a callback together with replica exchange.
pub(crate) fn check_callback(
    dynamics: &Dynamics,
    callback: Option<&dyn ForceCallback>,
) -> Result<()> {
    match (callback, &dynamics.exchange) {
        (Some(_), Some(_)) => Err(Error::unsupported(
            "a force callback together with replica exchange",
            "use one of them",
        )),
        _ => Ok(()),
    }
}
