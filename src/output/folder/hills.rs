//! The free energy that metadynamics estimates.

use std::fmt::Write;

use super::super::names;
use super::Output;
use crate::error::Result;
use crate::hills::Grid;
use crate::io::rewrite;
use crate::metadynamics::Metadynamics;

impl Output {
    /// Replaces `metadynamics_NAME.csv`, which has the values of the variables and
    /// [`Grid::free_energy`] at each node.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for nodes that are not those of the metadynamics;
    /// [`Error::Io`](crate::Error::Io).
    pub fn write_free_energy(&mut self, of: &Metadynamics, nodes: &[[f64; 4]]) -> Result<()> {
        let grid = Grid::with_nodes(of.hills.clone(), nodes.to_vec());
        let grid = grid.map_err(|error| error.of_bias(&of.name))?;
        let mut text = String::new();
        for (k, variable) in of.variables.iter().enumerate() {
            let _ = match variable.unit() {
                "" => write!(text, "value_{k},"),
                unit => write!(text, "value_{k}_{unit},"),
            };
        }
        text += "free_energy_kcal_per_mol\n";
        for (node, free_energy) in grid.free_energy().into_iter().enumerate() {
            for q in &grid.at_node(node)[..of.variables.len()] {
                let _ = write!(text, "{q:.6},");
            }
            let _ = writeln!(text, "{free_energy:.6}");
        }
        rewrite(&self.folder.join(names::of_hills(&of.name)), text.as_bytes())
    }
}
