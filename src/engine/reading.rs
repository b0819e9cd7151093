//! Readings of an engine.

use std::collections::BTreeMap;

use super::evaluation::{Evaluation, Terms};
use super::exchange::Trace;
use super::host_forces::{CallbackForces, HostForces};
use super::state::{State, Work};
use super::watch::Frozen;
use crate::system::System;
use crate::variable::Variable;

/// The parts of a [`Reading`] to compute and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// The state, without the hills of metadynamics.
    pub state: bool,
    /// [`State::hills`], too. They can be large, and need `state`.
    pub hills: bool,
    /// The energies of the given terms.
    pub energies: Option<Terms>,
    /// Forces and energies of beads of the same terms. They need `energies`.
    pub forces: bool,
    /// The labels after each exchange since the last reading that wanted them.
    pub trace: bool,
    /// The values of the variables of [`Engine::set_observables`](super::Engine::set_observables).
    pub observables: bool,
    /// The values and energies of the biases of [`Engine::set_biases`](super::Engine::set_biases).
    pub biases: bool,
}

impl Wanted {
    /// Whether the biases are evaluated.
    pub(crate) fn has_biases(self) -> bool {
        self.biases || matches!(self.energies, Some(Terms::Bias(_)))
    }
}

/// The results of a reading of the present state.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Reading {
    /// Steps done.
    pub step: u64,
    /// The frozen replicas, as in [`State::frozen`].
    pub frozen: BTreeMap<usize, Frozen>,
    /// The state, if wanted. A state without its hills is not whole: a run does not continue from it.
    pub state: Option<State>,
    /// Energies, forces and energies of beads, each if wanted, else empty. External forces and those
    /// of a callback are not included, and biases only as [`Terms::Bias`].
    pub evaluation: Evaluation,
    /// The results of the force callback, if there is one and energies are wanted; without forces
    /// unless these are wanted.
    pub callback: Option<CallbackForces>,
    /// If wanted, [`Exchanged::label`](super::Exchanged::label) after each exchange since the state was set or the trace was
    /// read, at most the last [`TRACE`](super::TRACE).
    pub trace: Vec<Vec<u32>>,
    /// If wanted, the values of the variables, Å or rad, `[n_variables][n_replicas]`; NaN for a
    /// frozen replica.
    pub observables: Vec<Vec<f64>>,
    /// If wanted, value and energy of each bias, kcal/mol, `[n_biases][n_replicas]`; NaN for a frozen
    /// replica. Behind them those of the metadynamics, with the value of its first variable.
    pub biases: Vec<Vec<[f64; 2]>>,
    /// The value of the second variable of the metadynamics, if there is one and the biases are wanted.
    pub second: Vec<f64>,
    /// [`State::work`], if the biases are wanted.
    pub work: Work,
}

impl Reading {
    /// A reading of an engine whose state is on the host, with an evaluation of the wanted terms.
    pub(crate) fn on_host(
        wanted: Wanted,
        (system, observables): (&System, &[Variable]),
        state: &State,
        evaluation: Evaluation,
        host: &HostForces,
        trace: &mut Trace,
    ) -> Self {
        let callback = wanted.energies.and_then(|_| host.found(wanted.forces));
        let energy = state.without_frozen(evaluation.energy);
        let value = |variable: &Variable, r: usize| match state.is_frozen(r) {
            true => f64::NAN,
            false => variable.value(&state.positions[system.beads(r)]),
        };
        let of_all = |variable| (0..system.n_replicas()).map(|r| value(variable, r)).collect();
        let observables = if wanted.observables { observables } else { &[] };
        let evaluation = match wanted.forces {
            true => Evaluation { energy, ..evaluation },
            false => Evaluation { energy, ..Evaluation::default() },
        };
        Reading {
            step: state.step,
            frozen: state.frozen.clone(),
            state: wanted.state.then(|| State {
                hills: if wanted.hills { host.nodes() } else { Vec::new() },
                ..state.clone()
            }),
            evaluation,
            callback: callback.map(|found| found.without_frozen(&state.frozen)),
            trace: if wanted.trace { trace.take() } else { Vec::new() },
            observables: observables.iter().map(of_all).collect(),
            biases: match wanted.biases {
                true => host.values(system, state),
                false => Vec::new(),
            },
            second: if wanted.biases { host.second(system, state) } else { Vec::new() },
            work: if wanted.biases { state.work.clone() } else { Work::new() },
        }
    }
}
