//! The same operations on the threads and vector units of a CPU, for machines without a GPU.
//!
//! The network runs in f32; positions, distances, priors and the integrators stay in f64, where
//! they cost little. Work is split into pieces that do not depend on the number of threads, and
//! whose results are combined in a fixed order: the same seed gives the same bits on one machine.

mod cfconv;
mod dense;
mod engine;
mod integrate;
mod math;
mod neighbor;
mod network;
mod prior;
mod radial;
mod simd;

pub use engine::Cpu;

use self::dense::{Layer, Mode, double, single};
use self::neighbor::{Pairs, Rows, square};
use self::radial::{Basis, FilterNetwork};
use crate::engine::{Integrator, State};
use crate::error::Result;
use crate::model::RadialBasis;
use crate::model::radial::Cutoff;
use crate::model::schnet::{Linear, SchNet};
use crate::ops::{Dense, Graph, Ops};
use crate::system::System;

/// The operations one by one.
#[derive(Debug, Clone, Copy, Default)]
pub struct CpuOps;

/// A graph's pairs and the filters of one block for them.
struct Convolution {
    pairs: Pairs,
    rows: Rows,
    value: Vec<f32>,
    slope: Vec<f32>,
}

impl Convolution {
    fn new(schnet: &SchNet, block: usize, graph: &Graph, positions: &[[f64; 3]]) -> Self {
        let pairs = Pairs::of_graph(graph, positions);
        let mut rows = Rows::default();
        rows.fill(positions.len(), &pairs.beads);
        let basis = Basis::new(&schnet.radial_basis);
        let envelope = schnet.cutoff.envelope();
        let distances: Vec<f64> = pairs.separation.iter().map(|s| square(*s).sqrt()).collect();
        let radial = basis.radial(&envelope, &distances);
        let zeros = |columns| vec![0.0; pairs.len() * columns];
        let (mut inputs, mut input_slopes) = (zeros(basis.n_rbf()), zeros(basis.n_rbf()));
        basis.evaluate(&radial, &mut inputs, Some(&mut input_slopes), 1);
        let (mut value, mut slope) = (zeros(schnet.n_filters()), zeros(schnet.n_filters()));
        let filters = FilterNetwork::new(schnet, block);
        let slopes = Some((&input_slopes[..], &mut slope[..]));
        filters.evaluate(&radial, &inputs, &mut value, slopes, 1);
        Convolution { pairs, rows, value, slope }
    }
}

impl Ops for CpuOps {
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
        let basis = Basis::new(basis);
        let none = Cutoff::Identity { lower: 0.0, upper: 1.0 }.envelope();
        let mut distance = Vec::with_capacity(graph.col.len());
        for i in 0..graph.n_beads() {
            for &j in &graph.col[graph.row(i)] {
                let separation = neighbor::minus(positions[i], positions[j as usize]);
                distance.push(square(separation).sqrt());
            }
        }
        let radial = basis.radial(&none, &distance);
        let n = distance.len() * basis.n_rbf();
        let (mut value, mut slope) = (vec![0.0; n], vec![0.0; n]);
        basis.evaluate(&radial, &mut value, Some(&mut slope), 1);
        let (value, slope) = (basis.by_pair(&value), basis.by_pair(&slope));
        Ok([distance, double(&value), double(&slope)])
    }

    fn cfconv_forward(
        &self,
        schnet: &SchNet,
        block: usize,
        graph: &Graph,
        positions: &[[f64; 3]],
        y: &[f64],
    ) -> Result<Vec<f64>> {
        let conv = Convolution::new(schnet, block, graph, positions);
        let mut m = vec![0.0; y.len()];
        cfconv::cfconv(&conv.rows, &conv.value, &single(y), &mut m, schnet.n_filters(), 1);
        Ok(double(&m))
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
        let conv = Convolution::new(schnet, block, graph, positions);
        let (y, grad_m) = (single(y), single(grad_m));
        let mut grad_y = vec![0.0; y.len()];
        cfconv::cfconv(&conv.rows, &conv.value, &grad_m, &mut grad_y, schnet.n_filters(), 1);
        let mut slope = vec![0.0; conv.pairs.len()];
        cfconv::pair_slopes(&conv.pairs, &conv.slope, &y, &grad_m, &mut slope, 1);
        let mut forces = vec![[0.0; 3]; positions.len()];
        cfconv::add_forces(&conv.pairs, &slope, &mut forces);
        Ok((double(&grad_y), forces))
    }

    fn dense(&self, layer: &Linear, mode: Dense, x: &[f64]) -> Result<Vec<f64>> {
        let (layer, x) = (Layer::new(layer), single(x));
        let pre = match mode {
            Dense::TransposedSlope(_, pre) => single(pre),
            _ => Vec::new(),
        };
        let (mode, residual) = match mode {
            Dense::Linear => (Mode::Linear, None),
            Dense::Activate(act) => (Mode::Activate(act), None),
            Dense::ActivateAdd(act, residual) => (Mode::Activate(act), Some(residual)),
            Dense::Transposed => (Mode::Transposed, None),
            Dense::TransposedAdd(residual) => (Mode::Transposed, Some(residual)),
            Dense::TransposedSlope(act, _) => (Mode::TransposedSlope(act, &pre), None),
        };
        let (n_x, n_y) = match mode {
            Mode::Linear | Mode::Activate(_) => (layer.n_in, layer.n_out),
            Mode::Transposed | Mode::TransposedSlope(..) => (layer.n_out, layer.n_in),
        };
        let mut y = residual.map_or_else(|| vec![0.0; x.len() / n_x * n_y], single);
        dense::dense(&layer, mode, &x, &mut y, residual.is_some(), 1);
        Ok(double(&y))
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

    fn integrate(
        &self,
        system: &System,
        integrator: Integrator,
        dt: f64,
        beta: &[f64],
        forces: &[[f64; 3]],
        noise: &[[f64; 3]],
        state: &State,
    ) -> Result<State> {
        let mut state = state.clone();
        integrate::begin(system, integrator, dt, beta, forces, noise, &mut state);
        Ok(state)
    }

    fn noise(&self, seed: u64, replica: u32, step: u64, n_beads: usize) -> Result<Vec<[f64; 3]>> {
        let mut noise = vec![[0.0; 3]; n_beads];
        integrate::noise(seed, replica, step, &mut noise);
        Ok(noise)
    }
}
