//! Which forces on the device are valid for its positions, and which kernels a reading needs.

use super::super::kernel::Dispatch;
use super::super::params::{ALL_TERMS, FAST, Params, SLOW};
use super::super::state::vectors;
use super::super::step::Step;
use crate::engine::{Evaluation, Terms, Wanted};

/// Whether each range of forces is valid for the present positions.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Evaluations {
    /// The fast range holds the sum of all priors, and of the external forces if there are any.
    fast: bool,
    slow: bool,
    has_external: bool,
}

/// The kernels that a reading of energies, and perhaps forces, needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    terms: Terms,
    classes: u32,
    /// `None` if the prior kernels do not run; else whether they start from the external forces.
    fast: Option<bool>,
    /// `None` if the network does not run; else whether its backward pass runs, too.
    slow: Option<bool>,
}

impl Evaluations {
    /// Whether all forces are valid for a step.
    pub(super) fn are_valid(&self) -> bool {
        self.fast && self.slow
    }

    pub(super) fn all_valid(&mut self) {
        (self.fast, self.slow) = (true, true);
    }

    pub(super) fn none_valid(&mut self) {
        (self.fast, self.slow) = (false, false);
    }

    /// The external forces were set or removed.
    pub(super) fn set_external(&mut self, has_external: bool) {
        self.fast &= !has_external && !self.has_external;
        self.has_external = has_external;
    }

    /// The parameters for a step or an exchange.
    pub(super) fn for_steps(&self, params: Params) -> Params {
        let with_external = u32::from(self.has_external);
        Params { term: ALL_TERMS, with_external, classes: FAST | SLOW, ..params }
    }

    /// The plan of a reading; `None` if it wants no energies.
    pub(super) fn plan(&self, wanted: Wanted, has_network: bool) -> Option<Plan> {
        let terms = wanted.energies?;
        let classes = match terms {
            Terms::Total => FAST | SLOW,
            Terms::Network => SLOW,
            Terms::Prior(_) => FAST,
        };
        // Forces that are read must not include the external ones. Energies never include them.
        let with_external = self.has_external && !wanted.forces;
        let fast = match terms {
            Terms::Total if self.fast && with_external == self.has_external => None,
            Terms::Total => Some(with_external),
            Terms::Network => None,
            Terms::Prior(_) => Some(false),
        };
        let wants_slow = classes & SLOW > 0 && has_network && !self.slow;
        Some(Plan { terms, classes, fast, slow: wants_slow.then_some(wanted.forces) })
    }

    /// A plan is about to overwrite forces. They stay invalid if it fails.
    pub(super) fn begun(&mut self, plan: Option<Plan>) {
        let Some(Plan { fast, slow, .. }) = plan else { return };
        self.fast &= fast.is_none();
        self.slow &= slow.is_none();
    }

    /// A plan was carried out, and left the forces that it computed.
    pub(super) fn done(&mut self, plan: Option<Plan>) {
        let Some(Plan { terms, fast, slow, .. }) = plan else { return };
        if let Some(with_external) = fast {
            self.fast = terms == Terms::Total && with_external == self.has_external;
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
            Terms::Prior(k) => k as u32,
            Terms::Total | Terms::Network => ALL_TERMS,
        };
        let with_external = u32::from(self.fast == Some(true));
        Params { term, with_external, classes: self.classes, ..params }
    }

    /// The kernels of the plan. The last one sums the energies.
    pub(super) fn dispatches(self, step: &Step) -> impl Iterator<Item = &Dispatch> {
        let [none, no_pass] = [&[][..], &[][..]];
        // Forces that stay valid must have the bits of a step, which recenters first. One prior
        // alone is not kept and needs no list.
        let stays = self.slow.is_some() || (self.fast.is_some() && self.terms == Terms::Total);
        let neighbors = if stays { &step.neighbors[..] } else { none };
        let fast = if self.fast.is_some() { &step.fast[..] } else { none };
        let forward = if self.slow.is_some() { &step.slow.forward[..] } else { no_pass };
        let backward = if self.slow == Some(true) { &step.slow.backward[..] } else { no_pass };
        let parts = neighbors.iter().chain(fast).chain(forward).chain(backward);
        parts.chain([&step.energy])
    }

    /// The evaluation in the numbers that were read: `energy` as sum and rounding error for each
    /// replica, and `force` with both ranges.
    pub(super) fn evaluation(&self, energy: &[[f32; 2]], force: Option<&[[f32; 4]]>) -> Evaluation {
        let energy = energy.iter().map(|[sum, rest]| f64::from(*sum) + f64::from(*rest)).collect();
        let Some(force) = force else {
            return Evaluation { energy, ..Evaluation::default() };
        };
        let (fast, slow) = force.split_at(force.len() / 2);
        let forces = match self.classes {
            FAST => vectors(fast),
            SLOW => vectors(slow),
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
