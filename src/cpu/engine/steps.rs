//! The steps of the CPU engine.

use super::super::integrate;
use super::Cpu;
use crate::engine::{Integrator, Terms, end_step, hold, watch_bonds};
use crate::error::Result;

impl Cpu {
    /// Makes `total` current. It is computed once per state. `step` is the number of steps done when
    /// the present step ends.
    pub(super) fn update(&mut self, step: u64) -> Result<()> {
        if !self.is_current {
            self.update_forces(step, true)?;
            self.is_current = true;
        }
        Ok(())
    }

    /// Computes energies and forces of the priors, and with `slow` of the network.
    fn update_forces(&mut self, step: u64, slow: bool) -> Result<()> {
        watch_bonds(&self.system, &self.dynamics.watch, step, &mut self.state);
        let mut total = std::mem::take(&mut self.total);
        let found = self.evaluate_terms(Terms::Total, slow, true, &mut total);
        self.total = total;
        found
    }

    /// Does one outer step with random numbers, or with the given ones, `[mts, n_beads]`. An error
    /// leaves the state unchanged.
    pub(super) fn outer_step(&mut self, given: Option<&[[f64; 3]]>) -> Result<()> {
        let step = self.state.step;
        self.update(step)?;
        self.host.update(&mut self.state, step, &self.system.first_bead)?;
        self.start.clone_from(&self.state);
        let moved = self.try_outer_step(given);
        if moved.is_err() {
            std::mem::swap(&mut self.state, &mut self.start);
            self.moved();
        }
        moved
    }

    /// The positions changed.
    pub(super) fn moved(&mut self) {
        self.is_current = false;
        self.host.outdate();
    }

    fn try_outer_step(&mut self, given: Option<&[[f64; 3]]>) -> Result<()> {
        let n_beads = self.system.n_beads();
        for (k, [at_begin, at_end]) in self.dynamics.slow_weights().enumerate() {
            match given {
                Some(noise) => self.noise.copy_from_slice(&noise[k * n_beads..][..n_beads]),
                None => self.draw_noise(),
            }
            let forces = self.total.acting(at_begin, self.host.sum());
            let Cpu { system, dynamics, before, state, noise, .. } = self;
            before.clone_from(state);
            integrate::begin(system, dynamics.integrator, dynamics.dt, &forces, noise, state);
            hold(system, before, state);
            self.moved();
            let step = self.state.step + 1;
            self.update_forces(step, at_end > 0)?;
            self.is_current = at_end > 0;
            let Cpu { system, before, state, host, .. } = self;
            // As on a device, the hills are looked at after the work.
            host.add_work(&before.positions, state, step, &system.first_bead);
            host.update(state, step, &system.first_bead)?;
            let forces = self.total.acting(at_end, self.host.sum());
            let Cpu { system, dynamics, state, total, .. } = self;
            end_step(system, dynamics, (&forces, total, at_end), state);
        }
        self.dynamics.set_temperature(&mut self.state);
        self.host.deposit(&self.state, &self.system.first_bead);
        Ok(())
    }

    fn draw_noise(&mut self) {
        if self.dynamics.integrator == Integrator::Nve {
            return;
        }
        for (r, id) in self.dynamics.replica_ids.iter().enumerate() {
            let noise = &mut self.noise[self.system.beads(r)];
            integrate::noise(self.dynamics.seed, *id, self.state.step, noise);
        }
    }

    pub(super) fn steps(&mut self, n_steps: u64) -> Result<()> {
        (0..n_steps / u64::from(self.dynamics.mts)).try_for_each(|_| self.outer_step(None))
    }
}
