//! Energy minimization.

use super::Cpu;
use crate::engine::{Engine, Minimization, Minimized, State, end_minimization, minimize};
use crate::error::Result;

impl Cpu {
    pub(super) fn minimize_all(&mut self, minimization: &Minimization) -> Result<Vec<Minimized>> {
        self.host.check_constant()?;
        let start = State { hills: self.host.take_hills(), ..self.state.clone() };
        let system = self.system.clone();
        let ids = self.dynamics.replica_ids.clone();
        let evaluate = |positions: &[[f64; 3]]| {
            self.state.positions.copy_from_slice(positions);
            self.moved();
            self.update(start.step)?;
            self.host.update(&mut self.state, start.step, &system.first_bead)?;
            let forces = self.total.acting(1, self.host.sum());
            Ok((self.total.energy.clone(), forces))
        };
        let found = minimize((&system, &ids), minimization, &start, evaluate);
        end_minimization(&start, found, |state| self.set_state(state))
    }
}
