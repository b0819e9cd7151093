//! Which forces on the device are valid for its positions, and which kernels a reading needs.

use super::super::biases::BiasStep;
use super::super::kernel::Dispatch;
use super::super::params::{ALL_TERMS, FAST, Params, SLOW};
use super::super::state::vectors;
use super::super::step::Step;
use crate::engine::{Evaluation, Terms, Wanted};

/// Whether each range of forces is valid for the present positions.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Evaluations {
    /// The fast range holds the sum of all priors.
    fast: bool,
    slow: bool,
    /// The bias range holds the sum of all biases. Without biases the flag has no meaning.
    bias: bool,
}

/// The kernels that a reading of energies, and perhaps forces, needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    terms: Terms,
    classes: u32,
    /// Whether the prior kernels run.
    fast: bool,
    /// `None` if the network does not run; else whether its backward pass runs, too.
    slow: Option<bool>,
}

impl Evaluations {
    /// Whether all forces are valid for a step.
    pub(super) fn are_valid(&self) -> bool {
        self.fast && self.slow && self.bias
    }

    pub(super) fn all_valid(&mut self) {
        (self.fast, self.slow, self.bias) = (true, true, true);
    }

    pub(super) fn none_valid(&mut self) {
        (self.fast, self.slow, self.bias) = (false, false, false);
    }

    /// The states of replicas changed, or the forces of the host.
    pub(super) fn bias_invalid(&mut self) {
        self.bias = false;
    }

    /// The kernels that make all forces valid, if some are not.
    pub(super) fn missing<'a>(&self, step: &'a Step) -> impl Iterator<Item = &'a Dispatch> {
        let only_biases = self.fast && self.slow;
        let all = (!only_biases).then(|| step.forces(true)).into_iter().flatten();
        all.chain(only_biases.then(|| step.biases()).into_iter().flatten())
    }

    /// The parameters for a step or an exchange.
    pub(super) fn for_steps(params: Params) -> Params {
        Params { term: ALL_TERMS, classes: FAST | SLOW, ..params }
    }

    /// The plan of a reading; `None` if it wants no energies.
    pub(super) fn plan(&self, wanted: Wanted, has_network: bool) -> Option<Plan> {
        let terms = wanted.energies?;
        let classes = match terms {
            Terms::Total => FAST | SLOW,
            Terms::Network => SLOW,
            Terms::Prior(_) => FAST,
            Terms::Bias(_) => 0,
        };
        let fast = match terms {
            Terms::Total => !self.fast,
            Terms::Network | Terms::Bias(_) => false,
            Terms::Prior(_) => true,
        };
        let wants_slow = classes & SLOW > 0 && has_network && !self.slow;
        Some(Plan { terms, classes, fast, slow: wants_slow.then_some(wanted.forces) })
    }

    /// A plan is about to overwrite forces. They stay invalid if it fails.
    pub(super) fn begun(&mut self, plan: Option<Plan>) {
        let Some(Plan { terms, fast, slow, .. }) = plan else { return };
        self.bias &= !matches!(terms, Terms::Bias(_));
        self.fast &= !fast;
        self.slow &= slow.is_none();
    }

    /// A plan was carried out, and left the forces that it computed.
    pub(super) fn done(&mut self, plan: Option<Plan>) {
        let Some(Plan { terms, fast, slow, .. }) = plan else { return };
        if fast {
            self.fast = terms == Terms::Total;
        }
        if let Some(back) = slow {
            self.slow = back;
        }
    }
}

impl Plan {
    /// The parameters for the plan.
    pub(super) fn params(&self, params: Params) -> Params {
        let term = match self.terms {
            Terms::Prior(k) | Terms::Bias(k) => k as u32,
            Terms::Total | Terms::Network => ALL_TERMS,
        };
        Params { term, classes: self.classes, ..params }
    }

    /// The kernels of the plan. The last one computes the energies of replicas.
    pub(super) fn dispatches(self, step: &Step) -> impl Iterator<Item = &Dispatch> {
        let [none, no_pass] = [&[][..], &[][..]];
        // Forces that stay valid must have the bits of a step, which recenters first. One prior
        // alone is not kept and needs no list.
        let stays = self.slow.is_some() || (self.fast && self.terms == Terms::Total);
        let neighbors = if stays { &step.neighbors[..] } else { none };
        let fast = if self.fast { &step.fast[..] } else { none };
        let forward = if self.slow.is_some() { &step.slow.forward[..] } else { no_pass };
        let backward = if self.slow == Some(true) { &step.slow.backward[..] } else { no_pass };
        let parts = neighbors.iter().chain(fast).chain(forward).chain(backward);
        let (biases, last) = match (self.terms, &step.bias) {
            // The values of all biases are computed, and last the forces of one.
            (Terms::Bias(k), Some(bias)) => (Some(bias), bias.alone(k)),
            _ => (None, &step.energy),
        };
        parts.chain(biases.into_iter().flat_map(BiasStep::all)).chain([last])
    }

    /// Whether the network is among the terms.
    pub(super) fn has_network(&self) -> bool {
        self.terms.has_network()
    }

    /// The bias whose terms are evaluated.
    pub(super) fn bias(&self) -> Option<usize> {
        match self.terms {
            Terms::Bias(k) => Some(k),
            _ => None,
        }
    }

    /// The evaluation in the numbers that were read: `energy` of each replica, and `force` with all
    /// ranges.
    pub(super) fn evaluation(
        &self,
        energy: Vec<f64>,
        force: Option<&[[f32; 4]]>,
        n_beads: usize,
    ) -> Evaluation {
        let Some(force) = force else {
            return Evaluation { energy, ..Evaluation::default() };
        };
        let (fast, rest) = force.split_at(n_beads);
        let (slow, bias) = rest.split_at(n_beads);
        let forces = match self.classes {
            FAST => vectors(fast),
            SLOW => vectors(slow),
            0 => vectors(bias),
            _ => {
                let both = vectors(fast).into_iter().zip(vectors(slow));
                both.map(|(fast, slow)| std::array::from_fn(|c| fast[c] + slow[c])).collect()
            }
        };
        let of_bead =
            |slow: &[f32; 4]| if self.classes & SLOW > 0 { f64::from(slow[3]) } else { 0.0 };
        Evaluation { energy, forces, bead_energy: slow.iter().map(of_bead).collect() }
    }
}
