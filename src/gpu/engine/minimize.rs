//! Energy minimization on the device.

use std::time::Instant;

use super::super::buffer::Fetch;
use super::super::fire::Fire;
use super::super::kernel::record;
use super::super::params::{Descent, Params, Status, descent};
use super::GpuEngine;
use crate::engine::{Engine, Minimization, Minimized, State, Terms, broken, end_minimization};
use crate::error::Result;

impl GpuEngine {
    /// Minimizes the energy of every replica.
    pub(super) fn minimize_all(&mut self, minimization: &Minimization) -> Result<Vec<Minimized>> {
        minimization.check()?;
        self.host.check_constant()?;
        self.step()?;
        let fire = Fire::new(&self.device, &self.state)?;
        let start = self.state()?;
        let limit = self.params.max_stretch;
        // Long bonds must not raise an alarm, with which a replica has no energy.
        self.write_params(Params { max_stretch: f32::MAX, ..self.params })?;
        let hills = self.hills.take();
        if hills.is_some() {
            self.make_step()?;
        }
        let found = self.descend(&fire, minimization, &start);
        if hills.is_some() {
            self.hills = hills;
            self.make_step()?;
        }
        self.write_params(Params { max_stretch: limit, ..self.params })?;
        let State { velocities, hills, .. } = start.clone();
        let found = found.map(|(end, results)| (State { velocities, hills, ..end }, results));
        end_minimization(&start, found, |state| self.set_state(state))
    }

    /// Minimizes from a state. The velocities at the end are those of the minimization.
    fn descend(
        &mut self,
        fire: &Fire,
        minimization: &Minimization,
        start: &State,
    ) -> Result<(State, Vec<Minimized>)> {
        let before = self.energies(Terms::Total)?;
        let velocities = vec![[0.0; 3]; start.velocities.len()];
        self.set_state(&State { velocities, ..start.clone() })?;
        fire.start(&self.device, minimization, |r| start.is_frozen(r))?;
        let descents = loop {
            let (status, descents) = self.submit_descent(fire)?;
            if self.settle_with(&status)? {
                let mut commands = self.device.api.commands();
                self.state.restore(&mut *commands);
                fire.restore(&mut *commands);
                self.device.submit(commands)?;
            } else if descents.iter().all(|of| of.status != descent::RUNNING) {
                break descents;
            }
        };
        let steps = |of: &Descent| minimization.most_steps - of.steps_left;
        if let Some(r) = descents.iter().position(|of| of.status == descent::BROKEN) {
            let of = &descents[r];
            return Err(broken(self.dynamics.replica_ids[r], of.bead, steps(of)));
        }
        let end = self.state()?;
        let after = self.energies(Terms::Total)?;
        let result = |(r, of): (usize, &Descent)| Minimized {
            steps: steps(of),
            energy_before: before[r],
            energy_after: after[r],
            largest_force: f64::from(of.largest2).sqrt(),
            is_converged: of.status == descent::CONVERGED,
        };
        let results = descents.iter().enumerate().map(result).collect();
        Ok((end, results))
    }

    /// Does some steps of all replicas, as many as a submission should have, and reads the status.
    fn submit_descent(&mut self, fire: &Fire) -> Result<(Vec<Status>, Vec<Descent>)> {
        let mut commands = self.device.api.commands();
        self.state.keep(&mut *commands);
        fire.keep(&mut *commands);
        self.device.submit(commands)?;
        let clock = Instant::now();
        let mut commands = self.start_of_steps()?;
        let step = self.step()?;
        for _ in 0..self.steps_per_submission {
            record(&mut *commands, [&fire.step].into_iter().chain(step.forces(true)));
        }
        self.device.submit(commands)?;
        let mut fetch = Fetch::new(&self.device);
        let status = fetch.add(&self.neighbors.status);
        let descents = fetch.add(&fire.descent);
        let found = fetch.run("minimizing")?;
        self.adapt(clock.elapsed().as_secs_f64());
        Ok((found.take(status), found.take(descents)))
    }
}
