//! Energy minimization.

use super::Cpu;
use crate::engine::{Engine, Minimization, Minimized, State, minimize, origins};
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
        let found = found.and_then(|(positions, results)| {
            let origins = origins(&system, &positions);
            self.set_state(&State { positions, origins, ..start.clone() })?;
            Ok(results)
        });
        match found {
            Ok(results) => Ok(results),
            Err(error) => self.set_state(&start).and(Err(error)),
        }
    }
}
