//! The functions for benches and tests.

use super::GpuBatches;
use crate::engine::{Engine, KernelTime, Probe, Wanted, check_given};
use crate::error::Result;
use crate::structure::check_vectors;

impl Probe for GpuBatches {
    fn advance_with_noise(&mut self, noise: &[[f64; 3]]) -> Result<()> {
        let n_beads = self.system.n_beads();
        check_vectors("noise", noise, n_beads * self.dynamics.mts as usize)?;
        let rows = || noise.chunks_exact(n_beads);
        if !self.host.has_callback() {
            self.each(|batch, engine| {
                let own: Vec<_> = rows().flat_map(|row| batch.of_beads(row)).collect();
                engine.advance_with_noise(&own)
            })?;
            return Ok(());
        }
        self.each(|batch, engine| {
            let own: Vec<_> = rows().flat_map(|row| batch.of_beads(row)).collect();
            engine.take_noise(&own)
        })?;
        let moved = self.advance_with_callback(1);
        self.engines.iter_mut().for_each(|engine| engine.leave_noise());
        moved.and_then(|()| self.read(Wanted::default())).map(|_| ())
    }

    fn exchange_with(&mut self, energies: &[f64], uniforms: &[f64]) -> Result<()> {
        let exchange = self.dynamics.exchange()?.clone();
        let count = self.engines.iter().map(|engine| engine.exchange_count()).max().unwrap_or(0);
        check_given(&exchange, count, self.system.n_replicas(), energies, uniforms)?;
        self.each(|batch, engine| match batch.has_ladders() {
            true => {
                let uniforms = batch.of_tries(&exchange, count, uniforms);
                engine.exchange_with(&batch.of_replicas(energies), &uniforms)
            }
            false => Ok(()),
        })?;
        Ok(())
    }

    fn n_edges(&mut self) -> Result<Vec<u64>> {
        let found = self.each(|_, engine| engine.n_edges())?;
        Ok(self.division.replicas(|b| &found[b]))
    }

    fn profile(&mut self, n_steps: u64) -> Result<Vec<KernelTime>> {
        self.host.check_timed()?;
        let times = self.each(|_, engine| engine.profile(n_steps))?;
        let all = times.into_iter().flatten().enumerate();
        Ok(all.map(|(number, time)| KernelTime { number, ..time }).collect())
    }

    fn list_builds(&mut self) -> Result<Option<u64>> {
        let found = self.each(|_, engine| engine.list_builds())?;
        Ok(found.into_iter().sum())
    }
}
