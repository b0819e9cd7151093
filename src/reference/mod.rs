//! The reference backend: it defines the result of every operation, in f64 with plain loops.
//! Filters are exact unless tables are asked for.
//!
//! The other backends are tested against this code, so it must stay simple.

mod cfconv;
mod dense;
mod engine;
mod integrate;
mod neighbor;
mod network;
mod prior;
mod table;

pub use engine::Reference;

use crate::engine::{Dynamics, Engine, Integrator, State};
use crate::error::Result;
use crate::hills::{Grid, ValueAndGradient};
use crate::model::schnet::{Linear, SchNet};
use crate::model::{RadialBasis, filter};
use crate::ops::{Dense, Graph, Ops};
use crate::random::{Stream, normal3};
use crate::system::{Molecule, System};
use crate::variable::Variable;

/// The forces of all priors of a molecule.
pub(crate) fn prior_forces(molecule: &Molecule, positions: &[[f64; 3]]) -> Vec<[f64; 3]> {
    prior::of_molecule(molecule, positions, |_| true).1
}

/// The energy of each prior of a molecule, and the forces of all of them.
pub(crate) fn prior_energies(
    molecule: &Molecule,
    positions: &[[f64; 3]],
) -> (Vec<f64>, Vec<[f64; 3]>) {
    let mut forces = vec![[0.0; 3]; positions.len()];
    let of_term = |term| {
        let mut bead_energy = vec![0.0; positions.len()];
        prior::add_term(term, positions, &mut bead_energy, &mut forces);
        bead_energy.iter().sum()
    };
    (molecule.terms.iter().map(of_term).collect(), forces)
}

/// The operations one by one.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default)]
pub struct ReferenceOps;

impl Ops for ReferenceOps {
    fn neighbor_list(
        &self,
        positions: &[[f64; 3]],
        first_bead: &[usize],
        radius: f64,
    ) -> Result<Graph> {
        Ok(neighbor::neighbor_list(positions, first_bead, radius))
    }

    fn radial_basis(
        &self,
        basis: &RadialBasis,
        graph: &Graph,
        positions: &[[f64; 3]],
    ) -> Result<[Vec<f64>; 3]> {
        let distance = neighbor::distances(graph, positions);
        let (value, slope) = filter::radial_basis(basis, &distance);
        Ok([distance, value, slope])
    }

    fn cfconv_forward(
        &self,
        schnet: &SchNet,
        block: usize,
        graph: &Graph,
        positions: &[[f64; 3]],
        y: &[f64],
    ) -> Result<Vec<f64>> {
        let pairs = neighbor::Pairs::new(graph, positions);
        let filters = filter::filters(schnet, block, &pairs.distance, false);
        Ok(cfconv::cfconv_forward(graph, &pairs, &filters, y))
    }

    fn cfconv_backward(
        &self,
        schnet: &SchNet,
        block: usize,
        graph: &Graph,
        positions: &[[f64; 3]],
        y: &[f64],
        grad_m: &[f64],
    ) -> Result<(Vec<f64>, Vec<[f64; 3]>)> {
        let pairs = neighbor::Pairs::new(graph, positions);
        let filters = filter::filters(schnet, block, &pairs.distance, true);
        Ok(cfconv::cfconv_backward(graph, &pairs, &filters, positions, y, grad_m))
    }

    fn dense(&self, layer: &Linear, mode: Dense, x: &[f64]) -> Result<Vec<f64>> {
        Ok(dense::dense(layer, mode, x))
    }

    fn prior_bonded(
        &self,
        system: &System,
        positions: &[[f64; 3]],
    ) -> Result<(Vec<f64>, Vec<[f64; 3]>)> {
        Ok(prior::of_all_replicas(system, positions, |term| !term.form.is_repulsion()))
    }

    fn prior_repulsion(
        &self,
        system: &System,
        positions: &[[f64; 3]],
    ) -> Result<(Vec<f64>, Vec<[f64; 3]>)> {
        Ok(prior::of_all_replicas(system, positions, |term| term.form.is_repulsion()))
    }

    fn variable(
        &self,
        system: &System,
        variable: &Variable,
        positions: &[[f64; 3]],
    ) -> Result<(Vec<f64>, Vec<[f64; 3]>)> {
        variable.of_all_replicas(system, positions)
    }

    fn hills(
        &self,
        grid: &Grid,
        deposits: &[Vec<[f64; 2]>],
        at: &[[f64; 2]],
    ) -> Result<(Grid, Vec<ValueAndGradient>)> {
        Ok(grid.after(deposits, at))
    }

    fn integrate(
        &self,
        system: &System,
        integrator: Integrator,
        dt: f64,
        forces: &[[f64; 3]],
        noise: &[[f64; 3]],
        state: &State,
    ) -> Result<State> {
        let mut state = state.clone();
        integrate::begin(system, integrator, dt, forces, noise, &mut state);
        Ok(state)
    }

    fn exchange(
        &self,
        system: &System,
        dynamics: &Dynamics,
        energies: &[f64],
        uniforms: &[f64],
        state: &State,
    ) -> Result<State> {
        let mut engine = Reference::new(system.clone(), dynamics)?;
        engine.set_state(state)?;
        engine.probe().exchange_with(energies, uniforms)?;
        engine.state()
    }

    fn noise(&self, seed: u64, replica: u32, step: u64, n_beads: usize) -> Result<Vec<[f64; 3]>> {
        Ok((0..n_beads as u32)
            .map(|bead| normal3(seed, Stream::Noise, replica, step, bead))
            .collect())
    }
}
