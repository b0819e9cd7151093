//! The exchange of states between replicas.

use super::Cpu;
use crate::engine::{bias_levels, check_given, exchange};
use crate::error::Result;

impl Cpu {
    /// One exchange, with energies and uniform numbers that are given or else computed and drawn.
    pub(super) fn exchange_states(&mut self, given: Option<[&[f64]; 2]>) -> Result<()> {
        let ladders = self.dynamics.exchange()?;
        if let Some([energies, uniforms]) = given {
            let (count, n) = (self.state.exchanged.count, self.system.n_replicas());
            check_given(ladders, count, n, energies, uniforms)?;
        } else {
            self.update(self.state.step)?;
        }
        let computed = self.state.without_frozen(self.total.energy.clone());
        let [energies, uniforms] = given.map_or([&computed[..], &[]], |given| given);
        let Cpu { system, dynamics, state, host, .. } = self;
        let levels = bias_levels(host.biases(), dynamics.exchange()?, system, state);
        exchange(system, dynamics, (energies, &levels), uniforms, state)?;
        host.outdate();
        self.trace.push(&self.state.exchanged.label);
        Ok(())
    }
}
