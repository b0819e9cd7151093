//! The energy minimization of structures that are made from sequences.

use super::mapping::Layout;
use super::{Coarse, Options, Prepared, prepare_beads};
use crate::backend::Backend;
use crate::engine::{Dynamics, Minimization, Minimized};
use crate::error::Result;
use crate::model::Model;
use crate::structure::Structure;
use crate::system::System;

/// The number of structures minimized at once.
const BATCH: usize = 64;

impl Prepared {
    /// Minimizes the energy of the priors and the network in each structure. The checks and the
    /// energies are then those of the new positions.
    ///
    /// # Errors
    /// [`crate::Error::Structure`] if the minimum has impossible bonds; errors of the device.
    pub fn minimize(
        self,
        minimization: &Minimization,
        backend: &Backend,
        options: &Options,
        model: &Model,
    ) -> Result<(Self, Vec<Minimized>)> {
        let (mut positions, mut results) = (Vec::new(), Vec::new());
        for batch in self.structures.chunks(BATCH) {
            let system = System::new(self.model(model), batch)?;
            let dynamics = Dynamics::none(&system);
            let mut engine = backend.engine(system.clone(), &dynamics)?;
            engine.set_positions(&concat(batch))?;
            results.extend(engine.minimize(minimization)?);
            let all = engine.state()?.positions;
            positions.extend((0..batch.len()).map(|r| all[system.beads(r)].to_vec()));
        }
        let layout = Layout::new(self.coarse.mapping, &self.coarse.sequences());
        let coarse = Coarse::with_positions(&layout, positions)?;
        Ok((prepare_beads(coarse, options, model)?, results))
    }
}

fn concat(structures: &[Structure]) -> Vec<[f64; 3]> {
    structures.iter().flat_map(|structure| structure.positions.iter().copied()).collect()
}
