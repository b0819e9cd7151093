//! The functions of the engine for benches and tests.

use super::super::api::Timer;
use super::super::integrate::Ends;
use super::super::kernel::{Dispatch, run};
use super::super::params::Status;
use super::super::state::vec4s;
use super::GpuEngine;
use super::evaluation::Evaluations;
use crate::engine::{KernelTime, Probe, Terms, Wanted};
use crate::error::{Error, Result};
use crate::structure::check_vectors;

impl GpuEngine {
    /// Runs outer steps and times their dispatches. Returns the nanoseconds of each dispatch of an
    /// outer step, summed over these.
    fn time_steps(&mut self, n_steps: u64) -> Result<Vec<f64>> {
        let n_launches = self.step()?.outer_step(None).count();
        if n_steps == 0 {
            return Ok(vec![0.0; n_launches]);
        }
        let mut timer: Box<dyn Timer> = self.device.api.timer(n_launches)?;
        let mut start = Some(self.start_of_steps()?);
        let step = self.step()?;
        let most = (timer.capacity() / n_launches).max(1) as u64;
        let mut sums = vec![0.0; n_launches];
        let mut left = n_steps;
        while left > 0 {
            let steps = left.min(most).min(self.steps_per_submission);
            let mut commands = start.take().unwrap_or_else(|| self.device.api.commands());
            for dispatch in (0..steps).flat_map(|_| step.outer_step(None)) {
                commands.launch_timed(dispatch.launch(), &mut *timer);
            }
            commands.end_timing(&mut *timer);
            self.device.finish(commands, "timing kernels")?;
            for (k, time) in timer.nanoseconds()?.into_iter().enumerate() {
                sums[k % n_launches] += time;
            }
            left -= steps;
        }
        Ok(sums)
    }
}

impl GpuEngine {
    /// The kernels of one outer step, in order.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] for an engine that ran out of memory.
    #[doc(hidden)]
    pub fn kernel_names(&self) -> Result<Vec<&'static str>> {
        Ok(self.step()?.outer_step(None).map(Dispatch::name).collect())
    }

    /// The kernels of [`crate::engine::Engine::energies`] of all terms if no forces are valid, in
    /// order.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] for an engine that ran out of memory.
    #[doc(hidden)]
    pub fn energy_kernel_names(&self) -> Result<Vec<&'static str>> {
        let wanted = Wanted { energies: Some(Terms::Total), ..Wanted::default() };
        let plan = Evaluations::default().plan(wanted, self.network.is_some());
        let dispatches = plan.map(|plan| Ok(plan.dispatches(self.step()?))).transpose()?;
        Ok(dispatches.into_iter().flatten().map(Dispatch::name).collect())
    }

    /// The fast energy of each bead at the last evaluation, kcal/mol.
    pub(in crate::gpu) fn prior_energy(&self) -> Result<Vec<f64>> {
        let force = self.state.force.read(&self.device)?;
        Ok(force[..self.system.n_beads()].iter().map(|force| f64::from(force[3])).collect())
    }

    /// Runs the part of a step before the force evaluation, with given forces and noise.
    pub(in crate::gpu) fn begin_step(
        &mut self,
        forces: &[[f64; 3]],
        noise: &[[f64; 3]],
    ) -> Result<()> {
        self.state.force.write(&self.device, &vec4s(forces))?;
        self.integration.take_noise(&self.device, self.system.n_beads())?;
        self.integration.set_noise(&self.device, noise)?;
        let Ends { steps, .. } =
            self.integration.dispatches(&self.device, &self.state, false, [[1; 2]].into_iter())?;
        self.evaluations.none_valid();
        run(&self.device, steps.iter().map(|[begin, _]| begin))
    }
}

impl GpuEngine {
    /// Makes the next outer step take this noise.
    pub(in crate::gpu) fn take_noise(&mut self, noise: &[[f64; 3]]) -> Result<()> {
        let n = self.system.n_beads() * self.dynamics.mts as usize;
        check_vectors("noise", noise, n)?;
        self.step()?;
        // The buffer holds the noise of one outer step, so no other step may be pending: the host
        // checks the status before and after.
        self.look()?;
        if !self.integration.takes_noise(n) {
            self.integration.take_noise(&self.device, n)?;
            self.make_step()?;
        }
        self.integration.set_noise(&self.device, noise)?;
        self.keep()?;
        let (device, weights) = (&self.device, self.dynamics.slow_weights());
        self.given = Some(self.integration.dispatches(device, &self.state, false, weights)?);
        Ok(())
    }

    /// Makes the next steps draw their noise again.
    pub(in crate::gpu) fn leave_noise(&mut self) {
        self.given = None;
    }
}

impl Probe for GpuEngine {
    fn advance_with_noise(&mut self, noise: &[[f64; 3]]) -> Result<()> {
        self.take_noise(noise)?;
        let moved = match self.host.has_callback() {
            true => self.advance_with_callback(1),
            false => self.submit_steps(u64::from(self.dynamics.mts)),
        };
        let looked = moved.and_then(|()| self.look());
        self.leave_noise();
        looked.map(|_| ())
    }

    fn exchange_with(&mut self, energies: &[f64], uniforms: &[f64]) -> Result<()> {
        self.exchange_given(energies, uniforms)
    }

    fn n_edges(&mut self) -> Result<Vec<u64>> {
        self.update_lists()?;
        let counts = self.neighbors.counts(&self.device, &self.state)?;
        let of_replica = |r| counts[self.system.beads(r)].iter().map(|n| u64::from(*n)).sum();
        Ok((0..self.system.n_replicas()).map(of_replica).collect())
    }

    fn profile(&mut self, n_steps: u64) -> Result<Vec<KernelTime>> {
        self.host.check_timed()?;
        if self.hills.is_some() {
            return Err(Error::unsupported("timing kernels with metadynamics", "time whole steps"));
        }
        self.dynamics.check_steps("steps", n_steps)?;
        let n_outer = n_steps / u64::from(self.dynamics.mts);
        self.look()?;
        self.keep()?;
        let sums = self.time_steps(n_outer);
        if sums.is_err() {
            self.evaluations.none_valid();
        }
        let sums = sums?;
        (self.step_count, self.pending) = (self.step_count + n_steps, n_steps);
        let status = self.look()?;
        let edges = status.iter().map(|status: &Status| u64::from(status.edges)).sum();
        let time = |(number, (dispatch, sum)): (usize, (&Dispatch, f64))| {
            let work = dispatch.work(edges);
            KernelTime {
                kernel: dispatch.name(),
                number,
                microseconds: 1e-3 * sum / n_outer.max(1) as f64,
                bytes: work.bytes,
                flops: work.flops,
            }
        };
        Ok(self.step()?.outer_step(None).zip(sums).enumerate().map(time).collect())
    }

    fn list_builds(&mut self) -> Result<Option<u64>> {
        Ok(Some(self.look()?.iter().map(Status::n_builds).sum()))
    }
}
