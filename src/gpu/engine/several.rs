//! Several terms, evaluated in one submission.

use super::super::buffer::{Buffer, Fetch};
use super::super::kernel::record;
use super::GpuEngine;
use super::reading::frozen;
use super::single::Single;
use crate::engine::{Evaluation, Terms, Wanted};
use crate::error::Result;

impl GpuEngine {
    /// Evaluates each of some terms of the potential, and no bias.
    pub(super) fn evaluate_several(
        &mut self,
        terms: &[Terms],
        forces: bool,
    ) -> Result<Vec<Evaluation>> {
        terms.iter().try_for_each(|terms| terms.check(&self.system, 0))?;
        self.complete()?;
        self.make_singles(terms.len(), forces)?;
        loop {
            let mut evaluations = self.evaluations;
            let mut plan = |terms: &Terms| {
                let wanted = Wanted { energies: Some(*terms), forces, ..Wanted::default() };
                let plan = evaluations.plan(wanted, self.network.is_some());
                evaluations.begun(plan);
                evaluations.done(plan);
                plan
            };
            let plans: Vec<_> = terms.iter().filter_map(&mut plan).collect();
            let mut params = self.params;
            for (single, plan) in self.singles.iter().zip(&plans) {
                params = plan.params(params);
                single.params.write(&self.device, &[params])?;
            }
            // Not valid until the kernels have run.
            self.evaluations.none_valid();
            let mut fetch = Fetch::new(&self.device);
            let status = fetch.add(&self.neighbors.status);
            let walkers = fetch.add(self.state.walker());
            let mut slots = Vec::new();
            for (single, plan) in self.singles.iter().zip(&plans) {
                single.params.copy_to(&mut *fetch.commands, &self.state.params);
                record(&mut *fetch.commands, plan.dispatches(self.step()?));
                self.state.energy.copy_to(&mut *fetch.commands, &single.energy);
                let force = single.force.as_ref().filter(|_| forces);
                if let Some(force) = force {
                    self.state.force.copy_to(&mut *fetch.commands, force);
                }
                slots.push((fetch.add(&single.energy), force.map(|force| fetch.add(force))));
            }
            let fetching = fetch.begin()?;
            self.params = params;
            let found = self.fetched(fetching)?;
            self.earlier = None;
            if self.settle_with(&found.take(status))? {
                continue;
            }
            self.evaluations = evaluations;
            let frozen = frozen(&found.take(walkers), self.step_count);
            let of_term = |(plan, (energy, force))| {
                self.evaluation_of(plan, &found, (energy, force), &frozen)
            };
            return Ok(plans.into_iter().zip(slots).map(of_term).collect());
        }
    }

    /// Makes room for the results of `n` terms. Room that is there is used again.
    fn make_singles(&mut self, n: usize, forces: bool) -> Result<()> {
        while self.singles.len() < n {
            self.singles.push(Single::new(&self.device, &self.state)?);
        }
        for single in self.singles[..n].iter_mut().filter(|single| forces && single.force.is_none())
        {
            let force = Buffer::zeroed(&self.device, "force of a term", self.state.force.len)?;
            single.force = Some(force);
        }
        Ok(())
    }
}
