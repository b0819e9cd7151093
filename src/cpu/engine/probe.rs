//! The interface of the engine for benches and tests.

use super::super::neighbor::Pairs;
use super::Cpu;
use crate::engine::{KernelTime, Probe};
use crate::error::{Error, Result};
use crate::structure::check_vectors;

impl Probe for Cpu {
    fn advance_with_noise(&mut self, noise: &[[f64; 3]]) -> Result<()> {
        check_vectors("noise", noise, self.system.n_beads() * self.dynamics.mts as usize)?;
        self.outer_step(Some(noise))
    }

    fn exchange_with(&mut self, energies: &[f64], uniforms: &[f64]) -> Result<()> {
        self.exchange_states(Some([energies, uniforms]))
    }

    fn n_edges(&mut self) -> Result<Vec<u64>> {
        let Some(network) = &self.network else {
            return Ok(vec![0; self.system.n_replicas()]);
        };
        let mut pairs = Pairs::default();
        let mut counts = Vec::with_capacity(self.system.n_replicas());
        for batch in &mut self.batches {
            for (r, candidates) in batch.replicas.clone().zip(&mut batch.candidates) {
                let positions = &self.state.positions[self.system.beads(r)];
                pairs.clear();
                let found = candidates.within(positions, network.reach(), 0, &mut pairs);
                if let Err(error) = found.and_then(|()| network.check(&pairs)) {
                    return Err(self.locate(error, self.system.first_bead[r]));
                }
                counts.push(2 * pairs.len() as u64);
            }
        }
        Ok(counts)
    }

    fn profile(&mut self, _: u64) -> Result<Vec<KernelTime>> {
        Err(Error::unsupported("timing kernels of the cpu", "time whole steps"))
    }

    fn list_builds(&mut self) -> Result<Option<u64>> {
        Ok(None)
    }
}
